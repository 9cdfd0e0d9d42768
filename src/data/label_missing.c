/* Marks for "no gold label". */
#include "base/error.h"
#include "data/label_options.h"
#include "data/label_text.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    bert_dataset_builder *b;
    const bert_raw_labels *r;
    const int64_t *rows; /* [r->n] */
    bert_labels known;
    bool *missing;                            /* [r->n] the result */
    int32_t naturals;                         /* distinct whole numbers from 0 on */
    long least, most;                         /* of these */
    int32_t numbers, words, negative, points; /* distinct: numbers of any kind, what is none; whole
                                                 numbers below 0; numbers with a point */
} search;

/* What pandas reads as missing and nobody calls a class. */
static bool is_nan(const char *s) {
    static const char *const marks[] = {"nan",     "NaN",     "-nan",     "-NaN",    "<NA>",
                                        "#N/A",    "#NA",     "#N/A N/A", "NaT",     "1.#IND",
                                        "-1.#IND", "1.#QNAN", "NAN",      "-1.#QNAN"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (!strcmp(marks[i], s)) return true;
    return false;
}

/* What pandas reads as missing and somebody may call a class. */
static bool is_nothing(const char *s) {
    static const char *const marks[] = {"None", "NULL", "null", "NA", "N/A", "n/a"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (!strcmp(marks[i], s)) return true;
    return false;
}

static bool is(const char *s, const char *mark) {
    return !strcmp(s, mark);
}

static bool is_minus(const char *s, long mark) {
    double v;
    return bert_label_number(s, &v) && v == (double)mark;
}

static int in_doubt(const search *m, int32_t i, const char *why, bert_error *e) {
    const char *text = m->r->text[i];
    return bert_dataset_fail(
        m->b, m->r->line[i], e, BERT_EINVAL,
        "label \"%.60s\" (%lld row%s): a class, or the mark of rows without a "
        "label%s? missing_label \"%.60s\" leaves these rows out, \"none\" takes "
        "every label as it is",
        text, (long long)m->rows[i], m->rows[i] == 1 ? "" : "s", why, text);
}

/* ---- Where the user says it */

/* Whether "a,b,c" holds the text. */
static bool named(const char *list, const char *text) {
    const size_t n = strlen(text);
    for (const char *p = list;; p++) {
        const size_t m = strcspn(p, ",");
        if (m == n && !memcmp(p, text, n)) return true;
        p += m;
        if (!*p) return false;
    }
}

/* ---- Where nobody does */

static void look(search *m) {
    double v;
    m->least = LONG_MAX;
    m->most = -1;
    for (int32_t i = 0; i < m->r->n; i++) {
        const char *s = m->r->text[i];
        const bool number = bert_label_number(s, &v), mark = number && (v == -1 || v == -100);
        m->numbers += number;
        m->words += !number && !is_nan(s) && !is_nothing(s) && !is(s, "-");
        m->points += number && !bert_label_is_integer(s) && !mark;
        if (!bert_label_is_integer(s) || mark) continue;
        const long x = strtol(s, NULL, 10);
        m->negative += x < 0;
        if (x < 0) continue;
        m->naturals++;
        if (x < m->least) m->least = x;
        if (x > m->most) m->most = x;
    }
}

/* -1 beside classes that are numbered from 0, as datasets has it; {-1, 1} and its like are
 * sentiment. */
static int look_at_minus_one(search *m, int32_t i, bert_error *e) {
    if (m->words || m->points || m->negative || !m->naturals || m->least > 1) return 0;
    if (m->least == 1 && m->naturals == 1) return 0; /* -1 and 1 */
    if (m->least == 0 && m->naturals >= 3) {
        m->missing[i] = true;
        return 0;
    }
    return in_doubt(m, i, "", e);
}

static int look_at(search *m, int32_t i, bert_error *e) {
    const char *s = m->r->text[i];
    const bool whole = !m->words && !m->points && !m->negative && m->naturals;
    if (m->known.n) { /* what is no name can only be a mark */
        const char *name = m->b->given.n ? bert_label_called(&m->b->given, s) : s;
        const bool one = name && bert_label_number_of(m->known.name, m->known.n, name) >= 0;
        m->missing[i] = !one && (is_nan(s) || is_nothing(s) || is(s, "-") || is_minus(s, -1) ||
                                 is_minus(s, -100));
        return 0;
    }
    if (is_nan(s) || (is_nothing(s) && !m->words)) {
        m->missing[i] = true;
    } else if (is_nothing(s)) {
        return in_doubt(m, i, "", e);
    } else if ((is_minus(s, -1) || is_minus(s, -100)) && m->words && m->numbers == 1) {
        return in_doubt(m, i, "", e); /* the only number among names */
    } else if (is_minus(s, -100)) {
        m->missing[i] = whole;
    } else if (is_minus(s, -1)) {
        return look_at_minus_one(m, i, e);
    } else if (is(s, "-")) {
        bool plus = false;
        for (int32_t k = 0; k < m->r->n; k++) plus |= is(m->r->text[k], "+");
        m->missing[i] = !plus;
    }
    return 0;
}

/* What is left has two classes, or the mark was one. */
static int check_rest(const search *m, bert_error *e) {
    int32_t left = 0, mark = -1;
    for (int32_t i = 0; i < m->r->n; i++) {
        left += !m->missing[i];
        if (m->missing[i] && !is_nan(m->r->text[i])) mark = i;
    }
    if (mark < 0 || left != 1 || m->b->lists.rows || m->known.n || m->b->options->allow_one_class ||
        bert_label_separator_of(m->b->options))
        return 0;
    return in_doubt(m, mark, ", without which one class is left", e);
}

static int find(search *m, bert_error *e) {
    const char *said = bert_missing_label_of(m->b->options);
    const char *problem = m->b->options->problem_type;
    const bert_dataset *like = m->b->options->like;
    const bool regression = like ? like->problem == BERT_PROBLEM_REGRESSION
                            : m->b->options->model_labels
                                ? bert_problem_of(&m->b->base->config) == BERT_PROBLEM_REGRESSION
                                : problem && !strcmp(problem, "regression");
    int rc = 0;
    if (said) {
        for (int32_t i = 0; i < m->r->n && strcmp(said, "none"); i++)
            m->missing[i] = named(said, m->r->text[i]);
        return 0;
    }
    look(m);
    for (int32_t i = 0; i < m->r->n && !rc; i++) {
        if (regression)
            m->missing[i] = is_nan(m->r->text[i]) || is_nothing(m->r->text[i]);
        else
            rc = look_at(m, i, e);
    }
    return rc ? rc : check_rest(m, e);
}

/* ---- Leaving out */

/* Labels that are marks are forgotten, rows that have one leave the set. */
static int leave_out(search *m, bert_error *e) {
    bert_dataset *d = m->b->set;
    bert_raw_labels *r = &m->b->raw;
    bool *out = calloc((size_t)d->rows + 1, sizeof *out);
    int32_t *to = malloc(((size_t)r->n + 1) * sizeof *to), left = 0;
    int rc = out && to ? 0 : bert_fail_memory(e, (size_t)d->rows);
    if (!rc) {
        for (int32_t i = 0; i < r->n; i++) to[i] = m->missing[i] ? -1 : left++;
        int64_t used = 0, rows = 0;
        for (int64_t row = 0, next; row < d->rows; row++) {
            const int64_t begin = row ? next : 0;
            next = r->start[row + 1];
            for (int64_t k = begin; k < next; k++) out[row] |= to[r->of_rows[k]] < 0;
            if (out[row]) continue;
            for (int64_t k = begin; k < next; k++) r->of_rows[used++] = to[r->of_rows[k]];
            r->start[++rows] = used;
        }
        bert_raw_labels_forget(r, m->missing);
        bert_dataset_leave_out(d, out);
        if (d->task->leave_out) d->task->leave_out(d->state, out);
    }
    free(out);
    free(to);
    return rc;
}

int bert_labels_leave_out(bert_dataset_builder *b, bert_error *e) {
    if (!b->raw.start || !b->raw.n || b->columns) return 0;
    int64_t *rows = bert_labels_count(b, e);
    search m = {.b = b, .r = &b->raw, .rows = rows, .known = bert_labels_known(b)};
    m.missing = rows ? calloc((size_t)b->raw.n, sizeof *m.missing) : NULL;
    int rc = m.missing ? find(&m, e) : bert_fail_memory(e, (size_t)b->raw.n);
    bool any = false;
    char place[BERT_PLACE_NAME];
    for (int32_t i = 0; i < b->raw.n && !rc; i++) {
        if (!m.missing[i]) continue;
        any = true;
        rc = bert_dataset_say(b, e, "%lld row%s left out: no gold label, \"%.40s\" (%s%s)",
                              (long long)rows[i], rows[i] == 1 ? "" : "s", b->raw.text[i],
                              rows[i] == 1 ? "" : "the first in ",
                              bert_dataset_place_name(b, b->raw.line[i], place));
    }
    for (int32_t i = 0; i < b->raw.n && !rc; i++) b->left_out += m.missing[i] ? rows[i] : 0;
    if (!rc && any) rc = leave_out(&m, e);
    if (!rc && !b->set->rows)
        rc = bert_fail(e, BERT_EINVAL, "%s: no row has a gold label", b->set->where);
    free(m.missing);
    free(rows);
    return rc;
}
