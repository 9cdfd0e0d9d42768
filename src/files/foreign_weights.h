/* Weights in formats of other programs. */
#ifndef BERT_FILES_FOREIGN_WEIGHTS_H
#define BERT_FILES_FOREIGN_WEIGHTS_H
#include <stdbool.h>
#include <stddef.h>

/* Whether a directory holds weights that this library does not read: their file, what it is and how
 * to have model.safetensors of it, to be said behind "DIRECTORY holds no model.safetensors". usual:
 * only files that have the name which transformers or peft give them. out NULL: nothing is said. */
bool bert_foreign_weights(const char *directory, bool usual, char *out, size_t capacity);
#endif
