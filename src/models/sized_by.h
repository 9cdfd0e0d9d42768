/* What says how large the pictures of a model are made. */
#ifndef BERT_MODELS_SIZED_BY_H
#define BERT_MODELS_SIZED_BY_H
#include <bert.h>

/* The file's name, or words for that there is none: for messages. */
const char *bert_pictures_sized_by(const bert_model *m);
#endif
