/* What goes wrong, as statuses and dialects say it. */
#include "state.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    int status;
    const char *reason, *tei, *openai, *metric;
} rows[FAULT_COUNT] = {
    [FAULT_NONE] = {200, "OK", "", "", NULL},
    [FAULT_MALFORMED] = {400, "Bad Request", "Validation", "invalid_request_error", "validation"},
    [FAULT_EMPTY] = {400, "Bad Request", "Empty", "invalid_request_error", "validation"},
    [FAULT_KEY] = {401, "Unauthorized", "Validation", "authentication_error", NULL},
    [FAULT_UNKNOWN] = {404, "Not Found", "Validation", "invalid_request_error", NULL},
    [FAULT_MODEL] = {404, "Not Found", "Validation", "invalid_request_error", "model_type"},
    [FAULT_METHOD] = {405, "Method Not Allowed", "Validation", "invalid_request_error", NULL},
    [FAULT_LATE] = {408, "Request Timeout", "Validation", "invalid_request_error", NULL},
    [FAULT_LARGE] = {413, "Content Too Large", "Validation", "invalid_request_error", "batch_size"},
    [FAULT_MEDIA] = {415, "Unsupported Media Type", "Validation", "invalid_request_error",
                     "validation"},
    [FAULT_INVALID] = {422, "Unprocessable Content", "Validation", "invalid_request_error",
                       "validation"},
    [FAULT_BATCH] = {422, "Unprocessable Content", "Validation", "invalid_request_error",
                     "batch_size"},
    [FAULT_TOKENS] = {422, "Unprocessable Content", "Tokenizer", "invalid_request_error",
                      "tokenization"},
    [FAULT_HEAD] = {424, "Failed Dependency", "Backend", "invalid_request_error", "model_type"},
    [FAULT_FULL] = {429, "Too Many Requests", "Overloaded", "rate_limit_error", "overloaded"},
    [FAULT_LONG_HEAD] = {431, "Request Header Fields Too Large", "Validation",
                         "invalid_request_error", NULL},
    [FAULT_BACKEND] = {500, "Internal Server Error", "Backend", "server_error", "inference"},
    [FAULT_NO_METHOD] = {501, "Not Implemented", "Validation", "invalid_request_error", NULL},
    [FAULT_STOPPING] = {503, "Service Unavailable", "Unhealthy", "server_error", "overloaded"},
};

int fault_status(fault_kind kind) {
    return rows[kind].status;
}

const char *fault_reason(fault_kind kind) {
    return rows[kind].reason;
}

const char *fault_metric(fault_kind kind) {
    return rows[kind].metric;
}

void fault_body(fault_kind kind, dialect d, const char *message, text *out) {
    const size_t n = strlen(message);
    switch (d) {
    case DIALECT_OPENAI:
        text_put(out, "{\"error\":{\"message\":");
        text_quoted(out, message, n);
        text_format(out, ",\"type\":\"%s\",\"param\":null,\"code\":%s}}", rows[kind].openai,
                    kind == FAULT_MODEL ? "\"model_not_found\""
                    : kind == FAULT_KEY ? "\"invalid_api_key\""
                                        : "null");
        return;
    case DIALECT_RERANK:
        text_put(out, "{\"message\":");
        text_quoted(out, message, n);
        text_put(out, ",\"detail\":");
        text_quoted(out, message, n);
        text_put(out, "}");
        return;
    default:
        text_put(out, "{\"error\":");
        text_quoted(out, message, n);
        text_format(out, ",\"error_type\":\"%s\"}", rows[kind].tei);
    }
}

int fault(exchange *x, fault_kind kind, const char *format, ...) {
    if (x->fault) return -1;
    x->fault = kind;
    va_list args;
    va_start(args, format);
    vsnprintf(x->message, sizeof x->message, format, args);
    va_end(args);
    return -1;
}

int fault_memory(exchange *x) {
    return fault(x, FAULT_BACKEND, "out of memory");
}

int fault_of(exchange *x, const bert_error *e) {
    switch (e->code) {
    case BERT_EUNSUPPORTED:
        return fault(x, FAULT_HEAD, "%s", e->message);
    case BERT_ETOOLONG:
        return fault(x, FAULT_TOKENS, "%s", e->message);
    case BERT_EINVAL:
    case BERT_EFORMAT:
        return fault(x, FAULT_INVALID, "%s", e->message);
    default:
        return fault(x, FAULT_BACKEND, "%s", e->message);
    }
}

/* ---- Exchanges */

exchange *exchange_new(server *s) {
    exchange *x = calloc(1, sizeof *x);
    if (x) {
        x->server = s;
        x->fd = -1;
    }
    return x;
}

static void item_free(item *i) {
    free(i->text);
    free(i->pair);
    free(i->ids);
    free(i->values);
    free(i->words);
    bert_image_free(i->image);
    json_decref(i->json);
}

void exchange_forget_body(exchange *x) {
    free(x->bytes);
    x->bytes = NULL;
    json_decref(x->body);
    x->body = NULL;
}

void exchange_free(exchange *x) {
    if (!x) return;
    answers_let_go(x->server, x->reserved);
    for (int32_t i = 0; x->items && i < x->n; i++) item_free(&x->items[i]);
    free(x->items);
    free(x->key);
    free(x->wish.query);
    free(x->wish.labels);
    exchange_forget_body(x);
    json_decref(x->kept);
    text_free(&x->answer);
    models_let_go(x->models);
    free(x);
}

int exchange_items(exchange *x, int32_t n) {
    x->items = calloc((size_t)n, sizeof *x->items);
    if (!x->items) return fault_memory(x);
    x->n = x->left = n;
    return 0;
}

double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
