/* Files of explanations: what their formats share. */
#ifndef BERT_PIPELINES_EXPLAIN_FILE_H
#define BERT_PIPELINES_EXPLAIN_FILE_H
#include "base/page.h"

struct bert_explain_file {
    const struct bert_explain_format *format;
    char *path;
    bert_page page; /* w NULL: nothing is written before it is closed */
    bert_error error;
    int count;
    char *body; /* base/grow.h: what stands behind the beginning, where that says how long it is */
    size_t used;
    double height;
};

typedef struct bert_explain_format {
    const char *suffix; /* ".html" */
    void (*begin)(bert_explain_file *f);
    void (*add)(bert_explain_file *f, const bert_explanation *x);
    void (*end)(bert_explain_file *f);
} bert_explain_format;
extern const bert_explain_format bert_explain_html, bert_explain_svg, bert_explain_png;

/* A run of a text: tokens that share characters, or characters between tokens. */
typedef struct {
    const char *text;
    size_t bytes;
    bool scored;
    double score;
} bert_explained_run;
/* The runs of the text (sequence 0) or its pair (1), one after another: *at is 0 at first. False: there
 * are no more. */
typedef struct {
    int32_t token;
    size_t byte;
    int32_t point;
} bert_run_place;
bool bert_explained_next(const bert_explanation *x, int32_t sequence, bert_run_place *at,
                         bert_explained_run *run);
/* The largest score of all, without its sign; 1 where all are 0. */
double bert_explained_most(const bert_explanation *x);
/* A view of pictures with its map over it, not larger than a page needs. */
bert_image *bert_explained_view(const bert_explanation *x, int32_t view, bert_error *e);
/* Whether a special token has enough of it to be shown. */
bool bert_explained_special(const bert_explanation *x, const bert_explained_token *t);
/* What stands above an explanation. */
void bert_explained_title(const bert_explanation *x, char *out, size_t capacity);
#endif
