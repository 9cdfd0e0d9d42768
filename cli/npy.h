/* NumPy's file of one matrix, written row by row. */
#ifndef BERT_CLI_NPY_H
#define BERT_CLI_NPY_H
#include "cli.h"

typedef struct npy npy;
/* type: "<f4", "|i1", "|u1". */
npy *npy_create(const char *path, const char *type, int32_t columns, bert_error *e);
int npy_rows(npy *n, const void *rows, int32_t count, bert_error *e);
int npy_commit(npy *n, bert_error *e); /* frees in every case */
void npy_abort(npy *n);
#endif
