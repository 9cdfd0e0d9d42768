#include "train/optimizer.h"
#include "base/error.h"
#include "base/grow.h"
#include "device/device.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What an update goes through: whole parameters, or the slices of them that this process owns. */
typedef struct {
    int param;
    size_t first, n;
    const bert_param_slice *slice; /* that has its gradient; NULL: the parameter has it */
    float *m, *v;
} part;

struct bert_optimizer {
    bert_params *ps;
    bert_adamw_options options;
    bert_worker worker;        /* of the parameters' device */
    bert_error worker_error;   /* what it says */
    const bert_slices *slices; /* NULL: of one process */
    part *parts;               /* [parts_count] */
    bert_adamw_item *items;    /* [parts_count]: those that move in this step */
    bert_adamw_state *states;  /* [count]; m NULL: none yet, or cut */
    int count, parts_count;
    double *sums; /* of squares, of every piece of what moves: bert_grow */
    bert_arena moments;
};

bert_adamw_options bert_adamw_default(void) {
    return (bert_adamw_options){.beta1 = .9, .beta2 = .999, .eps = 1e-8};
}

/* Makes room for parameters that were created since the last call. */
static int catch_up(bert_optimizer *o, bert_error *e) {
    int count = bert_params_count(o->ps);
    if (count == o->count) return BERT_OK;
    if (o->slices)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "optimizer: a parameter was made after those of the group were divided");
    bert_adamw_state *states = realloc(o->states, (size_t)count * sizeof *states);
    if (states) o->states = states;
    part *parts = states ? realloc(o->parts, (size_t)count * sizeof *parts) : NULL;
    if (parts) o->parts = parts;
    bert_adamw_item *items = parts ? realloc(o->items, (size_t)count * sizeof *items) : NULL;
    if (!items) return bert_fail_memory(e, (size_t)count * sizeof *items);
    o->items = items;
    for (int i = o->count; i < count; i++) {
        states[i] = (bert_adamw_state){0};
        parts[i] = (part){.param = i, .n = bert_param_size(bert_params_at(o->ps, i))};
    }
    o->count = o->parts_count = count;
    return BERT_OK;
}

int bert_optimizer_divide(bert_optimizer *o, const bert_slices *s, bert_error *e) {
    part *parts = realloc(o->parts, ((size_t)s->count + 1) * sizeof *parts);
    if (parts) o->parts = parts;
    bert_adamw_item *items =
        parts ? realloc(o->items, ((size_t)s->count + 1) * sizeof *items) : NULL;
    if (!items) return bert_fail_memory(e, (size_t)s->count * sizeof *items);
    o->items = items;
    o->slices = s;
    o->parts_count = 0;
    for (int i = 0; i < s->count; i++)
        if (s->at[i].owner == s->group->rank)
            parts[o->parts_count++] = (part){.param = s->at[i].param,
                                             .first = s->at[i].first,
                                             .n = s->at[i].n,
                                             .slice = &s->at[i]};
    return BERT_OK;
}

bert_optimizer *bert_optimizer_new(bert_params *ps, const bert_adamw_options *options, int threads,
                                   bert_error *e) {
    BERT_DOOR(e);
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
    if (bert_worker_open(&o->worker, ps->device, threads, BERT_PRECISION_HIGHEST, e)) {
        free(o);
        return NULL;
    }
    o->worker.error = &o->worker_error;
    o->moments.memory = &ps->device->memory;
    if (catch_up(o, e)) {
        bert_optimizer_free(o);
        return NULL;
    }
    return o;
}

void bert_optimizer_free(bert_optimizer *o) {
    if (!o) return;
    bert_worker_close(&o->worker);
    bert_arena_free(&o->moments);
    bert_grown_free(o->sums);
    free(o->states);
    free(o->parts);
    free(o->items);
    free(o);
}

size_t bert_optimizer_memory(const bert_optimizer *o) {
    return o ? o->moments.reserved : 0;
}

static int allocate_part(bert_optimizer *o, part *x, bert_error *e) {
    if (x->m) return BERT_OK;
    const size_t bytes = x->n * sizeof *x->m;
    bert_arena_mark mark = bert_arena_save(&o->moments);
    float *m = bert_arena_alloc(&o->moments, bytes), *v = bert_arena_alloc(&o->moments, bytes);
    if (!m || !v) {
        bert_arena_rewind(&o->moments, mark);
        bert_fail_memory(e, 2 * bytes);
        bert_error_prefix(e, "moments of %s: ", bert_param_name(bert_params_at(o->ps, x->param)));
        return BERT_ENOMEM;
    }
    o->ps->device->zero(m, bytes);
    o->ps->device->zero(v, bytes);
    x->m = m;
    x->v = v;
    if (!o->slices) o->states[x->param] = (bert_adamw_state){m, v, 0};
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
    if (!o->slices && allocate_part(o, &o->parts[i], e)) return NULL;
    return &o->states[i];
}

