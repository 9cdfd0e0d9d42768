/* One process at a time fetches a file. Where the file system has no locks all go on: what counts is
 * the digest at the end. */
#ifndef BERT_HUB_LOCK_H
#define BERT_HUB_LOCK_H
#include <bert.h>

/* Waits, telling why ten times a second. *fd: -1 where there are no locks. */
int bert_hub_lock(const char *path, int *fd,
                  int (*idle)(void *context, const char *why, bert_error *e), void *context,
                  bert_error *e);
void bert_hub_unlock(int fd);
#endif
