#include "data/metric_squad.h"
#include "text/utf8.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static size_t put(char *out, uint32_t c) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; --i; c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00 >> n & 0xf0) | c);
    return n;
}

/* Lowercase without ASCII punctuation: string.punctuation of Python is C's ispunct. */
static size_t plain(const char *text, char *out) {
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
    size_t n = 0;
    while (p < end) {
        uint32_t c = bert_utf8_next(&p, end);
        if (c < 0x80 && ispunct((int)c)) continue;
        n += put(out + n, (uint32_t)((int32_t)c + bert_unicode_of(c)->lower));
        if (c == 0x130) n += put(out + n, 0x307);
    }
    out[n] = 0;
    return n;
}

static bool word_at(const uint8_t *p, const uint8_t *end) {
    return p < end && bert_unicode_of(bert_utf8_next(&p, end))->flags & BERT_CHAR_WORD;
}

/* The length of the article that stands at p as a word of its own, or 0. */
static size_t article(const uint8_t *begin, const uint8_t *p, const uint8_t *end) {
    static const char *const articles[] = {"the", "an", "a"};
    if (p > begin && bert_unicode_of(bert_utf8_before(begin, p))->flags & BERT_CHAR_WORD) return 0;
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(articles[i]);
        if ((size_t)(end - p) >= n && !memcmp(p, articles[i], n) && !word_at(p + n, end)) return n;
    }
    return 0;
}

size_t bert_squad_normalize(const char *text, char *out) {
    size_t length = plain(text, out), n = 0;
    /* An invalid byte becomes three; what is written then is never more than what is read. */
    char *copy = out + 4 * strlen(text) + 4;
    memmove(copy, out, length);
    const uint8_t *begin = (const uint8_t *)copy, *p = begin, *end = p + length;
    bool gap = false;
    while (p < end) {
        size_t skip = article(begin, p, end);
        const uint8_t *from = p;
        uint32_t c = bert_utf8_next(&p, end);
        if (skip || bert_unicode_of(c)->flags & BERT_CHAR_SPACE) {
            if (skip) p = from + skip;
            gap = n > 0;
            continue;
        }
        if (gap) out[n++] = ' ';
        gap = false;
        memmove(out + n, from, (size_t)(p - from));
        n += (size_t)(p - from);
    }
    out[n] = 0;
    return n;
}

/* ---- Words in common */

static char *normalized(const char *text) {
    char *out = malloc(8 * strlen(text) + 8);
    if (out) bert_squad_normalize(text, out);
    return out;
}

static size_t words_of(char *text, const char **words) {
    size_t n = 0;
    for (char *save = NULL, *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
        words[n++] = w;
    return n;
}

static size_t in_common(const char **a, size_t n, const char **b, size_t m) {
    size_t same = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++)
            if (b[k] && !strcmp(a[i], b[k])) {
                b[k] = NULL;
                same++;
                break;
            }
    return same;
}

static double f1_of(char *a, char *b, bool version_2) {
    const size_t room = strlen(a) + strlen(b) + 2;
    const char **words = malloc(room * sizeof *words);
    if (!words) return -1;
    size_t n = words_of(a, words), m = words_of(b, words + n);
    double f1 = 0;
    if (version_2 && (!n || !m)) {
        f1 = n == m;
    } else {
        size_t same = in_common(words, n, words + n, m);
        double precision = same ? (double)same / (double)n : 0;
        double recall = same ? (double)same / (double)m : 0;
        f1 = same ? 2 * precision * recall / (precision + recall) : 0;
    }
    free(words);
    return f1;
}

typedef double compare_fn(char *a, char *b, bool version_2);

static double exact_of(char *a, char *b, bool version_2) {
    (void)version_2;
    return !strcmp(a, b);
}

/* In version 2.0 gold answers without a word count only where there are no others. */
static double best(const char *answer, const char *const *gold, int n, bool version_2,
                   compare_fn *compare) {
    double top = 0, of_wordless = 0;
    bool worded = false;
    for (int i = 0; i < n; i++) {
        char *a = normalized(answer), *b = normalized(gold[i]);
        const bool counts = !version_2 || (b && *b);
        double v = a && b ? compare(a, b, version_2) : -1;
        free(a);
        free(b);
        if (v < 0) return v;
        double *of = counts ? &top : &of_wordless;
        if (v > *of) *of = v;
        worded |= counts;
    }
    return worded ? top : of_wordless;
}

double bert_squad_exact(const char *answer, const char *const *gold, int n, bool version_2) {
    return best(answer, gold, n, version_2, exact_of);
}

double bert_squad_f1(const char *answer, const char *const *gold, int n, bool version_2) {
    return best(answer, gold, n, version_2, f1_of);
}
