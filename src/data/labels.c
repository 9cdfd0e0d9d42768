/* From what the label fields say to class numbers and targets. */
#include "base/error.h"
#include "base/grow.h"
#include "base/number.h"
#include "data/label_options.h"
#include "data/label_text.h"
#include "files/utf8.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Distinct texts */

void bert_raw_labels_free(bert_raw_labels *r) {
    bert_numbered_free(&r->seen);
    bert_grown_free(r->line);
    bert_grown_free(r->of_rows);
    bert_grown_free(r->start);
    *r = (bert_raw_labels){0};
}

int bert_raw_labels_row(bert_raw_labels *r, int64_t row, bert_error *e) {
    int rc = bert_grow(&r->start, (size_t)row + 2, sizeof *r->start, e);
    if (rc) return rc;
    if (!row) r->start[0] = 0;
    r->start[row + 1] = r->start[row];
    return BERT_OK;
}

int bert_raw_label_know(bert_dataset_builder *b, const char *text, size_t bytes, int64_t line,
                        int32_t *index, bert_error *e) {
    bert_raw_labels *r = &b->raw;
    /* Names of classes go into config.json: it is now that one can be refused, not after training.
     */
    if (!bert_utf8_valid(text, bytes))
        return bert_dataset_fail(b, line, e, BERT_EFORMAT, "the label is not UTF-8");
    const int32_t number = bert_number_of(&r->seen, text, bytes, e);
    if (number < 0) return number;
    if (number == r->n) {
        int rc = bert_grow(&r->line, (size_t)number + 1, sizeof *r->line, e);
        if (rc) return rc;
        r->line[number] = line;
        r->n = r->seen.n;
    }
    r->text = r->seen.text;
    if (index) *index = number;
    return BERT_OK;
}

int bert_raw_label_add(bert_dataset_builder *b, int64_t row, const char *text, size_t bytes,
                       int64_t line, bert_error *e) {
    bert_raw_labels *r = &b->raw;
    size_t used = (size_t)r->start[row + 1];
    int32_t index = 0;
    int rc = bert_grow(&r->of_rows, used + 1, sizeof *r->of_rows, e);
    if (!rc) rc = bert_raw_label_know(b, text, bytes, line, &index, e);
    if (rc) return rc;
    r->of_rows[used] = index;
    r->start[row + 1]++;
    return BERT_OK;
}

void bert_raw_labels_forget(bert_raw_labels *r, const bool *marked) {
    int32_t n = 0;
    for (int32_t i = 0; i < r->n; i++) {
        if (marked[i]) {
            free(r->text[i]);
            continue;
        }
        r->text[n] = r->text[i];
        r->line[n++] = r->line[i];
    }
    r->n = r->seen.n = n;
}

/* ---- The order of classes */

static int compare_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_integer(const void *a, const void *b) {
    long x = strtol(*(char *const *)a, NULL, 10), y = strtol(*(char *const *)b, NULL, 10);
    return x != y ? (x > y) - (x < y) : compare_text(a, b);
}

/* ---- Names */

static int copy_names(bert_dataset *d, char *const *names, int32_t n, bert_error *e) {
    d->names = calloc((size_t)n + 1, sizeof *d->names);
    if (!d->names) return bert_fail_memory(e, (size_t)n * sizeof *d->names);
    d->num_labels = n;
    for (int32_t i = 0; i < n; i++)
        if (!(d->names[i] = strdup(names[i]))) return bert_fail_memory(e, strlen(names[i]));
    return BERT_OK;
}

/* Whether the labels seen are just those of the model, and it has names for them. */
static bool model_knows(const bert_model *m, const bert_raw_labels *r) {
    int32_t n = m->labels.n, seen = 0;
    if (m->config.num_labels != n || r->n > n) return false;
    for (int32_t i = 0; i < n; i++)
        if (!strncmp(m->labels.name[i], "LABEL_", 6)) return false;
    for (int32_t i = 0; i < r->n; i++) {
        if (bert_label_number_of(m->labels.name, n, r->text[i]) < 0) return false;
        seen++;
    }
    /* Numbers are the model's only if all of them are there; words speak for themselves. */
    return seen == n || !bert_labels_all(r, bert_label_is_integer);
}

