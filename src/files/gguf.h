/* GGUF, llama.cpp's file: keys with values, and tensors. */
#ifndef BERT_FILES_GGUF_H
#define BERT_FILES_GGUF_H
#include "base/file.h"
#include "files/stored.h"

typedef enum {
    BERT_GGUF_U8,
    BERT_GGUF_I8,
    BERT_GGUF_U16,
    BERT_GGUF_I16,
    BERT_GGUF_U32,
    BERT_GGUF_I32,
    BERT_GGUF_F32,
    BERT_GGUF_BOOL,
    BERT_GGUF_STRING,
    BERT_GGUF_ARRAY,
    BERT_GGUF_U64,
    BERT_GGUF_I64,
    BERT_GGUF_F64,
    BERT_GGUF_TYPES
} bert_gguf_type;

/* Text in the file, without a NUL behind it. */
typedef struct {
    const char *text;
    size_t n;
} bert_gguf_text;

typedef struct {
    bert_gguf_text key;
    bert_gguf_type type; /* of the elements, of an array */
    bool array;
    uint64_t count;          /* of an array */
    const unsigned char *at; /* of the value, or the first element */
} bert_gguf_value;

typedef struct {
    bert_gguf_text name;
    bert_dtype dtype;
    int dims;
    int64_t shape[4]; /* the rows first, as elsewhere; the file has them last */
    const unsigned char *data;
    size_t bytes;
} bert_gguf_tensor;

typedef struct {
    const char *path; /* for messages */
    bert_gguf_value *values;
    int value_count;
    bert_gguf_tensor *tensors; /* in the order of the file */
    int tensor_count;
} bert_gguf;

/* Reads the header of a mapped file, which must outlive it, as path must. */
int bert_gguf_parse(bert_gguf *g, const bert_mapping *map, const char *path, bert_error *e);
void bert_gguf_free(bert_gguf *g);

const bert_gguf_value *bert_gguf_find(const bert_gguf *g, const char *key);
const bert_gguf_tensor *bert_gguf_tensor_named(const bert_gguf *g, const char *name);
/* Values of any numeric type; false: there is none, or one of another type. */
bool bert_gguf_integer(const bert_gguf *g, const char *key, int64_t *x);
bool bert_gguf_number(const bert_gguf *g, const char *key, double *x);
bool bert_gguf_truth(const bert_gguf *g, const char *key, bool *x);
bool bert_gguf_string(const bert_gguf *g, const char *key, bert_gguf_text *x);
/* The text at *at, an element of an array of strings; *at: the next one. */
bert_gguf_text bert_gguf_next(const unsigned char **at);
/* Element i of an array of integers of 32 bits or fewer. */
int64_t bert_gguf_element(const bert_gguf_value *v, uint64_t i);
bool bert_gguf_is(bert_gguf_text t, const char *text);
#endif
