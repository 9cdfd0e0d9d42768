#include "train/optimizer.h"
#include "base/error.h"
#include "tape/loops.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A stretch of one parameter: what a thread takes at a time. */
typedef struct {
    int param;
    size_t first, n;
} piece;
enum { PIECE = 1 << 14 };

struct bert_optimizer {
    bert_params *ps;
    bert_adamw_options options;
    bert_threads *threads;
    bert_adamw_state *states; /* [count]; m NULL: none yet */
    int count;
    piece *pieces; /* of every parameter in order */
    double *sums;  /* [pieces] of squares */
    size_t pieces_count;
    bert_arena moments;
};

bert_adamw_options bert_adamw_default(void) {
    return (bert_adamw_options){.beta1 = .9, .beta2 = .999, .eps = 1e-8};
}

/* Makes room for parameters that were created since the last call. */
static int catch_up(bert_optimizer *o, bert_error *e) {
    int count = bert_params_count(o->ps);
    if (count == o->count) return BERT_OK;
    size_t n = 0;
    for (int i = 0; i < count; i++)
        n += (bert_param_size(bert_params_at(o->ps, i)) + PIECE - 1) / PIECE;
    bert_adamw_state *states = realloc(o->states, (size_t)count * sizeof *states);
    if (states) o->states = states;
    piece *pieces = states ? realloc(o->pieces, n * sizeof *pieces) : NULL;
    if (pieces) o->pieces = pieces;
    double *sums = pieces ? realloc(o->sums, n * sizeof *sums) : NULL;
    if (!sums) return bert_fail_memory(e, n * sizeof *pieces);
    o->sums = sums;
    for (int i = o->count; i < count; i++) {
        size_t size = bert_param_size(bert_params_at(o->ps, i));
        states[i] = (bert_adamw_state){0};
        for (size_t first = 0; first < size; first += PIECE)
            pieces[o->pieces_count++] =
                (piece){i, first, size - first < PIECE ? size - first : PIECE};
    }
    o->count = count;
    return BERT_OK;
}

bert_optimizer *bert_optimizer_new(bert_params *ps, const bert_adamw_options *options, int threads,
                                   bert_error *e) {
    bert_adamw_options a = options ? *options : bert_adamw_default();
    if (!ps || !ps->trainable) {
        bert_fail(e, BERT_EINVAL, "optimizer: %s",
                  ps ? "the parameters are not trainable" : "there are no parameters");
        return NULL;
    }
    if (!(a.beta1 >= 0 && a.beta1 < 1 && a.beta2 >= 0 && a.beta2 < 1 && a.eps >= 0 &&
          a.weight_decay >= 0)) {
        bert_fail(e, BERT_EINVAL,
                  "optimizer: beta1 %g and beta2 %g must be in [0, 1), eps %g and weight_decay %g "
                  "must not be negative",
                  a.beta1, a.beta2, a.eps, a.weight_decay);
        return NULL;
    }
    bert_optimizer *o = calloc(1, sizeof *o);
    if (!o) {
        bert_fail_memory(e, sizeof *o);
        return NULL;
    }
    o->ps = ps;
    o->options = a;
    o->threads = bert_threads_new(threads, e);
    if (!o->threads || catch_up(o, e)) {
        bert_optimizer_free(o);
        return NULL;
    }
    return o;
}

void bert_optimizer_free(bert_optimizer *o) {
    if (!o) return;
    bert_threads_free(o->threads);
    bert_arena_free(&o->moments);
    free(o->states);
    free(o->pieces);
    free(o->sums);
    free(o);
}

size_t bert_optimizer_memory(const bert_optimizer *o) {
    return o ? o->moments.reserved : 0;
}

static int allocate_state(bert_optimizer *o, int i, bert_error *e) {
    bert_adamw_state *s = &o->states[i];
    if (s->m) return BERT_OK;
    size_t bytes = bert_param_size(bert_params_at(o->ps, i)) * sizeof *s->m;
    bert_arena_mark mark = bert_arena_save(&o->moments);
    float *m = bert_arena_calloc(&o->moments, bytes), *v = bert_arena_calloc(&o->moments, bytes);
    if (!m || !v) {
        bert_arena_rewind(&o->moments, mark);
        bert_fail_memory(e, 2 * bytes);
        bert_error_prefix(e, "moments of %s: ", bert_param_name(bert_params_at(o->ps, i)));
        return BERT_ENOMEM;
    }
    *s = (bert_adamw_state){m, v, 0};
    return BERT_OK;
}

static int number_of(const bert_optimizer *o, const bert_param *p) {
    for (int i = 0; i < o->count; i++)
        if (bert_params_at(o->ps, i) == p) return i;
    return -1;
}

