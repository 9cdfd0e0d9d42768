#include "text/tags.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

/* Names, and the scheme's own letters for B I E S. Of schemes with the same letters, `prefixes`
 * that are all of one row make it that one. */
static const struct {
    const char *name, *prefixes;
} schemes[] = {
    [BERT_TAGS_IOB2] = {"IOB2", "BIO"},      [BERT_TAGS_IOB1] = {"IOB1", NULL},
    [BERT_TAGS_IOE2] = {"IOE2", "EIO"},      [BERT_TAGS_IOE1] = {"IOE1", NULL},
    [BERT_TAGS_IOBES] = {"IOBES", "BIESO"},  [BERT_TAGS_BILOU] = {"BILOU", "BILUO"},
    [BERT_TAGS_BMEWO] = {"BMEWO", "BMEWSO"}, [BERT_TAGS_IO] = {"IO", NULL},
    [BERT_TAGS_CLASSES] = {"classes", NULL},
};

static const char letters[] = "BIESLUMWO", as_iobes[] = "BIESESISO";

const char *bert_tag_scheme_name(bert_tag_scheme s) {
    return schemes[s].name;
}

/* ---- One label */

static bool in(char c, const char *set) {
    return c && strchr(set, c);
}

static bool outside(const char *label) {
    return !strcmp(label, "O");
}

/* "B-PER", "B_PER", or "B" alone. */
static bool has_prefix(const char *label) {
    return in(*label, letters) && (!label[1] || in(label[1], "-_")) && !outside(label);
}

static bool has_suffix(const char *label) {
    const size_t n = strlen(label);
    return n > 2 && label[n - 2] == '-' && in(label[n - 1], letters);
}

/* Bytes of the first character. */
static size_t first_character(const char *s) {
    size_t n = *s != 0;
    while (n && ((unsigned char)s[n] & 0xC0) == 0x80) n++;
    return n;
}

typedef struct {
    char prefix;
    const char *type;
    size_t bytes;
} reading;

static reading typed(char prefix, const char *type, size_t bytes) {
    return bytes ? (reading){prefix, type, bytes} : (reading){prefix, "_", 1};
}

/* chunk[0] and chunk[1:].split("-", 1)[-1] or "_" */
static reading read_prefix(const char *label) {
    const char *rest = label + first_character(label), *dash = strchr(rest, '-');
    const char *type = dash ? dash + 1 : rest;
    return typed(*label, type, strlen(type));
}

/* chunk[-1] and chunk[:-1].rsplit("-", 1)[0] or "_" */
static reading read_suffix(const char *label) {
    size_t n = strlen(label);
    if (!n) return typed(0, label, 0);
    const char prefix = label[--n];
    while (n && ((unsigned char)label[n] & 0xC0) == 0x80) n--;
    for (size_t i = n; i-- > 0;)
        if (label[i] == '-') return typed(prefix, label, i);
    return typed(prefix, label, n);
}

/* The rest of the label, stripped of dashes on both sides. */
static reading read_strict(const char *label, bool suffix) {
    const reading loose = suffix ? read_suffix(label) : read_prefix(label);
    const char *place = in(loose.prefix, letters) ? strchr(letters, loose.prefix) : NULL;
    const char *s = suffix ? label : label + 1;
    if (!place) return typed('O', "", 0);
    size_t n = strlen(s) - suffix;
    while (n && *s == '-') s++, n--;
    while (n && s[n - 1] == '-') n--;
    return typed(as_iobes[place - letters], s, n);
}

/* ---- All of them */

static int32_t type_number(bert_tags *t, const reading *r, bert_error *e) {
    for (int32_t i = 0; i < t->types; i++)
        if (strlen(t->type[i]) == r->bytes && !memcmp(t->type[i], r->type, r->bytes)) return i;
    char **more = realloc(t->type, ((size_t)t->types + 1) * sizeof *more);
    if (more) t->type = more;
    if (!more || !(t->type[t->types] = strndup(r->type, r->bytes)))
        return bert_fail_memory(e, r->bytes);
    return t->types++;
}

