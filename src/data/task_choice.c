/* Multiple choice: a prompt, its endings, and the number of the right one. */
#include "base/error.h"
#include "base/grow.h"
#include "data/choice.h"
#include "data/predictions.h"
#include "files/reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_LABEL "left out: no gold label"
#define OTHER_NUMBER "left out: another number of endings than the first row"

/* What a set keeps. */
typedef struct {
    bool from_one; /* endings are counted from 1 in its file */
} numbers;

typedef struct {
    bert_dataset_builder *b;
    bert_reader *reader; /* of tables; NULL: JSON */
    bert_choice_columns columns;
    char *text;        /* what is before an ending, and the ending */
    bool zero, one;    /* some label is that number */
    int64_t last_line; /* of the first that is the number of endings; or 0 */
} job;

/* ---- A table */

/* Where there is no header, the endings are what is between text and label. */
static int find_endings(job *j, const bert_row *row, bert_error *e) {
    bert_choice_columns *c = &j->columns;
    const bert_reader *r = j->reader;
    *c = (bert_choice_columns){.prompt = r->text, .label = r->label[0]};
    bert_choice_find(r->name, r->names, j->b->options->text_column != NULL, c);
    if (c->list >= 0)
        return bert_dataset_fail(j->b, row->line, e, BERT_EFORMAT,
                                 "\"%.60s\" would be a list of endings, which only JSON has: "
                                 "pandas' to_json(FILE, orient=\"records\", lines=True) writes it",
                                 r->name[c->list]);
    for (int i = c->prompt + 1; c->n == 0 && c->label - c->prompt > 2; i++) {
        if (c->label - c->prompt - 1 > BERT_CHOICES_MAX) break;
        while (i < c->label) c->ending[c->n++] = i++;
    }
    if (!c->n)
        return bert_dataset_fail(j->b, row->line, e, BERT_EFORMAT,
                                 "no endings to choose from: columns ending0, ending1 .. are "
                                 "needed, or two columns and more between the text and the label");
    return r->has_header
               ? bert_choice_say(j->b, r->format->name, r->name, r->names, c, e)
               : bert_dataset_say(j->b, e,
                                  "%s without a header: prompt column %d, endings %d to %d, the "
                                  "right one %d",
                                  r->format->name, c->prompt, c->ending[0], c->ending[c->n - 1],
                                  c->label);
}

static void row_of_table(const job *j, const bert_row *row, bert_choice_row *out) {
    const bert_choice_columns *c = &j->columns;
    *out = (bert_choice_row){.line = row->line, .prompt = row->text, .label = row->label[0]};
    out->before = c->before < 0 ? NULL : row->field[c->before];
    for (; out->n < c->n; out->n++) out->ending[out->n] = row->field[c->ending[out->n]];
}

/* ---- A row */

/* The ending at the gap of what is before it (RACE's "What did he _ ?"), else behind it. */
static int join(job *j, const char *before, const char *ending, bert_text *out, bert_error *e) {
    const size_t front = strcspn(before, "_");
    const size_t gap = strspn(before + front, "_");
    const size_t n = strlen(before) + strlen(ending) + 2;
    int rc = bert_grow(&j->text, n, 1, e);
    if (rc) return rc;
    if (gap)
        snprintf(j->text, n, "%.*s%s%s", (int)front, before, ending, before + front + gap);
    else
        snprintf(j->text, n, "%s %s", before, ending);
    out->pair = j->text;
    return 0;
}

static int ending_text(job *j, const bert_choice_row *row, int i, bert_text *out, bert_error *e) {
    const char *ending = row->ending[i], *before = row->before;
    if (!*ending)
        return bert_dataset_fail(j->b, row->line, e, BERT_EFORMAT, "ending %d is empty or missing",
                                 i);
    *out = (bert_text){.text = row->prompt.text, .bytes = row->prompt.bytes, .pair = ending};
    int rc = before && *before ? join(j, before, ending, out, e) : 0;
    out->pair_bytes = strlen(out->pair);
    return rc;
}

static int add_ending(job *j, const bert_text *t, int64_t line, bert_error *e) {
    bert_dataset_builder *b = j->b;
    bert_dataset *d = b->set;
    bert_tokenize_options o = bert_tokenize_default();
    bert_error local = {0};
    if (b->options->overflow != BERT_OVERFLOW_ERROR) {
        o.truncation = BERT_TRUNCATE_LONGEST_FIRST;
        o.max_length = d->max_length;
    }
    int rc = bert_tokenize(b->tokenization, t->text, t->bytes, t->pair, t->pair_bytes, &o, &local);
    if (rc < 0) return bert_dataset_fail(b, line, e, rc, "%s", local.message);
    bert_token_window w = bert_tokenization_window(b->tokenization, 0);
    int32_t full = bert_tokenization_full_length(b->tokenization);
    if (w.n > d->max_length) return bert_dataset_too_long(b, full, line, e);
    d->truncated += full > w.n;
    d->dropped += full - w.n;
    return bert_dataset_add_sequence(b, w.ids, w.type_ids, w.n, e);
}

/* The prompt and its endings. */
static int keep_texts(job *j, const bert_choice_row *row, bert_error *e) {
    bert_kept *k = &j->b->set->kept;
    int rc = bert_kept_row(k, row->line, e);
    if (!rc) rc = bert_kept_add(k, row->prompt.text, row->prompt.bytes, e);
    for (int i = 0; i < row->n && !rc; i++)
        rc = bert_kept_add(k, row->ending[i], strlen(row->ending[i]), e);
    return rc;
}

/* Rows of a test set: there is nothing to learn from them, or to be measured. */
static bool is_unknown(const char *label) {
    static const char *const marks[] = {"", "-1", "nan", "NaN", "None", "null"};
    for (size_t i = 0; label && i < sizeof marks / sizeof *marks; i++)
        if (!strcmp(label, marks[i])) return true;
    return !label;
}

