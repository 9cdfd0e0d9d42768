/* What a tokenizer consists of: filled in by load.c, used by encode.c, windows.c, decode.c, save.c.
 */
#ifndef BERT_TEXT_TOKENIZER_H
#define BERT_TEXT_TOKENIZER_H
#include "base/arena.h"
#include "text/trie.h"
#include "text/vocab.h"
#include <bert.h>
#include <string.h>

enum {
    BERT_MAX_VOCABULARY = 1 << 24, /* ids are packed in 24 bits in the word cache */
    BERT_MAX_WORD = 1 << 20,       /* the most that max_input_chars_per_word may be */
    BERT_MAX_CHARS = 100,          /* what it is by default */
    BERT_MAX_STEPS = 16,           /* of normalization, of pre-tokenization */
    BERT_SHORT_WORD = 16,          /* bytes of a word that is its own key in the word cache */
    BERT_LONG_WORD = 32            /* in the one for longer words */
};

typedef enum {
    BERT_WORDPIECE,
    BERT_WORDLEVEL,
    BERT_BPE,
    BERT_UNIGRAM,
    BERT_TOKEN_MODELS
} bert_token_model;
typedef enum {
    BERT_SPLIT_BERT,       /* BertPreTokenizer: at spaces, punctuation alone */
    BERT_SPLIT_WORDS,      /* Whitespace: \w+|[^\w\s]+ */
    BERT_SPLIT_WHITESPACE, /* WhitespaceSplit */
    BERT_SPLITS
} bert_split;
/* Names in tokenizer.json, by value. */
extern const char *const bert_token_model_names[BERT_TOKEN_MODELS];
extern const char *const bert_split_names[BERT_SPLITS];

/* BertNormalizer; all false: no normalizer. */
typedef struct {
    bool present, clean_text, handle_chinese_chars, strip_accents, lowercase;
    bool strip_accents_null; /* as the file has it: strip_accents follows lowercase */
} bert_normalizer;

typedef struct {
    const char *content;
    size_t bytes;
    const char *normalized_content; /* what is looked for: content, normalised if `normalized` */
    size_t normalized_bytes;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} bert_added_token;

/* The bytes with which some strings begin. */
typedef struct {
    bool is[256];
    uint8_t last;
    int n;
} bert_first_bytes;

/* A piece of a template: a sequence (A or B), or a special token. */
typedef enum { BERT_PIECE_A, BERT_PIECE_B, BERT_PIECE_SPECIAL } bert_piece_kind;
typedef struct {
    bert_piece_kind kind;
    int32_t id, type_id; /* id: of a special token */
    const char *token;
} bert_piece;
typedef struct {
    bert_piece *pieces;
    int n, specials;
} bert_template;

/* What is put around texts. TEMPLATE: as the templates say; ROBERTA: likewise, but all types are
 * 0. */
typedef enum {
    BERT_POST_NONE,
    BERT_POST_TEMPLATE,
    BERT_POST_ROBERTA,
    BERT_POST_PIECES, /* XLM-R's: a TEMPLATE that looks like RoBERTa's; read as one */
    BERT_POSTS
} bert_post;
/* The two special tokens of the usual templates. */
typedef struct {
    const char *cls, *sep;
    int32_t cls_id, sep_id;
} bert_ends;
/* How many characters at a token's start and end are spaces, or stand for one. */
typedef struct {
    uint16_t start, end;
} bert_spaces;

typedef enum {
    BERT_SPECIAL_PAD,
    BERT_SPECIAL_UNK,
    BERT_SPECIAL_CLS,
    BERT_SPECIAL_SEP,
    BERT_SPECIAL_MASK,
    BERT_SPECIALS
} bert_special;
extern const char *const bert_special_keys[BERT_SPECIALS]; /* "pad_token", ... */

typedef struct bert_step bert_step; /* steps.h */
typedef struct bert_bpe bert_bpe;
typedef struct bert_unigram bert_unigram;

/* Who reads a text: BERT's words; any steps; words of byte-level BPE; words between spaces, to which
 * Metaspace puts a mark, without their space or with it. */
typedef enum {
    BERT_READ_CLASSIC,
    BERT_READ_PIPE,
    BERT_READ_BYTES,
    BERT_READ_BARE,
    BERT_READ_SPACED
} bert_reader_kind;

/* The decoders: WordPiece joins with spaces, none puts one between any two. */
typedef enum {
    BERT_DECODE_NONE,
    BERT_DECODE_WORDPIECE,
    BERT_DECODE_BYTES,
    BERT_DECODE_METASPACE,
    BERT_DECODERS
} bert_decoder;

