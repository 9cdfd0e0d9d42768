#include "data/question_place.h"
#include "text/code_points.h"
#include "text/python_str.h"
#include <string.h>

static bool is(uint32_t c, int flag) {
    return (int)bert_python_char_of(c)->flags & flag;
}

static const uint8_t *begin_of(const bert_text *t) {
    return (const uint8_t *)t->text;
}

static const uint8_t *end_of(const bert_text *t) {
    return (const uint8_t *)t->text + t->bytes;
}

static const uint8_t *skip_space(const uint8_t *p, const uint8_t *end) {
    for (const uint8_t *next = p; p < end; p = next)
        if (!is(bert_utf8_next(&next, end), BERT_PYTHON_SPACE)) break;
    return p;
}

bert_text bert_stripped(const bert_text *text) {
    const uint8_t *p = begin_of(text), *end = end_of(text);
    p = skip_space(p, end);
    while (end > p && is(bert_utf8_before(p, end), BERT_PYTHON_SPACE)) do
            end--;
        while (end > p && bert_utf8_continues(*end));
    return (bert_text){.text = (const char *)p, .bytes = (size_t)(end - p)};
}

/* ---- Places in several units */

static int points(uint32_t c) {
    (void)c;
    return 1;
}

static int utf16_units(uint32_t c) {
    return c > 0xffff ? 2 : 1;
}

static int bytes(uint32_t c) {
    uint8_t room[4];
    return bert_utf8_put(c, room);
}

typedef int units_of(uint32_t c);

/* The byte of the text where so many units end, its end if there are fewer; NULL inside of a
 * character. */
static const uint8_t *at_unit(const bert_text *t, int64_t n, units_of *units) {
    const uint8_t *p = begin_of(t), *end = end_of(t);
    while (n > 0 && p < end) n -= units(bert_utf8_next(&p, end));
    return n < 0 ? NULL : p;
}

static int64_t units_between(const uint8_t *p, const uint8_t *end, units_of *units) {
    int64_t n = 0;
    while (p < end) n += units(bert_utf8_next(&p, end));
    return n;
}

/* ---- The text at a place */

/* Where the answer that begins at p ends; NULL: it does not. */
static const uint8_t *match(const uint8_t *p, const uint8_t *end, const bert_text *answer) {
    const uint8_t *a = begin_of(answer), *a_end = end_of(answer);
    while (a < a_end) {
        const uint8_t *a_next = skip_space(a, a_end), *next = skip_space(p, end);
        if ((a_next == a) != (next == p)) return NULL;
        a = a_next;
        p = next;
        if (p == end || *p++ != *a++) return NULL;
    }
    return p;
}

typedef struct {
    const uint8_t *begin, *end;
} stretch;

static bool whole_words(const bert_text *context, stretch s) {
    const uint8_t *first = s.begin, *next = s.end;
    const bool before = s.begin > begin_of(context) &&
                        is(bert_utf8_before(begin_of(context), s.begin), BERT_PYTHON_WORD) &&
                        is(bert_utf8_next(&first, s.end), BERT_PYTHON_WORD);
    const bool after = s.end < end_of(context) &&
                       is(bert_utf8_before(s.begin, s.end), BERT_PYTHON_WORD) &&
                       is(bert_utf8_next(&next, end_of(context)), BERT_PYTHON_WORD);
    return !before && !after;
}

/* How often the answer is within [from, to) of the context, up to 2; *out: the last of them. */
static int occurrences(const bert_text *context, stretch within, const bert_text *answer,
                       bool of_words, stretch *out) {
    int n = 0;
    for (const uint8_t *p = within.begin; n < 2 && p < within.end; p++) {
        p = memchr(p, *answer->text, (size_t)(within.end - p));
        if (!p) break;
        const stretch s = {p, match(p, within.end, answer)};
        if (!s.end || (of_words && !whole_words(context, s))) continue;
        *out = s;
        n++;
    }
    return n;
}

/* The words, between white space, of the context that [from, to) touches. */
static stretch widened(const bert_text *context, const uint8_t *from, const uint8_t *to) {
    const uint8_t *begin = begin_of(context), *end = end_of(context);
    while (from > begin && !is(bert_utf8_before(begin, from), BERT_PYTHON_SPACE)) do
            from--;
        while (bert_utf8_continues(*from));
    for (const uint8_t *next = to; to < end; to = next)
        if (is(bert_utf8_next(&next, end), BERT_PYTHON_SPACE)) break;
    return (stretch){from, to};
}

/* ---- All together */

static bool at_place(const bert_text *context, const bert_text *given, const bert_text *answer,
                     int64_t start, units_of *units, stretch *out) {
    const uint8_t *skipped = begin_of(answer);
    const int64_t place = start + units_between(begin_of(given), skipped, units);
    if (start < 0 || place > (int64_t)context->bytes) return false;
    out->begin = at_unit(context, place, units);
    out->end = out->begin ? match(out->begin, end_of(context), answer) : NULL;
    return out->end;
}

static bool elsewhere(const bert_text *context, const bert_text *answer, int64_t start,
                      stretch *out) {
    const stretch all = {begin_of(context), end_of(context)};
    const int words = occurrences(context, all, answer, true, out);
    if (words == 1) return true;
    if (!words) return occurrences(context, all, answer, false, out) == 1;
    if (start < 0 || start > (int64_t)context->bytes) return false;
    const uint8_t *from = at_unit(context, start, points);
    const int64_t length = units_between(begin_of(answer), end_of(answer), points);
    const bert_text rest = {.text = (const char *)from, .bytes = (size_t)(all.end - from)};
    const stretch near = widened(context, from, at_unit(&rest, length, points));
    return occurrences(context, near, answer, true, out) == 1;
}

bert_place bert_place_answer(const bert_text *context, const bert_text *answer, int64_t start,
                             int32_t span[2]) {
    const bert_text text = bert_stripped(answer);
    stretch s = {0};
    bert_place found = BERT_PLACE_FOUND;
    if (start > INT32_MAX) start = -1;
    if (at_place(context, answer, &text, start, points, &s))
        found = BERT_PLACE_RIGHT;
    else if (!at_place(context, answer, &text, start, utf16_units, &s) &&
             !at_place(context, answer, &text, start, bytes, &s) &&
             !elsewhere(context, &text, start, &s))
        return BERT_PLACE_NONE;
    span[0] = (int32_t)units_between(begin_of(context), s.begin, points);
    span[1] = span[0] + (int32_t)units_between(s.begin, s.end, points);
    return found;
}
