#include "tape/params.h"
#include "base/error.h"
#include "base/finite.h"
#include "base/rng.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bert_params *bert_params_new_on(const bert_device *device, const bert_param_source *source,
                                bool trainable, uint64_t seed, float initializer_range,
                                bert_error *e) {
    bert_params *ps = calloc(1, sizeof *ps);
    if (!ps) {
        bert_fail_memory(e, sizeof *ps);
        return NULL;
    }
    if (source) ps->source = *source;
    ps->device = device ? device : &bert_device_cpu;
    ps->values.memory = ps->grads.memory = &ps->device->memory;
    ps->memos.source = ps->source.context;
    ps->memos.done = ps->source.done;
    ps->memos.read = ps->source.read;
    ps->memos.fill = ps->source.fill;
    ps->trainable = trainable;
    ps->seed = seed;
    ps->initializer_range = initializer_range;
    if (pthread_mutex_init(&ps->memos.lock, NULL) || pthread_mutex_init(&ps->balancing, NULL)) {
        free(ps);
        bert_fail(e, BERT_ENOMEM, "the system is out of mutexes");
        return NULL;
    }
    return ps;
}

bert_params *bert_params_new_from(const bert_param_source *source, bool trainable, uint64_t seed,
                                  float initializer_range, bert_error *e) {
    return bert_params_new_on(NULL, source, trainable, seed, initializer_range, e);
}

bert_params *bert_params_new(uint64_t seed, float initializer_range, bert_error *e) {
    BERT_DOOR(e);
    return bert_params_new_from(NULL, true, seed, initializer_range, e);
}

bool bert_params_differ(const bert_params *ps, const char *name) {
    return ps->source.differs && ps->source.differs(ps->source.context, name);
}

void bert_params_free(bert_params *ps) {
    if (!ps) return;
    for (int i = 0; i < ps->count && ps->device->forget; i++)
        ps->device->forget(&ps->items[i]->memo);
    pthread_mutex_destroy(&ps->memos.lock);
    pthread_mutex_destroy(&ps->balancing);
    bert_arena_free(&ps->memos.memory);
    bert_arena_free(&ps->names);
    bert_arena_free(&ps->values);
    bert_arena_free(&ps->grads);
    free(ps->items);
    free(ps);
}

/* Of a parameter that somebody makes by its name alone: the rule of transformers' Trainer. */
static bert_kind kind_of(const char *name) {
    size_t n = strlen(name);
    if (strstr(name, "LayerNorm") || strstr(name, "layernorm")) return BERT_KIND_NORM;
    return n >= 4 && !strcmp(name + n - 4, "bias") ? BERT_KIND_BIAS : BERT_KIND_WEIGHT;
}

static void initialise(float *value, size_t n, bert_init init, const bert_params *ps,
                       const char *name) {
    if (init == BERT_INIT_NORMAL) {
        bert_rng r = {.seed = ps->seed, .stream = bert_rng_stream(name)};
        bert_rng_normal(&r, value, n, ps->initializer_range);
    } else {
        for (size_t i = 0; i < n; i++) value[i] = init == BERT_INIT_ONE ? 1 : 0;
    }
}

static bert_param *find_or_grow(bert_params *ps, const char *name, int32_t rows, int32_t cols,
                                bert_error *e) {
    bert_param *p = bert_params_find(ps, name);
    if (p) {
        if (p->rows == rows && p->cols == cols) return p;
        bert_fail(e, BERT_EINVAL,
                  "parameter %s is [%d, %d] already; it cannot be used as [%d, %d] as well", name,
                  p->rows, p->cols, rows, cols);
        return NULL;
    }
    if (ps->count == ps->capacity) {
        int capacity = ps->capacity ? 2 * ps->capacity : 64;
        bert_param **items = realloc(ps->items, (size_t)capacity * sizeof *items);
        if (!items) {
            bert_fail_memory(e, (size_t)capacity * sizeof *items);
            return NULL;
        }
        ps->items = items;
        ps->capacity = capacity;
    }
    p = bert_arena_calloc(&ps->names, sizeof *p);
    char *copy = bert_arena_strdup(&ps->names, name);
    if (!p || !copy) {
        bert_fail_memory(e, sizeof *p + strlen(name) + 1);
        return NULL;
    }
    *p = (bert_param){.name = copy,
                      .rows = rows,
                      .cols = cols,
                      .trainable = ps->trainable,
                      .kind = kind_of(name),
                      .part = ps->part,
                      .layer = ps->layer,
                      .lr_scale = 1,
                      .padding = -1,
                      .owner = ps,
                      .memo.memos = &ps->memos};
    return p;
}

static bool is_late(const bert_params *ps, const float *stored) {
    return stored && ps->source.late && ps->source.late(ps->source.context, stored);
}

