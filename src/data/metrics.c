/* Metrics over a stream of logits: counts per class, moments, and for ranks the values. */
#include "base/error.h"
#include "base/number.h"
#include "data/dataset.h"
#include "data/rank.h"
#include "models/problem.h"
#include <bert_train.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONFUSION_LABELS = 1024, /* with more labels the matrix is not kept */
    SCORES_MAX = 1 << 26,    /* numbers that ranking metrics may keep: 2 x 512 MB */
    NAMES_MAX = BERT_METRICS_MAX
};

typedef enum { BINARY, MICRO, MACRO, WEIGHTED } average;

typedef struct {
    int64_t hit, predicted, truth; /* rows where the class is right, predicted, true */
} class_counts;

struct bert_metrics {
    bert_problem problem;
    int32_t num_labels, positive; /* positive: the class that metrics of one class are of */
    int64_t rows, exact;          /* counted; with every label right */
    class_counts *classes;
    int64_t *confusion;        /* [num_labels, num_labels] or NULL */
    double squares, absolutes; /* sums of errors over elements */
    bert_correlation correlation;
    double *scores, *truths; /* what the ranking metrics need: [scored] each */
    size_t scored, capacity;
    double loss, loss_items;
    int chosen[NAMES_MAX];
    int count;
    bool keep_scores, has_loss;
    double values[NAMES_MAX];
    const bert_scorer *scorer; /* then chosen[] are numbers of its names, and state is its own */
    void *state;
};

/* ---- Values of the finished stream */

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0; /* scikit-learn's zero_division */
}

static double f1_of(double hit, double predicted, double truth) {
    return ratio(2 * hit, predicted + truth);
}

static double precision_of(double hit, double predicted, double truth) {
    (void)truth;
    return ratio(hit, predicted);
}

static double recall_of(double hit, double predicted, double truth) {
    (void)predicted;
    return ratio(hit, truth);
}

typedef double class_score(double hit, double predicted, double truth);

static double averaged(const bert_metrics *m, class_score *score, average kind) {
    const class_counts *c = m->classes;
    if (kind == BINARY) {
        c += m->positive;
        return score((double)c->hit, (double)c->predicted, (double)c->truth);
    }
    double hit = 0, predicted = 0, truth = 0, sum = 0, weights = 0;
    for (int32_t i = 0; i < m->num_labels; i++) {
        hit += (double)c[i].hit;
        predicted += (double)c[i].predicted;
        truth += (double)c[i].truth;
        /* A class that neither occurs nor is predicted does not count, unless it is a column. */
        bool seen = m->problem == BERT_PROBLEM_MULTI_LABEL || c[i].truth || c[i].predicted;
        double weight = kind == WEIGHTED ? (double)c[i].truth : seen;
        sum += weight * score((double)c[i].hit, (double)c[i].predicted, (double)c[i].truth);
        weights += weight;
    }
    return kind == MICRO ? score(hit, predicted, truth) : ratio(sum, weights);
}

static int accuracy(const bert_metrics *m, int kind, double *v) {
    (void)kind;
    *v = m->rows ? (double)m->exact / (double)m->rows : (double)NAN;
    return BERT_OK;
}

static int precision(const bert_metrics *m, int kind, double *v) {
    *v = averaged(m, precision_of, (average)kind);
    return BERT_OK;
}

static int recall(const bert_metrics *m, int kind, double *v) {
    *v = averaged(m, recall_of, (average)kind);
    return BERT_OK;
}

static int f1(const bert_metrics *m, int kind, double *v) {
    *v = averaged(m, f1_of, (average)kind);
    return BERT_OK;
}

static int matthews(const bert_metrics *m, int kind, double *v) {
    (void)kind;
    double n = (double)m->rows, tp = 0, pp = 0, tt = 0;
    for (int32_t i = 0; i < m->num_labels; i++) {
        double t = (double)m->classes[i].truth, p = (double)m->classes[i].predicted;
        tp += t * p;
        pp += p * p;
        tt += t * t;
    }
    double both = (n * n - pp) * (n * n - tt);
    *v = both > 0 ? ((double)m->exact * n - tp) / sqrt(both) : 0;
    return BERT_OK;
}

