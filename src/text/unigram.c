#include "text/unigram.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

void bert_unigram_free(bert_unigram *u) {
    if (!u) return;
    bert_da_free(&u->pieces);
    free(u->scores);
    free(u);
}

int bert_unigram_new(bert_tokenizer *t, double *scores, bert_error *e) {
    enum { PENALTY = 10 };
    bert_unigram *u = t->unigram = calloc(1, sizeof *u);
    if (!u) {
        free(scores);
        return bert_fail_memory(e, sizeof *u);
    }
    u->scores = scores;
    bert_da_key *keys = malloc(((size_t)t->model_size + 1) * sizeof *keys);
    if (!keys) return bert_fail_memory(e, (size_t)t->model_size * sizeof *keys);
    size_t n = 0;
    double least = t->model_size ? scores[0] : 0;
    for (int32_t i = 0; i < t->model_size; i++) {
        const char *piece = t->tokens[i];
        if (scores[i] < least) least = scores[i];
        if (piece && *piece)
            keys[n++] =
                (bert_da_key){.bytes = (const uint8_t *)piece, .n = strlen(piece), .value = i};
    }
    u->unknown = least - PENALTY;
    /* Of a piece that is listed twice the last one counts. */
    int rc = bert_da_build(&u->pieces, keys, n, e);
    free(keys);
    return rc;
}
