/* The routes of text-embeddings-inference. */
#include "routes.h"
#include "state.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_key(exchange *x) {
    char key[80];
    snprintf(key, sizeof key, "%d %d %d", x->wish.normalize, (int)x->wish.dimensions,
             (int)x->wish.scores);
    x->key = strdup(key);
    return x->key ? 0 : fault_memory(x);
}

/* ---- Vectors */

int read_embed(exchange *x, const json_t *body, const json_t *inputs, const char *name) {
    bool normalize = true;
    if (!inputs) return -1;
    if (x->model->pictures) {
        if (read_bool(x, body, "normalize", &normalize)) return -1;
        x->wish.normalize = normalize;
        return read_pictures(x, inputs) || set_key(x) ? -1 : 0;
    }
    const int32_t size = bert_model_embedding_size(x->model->model, NULL);
    if (read_truncate(x, body) || read_bool(x, body, "normalize", &normalize) ||
        read_int(x, body, "dimensions", 1, size, &x->wish.dimensions))
        return -1;
    x->wish.normalize = normalize;
    return read_texts(x, inputs, name) || set_key(x) ? -1 : 0;
}

static int read_vectors(exchange *x, const clerk *c) {
    (void)c;
    if (x->picture) {
        x->operation = &op_embed;
        x->wish.normalize = 1;
        return read_picture_bytes(x, x->bytes, x->n_bytes) || set_key(x) ? -1 : 0;
    }
    if (read_json(x) || read_model(x, x->body, &op_embed)) return -1;
    return read_embed(x, x->body, read_member(x, x->body, "inputs"), "inputs");
}

static void write_vectors(exchange *x) {
    text_put(&x->answer, "[");
    for (int32_t i = 0; i < x->n; i++) {
        if (i) text_put(&x->answer, ",");
        text_floats(&x->answer, x->items[i].values, (size_t)x->items[i].count);
    }
    text_put(&x->answer, "]");
}

static int read_all(exchange *x, const clerk *c) {
    (void)c;
    if (read_json(x) || read_model(x, x->body, &op_embed_all) || read_truncate(x, x->body))
        return -1;
    return read_texts(x, read_member(x, x->body, "inputs"), "inputs");
}

static void write_all(exchange *x) {
    const int32_t size = bert_model_config(x->model->model)->hidden_size;
    text_put(&x->answer, "[");
    for (int32_t i = 0; i < x->n; i++) {
        text_put(&x->answer, i ? ",[" : "[");
        for (int32_t k = 0; k < x->items[i].count; k += size) {
            if (k) text_put(&x->answer, ",");
            text_floats(&x->answer, x->items[i].values + k, (size_t)size);
        }
        text_put(&x->answer, "]");
    }
    text_put(&x->answer, "]");
}

static int read_sparse(exchange *x, const clerk *c) {
    (void)c;
    if (read_json(x) || read_model(x, x->body, &op_embed_sparse) || read_truncate(x, x->body))
        return -1;
    return read_texts(x, read_member(x, x->body, "inputs"), "inputs");
}

static void write_sparse(exchange *x) {
    text *t = &x->answer;
    text_put(t, "[");
    for (int32_t i = 0; i < x->n; i++) {
        const item *one = &x->items[i];
        text_put(t, i ? ",[" : "[");
        for (int32_t k = 0; k < one->count; k++) {
            text_format(t, "%s{\"index\":%d,\"value\":", k ? "," : "", (int)one->words[k]);
            text_float(t, one->values[k]);
            text_put(t, "}");
        }
        text_put(t, "]");
    }
    text_put(t, "]");
}

static int read_similarity(exchange *x, const clerk *c) {
    (void)c;
    if (read_json(x) || read_model(x, x->body, &op_embed)) return -1;
    if (x->model->pictures)
        return fault(x, FAULT_HEAD, "%s reads pictures; sentences are texts", x->model->name);
    const json_t *inputs = read_member(x, x->body, "inputs");
    const json_t *source = inputs ? read_member(x, inputs, "source_sentence") : NULL;
    const json_t *sentences = source ? read_member(x, inputs, "sentences") : NULL;
    const json_t *parameters;
    if (!sentences || read_parameters(x, &parameters) || read_truncate(x, parameters)) return -1;
    if (!json_is_array(sentences)) return fault(x, FAULT_INVALID, "sentences is a list of strings");
    json_t *all = json_array();
    if (!all) return fault_memory(x);
    int rc = json_array_extend(all, (json_t *)(uintptr_t)sentences);
    if (!json_array_size(all))
        rc = fault(x, FAULT_EMPTY, "sentences is an empty list");
    else
        rc |= json_array_insert(all, 0, (json_t *)(uintptr_t)source);
    if (!rc) rc = read_texts(x, all, "sentences");
    json_decref(all);
    return rc || set_key(x) ? -1 : 0;
}

