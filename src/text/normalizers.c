/* The normalizers of tokenizer.json, a row each. */
#include "base/base64.h"
#include "base/error.h"
#include "text/code_points.h"
#include "text/graphemes.h"
#include "text/json_parts.h"
#include "text/steps.h"
#include "text/text_tables.h"
#include <stdlib.h>

/* ------------------------------------------------------------------- Rows without options */

static void nfc(const bert_step *s, bert_work *w) {
    (void)s;
    bert_normal_form(w, false, true);
}
static void nfd(const bert_step *s, bert_work *w) {
    (void)s;
    bert_normal_form(w, false, false);
}
static void nfkc(const bert_step *s, bert_work *w) {
    (void)s;
    bert_normal_form(w, true, true);
}
static void nfkd(const bert_step *s, bert_work *w) {
    (void)s;
    bert_normal_form(w, true, false);
}

static bool nfc_alone(const bert_step *s, uint32_t c) {
    (void)s;
    return bert_normal_form_alone(c, false, true);
}
static bool nfd_alone(const bert_step *s, uint32_t c) {
    (void)s;
    return bert_normal_form_alone(c, false, false);
}
static bool nfkc_alone(const bert_step *s, uint32_t c) {
    (void)s;
    return bert_normal_form_alone(c, true, true);
}
static bool nfkd_alone(const bert_step *s, uint32_t c) {
    (void)s;
    return bert_normal_form_alone(c, true, false);
}
static bool always_alone(const bert_step *s, uint32_t c) {
    (void)s, (void)c;
    return true;
}

static void lowercase(const bert_step *s, bert_work *w) {
    (void)s;
    enum { DOTTED_I = 0x130, DOT_ABOVE = 0x307 };
    for (size_t i = 0; i < w->now.n; i++) {
        const uint32_t c = w->now.c[i];
        bert_chars_put(w, c + (uint32_t)bert_unicode_of(c)->lower, w->now.at[i]);
        if (c == DOTTED_I) bert_chars_put(w, DOT_ABOVE, w->now.at[i]);
    }
    bert_work_turn(w);
}

static void strip_accents(const bert_step *s, bert_work *w) {
    (void)s;
    for (size_t i = 0; i < w->now.n; i++)
        if (!(bert_letter_of(w->now.c[i])->flags & BERT_MARK))
            bert_chars_put(w, w->now.c[i], w->now.at[i]);
    bert_work_turn(w);
}

/* --------------------------------------------------------------------------------- Bert */

static void put_char(void *context, uint32_t c, const bert_unicode *u, bert_span at) {
    (void)u;
    bert_chars_put(context, c, at);
}

/* Its flags are the tokenizer's: tokenizer_config.json may have a say in them. */
static void bert(const bert_step *s, bert_work *w) {
    (void)s;
    w->bert.flags = w->t->normalizer;
    for (size_t i = 0; i < w->now.n; i++)
        bert_normalizer_put(&w->bert, w->now.c[i], w->now.at[i], put_char, w);
    bert_normalizer_flush(&w->bert, put_char, w);
    w->failed |= w->bert.failed;
    bert_work_turn(w);
}

static int read_bert(bert_tokenizer *t, const json_t *o, bert_step *s, const char *where,
                     bert_error *e) {
    (void)s;
    bert_normalizer *f = &t->normalizer;
    if (f->present)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: normalizer: two BertNormalizers", where);
    f->present = true;
    int rc = bert_part_need_bool(o, "clean_text", &f->clean_text, where, e);
    if (!rc)
        rc = bert_part_need_bool(o, "handle_chinese_chars", &f->handle_chinese_chars, where, e);
    if (!rc) rc = bert_part_need_bool(o, "lowercase", &f->lowercase, where, e);
    if (!rc) rc = bert_json_bool(o, "strip_accents", &f->strip_accents, where, e);
    const json_t *strip = json_object_get(o, "strip_accents");
    f->strip_accents_null = !strip || json_is_null(strip);
    return rc;
}

static json_t *write_bert(const bert_tokenizer *t, const bert_step *s) {
    (void)s;
    const bert_normalizer *f = &t->normalizer;
    return json_pack("{ss sb sb so sb}", "type", "BertNormalizer", "clean_text", f->clean_text,
                     "handle_chinese_chars", f->handle_chinese_chars, "strip_accents",
                     f->strip_accents_null ? json_null() : json_boolean(f->strip_accents),
                     "lowercase", f->lowercase);
}

/* -------------------------------------------------------------------------------- Strip */

static bool is_space(uint32_t c) {
    return bert_unicode_of(c)->flags & BERT_CHAR_SPACE;
}

