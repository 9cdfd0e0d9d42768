/* Arrays that grow, and that may outgrow memory: a large one lies in a file without a name in
 * $TMPDIR (/tmp), whose pages the system takes from memory when it needs the room. */
#ifndef BERT_BASE_GROW_H
#define BERT_BASE_GROW_H
#include <bert.h>

/* Makes *(T **)array, NULL or from here, hold count elements of `size` bytes; those it held stay,
 * and it grows by half at least. BERT_ENOMEM, or BERT_EIO where the file has no room: the array is
 * as it was. */
int bert_grow(void *array, size_t count, size_t size, bert_error *e);
void bert_grown_free(void *array); /* the array itself, or NULL */

extern size_t bert_grow_in_memory; /* bytes; larger arrays lie in files */
#endif
