/* Labelled texts as int32 arrays. */
#include "data/dataset.h"
#include "base/error.h"
#include "base/grow.h"
#include "data/label_names.h"
#include "data/label_text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bert_dataset_options bert_dataset_default(void) {
    return (bert_dataset_options){.overflow = BERT_OVERFLOW_ERROR};
}

void bert_dataset_free(bert_dataset *d) {
    if (!d) return;
    for (int32_t i = 0; d->names && i < d->num_labels; i++) free(d->names[i]);
    free(d->names);
    free(d->where);
    free(d->model);
    bert_grown_free(d->start);
    bert_columns_free(&d->columns);
    bert_notes_free(&d->notes);
    bert_kept_free(&d->kept);
    if (d->state) d->task->free_state(d->state);
    free(d);
}

/* ---- Building */

int bert_dataset_fail(const bert_dataset_builder *b, int64_t line, bert_error *e, int code,
                      const char *format, ...) {
    bert_error local = {0};
    va_list args;
    va_start(args, format);
    bert_fail_v(&local, code, format, args);
    va_end(args);
    bert_error_prefix(&local, "%s%s%lld: ", b->set->where, b->unit, (long long)line);
    return bert_fail(e, code, "%s", local.message);
}

int bert_dataset_say(bert_dataset_builder *b, bert_error *e, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int rc = bert_notes_say_v(&b->set->notes, e, format, args);
    va_end(args);
    return rc;
}

int bert_dataset_tally(bert_dataset_builder *b, int64_t line, const char *what, bert_error *e) {
    return bert_notes_tally(&b->set->notes, line, what, e);
}

int bert_dataset_begin(bert_dataset_builder *b, const char *where, const char *unit,
                       const bert_model *base, const bert_dataset_options *options, bert_error *e) {
    *b = (bert_dataset_builder){.base = base, .options = options, .unit = unit};
    const bert_task *task = options->like ? options->like->task : bert_task_find(options->task, e);
    if (!task) return BERT_EINVAL;
    b->set = calloc(1, sizeof *b->set);
    if (b->set) b->set->task = task;
    if (b->set) b->set->group = 1;
    if (b->set) b->set->where = strdup(where);
    if (b->set) b->set->model = strdup(bert_model_path(base));
    if (b->set) b->set->device = bert_model_device(base);
    if (!b->set || !b->set->where || !b->set->model) return bert_fail_memory(e, sizeof *b->set);
    int32_t limit = bert_model_max_length(base);
    if (options->max_length < 0 || options->max_length > limit)
        return bert_fail(e, BERT_EINVAL, "max_length %d: the model takes 1 to %d tokens",
                         (int)options->max_length, (int)limit);
    if (options->overflow == BERT_OVERFLOW_WINDOW && !(task->windows && task->windows(options)))
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "a dataset cannot be read in windows: choose to truncate long texts, or "
                         "to refuse them");
    b->set->max_length = options->max_length ? options->max_length : bert_model_text_limit(base);
    const bert_tokenizer *tokenizer = bert_model_need_tokenizer(base, e);
    if (!tokenizer) return e->code;
    if (options->label_names && task->labels) {
        int rc = bert_label_names_read(options->label_names, options->label_column, &b->given, e);
        if (rc) return rc;
    }
    b->tokenization = bert_tokenization_new(tokenizer, e);
    return b->tokenization ? BERT_OK : e->code;
}

void bert_dataset_abandon(bert_dataset_builder *b) {
    bert_dataset_free(b->set);
    bert_tokenization_free(b->tokenization);
    bert_raw_labels_free(&b->raw);
    bert_labels_free(&b->given);
    *b = (bert_dataset_builder){0};
}

int bert_dataset_add_sequence(bert_dataset_builder *b, const int32_t *ids, const int32_t *type_ids,
                              int32_t n, bert_error *e) {
    bert_dataset *d = b->set;
    int rc = bert_grow(&d->start, (size_t)d->sequences + 2, sizeof *d->start, e);
    if (rc) return rc;
    if (!d->sequences) d->start[0] = 0;
    const int64_t at = d->start[d->sequences];
    const size_t bytes = (size_t)n * sizeof *ids;
    /* The first pair: all before it were texts. */
    const bool first = type_ids && !bert_columns_find(&d->columns, "type_ids");
    const bool pairs = type_ids || bert_columns_find(&d->columns, "type_ids");
    int32_t *all = bert_dataset_grow_ints(d, "ids", BERT_PER_TOKEN, at + n, e);
    int32_t *types =
        all && pairs ? bert_dataset_grow_ints(d, "type_ids", BERT_PER_TOKEN, at + n, e) : NULL;
    if (!all || (pairs && !types)) return e->code;
    memcpy(all + at, ids, bytes);
    if (first) memset(types, 0, (size_t)at * sizeof *types);
    if (type_ids)
        memcpy(types + at, type_ids, bytes);
    else if (pairs)
        memset(types + at, 0, bytes);
    d->start[++d->sequences] = at + n;
    return BERT_OK;
}

