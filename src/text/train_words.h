/* The words of a text and how often each is there, counted by several threads. */
#ifndef BERT_TEXT_TRAIN_WORDS_H
#define BERT_TEXT_TRAIN_WORDS_H
#include <bert.h>

typedef struct {
    const char *text; /* ends in a NUL, and holds none */
    uint32_t bytes, hash;
    int64_t count;
    uint64_t first; /* where it was met first: the words' order, whoever counted them */
} bert_counted_word;

/* Words, found by their text. */
typedef struct {
    bert_counted_word *list;
    uint32_t *table; /* number + 1, or 0 */
    size_t n, capacity, slots;
    struct bert_word_block *texts;
    uint64_t row; /* that is being read */
    uint32_t in_row;
    bool failed; /* out of memory */
} bert_words;

enum { BERT_LONGEST_TRAINED = 1 << 16 }; /* bytes of a word; longer ones are cut */

/* One more of a word, of n > 0 bytes; it ends at a NUL. */
void bert_words_add(bert_words *words, const uint8_t *text, size_t n);
void bert_words_free(bert_words *words);

/* Cuts texts into words, in a thread of its own. */
typedef struct {
    void *(*open)(const void *setup); /* what a thread needs; NULL: out of memory */
    void (*cut)(void *state, const uint8_t *text, size_t n, bert_words *words);
    void (*close)(void *state);
    const void *setup;
} bert_word_cutter;

/* Counts the words of n files; threads 0: as many as there are cores. They come in the order in
 * which they are met, whatever the threads are. */
int bert_count_words(const bert_word_cutter *cutter, const char *const *paths, int n,
                     const bert_reader_options *reader, int threads, bert_words *words,
                     bert_error *e);
#endif
