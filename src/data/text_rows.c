/* Rows that are texts, each with its labels. */
#include "base/error.h"
#include "data/dataset.h"
#include "data/label_text.h"
#include <string.h>

/* A text, and the second one of a pair. */
static int keep_text(bert_kept *k, const bert_text *text, int64_t line, bert_error *e) {
    int rc = bert_kept_row(k, line, e);
    if (!rc) rc = bert_kept_add(k, text->text, text->bytes, e);
    if (!rc && text->pair) rc = bert_kept_add(k, text->pair, text->pair_bytes, e);
    return rc;
}

/* What a text should not be. */
static int look_at_text(bert_dataset_builder *b, const bert_text *text, int64_t line,
                        bert_error *e) {
    const bool empty = !text->bytes, pair = text->pair != NULL;
    const bool zero = (!empty && memchr(text->text, 0, text->bytes)) ||
                      (pair && text->pair_bytes && memchr(text->pair, 0, text->pair_bytes));
    int rc = 0;
    if (empty || (pair && !text->pair_bytes))
        rc = bert_dataset_tally(b, line,
                                pair ? "with an empty text in the pair" : "with an empty text", e);
    return rc || !zero
               ? rc
               : bert_dataset_tally(b, line, "with zero bytes in the text, which are dropped", e);
}

int bert_dataset_add(bert_dataset_builder *b, const bert_text *text, const bert_text *fields,
                     int64_t line, bert_error *e) {
    bert_dataset *d = b->set;
    bert_tokenize_options o = bert_tokenize_default();
    if (!text->text) return bert_dataset_fail(b, line, e, BERT_EINVAL, "the text is NULL");
    int rc = fields ? bert_labels_add(b, fields, line, e) : BERT_OK;
    if (rc) return rc == BERT_LABEL_MISSING ? BERT_OK : rc;
    if ((rc = look_at_text(b, text, line, e))) return rc;
    if (b->options->overflow == BERT_OVERFLOW_TRUNCATE) {
        o.truncation = BERT_TRUNCATE_LONGEST_FIRST;
        o.max_length = d->max_length;
    }
    bert_error local = {0};
    int windows = bert_tokenize(b->tokenization, text->text, text->bytes, text->pair,
                                text->pair_bytes, &o, &local);
    if (windows < 0) return bert_dataset_fail(b, line, e, windows, "%s", local.message);
    bert_token_window w = bert_tokenization_window(b->tokenization, 0);
    int32_t full = bert_tokenization_full_length(b->tokenization);
    if (w.n > d->max_length) return bert_dataset_too_long(b, full, line, e);
    if (w.n < 1) return bert_dataset_fail(b, line, e, BERT_EINVAL, "the text has no tokens");
    rc = bert_dataset_add_sequence(b, w.ids, text->pair ? w.type_ids : NULL, w.n, e);
    if (!rc && b->options->keep_texts) rc = keep_text(&d->kept, text, line, e);
    if (!rc) rc = bert_dataset_end_row(b, e);
    if (rc) return rc;
    d->truncated += full > w.n;
    d->dropped += full - w.n;
    return BERT_OK;
}

bert_dataset *bert_dataset_of(const bert_text *texts, const char *const *labels, int64_t n,
                              const bert_model *base, const bert_dataset_options *options,
                              bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(base, "model to tokenize for", e)) return NULL;
    bert_dataset_options o = options ? *options : bert_dataset_default();
    bert_dataset_builder b;
    int rc = bert_dataset_begin(&b, "row", " ", base, &o, e);
    if (!rc && b.set->task->labels != BERT_LABELLED_ROWS)
        rc = bert_fail(e, BERT_EUNSUPPORTED,
                       "rows in memory are texts with labels: %s is read from a file",
                       b.set->task->name);
    for (int64_t i = 0; i < n && !rc; i++) {
        bert_text label = bert_text_of(labels ? labels[i] : NULL);
        if (labels && !labels[i])
            rc = bert_dataset_fail(&b, i, e, BERT_EINVAL, "the row has no label");
        else
            rc = bert_dataset_add(&b, &texts[i], labels ? &label : NULL, i, e);
    }
    if (!rc) return bert_dataset_finish(&b, e);
    bert_dataset_abandon(&b);
    return NULL;
}
