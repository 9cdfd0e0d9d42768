#include "base/number.h"
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

/* Of this thread only, between enter and leave. */
typedef struct {
    locale_t c, before;
} c_locale;

static c_locale enter(void) {
    c_locale l = {.c = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
    if (l.c) l.before = uselocale(l.c);
    return l;
}

static void leave(c_locale l) {
    const int error = errno;
    if (l.c) {
        uselocale(l.before);
        freelocale(l.c);
    }
    errno = error;
}

double bert_strtod(const char *text, char **end) {
    const c_locale l = enter();
    const double x = strtod(text, end);
    leave(l);
    return x;
}

int bert_vsnprintf(char *out, size_t capacity, const char *format, va_list args) {
    const c_locale l = enter();
    const int n = vsnprintf(out, capacity, format, args);
    leave(l);
    return n;
}

int bert_vasprintf(char **out, const char *format, va_list args) {
    const c_locale l = enter();
    const int n = vasprintf(out, format, args);
    leave(l);
    return n;
}

void bert_format_double(char *out, size_t capacity, int least, double v) {
    for (int digits = least; digits <= 17; digits++) {
        bert_snprintf(out, capacity, "%.*g", digits, v);
        if (bert_strtod(out, NULL) == v) break;
    }
}

int bert_snprintf(char *out, size_t capacity, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int n = bert_vsnprintf(out, capacity, format, args);
    va_end(args);
    return n;
}
