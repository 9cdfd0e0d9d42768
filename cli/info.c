/* bert info: what a checkpoint is. */
#include "cli.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
    bool formats;
} arguments;

static json_t *names(const char *(*at)(const bert_model *, int), const bert_model *m) {
    json_t *a = json_array();
    const char *name;
    for (int i = 0; a && (name = at(m, i)); i++) json_array_append_new(a, json_string(name));
    return a;
}

static json_t *labels(const bert_model *m) {
    json_t *a = json_array();
    const char *name;
    for (int32_t i = 0; a && (name = bert_model_label(m, i)); i++)
        json_array_append_new(a, json_string(name));
    return a;
}

/* By their names: head, labels and problem type. */
static json_t *tasks(const bert_model *m) {
    json_t *all = json_object();
    const char *name;
    for (int i = 0; all && (name = bert_model_task_at(m, i)); i++) {
        const bert_model *t = bert_model_task(m, name, NULL);
        const char *problem = bert_model_config(t)->problem_type;
        json_object_set_new(all, name,
                            json_pack("{s:s, s:o, s:s*}", "head", bert_model_head(t), "labels",
                                      labels(t), "problem_type", *problem ? problem : NULL));
    }
    return all;
}

/* "cls,mean", as --pooling takes them. */
static void join_poolings(const bert_model *m, char *out, size_t capacity) {
    bert_pooling list[BERT_MAX_POOLINGS];
    const int n = bert_model_poolings(m, list);
    size_t used = 0;
    for (int i = 0; i < n && used < capacity; i++)
        used += (size_t)snprintf(out + used, capacity - used, "%s%s", i ? "," : "",
                                 bert_pooling_name(list[i]));
}

static void add_vectors(json_t *o, const bert_model *m) {
    const char *prompt = bert_model_prompt(m, NULL);
    json_object_set_new(o, "embedding_size", json_integer(bert_model_embedding_size(m, NULL)));
    json_object_set_new(o, "similarity",
                        json_string(bert_similarity_name(bert_model_similarity(m))));
    json_t *kinds = json_array();
    for (unsigned kind = BERT_VECTORS_DENSE; kind <= BERT_VECTORS_MULTI; kind *= 2)
        if (!bert_model_makes(m, kind, NULL))
            json_array_append_new(kinds, json_string(bert_vectors_name(kind)));
    json_object_set_new(o, "vectors", kinds);
    if (bert_model_prompt_name(m, 0))
        json_object_set_new(o, "prompts", names(bert_model_prompt_name, m));
    if (prompt && *prompt) json_object_set_new(o, "default_prompt", json_string(prompt));
}

static void add_weights(json_t *o, const bert_model *m) {
    const char *path = bert_model_weights(m), *slash = path ? strrchr(path, '/') : NULL;
    if (slash) path = slash + 1;
    if (path) json_object_set_new(o, "weights", json_text(path, strlen(path)));
    json_object_set_new(o, "dtype", json_string(bert_model_dtype(m)));
}

/* What the head is made of, where it is none of transformers'. */
static void add_recipe(json_t *o, const bert_model *m) {
    const char *text = bert_recipe_json(bert_model_recipe(m));
    json_t *recipe = text ? json_loads(text, 0, NULL) : NULL;
    if (bert_model_views(m) > 1) json_object_set_new(o, "views", json_integer(bert_model_views(m)));
    if (recipe) json_object_set_new(o, "recipe", recipe);
}

static json_t *describe(const bert_model *m) {
    const bert_config *c = bert_model_config(m);
    const bert_tokenizer *t = bert_model_tokenizer(m);
    bool normalize = false, headed = strcmp(bert_model_head(m), "none") != 0;
    char pooling[256] = "";
    bert_model_pooling(m, &normalize);
    join_poolings(m, pooling, sizeof pooling);
    json_t *o = json_pack(
        "{s:o, s:s, s:s, s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:i, s:i, s:s, s:b}",
        "path", json_text(bert_model_path(m), strlen(bert_model_path(m))), "model_type",
        c->model_type, "architecture", c->architecture, "head", bert_model_head(m), "parameters",
        (json_int_t)bert_model_parameter_count(m), "parameter_bytes",
        (json_int_t)bert_model_parameter_bytes(m), "vocab_size", c->vocab_size, "hidden_size",
        c->hidden_size, "num_hidden_layers", c->num_hidden_layers, "num_attention_heads",
        c->num_attention_heads, "intermediate_size", c->intermediate_size,
        "max_position_embeddings", c->max_position_embeddings, "hidden_act", c->hidden_act,
        "max_length", (int)bert_model_max_length(m), "tokenizer_max_length",
        t ? (int)bert_tokenizer_max_length(t) : 0, "pooling", pooling, "normalize", (int)normalize);
    if (!o) return NULL;
    add_weights(o, m);
    if (c->num_channels) {
        json_object_set_new(o, "image_size", json_pack("[i, i]", c->image_height, c->image_width));
        json_object_set_new(o, "patch_size", json_pack("[i, i]", c->patch_height, c->patch_width));
        json_object_set_new(o, "num_channels", json_integer(c->num_channels));
    }
    add_vectors(o, m);
    add_recipe(o, m);
    if (headed) {
        json_object_set_new(o, "labels", labels(m));
        if (c->problem_type[0])
            json_object_set_new(o, "problem_type", json_string(c->problem_type));
    }
    if (bert_model_task_at(m, 0)) json_object_set_new(o, "tasks", tasks(m));
    json_object_set_new(o, "heads", names(bert_model_head_at, m));
    if (!t) json_object_set_new(o, "tokenizer_error", json_string(bert_model_tokenizer_error(m)));
    json_object_set_new(o, "new_parameters", names(bert_model_new_parameter, m));
    json_object_set_new(o, "unused_tensors", names(bert_model_unused_tensor, m));
    json_object_set_new(o, "isa", json_string(bert_isa()));
    json_object_set_new(o, "isa_available", json_string(bert_isa_list()));
    return o;
}

