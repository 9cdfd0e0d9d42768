/* Speed of a whole model: bench_model DIRECTORY [BATCH SEQ [THREADS [BATCH_TOKENS]]]. Prints the
 * time to the first result, then the median of repeated forward passes. */
#include <bert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Multiply-adds of the layers, times two; embeddings and pooler are left out. */
static double flops(const bert_config *c, double batch, double seq) {
    double h = c->hidden_size, f = c->intermediate_size;
    return 2 * batch * seq * c->num_hidden_layers * (4 * h * h + 2 * h * f + 2 * seq * h);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: bench_model DIRECTORY [BATCH SEQ [THREADS [BATCH_TOKENS]]]\n");
        return 2;
    }
    const int batch = argc > 3 ? atoi(argv[2]) : 8, seq = argc > 3 ? atoi(argv[3]) : 128;
    bert_error e = {0};
    const double begin = now();
    bert_model *m = bert_model_open(argv[1], NULL, &e);
    const double opened = now();
    bert_session_options o = bert_session_default();
    o.threads = argc > 4 ? atoi(argv[4]) : 0;
    o.batch_tokens = argc > 5 ? atoi(argv[5]) : 0;
    bert_session *s = m ? bert_session_new(m, &o, &e) : NULL;
    int32_t *ids = calloc((size_t)batch * (size_t)seq, sizeof *ids);
    int32_t *start = calloc((size_t)batch + 1, sizeof *start);
    if (!s || !ids || !start || batch < 1 || seq < 1) {
        fprintf(stderr, "bench_model: %s\n", e.message);
        return 1;
    }
    const bert_config *c = bert_model_config(m);
    for (int i = 0; i < batch * seq; i++) ids[i] = (int32_t)((i * 7919L + 13) % c->vocab_size);
    for (int i = 0; i <= batch; i++) start[i] = i * seq;
    const bert_inputs in = {.n = batch, .start = start, .ids = ids};
    enum { REPEATS = 15 };
    double ms[REPEATS];
    for (int i = -2; i < REPEATS; i++) {
        bert_outputs out;
        const double t = now();
        if (bert_session_run(s, &in, 0, &out, &e)) {
            fprintf(stderr, "bench_model: %s\n", e.message);
            return 1;
        }
        if (i == -2) printf("open %.2f ms, first run %.2f ms\n", opened - begin, now() - opened);
        if (i >= 0) ms[i] = now() - t;
    }
    qsort(ms, REPEATS, sizeof *ms, ascending);
    const double median = ms[REPEATS / 2];
    printf("%s %dx%d: %.3f ms (best %.3f), %.0f tokens/s, %.1f GFLOP/s, %.1f MB\n", bert_isa(),
           batch, seq, median, ms[0], batch * seq / median * 1e3,
           flops(c, batch, seq) / median * 1e-6, (double)bert_session_memory(s) / 1e6);
    free(ids);
    free(start);
    bert_session_free(s);
    bert_model_close(m);
    return 0;
}
