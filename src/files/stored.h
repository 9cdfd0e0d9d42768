/* A tensor as a file stores it, and its numbers. */
#ifndef BERT_FILES_STORED_H
#define BERT_FILES_STORED_H
#include <bert.h>

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
    /* What no model here is made of: known by size, so that it can lie beside what is wanted. */
    BERT_U64,
    BERT_U32,
    BERT_U16,
    BERT_F8_E4M3,
    BERT_F8_E5M2,
    BERT_F8_E8M0,
    BERT_C64,
    /* llama.cpp's, in blocks of several numbers */
    BERT_Q8_0,
    BERT_Q4_0,
    BERT_Q4_1,
    BERT_Q5_0,
    BERT_Q5_1,
    BERT_Q2_K,
    BERT_Q3_K,
    BERT_Q4_K,
    BERT_Q5_K,
    BERT_Q6_K,
    BERT_OTHER,
    BERT_DTYPE_COUNT
} bert_dtype;
const char *bert_dtype_name(bert_dtype d); /* "F32" */
size_t bert_dtype_size(bert_dtype d);      /* of a block of so many numbers */
size_t bert_dtype_block(bert_dtype d);     /* 1 but for llama.cpp's */
bool bert_dtype_has_floats(bert_dtype d);  /* that bert_stored_to_float() reads */
int bert_dtype_of(const char *name);       /* as safetensors calls it; -1: it has none */

typedef struct {
    const char *name;
    bert_dtype dtype;
    int dims;
    int64_t shape[BERT_MAX_DIMS];
    const void *data;       /* in a mapping; may be unaligned */
    size_t bytes;           /* of its elements, each counted once for each place it has */
    const int64_t *strides; /* [dims], in elements; NULL: row after row without gaps */
} bert_stored_tensor;

/* Elements as float32 into out, row after row (F64, F32, F16, BF16). BERT_EUNSUPPORTED for other
 * types. */
int bert_stored_to_float(const bert_stored_tensor *t, float *out, bert_error *e);
/* The bytes of its elements, row after row. */
void bert_stored_copy(const bert_stored_tensor *t, void *out);
/* Whether two tensors of one shape hold the same bits. */
bool bert_stored_equal(const bert_stored_tensor *a, const bert_stored_tensor *b);
#endif
