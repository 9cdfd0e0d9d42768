/* Parts of the library in files of their own, libbert-NAME.so: what not everybody needs brings the
 * system's libraries only where it is used. */
#ifndef BERT_BASE_MODULE_H
#define BERT_BASE_MODULE_H
#include <bert.h>

/* The table "bert_module_NAME" of the module, loaded at the first call; it stays for good. Its first
 * member is the BERT_VERSION that it was built for, as `const char *`: another one is refused. Looked
 * for in $BERT_MODULES, or else beside the library (or the program that holds it) and in the folder
 * "bert" of the library folder. NULL: BERT_ENOTFOUND says where it is not. */
const void *bert_module(const char *name, bert_error *e);
#endif