/* LABEL_0, LABEL_1, .. */
static int number_names(bert_dataset *d, int64_t n, bert_error *e) {
    bert_labels names = {0};
    int rc = bert_labels_set(&names, (int32_t)n, NULL, e);
    if (!rc) rc = copy_names(d, names.name, names.n, e);
    bert_labels_free(&names);
    return rc;
}

enum { MANY_LABELS = 50, OWN_LABELS = 10 };

static int name_labels(bert_dataset_builder *b, bert_error *e) {
    bert_dataset *d = b->set;
    const bert_raw_labels *r = &b->raw;
    const bert_dataset *like = b->options->like;
    const bert_model *m = b->base;
    if (like) return copy_names(d, like->names, like->num_labels, e);
    if (b->options->model_labels) return copy_names(d, m->labels.name, m->labels.n, e);
    if (d->problem == BERT_PROBLEM_REGRESSION)
        return copy_names(d, (char *[]){(char *)(uintptr_t) "LABEL_0"}, 1, e);
    if (b->columns) return copy_names(d, b->columns, b->columns_count, e);
    if (b->given.n) return copy_names(d, b->given.name, b->given.n, e);
    if (b->hot) return number_names(d, b->lists.width, e);
    if (model_knows(m, r)) return copy_names(d, m->labels.name, m->labels.n, e);
    const bool many = r->n > MANY_LABELS && r->n > d->rows / 2;
    /* Ids, texts, or measures that are no plain numbers; few rows may be an experiment. */
    const bool own = d->problem == BERT_PROBLEM_SINGLE_LABEL && !b->options->problem_type &&
                     r->n >= OWN_LABELS && r->n == d->rows;
    if ((many || own) && !b->words)
        return bert_fail(e, BERT_EINVAL,
                         "%s: %d different labels in %lld rows, such as \"%.40s\": is that the "
                         "label column?%s",
                         d->where, (int)r->n, (long long)d->rows, r->text[0],
                         bert_labels_all(r, bert_label_is_number)
                             ? " For values, problem_type is regression"
                             : "");
    char **sorted = malloc(((size_t)r->n + 1) * sizeof *sorted);
    if (!sorted) return bert_fail_memory(e, (size_t)r->n * sizeof *sorted);
    if (r->n) memcpy(sorted, r->text, (size_t)r->n * sizeof *sorted);
    qsort(sorted, (size_t)r->n, sizeof *sorted,
          bert_labels_all(r, bert_label_is_integer) ? compare_integer : compare_text);
    int rc = copy_names(d, sorted, r->n, e);
    free(sorted);
    d->sorted_names = !bert_labels_all(r, bert_label_is_integer);
    return rc;
}

/* ---- The problem */

static int choose_problem(bert_dataset_builder *b, bert_error *e) {
    const bert_dataset_options *o = b->options;
    bert_dataset *d = b->set;
    const bert_config *c = bert_model_config(b->base);
    if (o->like) {
        d->problem = o->like->problem;
        return BERT_OK;
    }
    if (o->problem_type) return bert_problem_parse(o->problem_type, 2, &d->problem, e);
    if (o->model_labels) return bert_problem_parse(c->problem_type, c->num_labels, &d->problem, e);
    bool numbers = !b->given.n && bert_labels_all(&b->raw, bert_label_is_number) &&
                   !bert_labels_all(&b->raw, bert_label_is_integer);
    const bool several = b->hot || (b->lists.rows && b->odd_line) || b->lists.named;
    d->problem = b->columns || bert_label_separator_of(o) || several ? BERT_PROBLEM_MULTI_LABEL
                 : numbers                                           ? BERT_PROBLEM_REGRESSION
                                                                     : BERT_PROBLEM_SINGLE_LABEL;
    return BERT_OK;
}

