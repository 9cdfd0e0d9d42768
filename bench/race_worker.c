/* Our engine in the race (bench/race.sh): one process that does what it is told on standard input,
 * as bench/race/worker.py does for the rivals. Each command is a line, and so is each answer:
 *
 *     bench_race_worker MODEL PRECISION THREADS    {"ready":true}
 *     shape BATCH SEQ FILE     ids, int32, or pixels, float32 {"ok":true}
 *     time WARM RUNS           timed forward passes {"seconds":[..]}
 *     save FILE                a run's last_hidden_state, float32 {"seconds":[..]}
 *     embed FILE OUT           a text a line -> mean vectors, float32 {"seconds":[..],"tokens":n}
 *     tokenize FILE ids|all N  passes over the lines {"seconds":[..],"tokens":n}
 *
 * or {"error":".."}. PRECISION "none": the tokenizer alone. */
#include "base/file.h"
#include <bert_train.h> /* bert_column */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    bert_model *model;
    bert_session *session;
    bert_tokenizer *tokenizer; /* of PRECISION "none" */
    int threads;
    int32_t *ids, *start;
    bert_column pixels; /* of models of pictures, in the place of ids; its data are held by ids */
    int32_t batch, seq;
} worker;

typedef struct {
    char *bytes;
    size_t size;
    bert_text *line;
    int32_t n, capacity;
} text_file;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fail(bert_error *e, int code, const char *message) {
    if (!e->code) {
        e->code = code;
        snprintf(e->message, sizeof e->message, "%s", message);
    }
    return code;
}

static int write_floats(const char *path, const float *x, size_t n, bert_error *e) {
    FILE *f = fopen(path, "wb");
    const bool ok = f && fwrite(x, sizeof *x, n, f) == n;
    if ((f && fclose(f)) || !ok) return fail(e, BERT_EIO, "cannot write the result");
    return 0;
}

static void answer(const double *seconds, int n, int64_t tokens) {
    printf("{\"tokens\":%lld,\"seconds\":[", (long long)tokens);
    for (int i = 0; i < n; i++) printf("%s%.9f", i ? "," : "", seconds[i]);
    puts("]}");
}

static int set_shape(worker *w, int batch, int seq, const char *path, bert_error *e) {
    char *bytes = NULL;
    size_t size = 0;
    const bert_config *c = w->model ? bert_model_config(w->model) : NULL;
    const int32_t width = c ? c->num_channels * c->image_height * c->image_width : 0;
    const size_t want = (size_t)batch * (size_t)(width ? width : seq) * sizeof *w->ids;
    if (bert_read_file(path, 0, &bytes, &size, e)) return e->code;
    int32_t *start = calloc((size_t)batch + 1, sizeof *start);
    int32_t *ids = malloc(want);
    if (!start || !ids || size < want) {
        free(bytes), free(start), free(ids);
        return fail(e, BERT_EINVAL, "too few ids, or no memory");
    }
    memcpy(ids, bytes, want);
    free(bytes), free(w->ids), free(w->start);
    for (int i = 0; i <= batch; i++) start[i] = i * seq;
    w->ids = ids;
    w->start = start;
    w->pixels = (bert_column){.name = "pixels",
                              .type = BERT_COLUMN_FLOAT32,
                              .per = BERT_PER_SEQUENCE,
                              .width = width,
                              .count = width ? batch : 0,
                              .data = ids};
    w->batch = batch;
    w->seq = seq;
    puts("{\"ok\":true}");
    return 0;
}

static int forward(worker *w, bert_outputs *out, bert_error *e) {
    if (!w->ids || !w->session) return fail(e, BERT_EINVAL, "no shape yet");
    const bert_inputs in = {.n = w->batch,
                            .start = w->start,
                            .ids = w->pixels.count ? NULL : w->ids,
                            .columns = &w->pixels,
                            .column_count = w->pixels.count > 0};
    return bert_session_run(w->session, &in, 0, out, e);
}

static int time_runs(worker *w, int warm, int runs, bert_error *e) {
    double *seconds = calloc((size_t)runs + 1, sizeof *seconds);
    bert_outputs out;
    int rc = seconds ? 0 : fail(e, BERT_ENOMEM, "out of memory");
    for (int i = -warm; i < runs && !rc; i++) {
        const double t = now();
        rc = forward(w, &out, e);
        if (i >= 0) seconds[i] = now() - t;
    }
    if (!rc) answer(seconds, runs, (int64_t)w->batch * w->seq);
    free(seconds);
    return rc;
}

static int save(worker *w, const char *path, bert_error *e) {
    bert_outputs out;
    const double t = now();
    int rc = forward(w, &out, e);
    const double seconds = now() - t;
    if (!rc)
        rc = write_floats(path, out.last_hidden_state, (size_t)out.tokens * (size_t)out.hidden_size,
                          e);
    if (!rc) answer(&seconds, 1, out.tokens);
    return rc;
}

static int read_lines(text_file *f, const char *path, bert_error *e) {
    if (bert_read_file(path, 0, &f->bytes, &f->size, e)) return e->code;
    for (size_t i = 0; i < f->size; i++) f->capacity += f->bytes[i] == '\n';
    f->line = calloc((size_t)f->capacity + 1, sizeof *f->line);
    if (!f->line) return fail(e, BERT_ENOMEM, "out of memory");
    for (const char *p = f->bytes, *end = p + f->size; p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        f->line[f->n++] = (bert_text){.text = p, .bytes = (size_t)(stop - p)};
        p = stop + 1;
    }
    return 0;
}

