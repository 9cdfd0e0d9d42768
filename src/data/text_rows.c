/* Rows that are texts, each with its labels. */
#include "base/error.h"
#include "data/dataset.h"
#include "data/label_text.h"
#include <string.h>

/* A text, and the second one of a pair. */
static int keep_text(bert_kept *k, const bert_text *text, bert_error *e) {
    int rc = bert_kept_add(k, text->text, text->bytes, e);
    return rc || !text->pair ? rc : bert_kept_add(k, text->pair, text->pair_bytes, e);
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

/* A sequence of the row; *cut: tokens that it lost. */
static int add_text(bert_dataset_builder *b, const bert_text *text, int64_t line, int32_t *cut,
                    bert_error *e) {
    bert_dataset *d = b->set;
    bert_tokenize_options o = bert_tokenize_default();
    int rc = look_at_text(b, text, line, e);
    if (rc) return rc;
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
    *cut += full - w.n;
    return bert_dataset_add_sequence(b, w.ids, text->pair ? w.type_ids : NULL, w.n, e);
}

int bert_dataset_add_views(bert_dataset_builder *b, const bert_text *texts, int n,
                           const bert_text *fields, int64_t line, bert_error *e) {
    bert_dataset *d = b->set;
    int32_t cut = 0;
    for (int i = 0; i < n; i++)
        if (!texts[i].text) return bert_dataset_fail(b, line, e, BERT_EINVAL, "the text is NULL");
    int rc = fields ? bert_labels_add(b, fields, line, e) : BERT_OK;
    if (rc) return rc == BERT_LABEL_MISSING ? BERT_OK : rc;
    for (int i = 0; i < n && !rc; i++) rc = add_text(b, &texts[i], line, &cut, e);
    if (!rc && b->options->keep_texts) rc = bert_kept_row(&d->kept, line, e);
    for (int i = 0; i < n && !rc && b->options->keep_texts; i++)
        rc = keep_text(&d->kept, &texts[i], e);
    if (!rc) rc = bert_dataset_end_row(b, e);
    if (rc) return rc;
    d->truncated += cut > 0;
    d->dropped += cut;
    return BERT_OK;
}

int bert_dataset_add(bert_dataset_builder *b, const bert_text *text, const bert_text *fields,
                     int64_t line, bert_error *e) {
    return bert_dataset_add_views(b, text, 1, fields, line, e);
}

bert_dataset *bert_dataset_of(const bert_text *texts, const char *const *labels, int64_t n,
                              const bert_model *base, const bert_dataset_options *options,
                              bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(base, "model to tokenize for", e)) return NULL;
    bert_dataset_options o = options ? *options : bert_dataset_default();
    bert_dataset_builder b;
    if (!o.recipe && !o.task) o.recipe = o.like ? o.like->recipe : bert_model_recipe(base);
    if (!o.problem_type) o.problem_type = bert_recipe_value(o.recipe, "problem_type");
    const int views = (int)bert_recipe_views(o.recipe);
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
            rc = bert_dataset_add_views(&b, &texts[i * views], views, labels ? &label : NULL, i, e);
    }
    if (!rc) return bert_dataset_finish(&b, e);
    bert_dataset_abandon(&b);
    return NULL;
}