/* ---- Labels and targets */

/* Whether the classes are numbers. */
static bool are_numbers(char *const *names, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (!bert_label_is_integer(names[i])) return false;
    return n > 0;
}

static int unknown_label(const bert_dataset_builder *b, int32_t raw, bert_error *e) {
    const bert_dataset *d = b->set;
    const char *text = b->raw.text[raw], *name = bert_label_called(&b->given, text);
    char *const *names = name ? d->names : b->given.name;
    const int32_t n = name ? d->num_labels : b->given.n;
    char list[300] = "", means[100] = "";
    size_t used = 0;
    for (int32_t i = 0; i < n && used < sizeof list - 4; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    if (used >= sizeof list) memcpy(list + sizeof list - 4, "...", 4);
    if (name && strcmp(name, text)) snprintf(means, sizeof means, " (%.60s)", name);
    const char *then = "";
    if (!b->given.n && bert_label_is_integer(text) != are_numbers(names, n))
        then = "; label_names says which number is which name";
    return bert_dataset_fail(b, b->raw.line[raw], e, BERT_EINVAL,
                             "label \"%.60s\"%s is not one of %s%s%s", text, means,
                             name ? "" : "the names given: ", list, then);
}

static int fill_targets(bert_dataset_builder *b, const int32_t *number, bert_error *e) {
    bert_dataset *d = b->set;
    const bert_raw_labels *r = &b->raw;
    size_t width = (size_t)d->num_labels;
    const size_t count = (size_t)d->rows * width;
    float *targets = bert_dataset_grow_floats(d, "targets", d->num_labels, d->rows, e);
    if (!targets) return e->code;
    for (size_t i = 0; i < count; i++) targets[i] = 0;
    for (int64_t row = 0; row < d->rows; row++)
        for (int64_t k = r->start[row]; k < r->start[row + 1]; k++) {
            double v = 1;
            if (!number) bert_label_number(r->text[r->of_rows[k]], &v);
            size_t column = number ? (size_t)number[r->of_rows[k]] : 0;
            targets[(size_t)row * width + column] = (float)v;
        }
    return BERT_OK;
}

static int fill_labels(bert_dataset_builder *b, const int32_t *number, bert_error *e) {
    bert_dataset *d = b->set;
    int32_t *labels = bert_dataset_grow_ints(d, "labels", BERT_PER_ROW, d->rows, e);
    if (!labels) return e->code;
    for (int64_t row = 0; row < d->rows; row++)
        labels[row] = number[b->raw.of_rows[b->raw.start[row]]];
    return BERT_OK;
}

/* ---- Lists of 0 and 1 */

/* The label that an element belongs to; -1: none. */
static int32_t label_of_place(const bert_dataset_builder *b, int32_t place) {
    const bert_dataset *d = b->set;
    if (!b->given.n) return place < d->num_labels ? place : -1;
    return place < b->given.n ? bert_label_number_of(d->names, d->num_labels, b->given.name[place])
                              : -1;
}

/* Targets, or the one label of each row. */
static int fill_hot(bert_dataset_builder *b, bert_error *e) {
    bert_dataset *d = b->set;
    const bert_raw_labels *r = &b->raw;
    const bool single = d->problem == BERT_PROBLEM_SINGLE_LABEL;
    const size_t width = (size_t)d->num_labels;
    int32_t *labels = single ? bert_dataset_grow_ints(d, "labels", BERT_PER_ROW, d->rows, e) : NULL;
    float *targets =
        single ? NULL : bert_dataset_grow_floats(d, "targets", d->num_labels, d->rows, e);
    int rc = labels || targets ? BERT_OK : e->code;
    for (int64_t row = 0; row < d->rows && !rc; row++) {
        int32_t ones = 0, last = 0;
        if (!single) memset(targets + (size_t)row * width, 0, width * sizeof *targets);
        for (int64_t k = r->start[row]; k < r->start[row + 1] && !rc; k++) {
            const bert_text text = bert_text_of(r->text[r->of_rows[k]]);
            const int32_t label = label_of_place(b, (int32_t)(k - r->start[row]));
            bool yes = false;
            bert_label_yes_no(&text, &yes);
            if (label < 0)
                rc = bert_fail(e, BERT_EINVAL, "%s: lists of %lld times 0 or 1, but %d labels",
                               d->where, (long long)b->lists.width, (int)d->num_labels);
            if (!yes || rc) continue;
            last = label;
            ones++;
            if (!single) targets[(size_t)row * width + (size_t)label] = 1;
        }
        if (single) labels[row] = last;
        if (single && ones != 1 && !rc)
            rc = bert_fail(e, BERT_EINVAL,
                           "%s: row %lld has %d labels, and this is a problem of a single one",
                           d->where, (long long)row + 1, (int)ones);
    }
    return rc;
}

/* A number for a name whose place is nothing but its place in the alphabet. */
static bool is_guess(const bert_dataset_builder *b, int32_t raw, int32_t number) {
    const bert_dataset *like = b->options->like;
    return like && like->sorted_names && !b->given.n &&
           strcmp(like->names[number], b->raw.text[raw]) != 0;
}

/* Which of the model's labels a number is, where it is by number that they are told apart. */
static int say_numbers(bert_dataset_builder *b, const int32_t *number, bert_error *e) {
    const bert_dataset *d = b->set;
    char list[200] = "";
    size_t used = 0;
    for (int32_t i = 0; i < b->raw.n && b->options->model_labels && !b->given.n; i++) {
        if (!strcmp(d->names[number[i]], b->raw.text[i]) || used >= sizeof list) continue;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s %s", used ? ", " : "",
                                 b->raw.text[i], d->names[number[i]]);
    }
    return used ? bert_dataset_say(b, e, "numbers are those of the model's labels: %s", list) : 0;
}

