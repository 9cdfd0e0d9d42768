#include "train/fingerprint.h"
#include "base/error.h"
#include "data/dataset.h"
#include "tape/tape.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- What is compared */

static uint64_t hash(uint64_t h, const void *data, size_t bytes) {
    const unsigned char *p = data;
    for (; bytes >= 8; p += 8, bytes -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = (h ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        h ^= h >> 29;
    }
    for (; bytes; p++, bytes--) h = (h ^ *p) * UINT64_C(0x100000001B3);
    return h;
}

static int hash_version(const bert_trainer *t, uint64_t *h, bert_error *e) {
    (void)t, (void)e;
    *h = hash(*h, BERT_VERSION, sizeof BERT_VERSION);
    return BERT_OK;
}

/* What says only where files are, or how fast it goes, may differ. */
static bool is_local(const char *name) {
    static const char *const names[] = {"output_dir", "logging_dir", "threads",
                                        "resume_from_checkpoint"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i])) return true;
    return false;
}

static int hash_arguments(const bert_trainer *t, uint64_t *h, bert_error *e) {
    bert_training_arg arg;
    char text[2048];
    (void)e;
    for (int i = 0; bert_training_arg_at(i, &arg); i++) {
        if (is_local(arg.name)) continue;
        bert_training_get(&t->args, arg.name, text, sizeof text);
        *h = hash(*h, text, strlen(text) + 1);
    }
    return BERT_OK;
}

static uint64_t hash_set(uint64_t h, const bert_dataset *d) {
    if (!d) return h;
    h = hash(h, &d->rows, sizeof d->rows);
    for (int i = 0; i < d->columns.n; i++) {
        const bert_column *c = d->columns.at[i];
        h = hash(h, c->name, strlen(c->name) + 1);
        if (c->data) h = hash(h, c->data, bert_column_bytes(c, c->count));
    }
    return h;
}

static int hash_rows(const bert_trainer *t, uint64_t *h, bert_error *e) {
    (void)e;
    for (int32_t i = 0; i < t->task_count; i++)
        *h = hash_set(hash_set(*h, t->tasks[i].train), t->tasks[i].validation);
    return BERT_OK;
}

static int hash_params(const bert_params *ps, uint64_t *h, bert_error *e) {
    for (int i = 0; i < bert_params_count(ps); i++) {
        const bert_param *p = bert_params_at(ps, i);
        const size_t n = bert_param_size(p);
        bert_arena copies = {0};
        const float *value = bert_device_view(ps->device, p->value, n, &copies);
        if (value) *h = hash(*h, value, n * sizeof *value);
        bert_arena_free(&copies);
        if (!value) return bert_fail_memory(e, n * sizeof *value);
    }
    return BERT_OK;
}

static int hash_weights(const bert_trainer *t, uint64_t *h, bert_error *e) {
    return hash_params(bert_model_params(t->model), h, e);
}

/* ---- A step of a small network, of the operations that a BERT has */

enum { WIDTH = 64, ROWS = 96, CLASSES = 5, HEADS = 4 };

typedef struct {
    bert_linear qkv, inner, out;
    bert_layer_norm norm;
    bert_param *words;
} network;

static int make_network(bert_params *ps, network *n, bert_error *e) {
    int rc = bert_linear_new(ps, "qkv", WIDTH, 3 * WIDTH, &n->qkv, e);
    if (!rc) rc = bert_linear_new(ps, "inner", WIDTH, WIDTH, &n->inner, e);
    if (!rc) rc = bert_linear_new(ps, "out", WIDTH, CLASSES, &n->out, e);
    if (!rc) rc = bert_layer_norm_new(ps, "norm", WIDTH, 1e-12f, &n->norm, e);
    if (rc) return rc;
    n->words = bert_param_new(ps, "words", ROWS, WIDTH, BERT_INIT_NORMAL, e);
    return n->words ? BERT_OK : e->code;
}

