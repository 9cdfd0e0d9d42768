/* OpenAI's routes. */
#include "routes.h"
#include "state.h"
#include <string.h>

static int read_embeddings(exchange *x, const clerk *c) {
    static const char *const formats[] = {"float", "base64", NULL};
    int format = 0;
    (void)c;
    if (read_json(x) || read_model(x, x->body, &op_embed)) return -1;
    if (x->model->pictures)
        return fault(x, FAULT_HEAD, "%s reads pictures; POST them to /embed", x->model->name);
    if (read_choice(x, x->body, "encoding_format", formats, &format)) return -1;
    x->wish.base64 = format == 1;
    return read_embed(x, x->body, read_member(x, x->body, "input"), "input");
}

static void write_embeddings(exchange *x) {
    text *t = &x->answer;
    text_put(t, "{\"object\":\"list\",\"data\":[");
    for (int32_t i = 0; i < x->n; i++) {
        const item *one = &x->items[i];
        text_format(t, "%s{\"object\":\"embedding\",\"index\":%d,\"embedding\":", i ? "," : "",
                    (int)i);
        if (x->wish.base64) {
            text_put(t, "\"");
            text_base64(t, one->values, (size_t)one->count * sizeof *one->values);
            text_put(t, "\"");
        } else
            text_floats(t, one->values, (size_t)one->count);
        text_put(t, "}");
    }
    text_put(t, "],\"model\":");
    text_quoted(t, x->model->name, strlen(x->model->name));
    text_format(t, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}",
                (long long)x->tokens, (long long)x->tokens);
}

static void write_model(const served *m, text *t) {
    text_put(t, "{\"id\":");
    text_quoted(t, m->name, strlen(m->name));
    text_format(t, ",\"object\":\"model\",\"created\":%.0f,\"owned_by\":\"bert\"}", m->created);
}

static void list_models(server *s, exchange *x) {
    (void)s;
    text_put(&x->answer, "{\"object\":\"list\",\"data\":[");
    for (int32_t i = 0; i < x->models->n; i++) {
        if (x->models->list[i].task) continue;
        if (i) text_put(&x->answer, ",");
        write_model(&x->models->list[i], &x->answer);
    }
    text_put(&x->answer, "]}");
}

static void one_model(server *s, exchange *x) {
    (void)s;
    write_model(x->named, &x->answer);
}

#define EMBEDDINGS                                                                                 \
    "\"input\":" INPUT_TYPE ",\"model\":{\"type\":\"string\"},\"encoding_format\":{\"type\":"      \
    "\"string\",\"enum\":[\"float\",\"base64\"]},\"dimensions\":{\"type\":\"integer\","            \
    "\"minimum\":1}"
const route openai_routes[] = {
    {"POST", "/v1/embeddings", "vectors, as OpenAI's clients ask for them", EMBEDDINGS, "input",
     DIALECT_OPENAI, false, NULL, read_embeddings, write_embeddings},
    {"POST", "/embeddings", "the same", EMBEDDINGS, "input", DIALECT_OPENAI, false, NULL,
     read_embeddings, write_embeddings},
    {"GET", "/v1/models", "the models that are served", NULL, NULL, DIALECT_OPENAI, false,
     list_models, NULL, NULL},
    {"GET", "/models", "the same", NULL, NULL, DIALECT_OPENAI, false, list_models, NULL, NULL},
    {"GET", "/v1/models/{model}", "one of them", NULL, NULL, DIALECT_OPENAI, false, one_model, NULL,
     NULL},
    {0},
};
