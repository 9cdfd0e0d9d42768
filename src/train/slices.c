#include "train/slices.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

/* ---- Who owns what */

/* Elements of a layer: in all, and before the parameter that is being cut. */
typedef struct {
    size_t all, before;
} layer_sizes;

/* Appends pieces begin .. end - 1 of a parameter. */
static void append(bert_slices *s, int param, size_t begin, size_t end, int owner) {
    const size_t first = begin * BERT_NORM_PIECE, size = bert_param_size(s->ps->items[param]);
    const size_t to = end * BERT_NORM_PIECE < size ? end * BERT_NORM_PIECE : size;
    s->at[s->count++] =
        (bert_param_slice){.param = param, .first = first, .n = to - first, .owner = owner};
}

/* Of `all` elements the owner-th part ends here. */
static size_t end_of(size_t all, int owner, int size) {
    return owner == size - 1 ? all : all / (size_t)size * ((size_t)owner + 1);
}

static void cut_param(bert_slices *s, int param, layer_sizes *l) {
    const int size = s->group->size;
    const size_t n = bert_param_size(s->ps->items[param]), piece = BERT_NORM_PIECE;
    const size_t pieces = (n + piece - 1) / piece;
    for (size_t begin = 0, end; begin < pieces; begin = end) {
        int owner = 0;
        while (owner < size - 1 && l->before + begin * piece >= end_of(l->all, owner, size))
            owner++;
        end = owner == size - 1 ? pieces
                                : (end_of(l->all, owner, size) - l->before + piece - 1) / piece;
        if (end > pieces) end = pieces;
        append(s, param, begin, end, owner);
    }
    l->before += n;
}

/* Each layer is cut into as many parts as there are processes, so that all are busy with each. */
static int cut(bert_slices *s, bert_error *e) {
    int top = 0;
    size_t most = 0; /* slices */
    for (int i = 0; i < s->params; i++) {
        if (s->ps->items[i]->layer > top) top = s->ps->items[i]->layer;
        most += 1 + (size_t)s->group->size;
    }
    layer_sizes *layers = calloc((size_t)top + 2, sizeof *layers);
    s->at = calloc(most + 1, sizeof *s->at);
    s->flowed = calloc((size_t)s->params + 1, sizeof *s->flowed);
    if (!layers || !s->at || !s->flowed) {
        free(layers);
        return bert_fail_memory(e, most * sizeof *s->at);
    }
    for (int i = 0; i < s->params; i++)
        if (bert_param_trainable(s->ps->items[i]))
            layers[s->ps->items[i]->layer + 1].all += bert_param_size(s->ps->items[i]);
    for (int i = 0; i < s->params; i++)
        if (bert_param_trainable(s->ps->items[i]))
            cut_param(s, i, &layers[s->ps->items[i]->layer + 1]);
    free(layers);
    return BERT_OK;
}

/* The slices of each layer one behind the other, from the top layer down. */
static int sort(bert_slices *s, bert_error *e) {
    int top = 0, n = 0;
    for (int i = 0; i < s->params; i++)
        if (s->ps->items[i]->layer > top) top = s->ps->items[i]->layer;
    s->buckets = calloc((size_t)top + 2, sizeof *s->buckets);
    s->order = calloc((size_t)s->count + 1, sizeof *s->order);
    s->stretches = calloc((size_t)s->count + 1, sizeof *s->stretches);
    s->whole = calloc((size_t)s->params + 1, sizeof *s->whole);
    if (!s->buckets || !s->order || !s->stretches || !s->whole)
        return bert_fail_memory(e, (size_t)s->count * sizeof *s->stretches);
    for (int layer = top; layer >= -1; layer--) {
        bert_bucket *b = &s->buckets[s->buckets_count];
        *b = (bert_bucket){.all = s, .first = n};
        for (int i = 0; i < s->count; i++)
            if (s->ps->items[s->at[i].param]->layer == layer && !s->by_rows[s->at[i].param])
                s->order[n++] = i;
        b->count = n - b->first;
        if (b->count) s->buckets_count++;
    }
    return BERT_OK;
}

static bool is_own(const bert_slices *s, const bert_param_slice *x) {
    return x->owner == s->group->rank;
}

/* Room for the sums that this process owns, at the first step that needs them. */
static int reserve(bert_slices *s, bert_error *e) {
    size_t all = 0;
    if (s->ready) return BERT_OK;
    for (int i = 0; i < s->count; i++) {
        bert_param_slice *x = &s->at[i];
        all += x->n;
        if (!is_own(s, x) || x->sum) continue;
        x->sum = bert_arena_alloc(&s->sums, x->n * sizeof *x->sum);
        if (!x->sum) return bert_fail_memory(e, x->n * sizeof *x->sum);
    }
    if (s->group->size > 1 && !s->ps->device->host && !s->staged) {
        s->staged = malloc(all * sizeof *s->staged);
        s->places = malloc((size_t)s->count * sizeof *s->places);
        s->offsets = calloc((size_t)s->count + 1, sizeof *s->offsets);
        if (!s->staged || !s->places || !s->offsets)
            return bert_fail_memory(e, all * sizeof *s->staged);
        for (int i = 0; i < s->count; i++) s->offsets[i + 1] = s->offsets[i] + s->at[s->order[i]].n;
    }
    s->ready = true;
    return BERT_OK;
}

