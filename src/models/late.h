/* Floats that lie unaligned in their file, as those of PyTorch before 1.6: each has memory of its own, whose
 * pages are filled when they are first looked at. What only passes over them, as packing does, reads the
 * file and leaves that memory untouched. */
#ifndef BERT_MODELS_LATE_H
#define BERT_MODELS_LATE_H
#include "files/tensors.h"
#include <pthread.h>
#include <stdatomic.h>

typedef struct {
    float *value; /* bytes of address space */
    const bert_stored_tensor *from;
    atomic_bool *filled; /* of each of its pages */
} bert_late;

typedef struct {
    bert_late *list;
    int n, capacity;
    pthread_mutex_t lock; /* guards what fills; there where n > 0 */
} bert_lates;

/* NULL: out of memory. Not while others use them. */
const float *bert_late_new(bert_lates *l, const bert_stored_tensor *t, bert_error *e);
/* Whose first number is at `value`; NULL: none of these. */
const bert_stored_tensor *bert_late_find(const bert_lates *l, const float *value);
/* Copies a part of one from the file; false: `at` lies in none of these. */
bool bert_late_read(const bert_lates *l, const float *at, float *to, size_t bytes);
/* The bytes at `at` can be looked at from now on, where they are one's of these. */
void bert_late_fill(bert_lates *l, const float *at, size_t bytes);
void bert_late_free(bert_lates *l); /* not the struct itself */
#endif
