#include "text/json_vocab.h"
#include "base/blank.h"
#include "base/error.h"
#include "text/code_points.h"
#include "text/rust_number.h"
#include <math.h>
#include <stdlib.h>

typedef struct {
    const char *p, *end;
} cursor;

static void skip_space(cursor *c) {
    while (c->p < c->end && bert_is_blank(*c->p)) c->p++;
}

static bool take(cursor *c, char what) {
    skip_space(c);
    if (c->p == c->end || *c->p != what) return false;
    c->p++;
    return true;
}

/* ---------------------------------------------------------------- Finding model.vocab */

/* Past a string whose first quote is behind. */
static bool skip_string(cursor *c) {
    const char *stop = memchr(c->p, '"', (size_t)(c->end - c->p));
    if (stop && !memchr(c->p, '\\', (size_t)(stop - c->p))) { /* nearly always */
        c->p = stop + 1;
        return true;
    }
    for (; c->p < c->end; c->p++) {
        if (*c->p == '"') {
            c->p++;
            return true;
        }
        if (*c->p == '\\' && ++c->p == c->end) return false;
    }
    return false;
}

static bool skip_value(cursor *c) {
    int depth = 0;
    skip_space(c);
    do {
        if (c->p == c->end) return false;
        char ch = *c->p++;
        if (ch == '"') {
            if (!skip_string(c)) return false;
        } else if (ch == '{' || ch == '[')
            depth++;
        else if (ch == '}' || ch == ']')
            depth--;
        else if (!depth) { /* a number or a word */
            while (c->p < c->end && !strchr(",]} \n\t\r", *c->p)) c->p++;
            return true;
        }
    } while (depth > 0);
    return depth == 0;
}

/* Moves to the value of a member of the object at c. */
static bool enter(cursor *c, const char *key) {
    size_t n = strlen(key);
    if (!take(c, '{')) return false;
    do {
        if (!take(c, '"')) return false;
        const char *name = c->p;
        if (!skip_string(c)) return false;
        bool found = (size_t)(c->p - 1 - name) == n && !memcmp(name, key, n);
        if (!take(c, ':')) return false;
        skip_space(c);
        if (found) return true;
        if (!skip_value(c)) return false;
    } while (take(c, ','));
    return false;
}

bool bert_find_json_vocab(const char *text, size_t bytes, size_t *start, size_t *stop) {
    cursor c = {text, text + bytes};
    if (!enter(&c, "model") || !enter(&c, "vocab") || c.p == c.end || (*c.p != '{' && *c.p != '['))
        return false;
    *start = (size_t)(c.p - text);
    if (!skip_value(&c)) return false;
    *stop = (size_t)(c.p - text);
    return true;
}

/* ---------------------------------------------------------------------- Reading it */

static int hex4(cursor *c, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < 4; i++, c->p++) {
        if (c->p == c->end) return -1;
        char ch = *c->p;
        int digit = ch >= '0' && ch <= '9'                 ? ch - '0'
                    : (ch | 32) >= 'a' && (ch | 32) <= 'f' ? (ch | 32) - 'a' + 10
                                                           : -1;
        if (digit < 0) return -1;
        *out = *out << 4 | (uint32_t)digit;
    }
    return 0;
}

/* An escape sequence behind its backslash, as UTF-8; bytes written, or -1. */
static int unescape(cursor *c, uint8_t *out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (c->p == c->end) return -1;
    char ch = *c->p++;
    const char *known = ch ? strchr(from, ch) : NULL;
    if (known) {
        *out = (uint8_t)to[known - from];
        return 1;
    }
    uint32_t code, low;
    if (ch != 'u' || hex4(c, &code)) return -1;
    if (code >= 0xd800 && code <= 0xdbff) {
        if (c->end - c->p < 2 || *c->p++ != '\\' || *c->p++ != 'u' || hex4(c, &low) ||
            low < 0xdc00 || low > 0xdfff)
            return -1;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (!code || (code >= 0xdc00 && code <= 0xdfff))
        return -1;
    return bert_utf8_put(code, out);
}

/* A string behind its first quote: as it lies in the text, or unescaped into `room`. NULL: it is
 * malformed. */
static const char *read_string(cursor *c, char *room, size_t *n) {
    const char *start = c->p;
    while (c->p < c->end && *c->p != '"' && *c->p != '\\' && (uint8_t)*c->p >= 0x20) c->p++;
    const char *token = start;
    *n = (size_t)(c->p - start);
    if (c->p < c->end && *c->p == '\\') {
        memcpy(room, start, *n);
        token = room;
        while (c->p < c->end && *c->p != '"' && (uint8_t)*c->p >= 0x20) {
            char ch = *c->p++;
            int k = 1;
            if (ch == '\\')
                k = unescape(c, (uint8_t *)room + *n);
            else
                room[*n] = ch;
            if (k < 0) return NULL;
            *n += (size_t)k;
        }
    }
    if (!take(c, '"') || !bert_utf8_valid((const uint8_t *)token, *n)) return NULL;
    return token;
}

/* An id, or -1. */
static int32_t read_id(cursor *c) {
    int32_t id = 0;
    skip_space(c);
    const char *start = c->p;
    for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++) {
        id = id * 10 + (*c->p - '0');
        if (id >= BERT_MAX_VOCABULARY) return -1;
    }
    return c->p == start || (*start == '0' && c->p - start > 1) ? -1 : id;
}

