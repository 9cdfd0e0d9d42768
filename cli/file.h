/* A file written beside its place and renamed when it is complete. */
#ifndef BERT_CLI_FILE_H
#define BERT_CLI_FILE_H
#include "cli.h"

typedef struct {
    FILE *f;
    char *path, *temporary;
    bool joined; /* it is another process's, which renames it, or removes it where it fails */
} new_file;
/* A file without a name, in $TMPDIR; NULL: errno says why. */
FILE *unnamed_file(void);
int64_t file_bytes(const char *path); /* 0: there is none */
/* Whether two names are of one file; false where one is of none. */
bool same_file(const char *a, const char *b);
/* An error where `path` is what is read (source, or NULL), or is there and no ordinary file. */
int may_write(const char *path, const char *source, bert_error *e);
/* Ctrl-C and its like take the unfinished file away: there is one at a time. */
int new_file_open(new_file *n, const char *path, bert_error *e);
int new_file_put(new_file *n, const void *data, size_t bytes, bert_error *e);
/* The same at a byte of the file, where what was put before may lie. */
int new_file_put_at(new_file *n, int64_t at, const void *data, size_t bytes, bert_error *e);
/* To write into a file that another process has opened, under its temporary name. */
int new_file_join(new_file *n, const char *temporary, bert_error *e);
int new_file_failed(new_file *n, bert_error *e); /* says why, by errno */
int new_file_sync(new_file *n, bert_error *e);   /* what this process has put is on the disk */
int new_file_commit(new_file *n, bert_error *e); /* frees in every case */
void new_file_abort(new_file *n);
#endif
