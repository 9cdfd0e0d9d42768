/* What an int8 product loses it loses where a few columns of its input are far larger than the
 * rest, as some of every BERT's are, whatever the text. One pass over tokens from all over the
 * vocabulary, in a better precision, shows which: no text's result depends on another text. */
#include "base/error.h"
#include "models/model.h"
#include "models/pictures.h"
#include "tape/tape.h"

enum { EXAMPLE_TOKENS = 64 };

static void pass_tokens(bert_tape *t, const bert_model *m) {
    int32_t ids[EXAMPLE_TOKENS];
    const int32_t limit = bert_model_max_length(m);
    const int32_t start[] = {0, limit < EXAMPLE_TOKENS ? limit : EXAMPLE_TOKENS};
    for (int32_t i = 0; i < EXAMPLE_TOKENS; i++)
        ids[i] = (int32_t)((int64_t)i * 7919 % m->config.vocab_size);
    const bert_inputs in = {.n = 1, .start = start, .ids = ids};
    bert_trunk_forward(t, &m->trunk, &in, NULL);
}

/* Waves of several lengths, which stand for edges and areas, between -1 and 1. */
static void pass_pictures(bert_tape *t, const bert_model *m) {
    const bert_config *c = &m->config;
    const int32_t start[] = {0, bert_model_max_length(m)}, h = c->image_height, w = c->image_width;
    const size_t all = (size_t)c->num_channels * (size_t)h * (size_t)w;
    float *pixels = bert_tape_alloc(t, all * sizeof *pixels);
    for (size_t i = 0; pixels && i < all; i++) {
        const size_t x = i % (size_t)w, y = i / (size_t)w % (size_t)h,
                     k = i / (size_t)w / (size_t)h;
        const size_t period = 2 + (x / 16 + y / 16 * 3) % 13;
        pixels[i] = (float)((x + y * (1 + k) + x * y / 16) % period) / (float)(period - 1) * 2 - 1;
    }
    if (!pixels) return;
    const bert_column column = {.name = BERT_PIXELS,
                                .type = BERT_COLUMN_FLOAT32,
                                .per = BERT_PER_SEQUENCE,
                                .width = (int32_t)all,
                                .count = 1,
                                .data = pixels};
    const bert_inputs in = {.n = 1, .start = start, .columns = &column, .column_count = 1};
    bert_trunk_forward(t, &m->trunk, &in, NULL);
}

/* How the example goes through. */
typedef struct {
    bert_precision precision;
    bool balancing; /* linears learn from it how their int8 products are balanced */
    bool packing;   /* the device keeps packed copies, as if more rows came */
} example;

static int pass(const bert_model *m, const example *x, int threads, bert_error *e) {
    const bert_config *c = &m->config;
    bert_tape_options o = bert_tape_default();
    o.threads = threads;
    o.device = m->params->device;
    o.precision = x->precision;
    o.record = false;
    bert_tape *t = bert_tape_new(&o, e);
    if (!t) return BERT_ENOMEM;
    t->worker.balancing = x->balancing;
    t->returns = x->packing;
    if (bert_config_takes_pictures(c))
        pass_pictures(t, m);
    else
        pass_tokens(t, m);
    int rc = bert_tape_error(t, e);
    bert_tape_free(t);
    bert_params_unused(m->params);
    return rc;
}

static int balance(const bert_model *m, int threads, bert_error *e) {
    const example x = {.precision = BERT_PRECISION_MEDIUM, .balancing = true};
    return pass(m, &x, threads, e);
}

int bert_model_pack(const bert_model *m, bert_precision p, bert_error *e) {
    const example x = {.precision = p, .packing = true};
    int rc = p == BERT_PRECISION_INT8 ? bert_model_balance(m, 0, e) : 0;
    return rc ? rc : pass(m, &x, 0, e);
}

int bert_model_balance(const bert_model *m, int threads, bert_error *e) {
    bert_params *ps = m->params;
    pthread_mutex_lock(&ps->balancing);
    int rc = ps->balanced ? BERT_OK : balance(m, threads, e);
    ps->balanced |= !rc;
    pthread_mutex_unlock(&ps->balancing);
    return rc;
}
