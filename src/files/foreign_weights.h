/* Weights in formats of other programs. */
#ifndef BERT_FILES_FOREIGN_WEIGHTS_H
#define BERT_FILES_FOREIGN_WEIGHTS_H
#include <stdbool.h>
#include <stddef.h>

/* Whether a directory holds weights that this library does not read: their file, what it is and how
 * to have model.safetensors of it, to be said behind "DIRECTORY holds no model.safetensors". */
bool bert_foreign_weights(const char *directory, char *out, size_t capacity);
#endif
