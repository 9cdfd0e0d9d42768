/* Writing HTML and SVG: formatted text, and text of others, whose marks are characters. */
#ifndef BERT_BASE_PAGE_H
#define BERT_BASE_PAGE_H
#include "base/file.h"

/* What is written to; the first error sticks. */
typedef struct {
    bert_writer *w;
    bert_error *e;
    int rc;
} bert_page;

/* What stands for a mark of HTML in text; NULL: c is none. */
const char *bert_page_entity(uint32_t c);
/* At most 2047 bytes. */
__attribute__((format(printf, 2, 3))) void bert_page_put(bert_page *p, const char *format, ...);
/* What somebody else has written: marks of HTML in it are characters. */
void bert_page_text(bert_page *p, const char *s);
/* n bytes of it; control characters are blanks. */
void bert_page_part(bert_page *p, const char *s, size_t n);
/* n bytes in base64, of a data: URI. */
void bert_page_base64(bert_page *p, const unsigned char *bytes, size_t n);

/* What .for and .against look like, in a <style>: text that speaks for something and against it, as
 * strongly as --s says. */
#define BERT_PAGE_SHADES                                                                           \
    ".for{background:color-mix(in srgb,#2b8a3e var(--s),transparent)}.against{background:"         \
    "color-mix(in srgb,#d9480f var(--s),transparent)}.for,.against{border-radius:2px}"
/* <span class="for"> or "against" of a strength from -1 to 1, up to its text. title: a number, NaN:
 * none. "</span>" ends it. */
void bert_page_shade(bert_page *p, double strength, double title);
#endif
