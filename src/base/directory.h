/* Directories that appear and disappear whole. */
#ifndef BERT_BASE_DIRECTORY_H
#define BERT_BASE_DIRECTORY_H
#include <bert.h>

/* Whether there is a directory (a link to one counts). */
bool bert_directory_exists(const char *path);
/* Puts the finished directory `from` in the place of `to`, which may be there already, durably. */
int bert_directory_commit(const char *from, const char *to, bert_error *e);
/* Removes a directory and what is in it; first it is renamed, so that no half of it is ever seen
 * under its name. A directory that is not there is fine. */
int bert_directory_remove(const char *path, bert_error *e);
/* The name under which a directory is prepared or taken away, beside it: malloc'ed. */
char *bert_directory_aside(const char *path, const char *what);

/* Takes a directory for this run alone: *lock is to be closed, which gives it back, or is -1 where
 * the file system has no locks. BERT_EINVAL while another run has it. */
int bert_directory_lock(const char *path, int *lock, bert_error *e);
/* What a directory is called, malloc'ed: its last name, or org/name where it is one of the hub's
 * cache (models--org--name/snapshots/<commit>). NULL: out of memory. */
char *bert_directory_name(const char *path);

#endif