static void write_similarity(exchange *x) {
    const item *i = x->items;
    text_put(&x->answer, "[");
    for (int32_t k = 1; k < x->n; k++) {
        if (k > 1) text_put(&x->answer, ",");
        text_float(&x->answer, (float)bert_cosine(i[0].values, i[k].values, i[0].count));
    }
    text_put(&x->answer, "]");
}

/* ---- Labels */

static int read_scores(exchange *x, const json_t *parameters) {
    static const char *const names[] = {"none", "sigmoid", "softmax", NULL};
    static const bert_scores scores[] = {BERT_SCORES_NONE, BERT_SCORES_SIGMOID,
                                         BERT_SCORES_SOFTMAX};
    int chosen = -1;
    x->wish.scores = x->model->several       ? BERT_SCORES_DEFAULT
                     : x->model->labels == 1 ? BERT_SCORES_SIGMOID
                                             : BERT_SCORES_SOFTMAX;
    if (x->wish.lists) x->wish.scores = BERT_SCORES_DEFAULT; /* the pipeline's */
    if (x->wish.raw) x->wish.scores = BERT_SCORES_NONE;
    if (read_choice(x, parameters, "function_to_apply", names, &chosen)) return -1;
    if (chosen >= 0) x->wish.scores = scores[chosen];
    return 0;
}

static int read_labels_wanted(exchange *x, const clerk *c) {
    (void)c;
    enum { SHOWN = 5 }; /* of a picture */
    if (x->picture) {
        x->operation = &op_classify;
        x->wish.top_k = SHOWN;
        x->wish.scores = BERT_SCORES_DEFAULT;
        if (!strstr(op_classify.heads, x->model->head)) return no_head(x, x->model, &op_classify);
        return read_picture_bytes(x, x->bytes, x->n_bytes) || set_key(x) ? -1 : 0;
    }
    if (read_json(x) || read_model(x, x->body, &op_classify)) return -1;
    const json_t *parameters;
    if (read_parameters(x, &parameters)) return -1;
    x->wish.lists = parameters != NULL;
    x->wish.top_k = x->model->pictures ? SHOWN : x->model->labels;
    if (read_bool(x, x->body, "raw_scores", &x->wish.raw) || read_scores(x, parameters) ||
        read_int(x, parameters, "top_k", 1, INT32_MAX, &x->wish.top_k) || set_key(x))
        return -1;
    const json_t *inputs = read_member(x, x->body, "inputs");
    if (x->model->pictures) return read_pictures(x, inputs);
    return read_truncate(x, x->body) ? -1 : read_pairs(x, inputs);
}

