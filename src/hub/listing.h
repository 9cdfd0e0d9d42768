/* Files of one commit of a repository, and which of them a model needs. */
#ifndef BERT_HUB_LISTING_H
#define BERT_HUB_LISTING_H
#include "hub/digest.h"
#include <bert.h>

enum { BERT_HUB_ETAG = 130 };

typedef struct {
    char *path;               /* bert_hub_is_path() */
    int64_t size;             /* -1: not known */
    char etag[BERT_HUB_ETAG]; /* its content's name: what the blob is called; "": not known */
    char oid[BERT_DIGEST_HEX], xet[BERT_DIGEST_HEX];
    bool wanted;
} bert_hub_entry;

typedef struct {
    bert_hub_entry *list;
    int n, capacity;
} bert_hub_listing;

void bert_hub_listing_free(bert_hub_listing *l);
/* A new entry, whose other members are zeros; a path that bert_hub_is_path() does not take is left
 * out (*entry NULL), as nothing would ever fetch it. */
int bert_hub_listing_add(bert_hub_listing *l, const char *path, int64_t size,
                         bert_hub_entry **entry, bert_error *e);
bert_hub_entry *bert_hub_listing_find(const bert_hub_listing *l, const char *path);

/* Marks what is wanted: configuration and tokenizer of the folder "" and of each that modules.json
 * (its text, or NULL) names, and one form of weights of each, unless they are not wanted. */
int bert_hub_plan(bert_hub_listing *l, const char *modules, bool without_weights, bert_error *e);
/* What a planned listing has not, though a model needs it ("model.safetensors"); NULL: nothing. */
const char *bert_hub_lacks(const bert_hub_listing *l, bool without_weights);
/* Whether some tokenizer, or what makes pictures ready, is wanted. */
bool bert_hub_has_tokenizer(const bert_hub_listing *l);
#endif
