#include "data/lay.h"
#include "base/error.h"
#include "base/grow.h"
#include <stdlib.h>
#include <string.h>

/* Where the next bytes lie; NULL: they are counted. */
static void *place(bert_laid *l, size_t bytes, size_t aligned) {
    const size_t from = (l->used + aligned - 1) / aligned * aligned;
    l->used = from + bytes;
    return l->at ? l->at + from : NULL;
}

void bert_lay(bert_laid *l, void *value, size_t bytes) {
    void *at = place(l, bytes, 1);
    if (!at || !bytes) return;
    if (l->taken)
        memcpy(value, at, bytes);
    else
        memcpy(at, value, bytes);
}

/* Whether *(T **)slot is something; NULL where it is to be taken up. */
static bool is_there(bert_laid *l, void **slot) {
    bool there = *slot != NULL;
    BERT_LAY(l, there);
    if (l->taken) *slot = NULL;
    return there;
}

void bert_lay_block(bert_laid *l, void *slot, size_t bytes) {
    void **block = slot;
    if (!is_there(l, block)) return;
    if (l->taken && !(*block = malloc(bytes + !bytes))) bert_fail_memory(l->e, bytes);
    if (*block)
        bert_lay(l, *block, bytes);
    else
        place(l, bytes, 1);
}

void bert_lay_string(bert_laid *l, char **text) {
    size_t bytes = !l->taken && *text ? strlen(*text) + 1 : 0;
    BERT_LAY(l, bytes);
    bert_lay_block(l, text, bytes);
}

void bert_lay_grown(bert_laid *l, void *slot, size_t bytes) {
    void **array = slot;
    if (!is_there(l, array)) return;
    void *at = place(l, bert_lent_bytes(bytes), 64);
    if (l->taken)
        *array = bert_lent(at);
    else if (at)
        bert_lend(at, *array, bytes);
}

void bert_lay_text(bert_laid *l, bert_text *t) {
    BERT_LAY(l, t->bytes);
    void *at = place(l, t->bytes + 1, 1);
    if (l->taken)
        *t = (bert_text){.text = at, .bytes = t->bytes};
    else if (at)
        memcpy(at, t->text, t->bytes + 1);
}

void bert_lay_list(bert_laid *l, char ***list, int *n) {
    const int all = *n;
    if (l->taken && all && !(*list = calloc((size_t)all, sizeof **list))) {
        bert_fail_memory(l->e, (size_t)all * sizeof **list);
        *n = 0;
    }
    for (int i = 0; i < all; i++) {
        char *none = NULL;
        bert_lay_string(l, *list ? &(*list)[i] : &none);
        free(none);
    }
}
