/* A text's one vector, of hidden states that are there already. */
#ifndef BERT_PIPELINES_EMBED_H
#define BERT_PIPELINES_EMBED_H
#include "pipelines/texts.h"

/* What the options and the checkpoint come to. */
typedef struct {
    bert_pooling pooling[BERT_MAX_POOLINGS];
    int poolings;
    bool modules;         /* those of the checkpoint follow */
    bool normalize;       /* a Normalize among them does */
    bool normalize_last;  /* the vector as it is written */
    int32_t pooled, made; /* numbers: after pooling, after the modules */
    int32_t size;         /* written: the first of them */
    int32_t skip_layers;
    bool first; /* only the first token of each sequence matters */
    const char *prompt;
    int32_t prompt_tokens; /* that are not pooled */
} bert_embed_plan;
int bert_embed_plan_make(bert_session *s, const bert_text_options *o, bert_embed_plan *p,
                         bert_error *e);
/* The vectors of a pack's texts go to their places in vectors [all texts, plan->size]. out: what the
 * pack's run gave; NULL: it is run here, for no more than is needed. */
int bert_embed_pack(bert_session *s, const bert_windows *w, const bert_embed_plan *p,
                    const bert_outputs *out, float *vectors, bert_error *e);
#endif