void bert_param_fill(const bert_param *p, size_t first, size_t n) {
    if (p->memo.late)
        p->owner->source.fill(p->owner->source.context, p->value + first, n * sizeof(float));
}

/* A value of the set's own: a copy of what is stored, or initialised. NULL: out of memory. */
static float *own_value(bert_params *ps, const bert_param *p, const float *stored, bert_init init,
                        bert_error *e) {
    const size_t bytes = bert_matrix_bytes(p->rows, p->cols, sizeof(float));
    float *own = bert_arena_alloc(&ps->values, bytes);
    float *host = !own || stored || ps->device->host ? own : malloc(bytes);
    if (!host) {
        bert_fail_memory(e, bytes);
        bert_error_prefix(e, "%s: ", p->name);
        return NULL;
    }
    if (!stored && !ps->unset) initialise(host, bert_param_size(p), init, ps, p->name);
    if (is_late(ps, stored) && ps->device->host) {
        ps->source.read(ps->source.context, stored, own, bytes);
        return own;
    }
    if (is_late(ps, stored)) ps->source.fill(ps->source.context, stored, bytes);
    if (stored || host != own) ps->device->write(own, stored ? stored : host, bytes);
    if (stored && !ps->device->host && ps->source.done) /* nobody else will look at it */
        ps->source.done(ps->source.context, stored, bytes, bert_finite(stored, bert_param_size(p)));
    if (host != own) free(host);
    return own;
}

static bert_param *new_param(bert_params *ps, const char *name, int32_t rows, int32_t cols,
                             bert_init init, bert_error *e) {
    bert_arena_mark names = bert_arena_save(&ps->names);
    bert_param *p = find_or_grow(ps, name, rows, cols, e);
    if (!p) {
        bert_arena_rewind(&ps->names, names);
        return NULL;
    }
    if (p->value || p->memo.packed) return p; /* tied: it was there */
    const float *stored = NULL;
    if (ps->source.find) {
        int rc = ps->source.find(ps->source.context, name, rows, cols, &stored, e);
        if (rc < 0) {
            bert_arena_rewind(&ps->names, names);
            return NULL;
        }
        if (rc == 0) stored = NULL;
        p->memo.packed = rc == BERT_SOURCE_PACKED;
    }
    if (p->memo.packed) {
        ps->items[ps->count++] = p;
        return p;
    }
    p->initialised = !stored;
    p->memo.mapped = stored && !ps->trainable && ps->device->host;
    p->memo.late = p->memo.mapped && is_late(ps, stored);
    p->value = p->memo.mapped ? stored : own_value(ps, p, stored, init, e);
    if (!p->value) {
        bert_arena_rewind(&ps->names, names);
        return NULL;
    }
    ps->items[ps->count++] = p;
    return p;
}

bert_param *bert_param_new(bert_params *ps, const char *name, int32_t rows, int32_t cols,
                           bert_init init, bert_error *e) {
    BERT_DOOR(e);
    if (!ps || !name || !*name || rows < 1 || cols < 1) {
        bert_fail(e, BERT_EINVAL, "parameter %s [%d, %d]: a set, a name and a size are needed",
                  name ? name : "(null)", rows, cols);
        return NULL;
    }
    char *scoped = NULL;
    if (ps->scope && asprintf(&scoped, "%s%s", ps->scope, name) < 0) {
        bert_fail_memory(e, strlen(name));
        return NULL;
    }
    bert_param *p = new_param(ps, scoped ? scoped : name, rows, cols, init, e);
    free(scoped);
    return p;
}

int bert_params_count(const bert_params *ps) {
    return ps ? ps->count : 0;
}

bert_param *bert_params_at(const bert_params *ps, int i) {
    return ps && i >= 0 && i < ps->count ? ps->items[i] : NULL;
}

bert_param *bert_params_find(const bert_params *ps, const char *name) {
    for (int i = 0; name && i < bert_params_count(ps); i++)
        if (!strcmp(ps->items[i]->name, name)) return ps->items[i];
    return NULL;
}

const char *bert_param_name(const bert_param *p) {
    return p ? p->name : NULL;
}

void bert_param_shape(const bert_param *p, int32_t *rows, int32_t *cols) {
    if (rows) *rows = p ? p->rows : 0;
    if (cols) *cols = p ? p->cols : 0;
}

const float *bert_param_value(const bert_param *p) {
    if (!p || !p->owner->device->host) return NULL;
    bert_param_fill(p, 0, bert_param_size(p));
    return p->value;
}

void bert_param_touch(bert_param *p) {
    p->memo.version++;
}

float *bert_param_value_mut(bert_param *p) {
    if (!p || !p->trainable || !p->owner->device->host) return NULL;
    bert_param_touch(p);
    return (float *)(uintptr_t)p->value; /* own memory, since the set is trainable */
}

