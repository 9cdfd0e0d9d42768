/* sentence-transformers' files beside a checkpoint: how a text's vector is made of its tokens'. */
#ifndef BERT_MODELS_SENTENCE_H
#define BERT_MODELS_SENTENCE_H
#include "models/multi.h"
#include "models/sparse.h"
#include <bert.h>
#include <jansson.h>

typedef struct {
    bert_pooling pooling[BERT_MAX_POOLINGS];
    int poolings;           /* 0: nothing is said */
    bool leave_out_prompt;  /* its tokens are not pooled */
    bert_modules modules;   /* behind the pooling */
    bool normalize;         /* one of them does */
    bool lowercase;         /* whatever the tokenizer does */
    int32_t max_seq_length; /* 0: nothing is said */
    int32_t truncate_dim;   /* the same */
    bert_similarity similarity;
    json_t *prompts;        /* name to text; NULL: none */
    const char *prompt;     /* the name of the default one, or NULL */
    json_t *list, *options; /* modules.json, config_sentence_transformers.json; or NULL */
    bool cross_encoder;     /* the files are those of one */
    bert_sparse sparse;     /* weights of words, and */
    bert_multi multi;       /* vectors of tokens, beside or instead of a text's */
    bert_error refused;     /* set when the files ask for what this library does not do */
} bert_sentence;

/* The names that the file with max_seq_length may have; ends with NULL. */
extern const char *const bert_sentence_limits[];
/* A checkpoint without these files is fine; malformed ones are an error, and so is memory. What is
 * well-formed but not there, or not supported, is kept in refused, for those who would use it. */
int bert_sentence_read(const bert_pretrained *from, bert_sentence *s, bert_error *e);
void bert_sentence_free(bert_sentence *s);
/* The text of a prompt: of that name, or of the default one where name is NULL ("": there is none).
 * NULL and an error: no prompt is called so. */
const char *bert_sentence_prompt(const bert_sentence *s, const char *name, const char *where,
                                 bert_error *e);
/* What a cross-encoder does to its score: torch's name of the function, or NULL where neither these
 * files nor config.json say so. */
const char *bert_sentence_activation(const bert_sentence *s, const json_t *config);
#endif
