/* tokenizer_class: what a checkpoint's tokenizer is, whatever its files look like. */
#ifndef BERT_TEXT_TOKENIZER_CLASS_H
#define BERT_TEXT_TOKENIZER_CLASS_H
#include "text/piece_layout.h"
#include "text/tokenizer.h"
#include <jansson.h>

/* What a tokenizer is read from. */
typedef enum {
    BERT_FROM_JSON,   /* tokenizer.json */
    BERT_FROM_LINES,  /* vocab.txt */
    BERT_FROM_MERGES, /* vocab.json and merges.txt */
    BERT_FROM_PIECES, /* a SentencePiece file */
    BERT_FROMS
} bert_from;

/* What transformers' tokenizers of a family have where no tokenizer.json says it. */
typedef struct {
    const char *class_name, *model_type; /* config.json's, where nothing names the class */
    bert_from from;
    const char *file; /* the name that it usually has */
    const char *names[BERT_SPECIALS];
    bert_spm_layout pieces;
    bert_post post;
    bool trims;            /* offsets are without the spaces of their tokens */
    bool mask_takes_space; /* the mask's name has the space before it (lstrip) */
    bool letters;          /* every line of the vocabulary is a token wherever the text has it */
} bert_tokenizer_family;

/* The family of a tokenizer that is read from `path`. config: tokenizer_config.json, model:
 * config.json, where an older checkpoint names the class; either may be NULL. A tokenizer.json says
 * everything but what a class does in code. NULL: BERT_EUNSUPPORTED names the class. */
const bert_tokenizer_family *bert_tokenizer_family_of(const json_t *config, const json_t *model,
                                                      bert_from from, const char *path,
                                                      bert_error *e);
#endif
