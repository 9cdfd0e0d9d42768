/* Entities in sequences of tags, as seqeval finds them. */
#include "text/tags.h"
#include <string.h>

static bool in(char c, const char *set) {
    return c && strchr(set, c);
}

/* ---- The default mode: conlleval's rules */

static bool ends(bert_word_tag before, bert_word_tag now) {
    if (in(before.prefix, "ES")) return true;
    if (in(before.prefix, "BI") && in(now.prefix, "BSO")) return true;
    return !in(before.prefix, "O.") && before.type != now.type;
}

static bool starts(bert_word_tag before, bert_word_tag now) {
    if (in(now.prefix, "BS")) return true;
    if (in(before.prefix, "ESO") && in(now.prefix, "EI")) return true;
    return !in(now.prefix, "O.") && before.type != now.type;
}

/* What stands behind the last label: O, whose type is "_", as that of a tag without a type. */
static bert_word_tag behind(const bert_tags *t) {
    int32_t type = -2; /* no tag has it */
    for (int32_t i = 0; i < t->types; i++)
        if (!strcmp(t->type[i], "_")) type = i;
    return (bert_word_tag){'O', type};
}

int32_t bert_tags_entities(const bert_tags *t, bert_entities_before *before, const int32_t *labels,
                           int32_t n, bert_entity_span *out) {
    const bert_word_tag outside = behind(t);
    bert_word_tag last = {'O', before && !before->begun ? -1 : outside.type};
    int32_t count = 0, begin = before ? before->begin : 0;
    for (int32_t i = 0; i <= n; i++) {
        const bert_word_tag now = i < n ? t->tag[labels[i]] : outside;
        if (ends(last, now)) out[count++] = (bert_entity_span){last.type, begin, i - 1};
        if (starts(last, now)) begin = i;
        last = now;
    }
    if (before)
        *before = (bert_entities_before){true, begin > n - INT32_MAX ? begin - n - 1 : begin};
    return count;
}

/* ---- The mode "strict" */

enum { I = 1, O = 2, B = 4, E = 8, S = 16, ANY = 31, SAME = 1, OTHER = 2, EITHER = 3 };

/* A tag after another, and whether their types are the same. */
typedef struct {
    uint8_t before, now, types;
} pattern;

/* seqeval's scheme.py, whose L and U are E and S here. */
typedef struct {
    uint8_t allowed;
    pattern start[6], inside[4], end[6]; /* up to one that is empty */
} scheme;

static const scheme strict[] = {
    [BERT_TAGS_IOB1] = {I | O | B,
                        {{O, I, EITHER}, {I, I, OTHER}, {B, I, EITHER}, {I, B, SAME}, {B, B, SAME}},
                        {{B, I, SAME}, {I, I, SAME}},
                        {{I, I, OTHER},
                         {I, O, EITHER},
                         {I, B, EITHER},
                         {B, O, EITHER},
                         {B, I, OTHER},
                         {B, B, SAME}}},
    [BERT_TAGS_IOE1] = {I | O | E,
                        {{O, I, EITHER}, {I, I, OTHER}, {E, I, EITHER}, {E, E, SAME}},
                        {{I, I, SAME}, {I, E, SAME}},
                        {{I, I, OTHER}, {I, O, EITHER}, {I, E, OTHER}, {E, I, SAME}, {E, E, SAME}}},
    [BERT_TAGS_IOB2] = {I | O | B,
                        {{ANY, B, EITHER}},
                        {{B, I, SAME}, {I, I, SAME}},
                        {{I, O, EITHER},
                         {I, I, OTHER},
                         {I, B, EITHER},
                         {B, O, EITHER},
                         {B, I, OTHER},
                         {B, B, EITHER}}},
    [BERT_TAGS_IOE2] = {I | O | E,
                        {{O, I, EITHER},
                         {O, E, EITHER},
                         {E, I, EITHER},
                         {E, E, EITHER},
                         {I, I, OTHER},
                         {I, E, OTHER}},
                        {{I, E, SAME}, {I, I, SAME}},
                        {{E, ANY, EITHER}}},
    [BERT_TAGS_IOBES] = {I | O | B | E | S,
                         {{ANY, B, EITHER}, {ANY, S, EITHER}},
                         {{B, I, SAME}, {B, E, SAME}, {I, I, SAME}, {I, E, SAME}},
                         {{S, ANY, EITHER}, {E, ANY, EITHER}}},
};

static const scheme *scheme_of(const bert_tags *t) {
    switch (t->scheme) {
    case BERT_TAGS_BILOU:
    case BERT_TAGS_BMEWO:
        return &strict[BERT_TAGS_IOBES];
    case BERT_TAGS_IO:
    case BERT_TAGS_CLASSES:
        return &strict[BERT_TAGS_IOB1]; /* I- in front of each */
    default:
        return &strict[t->scheme];
    }
}

static unsigned bit_of(char prefix) {
    static const char order[] = "IOBES";
    return 1u << (strchr(order, prefix) - order);
}

static bool matches(const pattern *p, int n, bert_word_tag before, bert_word_tag now) {
    const unsigned types = before.type == now.type ? SAME : OTHER;
    for (int i = 0; i < n && p[i].before; i++)
        if (p[i].before & bit_of(before.prefix) && p[i].now & bit_of(now.prefix) &&
            p[i].types & types)
            return true;
    return false;
}
#define MATCHES(list, before, now) matches(list, sizeof(list) / sizeof *(list), before, now)

/* A tag that the scheme does not have is outside. */
static bert_word_tag allowed(const scheme *s, bert_word_tag tag, bert_word_tag none) {
    return s->allowed & bit_of(tag.prefix) ? tag : none;
}

int32_t bert_tags_entities_strict(const bert_tags *t, const int32_t *labels, int32_t n,
                                  bert_entity_span *out) {
    const scheme *s = scheme_of(t);
    const bert_word_tag none = behind(t);
    int32_t count = 0;
    bert_word_tag before = none;
    for (int32_t i = 0, end; i < n; i = end) {
        const bert_word_tag first = allowed(s, t->strict[labels[i]], none);
        const bool begins = MATCHES(s->start, before, first);
        bert_word_tag last = first, now;
        for (end = i + 1;; end++) {
            now = end < n ? allowed(s, t->strict[labels[end]], none) : none;
            if (!begins || !MATCHES(s->inside, last, now)) break;
            last = now;
        }
        if (begins && MATCHES(s->end, last, now))
            out[count++] = (bert_entity_span){first.type, i, end - 1};
        before = last;
    }
    return count;
}
