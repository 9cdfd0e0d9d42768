#include "models/model.h"
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include "hub/hub.h"
#include "models/config_file.h"
#include "models/overrides.h"
#include "models/pictures.h"
#include "models/registry.h"
#include "recipe/recipe.h"
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bert_model_options bert_model_default(void) {
    return (bert_model_options){.seed = 42};
}

/* ---- Opening. The tokenizer is read by a thread of its own, beside everything else. */

typedef struct {
    bert_model *model;
    const bert_tokenizer_options *options;
    pthread_t thread;
    bool started;
    bert_error error;
} tokenizer_job;

/* Whether a part is there, in the folder of the configuration. */
static bool has_part(const bert_model *m, const char *name) {
    const char *folder = bert_pretrained_folder(m->from);
    char part[PATH_MAX]; /* a longer one cannot be opened either */
    const char *slash = *folder && folder[strlen(folder) - 1] != '/' ? "/" : "";
    return snprintf(part, sizeof part, "%s%s%s", folder, slash, name) < (int)sizeof part &&
           bert_pretrained_has(m->from, part);
}

static void *open_tokenizer(void *argument) {
    tokenizer_job *job = argument;
    job->model->tokenizer = bert_tokenizer_open(job->model->path, job->options, &job->error);
    return NULL;
}

static void tokenizer_start(tokenizer_job *job) {
    job->started = !pthread_create(&job->thread, NULL, open_tokenizer, job);
    if (!job->started) open_tokenizer(job);
}

/* One that is not there, or of a kind that is not supported, does not keep anyone from feeding ids. */
static int tokenizer_finish(tokenizer_job *job, bert_error *e) {
    if (job->started) pthread_join(job->thread, NULL);
    bert_model *m = job->model;
    const int code = job->error.code;
    if (m->tokenizer) return 0;
    m->tokenizer_error = job->error;
    if (code == BERT_EUNSUPPORTED || code == BERT_ENOTFOUND) return 0;
    return bert_fail(e, code, "%s", job->error.message);
}

/* What the caller says of the configuration counts instead of what the file does. */
static int overrule(bert_model *m, const bert_model_options *o, bert_error *e) {
    json_t *own = bert_overrides(o, m->json, e);
    if (!own) return e->code;
    int rc = 0;
    bert_config before = {0};
    bert_labels labels = {0};
    const bert_arch *arch;
    void *state = NULL;
    if (!rc && json_is_object(m->json)) { /* of the file alone: its layers */
        rc = bert_config_read(m->json, m->folder, &before, &labels, &arch, &state, e);
        if (!rc && json_object_update(m->json, own)) rc = bert_fail_memory(e, sizeof *own);
    }
    if (!rc) m->weights.layers = before.num_hidden_layers;
    bert_labels_free(&labels);
    free(state);
    json_decref(own);
    return rc;
}

static int read_config(bert_model *m, const bert_model_options *o, bert_error *e) {
    char *part = bert_path_join(bert_pretrained_folder(m->from), "config.json");
    char *path = part ? bert_pretrained_where(m->from, part) : NULL;
    int rc = path ? 0 : bert_fail_memory(e, strlen(m->folder));
    if (!rc && !bert_pretrained_has(m->from, part)) {
        rc = bert_pretrained_lacks(m->from, "", true, e);
    } else if (!rc) {
        m->json = bert_pretrained_json(m->from, part, e);
        rc = m->json ? 0 : e->code;
        if (!rc && o->task) rc = bert_tasks_choose(m, o->task, e);
        if (!rc && (o->config || bert_recipe_config(o->recipe))) rc = overrule(m, o, e);
        if (!rc) rc = bert_config_read(m->json, path, &m->config, &m->labels, &m->arch, &m->own, e);
    }
    free(path);
    free(part);
    return rc;
}

