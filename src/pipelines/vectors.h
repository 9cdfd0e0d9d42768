/* What a pack's hidden states become beside one vector a text. */
#ifndef BERT_PIPELINES_VECTORS_H
#define BERT_PIPELINES_VECTORS_H
#include "pipelines/texts.h"

/* ---- Weights of words */

typedef struct {
    bert_session *s;
    const bert_sparse *how;
    int32_t max_active;
    float *sums; /* [vocab_size] of the text that is read, and as much room behind them */
    bert_sparse_vector *out; /* of all texts, in the session's arena */
} bert_sparse_job;
int bert_sparse_begin(bert_sparse_job *j, bert_session *s, const bert_text_options *o, int32_t n,
                      bert_error *e);
int bert_sparse_pack(bert_sparse_job *j, const bert_windows *w, const bert_outputs *out,
                     bert_error *e);
void bert_sparse_end(bert_sparse_job *j);

/* ---- Vectors of tokens */

typedef struct {
    bert_session *s;
    const bert_multi *how;
    int side;         /* 0: queries; 1: documents */
    int32_t marker;   /* id of the token in front, -1: none */
    int32_t further;  /* id of the tokens that make queries longer */
    bool *skipped;    /* [vocab_size] */
    int32_t size;     /* of a vector */
    char *own_prompt; /* what is in front as text, where it is put together here */
    bert_multi_vector *out;
} bert_multi_job;
/* Sets the prompt of the texts and their limit in *o. */
int bert_multi_begin(bert_multi_job *j, bert_session *s, bert_text_options *o, int32_t n,
                     bert_error *e);
/* bert_texts.edit of a window. */
int bert_multi_edit(bert_multi_job *j, bert_windows *p, bert_error *e);
int bert_multi_pack(bert_multi_job *j, const bert_windows *w, const bert_outputs *out,
                    bert_error *e);
void bert_multi_end(bert_multi_job *j);

/* bert_modules_apply() of rows, by all threads of the session. */
int bert_vectors_apply(bert_session *s, const bert_modules *m, const float *rows, int32_t n,
                       float *out, bert_error *e);
#endif
