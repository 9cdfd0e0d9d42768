/* The library's other tasks, under the names of Hugging Face's client; and POST /, where it asks for all of
 * them. */
#include "routes.h"
#include "state.h"
#include <stdlib.h>
#include <string.h>

static const json_t *parameters_of(const exchange *x) {
    return json_object_get(x->body, "parameters");
}

/* Requests with other parameters are not computed together. */
static int key_of_parameters(exchange *x) {
    const json_t *p = parameters_of(x);
    x->key = p ? json_dumps(p, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : strdup("");
    return x->key ? 0 : fault_memory(x);
}

static int begin(exchange *x, const operation *op) {
    const json_t *parameters;
    if (!x->body && read_json(x)) return -1;
    if (read_parameters(x, &parameters) || read_model(x, x->body, op) || read_truncate(x, x->body))
        return -1;
    return key_of_parameters(x);
}

static int read_fill(exchange *x, const clerk *c) {
    (void)c;
    x->wish.top_k = 5;
    if (begin(x, &op_fill)) return -1;
    const json_t *p = parameters_of(x);
    if (read_int(x, p, "top_k", 1, 1000000, &x->wish.top_k) || read_labels(x, p, "targets"))
        return -1;
    return read_texts(x, read_member(x, x->body, "inputs"), "inputs");
}

static int read_tag(exchange *x, const clerk *c) {
    static const char *const names[] = {"none", "simple", "first", "average", "max", NULL};
    int chosen = BERT_AGGREGATE_SIMPLE; /* the order is the library's */
    (void)c;
    if (begin(x, &op_tag)) return -1;
    const json_t *p = parameters_of(x);
    if (read_choice(x, p, "aggregation_strategy", names, &chosen) ||
        read_labels(x, p, "ignore_labels"))
        return -1;
    x->wish.aggregation = (bert_aggregation)chosen;
    return read_texts(x, read_member(x, x->body, "inputs"), "inputs");
}

/* A list for each text; of one text its list alone. */
static void write_lists(exchange *x) {
    if (!x->wish.one) text_put(&x->answer, "[");
    for (int32_t i = 0; i < x->n; i++) {
        if (i) text_put(&x->answer, ",");
        text_json(&x->answer, x->items[i].json);
    }
    if (!x->wish.one) text_put(&x->answer, "]");
}

/* inputs: an object of two texts. */
static int read_two(exchange *x, const char *first, const char *second) {
    const json_t *inputs = read_member(x, x->body, "inputs");
    const json_t *a = inputs ? read_member(x, inputs, first) : NULL;
    const json_t *b = a ? read_member(x, inputs, second) : NULL;
    x->wish.one = true;
    x->wish.prompt = NULL;
    if (!b || exchange_items(x, 1)) return -1;
    return set_text(x, x->items, a, false) || set_text(x, x->items, b, true) ? -1 : 0;
}

static int read_answer(exchange *x, const clerk *c) {
    (void)c;
    if (begin(x, &op_answer)) return -1;
    bert_answer_options *o = &x->wish.answer;
    *o = bert_answer_default();
    const json_t *p = parameters_of(x);
    if (read_int(x, p, "top_k", 1, 1000, &o->top_k) ||
        read_int(x, p, "max_answer_len", 1, 100000, &o->max_answer_length) ||
        read_int(x, p, "max_seq_len", 1, x->model->limit, &o->max_length) ||
        read_int(x, p, "doc_stride", 0, x->model->limit, &o->doc_stride) ||
        read_bool(x, p, "handle_impossible_answer", &o->handle_impossible_answer) ||
        read_bool(x, p, "align_to_words", &o->align_to_words))
        return -1;
    return read_two(x, "question", "context");
}

static void write_answer(exchange *x) {
    const json_t *list = x->items[0].json;
    text_json(&x->answer, x->wish.answer.top_k > 1 ? list : json_array_get(list, 0));
}

static int read_zero_shot(exchange *x, const clerk *c) {
    (void)c;
    if (begin(x, &op_zero_shot)) return -1;
    const json_t *p = parameters_of(x);
    if (!json_is_object(p) || !read_member(x, p, "candidate_labels"))
        return fault(x, FAULT_INVALID, "parameters.candidate_labels is missing");
    if (read_choices(x, p, "candidate_labels") ||
        read_name(x, p, "hypothesis_template", &x->wish.pattern) ||
        read_bool(x, p, "multi_label", &x->wish.multi_label) ||
        (x->wish.pattern && keep_json(x, json_object_get(p, "hypothesis_template"))))
        return -1;
    return read_texts(x, read_member(x, x->body, "inputs"), "inputs");
}

static void write_zero_shot(exchange *x) {
    if (!x->wish.one) text_put(&x->answer, "[");
    for (int32_t i = 0; i < x->n; i++) {
        const item *one = &x->items[i];
        int32_t *order = best_first(one->values, one->count);
        text_put(&x->answer, i ? ",[" : "[");
        for (int32_t k = 0; order && k < one->count; k++) {
            const char *label = x->wish.labels[order[k]];
            text_put(&x->answer, k ? ",{\"label\":" : "{\"label\":");
            text_quoted(&x->answer, label, strlen(label));
            text_put(&x->answer, ",\"score\":");
            text_float(&x->answer, one->values[order[k]]);
            text_put(&x->answer, "}");
        }
        text_put(&x->answer, "]");
        if (!order) fault_memory(x);
        free(order);
    }
    if (!x->wish.one) text_put(&x->answer, "]");
}

static int read_choose(exchange *x, const clerk *c) {
    (void)c;
    if (begin(x, &op_choose)) return -1;
    const json_t *inputs = read_member(x, x->body, "inputs");
    const json_t *prompt = inputs ? read_member(x, inputs, "prompt") : NULL;
    if (!prompt || !read_member(x, inputs, "choices")) return -1;
    if (!json_is_array(json_object_get(inputs, "choices")))
        return fault(x, FAULT_INVALID, "choices is a list of strings");
    if (read_choices(x, inputs, "choices")) return -1;
    x->wish.one = true;
    x->wish.prompt = NULL;
    return exchange_items(x, 1) ? -1 : set_text(x, x->items, prompt, false);
}

static void write_choose(exchange *x) {
    int32_t best = 0;
    const item *i = x->items;
    for (int32_t k = 1; k < i->count; k++)
        if (i->values[k] > i->values[best]) best = k;
    text_format(&x->answer, "{\"choice\":%d,\"scores\":", (int)best);
    text_floats(&x->answer, i->values, (size_t)i->count);
    text_put(&x->answer, "}");
}

static int read_next(exchange *x, const clerk *c) {
    (void)c;
    return begin(x, &op_next_sentence) ? -1 : read_two(x, "text", "text_pair");
}

static void write_next(exchange *x) {
    const float score = x->items[0].values[0];
    text_format(&x->answer, "{\"is_next\":%s,\"score\":", score >= 0.5f ? "true" : "false");
    text_float(&x->answer, score);
    text_put(&x->answer, "}");
}

/* ---- POST /: which of them it is */

static const route *route_of(const exchange *x) {
    const json_t *inputs = json_object_get(x->body, "inputs");
    static const char *const by_head[][2] = {
        {"sequence-classification", "/predict"},
        {"image-classification", "/predict"},
        {"token-classification", "/tag"},
        {"question-answering", "/answer"},
        {"masked-lm", "/fill"},
        {"pretraining", "/fill"},
        {"multiple-choice", "/choose"},
        {"next-sentence", "/next_sentence"},
    };
    const char *path = "/embed", *name = json_string_value(json_object_get(x->body, "model")),
               *task = json_string_value(json_object_get(x->body, "task"));
    if (x->models->models == 1) name = NULL;
    const served *m = models_next(x->models, NULL, x->named ? x->named->name : name, task);
    for (size_t i = 0; m && i < sizeof by_head / sizeof *by_head; i++)
        if (!strcmp(by_head[i][0], m->head)) path = by_head[i][1];
    if (json_object_get(x->body, "query")) path = "/rerank";
    if (json_object_get(inputs, "source_sentence")) path = "/similarity";
    if (json_object_get(inputs, "question")) path = "/answer";
    if (json_object_get(inputs, "prompt")) path = "/choose";
    if (json_object_get(inputs, "text_pair")) path = "/next_sentence";
    if (json_object_get(json_object_get(x->body, "parameters"), "candidate_labels"))
        path = "/zero_shot";
    return route_find("POST", path, NULL);
}

static int read_any(exchange *x, const clerk *c) {
    if (!x->picture && read_json(x)) return -1;
    x->route = x->picture ? route_find("POST",
                                       strcmp(x->model->head, "none") ? "/predict" : "/embed", NULL)
                          : route_of(x);
    return x->route->read(x, c);
}

#define PARAMETERS ",\"parameters\":{\"type\":\"object\"}"
#define TWO(a, b)                                                                                  \
    "\"inputs\":{\"type\":\"object\",\"required\":[\"" a "\",\"" b "\"],\"properties\":{\"" a      \
    "\":{\"type\":\"string\"},\"" b "\":{}}}"
const route task_routes[] = {
    {"POST", "/", "what the model is for, as Hugging Face's client asks for it",
     "\"inputs\":{}" PARAMETERS, NULL, DIALECT_TEI, false, NULL, read_any, NULL},
    {"POST", "/fill", "the likeliest tokens in the place of [MASK]",
     "\"inputs\":" INPUT_TYPE PARAMETERS, "inputs", DIALECT_TEI, false, NULL, read_fill,
     write_lists},
    {"POST", "/tag", "the entities in each text", "\"inputs\":" INPUT_TYPE PARAMETERS, "inputs",
     DIALECT_TEI, false, NULL, read_tag, write_lists},
    {"POST", "/answer", "the answer to a question in a context",
     TWO("question", "context") PARAMETERS, "inputs", DIALECT_TEI, false, NULL, read_answer,
     write_answer},
    {"POST", "/zero_shot", "which of some labels fits, by a model of inference",
     "\"inputs\":" INPUT_TYPE PARAMETERS, "inputs parameters", DIALECT_TEI, false, NULL,
     read_zero_shot, write_zero_shot},
    {"POST", "/choose", "which ending fits a prompt", TWO("prompt", "choices"), "inputs",
     DIALECT_TEI, false, NULL, read_choose, write_choose},
    {"POST", "/next_sentence", "whether one sentence follows another", TWO("text", "text_pair"),
     "inputs", DIALECT_TEI, false, NULL, read_next, write_next},
    {0},
};
