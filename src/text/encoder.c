#include "base/error.h"
#include "text/tokenization.h"
#include <stdlib.h>

static void set_kinds(bert_tokenization *tok) {
    const bert_normalizer *f = &tok->t->normalizer;
    const int removed = f->clean_text ? BERT_CHAR_REMOVED : 0,
              cjk = f->handle_chinese_chars ? BERT_CHAR_CJK : 0;
    tok->alone = (uint8_t)(BERT_CHAR_PUNCTUATION | cjk);
    tok->lost = (uint8_t)(removed | (f->strip_accents ? BERT_CHAR_MARK : 0));
    tok->still = f->strip_accents ? BERT_CHAR_PLAIN : 0;
    tok->still_of =
        f->strip_accents ? BERT_CHAR_PLAIN : (uint8_t)(removed | BERT_CHAR_SPACE | tok->alone);
}

/* In bytes; at least 1. */
static size_t longest_piece(const bert_tokenizer *t) {
    const size_t word = 4 * (size_t)t->max_chars, longest = t->vocabulary.longest;
    return (longest < word ? longest : word) + 1;
}

static const size_t SHORT_BYTES = sizeof(bert_short_entry[BERT_WAYS]) << BERT_SHORT_BITS,
                    LONG_BYTES = sizeof(bert_long_entry[BERT_WAYS]) << BERT_LONG_BITS;

/* calloc, because the pages that no word comes to are then never there. */
static bool make_entries(bert_tokenization *tok) {
    enum { CACHE_LINE = 64 };
    if (!bert_store_init(&tok->store)) return false;
    if (tok->t->reader != BERT_READ_CLASSIC) return true;
    uint8_t *memory = tok->entries = calloc(1, SHORT_BYTES + LONG_BYTES + CACHE_LINE);
    if (!memory) return false;
    memory += -(uintptr_t)memory % CACHE_LINE;
    tok->short_words = (void *)memory;
    tok->long_words = (void *)(memory + SHORT_BYTES);
    return true;
}

bert_tokenization *bert_tokenization_new(const bert_tokenizer *t, bert_error *e) {
    BERT_DOOR(e);
    if (!t) {
        bert_fail(e, BERT_EINVAL, "bert_tokenization_new: the tokenizer is NULL");
        return NULL;
    }
    bert_tokenization *tok = calloc(1, sizeof *tok);
    bool made = false;
    if (tok) {
        tok->t = t;
        tok->normalize.flags = t->normalizer;
        tok->work.t = t;
        tok->found_capacity = (size_t)t->max_chars + 1;
        set_kinds(tok);
        made = make_entries(tok);
        tok->found = malloc(((size_t)t->max_chars + 1) * sizeof *tok->found);
        tok->ends = malloc(((size_t)t->max_chars + 1) * sizeof *tok->ends);
        tok->chars = malloc(((size_t)t->max_chars + 1) * sizeof *tok->chars);
        tok->single_chars = calloc(BERT_UNICODE_LAST + 1, sizeof *tok->single_chars);
        tok->alone_chars = calloc(BERT_UNICODE_LAST + 1, sizeof *tok->alone_chars);
        tok->hashes = malloc(longest_piece(t) * sizeof *tok->hashes);
        tok->starts = calloc(2, sizeof *tok->starts);
        tok->starts_capacity = 2;
    }
    if (!made || !tok->found || !tok->ends || !tok->chars || !tok->single_chars ||
        !tok->alone_chars || !tok->hashes || !tok->starts) {
        bert_tokenization_free(tok);
        bert_fail_memory(e, SHORT_BYTES + LONG_BYTES);
        return NULL;
    }
    return tok;
}

void bert_tokenization_free(bert_tokenization *tok) {
    if (!tok) return;
    bert_normalizer_free(&tok->normalize);
    bert_work_free(&tok->work);
    bert_bpe_work_free(&tok->bpe);
    bert_store_free(&tok->store);
    bert_tokens *const tokens[] = {&tok->sequences[0], &tok->sequences[1], &tok->piped};
    for (int i = 0; i < 3; i++) {
        free(tokens[i]->ids);
        free(tokens[i]->words);
        free(tokens[i]->offsets);
        free(tokens[i]->spaced);
    }
    void *const blocks[] = {tok->entries,      tok->word,           tok->places,  tok->found,
                            tok->ends,         tok->hashes,         tok->stretch, tok->chars,
                            tok->single_chars, tok->stretch_places, tok->ids,     tok->type_ids,
                            tok->word_ids,     tok->sequence_ids,   tok->offsets, tok->special,
                            tok->starts,       tok->char_bytes,     tok->best,    tok->alone_chars};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) free(blocks[i]);
    free(tok);
}
