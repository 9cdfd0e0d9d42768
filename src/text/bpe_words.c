/* A word of bytes to the tokens that the merges make of it. */
#include "text/byte_level.h"
#include "text/code_points.h"
#include "text/tokenization.h"
#include <stdlib.h>

struct bert_candidate {
    int32_t rank, at, id;
};

void bert_bpe_work_free(bert_bpe_work *w) {
    void *const blocks[] = {w->symbols, w->ranks, w->ends, w->before, w->after, w->heap, w->parts};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) free(blocks[i]);
}

static bool reserve(bert_bpe_work *w, size_t n) {
    if (n <= w->capacity) return true;
    const size_t capacity = n + n / 2 + 64;
    void **const blocks[] = {(void **)&w->symbols, (void **)&w->ranks, (void **)&w->ends,
                             (void **)&w->before, (void **)&w->after};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        void *p = realloc(*blocks[i], capacity * sizeof(int32_t));
        if (!p) return false;
        *blocks[i] = p;
    }
    w->capacity = capacity;
    return true;
}

enum { NO_RANK = INT32_MAX };

/* What the symbol at i and the next one become. */
static void look_up(const bert_bpe *b, bert_bpe_work *w, size_t i) {
    const bert_merge *m = bert_bpe_find(b, w->symbols[i], w->symbols[i + 1]);
    w->ranks[i] = m ? m->rank : NO_RANK;
    w->after[i] = m ? m->id : -1;
}

/* Few symbols: the lowest rank is looked for among all of them. */
static size_t merge_few(const bert_bpe *b, bert_bpe_work *w, size_t n) {
    int32_t *symbols = w->symbols, *ranks = w->ranks, *ids = w->after;
    uint32_t *ends = w->ends;
    for (size_t i = 0; i + 1 < n; i++) look_up(b, w, i);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[best]) best = i;
        if (ranks[best] == NO_RANK) break;
        symbols[best] = ids[best];
        n--;
        for (size_t i = best; i < n; i++) {
            ends[i] = ends[i + 1];
            ranks[i] = ranks[i + 1];
            ids[i] = ids[i + 1];
            if (i > best) symbols[i] = symbols[i + 1];
        }
        if (best) look_up(b, w, best - 1);
        if (best + 1 < n) look_up(b, w, best);
    }
    return n;
}