bert_adamw_state *bert_optimizer_state(bert_optimizer *o, const bert_param *p, bert_error *e) {
    if (catch_up(o, e)) return NULL;
    int i = number_of(o, p);
    if (i < 0) {
        bert_fail(e, BERT_EINVAL, "optimizer: %s is not among its parameters", bert_param_name(p));
        return NULL;
    }
    return allocate_state(o, i, e) ? NULL : &o->states[i];
}

bool bert_optimizer_has_state(const bert_optimizer *o, const bert_param *p) {
    int i = number_of(o, p);
    return i >= 0 && o->states[i].steps > 0;
}

void bert_optimizer_forget(bert_optimizer *o) {
    for (int i = 0; i < o->count; i++) o->states[i] = (bert_adamw_state){0};
    bert_arena_reset(&o->moments);
}

/* A frozen parameter and one that no loss has reached are left alone, as in PyTorch. */
static bool moves(const bert_param *p) {
    return bert_param_trainable(p) && p->flowed;
}

static void square_pieces(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const bert_optimizer *o = context;
    for (size_t i = begin; i < end; i++) {
        const piece *s = &o->pieces[i];
        const bert_param *p = bert_params_at(o->ps, s->param);
        o->sums[i] = moves(p) ? bert_cpu()->sum_squares(p->grad + s->first, s->n) : 0;
    }
}

int bert_optimizer_norm(bert_optimizer *o, double *norm, bert_error *e) {
    int rc = catch_up(o, e);
    if (rc) return rc;
    bert_loop(o->threads, o->pieces_count, 1, square_pieces, o);
    double sum = 0;
    for (size_t i = 0; i < o->pieces_count; i++) {
        if (!isfinite(o->sums[i]))
            return bert_fail(e, BERT_ENUMERIC,
                             "the gradient of %s is not finite: the loss has overflowed; a lower "
                             "learning rate or clipping may help",
                             bert_param_name(bert_params_at(o->ps, o->pieces[i].param)));
        sum += o->sums[i];
    }
    *norm = sqrt(sum);
    return BERT_OK;
}

typedef struct {
    const bert_optimizer *o;
    double lr;
    float scale;
} update;

static void update_pieces(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const update *u = context;
    const bert_adamw_options *a = &u->o->options;
    for (size_t i = begin; i < end; i++) {
        const piece *s = &u->o->pieces[i];
        const bert_param *p = bert_params_at(u->o->ps, s->param);
        if (!moves(p)) continue;
        const bert_adamw_state *state = &u->o->states[s->param];
        double steps = (double)state->steps;
        float *value = (float *)(uintptr_t)p->value + s->first;
        bert_cpu()->adamw(value, p->grad + s->first, state->m + s->first, state->v + s->first, s->n,
                          u->scale, (float)(u->lr * p->lr_scale), a->beta1, a->beta2, (float)a->eps,
                          bert_param_decays(p) ? (float)a->weight_decay : 0,
                          (float)(1 - pow(a->beta1, steps)), (float)(1 - pow(a->beta2, steps)));
        memset(p->grad + s->first, 0, s->n * sizeof *p->grad);
    }
}

int bert_optimizer_update(bert_optimizer *o, double lr, double scale, bert_error *e) {
    int rc = catch_up(o, e);
    for (int i = 0; i < o->count && !rc; i++)
        if (moves(bert_params_at(o->ps, i))) rc = allocate_state(o, i, e);
    if (rc) return rc;
    for (int i = 0; i < o->count; i++) {
        bert_param *p = bert_params_at(o->ps, i);
        if (!moves(p)) continue;
        o->states[i].steps++;
        bert_param_touch(p);
    }
    bert_loop(o->threads, o->pieces_count, 1, update_pieces, &(update){o, lr, (float)scale});
    for (int i = 0; i < o->count; i++) bert_params_at(o->ps, i)->flowed = false;
    return BERT_OK;
}

int bert_optimizer_step(bert_optimizer *o, double lr, double max_norm, double *norm,
                        bert_error *e) {
    if (!o || !(lr >= 0) || !(max_norm >= 0))
        return bert_fail(e, BERT_EINVAL, "optimizer: step with learning rate %g and max_norm %g",
                         lr, max_norm);
    double n;
    int rc = bert_optimizer_norm(o, &n, e);
    if (rc) return rc;
    if (norm) *norm = n;
    double factor = max_norm > 0 ? max_norm / (n + 1e-6) : 1;
    return bert_optimizer_update(o, lr, factor < 1 ? factor : 1, e);
}
