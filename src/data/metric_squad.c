#include "data/metric_squad.h"
#include "text/code_points.h"
#include "text/python_str.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- Normalisation: lower(), without string.punctuation, re.sub(r"\b(a|an|the)\b", " "), and
 * " ".join(split()) */

/* string.punctuation of Python is C's ispunct of ASCII. */
static size_t without_punctuation(char *text, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c >= 0x80 || !ispunct(c)) text[kept++] = text[i];
    }
    return kept;
}

/* The length of the article that p begins with, as a word that ends there, or 0. */
static size_t article(const uint8_t *p, const uint8_t *end) {
    static const char *const articles[] = {"the", "an", "a"};
    for (size_t i = 0; i < sizeof articles / sizeof *articles; i++) {
        const size_t n = strlen(articles[i]);
        if ((size_t)(end - p) < n || memcmp(p, articles[i], n)) continue;
        const uint8_t *next = p + n;
        if (next == end ||
            !(bert_python_char_of(bert_utf8_next(&next, end))->flags & BERT_PYTHON_WORD))
            return n;
    }
    return 0;
}

/* In place: what is written is never more than what was read. */
static size_t without_articles(char *text, size_t length) {
    const uint8_t *p = (const uint8_t *)text, *end = p + length;
    size_t n = 0;
    bool gap = false, after_word = false;
    while (p < end) {
        const uint8_t *from = p;
        const size_t skip = after_word ? 0 : article(p, end);
        const int flags = (int)bert_python_char_of(bert_utf8_next(&p, end))->flags;
        after_word = flags & BERT_PYTHON_WORD;
        if (skip || flags & BERT_PYTHON_SPACE) {
            if (skip) p = from + skip;
            gap = n > 0;
            continue;
        }
        if (gap) text[n++] = ' ';
        gap = false;
        memmove(text + n, from, (size_t)(p - from));
        n += (size_t)(p - from);
    }
    text[n] = 0;
    return n;
}

char *bert_squad_normalize(const bert_text *text, size_t *n) {
    char *out = malloc(3 * text->bytes + 1);
    if (!out) return NULL;
    *n = bert_python_lower(text->text, text->bytes, out);
    *n = without_punctuation(out, *n);
    *n = without_articles(out, *n);
    return out;
}

/* ---- Words in common */

static size_t words_of(const bert_text *t, bert_text *words) {
    size_t n = 0;
    for (const char *p = t->text, *end = p + t->bytes, *stop; p < end; p = stop + 1) {
        stop = memchr(p, ' ', (size_t)(end - p));
        if (!stop) stop = end;
        words[n++] = (bert_text){.text = p, .bytes = (size_t)(stop - p)};
    }
    return n;
}

static bool same(const bert_text *a, const bert_text *b) {
    return a->bytes == b->bytes && !memcmp(a->text, b->text, a->bytes);
}

static size_t in_common(const bert_text *a, size_t n, bert_text *b, size_t m) {
    size_t common = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++)
            if (same(&a[i], &b[k])) {
                b[k] = b[--m];
                common++;
                break;
            }
    return common;
}

static double f1_of(const bert_text *a, const bert_text *b, bool version_2) {
    bert_text *words = malloc((a->bytes + b->bytes + 2) * sizeof *words);
    if (!words) return -1;
    const size_t n = words_of(a, words), m = words_of(b, words + n);
    double f1 = 0;
    if (version_2 && (!n || !m)) {
        f1 = n == m;
    } else {
        const size_t common = in_common(words, n, words + n, m);
        const double precision = common ? (double)common / (double)n : 0;
        const double recall = common ? (double)common / (double)m : 0;
        f1 = common ? 2 * precision * recall / (precision + recall) : 0;
    }
    free(words);
    return f1;
}

typedef double compare_fn(const bert_text *a, const bert_text *b, bool version_2);

static double exact_of(const bert_text *a, const bert_text *b, bool version_2) {
    (void)version_2;
    return same(a, b);
}

/* In version 2.0 gold answers without a word count only where there are no others. */
static double best(const bert_text *answer, const bert_text *gold, int n, bool version_2,
                   compare_fn *compare) {
    double top = 0, of_wordless = 0;
    bool worded = false;
    for (int i = 0; i < n; i++) {
        bert_text a = {0}, b = {0};
        char *x = bert_squad_normalize(answer, &a.bytes),
             *y = bert_squad_normalize(&gold[i], &b.bytes);
        a.text = x;
        b.text = y;
        const bool counts = !version_2 || b.bytes;
        const double v = x && y ? compare(&a, &b, version_2) : -1;
        free(x);
        free(y);
        if (v < 0) return v;
        double *of = counts ? &top : &of_wordless;
        if (v > *of) *of = v;
        worded |= counts;
    }
    return worded ? top : of_wordless;
}

double bert_squad_exact(const bert_text *answer, const bert_text *gold, int n, bool version_2) {
    return best(answer, gold, n, version_2, exact_of);
}

double bert_squad_f1(const bert_text *answer, const bert_text *gold, int n, bool version_2) {
    return best(answer, gold, n, version_2, f1_of);
}
