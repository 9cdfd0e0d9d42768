/* Writing GGUF: keys with values in memory, then tensors one at a time. */
#ifndef BERT_FILES_GGUF_WRITE_H
#define BERT_FILES_GGUF_WRITE_H
#include "base/file.h"
#include <stdint.h>

/* Types of tensors, by ggml's numbers. */
typedef enum {
    BERT_GGML_F32 = 0,
    BERT_GGML_F16 = 1,
    BERT_GGML_Q8_0 = 8,
    BERT_GGML_BF16 = 30
} bert_ggml_type;
enum { BERT_Q8_BLOCK = 32, BERT_Q8_BYTES = 34 }; /* numbers of a block, and its bytes */

typedef struct {
    char name[64];
    int dims;
    int64_t shape[2]; /* the rows first */
    bert_ggml_type type;
    const void *source; /* of whoever gives its numbers */
} bert_gguf_new;
/* Bytes of a row of so many numbers, and of a whole tensor. */
size_t bert_ggml_bytes(bert_ggml_type type, int64_t n);
size_t bert_gguf_new_bytes(const bert_gguf_new *t);
/* n numbers as a type has them: each rounded to the nearest; n whole blocks. */
void bert_ggml_narrow(bert_ggml_type type, const float *x, size_t n, void *out);

/* Keys so far; begins as zero. Whatever fails is told by bert_gguf_write(). */
typedef struct {
    unsigned char *data;
    size_t used, capacity;
    uint64_t count;
    bool failed; /* out of memory */
} bert_gguf_keys;
void bert_gguf_keys_free(bert_gguf_keys *k);
void bert_gguf_put_string(bert_gguf_keys *k, const char *key, const char *value);
void bert_gguf_put_u32(bert_gguf_keys *k, const char *key, uint32_t value);
void bert_gguf_put_f32(bert_gguf_keys *k, const char *key, float value);
void bert_gguf_put_bool(bert_gguf_keys *k, const char *key, bool value);
void bert_gguf_put_strings(bert_gguf_keys *k, const char *key, const char *const *values, size_t n);
void bert_gguf_put_i32s(bert_gguf_keys *k, const char *key, const int32_t *values, size_t n);
void bert_gguf_put_f32s(bert_gguf_keys *k, const char *key, const float *values, size_t n);
void bert_gguf_put_bytes(bert_gguf_keys *k, const char *key, const void *values, size_t n);

/* Writes the file, atomically. put: the bytes of a tensor. */
int bert_gguf_write(const char *path, const bert_gguf_keys *k, const bert_gguf_new *tensors, int n,
                    int (*put)(void *context, const bert_gguf_new *t, bert_writer *w,
                               bert_error *e),
                    void *context, bert_error *e);
#endif
