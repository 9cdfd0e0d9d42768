#include "base/notes.h"
#include "base/error.h"
#include "base/printable.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One more element of *(T **)array, which has n. */
static int extend(void *array, int n, size_t size, bert_error *e) {
    void *old, *larger;
    memcpy(&old, array, sizeof old);
    larger = realloc(old, ((size_t)n + 1) * size);
    if (!larger) return bert_fail_memory(e, ((size_t)n + 1) * size);
    memcpy(array, &larger, sizeof larger);
    return BERT_OK;
}

int bert_notes_say_v(bert_notes *n, bert_error *e, const char *format, va_list args) {
    char *text;
    int rc = extend(&n->line, n->n, sizeof *n->line, e);
    if (rc) return rc;
    if (vasprintf(&text, format, args) < 0) return bert_fail_memory(e, strlen(format));
    const size_t capacity = 4 * strlen(text) + 1;
    if ((n->line[n->n] = malloc(capacity))) bert_printable(n->line[n->n], capacity, text);
    free(text);
    if (!n->line[n->n]) return bert_fail_memory(e, capacity);
    n->n++;
    return BERT_OK;
}

int bert_notes_say(bert_notes *n, bert_error *e, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int rc = bert_notes_say_v(n, e, format, args);
    va_end(args);
    return rc;
}

int bert_notes_tally(bert_notes *n, int64_t line, const char *what, bert_error *e) {
    int i = 0;
    while (i < n->tallies && strcmp(n->tally[i].what, what)) i++;
    if (i == n->tallies) {
        int rc = extend(&n->tally, n->tallies, sizeof *n->tally, e);
        if (rc) return rc;
        n->tally[i] = (bert_tally){.what = strdup(what), .first = line};
        if (!n->tally[i].what) return bert_fail_memory(e, strlen(what));
        n->tallies++;
    }
    n->tally[i].rows++;
    return BERT_OK;
}

static void forget_tallies(bert_notes *n) {
    for (int i = 0; i < n->tallies; i++) free(n->tally[i].what);
    free(n->tally);
    n->tally = NULL;
    n->tallies = 0;
}

int bert_notes_sum_up(bert_notes *n, const char *unit, const char *place, bert_error *e) {
    int rc = BERT_OK;
    for (int i = 0; i < n->tallies && !rc; i++) {
        const bert_tally *t = &n->tally[i];
        rc = bert_notes_say(n, e, "%lld %s%s %s (%s%s %lld)", (long long)t->rows, unit,
                            t->rows == 1 ? "" : "s", t->what, t->rows == 1 ? "" : "the first in ",
                            place, (long long)t->first);
    }
    forget_tallies(n);
    return rc;
}

static bool is_said(const bert_notes *n, int most, const char *line) {
    for (int i = 0; i < most; i++)
        if (!strcmp(n->line[i], line)) return true;
    return false;
}

int bert_notes_of_part(bert_notes *n, int from, const char *part, bert_error *e) {
    const int all = n->n;
    if (!part || from == all) return BERT_OK;
    const size_t bytes = (size_t)(all - from) * sizeof *n->line;
    char **line = malloc(bytes);
    if (!line) return bert_fail_memory(e, bytes);
    memcpy(line, n->line + from, bytes);
    n->n = from;
    int rc = BERT_OK;
    for (int i = 0; i < all - from; i++) {
        if (!rc && !is_said(n, from, line[i])) rc = bert_notes_say(n, e, "%s: %s", part, line[i]);
        free(line[i]);
    }
    free(line);
    return rc;
}

const char *bert_notes_at(const bert_notes *n, int i) {
    return i >= 0 && i < n->n ? n->line[i] : NULL;
}

void bert_notes_free(bert_notes *n) {
    for (int i = 0; i < n->n; i++) free(n->line[i]);
    free(n->line);
    forget_tallies(n);
    *n = (bert_notes){0};
}
