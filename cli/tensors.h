/* A safetensors file whose tensors grow row by row, in any order. */
#ifndef BERT_CLI_TENSORS_H
#define BERT_CLI_TENSORS_H
#include "cli.h"

typedef struct tensors_file tensors_file;
tensors_file *tensors_create(const char *path, bert_error *e);
/* A new tensor of rows of so many columns (0: it has one dimension): "F32", "I32" or "I64". Its number,
 * or a negative error. */
int tensors_add(tensors_file *t, const char *name, const char *dtype, int32_t columns,
                bert_error *e);
int tensors_put(tensors_file *t, int number, const void *rows, size_t count, bert_error *e);
int64_t tensors_rows(const tensors_file *t, int number);
int tensors_commit(tensors_file *t, bert_error *e); /* frees in every case */
void tensors_abort(tensors_file *t);
#endif
