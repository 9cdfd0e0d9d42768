/* Packed copies of weights, which the CPU keeps of those that are not being trained. */
#ifndef BERT_CPU_PACKING_H
#define BERT_CPU_PACKING_H
#include "cpu/right.h"
#include "device/device.h"

/* The right operand W^T (forward, [in, out_0 + out_1 + ...]) or W (backward, [out, in]; count 1) of
 * weights that share their input, packed for a precision; packed on first use, again when a value
 * has changed, shared by threads. For values that are not being trained: a product with a weight
 * that changes every step packs as it goes, and saves a copy of the model. A copy belongs to the
 * first of its weights. */
const bert_packed *bert_weights_packed(const bert_weight *ws, int count, bool transposed,
                                       bert_precision precision, bert_threads *threads,
                                       bert_error *e);
/* Whether this product takes the weights as they lie: the first time, if there are few rows. A
 * process that embeds one sentence packs nothing. */
bool bert_weights_once(const bert_weight *ws, int count, int rows);
/* Balances the int8 products of weights by an example of their input, x [rows, cols]: columns that
 * are large in x and small in the weights get a part of their range over to the weights. For depth
 * k, sqrt(max |x_k| / max |w_k|) (SmoothQuant, arXiv:2211.10438, equation 4, alpha 0.5). */
int bert_weights_balance(const bert_weight *ws, int count, const float *x, int rows,
                         bert_threads *threads, bert_error *e);
/* After a product that took it as it lies. finite: of all its sums. */
void bert_weights_done(const bert_weight *w, bool finite, bert_threads *threads);
void bert_weights_forget(bert_memo *memo);
/* layout, copies and adopt of the device. */
int bert_weights_layout(bert_precision p, char out[BERT_KEPT_LAYOUT], bert_error *e);
int bert_weights_copies(const bert_memo *memo, bert_precision p, bert_kept_fn *each, void *context,
                        bert_error *e);
int bert_weights_adopt(const bert_kept_copy *k, bert_error *e);
#endif
