#include "text/steps.h"
#include "base/error.h"
#include "text/json_parts.h"
#include <stdlib.h>

/* ------------------------------------------------------------------ Reading and writing */

const bert_step_kind *bert_step_kind_of(const bert_step_kind *kinds, const char *type) {
    for (; kinds->type; kinds++)
        if (!strcmp(kinds->type, type)) return kinds;
    return NULL;
}

static void list_kinds(const bert_step_kind *kinds, char *text, size_t room) {
    size_t n = 0;
    for (; kinds->type && n < room; kinds++)
        n += (size_t)snprintf(text + n, room - n, "%s%s", kinds->type,
                              kinds[1].type ? ", " : " are");
}

static int read_one(bert_tokenizer *t, const json_t *o, const char *key, const char *list_key,
                    const bert_step_kind *kinds, bert_step *steps, int *n, const char *where,
                    bert_error *e) {
    const char *type = bert_part_type(o, where, key, e);
    if (!type) return BERT_EFORMAT;
    if (!*type) return BERT_OK;
    if (!strcmp(type, "Sequence")) {
        const json_t *list = json_object_get(o, list_key);
        if (!json_is_array(list)) return bert_part_wrong(where, list_key, "an array", e);
        int rc = BERT_OK;
        for (size_t i = 0; i < json_array_size(list) && !rc; i++)
            rc = read_one(t, json_array_get(list, i), key, list_key, kinds, steps, n, where, e);
        return rc;
    }
    const bert_step_kind *kind = bert_step_kind_of(kinds, type);
    if (!kind) {
        char known[300];
        list_kinds(kinds, known, sizeof known);
        return bert_part_unsupported(where, key, type, known, e);
    }
    if (*n == BERT_MAX_STEPS)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: %s: more than %d steps", where, key,
                         BERT_MAX_STEPS);
    bert_step *s = &steps[*n];
    *s = (bert_step){.kind = kind};
    ++*n;
    return kind->read ? kind->read(t, o, s, where, e) : BERT_OK;
}

int bert_steps_read(bert_tokenizer *t, const json_t *root, const char *key, const char *list_key,
                    const bert_step_kind *kinds, bert_step *steps, int *n, const char *where,
                    bert_error *e) {
    *n = 0;
    return read_one(t, json_object_get(root, key), key, list_key, kinds, steps, n, where, e);
}

static json_t *step_json(const bert_tokenizer *t, const bert_step *s) {
    return s->kind->write ? s->kind->write(t, s) : json_pack("{ss}", "type", s->kind->type);
}

json_t *bert_steps_json(const bert_tokenizer *t, const bert_step *steps, int n,
                        const char *list_key) {
    if (!n) return json_null();
    if (n == 1) return step_json(t, steps);
    json_t *list = json_array();
    int rc = 0;
    for (int i = 0; i < n; i++) rc |= json_array_append_new(list, step_json(t, &steps[i]));
    if (!rc) return json_pack("{ss so}", "type", "Sequence", list_key, list);
    json_decref(list);
    return NULL;
}

/* --------------------------------------------------------------------------- Characters */

void bert_work_free(bert_work *w) {
    bert_chars *const all[] = {&w->now, &w->next, &w->text};
    for (int i = 0; i < 3; i++) {
        free(all[i]->c);
        free(all[i]->at);
    }
    free(w->pieces.ends);
    free(w->making.ends);
    free(w->bytes);
    bert_normalizer_free(&w->bert);
}

static bool grow(bert_work *w, bert_chars *x) {
    const size_t capacity = 2 * x->capacity + 256;
    uint32_t *c = realloc(x->c, capacity * sizeof *c);
    if (c) x->c = c;
    bert_span *at = realloc(x->at, capacity * sizeof *at);
    if (at) x->at = at;
    if (c && at)
        x->capacity = capacity;
    else
        w->failed = true;
    return !w->failed;
}

void bert_chars_put(bert_work *w, uint32_t c, bert_span at) {
    bert_chars *x = &w->next;
    if (w->failed || (x->n == x->capacity && !grow(w, x))) return;
    x->c[x->n] = c;
    x->at[x->n++] = at;
}

/* A change is kept where the place will be. */
void bert_chars_change(bert_work *w, uint32_t c, int32_t change) {
    bert_chars_put(w, c, (bert_span){change, change});
}

void bert_chars_apply(bert_work *w) {
    const bert_chars *x = &w->now;
    const size_t n = w->failed ? 0 : w->next.n;
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        bert_span *at = &w->next.at[i];
        const int32_t change = at->start;
        if (change > 0) {
            *at = from ? x->at[from - 1] : (bert_span){0, 0};
            continue;
        }
        *at = x->at[from < x->n ? from : x->n - 1];
        from += 1 + (size_t)-change;
        if (from > x->n) from = x->n;
    }
}

void bert_work_turn(bert_work *w) {
    const bert_chars x = w->now;
    w->now = w->next;
    w->next = x;
    w->next.n = 0;
}

void bert_work_cut(bert_work *w) {
    bert_cuts *x = &w->making;
    const size_t end = w->next.n;
    if (end == (x->n ? x->ends[x->n - 1] : 0)) return;
    if (x->n == x->capacity) {
        const size_t capacity = 2 * x->capacity + 64;
        size_t *ends = realloc(x->ends, capacity * sizeof *ends);
        if (!ends) {
            w->failed = true;
            return;
        }
        x->ends = ends;
        x->capacity = capacity;
    }
    x->ends[x->n++] = end;
}

void bert_normalize_all(bert_work *w) {
    const bert_tokenizer *t = w->t;
    for (int i = 0; i < t->n_normalizers && !w->failed; i++) {
        w->next.n = 0;
        t->normalizers[i].kind->normalize(&t->normalizers[i], w);
    }
    const bert_chars x = w->text;
    w->text = w->now;
    w->now = x;
}

static void turn_pieces(bert_work *w) {
    const bert_cuts x = w->pieces;
    bert_work_cut(w);
    w->pieces = w->making;
    w->making = x;
    w->making.n = 0;
    bert_work_turn(w);
}

void bert_pre_tokenize(bert_work *w, size_t from, size_t to) {
    const bert_tokenizer *t = w->t;
    w->next.n = w->making.n = 0;
    if (!t->n_splits)
        for (size_t i = from; i < to; i++) bert_chars_put(w, w->text.c[i], w->text.at[i]);
    else
        t->splits[0].kind->split(&t->splits[0], w, &w->text, from, to);
    turn_pieces(w);
    for (int k = 1; k < t->n_splits && !w->failed; k++) {
        for (size_t i = 0, start = 0; i < w->pieces.n; start = w->pieces.ends[i++]) {
            t->splits[k].kind->split(&t->splits[k], w, &w->now, start, w->pieces.ends[i]);
            bert_work_cut(w);
        }
        turn_pieces(w);
    }
}