bert_slices *bert_slices_new(bert_params *ps, const bert_group *g, int threads, bert_error *e) {
    bert_slices *s = calloc(1, sizeof *s);
    if (!s) {
        bert_fail_memory(e, sizeof *s);
        return NULL;
    }
    s->group = g;
    s->ps = ps;
    s->params = bert_params_count(ps);
    s->sums.memory = &ps->device->memory;
    /* parts of a group's come to a thread of the group's, while those of the tape compute */
    if (bert_worker_open(&s->worker, ps->device, g->size > 1 ? 1 : threads, BERT_PRECISION_HIGHEST,
                         e)) {
        free(s);
        return NULL;
    }
    s->worker.error = &s->worker_error;
    if (!cut(s, e) && !bert_slice_rows_choose(s, e) && !sort(s, e) &&
        (g->size < 2 || !reserve(s, e)))
        return s;
    bert_slices_free(s);
    return NULL;
}

void bert_slices_free(bert_slices *s) {
    if (!s) return;
    bert_worker_close(&s->worker);
    bert_arena_free(&s->sums);
    free(s->at);
    free(s->buckets);
    free(s->stretches);
    free(s->order);
    free(s->whole);
    free(s->by_rows);
    bert_slice_rows_free(s->rows);
    free(s->flowed);
    free(s->staged);
    free(s->offsets);
    free(s->places);
    free(s);
}

/* ---- Sums */

/* Of those that have not gone yet, which makes it seem so. */
static void note_flowed(bert_slices *s) {
    for (int i = 0; i < s->params; i++)
        if (!s->whole[i]) s->flowed[i] |= s->ps->items[i]->flowed;
}

/* One process: the last sum goes to where the gradients are, a + b being b + a. */
static int add_alone(bert_slices *s, bool is_first, bool is_last, bert_error *e) {
    const bert_device *d = s->ps->device;
    for (int i = 0; i < s->count; i++) {
        bert_param_slice *x = &s->at[i];
        bert_param *p = s->ps->items[x->param];
        if (is_last && !s->flowed[x->param]) continue; /* it stays as it is */
        const bool onto_zero = s->by_rows[x->param];   /* as in a group, where 0 + -0 is 0 */
        if (is_first && (!p->flowed || onto_zero)) d->zero(x->sum, x->n * sizeof *x->sum);
        float *grad = is_last ? bert_param_grad_mut(p, e) : p->grad;
        if (is_last && !grad) return e->code;
        if (is_last)
            d->add(&s->worker, grad + x->first, x->sum, x->n);
        else if (is_first && p->flowed && !onto_zero)
            d->copy(&s->worker, x->sum, grad + x->first, x->n);
        else if (p->flowed)
            d->add(&s->worker, x->sum, grad + x->first, x->n);
    }
    if (!is_last) bert_params_zero_grad(s->ps);
    return BERT_OK;
}

static void add_to_sum(bert_slices *s, float *sum, const float *part, size_t n) {
    const bert_device *d = s->ps->device;
    float *own = d->host ? (float *)(uintptr_t)part : bert_worker_take(&s->worker, n);
    if (!own) return; /* the worker's error says so */
    if (!d->host) d->write(own, part, n * sizeof *own);
    d->add(&s->worker, sum, own, n);
    if (!d->host) bert_worker_give(&s->worker, own);
}

/* A part that has come, or its owner's own: where the host can read it. */
static void add_part(void *context, int stretch, int rank, size_t first, const float *part,
                     size_t n) {
    const bert_bucket *b = context;
    bert_slices *s = b->all;
    const bert_device *d = s->ps->device;
    const bert_param_slice *x = &s->at[s->order[b->first + stretch]];
    float *wide = bert_wire_read(s, &part, &first, &n, x->n);
    float *sum = x->sum + first;
    if (s->is_first && !rank)
        d->write(sum, part, n * sizeof *sum);
    else
        add_to_sum(s, sum, part, n);
    free(wide);
}

/* Gradients of a bucket, where the host can read them: zero where nothing has flowed. */
static int list_gradients(bert_slices *s, const bert_bucket *b, bert_error *e) {
    const bert_device *d = s->ps->device;
    const bool sends = s->group->rank < s->senders;
    for (int i = b->first; i < b->first + b->count; i++) {
        const bert_param_slice *x = &s->at[s->order[i]];
        float *grad = sends ? bert_param_grad_mut(s->ps->items[x->param], e) : NULL;
        if (sends && !grad) return e->code;
        if (sends) grad += x->first;
        if (sends && !d->host) {
            d->read(s->staged + s->offsets[i], grad, x->n * sizeof *grad);
            grad = s->staged + s->offsets[i];
        }
        if (sends && s->narrow) bert_wire_narrow(grad, x->n);
        s->stretches[i] =
            (bert_stretch){.owner = x->owner, .n = bert_wire_floats(s, x->n), .data = grad};
    }
    return BERT_OK;
}

