#include "metrics.h"
#include "operations.h"
#include <string.h>

typedef enum { SECONDS, POWERS } bounds;

static const struct {
    const char *name, *help;
    bounds bounds;
} rows[HISTOGRAM_COUNT] = {
    [TIME_REQUEST] = {"te_request_duration", "seconds from a whole request to its answer", SECONDS},
    [TIME_TOKENIZATION] = {"te_request_tokenization_duration", "seconds to read and tokenize it",
                           SECONDS},
    [TIME_QUEUE] = {"te_request_queue_duration", "seconds until its first text was computed",
                    SECONDS},
    [TIME_INFERENCE] = {"te_request_inference_duration", "seconds from there to its last text",
                        SECONDS},
    [TIME_EMBED] = {"te_embed_duration", "seconds of requests for vectors", SECONDS},
    [TIME_PREDICT] = {"te_predict_duration", "seconds of requests for labels", SECONDS},
    [INPUT_LENGTH] = {"te_request_input_length", "tokens of a text", POWERS},
    [BATCH_SIZE] = {"te_batch_next_size", "texts of a batch", POWERS},
    [BATCH_TOKENS] = {"te_batch_next_tokens", "tokens of a batch", POWERS},
};

static const char *const names[FAULT_NAMES] = {"validation", "batch_size", "tokenization",
                                               "model_type", "overloaded", "inference",
                                               "dropped",    NULL};

enum { POWER_BOUNDS = 20 };

static int bounds_of(histogram_kind k) {
    return rows[k].bounds == SECONDS ? MOST_BOUNDS : POWER_BOUNDS;
}

/* TEI's bounds: 1e-5 times 1.5^k, or powers of 2; each follows from the one before. */
static double first_bound(histogram_kind k) {
    return rows[k].bounds == SECONDS ? 1.5e-5 : 1;
}

static double next_bound(histogram_kind k, double bound) {
    return bound * (rows[k].bounds == SECONDS ? 1.5 : 2);
}

static void observe(metrics *m, histogram_kind k, double value) {
    double bound = first_bound(k);
    int i = 0;
    for (; i < bounds_of(k) && value > bound; i++) bound = next_bound(k, bound);
    m->histograms[k].count[i]++;
    m->histograms[k].sum += value;
}

void metrics_open(metrics *m) {
    *m = (metrics){0};
    pthread_mutex_init(&m->lock, NULL);
}

void metrics_free(metrics *m) {
    pthread_mutex_destroy(&m->lock);
}

static void count_failure(metrics *m, const char *name) {
    for (int i = 0; name && names[i]; i++)
        if (!strcmp(names[i], name)) m->failures[i]++;
}

static void observe_times(metrics *m, const exchange *x) {
    const double whole = now() - x->at[AT_ARRIVED];
    observe(m, TIME_REQUEST, whole);
    observe(m, TIME_TOKENIZATION, x->at[AT_READ] - x->at[AT_ARRIVED]);
    observe(m, TIME_QUEUE, x->at[AT_STARTED] - x->at[AT_READ]);
    observe(m, TIME_INFERENCE, x->at[AT_COMPUTED] - x->at[AT_STARTED]);
    for (int32_t i = 0; i < x->n; i++) observe(m, INPUT_LENGTH, x->items[i].tokens);
    if (x->operation == &op_embed) observe(m, TIME_EMBED, whole);
    if (x->operation == &op_classify) observe(m, TIME_PREDICT, whole);
}

void metrics_request(metrics *m, const exchange *x) {
    const int several = !x->wish.one;
    pthread_mutex_lock(&m->lock);
    m->requests[several]++;
    m->embed[0] += x->operation == &op_embed;
    m->predict[0] += x->operation == &op_classify;
    if (x->fault)
        count_failure(m, fault_metric(x->fault));
    else {
        m->successes[several]++;
        m->embed[1] += x->operation == &op_embed;
        m->predict[1] += x->operation == &op_classify;
        observe_times(m, x);
    }
    pthread_mutex_unlock(&m->lock);
}

void metrics_batch(metrics *m, int32_t texts, int32_t tokens) {
    pthread_mutex_lock(&m->lock);
    observe(m, BATCH_SIZE, texts);
    observe(m, BATCH_TOKENS, tokens);
    pthread_mutex_unlock(&m->lock);
}

void metrics_dropped(metrics *m) {
    pthread_mutex_lock(&m->lock);
    count_failure(m, "dropped");
    pthread_mutex_unlock(&m->lock);
}

static void write_histogram(const metrics *m, histogram_kind k, text *out) {
    const histogram *h = &m->histograms[k];
    int64_t total = 0;
    double bound = first_bound(k);
    text_format(out, "# HELP %s %s\n# TYPE %s histogram\n", rows[k].name, rows[k].help,
                rows[k].name);
    for (int i = 0; i < bounds_of(k); i++, bound = next_bound(k, bound)) {
        total += h->count[i];
        text_format(out, "%s_bucket{le=\"%.9g\"} %lld\n", rows[k].name, bound, (long long)total);
    }
    total += h->count[bounds_of(k)];
    text_format(out, "%s_bucket{le=\"+Inf\"} %lld\n%s_sum %.9g\n%s_count %lld\n", rows[k].name,
                (long long)total, rows[k].name, h->sum, rows[k].name, (long long)total);
}

static void write_counter(text *out, const char *name, const char *help) {
    text_format(out, "# HELP %s %s\n# TYPE %s counter\n", name, help, name);
}

void metrics_write(metrics *m, int32_t queue, text *out) {
    static const char *const methods[] = {"single", "batch"};
    pthread_mutex_lock(&m->lock);
    write_counter(out, "te_request_count", "requests");
    for (int i = 0; i < 2; i++)
        text_format(out, "te_request_count{method=\"%s\"} %lld\n", methods[i],
                    (long long)m->requests[i]);
    write_counter(out, "te_request_success", "requests that were answered");
    for (int i = 0; i < 2; i++)
        text_format(out, "te_request_success{method=\"%s\"} %lld\n", methods[i],
                    (long long)m->successes[i]);
    write_counter(out, "te_request_failure", "requests that were not, by reason");
    for (int i = 0; names[i]; i++)
        text_format(out, "te_request_failure{err=\"%s\"} %lld\n", names[i],
                    (long long)m->failures[i]);
    const int64_t values[] = {m->embed[0], m->embed[1], m->predict[0], m->predict[1]};
    static const char *const counters[] = {"te_embed_count", "te_embed_success", "te_predict_count",
                                           "te_predict_success"};
    for (int i = 0; i < 4; i++) {
        write_counter(out, counters[i], "requests for vectors, or labels");
        text_format(out, "%s %lld\n", counters[i], (long long)values[i]);
    }
    for (int k = 0; k < HISTOGRAM_COUNT; k++) write_histogram(m, (histogram_kind)k, out);
    pthread_mutex_unlock(&m->lock);
    text_put(out, "# HELP te_queue_size texts that wait or are computed\n"
                  "# TYPE te_queue_size gauge\n");
    text_format(out, "te_queue_size %d\n", queue);
}
