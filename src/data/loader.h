/* A loader whose batches are any number of rows, over the ends of epochs: for those who mix several
 * datasets. */
#ifndef BERT_DATA_LOADER_H
#define BERT_DATA_LOADER_H
#include <bert_train.h>

/* batch_size: the most rows of a batch; drop_last is not looked at. */
bert_loader *bert_loader_new_endless(const bert_dataset *d, const bert_loader_options *options,
                                     bert_error *e);
/* n rows from `place` on, which counts rows since the beginning of epoch 0. What the task draws by
 * chance is that of the first row's epoch. */
int bert_loader_take(bert_loader *l, int64_t place, int32_t n, bert_batch *out, bert_error *e);
#endif
