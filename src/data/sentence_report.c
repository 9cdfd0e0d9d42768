/* What people look at after tags were predicted: types, confusions, sentences. */
#include "base/error.h"
#include "data/metric_entity.h"
#include <stdlib.h>
#include <string.h>

/* ---- Types */

static bool seen(const bert_entity_counts *c) {
    return c->truth || c->predicted;
}

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

static bert_class_report report_of(const bert_entity_counts *c) {
    const double hit = (double)c->hit, predicted = (double)c->predicted, truth = (double)c->truth;
    return (bert_class_report){ratio(hit, predicted), ratio(hit, truth),
                               ratio(2 * hit, predicted + truth), c->truth};
}

/* The mean over types, by support or not. */
static bert_class_report mean_of(const bert_entity_state *s, bool weighted) {
    bert_class_report mean = {0};
    double weights = 0;
    for (int32_t i = 0; i < s->tags->types; i++) {
        if (!seen(&s->type[i])) continue;
        const bert_class_report r = report_of(&s->type[i]);
        const double w = weighted ? (double)r.support : 1;
        mean.precision += w * r.precision;
        mean.recall += w * r.recall;
        mean.f1 += w * r.f1;
        mean.support += r.support;
        weights += w;
    }
    mean.precision = ratio(mean.precision, weights);
    mean.recall = ratio(mean.recall, weights);
    mean.f1 = ratio(mean.f1, weights);
    return mean;
}

static const bert_entity_state *state_of(const bert_metrics *m) {
    return m ? bert_metrics_tags(m) : NULL;
}

bool bert_metrics_type(const bert_metrics *m, int i, const char **name, bert_class_report *out) {
    static const char *const averages[] = {"micro avg", "macro avg", "weighted avg"};
    const bert_entity_state *s = state_of(m);
    if (!s || i < 0) return false;
    bert_entity_counts sum = {0};
    for (int32_t k = 0; k < s->tags->types; k++) {
        const bert_entity_counts *c = &s->type[k];
        if (!seen(c)) continue;
        if (i-- == 0) {
            *name = s->tags->type[k];
            *out = report_of(c);
            return true;
        }
        sum.hit += c->hit;
        sum.predicted += c->predicted;
        sum.truth += c->truth;
    }
    if (i > 2 || !seen(&sum)) return false;
    *name = averages[i];
    *out = i ? mean_of(s, i == 2) : report_of(&sum);
    return true;
}

/* ---- Confusions */

int bert_metrics_confusions(const bert_metrics *m, bert_confusion *out, int n) {
    const bert_entity_state *s = state_of(m);
    int count = 0;
    if (!s || !s->confused) return 0;
    const int32_t none = s->tags->types;
    for (int32_t i = 0; i <= none; i++)
        for (int32_t k = 0; k <= none; k++) {
            const int64_t times = s->confused[(size_t)i * ((size_t)none + 1) + (size_t)k];
            int at = count < n ? count : n;
            while (at > 0 && out[at - 1].times < times) at--;
            if (!times || at == n) continue;
            count += count < n;
            memmove(out + at + 1, out + at, (size_t)(count - at - 1) * sizeof *out);
            out[at] = (bert_confusion){i < none ? s->tags->type[i] : NULL,
                                       k < none ? s->tags->type[k] : NULL, times};
        }
    return count;
}

/* ---- Sentences */

struct bert_sentence_room {
    int32_t longest;
    const char **word, **truth, **predicted; /* [longest] */
    bert_marked *marks[2];                   /* [longest]: truth, predicted */
    bert_entity_span *spans[2];
    int32_t *labels[2], *place; /* of the words that were predicted, and which they are */
};

static void empty(struct bert_sentence_room *r) {
    free(r->word);
    for (int i = 0; i < 2; i++) {
        free(r->marks[i]);
        free(r->spans[i]);
    }
    free(r->labels[0]);
    *r = (struct bert_sentence_room){0};
}

void bert_sentence_room_free(struct bert_sentence_room *room) {
    if (room) empty(room);
    free(room);
}

static struct bert_sentence_room *room_for(bert_entity_state *s, int32_t words, bert_error *e) {
    if (!s->room) s->room = calloc(1, sizeof *s->room);
    struct bert_sentence_room *r = s->room;
    if (r && r->word && words <= r->longest) return r;
    if (r) {
        const size_t n = (size_t)words + 1;
        empty(r);
        r->word = malloc(3 * n * sizeof *r->word);
        r->labels[0] = malloc(3 * n * sizeof *r->place);
        bool enough = r->word && r->labels[0];
        for (int i = 0; i < 2; i++) {
            r->marks[i] = malloc(n * sizeof *r->marks[i]);
            r->spans[i] = malloc(n * sizeof *r->spans[i]);
            enough = enough && r->marks[i] && r->spans[i];
        }
        if (enough) {
            r->truth = r->word + n;
            r->predicted = r->truth + n;
            r->labels[1] = r->labels[0] + n;
            r->place = r->labels[1] + n;
            r->longest = words;
            return r;
        }
        empty(r);
    }
    bert_fail_memory(e, (size_t)words * sizeof *r->spans[0]);
    return NULL;
}