/* Class numbers of the raw labels. */
static int32_t *number_labels(bert_dataset_builder *b, bert_error *e) {
    const bert_raw_labels *r = &b->raw;
    int32_t *number = malloc(((size_t)r->n + 1) * sizeof *number);
    if (!number) {
        bert_fail_memory(e, (size_t)r->n * sizeof *number);
        return NULL;
    }
    for (int32_t i = 0; i < r->n; i++) {
        const char *name = bert_label_called(&b->given, r->text[i]);
        number[i] = name ? bert_label_number_of(b->set->names, b->set->num_labels, name) : -1;
        if (number[i] >= 0 && !is_guess(b, i, number[i])) continue;
        unknown_label(b, i, e);
        free(number);
        return NULL;
    }
    return number;
}

int32_t *bert_dataset_name_labels(bert_dataset_builder *b, bert_error *e) {
    b->set->problem = BERT_PROBLEM_SINGLE_LABEL;
    return name_labels(b, e) ? NULL : number_labels(b, e);
}

static int check_numbers(const bert_dataset_builder *b, bert_error *e) {
    const bert_raw_labels *r = &b->raw;
    for (int32_t i = 0; i < r->n; i++)
        if (!bert_label_is_number(r->text[i]))
            return bert_dataset_fail(b, r->line[i], e, BERT_EINVAL,
                                     "label \"%.60s\" is not a number, as regression needs",
                                     r->text[i]);
    if (b->set->num_labels != 1)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: regression with %d outputs has no file format",
                         b->set->where, (int)b->set->num_labels);
    return BERT_OK;
}