static int roc_auc(const bert_metrics *m, int kind, double *v) {
    (void)kind;
    size_t width =
        m->problem == BERT_PROBLEM_SINGLE_LABEL && m->num_labels == 2 ? 1 : (size_t)m->num_labels;
    double sum = 0;
    *v = NAN;
    if (!m->scored) return BERT_OK;
    for (size_t i = 0; i < width; i++) {
        double auc;
        if (bert_rank_auc(m->scores + i, m->truths + i, m->scored / width, width, &auc))
            return BERT_ENOMEM;
        sum += auc;
    }
    *v = sum / (double)width;
    return BERT_OK;
}

static int pearson(const bert_metrics *m, int kind, double *v) {
    (void)kind;
    *v = bert_correlation_value(&m->correlation);
    return BERT_OK;
}

static int spearman(const bert_metrics *m, int kind, double *v) {
    (void)kind;
    return bert_rank_spearman(m->scores, m->truths, m->scored, v);
}

static double elements(const bert_metrics *m) {
    return m->rows ? (double)m->rows * m->num_labels : (double)NAN;
}

static int mse(const bert_metrics *m, int kind, double *v) {
    (void)kind;
    *v = m->squares / elements(m);
    return BERT_OK;
}

static int mae(const bert_metrics *m, int kind, double *v) {
    (void)kind;
    *v = m->absolutes / elements(m);
    return BERT_OK;
}

/* ---- The table */

#define SINGLE (1u << BERT_PROBLEM_SINGLE_LABEL)
#define MULTI (1u << BERT_PROBLEM_MULTI_LABEL)
#define REGRESSION (1u << BERT_PROBLEM_REGRESSION)

/* name, problems it is of, least and most labels of a single-label problem, problems where it is
 * computed unasked, whether less is better, whether it needs every score */
typedef struct {
    const char *name;
    unsigned problems;
    int32_t min_labels, max_labels;
    unsigned usual;
    bool lower_is_better, scores;
    int (*value)(const bert_metrics *m, int kind, double *v);
    int kind;
} metric;

static const metric table[] = {
    {"accuracy", SINGLE | MULTI, 1, INT32_MAX, SINGLE | MULTI, false, false, accuracy, 0},
    {"precision", SINGLE, 2, 2, SINGLE, false, false, precision, BINARY},
    {"recall", SINGLE, 2, 2, SINGLE, false, false, recall, BINARY},
    {"f1", SINGLE, 2, 2, SINGLE, false, false, f1, BINARY},
    {"precision_micro", SINGLE | MULTI, 1, INT32_MAX, MULTI, false, false, precision, MICRO},
    {"recall_micro", SINGLE | MULTI, 1, INT32_MAX, MULTI, false, false, recall, MICRO},
    {"f1_micro", SINGLE | MULTI, 1, INT32_MAX, MULTI, false, false, f1, MICRO},
    {"precision_macro", SINGLE | MULTI, 1, INT32_MAX, 0, false, false, precision, MACRO},
    {"recall_macro", SINGLE | MULTI, 1, INT32_MAX, 0, false, false, recall, MACRO},
    {"f1_macro", SINGLE | MULTI, 1, INT32_MAX, SINGLE | MULTI, false, false, f1, MACRO},
    {"precision_weighted", SINGLE | MULTI, 1, INT32_MAX, 0, false, false, precision, WEIGHTED},
    {"recall_weighted", SINGLE | MULTI, 1, INT32_MAX, 0, false, false, recall, WEIGHTED},
    {"f1_weighted", SINGLE | MULTI, 1, INT32_MAX, 0, false, false, f1, WEIGHTED},
    {"matthews_correlation", SINGLE, 1, INT32_MAX, SINGLE, false, false, matthews, 0},
    {"roc_auc", SINGLE | MULTI, 2, 2, 0, false, true, roc_auc, 0},
    {"roc_auc_ovr", SINGLE, 3, INT32_MAX, 0, false, true, roc_auc, 0},
    {"pearson", REGRESSION, 1, 1, REGRESSION, false, false, pearson, 0},
    {"spearmanr", REGRESSION, 1, 1, REGRESSION, false, true, spearman, 0},
    {"mse", REGRESSION, 1, INT32_MAX, REGRESSION, true, false, mse, 0},
    {"mae", REGRESSION, 1, INT32_MAX, REGRESSION, true, false, mae, 0},
};
enum { TABLE = sizeof table / sizeof *table };
_Static_assert((int)TABLE < (int)NAMES_MAX, "room for every metric and the loss");