static void strip(const bert_step *s, bert_work *w) {
    const bert_chars *x = &w->now;
    size_t from = 0, to = x->n;
    while (s->left && !w->inside && from < to && is_space(x->c[from])) from++;
    while (s->right && !w->inside && from < to && is_space(x->c[to - 1])) to--;
    for (size_t i = from; i < to; i++) bert_chars_put(w, x->c[i], x->at[i]);
    bert_work_turn(w);
}

static int read_strip(bert_tokenizer *t, const json_t *o, bert_step *s, const char *where,
                      bert_error *e) {
    (void)t;
    int rc = bert_part_need_bool(o, "strip_left", &s->left, where, e);
    return rc ? rc : bert_part_need_bool(o, "strip_right", &s->right, where, e);
}

static json_t *write_strip(const bert_tokenizer *t, const bert_step *s) {
    (void)t;
    return json_pack("{ss sb sb}", "type", "Strip", "strip_left", s->left, "strip_right", s->right);
}

/* ------------------------------------------------------------------------------ Replace */

/* The only expressions of the family. */
static const char *const expressions[] = {
    [BERT_TEXT_PATTERN] = NULL,
    [BERT_SPACES_PATTERN] = " {2,}",
    [BERT_BLANKS_PATTERN] = "\\s{2,}|[\\n\\r\\t]",
};

/* Where what the pattern finds at x->c[i] ends; i: it finds nothing. */
static size_t find_text(const bert_chars *x, size_t i, const char *text) {
    const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
    size_t k = i;
    while (p < end && k < x->n)
        if (bert_utf8_next(&p, end) != x->c[k++]) return i;
    return p == end ? k : i;
}

static size_t find_run(const bert_chars *x, size_t i, bert_pattern pattern) {
    size_t k = i;
    while (k < x->n && (pattern == BERT_SPACES_PATTERN ? x->c[k] == ' ' : is_space(x->c[k]))) k++;
    if (k >= i + 2) return k;
    const uint32_t c = x->c[i];
    return pattern == BERT_BLANKS_PATTERN && (c == '\n' || c == '\r' || c == '\t') ? i + 1 : i;
}

/* What comes instead has the place of the last character that goes. */
static void replace(const bert_step *s, bert_work *w) {
    const bert_chars *x = &w->now;
    for (size_t i = 0; i < x->n;) {
        const size_t end =
            s->pattern == BERT_TEXT_PATTERN ? find_text(x, i, s->from) : find_run(x, i, s->pattern);
        if (end == i) {
            bert_chars_put(w, x->c[i], x->at[i]);
            i++;
            continue;
        }
        const uint8_t *p = (const uint8_t *)s->to, *stop = p + strlen(s->to);
        while (p < stop) bert_chars_put(w, bert_utf8_next(&p, stop), x->at[end - 1]);
        i = end;
    }
    bert_work_turn(w);
}

static bool replace_alone(const bert_step *s, uint32_t c) {
    if (s->pattern != BERT_TEXT_PATTERN) return true;
    for (const uint8_t *p = (const uint8_t *)s->from, *end = p + strlen(s->from); p < end;)
        if (bert_utf8_next(&p, end) == c) return false;
    return true;
}

static int read_replace(bert_tokenizer *t, const json_t *o, bert_step *s, const char *where,
                        bert_error *e) {
    const json_t *pattern = json_object_get(o, "pattern");
    const char *text = json_string_value(json_object_get(pattern, "String")),
               *expression = json_string_value(json_object_get(pattern, "Regex")),
               *to = bert_part_need_string(o, "content", where, e);
    if (!to || !(s->to = bert_tokenizer_strdup(t, to, e))) return e->code;
    if (text && *text) return (s->from = bert_tokenizer_strdup(t, text, e)) ? BERT_OK : e->code;
    for (int i = BERT_SPACES_PATTERN; expression && i <= BERT_BLANKS_PATTERN; i++)
        if (!strcmp(expression, expressions[i])) {
            s->pattern = (bert_pattern)i;
            return BERT_OK;
        }
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s: normalizer: Replace of the expression /%.60s/ is not supported (of a "
                     "text, of /%s/ and of /%s/ are)",
                     where, expression ? expression : "", expressions[BERT_SPACES_PATTERN],
                     expressions[BERT_BLANKS_PATTERN]);
}

static json_t *write_replace(const bert_tokenizer *t, const bert_step *s) {
    (void)t;
    const bool text = s->pattern == BERT_TEXT_PATTERN;
    return json_pack("{ss s{ss} ss}", "type", "Replace", "pattern", text ? "String" : "Regex",
                     text ? s->from : expressions[s->pattern], "content", s->to);
}

/* -------------------------------------------------------------------------- Precompiled */

enum { LARGEST = 6 }; /* bytes: clusters of so many are not looked up as a whole */

/* `to` in the place of n characters: the last one takes those that are too many, or comes beside
 * where there were fewer. What is replaced by nothing leaves itself to the character before it, and
 * at the very start is forgotten, which moves all places after it: so does the reference. */
