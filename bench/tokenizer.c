/* Speed of the tokenizer on a text file, line by line:
 *     bench_tokenizer MODEL FILE [SECONDS]
 * MODEL: a directory, tokenizer.json or vocab.txt. Prints megabytes a second (best and median of
 * the rounds) of bert_tokenize_ids and of bert_tokenize in processor time, and of bert_tokenize_batch in
 * the time that passes, on one thread and on all; and the time to open MODEL. */
#include <base/file.h>
#include <bert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 1000 };

static double now_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double now(void) {
    return now_of(CLOCK_PROCESS_CPUTIME_ID);
}

typedef struct {
    bert_tokenization *enc;
    int32_t *ids;
    size_t capacity;
    bert_tokenization_pool *pool;
    bert_text *lines; /* as one batch */
    int32_t n;
    int32_t *counts; /* of a line's tokens */
} bench;

typedef int64_t encode_line(bench *b, const char *line, size_t n);

static int64_t ids_only(bench *b, const char *line, size_t n) {
    return bert_tokenize_ids(b->enc, line, n, b->ids, b->capacity, NULL);
}

static int64_t everything(bench *b, const char *line, size_t n) {
    return bert_tokenize(b->enc, line, n, NULL, 0, NULL, NULL) == 1
               ? bert_tokenization_window(b->enc, 0).n - 2
               : -1;
}

static int64_t all_lines(bench *b, encode_line *encode, const char *text, size_t bytes) {
    int64_t tokens = 0;
    for (const char *p = text, *end = text + bytes; p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        tokens += encode(b, p, (size_t)(stop - p));
        p = stop + 1;
    }
    return tokens;
}

static int count_tokens(void *context, int32_t i, const bert_tokenization *enc, bert_error *e) {
    (void)e;
    ((bench *)context)->counts[i] = bert_tokenization_window(enc, 0).n - 2;
    return 0;
}

static int64_t batch(bench *b) {
    int64_t tokens = 0;
    if (bert_tokenize_batch(b->pool, b->lines, b->n, NULL, count_tokens, b, NULL)) return -1;
    for (int32_t i = 0; i < b->n; i++) tokens += b->counts[i];
    return tokens;
}

static bool split_lines(bench *b, const char *text, size_t bytes) {
    size_t n = 1;
    for (size_t i = 0; i < bytes; i++) n += text[i] == '\n';
    b->lines = calloc(n, sizeof *b->lines);
    b->counts = calloc(n, sizeof *b->counts);
    if (!b->lines || !b->counts) return false;
    for (const char *p = text, *end = text + bytes; p < end; b->n++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        b->lines[b->n] = (bert_text){.text = p, .bytes = (size_t)(stop - p)};
        p = stop + 1;
    }
    return true;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, int64_t tokens, size_t bytes, double *times, int n) {
    qsort(times, (size_t)n, sizeof *times, ascending);
    printf("%-17s %lld tokens, best %.1f MB/s, median %.1f MB/s\n", name, (long long)tokens,
           (double)bytes / times[0] * 1e-6, (double)bytes / times[n / 2] * 1e-6);
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: %s MODEL FILE [SECONDS]\n", argv[0]);
        return 2;
    }
    const double limit = argc > 3 ? atof(argv[3]) : 2;
    static const struct {
        const char *name;
        encode_line *encode;
    } rows[] = {{"ids", ids_only}, {"full", everything}};
    bert_error e = {0};
    char *text = NULL;
    size_t bytes = 0;
    bench b = {0};
    double start = now();
    bert_tokenizer *t = bert_tokenizer_open(argv[1], NULL, &e);
    if (t) {
        printf("open  %.2f ms\n", (now() - start) * 1e3);
        b.enc = bert_tokenization_new(t, &e);
        bert_read_file(argv[2], 0, &text, &bytes, &e);
        b.capacity = bytes + 16;
        b.ids = malloc(b.capacity * sizeof *b.ids);
    }
    if (e.code || !b.ids || !split_lines(&b, text, bytes)) {
        fprintf(stderr, "%s\n", e.message);
        return 1;
    }
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        static double times[MAX_ROUNDS];
        int n = 0;
        int64_t tokens = 0;
        for (start = now(); n < MAX_ROUNDS && (n < 3 || now() - start < limit); n++) {
            double begin = now();
            tokens = all_lines(&b, rows[r].encode, text, bytes);
            times[n] = now() - begin;
        }
        report(rows[r].name, tokens, bytes, times, n);
    }
    for (int threads = 1; threads >= 0; threads--) {
        static double times[MAX_ROUNDS];
        int n = 0;
        int64_t tokens = 0;
        b.pool = bert_tokenization_pool_new(t, threads, &e);
        if (!b.pool) break;
        for (start = now(); n < MAX_ROUNDS && (n < 3 || now() - start < limit); n++) {
            double begin = now_of(CLOCK_MONOTONIC);
            tokens = batch(&b);
            times[n] = now_of(CLOCK_MONOTONIC) - begin;
        }
        report(threads ? "batch, one thread" : "batch, all cores", tokens, bytes, times, n);
        bert_tokenization_pool_free(b.pool);
    }
    free(b.lines);
    free(b.counts);
    free(b.ids);
    free(text);
    bert_tokenization_free(b.enc);
    bert_tokenizer_close(t);
    return 0;
}
