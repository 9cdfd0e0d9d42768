/* Splits: whole groups, at random from the seed, each label in its proportion. */
#include "data/split.h"
#include "base/error.h"
#include "base/rng.h"
#include "data/shared_set.h"
#include "files/reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bert_data_split {
    double part;
    uint64_t seed;
    char *group_column; /* or NULL */
    int64_t rows, capacity;
    int32_t *group, *label; /* [rows]; group NULL: each row is one */
    bert_numbered groups, labels;
    bool *held; /* [rows]; NULL: the rows are being collected */
    char note[400];
};

/* ---- Collecting */

static int room_for_a_row(bert_data_split *s, bert_error *e) {
    if (s->rows < s->capacity) return 0;
    const int64_t capacity = s->capacity ? 2 * s->capacity : 1024;
    const size_t bytes = (size_t)capacity * sizeof *s->label;
    int32_t *label = realloc(s->label, bytes), *group = NULL;
    if (label) s->label = label;
    if (s->group_column && (group = realloc(s->group, bytes))) s->group = group;
    if (!label || (s->group_column && !group)) return bert_fail_memory(e, bytes);
    s->capacity = capacity;
    return 0;
}

/* The labels of a row as one text: what several columns hold, end to end. */
static int32_t label_of(bert_data_split *s, const bert_split_row *row, bert_error *e) {
    size_t n = 1;
    for (int i = 0; i < row->labels; i++) n += row->label[i] ? strlen(row->label[i]) + 1 : 1;
    char *all = malloc(n), *p = all;
    if (!all) return bert_fail_memory(e, n);
    for (int i = 0; i < row->labels; i++) {
        p = row->label[i] ? stpcpy(p, row->label[i]) : p;
        *p++ = '\t';
    }
    *p = 0;
    const int32_t number = bert_number_of(&s->labels, all, strlen(all), e);
    free(all);
    return number;
}

static int collect(bert_dataset_builder *b, const bert_split_row *row, bert_error *e) {
    bert_data_split *s = b->collects;
    int rc = room_for_a_row(s, e);
    if (rc) return rc;
    const int32_t label = label_of(s, row, e);
    if (label < 0) return label;
    if (s->group_column) {
        const bool there = b->group_column < row->fields && *row->field[b->group_column];
        if (!there)
            return bert_dataset_fail(b, row->line, e, BERT_EFORMAT,
                                     "the column \"%s\" is empty, and says which rows belong "
                                     "together (--group-column)",
                                     s->group_column);
        const char *name = row->field[b->group_column];
        const int32_t group = bert_number_of(&s->groups, name, strlen(name), e);
        if (group < 0) return group;
        s->group[s->rows] = group;
    }
    s->label[s->rows++] = label;
    return 0;
}

static const bert_data_split *split_of(const bert_dataset_builder *b) {
    return b->collects ? b->collects : b->options->split;
}

const char *bert_split_group_column(const bert_dataset_builder *b) {
    const bert_data_split *s = split_of(b);
    return s ? s->group_column : NULL;
}

int bert_split_begin(bert_dataset_builder *b, int column, bert_error *e) {
    const char *name = bert_split_group_column(b);
    b->group_column = column;
    if (!name || !b->collects || column >= 0) return 0;
    if (bert_column_is_number(name, &b->group_column)) return 0;
    return bert_fail(e, BERT_EINVAL,
                     "%s: there is no column \"%s\" (--group-column); folders of classes have "
                     "none, a metadata.csv in the folder does",
                     b->set->where, name);
}

int bert_split_takes(bert_dataset_builder *b, const bert_split_row *row, bert_error *e) {
    const bert_data_split *s = b->options->split;
    if (b->collects) return collect(b, row, e);
    if (!s) return 1;
    const int64_t i = b->rows_seen++;
    if (i >= s->rows)
        return bert_fail(e, BERT_EFORMAT, "%s: has more rows than when it was split",
                         b->set->where);
    return s->held[i] == b->options->held_out;
}

