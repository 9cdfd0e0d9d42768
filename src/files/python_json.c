#include "files/python_json.h"
#include "base/error.h"
#include "base/number.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *p, *end;
    char *out; /* NULL: it is only counted */
    size_t n;
    int shift; /* of the line: characters that were put in */
    bool changed;
} copier;

static void put(copier *c, const char *bytes, size_t n) {
    if (c->out) memcpy(c->out + c->n, bytes, n);
    c->n += n;
}

/* `instead` in the place of n bytes, in as much room where it needs less. */
static void replace(copier *c, const char *instead, size_t n) {
    size_t m = strlen(instead);
    put(c, instead, m);
    for (; m < n; m++) put(c, " ", 1);
    c->shift += (int)(m - n);
    c->p += n;
    c->changed = true;
}

static bool starts(const copier *c, const char *what) {
    const size_t n = strlen(what);
    return (size_t)(c->end - c->p) >= n && !memcmp(c->p, what, n);
}

/* The four digits behind \u, or -1. */
static int escape_code(const char *p, const char *end) {
    char digits[5] = "", *stop;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') return -1;
    memcpy(digits, p + 2, 4);
    if (strspn(digits, "0123456789abcdefABCDEF") != 4) return -1;
    return (int)strtol(digits, &stop, 16);
}

/* An escape sequence of a string. */
static void copy_escape(copier *c) {
    const int code = escape_code(c->p, c->end);
    const size_t n = code >= 0 ? 6 : 2;
    if (code < 0xd800 || code > 0xdfff) {
        const size_t left = (size_t)(c->end - c->p);
        put(c, c->p, n < left ? n : left);
        c->p += n < left ? n : left;
        return;
    }
    const int low = code < 0xdc00 ? escape_code(c->p + 6, c->end) : -1;
    if (low < 0xdc00 || low > 0xdfff) {
        replace(c, "\\ufffd", 6);
        return;
    }
    put(c, c->p, 12);
    c->p += 12;
}

/* From its first quote on. */
static void copy_string(copier *c) {
    put(c, c->p++, 1);
    while (c->p < c->end && *c->p != '"') {
        if (*c->p == '\\') {
            copy_escape(c);
            continue;
        }
        const char *stop = c->p;
        while (stop < c->end && *stop != '"' && *stop != '\\') stop++;
        put(c, c->p, (size_t)(stop - c->p));
        c->p = stop;
    }
    if (c->p < c->end) put(c, c->p++, 1);
}

enum { LONGEST_NUMBER = 4096 };

static bool fits_integer(const char *digits) {
    errno = 0;
    (void)strtoll(digits, NULL, 10);
    return !errno;
}

/* "12345678901234567890" as "123456789012345678e2": it is as long, and no integer. */
static void copy_large_integer(copier *c, size_t n) {
    put(c, c->p, n - 2);
    put(c, "e2", 2);
    c->p += n;
    c->changed = true;
}

static void copy_number(copier *c) {
    size_t n = 0;
    while (c->p + n < c->end && strchr("+-.eE0123456789", c->p[n]) && c->p[n]) n++;
    char number[LONGEST_NUMBER];
    if (n >= sizeof number) { /* left to the parser */
        put(c, c->p, n);
        c->p += n;
        return;
    }
    memcpy(number, c->p, n);
    number[n] = 0;
    const size_t sign = *number == '-', digits = strspn(number + sign, "0123456789");
    char *stop;
    const double v = bert_strtod(number, &stop);
    if (!*stop && isinf(v))
        replace(c, v < 0 ? "-1e308" : "1e308", n);
    else if (sign + digits == n && !fits_integer(number))
        copy_large_integer(c, n);
    else {
        put(c, c->p, n);
        c->p += n;
    }
}

static void copy_word(copier *c) {
    static const struct {
        const char *word, *instead;
    } words[] = {{"NaN", "null"}, {"Infinity", "1e308"}, {"-Infinity", "-1e308"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (starts(c, words[i].word)) {
            replace(c, words[i].instead, strlen(words[i].word));
            return;
        }
    if (*c->p == '-' || isdigit((unsigned char)*c->p)) {
        copy_number(c);
        return;
    }
    /* true, false, null, or what the parser will refuse */
    do put(c, c->p++, 1);
    while (c->p < c->end && isalpha((unsigned char)*c->p));
}

/* Until the copy has `most` bytes, or all. */
static void copy(copier *c, size_t most) {
    while (c->p < c->end && c->n < most) {
        const char ch = *c->p;
        if (ch == '"')
            copy_string(c);
        else if (isalnum((unsigned char)ch) || ch == '-')
            copy_word(c);
        else {
            if (ch == '\n') c->shift = 0;
            put(c, c->p++, 1);
        }
    }
}

char *bert_python_json(const char *text, size_t bytes, size_t *out_bytes, bert_error *e) {
    copier c = {.p = text, .end = text + bytes};
    copy(&c, SIZE_MAX);
    if (!c.changed) return NULL;
    *out_bytes = c.n;
    c = (copier){.p = text, .end = text + bytes, .out = malloc(*out_bytes + 1)};
    if (!c.out) {
        bert_fail_memory(e, *out_bytes + 1);
        return NULL;
    }
    copy(&c, SIZE_MAX);
    return c.out;
}

int bert_python_json_shift(const char *text, size_t bytes, size_t position) {
    copier c = {.p = text, .end = text + bytes};
    copy(&c, position);
    return c.shift;
}
