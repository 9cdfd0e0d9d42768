/* Datasets from files. */
#include "base/error.h"
#include "data/dataset.h"
#include "data/label_options.h"
#include "data/predictions.h"
#include "data/shared_set.h"
#include "data/split.h"
#include "data/views.h"
#include "files/reader.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 1024 };

/* The names in "toxic,insult": what several label columns are called. */
static int split_columns(bert_dataset_builder *b, char *names, bert_error *e) {
    for (char *save = NULL, *p = strtok_r(names, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        if (b->columns_count == MAX_COLUMNS)
            return bert_fail(e, BERT_EINVAL, "more than %d label columns", MAX_COLUMNS);
        b->columns[b->columns_count++] = p;
    }
    return BERT_OK;
}

/* texts [n]: its views. */
static int add_row(bert_dataset_builder *b, const bert_row *row, const bert_text *texts, int n,
                   bert_error *e) {
    int wanted = b->columns ? b->columns_count : 1;
    if (row->labels != wanted)
        return bert_dataset_fail(b, row->line, e, BERT_EFORMAT, "%d label fields, not %d",
                                 row->labels, wanted);
    for (int i = 0; i < row->labels; i++)
        if (!row->label[i]) {
            int rc = bert_labels_none(b, row->line, e);
            return rc == BERT_LABEL_MISSING ? BERT_OK : rc;
        }
    b->field_is_list = row->label_is_list;
    bert_text one, *fields = wanted == 1 ? &one : malloc((size_t)wanted * sizeof *fields);
    if (!fields) return bert_fail_memory(e, (size_t)wanted * sizeof *fields);
    for (int i = 0; i < wanted; i++) fields[i] = bert_text_of(row->label[i]);
    int rc = bert_dataset_add_views(b, texts, n, fields, row->line, e);
    if (fields != &one) free(fields);
    return rc;
}

static char *name_of(const bert_reader *r, int column) {
    const char *name = column >= 0 && column < r->names ? r->name[column] : "";
    return strchr(name, ',') ? NULL : strdup(name);
}

/* Of several files the first one's columns are those of the others. */
static bert_reader *keep_columns(bert_dataset_builder *b, bert_reader *r) {
    if (!r || !r->names || b->files.n != 1) return r;
    b->text = name_of(r, r->text);
    b->pair = name_of(r, r->pair);
    b->label = r->labels == 1 ? name_of(r, r->label[0]) : NULL;
    return r;
}

/* With these columns instead of those that the options name. */
static bert_reader *open_reader(bert_dataset_builder *b, const char *path, const char *text,
                                const char *pair, bert_error *e) {
    const char *label = b->options->label_column;
    const bert_reader_options o = {.text_column = text ? text : b->text,
                                   .pair_column = pair ? pair : b->pair,
                                   .label_column = label ? label : b->label,
                                   .labels = true,
                                   .also = bert_split_group_column(b)};
    bert_reader *r = bert_reader_open(path, &o, e);
    return bert_dataset_say_reader(b, keep_columns(b, r), e);
}

bert_reader *bert_dataset_reader(bert_dataset_builder *b, const char *path, bert_error *e) {
    const bool one_text = b->set->task->labels != BERT_LABELLED_ROWS;
    return open_reader(b, path, b->options->text_column, one_text ? "" : b->options->pair_column,
                       e);
}

bert_reader *bert_dataset_say_reader(bert_dataset_builder *b, bert_reader *r, bert_error *e) {
    const char *line;
    for (int i = 0; r && (line = bert_reader_note(r, i)); i++) {
        if (!bert_dataset_say(b, e, "%s", line)) continue;
        bert_reader_close(r);
        return NULL;
    }
    return r;
}

/* A second column that the reader knows to be read. */
static const char *second_of(const bert_text_views *v) {
    return v->pair[0] ? v->pair[0] : v->n > 1 ? v->text[1] : "";
}

static int read_rows(bert_dataset_builder *b, const char *path, bert_error *e) {
    bert_text_views views;
    bert_text texts[BERT_MOST_VIEWS];
    int rc = bert_text_views_open(&views, b->options, e);
    bert_reader *r = rc        ? NULL
                     : views.n ? open_reader(b, path, views.text[0], second_of(&views), e)
                               : bert_dataset_reader(b, path, e);
    bert_row row;
    const char *group = bert_split_group_column(b);
    if (!rc && !r) rc = e->code;
    if (!rc) rc = bert_split_begin(b, group ? bert_reader_column(r, group) : -1, e);
    while (!rc && (rc = bert_reader_next(r, &row, e)) == 1) {
        const bert_split_row of = {row.fields, row.labels, row.field, row.label, row.line};
        const int taken = bert_split_takes(b, &of, e);
        rc = taken < 0 ? taken : 0;
        if (taken != 1) continue;
        rc = views.n ? bert_text_views_of(&views, b, r, &row, texts, e) : 0;
        texts[0] = views.n ? texts[0] : row.text;
        if (!rc) rc = add_row(b, &row, texts, views.n ? views.n : 1, e);
    }
    if (r) b->set->invalid += bert_reader_invalid(r);
    if (r) b->set->guessed |= bert_reader_guessed(r);
    bert_reader_close(r);
    bert_text_views_close(&views);
    return rc;
}

static int resolve_rows(bert_dataset_builder *b, bert_error *e) {
    const bert_dataset *like = b->options->like;
    if (like && like->group != b->set->group)
        return bert_fail(e, BERT_EINVAL, "%s has %d texts a row, %s %d", b->set->where,
                         b->set->group, like->where, like->group);
    return bert_dataset_resolve(b, e);
}

const bert_task bert_task_sequence_classification = {
    .name = "sequence-classification",
    .pipeline = "text-classification",
    .labels = BERT_LABELLED_ROWS,
    .options = (const bert_option_row *const[]){bert_label_names_option, bert_label_options,
                                                bert_text_views_option, NULL},
    .read = read_rows,
    .splits = true,
    .shards = true,
    .resolve = resolve_rows,
    .predictions = &bert_row_predictions,
};

/* Several, one behind the other. */
static int read_several(bert_dataset_builder *b, const bert_file_list *files, bert_error *e) {
    int rc = 0;
    if (!b->set->task->shards)
        return bert_fail(
            e, BERT_EUNSUPPORTED,
            "%d files to read as one are of sequence- and image-classification, not of "
            "%s: put them into one file",
            files->n, b->set->task->name);
    for (int i = 0; i < files->n && !rc; i++) {
        const int said = b->set->notes.n;
        rc = bert_dataset_begin_file(b, files->path[i], e);
        if (!rc) rc = b->set->task->read(b, files->path[i], e);
        if (!rc) rc = bert_dataset_end_file(b, said, e);
    }
    return rc ? rc : bert_dataset_end_files(b, e);
}

static int read_files(bert_dataset_builder *b, const bert_file_list *files, bert_error *e) {
    return files->n == 1 ? b->set->task->read(b, files->path[0], e) : read_several(b, files, e);
}

/* The recipe that rows are read for, where the options name none. */
static void find_recipe(bert_dataset_options *o, const bert_model *base) {
    if (!o->recipe && !o->task) o->recipe = o->like ? o->like->recipe : bert_model_recipe(base);
}

/* The finished set; or NULL: with collects its rows were told to it, or *e says why. */
static bert_dataset *open_file(const char *path, const bert_model *base,
                               const bert_dataset_options *options, bert_data_split *collects,
                               bert_error *e) {
    bert_dataset_options o = *options;
    bert_dataset_builder b;
    bert_file_list files = {0};
    char *kept = NULL, *columns[MAX_COLUMNS];
    int rc = bert_file_list_make(&files, path, o.more_files, e);
    if (!rc) rc = bert_recipe_reads(o.recipe, base, e);
    if (!rc) rc = bert_recipe_options(o.recipe, &o, &kept, e);
    char *names = rc ? NULL : strdup(o.label_column ? o.label_column : "");
    if (!rc && !names) rc = bert_fail_memory(e, MAX_COLUMNS);
    if (!rc) rc = bert_dataset_begin(&b, files.path[0], ":", base, &o, e);
    if (!names) {
        bert_file_list_free(&files);
        free(kept);
        return NULL;
    }
    b.collects = collects;
    if (!rc && strchr(names, ',')) {
        b.columns = columns;
        rc = split_columns(&b, names, e);
    }
    if (!rc) rc = read_files(&b, &files, e);
    bert_dataset *d = NULL;
    if (!rc && !collects)
        d = bert_dataset_finish(&b, e);
    else
        bert_dataset_abandon(&b);
    bert_file_list_free(&files);
    free(names);
    free(kept);
    return d;
}

bert_dataset *bert_dataset_open(const char *path, const bert_model *base,
                                const bert_dataset_options *options, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(base, "model to tokenize for", e)) return NULL;
    bert_dataset_options o = options ? *options : bert_dataset_default();
    bert_sharing s;
    find_recipe(&o, base);
    int rc = bert_sharing_begin(&s, &o, base, e);
    bert_dataset *d = rc || !s.reads ? NULL : open_file(path, base, &o, NULL, e);
    if (d && s.lays) d = bert_sharing_lay(&s, d, &o, base, e);
    rc = bert_sharing_hear(&s, e->code, e);
    if (!rc && !s.reads) d = bert_sharing_take(&s, &o, base, e);
    if (!bert_sharing_end(&s, e->code, e)) return d;
    bert_dataset_free(d);
    return NULL;
}

int bert_split_read(bert_data_split *s, const char *path, const bert_model *base,
                    const bert_dataset_options *options, bert_error *e) {
    bert_dataset_options o = options ? *options : bert_dataset_default();
    o.split = s; /* its task is asked whether it can be */
    find_recipe(&o, base);
    open_file(path, base, &o, s, e);
    return e->code;
}
