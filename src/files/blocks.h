/* The blocks of llama.cpp's quantised types. */
#ifndef BERT_FILES_BLOCKS_H
#define BERT_FILES_BLOCKS_H
#include <stddef.h>

/* n numbers, of whole blocks, as float32: to the bit what gguf's numpy code makes of them. */
typedef void bert_block_fn(const unsigned char *p, size_t n, float *out);
bert_block_fn bert_from_q8_0, bert_from_q4_0, bert_from_q4_1, bert_from_q5_0, bert_from_q5_1,
    bert_from_q2_k, bert_from_q3_k, bert_from_q4_k, bert_from_q5_k, bert_from_q6_k;
#endif