int bert_load_json_vocab(bert_tokenizer *t, const char *text, size_t bytes, const char *where,
                         bert_error *e) {
    cursor c = {text, text + bytes};
    int rc = bert_vocabulary_start(t, bytes, bytes / 16, e);
    if (rc) return rc;
    char *room = malloc(bytes);
    if (!room) return bert_fail_memory(e, bytes);
    bool fine = take(&c, '{');
    int32_t count = 0;
    if (fine && !take(&c, '}')) {
        do {
            size_t n = 0;
            const char *token = take(&c, '"') ? read_string(&c, room, &n) : NULL;
            fine = token && take(&c, ':');
            int32_t id = fine ? read_id(&c) : 0;
            if (id < 0)
                rc = bert_fail(e, BERT_EFORMAT,
                               "%s: model.vocab: the id of '%.*s' must be an integer from 0 to %d",
                               where, n < 100 ? (int)n : 100, token, BERT_MAX_VOCABULARY - 1);
            else if (fine)
                rc = bert_vocabulary_add(t, token, n, id, where, e);
            count++;
        } while (fine && !rc && take(&c, ','));
        fine = fine && (rc || take(&c, '}'));
    }
    free(room);
    if (!fine && !rc)
        rc =
            bert_fail(e, BERT_EFORMAT, "%s: model.vocab: not valid JSON at entry %d", where, count);
    t->next_id = count;
    return rc;
}

/* ----------------------------------------------------------------- And that of a Unigram */

/* A number of JSON, as the reference reads it; false: it is none, or too large. */
static bool read_number(cursor *c, double *number) {
    skip_space(c);
    const char *start = c->p, *p = start + (c->p < c->end && *c->p == '-');
    const size_t whole = strspn(p, "0123456789");
    if (!whole || (*p == '0' && whole > 1)) return false;
    p += whole;
    if (*p == '.') {
        const size_t part = strspn(p + 1, "0123456789");
        if (!part) return false;
        p += 1 + part;
    }
    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '+' || p[1] == '-');
        const size_t exponent = strspn(p, "0123456789");
        if (!exponent) return false;
        p += exponent;
    }
    c->p = p;
    *number = bert_rust_number(start, (size_t)(p - start));
    return isfinite(*number);
}

/* How many pieces there are at most: each has a '[' of its own. */
static size_t count_pieces(const char *text, size_t bytes) {
    size_t n = 0;
    for (const char *p = text, *end = text + bytes; (p = memchr(p, '[', (size_t)(end - p))); p++)
        n++;
    return n;
}

int bert_load_json_pieces(bert_tokenizer *t, const char *text, size_t bytes, double **scores,
                          const char *where, bert_error *e) {
    cursor c = {text, text + bytes};
    const size_t most = count_pieces(text, bytes);
    char *room = malloc(bytes);
    double *list = *scores = calloc(most, sizeof *list);
    if (!room || !list) {
        free(room);
        return bert_fail_memory(e, bytes + most * sizeof *list);
    }
    int rc = bert_vocabulary_start(t, bytes, most, e);
    bert_vocab_drop_filter(&t->vocabulary);
    int32_t count = 0;
    bool fine = take(&c, '[');
    if (fine && !take(&c, ']')) {
        do {
            size_t n = 0;
            const char *piece = take(&c, '[') && take(&c, '"') ? read_string(&c, room, &n) : NULL;
            fine = piece && take(&c, ',') && read_number(&c, &list[count]) && take(&c, ']');
            if (fine && !rc) rc = bert_vocabulary_add(t, piece, n, count, where, e);
            count += fine;
        } while (fine && !rc && take(&c, ','));
        fine = fine && (rc || take(&c, ']'));
    }
    free(room);
    if (!fine && !rc)
        rc = bert_fail(e, BERT_EFORMAT, "%s: model.vocab: number %d must be [piece, score]", where,
                       count);
    t->next_id = count;
    return rc;
}
