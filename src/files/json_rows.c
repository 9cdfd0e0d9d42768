#include "files/json_rows.h"
#include "base/blank.h"
#include "base/error.h"
#include "files/json.h"
#include "files/lines.h"
#include <stdlib.h>
#include <string.h>

struct bert_json_rows {
    char *path;
    bert_lines *lines;
    char *rest; /* what is left of the line that is being read */
    size_t n;
    bool begun, in_array, closed; /* closed: the array has ended */
    bool a_row_a_line;            /* the first object was one line: so are all */
    char *text;                   /* an object that goes over several lines */
    size_t used, capacity;
    json_t *object;
    int64_t line;
};

/* Where in a value the scan is; depth 0 after its last byte. */
typedef struct {
    int64_t depth;
    bool in_string, escaped;
} nesting;

bert_json_rows *bert_json_rows_open(const char *path, bert_error *e) {
    bert_json_rows *r = calloc(1, sizeof *r);
    if (r) r->path = strdup(strcmp(path, "-") ? path : "standard input");
    if (!r || !r->path) bert_fail_memory(e, sizeof *r);
    if (r && r->path && (r->lines = bert_lines_open(path, r->path, e))) return r;
    bert_json_rows_close(r);
    return NULL;
}

void bert_json_rows_close(bert_json_rows *r) {
    if (!r) return;
    bert_lines_close(r->lines);
    json_decref(r->object);
    free(r->text);
    free(r->path);
    free(r);
}

int64_t bert_json_rows_line(const bert_json_rows *r) {
    return r->line;
}

const bert_lines *bert_json_rows_lines(const bert_json_rows *r) {
    return r->lines;
}

bool bert_json_rows_are_lines(const bert_json_rows *r) {
    return r->a_row_a_line;
}

int bert_json_rows_seek(bert_json_rows *r, int64_t at, int64_t end, int64_t line, bert_error *e) {
    r->n = 0;
    return bert_lines_seek(r->lines, at, end, line, e);
}

const char *bert_json_rows_layout(const bert_json_rows *r) {
    return r->in_array       ? "JSON array"
           : r->a_row_a_line ? "JSON lines"
                             : "JSON, not an object a line";
}

static int fail_at(const bert_json_rows *r, int64_t line, bert_error *e, const char *what) {
    return bert_fail(e, BERT_EFORMAT, "%s:%lld: %s", r->path, (long long)line, what);
}

static void skip(bert_json_rows *r, size_t n) {
    r->rest += n;
    r->n -= n;
}

/* Puts r->rest on the next byte that is not blank: 1, 0 at the end of the file, or an error. */
static int find_byte(bert_json_rows *r, bert_error *e) {
    for (;;) {
        while (r->n && bert_is_blank(*r->rest)) skip(r, 1);
        if (r->n) return 1;
        int rc = bert_lines_next(r->lines, &r->rest, &r->n, e);
        if (rc <= 0) return rc;
    }
}

/* Puts r->rest on the first byte of the next value: 1, 0 if there is none, or an error. */
static int find_value(bert_json_rows *r, bert_error *e) {
    int rc = find_byte(r, e);
    if (rc > 0 && !r->begun && *r->rest == '[') {
        r->begun = r->in_array = true;
        skip(r, 1);
        rc = find_byte(r, e);
    } else if (rc > 0 && r->begun && r->in_array && !r->closed && *r->rest == ',') {
        skip(r, 1);
        rc = find_byte(r, e);
        if (rc > 0 && *r->rest == ']')
            return fail_at(r, bert_lines_number(r->lines), e, "a comma before the array's end");
    } else if (rc > 0 && r->in_array && !r->closed && *r->rest != ']') {
        return fail_at(r, bert_lines_number(r->lines), e,
                       "a comma or ] is needed after an element of the array");
    }
    r->begun = true;
    if (!r->in_array || rc < 0) return rc;
    if (!rc)
        return r->closed ? 0
                         : fail_at(r, bert_lines_number(r->lines), e,
                                   "the file ends before the array does");
    if (r->closed) return fail_at(r, bert_lines_number(r->lines), e, "text after the array's end");
    if (*r->rest != ']') return 1;
    r->closed = true;
    skip(r, 1);
    return find_value(r, e);
}

/* How many bytes of the value are in text[0 .. n); s->depth says whether it has ended. */
static size_t scan(nesting *s, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char c = text[i];
        if (s->in_string) {
            if (s->escaped)
                s->escaped = false;
            else if (c == '\\')
                s->escaped = true;
            else if (c == '"')
                s->in_string = false;
        } else if (c == '"') {
            s->in_string = true;
        } else if (c == '{' || c == '[') {
            s->depth++;
        } else if ((c == '}' || c == ']') && --s->depth <= 0) {
            return i + 1;
        }
    }
    return n;
}

static int append(bert_json_rows *r, const char *text, size_t n, bert_error *e) {
    if (r->used + n > BERT_LINE_MAX) return fail_at(r, r->line, e, "an object of more than 256 MB");
    if (r->used + n + 1 > r->capacity) {
        const size_t capacity = 2 * (r->used + n + 1);
        char *larger = realloc(r->text, capacity);
        if (!larger) return bert_fail_memory(e, capacity);
        r->text = larger;
        r->capacity = capacity;
    }
    if (n) memcpy(r->text + r->used, text, n);
    r->used += n;
    return BERT_OK;
}

/* The value that r->rest is in, from its second line on, into r->text. */
static int join_lines(bert_json_rows *r, nesting *s, bert_error *e) {
    r->used = 0;
    int rc = append(r, r->rest, r->n, e);
    while (!rc && s->depth > 0) {
        rc = bert_lines_next(r->lines, &r->rest, &r->n, e);
        if (!rc) return fail_at(r, r->line, e, "an object that starts here does not end");
        if (rc < 0) return rc;
        const size_t n = scan(s, r->rest, r->n);
        rc = append(r, "\n", 1, e);
        if (!rc) rc = append(r, r->rest, n, e);
        skip(r, n);
    }
    return rc;
}

int bert_json_rows_next(bert_json_rows *r, const json_t **object, bert_error *e) {
    json_decref(r->object);
    r->object = NULL;
    const bool first = !r->begun;
    int rc = find_value(r, e);
    if (rc <= 0) return rc;
    r->line = bert_lines_number(r->lines);
    if (*r->rest != '{') {
        /* Not for the parser: it would say that of a whole file's first word. */
        char what[80];
        snprintf(what, sizeof what, "not a JSON object: it begins with \"%.*s\"",
                 r->n < 20 ? (int)r->n : 20, r->rest);
        return fail_at(r, r->line, e, what);
    }
    nesting s = {0};
    size_t n = r->a_row_a_line ? r->n : scan(&s, r->rest, r->n);
    const char *text = r->rest;
    if (first && !r->in_array) r->a_row_a_line = s.depth <= 0;
    if (r->a_row_a_line) {
        n = r->n; /* whatever the line holds, the next object begins in the next one */
        skip(r, n);
    } else if (s.depth > 0) {
        if ((rc = join_lines(r, &s, e))) return rc;
        text = r->text;
        n = r->used;
    } else {
        skip(r, n);
    }
    r->object = bert_json_parse_row(text, n, r->path, r->line, e);
    if (!r->object) return e->code;
    *object = r->object;
    return 1;
}
