/* Working memory of an encoder, shared by encode.c (text to tokens) and windows.c (tokens to
 * windows). */
#ifndef BERT_TEXT_ENCODER_H
#define BERT_TEXT_ENCODER_H
#include "text/normalize.h"
#include "text/tokenizer.h"

/* What a word became, under its bytes padded with zeros: a piece is an id and, in the top eight
 * bits, the byte of the word where it ends. An unused entry is all zero, which is no word. */
enum { BERT_SHORT_PIECES = 3, BERT_LONG_WORD = 32, BERT_LONG_PIECES = 7 };
typedef struct {
    uint64_t key[BERT_SHORT_WORD / 8];
    uint32_t pieces[BERT_SHORT_PIECES], n;
} bert_short_entry;
typedef struct {
    uint64_t key[BERT_LONG_WORD / 8];
    uint32_t pieces[BERT_LONG_PIECES], n;
} bert_long_entry;
enum { BERT_SHORT_BITS = 15, BERT_LONG_BITS = 13, BERT_WAYS = 2 };

/* Tokens of one sequence before truncation. */
typedef struct {
    int32_t *ids, *words;
    bert_span *offsets;
    size_t n, capacity;
    int32_t word; /* number of the next one */
} bert_tokens;

struct bert_encoder {
    const bert_tokenizer *t;
    bert_short_entry (*short_words)[BERT_WAYS];
    bert_long_entry (*long_words)[BERT_WAYS];

    /* the text being read */
    const uint8_t *text, *text_end;
    size_t skew; /* a position is a byte's distance from text less this: bytes that continue a code
                    point, where offsets count code points */
    bool byte_offsets;
    bool full;   /* offsets and word ids are wanted */
    bool failed; /* out of memory */
    bert_tokens *out;
    bert_normalizer_state normalize;

    /* the word being read, normalised */
    uint8_t *word;
    bert_span *places; /* where each byte came from; if full */
    size_t word_bytes, word_capacity;
    size_t word_chars;
    bert_span word_place;
    int word_class; /* of its characters, for BERT_SPLIT_WORDS */

    /* its pieces, when they are not in an entry */
    int32_t *found;
    uint32_t *ends;
    uint64_t *hashes; /* of the beginnings of what is left of the word */

    /* a stretch of normalised text, where added tokens are looked for in it */
    uint8_t *stretch;
    bert_span *stretch_places;
    size_t stretch_bytes, stretch_capacity;

    bert_tokens sequences[2];

    /* windows of the latest bert_encode */
    int32_t *ids, *type_ids, *word_ids, *sequence_ids;
    int32_t (*offsets)[2];
    uint8_t *special;
    size_t window_capacity; /* tokens in the arrays above */
    size_t *starts;         /* [windows + 1] */
    size_t starts_capacity;
    int32_t windows, full_length;
};

/* Reads one text into tokens: ids only, or everything. */
int bert_read_text(bert_encoder *enc, const char *text, size_t bytes, bert_tokens *out, bool full,
                   bert_error *e);
#endif
