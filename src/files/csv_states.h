/* Where in a record of .csv a byte stands: what reads records, and what finds where they begin,
 * share. A line's end ends the record in all states but one. */
#ifndef BERT_FILES_CSV_STATES_H
#define BERT_FILES_CSV_STATES_H
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef enum {
    BERT_CSV_FIELD,  /* at a field's start, where a quote opens it */
    BERT_CSV_BARE,   /* in a field without quotes; a quote is text */
    BERT_CSV_QUOTED, /* in quotes; separators and ends of lines are text */
    BERT_CSV_AFTER   /* behind a quote in quotes: the field's end, or one half of "" */
} bert_csv_state;

typedef struct {
    char separator;
    bool skip_blanks; /* those in front of a quote, and behind one */
} bert_csv_rules;

/* How many of the n bytes at p, of one line, leave the state as it is. */
static inline size_t bert_csv_run(const bert_csv_rules *r, bert_csv_state s, const char *p,
                                  size_t n) {
    size_t i = 0;
    if (s == BERT_CSV_BARE || s == BERT_CSV_QUOTED) {
        const char *stop = memchr(p, s == BERT_CSV_BARE ? r->separator : '"', n);
        return stop ? (size_t)(stop - p) : n;
    }
    while (r->skip_blanks && i < n && p[i] == ' ') i++;
    return i;
}

/* The state behind the byte that ends such a run. (Behind a closing quote only a separator may
 * follow; the reader says so.) */
static inline bert_csv_state bert_csv_step(const bert_csv_rules *r, bert_csv_state s, char c) {
    if (s == BERT_CSV_QUOTED) return BERT_CSV_AFTER;
    if (c == '"' && s != BERT_CSV_BARE) return BERT_CSV_QUOTED;
    return c == r->separator ? BERT_CSV_FIELD : BERT_CSV_BARE;
}
#endif
