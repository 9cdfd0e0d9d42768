#include "train/optimizer.h"
#include "base/error.h"
#include "device/device.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bert_optimizer {
    bert_params *ps;
    bert_adamw_options options;
    bert_worker worker;       /* of the parameters' device */
    bert_error worker_error;  /* what it says */
    bert_adamw_state *states; /* [count]; m NULL: none yet */
    bert_adamw_item *items;   /* [count]: those that move in this step */
    int count;
    bert_arena moments;
};

bert_adamw_options bert_adamw_default(void) {
    return (bert_adamw_options){.beta1 = .9, .beta2 = .999, .eps = 1e-8};
}

/* Makes room for parameters that were created since the last call. */
static int catch_up(bert_optimizer *o, bert_error *e) {
    int count = bert_params_count(o->ps);
    if (count == o->count) return BERT_OK;
    bert_adamw_state *states = realloc(o->states, (size_t)count * sizeof *states);
    if (states) o->states = states;
    bert_adamw_item *items = states ? realloc(o->items, (size_t)count * sizeof *items) : NULL;
    if (!items) return bert_fail_memory(e, (size_t)count * sizeof *items);
    o->items = items;
    for (int i = o->count; i < count; i++) states[i] = (bert_adamw_state){0};
    o->count = count;
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
    free(o->states);
    free(o->items);
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
    float *m = bert_arena_alloc(&o->moments, bytes), *v = bert_arena_alloc(&o->moments, bytes);
    if (!m || !v) {
        bert_arena_rewind(&o->moments, mark);
        bert_fail_memory(e, 2 * bytes);
        bert_error_prefix(e, "moments of %s: ", bert_param_name(bert_params_at(o->ps, i)));
        return BERT_ENOMEM;
    }
    o->ps->device->zero(m, bytes);
    o->ps->device->zero(v, bytes);
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

/* What the device did; its messages are the caller's. */
static int done(bert_optimizer *o, int rc, bert_error *e) {
    if (rc) bert_fail(e, rc, "optimizer: %s", rc == BERT_ENOMEM ? "out of memory" : "failed");
    bert_error_clear(&o->worker_error);
    return rc;
}

static int list_moving(bert_optimizer *o, double lr) {
    const bert_adamw_options *a = &o->options;
    int n = 0;
    for (int i = 0; i < o->count; i++) {
        const bert_param *p = bert_params_at(o->ps, i);
        if (!moves(p)) continue;
        const bert_adamw_state *s = &o->states[i];
        const double steps = (double)s->steps;
        o->items[n++] =
            (bert_adamw_item){.value = (float *)(uintptr_t)p->value,
                              .grad = p->grad,
                              .m = s->m,
                              .v = s->v,
                              .n = bert_param_size(p),
                              .lr = (float)(lr * p->lr_scale),
                              .weight_decay = bert_param_decays(p) ? (float)a->weight_decay : 0,
                              .correction1 = (float)(1 - pow(a->beta1, steps)),
                              .correction2 = (float)(1 - pow(a->beta2, steps))};
    }
    return n;
}

/* The name of the number-th parameter that moves. */
static const char *moving_name(const bert_optimizer *o, int number) {
    int i = -1;
    do
        if (moves(bert_params_at(o->ps, ++i))) number--;
    while (number >= 0);
    return bert_param_name(bert_params_at(o->ps, i));
}

int bert_optimizer_norm(bert_optimizer *o, double *norm, bert_error *e) {
    int rc = catch_up(o, e), broken = -1;
    if (rc) return rc;
    double squares = 0;
    rc = o->ps->device->norm(&o->worker, o->items, list_moving(o, 0), &squares, &broken);
    if (rc) return done(o, rc, e);
    if (broken >= 0)
        return bert_fail(e, BERT_ENUMERIC,
                         "the gradient of %s is not finite: the loss has overflowed; a lower "
                         "learning rate or clipping may help",
                         moving_name(o, broken));
    *norm = sqrt(squares);
    return BERT_OK;
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
    const bert_adamw_options *a = &o->options;
    const bert_adamw_step step = {a->beta1, a->beta2, (float)a->eps, (float)scale};
    rc = o->ps->device->step(&o->worker, &step, o->items, list_moving(o, lr));
    if (rc) return done(o, rc, e);
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
