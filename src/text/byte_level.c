#include "text/byte_level.h"
#include "text/code_points.h"
#include "text/text_tables.h"
#include <string.h>

/* Bytes that are not printed have the characters from 0x100 on, in their order: 0 .. 0x20,
 * 0x7f .. 0xa0, 0xad. */
enum {
    FIRST = 0x100,
    LOW = 0x21,
    MIDDLE = 0x7f,
    HIGH = 0xa1,
    HYPHEN = 0xad,
    LOW_AND_MIDDLE = LOW + HIGH - MIDDLE
};

uint32_t bert_byte_char(uint8_t byte) {
    if (byte < LOW) return FIRST + byte;
    if (byte >= MIDDLE && byte < HIGH) return FIRST + LOW + (byte - MIDDLE);
    return byte == HYPHEN ? FIRST + LOW_AND_MIDDLE : byte;
}

int bert_char_byte(uint32_t c) {
    if (c < FIRST) return c < LOW || (c >= MIDDLE && c < HIGH) || c == HYPHEN ? -1 : (int)c;
    c -= FIRST;
    if (c < LOW) return (int)c;
    if (c < LOW_AND_MIDDLE) return (int)c - LOW + MIDDLE;
    return c == LOW_AND_MIDDLE ? HYPHEN : -1;
}

static inline bert_kind kind_at(const uint8_t *p, const uint8_t *end, const uint8_t **after) {
    *after = p;
    return bert_kind_of(*p < 0x80 ? *(*after)++ : bert_utf8_next_quickly(after, end));
}

/* The end of the contraction whose apostrophe is at p, or p. */
static const uint8_t *contraction(const uint8_t *p, const uint8_t *end) {
    static const char *const rest[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        const size_t n = strlen(rest[i]);
        if ((size_t)(end - p) > n && !memcmp(p + 1, rest[i], n)) return p + 1 + n;
    }
    return p;
}

/* The end of the run of `kind` that goes on at p. */
static const uint8_t *run_of(const uint8_t *p, const uint8_t *end, bert_kind kind) {
    for (const uint8_t *after; p < end && kind_at(p, end, &after) == kind; p = after) continue;
    return p;
}

/* White space from p on, whose first character ends at `after`: without its last one where
 * something follows, if it has more than one. */
static const uint8_t *blanks(const uint8_t *p, const uint8_t *after, const uint8_t *end) {
    const uint8_t *last = p, *q = after;
    for (const uint8_t *next; q < end && kind_at(q, end, &next) == BERT_KIND_SPACE; q = next)
        last = q;
    return q == end || last == p ? q : last;
}

const uint8_t *bert_byte_level_word(const uint8_t *p, const uint8_t *end) {
    if (*p == '\'') {
        const uint8_t *stop = contraction(p, end);
        if (stop > p) return stop;
    }
    const uint8_t *after, *next;
    bert_kind kind = kind_at(p, end, &after);
    if (kind != BERT_KIND_SPACE) return run_of(after, end, kind);
    if (*p == ' ' && after < end) {
        kind = kind_at(after, end, &next);
        if (kind != BERT_KIND_SPACE) return run_of(next, end, kind);
    }
    return blanks(p, after, end);
}
