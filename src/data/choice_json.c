/* Multiple choice in JSON: endings are a list, objects of a list, lists of an object, or members of
 * their own. */
#include "base/error.h"
#include "data/choice.h"
#include "files/json_rows.h"
#include "files/reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NUMBER = 32 };

typedef struct {
    bert_dataset_builder *b;
    char **name; /* of the members of the first object */
    int names;
    bert_choice_columns c;
    int64_t line;
    char number[2 * BERT_CHOICES_MAX + 3][NUMBER]; /* numbers as text */
    int numbers;
} job;

static int fail(const job *j, bert_error *e, const char *name, const char *what) {
    return bert_dataset_fail(j->b, j->line, e, BERT_EFORMAT, "\"%.60s\" %s", name, what);
}

/* ---- Members */

static int take_names(job *j, const json_t *o, bert_error *e) {
    const char *key;
    json_t *value;
    j->name = calloc(json_object_size(o) + 1, sizeof *j->name);
    if (!j->name) return bert_fail_memory(e, json_object_size(o) * sizeof *j->name);
    json_object_foreach((json_t *)(uintptr_t)o, key, value) {
        (void)value;
        if (!(j->name[j->names] = strdup(key))) return bert_fail_memory(e, strlen(key));
        j->names++;
    }
    return 0;
}

static int member(const job *j, const char *name) {
    for (int i = 0; i < j->names; i++)
        if (!strcmp(j->name[i], name)) return i;
    for (int i = 0; i < j->names; i++)
        if (!strcasecmp(j->name[i], name)) return i;
    return -1;
}

/* The member that was asked for, or the first of the usual ones. */
static int choose(const job *j, const json_t *o, const char *asked, const char *option,
                  const char *what, const char *const *usual, int *out, bert_error *e) {
    char list[250];
    const bert_reader names = {.name = j->name, .names = j->names};
    *out = asked ? member(j, asked) : -1;
    for (; !asked && *usual && *out < 0; usual++) *out = member(j, *usual);
    if (*out >= 0) return 0;
    const char *shape = bert_json_shape(o);
    if (shape && !asked) return bert_dataset_fail(j->b, j->line, e, BERT_EFORMAT, "%s", shape);
    bert_columns_list(&names, list, sizeof list);
    if (asked)
        return bert_fail(e, BERT_EINVAL, "%s: column '%s' is not there; the columns are %s",
                         j->b->set->where, asked, list);
    return bert_fail(e, BERT_EINVAL,
                     "%s: no column is known as the %s: %s NAME says which it is; the columns are "
                     "%s",
                     j->b->set->where, what, option, list);
}

static int choose_members(job *j, const json_t *o, const char *layout, bert_error *e) {
    const bert_dataset_options *given = j->b->options;
    int rc = take_names(j, o, e);
    if (!rc)
        rc = choose(j, o, given->text_column, "--text-column", "prompt", bert_choice_prompts,
                    &j->c.prompt, e);
    if (!rc)
        rc = choose(j, o, given->label_column, "--label-column", "label", bert_choice_labels,
                    &j->c.label, e);
    if (rc) return rc;
    bert_choice_find(j->name, j->names, given->text_column != NULL, &j->c);
    const json_t *prompt = json_object_get(o, j->name[j->c.prompt]);
    if (!j->c.n && j->c.list < 0 && !json_object_get(prompt, "choices"))
        return bert_dataset_fail(j->b, j->line, e, BERT_EFORMAT,
                                 "no endings to choose from: members ending0, ending1 .. are "
                                 "needed, or a list \"endings\", \"options\" or \"choices\"");
    return bert_choice_say(j->b, layout, j->name, j->names, &j->c, e);
}

/* ---- Values */

/* A string, or a number as text; NULL: anything else. */
static const char *text_of(job *j, const json_t *v) {
    if (json_is_string(v)) return json_string_value(v);
    if (!json_is_number(v) && !json_is_boolean(v)) return NULL;
    char *out = j->number[j->numbers++];
    if (json_is_real(v))
        snprintf(out, NUMBER, "%.15g", json_real_value(v));
    else
        snprintf(out, NUMBER, "%lld",
                 json_is_integer(v) ? (long long)json_integer_value(v) : json_is_true(v));
    return out;
}