/* The recipe that it was saved with. */
static bert_recipe *saved_recipe(const bert_model *m, bert_error *e) {
    char *part = bert_path_join(bert_pretrained_folder(m->from), BERT_RECIPE_FILE);
    char *where = part ? bert_pretrained_where(m->from, part) : NULL, *text = NULL;
    size_t bytes;
    bert_recipe *r = NULL;
    if (!where)
        bert_fail_memory(e, strlen(m->folder));
    else if (!bert_pretrained_has(m->from, part))
        bert_fail(e, BERT_ENOTFOUND, "%s is not there, which says what the head is made of", where);
    else if (!bert_pretrained_read(m->from, part, 1 << 20, &text, &bytes, e))
        r = bert_recipe_parse(text, where, e);
    free(text);
    free(where);
    free(part);
    return r;
}

/* That of the options, else that which it was saved with. One that cannot be read keeps nobody from
 * the encoder alone. */
static int find_recipe(bert_model *m, const bert_model_options *o, bert_error *e) {
    char saved[BERT_MAX_NAME] = "";
    bert_error why = {0};
    if (o->recipe) {
        m->recipe = bert_recipe_share(o->recipe);
        return 0;
    }
    if (bert_json_string(m->json, BERT_HEAD_KEY, saved, sizeof saved, m->path, &why) ||
        strcmp(saved, BERT_RECIPE_HEAD))
        return 0;
    m->recipe = saved_recipe(m, &why);
    if (m->recipe && m->task && bert_recipe_task_at(m->recipe, 0)) {
        bert_recipe *all = m->recipe;
        m->recipe = bert_recipe_share(bert_recipe_of_task(all, m->task, &why));
        bert_recipe_free(all);
    }
    if (m->recipe) return 0;
    const bool needed = !o->head || !strcmp(o->head, BERT_RECIPE_HEAD);
    return needed ? bert_fail(e, why.code, "%s", why.message)
                  : bert_notes_say(&m->notes, e, "%s", why.message);
}

static int no_such_head(const bert_model *m, const char *name, bert_error *e) {
    char list[300] = "";
    size_t n = 0;
    for (const bert_arch_head *h = m->arch->heads; h->head && n < sizeof list; h++)
        n += (size_t)snprintf(list + n, sizeof list - n, ", %s", h->head);
    return bert_fail(e, BERT_EUNSUPPORTED, "%s has no %s head; its heads are none%s",
                     m->arch->model_type, name, list);
}

/* The head that a checkpoint was saved with, where it is none of transformers'; "" otherwise. */
static int saved_head(const bert_model *m, char name[BERT_MAX_NAME], bert_error *e) {
    *name = 0;
    int rc = bert_json_string(m->json, BERT_HEAD_KEY, name, BERT_MAX_NAME, m->path, e);
    bert_error local = {0};
    if (rc || !*name || bert_head_find(name, &local)) return rc;
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s was saved with the head \"%s\", which this program does not know: "
                     "bert_head_register() makes it known, and the head \"none\" is the encoder "
                     "alone",
                     m->path, name);
}

/* The head by the user's word, else the one it was saved with, else by config.json's class; a class
 * that the architecture has not got is opened as the bare encoder it contains. */