static bool ends_with(const char *name, const char *end) {
    const size_t n = strlen(name), k = strlen(end);
    return n >= k && !strcmp(name + n - k, end);
}

bool bert_metric_greater_is_better(const char *name) {
    if (!strncmp(name, "eval_", 5)) name += 5;
    for (int i = 0; i < TABLE; i++)
        if (!strcmp(table[i].name, name)) return !table[i].lower_is_better;
    /* Of one of several tasks "sst2_loss"; perplexity is a loss by another name. */
    if (ends_with(name, "perplexity") || ends_with(name, "loss")) return false;
    for (int i = 0; i < TABLE; i++)
        if (table[i].lower_is_better && ends_with(name, table[i].name)) return false;
    return true;
}

static bool fits(const metric *row, bert_problem problem, int32_t num_labels) {
    bool labels = problem == BERT_PROBLEM_MULTI_LABEL ||
                  (num_labels >= row->min_labels && num_labels <= row->max_labels);
    return row->problems >> problem & 1 && labels;
}

static int choose(bert_metrics *m, int row) {
    for (int i = 0; i < m->count; i++)
        if (m->chosen[i] == row) return BERT_OK;
    m->chosen[m->count++] = row;
    if (table[row].scores) m->keep_scores = true;
    return BERT_OK;
}

static int choose_named(bert_metrics *m, const char *name, size_t n, bert_error *e) {
    char known[400] = "";
    size_t used = 0;
    for (int i = 0; i < TABLE; i++) {
        if (!fits(&table[i], m->problem, m->num_labels)) continue;
        if (strlen(table[i].name) == n && !memcmp(table[i].name, name, n)) return choose(m, i);
        if (used < sizeof known)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "",
                                     table[i].name);
    }
    return bert_fail(e, BERT_EINVAL, "metric %.*s: for %s with %d labels there are %s", (int)n,
                     name, bert_problem_name(m->problem), (int)m->num_labels, known);
}

static int choose_all(bert_metrics *m, const char *names, bert_error *e) {
    if (!names || !*names) {
        for (int i = 0; i < TABLE; i++)
            if (table[i].usual >> m->problem & 1 && fits(&table[i], m->problem, m->num_labels))
                choose(m, i);
        return BERT_OK;
    }
    int rc = BERT_OK;
    for (const char *p = names; *p && !rc;) {
        size_t n = strcspn(p, ", ");
        /* The loss comes by itself. */
        if (n && !(n == 4 && !memcmp(p, "loss", 4))) rc = choose_named(m, p, n, e);
        p += n + strspn(p + n, ", ");
    }
    return rc;
}

bert_metrics *bert_metrics_new(const char *problem_type, int32_t num_labels, const char *names,
                               bert_error *e) {
    BERT_DOOR(e);
    bert_problem problem;
    if (num_labels < 1) {
        bert_fail(e, BERT_EINVAL, "metrics of %d labels", (int)num_labels);
        return NULL;
    }
    if (bert_problem_parse(problem_type, num_labels, &problem, e)) return NULL;
    size_t n = (size_t)num_labels;
    bert_metrics *m = calloc(1, sizeof *m);
    if (m) {
        m->problem = problem;
        m->num_labels = num_labels;
        m->positive = 1;
        m->classes = calloc(n, sizeof *m->classes);
    }
    bool matrix = problem == BERT_PROBLEM_SINGLE_LABEL && num_labels <= CONFUSION_LABELS;
    if (m && matrix) m->confusion = calloc(n * n, sizeof *m->confusion);
    if (!m || !m->classes || (matrix && !m->confusion)) {
        bert_fail_memory(e, n * n * sizeof *m->confusion);
        bert_metrics_free(m);
        return NULL;
    }
    if (choose_all(m, names, e)) {
        bert_metrics_free(m);
        return NULL;
    }
    return m;
}

int bert_metrics_set_positive(bert_metrics *m, int32_t label, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(m, "metrics", e)) return BERT_EINVAL;
    if (m->problem != BERT_PROBLEM_SINGLE_LABEL || m->num_labels != 2 || label < 0 || label > 1)
        return bert_fail(e, BERT_EINVAL, "metrics: positive class %d of %s with %d labels",
                         (int)label, bert_problem_name(m->problem), (int)m->num_labels);
    m->positive = label;
    return BERT_OK;
}

