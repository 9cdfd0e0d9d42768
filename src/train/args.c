/* Training arguments: one table drives defaults, flags, JSON files and saving. */
#include "base/error.h"
#include "base/number.h"
#include "files/json.h"
#include "files/utf8.h"
#include "train/trainer.h"
#include <bert_train.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { BOOLEAN, INTEGER, NUMBER, STEPS, TEXT, OBJECT, CHOICE } kind;

typedef struct {
    const char *name;
    kind kind;
    size_t offset, size;
    double min, max;     /* numbers */
    const char *choices; /* "linear|cosine"; their values count from min */
    const char *fallback, *help;
} row;

#define AT(field) offsetof(bert_training_args, field), sizeof(((bert_training_args *)0)->field)
#define BOOLEAN_(name, fallback, help)                                                             \
    { #name, BOOLEAN, AT(name), 0, 1, "true|false", fallback, help }
#define INTEGER_(name, min, fallback, help)                                                        \
    { #name, INTEGER, AT(name), min, 0x1p53, NULL, fallback, help }
#define NUMBER_(name, min, max, fallback, help)                                                    \
    { #name, NUMBER, AT(name), min, max, NULL, fallback, help }
#define STEPS_(name, min, fallback, help)                                                          \
    { #name, STEPS, AT(name), min, 0x1p53, NULL, fallback, help " (below 1: a part of all steps)" }
#define TEXT_(name, help)                                                                          \
    { #name, TEXT, AT(name), 0, 0, NULL, "", help }
#define OBJECT_(name, help)                                                                        \
    { #name, OBJECT, AT(name), 0, 0, NULL, "", help }
#define CHOICE_(name, min, choices, fallback, help)                                                \
    { #name, CHOICE, AT(name), min, 0, choices, fallback, help }
#define BAR(name, text) "|" text

static const row table[] = {
    TEXT_(output_dir, "where checkpoints and the final model go"),
    NUMBER_(num_train_epochs, 0, 1e9, "3", "passes over the training data; may be a fraction"),
    INTEGER_(max_steps, -1, "-1",
             "optimizer steps; if positive, num_train_epochs is not looked at"),
    INTEGER_(per_device_train_batch_size, 1, "8", "rows in a training batch"),
    INTEGER_(per_device_eval_batch_size, 1, "8", "rows in an evaluation batch"),
    INTEGER_(gradient_accumulation_steps, 1, "1", "batches whose gradients make one step"),
    NUMBER_(learning_rate, 0, 1e30, "5e-05", "peak learning rate"),
    NUMBER_(weight_decay, 0, 1e9, "0", "AdamW's decay, not of biases and LayerNorm"),
    NUMBER_(adam_beta1, 0, 0.9999999, "0.9", "AdamW's first beta"),
    NUMBER_(adam_beta2, 0, 0.9999999, "0.999", "AdamW's second beta"),
    NUMBER_(adam_epsilon, 0, 1, "1e-08", "AdamW's epsilon"),
    NUMBER_(max_grad_norm, 0, 1e30, "1", "gradients are scaled down to this norm; 0: never"),
    CHOICE_(lr_scheduler_type, 0, BERT_SCHEDULE_LIST(BAR), "linear", "learning rate schedule"),
    OBJECT_(lr_scheduler_kwargs, "what else the schedule takes, as JSON: {\"num_cycles\": 2}"),
    STEPS_(warmup_steps, 0, "0", "steps in which the learning rate rises from 0"),
    NUMBER_(warmup_ratio, 0, 1, "0", "the same as a part of all steps, where warmup_steps is 0"),
    NUMBER_(label_smoothing_factor, 0, 0.9999999, "0", "probability spread over all labels"),
    TEXT_(class_weights, "weights of the classes in the loss: auto, or one number each by commas"),
    TEXT_(freeze, "parameters that stay as they are: beginnings of their names, by commas"),
    NUMBER_(layer_lr_decay, 0, 1, "1",
            "factor of the learning rate from the head, or a layer, to the layer below"),
    CHOICE_(logging_strategy, 0, "|no|steps|epoch", "steps", "when to log"),
    STEPS_(logging_steps, 1, "500", "steps between logs"),
    BOOLEAN_(logging_first_step, "false", "log the first step too"),
    CHOICE_(eval_strategy, 0, "|no|steps|epoch", "no", "when to evaluate"),
    STEPS_(eval_steps, 0, "0", "steps between evaluations; 0: logging_steps"),
    BOOLEAN_(eval_on_start, "false", "evaluate before the first step"),
    NUMBER_(eval_delay, 0, 1e18, "0", "steps, or epochs, before the first evaluation"),
    CHOICE_(save_strategy, 0, "|no|steps|epoch|best", "steps", "when to save a checkpoint"),
    STEPS_(save_steps, 1, "500", "steps between checkpoints"),
    INTEGER_(save_total_limit, 0, "0", "checkpoints to keep, the best always; 0: all"),
    BOOLEAN_(save_only_model, "false", "checkpoints without what resuming needs"),
    BOOLEAN_(load_best_model_at_end, "false", "end with the best weights that were evaluated"),
    TEXT_(metric_for_best_model, "metric that says which is best; loss if it is not given"),
    CHOICE_(greater_is_better, -1, "|auto|false|true", "auto",
            "whether that metric is better when greater; auto: unless it is a loss or an error"),
    INTEGER_(early_stopping_patience, 0, "0",
             "evaluations without improvement that end it; 0: off"),
    TEXT_(early_stopping_metric, "metric whose improvements count there; metric_for_best_model if "
                                 "it is not given"),
    NUMBER_(early_stopping_threshold, 0, 1e30, "0", "an improvement must be larger than this"),
    TEXT_(metrics, "metrics to compute, by commas"),
    INTEGER_(seed, 0, "42", "seed of new parameters, dropout and order"),
    INTEGER_(data_seed, -1, "-1", "seed of the order alone; -1: seed"),
    CHOICE_(train_sampling_strategy, 0, "|random|sequential|group_by_length", "random",
            "order of rows: shuffled, the file's, or batches of like length"),
    NUMBER_(task_temperature, 0.01, 1e9, "1",
            "of several tasks: 1 takes each in proportion to its batches n, t to n^(1/t)"),
    TEXT_(task_weights, "of several tasks: how often each is taken, a number each by commas"),
    CHOICE_(task_batches, 0, "|alternate|mixed", "alternate",
            "of several tasks: batches of one at a time, or with rows of several"),
    BOOLEAN_(gradient_checkpointing, "false",
             "compute each layer again in backward: a quarter slower, much less memory"),
    CHOICE_(report_to, 0, "|none|tensorboard", "none",
            "also write event files that TensorBoard reads"),
    TEXT_(logging_dir, "where they go (output_dir/runs)"),
    BOOLEAN_(dataloader_drop_last, "false", "leave out a last batch that is not full"),
    BOOLEAN_(overwrite_output_dir, "false", "train anew where a trained model or checkpoints are"),
    TEXT_(resume_from_checkpoint, "a checkpoint directory, or last: the newest in output_dir"),
    INTEGER_(threads, 0, "0",
             "threads; 0: as many as there are cores. Results do not depend on it"),
    CHOICE_(precision, 0, "|highest|high|medium", "highest", "of matrix products"),
    CHOICE_(wire_dtype, 0, "|float32|bf16", "float32",
            "of gradients between processes; bf16 halves them, and rounds them in one process too"),
};
enum { ROWS = sizeof table / sizeof *table };

static const row *find(const char *name) {
    for (int i = 0; i < ROWS; i++) {
        const char *a = table[i].name, *b = name;
        while (*a && (*a == *b || (*a == '_' && *b == '-'))) a++, b++;
        if (!*a && !*b) return &table[i];
    }
    return NULL;
}

/* Choice number i of "|a|b" and its length; NULL past the end. */
static const char *choice(const char *choices, int i, size_t *n) {
    const char *p = choices;
    for (;; i--) {
        if (!*p) return NULL;
        p++;
        *n = strcspn(p, "|");
        if (i == 0) return p;
        p += *n;
    }
}

static int bad(const row *r, const char *value, bert_error *e) {
    if (r->choices)
        return bert_fail(e, BERT_EINVAL, "%s: %s is not one of %s", r->name, value,
                         r->choices + (*r->choices == '|'));
    return bert_fail(e, BERT_EINVAL, "%s: %s is not %s from %g to %g%s", r->name, value,
                     r->kind == NUMBER ? "a number" : "a whole number", r->min, r->max,
                     r->kind == STEPS ? ", or a part of all steps below 1" : "");
}

static int set_text(const row *r, char *out, const char *value, bert_error *e) {
    size_t n = strlen(value);
    if (n >= r->size)
        return bert_fail(e, BERT_EINVAL, "%s: longer than %zu bytes", r->name, r->size - 1);
    /* All of them are written as JSON beside the model. */
    if (!bert_utf8_valid(value, n)) return bert_fail(e, BERT_EINVAL, "%s: is not UTF-8", r->name);
    memcpy(out, value, n + 1);
    return BERT_OK;
}

static char lower(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool bert_parse_truth(const char *text, bool *truth) {
    static const char *const words[][2] = {
        {"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}, {"1", "0"}};
    for (size_t i = 0; i < 2 * sizeof words / sizeof *words; i++) {
        const char *word = words[i / 2][i % 2], *p = text;
        while (*word && lower(*p) == *word) word++, p++;
        if (*word || *p) continue;
        *truth = i % 2 == 0;
        return true;
    }
    return false;
}

/* A choice may be among true and false, beside others. */
static const char *chosen(const row *r, const char *value) {
    bool truth;
    const bool of_truth = strstr(r->choices, "false") && bert_parse_truth(value, &truth);
    return of_truth ? (truth ? "true" : "false") : value;
}

static int set(const row *r, bert_training_args *a, const char *value, bert_error *e) {
    char *field = (char *)a + r->offset, *end;
    switch (r->kind) {
    case TEXT:
    case OBJECT:
        return set_text(r, field, value, e);
    case BOOLEAN: {
        bool yes;
        if (!bert_parse_truth(value, &yes)) return bad(r, value, e);
        *(bool *)field = yes;
        return BERT_OK;
    }
    case CHOICE: {
        size_t n;
        const char *text;
        value = chosen(r, value);
        for (int i = 0; (text = choice(r->choices, i, &n)); i++) {
            if (strlen(value) != n || memcmp(text, value, n)) continue;
            int v = i + (int)r->min; /* every such field is an int or an enumeration */
            memcpy(field, &v, sizeof v);
            return BERT_OK;
        }
        return bad(r, value, e);
    }
    case INTEGER:
    case NUMBER:
    case STEPS:
        break;
    }
    errno = 0;
    double v = bert_strtod(value, &end);
    const bool part = r->kind == STEPS && v > 0 && v < 1;
    const bool fits = part || (v >= r->min && v <= r->max && (r->kind == NUMBER || v == floor(v)));
    if (end == value || *end || !fits) return bad(r, value, e);
    if (r->kind == INTEGER)
        *(int64_t *)field = (int64_t)v;
    else
        *(double *)field = v;
    return BERT_OK;
}

static int get(const row *r, const bert_training_args *a, char *out, size_t capacity) {
    const char *field = (const char *)a + r->offset;
    switch (r->kind) {
    case TEXT:
    case OBJECT:
        return snprintf(out, capacity, "%s", field);
    case BOOLEAN:
        return snprintf(out, capacity, "%s", *(const bool *)field ? "true" : "false");
    case CHOICE: {
        int v;
        size_t n = 0;
        memcpy(&v, field, sizeof v);
        const char *text = v < (int)r->min ? NULL : choice(r->choices, v - (int)r->min, &n);
        if (!text) return snprintf(out, capacity, "%d", v); /* which is not a value */
        return snprintf(out, capacity, "%.*s", (int)n, text);
    }
    case INTEGER:
        return snprintf(out, capacity, "%lld", (long long)*(const int64_t *)field);
    case NUMBER:
    case STEPS:
        break;
    }
    double v = *(const double *)field;
    char text[40];
    bert_format_double(text, sizeof text, 6, v);
    return snprintf(out, capacity, "%s", text);
}

int bert_training_check(const bert_training_args *a, bert_error *e) {
    bert_training_args copy = *a;
    char text[sizeof a->output_dir];
    int rc = BERT_OK;
    for (int i = 0; i < ROWS && !rc; i++) {
        if (table[i].kind == BOOLEAN || table[i].kind == TEXT || table[i].kind == OBJECT) continue;
        get(&table[i], a, text, sizeof text);
        rc = set(&table[i], &copy, text, e);
    }
    return rc;
}

bert_training_args bert_training_default(void) {
    bert_training_args a;
    memset(&a, 0, sizeof a);
    for (int i = 0; i < ROWS; i++) set(&table[i], &a, table[i].fallback, NULL);
    return a;
}

bool bert_training_arg_at(int i, bert_training_arg *out) {
    static const char *const types[] = {[INTEGER] = "integer",
                                        [NUMBER] = "number",
                                        [STEPS] = "number",
                                        [TEXT] = "text",
                                        [OBJECT] = "JSON"};
    if (i < 0 || i >= ROWS) return false;
    const row *r = &table[i];
    const char *type = r->choices ? r->choices + (*r->choices == '|') : types[r->kind];
    *out = (bert_training_arg){r->name, type, r->fallback, r->help};
    return true;
}

/* The row that a name and its value come to, the value perhaps another one then; NULL: none. */
static const row *find_known(const char *name, const char **value) {
    const bert_foreign f = bert_training_foreign(name, *value);
    if (f.kind != BERT_FOREIGN_TAKEN) return find(name);
    if (f.value) *value = f.value;
    return find(f.name);
}

int bert_training_set(bert_training_args *a, const char *name, const char *value, bert_error *e) {
    BERT_DOOR(e);
    const row *r = find_known(name, &value);
    if (r) return set(r, a, value, e);
    const char *instead = bert_training_foreign(name, value).instead;
    return bert_fail(e, BERT_EINVAL, "%s: there is no such training argument%s%s", name,
                     *instead ? "; " : "", instead);
}

int bert_training_set_all(bert_training_args *a, char *const *words, bert_error *e) {
    BERT_DOOR(e);
    int rc = BERT_OK;
    for (; *words && !rc; words++) {
        const size_t n = strcspn(*words, "=");
        char name[64];
        if (n >= sizeof name)
            return bert_fail(e, BERT_EINVAL, "%.64s..: there is no such training argument", *words);
        memcpy(name, *words, n);
        name[n] = 0;
        rc = bert_training_set(a, name, (*words)[n] ? *words + n + 1 : "true", e);
    }
    return rc;
}

int bert_training_get(const bert_training_args *a, const char *name, char *out, size_t capacity) {
    const row *r = find(name);
    return r ? get(r, a, out, capacity) : BERT_ENOTFOUND;
}

/* ---- JSON */

/* A scalar as bert_training_set() takes it; an array as its scalars by commas, an object as itself.
 */
static int text_of(const json_t *v, char *out, size_t capacity) {
    if (json_is_string(v)) return snprintf(out, capacity, "%s", json_string_value(v));
    if (json_is_boolean(v))
        return snprintf(out, capacity, "%s", json_is_true(v) ? "true" : "false");
    if (json_is_integer(v))
        return snprintf(out, capacity, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    if (json_is_real(v)) return bert_snprintf(out, capacity, "%.17g", json_real_value(v));
    if (json_is_object(v)) {
        const size_t n = json_dumpb(v, out, capacity - 1, JSON_COMPACT);
        if (n < capacity) out[n] = 0;
        return (int)n;
    }
    if (!json_is_array(v)) return -1;
    size_t i, used = 0;
    json_t *item;
    *out = 0;
    json_array_foreach(v, i, item) {
        if (json_is_array(item)) return -1;
        if (i && used + 1 < capacity) out[used++] = ',';
        int n = used < capacity ? text_of(item, out + used, capacity - used) : -1;
        if (n < 0) return -1;
        used += (size_t)n;
    }
    return (int)used;
}

/* The value as text; false: it is none. */
static bool value_of(const json_t *json, char *text, size_t capacity) {
    *text = 0;
    if (json_is_null(json)) return true;
    const int n = text_of(json, text, capacity);
    return n >= 0 && (size_t)n < capacity;
}

/* Whether a name is of nothing here: neither of ours, nor of what changes nothing, or is somebody
 * else's to take. */
static bool is_unknown(const char *name, const json_t *json) {
    char text[2048];
    const char *value = text;
    if (!value_of(json, text, sizeof text)) return !find(name);
    if (find_known(name, &value)) return false;
    const bert_foreign f = bert_training_foreign(name, text);
    return f.kind != BERT_FOREIGN_IDLE && f.kind != BERT_FOREIGN_TAKEN;
}

/* All names of nothing in one message, before what there is instead. */
static int check_names(json_t *json, const char *path, bert_error *e) {
    const char *name;
    json_t *value;
    char names[300] = "", instead[300] = "";
    int n = 0;
    size_t used = 0, told = 0;
    json_object_foreach(json, name, value) {
        if (!is_unknown(name, value)) continue;
        const char *text = bert_training_foreign(name, NULL).instead;
        if (used < sizeof names)
            used +=
                (size_t)snprintf(names + used, sizeof names - used, "%s%s", n++ ? ", " : "", name);
        if (*text && told < sizeof instead)
            told += (size_t)snprintf(instead + told, sizeof instead - told, "; %s", text);
    }
    if (!n) return BERT_OK;
    return bert_fail(e, BERT_EINVAL, "%s: %s: there %s no such training argument%s%s", path, names,
                     n > 1 ? "are" : "is", n > 1 ? "s" : "", instead);
}

static int load_value(bert_training_args *a, const char *path, const char *name, const json_t *json,
                      bert_error *e) {
    char text[2048];
    const char *value = text;
    const bool is_value = value_of(json, text, sizeof text);
    const row *r = is_value ? find_known(name, &value) : find(name);
    if (!r) return BERT_OK; /* check_names() has let it pass */
    if (!is_value) return bert_fail(e, BERT_EINVAL, "%s: %s: not a value, or too long", path, name);
    const bool none = json_is_null(json) || (json_is_array(json) && !json_array_size(json));
    const int rc = set(r, a, none ? r->fallback : value, e);
    if (rc) bert_error_prefix(e, "%s: ", path);
    return rc;
}

int bert_training_load(bert_training_args *a, const char *path, bert_error *e) {
    BERT_DOOR(e);
    json_t *json = bert_json_load(path, e);
    if (!json) return e->code;
    int rc = json_is_object(json)
                 ? check_names(json, path, e)
                 : bert_fail(e, BERT_EFORMAT, "%s: not a JSON object of training arguments", path);
    bert_training_args copy = *a;
    const char *name;
    json_t *value;
    json_object_foreach(json, name, value) {
        if (rc) break;
        rc = load_value(&copy, path, name, value, e);
    }
    json_decref(json);
    if (!rc) *a = copy;
    return rc;
}

static json_t *object_json(const char *text) {
    json_t *json = json_loads(text, 0, NULL);
    return json ? json : *text ? json_string(text) : json_null();
}

static json_t *steps_json(double v) {
    return v == floor(v) ? json_integer((json_int_t)v) : json_real(v);
}

/* What transformers writes, and reads, as null. */
static bool is_unset(const row *r, const char *text) {
    static const char *const names[] = {"greater_is_better", "eval_steps", "data_seed"};
    if (r->kind == TEXT) return !*text;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(r->name, names[i])) return !strcmp(text, r->fallback);
    return false;
}

int bert_training_save(const bert_training_args *a, const char *path, bert_error *e) {
    BERT_DOOR(e);
    json_t *json = json_object();
    bool failed = !json;
    for (int i = 0; i < ROWS && !failed; i++) {
        const row *r = &table[i];
        const char *field = (const char *)a + r->offset;
        char text[2048];
        get(r, a, text, sizeof text);
        json_t *v = is_unset(r, text)    ? json_null()
                    : r->kind == BOOLEAN ? json_boolean(*(const bool *)field)
                    : r->kind == INTEGER ? json_integer(*(const int64_t *)field)
                    : r->kind == NUMBER  ? json_real(*(const double *)field)
                    : r->kind == STEPS   ? steps_json(*(const double *)field)
                    : r->kind == OBJECT  ? object_json(field)
                                         : json_string(text);
        failed = !v || json_object_set_new(json, r->name, v);
    }
    int rc = failed ? bert_fail_memory(e, sizeof *a) : bert_json_save(json, path, e);
    json_decref(json);
    return rc;
}
