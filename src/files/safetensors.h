/* safetensors: https://huggingface.co/docs/safetensors, strict as the reference reader. */
#ifndef BERT_FILES_SAFETENSORS_H
#define BERT_FILES_SAFETENSORS_H
#include "base/file.h"

#define BERT_MAX_DIMS 8
typedef enum {
    BERT_F64,
    BERT_F32,
    BERT_F16,
    BERT_BF16,
    BERT_I64,
    BERT_I32,
    BERT_I16,
    BERT_I8,
    BERT_U8,
    BERT_BOOL,
    BERT_DTYPE_COUNT
} bert_dtype;
const char *bert_dtype_name(bert_dtype d); /* "F32" */
size_t bert_dtype_size(bert_dtype d);

typedef struct {
    const char *name;
    bert_dtype dtype;
    int dims;
    int64_t shape[BERT_MAX_DIMS];
    const void *data; /* in the mapping; may be unaligned */
    size_t bytes;
} bert_stored_tensor;

/* A mapped file, or all shards named by an index file. Immutable and shared. */
typedef struct bert_safetensors bert_safetensors;
bert_safetensors *
bert_safetensors_open(const char *path,
                      bert_error *e); /* *.safetensors or *.safetensors.index.json */
void bert_safetensors_close(bert_safetensors *s);
int bert_safetensors_count(const bert_safetensors *s);
const bert_stored_tensor *bert_safetensors_at(const bert_safetensors *s, int i); /* in file order */
const bert_stored_tensor *bert_safetensors_find(const bert_safetensors *s, const char *name);
const char *bert_safetensors_metadata(const bert_safetensors *s,
                                      const char *key); /* NULL if absent */
/* bert_mapping_read for data of any of the tensors. */
bool bert_safetensors_read(const bert_safetensors *s, const void *at, void *to, size_t bytes);
/* Elements as float32 into out (F64, F32, F16, BF16). BERT_EUNSUPPORTED for other types. */
int bert_stored_to_float(const bert_stored_tensor *t, float *out, bert_error *e);

/* What is written: tensors in this order, whose bytes `put` writes (NULL: they lie at data). */
typedef struct {
    const bert_stored_tensor *tensors;
    int n;
    const char *const *metadata; /* pairs of strings ended by NULL; or NULL */
    size_t align;                /* of the data in the file, a power of two; 0: 8 */
    int (*put)(void *context, const bert_stored_tensor *t, bert_writer *w, bert_error *e);
    void *context;
} bert_safetensors_content;
/* Writes a file, atomically. */
int bert_safetensors_write(const char *path, const bert_safetensors_content *c, bert_error *e);
/* The same of tensors that lie in memory. */
int bert_safetensors_save(const char *path, const bert_stored_tensor *tensors, int n,
                          const char *const *metadata, bert_error *e);
#endif
