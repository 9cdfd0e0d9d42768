/* From a name to a directory. */
#ifndef BERT_HUB_HUB_H
#define BERT_HUB_HUB_H
#include "hub/cache.h"

/* bert_resolve(), and where options are given (not NULL) what is missing is fetched first, weights only
 * if they are wanted. */
int bert_hub_locate(const char *name, const bert_pull_options *options, bool without_weights,
                    char *directory, size_t capacity, bert_error *e);
/* Whether a directory is a snapshot of the hub's cache. */
bool bert_hub_is_snapshot(const char *directory);
/* The name in the caches that is nearest to one that is not there; false: none is near. */
bool bert_hub_nearest(const char *name, char *out, size_t capacity);
/* Says behind an error of a directory that lies in the hub's cache what its download lacks, if it
 * lacks something. */
void bert_hub_explain(const char *directory, bert_error *e);
#endif
