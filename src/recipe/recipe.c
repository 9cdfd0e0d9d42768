#include "recipe/recipe.h"
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 20 };

void bert_recipe_make_head(bert_recipe *r) {
    r->head = bert_recipe_head_row;
    r->head.context = r;
    r->head.views = r->task.views;
    r->head.first_token = true;
    for (int i = 0; i < r->task.poolings; i++) {
        const bert_pooling p = r->task.pooling[i];
        r->head.pooler |= p == BERT_POOLING_POOLER;
        r->head.first_token &= p == BERT_POOLING_POOLER || p == BERT_POOLING_CLS;
    }
}

/* Takes the text. */
static bert_recipe *make(const char *where, char *text, size_t bytes, bert_error *e) {
    bert_recipe *r = calloc(1, sizeof *r);
    if (!r) {
        free(text);
        bert_fail_memory(e, sizeof *r);
        return NULL;
    }
    r->users = 1;
    r->text = text;
    r->where = strdup(where);
    if (!r->where) bert_fail_memory(e, strlen(where));
    if (r->where) r->json = bert_json_parse_exact(text, bytes, where, e);
    if (r->json && !bert_recipe_read(r, e)) {
        bert_recipe_make_head(r);
        return r;
    }
    bert_recipe_free(r);
    return NULL;
}

bert_recipe *bert_recipe_open(const char *path, bert_error *e) {
    BERT_DOOR(e);
    char *text;
    size_t bytes;
    if (bert_need(path, "recipe to open", e)) return NULL;
    if (bert_read_file(path, MOST_BYTES, &text, &bytes, e)) return NULL;
    return make(path, text, bytes, e);
}

bert_recipe *bert_recipe_parse(const char *json, const char *where, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(json, "recipe to read", e)) return NULL;
    char *text = strdup(json);
    if (!text) {
        bert_fail_memory(e, strlen(json));
        return NULL;
    }
    return make(where ? where : BERT_RECIPE_FILE, text, strlen(json), e);
}

bert_recipe *bert_recipe_share(const bert_recipe *r) {
    bert_recipe *shared = (bert_recipe *)(uintptr_t)r;
    if (shared) shared->users++;
    return shared;
}

void bert_recipe_free(bert_recipe *r) {
    if (!r || --r->users > 0) return;
    for (int i = 0; i < r->task_count; i++) bert_recipe_free(r->tasks[i]);
    free(r->name);
    free(r->alone);
    free(r->task.label);
    bert_recipe_free_files(r->task.train_files);
    bert_recipe_free_files(r->task.validation_files);
    free(r->config);
    free(r->where);
    free(r->text);
    json_decref(r->json);
    free(r);
}

int bert_recipe_fail(const bert_recipe *r, const bert_json_place *at, bert_error *e,
                     const char *format, ...) {
    char name[160];
    bert_error local = {0};
    va_list args;
    va_start(args, format);
    bert_fail_v(&local, BERT_EFORMAT, format, args);
    va_end(args);
    const size_t n = bert_json_place_name(at, name, sizeof name);
    bert_error_prefix(&local, "%s:%d: %s%s", r->where, bert_json_place_line(r->text, at), name,
                      n ? ": " : "");
    return bert_fail(e, BERT_EFORMAT, "%s", local.message);
}

/* ---- What it says */

const char *bert_recipe_encoder(const bert_recipe *r) {
    return r ? r->encoder : NULL;
}

const char *bert_recipe_config(const bert_recipe *r) {
    return r ? r->config : NULL;
}

const char *bert_recipe_json(const bert_recipe *r) {
    return r ? r->text : NULL;
}

int32_t bert_recipe_views(const bert_recipe *r) {
    return !r || !r->task.views ? 1 : r->task.views;
}

bool bert_recipe_view_at(const bert_recipe *r, int i, bert_recipe_view *out) {
    if (!r || i < 0 || i >= r->task.views) return false;
    *out = r->task.view[i];
    return true;
}

const char *bert_recipe_value(const bert_recipe *r, const char *key) {
    if (!r || !key) return NULL;
    const bert_recipe_task *t = &r->task;
    const struct {
        const char *key, *value;
    } values[] = {{"label", t->label},
                  {"problem_type", t->problem_type},
                  {"train_file", t->train_files ? t->train_files[0] : NULL},
                  {"validation_file", t->validation_files ? t->validation_files[0] : NULL},
                  {"metric", t->metric},
                  {"image_range", t->ranged ? r->range_text : NULL},
                  {"task_temperature", *r->temperature ? r->temperature : NULL},
                  {"task_weights", *r->weights ? r->weights : NULL},
                  {"task_batches", r->batches}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (!strcmp(values[i].key, key)) return values[i].value;
    return NULL;
}

const char *const *bert_recipe_files(const bert_recipe *r, const char *key) {
    if (!r || !key) return NULL;
    return (const char *const *)(!strcmp(key, "train_file")        ? r->task.train_files
                                 : !strcmp(key, "validation_file") ? r->task.validation_files
                                                                   : NULL);
}

int bert_recipe_poolings(const bert_recipe *r, bert_pooling list[BERT_MAX_POOLINGS]) {
    if (!r) return 0;
    for (int i = 0; i < r->task.poolings; i++) list[i] = r->task.pooling[i];
    return r->task.poolings;
}

const bert_head *bert_recipe_head(const bert_recipe *r) {
    return r && !r->task_count ? &r->head : NULL;
}

bert_scores bert_recipe_scores(const bert_recipe *r, bert_scores asked) {
    return r && asked == BERT_SCORES_DEFAULT ? r->task.scores : asked;
}

int32_t bert_recipe_outputs(const bert_recipe_task *t) {
    for (int i = t->layers - 1; i >= 0; i--)
        if (t->layer[i].kind == BERT_LAYER_LINEAR) return t->layer[i].out;
    return 0;
}
