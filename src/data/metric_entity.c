#include "data/metric_entity.h"
#include "base/error.h"
#include "data/dataset.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "B-PER" is B of PER. A label without a dash is taken as seqeval takes it: prefix and rest. */
typedef struct {
    char prefix;
    const char *type;
} tag;

static tag tag_of(const char *label) {
    const char *rest = *label ? label + 1 : label, *dash = strchr(rest, '-');
    const char *type = dash ? dash + 1 : rest;
    return (tag){*label, *type ? type : "_"};
}

static bool in(char c, const char *set) {
    return c && strchr(set, c);
}

/* conlleval's rules, as seqeval has them. */
static bool ends(tag before, tag now) {
    if (in(before.prefix, "ES")) return true;
    if (in(before.prefix, "BI") && in(now.prefix, "BSO")) return true;
    return !in(before.prefix, "O.") && strcmp(before.type, now.type) != 0;
}

static bool starts(tag before, tag now) {
    if (in(now.prefix, "BS")) return true;
    if (in(before.prefix, "ESO") && in(now.prefix, "EI")) return true;
    return !in(now.prefix, "O.") && strcmp(before.type, now.type) != 0;
}

int32_t bert_entities(const char *const *labels, int32_t n, bert_entity_span *out) {
    tag before = {'O', ""};
    int32_t count = 0, begin = 0;
    for (int32_t i = 0; i <= n; i++) {
        tag now = tag_of(i < n ? labels[i] : "O");
        if (ends(before, now)) out[count++] = (bert_entity_span){before.type, begin, i - 1};
        if (starts(before, now)) begin = i;
        before = now;
    }
    return count;
}

int32_t bert_entities_strict(const char *const *labels, int32_t n, bert_entity_span *out) {
    int32_t count = 0;
    for (int32_t i = 0; i < n;) {
        tag first = tag_of(labels[i++]);
        if (first.prefix != 'B') continue;
        bert_entity_span span = {first.type, i - 1, i - 1};
        for (; i < n; i++) {
            tag next = tag_of(labels[i]);
            if (next.prefix != 'I' || strcmp(next.type, first.type)) break;
            span.end = i;
        }
        out[count++] = span;
    }
    return count;
}

/* ---- The stream */

typedef struct {
    int64_t hit, predicted, truth;
} counts;

typedef struct {
    counts mode[2]; /* default, strict */
    int64_t tokens, right, rows;
} state;

static bool same(const bert_entity_span *a, const bert_entity_span *b) {
    return a->start == b->start && a->end == b->end && !strcmp(a->type, b->type);
}

/* Both lists are in order of their starts, which are distinct. */
static void count(counts *c, const bert_entity_span *truth, int32_t n,
                  const bert_entity_span *predicted, int32_t m) {
    c->truth += n;
    c->predicted += m;
    for (int32_t i = 0, k = 0; i < n; i++) {
        while (k < m && predicted[k].start < truth[i].start) k++;
        if (k < m && same(&truth[i], &predicted[k])) c->hit++;
    }
}

static int32_t best_of(const float *x, int32_t n) {
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static int update(void *self, const bert_dataset *d, const bert_batch *b, const float *logits,
                  int32_t cols, bert_error *e) {
    typedef int32_t extract(const char *const *labels, int32_t n, bert_entity_span *out);
    static extract *const modes[] = {bert_entities, bert_entities_strict};
    state *s = self;
    int32_t longest = 0;
    for (int32_t i = 0; i < b->inputs.n; i++) {
        int32_t n = b->inputs.start[i + 1] - b->inputs.start[i];
        if (n > longest) longest = n;
    }
    const size_t bytes = (size_t)longest * 2 * (sizeof(char *) + sizeof(bert_entity_span));
    const char **truth = malloc(bytes);
    if (!truth) return bert_fail_memory(e, bytes);
    const char **predicted = truth + longest;
    bert_entity_span *spans = (bert_entity_span *)(void *)(predicted + longest);
    for (int32_t i = 0; i < b->inputs.n; i++) {
        int32_t n = 0;
        for (int32_t k = b->inputs.start[i]; k < b->inputs.start[i + 1]; k++) {
            if (b->labels[k] < 0) continue;
            int32_t best = best_of(logits + (size_t)k * (size_t)cols, cols);
            truth[n] = bert_dataset_label(d, b->labels[k]);
            predicted[n++] = bert_dataset_label(d, best);
            s->right += best == b->labels[k];
        }
        s->tokens += n;
        for (int m = 0; m < 2; m++) {
            int32_t t = modes[m](truth, n, spans);
            count(&s->mode[m], spans, t, spans + longest, modes[m](predicted, n, spans + longest));
        }
    }
    s->rows += b->inputs.n;
    free(truth);
    return 0;
}

static double ratio(int64_t a, int64_t b) {
    return b ? (double)a / (double)b : 0;
}

static int compute(void *self, double *values, int64_t *rows, bert_error *e) {
    (void)e;
    const state *s = self;
    for (int m = 0; m < 2; m++) {
        const counts *c = &s->mode[m];
        double *v = values + 4 * m;
        v[0] = ratio(c->hit, c->predicted);
        v[1] = ratio(c->hit, c->truth);
        v[2] = ratio(2 * c->hit, c->predicted + c->truth);
    }
    values[3] = s->tokens ? ratio(s->right, s->tokens) : (double)NAN;
    *rows = s->rows;
    return 0;
}

static const char *const names[] = {
    "precision", "recall", "f1", "accuracy", "precision_strict", "recall_strict", "f1_strict", NULL,
};

const bert_scorer bert_entity_scorer = {
    .names = names, .size = sizeof(state), .update = update, .compute = compute};