int32_t *best_first(const float *values, int32_t n) {
    int32_t *order = malloc(((size_t)n + 1) * sizeof *order);
    for (int32_t i = 0; order && i < n; i++) {
        int32_t at = i;
        for (; at > 0 && values[order[at - 1]] < values[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    return order;
}

static void write_label_list(exchange *x, const item *i) {
    int32_t *order = best_first(i->values, i->count);
    if (!order) {
        fault_memory(x);
        return;
    }
    text_put(&x->answer, "[");
    for (int32_t k = 0; k < i->count && k < x->wish.top_k; k++) {
        const char *label = bert_model_label(x->model->model, order[k]);
        text_put(&x->answer, k ? ",{\"score\":" : "{\"score\":");
        text_float(&x->answer, i->values[order[k]]);
        text_put(&x->answer, ",\"label\":");
        text_quoted(&x->answer, label, strlen(label));
        text_put(&x->answer, "}");
    }
    text_put(&x->answer, "]");
    free(order);
}

static void write_labels(exchange *x) {
    const bool list = !x->wish.one || (x->wish.lists && !x->model->pictures);
    if (list) text_put(&x->answer, "[");
    for (int32_t i = 0; i < x->n; i++) {
        if (i) text_put(&x->answer, ",");
        write_label_list(x, &x->items[i]);
    }
    if (list) text_put(&x->answer, "]");
}

/* ---- Rerank */

int read_reranker(exchange *x) {
    return read_json(x) || read_model(x, x->body, &op_rerank) ? -1 : 0;
}

static int read_rerank(exchange *x, const clerk *c) {
    if (read_json(x)) return -1;
    if (json_object_get(x->body, "documents")) { /* Cohere's */
        x->route = route_find("POST", "/v1/rerank", NULL);
        return x->route->read(x, c);
    }
    if (read_reranker(x)) return -1;
    const json_t *query = read_member(x, x->body, "query");
    const json_t *texts = query ? read_member(x, x->body, "texts") : NULL;
    if (!texts || set_query(x, query) || read_truncate(x, x->body)) return -1;
    if (!json_is_array(texts)) return fault(x, FAULT_INVALID, "texts is a list of strings");
    x->wish.prompt = NULL;
    if (read_bool(x, x->body, "raw_scores", &x->wish.raw) ||
        read_bool(x, x->body, "return_text", &x->wish.return_text))
        return -1;
    return read_texts(x, texts, "texts");
}

/* By their logits: many scores near 1 are the same. */
int32_t *best_texts(const exchange *x) {
    float *logits = malloc(((size_t)x->n + 1) * sizeof *logits);
    for (int32_t i = 0; logits && i < x->n; i++) logits[i] = x->items[i].values[1];
    int32_t *order = logits ? best_first(logits, x->n) : NULL;
    free(logits);
    return order;
}

static void write_rerank(exchange *x) {
    int32_t *order = best_texts(x);
    text_put(&x->answer, "[");
    for (int32_t k = 0; order && k < x->n; k++) {
        const item *i = &x->items[order[k]];
        text_format(&x->answer, "%s{\"index\":%d,", k ? "," : "", (int)order[k]);
        if (x->wish.return_text) {
            text_put(&x->answer, "\"text\":");
            text_quoted(&x->answer, i->text, i->bytes);
            text_put(&x->answer, ",");
        }
        text_put(&x->answer, "\"score\":");
        text_float(&x->answer, i->values[x->wish.raw]);
        text_put(&x->answer, "}");
    }
    text_put(&x->answer, "]");
    if (!order) fault_memory(x);
    free(order);
}

/* ---- Tokens, of which nothing is computed */

static int read_tokenize(exchange *x, const clerk *c) {
    x->wish.specials = true;
    if (read_json(x) || read_model(x, x->body, &op_embed)) return -1;
    x->operation = NULL;
    if (x->model->pictures)
        return fault(x, FAULT_HEAD, "%s reads pictures; it has no tokens", x->model->name);
    if (read_truncate(x, x->body) ||
        read_bool(x, x->body, "add_special_tokens", &x->wish.specials) ||
        read_texts(x, read_member(x, x->body, "inputs"), "inputs"))
        return -1;
    for (int32_t i = 0; i < x->n; i++)
        if (x->items[i].ids) return fault(x, FAULT_INVALID, "inputs are strings");
    x->wish.clerk = c->number;
    return 0;
}

static void write_token(exchange *x, const item *i, const bert_token_window *w, int32_t k) {
    const bool special = w->special_tokens_mask[k];
    const int32_t from = w->offsets[k][0], to = w->offsets[k][1];
    const char *token = bert_token(bert_model_tokenizer(x->model->model), w->ids[k]);
    text_format(&x->answer, "%s{\"id\":%d,\"text\":", k ? "," : "", (int)w->ids[k]);
    if (special)
        text_quoted(&x->answer, token ? token : "", token ? strlen(token) : 0);
    else
        text_quoted(&x->answer, i->text + from, (size_t)(to - from));
    text_format(&x->answer, ",\"special\":%s", special ? "true" : "false");
    if (special)
        text_put(&x->answer, ",\"start\":null,\"stop\":null}");
    else
        text_format(&x->answer, ",\"start\":%d,\"stop\":%d}", (int)from, (int)to);
}

static void write_tokenize(exchange *x) {
    bert_tokenization *t = x->model->tokenization[x->wish.clerk];
    bert_tokenize_options o = bert_tokenize_default();
    o.add_special_tokens = x->wish.specials;
    o.byte_offsets = true;
    text_put(&x->answer, "[");
    for (int32_t i = 0; i < x->n; i++) {
        bert_error e = {0};
        const item *one = &x->items[i];
        if (bert_tokenize(t, one->text, one->bytes, NULL, 0, &o, &e) < 0) {
            fault_of(x, &e);
            return;
        }
        const bert_token_window w = bert_tokenization_window(t, 0);
        text_put(&x->answer, i ? ",[" : "[");
        for (int32_t k = 0; k < w.n; k++) write_token(x, one, &w, k);
        text_put(&x->answer, "]");
    }
    text_put(&x->answer, "]");
}

static int read_decode(exchange *x, const clerk *c) {
    (void)c;
    x->wish.specials = true;
    if (read_json(x) || read_model(x, x->body, &op_embed)) return -1;
    x->operation = NULL;
    if (x->model->pictures)
        return fault(x, FAULT_HEAD, "%s reads pictures; it has no tokens", x->model->name);
    const json_t *ids = read_member(x, x->body, "ids");
    if (!ids || read_bool(x, x->body, "skip_special_tokens", &x->wish.specials) ||
        read_texts(x, ids, "ids"))
        return -1;
    for (int32_t i = 0; i < x->n; i++)
        if (!x->items[i].ids) return fault(x, FAULT_INVALID, "ids are integers");
    return 0;
}

static void write_decode(exchange *x) {
    const bert_tokenizer *t = bert_model_tokenizer(x->model->model);
    text_put(&x->answer, "[");
    for (int32_t i = 0; i < x->n; i++) {
        const item *one = &x->items[i];
        bert_error e = {0};
        const size_t n = (size_t)one->ids_count;
        const int64_t bytes = bert_decode(t, one->ids, n, x->wish.specials, NULL, 0, &e);
        char *out = bytes < 0 ? NULL : malloc((size_t)bytes + 1);
        if (!out) {
            bytes < 0 ? fault_of(x, &e) : fault_memory(x);
            return;
        }
        bert_decode(t, one->ids, n, x->wish.specials, out, (size_t)bytes + 1, &e);
        if (i) text_put(&x->answer, ",");
        text_quoted(&x->answer, out, (size_t)bytes);
        free(out);
    }
    text_put(&x->answer, "]");
}

#define PROMPT_PROPERTY "\"prompt_name\":{\"type\":\"string\"}"
#define INPUTS "\"inputs\":" INPUT_TYPE
const route tei_routes[] = {
    {"POST", "/embed", "a vector of each text, or picture",
     INPUTS
     "," TRUNCATE_PROPERTIES "," PROMPT_PROPERTY ","
     "\"normalize\":{\"type\":\"boolean\"},\"dimensions\":{\"type\":\"integer\",\"minimum\":1}",
     "inputs", DIALECT_TEI, false, NULL, read_vectors, write_vectors},
    {"POST", "/embed_all", "a vector of each token", INPUTS "," TRUNCATE_PROPERTIES, "inputs",
     DIALECT_TEI, false, NULL, read_all, write_all},
    {"POST", "/embed_sparse", "the words of the vocabulary that each text weighs, and how much",
     INPUTS "," TRUNCATE_PROPERTIES "," PROMPT_PROPERTY, "inputs", DIALECT_TEI, false, NULL,
     read_sparse, write_sparse},
    {"POST", "/predict", "labels of each text, pair or picture, the likeliest first",
     "\"inputs\":{}," TRUNCATE_PROPERTIES ",\"raw_scores\":{\"type\":\"boolean\"}", "inputs",
     DIALECT_TEI, false, NULL, read_labels_wanted, write_labels},
    {"POST", "/rerank", "how well each text fits a query, the best first",
     "\"query\":{\"type\":\"string\"},\"texts\":{\"type\":\"array\",\"minItems\":1,\"items\":{"
     "\"type\":\"string\"}}," TRUNCATE_PROPERTIES
     ",\"raw_scores\":{\"type\":\"boolean\"},\"return_text\":{\"type\":\"boolean\"}",
     "query", DIALECT_TEI, false, NULL, read_rerank, write_rerank},
    {"POST", "/similarity", "the cosine of one sentence and each of others",
     "\"inputs\":{\"type\":\"object\",\"required\":[\"source_sentence\",\"sentences\"],"
     "\"properties\":{\"source_sentence\":{\"type\":\"string\"},\"sentences\":{\"type\":\"array\","
     "\"minItems\":1,\"items\":{\"type\":\"string\"}}}}",
     "inputs", DIALECT_TEI, false, NULL, read_similarity, write_similarity},
    {"POST", "/tokenize", "the tokens of each text, with their places in it, in bytes",
     "\"inputs\":{},\"add_special_tokens\":{\"type\":\"boolean\"}", "inputs", DIALECT_TEI, false,
     NULL, read_tokenize, write_tokenize},
    {"POST", "/decode", "the text of ids",
     "\"ids\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"integer\"}},"
     "\"skip_special_tokens\":{\"type\":\"boolean\"}",
     "ids", DIALECT_TEI, false, NULL, read_decode, write_decode},
    {0},
};
