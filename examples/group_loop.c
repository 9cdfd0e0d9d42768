/* A training loop of one's own over several processes: gradients go to the owners of the parameters,
 * who add them up in the order of batches and take a step of plain gradient descent, and values come
 * back. So what is printed is the same for any number of processes.
 *
 *     group_loop MODEL TRAIN.csv [EPOCHS]              one process
 *     mpirun -n 2 group_loop MODEL TRAIN.csv [EPOCHS]  several: 1, 2 or 4 */
#include <bert_train.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 4, BATCHES = 4 /* of a step, of all processes together */ };
static const float rate = 0.05f;

typedef struct {
    const bert_group *group;
    bert_params *params;
    int count;
    bert_stretch *stretches; /* [count] one for each parameter */
    float **sums;            /* [count] of gradients; NULL: another process owns it */
    int round;
} work;

static size_t size_of(const bert_param *p) {
    int32_t rows, cols;
    bert_param_shape(p, &rows, &cols);
    return (size_t)rows * (size_t)cols;
}

static int work_new(work *w, bert_model *m, const bert_group *g) {
    *w = (work){.group = g, .params = bert_model_params(m)};
    w->count = bert_params_count(w->params);
    w->stretches = calloc((size_t)w->count, sizeof *w->stretches);
    w->sums = calloc((size_t)w->count, sizeof *w->sums);
    for (int i = 0; i < w->count && w->stretches && w->sums; i++) {
        const size_t n = size_of(bert_params_at(w->params, i));
        w->stretches[i] = (bert_stretch){.owner = i % g->size, .n = n};
        if (i % g->size == g->rank && !(w->sums[i] = malloc(n * sizeof(float)))) return BERT_ENOMEM;
    }
    return w->stretches && w->sums ? BERT_OK : BERT_ENOMEM;
}

static void work_free(work *w) {
    for (int i = 0; i < w->count && w->sums; i++) free(w->sums[i]);
    free(w->stretches);
    free(w->sums);
}

/* A part of a gradient that has come. */
static void add(void *context, int stretch, int rank, size_t first, const float *x, size_t n) {
    const work *w = context;
    float *sum = w->sums[stretch] + first;
    const int first_batch = w->round == 0 && rank == 0;
    for (size_t i = 0; i < n; i++) sum[i] = first_batch ? x[i] : sum[i] + x[i];
}

static int send_gradients(work *w, bert_error *e) {
    for (int i = 0; i < w->count; i++) /* they are read, not written */
        w->stretches[i].data = (float *)(uintptr_t)bert_param_grad(bert_params_at(w->params, i));
    int rc = bert_group_reduce(w->group, w->stretches, w->count, w->group->size, add, w, e);
    if (!rc) rc = bert_group_wait(w->group, e);
    bert_params_zero_grad(w->params);
    return rc;
}

static int update(work *w, bert_error *e) {
    for (int i = 0; i < w->count; i++) {
        float *value = w->stretches[i].data = bert_param_value_mut(bert_params_at(w->params, i));
        for (size_t k = 0; k < w->stretches[i].n && w->sums[i]; k++)
            value[k] -= rate / BATCHES * w->sums[i][k];
    }
    int rc = bert_group_share(w->group, w->stretches, w->count, -1, e);
    return rc ? rc : bert_group_wait(w->group, e);
}

/* Batch number `batch` of the run. */
static int compute(bert_tape *t, bert_model *m, bert_loader *l, int64_t batch, double *loss,
                   bert_error *e) {
    const int64_t n = bert_loader_batches(l);
    bert_batch b;
    if (bert_loader_get(l, batch / n, batch % n, &b, e)) return e->code;
    bert_tape_reset(t);
    bert_tape_set_step(t, (uint64_t)batch); /* each has dropout masks of its own */
    bert_tensor *logits = bert_head_forward(t, m, bert_forward(t, m, &b.inputs), &b);
    bert_tensor *out = bert_head_loss(t, m, logits, &b, 0);
    int rc = bert_tape_backward(t, out, 1, e);
    if (!rc) *loss = (double)*bert_tensor_read(t, out);
    return rc;
}

static int step(work *w, bert_tape *t, bert_model *m, bert_loader *l, int64_t number, double *loss,
                bert_error *e) {
    double losses[BATCHES] = {0};
    const int size = w->group->size;
    for (w->round = 0; w->round < BATCHES / size; w->round++) {
        double *all = losses + w->round * size;
        const int64_t batch = number * BATCHES + w->round * size + w->group->rank;
        int rc = compute(t, m, l, batch, &all[w->group->rank], e);
        rc = bert_group_agree(w->group, rc, e); /* nobody waits for one that has failed */
        if (!rc) rc = bert_group_gather_equal(w->group, all, sizeof *all, e);
        if (!rc) rc = send_gradients(w, e);
        if (rc) return rc;
    }
    *loss = 0;
    for (int i = 0; i < BATCHES; i++) *loss += losses[i] / BATCHES;
    return update(w, e);
}

static int train(const bert_group *g, char **argv, int epochs, bert_error *e) {
    bert_model *base = bert_model_open(argv[1], &(bert_model_options){.head = "none"}, e);
    bert_dataset *set = bert_dataset_open(argv[2], base, NULL, e);
    bert_model *m = bert_dataset_open_model(set, e);
    bert_loader_options lo = {.batch_size = BATCH, .shuffle = true, .seed = 42};
    bert_loader *loader = m ? bert_loader_new(set, &lo, e) : NULL;
    bert_tape *tape = m ? bert_tape_new(NULL, e) : NULL;
    work w = {0};
    int rc = loader && tape ? work_new(&w, m, g) : BERT_EINVAL;
    rc = bert_group_agree(g, rc, e);
    if (!rc) bert_tape_set_mode(tape, true, true);
    const int64_t steps = rc ? 0 : bert_loader_batches(loader) / BATCHES;
    for (int64_t i = 0; i < epochs * steps && !rc; i++) {
        double loss;
        rc = step(&w, tape, m, loader, i, &loss, e);
        if (!rc && !g->rank) printf("step %lld  loss %.9f\n", (long long)i + 1, loss);
    }
    work_free(&w);
    bert_tape_free(tape);
    bert_loader_free(loader);
    bert_model_close(m);
    bert_dataset_free(set);
    bert_model_close(base);
    return rc;
}

int main(int argc, char **argv) {
    bert_error e = {0};
    if (argc < 3 || argc > 4)
        return fprintf(stderr, "usage: [mpirun -n N] %s MODEL TRAIN [EPOCHS]\n", argv[0]), 2;
    const bert_group *g = bert_group_open(NULL, &e);
    int rc = !g;
    if (g && BATCHES % g->size)
        rc = fprintf(stderr, "%s: %d batches of a step, %d processes\n", argv[0], BATCHES, g->size);
    else if (g)
        rc = train(g, argv, argc > 3 ? atoi(argv[3]) : 2, &e);
    if (e.code && (!g || !g->rank)) fprintf(stderr, "%s: %s\n", argv[0], e.message);
    bert_group_close(g);
    return rc != 0;
}