static int embed(worker *w, const char *in, const char *out, bert_error *e) {
    text_file f = {0};
    if (!w->session) return fail(e, BERT_EINVAL, "no model");
    int rc = read_lines(&f, in, e);
    bert_text_options o = bert_text_default();
    o.overflow = BERT_OVERFLOW_TRUNCATE;
    o.pooling = BERT_POOLING_MEAN;
    o.normalize = 0;
    const int32_t dim = bert_model_embedding_size(w->model, &o);
    float *vectors = malloc(((size_t)f.n + 1) * (size_t)dim * sizeof *vectors);
    bert_text_info *info = calloc((size_t)f.n + 1, sizeof *info);
    if (!rc && (!vectors || !info)) rc = fail(e, BERT_ENOMEM, "out of memory");
    const double t = now();
    if (!rc) rc = bert_embed(w->session, f.line, f.n, &o, vectors, info, e);
    const double seconds = now() - t;
    int64_t tokens = 0;
    for (int32_t i = 0; i < f.n && info; i++) tokens += info[i].tokens;
    if (!rc) rc = write_floats(out, vectors, (size_t)f.n * (size_t)dim, e);
    if (!rc) answer(&seconds, 1, tokens);
    free(vectors), free(info), free(f.bytes), free(f.line);
    return rc;
}

static int all_of_it(void *context, int32_t i, const bert_tokenization *enc, bert_error *e) {
    (void)e;
    ((int32_t *)context)[i] = bert_tokenization_window(enc, 0).n;
    return 0;
}

/* ids: bert_tokenize_ids, one thread; all: ids, offsets and the rest, on all threads. */
static int tokenize(worker *w, const char *path, bool ids_only, int passes, bert_error *e) {
    const bert_tokenizer *t = w->tokenizer ? w->tokenizer : bert_model_tokenizer(w->model);
    text_file f = {0};
    int rc = read_lines(&f, path, e);
    bert_tokenization *enc = bert_tokenization_new(t, e);
    bert_tokenization_pool *pool = bert_tokenization_pool_new(t, w->threads, e);
    double *seconds = calloc((size_t)passes + 1, sizeof *seconds);
    int32_t *count = calloc((size_t)f.n + 1, sizeof *count);
    int32_t *ids = malloc((f.size + 16) * sizeof *ids);
    if (!rc && (!enc || !pool || !seconds || !count || !ids)) rc = fail(e, BERT_ENOMEM, "memory");
    int64_t tokens = 0;
    for (int k = -1; k < passes && !rc; k++) {
        const double begin = now();
        tokens = 0;
        if (ids_only)
            for (int32_t i = 0; i < f.n; i++)
                tokens +=
                    bert_tokenize_ids(enc, f.line[i].text, f.line[i].bytes, ids, f.size + 16, e);
        else
            rc = bert_tokenize_batch(pool, f.line, f.n, NULL, all_of_it, count, e);
        if (k >= 0) seconds[k] = now() - begin;
        for (int32_t i = 0; i < f.n && !ids_only; i++) tokens += count[i] - 2;
    }
    if (!rc) answer(seconds, passes, tokens);
    free(seconds), free(count), free(ids), free(f.bytes), free(f.line);
    bert_tokenization_pool_free(pool);
    bert_tokenization_free(enc);
    return rc;
}

static int obey(worker *w, char *line, bert_error *e) {
    char path[4096], out[4096], what[8];
    int a, b;
    if (sscanf(line, "shape %d %d %4095s", &a, &b, path) == 3 && a > 0 && b > 0)
        return set_shape(w, a, b, path, e);
    if (sscanf(line, "time %d %d", &a, &b) == 2 && a >= 0 && b > 0) return time_runs(w, a, b, e);
    if (sscanf(line, "save %4095s", path) == 1) return save(w, path, e);
    if (sscanf(line, "embed %4095s %4095s", path, out) == 2) return embed(w, path, out, e);
    if (sscanf(line, "tokenize %4095s %7s %d", path, what, &a) == 3 && a > 0)
        return tokenize(w, path, !strcmp(what, "ids"), a, e);
    return fail(e, BERT_EINVAL, "no such command");
}

static int open_worker(worker *w, char **argv, bert_error *e) {
    w->threads = atoi(argv[3]);
    if (!strcmp(argv[2], "none"))
        return (w->tokenizer = bert_tokenizer_open(argv[1], NULL, e)) ? 0 : e->code;
    bert_session_options o = bert_session_default();
    o.threads = w->threads;
    bert_model_options head = bert_model_default();
    head.head = "none";
    if (bert_precision_parse(argv[2], &o.precision, e)) return e->code;
    w->model = bert_model_open(argv[1], &head, e);
    w->session = w->model ? bert_session_new(w->model, &o, e) : NULL;
    return w->session ? 0 : BERT_EINVAL;
}

static void report(bert_error *e) {
    for (char *p = e->message; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ') *p = '\'';
    printf("{\"error\":\"%s\"}\n", e->message);
    bert_error_clear(e);
}

int main(int argc, char **argv) {
    static worker w;
    static char line[9000];
    bert_error e = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: bench_race_worker MODEL PRECISION THREADS (see bench/race.sh)\n");
        return 2;
    }
    int rc = open_worker(&w, argv, &e);
    if (rc)
        report(&e);
    else
        printf("{\"ready\":true,\"isa\":\"%s\"}\n", bert_isa());
    fflush(stdout);
    while (!rc && fgets(line, sizeof line, stdin)) {
        if (obey(&w, line, &e)) report(&e);
        fflush(stdout);
    }
    free(w.ids), free(w.start);
    bert_session_free(w.session);
    bert_model_close(w.model);
    bert_tokenizer_close(w.tokenizer);
    return rc != 0;
}