static int compare_types(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static reading read_label(const bert_tags *t, const char *label, bool strict) {
    if (bert_tags_have_prefixes(t->scheme))
        return strict      ? read_strict(label, t->suffix)
               : t->suffix ? read_suffix(label)
                           : read_prefix(label);
    if (t->scheme == BERT_TAGS_IO && outside(label)) return typed('O', "", 0);
    return typed('I', label, strlen(label));
}

static int read_labels(bert_tags *t, char *const *names, bert_error *e) {
    for (int pass = 0; pass < 2; pass++) { /* types are numbered in their order */
        for (int32_t i = 0; i < t->n; i++)
            for (int strict = 0; strict < 2; strict++) {
                const reading r = read_label(t, names[i], strict);
                const int32_t type = type_number(t, &r, e);
                if (type < 0) return type;
                (strict ? t->strict : t->tag)[i] = (bert_word_tag){r.prefix, type};
            }
        if (t->types) qsort(t->type, (size_t)t->types, sizeof *t->type, compare_types);
    }
    return BERT_OK;
}

static void count_types(bert_tags *t) {
    for (int32_t k = 0; k < t->types; k++)
        for (int32_t i = 0; i < t->n; i++)
            if (t->tag[i].type == k && t->tag[i].prefix != 'O') {
                t->entity_types++;
                break;
            }
}

/* Whether all of s is in set. */
static bool within(const char *s, const char *set) {
    return !s[strspn(s, set)];
}

static bert_tag_scheme scheme_of(const char *prefixes) {
    const bool ends = strpbrk(prefixes, "ESLUMW"), begins = strchr(prefixes, 'B');
    if (!ends) return BERT_TAGS_IOB2;
    if (!begins && strchr(prefixes, 'E') && within(prefixes, schemes[BERT_TAGS_IOE2].prefixes))
        return BERT_TAGS_IOE2;
    for (bert_tag_scheme s = BERT_TAGS_IOBES; s < BERT_TAGS_BMEWO; s++)
        if (within(prefixes, schemes[s].prefixes)) return s;
    return strpbrk(prefixes, "MW") ? BERT_TAGS_BMEWO : BERT_TAGS_IOBES;
}

static void find_scheme(bert_tags *t, char *const *names) {
    int32_t prefixed = 0, suffixed = 0, others = 0, single = 0;
    bool any_outside = false;
    for (int32_t i = 0; i < t->n; i++) {
        any_outside |= outside(names[i]);
        if (outside(names[i])) continue;
        others++;
        prefixed += has_prefix(names[i]);
        suffixed += has_suffix(names[i]);
        single += strlen(names[i]) == 1;
    }
    t->suffix = suffixed > prefixed;
    const int32_t known = t->suffix ? suffixed : prefixed;
    if (!known || 2 * known < others) {
        /* Letters for parts of speech have an O, too. */
        t->scheme = any_outside && 2 * single <= others ? BERT_TAGS_IO : BERT_TAGS_CLASSES;
        return;
    }
    size_t used = 0;
    for (int32_t i = 0; i < t->n; i++) {
        const char *s = names[i];
        const bool has = t->suffix ? has_suffix(s) : has_prefix(s);
        if (!has && !outside(s) && !t->odd++) t->first_odd = s;
        const char c = t->suffix ? s[strlen(s) - 1] : *s;
        if (has && !strchr(t->prefixes, c)) t->prefixes[used++] = c;
    }
    t->scheme = scheme_of(t->prefixes);
}

bert_tags *bert_tags_new(char *const *names, int32_t n, bert_error *e) {
    bert_tags *t = calloc(1, sizeof *t);
    if (t) {
        t->n = n;
        t->tag = calloc(2 * (size_t)n + 1, sizeof *t->tag);
        t->strict = t->tag ? t->tag + n : NULL;
    }
    if (!t || !t->tag) {
        bert_fail_memory(e, 2 * (size_t)n * sizeof *t->tag);
        bert_tags_free(t);
        return NULL;
    }
    find_scheme(t, names);
    if (read_labels(t, names, e)) {
        bert_tags_free(t);
        return NULL;
    }
    count_types(t);
    return t;
}

void bert_tags_free(bert_tags *t) {
    if (!t) return;
    for (int32_t i = 0; i < t->types; i++) free(t->type[i]);
    free(t->type);
    free(t->tag);
    free(t);
}

/* ---- Which of two schemes */

void bert_tags_see(const bert_tags *t, const int32_t *labels, int32_t n, bert_tag_evidence *seen) {
    const bool ends = t->scheme == BERT_TAGS_IOE1 || t->scheme == BERT_TAGS_IOE2;
    bert_word_tag neighbour = {'O', -1};
    /* From the side where an entity is marked: the end of one is the beginning read backwards. */
    for (int32_t i = 0; i < n; i++) {
        const bert_word_tag now = t->strict[labels[ends ? n - 1 - i : i]];
        const bool touches = neighbour.prefix != 'O' && neighbour.type == now.type;
        const bool mark = now.prefix == (ends ? 'E' : 'B');
        if (mark) {
            seen->entities++;
            seen->marked += !touches;
        } else if (now.prefix == 'I' && !touches) {
            seen->entities++;
            if (!seen->unmarked++) seen->first = seen->sequences;
        }
        neighbour = now;
    }
    seen->sequences++;
}

void bert_tags_set(bert_tags *t, bert_tag_scheme s) {
    const bool begins = t->scheme == BERT_TAGS_IOB1 || t->scheme == BERT_TAGS_IOB2,
               ends = t->scheme == BERT_TAGS_IOE1 || t->scheme == BERT_TAGS_IOE2;
    if ((begins && (s == BERT_TAGS_IOB1 || s == BERT_TAGS_IOB2)) ||
        (ends && (s == BERT_TAGS_IOE1 || s == BERT_TAGS_IOE2)))
        t->scheme = s;
}

void bert_tags_settle(bert_tags *t, const bert_tag_evidence *seen) {
    const bool first = seen->unmarked > seen->marked;
    bert_tags_set(t, first ? BERT_TAGS_IOB1 : BERT_TAGS_IOB2);
    bert_tags_set(t, first ? BERT_TAGS_IOE1 : BERT_TAGS_IOE2);
}
