/* A family as llama.cpp has it: what its file adds to what all of them have. */
#ifndef BERT_MODELS_GGUF_FORM_H
#define BERT_MODELS_GGUF_FORM_H
#include "files/gguf_names.h"
#include "files/gguf_write.h"
#include <bert.h>

typedef struct bert_gguf_form {
    const char *architecture;
    bert_gguf_family names; /* whose names its tensors have there */
    bool offset;            /* positions begin behind the padding id */
    bool classifier;        /* may have one, with the layer in front of it */
    const char *act;        /* what it computes, as hidden_act says it */
    const char *bpe;        /* what llama.cpp calls its byte-level BPE */
    /* Keys of its own, from the family's own configuration; an error where llama.cpp could not be
     * told. NULL: none. */
    int (*put)(const bert_config *c, const void *own, const char *where, bert_gguf_keys *k,
               bert_error *e);
} bert_gguf_form;
/* BERT, and RoBERTa under all its names. */
extern const bert_gguf_form bert_gguf_form_bert, bert_gguf_form_roberta;
#endif