void bert_param_read(const bert_param *p, float *to) {
    const size_t bytes = bert_param_size(p) * sizeof *to;
    bert_param_fill(p, 0, bert_param_size(p));
    if (p->value)
        p->owner->device->read(to, p->value, bytes);
    else
        memset(to, 0, bytes); /* packed: there is none */
}

int bert_param_write(bert_param *p, const float *from) {
    if (!p || !p->trainable) return BERT_EINVAL;
    bert_param_touch(p);
    float *value = (float *)(uintptr_t)p->value; /* own memory, since the set is trainable */
    p->owner->device->write(value, from, bert_param_size(p) * sizeof *from);
    return BERT_OK;
}

void bert_param_read_grad(const bert_param *p, float *to) {
    const size_t bytes = bert_param_size(p) * sizeof *to;
    if (p->grad)
        p->owner->device->read(to, p->grad, bytes);
    else
        memset(to, 0, bytes);
}

/* Room for every gradient in one block, so that nearly all of it is whole large pages. */
static void reserve_gradients(bert_params *ps) {
    size_t bytes = 0;
    for (int i = 0; i < ps->count; i++)
        if (!ps->items[i]->frozen) /* each begins on a cache line */
            bytes += bert_param_size(ps->items[i]) * sizeof(float) + BERT_ALIGN;
    bert_arena_alloc(&ps->grads, bytes);
    bert_arena_reset(&ps->grads);
    bert_arena_untouched(&ps->grads);
}

static float *gradient(bert_param *p, bert_arena *pages, bert_error *e) {
    bert_arena *grads = &p->owner->grads;
    size_t bytes = bert_param_size(p) * sizeof *p->grad;
    if (p->grad) {
        if (!p->flowed) bert_arena_receive(grads, p->grad, bytes, pages);
        return p->grad;
    }
    if (!grads->reserved) reserve_gradients(p->owner);
    p->grad = bert_arena_alloc(grads, bytes);
    if (!p->grad) {
        bert_fail_memory(e, bytes);
        bert_error_prefix(e, "gradient of %s: ", p->name);
        return NULL;
    }
    bert_arena_receive(grads, p->grad, bytes, pages);
    p->owner->device->zero(p->grad, bytes);
    return p->grad;
}

float *bert_param_grad_from(bert_param *p, bert_arena *pages, bert_error *e) {
    float *g = bert_param_trainable(p) ? gradient(p, pages, e) : NULL;
    if (g) p->flowed = p->all_touched = true;
    return g;
}

float *bert_param_grad_mut(bert_param *p, bert_error *e) {
    return bert_param_grad_from(p, NULL, e);
}

const float *bert_param_grad(const bert_param *p) {
    if (!p || !p->trainable || !p->owner->device->host) return NULL;
    return p->grad ? p->grad : gradient((bert_param *)(uintptr_t)p, NULL, NULL); /* allocates */
}

void bert_params_lend(bert_params *ps, bert_arena *to) {
    bool zero = true;
    for (int i = 0; i < ps->count; i++) zero &= !ps->items[i]->flowed;
    if (zero) bert_arena_offer_all(&ps->grads);
    bert_arena_refill(to, &ps->grads);
    bert_arena_withdraw(&ps->grads);
}

int bert_param_keep_touched(bert_param *p, bert_error *e) {
    if (p->touched) return BERT_OK;
    p->touched = bert_arena_calloc(&p->owner->names, bert_param_touched_bytes(p));
    p->all_touched = p->flowed;
    return p->touched ? BERT_OK : bert_fail_memory(e, bert_param_touched_bytes(p));
}

void bert_param_touched_rows(bert_param *p, bool all, const int32_t *rows, int32_t n) {
    p->all_touched = all;
    for (int32_t i = 0; i < n && p->touched; i++)
        p->touched[rows[i] / 8] |= (uint8_t)(1 << rows[i] % 8);
}

/* Of the rows that are not zero, where it is known which. */
static void clear_rows(bert_param *p) {
    const size_t cols = (size_t)p->cols;
    for (size_t r = 0; r < (size_t)p->rows; r++)
        if (bert_row_is_touched(p->touched, r))
            p->owner->device->zero(p->grad + r * cols, cols * sizeof *p->grad);
}

static void clear_gradient(bert_param *p) {
    if (p->grad && p->touched && p->flowed && !p->all_touched)
        clear_rows(p);
    else if (p->grad)
        p->owner->device->zero(p->grad, bert_param_size(p) * sizeof *p->grad);
    if (p->touched) memset(p->touched, 0, bert_param_touched_bytes(p));
    p->flowed = p->all_touched = false;
}

bool bert_param_trainable(const bert_param *p) {
    return p && p->trainable && !p->frozen;
}