static int choose_head(bert_model *m, const bert_head *own, const char *name, bert_error *e) {
    const char *class_name = m->config.architecture;
    const size_t n = strlen(m->arch->class_prefix);
    const bert_arch_head *row = NULL;
    const bert_head *head = own;
    char saved[BERT_MAX_NAME];
    if (!own && m->recipe && (!name || !strcmp(name, BERT_RECIPE_HEAD)))
        own = bert_recipe_head(m->recipe);
    if (own) head = own;
    if (!own && !name) {
        int rc = saved_head(m, saved, e);
        if (rc) return rc;
        if (*saved) name = saved;
        if (!*saved && !strncmp(class_name, m->arch->class_prefix, n))
            row = bert_arch_head_of_class(m->arch, class_name + n);
    }
    if (!own && name && strcmp(name, "none")) {
        if (!(head = bert_head_find(name, e))) return BERT_EUNSUPPORTED;
        row = bert_arch_head_find(m->arch, name);
        /* The checkpoint's own class, where it is another one of the same head. */
        const bert_arch_head *given = strncmp(class_name, m->arch->class_prefix, n)
                                          ? NULL
                                          : bert_arch_head_of_class(m->arch, class_name + n);
        if (row && given && !strcmp(given->head, name)) row = given;
        if (!row && bert_head_is_stock(name)) return no_such_head(m, name, e);
    } else if (row) {
        head = bert_head_find(row->head, e);
    }
    if (head) m->head = *head;
    if (row) {
        m->layout = row->layout;
        m->head.pooler = row->pooler;
        if (row->layout.second || row->layout.patches) m->head.first_token = false;
        m->stock = true;
        int rc = m->arch->configure
                     ? m->arch->configure(&m->config, m->own, row->head, &m->layout, e)
                     : 0;
        if (rc) return rc;
        m->head.first_token &= !m->layout.mean;
    }
    /* What the model is saved as. A head of the user's is unknown to transformers, the encoder
     * under it is not. */
    char chosen[2 * BERT_MAX_NAME];
    snprintf(chosen, sizeof chosen, "%s%s", m->arch->class_prefix, row ? row->class_name : "Model");
    m->weights.resized = strcmp(chosen, class_name) != 0;
    snprintf(m->config.architecture, sizeof m->config.architecture, "%.*s", BERT_MAX_NAME - 1,
             chosen);
    return 0;
}

static int override_labels(bert_model *m, const bert_model_options *o, bert_error *e) {
    bert_config *c = &m->config;
    if (o->num_labels < 0 || (o->label_names && !o->num_labels))
        return bert_fail(e, BERT_EINVAL, "num_labels is %d; label_names come with their number",
                         o->num_labels);
    /* transformers makes its scores of a start and an end of num_labels; and those of a next
     * sentence are two, whatever num_labels says. */
    const bool two = m->head.outputs == BERT_OUTPUT_SPAN || m->head.outputs == BERT_OUTPUT_NEXT;
    const bool recipe = m->head.context && m->head.context == m->recipe;
    const int32_t given = recipe ? bert_recipe_outputs(&m->recipe->task) : 0;
    const int32_t n = two ? 2 : o->num_labels ? o->num_labels : given;
    const char *const *names = two ? NULL : o->label_names;
    if (n && n != c->num_labels) m->weights.resized = true;
    if (n && (names || n != c->num_labels)) {
        int rc = bert_labels_set(&m->labels, n, names, e);
        if (rc) return rc;
        c->num_labels = n;
    }
    const bert_error *refused = &m->labels.refused;
    const bool labelled =
        m->head.outputs == BERT_OUTPUT_LABELS || m->head.outputs == BERT_OUTPUT_TAGS;
    if (m->head.name && labelled && refused->code)
        return bert_fail(e, refused->code, "%s", refused->message);
    /* What the checkpoint was trained for before says nothing of a recipe's head. */
    const char *own = recipe && o->recipe ? bert_recipe_value(o->recipe, "problem_type") : NULL;
    if (recipe && o->recipe && !own) own = "";
    const char *said = o->problem_type ? o->problem_type : own;
    int rc = bert_problem_check(said ? said : c->problem_type, c->num_labels, "options", e);
    if (!rc && said) snprintf(c->problem_type, sizeof c->problem_type, "%s", said);
    return rc;
}

int bert_model_choose_head(bert_model *m, const bert_head *own, const bert_model_options *o,
                           bert_error *e) {
    int rc = find_recipe(m, o, e);
    if (!rc) rc = choose_head(m, own, o->head, e);
    return rc ? rc : override_labels(m, o, e);
}

/* The bare encoder has a pooler where the checkpoint has one. */
static bool wants_pooler(const bert_model *m) {
    char pooler[BERT_MAX_NAME + 16];
    if (!m->arch->pooler) return false;
    snprintf(pooler, sizeof pooler, "%s.weight", m->arch->pooler);
    return m->head.name ? m->head.pooler
                        : !m->weights.file || bert_weight_source_has(&m->weights, pooler);
}

