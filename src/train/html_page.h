/* report.html's parts: what they write with, and each of them. */
#ifndef BERT_TRAIN_HTML_PAGE_H
#define BERT_TRAIN_HTML_PAGE_H
#include "base/file.h"
#include "train/trainer.h"

/* What is written to; the first error sticks. */
typedef struct {
    bert_writer *w;
    bert_error *e;
    int rc;
} bert_page;

/* At most 2047 bytes. */
__attribute__((format(printf, 2, 3))) void bert_page_put(bert_page *p, const char *format, ...);
/* What somebody else has written: marks of HTML in it are characters. */
void bert_page_text(bert_page *p, const char *s);

/* ---- A chart: from x0, y0 to x1, y1, with a line at every tick of y, and a number at every x_tick
 * of x (0: at its ends). */

typedef struct {
    double x0, x1, y0, y1, tick, x_tick;
} bert_axes;

/* Begins the picture, which "</svg>" ends. */
void bert_page_axes(bert_page *p, const bert_axes *r);
/* Where a value is in it. */
double bert_axes_x(const bert_axes *r, double x);
double bert_axes_y(const bert_axes *r, double y);

/* ---- Sections of the report */

/* html_curves.c: what was logged, by steps. */
void bert_html_curves(bert_page *p, const bert_trainer *t);
/* html_rows.c: what the validation data shows where its rows are classified. */
void bert_html_rows(bert_page *p, bert_trainer *t);
/* html_tags.c: the same where words are tagged. */
void bert_html_tags(bert_page *p, bert_trainer *t);
#endif
