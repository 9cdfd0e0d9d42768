/* Explanations as a page: the words of the text, coloured by their scores. */
#include "pipelines/explain_file.h"
#include <stdlib.h>

static void begin(bert_explain_file *f) {
    bert_page_put(
        &f->page,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>Explanations</title><style>:root{color-scheme:light "
        "dark}body{font:16px/1.9 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 "
        "1rem}section{border-top:1px solid #8884;padding:.6rem 0}h2{font-size:.85rem;"
        "font-weight:400;margin:0;opacity:.75}p{margin:.2rem 0;white-space:pre-wrap;"
        "overflow-wrap:anywhere}small{opacity:.6}figure{display:inline-block;margin:.3rem .6rem "
        ".3rem 0}img{max-width:100%%}"
        "figcaption{font-size:.8rem;opacity:.7}" BERT_PAGE_SHADES "</style><p><span "
        "class=\"for\" style=\"--s:60%%\">speaks for it</span> <span class=\"against\" "
        "style=\"--s:60%%\">speaks against it</span></p>");
}

static void put_sequence(bert_page *p, const bert_explanation *x, int32_t sequence) {
    const double most = bert_explained_most(x);
    bert_run_place at = {0};
    bert_explained_run run;
    bert_page_put(p, "<p>");
    while (bert_explained_next(x, sequence, &at, &run)) {
        if (run.scored) bert_page_shade(p, run.score / most, run.score);
        bert_page_part(p, run.text, run.bytes);
        if (run.scored) bert_page_put(p, "</span>");
    }
    bert_page_put(p, "</p>\n");
}

static void put_specials(bert_page *p, const bert_explanation *x) {
    const double most = bert_explained_most(x);
    bool any = false;
    for (int32_t i = 0; i < x->tokens; i++) {
        const bert_explained_token *t = &x->of_token[i];
        if (!bert_explained_special(x, t)) continue;
        bert_page_put(p, any ? " " : "<p><small>");
        any = true;
        bert_page_shade(p, (double)t->score / most, (double)t->score);
        bert_page_text(p, t->token);
        bert_page_put(p, "</span>");
    }
    if (any) bert_page_put(p, "</small></p>");
}

static void put_view(bert_page *p, const bert_explanation *x, int32_t view) {
    void *bytes = NULL;
    size_t n;
    bert_image *image = p->rc ? NULL : bert_explained_view(x, view, p->e);
    if (!p->rc && !image) p->rc = p->e->code;
    if (image) p->rc = bert_image_encode(image, ".png", &bytes, &n, p->e);
    if (!p->rc) {
        bert_page_put(p, "<figure><img alt=\"\" src=\"data:image/png;base64,");
        bert_page_base64(p, bytes, n);
        bert_page_put(p, "\"><figcaption>");
        if (x->pictures[view].path) bert_page_text(p, x->pictures[view].path);
        bert_page_put(p, "</figcaption></figure>");
    }
    free(bytes);
    bert_image_free(image);
}

static void add(bert_explain_file *f, const bert_explanation *x) {
    char title[400];
    bert_explained_title(x, title, sizeof title);
    bert_page_put(&f->page, "<section><h2>");
    bert_page_text(&f->page, title);
    bert_page_put(&f->page, "</h2>");
    for (int32_t v = 0; v < x->views; v++) put_view(&f->page, x, v);
    if (!x->views) put_sequence(&f->page, x, 0);
    if (x->text.pair) put_sequence(&f->page, x, 1);
    put_specials(&f->page, x);
    bert_page_put(&f->page, "</section>\n");
}

static void end(bert_explain_file *f) {
    bert_page_put(&f->page, "</html>\n");
}

const bert_explain_format bert_explain_html = {".html", begin, add, end};
