#include "files/gguf_write.h"
#include "base/error.h"
#include "files/narrow.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 3, ALIGNMENT = 32 };
enum { U8 = 0, U32 = 4, I32 = 5, F32 = 6, TRUTH = 7, STRING = 8, ARRAY = 9 }; /* types of values */

/* ---- Numbers of tensors */

size_t bert_ggml_bytes(bert_ggml_type type, int64_t n) {
    const size_t count = (size_t)n;
    return type == BERT_GGML_F32    ? 4 * count
           : type == BERT_GGML_Q8_0 ? count / BERT_Q8_BLOCK * BERT_Q8_BYTES
                                    : 2 * count;
}

size_t bert_gguf_new_bytes(const bert_gguf_new *t) {
    return bert_ggml_bytes(t->type, t->shape[0] * (t->dims == 2 ? t->shape[1] : 1));
}

/* A scale, and 32 numbers as so many of it. */
static void narrow_block(const float *x, unsigned char *out) {
    float most = 0;
    for (int i = 0; i < BERT_Q8_BLOCK; i++) most = fmaxf(most, fabsf(x[i]));
    const float scale = most / 127, inverse = scale != 0 ? 1 / scale : 0;
    const uint16_t half = bert_to_half(scale);
    memcpy(out, &half, sizeof half);
    for (int i = 0; i < BERT_Q8_BLOCK; i++)
        out[2 + i] = (unsigned char)(int8_t)roundf(x[i] * inverse);
}

void bert_ggml_narrow(bert_ggml_type type, const float *x, size_t n, void *out) {
    if (type == BERT_GGML_F32) bert_narrow(BERT_F32, x, n, out);
    if (type == BERT_GGML_F16) bert_narrow(BERT_F16, x, n, out);
    if (type == BERT_GGML_BF16) bert_narrow(BERT_BF16, x, n, out);
    for (size_t i = 0; type == BERT_GGML_Q8_0 && i < n / BERT_Q8_BLOCK; i++)
        narrow_block(x + i * BERT_Q8_BLOCK, (unsigned char *)out + i * BERT_Q8_BYTES);
}

/* ---- Keys */

void bert_gguf_keys_free(bert_gguf_keys *k) {
    free(k->data);
    *k = (bert_gguf_keys){0};
}

static void put(bert_gguf_keys *k, const void *data, size_t n) {
    if (!k->failed && k->capacity - k->used < n) {
        const size_t capacity = 2 * k->capacity + n + 4096;
        unsigned char *larger = realloc(k->data, capacity);
        k->failed = !larger;
        if (larger) k->data = larger, k->capacity = capacity;
    }
    if (k->failed || !n) return;
    memcpy(k->data + k->used, data, n);
    k->used += n;
}

static void put_number(bert_gguf_keys *k, uint64_t x, int bytes) {
    unsigned char out[8];
    for (int i = 0; i < bytes; i++) out[i] = (unsigned char)(x >> 8 * i);
    put(k, out, (size_t)bytes);
}

static void put_text(bert_gguf_keys *k, const char *text) {
    put_number(k, strlen(text), 8);
    put(k, text, strlen(text));
}

static void put_key(bert_gguf_keys *k, const char *key, int type) {
    put_text(k, key);
    put_number(k, (uint64_t)type, 4);
    k->count++;
}

void bert_gguf_put_string(bert_gguf_keys *k, const char *key, const char *value) {
    put_key(k, key, STRING);
    put_text(k, value);
}

void bert_gguf_put_u32(bert_gguf_keys *k, const char *key, uint32_t value) {
    put_key(k, key, U32);
    put_number(k, value, 4);
}

void bert_gguf_put_f32(bert_gguf_keys *k, const char *key, float value) {
    put_key(k, key, F32);
    put(k, &value, sizeof value);
}

void bert_gguf_put_bool(bert_gguf_keys *k, const char *key, bool value) {
    put_key(k, key, TRUTH);
    put_number(k, value, 1);
}

static void put_array(bert_gguf_keys *k, const char *key, int type, size_t n) {
    put_key(k, key, ARRAY);
    put_number(k, (uint64_t)type, 4);
    put_number(k, n, 8);
}

void bert_gguf_put_strings(bert_gguf_keys *k, const char *key, const char *const *values,
                           size_t n) {
    put_array(k, key, STRING, n);
    for (size_t i = 0; i < n; i++) put_text(k, values[i]);
}

void bert_gguf_put_i32s(bert_gguf_keys *k, const char *key, const int32_t *values, size_t n) {
    put_array(k, key, I32, n);
    for (size_t i = 0; i < n; i++) put_number(k, (uint32_t)values[i], 4);
}

void bert_gguf_put_f32s(bert_gguf_keys *k, const char *key, const float *values, size_t n) {
    put_array(k, key, F32, n);
    put(k, values, n * sizeof *values);
}

void bert_gguf_put_bytes(bert_gguf_keys *k, const char *key, const void *values, size_t n) {
    put_array(k, key, U8, n);
    put(k, values, n);
}

/* ---- The file */

static size_t aligned(size_t n) {
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static int pad(bert_writer *w, size_t used, bert_error *e) {
    static const char zero[ALIGNMENT];
    return bert_writer_put(w, zero, aligned(used) - used, e);
}

/* What comes before the data. */
static void put_header(bert_gguf_keys *h, const bert_gguf_keys *k, const bert_gguf_new *tensors,
                       int n) {
    uint64_t at = 0;
    put(h, "GGUF", 4);
    put_number(h, VERSION, 4);
    put_number(h, (uint64_t)n, 8);
    put_number(h, k->count, 8);
    put(h, k->data, k->used);
    for (int i = 0; i < n; i++) {
        const bert_gguf_new *t = &tensors[i];
        put_text(h, t->name);
        put_number(h, (uint64_t)t->dims, 4);
        for (int d = t->dims; d; d--) put_number(h, (uint64_t)t->shape[d - 1], 8);
        put_number(h, (uint64_t)t->type, 4);
        put_number(h, at, 8);
        at += aligned(bert_gguf_new_bytes(t));
    }
}

int bert_gguf_write(const char *path, const bert_gguf_keys *k, const bert_gguf_new *tensors, int n,
                    int (*put_tensor)(void *context, const bert_gguf_new *t, bert_writer *w,
                                      bert_error *e),
                    void *context, bert_error *e) {
    bert_gguf_keys header = {0};
    put_header(&header, k, tensors, n);
    bert_writer *w = NULL;
    int rc = k->failed || header.failed ? bert_fail_memory(e, k->used) : 0;
    if (!rc && !(w = bert_writer_open(path, e))) rc = e->code;
    if (!rc) rc = bert_writer_put(w, header.data, header.used, e);
    if (!rc) rc = pad(w, header.used, e);
    for (int i = 0; i < n && !rc; i++) {
        rc = put_tensor(context, &tensors[i], w, e);
        if (!rc) rc = pad(w, bert_gguf_new_bytes(&tensors[i]), e);
    }
    bert_gguf_keys_free(&header);
    if (!rc) return bert_writer_commit(w, e);
    bert_writer_abort(w);
    return rc;
}
