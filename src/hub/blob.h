/* A file that is being fetched: under a name of its own until size and digest are right. */
#ifndef BERT_HUB_BLOB_H
#define BERT_HUB_BLOB_H
#include "hub/listing.h"

typedef struct {
    const bert_hub_entry *file;
    char *partial; /* what is there of it, which the next run goes on from */
    int fd;
    int64_t at, size, written; /* written: by this run; size: -1, not known */
    bert_digest digest;
    bool digesting; /* all that is in the file is in the digest */
} bert_hub_blob;

/* Opens the partial file and takes what is in it. */
int bert_hub_blob_open(bert_hub_blob *b, const bert_hub_entry *file, const char *partial,
                       bert_error *e);
/* As bert_hub_sink's; context: the blob. */
int bert_hub_blob_begin(void *context, int64_t from, int64_t size, bert_error *e);
int bert_hub_blob_put(void *context, const void *data, size_t bytes, bert_error *e);
/* Whether all that is there is what the etag says; BERT_EFORMAT: it is not, and was removed. */
int bert_hub_blob_check(bert_hub_blob *b, bert_error *e);
/* fsync, and rename to its place. */
int bert_hub_blob_commit(bert_hub_blob *b, const char *path, bert_error *e);
/* NULL-safe of members; what was fetched stays for the next run. */
void bert_hub_blob_close(bert_hub_blob *b);

/* SHA-256 of a file of that size, and what git calls its content; false: it cannot be read, or has
 * another size. */
bool bert_hub_digests(const char *path, int64_t size, char sha256[BERT_DIGEST_HEX],
                      char oid[BERT_DIGEST_HEX]);
/* Whether a file that is there holds what the entry says, size and digest. */
bool bert_hub_blob_is(const char *path, const bert_hub_entry *file);
#endif
