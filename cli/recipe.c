#include "recipe.h"
#include <stdlib.h>
#include <string.h>

static const char *task_option(const bert_dataset_options *o, const char *name) {
    for (int i = 0; i < BERT_TASK_OPTIONS && o->task_options[i].name; i++)
        if (!strcmp(o->task_options[i].name, name)) return o->task_options[i].value;
    return NULL;
}

/* "a,b" as a list; without a comma a text. */
static json_t *label_of(const char *columns) {
    if (!strchr(columns, ',')) return json_string(columns);
    json_t *list = json_array();
    for (const char *p = columns; list && *p; p += *p == ',') {
        const size_t n = strcspn(p, ",");
        if (n) json_array_append_new(list, json_stringn(p, n));
        p += n;
    }
    return list;
}

/* "a,b": views; "a": one sequence. */
static json_t *images_of(const char *columns) {
    json_t *names = label_of(columns), *list = json_array(), *name;
    size_t i;
    if (json_is_string(names)) {
        json_decref(list);
        return json_pack("{s:o}", "image", names);
    }
    json_array_foreach(names, i, name)
        json_array_append_new(list, json_pack("{s:O}", "image", name));
    json_decref(names);
    return list;
}

static json_t *texts_of(const bert_recipe *r, const common *c) {
    bert_recipe_view v = {0};
    bert_recipe_view_at(r, 0, &v);
    const char *pair = c->pair_column ? c->pair_column : v.pair;
    if (pair && (!*pair || !strcmp(pair, "none"))) pair = NULL;
    return json_pack("{s:s, s:s*}", "text", c->text_column ? c->text_column : v.text, "text_pair",
                     pair);
}

static json_t *range_of(const char *text) {
    char *end;
    const double low = strtod(text, &end), high = *end == ',' ? strtod(end + 1, NULL) : low;
    return json_pack("[f, f]", low, high);
}

/* How many keys are others now. */
static int overrule(json_t *o, const bert_recipe *r, const common *c,
                    const bert_dataset_options *data) {
    const char *images = task_option(data, "image_column"),
               *range = task_option(data, "image_range");
    bert_recipe_view v = {0};
    const bool one_text = bert_recipe_views(r) == 1 && (!bert_recipe_view_at(r, 0, &v) || v.text);
    const bool texts = one_text && (c->text_column || (c->pair_column && v.text));
    int n = 0;
    if (c->label_column) n += !json_object_set_new(o, "label", label_of(c->label_column));
    if (data->problem_type)
        n += !json_object_set_new(o, "problem_type", json_string(data->problem_type));
    if (texts) n += !json_object_set_new(o, "inputs", texts_of(r, c));
    if (images) n += !json_object_set_new(o, "inputs", images_of(images));
    if (range) n += !json_object_set_new(o, "image_range", range_of(range));
    return n;
}

bert_recipe *open_recipe_with(const char *path, const common *c, const bert_dataset_options *data,
                              bert_error *e) {
    bert_recipe *r = bert_recipe_open(path, e), *other = NULL;
    json_t *o = r ? json_loads(bert_recipe_json(r), 0, NULL) : NULL;
    if (!o || !overrule(o, r, c, data)) {
        json_decref(o);
        return r;
    }
    char *text = json_dumps(o, JSON_INDENT(2));
    if (text)
        other = bert_recipe_parse(text, path, e);
    else
        fail_memory(e);
    free(text);
    json_decref(o);
    bert_recipe_free(r);
    return other;
}
