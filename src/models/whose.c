#include "models/whose.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Whether some layer in the file has what the name says, under this prefix. */
static bool in_a_layer(const bert_tensors *file, const char *prefix, const char *layers,
                       const char *sign) {
    const size_t front = strlen(prefix), middle = strlen(layers), end = strlen(sign);
    for (int i = 0; i < bert_tensors_count(file); i++) {
        const char *name = bert_tensors_at(file, i)->name;
        if (strncmp(name, prefix, front) || strncmp(name + front, layers, middle)) continue;
        name += front + middle;
        while (isdigit((unsigned char)*name)) name++;
        if (*name == '.' && !strncmp(name + 1, sign, end)) return true;
    }
    return false;
}

static bool has_layers_of(const bert_tensors *file, const bert_arch *a, const char *prefix) {
    if (!prefix) return false;
    bool all = in_a_layer(file, prefix, a->layers, "");
    for (size_t i = 0; i < sizeof a->signs / sizeof *a->signs && a->signs[i] && all; i++)
        all = in_a_layer(file, prefix, a->layers, a->signs[i]);
    return all;
}

static bool named_as(const bert_tensors *file, const bert_arch *a, bool prefixed) {
    return prefixed ? has_layers_of(file, a, a->prefix) || has_layers_of(file, a, a->other_prefix)
                    : has_layers_of(file, a, "");
}

/* A family as config.json says it. */
static void add_family(const bert_arch *a, char *out, size_t capacity) {
    const size_t n = strlen(out);
    snprintf(out + n, capacity - n, "%s%s%s%s%s%s", n ? ", " : "", a->model_type,
             a->when ? " (" : "", a->when ? a->when : "", a->when ? " " : "", a->when ? a->is : "");
    const size_t m = strlen(out);
    if (a->when) snprintf(out + m, capacity - m, ")");
}

void bert_whose_weights(const bert_tensors *file, const bert_arch *own, char *out,
                        size_t capacity) {
    char list[300] = "", its[120] = "";
    *out = 0;
    if (named_as(file, own, true) || named_as(file, own, false)) return;
    for (int prefixed = 1; prefixed >= 0 && !*list; prefixed--)
        for (const bert_arch *const *a = bert_archs; *a; a++)
            if (named_as(file, *a, prefixed)) add_family(*a, list, sizeof list);
    if (!*list) return;
    add_family(own, its, sizeof its);
    snprintf(out, capacity,
             "; its tensors are named as those of %s, config.json's model_type is %s", list, its);
}
