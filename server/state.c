#include "state.h"
#include "operations.h"

model_set *server_models(server *s) {
    pthread_mutex_lock(&s->lock);
    model_set *set = models_hold(s->models);
    pthread_mutex_unlock(&s->lock);
    return set;
}

/* ---- Memory of answers: a token's vector is 40 times its text, and clients may read slowly */

enum {
    FLOAT_BYTES = 14,
    WORD_BYTES = 32,
    RESULT_BYTES = 3000,
    LABEL_BYTES = 100,
    TOKEN_BYTES = 60
};

static int64_t answer_bytes(const exchange *x) {
    const int64_t n = x->n;
    if (!x->operation) return TOKEN_BYTES * (int64_t)x->n_bytes; /* of tokens, or ids */
    const bert_config *c = bert_model_config(x->model->model);
    switch (x->operation->answers) {
    case ANSWERS_VECTORS:
        return FLOAT_BYTES * n * c->hidden_size;
    case ANSWERS_TOKENS:
        return (FLOAT_BYTES + (int64_t)sizeof(float)) * x->tokens * c->hidden_size;
    case ANSWERS_WORDS:
        return WORD_BYTES * n * c->vocab_size;
    default:
        return LABEL_BYTES * n * (x->model->labels + x->wish.labels_count) +
               RESULT_BYTES * x->results;
    }
}

int answers_reserve(exchange *x) {
    enum { SMALL = 1 << 18 }; /* these are let through */
    server *s = x->server;
    const int64_t bytes = answer_bytes(x);
    const long long others = atomic_fetch_add(&s->answers, bytes);
    x->reserved = bytes;
    if (bytes <= SMALL || !others || others + bytes <= s->options->max_answers) return 0;
    return fault(
        x, FAULT_FULL,
        "answers that are made, or that clients have not read yet, take %lld MB; try again",
        others / 1000000);
}

void answers_settle(exchange *x) {
    const int64_t bytes = (int64_t)x->answer.n;
    atomic_fetch_add(&x->server->answers, bytes - x->reserved);
    x->reserved = bytes;
}

void answers_let_go(server *s, int64_t bytes) {
    atomic_fetch_sub(&s->answers, bytes);
}