bool bert_metrics_of_positive(const bert_metrics *m, const char *name) {
    const bool two = m->problem == BERT_PROBLEM_SINGLE_LABEL && m->num_labels == 2;
    for (int i = 0; i < TABLE && two && !m->scorer; i++)
        if (!strcmp(table[i].name, name)) return table[i].max_labels == 2;
    return false;
}

/* ---- Tasks with a scorer of their own */

static int choose_result(bert_metrics *m, const char *name, size_t n, bert_error *e) {
    char known[400] = "";
    size_t used = 0;
    for (int i = 0; m->scorer->names[i]; i++) {
        const char *one = m->scorer->names[i];
        if (strlen(one) == n && !memcmp(one, name, n)) {
            m->chosen[m->count++] = i;
            return BERT_OK;
        }
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", one);
    }
    return bert_fail(e, BERT_EINVAL, "metric %.*s: for this task there are %s", (int)n, name,
                     known);
}

bert_metrics *bert_metrics_with(const bert_scorer *scorer, const char *names, bert_error *e) {
    bert_metrics *m = calloc(1, sizeof *m);
    if (m) m->scorer = scorer;
    if (m) m->state = calloc(1, scorer->size);
    if (!m || !m->state) {
        bert_fail_memory(e, scorer->size);
        bert_metrics_free(m);
        return NULL;
    }
    int rc = BERT_OK;
    if (!names || !*names)
        for (; scorer->names[m->count]; m->count++) m->chosen[m->count] = m->count;
    else
        for (const char *p = names; *p && !rc;) {
            size_t n = strcspn(p, ", ");
            if (n && !(n == 4 && !memcmp(p, "loss", 4))) rc = choose_result(m, p, n, e);
            if (m->count == NAMES_MAX) rc = bert_fail(e, BERT_EINVAL, "too many metrics");
            p += n + strspn(p + n, ", ");
        }
    if (!rc) return m;
    bert_metrics_free(m);
    return NULL;
}

/* Of rows that have neither labels nor targets: what their head learns has no metric but its loss.
 */
static int count_rows(void *state, const bert_dataset *d, const bert_batch *b, const float *logits,
                      int32_t cols, bert_error *e) {
    (void)d, (void)logits, (void)cols, (void)e;
    *(int64_t *)state += b->row_count;
    return BERT_OK;
}

static int counted_rows(void *state, double *values, int64_t *rows, bert_error *e) {
    (void)values, (void)e;
    *rows = *(int64_t *)state;
    return BERT_OK;
}

static const char *const no_names[] = {NULL};
static const bert_scorer loss_alone = {
    .names = no_names, .size = sizeof(int64_t), .update = count_rows, .compute = counted_rows};

bert_metrics *bert_metrics_for(const bert_dataset *d, const char *names, bert_error *e) {
    if ((!names || !*names) && d->task->usual) names = d->task->usual(d);
    if (d->task->scorer_of) return bert_metrics_with(d->task->scorer_of(d), names, e);
    if (d->task->scorer) return bert_metrics_with(d->task->scorer, names, e);
    /* A row is right or not; which place the right one had means nothing. */
    if (d->task->outputs == BERT_OUTPUT_CHOICE)
        return bert_metrics_new("single_label_classification", d->group,
                                names && *names ? names : "accuracy", e);
    if (!bert_dataset_is_labelled(d)) return bert_metrics_with(&loss_alone, names, e);
    bert_metrics *m = bert_metrics_new(bert_problem_name(d->problem), d->num_labels, names, e);
    if (m && bert_dataset_positive_label(d)) m->positive = d->positive;
    return m;
}

const bert_scorer *bert_metrics_scorer(const bert_metrics *m) {
    return m->scorer;
}

void *bert_metrics_state(const bert_metrics *m) {
    return m->state;
}

int bert_metrics_score(bert_metrics *m, const bert_dataset *d, const bert_batch *b,
                       const float *logits, int32_t cols, bert_error *e) {
    const bert_inputs *in = &b->inputs;
    const size_t n =
        (size_t)(in->logit_tokens ? in->logit_tokens_count : in->start[in->n]) * (size_t)cols;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(logits[i]))
            return bert_fail(e, BERT_ENUMERIC, "metrics: a logit is not a finite number");
    return m->scorer->update(m->state, d, b, logits, cols, e);
}