int bert_model_make_head(bert_model *m, bert_error *e) {
    const char *decoder = m->stock ? m->layout.decoder : NULL;
    const bert_head_site site = {
        .params = m->params,
        .config = &m->config,
        .layout = m->stock ? &m->layout : NULL,
        .context = m->head.context,
        .own_decoder =
            decoder && (!m->config.tie_word_embeddings || bert_params_differ(m->params, decoder))};
    if (decoder && !m->config.tie_word_embeddings && m->weights.file) {
        int rc = bert_weight_source_untied(&m->weights, &m->layout, e);
        if (rc) return rc;
    }
    m->head_state = calloc(1, m->head.state_size ? m->head.state_size : 1);
    if (!m->head_state) return bert_fail_memory(e, m->head.state_size);
    int rc = m->head.init ? m->head.init(m->head_state, &site, e) : 0;
    m->head_made = !rc;
    if (rc && !e->code) /* a head of the user's that did not say why */
        bert_fail(e, rc, "the head \"%s\" could not be made", m->head.name);
    return rc;
}

/* "bert." before the trunk's names, unless the trunk is all there is: as save_pretrained does. */
static int build(bert_model *m, const bert_model_options *o, bert_error *e) {
    bert_weight_source *w = &m->weights;
    w->arch = m->arch;
    int rc = o->from_scratch || o->shape_only ? 0 : bert_weight_source_open(w, m->from, e);
    if (!rc && (o->trainable || w->raw))
        rc = bert_packed_refuse(&w->packed, o->trainable ? "trained" : "saved", e);
    if (rc) return rc;
    bert_param_source source = {bert_weight_source_find,    w,
                                bert_weight_source_done,    bert_weight_source_read,
                                bert_weight_source_differs, bert_weight_source_late,
                                bert_weight_source_fill};
    m->params = bert_params_new_on(o->device, w->file ? &source : NULL, o->trainable, o->seed,
                                   m->config.initializer_range, e);
    if (!m->params) return e->code;
    m->params->unset = o->shape_only;
    const char *prefix = m->head.name ? m->arch->prefix : "";
    rc = bert_trunk_new(m->params, m->arch, &m->config, m->own, prefix, &m->trunk, e);
    if (rc) return rc;
    w->part = BERT_PART_POOLER;
    if (wants_pooler(m))
        rc = bert_trunk_add_pooler(m->params, &m->config, m->own, prefix, &m->trunk, e);
    w->part = m->params->part = BERT_PART_HEAD;
    if (!rc && m->head.name) rc = bert_model_make_head(m, e);
    if (!rc && !m->head.name && !o->head) rc = bert_tasks_open(m, e);
    if (!rc && w->packed.copies) rc = bert_model_adopt(m, e);
    if (!rc && w->file) rc = bert_weight_source_finish(w, e);
    if (!rc && w->file) rc = bert_weight_source_check(w, e);
    if (!rc && o->trainable && !o->shape_only) rc = bert_params_check_finite(m->params, e);
    return rc;
}

static int open_parts(bert_model *m, const bert_head *own, const bert_model_options *o,
                      bert_error *e) {
    if (o->config && !(m->overrides = strdup(o->config)))
        return bert_fail_memory(e, strlen(o->config));
    int rc = read_config(m, o, e);
    if (!rc) rc = bert_model_choose_head(m, own, o, e);
    if (!rc) rc = build(m, o, e);
    if (!rc) rc = bert_sentence_read(m->from, &m->sentence, e);
    return rc;
}

/* An adapter of PEFT beside the weights is not part of them. */
static int note_adapter(bert_model *m, bert_error *e) {
    if (!has_part(m, "adapter_config.json")) return 0;
    return bert_notes_say(
        &m->notes, e,
        "%s: the adapter beside the weights (adapter_config.json, of PEFT) is not "
        "read: merge_and_unload() puts it into them, and save_pretrained() of that "
        "saves the whole",
        m->folder);
}

