/* The keys of a recipe. */
#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "recipe/recipe.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    bert_recipe *r;
    bert_recipe_task *t;
    bert_recipe_view *view; /* that is being read */
    bert_error *e;
    const bert_json_place *base; /* the object that it is said in; NULL: the whole */
} reading;

typedef struct {
    const char *name;
    int (*read)(const reading *r, const json_t *v, const bert_json_place *at);
} key_row;

const char *bert_recipe_kind(const json_t *v) {
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    default:
        return "null";
    }
}

static int fail_type(const reading *r, const bert_json_place *at, const char *wanted,
                     const json_t *v) {
    return bert_recipe_fail(r->r, at, r->e, "must be %s, not %s", wanted, bert_recipe_kind(v));
}

/* A text that says something, which is the JSON's. */
static int read_text(const reading *r, const json_t *v, const bert_json_place *at,
                     const char *wanted, const char **out) {
    const char *s = json_string_value(v);
    if (!s) return fail_type(r, at, wanted, v);
    if (!*s) return bert_recipe_fail(r->r, at, r->e, "must be %s, not an empty text", wanted);
    *out = s;
    return 0;
}

/* Each key of an object by its row; null is as if the key were not there. */
static int read_keys(const reading *r, const json_t *object, const bert_json_place *at,
                     const key_row *rows) {
    const char *key;
    json_t *v;
    int rc = 0;
    json_object_foreach((json_t *)(uintptr_t)object, key, v) {
        const bert_json_place place = {at, key, 0};
        const key_row *row = rows;
        while (row->name && strcmp(row->name, key)) row++;
        if (rc) break;
        if (row->name) {
            rc = json_is_null(v) ? 0 : row->read(r, v, &place);
            continue;
        }
        char list[400] = "";
        size_t n = 0;
        for (row = rows; row->name && n < sizeof list; row++)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", row->name);
        rc = bert_recipe_fail(r->r, &place, r->e, "there is no such key; the keys here are %s",
                              list);
    }
    return rc;
}

/* ---- encoder */

static int read_encoder(const reading *r, const json_t *v, const bert_json_place *at) {
    static const char wanted[] = "the name of a model, or an object whose \"model\" is that";
    if (json_is_string(v)) return read_text(r, v, at, wanted, &r->r->encoder);
    if (!json_is_object(v)) return fail_type(r, at, wanted, v);
    const json_t *model = json_object_get(v, "model");
    const bert_json_place place = {at, "model", 0};
    int rc =
        model && !json_is_null(model) ? read_text(r, model, &place, wanted, &r->r->encoder) : 0;
    json_t *rest = rc ? NULL : json_copy((json_t *)(uintptr_t)v);
    if (rc) return rc;
    json_object_del(rest, "model");
    if (rest && json_object_size(rest)) r->r->config = json_dumps(rest, JSON_COMPACT);
    if (!rest || (json_object_size(rest) && !r->r->config)) rc = bert_fail_memory(r->e, 1);
    json_decref(rest);
    return rc;
}

/* ---- inputs */

static const char column[] = "the name of a column";

static int read_input_text(const reading *r, const json_t *v, const bert_json_place *at) {
    return read_text(r, v, at, column, &r->view->text);
}
static int read_input_pair(const reading *r, const json_t *v, const bert_json_place *at) {
    return read_text(r, v, at, column, &r->view->pair);
}
static int read_input_image(const reading *r, const json_t *v, const bert_json_place *at) {
    return read_text(r, v, at, column, &r->view->image);
}
static const key_row input_keys[] = {{"text", read_input_text},
                                     {"text_pair", read_input_pair},
                                     {"image", read_input_image},
                                     {NULL, NULL}};

/* Several columns go through the loader as one list of names. */
static int check_names(const reading *r, const bert_json_place *at) {
    const bert_recipe_view *v = r->view;
    const char *names[] = {v->text, v->pair, v->image};
    for (int i = 0; i < 3; i++)
        if (r->t->views > 1 && names[i] && strpbrk(names[i], ",+"))
            return bert_recipe_fail(r->r, at, r->e,
                                    "the column \"%.60s\" of several views has a comma or a plus "
                                    "in its name: rename it",
                                    names[i]);
    return 0;
}

