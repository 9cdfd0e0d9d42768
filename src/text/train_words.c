#include "text/train_words.h"
#include "base/error.h"
#include "base/threads.h"
#include <stdlib.h>
#include <string.h>

/* Texts of words lie one behind the other. */
typedef struct bert_word_block {
    struct bert_word_block *next;
    size_t used, capacity;
    char text[];
} word_block;

enum { BLOCK_BYTES = 1 << 20, WORD_BITS = 24 };

/* ---- Words by their text */

static uint32_t hash_of(const uint8_t *text, size_t n) {
    uint64_t h = n * 0x9e3779b97f4a7c15u, x;
    for (; n >= sizeof x; text += sizeof x, n -= sizeof x) {
        memcpy(&x, text, sizeof x);
        h = (h ^ x) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    for (x = 0; n--;) x = x << 8 | text[n];
    h = (h ^ x) * 0xff51afd7ed558ccdu;
    return (uint32_t)(h >> 32);
}

/* Where the word is, or would be. */
static uint32_t *slot_of(const bert_words *w, const uint8_t *text, size_t n, uint32_t hash) {
    for (size_t i = hash;; i++) {
        uint32_t *slot = &w->table[i & (w->slots - 1)];
        if (!*slot) return slot;
        const bert_counted_word *x = &w->list[*slot - 1];
        if (x->hash == hash && x->bytes == n && !memcmp(x->text, text, n)) return slot;
    }
}

static bool grow(bert_words *w) {
    const size_t slots = w->slots ? 2 * w->slots : 1 << 12;
    bert_counted_word *list = realloc(w->list, slots / 2 * sizeof *list);
    if (list) w->list = list;
    uint32_t *table = slots < UINT32_MAX ? calloc(slots, sizeof *table) : NULL;
    if (!list || !table) {
        free(table);
        return false;
    }
    free(w->table);
    w->table = table;
    w->slots = slots;
    w->capacity = slots / 2;
    for (size_t i = 0; i < w->n; i++) {
        size_t k = w->list[i].hash & (slots - 1);
        while (table[k]) k = (k + 1) & (slots - 1);
        table[k] = (uint32_t)i + 1;
    }
    return true;
}

static const char *keep_text(bert_words *w, const uint8_t *text, size_t n) {
    if (!w->texts || w->texts->capacity - w->texts->used <= n) {
        const size_t capacity = n < BLOCK_BYTES ? BLOCK_BYTES : n + 1;
        word_block *block = malloc(sizeof *block + capacity);
        if (!block) return NULL;
        *block = (word_block){.next = w->texts, .capacity = capacity};
        w->texts = block;
    }
    char *copy = w->texts->text + w->texts->used;
    memcpy(copy, text, n);
    copy[n] = 0;
    w->texts->used += n + 1;
    return copy;
}

/* A word's place in the list, which it is given where it is new; NULL: out of memory. */
static bert_counted_word *find(bert_words *w, const uint8_t *text, size_t n, uint32_t hash,
                               const char *kept) {
    if (w->n == w->capacity && !grow(w)) return NULL;
    uint32_t *slot = slot_of(w, text, n, hash);
    if (*slot) return &w->list[*slot - 1];
    if (!kept && !(kept = keep_text(w, text, n))) return NULL;
    w->list[w->n] =
        (bert_counted_word){.text = kept, .bytes = (uint32_t)n, .hash = hash, .first = UINT64_MAX};
    *slot = (uint32_t)w->n + 1;
    return &w->list[w->n++];
}

void bert_words_add(bert_words *w, const uint8_t *text, size_t n) {
    const uint8_t *nul = memchr(text, 0, n);
    if (nul) n = (size_t)(nul - text);
    if (!n) return;
    const uint32_t last = (1u << WORD_BITS) - 1;
    const uint64_t at = w->row << WORD_BITS | (w->in_row < last ? w->in_row++ : last);
    bert_counted_word *x = find(w, text, n, hash_of(text, n), NULL);
    if (!x) {
        w->failed = true;
        return;
    }
    x->count++;
    if (at < x->first) x->first = at;
}

void bert_words_free(bert_words *w) {
    for (word_block *b = w->texts, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(w->list);
    free(w->table);
    *w = (bert_words){0};
}

/* The words of `from`, which is empty then, are counted with those of w, too. */
static bool merge(bert_words *w, bert_words *from) {
    bool good = !w->failed && !from->failed;
    for (size_t i = 0; i < from->n && good; i++) {
        const bert_counted_word *x = &from->list[i];
        bert_counted_word *y = find(w, (const uint8_t *)x->text, x->bytes, x->hash, x->text);
        good = y;
        if (!y) break;
        y->count += x->count;
        if (x->first < y->first) y->first = x->first;
    }
    word_block **end = &w->texts;
    while (*end) end = &(*end)->next;
    *end = from->texts;
    from->texts = NULL;
    bert_words_free(from);
    return good;
}

static int by_first(const void *a, const void *b) {
    const bert_counted_word *x = a, *y = b;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return strcmp(x->text, y->text); /* deep in an endless row */
}

/* ---- Rows of files, some at a time */

enum { BATCH_ROWS = 4096, BATCH_BYTES = 4 << 20, GRAIN = 32 };

typedef struct {
    const bert_word_cutter *cutter;
    bert_threads *threads;
    bert_words *words; /* [threads] */
    void **states;
    char *text;
    size_t bytes, capacity;
    size_t ends[BATCH_ROWS];
    int rows;
    uint64_t rows_before;
} counter;

static void cut_rows(void *context, int begin, int end, int thread) {
    const counter *c = context;
    bert_words *w = &c->words[thread];
    for (int i = begin; i < end && !w->failed; i++) {
        const size_t start = i ? c->ends[i - 1] : 0;
        w->row = c->rows_before + (uint64_t)i;
        w->in_row = 0;
        c->cutter->cut(c->states[thread], (const uint8_t *)c->text + start, c->ends[i] - start, w);
    }
}

static int count_batch(counter *c, bert_error *e) {
    bert_threads_run(c->threads, c->rows, GRAIN, cut_rows, c);
    c->rows_before += (uint64_t)c->rows;
    c->rows = 0;
    c->bytes = 0;
    for (int i = 0; i < bert_threads_count(c->threads); i++)
        if (c->words[i].failed) return bert_fail_memory(e, c->words[i].n * sizeof *c->words->list);
    return 0;
}

static int add_row(counter *c, const bert_text *text, bert_error *e) {
    if (c->bytes + text->bytes > c->capacity) {
        const size_t capacity = c->bytes + text->bytes + BATCH_BYTES;
        char *larger = realloc(c->text, capacity);
        if (!larger) return bert_fail_memory(e, capacity);
        c->text = larger;
        c->capacity = capacity;
    }
    memcpy(c->text + c->bytes, text->text, text->bytes);
    c->bytes += text->bytes;
    c->ends[c->rows++] = c->bytes;
    return c->rows == BATCH_ROWS || c->bytes >= BATCH_BYTES ? count_batch(c, e) : 0;
}

static int count_file(counter *c, const char *path, const bert_reader_options *options,
                      bert_error *e) {
    bert_reader_options o = *options;
    o.pair_column = "";
    bert_reader *r = bert_reader_open(path, &o, e);
    if (!r) return e->code;
    bert_row row;
    int rc;
    while ((rc = bert_reader_next(r, &row, e)) == 1)
        if ((rc = add_row(c, &row.text, e))) break;
    bert_reader_close(r);
    return rc;
}

static int open_threads(counter *c, int threads, bert_error *e) {
    c->threads = bert_threads_new(threads, e);
    if (!c->threads) return e->code;
    const size_t n = (size_t)bert_threads_count(c->threads);
    c->words = calloc(n, sizeof *c->words);
    c->states = calloc(n, sizeof *c->states);
    bool good = c->words && c->states;
    for (size_t i = 0; i < n && good; i++)
        good = (c->states[i] = c->cutter->open(c->cutter->setup)) != NULL;
    return good ? 0 : bert_fail_memory(e, n * sizeof *c->words);
}

static void close_threads(counter *c) {
    for (int i = 0; c->threads && i < bert_threads_count(c->threads); i++) {
        if (c->states && c->states[i]) c->cutter->close(c->states[i]);
        if (c->words) bert_words_free(&c->words[i]);
    }
    bert_threads_free(c->threads);
    free(c->words);
    free(c->states);
    free(c->text);
}

int bert_count_words(const bert_word_cutter *cutter, const char *const *paths, int n,
                     const bert_reader_options *reader, int threads, bert_words *words,
                     bert_error *e) {
    counter *c = calloc(1, sizeof *c);
    *words = (bert_words){0};
    if (!c) return bert_fail_memory(e, sizeof *c);
    c->cutter = cutter;
    int rc = open_threads(c, threads, e);
    for (int i = 0; i < n && !rc; i++) rc = count_file(c, paths[i], reader, e);
    if (!rc) rc = count_batch(c, e);
    for (int i = 0; !rc && i < bert_threads_count(c->threads); i++)
        if (!merge(words, &c->words[i])) rc = bert_fail_memory(e, words->n * sizeof *words->list);
    close_threads(c);
    free(c);
    if (!rc && !words->n) rc = bert_fail(e, BERT_EINVAL, "%s: holds no words", paths[0]);
    if (!rc) qsort(words->list, words->n, sizeof *words->list, by_first);
    return rc;
}
