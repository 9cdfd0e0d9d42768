/* libFuzzer target: any body, for any route and any kind of model, from its bytes to its answer. An answer is
 * JSON, and so is an error, whose status is the client's fault or says what the model has no head for. */
#include "read.h"
#include "routes.h"
#include "state.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const heads[] = {
    "sequence-classification", "token-classification", "masked-lm", "question-answering",
    "multiple-choice",         "next-sentence",        "vit"};
enum { MODELS = sizeof heads / sizeof *heads };
static const char *const types[] = {NULL, "application/json", "image/png",
                                    "multipart/form-data; boundary=ab", "text/plain"};
static char directory[64], paths[MODELS][128];

static void put(const char *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f)) abort();
}

/* Of one layer, with random weights: one of pictures, or one of texts under a head. */
static void make_model(const char *folder, const char *head) {
    bert_error e = {0};
    bert_model_options o = bert_model_default();
    const bool pictures = !strcmp(head, "vit");
    mkdir(folder, 0777);
    put(folder, "config.json",
        pictures ? "{\"model_type\":\"vit\",\"architectures\":[\"ViTForImageClassification\"],"
                   "\"hidden_size\":4,\"num_hidden_layers\":1,\"num_attention_heads\":1,"
                   "\"intermediate_size\":4,\"image_size\":4,\"patch_size\":4,\"num_channels\":1}"
                 : "{\"model_type\":\"bert\",\"vocab_size\":16,\"hidden_size\":4,"
                   "\"num_hidden_layers\":1,\"num_attention_heads\":1,\"intermediate_size\":4,"
                   "\"max_position_embeddings\":16,\"hidden_act\":\"gelu\",\"num_labels\":2}");
    if (pictures)
        put(folder, "preprocessor_config.json",
            "{\"image_processor_type\":\"ViTImageProcessor\",\"size\":4}");
    else {
        put(folder, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\nb\n##b\nc\nd\ne\n");
        put(folder, "config_sentence_transformers.json", "{\"prompts\":{\"query\":\"a: \"}}");
        o.head = head;
    }
    o.from_scratch = true;
    bert_model *m = bert_model_open(folder, &o, &e);
    if (!m || bert_model_save(m, folder, &e)) {
        fprintf(stderr, "fuzz_server: %s\n", e.message);
        abort();
    }
    bert_model_close(m);
}

static void remove_models(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    if (system(command)) perror(directory);
}

static serve_options options;
static server *the_server(void) {
    static server s;
    static const char *names[MODELS];
    bert_error e = {0};
    if (s.models) return &s;
    snprintf(directory, sizeof directory, "/tmp/bert-fuzz-%d", (int)getpid());
    mkdir(directory, 0777);
    atexit(remove_models);
    for (int i = 0; i < MODELS; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s", directory, heads[i]);
        make_model(paths[i], heads[i]);
        names[i] = paths[i];
    }
    options = serve_default();
    options.names = names;
    options.models = MODELS;
    s.options = &options;
    s.threads = bert_threads_new(1, &e);
    s.models = s.threads ? models_open(&options, s.threads, &e) : NULL;
    if (!s.models) {
        fprintf(stderr, "fuzz_server: %s\n", e.message);
        abort();
    }
    return &s;
}

/* A route whose body is read. */
static const route *route_of(unsigned number) {
    int n = 0;
    const route *r;
    for (int i = 0; (r = route_at(i)); i++) n += r->read != NULL;
    int wanted = (int)(number % (unsigned)n);
    for (int i = 0;; i++)
        if (route_at(i)->read && !wanted--) return route_at(i);
}

static void compute(exchange *x) {
    bert_error e = {0};
    item **items = calloc((size_t)x->n, sizeof *items);
    for (int32_t i = 0; items && i < x->n; i++) items[i] = &x->items[i];
    if (!items || x->operation->run(x->model->session, x, items, x->n, &e)) fault_of(x, &e);
    free(items);
}

static void check(exchange *x) {
    if (x->fault) {
        text_free(&x->answer);
        fault_body(x->fault, x->route->dialect, x->message, &x->answer);
        if (fault_status(x->fault) >= 500 || !*x->message) {
            fprintf(stderr, "%s: %d %s\n", x->route->path, fault_status(x->fault), x->message);
            abort();
        }
    }
    json_error_t why;
    json_t *o = x->answer.failed ? NULL
                                 : json_loadb(x->answer.s ? x->answer.s : "", x->answer.n,
                                              JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (!o) {
        fprintf(stderr, "%s: no JSON: %.*s\n", x->route->path, (int)x->answer.n, x->answer.s);
        abort();
    }
    json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { FRONT = 3 }; /* route, type of the body, model in the path */
    if (size < FRONT) return 0;
    server *s = the_server();
    exchange *x = exchange_new(s);
    const clerk c = {s, 0};
    if (!x || !(x->bytes = malloc(size - FRONT + 1))) abort();
    x->route = route_of(data[0]);
    x->models = models_hold(s->models);
    if (data[2] % (MODELS + 1)) x->named = &x->models->list[data[2] % (MODELS + 1) - 1];
    memcpy(x->bytes, data + FRONT, size - FRONT);
    x->bytes[size - FRONT] = 0;
    x->n_bytes = size - FRONT;
    int rc = read_type(x, types[data[1] % (sizeof types / sizeof *types)]);
    if (!rc) rc = x->route->read(x, &c);
    if (!rc && x->operation) rc = read_tokens(x, &c);
    if (!rc && x->operation) compute(x);
    if (!x->fault) x->route->write(x);
    check(x);
    exchange_free(x);
    return 0;
}
