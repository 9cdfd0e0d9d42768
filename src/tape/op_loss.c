/* Losses: the sum over items, in double, divided by the divisor. Items that do not count give no
 * gradient; where none counts their mean is NaN, as PyTorch has it. */
#include "tape/tape.h"
#include <math.h>
#include <string.h>

enum { IGNORED = -100 };

typedef struct {
    bert_node node;
    int32_t *labels;
    float *weights, *targets;
    float smoothing;
    double divisor;
} loss_node;

/* Sums of chunks of rows or elements, added up in order. */
typedef struct {
    const loss_node *what;
    const float *x;
    float *dx;
    double scale;  /* of dx */
    double *parts; /* [chunks, 2]: loss, items that count */
    size_t cols;
    const struct element_kind *kind;
    bert_threads *threads;
} loss_loop;

static bert_tensor *finish(bert_tape *t, bert_tensor *y, double *parts, size_t chunks,
                           loss_node what) {
    double sum = 0, items = 0;
    for (size_t i = 0; i < chunks; i++) {
        sum += parts[2 * i];
        items += parts[2 * i + 1];
    }
    const bool empty = what.divisor == 0 && !(items > 0);
    if (what.divisor == 0) what.divisor = empty ? 1 : items;
    y->data[0] = empty ? NAN : (float)(sum / what.divisor);
    loss_node *n = (loss_node *)y->node;
    if (!n) return y;
    what.node = n->node;
    *n = what;
    return bert_tape_ready(t, y) ? y : NULL;
}

static bool bad_divisor(bert_tape *t, const bert_op *op, double divisor) {
    if (divisor >= 0 && isfinite(divisor)) return false;
    bert_tape_fail(t, op, BERT_EINVAL, "the divisor is %g", divisor);
    return true;
}

/* ---- cross_entropy */

/* The loss of a row and its gradient: with smoothing s the target is (1 - s) of the label and s
 * spread over all classes; each class's term is multiplied by its weight. */
static double row_loss(const loss_node *n, const float *x, float *p, size_t cols, int32_t label) {
    float lse;
    memcpy(p, x, cols * sizeof *p);
    bert_cpu()->softmax(p, (ptrdiff_t)cols, 1, (int)cols, 1, &lse);
    double w = n->weights ? (double)n->weights[label] : 1, q = (double)p[label];
    /* The probability is exact where the loss is small, the logarithm where it is large. */
    double loss = w * (q > 1e-30 ? -log(q) : (double)lse - (double)x[label]);
    if (n->smoothing == 0) return loss;
    double spread = 0;
    for (size_t c = 0; c < cols; c++)
        spread += (n->weights ? (double)n->weights[c] : 1) * ((double)lse - (double)x[c]);
    return (1 - (double)n->smoothing) * loss + (double)n->smoothing / (double)cols * spread;
}

static void row_gradient(const loss_node *n, float *dx, const float *x, size_t cols, int32_t label,
                         float scale) {
    memcpy(dx, x, cols * sizeof *dx);
    bert_cpu()->softmax(dx, (ptrdiff_t)cols, 1, (int)cols, 1, NULL);
    float w = n->weights ? n->weights[label] : 1, own = (1 - n->smoothing) * w;
    float each = n->smoothing / (float)cols, sum = own;
    for (size_t c = 0; c < cols && n->smoothing != 0; c++)
        sum += each * (n->weights ? n->weights[c] : 1);
    bert_cpu()->scale(dx, dx, sum * scale, cols);
    dx[label] -= own * scale;
    for (size_t c = 0; c < cols && n->smoothing != 0; c++)
        dx[c] -= each * (n->weights ? n->weights[c] : 1) * scale;
}

static void entropy_rows(const void *context, size_t begin, size_t end, int thread) {
    const loss_loop *o = context;
    float *p = bert_threads_scratch(o->threads, thread);
    for (size_t r = begin; r < end; r++) {
        int32_t label = o->what->labels[r];
        double *part = o->parts + 2 * r;
        part[0] = part[1] = 0;
        if (label == IGNORED) continue;
        part[0] = row_loss(o->what, o->x + r * o->cols, p, o->cols, label);
        part[1] = o->what->weights ? (double)o->what->weights[label] : 1;
    }
}

static void entropy_gradient_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const loss_loop *o = context;
    for (size_t r = begin; r < end; r++) {
        int32_t label = o->what->labels[r];
        float *dx = o->dx + r * o->cols;
        if (label == IGNORED)
            memset(dx, 0, o->cols * sizeof *dx);
        else
            row_gradient(o->what, dx, o->x + r * o->cols, o->cols, label, (float)o->scale);
    }
}

static int loss_gradient(bert_tape *t, bert_node *node, size_t n, size_t grain, bert_loop_fn *fn,
                         const struct element_kind *kind) {
    const loss_node *what = (loss_node *)node;
    bert_tensor *x = node->in[0];
    float *dx = bert_grad_open(t, x);
    if (!dx) return BERT_ENOMEM;
    loss_loop o = {.what = what,
                   .x = x->data,
                   .dx = dx,
                   .cols = (size_t)x->cols,
                   .kind = kind,
                   .scale = (double)node->out->grad[0] / what->divisor};
    bert_loop(t->threads, n, grain, fn, &o);
    bert_grad_close(t, x, dx);
    return BERT_OK;
}

static int cross_entropy_backward(bert_tape *t, bert_node *node) {
    const bert_tensor *x = node->in[0];
    return loss_gradient(t, node, (size_t)x->rows, bert_rows_grain((size_t)x->cols),
                         entropy_gradient_rows, NULL);
}

const bert_op bert_op_cross_entropy = {"cross_entropy", cross_entropy_backward};

