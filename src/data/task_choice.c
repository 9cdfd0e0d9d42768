/* Multiple choice: a prompt, its endings, and the number of the right one. */
#include "base/error.h"
#include "base/grow.h"
#include "data/dataset.h"
#include "data/predictions.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 32 };

typedef struct {
    bert_dataset_builder *b;
    bert_reader *reader;
    int endings[MOST]; /* columns */
    int n;
    int context; /* column of what every ending begins with (SWAG's sent2), or -1 */
    char *text;  /* context and ending */
} job;

/* ending0, ending1 ..; choice0 ..; where there is no header, what is between text and label. */
static int find_endings(job *j, const bert_row *row, bert_error *e) {
    static const char *const names[] = {"ending%d", "choice%d", "option%d", "answer%d"};
    for (size_t i = 0; i < sizeof names / sizeof *names && !j->n; i++)
        for (int from = 0; from < 2 && !j->n; from++)
            for (int k = 0; k < MOST; k++) {
                char name[32];
                snprintf(name, sizeof name, names[i], from + k);
                int column = bert_reader_column(j->reader, name);
                if (column < 0) break;
                j->endings[j->n++] = column;
            }
    j->context = bert_reader_column(j->reader, "sent2");
    if (j->n > 1) return 0;
    int text = -1, label = -1;
    for (int i = 0; i < row->fields; i++) {
        if (row->field[i] == row->text.text) text = i;
        if (row->label[0] && row->field[i] == row->label[0]) label = i;
    }
    j->n = 0;
    for (int i = text + 1; text >= 0 && i < label && j->n < MOST; i++) j->endings[j->n++] = i;
    if (j->n > 1) return 0;
    return bert_dataset_fail(
        j->b, row->line, e, BERT_EFORMAT,
        "no endings to choose from: columns ending0, ending1 .. are needed, or "
        "two columns and more between the text and the label");
}

static int ending_text(job *j, const bert_row *row, int i, bert_text *out, bert_error *e) {
    const char *ending = row->field[j->endings[i]];
    if (!*ending)
        return bert_dataset_fail(j->b, row->line, e, BERT_EFORMAT, "ending %d is empty or missing",
                                 i);
    *out = (bert_text){.text = row->text.text, .bytes = row->text.bytes};
    out->pair = ending;
    if (j->context >= 0 && *row->field[j->context]) {
        size_t n = strlen(row->field[j->context]) + strlen(ending) + 2;
        int rc = bert_grow(&j->text, n, 1, e);
        if (rc) return rc;
        snprintf(j->text, n, "%s %s", row->field[j->context], ending);
        out->pair = j->text;
    }
    out->pair_bytes = strlen(out->pair);
    return 0;
}

static int add_ending(job *j, const bert_text *t, int64_t line, bert_error *e) {
    bert_dataset_builder *b = j->b;
    bert_dataset *d = b->set;
    bert_encode_options o = bert_encode_default();
    bert_error local = {0};
    if (b->options->overflow != BERT_OVERFLOW_ERROR) {
        o.truncation = BERT_TRUNCATE_LONGEST_FIRST;
        o.max_length = d->max_length;
    }
    int rc = bert_encode(b->encoder, t->text, t->bytes, t->pair, t->pair_bytes, &o, &local);
    if (rc < 0) return bert_dataset_fail(b, line, e, rc, "%s", local.message);
    bert_encoding w = bert_encoder_window(b->encoder, 0);
    int32_t full = bert_encoder_full_length(b->encoder);
    if (w.n > d->max_length) return bert_dataset_too_long(b, full, line, e);
    d->truncated += full > w.n;
    d->dropped += full - w.n;
    return bert_dataset_add_sequence(b, w.ids, w.type_ids, w.n, e);
}

/* The prompt and its endings. */
static int keep_texts(job *j, const bert_row *row, bert_error *e) {
    bert_kept *k = &j->b->set->kept;
    int rc = bert_kept_row(k, row->line, e);
    if (!rc) rc = bert_kept_add(k, row->text.text, row->text.bytes, e);
    for (int i = 0; i < j->n && !rc; i++) {
        const char *ending = row->field[j->endings[i]];
        rc = bert_kept_add(k, ending, strlen(ending), e);
    }
    return rc;
}

/* Rows of a test set: there is nothing to learn from them, or to be measured. */
static bool is_unknown(const char *label) {
    static const char *const marks[] = {"", "-1", "nan", "NaN", "None", "null"};
    for (size_t i = 0; label && i < sizeof marks / sizeof *marks; i++)
        if (!strcmp(label, marks[i])) return true;
    return !label;
}

/* Its number, 0, 1 .., or its letter, A, B ..; 1 where the row has none and is left out. */
static int right_ending(job *j, const bert_row *row, int32_t *out, bert_error *e) {
    const char *label = row->label[0];
    if (is_unknown(label)) {
        int rc = bert_dataset_tally(j->b, row->line, "left out: no gold label", e);
        return rc ? rc : 1;
    }
    char *end;
    const bool letter = label[0] >= 'A' && label[0] < 'A' + j->n && !label[1];
    long v = letter ? label[0] - 'A' : strtol(label, &end, 10);
    *out = (int32_t)v;
    if (letter || (end != label && !*end && v >= 0 && v < j->n)) return 0;
    return bert_dataset_fail(j->b, row->line, e, BERT_EINVAL,
                             "label \"%.60s\" is not the number of an ending, 0 to %d", label,
                             j->n - 1);
}

static int add_row(job *j, const bert_row *row, bert_error *e) {
    bert_dataset *d = j->b->set;
    int rc = j->n ? 0 : find_endings(j, row, e);
    if (rc) return rc;
    d->group = j->n;
    int32_t label;
    if ((rc = right_ending(j, row, &label, e))) return rc > 0 ? 0 : rc;
    rc = bert_grow(&d->labels, (size_t)d->rows + 1, sizeof *d->labels, e);
    for (int i = 0; i < j->n && !rc; i++) {
        bert_text t = {0};
        rc = ending_text(j, row, i, &t, e);
        if (!rc) rc = add_ending(j, &t, row->line, e);
    }
    if (!rc && j->b->options->keep_texts) rc = keep_texts(j, row, e);
    if (!rc) d->labels[d->rows++] = label;
    return rc;
}

static int read_rows(bert_dataset_builder *b, const char *path, bert_error *e) {
    job j = {.b = b, .reader = bert_dataset_reader(b, path, e), .context = -1};
    bert_row row;
    int rc = j.reader ? 0 : e->code;
    while (!rc && (rc = bert_reader_next(j.reader, &row, e)) == 1) rc = add_row(&j, &row, e);
    b->set->invalid = j.reader ? bert_reader_invalid(j.reader) : 0;
    b->set->guessed = j.reader && bert_reader_guessed(j.reader);
    bert_reader_close(j.reader);
    bert_grown_free(j.text);
    return rc;
}

static int resolve(bert_dataset_builder *b, bert_error *e) {
    const bert_dataset *like = b->options->like;
    b->set->problem = BERT_PROBLEM_SINGLE_LABEL;
    if (!like || like->group == b->set->group) return 0;
    return bert_fail(e, BERT_EINVAL, "%s has %d endings a row, %s %d", b->set->where,
                     (int)b->set->group, like->where, (int)like->group);
}

const bert_task bert_task_multiple_choice = {
    .name = "multiple-choice",
    .pipeline = "multiple-choice",
    .read = read_rows,
    .resolve = resolve,
    .predictions = &bert_row_predictions,
};
