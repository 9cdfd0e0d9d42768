/* Predictions of words: CoNLL's lines of word, gold and prediction, a blank one after a sentence.
 */
#include "base/grow.h"
#include "data/dataset.h"
#include "data/predictions.h"
#include "data/sentences.h"
#include <string.h>

static const char *const suffixes[] = {".conll", ".tsv", ".txt", NULL};

/* The labels of the set's tokens are kept in p->state; windows of a sentence come in several
 * batches. */
static int keep_batch(bert_predictions *p, const bert_batch *b, const float *logits, int32_t cols,
                      bert_error *e) {
    const int64_t *start = p->set->start;
    int rc = bert_grow(&p->state, (size_t)start[p->set->sequences], sizeof(int32_t), e);
    int32_t *labels = p->state;
    for (int32_t i = 0; i < b->inputs.n && !rc; i++)
        for (int32_t k = b->inputs.start[i]; k < b->inputs.start[i + 1]; k++) {
            const float *x = logits + (size_t)k * (size_t)cols;
            int32_t best = 0;
            for (int32_t c = 1; c < cols; c++)
                if (x[c] > x[best]) best = c;
            labels[start[b->rows[i]] + k - b->inputs.start[i]] = best;
        }
    return rc;
}

static int put(bert_predictions *p, const char *text, bert_error *e) {
    return bert_writer_put(p->out, text, strlen(text), e);
}

/* A word of a list may hold what ends a field; a blank is there instead. */
static int put_word(bert_predictions *p, const char *word, bert_error *e) {
    int rc = BERT_OK;
    while (*word && !rc) {
        const size_t n = strcspn(word, "\t\r\n");
        rc = bert_writer_put(p->out, word, n, e);
        word += n;
        if (!rc && *word) rc = put(p, " ", e);
        word += *word != 0;
    }
    return rc;
}

static int put_line(bert_predictions *p, int64_t w, bert_error *e) {
    const bert_sentences *all = p->set->state;
    const int32_t *labels = p->state;
    const int64_t token = all->token[w];
    const char *fields[] = {p->set->names[all->gold[w]],
                            token < 0 ? "-" : p->set->names[labels[token]]};
    int rc = put_word(p, all->text + all->word[w], e);
    for (int i = 0; i < 2 && !rc; i++) {
        rc = put(p, "\t", e);
        if (!rc) rc = put(p, fields[i], e);
    }
    return rc ? rc : put(p, "\n", e);
}

static int put_all(bert_predictions *p, bert_error *e) {
    const bert_sentences *all = p->set->state;
    int rc = BERT_OK;
    for (int64_t i = 0; i < all->sentences && !rc; i++) {
        if (i) rc = put(p, "\n", e);
        for (int64_t w = all->sentence[i]; w < all->sentence[i + 1] && !rc; w++)
            rc = put_line(p, w, e);
    }
    return rc;
}

const bert_prediction_rows bert_tag_predictions = {.suffixes = suffixes,
                                                   .texts_in_extra = true,
                                                   .batch = keep_batch,
                                                   .end = put_all,
                                                   .free_state = bert_grown_free};
