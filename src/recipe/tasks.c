/* Several tasks in a recipe: each a recipe of its own, which has what stands above them. */
#include "base/error.h"
#include "base/number.h"
#include "recipe/recipe.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bert_recipe *new_task(const bert_recipe *r, const char *name, bert_error *e) {
    bert_recipe *t = calloc(1, sizeof *t);
    if (!t) {
        bert_fail_memory(e, sizeof *t);
        return NULL;
    }
    t->users = 1;
    t->where = strdup(r->where);
    t->text = strdup(r->text);
    t->name = strdup(name);
    t->json = json_incref(r->json);
    if (t->where && t->text && t->name) return t;
    bert_fail_memory(e, strlen(r->text));
    bert_recipe_free(t);
    return NULL;
}

int bert_recipe_read_tasks(bert_recipe *r, const json_t *tasks, const bert_json_place *at,
                           bert_error *e) {
    const char *name;
    json_t *own;
    if (!json_is_object(tasks) || !json_object_size(tasks) ||
        json_object_size(tasks) > BERT_RECIPE_TASKS)
        return bert_recipe_fail(
            r, at, e, "must be an object of 1 to %d tasks by their names, not %s",
            BERT_RECIPE_TASKS,
            json_is_object(tasks) ? "one of another number" : bert_recipe_kind(tasks));
    json_object_foreach((json_t *)(uintptr_t)tasks, name, own) {
        const bert_json_place place = {at, name, 0};
        bert_recipe *t = new_task(r, name, e);
        if (!t) return e->code;
        int rc = bert_recipe_read_task(t, own, &place, e);
        if (rc) {
            bert_recipe_free(t);
            return rc;
        }
        bert_recipe_make_head(t);
        r->tasks[r->task_count++] = t;
    }
    return 0;
}

/* ---- Whose rows come when */

static const char sampling_is[] = "\"proportional\", {\"temperature\": 2} or {\"weights\": "
                                  "{\"TASK\": 1, ..}}";

static int read_temperature(bert_recipe *r, const json_t *v, const bert_json_place *at,
                            bert_error *e) {
    const double t = json_number_value(v);
    if (!json_is_number(v) || !(t >= 0.01) || t > 1e9)
        return bert_recipe_fail(r, at, e, "must be a number from 0.01 to 1e9: 1 is proportional");
    bert_snprintf(r->temperature, sizeof r->temperature, "%.17g", t);
    return 0;
}

/* A number for each task, by its name. */
static int read_weights(bert_recipe *r, const json_t *v, const bert_json_place *at, bert_error *e) {
    const json_t *tasks = json_object_get(r->json, "tasks");
    const char *name;
    json_t *own;
    size_t used = 0;
    if (!json_is_object(v) || json_object_size(v) != json_object_size(tasks))
        return bert_recipe_fail(r, at, e, "must be an object with a number above 0 for each task");
    json_object_foreach((json_t *)(uintptr_t)tasks, name, own) {
        const json_t *weight = json_object_get(v, name);
        const bert_json_place place = {at, name, 0};
        if (!json_is_number(weight) || !(json_number_value(weight) > 0))
            return bert_recipe_fail(r, weight ? &place : at, e, "task %.60s: a number above 0",
                                    name);
        used += (size_t)bert_snprintf(r->weights + used, sizeof r->weights - used, "%s%.17g",
                                      used ? "," : "", json_number_value(weight));
        if (used >= sizeof r->weights)
            return bert_recipe_fail(r, at, e, "has more digits than there is room for");
    }
    return 0;
}

int bert_recipe_read_sampling(bert_recipe *r, const json_t *v, const bert_json_place *at,
                              bert_error *e) {
    const char *name = json_string_value(v), *key;
    json_t *value;
    if (name && !strcmp(name, "proportional")) {
        strcpy(r->temperature, "1");
        return 0;
    }
    if (!json_is_object(v) || json_object_size(v) != 1)
        return bert_recipe_fail(r, at, e, "must be %s, not %s", sampling_is, bert_recipe_kind(v));
    json_object_foreach((json_t *)(uintptr_t)v, key, value) {
        const bert_json_place place = {at, key, 0};
        if (!strcmp(key, "temperature")) return read_temperature(r, value, &place, e);
        if (!strcmp(key, "weights")) return read_weights(r, value, &place, e);
    }
    return bert_recipe_fail(r, at, e, "must be %s", sampling_is);
}

int bert_recipe_read_batches(bert_recipe *r, const json_t *v, const bert_json_place *at,
                             bert_error *e) {
    static const char *const names[] = {"alternate", "mixed"};
    for (int i = 0; i < 2; i++)
        if (json_is_string(v) && !strcmp(json_string_value(v), names[i])) {
            r->batches = names[i];
            return 0;
        }
    return bert_recipe_fail(r, at, e, "must be \"alternate\" or \"mixed\"");
}

/* ---- What there is */

const char *bert_recipe_task_at(const bert_recipe *r, int i) {
    return r && i >= 0 && i < r->task_count ? r->tasks[i]->name : NULL;
}

const bert_recipe *bert_recipe_of_task(const bert_recipe *r, const char *name, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(r, "recipe", e) || bert_need(name, "name of a task", e)) return NULL;
    char list[300] = "";
    size_t n = 0;
    for (int i = 0; i < r->task_count; i++) {
        if (!strcmp(r->tasks[i]->name, name)) return r->tasks[i];
        if (n < sizeof list)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "",
                                  r->tasks[i]->name);
    }
    bert_fail(e, BERT_ENOTFOUND, "%s: has no task \"%.60s\"%s%s", r->where, name,
              n ? "; its tasks are " : "", list);
    return NULL;
}

double bert_recipe_loss_weight(const bert_recipe *r) {
    return r ? r->loss_weight : 1;
}
