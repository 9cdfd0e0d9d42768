#include "models/trunk.h"
#include "base/error.h"
#include "tape/tape.h"

int bert_trunk_new(bert_params *ps, const bert_arch *arch, const bert_config *c, const void *own,
                   const char *prefix, bert_trunk *k, bert_error *e) {
    *k = (bert_trunk){.arch = arch, .layers = c->num_hidden_layers};
    bert_builder b = {
        .params = ps, .prefix = prefix, .config = c, .own = own, .memory = &k->memory, .e = e};
    ps->part = BERT_PART_TRUNK;
    k->state = bert_build_alloc(&b, arch->state_size);
    int rc = k->state ? arch->build(&b, k->state) : BERT_ENOMEM;
    k->words = b.words;
    ps->layer = k->layers; /* whatever comes now lies above them */
    return rc;
}

int bert_trunk_add_pooler(bert_params *ps, const bert_config *c, const void *own,
                          const char *prefix, bert_trunk *k, bert_error *e) {
    bert_builder b = {.params = ps, .prefix = prefix, .config = c, .memory = &k->memory, .e = e};
    ps->part = BERT_PART_POOLER;
    int32_t size = c->hidden_size;
    k->pooler_act = BERT_ACT_TANH;
    int rc = k->arch->pooler_shape ? k->arch->pooler_shape(c, own, &size, &k->pooler_act, e) : 0;
    return rc ? rc
              : bert_build_linear(&b, k->arch->pooler, k->layers, c->hidden_size, size, &k->pooler);
}

void bert_trunk_free(bert_trunk *k) {
    bert_arena_free(&k->memory);
    *k = (bert_trunk){0};
}

/* ---- The one forward pass: training and inference, every architecture */

static void check(bert_tape *t, const bert_watch *watch) {
    if (!watch || !watch->check) return;
    bert_error e = {0};
    int rc = watch->check(watch->context, &e);
    if (rc) bert_tape_fail(t, NULL, rc, "%s", e.message);
}

static void show(bert_tape *t, const bert_watch *watch, int layer, const bert_tensor *x) {
    if (!x || !watch || !watch->hidden) return;
    bert_error e = {0};
    int rc = watch->hidden(watch->context, layer, bert_tensor_read(t, x), &e);
    if (rc) bert_tape_fail(t, NULL, rc, "%s", e.message);
}

/* One layer as a segment that gradient checkpointing may run again. */
typedef struct {
    const bert_trunk *trunk;
    bert_inputs in;
    const bert_watch *watch;
    int layer;
} segment;

static bert_tensor *run_segment(bert_tape *t, const void *context, bert_tensor *x) {
    const segment *s = context;
    const bert_arch *arch = s->trunk->arch;
    const int32_t skipped = s->watch ? s->watch->skip_layers : 0;
    const bool top = s->layer + 1 == s->trunk->layers - skipped;
    const bert_pass pass = {.in = &s->in,
                            .watch = s->watch,
                            .layer = s->layer,
                            .first_rows = s->watch && s->watch->first_rows && top};
    x = arch->block(t, s->trunk->state, x, &pass);
    const bool finish = arch->finish && !arch->finishes_apart;
    return top && !skipped && finish ? arch->finish(t, s->trunk->state, x) : x;
}

void bert_trunk_begin(bert_tape *t, const bert_trunk *k, const bert_inputs *in,
                      const bert_watch *watch, bert_trunk_walk *w) {
    *w = (bert_trunk_walk){.trunk = k,
                           .in = *in,
                           .watch = watch,
                           .layers = k->layers - (watch ? watch->skip_layers : 0),
                           .mark = bert_tape_mark(t)};
    if (t->options.record) { /* the caller's array may be gone when backward runs a layer again */
        w->in.start = bert_tape_copy(t, in->start, ((size_t)in->n + 1) * sizeof *in->start);
        if (!w->in.start) return;
        w->mark = bert_tape_mark(t);
    }
    w->x = bert_tape_release_keep(t, w->mark, k->arch->embed(t, k->state, in));
    show(t, watch, 0, w->x);
}

bool bert_trunk_step(bert_tape *t, bert_trunk_walk *w) {
    if (!w->x || w->layer == w->layers) return false;
    const segment s = {.trunk = w->trunk, .in = w->in, .watch = w->watch, .layer = w->layer};
    check(t, w->watch);
    /* x dies with its layer, so the next one is kept where this one began. */
    w->x = bert_tape_release_keep(t, w->mark, bert_checkpoint(t, run_segment, &s, sizeof s, w->x));
    show(t, w->watch, ++w->layer, w->x);
    if (w->x && w->layer < w->layers) return true;
    const bert_arch *arch = w->trunk->arch;
    if (w->x && arch->finishes_apart && w->layers == w->trunk->layers)
        w->x = bert_tape_release_keep(t, w->mark, arch->finish(t, w->trunk->state, w->x));
    return false;
}

bert_tensor *bert_trunk_forward(bert_tape *t, const bert_trunk *k, const bert_inputs *in,
                                const bert_watch *watch) {
    bert_trunk_walk w;
    bert_trunk_begin(t, k, in, watch, &w);
    while (bert_trunk_step(t, &w)) {
    }
    return w.x;
}