static void print_value(const json_t *v) {
    if (json_is_string(v))
        printf("%s", json_string_value(v));
    else if (json_is_integer(v))
        printf("%lld", (long long)json_integer_value(v));
    else if (json_is_boolean(v))
        printf("%s", json_is_true(v) ? "yes" : "no");
    char *text = json_is_object(v) ? json_dumps(v, JSON_COMPACT) : NULL;
    if (text) printf("%s", text);
    free(text);
}

/* A line each: "sst2: negative, positive". */
static void print_tasks(const char *key, json_t *tasks) {
    const char *name;
    json_t *task, *label;
    json_object_foreach(tasks, name, task) {
        size_t i;
        printf("%-24s %s (%s)", key, name, json_string_value(json_object_get(task, "head")));
        json_array_foreach(json_object_get(task, "labels"), i, label)
            printf("%s%s", i ? ", " : ": ", json_string_value(label));
        printf("\n");
    }
}

/* A line each: "head: [{"linear":2}]". */
static void print_members(const char *key, json_t *o) {
    const char *name;
    json_t *v;
    json_object_foreach(o, name, v) {
        char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
        printf("%-24s %s: %s\n", key, name, text ? text : "");
        free(text);
    }
}

static int print_columns(json_t *o, bert_error *e) {
    if (!o) return fail_memory(e);
    const char *key;
    json_t *v, *item;
    json_object_foreach(o, key, v) {
        size_t i;
        if (json_is_object(v)) {
            (strcmp(key, "tasks") ? print_members : print_tasks)(key, v);
            continue;
        }
        if (json_is_array(v) && !json_array_size(v)) continue;
        printf("%-24s ", key);
        json_array_foreach(v, i, item) {
            if (i) printf(", ");
            print_value(item);
        }
        print_value(v);
        printf("\n");
    }
    json_decref(o);
    return 0;
}

/* A head that cannot be opened keeps nobody from its encoder. */
static bert_model *open_encoder(const char *name, const common *c, bert_error *e) {
    bert_error why = {0};
    bert_model *m = open_model(name, c, NULL, &why);
    if (m) return m;
    m = open_model(name, c, "none", NULL);
    if (m)
        note(c, "without its head, which cannot be used: %s", why.message);
    else
        fail(e, why.code, "%s", why.message);
    return m;
}

/* What this build reads pictures with. */
/* "f32 f16" */
static json_t *joined(const char *const *words) {
    char all[128] = "";
    for (size_t n = 0; *words && n < sizeof all; words++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", n ? " " : "", *words);
    return json_string(all);
}

static int show_formats(const common *c, bert_error *e) {
    char library[80];
    const char *name;
    json_t *o = json_object(), *images = json_object();
    for (int i = 0; images && bert_image_format_at(i, &name, library, sizeof library); i++)
        json_object_set_new(images, name, json_string(library));
    const char *fetches = bert_pull_module(NULL);
    json_t *reads = json_array(), *writes = json_object();
    bert_convert_form f;
    for (int i = 0; (name = bert_weight_file_at(i)); i++)
        json_array_append_new(reads, json_string(name));
    for (int i = 0; bert_convert_form_at(i, &f); i++)
        json_object_set_new(writes, f.name, joined(f.dtypes));
    if (o) json_object_set_new(o, "reads", reads);
    if (o) json_object_set_new(o, "writes", writes);
    if (o) json_object_set_new(o, "images", images);
    if (o) json_object_set_new(o, "hub", fetches ? json_string(fetches) : json_null());
    if (o && output_json(c)) return output_line(o, e);
    json_t *v;
    size_t i;
    json_array_foreach(reads, i, v) printf("%-24s %s\n", i ? "" : "reads", json_string_value(v));
    json_object_foreach(writes, name, v) printf("writes %-17s %s\n", name, json_string_value(v));
    if (!json_object_size(images))
        printf("no pictures: the module libbert-image.so is not there\n");
    json_object_foreach(images, name, v) printf("%-24s %s\n", name, json_string_value(v));
    printf("%-24s %s\n", "models by name", fetches ? fetches : "libbert-hub.so is not there");
    json_decref(o);
    return o ? 0 : fail_memory(e);
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    const arguments *a = args;
    const common *c = args;
    if (a->formats) return show_formats(c, e);
    if (!operands) return fail_usage(e, "a MODEL is needed, or --formats");
    bert_model *m = open_encoder(operand[0], c, e);
    if (!m) return BERT_EINVAL;
    json_t *o = describe(m);
    int rc = output_json(c) ? output_line(o, e) : print_columns(o, e);
    bert_model_close(m);
    return rc;
}

static const option options[] = {
    {"formats", 0, NULL, "what this build reads, writes and fetches with, instead of a model",
     set_true, offsetof(arguments, formats), 0},
    {0},
};

const command info_command = {
    .name = "info",
    .operands = "MODEL",
    .help = "what a model is: shape, parameters, labels, limits",
    .min_operands = 0,
    .max_operands = 1,
    .groups = TAKES_MODEL | TAKES_OUTPUT,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
