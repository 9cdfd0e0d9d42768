/* The pre-tokenizers of tokenizer.json, a row each. */
#include "base/error.h"
#include "text/byte_level.h"
#include "text/code_points.h"
#include "text/json_parts.h"
#include "text/steps.h"
#include "text/text_tables.h"
#include <stdlib.h>

/* ------------------------------------------------------------------- Rows without options */

static void split_bert(const bert_step *s, bert_work *w, const bert_chars *x, size_t from,
                       size_t to) {
    (void)s;
    for (size_t i = from; i < to; i++) {
        const uint8_t flags = bert_unicode_of(x->c[i])->flags;
        if (flags & (BERT_CHAR_SPACE | BERT_CHAR_PUNCTUATION)) bert_work_cut(w);
        if (!(flags & BERT_CHAR_SPACE)) bert_chars_put(w, x->c[i], x->at[i]);
        if (flags & BERT_CHAR_PUNCTUATION) bert_work_cut(w);
    }
}

static void split_punctuation(const bert_step *s, bert_work *w, const bert_chars *x, size_t from,
                              size_t to) {
    (void)s;
    for (size_t i = from; i < to; i++) {
        const bool alone = bert_unicode_of(x->c[i])->flags & BERT_CHAR_PUNCTUATION;
        if (alone) bert_work_cut(w);
        bert_chars_put(w, x->c[i], x->at[i]);
        if (alone) bert_work_cut(w);
    }
}

static void split_words(const bert_step *s, bert_work *w, const bert_chars *x, size_t from,
                        size_t to) {
    (void)s;
    int before = 0;
    for (size_t i = from; i < to; i++) {
        const int class = bert_unicode_of(x->c[i])->flags & (BERT_CHAR_SPACE | BERT_CHAR_WORD);
        if (class != before) bert_work_cut(w);
        before = class;
        if (!(class & BERT_CHAR_SPACE)) bert_chars_put(w, x->c[i], x->at[i]);
    }
}

static void split_whitespace(const bert_step *s, bert_work *w, const bert_chars *x, size_t from,
                             size_t to) {
    (void)s;
    for (size_t i = from; i < to; i++)
        if (bert_unicode_of(x->c[i])->flags & BERT_CHAR_SPACE)
            bert_work_cut(w);
        else
            bert_chars_put(w, x->c[i], x->at[i]);
}

static int read_punctuation(bert_tokenizer *t, const json_t *o, bert_step *s, const char *where,
                            bert_error *e) {
    (void)t, (void)s;
    const char *behavior = json_string_value(json_object_get(o, "behavior"));
    if (!behavior || !strcmp(behavior, "Isolated")) return BERT_OK;
    return bert_part_unsupported(where, "pre_tokenizer Punctuation", behavior, "Isolated is", e);
}

static json_t *write_punctuation(const bert_tokenizer *t, const bert_step *s) {
    (void)t, (void)s;
    return json_pack("{ss ss}", "type", "Punctuation", "behavior", "Isolated");
}

/* ---------------------------------------------------------------------------- Metaspace */

static const char *const schemes[] = {[BERT_PREPEND_ALWAYS] = "always",
                                      [BERT_PREPEND_FIRST] = "first",
                                      [BERT_PREPEND_NEVER] = "never"};
enum { SCHEMES = sizeof schemes / sizeof *schemes };

static void metaspace(const bert_step *s, bert_work *w, const bert_chars *x, size_t from,
                      size_t to) {
    const uint32_t mark = s->replacement, first = x->c[from];
    const bool prepends = s->prepend == BERT_PREPEND_ALWAYS ||
                          (s->prepend == BERT_PREPEND_FIRST && w->at_start && !x->at[from].start);
    if (prepends && first != mark && first != ' ') bert_chars_put(w, mark, x->at[from]);
    for (size_t i = from; i < to; i++) {
        const uint32_t c = x->c[i] == ' ' ? mark : x->c[i];
        if (c == mark && s->cuts) bert_work_cut(w);
        bert_chars_put(w, c, x->at[i]);
    }
}

