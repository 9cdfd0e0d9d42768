#include "models/attribution.h"
#include "base/error.h"
#include "base/threads.h"
#include "models/pictures.h"
#include "tape/tape.h"
#include <stdlib.h>
#include <string.h>

enum { USUAL_TOKENS = 1024 };

struct bert_attributor {
    const bert_model *model;
    bert_tape *tape;
    bool worked; /* it has had a turn of the threads */
};

bert_attributor *bert_attributor_new(const bert_model *m, bert_precision precision,
                                     bert_threads *threads, bert_error *e) {
    if (bert_packed_refuse(&m->weights.packed, "explained by gradients", e)) return NULL;
    if (precision == BERT_PRECISION_INT8) {
        bert_fail(
            e, BERT_EUNSUPPORTED,
            "products of int8 have no gradients: explain at another precision (highest), or by "
            "attention or rollout");
        return NULL;
    }
    bert_attributor *a = calloc(1, sizeof *a);
    if (!a) {
        bert_fail_memory(e, sizeof *a);
        return NULL;
    }
    a->model = m;
    bert_tape_options o = bert_tape_default();
    o.device = m->params->device;
    o.threads = threads ? 1 : 0;
    o.precision = precision;
    a->tape = bert_tape_new(&o, e);
    if (a->tape && threads) bert_tape_use_threads(a->tape, threads);
    if (a->tape) {
        a->tape->constants_only = true;
        return a;
    }
    free(a);
    return NULL;
}

void bert_attributor_free(bert_attributor *a) {
    if (!a) return;
    bert_tape_free(a->tape);
    free(a);
}

static void begin_turn(bert_attributor *a) {
    bert_threads_begin(a->tape->threads, a->worked);
    a->worked = true;
    bert_tape_reset(a->tape);
}

/* ---- What words and patches are to the model */

static bert_tensor *look_up(bert_attributor *a, const bert_inputs *in, bert_error *e) {
    const bert_model *m = a->model;
    bert_pictures p;
    if (m->trunk.words) return bert_embedding(a->tape, m->trunk.words, in->ids, in->start[in->n]);
    if (bert_pictures_of(&m->config, in, &p, e)) return NULL;
    return bert_picture_patches(a->tape, &m->config, &p);
}

static int copy_leaves(bert_attributor *a, bert_tensor *x, bert_leaves *out, bert_error *e) {
    const size_t n = bert_tensor_size(x);
    *out = (bert_leaves){.rows = x->rows, .cols = x->cols, .x = malloc(n * sizeof(float))};
    if (!out->x) return bert_fail_memory(e, n * sizeof(float));
    bert_tensor_copy(a->tape, x, out->x);
    return 0;
}

int bert_leaves_of(bert_attributor *a, const bert_inputs *in, bert_leaves *out, bert_error *e) {
    *out = (bert_leaves){0};
    int rc = bert_inputs_check(a->model, in, e);
    if (rc) return rc;
    begin_turn(a);
    bert_tape_set_mode(a->tape, false, false);
    bert_tensor *x = look_up(a, in, e);
    rc = x ? copy_leaves(a, x, out, e) : e->code ? e->code : bert_tape_error(a->tape, e);
    bert_threads_end(a->tape->threads);
    return rc;
}

/* ---- Copies of an example, one for each point of the line */

typedef struct {
    bert_attributor *a;
    const bert_output_at *output;
    const bert_line *line;
    double *sum; /* [rows, cols] of weighted gradients */
    double *ends;
    bert_error *e;
} job;

/* n points of the line, from the first on. */
typedef struct {
    int32_t first, n;
    const double *at, *weight;
} points;

/* [n, bytes] of data [bytes]; NULL where there are none. */
static void *repeat(bert_tape *t, const void *data, size_t bytes, int32_t n) {
    char *all = data ? bert_tape_alloc(t, bytes * (size_t)n) : NULL;
    for (int32_t i = 0; all && i < n; i++) memcpy(all + (size_t)i * bytes, data, bytes);
    return all;
}

/* Both types of numbers have four bytes. */
static bert_column *repeat_columns(bert_tape *t, const bert_inputs *in, int32_t n) {
    bert_column *all = bert_tape_copy(t, in->columns, (size_t)in->column_count * sizeof *all);
    for (int32_t i = 0; all && i < in->column_count; i++) {
        bert_column *c = &all[i];
        c->data = repeat(t, c->data, (size_t)c->count * (size_t)c->width * 4, n);
        c->count *= n;
    }
    return all;
}

