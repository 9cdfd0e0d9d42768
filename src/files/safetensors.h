/* safetensors: https://huggingface.co/docs/safetensors, strict as the reference reader. */
#ifndef BERT_FILES_SAFETENSORS_H
#define BERT_FILES_SAFETENSORS_H
#include "files/tensors.h"

extern const bert_tensor_format bert_safetensors_format;

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
