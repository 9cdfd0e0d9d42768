/* Where files that are fetched go: the hub's cache, or a directory of the user's. */
#ifndef BERT_HUB_PLACE_H
#define BERT_HUB_PLACE_H
#include "hub/cache.h"

typedef struct {
    const bert_hub_cached *cached;
    const char *local; /* NULL: the cache */
} bert_hub_target;

/* Where a file goes before it is linked (in a directory that is made), where it is while it is
 * fetched, and its lock: malloc'ed. */
typedef struct {
    char *final, *partial, *lock;
} bert_hub_paths;
int bert_hub_paths_of(const bert_hub_target *t, const bert_hub_entry *f, bert_hub_paths *p,
                      bert_error *e);
void bert_hub_paths_free(bert_hub_paths *p);

/* Makes what is needed, none of it through links. */
int bert_hub_target_prepare(const bert_hub_target *t, const char *commit, bert_error *e);
/* Whether the file stands there for all to see. */
bool bert_hub_target_has(const bert_hub_target *t, const bert_hub_entry *f);
/* Makes it stand there: a link to its blob, or what local directories note beside it. */
int bert_hub_target_show(const bert_hub_target *t, const bert_hub_entry *f, bert_error *e);
/* refs/<revision> leads to the commit from now on. */
int bert_hub_write_ref(const bert_hub_cached *c, const char *revision, bert_error *e);
/* Bytes that its disk has room for, or -1. */
int64_t bert_hub_target_room(const bert_hub_target *t);
#endif
