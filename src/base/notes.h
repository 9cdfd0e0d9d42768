/* Lines that say how something was read: what its author should know before anything is computed
 * from it. */
#ifndef BERT_BASE_NOTES_H
#define BERT_BASE_NOTES_H
#include <bert.h>
#include <stdarg.h>

/* Rows of which the same is to be said. */
typedef struct {
    char *what;
    int64_t rows, first; /* first: its line */
} bert_tally;

/* Zeroed: empty. */
typedef struct {
    char **line; /* [n] */
    int n;
    bert_tally *tally; /* [tallies] */
    int tallies;
} bert_notes;

int bert_notes_say(bert_notes *n, bert_error *e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int bert_notes_say_v(bert_notes *n, bert_error *e, const char *format, va_list args);
/* One more row of which `what` ("left out: no gold label") holds. */
int bert_notes_tally(bert_notes *n, int64_t line, const char *what, bert_error *e);
/* Says what was counted, "3 rows left out: no gold label (the first in line 7)", and counts anew.
 * unit: what a row is called, "row", "sentence"; place: what its line is called, "line", "row". */
int bert_notes_sum_up(bert_notes *n, const char *unit, const char *place, bert_error *e);
/* The lines from `from` on are of a part: its name comes in front, and those that are there already are not said
 * again. part NULL: they stay. */
int bert_notes_of_part(bert_notes *n, int from, const char *part, bert_error *e);
const char *bert_notes_at(const bert_notes *n, int i); /* NULL past the end */
void bert_notes_free(bert_notes *n);
#endif
