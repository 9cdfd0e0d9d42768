/* sentence-transformers' modules.json: which folder of a directory holds what. */
#ifndef BERT_FILES_LAYOUT_H
#define BERT_FILES_LAYOUT_H
#include "files/pretrained.h"
#include <jansson.h>

/* Whether a path of that file stays in the directory: it comes from elsewhere, and must not send us
 * around the disk. */
bool bert_layout_inside(const char *path);
/* The folder of the module that holds config.json, weights and tokenizer, malloc'ed: "", the
 * checkpoint itself, or what its modules.json calls the path of its Transformer ("0_Transformer" in
 * old ones), if there is a config.json. NULL: out of memory. */
char *bert_layout_folder(const bert_pretrained *p);
/* The class name that a module's type ends with, where it is one of sentence-transformers' own;
 * else NULL. Old names of Transformer are that. */
const char *bert_layout_class(const char *type);
#endif
