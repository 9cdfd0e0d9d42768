/* Words of files that have one a line, with its label in another column. */
#include "base/error.h"
#include "data/column_plan.h"
#include "data/sentence_reader.h"
#include "files/lines.h"
#include "files/utf8.h"
#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 2000, SHOWN = 60 };

/* Lines that are left out of every sentence. */
typedef struct {
    int64_t n, first;
} left_out;

typedef struct {
    bert_sentence_reader *s;
    const char *path;
    bert_lines *lines;
    bert_word_line *sample; /* the first lines, read ahead */
    size_t sampled, next;
    bert_column_plan plan;
    bool past_header;
    char *sentence; /* which the words are of, where a column says it */
    left_out comments, multiple, empty;
} reader;

static void leave_out(left_out *l, int64_t line) {
    if (!l->n++) l->first = line;
}

static int read_ahead(reader *r, bert_error *e) {
    r->sample = calloc(SAMPLE, sizeof *r->sample);
    if (!r->sample) return bert_fail_memory(e, SAMPLE * sizeof *r->sample);
    char *line;
    size_t n;
    int rc = 1;
    while (r->sampled < SAMPLE && (rc = bert_lines_next(r->lines, &line, &n, e)) > 0) {
        char *copy = malloc(n + 1);
        if (!copy) return bert_fail_memory(e, n);
        memcpy(copy, line, n);
        copy[n] = 0;
        r->sample[r->sampled++] = (bert_word_line){copy, n, bert_lines_number(r->lines)};
    }
    return rc < 0 ? rc : BERT_OK;
}

/* 1 and the next line, 0 at the end, or an error. */
static int next_line(reader *r, bert_word_line *l, bert_error *e) {
    if (r->next < r->sampled) {
        *l = r->sample[r->next++];
        return 1;
    }
    int rc = bert_lines_next(r->lines, &l->text, &l->bytes, e);
    l->number = bert_lines_number(r->lines);
    return rc;
}

static int fail_no_label(const reader *r, const bert_word_line *l, bert_error *e) {
    return bert_dataset_fail(r->s->b, l->number, e, BERT_EFORMAT,
                             "\"%.*s\" has no label: a word, a tab or space, and its label",
                             l->bytes < SHOWN ? (int)l->bytes : SHOWN, l->text);
}

/* A line that is split otherwise than the others. */
static int check_shape(const reader *r, const bert_word_line *l, int n, bert_error *e) {
    const bert_column_plan *p = &r->plan;
    const int needed = (p->word > p->label ? p->word : p->label) + 1;
    const char other = p->separator == ' ' ? '\t' : ' ';
    if (!bert_separator_quotes(p->separator) && memchr(l->text, other, l->bytes) &&
        (other == '\t' || n == 1))
        return bert_dataset_fail(r->s->b, l->number, e, BERT_EFORMAT,
                                 "columns are between %s here and between %s in the lines before",
                                 other == '\t' ? "tabs" : "blanks",
                                 other == '\t' ? "blanks" : "tabs");
    if (n < needed && n < p->columns) return fail_no_label(r, l, e);
    if (n == p->columns || (p->ragged && n > p->columns)) return BERT_OK;
    return bert_dataset_fail(r->s->b, l->number, e, BERT_EFORMAT,
                             "%d columns, \"%.*s\", and other lines have %d", n,
                             l->bytes < SHOWN ? (int)l->bytes : SHOWN, l->text, p->columns);
}

/* 1-2 is several words, which follow; 8.1 is a word that was left out. */
static bool is_extra(reader *r, const bert_field *index, int64_t line) {
    if (!r->plan.index) return false;
    const bool range = memchr(index->text, '-', index->bytes),
               empty = memchr(index->text, '.', index->bytes);
    if (range) leave_out(&r->multiple, line);
    if (empty && !range) leave_out(&r->empty, line);
    return range || empty;
}

/* Ends the sentence where the column of sentences holds another one. */
static int follow_sentence(reader *r, const bert_field *f, bert_error *e) {
    if (!f->bytes ||
        (r->sentence && strlen(r->sentence) == f->bytes && !memcmp(r->sentence, f->text, f->bytes)))
        return BERT_OK;
    free(r->sentence);
    r->sentence = strndup(f->text, f->bytes);
    if (!r->sentence) return bert_fail_memory(e, f->bytes);
    return bert_sentence_end(r->s, e);
}

