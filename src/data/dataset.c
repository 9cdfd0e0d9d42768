/* Labelled texts as int32 arrays. */
#include "data/dataset.h"
#include "base/error.h"
#include "base/grow.h"
#include "data/label_names.h"
#include "data/label_options.h"
#include "recipe/recipe.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

bert_dataset_options bert_dataset_default(void) {
    return (bert_dataset_options){.overflow = BERT_OVERFLOW_ERROR};
}

void bert_dataset_free(bert_dataset *d) {
    if (!d) return;
    for (int32_t i = 0; d->names && i < d->num_labels; i++) free(d->names[i]);
    free(d->names);
    free(d->where);
    free(d->model);
    free(d->config);
    bert_recipe_free(d->recipe);
    bert_grown_free(d->start);
    bert_grown_free(d->row);
    bert_columns_free(&d->columns);
    bert_notes_free(&d->notes);
    bert_kept_free(&d->kept);
    if (d->state) d->task->free_state(d->state);
    if (d->map.at) munmap(d->map.at, d->map.bytes);
    free(d);
}

/* ---- Building: where a row came from */

/* Of several files a place has the number of its file, from 1, above its line. */
enum { PLACE_BITS = 40 };

static int64_t line_of(int64_t place) {
    return place & (((int64_t)1 << PLACE_BITS) - 1);
}

static const char *file_of(const bert_dataset_builder *b, int64_t place) {
    const int64_t file = place >> PLACE_BITS;
    return file > 0 ? b->files.path[file - 1] : b->set->where;
}

int64_t bert_dataset_place(const bert_dataset_builder *b, int64_t line) {
    return line + ((int64_t)b->files.n << PLACE_BITS);
}

const char *bert_dataset_place_name(const bert_dataset_builder *b, int64_t place,
                                    char out[BERT_PLACE_NAME]) {
    if (place >> PLACE_BITS)
        snprintf(out, BERT_PLACE_NAME, "%.250s:%lld", file_of(b, place), (long long)line_of(place));
    else
        snprintf(out, BERT_PLACE_NAME, "%s %lld", *b->unit == ':' ? "line" : "row",
                 (long long)place);
    return out;
}

static int set_where(bert_dataset *d, const char *where, bert_error *e) {
    char *copy = strdup(where);
    if (!copy) return bert_fail_memory(e, strlen(where));
    free(d->where);
    d->where = copy;
    return 0;
}

int bert_dataset_begin_file(bert_dataset_builder *b, const char *path, bert_error *e) {
    int rc = set_where(b->set, path, e);
    return rc ? rc : bert_file_list_add(&b->files, path, e);
}

int bert_dataset_end_file(bert_dataset_builder *b, int from, bert_error *e) {
    const char *where = b->set->where; /* a table in a folder, where it was one */
    char **name = &b->files.path[b->files.n - 1], *copy = strdup(where);
    if (!copy) return bert_fail_memory(e, strlen(where));
    free(*name);
    *name = copy;
    int rc = bert_notes_of_part(&b->set->notes, from, b->files.n > 1 ? where : NULL, e);
    const int said = b->set->notes.n;
    if (!rc) rc = bert_notes_sum_up(&b->set->notes, "row", "line", e);
    return rc ? rc : bert_notes_of_part(&b->set->notes, said, where, e);
}

int bert_dataset_end_files(bert_dataset_builder *b, bert_error *e) {
    char where[BERT_PLACE_NAME];
    const int more = b->files.n - 1;
    snprintf(where, sizeof where, "%.200s and %d more file%s", b->files.path[0], more,
             more == 1 ? "" : "s");
    return set_where(b->set, where, e);
}

/* ---- Building: rows */

int bert_dataset_fail(const bert_dataset_builder *b, int64_t line, bert_error *e, int code,
                      const char *format, ...) {
    bert_error local = {0};
    va_list args;
    va_start(args, format);
    bert_fail_v(&local, code, format, args);
    va_end(args);
    if (line_of(line))
        bert_error_prefix(&local, "%s%s%lld: ", file_of(b, line), b->unit,
                          (long long)line_of(line));
    else /* class folders have no lines */
        bert_error_prefix(&local, "%s: ", file_of(b, line));
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
    return bert_notes_tally(&b->set->notes, line_of(line), what, e);
}

bert_dataset *bert_dataset_empty(const bert_task *task, const bert_model *base,
                                 const bert_dataset_options *o, bert_error *e) {
    bert_dataset *d = calloc(1, sizeof *d);
    if (d) {
        d->task = task;
        d->group = d->most = 1;
        d->model = strdup(bert_model_path(base));
        d->device = bert_model_device(base);
        if (task->labels == BERT_LABELLED_ROWS && task->outputs == BERT_OUTPUT_LABELS)
            d->recipe = bert_recipe_share(o->recipe);
        if (base->overrides) d->config = strdup(base->overrides);
        if (d->model && (d->config || !base->overrides)) return d;
    }
    bert_dataset_free(d);
    bert_fail_memory(e, sizeof *d);
    return NULL;
}

