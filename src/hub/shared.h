/* The blobs that all repositories of a cache share: <cache>/blobs/ab/<hash>, with <hash>.refs, which
 * lists the links to it. huggingface_hub makes them; here they are read, and swept when the last link
 * has gone. */
#ifndef BERT_HUB_SHARED_H
#define BERT_HUB_SHARED_H
#include <bert.h>

/* The hash of the shared blob that a repository's blob links to; false: it is none of these. */
bool bert_shared_blob(const char *blob, char hash[65]);
/* Removes it unless something in the cache still links to it, or that cannot be told. The bytes that
 * it had, or 0. */
int64_t bert_shared_sweep(const char *cache, const char *hash);
#endif
