/* The hub's cache on disk, as huggingface_hub 2 lays it out:
 * models--org--name/{blobs,snapshots,refs,trees}. */
#ifndef BERT_HUB_CACHE_H
#define BERT_HUB_CACHE_H
#include "hub/environment.h"
#include "hub/listing.h"
#include "hub/names.h"

typedef struct {
    char cache[BERT_PATH];        /* its root */
    char id[BERT_HUB_ID];         /* as it was asked for, or with an organisation in front */
    char commit[BERT_HUB_COMMIT]; /* of the snapshot; "": none is known */
    char repo[BERT_PATH + 256];   /* <cache>/models--org--name */
    char snapshot[BERT_PATH + 350];
} bert_hub_cached;

/* Where a repository lies, whether it is there or not; commit "": of none. */
int bert_hub_cached_at(bert_hub_cached *c, const char *cache, const char *id, const char *commit,
                       bert_error *e);
/* The snapshot of a revision that is in the cache, under that name or, where it has no organisation,
 * under one of those that such names were moved to. False: there is none. */
bool bert_hub_cached_find(bert_hub_cached *c, const char *cache, const char *id,
                          const char *revision);

/* Whether what lies at a path of the cache is a file, or leads to one by links that stay in it: 1, 0
 * where there is nothing, or an error. */
int bert_hub_inside(const char *cache, const char *path, bert_error *e);
/* Every file of the snapshot: one that leads out of the cache is an error. */
int bert_hub_check_links(const bert_hub_cached *c, bert_error *e);
/* The snapshot's files, folders too. */
int bert_hub_snapshot_files(const bert_hub_cached *c, bert_hub_listing *l, bert_error *e);

/* What the commit holds, from trees/<commit>.json. False: it is not known. */
bool bert_hub_tree_read(const bert_hub_cached *c, bert_hub_listing *l);
int bert_hub_tree_write(const char *folder, const char *commit, const bert_hub_listing *l,
                        bert_error *e);

/* The first file that a model needs and the snapshot has not, into `missing`; false: it is whole.
 * Without trees/<commit>.json, as far as names tell. */
bool bert_hub_incomplete(const bert_hub_cached *c, bool without_weights, char *missing,
                         size_t capacity);
#endif