/* What to know of the checkpoint before its results are used. */
static int take_notes(bert_model *m, const char *name, bert_error *e) {
    char hidden[4096];
    int rc = bert_weight_source_notes(&m->weights, m->config.num_hidden_layers, &m->notes, e);
    const int32_t tokens = m->tokenizer ? bert_tokenizer_size(m->tokenizer) : 0;
    if (!rc && tokens > m->config.vocab_size)
        rc = bert_notes_say(&m->notes, e,
                            "%s: the tokenizer has %d tokens, the model %d (vocab_size): texts "
                            "that hold one of the others are refused",
                            m->path, tokens, m->config.vocab_size);
    if (!rc) rc = note_adapter(m, e);
    if (!rc && bert_resolve_hidden(name, hidden, sizeof hidden))
        rc = bert_notes_say(&m->notes, e,
                            "%s: the directory here is read, not the model of that name in the "
                            "cache (%s)",
                            name, hidden);
    return rc;
}

static bert_model *open_model(const char *name, const bert_head *own,
                              const bert_model_options *options, bool raw, bert_error *e) {
    const bert_model_options o = options ? *options : bert_model_default();
    bert_model *m = calloc(1, sizeof *m);
    if (!m) {
        bert_fail_memory(e, sizeof *m);
        return NULL;
    }
    m->weights.raw = raw;
    char directory[4096] = "";
    int rc = name ? bert_hub_locate(name, o.pull, o.from_scratch, directory, sizeof directory, e)
                  : bert_fail(e, BERT_EINVAL, "a model needs a name or a path");
    if (!rc) m->from = bert_pretrained_open(directory, e);
    if (!rc && !m->from) rc = e->code;
    if (!rc && !(m->folder = bert_pretrained_where(m->from, bert_pretrained_folder(m->from))))
        rc = bert_fail_memory(e, strlen(directory));
    if (!rc) m->path = bert_pretrained_path(m->from);
    if (rc) {
        bert_hub_explain(directory, e);
        bert_model_close(m);
        return NULL;
    }
    tokenizer_job job = {.model = m, .options = o.tokenizer};
    tokenizer_start(&job);
    rc = open_parts(m, own, &o, e);
    int tokenizer_rc = tokenizer_finish(&job, e);
    bert_tasks_share(m);
    if (!rc && !tokenizer_rc) rc = take_notes(m, name, e);
    if (!rc && !tokenizer_rc) return m;
    bert_hub_explain(directory, e);
    bert_model_close(m);
    return NULL;
}

bert_model *bert_model_open(const char *name_or_path, const bert_model_options *options,
                            bert_error *e) {
    BERT_DOOR(e);
    return open_model(name_or_path, NULL, options, false, e);
}

bert_model *bert_model_open_head(const char *name_or_path, const bert_head *head,
                                 const bert_model_options *options, bert_error *e) {
    BERT_DOOR(e);
    if (!head || !head->name || !head->forward) {
        bert_fail(e, BERT_EINVAL, "a head needs a name and a forward function");
        return NULL;
    }
    return open_model(name_or_path, head, options, false, e);
}

bert_model *bert_model_open_stored(const char *name, const char *task, bert_error *e) {
    bert_model_options o = bert_model_default();
    o.task = task;
    bert_error why = {0}, bare = {0};
    bert_model *m = open_model(name, NULL, &o, true, &why);
    o.head = "none";
    if (!m && why.code != BERT_ENOMEM) m = open_model(name, NULL, &o, true, &bare);
    if (!m) bert_fail(e, why.code, "%s", why.message);
    return m;
}

void bert_model_close(bert_model *m) {
    if (!m || m->encoder) return; /* tasks go with their encoder */
    bert_tasks_close(m);
    bert_params_free(m->params);
    bert_trunk_free(&m->trunk);
    if (m->head_made && m->head.free) m->head.free(m->head_state);
    free(m->head_state);
    free(m->own);
    bert_weight_source_free(&m->weights);
    bert_labels_free(&m->labels);
    bert_tokenizer_close(m->tokenizer);
    json_decref(m->json);
    free(m->overrides);
    bert_notes_free(&m->notes);
    bert_sentence_free(&m->sentence);
    bert_recipe_free(m->recipe);
    free(m->task);
    free(m->scope);
    free(m->folder);
    bert_pretrained_close(m->from);
    free(m);
}

