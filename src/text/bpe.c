#include "text/bpe.h"
#include "base/error.h"
#include "text/byte_level.h"
#include "text/code_points.h"
#include <stdlib.h>

/* ----------------------------------------------------------------------------- Merges */

int bert_bpe_init(bert_tokenizer *t, size_t n, bert_error *e) {
    bert_bpe *b = t->bpe = calloc(1, sizeof *b);
    if (!b) return bert_fail_memory(e, sizeof *b);
    for (b->bits = 4; (size_t)1 << b->bits < 2 * n + 2;) b->bits++;
    b->merges = calloc((size_t)1 << b->bits, sizeof *b->merges);
    b->left = calloc(n + 1, sizeof *b->left);
    b->right = calloc(n + 1, sizeof *b->right);
    if (b->merges && b->left && b->right) return BERT_OK;
    return bert_fail_memory(e, ((size_t)1 << b->bits) * sizeof *b->merges);
}

void bert_bpe_free(bert_bpe *b) {
    if (!b) return;
    free(b->merges);
    free(b->left);
    free(b->right);
    free(b);
}

static int lacks(const char *what, const char *token, size_t bytes, int32_t rank, const char *where,
                 bert_error *e) {
    return bert_fail(e, BERT_EFORMAT, "%s: merge %d: the vocabulary lacks %s '%.*s'", where,
                     (int)rank + 1, what, bytes < 100 ? (int)bytes : 100, token);
}

int bert_bpe_add(bert_tokenizer *t, const char *left, size_t left_bytes, const char *right,
                 size_t right_bytes, const char *where, bert_error *e) {
    bert_bpe *b = t->bpe;
    const int32_t l = bert_vocabulary_find(t, left, left_bytes),
                  r = bert_vocabulary_find(t, right, right_bytes);
    const uint64_t tag = bert_vocab_hash_all(
        bert_vocab_hash_all(BERT_VOCAB_START, left, left_bytes), right, right_bytes);
    const int32_t id =
        bert_vocab_probe(&t->vocabulary, t->tokens, tag, left, left_bytes, right, right_bytes);
    if (l < 0) return lacks("its first part", left, left_bytes, b->n, where, e);
    if (r < 0) return lacks("its second part", right, right_bytes, b->n, where, e);
    if (id < 0) return lacks("both together, after", left, left_bytes, b->n, where, e);
    const uint64_t key = ((uint64_t)(uint32_t)l << 32 | (uint32_t)r) + 1;
    const uint64_t mask = ((uint64_t)1 << b->bits) - 1;
    uint64_t i = key * 0x9e3779b97f4a7c15u >> (64 - b->bits);
    while (b->merges[i].key && b->merges[i].key != key) i = (i + 1) & mask;
    /* One that is given twice has its later rank. */
    if (b->merges[i].key) b->left[b->merges[i].rank] = NULL;
    b->left[b->n] = t->tokens[l];
    b->right[b->n] = t->tokens[r];
    b->merges[i] = (bert_merge){key, b->n++, id};
    return BERT_OK;
}

/* The byte that the first or the last character of a token stands for; -1: it stands for none. */
static int end_byte(const char *token, bool last) {
    const uint8_t *p = (const uint8_t *)token, *end = p + strlen(token);
    if (p == end) return -1;
    return bert_char_byte(last ? bert_utf8_before(p, end) : bert_utf8_next(&p, end));
}

static void find_joined(bert_bpe *b) {
    for (int32_t i = 0; i < b->n; i++) {
        const int left = b->left[i] ? end_byte(b->left[i], true) : -1,
                  right = b->left[i] ? end_byte(b->right[i], false) : -1;
        if (left >= 0 && right >= 0)
            b->joined[left << 2 | right >> 6] |= (uint64_t)1 << (right & 63);
    }
}

void bert_bpe_finish(bert_tokenizer *t) {
    bert_bpe *b = t->bpe;
    find_joined(b);
    for (int i = 0; i < 256; i++) {
        uint8_t text[4];
        const int n = bert_utf8_put(bert_byte_char((uint8_t)i), text);
        b->bytes[i] = bert_vocabulary_find(t, (const char *)text, (size_t)n);
        b->missing |= b->bytes[i] < 0;
    }
    b->has_unknown = t->unk >= 0;
}