void bert_param_scale_lr(bert_param *p, double factor) {
    if (p) p->lr_scale = factor;
}

void bert_param_freeze(bert_param *p, bool frozen) {
    if (!p) return;
    p->frozen = frozen;
    if (frozen) clear_gradient(p);
}

int bert_params_freeze(bert_params *ps, const char *prefix) {
    int n = 0;
    for (int i = 0; prefix && i < bert_params_count(ps); i++) {
        if (strncmp(ps->items[i]->name, prefix, strlen(prefix))) continue;
        bert_param_freeze(ps->items[i], true);
        n++;
    }
    return n;
}

void bert_params_zero_grad(bert_params *ps) {
    for (int i = 0; i < bert_params_count(ps); i++) clear_gradient(ps->items[i]);
}

size_t bert_params_bytes(const bert_params *ps) {
    return ps->values.reserved + ps->grads.reserved + bert_params_packed_bytes(ps);
}

size_t bert_params_packed_bytes(const bert_params *ps) {
    bert_memos *memos = (bert_memos *)(uintptr_t)&ps->memos; /* only its mutex changes */
    pthread_mutex_lock(&memos->lock);
    size_t bytes = memos->bytes;
    pthread_mutex_unlock(&memos->lock);
    return bytes;
}

void bert_params_unused(bert_params *ps) {
    pthread_mutex_lock(&ps->memos.lock);
    for (int i = 0; i < ps->count; i++) ps->items[i]->memo.used = false;
    pthread_mutex_unlock(&ps->memos.lock);
}

/* ---- Layers: a prefix and the parameters under it. */

static bert_param *member(bert_params *ps, const char *name, const char *suffix, int32_t rows,
                          int32_t cols, bert_init init, bert_error *e) {
    size_t n = strlen(name) + strlen(suffix) + 1;
    char *full = malloc(n);
    if (!full) {
        bert_fail_memory(e, n);
        return NULL;
    }
    snprintf(full, n, "%s%s", name, suffix);
    bert_param *p = bert_param_new(ps, full, rows, cols, init, e);
    free(full);
    return p;
}

static int new_linear(bert_params *ps, const char *name, int32_t in, int32_t out, bool biased,
                      bert_linear *l, bert_error *e) {
    if (!ps || !name || !l) return bert_fail(e, BERT_EINVAL, "linear: an argument is NULL");
    bert_linear new = {member(ps, name, ".weight", out, in, BERT_INIT_NORMAL, e), NULL};
    if (new.weight && biased) new.bias = member(ps, name, ".bias", 1, out, BERT_INIT_ZERO, e);
    if (!new.weight || (biased && !new.bias)) return e->code;
    new.weight->kind = BERT_KIND_WEIGHT; /* whatever its name */
    if (biased) new.bias->kind = BERT_KIND_BIAS;
    *l = new;
    return BERT_OK;
}

int bert_linear_new(bert_params *ps, const char *name, int32_t in, int32_t out, bert_linear *l,
                    bert_error *e) {
    BERT_DOOR(e);
    return new_linear(ps, name, in, out, true, l, e);
}

int bert_linear_new_unbiased(bert_params *ps, const char *name, int32_t in, int32_t out,
                             bert_linear *l, bert_error *e) {
    BERT_DOOR(e);
    return new_linear(ps, name, in, out, false, l, e);
}

static int new_norm(bert_params *ps, const char *name, int32_t size, float eps, bool biased,
                    bert_layer_norm *norm, bert_error *e) {
    if (!ps || !name || !norm) return bert_fail(e, BERT_EINVAL, "layer_norm: an argument is NULL");
    if (!(eps >= 0))
        return bert_fail(e, BERT_EINVAL, "layer_norm %s: eps is %g", name, (double)eps);
    bert_layer_norm new = {.eps = eps};
    new.weight = member(ps, name, ".weight", 1, size, BERT_INIT_ONE, e);
    if (new.weight && biased) new.bias = member(ps, name, ".bias", 1, size, BERT_INIT_ZERO, e);
    if (!new.weight || (biased && !new.bias)) return e->code;
    new.weight->kind = BERT_KIND_NORM; /* whatever its name */
    if (biased) new.bias->kind = BERT_KIND_NORM;
    *norm = new;
    return BERT_OK;
}

int bert_layer_norm_new(bert_params *ps, const char *name, int32_t size, float eps,
                        bert_layer_norm *norm, bert_error *e) {
    BERT_DOOR(e);
    return new_norm(ps, name, size, eps, true, norm, e);
}

int bert_layer_norm_new_unbiased(bert_params *ps, const char *name, int32_t size, float eps,
                                 bert_layer_norm *norm, bert_error *e) {
    BERT_DOOR(e);
    return new_norm(ps, name, size, eps, false, norm, e);
}