static void put_replacement(bert_work *w, const char *to, size_t n) {
    const uint8_t *p = (const uint8_t *)to, *end = p + strlen(to);
    size_t made = 0, first = w->next.n;
    for (; p < end; made++) bert_chars_change(w, bert_utf8_next(&p, end), 0);
    if (w->failed) return;
    bert_chars *x = &w->next;
    for (size_t i = n; i < made; i++) x->at[first + i].start = 1;
    if (made < n && x->n) x->at[x->n - 1].start -= (int32_t)(n - made);
}

static bool put_cluster(bert_work *w, const bert_charsmap *m, size_t from, size_t to) {
    uint8_t bytes[LARGEST + 4] = {0};
    size_t n = 0;
    bool changed = false;
    for (size_t i = from; i < to && n < LARGEST; i++)
        n += (size_t)bert_utf8_put(w->now.c[i], bytes + n);
    const char *whole = to - from > 1 && n < LARGEST ? bert_charsmap_find(m, bytes, n) : NULL;
    if (whole) {
        put_replacement(w, whole, to - from);
        return true;
    }
    for (size_t i = from; i < to; i++) {
        n = (size_t)bert_utf8_put(w->now.c[i], bytes);
        const char *one = bert_charsmap_find(m, bytes, n);
        changed |= one != NULL;
        if (one)
            put_replacement(w, one, 1);
        else
            bert_chars_change(w, w->now.c[i], 0);
    }
    return changed;
}

static void precompiled(const bert_step *s, bert_work *w) {
    bert_grapheme g = {0};
    bool changed = false;
    size_t from = 0;
    for (size_t i = 0; i < w->now.n; i++)
        if (!bert_grapheme_goes_on(&g, w->now.c[i]) && i) {
            changed |= put_cluster(w, s->charsmap, from, i);
            from = i;
        }
    if (w->now.n) changed |= put_cluster(w, s->charsmap, from, w->now.n);
    if (!changed) return;
    bert_chars_apply(w);
    bert_work_turn(w);
}

/* Clusters of fewer bytes than LARGEST are looked up as a whole: none has two code points of three. */
static bool precompiled_alone(const bert_step *s, uint32_t c) {
    enum { THREE_BYTES = 0x800 };
    (void)s;
    const uint8_t kind = bert_letter_of(c)->cluster;
    if (c >= THREE_BYTES) return kind != BERT_CLUSTER_PREPEND;
    return kind == BERT_CLUSTER_OTHER || kind == BERT_CLUSTER_PICTOGRAPH;
}

static int read_precompiled(bert_tokenizer *t, const json_t *o, bert_step *s, const char *where,
                            bert_error *e) {
    const char *text = bert_part_need_string(o, "precompiled_charsmap", where, e);
    if (!text) return e->code;
    const size_t n = strlen(text);
    uint8_t *blob = malloc(n + 1);
    if (!blob) return bert_fail_memory(e, n);
    const int64_t bytes = bert_base64_read(text, n, blob);
    if (bytes < 0)
        bert_part_wrong(where, "precompiled_charsmap", "base64", e);
    else
        s->charsmap = bert_charsmap_new(t, blob, (size_t)bytes, where, e);
    free(blob);
    return s->charsmap ? BERT_OK : e->code;
}

static json_t *write_precompiled(const bert_tokenizer *t, const bert_step *s) {
    (void)t;
    char *text = malloc(bert_base64_size(s->charsmap->n_blob) + 1);
    if (!text) return NULL;
    bert_base64_write(s->charsmap->blob, s->charsmap->n_blob, text);
    json_t *o = json_pack("{ss ss}", "type", "Precompiled", "precompiled_charsmap", text);
    free(text);
    return o;
}

const bert_step_kind bert_normalizer_kinds[] = {
    {.type = "BertNormalizer", .read = read_bert, .normalize = bert, .write = write_bert},
    {.type = "NFC", .normalize = nfc, .alone = nfc_alone},
    {.type = "NFD", .normalize = nfd, .alone = nfd_alone},
    {.type = "NFKC", .normalize = nfkc, .alone = nfkc_alone},
    {.type = "NFKD", .normalize = nfkd, .alone = nfkd_alone},
    {.type = "Lowercase", .normalize = lowercase, .alone = always_alone},
    {.type = "StripAccents", .normalize = strip_accents, .alone = always_alone},
    {.type = "Strip",
     .read = read_strip,
     .normalize = strip,
     .alone = always_alone,
     .write = write_strip},
    {.type = "Replace",
     .read = read_replace,
     .normalize = replace,
     .alone = replace_alone,
     .write = write_replace},
    {.type = "Precompiled",
     .read = read_precompiled,
     .normalize = precompiled,
     .alone = precompiled_alone,
     .write = write_precompiled},
    {.type = NULL},
};