/* ---- What it is */

const bert_config *bert_model_config(const bert_model *m) {
    return &m->config;
}

const bert_tokenizer *bert_model_tokenizer(const bert_model *m) {
    return m->tokenizer;
}

const bert_tokenizer *bert_model_need_tokenizer(const bert_model *m, bert_error *e) {
    if (!m->tokenizer) bert_fail(e, m->tokenizer_error.code, "%s", m->tokenizer_error.message);
    return m->tokenizer;
}

const char *bert_model_tokenizer_error(const bert_model *m) {
    return m->tokenizer ? NULL : m->tokenizer_error.message;
}

const char *bert_model_head_at(const bert_model *m, int i) {
    const bert_arch_head *h = m->arch->heads;
    while (i > 0 && h->head) h++, i--;
    return i < 0 ? NULL : h->head;
}

const bert_device *bert_model_device(const bert_model *m) {
    return m->params->device;
}

const char *bert_model_path(const bert_model *m) {
    return m->path;
}

const char *bert_model_head(const bert_model *m) {
    return m->head.name ? m->head.name : "none";
}

const char *bert_model_label(const bert_model *m, int32_t i) {
    return i >= 0 && i < m->labels.n ? m->labels.name[i] : NULL;
}

int64_t bert_model_parameter_count(const bert_model *m) {
    int64_t n = 0;
    for (int i = 0; i < bert_params_count(m->params); i++) {
        const bert_param *p = bert_params_at(m->params, i);
        n += (int64_t)p->rows * p->cols;
    }
    return n;
}

int64_t bert_model_parameter_bytes(const bert_model *m) {
    int64_t n = 0;
    m = bert_model_root(m);
    for (int i = 0; i < m->weights.used_count; i++) n += (int64_t)m->weights.used[i]->bytes;
    return n;
}

const char *bert_model_weights(const bert_model *m) {
    m = bert_model_root(m);
    return m->weights.file ? m->weights.path : NULL;
}

const char *bert_model_dtype(const bert_model *m) {
    int64_t bytes[BERT_DTYPE_COUNT] = {0};
    int most = BERT_F32;
    m = bert_model_root(m);
    if (m->weights.packed.copies) return bert_precision_name(m->weights.packed.precision);
    for (int i = 0; i < m->weights.used_count; i++) {
        const bert_stored_tensor *t = m->weights.used[i];
        bytes[t->dtype] += (int64_t)t->bytes;
        if (bytes[t->dtype] > bytes[most]) most = (int)t->dtype;
    }
    return bert_dtype_name((bert_dtype)most);
}

const char *bert_model_new_parameter(const bert_model *m, int i) {
    m = bert_model_root(m);
    return i >= 0 && i < m->weights.added.n ? m->weights.added.items[i] : NULL;
}

const char *bert_model_unused_tensor(const bert_model *m, int i) {
    m = bert_model_root(m);
    return i >= 0 && i < m->weights.unused.n ? m->weights.unused.items[i] : NULL;
}

const char *bert_model_note(const bert_model *m, int i) {
    return bert_notes_at(&bert_model_root(m)->notes, i);
}

int32_t bert_model_max_length(const bert_model *m) {
    return m->arch->max_length(&m->config);
}

int32_t bert_model_text_limit(const bert_model *m) {
    int32_t limit = m->sentence.max_seq_length, most = bert_model_max_length(m);
    if (!limit && m->tokenizer) limit = bert_tokenizer_max_length(m->tokenizer);
    return limit > 0 && limit < most ? limit : most;
}

const bert_recipe *bert_model_recipe(const bert_model *m) {
    return m ? m->recipe : NULL;
}

