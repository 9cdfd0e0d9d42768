#include "text/encoder.h"
#include "base/error.h"
#include <stdlib.h>

static void set_kinds(bert_encoder *enc) {
    const bert_normalizer *f = &enc->t->normalizer;
    const int removed = f->clean_text ? BERT_CHAR_REMOVED : 0,
              cjk = f->handle_chinese_chars ? BERT_CHAR_CJK : 0;
    enc->alone = (uint8_t)(BERT_CHAR_PUNCTUATION | cjk);
    enc->lost = (uint8_t)(removed | (f->strip_accents ? BERT_CHAR_MARK : 0));
    enc->still = f->strip_accents ? BERT_CHAR_PLAIN : 0;
    enc->still_of =
        f->strip_accents ? BERT_CHAR_PLAIN : (uint8_t)(removed | BERT_CHAR_SPACE | enc->alone);
}

/* In bytes; at least 1. */
static size_t longest_piece(const bert_tokenizer *t) {
    const size_t word = 4 * (size_t)t->max_chars, longest = t->vocabulary.longest;
    return (longest < word ? longest : word) + 1;
}

static const size_t SHORT_BYTES = sizeof(bert_short_entry[BERT_WAYS]) << BERT_SHORT_BITS,
                    LONG_BYTES = sizeof(bert_long_entry[BERT_WAYS]) << BERT_LONG_BITS;

/* calloc, because the pages that no word comes to are then never there. */
static void make_entries(bert_encoder *enc) {
    enum { CACHE_LINE = 64 };
    uint8_t *memory = enc->entries = calloc(1, SHORT_BYTES + LONG_BYTES + CACHE_LINE);
    if (!memory) return;
    memory += -(uintptr_t)memory % CACHE_LINE;
    enc->short_words = (void *)memory;
    enc->long_words = (void *)(memory + SHORT_BYTES);
}

bert_encoder *bert_encoder_new(const bert_tokenizer *t, bert_error *e) {
    BERT_DOOR(e);
    if (!t) {
        bert_fail(e, BERT_EINVAL, "bert_encoder_new: the tokenizer is NULL");
        return NULL;
    }
    bert_encoder *enc = calloc(1, sizeof *enc);
    if (enc) {
        enc->t = t;
        enc->normalize.flags = t->normalizer;
        set_kinds(enc);
        make_entries(enc);
        enc->found = malloc(((size_t)t->max_chars + 1) * sizeof *enc->found);
        enc->ends = malloc(((size_t)t->max_chars + 1) * sizeof *enc->ends);
        enc->chars = malloc(((size_t)t->max_chars + 1) * sizeof *enc->chars);
        enc->ideographs = calloc(BERT_IDEOGRAPHS, sizeof *enc->ideographs);
        enc->hashes = malloc(longest_piece(t) * sizeof *enc->hashes);
        enc->starts = calloc(2, sizeof *enc->starts);
        enc->starts_capacity = 2;
    }
    if (!enc || !enc->entries || !enc->found || !enc->ends || !enc->chars || !enc->ideographs ||
        !enc->hashes || !enc->starts) {
        bert_encoder_free(enc);
        bert_fail_memory(e, SHORT_BYTES + LONG_BYTES);
        return NULL;
    }
    return enc;
}

void bert_encoder_free(bert_encoder *enc) {
    if (!enc) return;
    bert_normalizer_free(&enc->normalize);
    for (int i = 0; i < 2; i++) {
        free(enc->sequences[i].ids);
        free(enc->sequences[i].words);
        free(enc->sequences[i].offsets);
    }
    void *const blocks[] = {enc->entries,    enc->word,           enc->places,  enc->found,
                            enc->ends,       enc->hashes,         enc->stretch, enc->chars,
                            enc->ideographs, enc->stretch_places, enc->ids,     enc->type_ids,
                            enc->word_ids,   enc->sequence_ids,   enc->offsets, enc->special,
                            enc->starts};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) free(blocks[i]);
    free(enc);
}
