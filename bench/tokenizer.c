/* Speed of the tokenizer on a text file, line by line:
 *     bench_tokenizer MODEL FILE [SECONDS]
 * MODEL: a directory, tokenizer.json or vocab.txt. Prints megabytes a second (best and median of
 * the rounds, in processor time: one thread) of bert_encode_ids and of bert_encode, and the time to
 * open MODEL. */
#include <base/file.h>
#include <bert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 1000 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct {
    bert_encoder *enc;
    int32_t *ids;
    size_t capacity;
} bench;

typedef int64_t encode_line(bench *b, const char *line, size_t n);

static int64_t ids_only(bench *b, const char *line, size_t n) {
    return bert_encode_ids(b->enc, line, n, b->ids, b->capacity, NULL);
}

static int64_t everything(bench *b, const char *line, size_t n) {
    return bert_encode(b->enc, line, n, NULL, 0, NULL, NULL) == 1
               ? bert_encoder_window(b->enc, 0).n - 2
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

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
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
        b.enc = bert_encoder_new(t, &e);
        bert_read_file(argv[2], 0, &text, &bytes, &e);
        b.capacity = bytes + 16;
        b.ids = malloc(b.capacity * sizeof *b.ids);
    }
    if (e.code || !b.ids) {
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
        qsort(times, (size_t)n, sizeof *times, ascending);
        printf("%-5s %lld tokens, best %.1f MB/s, median %.1f MB/s\n", rows[r].name,
               (long long)tokens, (double)bytes / times[0] * 1e-6,
               (double)bytes / times[n / 2] * 1e-6);
    }
    free(b.ids);
    free(text);
    bert_encoder_free(b.enc);
    bert_tokenizer_close(t);
    return 0;
}
