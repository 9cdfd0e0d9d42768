/* Several tasks over one encoder: models that share everything but their heads, each with labels and
 * a problem type of its own. In config.json a task is what its own config.json would say otherwise. */
#include "base/error.h"
#include "models/config_file.h"
#include "models/model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a task says of itself; it saves all that bert_config_write() changes. */
static const char *const task_keys[] = {"architectures", "problem_type", "id2label", "label2id",
                                        BERT_HEAD_KEY};
enum { TASK_KEYS = sizeof task_keys / sizeof *task_keys };

static int check_name(const bert_model *m, const char *name, bert_error *e) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    if (!name || !*name || strlen(name) >= BERT_MAX_NAME || name[strspn(name, letters)])
        return bert_fail(e, BERT_EINVAL,
                         "a task cannot be called \"%.80s\": names are letters, digits, - and _, "
                         "below %d of them",
                         name ? name : "", BERT_MAX_NAME);
    for (int i = 0; i < m->task_count; i++)
        if (!strcmp(m->tasks[i]->task, name))
            return bert_fail(e, BERT_EINVAL, "there is a task \"%s\" already", name);
    return 0;
}

static int set_task(bert_model *m, const char *name, bert_error *e) {
    m->task = strdup(name);
    if (!m->task || asprintf(&m->scope, BERT_TASKS_PREFIX "%s.", name) < 0)
        return bert_fail_memory(e, strlen(name));
    return 0;
}

static int no_such_task(const char *where, const char *name, const char *list, bert_error *e) {
    if (!*list)
        return bert_fail(e, BERT_ENOTFOUND, "%s: has no tasks, and no \"%.60s\"", where, name);
    return bert_fail(e, BERT_ENOTFOUND, "%s: has no task \"%.60s\"; its tasks are %s", where, name,
                     list);
}

/* config.json's entry of a task in the place of the model's own keys. */
static int take_entry(json_t *json, const char *where, const char *name, const json_t *entry,
                      bert_error *e) {
    if (!json_is_object(entry))
        return bert_fail(e, BERT_EFORMAT, "%s: " BERT_TASKS_KEY ".%s is no object", where, name);
    for (int i = 0; i < TASK_KEYS; i++) json_object_del(json, task_keys[i]);
    json_object_del(json, "num_labels");
    return json_object_update(json, (json_t *)(uintptr_t)entry) ? bert_fail_memory(e, strlen(name))
                                                                : 0;
}

int bert_tasks_choose(bert_model *m, const char *name, bert_error *e) {
    json_t *tasks = json_is_object(m->json) ? json_object_get(m->json, BERT_TASKS_KEY) : NULL;
    json_t *entry = json_object_get(tasks, name), *value;
    const char *key;
    char list[300] = "";
    size_t n = 0;
    json_object_foreach(tasks, key, value) {
        if (n < sizeof list)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", key);
    }
    if (!entry) return no_such_task(m->path, name, list, e);
    int rc = take_entry(m->json, m->path, name, entry, e);
    json_object_del(m->json, BERT_TASKS_KEY);
    if (!rc) rc = set_task(m, name, e);
    m->weights.scope = m->scope;
    return rc;
}

/* ---- A task */

static void free_task(bert_model *t) {
    if (!t) return;
    if (t->head_made && t->head.free) t->head.free(t->head_state);
    free(t->head_state);
    free(t->own);
    bert_labels_free(&t->labels);
    json_decref(t->json);
    bert_recipe_free(t->recipe);
    bert_notes_free(&t->notes);
    free(t->task);
    free(t->scope);
    free(t);
}

void bert_tasks_close(bert_model *m) {
    for (int i = 0; i < m->task_count; i++) free_task(m->tasks[i]);
    free(m->tasks);
}

/* The encoder's configuration with the task's keys in it. */
static int read_config(bert_model *t, const bert_model *m, bert_error *e) {
    const json_t *entry = json_object_get(json_object_get(m->json, BERT_TASKS_KEY), t->task);
    t->json = json_deep_copy(m->json);
    if (!t->json) return bert_fail_memory(e, strlen(t->task));
    json_object_del(t->json, BERT_HEAD_KEY);
    json_object_del(t->json, BERT_TASKS_KEY);
    if (json_object_set_new(t->json, "architectures", json_pack("[s]", m->config.architecture)))
        return bert_fail_memory(e, strlen(t->task));
    int rc = entry ? take_entry(t->json, m->path, t->task, entry, e) : 0;
    return rc ? rc
              : bert_config_read(t->json, m->folder, &t->config, &t->labels, &t->arch, &t->own, e);
}

/* What it has of the encoder: read, never freed. */
static void share(bert_model *t, bert_model *m) {
    t->encoder = m;
    t->from = m->from;
    t->path = m->path;
    t->folder = m->folder;
    t->params = m->params;
    t->trunk = m->trunk;
}

/* The same of what is read beside the encoder, by a thread of its own while a model is opened. */
static void share_rest(bert_model *t, const bert_model *m) {
    t->tokenizer = m->tokenizer;
    t->tokenizer_error = m->tokenizer_error;
    t->sentence = m->sentence;
}