static int read_view(const reading *r, const json_t *v, const bert_json_place *at) {
    static const char wanted[] = "{\"text\": COLUMN}, {\"text\": .., \"text_pair\": ..} or "
                                 "{\"image\": COLUMN}";
    bert_recipe_view *first = r->t->view;
    if (!json_is_object(v)) return fail_type(r, at, wanted, v);
    *r->view = (bert_recipe_view){0};
    int rc = read_keys(r, v, at, input_keys);
    if (rc) return rc;
    if (!r->view->text == !r->view->image)
        return bert_recipe_fail(r->r, at, r->e, "must be %s", wanted);
    if (r->view->pair && !r->view->text)
        return bert_recipe_fail(r->r, at, r->e, "a text_pair goes with a text");
    if (!first->text != !r->view->text)
        return bert_recipe_fail(r->r, at, r->e,
                                "texts and images cannot be views of one encoder: each view is a "
                                "text, or each an image");
    return check_names(r, at);
}

static int read_inputs(const reading *r, const json_t *v, const bert_json_place *at) {
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (!json_is_array(v) && !json_is_object(v))
        return fail_type(r, at, "an object (one sequence) or a list of them (views)", v);
    if (n < 1 || n > BERT_RECIPE_VIEWS)
        return bert_recipe_fail(r->r, at, r->e, "%zu views; there are 1 to %d", n,
                                BERT_RECIPE_VIEWS);
    r->t->views = (int)n;
    for (size_t i = 0; i < n; i++) {
        const bert_json_place place = {at, NULL, i};
        const reading one = {r->r, r->t, &r->t->view[i], r->e, r->base};
        int rc = json_is_array(v) ? read_view(&one, json_array_get(v, i), &place)
                                  : read_view(&one, v, at);
        if (rc) return rc;
    }
    return 0;
}

/* ---- pooling, combine */

static int read_one_pooling(const reading *r, const json_t *v, const bert_json_place *at) {
    static const char wanted[] = "\"cls\", \"mean\", \"max\", \"sum\", \"pooler\" or "
                                 "\"lasttoken\"";
    const char *name = json_string_value(v);
    bert_pooling *to = &r->t->pooling[r->t->poolings];
    if (!name) return fail_type(r, at, wanted, v);
    if (bert_pooling_parse(name, to, NULL) || !bert_recipe_pools(*to))
        return bert_recipe_fail(r->r, at, r->e, "must be %s, not \"%.40s\"", wanted, name);
    r->t->poolings++;
    return 0;
}

/* One, or several whose vectors stand side by side. */
static int read_pooling(const reading *r, const json_t *v, const bert_json_place *at) {
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    int rc = 0;
    if (n < 1 || n > BERT_MAX_POOLINGS)
        return bert_recipe_fail(r->r, at, r->e, "%zu poolings; there are 1 to %d", n,
                                BERT_MAX_POOLINGS);
    r->t->poolings = 0;
    if (!json_is_array(v)) return read_one_pooling(r, v, at);
    for (size_t i = 0; i < n && !rc; i++)
        rc = read_one_pooling(r, json_array_get(v, i), &(const bert_json_place){at, NULL, i});
    return rc;
}

static int read_terms(const reading *r, const json_t *v, const bert_json_place *at) {
    const size_t n = json_array_size(v);
    if (n < 1 || n > BERT_RECIPE_TERMS)
        return bert_recipe_fail(r->r, at, r->e, "%zu terms; there are 1 to %d", n,
                                BERT_RECIPE_TERMS);
    r->t->combine = BERT_COMBINE_TERMS;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(v, i));
        const int term = name ? bert_term_find(name) : -1;
        const bert_json_place place = {at, NULL, i};
        if (term < 0)
            return bert_recipe_fail(r->r, &place, r->e, "must be %s, not %s%.40s%s",
                                    bert_term_names(), name ? "\"" : "",
                                    name ? name : bert_recipe_kind(json_array_get(v, i)),
                                    name ? "\"" : "");
        r->t->term[i] = (bert_term)term;
    }
    r->t->terms = (int)n;
    return 0;
}

