/* A checkpoint as from_pretrained takes one: where configuration, tensors and tokenizer come from.
 * What is in it is asked for by the names that files have in a directory ("config.json",
 * "tokenizer.json", "1_Pooling/config.json"), whether it is a directory or not: a kind of place is
 * a row, and makes up what it holds under another form. */
#ifndef BERT_FILES_PRETRAINED_H
#define BERT_FILES_PRETRAINED_H
#include "files/pretrained_kind.h"
#include <jansson.h>

/* Makes a kind known; asked after those that are here already. It must stay valid. */
int bert_pretrained_register(const bert_pretrained_kind *kind, bert_error *e);
/* Whether some kind takes what is at this path. */
bool bert_pretrained_recognises(const char *path);

typedef struct bert_pretrained bert_pretrained;
/* path: as bert_resolve() gives it. */
bert_pretrained *bert_pretrained_open(const char *path, bert_error *e);
/* As a directory ("": this one), which need not exist. */
bert_pretrained *bert_pretrained_directory(const char *path, bert_error *e);
void bert_pretrained_close(bert_pretrained *p); /* NULL-safe */
const char *bert_pretrained_path(const bert_pretrained *p);

/* The folder in it that holds config.json, weights and tokenizer: "", or what modules.json says. */
const char *bert_pretrained_folder(const bert_pretrained *p);
/* "path/part" for messages, and the path alone for "", malloc'ed; NULL: out of memory. */
char *bert_pretrained_where(const bert_pretrained *p, const char *part);

bool bert_pretrained_has(const bert_pretrained *p, const char *part);
int bert_pretrained_read(const bert_pretrained *p, const char *part, size_t limit, char **text,
                         size_t *bytes, bert_error *e);
/* NULL without an error where the part is not there. */
json_t *bert_pretrained_json(const bert_pretrained *p, const char *part, bert_error *e);
/* NULL without an error where there are none: bert_pretrained_lacks() says so. */
bert_tensors *bert_pretrained_tensors(const bert_pretrained *p, const char *folder, bert_error *e);
int bert_pretrained_lacks(const bert_pretrained *p, const char *folder, bool config, bert_error *e);

/* Writes a part as a file; one that is not there is left out. */
int bert_pretrained_copy(const bert_pretrained *p, const char *part, const char *file,
                         bert_error *e);
/* The parts of a folder, into a directory. */
int bert_pretrained_copy_folder(const bert_pretrained *p, const char *folder, const char *directory,
                                bert_error *e);
#endif
