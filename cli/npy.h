/* NumPy's file of one matrix, written row by row. */
#ifndef BERT_CLI_NPY_H
#define BERT_CLI_NPY_H
#include "parted.h"

typedef struct npy npy;
/* type: "<f4", "|i1", "|u1". A collective, as parted_create(). kind:
 * whether each record of the input is a row, or some may be left out. */
npy *npy_create(division *d, const char *path, const char *type, int32_t columns, stream_kind kind,
                bert_error *e);
int npy_rows(npy *n, const void *rows, int32_t count, bert_error *e);
/* As parted_commit(); *rows: how many it has, for rank 0. */
int npy_commit(npy *n, int rc, int64_t *rows, bert_error *e);
void npy_abort(npy *n);
#endif
