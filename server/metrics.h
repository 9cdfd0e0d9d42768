/* What has been served, as Prometheus reads it, under text-embeddings-inference's names. */
#ifndef BERT_SERVER_METRICS_H
#define BERT_SERVER_METRICS_H
#include "exchange.h"
#include <pthread.h>

enum { MOST_BOUNDS = 35 };
typedef struct {
    int64_t count[MOST_BOUNDS + 1]; /* the last one: above all bounds */
    double sum;
} histogram;

typedef enum {
    TIME_REQUEST,
    TIME_TOKENIZATION,
    TIME_QUEUE,
    TIME_INFERENCE,
    TIME_EMBED,
    TIME_PREDICT,
    INPUT_LENGTH,
    BATCH_SIZE,
    BATCH_TOKENS,
    HISTOGRAM_COUNT
} histogram_kind;

enum { FAULT_NAMES = 8 };
typedef struct {
    pthread_mutex_t lock;
    int64_t requests[2], successes[2]; /* single, batch */
    int64_t failures[FAULT_NAMES];
    int64_t embed[2], predict[2]; /* count, success */
    histogram histograms[HISTOGRAM_COUNT];
} metrics;
void metrics_open(metrics *m);
void metrics_free(metrics *m);
/* A request that has its answer. */
void metrics_request(metrics *m, const exchange *x);
void metrics_batch(metrics *m, int32_t texts, int32_t tokens);
/* A client that left before its answer. */
void metrics_dropped(metrics *m);
void metrics_write(metrics *m, int32_t queue, text *out);
#endif