void bert_metrics_free(bert_metrics *m) {
    if (!m) return;
    free(m->classes);
    free(m->confusion);
    free(m->scores);
    free(m->truths);
    if (m->state && m->scorer->clear) m->scorer->clear(m->state);
    free(m->state);
    free(m);
}

void bert_metrics_reset(bert_metrics *m) {
    size_t n = (size_t)m->num_labels;
    if (m->state && m->scorer->clear) m->scorer->clear(m->state);
    if (m->state) memset(m->state, 0, m->scorer->size);
    m->rows = m->exact = 0;
    if (m->classes) memset(m->classes, 0, n * sizeof *m->classes);
    if (m->confusion) memset(m->confusion, 0, n * n * sizeof *m->confusion);
    m->squares = m->absolutes = m->loss = m->loss_items = 0;
    m->correlation = (bert_correlation){0};
    m->scored = 0;
    m->has_loss = false;
}

/* ---- The stream */

static int reserve_scores(bert_metrics *m, size_t more, bert_error *e) {
    if (m->scored + more > SCORES_MAX)
        return bert_fail(e, BERT_ENOMEM,
                         "metrics: the ranking metrics keep at most %d scores; choose others",
                         SCORES_MAX);
    if (m->scored + more <= m->capacity) return BERT_OK;
    size_t capacity = m->capacity ? m->capacity : 1024;
    while (capacity < m->scored + more) capacity *= 2;
    double *scores = realloc(m->scores, capacity * sizeof *scores);
    if (scores) m->scores = scores;
    double *truths = scores ? realloc(m->truths, capacity * sizeof *truths) : NULL;
    if (!truths) return bert_fail_memory(e, capacity * sizeof *truths);
    m->truths = truths;
    m->capacity = capacity;
    return BERT_OK;
}

static void keep(bert_metrics *m, double score, double truth) {
    m->scores[m->scored] = score;
    m->truths[m->scored++] = truth;
}

static void add_single(bert_metrics *m, const float *logits, int32_t label) {
    int32_t n = m->num_labels, best = 0;
    for (int32_t j = 1; j < n; j++)
        if (logits[j] > logits[best]) best = j;
    m->classes[label].truth++;
    m->classes[best].predicted++;
    m->classes[label].hit += best == label;
    m->exact += best == label;
    if (m->confusion) m->confusion[(size_t)label * (size_t)n + (size_t)best]++;
    if (!m->keep_scores) return;
    if (n == 2) {
        const int32_t p = m->positive;
        keep(m, (double)logits[p] - (double)logits[1 - p], label == p);
        return;
    }
    double sum = 0;
    for (int32_t j = 0; j < n; j++) sum += exp((double)logits[j] - (double)logits[best]);
    for (int32_t j = 0; j < n; j++)
        keep(m, exp((double)logits[j] - (double)logits[best]) / sum, j == label);
}

static void add_multi(bert_metrics *m, const float *logits, const float *targets) {
    bool exact = true;
    for (int32_t j = 0; j < m->num_labels; j++) {
        bool truth = targets[j] > 0.5f, predicted = logits[j] > 0; /* sigmoid above one half */
        m->classes[j].truth += truth;
        m->classes[j].predicted += predicted;
        m->classes[j].hit += truth && predicted;
        exact = exact && truth == predicted;
        if (m->keep_scores) keep(m, (double)logits[j], truth);
    }
    m->exact += exact;
}

static void add_regression(bert_metrics *m, const float *logits, const float *targets) {
    for (int32_t j = 0; j < m->num_labels; j++) {
        double x = (double)logits[j], y = (double)targets[j];
        m->squares += (x - y) * (x - y);
        m->absolutes += fabs(x - y);
        bert_correlation_add(&m->correlation, x, y);
        if (m->keep_scores) keep(m, x, y);
    }
}