/* What would change nothing where rows are no texts. */
static int refuse_options_of_texts(const bert_dataset_options *o, bert_error *e) {
    const char *name = o->max_length                        ? "max-length"
                       : o->overflow != BERT_OVERFLOW_ERROR ? "on-overflow"
                       : o->text_column                     ? "text-column"
                       : o->pair_column                     ? "pair-column"
                                                            : NULL;
    return name ? bert_fail(e, BERT_EINVAL, "--%s is of texts, which %s does not read", name,
                            o->task ? o->task : "image-classification")
                : 0;
}

static int set_length(bert_dataset_builder *b, bert_error *e) {
    const bert_dataset_options *o = b->options;
    const bert_task *task = b->set->task;
    const int32_t limit = bert_model_max_length(b->base);
    if (task->inputs && refuse_options_of_texts(o, e)) return e->code;
    if (o->max_length < 0 || o->max_length > limit)
        return bert_fail(e, BERT_EINVAL, "max_length %d: the model takes 1 to %d tokens",
                         (int)o->max_length, (int)limit);
    if (o->overflow == BERT_OVERFLOW_WINDOW && !(task->windows && task->windows(o)))
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "a dataset cannot be read in windows: choose to truncate long texts, or "
                         "to refuse them");
    b->set->max_length = o->max_length  ? o->max_length
                         : task->inputs ? limit
                                        : bert_model_text_limit(b->base);
    return BERT_OK;
}

/* What a text needs, where rows are read as such. */
static int begin_texts(bert_dataset_builder *b, bert_error *e) {
    if (b->set->task->inputs) return BERT_OK;
    const bert_tokenizer *t = bert_model_need_tokenizer(b->base, e);
    if (t) b->tokenization = bert_tokenization_new(t, e);
    return b->tokenization ? BERT_OK : e->code;
}

static int check_options(bert_dataset_builder *b, bert_error *e) {
    const char *unused[BERT_TASK_OPTIONS];
    const int n = bert_task_check_options(b->set->task, b->options, unused, e);
    int rc = n < 0 ? n : BERT_OK;
    for (int i = 0; i < n && !rc && !b->options->like; i++)
        rc = bert_dataset_say(b, e, "%s is not used: it is no option of %s", unused[i],
                              b->set->task->name);
    return rc;
}

const bert_task *bert_dataset_task_of(const bert_dataset_options *o, const bert_model *base,
                                      bert_error *e) {
    const bool pictures = !o->task && bert_model_config(base)->num_channels > 0;
    return o->like    ? o->like->task
           : pictures ? &bert_task_image_classification
                      : bert_task_find(o->task, e);
}

int bert_dataset_begin(bert_dataset_builder *b, const char *where, const char *unit,
                       const bert_model *base, const bert_dataset_options *options, bert_error *e) {
    *b = (bert_dataset_builder){.base = base, .options = options, .unit = unit};
    const bert_task *task = bert_dataset_task_of(options, base, e);
    if (!task) return BERT_EINVAL;
    const char *names = bert_label_names_of(options);
    if (options->split && !task->splits)
        return bert_fail(
            e, BERT_EUNSUPPORTED,
            "a validation split is of sequence- and image-classification, not of %s: a "
            "validation file says what is held out",
            task->name);
    b->set = bert_dataset_empty(task, base, options, e);
    int rc = b->set ? set_where(b->set, where, e) : BERT_ENOMEM;
    if (!rc) rc = check_options(b, e);
    if (!rc) rc = set_length(b, e);
    if (!rc && names && task->labels)
        rc = bert_label_names_read(names, options->label_column, &b->given, e);
    return rc ? rc : begin_texts(b, e);
}

void bert_dataset_abandon(bert_dataset_builder *b) {
    bert_dataset_free(b->set);
    bert_tokenization_free(b->tokenization);
    bert_raw_labels_free(&b->raw);
    bert_labels_free(&b->given);
    bert_file_list_free(&b->files);
    free(b->text);
    free(b->pair);
    free(b->label);
    *b = (bert_dataset_builder){0};
}

static int add_ids(bert_dataset *d, const int32_t *ids, const int32_t *type_ids, int32_t n,
                   bert_error *e) {
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
    return BERT_OK;
}

