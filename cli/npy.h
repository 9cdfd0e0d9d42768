/* NumPy's file of one float32 matrix, written row by row. */
#ifndef BERT_CLI_NPY_H
#define BERT_CLI_NPY_H
#include "cli.h"

typedef struct npy npy;
npy *npy_create(const char *path, int32_t columns, bert_error *e);
int npy_rows(npy *n, const float *rows, int32_t count, bert_error *e);
int npy_commit(npy *n, bert_error *e); /* frees in every case */
void npy_abort(npy *n);
#endif