int bert_metrics_update(bert_metrics *m, const float *logits, const int32_t *labels,
                        const float *targets, int32_t rows, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(m, "metrics", e)) return BERT_EINVAL;
    size_t n = (size_t)m->num_labels;
    bool single = m->problem == BERT_PROBLEM_SINGLE_LABEL;
    if (single ? !labels : !targets)
        return bert_fail(e, BERT_EINVAL, "metrics: %s needs %s", bert_problem_name(m->problem),
                         single ? "labels" : "targets");
    for (size_t i = 0; i < (size_t)rows * n; i++)
        if (!isfinite(logits[i]))
            return bert_fail(e, BERT_ENUMERIC,
                             "metrics: row %zu of the batch has a logit that is "
                             "not a finite number",
                             i / n);
    for (int32_t i = 0; single && i < rows; i++)
        if (labels[i] >= m->num_labels)
            return bert_fail(e, BERT_EINVAL, "metrics: label %d of %d", (int)labels[i],
                             (int)m->num_labels);
    if (m->keep_scores) {
        int rc = reserve_scores(m, (size_t)rows * n, e);
        if (rc) return rc;
    }
    for (int32_t i = 0; i < rows; i++, logits += n) {
        if (single && labels[i] < 0) continue;
        m->rows++;
        if (single)
            add_single(m, logits, labels[i]);
        else if (m->problem == BERT_PROBLEM_MULTI_LABEL)
            add_multi(m, logits, targets + (size_t)i * n);
        else
            add_regression(m, logits, targets + (size_t)i * n);
    }
    return BERT_OK;
}

void bert_metrics_add_loss(bert_metrics *m, double loss, double count) {
    m->loss += loss * count;
    m->loss_items += count;
    m->has_loss = true;
}

int bert_metrics_compute(bert_metrics *m, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(m, "metrics", e)) return BERT_EINVAL;
    if (m->scorer) {
        double all[NAMES_MAX] = {0};
        int rc = m->scorer->compute(m->state, all, &m->rows, e);
        for (int i = 0; i < m->count; i++) m->values[i] = all[m->chosen[i]];
        return rc;
    }
    for (int i = 0; i < m->count; i++) {
        const metric *row = &table[m->chosen[i]];
        if (row->value(m, row->kind, &m->values[i]))
            return bert_fail_memory(e, m->scored * 2 * sizeof(double));
    }
    return BERT_OK;
}

/* ---- Results; the loss is the first, if there is one */

int bert_metrics_count(const bert_metrics *m) {
    return m->count + m->has_loss;
}

const char *bert_metrics_name(const bert_metrics *m, int i) {
    if (m->has_loss && i-- == 0) return "loss";
    if (i < 0 || i >= m->count) return NULL;
    return m->scorer ? m->scorer->names[m->chosen[i]] : table[m->chosen[i]].name;
}

double bert_metrics_value(const bert_metrics *m, int i) {
    if (m->has_loss && i-- == 0) return m->loss / m->loss_items;
    return i >= 0 && i < m->count ? m->values[i] : (double)NAN;
}

void bert_metrics_print(const bert_metrics *m, const char *before, FILE *to) {
    for (int i = 0; m && i < bert_metrics_count(m); i++) {
        char value[40];
        bert_snprintf(value, sizeof value, "%.4f", bert_metrics_value(m, i));
        fprintf(to, "%s%s%s %s\n", before ? before : "", before ? " " : "", bert_metrics_name(m, i),
                value);
    }
}

bool bert_metrics_find(const bert_metrics *m, const char *name, double *value) {
    for (int i = 0; i < bert_metrics_count(m); i++) {
        if (strcmp(bert_metrics_name(m, i), name)) continue;
        *value = bert_metrics_value(m, i);
        return true;
    }
    return false;
}

int64_t bert_metrics_rows(const bert_metrics *m) {
    return m->rows;
}

int64_t bert_metrics_confusion(const bert_metrics *m, int32_t truth, int32_t predicted) {
    bool inside =
        truth >= 0 && predicted >= 0 && truth < m->num_labels && predicted < m->num_labels;
    return m->confusion && inside
               ? m->confusion[(size_t)truth * (size_t)m->num_labels + (size_t)predicted]
               : 0;
}

bert_class_report bert_metrics_class(const bert_metrics *m, int32_t label) {
    if (label < 0 || label >= m->num_labels || !m->classes) return (bert_class_report){0};
    const class_counts *c = &m->classes[label];
    double hit = (double)c->hit, predicted = (double)c->predicted, truth = (double)c->truth;
    return (bert_class_report){precision_of(hit, predicted, truth),
                               recall_of(hit, predicted, truth), f1_of(hit, predicted, truth),
                               c->truth};
}