int32_t bert_model_views(const bert_model *m) {
    return m && m->head.views > 1 ? m->head.views : 1;
}

bert_pooling bert_model_pooling(const bert_model *m, bool *normalize) {
    if (normalize) *normalize = m->sentence.normalize;
    if (m->recipe) return m->recipe->task.pooling[0];
    return m->sentence.poolings ? m->sentence.pooling[0] : BERT_POOLING_MEAN;
}

int bert_model_poolings(const bert_model *m, bert_pooling list[BERT_MAX_POOLINGS]) {
    if (m->recipe) return bert_recipe_poolings(m->recipe, list);
    list[0] = BERT_POOLING_MEAN;
    for (int i = 0; i < m->sentence.poolings; i++) list[i] = m->sentence.pooling[i];
    return m->sentence.poolings ? m->sentence.poolings : 1;
}

bert_similarity bert_model_similarity(const bert_model *m) {
    return m->sentence.similarity;
}

const char *bert_model_prompt_name(const bert_model *m, int i) {
    const char *name;
    json_t *text;
    json_object_foreach(m->sentence.prompts, name, text) {
        if (!i--) return name;
    }
    return NULL;
}

const char *bert_model_prompt(const bert_model *m, const char *name) {
    return bert_sentence_prompt(&m->sentence, name, m->path, NULL);
}

bert_params *bert_model_params(const bert_model *m) {
    return m->params;
}

int bert_inputs_check(const bert_model *m, const bert_inputs *in, bert_error *e) {
    const bert_config *c = &m->config;
    /* A family without a table of words reads something else than ids: columns. */
    const bool reads_ids = m->trunk.words != NULL;
    if (!in || in->n < 1 || !in->start || (reads_ids && !in->ids) || in->start[0] != 0)
        return bert_fail(e, BERT_EINVAL, "inputs: at least one sequence, with start[0] = 0");
    bert_pictures p;
    if (bert_config_takes_pictures(c)) return bert_pictures_of(c, in, &p, e);
    const int32_t longest = bert_model_max_length(m);
    for (int32_t i = 0; i < in->n; i++) {
        if (in->start[i + 1] <= in->start[i])
            return bert_fail(e, BERT_EINVAL, "inputs: sequence %d is empty", i);
        int32_t length = in->start[i + 1] - in->start[i];
        if (length > longest)
            return bert_fail(e, BERT_ETOOLONG,
                             "inputs: sequence %d has %d tokens; the model takes %d", i, length,
                             longest);
        if (in->attended && (in->attended[i] < 1 || in->attended[i] > length))
            return bert_fail(e, BERT_EINVAL,
                             "inputs: %d of %d tokens of sequence %d are attended to",
                             in->attended[i], length, i);
        for (int32_t j = in->start[i]; reads_ids && j < in->start[i + 1]; j++) {
            if (in->ids[j] < 0 || in->ids[j] >= c->vocab_size)
                return bert_fail(e, BERT_EINVAL,
                                 "inputs: sequence %d has the id %d; ids are 0 to %d", i,
                                 in->ids[j], c->vocab_size - 1);
            if (in->type_ids && c->type_vocab_size &&
                (in->type_ids[j] < 0 || in->type_ids[j] >= c->type_vocab_size))
                return bert_fail(e, BERT_EINVAL,
                                 "inputs: sequence %d has the type id %d; type ids are 0 to %d", i,
                                 in->type_ids[j], c->type_vocab_size - 1);
        }
    }
    const int32_t tokens = in->start[in->n];
    for (int32_t i = 0; in->logit_tokens && i < in->logit_tokens_count; i++)
        if (in->logit_tokens[i] < 0 || in->logit_tokens[i] >= tokens)
            return bert_fail(e, BERT_EINVAL, "inputs: logits of token %d of %d",
                             in->logit_tokens[i], tokens);
    if (in->logit_tokens && in->logit_tokens_count < 1)
        return bert_fail(e, BERT_EINVAL, "inputs: logits of no token");
    return 0;
}