static int read_combine(const reading *r, const json_t *v, const bert_json_place *at) {
    const char *name = json_string_value(v);
    if (json_is_array(v)) return read_terms(r, v, at);
    if (!name) return fail_type(r, at, bert_combine_names(), v);
    const int kind = bert_combine_find(name);
    if (kind < 0)
        return bert_recipe_fail(r->r, at, r->e, "must be %s, not \"%.40s\"", bert_combine_names(),
                                name);
    r->t->combine = (bert_combine_kind)kind;
    return 0;
}

/* ---- What is learnt */

static int read_head(const reading *r, const json_t *v, const bert_json_place *at) {
    return bert_recipe_read_head(r->r, r->t, v, at, r->e);
}

static int read_problem(const reading *r, const json_t *v, const bert_json_place *at) {
    static const char *const names[] = {"regression", "single_label_classification",
                                        "multi_label_classification"};
    static const char wanted[] = "\"regression\", \"single_label_classification\" or "
                                 "\"multi_label_classification\"";
    int rc = read_text(r, v, at, wanted, &r->t->problem_type);
    for (int i = 0; i < 3 && !rc; i++)
        if (!strcmp(names[i], r->t->problem_type)) return 0;
    return rc ? rc
              : bert_recipe_fail(r->r, at, r->e, "must be %s, not \"%.40s\"", wanted,
                                 r->t->problem_type);
}

static int read_loss_weight(const reading *r, const json_t *v, const bert_json_place *at) {
    r->t->loss_weight = json_number_value(v);
    if (!json_is_number(v)) return fail_type(r, at, "a number above 0", v);
    if (r->t->loss_weight > 0 && r->t->loss_weight < 1e6) return 0;
    return bert_recipe_fail(r->r, at, r->e, "must be a number above 0 (and below 1e6)");
}

static int read_function(const reading *r, const json_t *v, const bert_json_place *at) {
    static const char wanted[] = "\"default\", \"none\", \"sigmoid\" or \"softmax\"";
    const char *name = NULL;
    int rc = read_text(r, v, at, wanted, &name);
    if (rc || !bert_scores_parse(name, &r->t->scores, NULL)) return rc;
    return bert_recipe_fail(r->r, at, r->e, "must be %s, not \"%.40s\"", wanted, name);
}

/* A name, or a list of those of a multi-label problem: "a,b", or "a,". */
static int read_label(const reading *r, const json_t *v, const bert_json_place *at) {
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    size_t used = 0, room = 2;
    const char *name = NULL;
    if (!n) return bert_recipe_fail(r->r, at, r->e, "must be %s, or a list of names", column);
    for (size_t i = 0; i < n; i++) {
        const bert_json_place place = {at, NULL, i};
        int rc = json_is_array(v) ? read_text(r, json_array_get(v, i), &place, column, &name)
                                  : read_text(r, v, at, column, &name);
        if (!rc && strchr(name, ','))
            rc = bert_recipe_fail(r->r, at, r->e,
                                  "a column of labels has no comma in its name (\"%.60s\"); "
                                  "several are a list",
                                  name);
        if (rc) return rc;
        room += strlen(name) + 1;
    }
    free(r->t->label);
    r->t->label = malloc(room);
    if (!r->t->label) return bert_fail_memory(r->e, room);
    for (size_t i = 0; i < n; i++) {
        name = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
        used += (size_t)snprintf(r->t->label + used, room - used, "%s%s", i ? "," : "", name);
    }
    if (json_is_array(v) && n == 1) strcpy(r->t->label + used, ",");
    r->t->labels = json_is_array(v) ? (int)n : 0;
    return 0;
}

static int read_range(const reading *r, const json_t *v, const bert_json_place *at) {
    double *range = r->t->range;
    const json_t *low = json_array_get(v, 0), *high = json_array_get(v, 1);
    if (json_array_size(v) != 2 || !json_is_number(low) || !json_is_number(high))
        return bert_recipe_fail(r->r, at, r->e, "must be two numbers, [LOW, HIGH]");
    range[0] = json_number_value(low);
    range[1] = json_number_value(high);
    if (!(range[1] > range[0]))
        return bert_recipe_fail(r->r, at, r->e, "the second number must be above the first");
    r->t->ranged = true;
    bert_snprintf(r->r->range_text, sizeof r->r->range_text, "%.17g,%.17g", range[0], range[1]);
    return 0;
}

void bert_recipe_free_files(char **list) {
    for (int i = 0; list && list[i]; i++) free(list[i]);
    free(list);
}

