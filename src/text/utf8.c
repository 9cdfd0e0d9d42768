#include "text/utf8.h"
#include <string.h>

/* What a byte can be. */
enum {
    ASCII,
    LOW,    /* 80 .. 8f */
    MIDDLE, /* 90 .. 9f */
    HIGH,   /* a0 .. bf */
    NEVER,  /* c0, c1, f5 .. ff */
    TWO,
    THREE_E0, /* a0 .. bf next */
    THREE,
    THREE_ED, /* 80 .. 9f next */
    FOUR_F0,  /* 90 .. bf next */
    FOUR,
    FOUR_F4, /* 80 .. 8f next */
    CLASSES
};

/* clang-format off */
static const uint8_t classes[256] = {
#define ROW(c) c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c
    ROW(ASCII), ROW(ASCII), ROW(ASCII), ROW(ASCII), ROW(ASCII), ROW(ASCII), ROW(ASCII), ROW(ASCII),
    ROW(LOW), ROW(MIDDLE), ROW(HIGH), ROW(HIGH),
    NEVER, NEVER, TWO, TWO, TWO, TWO, TWO, TWO, TWO, TWO, TWO, TWO, TWO, TWO, TWO, TWO,
    ROW(TWO),
    THREE_E0, THREE, THREE, THREE, THREE, THREE, THREE, THREE, THREE, THREE, THREE, THREE, THREE, THREE_ED, THREE, THREE,
    FOUR_F0, FOUR, FOUR, FOUR, FOUR_F4, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER,
#undef ROW
};
/* clang-format on */

/* States, as places of six bits: between characters, wrong, so many bytes to come, or one of those whose
 * second byte has a range of its own. A class says in each place which is next, so that a step is a shift. */
enum {
    START = 0,
    WRONG = 6,
    ONE = 12,
    BOTH = 18,
    ALL = 24,
    AFTER_E0 = 30,
    AFTER_ED = 36,
    AFTER_F0 = 42,
    AFTER_F4 = 48
};
#define FROM(state, next) ((uint64_t)(next) << (state))
#define STAYS_WRONG FROM(WRONG, WRONG)
#define BEGINS(next)                                                                               \
    (FROM(START, next) | STAYS_WRONG | FROM(ONE, WRONG) | FROM(BOTH, WRONG) | FROM(ALL, WRONG) |   \
     FROM(AFTER_E0, WRONG) | FROM(AFTER_ED, WRONG) | FROM(AFTER_F0, WRONG) |                       \
     FROM(AFTER_F4, WRONG))
#define GOES_ON(e0, ed, f0, f4)                                                                    \
    (FROM(START, WRONG) | STAYS_WRONG | FROM(ONE, START) | FROM(BOTH, ONE) | FROM(ALL, BOTH) |     \
     FROM(AFTER_E0, e0) | FROM(AFTER_ED, ed) | FROM(AFTER_F0, f0) | FROM(AFTER_F4, f4))
static const uint64_t steps[CLASSES] = {
    [ASCII] = BEGINS(START),
    [LOW] = GOES_ON(WRONG, ONE, WRONG, BOTH),
    [MIDDLE] = GOES_ON(WRONG, ONE, BOTH, WRONG),
    [HIGH] = GOES_ON(ONE, WRONG, BOTH, WRONG),
    [NEVER] = BEGINS(WRONG),
    [TWO] = BEGINS(ONE),
    [THREE_E0] = BEGINS(AFTER_E0),
    [THREE] = BEGINS(BOTH),
    [THREE_ED] = BEGINS(AFTER_ED),
    [FOUR_F0] = BEGINS(AFTER_F0),
    [FOUR] = BEGINS(ALL),
    [FOUR_F4] = BEGINS(AFTER_F4),
};

bool bert_utf8_is_whole(const uint8_t *p, const uint8_t *end) {
    enum { PLACE = 63 };
    uint64_t state = START, eight;
    for (; end - p >= 8; p += 8) {
        memcpy(&eight, p, sizeof eight);
        if (!(eight & 0x8080808080808080u) && !(state & PLACE)) continue;
        for (int i = 0; i < 8; i++) state = steps[classes[p[i]]] >> (state & PLACE);
    }
    for (; p < end; p++) state = steps[classes[*p]] >> (state & PLACE);
    return !(state & PLACE);
}