int bert_dataset_too_long(const bert_dataset_builder *b, int32_t tokens, int64_t line,
                          bert_error *e) {
    return bert_dataset_fail(b, line, e, BERT_ETOOLONG,
                             "the text has %d tokens and the limit is %d: choose to truncate, or a "
                             "larger max_length (the model takes %d)",
                             (int)tokens, (int)b->set->max_length,
                             (int)bert_model_max_length(b->base));
}

/* A text, and the second one of a pair. */
static int keep_text(bert_kept *k, const bert_text *text, int64_t line, bert_error *e) {
    int rc = bert_kept_row(k, line, e);
    if (!rc) rc = bert_kept_add(k, text->text, text->bytes, e);
    if (!rc && text->pair) rc = bert_kept_add(k, text->pair, text->pair_bytes, e);
    return rc;
}

/* What a text should not be. */
static int look_at_text(bert_dataset_builder *b, const bert_text *text, int64_t line,
                        bert_error *e) {
    const bool empty = !text->bytes, pair = text->pair != NULL;
    const bool zero = (!empty && memchr(text->text, 0, text->bytes)) ||
                      (pair && text->pair_bytes && memchr(text->pair, 0, text->pair_bytes));
    int rc = 0;
    if (empty || (pair && !text->pair_bytes))
        rc = bert_dataset_tally(b, line,
                                pair ? "with an empty text in the pair" : "with an empty text", e);
    return rc || !zero
               ? rc
               : bert_dataset_tally(b, line, "with zero bytes in the text, which are dropped", e);
}

int bert_dataset_add(bert_dataset_builder *b, const bert_text *text, const bert_text *fields,
                     int64_t line, bert_error *e) {
    bert_dataset *d = b->set;
    bert_tokenize_options o = bert_tokenize_default();
    if (!text->text) return bert_dataset_fail(b, line, e, BERT_EINVAL, "the text is NULL");
    int rc = fields ? bert_labels_add(b, fields, line, e) : BERT_OK;
    if (rc) return rc == BERT_LABEL_MISSING ? BERT_OK : rc;
    if ((rc = look_at_text(b, text, line, e))) return rc;
    if (b->options->overflow == BERT_OVERFLOW_TRUNCATE) {
        o.truncation = BERT_TRUNCATE_LONGEST_FIRST;
        o.max_length = d->max_length;
    }
    bert_error local = {0};
    int windows = bert_tokenize(b->tokenization, text->text, text->bytes, text->pair,
                                text->pair_bytes, &o, &local);
    if (windows < 0) return bert_dataset_fail(b, line, e, windows, "%s", local.message);
    bert_token_window w = bert_tokenization_window(b->tokenization, 0);
    int32_t full = bert_tokenization_full_length(b->tokenization);
    if (w.n > d->max_length) return bert_dataset_too_long(b, full, line, e);
    if (w.n < 1) return bert_dataset_fail(b, line, e, BERT_EINVAL, "the text has no tokens");
    rc = bert_dataset_add_sequence(b, w.ids, text->pair ? w.type_ids : NULL, w.n, e);
    if (!rc && b->options->keep_texts) rc = keep_text(&d->kept, text, line, e);
    if (rc) return rc;
    d->rows++;
    d->truncated += full > w.n;
    d->dropped += full - w.n;
    return BERT_OK;
}

void bert_dataset_leave_out(bert_dataset *d, const bool *out) {
    bert_columns_leave_out(&d->columns, d->start, d->rows, out);
    int64_t rows = 0, used = 0;
    for (int64_t row = 0, begin = 0, end; row < d->rows; row++, begin = end) {
        end = d->start[row + 1];
        if (out[row]) continue;
        used += end - begin;
        d->start[++rows] = used;
    }
    bert_kept_leave_out(&d->kept, out);
    d->rows = d->sequences = rows;
}

bert_dataset *bert_dataset_finish(bert_dataset_builder *b, bert_error *e) {
    bert_dataset *d = b->set;
    const char *place = *b->unit == ':' ? "line" : "row";
    bert_notes_sum_up(&d->notes, "row", place, e);
    if (!d->rows && !e->code) {
        const char *why = bert_notes_at(&d->notes, d->notes.n - 1);
        bert_fail(e, BERT_EINVAL, "%s: no rows%s%s", d->where, why ? ": " : "", why ? why : "");
    }
    if (e->code || d->task->resolve(b, e)) {
        bert_dataset_abandon(b);
        return NULL;
    }
    b->set = NULL;
    bert_dataset_abandon(b);
    return d;
}

