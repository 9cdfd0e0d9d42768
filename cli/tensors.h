/* A safetensors file whose tensors grow row by row, in any order. */
#ifndef BERT_CLI_TENSORS_H
#define BERT_CLI_TENSORS_H
#include "parted.h"

typedef struct tensors_file tensors_file;
/* header: bytes of it, which then is padded and the first tensor goes straight into the file; 0: as
 * many as it needs. A collective, as parted_create(). */
tensors_file *tensors_create(division *d, const char *path, size_t header, bert_error *e);
/* A new tensor of rows of so many columns (0: it has one dimension): "F32", "I32" or "I64". Its number,
 * or a negative error. */
int tensors_add(tensors_file *t, const char *name, const char *dtype, int32_t columns,
                bert_error *e);
/* One that says where texts begin in the rows of tensor `of`: 0, then where each ends. */
int tensors_add_start(tensors_file *t, const char *name, const char *dtype, int of, bert_error *e);
int tensors_put(tensors_file *t, int number, const void *rows, size_t count, bert_error *e);
int tensors_end_text(tensors_file *t, int start, bert_error *e);
/* As parted_commit(). rows [numbers], or NULL: how many each has. */
int tensors_commit(tensors_file *t, int rc, int64_t *rows, bert_error *e);
void tensors_abort(tensors_file *t);
#endif
