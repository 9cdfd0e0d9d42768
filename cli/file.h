/* A file written beside its place and renamed when it is complete. */
#ifndef BERT_CLI_FILE_H
#define BERT_CLI_FILE_H
#include "cli.h"

typedef struct {
    FILE *f;
    char *path, *temporary;
} new_file;
/* Whether two names are of one file; false where one is of none. */
bool same_file(const char *a, const char *b);
/* An error where `path` is what is read (source, or NULL), or is there and no ordinary file. */
int may_write(const char *path, const char *source, bert_error *e);
/* Ctrl-C and its like take the unfinished file away: there is one at a time. */
int new_file_open(new_file *n, const char *path, bert_error *e);
int new_file_put(new_file *n, const void *data, size_t bytes, bert_error *e);
/* At the start of the file again, to fill in a header. */
int new_file_rewind(new_file *n, bert_error *e);
int new_file_commit(new_file *n, bert_error *e); /* frees in every case */
void new_file_abort(new_file *n);
#endif
