/* Rerank as Cohere's and Jina's clients ask for it. */
#include "routes.h"
#include "state.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* documents: strings, or objects with a text. */
static json_t *texts_of(exchange *x, const json_t *documents) {
    if (!json_is_array(documents)) {
        fault(x, FAULT_INVALID, "documents is a list of strings");
        return NULL;
    }
    json_t *list = json_array();
    for (size_t i = 0; list && i < json_array_size(documents); i++) {
        json_t *d = json_array_get(documents, i), *s = json_object_get(d, "text");
        json_array_append(list, s ? s : d);
    }
    if (!list) fault_memory(x);
    return list;
}

static int read_documents(exchange *x, const clerk *c) {
    (void)c;
    if (read_reranker(x)) return -1;
    const json_t *query = read_member(x, x->body, "query");
    const json_t *documents = query ? read_member(x, x->body, "documents") : NULL;
    x->wish.top_k = INT32_MAX;
    if (!documents || set_query(x, query) || read_truncate(x, x->body) ||
        read_int(x, x->body, "top_n", 1, INT32_MAX, &x->wish.top_k) ||
        read_bool(x, x->body, "return_documents", &x->wish.return_text))
        return -1;
    x->wish.prompt = NULL;
    json_t *list = texts_of(x, documents);
    const int rc = list ? read_texts(x, list, "documents") : -1;
    json_decref(list);
    return rc;
}

static void write_documents(exchange *x) {
    text *t = &x->answer;
    int32_t *order = best_texts(x);
    text_put(t, "{\"id\":");
    text_quoted(t, x->id, strlen(x->id));
    text_put(t, ",\"object\":\"list\",\"model\":");
    text_quoted(t, x->model->name, strlen(x->model->name));
    text_put(t, ",\"results\":[");
    for (int32_t k = 0; order && k < x->n && k < x->wish.top_k; k++) {
        const item *i = &x->items[order[k]];
        text_format(t, "%s{\"index\":%d,\"relevance_score\":", k ? "," : "", (int)order[k]);
        text_float(t, i->values[0]);
        if (x->wish.return_text) {
            text_put(t, ",\"document\":{\"text\":");
            text_quoted(t, i->text, i->bytes);
            text_put(t, "}");
        }
        text_put(t, "}");
    }
    text_format(t,
                "],\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld},\"meta\":{"
                "\"api_version\":{\"version\":\"2\"}}}",
                (long long)x->tokens, (long long)x->tokens);
    if (!order) fault_memory(x);
    free(order);
}

#define DOCUMENTS                                                                                  \
    "\"query\":{\"type\":\"string\"},\"documents\":{\"type\":\"array\",\"minItems\":1,\"items\":{" \
    "\"oneOf\":[{\"type\":\"string\"},{\"type\":\"object\"}]}},\"model\":{\"type\":\"string\"},"   \
    "\"top_n\":{\"type\":\"integer\",\"minimum\":1},\"return_documents\":{\"type\":\"boolean\"}"
const route rerank_routes[] = {
    {"POST", "/v1/rerank", "how well documents fit a query, as Cohere and Jina have it", DOCUMENTS,
     "query documents", DIALECT_RERANK, false, NULL, read_documents, write_documents},
    {"POST", "/v2/rerank", "the same", DOCUMENTS, "query documents", DIALECT_RERANK, false, NULL,
     read_documents, write_documents},
    {0},
};
