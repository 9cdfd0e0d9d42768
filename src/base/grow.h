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

/* Arrays of a known length in memory that somebody else keeps, which may be read-only: they may grow, out
 * of it, and be freed, which leaves it as it is. at: aligned to 64, with bert_lent_bytes() of room. */
size_t bert_lent_bytes(size_t bytes);
void bert_lend(void *at, const void *data, size_t bytes);
void *bert_lent(void *at); /* the array that was lent there */

/* What large arrays lie in: a new file without a name in $TMPDIR, or a negative error; and the first
 * bytes of one, which the file system then has room for, to be written to. NULL: it has not. */
int bert_nameless_file(bert_error *e);
void *bert_file_room(int fd, size_t bytes, bert_error *e);

extern size_t bert_grow_in_memory; /* bytes; larger arrays lie in files */
#endif