/* The next bucket goes. */
static int post(bert_slices *s, bert_error *e) {
    bert_bucket *b = &s->buckets[s->next++];
    int rc = list_gradients(s, b, e);
    if (rc) return rc;
    return bert_group_reduce(s->group, s->stretches + b->first, b->count, s->senders, add_part, b,
                             e);
}

/* Those from the first one on that are whole. */
static void post_whole(bert_slices *s) {
    while (s->next < s->buckets_count && !s->buckets[s->next].left && !s->posted.code)
        post(s, &s->posted);
}

static int bucket_of(const bert_slices *s, int param) {
    int k = 0;
    const int layer = s->ps->items[param]->layer;
    while (s->ps->items[s->at[s->order[s->buckets[k].first]].param]->layer != layer) k++;
    return k;
}

void bert_slices_begin(bert_slices *s, int64_t round, int senders) {
    if (round == 0) memset(s->flowed, 0, (size_t)s->params * sizeof *s->flowed);
    if (s->group->size < 2) return;
    s->is_first = round == 0;
    s->senders = senders;
    s->next = 0;
    for (int i = 0; i < s->params; i++) {
        s->whole[i] = false;
        s->ps->items[i]->uses = 0;
    }
    for (int k = 0; k < s->buckets_count; k++) s->buckets[k].left = 0;
    for (int i = 0; i < s->params; i++)
        if (bert_param_trainable(s->ps->items[i]) && !s->by_rows[i])
            s->buckets[bucket_of(s, i)].left++;
}

static void mark_whole(bert_slices *s, int param) {
    if (s->whole[param] || s->by_rows[param] || !bert_param_trainable(s->ps->items[param])) return;
    s->whole[param] = true;
    s->flowed[param] |= s->ps->items[param]->flowed;
    s->buckets[bucket_of(s, param)].left--;
}

void bert_slices_recorded(bert_slices *s) {
    if (s->group->size < 2) return;
    for (int i = 0; i < s->params; i++)
        if (!s->ps->items[i]->uses) mark_whole(s, i);
    post_whole(s);
}

void bert_slices_passed(void *slices, const bert_param *p) {
    bert_slices *s = slices;
    for (int i = 0; i < s->params; i++)
        if (s->ps->items[i] == p) mark_whole(s, i);
    post_whole(s);
}

static int add_together(bert_slices *s, bert_error *e) {
    bert_error ignored = {0};
    int rc = s->posted.code ? bert_fail(e, s->posted.code, "%s", s->posted.message) : BERT_OK;
    while (s->next < s->buckets_count) { /* the others wait for it */
        bert_error own = {0};
        if (post(s, &own) && !rc) rc = bert_fail(e, own.code, "%s", own.message);
    }
    bert_error of_rows = {0};
    if (bert_slice_rows_add(s, &of_rows) && !rc)
        rc = bert_fail(e, of_rows.code, "%s", of_rows.message);
    const int waited = bert_group_wait(s->group, rc ? &ignored : e);
    if (!rc) rc = waited;
    if (!rc && s->worker_error.code)
        rc = bert_fail(e, s->worker_error.code, "%s", s->worker_error.message);
    bert_error_clear(&s->worker_error);
    bert_error_clear(&s->posted);
    bert_params_zero_grad(s->ps);
    return rc;
}

int bert_slices_add(bert_slices *s, int64_t round, int64_t rounds, bert_error *e) {
    note_flowed(s);
    if (s->group->size > 1) return add_together(s, e);
    if (s->narrow && bert_wire_round_all(s, e)) return e->code;
    if (rounds < 2) return BERT_OK; /* the gradient is the sum */
    int rc = reserve(s, e);
    return rc ? rc : add_alone(s, round == 0, round + 1 == rounds, e);
}

int bert_slices_share(const bert_slices *s, int count, bert_error *e) {
    const bert_device *d = s->ps->device;
    float *at = s->staged;
    int rc = BERT_OK;
    for (int i = 0; i < count && !d->host; i++) { /* its own go, the others come */
        bert_stretch *x = &s->stretches[i];
        float *value = x->data;
        x->data = at;
        if (x->owner == s->group->rank) d->read(at, value, x->n * sizeof *at);
        s->places[i] = value;
        at += x->n;
    }
    rc = bert_group_share(s->group, s->stretches, count, -1, e);
    if (!rc) rc = bert_group_wait(s->group, e);
    for (int i = 0; i < count && !rc && !d->host; i++) {
        const bert_stretch *x = &s->stretches[i];
        if (x->owner != s->group->rank) d->write(s->places[i], x->data, x->n * sizeof *at);
    }
    return rc;
}

void bert_slices_end(const bert_slices *s) {
    for (int i = 0; i < s->params; i++) s->ps->items[i]->flowed = s->flowed[i];
}