struct bert_tokenizer {
    bert_arena arena; /* strings and templates */
    char *text;       /* where the next token of the vocabulary goes */
    bert_token_model model;
    bert_vocab vocabulary;
    const char **tokens; /* [size], by id; NULL: no such id */
    int32_t size;        /* largest id + 1 */
    int32_t capacity;    /* of tokens */
    int32_t model_size;  /* of the model alone, without added tokens: largest id + 1 */
    int32_t next_id;     /* of the next added token that the vocabulary lacks */
    int32_t unk;
    const char *unk_token, *prefix; /* continuing_subword_prefix */
    uint64_t continuation;          /* the hash of `prefix` */
    size_t prefix_bytes;
    int32_t max_chars;               /* max_input_chars_per_word */
    bert_step *normalizers, *splits; /* [BERT_MAX_STEPS] */
    int n_normalizers, n_splits;
    bert_bpe *bpe; /* of a BPE model */
    bert_unigram *unigram;
    double *scores;             /* of its pieces, by id, from the file until the model takes them */
    bool byte_level;            /* a pre-tokenizer makes bytes of characters */
    bert_normalizer normalizer; /* of the step that is a BertNormalizer */
    bert_reader_kind reader;
    bert_split split;
    bool breaks[0x21]; /* BARE: characters that are nothing but space */
    bool quick;        /* the rules of read_quickly() hold */

    bert_added_token *added; /* in the file's order */
    int32_t n_added;
    bert_trie contents;        /* added tokens by content; values: index */
    bert_trie raw, normalized; /* added tokens by where they are looked for; values: index */
    int32_t n_raw, n_normalized;
    bert_first_bytes first_bytes[2]; /* of the tokens in raw, in normalized */
    bool encode_special_tokens;
    bert_added_token *symbols; /* a SentencePiece file's own, which are to be added */
    int32_t n_symbols;

    bert_post post;
    bert_template single, pair;
    bool trims;             /* offsets are without the spaces of their tokens */
    bool trim_keeps_prefix; /* but for those at the start, which may have been put there */
    bert_spaces *spaces;    /* [size], by id; if trims */

    bert_decoder decoder;
    bool decoder_cleanup;
    bert_step *decoder_step; /* Metaspace */
    bool clean_up_spaces;    /* tokenizer_config.json's clean_up_tokenization_spaces */
    const char *decoder_prefix;

    const char *special_names[BERT_SPECIALS]; /* NULL: none */
    int32_t special_ids[BERT_SPECIALS];
    int32_t max_length;
    bool truncate_left; /* truncation_side */
    bool no_types;      /* model_input_names has no token_type_ids: all are 0 */
    bool names_types;   /* it has them */

    /* What the encoder's loops look up for an ASCII character when split is BERT_SPLIT_BERT. */
    uint8_t ascii[128];     /* bert_ascii */
    int32_t ascii_ids[128]; /* of punctuation */
};

/* Whether a token goes on with a word that another one began, as its text shows: by WordPiece's
 * prefix, or because it lacks the space that byte-level BPE and Unigram put before a word. */
bool bert_token_continues(const bert_tokenizer *t, int32_t id);

/* The spaces of a token's text: white space, and U+0120, which is a byte-level one. */
bert_spaces bert_spaces_of(const char *token, size_t n);

/* What transformers' decode does to a decoded text, in place, where the tokenizer asks for it:
 * "it ' s" becomes "it's". Returns the new length. */
size_t bert_clean_up_spaces(const bert_tokenizer *t, char *text, size_t n);

/* The id of a string in the model's vocabulary, or -1. */
static inline int32_t bert_vocabulary_find(const bert_tokenizer *t, const char *s, size_t n) {
    return bert_vocab_find(&t->vocabulary, t->tokens, s, n);
}

typedef enum { BERT_ASCII_SPACE, BERT_ASCII_PUNCTUATION, BERT_ASCII_OTHER } bert_ascii;

/* Finds added tokens, leftmost and longest, as the reference does: a match that is refused (inside
 * a word, or special and special tokens are plain text) still hides those that overlap it. */
typedef struct {
    const bert_tokenizer *t;
    const bert_trie *trie;
    const uint8_t *text;
    size_t n, pos;  /* where to look next */
    size_t covered; /* end of the latest match, spaces it took included */
} bert_matcher;
/* The next match [*start, *stop) and its index in t->added, or -1. */
int32_t bert_match_next(bert_matcher *m, size_t *start, size_t *stop);

/* The text in lower case, code point by code point, but for the added tokens in it: out has room
 * for 3 * n bytes. Returns how many they are. */
size_t bert_tokenizer_lower(const bert_tokenizer *t, const char *text, size_t n, char *out);

/* bert_decode() of n tokens or words by their text (convert_tokens_to_string). */
int64_t bert_join_tokens(const bert_tokenizer *t, const char *const *tokens, size_t n, char *out,
                         size_t capacity, bert_error *e);

#endif
