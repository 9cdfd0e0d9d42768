#include "train/html_page.h"
#include "base/number.h"
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

void bert_page_text(bert_page *p, const char *s) {
    for (; *s && !p->rc; s++) {
        const char *as = *s == '<'   ? "&lt;"
                         : *s == '>' ? "&gt;"
                         : *s == '&' ? "&amp;"
                         : *s == '"' ? "&quot;"
                                     : NULL;
        p->rc =
            as ? bert_writer_put(p->w, as, strlen(as), p->e) : bert_writer_put(p->w, s, 1, p->e);
    }
}
