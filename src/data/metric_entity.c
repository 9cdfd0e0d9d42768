#include "data/metric_entity.h"
#include "base/error.h"
#include "base/grow.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CONFUSED_TYPES = 1024 }; /* with more the matrix is not kept */

/* ---- Entities of two sequences */

static bool same(const bert_entity_span *a, const bert_entity_span *b) {
    return a->start == b->start && a->end == b->end && a->type == b->type;
}

/* Both lists are in order of their ends, which are distinct. (Starts need not be: where seqeval
 * does not know a prefix, one entity may begin where another did.) */
static void count(bert_entity_counts *c, const bert_entity_span *truth, int32_t n,
                  const bert_entity_span *predicted, int32_t m) {
    c->truth += n;
    c->predicted += m;
    for (int32_t i = 0, k = 0; i < n; i++) {
        while (k < m && predicted[k].end < truth[i].end) k++;
        if (k < m && same(&truth[i], &predicted[k])) c->hit++;
    }
}

static int32_t overlap(const bert_entity_span *a, const bert_entity_span *b) {
    const int32_t start = a->start > b->start ? a->start : b->start;
    const int32_t end = a->end < b->end ? a->end : b->end;
    return end - start + 1;
}

/* The entity of a list that has most words of x, the first of them; NULL: none has any. */
static const bert_entity_span *nearest(const bert_entity_span *x, const bert_entity_span *list,
                                       int32_t n) {
    const bert_entity_span *best = NULL;
    for (int32_t i = 0; i < n && list[i].start <= x->end; i++)
        if (overlap(x, &list[i]) > (best ? overlap(x, best) : 0)) best = &list[i];
    return best;
}

static void count_types(bert_entity_state *s, const bert_entity_span *truth, int32_t n,
                        const bert_entity_span *predicted, int32_t m) {
    const int32_t none = s->tags->types;
    const size_t width = (size_t)none + 1;
    for (int32_t i = 0; i < n; i++) {
        const bert_entity_span *other = nearest(&truth[i], predicted, m);
        s->type[truth[i].type].truth++;
        const bool hit = other && same(&truth[i], other);
        s->type[truth[i].type].hit += hit;
        if (s->confused && !hit)
            s->confused[(size_t)truth[i].type * width + (size_t)(other ? other->type : none)]++;
    }
    for (int32_t k = 0; k < m; k++) {
        s->type[predicted[k].type].predicted++;
        if (s->confused && !nearest(&predicted[k], truth, n))
            s->confused[(size_t)none * width + (size_t)predicted[k].type]++;
    }
}

/* Words of classes are entities of one word each. */
static void count_classes(bert_entity_state *s, const int32_t *truth, const int32_t *predicted,
                          int32_t n) {
    const size_t width = (size_t)s->tags->types + 1;
    for (int32_t i = 0; i < n; i++) {
        const int32_t a = s->tags->tag[truth[i]].type, b = s->tags->tag[predicted[i]].type;
        s->type[a].truth++;
        s->type[b].predicted++;
        s->type[a].hit += a == b;
        if (s->confused && a != b) s->confused[(size_t)a * width + (size_t)b]++;
    }
}

static void score(bert_entity_state *s, int32_t n) {
    const int32_t *truth = s->labels, *predicted = s->labels + s->longest;
    bert_entity_span *a = s->spans, *b = s->spans + s->longest;
    s->tokens += n;
    for (int32_t i = 0; i < n; i++) s->right += truth[i] == predicted[i];
    if (s->tags->scheme == BERT_TAGS_CLASSES) {
        count_classes(s, truth, predicted, n);
        return;
    }
    int32_t x = bert_tags_entities(s->tags, &s->before[0], truth, n, a),
            y = bert_tags_entities(s->tags, &s->before[1], predicted, n, b);
    count(&s->sum[0], a, x, b, y);
    count_types(s, a, x, b, y);
    x = bert_tags_entities_strict(s->tags, truth, n, a);
    y = bert_tags_entities_strict(s->tags, predicted, n, b);
    count(&s->sum[1], a, x, b, y);
}

/* ---- The stream */

static int begin(bert_entity_state *s, const bert_dataset *d, bert_error *e) {
    const bert_sentences *known = d->state;
    s->set = d;
    s->tags = bert_tags_new(d->names, d->num_labels, e);
    if (!s->tags) return BERT_ENOMEM;
    if (known) bert_tags_set(s->tags, known->tags->scheme);
    const size_t types = (size_t)s->tags->types, cells = (types + 1) * (types + 1);
    s->type = calloc(types + 1, sizeof *s->type);
    if (types <= CONFUSED_TYPES) s->confused = calloc(cells, sizeof *s->confused);
    if (!s->type || (types <= CONFUSED_TYPES && !s->confused))
        return bert_fail_memory(e, cells * sizeof *s->confused);
    if (!known) return BERT_OK;
    const size_t tokens = (size_t)d->start[d->sequences];
    int rc = bert_grow(&s->predicted, tokens, sizeof *s->predicted, e);
    if (!rc) memset(s->predicted, -1, tokens * sizeof *s->predicted);
    return rc;
}

