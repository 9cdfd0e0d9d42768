#include "hub/listing.h"
#include "base/error.h"
#include "hub/names.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_FILES = 200000 };

void bert_hub_listing_free(bert_hub_listing *l) {
    for (int i = 0; i < l->n; i++) free(l->list[i].path);
    free(l->list);
    *l = (bert_hub_listing){0};
}

int bert_hub_listing_add(bert_hub_listing *l, const char *path, int64_t size,
                         bert_hub_entry **entry, bert_error *e) {
    *entry = NULL;
    if (!bert_hub_is_path(path)) return 0;
    if (l->n == MOST_FILES)
        return bert_fail(e, BERT_EUNSUPPORTED, "the repository has more than %d files", MOST_FILES);
    if (l->n == l->capacity) {
        const int capacity = l->capacity ? 2 * l->capacity : 32;
        bert_hub_entry *list = realloc(l->list, (size_t)capacity * sizeof *list);
        if (!list) return bert_fail_memory(e, (size_t)capacity * sizeof *list);
        l->list = list;
        l->capacity = capacity;
    }
    char *copy = strdup(path);
    if (!copy) return bert_fail_memory(e, strlen(path) + 1);
    l->list[l->n] = (bert_hub_entry){.path = copy, .size = size};
    *entry = &l->list[l->n++];
    return 0;
}

bert_hub_entry *bert_hub_listing_find(const bert_hub_listing *l, const char *path) {
    for (int i = 0; i < l->n; i++)
        if (!strcmp(l->list[i].path, path)) return &l->list[i];
    return NULL;
}