/* start, or numbers of tokens, of each copy behind those of the one before. */
static int32_t *shifted(bert_tape *t, const int32_t *from, int32_t count, int32_t by, int32_t n) {
    int32_t *all = bert_tape_alloc(t, ((size_t)count * (size_t)n + 1) * sizeof *all);
    for (int32_t i = 0; all && i < count * n; i++) all[i] = from[i % count] + i / count * by;
    if (all) all[(size_t)count * (size_t)n] = by * n;
    return all;
}

static bert_batch copies(bert_tape *t, const bert_inputs *in, int32_t n) {
    const int32_t tokens = in->start[in->n], zero = 0;
    const size_t bytes = (size_t)tokens * sizeof(int32_t);
    bert_batch b = {.inputs = {.n = in->n * n,
                               .start = shifted(t, in->start, in->n, tokens, n),
                               .ids = repeat(t, in->ids, bytes, n),
                               .type_ids = repeat(t, in->type_ids, bytes, n),
                               .logit_tokens_count = in->logit_tokens_count * n,
                               .column_count = in->column_count},
                    .row_count = n,
                    .row_sequences = in->n,
                    .row_start = shifted(t, &zero, 1, in->n, n)};
    if (in->logit_tokens)
        b.inputs.logit_tokens = shifted(t, in->logit_tokens, in->logit_tokens_count, tokens, n);
    if (in->column_count) b.inputs.columns = repeat_columns(t, in, n);
    return b;
}

/* base + at * (x - base), a copy below another. */
static bert_tensor *leaves_at(const job *j, const points *p) {
    bert_tape *t = j->a->tape;
    const bert_leaves *x = j->line->x;
    const size_t size = (size_t)x->rows * (size_t)x->cols;
    float *all = bert_tape_alloc(t, size * (size_t)p->n * sizeof *all), *to = all;
    for (int32_t i = 0; all && i < p->n; i++, to += size) {
        const float at = (float)p->at[i];
        for (size_t k = 0; k < size; k++) {
            const float base = j->line->base ? j->line->base[k] : 0;
            to[k] = base + at * (x->x[k] - base);
        }
    }
    return all ? bert_constant(t, all, x->rows * p->n, x->cols, true) : NULL;
}

/* The sum of what is explained over all copies; and each copy's in outputs. */
static bert_tensor *outputs_of(const job *j, const points *p, bert_tensor *logits,
                               double *outputs) {
    bert_tape *t = j->a->tape;
    if (!logits) return NULL;
    const int32_t rows = logits->rows / p->n, cols = logits->cols;
    float *ones = bert_tape_alloc(t, bert_tensor_size(logits) * sizeof *ones);
    const float *z = bert_tensor_read(t, logits);
    if (!ones || !z) return NULL;
    memset(ones, 0, bert_tensor_size(logits) * sizeof *ones);
    for (int32_t i = 0; i < p->n; i++) {
        outputs[i] = 0;
        for (int k = 0; k < j->output->count; k++) {
            const bert_logit at = j->output->logits[k];
            if (logits->rows % p->n || at.row >= rows || at.col >= cols)
                return bert_tape_set_error(
                    t, BERT_EUNSUPPORTED,
                    "the head (%s) gives %d x %d logits for %d examples: it cannot be explained",
                    bert_model_head(j->a->model), logits->rows, cols, p->n);
            const size_t where = (size_t)(i * rows + at.row) * (size_t)cols + (size_t)at.col;
            ones[where] = 1;
            outputs[i] += (double)z[where];
        }
    }
    bert_tensor *chosen = bert_constant(t, ones, logits->rows, cols, false);
    return bert_sum(t, bert_mul(t, logits, chosen));
}

