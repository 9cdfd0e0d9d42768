/* SHA-1 and SHA-256 (FIPS 180-4), as the hub names contents by them. */
#ifndef BERT_HUB_DIGEST_H
#define BERT_HUB_DIGEST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { BERT_SHA1, BERT_SHA256 } bert_digest_kind;
enum { BERT_DIGEST_HEX = 65 }; /* characters of the longest one, its NUL included */

typedef struct {
    bert_digest_kind kind;
    uint32_t state[8];
    uint64_t bytes;
    unsigned char block[64];
} bert_digest;

void bert_digest_begin(bert_digest *d, bert_digest_kind kind);
void bert_digest_add(bert_digest *d, const void *data, size_t bytes);
/* Lower case; ends d. */
void bert_digest_end(bert_digest *d, char hex[BERT_DIGEST_HEX]);

/* ---- For its own files */

extern const uint32_t bert_sha256_constants[64];
/* With the processor's instructions; false: it, or this build, has none. */
bool bert_sha256_shani(uint32_t state[8], const unsigned char *data, size_t blocks);
#endif