/* A file beside the recipe; one that is there only from where the program runs is taken, too. */
static int read_file(const reading *r, const json_t *v, const bert_json_place *at, char **out) {
    const char *name = NULL, *slash = strrchr(r->r->where, '/');
    int rc = read_text(r, v, at, "the name of a file", &name);
    if (rc) return rc;
    char *folder = slash ? strndup(r->r->where, (size_t)(slash - r->r->where) + 1) : NULL;
    char *beside = folder && *name != '/' ? bert_path_join(folder, name) : strdup(name);
    if (beside && access(beside, R_OK) && !access(name, R_OK)) {
        free(beside);
        beside = strdup(name);
    }
    free(folder);
    *out = beside;
    return beside ? 0 : bert_fail_memory(r->e, strlen(name));
}

/* One, or a list of those that are read as one. */
static int read_files(const reading *r, const json_t *v, const bert_json_place *at, char ***out) {
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    int rc = 0;
    if (!n) return bert_recipe_fail(r->r, at, r->e, "must be the name of a file, or some");
    bert_recipe_free_files(*out);
    *out = calloc(n + 1, sizeof **out);
    if (!*out) return bert_fail_memory(r->e, n * sizeof **out);
    if (!json_is_array(v)) return read_file(r, v, at, *out);
    for (size_t i = 0; i < n && !rc; i++)
        rc = read_file(r, json_array_get(v, i), &(const bert_json_place){at, NULL, i}, *out + i);
    return rc;
}

static int read_train_file(const reading *r, const json_t *v, const bert_json_place *at) {
    return read_files(r, v, at, &r->t->train_files);
}
static int read_validation_file(const reading *r, const json_t *v, const bert_json_place *at) {
    return read_files(r, v, at, &r->t->validation_files);
}
static int read_metric(const reading *r, const json_t *v, const bert_json_place *at) {
    return read_text(r, v, at, "the name of a metric", &r->t->metric);
}

/* ---- All of it. `encoder` is of the whole recipe, the other keys are of a task. */

static int read_sampling(const reading *r, const json_t *v, const bert_json_place *at) {
    return bert_recipe_read_sampling(r->r, v, at, r->e);
}
static int read_batches(const reading *r, const json_t *v, const bert_json_place *at) {
    return bert_recipe_read_batches(r->r, v, at, r->e);
}
/* Once the rest is known, which they inherit. */
static int leave(const reading *r, const json_t *v, const bert_json_place *at) {
    (void)r, (void)v, (void)at;
    return 0;
}

static const key_row keys[] = {
    {"encoder", read_encoder},
    {"tasks", leave},
    {"sampling", read_sampling},
    {"batches", read_batches},
    {"inputs", read_inputs},
    {"pooling", read_pooling},
    {"combine", read_combine},
    {"head", read_head},
    {"problem_type", read_problem},
    {"loss_weight", read_loss_weight},
    {"function_to_apply", read_function},
    {"label", read_label},
    {"image_range", read_range},
    {"train_file", read_train_file},
    {"validation_file", read_validation_file},
    {"metric", read_metric},
    {NULL, NULL},
};
enum { WHOLE_KEYS = 4 };

/* What the keys say together. */
static int check_views(const reading *r) {
    const bert_recipe_task *t = r->t;
    const bert_json_place combine = {r->base, "combine", 0}, inputs = {r->base, "inputs", 0},
                          range = {r->base, "image_range", 0};
    if (t->views > 1 && t->combine == BERT_COMBINE_NONE)
        return bert_recipe_fail(r->r, &inputs, r->e,
                                "%d views, and \"combine\" does not say how they become one: it is "
                                "%s",
                                t->views, bert_combine_names());
    if (t->combine == BERT_COMBINE_TERMS && t->views != 2)
        return bert_recipe_fail(r->r, &combine, r->e, "terms are of two views, and there %s %d",
                                t->views > 1 ? "are" : "is", t->views ? t->views : 1);
    if (t->ranged && t->views && !t->view->image)
        return bert_recipe_fail(r->r, &range, r->e, "is of images, and the inputs are texts");
    return 0;
}

