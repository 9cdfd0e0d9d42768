/* Named tensors of a file, or of the shards of one, whatever its format: a format is a row. */
#ifndef BERT_FILES_TENSORS_H
#define BERT_FILES_TENSORS_H
#include "files/safetensors.h"

/* What a format does with a file of its own. Tensors lie in memory, mapped, until it is closed. */
typedef struct {
    void *(*open)(const char *path, bert_error *e);
    void (*close)(void *file);
    int (*count)(const void *file);
    const bert_stored_tensor *(*at)(const void *file, int i); /* in the order of the file */
    const bert_stored_tensor *(*find)(const void *file, const char *name); /* NULL: none */
    /* Copies what lies at `at`, in a tensor, without touching its pages; false: cannot. NULL: the
     * format never can. */
    bool (*read)(const void *file, const void *at, void *to, size_t bytes);
} bert_tensor_format;
extern const bert_tensor_format bert_safetensors_format;

/* Immutable when open, and shared by threads. */
typedef struct bert_tensors bert_tensors;
bert_tensors *bert_tensors_open(const bert_tensor_format *format, const char *path, bert_error *e);
void bert_tensors_close(bert_tensors *t);             /* NULL-safe */
const char *bert_tensors_path(const bert_tensors *t); /* for messages */
int bert_tensors_count(const bert_tensors *t);
const bert_stored_tensor *bert_tensors_at(const bert_tensors *t, int i);
const bert_stored_tensor *bert_tensors_find(const bert_tensors *t, const char *name);
bool bert_tensors_read(const bert_tensors *t, const void *at, void *to, size_t bytes);
#endif