int bert_read_metaspace(const json_t *o, bert_step *s, const char *where, bert_error *e) {
    const char *mark = bert_part_need_string(o, "replacement", where, e),
               *scheme = json_string_value(json_object_get(o, "prepend_scheme"));
    if (!mark) return e->code;
    const uint8_t *p = (const uint8_t *)mark, *end = p + strlen(mark);
    if (p < end) s->replacement = bert_utf8_next(&p, end);
    if (p < end || !s->replacement)
        return bert_part_wrong(where, "Metaspace: replacement", "one character", e);
    /* Older files say add_prefix_space. */
    bool adds = true;
    int rc = bert_json_bool(o, "add_prefix_space", &adds, where, e);
    s->cuts = true;
    if (!rc) rc = bert_json_bool(o, "split", &s->cuts, where, e);
    if (rc) return rc;
    s->prepend = adds ? BERT_PREPEND_ALWAYS : BERT_PREPEND_NEVER;
    for (int i = 0; scheme && i < SCHEMES; i++)
        if (!strcmp(scheme, schemes[i])) {
            s->prepend = (bert_prepend)i;
            return BERT_OK;
        }
    return scheme ? bert_part_wrong(where, "prepend_scheme", "always, first or never", e) : BERT_OK;
}

static int read_metaspace(bert_tokenizer *t, const json_t *o, bert_step *s, const char *where,
                          bert_error *e) {
    (void)t;
    return bert_read_metaspace(o, s, where, e);
}

json_t *bert_metaspace_json(const bert_step *s) {
    char mark[8] = "";
    mark[bert_utf8_put(s->replacement, (uint8_t *)mark)] = 0;
    return json_pack("{ss ss ss sb}", "type", "Metaspace", "replacement", mark, "prepend_scheme",
                     schemes[s->prepend], "split", s->cuts);
}

static json_t *write_metaspace(const bert_tokenizer *t, const bert_step *s) {
    (void)t;
    return bert_metaspace_json(s);
}

/* ---------------------------------------------------------------------------- ByteLevel */

/* The words of next from character `from` on, as bytes and back. */
static void cut_words(bert_work *w, size_t from) {
    bert_chars *x = &w->next;
    const size_t n = x->n;
    if (4 * (n - from) > w->bytes_capacity) {
        const size_t capacity = 8 * (n - from) + 1024;
        uint8_t *bytes = realloc(w->bytes, capacity);
        w->failed |= !bytes;
        if (!bytes) return;
        w->bytes = bytes;
        w->bytes_capacity = capacity;
    }
    uint8_t *end = w->bytes;
    for (size_t i = from; i < n; i++) end += bert_utf8_put(x->c[i], end);
    x->n = from;
    for (const uint8_t *p = w->bytes; p < end && !w->failed;) {
        const uint8_t *stop = bert_byte_level_word(p, end);
        for (; p < stop; p++) x->n += !bert_utf8_continues(*p);
        bert_work_cut(w);
    }
}

static void byte_level(const bert_step *s, bert_work *w, const bert_chars *x, size_t from,
                       size_t to) {
    const size_t begin = w->next.n;
    if (s->add_prefix_space && x->c[from] != ' ') bert_chars_put(w, ' ', x->at[from]);
    for (size_t i = from; i < to; i++) bert_chars_put(w, x->c[i], x->at[i]);
    if (s->use_expression && !w->failed) cut_words(w, begin);
}

/* Absent flags are true, as in the reference. */
static int read_byte_level(bert_tokenizer *t, const json_t *o, bert_step *s, const char *where,
                           bert_error *e) {
    s->add_prefix_space = s->trims = s->use_expression = t->byte_level = true;
    int rc = bert_json_bool(o, "add_prefix_space", &s->add_prefix_space, where, e);
    if (!rc) rc = bert_json_bool(o, "trim_offsets", &s->trims, where, e);
    return rc ? rc : bert_json_bool(o, "use_regex", &s->use_expression, where, e);
}

static json_t *write_byte_level(const bert_tokenizer *t, const bert_step *s) {
    (void)t;
    return json_pack("{ss sb sb sb}", "type", "ByteLevel", "add_prefix_space", s->add_prefix_space,
                     "trim_offsets", s->trims, "use_regex", s->use_expression);
}

const bert_step_kind bert_pre_tokenizer_kinds[] = {
    {.type = "BertPreTokenizer", .split = split_bert},
    {.type = "Whitespace", .split = split_words},
    {.type = "WhitespaceSplit", .split = split_whitespace},
    {.type = "Punctuation",
     .read = read_punctuation,
     .split = split_punctuation,
     .write = write_punctuation},
    {.type = "Metaspace", .read = read_metaspace, .split = metaspace, .write = write_metaspace},
    {.type = "ByteLevel", .read = read_byte_level, .split = byte_level, .write = write_byte_level},
    {.type = NULL},
};