bool bert_optimizer_has_state(const bert_optimizer *o, const bert_param *p) {
    int i = number_of(o, p);
    return i >= 0 && o->states[i].steps > 0;
}

int bert_optimizer_read(bert_optimizer *o, int param, bool second, float *to, bert_error *e) {
    const bert_slices *s = o->slices;
    const bert_device *d = o->ps->device;
    int n = 0;
    for (int i = 0; i < o->parts_count; i++) {
        const part *x = &o->parts[i];
        if (x->param == param) d->read(to + x->first, second ? x->v : x->m, x->n * sizeof *to);
    }
    for (int i = 0; s && i < s->count; i++)
        if (s->at[i].param == param)
            s->stretches[n++] = (bert_stretch){
                .owner = s->at[i].owner, .n = s->at[i].n, .data = to + s->at[i].first};
    if (!s) return BERT_OK;
    int rc = bert_group_share(s->group, s->stretches, n, 0, e);
    return rc ? rc : bert_group_wait(s->group, e);
}

int bert_optimizer_write(bert_optimizer *o, int param, const float *m, const float *v,
                         uint64_t steps, bert_error *e) {
    int rc = catch_up(o, e);
    for (int i = 0; i < o->parts_count && !rc; i++) {
        part *x = &o->parts[i];
        if (x->param != param) continue;
        rc = allocate_part(o, x, e);
        if (rc) return rc;
        o->ps->device->write(x->m, m + x->first, x->n * sizeof *m);
        o->ps->device->write(x->v, v + x->first, x->n * sizeof *v);
    }
    if (!rc) o->states[param].steps = steps;
    return rc;
}

void bert_optimizer_forget(bert_optimizer *o) {
    for (int i = 0; i < o->count; i++) o->states[i] = (bert_adamw_state){0};
    for (int i = 0; i < o->parts_count; i++) o->parts[i].m = o->parts[i].v = NULL;
    bert_arena_reset(&o->moments);
}

/* A frozen parameter and one that no loss has reached are left alone, as in PyTorch. */
static bool moves(const bert_param *p) {
    return bert_param_trainable(p) && p->flowed;
}

/* What the device did; its messages are the caller's. */
static int done(bert_optimizer *o, int rc, bert_error *e) {
    if (rc) bert_fail(e, rc, "optimizer: %s", rc == BERT_ENOMEM ? "out of memory" : "failed");
    bert_error_clear(&o->worker_error);
    return rc;
}

static int list_moving(bert_optimizer *o, double lr) {
    const bert_adamw_options *a = &o->options;
    int n = 0;
    for (int i = 0; i < o->parts_count; i++) {
        const part *x = &o->parts[i];
        const bert_param *p = bert_params_at(o->ps, x->param);
        if (!moves(p)) continue;
        const double steps = (double)o->states[x->param].steps;
        o->items[n++] =
            (bert_adamw_item){.value = (float *)(uintptr_t)p->value + x->first,
                              .grad = x->slice ? x->slice->sum : p->grad + x->first,
                              .m = x->m,
                              .v = x->v,
                              .n = x->n,
                              .lr = (float)(lr * p->lr_scale),
                              .weight_decay = bert_param_decays(p) ? (float)a->weight_decay : 0,
                              .correction1 = (float)(1 - pow(a->beta1, steps)),
                              .correction2 = (float)(1 - pow(a->beta2, steps))};
    }
    return n;
}

static size_t pieces_of(size_t n) {
    return (n + BERT_NORM_PIECE - 1) / BERT_NORM_PIECE;
}

/* Pieces of the slices that move and are that rank's. */
static size_t count_pieces(const bert_optimizer *o, int rank) {
    const bert_slices *s = o->slices;
    size_t n = 0;
    for (int i = 0; i < s->count; i++)
        if (moves(bert_params_at(o->ps, s->at[i].param)) && s->at[i].owner == rank)
            n += pieces_of(s->at[i].n);
    return n;
}

/* sums: of one process after the other, become those of the slices in their order. */
static int order_sums(const bert_optimizer *o, double *sums, const size_t *first, bert_error *e) {
    const bert_slices *s = o->slices;
    const size_t size = (size_t)s->group->size, all = first[size] / sizeof *sums;
    double *ordered = malloc((all + 1) * sizeof *ordered);
    size_t *next = calloc(size, sizeof *next), at = 0;
    int rc = ordered && next ? BERT_OK : bert_fail_memory(e, all * sizeof *ordered);
    for (int i = 0; i < s->count && !rc; i++) {
        if (!moves(bert_params_at(o->ps, s->at[i].param))) continue;
        const int r = s->at[i].owner;
        for (size_t k = pieces_of(s->at[i].n); k; k--)
            ordered[at++] = sums[first[r] / sizeof *sums + next[r]++];
    }
    if (!rc) memcpy(sums, ordered, all * sizeof *sums);
    free(ordered);
    free(next);
    return rc;
}

