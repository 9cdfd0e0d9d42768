#include "data/views.h"
#include "base/error.h"
#include "files/reader.h"
#include "models/pictures.h"
#include "recipe/recipe.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const bert_option_row bert_text_views_option[] = {
    {"text_views", BERT_OPTION_TEXT, "NAME,NAME", "",
     "columns of texts that are the views of a row, for a head that joins them; A+B: a pair"},
    {0},
};

/* ---- Several texts of a row */

int bert_text_views_open(bert_text_views *v, const bert_dataset_options *o, bert_error *e) {
    const char *names = bert_option_text(o, bert_text_views_option);
    *v = (bert_text_views){0};
    if (!names || !*names) return 0;
    v->names = strdup(names);
    if (!v->names) return bert_fail_memory(e, strlen(names));
    char *rest = v->names, *one;
    while ((one = strsep(&rest, ","))) {
        if (v->n == BERT_MOST_VIEWS || !*one)
            return bert_fail(e, BERT_EINVAL,
                             "text_views: 1 to %d names of columns by commas, not \"%.80s\"",
                             BERT_MOST_VIEWS, names);
        char *plus = strchr(one, '+');
        if (plus) *plus = 0;
        v->text[v->n] = one;
        v->pair[v->n++] = plus ? plus + 1 : NULL;
    }
    return 0;
}

void bert_text_views_close(bert_text_views *v) {
    free(v->names);
    *v = (bert_text_views){0};
}

static int find(const bert_dataset_builder *b, const bert_reader *r, const char *name, int *at,
                bert_error *e) {
    *at = -1;
    if (!name) return 0;
    *at = bert_reader_column(r, name);
    if (*at >= 0 || bert_column_is_number(name, at)) return 0;
    return bert_fail(e, BERT_EFORMAT, "%s: there is no column \"%.80s\", which is a view",
                     b->set->where, name);
}

static int take(const bert_dataset_builder *b, const bert_row *row, int at, const char *name,
                const char **text, size_t *bytes, bert_error *e) {
    if (at >= row->fields || !row->field[at])
        return bert_dataset_fail(b, row->line, e, BERT_EFORMAT, "the row has no \"%.80s\"", name);
    *text = row->field[at];
    *bytes = strlen(*text);
    return 0;
}

int bert_text_views_of(bert_text_views *v, const bert_dataset_builder *b, const bert_reader *r,
                       const bert_row *row, bert_text *texts, bert_error *e) {
    int rc = 0;
    for (int i = 0; i < v->n && !v->found && !rc; i++) {
        rc = find(b, r, v->text[i], &v->text_at[i], e);
        if (!rc) rc = find(b, r, v->pair[i], &v->pair_at[i], e);
    }
    v->found = !rc;
    for (int i = 0; i < v->n && !rc; i++) {
        bert_text *t = &texts[i];
        *t = (bert_text){0};
        rc = take(b, row, v->text_at[i], v->text[i], &t->text, &t->bytes, e);
        if (!rc && v->pair[i])
            rc = take(b, row, v->pair_at[i], v->pair[i], &t->pair, &t->pair_bytes, e);
    }
    return rc;
}

/* ---- What a recipe says */

static bool is_set(const bert_dataset_options *o, const char *name) {
    for (int i = 0; i < BERT_TASK_OPTIONS && o->task_options[i].name; i++)
        if (!strcmp(o->task_options[i].name, name)) return o->task_options[i].value != NULL;
    return false;
}

/* "a,b+c": the columns of all views. */
static char *columns_of(const bert_recipe *r, bert_error *e) {
    size_t room = 1, used = 0;
    bert_recipe_view v;
    for (int i = 0; bert_recipe_view_at(r, i, &v); i++)
        room += strlen(v.image ? v.image : v.text) + (v.pair ? strlen(v.pair) : 0) + 2;
    char *names = calloc(room, 1);
    if (!names) bert_fail_memory(e, room);
    for (int i = 0; names && bert_recipe_view_at(r, i, &v); i++)
        used +=
            (size_t)snprintf(names + used, room - used, "%s%s%s%s", i ? "," : "",
                             v.image ? v.image : v.text, v.pair ? "+" : "", v.pair ? v.pair : "");
    return names;
}

static int take_views(const bert_recipe *r, const bert_recipe_view *first, bert_dataset_options *o,
                      char **kept, bert_error *e) {
    const char *option = first->image ? "image_column" : "text_views";
    if (o->text_column || is_set(o, option)) return 0;
    if (!(*kept = columns_of(r, e))) return BERT_ENOMEM;
    return bert_dataset_set(o, option, *kept, e);
}

int bert_recipe_reads(const bert_recipe *r, const bert_model *base, bert_error *e) {
    const bert_json_place tasks = {NULL, "tasks", 0}, task = {&tasks, r ? r->name : NULL, 0},
                          at = {r && r->name ? &task : NULL, "inputs", 0};
    const bool pictures = bert_config_takes_pictures(bert_model_config(base));
    bert_recipe_view first;
    if (!bert_recipe_view_at(r, 0, &first) || pictures == (first.image != NULL)) return 0;
    return bert_recipe_fail(r, &at, e, "%s: the encoder, %s, reads %s",
                            first.image ? "are of images" : "are of texts", bert_model_path(base),
                            pictures ? "pictures" : "texts");
}

int bert_recipe_options(const bert_recipe *r, bert_dataset_options *o, char **kept, bert_error *e) {
    bert_recipe_view first;
    int rc = 0;
    if (!r) return 0;
    const bool said = bert_recipe_view_at(r, 0, &first);
    if (said && (first.image || bert_recipe_views(r) > 1)) {
        rc = take_views(r, &first, o, kept, e);
    } else if (said) {
        if (!o->text_column) {
            o->text_column = first.text;
            if (!o->pair_column) o->pair_column = first.pair ? first.pair : "";
        } else if (!o->pair_column) {
            o->pair_column = first.pair;
        }
    }
    if (!o->label_column) o->label_column = bert_recipe_value(r, "label");
    if (!o->problem_type) o->problem_type = bert_recipe_value(r, "problem_type");
    const char *range = bert_recipe_value(r, "image_range");
    if (!rc && range && !is_set(o, "image_range"))
        rc = bert_dataset_set(o, "image_range", range, e);
    return rc;
}