/* The one ending that is called so, or says so; -1: none or several. */
static int named(const char *const *names, int n, const char *label) {
    int found = -1;
    for (int i = 0; i < n; i++) {
        if (!names[i] || strcmp(names[i], label)) continue;
        if (found >= 0) return -1;
        found = i;
    }
    return found;
}

/* Its number, 0, 1 .., its letter, A, B .., what its list calls it, or the ending itself. Numbers
 * may be from 1 on, which is known at the end. */
static int right_ending(job *j, const bert_choice_row *row, int32_t *out, bert_error *e) {
    const char *label = row->label;
    char *end;
    *out = named(row->mark, row->n, label);
    if (*out >= 0) return 0;
    if (label[0] >= 'A' && label[0] < 'A' + row->n && !label[1]) {
        *out = label[0] - 'A';
        return 0;
    }
    const long v = strtol(label, &end, 10);
    if (end != label && !*end && v >= 0 && v <= row->n) {
        *out = (int32_t)v;
        j->zero |= !v;
        j->one |= v == 1;
        if (v == row->n && !j->last_line) j->last_line = row->line;
        return 0;
    }
    if ((*out = named(row->ending, row->n, label)) >= 0) return 0;
    return bert_dataset_fail(j->b, row->line, e, BERT_EINVAL,
                             "label \"%.60s\" is not the number of an ending, 0 to %d", label,
                             row->n - 1);
}

static int add_row(void *to, const bert_choice_row *row, bert_error *e) {
    job *j = to;
    bert_dataset *d = j->b->set;
    int32_t label;
    if (is_unknown(row->label)) return bert_dataset_tally(j->b, row->line, NO_LABEL, e);
    if (row->n < 2)
        return bert_dataset_fail(j->b, row->line, e, BERT_EFORMAT,
                                 "%d ending%s: two are needed at least", row->n,
                                 row->n == 1 ? "" : "s");
    if (d->rows && row->n != d->group) return bert_dataset_tally(j->b, row->line, OTHER_NUMBER, e);
    int rc = right_ending(j, row, &label, e);
    int32_t *labels = rc ? NULL : bert_dataset_grow_ints(d, "labels", BERT_PER_ROW, d->rows + 1, e);
    if (!rc && !labels) rc = e->code;
    for (int i = 0; i < row->n && !rc; i++) {
        bert_text t = {0};
        rc = ending_text(j, row, i, &t, e);
        if (!rc) rc = add_ending(j, &t, row->line, e);
    }
    if (!rc && j->b->options->keep_texts) rc = keep_texts(j, row, e);
    if (!rc) labels[d->rows] = label;
    return rc ? rc : bert_dataset_end_row(j->b, e);
}

static int read_table(job *j, const char *path, bert_error *e) {
    static const bert_column_names names = {bert_choice_prompts, bert_choice_labels};
    bert_dataset *d = j->b->set;
    const bert_reader_options o = {.text_column = j->b->options->text_column,
                                   .pair_column = "",
                                   .label_column = j->b->options->label_column,
                                   .labels = true};
    j->reader = bert_dataset_say_reader(j->b, bert_reader_open_as(path, &o, &names, e), e);
    bert_row row;
    bert_choice_row choice;
    int rc = j->reader ? 0 : e->code;
    while (!rc && (rc = bert_reader_next(j->reader, &row, e)) == 1) {
        rc = j->columns.n ? 0 : find_endings(j, &row, e);
        if (rc) break;
        row_of_table(j, &row, &choice);
        rc = add_row(j, &choice, e);
    }
    d->invalid = j->reader ? bert_reader_invalid(j->reader) : 0;
    d->guessed = j->reader && bert_reader_guessed(j->reader);
    bert_reader_close(j->reader);
    return rc;
}

/* Numbers from 1 on, as the largest of them shows. */
static int check_numbers(job *j, bert_error *e) {
    bert_dataset *d = j->b->set;
    const bert_dataset *like = j->b->options->like;
    if (j->last_line && (j->zero || !j->one))
        return bert_dataset_fail(j->b, j->last_line, e, BERT_EINVAL,
                                 "label \"%d\" is not the number of an ending, 0 to %d",
                                 (int)d->group, (int)d->group - 1);
    numbers *own = d->state = malloc(sizeof *own);
    if (!own) return bert_fail_memory(e, sizeof *own);
    const bool as_like = like && ((const numbers *)like->state)->from_one && !j->zero;
    own->from_one = j->last_line || as_like;
    if (!own->from_one || !d->rows) return 0;
    int32_t *labels = bert_dataset_row_labels(d);
    for (int64_t i = 0; i < d->rows; i++) labels[i]--;
    return bert_dataset_say(j->b, e, "endings are counted from 1: labels are 1 to %d, none is 0",
                            (int)d->group);
}

static int read_rows(bert_dataset_builder *b, const char *path, bert_error *e) {
    job j = {.b = b};
    const bert_record_format *f = bert_record_format_of(path);
    int rc = f && f->format == BERT_FORMAT_JSONL ? bert_choice_read_json(b, path, add_row, &j, e)
                                                 : read_table(&j, path, e);
    if (!rc) rc = check_numbers(&j, e);
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

static void lay(bert_laid *l, bert_dataset *d) {
    bert_lay_block(l, &d->state, sizeof(numbers));
}

const bert_task bert_task_multiple_choice = {
    .name = "multiple-choice",
    .pipeline = "multiple-choice",
    .outputs = BERT_OUTPUT_CHOICE,
    .read = read_rows,
    .resolve = resolve,
    .free_state = free,
    .lay = lay,
    .predictions = &bert_row_predictions,
};
