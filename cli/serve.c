/* bert serve: models behind HTTP. */
#include "commands.h"
#include "pulling.h"
#include "server/server.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
    const char *host, *uds, *key_file;
    int32_t port, max_queue, max_input_texts, max_connections;
    int32_t max_body;
    const char *auto_truncate;
    bool cors, log_json;
} arguments;

static int set_port(const option *o, void *target, const char *value, bert_error *e) {
    int32_t port;
    const int rc = set_count(o, &port, value, e);
    if (rc) return rc;
    if (port > 65535) return fail_usage(e, "--port %s: ports are 0 to 65535", value);
    *(int32_t *)target = port + 1; /* 0: not given */
    return 0;
}

static const option options[] = {
    {"host", 0, "ADDRESS", "where it listens (127.0.0.1; 0.0.0.0: on all addresses)", set_string,
     offsetof(arguments, host), 0},
    {"port", 0, "N", "(8080; 0: any that is free)", set_port, offsetof(arguments, port), 0},
    {"uds", 0, "PATH", "a Unix socket instead", set_string, offsetof(arguments, uds), 0},
    {"api-key-file", 0, "FILE",
     "requests carry the key that it holds, as a Bearer token (also BERT_API_KEY)", set_string,
     offsetof(arguments, key_file), 0},
    {"cors", 0, NULL, "pages of other origins may ask", set_true, offsetof(arguments, cors), 0},
    {"max-queue", 0, "N", "texts that wait; more are refused with 429 (512)", set_positive,
     offsetof(arguments, max_queue), 0},
    {"max-input-texts", 0, "N", "texts of a request (32)", set_positive,
     offsetof(arguments, max_input_texts), 0},
    {"max-body", 0, "BYTES", "of a request (2000000)", set_positive, offsetof(arguments, max_body),
     0},
    {"max-connections", 0, "N", "beyond them only probes are answered (1000)", set_positive,
     offsetof(arguments, max_connections), 0},
    {"auto-truncate", 0, "true|false", "long texts are cut where a request does not say (true)",
     set_string, offsetof(arguments, auto_truncate), 0},
    {"log-json", 0, NULL, "a line of JSON of each request", set_true, offsetof(arguments, log_json),
     0},
    {0},
};

/* The first line of a file, or BERT_API_KEY; "" where there is none. */
static int read_key(const char *path, char *key, size_t capacity, bert_error *e) {
    const char *given = getenv("BERT_API_KEY");
    *key = 0;
    if (!path) {
        if (given && strlen(given) >= capacity)
            return fail(e, BERT_EINVAL, "BERT_API_KEY is longer than %zu bytes", capacity - 1);
        if (given) strcpy(key, given);
        return 0;
    }
    FILE *f = fopen(path, "r");
    if (!f) return fail(e, BERT_EIO, "--api-key-file %s cannot be read", path);
    const bool read = fgets(key, (int)capacity, f) != NULL;
    fclose(f);
    key[strcspn(key, "\r\n")] = 0;
    if (read && *key) return 0;
    return fail(e, BERT_EINVAL, "--api-key-file %s holds no key in its first line", path);
}

static int fill_in(const arguments *a, serve_options *o, bert_error *e) {
    const char *cut = a->auto_truncate;
    o->host = a->host;
    o->uds = a->uds;
    if (a->port) o->port = a->port - 1;
    if (a->uds && (a->host || a->port))
        return fail_usage(e, "--uds stands instead of --host and --port");
    if (cut && strcmp(cut, "true") && strcmp(cut, "false"))
        return fail_usage(e, "--auto-truncate is true or false");
    o->auto_truncate = !cut || !strcmp(cut, "true");
    o->threads = a->common.threads;
    o->precision = a->common.precision;
    if (a->common.batch_tokens) o->batch_tokens = a->common.batch_tokens;
    if (a->max_queue) o->max_queue = a->max_queue;
    if (a->max_input_texts) o->max_input_texts = a->max_input_texts;
    if (a->max_body) o->max_body = a->max_body;
    if (a->max_connections) o->max_connections = a->max_connections;
    if (o->max_bodies < 4 * o->max_body) o->max_bodies = 4 * o->max_body;
    o->cors = a->cors;
    o->log_json = a->log_json;
    o->quiet = a->common.quiet;
    o->pull = pulling(&a->common);
    return 0;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    const arguments *a = args;
    serve_options o = serve_default();
    char key[1000];
    int rc = fill_in(a, &o, e);
    if (rc) return rc;
    rc = read_key(a->key_file, key, sizeof key, e);
    if (rc) return rc;
    o.api_key = *key ? key : NULL;
    o.names = (const char *const *)operand;
    o.models = operands;
    rc = serve(&o, e);
    pulling_done();
    return rc;
}

const command serve_command = {
    .name = "serve",
    .operands = "MODEL..",
    .help = "models behind HTTP",
    .more =
        "Speaks what clients of text-embeddings-inference, OpenAI's embeddings, Cohere's and "
        "Jina's\n"
        "rerank and Hugging Face's InferenceClient speak; GET / is a page to try it, "
        "/openapi.json\n"
        "lists all routes, /health and /metrics are for machines. The first line of its output is\n"
        "\"listening on http://HOST:PORT\", when the models are ready; a line of each request goes "
        "to\n"
        "standard error. SIGTERM ends it when what was accepted is answered, SIGHUP loads the "
        "models\n"
        "anew.",
    .min_operands = 1,
    .max_operands = -1,
    .groups = TAKES_MODEL | TAKES_SESSION | TAKES_QUIET,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