/* ---- Deciding */

/* Rows by the group that they are of: [first[g], first[g + 1]) of row. */
typedef struct {
    int64_t *first, *row, *order; /* order: the groups, shuffled */
    int64_t *wanted_n, *taken;    /* of each label: its rows, and those that are held out */
    int64_t *here;                /* of each label: its rows in the group that is looked at */
    int64_t groups;
    int32_t labels;
} plan;

static void plan_free(plan *p) {
    free(p->first);
    free(p->row);
    free(p->order);
    free(p->wanted_n);
    free(p->taken);
    free(p->here);
}

static int64_t group_of(const bert_data_split *s, int64_t row) {
    return s->group ? s->group[row] : row;
}

static int32_t class_of(const bert_data_split *s, const plan *p, int64_t row) {
    return p->labels > 1 ? s->label[row] : 0;
}

static int plan_make(const bert_data_split *s, plan *p, bert_error *e) {
    enum { ROWS_OF_A_LABEL = 4 };
    p->groups = s->group ? s->groups.n : s->rows;
    /* Values that hardly repeat are no classes. */
    const bool classes = (int64_t)s->labels.n * ROWS_OF_A_LABEL <= s->rows;
    p->labels = classes ? s->labels.n : 1;
    const size_t groups = (size_t)p->groups, labels = (size_t)p->labels;
    p->first = calloc(groups + 2, sizeof *p->first);
    p->row = malloc(((size_t)s->rows + 1) * sizeof *p->row);
    p->order = malloc((groups + 1) * sizeof *p->order);
    p->wanted_n = calloc(labels, sizeof *p->wanted_n);
    p->taken = calloc(labels, sizeof *p->taken);
    p->here = calloc(labels, sizeof *p->here);
    if (!p->first || !p->row || !p->order || !p->wanted_n || !p->taken || !p->here)
        return bert_fail_memory(e, (size_t)s->rows * sizeof *p->row);
    for (int64_t i = 0; i < s->rows; i++) p->first[group_of(s, i) + 2]++;
    for (int64_t g = 2; g < p->groups + 2; g++) p->first[g] += p->first[g - 1];
    for (int64_t i = 0; i < s->rows; i++) p->row[p->first[group_of(s, i) + 1]++] = i;
    for (int64_t i = 0; i < s->rows; i++) p->wanted_n[class_of(s, p, i)]++;
    for (int64_t g = 0; g < p->groups; g++) p->order[g] = g;
    bert_rng r = {.seed = s->seed, .stream = bert_rng_stream("validation split")};
    bert_rng_shuffle(&r, p->order, p->groups);
    return 0;
}

/* Whether the held-out rows come nearer to their part of each label with this group: squares of what
 * is missing, over the label's rows. */
static bool comes_nearer(const bert_data_split *s, plan *p, int64_t group) {
    double change = 0;
    for (int64_t k = p->first[group]; k < p->first[group + 1]; k++)
        p->here[class_of(s, p, p->row[k])]++;
    for (int64_t k = p->first[group]; k < p->first[group + 1]; k++) {
        const int32_t c = class_of(s, p, p->row[k]);
        const double n = (double)p->wanted_n[c], more = (double)p->here[c];
        change += more * (more + 2 * ((double)p->taken[c] - s->part * n)) / n;
        p->here[c] = 0;
    }
    return change < 0;
}

static int64_t hold_out(bert_data_split *s, plan *p) {
    int64_t held = 0;
    for (int64_t i = 0; i < p->groups; i++) {
        const int64_t g = p->order[i];
        if (!comes_nearer(s, p, g)) continue;
        for (int64_t k = p->first[g]; k < p->first[g + 1]; k++) {
            s->held[p->row[k]] = true;
            p->taken[class_of(s, p, p->row[k])]++;
            held++;
        }
    }
    return held;
}

