/* The inside of a session. */
#ifndef BERT_MODELS_SESSION_H
#define BERT_MODELS_SESSION_H
#include "base/arena.h"
#include "models/chunks.h"
#include "models/model.h"
#include <stdatomic.h>

/* Results that live until the next call. */
typedef struct {
    float *data;
    size_t capacity; /* floats */
} bert_buffer_f32;

enum { BERT_LANE_COLUMNS = 8 };

/* What takes a chunk through the layers: all threads together, or one. It may rest between two
 * layers, and go on in another turn of the threads. */
typedef struct {
    bert_tape *tape;
    int32_t failed; /* the chunk that it failed at */
    bert_error error;
    /* the chunk that it is at */
    bool at_work;
    int32_t number;
    bert_session *session;
    const struct bert_trunk_run *run;
    bert_inputs in;
    bert_column columns[BERT_LANE_COLUMNS]; /* its own, of sequences: pixels */
    size_t weights_before; /* attention probabilities of the sequences before it, a layer */
    bert_watch watch;
    bert_trunk_walk walk;
} bert_lane;

struct bert_session {
    atomic_bool cancelled;
    const bert_model *model;
    bert_session_options options;
    bert_lane together;
    bert_lane *apart;                /* one a thread; made when first needed */
    bool packed;                     /* the weights */
    bert_tokenization *tokenization; /* of the tasks; made when first needed */
    bert_arena results;              /* of the latest task */
    bert_image_processor *processor; /* of pictures; read when first needed */
    bert_buffer_f32 hidden, hidden_states, attentions;
    const float **layer_pointers; /* hidden_states [L + 1], then attentions [L] */
    int32_t *starts;              /* [2 capacity] of each chunk, then of first-token rows */
    bert_chunk *chunks;           /* [capacity] */
    size_t sequences_capacity;
};

/* The first token's hidden state of each sequence [n, H], after a run that wanted BERT_SKIP_HIDDEN
 * and nothing else. */
const float *bert_session_first_rows(const bert_session *s);
/* bert_session_run without the last skip_layers layers, which hidden states and attentions of all
 * of them are not wanted with. */
int bert_session_run_part(bert_session *s, const bert_inputs *inputs, unsigned want,
                          int32_t skip_layers, bert_outputs *out, bert_error *e);
/* The head's outputs of the hidden states of the latest run, which wanted them all, for these tokens:
 * as in bert_outputs' logits. */
int bert_session_logits(bert_session *s, const bert_inputs *inputs, bert_outputs *out,
                        bert_error *e);
bert_threads *bert_session_threads(const bert_session *s);
bert_tokenization *bert_session_tokenization(bert_session *s, bert_error *e);
/* BERT_EINTERRUPTED once bert_session_cancel() says so, else 0. */
int bert_session_check(const bert_session *s, bert_error *e);
#endif
