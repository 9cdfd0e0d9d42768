/* Explanations as a picture of lines: every character has a place of its own, so that no font is needed
 * to know where a line ends. */
#include "base/error.h"
#include "base/grow.h"
#include "base/number.h"
#include "pipelines/explain_file.h"
#include "text/code_points.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { COLUMNS = 88, MARGIN = 16, ADVANCE = 9, LINE = 24 };

/* The height comes before the lines, so they wait. */
__attribute__((format(printf, 2, 3))) static void put(bert_explain_file *f, const char *format,
                                                      ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    int n = bert_vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > (int)sizeof text - 1) n = (int)sizeof text - 1;
    if (n < 0 || f->page.rc) return;
    f->page.rc = bert_grow(&f->body, f->used + (size_t)n + 1, 1, &f->error);
    if (f->page.rc) return;
    memcpy(f->body + f->used, text, (size_t)n);
    f->used += (size_t)n;
}

static void put_point(bert_explain_file *f, uint32_t c) {
    uint8_t bytes[5] = {0};
    const char *as = bert_page_entity(c);
    bert_utf8_put(c, bytes);
    put(f, "%s", as ? as : (const char *)bytes);
}

/* Columns of a character: East Asian ones have two, marks on others none. */
static int width_of(uint32_t c) {
    if ((c >= 0x300 && c < 0x370) || c == 0x200d || (c >= 0xfe00 && c < 0xfe10)) return 0;
    return (c >= 0x1100 && c < 0x1160) || (c >= 0x2e80 && c < 0xa4d0) ||
                   (c >= 0xac00 && c < 0xd7a4) || (c >= 0xf900 && c < 0xfb00) ||
                   (c >= 0xff00 && c < 0xff61) || (c >= 0x1f300 && c < 0x1fb00) ||
                   (c >= 0x20000 && c < 0x40000)
               ? 2
               : 1;
}

static void new_line(bert_explain_file *f, int *column) {
    *column = 0;
    f->height += LINE;
}

/* The columns of what can be written before a line may end: the rest of the run, or up to a blank. */
static int columns_of(const char *text, size_t bytes) {
    const uint8_t *p = (const uint8_t *)text, *end = p + bytes;
    int columns = 0;
    while (p < end) columns += width_of(bert_utf8_next(&p, end));
    return columns;
}

/* A piece of one line. */
static void put_piece(bert_explain_file *f, const uint8_t *p, const uint8_t *end, int column,
                      int columns, double strength) {
    const int x = MARGIN + column * ADVANCE, w = columns * ADVANCE;
    if (!columns) return;
    if (strength != 0)
        put(f,
            "<rect x=\"%d\" y=\"%.0f\" width=\"%d\" height=\"20\" rx=\"2\" fill=\"%s\" "
            "fill-opacity=\"%.2f\"/>",
            x, f->height - 15, w, strength < 0 ? "#d9480f" : "#2b8a3e", 0.75 * fabs(strength));
    put(f, "<text x=\"%d\" y=\"%.0f\" textLength=\"%d\" lengthAdjust=\"spacingAndGlyphs\">", x,
        f->height, w);
    while (p < end) {
        const uint32_t c = bert_utf8_next(&p, end);
        put_point(f, c < 0x20 ? ' ' : c);
    }
    put(f, "</text>\n");
}

/* A run of text, broken where a line is full. */
static void put_run(bert_explain_file *f, const char *text, size_t bytes, double strength,
                    int *column) {
    const uint8_t *p = (const uint8_t *)text, *end = p + bytes;
    if (*column && *column + columns_of(text, bytes) > COLUMNS) new_line(f, column);
    while (p < end) {
        const uint8_t *from = p, *next = p;
        int columns = 0;
        while (next < end) {
            const uint32_t c = bert_utf8_next(&next, end);
            if (*column + columns + width_of(c) > COLUMNS) break;
            columns += width_of(c);
            p = next;
        }
        if (p == from) p = next; /* wider than a line */
        put_piece(f, from, p, *column, columns, strength);
        *column += columns;
        if (p < end) new_line(f, column);
    }
}

static void put_sequence(bert_explain_file *f, const bert_explanation *x, int32_t sequence) {
    const double most = bert_explained_most(x);
    bert_run_place at = {0};
    bert_explained_run run;
    int column = 0;
    f->height += LINE;
    while (bert_explained_next(x, sequence, &at, &run)) {
        if (!column && !run.scored && run.bytes == 1 && *run.text == ' ') continue;
        put_run(f, run.text, run.bytes, run.scored ? run.score / most : 0, &column);
    }
}

static void put_specials(bert_explain_file *f, const bert_explanation *x) {
    const double most = bert_explained_most(x);
    int column = 0;
    for (int32_t i = 0; i < x->tokens; i++) {
        const bert_explained_token *t = &x->of_token[i];
        if (!bert_explained_special(x, t)) continue;
        if (!column) f->height += LINE;
        put_run(f, t->token, strlen(t->token), (double)t->score / most, &column);
        column++;
    }
}

static void begin(bert_explain_file *f) {
    f->height = 0;
}

static void add(bert_explain_file *f, const bert_explanation *x) {
    char title[400];
    if (x->views) {
        f->page.rc = bert_fail(&f->error, BERT_EINVAL,
                               "%s: a .svg is of texts; pictures have .png and .html", f->path);
        return;
    }
    bert_explained_title(x, title, sizeof title);
    f->height += LINE + (f->count ? LINE / 2 : 0);
    put(f, "<text class=\"t\" x=\"%d\" y=\"%.0f\">", MARGIN, f->height);
    for (const uint8_t *p = (const uint8_t *)title, *end = p + strlen(title); p < end;) {
        const uint32_t c = bert_utf8_next(&p, end);
        put_point(f, c < 0x20 ? ' ' : c);
    }
    put(f, "</text>\n");
    put_sequence(f, x, 0);
    if (x->text.pair) put_sequence(f, x, 1);
    put_specials(f, x);
}

static void end(bert_explain_file *f) {
    bert_page *p = &f->page;
    const int width = 2 * MARGIN + COLUMNS * ADVANCE;
    bert_page_put(p,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" width=\"%d\" "
                  "height=\"%.0f\"><style>text{font:15px monospace;fill:#1b1b1b;white-space:pre}"
                  ".t{font:12px sans-serif;fill:#767676}</style><rect width=\"100%%\" "
                  "height=\"100%%\" fill=\"#fff\"/>\n",
                  width, f->height + MARGIN, width, f->height + MARGIN);
    if (!p->rc && f->used) p->rc = bert_writer_put(p->w, f->body, f->used, p->e);
    bert_page_put(p, "</svg>\n");
}

const bert_explain_format bert_explain_svg = {".svg", begin, add, end};
