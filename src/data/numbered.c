#include "data/numbered.h"
#include "base/error.h"
#include "base/rng.h"
#include <stdlib.h>
#include <string.h>

static size_t slot_of(const bert_numbered *x, const char *text) {
    size_t i = (size_t)bert_rng_stream(text) & (x->slots - 1);
    while (x->table[i] && strcmp(x->text[x->table[i] - 1], text)) i = (i + 1) & (x->slots - 1);
    return i;
}

static int grow(bert_numbered *x, bert_error *e) {
    const size_t slots = x->slots ? 2 * x->slots : 64;
    char **text = realloc(x->text, slots / 2 * sizeof *text);
    if (text) x->text = text;
    int32_t *table = calloc(slots, sizeof *table);
    if (!text || !table) {
        free(table);
        return bert_fail_memory(e, slots * sizeof *table);
    }
    free(x->table);
    x->table = table;
    x->slots = slots;
    for (int32_t i = 0; i < x->n; i++) x->table[slot_of(x, x->text[i])] = i + 1;
    return BERT_OK;
}

int32_t bert_number_of(bert_numbered *x, const char *text, size_t bytes, bert_error *e) {
    if ((size_t)x->n >= x->slots / 2) {
        const int rc = x->n < INT32_MAX / 4 ? grow(x, e)
                                            : bert_fail(e, BERT_EINVAL, "too many different texts");
        if (rc) return rc;
    }
    char *copy = strndup(text, bytes);
    if (!copy) return bert_fail_memory(e, bytes);
    const size_t slot = slot_of(x, copy);
    if (x->table[slot]) {
        free(copy);
    } else {
        x->text[x->n] = copy;
        x->table[slot] = ++x->n;
    }
    return x->table[slot] - 1;
}

void bert_numbered_free(bert_numbered *x) {
    for (int32_t i = 0; i < x->n; i++) free(x->text[i]);
    free(x->text);
    free(x->table);
    *x = (bert_numbered){0};
}