int bert_dataset_add_sequence(bert_dataset_builder *b, const int32_t *ids, const int32_t *type_ids,
                              int32_t n, bert_error *e) {
    bert_dataset *d = b->set;
    int rc = bert_grow(&d->start, (size_t)d->sequences + 2, sizeof *d->start, e);
    if (rc) return rc;
    if (!d->sequences) d->start[0] = 0;
    if (ids) rc = add_ids(d, ids, type_ids, n, e);
    if (rc) return rc;
    d->start[d->sequences + 1] = d->start[d->sequences] + n;
    d->sequences++;
    return BERT_OK;
}

int bert_dataset_end_row(bert_dataset_builder *b, bert_error *e) {
    bert_dataset *d = b->set;
    const bert_shape s = bert_dataset_shape(d);
    const int64_t n =
        d->sequences - (d->rows ? bert_shape_unit(&s, BERT_PER_SEQUENCE, d->rows) : 0);
    if (n < 1 || n > INT32_MAX)
        return bert_fail(e, BERT_EINVAL, "%s: row %lld has no sequence", d->where,
                         (long long)d->rows + 1);
    if (!d->rows) d->group = (int32_t)n;
    if (!d->row && n == d->group) {
        d->most = d->group;
        d->rows++;
        return BERT_OK;
    }
    /* The first row with another number: from now on each says where it begins. */
    const bool first = !d->row;
    int rc = bert_grow(&d->row, (size_t)d->rows + 2, sizeof *d->row, e);
    if (rc) return rc;
    for (int64_t r = 0; first && r <= d->rows; r++) d->row[r] = r * d->group;
    d->row[++d->rows] = d->sequences;
    d->group = 0;
    if (n > d->most) d->most = (int32_t)n;
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

void bert_dataset_leave_out(bert_dataset *d, const bool *out) {
    const bert_shape before = bert_dataset_shape(d);
    bert_columns_leave_out(&d->columns, &before, out);
    int64_t rows = 0, sequences = 0, used = 0, begin = 0;
    for (int64_t row = 0, first = 0, last; row < d->rows; row++, first = last) {
        last = bert_shape_unit(&before, BERT_PER_SEQUENCE, row + 1);
        for (int64_t s = first, end; s < last; s++, begin = end) {
            end = d->start[s + 1];
            if (out[row]) continue;
            used += end - begin;
            d->start[++sequences] = used;
        }
        if (out[row]) continue;
        rows++;
        if (d->row) d->row[rows] = sequences;
    }
    bert_kept_leave_out(&d->kept, out);
    d->rows = rows;
    d->sequences = sequences;
}

/* Every column has all its items. */
static int check_columns(const bert_dataset *d, bert_error *e) {
    for (int i = 0; i < d->columns.n; i++) {
        const bert_column *c = d->columns.at[i];
        const int64_t has = bert_columns_units(c), all = bert_dataset_units(d, c->per);
        if (has != all)
            return bert_fail(e, BERT_EINVAL, "%s: the column \"%s\" is of %lld %s; there are %lld",
                             d->where, c->name, (long long)has, bert_unit_name(c->per),
                             (long long)all);
    }
    return BERT_OK;
}

bert_dataset *bert_dataset_finish(bert_dataset_builder *b, bert_error *e) {
    bert_dataset *d = b->set;
    const char *place = *b->unit == ':' ? "line" : "row";
    bert_notes_sum_up(&d->notes, "row", place, e);
    if (!d->rows && !e->code) {
        const char *why = bert_notes_at(&d->notes, d->notes.n - 1);
        bert_fail(e, BERT_EINVAL, "%s: no rows%s%s", d->where, why ? ": " : "", why ? why : "");
    }
    if (e->code || d->task->resolve(b, e) || check_columns(d, e)) {
        bert_dataset_abandon(b);
        return NULL;
    }
    b->set = NULL;
    bert_dataset_abandon(b);
    return d;
}

/* ---- What it is */

bert_model_options bert_dataset_model(const bert_dataset *d) {
    bert_model_options o = bert_model_default();
    o.head = d->task->name;
    o.trainable = true;
    o.device = d->device;
    o.config = d->config;
    o.recipe = d->recipe;
    if (d->recipe) o.head = NULL;
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

bert_model *bert_dataset_open_head(const bert_dataset *d, const bert_head *head, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(d, "dataset to train on", e)) return NULL;
    bert_model_options o = bert_dataset_model(d);
    o.head = NULL;
    return bert_model_open_head(d->model, head, &o, e);
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
    const bert_shape s = bert_dataset_shape(d);
    return bert_shape_unit(&s, BERT_PER_TOKEN, row);
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
    const int32_t *all = bert_dataset_ints(d, "ids"), *types = bert_dataset_ints(d, "type_ids");
    *ids = all ? all + row_start(d, row) : NULL;
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