static void write_note(bert_data_split *s, const plan *p, int64_t held) {
    int64_t groups = 0;
    for (int64_t g = 0; s->group && g < p->groups; g++) groups += s->held[p->row[p->first[g]]];
    int n = snprintf(s->note, sizeof s->note, "%lld of %lld rows are held out (%.1f %%)",
                     (long long)held, (long long)s->rows, 100 * (double)held / (double)s->rows);
    if (s->group)
        n += snprintf(s->note + n, sizeof s->note - (size_t)n,
                      ": %lld of %lld values of \"%.60s\", of which none is on both sides",
                      (long long)groups, (long long)p->groups, s->group_column);
    snprintf(s->note + n, sizeof s->note - (size_t)n, "%s",
             p->labels > 1     ? "; each label in its proportion"
             : s->labels.n > 1 ? "; not by label, of which few rows have the same"
                               : "");
}

static int decide(bert_data_split *s, const char *path, bert_error *e) {
    plan p = {0};
    int rc = plan_make(s, &p, e);
    if (!rc && !(s->held = calloc((size_t)s->rows + 1, sizeof *s->held)))
        rc = bert_fail_memory(e, (size_t)s->rows);
    const int64_t held = rc ? 0 : hold_out(s, &p);
    if (!rc && (!held || held == s->rows))
        rc = bert_fail(e, BERT_EINVAL,
                       "%s: %g of its %lld rows cannot be held out%s: %s would be left; another "
                       "--validation-split can",
                       path, s->part, (long long)s->rows, s->group ? " in whole groups" : "",
                       held ? "none to train on" : "none to validate on");
    if (!rc) write_note(s, &p, held);
    plan_free(&p);
    return rc;
}

/* A process whose rows another one reads knows nothing of them. */
static int read_where_it_is_read(bert_data_split *s, const char *path, const bert_model *base,
                                 const bert_dataset_options *options, bert_error *e) {
    const bert_dataset_options none = bert_dataset_default();
    bert_sharing sharing;
    int rc = bert_sharing_begin(&sharing, options ? options : &none, base, e);
    if (!rc && sharing.reads) rc = bert_split_read(s, path, base, options, e);
    if (!rc && sharing.reads) rc = decide(s, path, e);
    return bert_sharing_end(&sharing, bert_sharing_hear(&sharing, rc, e), e);
}

/* ---- For everybody */

bert_data_split *bert_data_split_new(const char *path, const bert_model *base,
                                     const bert_dataset_options *options,
                                     const bert_data_split_options *split, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(path, "file to split", e) || bert_need(base, "model to read for", e) ||
        bert_need(split, "options of the split", e))
        return NULL;
    if (!(split->part > 0 && split->part < 1)) {
        bert_fail(e, BERT_EINVAL, "validation split %g: a part of the rows is between 0 and 1",
                  split->part);
        return NULL;
    }
    if (!strcmp(path, "-")) {
        bert_fail(e, BERT_EINVAL, "standard input cannot be split: it is read once");
        return NULL;
    }
    bert_data_split *s = calloc(1, sizeof *s);
    int rc = s ? 0 : bert_fail_memory(e, sizeof *s);
    if (!rc) {
        s->part = split->part;
        s->seed = split->seed;
        if (split->group_column && !(s->group_column = strdup(split->group_column)))
            rc = bert_fail_memory(e, strlen(split->group_column));
    }
    if (!rc) rc = read_where_it_is_read(s, path, base, options, e);
    if (!rc) return s;
    bert_data_split_free(s);
    return NULL;
}

void bert_data_split_free(bert_data_split *s) {
    if (!s) return;
    bert_numbered_free(&s->groups);
    bert_numbered_free(&s->labels);
    free(s->group_column);
    free(s->group);
    free(s->label);
    free(s->held);
    free(s);
}

const char *bert_data_split_note(const bert_data_split *s) {
    return s ? s->note : NULL;
}