static bool above(const struct bert_candidate *a, const struct bert_candidate *b) {
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

/* The merge of the symbol at `at` with its neighbour, if there is one. */
static bool push(const bert_bpe *b, bert_bpe_work *w, int32_t at) {
    const int32_t next = at < 0 ? -1 : w->after[at];
    const bert_merge *m = next < 0 ? NULL : bert_bpe_find(b, w->symbols[at], w->symbols[next]);
    if (!m) return true;
    if (w->heap_n == w->heap_capacity) {
        const size_t capacity = 2 * w->heap_capacity + 1024;
        void *heap = realloc(w->heap, capacity * sizeof *w->heap);
        if (!heap) return false;
        w->heap = heap;
        w->heap_capacity = capacity;
    }
    const struct bert_candidate x = {m->rank, at, m->id};
    size_t i = w->heap_n++;
    for (; i && above(&x, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = x;
    return true;
}

static struct bert_candidate pop(bert_bpe_work *w) {
    const struct bert_candidate top = w->heap[0], x = w->heap[--w->heap_n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->heap_n; i = child) {
        if (child + 1 < w->heap_n && above(&w->heap[child + 1], &w->heap[child])) child++;
        if (!above(&w->heap[child], &x)) break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = x;
    return top;
}

/* Many: candidates wait in a heap, and those whose symbols have changed are dropped. Returns how
 * many symbols are left; negative: memory is out. */
static int64_t merge_many(const bert_bpe *b, bert_bpe_work *w, size_t n) {
    w->heap_n = 0;
    for (size_t i = 0; i < n; i++) {
        w->before[i] = (int32_t)i - 1;
        w->after[i] = i + 1 < n ? (int32_t)i + 1 : -1;
    }
    for (size_t i = 0; i + 1 < n; i++)
        if (!push(b, w, (int32_t)i)) return -1;
    while (w->heap_n) {
        const struct bert_candidate x = pop(w);
        const int32_t next = w->symbols[x.at] < 0 ? -1 : w->after[x.at];
        const bert_merge *m =
            next < 0 ? NULL : bert_bpe_find(b, w->symbols[x.at], w->symbols[next]);
        if (!m || m->id != x.id) continue;
        w->symbols[x.at] = x.id;
        w->ends[x.at] = w->ends[next];
        w->symbols[next] = -1;
        w->after[x.at] = w->after[next];
        if (w->after[next] >= 0) w->before[w->after[next]] = x.at;
        if (!push(b, w, w->before[x.at]) || !push(b, w, x.at)) return -1;
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (w->symbols[i] < 0) continue;
        w->symbols[kept] = w->symbols[i];
        w->ends[kept++] = w->ends[i];
    }
    return (int64_t)kept;
}

/* The symbols of the bytes. Where the vocabulary lacks one it is unknown, or leaves no trace; the
 * reference then gives its place, as characters of its own, to what follows. */
static size_t spell(const bert_tokenizer *t, bert_bpe_work *w, const uint8_t *word, size_t bytes) {
    const bert_bpe *b = t->bpe;
    size_t n = 0;
    if (!b->missing) {
        for (; n < bytes; n++) {
            w->symbols[n] = b->bytes[word[n]];
            w->ends[n] = (uint32_t)n + 1;
        }
        return n;
    }
    /* Ends as bytes of the characters that stand for bytes. */
    uint32_t end = 0;
    bool unknown = false;
    for (size_t i = 0; i < bytes; i++) {
        const int32_t id = b->bytes[word[i]];
        const uint32_t length = bert_byte_char(word[i]) < 0x80 ? 1 : 2;
        if (id < 0 && !b->has_unknown) continue;
        end += length;
        if (id < 0 && unknown && b->fuses_unknown) {
            w->ends[n - 1] = end;
            continue;
        }
        unknown = id < 0;
        w->symbols[n] = unknown ? t->unk : id;
        w->ends[n++] = end;
    }
    uint32_t at = 0, byte = 0;
    for (size_t i = 0; i < n; i++) {
        while (byte < bytes && at < w->ends[i]) at += bert_byte_char(word[byte++]) < 0x80 ? 1 : 2;
        w->ends[i] = byte | (at > w->ends[i] ? BERT_INSIDE : 0);
    }
    return n;
}

/* The whole word's token, by the characters of its bytes. */
static int32_t find_whole(bert_tokenization *tok, const uint8_t *word, size_t bytes) {
    uint64_t hash = BERT_VOCAB_START;
    if (bytes > tok->t->vocabulary.longest) return -1;
    uint8_t *text = (uint8_t *)tok->bpe.ends; /* room for more than two bytes each */
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += (size_t)bert_utf8_put(bert_byte_char(word[i]), text + n);
    hash = bert_vocab_hash_all(hash, text, n);
    return bert_vocab_probe(&tok->t->vocabulary, tok->t->tokens, hash, "", 0, text, n);
}

/* The symbols of word[0 .. bytes) put together, as pieces from found[0] and ends[0] on, whose ends
 * are after `at`. */
static int64_t merge_part(bert_tokenization *tok, const uint8_t *word, size_t bytes, uint32_t at,
                          int32_t *found, uint32_t *ends) {
    enum { FEW = 64 };
    bert_bpe_work *w = &tok->bpe;
    const size_t n = spell(tok->t, w, word, bytes);
    const int64_t kept =
        n <= FEW ? (int64_t)merge_few(tok->t->bpe, w, n) : merge_many(tok->t->bpe, w, n);
    for (int64_t i = 0; i < kept; i++) {
        found[i] = w->symbols[i];
        ends[i] = at + w->ends[i];
    }
    return kept;
}

/* Of a word in memory the first n bytes, 1 to 8. */
static uint64_t first_bytes(size_t n) {
    static const uint8_t keep[16] = {255, 255, 255, 255, 255, 255, 255, 255};
    uint64_t mask;
    memcpy(&mask, keep + sizeof mask - n, sizeof mask);
    return mask;
}

static bert_bpe_part *part_of(const bert_bpe_work *w, uint64_t key) {
    return &w->parts[key * 0x9e3779b97f4a7c15u >> (64 - BERT_PART_BITS)];
}

/* `readable`: bytes from word on. */
static inline int64_t known_part(bert_tokenization *tok, const uint8_t *word, size_t bytes,
                                 size_t readable, uint32_t at, int32_t *found, uint32_t *ends) {
    uint64_t key = 0;
    if (readable >= sizeof key) {
        memcpy(&key, word, sizeof key);
        key &= first_bytes(bytes);
    } else {
        memcpy(&key, word, bytes);
    }
    bert_bpe_part *x = part_of(&tok->bpe, key);
    if (x->key == key && x->bytes == bytes) {
        for (int i = 0; i < BERT_PART_PIECES; i++) {
            found[i] = x->ids[i];
            ends[i] = at + x->ends[i];
        }
        return x->n;
    }
    const int64_t n = merge_part(tok, word, bytes, at, found, ends);
    if (n < 0 || n > BERT_PART_PIECES) return n;
    *x = (bert_bpe_part){.key = key, .n = (uint8_t)n, .bytes = (uint8_t)bytes};
    for (int i = 0; i < n; i++) {
        x->ids[i] = found[i];
        x->ends[i] = (uint8_t)(ends[i] - at);
    }
    return n;
}

/* A word part by part: where no merge joins two bytes, each side is what it is alone. */
static int64_t merge_parts(bert_tokenization *tok, const uint8_t *word, size_t bytes) {
    const bert_bpe *b = tok->t->bpe;
    int64_t n = 0;
    for (size_t at = 0, to; at < bytes; at = to) {
        for (to = at + 1; to < bytes && bert_bpe_joins(b, word[to - 1], word[to]);) to++;
        const size_t part = to - at;
        int32_t *found = tok->found + n;
        uint32_t *ends = tok->ends + n;
        const int64_t more =
            part <= BERT_PART_BYTES
                ? known_part(tok, word + at, part, bytes - at, (uint32_t)at, found, ends)
                : merge_part(tok, word + at, part, (uint32_t)at, found, ends);
        if (more < 0) return more;
        n += more;
    }
    return n;
}

int bert_bpe_pieces(bert_tokenization *tok, const uint8_t *word, size_t bytes) {
    const bert_bpe *b = tok->t->bpe;
    bert_bpe_work *w = &tok->bpe;
    if (!w->parts) w->parts = calloc((size_t)1 << BERT_PART_BITS, sizeof *w->parts);
    if (!w->parts || !reserve(w, bytes + 1)) {
        tok->failed = true;
        return 0;
    }
    const int32_t whole = b->ignore_merges ? find_whole(tok, word, bytes) : -1;
    if (whole >= 0) {
        tok->found[0] = whole;
        tok->ends[0] = (uint32_t)bytes;
        return 1;
    }
    /* What has no symbol joins what is around it. */
    const int64_t n = b->missing ? merge_part(tok, word, bytes, 0, tok->found, tok->ends)
                                 : merge_parts(tok, word, bytes);
    tok->failed |= n < 0;
    return n < 0 ? 0 : (int)n;
}