/* The words, their labels, and the labels that were predicted; returns how many these are. */
static int32_t read_words(const bert_entity_state *s, int64_t first, int32_t words,
                          struct bert_sentence_room *r) {
    const bert_sentences *all = s->set->state;
    int32_t n = 0;
    for (int32_t i = 0; i < words; i++) {
        const int64_t w = first + i, token = all->token[w];
        const int32_t best = token < 0 || !s->predicted ? -1 : s->predicted[token];
        r->word[i] = all->text + all->word[w];
        r->truth[i] = s->set->names[all->gold[w]];
        r->predicted[i] = best < 0 ? NULL : s->set->names[best];
        if (best < 0) continue;
        r->labels[0][n] = all->gold[w];
        r->labels[1][n] = best;
        r->place[n++] = i;
    }
    return n;
}

/* Words of a class that are wrong. */
static int32_t wrong_words(const bert_entity_state *s, struct bert_sentence_room *r, int32_t n,
                           bert_tagged_sentence *out) {
    int32_t wrong = 0;
    for (int32_t i = 0; i < n; i++) {
        if (r->labels[0][i] == r->labels[1][i]) continue;
        for (int side = 0; side < 2; side++)
            r->marks[side][wrong] = (bert_marked){.first = r->place[i],
                                                  .last = r->place[i],
                                                  .type = s->set->names[r->labels[side][i]]};
        wrong++;
    }
    out->truths = out->predictions = wrong;
    return wrong;
}

static bool is_among(const bert_entity_span *x, const bert_entity_span *list, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (list[i].start == x->start && list[i].end == x->end && list[i].type == x->type)
            return true;
    return false;
}

static int32_t wrong_entities(const bert_entity_state *s, struct bert_sentence_room *r, int32_t n,
                              bert_tagged_sentence *out) {
    int32_t counts[2], wrong = 0;
    for (int side = 0; side < 2; side++)
        counts[side] = bert_tags_entities(s->tags, NULL, r->labels[side], n, r->spans[side]);
    for (int side = 0; side < 2; side++)
        for (int32_t i = 0; i < counts[side]; i++) {
            const bert_entity_span *x = &r->spans[side][i];
            const bool right = is_among(x, r->spans[!side], counts[!side]);
            wrong += !right;
            r->marks[side][i] =
                (bert_marked){r->place[x->start], r->place[x->end], s->tags->type[x->type], right};
        }
    out->truths = counts[0];
    out->predictions = counts[1];
    return wrong;
}

int64_t bert_metrics_sentences(const bert_metrics *m) {
    const bert_entity_state *s = state_of(m);
    const bert_sentences *all = s ? s->set->state : NULL;
    return all ? all->sentences : 0;
}

int bert_metrics_sentence(const bert_metrics *m, int64_t i, bert_tagged_sentence *out,
                          bert_error *e) {
    BERT_DOOR(e);
    *out = (bert_tagged_sentence){0};
    if (i < 0 || i >= bert_metrics_sentences(m))
        return bert_fail(e, BERT_EINVAL, "there is no sentence %lld", (long long)i);
    bert_entity_state *s = bert_metrics_tags(m);
    const bert_sentences *all = s->set->state;
    const int64_t first = all->sentence[i];
    const int32_t words = (int32_t)(all->sentence[i + 1] - first);
    struct bert_sentence_room *r = room_for(s, words, e);
    if (!r) return BERT_ENOMEM;
    *out = (bert_tagged_sentence){.line = all->line[i],
                                  .words = words,
                                  .word = r->word,
                                  .truth = r->truth,
                                  .predicted = r->predicted,
                                  .marked_truth = r->marks[0],
                                  .marked_predicted = r->marks[1]};
    const int32_t n = read_words(s, first, words, r);
    const bool classes = s->tags->scheme == BERT_TAGS_CLASSES;
    out->mistakes = (classes ? wrong_words : wrong_entities)(s, r, n, out);
    return BERT_OK;
}

int bert_metrics_worst(const bert_metrics *m, int64_t *sentence, int n, bert_error *e) {
    BERT_DOOR(e);
    int32_t *mistakes = malloc(((size_t)n + 1) * sizeof *mistakes);
    int count = 0, rc = mistakes ? BERT_OK : bert_fail_memory(e, (size_t)n * sizeof *mistakes);
    for (int64_t i = 0; !rc && i < bert_metrics_sentences(m); i++) {
        bert_tagged_sentence x;
        if ((rc = bert_metrics_sentence(m, i, &x, e))) break;
        int at = count;
        while (at > 0 && mistakes[at - 1] < x.mistakes) at--;
        if (!x.mistakes || at == n) continue;
        count += count < n;
        for (int k = count - 1; k > at; k--) {
            mistakes[k] = mistakes[k - 1];
            sentence[k] = sentence[k - 1];
        }
        mistakes[at] = x.mistakes;
        sentence[at] = i;
    }
    free(mistakes);
    return rc ? rc : count;
}
