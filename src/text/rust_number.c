#include "text/rust_number.h"
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *p, *end;
    uint64_t digits; /* as an integer */
    int exponent;
} decimal;

/* What does not fit any more is not looked at, but that it is there. */
static void read_digits(decimal *x, int shift) {
    bool full = false;
    for (; x->p < x->end && *x->p >= '0' && *x->p <= '9'; x->p++) {
        const uint64_t digit = (uint64_t)(*x->p - '0');
        full = full || x->digits > (UINT64_MAX - digit) / 10;
        if (!full) x->digits = x->digits * 10 + digit;
        x->exponent += full ? 1 + shift : shift;
    }
}

static void read_exponent(decimal *x) {
    enum { MOST = 100000 };
    if (x->p == x->end || (*x->p | 32) != 'e') return;
    const bool negative = ++x->p < x->end && *x->p == '-';
    if (x->p < x->end && (*x->p == '-' || *x->p == '+')) x->p++;
    int n = 0;
    for (; x->p < x->end && *x->p >= '0' && *x->p <= '9'; x->p++)
        if (n < MOST) n = 10 * n + (*x->p - '0');
    x->exponent += negative ? -n : n;
}

/* 10^n, rounded to nearest as a constant is. */
static double power_of_ten(int n) {
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (n < (int)(sizeof exact / sizeof *exact)) return exact[n];
    char text[16];
    snprintf(text, sizeof text, "1e%d", n);
    return strtod(text, NULL);
}

double bert_rust_number(const char *text, size_t n) {
    enum { LARGEST = 308 };
    decimal x = {.p = text, .end = text + n};
    const bool negative = n && *text == '-';
    x.p += negative;
    read_digits(&x, 0);
    if (x.p < x.end && *x.p == '.') {
        x.p++;
        read_digits(&x, -1);
    }
    read_exponent(&x);
    double value = (double)x.digits;
    for (; x.exponent < -LARGEST && value > 0; x.exponent += LARGEST) value /= 1e308;
    if (x.exponent >= 0)
        value *= power_of_ten(x.exponent);
    else if (value > 0)
        value /= power_of_ten(-x.exponent);
    return negative ? -value : value;
}

/* The decimal of so many digits that is `step` of its last place beside the nearest one. */
static void spell(double x, int digits, int step, char text[BERT_NUMBER_TEXT]) {
    char nearest[BERT_NUMBER_TEXT], all[BERT_NUMBER_TEXT];
    snprintf(nearest, sizeof nearest, "%.*e", digits - 1, fabs(x));
    const char *e = strchr(nearest, 'e');
    const int exponent = atoi(e + 1), sign = x < 0;
    uint64_t number = 0;
    for (const char *p = nearest; p < e; p++) /* whatever the locale's point is */
        if (*p >= '0' && *p <= '9') number = 10 * number + (uint64_t)(*p - '0');
    number += (uint64_t)(int64_t)step;
    int n = snprintf(all, sizeof all, "%" PRIu64, number);
    int before = exponent + 1 + (n - digits); /* digits in front of the point */
    while (n > 1 && n > before && all[n - 1] == '0') n--;
    if (before < 1 || before > n)
        snprintf(text, BERT_NUMBER_TEXT, "%s%.1s.%.*se%d", sign ? "-" : "", all, n - 1,
                 n > 1 ? all + 1 : "0", before - 1);
    else
        snprintf(text, BERT_NUMBER_TEXT, "%s%.*s.%.*s", sign ? "-" : "", before, all,
                 n > before ? n - before : 1, n > before ? all + before : "0");
}

void bert_rust_spell(double x, char text[BERT_NUMBER_TEXT]) {
    enum { SHORTEST = 15, LONGEST = 17, FARTHEST = 16 };
    for (int far = 0; (x < 0 || x > 0) && far <= FARTHEST; far++)
        for (int digits = SHORTEST; digits <= LONGEST; digits++)
            for (int side = -1; side <= 1; side += 2) {
                spell(x, digits, side * far, text);
                if (bert_rust_number(text, strlen(text)) == x) return;
            }
    snprintf(text, BERT_NUMBER_TEXT, "0.0");
    if (x < 0 || x > 0) spell(x, LONGEST, 0, text);
}