/* {"text": "..", "label": "A"}, or a text. */
static int take_item(job *j, const json_t *item, const json_t *mark, bert_choice_row *row,
                     const char *name, bert_error *e) {
    if (row->n == BERT_CHOICES_MAX) return fail(j, e, name, "has more than 32 endings");
    if (json_is_object(item)) {
        mark = json_object_get(item, "label");
        item = json_object_get(item, "text");
    }
    const char *text = text_of(j, item);
    if (!text) return fail(j, e, name, "is a list of something else than texts");
    row->mark[row->n] = mark ? text_of(j, mark) : NULL;
    row->ending[row->n++] = text;
    return 0;
}

/* A list, or {"text": [..], "label": [..]}. */
static int take_list(job *j, const json_t *v, bert_choice_row *row, const char *name,
                     bert_error *e) {
    const json_t *marks = json_object_get(v, "label");
    if (json_is_object(v)) v = json_object_get(v, "text");
    if (json_is_string(v)) return fail(j, e, name, "is a text where a list of endings is needed");
    if (!json_is_array(v))
        return fail(j, e, name,
                    "is neither a list of endings nor {\"text\": [..], \"label\": [..]}");
    int rc = 0;
    for (size_t i = 0; i < json_array_size(v) && !rc; i++)
        rc = take_item(j, json_array_get(v, i), json_array_get(marks, i), row, name, e);
    return rc;
}

static const json_t *value(const job *j, const json_t *o, int column) {
    return column < 0 ? NULL : json_object_get(o, j->name[column]);
}

static int take_row(job *j, const json_t *o, bert_choice_row *row, bert_error *e) {
    const json_t *prompt = value(j, o, j->c.prompt), *label = value(j, o, j->c.label);
    const json_t *list = value(j, o, j->c.list);
    const char *listed = j->c.list < 0 ? "choices" : j->name[j->c.list];
    *row = (bert_choice_row){.line = j->line};
    j->numbers = 0;
    if (json_is_object(prompt)) { /* CommonsenseQA's and ARC's own: {"stem": .., "choices": [..]} */
        if (j->c.list < 0) list = json_object_get(prompt, "choices");
        prompt = json_object_get(prompt, "stem");
    }
    const char *text = text_of(j, prompt);
    if (!text) return fail(j, e, j->name[j->c.prompt], "is no text");
    row->before = text_of(j, value(j, o, j->c.before));
    row->prompt = bert_text_of(text);
    if (label && !json_is_null(label) && !(row->label = text_of(j, label)))
        return fail(j, e, j->name[j->c.label],
                    "is neither the number of an ending, nor its letter, nor an ending");
    if (!j->c.n) return take_list(j, list, row, listed, e);
    int rc = 0;
    for (int i = 0; i < j->c.n && !rc; i++)
        rc = take_item(j, value(j, o, j->c.ending[i]), NULL, row, j->name[j->c.ending[i]], e);
    return rc;
}

int bert_choice_read_json(bert_dataset_builder *b, const char *path, bert_choice_add *add, void *to,
                          bert_error *e) {
    bert_json_rows *rows = bert_json_rows_open(path, e);
    job *j = rows ? calloc(1, sizeof *j) : NULL;
    const json_t *o;
    int rc = !rows ? e->code : j ? 0 : bert_fail_memory(e, sizeof *j);
    if (j) j->b = b;
    while (!rc && (rc = bert_json_rows_next(rows, &o, e)) > 0) {
        bert_choice_row row;
        j->line = bert_json_rows_line(rows);
        rc = j->name ? 0 : choose_members(j, o, bert_json_rows_layout(rows), e);
        if (!rc) rc = take_row(j, o, &row, e);
        if (!rc) rc = add(to, &row, e);
    }
    for (int i = 0; j && i < j->names; i++) free(j->name[i]);
    if (j) free(j->name);
    free(j);
    bert_json_rows_close(rows);
    return rc;
}