bert_tensor *bert_cross_entropy(bert_tape *t, bert_tensor *logits, const int32_t *labels,
                                const float *weights, double divisor, float label_smoothing) {
    const bert_op *op = &bert_op_cross_entropy;
    if (!bert_tape_ready(t, logits)) return NULL;
    size_t rows = (size_t)logits->rows, cols = (size_t)logits->cols;
    if (!labels) return bert_tape_fail(t, op, BERT_EINVAL, "there are no labels");
    if (!(label_smoothing >= 0 && label_smoothing <= 1))
        return bert_tape_fail(t, op, BERT_EINVAL, "label_smoothing is %g; it must be in [0, 1]",
                              (double)label_smoothing);
    if (bad_divisor(t, op, divisor)) return NULL;
    for (size_t i = 0; i < rows; i++)
        if (labels[i] != IGNORED && (labels[i] < 0 || labels[i] >= logits->cols))
            return bert_tape_fail(t, op, BERT_EINVAL, "label %zu is %d; there are %d classes", i,
                                  labels[i], logits->cols);
    bert_tensor *y = bert_tape_result(t, op, sizeof(loss_node), 1, 1, (bert_sources){.a = logits});
    loss_node what = {.smoothing = label_smoothing, .divisor = divisor};
    what.labels = bert_tape_copy(t, labels, rows * sizeof *labels);
    if (weights) what.weights = bert_tape_copy(t, weights, cols * sizeof *weights);
    double *parts = bert_tape_alloc(t, rows * 2 * sizeof *parts);
    if (!y || !what.labels || (weights && !what.weights) || !parts) return NULL;
    if (bert_threads_reserve(t->threads, cols * sizeof(float)))
        return bert_tape_fail(t, op, BERT_ENOMEM, "out of memory for a row of %zu", cols);
    bert_loop(
        t->threads, rows, bert_rows_grain(cols), entropy_rows,
        &(loss_loop){
            .what = &what, .x = logits->data, .parts = parts, .cols = cols, .threads = t->threads});
    return finish(t, y, parts, rows, what);
}

/* ---- losses of elements: a loss and its derivative at (x, target) */

struct element_kind {
    const bert_op *op;
    double (*loss)(double x, double target);
    double (*derivative)(double x, double target);
};

static double bce_loss(double x, double target) {
    return (x > 0 ? x : 0) - x * target + log1p(exp(-fabs(x)));
}

static double bce_derivative(double x, double target) {
    double z = exp(-fabs(x));
    return (x > 0 ? 1 : z) / (1 + z) - target;
}

static double mse_loss(double x, double target) {
    return (x - target) * (x - target);
}

static double mse_derivative(double x, double target) {
    return 2 * (x - target);
}

static const struct element_kind bce_kind = {&bert_op_bce_with_logits, bce_loss, bce_derivative};
static const struct element_kind mse_kind = {&bert_op_mse, mse_loss, mse_derivative};

static void element_chunks(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const loss_loop *o = context;
    for (size_t i = begin; i < end;) {
        size_t chunk = i / BERT_ELEMENTS, first = i, stop = (chunk + 1) * BERT_ELEMENTS;
        double sum = 0;
        for (; i < stop && i < end; i++)
            sum += o->kind->loss((double)o->x[i], (double)o->what->targets[i]);
        o->parts[2 * chunk] = sum;
        o->parts[2 * chunk + 1] = (double)(i - first);
    }
}

static void element_gradients(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const loss_loop *o = context;
    for (size_t i = begin; i < end; i++)
        o->dx[i] =
            (float)(o->scale * o->kind->derivative((double)o->x[i], (double)o->what->targets[i]));
}

static bert_tensor *element_loss(bert_tape *t, const struct element_kind *kind, bert_tensor *x,
                                 const float *targets, double divisor) {
    if (!bert_tape_ready(t, x)) return NULL;
    if (!targets) return bert_tape_fail(t, kind->op, BERT_EINVAL, "there are no targets");
    if (bad_divisor(t, kind->op, divisor)) return NULL;
    size_t n = bert_tensor_size(x), chunks = (n + BERT_ELEMENTS - 1) / BERT_ELEMENTS;
    bert_tensor *y = bert_tape_result(t, kind->op, sizeof(loss_node), 1, 1, (bert_sources){.a = x});
    loss_node what = {.divisor = divisor};
    what.targets = bert_tape_copy(t, targets, n * sizeof *targets);
    double *parts = bert_tape_alloc(t, chunks * 2 * sizeof *parts);
    if (!y || !what.targets || !parts) return NULL;
    bert_loop(t->threads, n, BERT_ELEMENTS, element_chunks,
              &(loss_loop){.what = &what, .x = x->data, .parts = parts, .kind = kind});
    return finish(t, y, parts, chunks, what);
}

static int bce_backward(bert_tape *t, bert_node *n) {
    return loss_gradient(t, n, bert_tensor_size(n->in[0]), BERT_ELEMENTS, element_gradients,
                         &bce_kind);
}

static int mse_backward(bert_tape *t, bert_node *n) {
    return loss_gradient(t, n, bert_tensor_size(n->in[0]), BERT_ELEMENTS, element_gradients,
                         &mse_kind);
}

const bert_op bert_op_bce_with_logits = {"bce_with_logits", bce_backward};
const bert_op bert_op_mse = {"mse", mse_backward};

bert_tensor *bert_bce_with_logits(bert_tape *t, bert_tensor *logits, const float *targets,
                                  double divisor) {
    return element_loss(t, &bce_kind, logits, targets, divisor);
}

bert_tensor *bert_mse(bert_tape *t, bert_tensor *x, const float *targets, double divisor) {
    return element_loss(t, &mse_kind, x, targets, divisor);
}
