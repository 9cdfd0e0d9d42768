/* Many texts, encoded by several threads. */
#include "base/error.h"
#include "base/threads.h"
#include <stdatomic.h>
#include <stdlib.h>

/* What a thread has: its encoder, and in the latest batch the text that failed. */
typedef struct {
    bert_tokenization *tokenization;
    int failed;
    bert_error error;
} lane;

struct bert_tokenization_pool {
    bert_threads *threads;
    lane *lanes; /* [threads] */
};

bert_tokenization_pool *bert_tokenization_pool_new(const bert_tokenizer *t, int threads,
                                                   bert_error *e) {
    BERT_DOOR(e);
    bert_tokenization_pool *pool = calloc(1, sizeof *pool);
    if (!pool) {
        bert_fail_memory(e, sizeof *pool);
        return NULL;
    }
    pool->threads = bert_threads_new(threads, e);
    if (pool->threads) {
        const size_t n = (size_t)bert_threads_count(pool->threads);
        pool->lanes = calloc(n, sizeof *pool->lanes);
        if (!pool->lanes) bert_fail_memory(e, n * sizeof *pool->lanes);
        size_t made = 0;
        while (pool->lanes && made < n &&
               (pool->lanes[made].tokenization = bert_tokenization_new(t, e)))
            made++;
        if (made == n) return pool;
    }
    bert_tokenization_pool_free(pool);
    return NULL;
}

void bert_tokenization_pool_free(bert_tokenization_pool *pool) {
    if (!pool) return;
    for (int i = 0; pool->lanes && i < bert_threads_count(pool->threads); i++)
        bert_tokenization_free(pool->lanes[i].tokenization);
    free(pool->lanes);
    bert_threads_free(pool->threads);
    free(pool);
}

typedef struct {
    lane *lanes;
    const bert_text *texts;
    const bert_tokenize_options *options;
    bert_tokenized_fn *encoded;
    void *context;
    atomic_int failed; /* the first text that is known to have failed, or n */
} batch;

static int encode_one(const batch *b, lane *l, int i, bert_error *e) {
    const bert_text *t = &b->texts[i];
    int rc =
        bert_tokenize(l->tokenization, t->text, t->bytes, t->pair, t->pair_bytes, b->options, e);
    return rc < 0 ? rc : b->encoded(b->context, i, l->tokenization, e);
}

/* A thread's texts come in ascending order, so after an error there is nothing left for it. */
static void encode_texts(void *context, int begin, int end, int thread) {
    batch *b = context;
    lane *l = &b->lanes[thread];
    for (int i = begin; i < end && i < atomic_load(&b->failed); i++) {
        int rc = encode_one(b, l, i, &l->error);
        if (!rc) continue;
        if (!l->error.code) bert_fail(&l->error, rc, "%s", bert_error_name(rc));
        l->failed = i;
        int first = atomic_load(&b->failed);
        while (i < first && !atomic_compare_exchange_weak(&b->failed, &first, i)) continue;
    }
}

int bert_tokenize_batch(bert_tokenization_pool *pool, const bert_text *texts, int32_t n,
                        const bert_tokenize_options *options, bert_tokenized_fn *encoded,
                        void *context, bert_error *e) {
    BERT_DOOR(e);
    enum { GRAIN = 16 };
    if (!pool || n < 0 || (!texts && n) || !encoded)
        return bert_fail(e, BERT_EINVAL, "bert_tokenize_batch: an argument is NULL, or n negative");
    batch b = {.lanes = pool->lanes,
               .texts = texts,
               .options = options,
               .encoded = encoded,
               .context = context};
    atomic_init(&b.failed, n);
    const int lanes = bert_threads_count(pool->threads);
    for (int i = 0; i < lanes; i++) {
        pool->lanes[i].failed = n;
        pool->lanes[i].error = (bert_error){0};
    }
    bert_threads_run(pool->threads, n, GRAIN, encode_texts, &b);
    for (int i = 0; i < lanes; i++) {
        const lane *l = &pool->lanes[i];
        if (l->failed < n && l->failed == b.failed)
            return bert_fail(e, l->error.code, "text %d: %s", l->failed, l->error.message);
    }
    return 0;
}
