/* Time and memory of a training step of a BERT-shaped encoder with a classifier.
 *
 *     bench_training_step [layers hidden heads batch length threads steps checkpointing
 *                          precision]
 *
 * The defaults are BERT-base at 16 x 128. bench/race/training_step.py times PyTorch's. */
#include "tape/tape.h"
#include "train/optimizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MAX_LAYERS = 24, VOCABULARY = 30522, POSITIONS = 512 };
typedef struct {
    bert_linear qkv[3], dense, up, down;
    bert_layer_norm first, second;
} layer;
typedef struct {
    int layers, hidden, heads, batch, length, threads, steps, checkpointing;
    bert_params *ps;
    bert_param *words, *positions, *types;
    bert_layer_norm norm;
    layer layer[MAX_LAYERS];
    bert_linear pooler, out;
    int32_t *ids, *position, *type, *start, *labels;
} net;

static void stop(const bert_error *e) {
    fprintf(stderr, "%s\n", e->message[0] ? e->message : "out of memory");
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void build(net *n) {
    bert_error e = {0};
    int h = n->hidden, rc = 0;
    n->ps = bert_params_new(42, .02f, &e);
    if (!n->ps) stop(&e);
    n->words = bert_param_new(n->ps, "words", VOCABULARY, h, BERT_INIT_NORMAL, &e);
    n->positions = bert_param_new(n->ps, "positions", POSITIONS, h, BERT_INIT_NORMAL, &e);
    n->types = bert_param_new(n->ps, "types", 2, h, BERT_INIT_NORMAL, &e);
    rc |= bert_layer_norm_new(n->ps, "LayerNorm", h, 1e-12f, &n->norm, &e);
    for (int i = 0; i < n->layers; i++) {
        layer *l = &n->layer[i];
        struct {
            const char *name;
            int in, out;
            bert_linear *to;
        } linears[] = {{"q", h, h, &l->qkv[0]},  {"k", h, h, &l->qkv[1]},
                       {"v", h, h, &l->qkv[2]},  {"dense", h, h, &l->dense},
                       {"up", h, 4 * h, &l->up}, {"down", 4 * h, h, &l->down}};
        char name[64];
        for (size_t j = 0; j < sizeof linears / sizeof *linears; j++) {
            snprintf(name, sizeof name, "layer.%d.%s", i, linears[j].name);
            rc |= bert_linear_new(n->ps, name, linears[j].in, linears[j].out, linears[j].to, &e);
        }
        snprintf(name, sizeof name, "layer.%d.first.LayerNorm", i);
        rc |= bert_layer_norm_new(n->ps, name, h, 1e-12f, &l->first, &e);
        snprintf(name, sizeof name, "layer.%d.second.LayerNorm", i);
        rc |= bert_layer_norm_new(n->ps, name, h, 1e-12f, &l->second, &e);
    }
    rc |= bert_linear_new(n->ps, "pooler", h, h, &n->pooler, &e);
    rc |= bert_linear_new(n->ps, "classifier", h, 2, &n->out, &e);
    if (rc || !n->words || !n->positions || !n->types) stop(&e);
    int tokens = n->batch * n->length;
    n->ids = calloc((size_t)tokens, sizeof *n->ids);
    n->position = calloc((size_t)tokens, sizeof *n->position);
    n->type = calloc((size_t)tokens, sizeof *n->type);
    n->start = calloc((size_t)n->batch + 1, sizeof *n->start);
    n->labels = calloc((size_t)n->batch, sizeof *n->labels);
    if (!n->ids || !n->position || !n->type || !n->start || !n->labels) stop(&e);
    for (int i = 0; i < tokens; i++) {
        n->ids[i] = (int32_t)((int64_t)i * 7919 % VOCABULARY);
        n->position[i] = i % n->length;
    }
    for (int i = 0; i <= n->batch; i++) n->start[i] = i * n->length;
    for (int i = 0; i < n->batch; i++) n->labels[i] = i & 1;
}

typedef struct {
    const net *n;
    const layer *l;
} segment;

static bert_tensor *layer_forward(bert_tape *t, const void *context, bert_tensor *x) {
    const net *n = ((const segment *)context)->n;
    const layer *l = ((const segment *)context)->l;
    bert_tensor *a = bert_attention(t, bert_linear_cat(t, l->qkv, 3, x),
                                    &(bert_attention_spec){.heads = n->heads, .dropout = .1f},
                                    n->start, n->batch);
    a = bert_dropout_over(t, bert_linear_apply(t, l->dense, a), .1f);
    x = bert_layer_norm_apply(t, &l->first, a, x);
    bert_tensor *f = bert_feed_forward(t, l->up, BERT_ACT_GELU, l->down, x);
    return bert_layer_norm_apply(t, &l->second, bert_dropout_over(t, f, .1f), x);
}

/* segments: else the operations of all layers are in one chain, for the profile. */
static bert_tensor *forward(bert_tape *t, const net *n, bool segments) {
    int tokens = n->batch * n->length;
    bert_tensor *x = bert_embedding(t, n->words, n->ids, tokens);
    x = bert_embedding_onto(t, x, n->types, n->type);
    x = bert_embedding_onto(t, x, n->positions, n->position);
    x = bert_layer_norm_apply(t, &n->norm, x, NULL);
    x = bert_dropout_over(t, x, .1f);
    for (int i = 0; i < n->layers; i++) {
        segment g = {n, &n->layer[i]};
        x = segments ? bert_checkpoint(t, layer_forward, &g, sizeof g, x) : layer_forward(t, &g, x);
    }
    x = bert_linear_act(t, n->pooler, bert_rows(t, x, n->start, n->batch), BERT_ACT_TANH);
    x = bert_linear_apply(t, n->out, bert_dropout(t, x, .1f));
    return bert_cross_entropy(t, x, n->labels, NULL, 0, 0);
}

/* Seconds in backward of each operation, in the place of bert_tape_backward. */
static void profile(bert_tape *t, bert_tensor *loss) {
    double *seconds = calloc((size_t)bert_ops_count, sizeof *seconds);
    bool add;
    if (!seconds || !bert_grad_open_add(t, loss, &add)) exit(1);
    loss->grad[0] = 1;
    for (bert_node *n = loss->node; n; n = n->previous) {
        if (!n->out->grad) continue;
        double begin = now();
        if (n->op->backward(t, n)) exit(1);
        bert_worker_give(&t->worker, n->out->grad);
        n->out->grad = NULL;
        for (int i = 0; i < bert_ops_count; i++)
            if (bert_ops[i] == n->op) seconds[i] += now() - begin;
    }
    for (int i = 0; i < bert_ops_count; i++)
        if (seconds[i] > 0) printf("  %-14s %8.1f ms\n", bert_ops[i]->name, seconds[i] * 1e3);
    free(seconds);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    static net n = {12, 768, 12, 16, 128, 0, 5, 0, .ps = NULL};
    int *arguments[] = {&n.layers, &n.hidden,  &n.heads, &n.batch,
                        &n.length, &n.threads, &n.steps, &n.checkpointing};
    for (int i = 1; i < argc && i <= 8; i++) *arguments[i - 1] = atoi(argv[i]);
    if (n.layers < 0 || n.layers > MAX_LAYERS || n.length > POSITIONS || n.steps < 1) return 2;
    build(&n);
    bert_error e = {0};
    bert_tape_options o = bert_tape_default();
    o.threads = n.threads;
    o.training = true;
    o.gradient_checkpointing = n.checkpointing;
    if (argc > 9 && bert_precision_parse(argv[9], &o.precision, &e)) stop(&e);
    bert_tape *t = bert_tape_new(&o, &e);
    bert_optimizer *opt = bert_optimizer_new(n.ps, NULL, n.threads, &e);
    double(*times)[4] = calloc((size_t)n.steps, sizeof *times);
    double *column = calloc((size_t)n.steps, sizeof *column);
    if (!t || !opt || !times || !column) stop(&e);
    for (int i = -1; i < n.steps; i++) {
        double a = now();
        bert_tape_reset(t);
        bert_tape_set_step(t, (uint64_t)(i + 1));
        bert_tensor *loss = forward(t, &n, true);
        double b = now();
        if (bert_tape_backward(t, loss, 1, &e)) stop(&e);
        double c = now();
        if (bert_optimizer_step(opt, 1e-5, 1, NULL, &e)) stop(&e);
        double d = now();
        if (i >= 0) memcpy(times[i], (double[]){b - a, c - b, d - c, d - a}, sizeof *times);
    }
    static const char *const names[] = {"forward", "backward", "optimizer", "step"};
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < n.steps; i++) column[i] = times[i][k];
        qsort(column, (size_t)n.steps, sizeof *column, by_value);
        printf("%-10s %8.1f ms (median of %d)\n", names[k], column[n.steps / 2] * 1e3, n.steps);
    }
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("peak memory %ld MB: parameters and gradients %zu, moments %zu, tape %zu\n",
           u.ru_maxrss >> 10, bert_params_bytes(n.ps) >> 20, bert_optimizer_memory(opt) >> 20,
           bert_tape_memory(t) >> 20);
    puts("backward by operation:");
    bert_tape_reset(t);
    bert_tensor *loss = forward(t, &n, false);
    if (bert_tape_error(t, &e)) stop(&e);
    profile(t, loss);
    bert_optimizer_free(opt);
    bert_tape_free(t);
    bert_params_free(n.ps);
    void *rest[] = {times, column, n.ids, n.position, n.type, n.start, n.labels};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) free(rest[i]);
    return 0;
}
