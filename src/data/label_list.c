#include "data/label_list.h"
#include "base/blank.h"
#include "base/error.h"
#include "base/number.h"
#include <stdlib.h>
#include <string.h>

void bert_list_free(bert_list *l) {
    free(l->item);
    free(l->value);
    free(l->bytes);
    *l = (bert_list){0};
}

/* Text that is being read, and what has been read of it. */
typedef struct {
    const char *p, *end;
    char *to;
    bert_list *list;
    int32_t room;
} parser;

static void skip_blanks(parser *s) {
    while (s->p < s->end && bert_is_blank(*s->p)) s->p++;
}

/* A quoted text; false: it does not end. */
static bool read_quoted(parser *s, bert_text *out) {
    const char quote = *s->p++;
    const char *from = s->to;
    while (s->p < s->end && *s->p != quote) {
        if (*s->p == '\\' && s->p + 1 < s->end) s->p++;
        *s->to++ = *s->p++;
    }
    if (s->p == s->end) return false;
    s->p++;
    *out = (bert_text){.text = from, .bytes = (size_t)(s->to - from)};
    *s->to++ = 0;
    return true;
}

/* A number or a word of Python's or JSON's. */
static bool read_bare(parser *s, bert_text *out) {
    static const char *const words[][2] = {{"True", "1"},  {"true", "1"},   {"False", "0"},
                                           {"false", "0"}, {"None", "nan"}, {"null", "nan"},
                                           {"NaN", "nan"}, {"nan", "nan"}};
    const char *from = s->p;
    while (s->p < s->end && !bert_is_blank(*s->p) && !strchr(",:])}", *s->p)) s->p++;
    const size_t n = (size_t)(s->p - from);
    char *copy = s->to, *stop;
    if (!n || memchr(from, 0, n)) return false;
    memcpy(copy, from, n);
    copy[n] = 0;
    s->to += n + 1;
    *out = (bert_text){.text = copy, .bytes = n};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(copy, words[i][0])) {
            *out = bert_text_of(words[i][1]);
            return true;
        }
    bert_strtod(copy, &stop);
    return !*stop;
}

static bool read_value(parser *s, bert_text *out) {
    skip_blanks(s);
    if (s->p == s->end) return false;
    return *s->p == '\'' || *s->p == '"' ? read_quoted(s, out) : read_bare(s, out);
}

/* The elements up to `close`, with which the text ends. */
static bool read_items(parser *s, char open, char close, bool *comma) {
    bert_list *l = s->list;
    for (;;) {
        skip_blanks(s);
        if (s->p == s->end) return false;
        if (*s->p == close) break;
        if (l->n == s->room || !read_value(s, &l->item[l->n])) return false;
        skip_blanks(s);
        const bool pair = open == '{' && s->p < s->end && *s->p == ':';
        if (l->n && pair != (l->kind == BERT_LIST_PAIRS)) return false;
        if (pair) {
            s->p++;
            if (!read_value(s, &l->value[l->n])) return false;
            l->kind = BERT_LIST_PAIRS;
            skip_blanks(s);
        }
        l->n++;
        if (s->p < s->end && *s->p == ',') *comma = true, s->p++;
    }
    s->p++;
    skip_blanks(s);
    return s->p == s->end;
}

static int make_room(bert_list *out, size_t bytes, size_t items, bert_error *e) {
    out->bytes = malloc(bytes);
    out->item = calloc(items, sizeof *out->item);
    out->value = calloc(items, sizeof *out->value);
    if (out->bytes && out->item && out->value) return 0;
    bert_list_free(out);
    return bert_fail_memory(e, bytes);
}

static bool begins(const char *text, size_t n, const char *with) {
    const size_t m = strlen(with);
    return n > m && !memcmp(text, with, m);
}

int bert_list_parse(const char *text, size_t n, bert_list *out, bert_error *e) {
    static const char pairs[] = "[](){}";
    *out = (bert_list){.kind = BERT_LIST_NONE};
    while (n && bert_is_blank(*text)) text++, n--;
    while (n && bert_is_blank(text[n - 1])) n--;
    if (begins(text, n, "array([") || begins(text, n, "tensor([")) {
        out->kind = BERT_LIST_ODD;
        return 0;
    }
    const char *open = n > 1 && *text ? strchr(pairs, *text) : NULL;
    if (!open || (open - pairs) % 2 || text[n - 1] != open[1]) return 0;
    const size_t items = n / 2 + 1;
    int rc = items < INT32_MAX ? make_room(out, 2 * n + 2, items, e) : 0;
    if (rc || !out->bytes) return rc;
    parser s = {text + 1, text + n, out->bytes, out, (int32_t)items};
    bool comma = false;
    out->kind = BERT_LIST_ITEMS;
    const bool read = read_items(&s, *open, open[1], &comma);
    const bool tuple = *open != '(' || comma; /* "(1)" is a text */
    if (read && tuple && (out->n || *open != '{')) return 0;
    const bool odd = memchr(text, ',', n) || memchr(text, '\'', n) || memmem(text, n, "...", 3);
    bert_list_free(out);
    out->kind = odd && *open != '(' ? BERT_LIST_ODD : BERT_LIST_NONE;
    return 0;
}

int bert_list_split(const char *text, size_t n, char separator, bert_list *out, bert_error *e) {
    *out = (bert_list){.kind = BERT_LIST_ITEMS};
    size_t items = 1;
    for (size_t i = 0; i < n; i++) items += text[i] == separator;
    int rc = items < INT32_MAX ? make_room(out, n + 1, items, e)
                               : bert_fail(e, BERT_EFORMAT, "a list of too many elements");
    if (rc || !n) return rc;
    memcpy(out->bytes, text, n);
    out->bytes[n] = 0;
    for (const char *p = out->bytes, *end = p + n;;) {
        const char *stop = memchr(p, separator, (size_t)(end - p));
        if (!stop) stop = end;
        out->item[out->n++] = (bert_text){.text = p, .bytes = (size_t)(stop - p)};
        if (stop == end) return 0;
        p = stop + 1;
    }
}