/* Into o->sums, from the at-th on: those of what this process updates. */
static int own_sums(bert_optimizer *o, size_t at, bert_error *e) {
    return done(o, o->ps->device->norm(&o->worker, o->items, list_moving(o, 0), o->sums + at), e);
}

static int gather_sums(bert_optimizer *o, size_t *first, bert_error *e) {
    const bert_group *g = o->slices->group;
    for (int r = 0; r < g->size; r++)
        first[r + 1] = first[r] + count_pieces(o, r) * sizeof *o->sums;
    int rc = bert_group_agree(g, own_sums(o, first[g->rank] / sizeof *o->sums, e), e);
    if (!rc) rc = bert_group_gather(g, o->sums, first, e);
    return rc ? rc : order_sums(o, o->sums, first, e);
}

/* The sums of squares of every piece of what moves, in the order of parameters. */
static int sum_pieces(bert_optimizer *o, bert_error *e) {
    size_t n = 0;
    for (int i = 0; i < o->count; i++)
        if (moves(bert_params_at(o->ps, i)))
            n += pieces_of(bert_param_size(bert_params_at(o->ps, i)));
    const size_t size = o->slices ? (size_t)o->slices->group->size : 0;
    size_t *first = size ? calloc(size + 1, sizeof *first) : NULL;
    int rc = bert_grow(&o->sums, n + 1, sizeof *o->sums, e);
    if (!rc && size && !first) rc = bert_fail_memory(e, (size + 1) * sizeof *first);
    if (!size) return rc ? rc : own_sums(o, 0, e);
    rc = bert_group_agree(o->slices->group, rc, e);
    if (!rc) rc = gather_sums(o, first, e);
    free(first);
    return rc;
}

int bert_optimizer_norm(bert_optimizer *o, double *norm, bert_error *e) {
    size_t k = 0;
    int rc = catch_up(o, e);
    if (!rc) rc = sum_pieces(o, e);
    double squares = 0;
    for (int i = 0; i < o->count && !rc; i++) {
        const bert_param *p = bert_params_at(o->ps, i);
        if (!moves(p)) continue;
        for (size_t end = k + pieces_of(bert_param_size(p)); k < end; k++) {
            if (!isfinite(o->sums[k]))
                return bert_fail(e, BERT_ENUMERIC,
                                 "the gradient of %s is not finite: the loss has overflowed; a "
                                 "lower learning rate or clipping may help",
                                 bert_param_name(p));
            squares += o->sums[k];
        }
    }
    *norm = sqrt(squares);
    return rc;
}

/* What the owners have updated becomes everybody's. */
static int share_values(bert_optimizer *o, bert_error *e) {
    const bert_slices *s = o->slices;
    int n = 0;
    if (!s) return BERT_OK;
    for (int i = 0; i < s->count; i++) {
        const bert_param_slice *x = &s->at[i];
        const bert_param *p = bert_params_at(o->ps, x->param);
        if (moves(p))
            s->stretches[n++] = (bert_stretch){
                .owner = x->owner, .n = x->n, .data = (float *)(uintptr_t)p->value + x->first};
    }
    return bert_slices_share(s, n, e);
}

int bert_optimizer_update(bert_optimizer *o, double lr, double scale, bert_error *e) {
    int rc = catch_up(o, e);
    for (int i = 0; i < o->parts_count && !rc; i++)
        if (moves(bert_params_at(o->ps, o->parts[i].param))) rc = allocate_part(o, &o->parts[i], e);
    if (o->slices) rc = bert_group_agree(o->slices->group, rc, e);
    if (rc) return rc;
    for (int i = 0; i < o->count; i++) {
        bert_param *p = bert_params_at(o->ps, i);
        if (!moves(p)) continue;
        o->states[i].steps++;
        bert_param_touch(p);
    }
    const bert_adamw_options *a = &o->options;
    const bert_adamw_step step = {a->beta1, a->beta2, (float)a->eps, (float)scale};
    rc = done(o, o->ps->device->step(&o->worker, &step, o->items, list_moving(o, lr)), e);
    if (!rc) rc = share_values(o, e);
    if (rc) return rc;
    for (int i = 0; i < o->count; i++) bert_params_at(o->ps, i)->flowed = false;
    return BERT_OK;
}

int bert_optimizer_step(bert_optimizer *o, double lr, double max_norm, double *norm,
                        bert_error *e) {
    BERT_DOOR(e);
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
