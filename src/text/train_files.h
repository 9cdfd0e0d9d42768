/* Where trained tokenizers go. */
#ifndef BERT_TEXT_TRAIN_FILES_H
#define BERT_TEXT_TRAIN_FILES_H
#include <bert.h>

/* The directory, with its parents; files of a tokenizer that is there go. */
int bert_tokenizer_directory(const char *directory, bert_error *e);
#endif