/* Adds what the points have; weights of 0 are of the ends. */
static int add_gradients(const job *j, const points *p, bert_tensor *leaves,
                         const double *outputs) {
    const float *g = bert_tensor_read_grad(j->a->tape, leaves);
    const size_t size = (size_t)j->line->x->rows * (size_t)j->line->x->cols;
    for (int32_t i = 0; i < p->n; i++) {
        const double weight = p->weight[i];
        if (j->ends && p->first + i < 2) j->ends[p->first + i] = outputs[i];
        for (size_t k = 0; g && weight != 0 && k < size; k++) /* NULL: the output is constant */
            j->sum[k] += weight * (double)g[(size_t)i * size + k];
    }
    return bert_tape_error(j->a->tape, j->e);
}

static int run(const job *j, const points *p) {
    bert_tape *t = j->a->tape;
    begin_turn(j->a);
    bert_tape_set_mode(t, true, false);
    bert_batch b = copies(t, j->output->in, p->n);
    bert_tensor *leaves = b.inputs.embeds = leaves_at(j, p);
    double *outputs = bert_tape_alloc(t, (size_t)p->n * sizeof *outputs);
    bert_tensor *hidden = leaves ? bert_forward(t, j->a->model, &b.inputs) : NULL;
    bert_tensor *y = NULL;
    if (hidden && outputs)
        y = outputs_of(j, p, bert_head_forward(t, j->a->model, hidden, &b), outputs);
    int rc = y ? 0 : bert_tape_error(t, j->e);
    if (!rc) rc = bert_tape_backward(t, y, 1, j->e);
    if (!rc) rc = add_gradients(j, p, leaves, outputs);
    bert_threads_end(t->threads);
    return rc;
}

int bert_attributor_logits(bert_attributor *a, const bert_inputs *in, float **logits, int32_t *rows,
                           int32_t *cols, bert_error *e) {
    bert_tape *t = a->tape;
    bert_leaves all = {0};
    begin_turn(a);
    bert_tape_set_mode(t, false, false);
    const bert_batch b = copies(t, in, 1);
    bert_tensor *hidden = bert_forward(t, a->model, &b.inputs);
    bert_tensor *z = hidden ? bert_head_forward(t, a->model, hidden, &b) : NULL;
    int rc = z ? copy_leaves(a, z, &all, e) : bert_tape_error(t, e);
    bert_threads_end(t->threads);
    *logits = all.x;
    *rows = all.rows;
    *cols = all.cols;
    return rc;
}

/* ---- The line */

static int walk(const job *j, const double *at, const double *weight, int32_t n) {
    const bert_line *l = j->line;
    const int32_t tokens = j->output->in->start[j->output->in->n];
    const int32_t most = (l->batch_tokens > 0 ? l->batch_tokens : USUAL_TOKENS) / tokens;
    int rc = 0;
    for (int32_t i = 0; i < n && !rc; i += most > 1 ? most : 1) {
        points p = {i, most > 1 ? most : 1, at + i, weight + i};
        if (p.n > n - i) p.n = n - i;
        rc = l->check ? l->check(l->context, j->e) : 0;
        if (!rc) rc = run(j, &p);
    }
    return rc;
}

static void add_columns(const job *j, double *scores) {
    const bert_leaves *x = j->line->x;
    for (int32_t r = 0; r < x->rows; r++) {
        scores[r] = 0;
        for (int32_t c = 0; c < x->cols; c++) {
            const size_t k = (size_t)r * (size_t)x->cols + (size_t)c;
            const double base = j->line->base ? (double)j->line->base[k] : 0;
            scores[r] += ((double)x->x[k] - base) * j->sum[k];
        }
    }
}

int bert_attribute(bert_attributor *a, const bert_output_at *output, const bert_line *line,
                   double *scores, double ends[2], bert_error *e) {
    const size_t size = (size_t)line->x->rows * (size_t)line->x->cols, before = ends ? 2 : 0,
                 n = (size_t)line->n + before;
    double *sum = calloc(size + 2 * n, sizeof *sum), *at = sum ? sum + size : NULL;
    if (!sum) return bert_fail_memory(e, (size + 2 * n) * sizeof *sum);
    /* The ends are points of no weight. */
    if (ends) at[0] = 1;
    memcpy(at + before, line->at, (size_t)line->n * sizeof *at);
    memcpy(at + n + before, line->weight, (size_t)line->n * sizeof *at);
    const job j = {a, output, line, sum, ends, e};
    int rc = walk(&j, at, at + n, (int32_t)n);
    if (!rc) add_columns(&j, scores);
    free(sum);
    return rc;
}