static void clear(void *self) {
    bert_entity_state *s = self;
    bert_tags_free(s->tags);
    free(s->type);
    free(s->confused);
    free(s->spans);
    free(s->labels);
    bert_grown_free(s->predicted);
    bert_sentence_room_free(s->room);
    *s = (bert_entity_state){0};
}

static int make_room(bert_entity_state *s, int32_t longest, bert_error *e) {
    if (longest <= s->longest) return BERT_OK;
    const size_t n = (size_t)longest;
    free(s->spans);
    free(s->labels);
    s->spans = malloc(2 * n * sizeof *s->spans);
    s->labels = malloc(2 * n * sizeof *s->labels);
    s->longest = s->spans && s->labels ? longest : 0;
    return s->longest ? BERT_OK : bert_fail_memory(e, 2 * n * sizeof *s->spans);
}

static int32_t best_of(const float *x, int32_t n) {
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static int update(void *self, const bert_dataset *d, const bert_batch *b, const float *logits,
                  int32_t cols, bert_error *e) {
    bert_entity_state *s = self;
    int rc = s->tags ? BERT_OK : begin(s, d, e);
    for (int32_t i = 0; i < b->inputs.n && !rc; i++) {
        const int32_t from = b->inputs.start[i], to = b->inputs.start[i + 1];
        int32_t n = 0;
        if ((rc = make_room(s, to - from, e))) break;
        for (int32_t k = from; k < to; k++) {
            if (b->labels[k] < 0) continue;
            const int32_t best = best_of(logits + (size_t)k * (size_t)cols, cols);
            s->labels[n] = b->labels[k];
            s->labels[s->longest + n++] = best;
            if (s->predicted) s->predicted[d->start[b->rows[i]] + k - from] = best;
        }
        score(s, n);
    }
    s->rows += b->inputs.n;
    return rc;
}

static double ratio(int64_t a, int64_t b) {
    return b ? (double)a / (double)b : 0;
}

static double accuracy_of(const bert_entity_state *s) {
    return s->tokens ? ratio(s->right, s->tokens) : (double)NAN;
}

static int compute_entities(void *self, double *values, int64_t *rows, bert_error *e) {
    (void)e;
    const bert_entity_state *s = self;
    for (int m = 0; m < 2; m++) {
        const bert_entity_counts *c = &s->sum[m];
        double *v = values + 4 * m;
        v[0] = ratio(c->hit, c->predicted);
        v[1] = ratio(c->hit, c->truth);
        v[2] = ratio(2 * c->hit, c->predicted + c->truth);
    }
    values[3] = accuracy_of(s);
    *rows = s->rows;
    return BERT_OK;
}

/* f1_macro is scikit-learn's: of the classes that occur or are predicted. */
static int compute_classes(void *self, double *values, int64_t *rows, bert_error *e) {
    (void)e;
    const bert_entity_state *s = self;
    double sum = 0;
    int32_t classes = 0;
    for (int32_t i = 0; s->tags && i < s->tags->types; i++) {
        const int64_t all = s->type[i].predicted + s->type[i].truth;
        classes += all > 0;
        sum += ratio(2 * s->type[i].hit, all);
    }
    values[0] = accuracy_of(s);
    values[1] = classes ? sum / classes : 0;
    *rows = s->rows;
    return BERT_OK;
}

static const char *const entity_names[] = {
    "precision", "recall", "f1", "accuracy", "precision_strict", "recall_strict", "f1_strict", NULL,
};
static const char *const run_names[] = {"precision", "recall", "f1", "accuracy", NULL};
static const char *const tag_names[] = {"accuracy", "f1_macro", NULL};

const bert_scorer bert_entity_scorer = {.names = entity_names,
                                        .size = sizeof(bert_entity_state),
                                        .update = update,
                                        .compute = compute_entities,
                                        .clear = clear};
const bert_scorer bert_run_scorer = {.names = run_names,
                                     .size = sizeof(bert_entity_state),
                                     .update = update,
                                     .compute = compute_entities,
                                     .clear = clear};
const bert_scorer bert_tag_scorer = {.names = tag_names,
                                     .size = sizeof(bert_entity_state),
                                     .update = update,
                                     .compute = compute_classes,
                                     .clear = clear};

const bert_scorer *bert_scorer_of_tags(const bert_tags *t) {
    return t->scheme == BERT_TAGS_CLASSES ? &bert_tag_scorer
           : t->scheme == BERT_TAGS_IO    ? &bert_run_scorer
                                          : &bert_entity_scorer;
}

bert_entity_state *bert_metrics_tags(const bert_metrics *m) {
    const bert_scorer *s = bert_metrics_scorer(m);
    bert_entity_state *state =
        s == &bert_entity_scorer || s == &bert_run_scorer || s == &bert_tag_scorer
            ? bert_metrics_state(m)
            : NULL;
    return state && state->tags ? state : NULL;
}