static int read_word(reader *r, const bert_word_line *l, bert_error *e) {
    const bert_column_plan *p = &r->plan;
    bert_field f[BERT_COLUMNS_MAX + 1];
    r->s->b->set->invalid += !bert_utf8_valid(l->text, l->bytes);
    const int n = bert_column_split(p->separator, l->text, l->bytes, f);
    if (n < 0)
        return bert_dataset_fail(r->s->b, l->number, e, BERT_EFORMAT,
                                 "a quoted field does not end in its line");
    int rc = check_shape(r, l, n, e);
    if (rc) return rc;
    if (p->header && !r->past_header) {
        r->past_header = true;
        return BERT_OK;
    }
    if (is_extra(r, &f[0], l->number)) return BERT_OK;
    if (!f[p->label].bytes) return fail_no_label(r, l, e);
    if (!f[p->word].bytes)
        return bert_dataset_fail(r->s->b, l->number, e, BERT_EFORMAT, "has a label but no word");
    if (p->sentence >= 0 && (rc = follow_sentence(r, &f[p->sentence], e))) return rc;
    bert_field word = f[p->word];
    const size_t prefix = strlen(p->prefix);
    if (prefix && word.bytes > prefix && !memcmp(word.text, p->prefix, prefix)) {
        word.text += prefix;
        word.bytes -= prefix;
    }
    return bert_sentence_word(r->s, word.text, word.bytes, f[p->label].text, f[p->label].bytes,
                              l->number, e);
}

static int read_line(reader *r, const bert_word_line *l, bert_error *e) {
    if (bert_blank_line(l->text, l->bytes) || bert_document_line(l->text, l->bytes))
        return bert_sentence_end(r->s, e);
    if (!r->s->words && bert_comment_line(&r->plan, l->text, l->bytes)) {
        leave_out(&r->comments, l->number);
        return BERT_OK;
    }
    return read_word(r, l, e);
}

static int say_left_out(const reader *r, const left_out *l, const char *what, bert_error *e) {
    if (!l->n) return BERT_OK;
    return bert_dataset_say(r->s->b, e, "%lld line%s left out: %s (%sline %lld)", (long long)l->n,
                            l->n == 1 ? "" : "s", what, l->n == 1 ? "" : "the first in ",
                            (long long)l->first);
}

static int read_all(reader *r, bert_error *e) {
    int rc = read_ahead(r, e);
    if (!rc) rc = bert_column_plan_make(r->s->b, r->path, r->sample, r->sampled, &r->plan, e);
    if (rc) return rc;
    r->s->all->columns = r->plan.columns;
    if (r->plan.label_name && !(r->s->all->tags_name = strdup(r->plan.label_name)))
        return bert_fail_memory(e, strlen(r->plan.label_name));
    bert_word_line l;
    while ((rc = next_line(r, &l, e)) > 0)
        if ((rc = read_line(r, &l, e))) return rc;
    for (int i = 0; !rc && bert_lines_note(r->lines, i); i++)
        rc = bert_dataset_say(r->s->b, e, "%s", bert_lines_note(r->lines, i));
    if (!rc) rc = say_left_out(r, &r->comments, "comments", e);
    if (!rc) rc = say_left_out(r, &r->multiple, "several words in one, which follow", e);
    if (!rc) rc = say_left_out(r, &r->empty, "empty nodes, which are no words", e);
    return rc;
}

int bert_read_word_lines(bert_sentence_reader *s, const char *path, bert_error *e) {
    reader r = {.s = s, .path = path, .lines = bert_lines_open(path, path, e)};
    if (!r.lines) return e->code;
    int rc = read_all(&r, e);
    for (size_t i = 0; i < r.sampled; i++) free(r.sample[i].text);
    free(r.sample);
    free(r.sentence);
    bert_column_plan_free(&r.plan);
    bert_lines_close(r.lines);
    return rc;
}
