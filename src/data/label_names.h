/* Names for labels that a file gives as numbers. */
#ifndef BERT_DATA_LABEL_NAMES_H
#define BERT_DATA_LABEL_NAMES_H
#include "models/config.h"

/* from: "a,b,c", or a file: a name a line; JSON of a list, of id2label or label2id (config.json),
 * or of datasets' features (dataset_info.json), where the names of the feature `column` are meant,
 * or NULL: of the only one or of one that is usually the label. A directory: its dataset_info.json
 * or config.json. */
int bert_label_names_read(const char *from, const char *column, bert_labels *out, bert_error *e);
/* card_names.c: those of a column in a data set's card, README.md. 1: it has them; 0; an error. */
int bert_card_names(const char *path, const char *column, bert_labels *out, bert_error *e);
#endif
