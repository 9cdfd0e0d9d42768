/* libFuzzer target: any text as a recipe; an error has a place, and what is accepted has numbers that
 * nothing goes beyond and text that is read again as the same. */
#include "base/error.h"
#include "recipe/recipe.h"
#include <stdlib.h>
#include <string.h>

static void check(const bert_recipe *r) {
    const bert_recipe_task *t = &r->task;
    bert_recipe_view v;
    int n = 0;
    while (bert_recipe_view_at(r, n, &v)) n++;
    if (n != t->views || n > BERT_RECIPE_VIEWS || t->poolings < 1 ||
        t->poolings > BERT_MAX_POOLINGS || t->layers < 1 || t->layers > BERT_RECIPE_LAYERS)
        abort();
    if (n > 1 && t->combine == BERT_COMBINE_NONE) abort();
    if (t->combine == BERT_COMBINE_TERMS && n != 2) abort();
    for (int i = 0; i < t->layers; i++)
        if (t->layer[i].out < 0 || t->layer[i].in < 0 || t->layer[i].line < 1) abort();
}

/* Of rows of three numbers. */
static void combine(const bert_recipe *r) {
    enum { DIM = 3, ROWS = 2 };
    float x[ROWS * BERT_RECIPE_VIEWS * DIM] = {0};
    float *y = calloc((size_t)ROWS * (size_t)bert_recipe_combined_size(r, DIM), sizeof *y);
    if (y && bert_recipe_combine(r, x, ROWS, DIM, y, NULL)) abort();
    free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bert_error e = {0};
    char *text = malloc(size + 1);
    if (!text) return 0;
    memcpy(text, data, size);
    text[size] = 0;
    bert_recipe *r = bert_recipe_parse(text, "r.json", &e);
    if (!r && (e.code >= 0 || strncmp(e.message, "r.json:", 7))) abort();
    if (r) {
        /* of several tasks each is one of its own */
        for (int i = 0; i < r->task_count; i++) {
            check(r->tasks[i]);
            combine(r->tasks[i]);
        }
        if (!r->task_count) {
            check(r);
            combine(r);
        }
        bert_recipe *again = bert_recipe_parse(bert_recipe_json(r), "r.json", NULL);
        if (!again || again->task_count != r->task_count || again->task.layers != r->task.layers)
            abort();
        bert_recipe_free(again);
    }
    bert_recipe_free(r);
    free(text);
    return 0;
}
