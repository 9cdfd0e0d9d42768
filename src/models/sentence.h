/* sentence-transformers' files beside a checkpoint: how a text's vector is made of its tokens'. */
#ifndef BERT_MODELS_SENTENCE_H
#define BERT_MODELS_SENTENCE_H
#include <bert.h>

typedef struct {
    bert_pooling pooling;      /* BERT_POOLING_DEFAULT: nothing is said */
    bool normalize, lowercase; /* lowercase: whatever the tokenizer does */
    int32_t max_seq_length;    /* 0: nothing is said */
    bert_error refused;        /* set when the files ask for what this library does not do */
} bert_sentence;

/* A directory without these files is fine; malformed ones are an error, and so is memory. What is
 * well-formed but not supported is kept in refused, for those who would use it. */
int bert_sentence_read(const char *directory, bert_sentence *s, bert_error *e);
/* The files to copy when a model is saved elsewhere, relative to the directory; ends with NULL. */
extern const char *const bert_sentence_files[];
#endif
