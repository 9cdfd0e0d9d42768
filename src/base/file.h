/* Whole files: mapped to read, written so that they appear whole or not at all. */
#ifndef BERT_BASE_FILE_H
#define BERT_BASE_FILE_H
#include <bert.h>

typedef struct {
    const unsigned char *data; /* read-only; NULL for an empty file */
    size_t size;
    int fd; /* where there are data */
} bert_mapping;
/* Maps a regular file; the file may be replaced by rename meanwhile, never rewritten in place. */
int bert_map_file(const char *path, bert_mapping *m, bert_error *e);
void bert_unmap_file(bert_mapping *m);
/* Copies what lies at `at` by a system call, which for pages that nobody has touched yet, and
 * nobody will touch again, costs half of touching them. False: it is not of this mapping, or cannot
 * be read. */
bool bert_mapping_read(const bert_mapping *m, const void *at, void *to, size_t bytes);
/* Gives the whole pages of what lies at `at` back to the system: who reads there again has them read
 * from the file. Nothing happens where it is not of this mapping. */
void bert_mapping_release(const bert_mapping *m, const void *at, size_t bytes);

/* Reads a whole file (or stdin for "-") into malloc'ed memory with a NUL after it. limit: refuse
 * more bytes; 0: none. */
int bert_read_file(const char *path, size_t limit, char **data, size_t *size, bert_error *e);

/* What a file that begins with these bytes is where another one was meant, to be said behind its
 * name: a git-lfs pointer, a web page, nothing at all ..; NULL: nothing of the kind. */
const char *bert_file_instead(const char *data, size_t size);

bool bert_file_exists(const char *path);
/* Whether a file's name ends so (".jsonl"), in either case, with something in front of it. */
bool bert_file_has_suffix(const char *path, const char *suffix);
/* "dir/name" in malloc'ed memory; NULL: out of memory. */
char *bert_path_join(const char *dir, const char *name);
int bert_make_directory(const char *path, bert_error *e); /* with its parents; existing is fine */

/* A file being written under a temporary name in the same directory. */
typedef struct bert_writer bert_writer;
bert_writer *bert_writer_open(const char *path, bert_error *e);
int bert_writer_put(bert_writer *w, const void *data, size_t bytes, bert_error *e);
int bert_writer_printf(bert_writer *w, bert_error *e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* fsync, rename over path (keeping an existing file's mode), fsync of the directory. Frees w in
 * every case; on failure the temporary file is removed and path is as it was. */
int bert_writer_commit(bert_writer *w, bert_error *e);
void bert_writer_abort(bert_writer *w); /* NULL-safe; removes the temporary file */
/* The three above in one. */
int bert_write_file(const char *path, const void *data, size_t bytes, bert_error *e);
#endif