void bert_tasks_share(bert_model *m) {
    for (int i = 0; i < m->task_count; i++) {
        share(m->tasks[i], m);
        share_rest(m->tasks[i], m);
    }
}

static int add_pooler(bert_model *t, bert_model *m, bert_error *e) {
    if (!t->head.pooler || !m->arch->pooler || bert_trunk_pools(&m->trunk)) return 0;
    m->weights.part = BERT_PART_POOLER;
    const int rc = bert_trunk_add_pooler(m->params, &m->config, m->own, "", &m->trunk, e);
    m->weights.part = m->params->part = BERT_PART_HEAD;
    t->trunk = m->trunk;
    return rc;
}

static int make(bert_model *t, bert_model *m, const bert_head *head, const bert_model_options *o,
                bert_error *e) {
    int rc = read_config(t, m, e);
    if (!rc) rc = bert_model_choose_head(t, head, o, e);
    if (!rc && !t->head.name)
        rc = bert_fail(e, BERT_EINVAL, "a task needs a head: one of one's own, or options.head");
    if (!rc) rc = add_pooler(t, m, e);
    if (rc) return rc;
    m->weights.resized = t->weights.resized;
    m->params->scope = t->scope;
    rc = bert_model_make_head(t, e);
    m->params->scope = NULL;
    return rc;
}

static bert_model *add(bert_model *m, const char *name, const bert_head *head,
                       const bert_model_options *options, bert_error *e) {
    const bert_model_options o = options ? *options : bert_model_default();
    if (check_name(m, name, e)) return NULL;
    bert_model **tasks = realloc(m->tasks, ((size_t)m->task_count + 1) * sizeof(bert_model *));
    bert_model *t = tasks ? calloc(1, sizeof *t) : NULL;
    if (tasks) m->tasks = tasks;
    if (!t) {
        bert_fail_memory(e, sizeof *t);
        return NULL;
    }
    share(t, m);
    if (set_task(t, name, e) || make(t, m, head, &o, e)) {
        bert_error_prefix(e, "task %s: ", name);
        free_task(t);
        return NULL;
    }
    m->tasks[m->task_count++] = t;
    return t;
}

int bert_tasks_open(bert_model *m, bert_error *e) {
    json_t *tasks = json_object_get(m->json, BERT_TASKS_KEY), *entry;
    const char *name;
    json_object_foreach(tasks, name, entry) {
        if (!add(m, name, NULL, NULL, e)) return e->code;
    }
    return 0;
}

bert_model *bert_model_add_task(bert_model *m, const char *name, const bert_head *head,
                                const bert_model_options *options, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(m, "encoder of the task", e)) return NULL;
    if (m->encoder || m->head.name) {
        bert_fail(e, BERT_EINVAL,
                  "%s has a head: tasks are added to an encoder alone, opened with the head "
                  "\"none\"",
                  m->path);
        return NULL;
    }
    if (head && (!head->name || !head->forward)) {
        bert_fail(e, BERT_EINVAL, "a head needs a name and a forward function");
        return NULL;
    }
    bert_model *t = add(m, name, head, options, e);
    if (t) share_rest(t, m);
    if (t && m->weights.file && bert_weight_source_check(&m->weights, e)) return NULL;
    return t;
}

/* ---- What there is */

const char *bert_model_task_at(const bert_model *m, int i) {
    return m && i >= 0 && i < m->task_count ? m->tasks[i]->task : NULL;
}

const char *bert_model_task_name(const bert_model *m) {
    return m ? m->task : NULL;
}

bert_model *bert_model_task(const bert_model *m, const char *name, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(m, "model with tasks", e) || bert_need(name, "name of a task", e)) return NULL;
    char list[300] = "";
    size_t n = 0;
    for (int i = 0; i < m->task_count; i++) {
        if (!strcmp(m->tasks[i]->task, name)) return m->tasks[i];
        if (n < sizeof list)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "",
                                  m->tasks[i]->task);
    }
    no_such_task(m->path, name, list, e);
    return NULL;
}

/* ---- In config.json */

static json_t *entry_of(const bert_model *t) {
    json_t *all = bert_config_write(t->json, &t->config, &t->labels, NULL), *entry = json_object();
    bool bad = !all || !entry;
    for (int i = 0; i < TASK_KEYS && !bad; i++) {
        json_t *value = json_object_get(all, task_keys[i]);
        if (value) bad = json_object_set(entry, task_keys[i], value) != 0;
    }
    if (!bad && t->stock) json_object_del(entry, BERT_HEAD_KEY);
    if (!bad && !t->stock)
        bad = json_object_set_new(entry, BERT_HEAD_KEY, json_string(t->head.name)) != 0;
    json_decref(all);
    if (!bad) return entry;
    json_decref(entry);
    return NULL;
}

json_t *bert_tasks_json(const bert_model *m, bool *bad) {
    json_t *tasks = m->task_count ? json_object() : NULL;
    *bad = m->task_count && !tasks;
    for (int i = 0; i < m->task_count && !*bad; i++)
        *bad = json_object_set_new(tasks, m->tasks[i]->task, entry_of(m->tasks[i])) != 0;
    if (!*bad) return tasks;
    json_decref(tasks);
    return NULL;
}
