/* sentence-transformers' modules.json: which folder of a directory holds what. */
#ifndef BERT_FILES_LAYOUT_H
#define BERT_FILES_LAYOUT_H
#include <jansson.h>
#include <stdbool.h>

/* Whether a path of that file stays in the directory: it comes from elsewhere, and must not send us
 * around the disk. */
bool bert_layout_inside(const char *path);
/* The path of the first Transformer, which holds config.json, weights and tokenizer
 * ("0_Transformer" in old ones); "" where none has one of its own. It lives as long as modules,
 * which may be NULL. */
const char *bert_layout_transformer(const json_t *modules);
/* The class name that a module's type ends with, where it is one of sentence-transformers' own,
 * or PyLate's; else NULL. Old names of Transformer are that. */
const char *bert_layout_class(const char *type);
#endif
