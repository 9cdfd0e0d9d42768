/* From a name to a directory. */
#ifndef BERT_HUB_HUB_H
#define BERT_HUB_HUB_H
#include "hub/cache.h"

/* The name in the caches that is nearest to one that is not there; false: none is near. */
bool bert_hub_nearest(const char *name, char *out, size_t capacity);
/* Says behind an error of a directory that lies in the hub's cache what its download lacks, if it
 * lacks something. */
void bert_hub_explain(const char *directory, bert_error *e);
#endif