/* A row that has not one label, where one is needed. */
static int check_single(const bert_dataset_builder *b, bert_error *e) {
    const bert_dataset *d = b->set;
    const bert_dataset_options *o = b->options;
    if (b->columns)
        return bert_fail(e, BERT_EINVAL,
                         "%s: several label columns are a multi-label problem; this one has a "
                         "single label",
                         d->where);
    for (int64_t row = 0; row < d->rows && !b->hot; row++)
        if (b->raw.start[row + 1] - b->raw.start[row] != 1)
            return bert_dataset_fail(b, b->odd_line, e, BERT_EINVAL,
                                     "the row has not one label, and this is a problem of a single "
                                     "one: problem_type multi_label_classification allows others");
    const bool fresh = !o->like && !o->model_labels && !o->allow_one_class;
    if (fresh && !b->hot && d->problem == BERT_PROBLEM_SINGLE_LABEL && b->raw.n == 1)
        return bert_fail(e, BERT_EINVAL,
                         "%s: every row has the label \"%.60s\": there is nothing to learn from "
                         "one class",
                         d->where, b->raw.text[0]);
    return BERT_OK;
}

/* Which of two classes is the positive one. */
static int choose_positive(bert_dataset_builder *b, bert_error *e) {
    bert_dataset *d = b->set;
    const char *wanted = bert_positive_label_of(b->options);
    const bert_dataset *like = b->options->like;
    const bool two = d->problem == BERT_PROBLEM_SINGLE_LABEL && d->num_labels == 2;
    d->positive = like && like->num_labels == 2 ? like->positive : 1;
    if (!two && wanted)
        return bert_fail(e, BERT_EINVAL,
                         "%s: positive_label \"%.60s\" is for two classes; this is %s with %d",
                         d->where, wanted, bert_problem_name(d->problem), (int)d->num_labels);
    if (!two) return BERT_OK;
    for (d->positive = wanted ? 0 : d->positive; wanted && d->positive < 2; d->positive++)
        if (!strcmp(d->names[d->positive], wanted)) break;
    if (d->positive == 2)
        return bert_fail(e, BERT_EINVAL, "%s: positive_label \"%.60s\" is neither %s nor %s",
                         d->where, wanted, d->names[0], d->names[1]);
    return like ? BERT_OK
                : bert_dataset_say(b, e, "precision, recall and f1 are of '%.60s'%s",
                                   d->names[d->positive],
                                   wanted ? "" : ", the second class; positive_label chooses");
}

/* Labels or targets of a problem of classes. */
static int fill(bert_dataset_builder *b, bert_error *e) {
    const bert_problem problem = b->set->problem;
    if (b->hot) return fill_hot(b, e);
    int32_t *number = number_labels(b, e);
    if (!number) return e->code;
    int rc = say_numbers(b, number, e);
    if (!rc)
        rc = problem == BERT_PROBLEM_SINGLE_LABEL ? fill_labels(b, number, e)
                                                  : fill_targets(b, number, e);
    free(number);
    return rc;
}

int bert_dataset_resolve(bert_dataset_builder *b, bert_error *e) {
    bert_dataset *d = b->set;
    int rc = bert_labels_leave_out(b, e);
    if (!rc) rc = bert_labels_of_lists(b, &b->hot, e);
    if (!rc) rc = bert_labels_check_numbers(b, e);
    if (!rc) rc = choose_problem(b, e);
    if (!rc) rc = name_labels(b, e);
    if (rc || !b->raw.start) return rc; /* without labels */
    if ((rc = choose_positive(b, e))) return rc;
    if (d->problem != BERT_PROBLEM_MULTI_LABEL && (rc = check_single(b, e))) return rc;
    if (d->problem != BERT_PROBLEM_REGRESSION) {
        rc = bert_labels_check_names(b, e);
        return rc ? rc : fill(b, e);
    }
    if (b->hot) return bert_fail(e, BERT_EINVAL, "%s: the labels are lists, not values", d->where);
    rc = check_numbers(b, e);
    return rc ? rc : fill_targets(b, NULL, e);
}
