/* One line of progress on standard error: redrawn in place on a terminal, else a line now and
 * then. */
#ifndef BERT_CLI_PROGRESS_H
#define BERT_CLI_PROGRESS_H
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    bool on, terminal, drawn;
    double shown; /* when, in seconds */
} progress;
progress progress_new(bool on);
double progress_now(void);             /* seconds that only go forward */
int progress_width(const progress *p); /* columns of a line */
/* Is it time to show the line again? */
bool progress_due(const progress *p);
void progress_show(progress *p, const char *line);
void progress_clear(progress *p); /* before anything else is written */
/* "[#####.....]" of width characters for a part in 0 .. 1. */
void progress_bar(double part, int width, char *out);
/* 95 -> "1:35". */
void progress_time(double seconds, char *out, size_t capacity);
#endif