static bert_tensor *network_loss(bert_tape *t, const network *n) {
    static const int32_t start[] = {0, ROWS / 3, ROWS};
    int32_t ids[ROWS], labels[ROWS];
    for (int32_t i = 0; i < ROWS; i++) ids[i] = i * 7 % ROWS, labels[i] = i * i % CLASSES;
    const bert_attention_spec spec = {.heads = HEADS, .dropout = .1f};
    bert_tensor *x = bert_embedding(t, n->words, ids, ROWS);
    bert_tensor *y = bert_attention(t, bert_linear_apply(t, n->qkv, x), &spec, start, 2);
    x = bert_layer_norm_apply(t, &n->norm, bert_dropout(t, y, .1f), x);
    y = bert_linear_act(t, n->inner, x, BERT_ACT_GELU);
    return bert_cross_entropy(t, bert_linear_apply(t, n->out, bert_activate(t, y, BERT_ACT_TANH)),
                              labels, NULL, 0, 0);
}

static int run_network(const bert_trainer *t, bert_params *ps, uint64_t *h, bert_error *e) {
    network n;
    int rc = make_network(ps, &n, e);
    if (rc) return rc;
    bert_tape_options o = t->tape->options;
    o.threads = 1;
    o.record = o.training = true;
    o.seed = 1;
    bert_tape *tape = bert_tape_new(&o, e);
    bert_optimizer *adamw = tape ? bert_optimizer_new(ps, NULL, 1, e) : NULL;
    bert_tensor *loss = adamw ? network_loss(tape, &n) : NULL;
    double norm = 0;
    rc = adamw ? bert_tape_error(tape, e) : e->code;
    if (!rc) rc = bert_tape_backward(tape, loss, 1, e);
    if (!rc) rc = bert_optimizer_step(adamw, 1e-3, 1, &norm, e);
    *h = hash(*h, &norm, sizeof norm);
    bert_optimizer_free(adamw);
    bert_tape_free(tape);
    return rc ? rc : hash_params(ps, h, e);
}

static int hash_processor(const bert_trainer *t, uint64_t *h, bert_error *e) {
    bert_params *ps =
        bert_params_new_on(bert_model_params(t->model)->device, NULL, true, 1, .05f, e);
    int rc = ps ? run_network(t, ps, h, e) : e->code;
    bert_params_free(ps);
    return rc;
}

/* ---- The comparison */

static const struct {
    const char *what;
    int (*add)(const bert_trainer *t, uint64_t *h, bert_error *e);
} marks[] = {
    {"the version of bert", hash_version},
    {"the arguments", hash_arguments},
    {"the rows of the data", hash_rows},
    {"the weights to begin with", hash_weights},
    {"the processor, whose arithmetic gives other bits", hash_processor},
};
enum { MARKS = sizeof marks / sizeof *marks };

typedef struct {
    uint64_t marks[MARKS];
    char host[64];
} fingerprint;

static int compare(const fingerprint *all, int size, bert_error *e) {
    for (int r = 1; r < size; r++)
        for (int i = 0; i < MARKS; i++)
            if (all[r].marks[i] != all[0].marks[i])
                return bert_fail(e, BERT_EINVAL,
                                 "rank %d on %s differs from rank 0 on %s in %s: they would not "
                                 "train the same model",
                                 r, all[r].host, all[0].host, marks[i].what);
    return BERT_OK;
}

int bert_fingerprint_check(const bert_trainer *t, bert_error *e) {
    const bert_group *g = t->group;
    if (g->size < 2) return BERT_OK;
    fingerprint *all = calloc((size_t)g->size, sizeof *all), *own = all ? &all[g->rank] : NULL;
    int rc = all ? BERT_OK : bert_fail_memory(e, (size_t)g->size * sizeof *all);
    if (own) gethostname(own->host, sizeof own->host - 1);
    for (int i = 0; i < MARKS && !rc; i++) rc = marks[i].add(t, &own->marks[i], e);
    rc = bert_group_agree(g, rc, e);
    if (!rc) rc = bert_group_gather_equal(g, all, sizeof *all, e);
    if (!rc) rc = compare(all, g->size, e);
    free(all);
    return rc;
}
