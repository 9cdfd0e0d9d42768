/* A word to the tokens it is made of. */
#include "text/code_points.h"
#include "text/tokenization.h"

/* Hashes of the beginnings of word + at that a token may have, in tok->hashes; how many bytes the
 * longest of them has. A continuation's begins with the prefix, and so do the steps of the filter.
 */
static size_t hash_beginnings(const bert_tokenization *tok, const uint8_t *word, size_t at,
                              size_t bytes) {
    const bert_tokenizer *t = tok->t;
    const size_t before = at ? t->prefix_bytes : 0, longest = t->vocabulary.longest;
    uint64_t hash = at ? t->continuation : BERT_VOCAB_START;
    if (longest <= before) return 0;
    size_t n = bytes - at < longest - before ? bytes - at : longest - before;
    for (size_t i = 0; i < n; i++) {
        tok->hashes[i] = hash = bert_vocab_hash(hash, word[at + i]);
        if (!((before + i + 1) % BERT_VOCAB_STEP) && !bert_vocab_may_begin(&t->vocabulary, hash))
            return i;
    }
    return n;
}

/* Longest match first; pieces go to tok->found and tok->ends. */
static int wordpiece(bert_tokenization *tok, const uint8_t *word, size_t bytes) {
    const bert_tokenizer *t = tok->t;
    int n = 0;
    for (size_t at = 0; at < bytes; n++) {
        size_t length = hash_beginnings(tok, word, at, bytes);
        int32_t id = -1;
        for (; length; length--) {
            if (at + length < bytes && bert_utf8_continues(word[at + length])) continue;
            id = bert_vocab_probe(&t->vocabulary, t->tokens, tok->hashes[length - 1], t->prefix,
                                  at ? t->prefix_bytes : 0, word + at, length);
            if (id >= 0) break;
        }
        if (!length) return 0; /* one failure spoils the word */
        at += length;
        tok->found[n] = id;
        tok->ends[n] = (uint32_t)at;
    }
    return n;
}

static int wordlevel(bert_tokenization *tok, const uint8_t *word, size_t bytes) {
    int32_t id = bert_vocabulary_find(tok->t, (const char *)word, bytes);
    if (id < 0) return 0;
    tok->found[0] = id;
    tok->ends[0] = (uint32_t)bytes;
    return 1;
}

typedef int split_word(bert_tokenization *tok, const uint8_t *word, size_t bytes);
static split_word *const models[BERT_TOKEN_MODELS] = {
    [BERT_WORDPIECE] = wordpiece,
    [BERT_WORDLEVEL] = wordlevel,
    [BERT_BPE] = bert_bpe_pieces,
    [BERT_UNIGRAM] = bert_unigram_pieces,
};

/* A word of n bytes may have as many pieces; those of a part of it (bpe.h) are written all together. */
bool bert_reserve_found(bert_tokenization *tok, size_t n) {
    if (n + BERT_PART_PIECES <= tok->found_capacity) return true;
    const size_t capacity = n + n / 2 + BERT_PART_PIECES;
    void **const blocks[] = {(void **)&tok->found, (void **)&tok->ends, (void **)&tok->chars};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        void *p = realloc(*blocks[i], capacity * sizeof(int32_t));
        tok->failed |= !p;
        if (!p) return false;
        *blocks[i] = p;
    }
    tok->found_capacity = capacity;
    return true;
}

int bert_find_ends(bert_tokenization *tok, const uint8_t *word, size_t bytes) {
    const bool one = tok->t->model <= BERT_WORDLEVEL;
    if (!one && !bert_reserve_found(tok, bytes + 1)) return 0;
    int n = models[tok->t->model](tok, word, bytes);
    if (!n && one) {
        tok->found[0] = tok->t->unk;
        tok->ends[n++] = (uint32_t)bytes;
    }
    return n;
}

int bert_find_pieces(bert_tokenization *tok, const uint8_t *word, size_t bytes) {
    const int n = bert_find_ends(tok, word, bytes);
    uint32_t at = 0, chars = 0;
    for (int i = 0; i < n; i++) {
        for (; at < (tok->ends[i] & ~BERT_INSIDE); at++) chars += !bert_utf8_continues(word[at]);
        tok->chars[i] = chars;
    }
    return n;
}
