/* Whether the processes of a group would compute the same run: one of another version, with other
 * arguments, weights or rows, or on a processor whose arithmetic gives other bits, would spoil it. */
#ifndef BERT_TRAIN_FINGERPRINT_H
#define BERT_TRAIN_FINGERPRINT_H
#include "train/run.h"

/* Once, before the first step. BERT_EINVAL names the first process that differs from rank 0, and
 * what in. Alone: nothing. */
int bert_fingerprint_check(const bert_trainer *t, bert_error *e);
#endif
