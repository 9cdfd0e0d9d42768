/* What Unigram's training begins with: all that is there more than once, of words. */
#ifndef BERT_TEXT_SEED_PIECES_H
#define BERT_TEXT_SEED_PIECES_H
#include "text/train_words.h"

typedef struct {
    const char *text; /* in the words' texts or in `texts`; no NUL at its end */
    uint32_t bytes;
    bool required; /* a character: it stays */
    double score;
} bert_learned_piece;

typedef struct {
    bert_learned_piece *list; /* malloc'ed */
    size_t n, capacity;
    char *texts; /* malloc'ed */
} bert_learned_pieces;
void bert_learned_pieces_free(bert_learned_pieces *p);

/* Characters that pieces are made of. */
typedef struct {
    uint8_t bits[(0x110000 + 7) / 8];
} bert_alphabet;
static inline bool bert_alphabet_has(const bert_alphabet *a, uint32_t c) {
    return a->bits[c / 8] >> c % 8 & 1;
}

/* Beginnings of suffixes that are there at least twice and go on in more ways than one, or end
 * words: of 2 to `longest` characters of the alphabet, of one script and nothing else; the `most`
 * with the highest frequency times characters, which is their score. They are found in a suffix
 * array of the words, sorted by as many threads. */
int bert_seed_pieces(const bert_words *words, const bert_alphabet *alphabet, int longest,
                     size_t most, int threads, bert_learned_pieces *out, bert_error *e);
#endif