bert_dataset *bert_dataset_of(const bert_text *texts, const char *const *labels, int64_t n,
                              const bert_model *base, const bert_dataset_options *options,
                              bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(base, "model to tokenize for", e)) return NULL;
    bert_dataset_options o = options ? *options : bert_dataset_default();
    bert_dataset_builder b;
    int rc = bert_dataset_begin(&b, "row", " ", base, &o, e);
    if (!rc && b.set->task->labels != BERT_LABELLED_ROWS)
        rc = bert_fail(e, BERT_EUNSUPPORTED,
                       "rows in memory are texts with labels: %s is read from a file",
                       b.set->task->name);
    for (int64_t i = 0; i < n && !rc; i++) {
        bert_text label = bert_text_of(labels ? labels[i] : NULL);
        if (labels && !labels[i])
            rc = bert_dataset_fail(&b, i, e, BERT_EINVAL, "the row has no label");
        else
            rc = bert_dataset_add(&b, &texts[i], labels ? &label : NULL, i, e);
    }
    if (!rc) return bert_dataset_finish(&b, e);
    bert_dataset_abandon(&b);
    return NULL;
}

/* ---- What it is */

bert_model_options bert_dataset_model(const bert_dataset *d) {
    bert_model_options o = bert_model_default();
    o.head = d->task->name;
    o.trainable = true;
    o.device = d->device;
    if (!d->task->labels) return o;
    o.num_labels = d->num_labels;
    if (d->task->labels == BERT_LABELLED_ROWS) o.problem_type = bert_problem_name(d->problem);
    if (d->problem != BERT_PROBLEM_REGRESSION) o.label_names = (const char *const *)d->names;
    return o;
}

const char *bert_dataset_task(const bert_dataset *d) {
    return d->task->name;
}

bert_model *bert_dataset_open_model(const bert_dataset *d, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(d, "dataset to train on", e)) return NULL;
    bert_model_options o = bert_dataset_model(d);
    return bert_model_open(d->model, &o, e);
}

int64_t bert_dataset_size(const bert_dataset *d) {
    return d->rows;
}

const char *bert_dataset_note(const bert_dataset *d, int i) {
    return d ? bert_notes_at(&d->notes, i) : NULL;
}

const char *bert_dataset_problem_type(const bert_dataset *d) {
    return bert_problem_name(d->problem);
}

int32_t bert_dataset_num_labels(const bert_dataset *d) {
    return d->num_labels;
}

const char *bert_dataset_label(const bert_dataset *d, int32_t i) {
    return i >= 0 && i < d->num_labels ? d->names[i] : NULL;
}

const char *bert_dataset_positive_label(const bert_dataset *d) {
    const bool two = d->task->labels == BERT_LABELLED_ROWS && d->num_labels == 2 &&
                     d->problem == BERT_PROBLEM_SINGLE_LABEL;
    return two ? d->names[d->positive] : NULL;
}

int64_t bert_dataset_label_rows(const bert_dataset *d, int32_t i) {
    const bert_column *labels = bert_columns_find(&d->columns, "labels");
    const int32_t *label = bert_column_ints(labels);
    const float *target = bert_dataset_floats(d, "targets");
    int64_t n = 0;
    if (i < 0 || i >= d->num_labels) return 0;
    for (int64_t k = 0; label && k < labels->count; k++) n += label[k] == i;
    for (int64_t r = 0; target && r < d->rows; r++) n += target[r * d->num_labels + i] > 0.5f;
    return n;
}

static int64_t row_start(const bert_dataset *d, int64_t row) {
    return d->start[row * d->group];
}

/* Of all its sequences. */
static int32_t length_of(const bert_dataset *d, int64_t row) {
    return (int32_t)(row_start(d, row + 1) - row_start(d, row));
}

