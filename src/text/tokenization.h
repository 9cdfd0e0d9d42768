/* Working memory of an encoder (encoder.c), shared by encode.c (text to tokens) and windows.c
 * (tokens to windows). */
#ifndef BERT_TEXT_TOKENIZATION_H
#define BERT_TEXT_TOKENIZATION_H
#include "text/bpe.h"
#include "text/steps.h"
#include "text/tokenizer.h"
#include "text/unigram.h"
#include "text/word_store.h"

/* What a normalised word of BERT's became, under its bytes padded with zeros: a piece is an id and, in the top eight
 * bits, the byte of the word where it ends; chars: the code point where it ends. An unused entry is
 * all zero, which is no word. */
enum { BERT_SHORT_PIECES = 3, BERT_LONG_PIECES = 6 };
typedef struct {
    uint64_t key[BERT_SHORT_WORD / 8];
    uint32_t pieces[BERT_SHORT_PIECES];
    uint8_t n; /* of pieces, and flags */
    uint8_t chars[BERT_SHORT_PIECES];
} bert_short_entry;
typedef struct {
    uint64_t key[BERT_LONG_WORD / 8];
    uint32_t pieces[BERT_LONG_PIECES];
    uint8_t n, chars[BERT_LONG_PIECES];
} bert_long_entry;
/* A word has two buckets, either of which may have it: nearly all of a full table is used. */
enum { BERT_SHORT_BITS = 16, BERT_LONG_BITS = 14, BERT_WAYS = 2 };
enum {
    BERT_MET_AGAIN = 0x80, /* since others last looked for room here */
    BERT_PIECES = 0x7f
};

/* A run: letters and digits of ASCII and all that is not ASCII, between characters of ASCII that
 * are neither. What the store has of it is on its way from memory; or what it is will be read when its turn
 * comes; or it is a character that is a token. */
typedef enum { BERT_RUN_SHORT, BERT_RUN_LONG, BERT_RUN_OTHER, BERT_RUN_TOKEN } bert_run_kind;
enum { BERT_MAX_WAITING = 32 };

/* A run, or a word of BPE or Unigram, that waits for its turn (word_line.h): what was found of it ahead. */
typedef struct {
    uint64_t key[BERT_ENTRY_BYTES /
                 sizeof(uint64_t)]; /* SHORT; of a run in lower case, where that is asked for */
    uint64_t hash;                  /* SHORT, LONG */
    const bert_word_entry *entry;   /* SHORT */
    const bert_stored_word *stored; /* what may be its record */
    const uint8_t *at;
    size_t bytes;
    bert_run_kind kind;
    bool ascii; /* a run */
} bert_waiting_word;

/* Unified ideographs: no case, no decomposition, no flag but BERT_CHAR_CJK. */
enum { BERT_IDEOGRAPH = 0x4e00, BERT_IDEOGRAPHS = 0x9fff + 1 - BERT_IDEOGRAPH };

/* An added token that was found with spaces around it. */
typedef struct {
    size_t token;
    bert_spaces spaces;
} bert_spaced;

/* Tokens of one sequence before truncation. */
typedef struct {
    int32_t *ids, *words;
    bert_span *offsets;
    size_t n, capacity;
    int32_t word; /* number of the next one */
    const uint8_t *text;
    bert_spaced *spaced;
    size_t n_spaced, spaced_capacity;
} bert_tokens;

/* Of the end of a piece: what comes next begins one byte before it. */
#define BERT_INSIDE 0x80000000u

struct bert_tokenization {
    const bert_tokenizer *t;
    void *entries; /* the memory of the next two, which begin with a cache line */
    bert_short_entry (*short_words)[BERT_WAYS];
    bert_long_entry (*long_words)[BERT_WAYS];
    bert_word_store store;      /* of words of BPE and Unigram, or of runs */
    const uint8_t *words_begin; /* of the text that is being read into words between spaces */
    bool has_nul;               /* it has one */
    bert_waiting_word words[BERT_MAX_WAITING]; /* that wait */
    int n_waiting;
    bool line_up;  /* runs wait: in texts that are not mostly ASCII, and once very many words were
                     met, because the entries of their words are seldom in the processor's cache */
    size_t met;    /* runs that the store was given */
    size_t others; /* bytes of the text in runs that are not ASCII */
    uint32_t *single_chars; /* [code points] the id of each as a word, and one; 0: not known yet */

    /* Flags of the code points that stay as they are and make words (those that have `still` of
     * still_of), that stand alone, and that do not come through. */
    uint8_t still_of, still, alone, lost;

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
    uint32_t *ends, *chars; /* where they end, in bytes and in code points */
    uint64_t *hashes;       /* of the beginnings of what is left of the word */

    /* what is put through all steps, and a word's way through the model */
    bert_work work;
    bert_tokens piped;
    uint32_t *alone_chars; /* [code points] what the steps make of each (alone.h) */
    uint32_t *char_bytes;  /* where its characters begin */
    size_t char_bytes_capacity, chars_read;
    size_t found_capacity;
    bert_bpe_work bpe;
    bert_best *best;
    size_t best_capacity;

    /* a stretch of normalised text, where added tokens are looked for in it */
    uint8_t *stretch;
    bert_span *stretch_places;
    size_t stretch_bytes, stretch_capacity;

    bert_tokens sequences[2];

    /* windows of the latest bert_tokenize */
    int32_t *ids, *type_ids, *word_ids, *sequence_ids;
    int32_t (*offsets)[2];
    uint8_t *special;
    size_t window_capacity; /* tokens in the arrays above */
    size_t *starts;         /* [windows + 1] */
    size_t starts_capacity;
    int32_t windows, full_length;
};

/* Reads one text into tokens: ids only, or everything. */
int bert_read_text(bert_tokenization *tok, const char *text, size_t bytes, bert_tokens *out,
                   bool full, bert_error *e);
/* Remembers the spaces of the added token that comes next, where it was found: text[0 .. n). */
void bert_tokens_spaced(bert_tokenization *tok, bert_tokens *o, const uint8_t *text, size_t n);
void bert_tokens_keep_spaced(bert_tokenization *tok, bert_tokens *o, size_t token,
                             bert_spaces spaces);
/* Room for the word that is being read, and `bytes` more of it; false: tok has failed. */
bool bert_grow_word(bert_tokenization *tok, size_t bytes);
/* Room for n pieces in tok->found, ends and chars; false: tok has failed. */
bool bert_reserve_found(bert_tokenization *tok, size_t n);
/* The pieces of a word, normalised, into these three; how many: of
 * WordPiece and WordLevel one at least, unk where the vocabulary has none. */
int bert_find_pieces(bert_tokenization *tok, const uint8_t *word, size_t bytes);
/* The same without tok->chars. */
int bert_find_ends(bert_tokenization *tok, const uint8_t *word, size_t bytes);
/* Those of a model, without unk. */
int bert_bpe_pieces(bert_tokenization *tok, const uint8_t *word, size_t bytes);
int bert_unigram_pieces(bert_tokenization *tok, const uint8_t *word, size_t bytes);
#endif