static int check_outputs(const reading *r) {
    const bert_recipe_task *t = r->t;
    const bert_json_place head = {r->base, "head", 0}, label = {r->base, "label", 0};
    const int32_t out = bert_recipe_outputs(t);
    const char *problem = t->problem_type ? t->problem_type : "";
    if (!t->layers)
        return bert_recipe_fail(r->r, r->base, r->e,
                                "\"head\" is missing: [{\"dropout\": 0.1}, {\"linear\": 2}]");
    if (out > 1 && !strcmp(problem, "regression"))
        return bert_recipe_fail(r->r, &head, r->e,
                                "gives %d numbers, and a regression is of one: {\"linear\": 1}",
                                out);
    if (out == 1 && !strcmp(problem, "single_label_classification"))
        return bert_recipe_fail(r->r, &head, r->e,
                                "gives 1 number, and a single label is one of 2 or more classes; "
                                "for yes or no by one number the problem_type is "
                                "multi_label_classification");
    if (t->labels && out && out != t->labels)
        return bert_recipe_fail(r->r, &head, r->e, "gives %d numbers, and there are %d labels", out,
                                t->labels);
    if (t->labels && *problem && strcmp(problem, "multi_label_classification"))
        return bert_recipe_fail(r->r, &label, r->e, "a list of columns is multi-label, not %s",
                                problem);
    return 0;
}

/* One column of a multi-label problem of one output holds 0 and 1: "cancer,". */
static int settle_label(const reading *r) {
    bert_recipe_task *t = r->t;
    const bool one = bert_recipe_outputs(t) == 1 && t->problem_type &&
                     !strcmp(t->problem_type, "multi_label_classification");
    if (!one || !t->label || strchr(t->label, ',')) return 0;
    const size_t n = strlen(t->label);
    char *more = realloc(t->label, n + 2);
    if (!more) return bert_fail_memory(r->e, n);
    strcpy(more + n, ",");
    t->label = more;
    return 0;
}

/* Where nothing is said, and what is said together. */
static int settle(const reading *r) {
    bert_recipe_task *t = r->t;
    if (!t->poolings) t->pooling[t->poolings++] = BERT_POOLING_CLS;
    int rc = check_views(r);
    if (!rc) rc = check_outputs(r);
    return rc ? rc : settle_label(r);
}

int bert_recipe_read(bert_recipe *r, bert_error *e) {
    const reading all = {r, &r->task, NULL, e, NULL};
    const bert_json_place tasks = {NULL, "tasks", 0};
    if (!json_is_object(r->json)) return fail_type(&all, NULL, "an object", r->json);
    r->task.prefix = "classifier";
    r->task.loss_weight = r->loss_weight = 1;
    int rc = read_keys(&all, r->json, NULL, keys);
    const json_t *list = json_object_get(r->json, "tasks");
    if (rc) return rc;
    if (list && !json_is_null(list)) return bert_recipe_read_tasks(r, list, &tasks, e);
    if (*r->temperature || *r->weights || r->batches)
        return bert_recipe_fail(
            r, NULL, e, "\"sampling\" and \"batches\" are of \"tasks\", and there are none");
    return settle(&all);
}

/* The keys of the whole that are of a task, then its own, which count instead. */
int bert_recipe_read_task(bert_recipe *t, const json_t *own, const bert_json_place *at,
                          bert_error *e) {
    const reading one = {t, &t->task, NULL, e, at};
    if (!json_is_object(own)) return fail_type(&one, at, "an object", own);
    t->task.prefix = "classifier";
    t->task.loss_weight = 1;
    json_t *above = json_copy(t->json);
    if (!above) return bert_fail_memory(e, sizeof *t);
    for (int i = 0; i < WHOLE_KEYS; i++) json_object_del(above, keys[i].name);
    int rc = read_keys(&one, above, NULL, keys + WHOLE_KEYS);
    if (!rc) rc = read_keys(&one, own, at, keys + WHOLE_KEYS);
    if (!rc && json_object_update(above, (json_t *)(uintptr_t)own))
        rc = bert_fail_memory(e, sizeof *t);
    if (!rc) rc = settle(&one);
    t->loss_weight = t->task.loss_weight;
    t->task.loss_weight = 1; /* the trainer's */
    if (!rc) t->alone = json_dumps(above, JSON_INDENT(2));
    json_decref(above);
    return rc || t->alone ? rc : bert_fail_memory(e, sizeof *t);
}
