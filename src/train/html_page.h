/* report.html's parts: what they write with, and each of them. */
#ifndef BERT_TRAIN_HTML_PAGE_H
#define BERT_TRAIN_HTML_PAGE_H
#include "base/page.h"
#include "train/trainer.h"

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

/* ---- What the most wrong rows rest on (html_explain.c) */

typedef struct bert_html_explainer bert_html_explainer;
/* NULL: what the rows rest on cannot be said. */
bert_html_explainer *bert_html_explainer_new(const bert_trainer *t, const bert_trained *k);
void bert_html_explainer_free(bert_html_explainer *x);
/* Writes the row, coloured by what speaks for the label and against it: a text, or thumbnails of its
 * pictures, each with its map. False: nothing was written. */
bool bert_html_explained(bert_page *p, const bert_html_explainer *x, int64_t row, int32_t label);

/* ---- Sections of the report */

/* html_curves.c: what was logged, by steps. */
void bert_html_curves(bert_page *p, const bert_trainer *t);
/* html_rows.c: what the validation data shows where its rows are classified. */
void bert_html_rows(bert_page *p, bert_trainer *t);
/* html_tags.c: the same where words are tagged. */
void bert_html_tags(bert_page *p, bert_trainer *t);
#endif
