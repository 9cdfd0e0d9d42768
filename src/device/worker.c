#include "base/error.h"
#include "device/device.h"
#include <stdlib.h>

int bert_worker_open(bert_worker *w, const bert_device *device, int threads,
                     bert_precision precision, bert_error *e) {
    *w = (bert_worker){.device = device ? device : &bert_device_cpu, .precision = precision};
    w->buffers.memory.memory = &w->device->memory;
    int rc = w->device->check(precision, e);
    if (rc) return rc;
    w->threads = bert_threads_new(threads, e);
    if (!w->threads) return BERT_ENOMEM;
    rc = w->device->open ? w->device->open(w, e) : 0;
    if (rc) bert_threads_free(w->threads);
    return rc;
}

void bert_worker_close(bert_worker *w) {
    if (w->device->close) w->device->close(w);
    bert_threads_free(w->threads);
    bert_arena_free(&w->buffers.memory);
    free(w->buffers.list);
}

size_t bert_worker_memory(const bert_worker *w) {
    return w->buffers.memory.reserved + (size_t)w->buffers.room * sizeof *w->buffers.list +
           bert_threads_memory(w->threads);
}

void bert_worker_reset(bert_worker *w) {
    bert_arena_reset(&w->buffers.memory);
    w->buffers.count = 0;
}

static void *no_memory(bert_worker *w, size_t bytes) {
    bert_fail_memory(w->error, bytes);
    return NULL;
}

/* The smallest that fits, unless it is much too large: a small matrix must not hold the place of a
 * large one. */
static struct bert_buffer *best_of(struct bert_buffers *b, size_t count) {
    struct bert_buffer *best = NULL;
    for (int k = 0; k < b->count; k++) {
        struct bert_buffer *i = &b->list[k];
        if (!i->taken && i->capacity >= count && i->capacity / 2 <= count &&
            (!best || i->capacity < best->capacity))
            best = i;
    }
    return best;
}

float *bert_worker_take(bert_worker *w, size_t count) {
    struct bert_buffers *b = &w->buffers;
    struct bert_buffer *best = best_of(b, count);
    if (best) {
        best->taken = true;
        return best->data;
    }
    const size_t bytes = count * sizeof(float);
    if (b->count == b->room) {
        const int room = b->room ? 2 * b->room : 32;
        struct bert_buffer *list = realloc(b->list, (size_t)room * sizeof *list);
        if (!list) return no_memory(w, (size_t)room * sizeof *list);
        b->list = list;
        b->room = room;
    }
    float *data = bert_arena_alloc(&b->memory, bytes);
    if (!data) return no_memory(w, bytes);
    b->list[b->count++] = (struct bert_buffer){data, count, true};
    return data;
}

void bert_worker_give(bert_worker *w, float *data) {
    for (int i = 0; data && i < w->buffers.count; i++)
        if (w->buffers.list[i].data == data) w->buffers.list[i].taken = false;
}

const float *bert_device_view(const bert_device *d, const float *data, size_t n,
                              bert_arena *copies) {
    if (d->host || !data) return data;
    float *copy = bert_arena_alloc(copies, n * sizeof *copy);
    if (copy) d->read(copy, data, n * sizeof *copy);
    return copy;
}
