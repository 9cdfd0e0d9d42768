/* A batch through the layers, chunk by chunk. */
#ifndef BERT_MODELS_BATCH_H
#define BERT_MODELS_BATCH_H
#include "models/session.h"

typedef struct bert_trunk_run {
    const bert_inputs *in;
    unsigned want;       /* BERT_WANT_* */
    int32_t skip_layers; /* of the last ones */
    bool first_rows;     /* only the first token of each sequence leaves the last layer */
    bool keep_turn;      /* more is computed with its result */
    size_t weights;      /* set: attention probabilities of a layer, of all sequences, */
    bool has_turn;       /* and whether the turn of the threads was kept: it is to be ended */
} bert_trunk_run;

/* Fills s->hidden [rows, H] and, where wanted, hidden_states [L + 1, tokens, H] and attentions [L,
 * weights]. */
int bert_session_trunk(bert_session *s, bert_trunk_run *run, bert_error *e);
#endif
