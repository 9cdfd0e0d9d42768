/* What llama.cpp calls a model's tensors, and transformers' families do. */
#ifndef BERT_FILES_GGUF_NAMES_H
#define BERT_FILES_GGUF_NAMES_H
#include "files/gguf_bert.h"

/* The family's name of a part of llama.cpp's, "%ld" in the layer's place; layer -1: of none. Without
 * ".weight" or ".bias". NULL: the family has no such part. */
const char *bert_gguf_original(bert_gguf_family family, long layer, const char *part);
/* llama.cpp's name of the first n bytes of a family's name, without its prefix; false: none. */
bool bert_gguf_name(bert_gguf_family family, const char *name, size_t n, char out[64]);
#endif
