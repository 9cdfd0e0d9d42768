#include "base/page.h"
#include "base/base64.h"
#include "base/number.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void bert_page_put(bert_page *p, const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    int n = bert_vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > (int)sizeof text - 1) n = (int)sizeof text - 1;
    if (!p->rc) p->rc = bert_writer_put(p->w, text, (size_t)n, p->e);
}

const char *bert_page_entity(uint32_t c) {
    return c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : NULL;
}

static void put_byte(bert_page *p, char c) {
    const char *as = bert_page_entity((unsigned char)c);
    if (p->rc) return;
    p->rc = as ? bert_writer_put(p->w, as, strlen(as), p->e) : bert_writer_put(p->w, &c, 1, p->e);
}

void bert_page_text(bert_page *p, const char *s) {
    for (; *s && !p->rc; s++) put_byte(p, *s);
}

void bert_page_part(bert_page *p, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) put_byte(p, (unsigned char)s[i] < 0x20 ? ' ' : s[i]);
}

void bert_page_base64(bert_page *p, const unsigned char *bytes, size_t n) {
    enum { SOME = 768 }; /* a multiple of three: only the last ones are filled up */
    char text[4 * SOME / 3 + 1];
    for (size_t i = 0; i < n && !p->rc; i += SOME) {
        const size_t some = n - i < SOME ? n - i : SOME;
        bert_base64_write(bytes + i, some, text);
        p->rc = bert_writer_put(p->w, text, bert_base64_size(some), p->e);
    }
}

void bert_page_shade(bert_page *p, double strength, double title) {
    const double part = fabs(strength) < 1 ? fabs(strength) : 1;
    bert_page_put(p, "<span class=\"%s\" style=\"--s:%.0f%%\"", strength < 0 ? "against" : "for",
                  75 * part);
    if (!isnan(title)) bert_page_put(p, " title=\"%.4g\"", title);
    bert_page_put(p, ">");
}