int bert_dataset_summarize(const bert_dataset *d, bert_dataset_summary *out, bert_error *e) {
    BERT_DOOR(e);
    *out = (bert_dataset_summary){0};
    if (bert_need(d, "dataset to summarize", e)) return BERT_EINVAL;
    *out = (bert_dataset_summary){.rows = d->rows,
                                  .tokens = d->start[d->sequences],
                                  .max_length = d->max_length,
                                  .truncated = d->truncated,
                                  .dropped = d->dropped,
                                  .invalid = d->invalid,
                                  .guessed = d->guessed};
    int64_t *rows_of = calloc((size_t)d->max_length + 1, sizeof *rows_of);
    if (!rows_of) return bert_fail_memory(e, (size_t)d->max_length * sizeof *rows_of);
    for (int64_t r = 0; r < d->sequences; r++) rows_of[d->start[r + 1] - d->start[r]]++;
    /* Nearest rank: the smallest length that is not below a part of the rows. */
    const struct {
        double part;
        int32_t *length;
    } quantiles[] = {{0, &out->length_min},
                     {.5, &out->length_median},
                     {.9, &out->length_p90},
                     {.99, &out->length_p99},
                     {1, &out->length_max}};
    for (size_t q = 0; q < sizeof quantiles / sizeof *quantiles; q++) {
        int64_t seen = 0;
        int32_t length = -1;
        while (seen < 1 || (double)seen < quantiles[q].part * (double)d->sequences)
            seen += rows_of[++length];
        *quantiles[q].length = length;
    }
    free(rows_of);
    const float *targets = bert_dataset_floats(d, "targets");
    if (d->problem == BERT_PROBLEM_REGRESSION && targets) {
        double sum = 0;
        out->target_min = out->target_max = (double)targets[0];
        for (int64_t r = 0; r < d->rows; r++) {
            double v = (double)targets[r];
            if (v < out->target_min) out->target_min = v;
            if (v > out->target_max) out->target_max = v;
            sum += v;
        }
        out->target_mean = sum / (double)d->rows;
    }
    return BERT_OK;
}

int32_t bert_dataset_row(const bert_dataset *d, int64_t row, const int32_t **ids,
                         const int32_t **type_ids) {
    if (row < 0 || row >= d->rows) return BERT_EINVAL;
    const int32_t *types = bert_dataset_ints(d, "type_ids");
    *ids = bert_dataset_ints(d, "ids") + row_start(d, row);
    if (type_ids) *type_ids = types ? types + row_start(d, row) : NULL;
    return length_of(d, row);
}

int32_t bert_dataset_row_label(const bert_dataset *d, int64_t row) {
    const int32_t *labels = bert_dataset_row_labels(d);
    return labels && row >= 0 && row < d->rows ? labels[row] : -1;
}

const float *bert_dataset_row_targets(const bert_dataset *d, int64_t row) {
    const float *targets = bert_dataset_floats(d, "targets");
    return targets && row >= 0 && row < d->rows ? targets + row * d->num_labels : NULL;
}

/* ---- Duplicates */

typedef struct {
    const bert_dataset *set;
    const int32_t *ids, *types; /* of the set */
} tokens;

static tokens tokens_of(const bert_dataset *d) {
    return (tokens){d, bert_dataset_ints(d, "ids"), bert_dataset_ints(d, "type_ids")};
}

static uint64_t hash_row(const tokens *d, int64_t row) {
    uint64_t h = 0xcbf29ce484222325u;
    for (int64_t i = row_start(d->set, row); i < row_start(d->set, row + 1); i++) {
        uint64_t token = (uint32_t)d->ids[i];
        if (d->types && d->types[i]) token |= (uint64_t)1 << 32;
        h = (h ^ token) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

static bool same_row(const tokens *a, int64_t i, const tokens *b, int64_t j) {
    const int32_t n = length_of(a->set, i);
    const int64_t x = row_start(a->set, i), y = row_start(b->set, j);
    if (n != length_of(b->set, j) || memcmp(a->ids + x, b->ids + y, (size_t)n * sizeof *a->ids))
        return false;
    for (int32_t k = 0; k < n; k++)
        if ((a->types ? a->types[x + k] : 0) != (b->types ? b->types[y + k] : 0)) return false;
    return true;
}

/* The slot of a row of a with the tokens of row j of b, or the empty one where it would be. */
static size_t find_row(const int64_t *table, size_t slots, const tokens *a, const tokens *b,
                       int64_t j) {
    size_t s = (size_t)hash_row(b, j) & (slots - 1);
    while (table[s] && !same_row(a, table[s] - 1, b, j)) s = (s + 1) & (slots - 1);
    return s;
}

int64_t bert_dataset_duplicates(const bert_dataset *a, const bert_dataset *b, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(a, "dataset to compare", e) || bert_need(b, "dataset to compare with", e))
        return BERT_EINVAL;
    size_t slots = 16;
    while (slots < 2 * (size_t)a->rows) slots *= 2;
    int64_t *table = calloc(slots, sizeof *table); /* row + 1, or 0 */
    if (!table) return bert_fail_memory(e, slots * sizeof *table);
    const tokens x = tokens_of(a), y = tokens_of(b);
    int64_t found = 0;
    for (int64_t i = 0; i < a->rows; i++) {
        size_t s = find_row(table, slots, &x, &x, i);
        if (table[s] && a == b) found++;
        if (!table[s]) table[s] = i + 1;
    }
    for (int64_t j = 0; a != b && j < b->rows; j++)
        found += table[find_row(table, slots, &x, &y, j)] != 0;
    free(table);
    return found;
}
