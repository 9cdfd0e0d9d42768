#include "files/tensors.h"
#include "base/error.h"
#include "files/weight_index.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    bert_mapping map;
    void *file;
} shard;

struct bert_tensors {
    const bert_tensor_format *format;
    char *path;
    shard *shards;
    int shard_count;
    bert_tensor_list list;
    int *by_name; /* indices of list, sorted by name */
    bool wrapped; /* names began with "module." */
    bert_notes notes;
};

int bert_tensor_list_add(bert_tensor_list *l, const bert_stored_tensor *t, bert_error *e) {
    enum { MOST = INT32_MAX / 4 };
    if (l->count == l->capacity) {
        if (l->count > MOST) return bert_fail(e, BERT_EFORMAT, "too many tensors: %d", l->count);
        const int capacity = l->capacity ? 2 * l->capacity : 64;
        bert_stored_tensor *items = realloc(l->items, (size_t)capacity * sizeof *items);
        if (!items) return bert_fail_memory(e, (size_t)capacity * sizeof *items);
        l->items = items;
        l->capacity = capacity;
    }
    l->items[l->count++] = *t;
    return 0;
}

/* ---- Opening */

static int add_file(bert_tensors *t, const char *path, bert_error *e) {
    shard *s = &t->shards[t->shard_count++];
    int rc = bert_map_file(path, &s->map, e);
    if (rc) return rc;
    const bert_tensor_file in = {path, &s->map, &t->list, &t->notes};
    s->file = t->format->open(&in, e);
    return s->file ? 0 : e->code;
}

static int add_shards(bert_tensors *t, const bert_weight_index *index, bert_error *e) {
    const char *slash = strrchr(t->path, '/');
    char *directory = strndup(t->path, slash ? (size_t)(slash - t->path) + 1 : 0);
    int rc = directory ? 0 : bert_fail_memory(e, strlen(t->path));
    if (!rc && !(t->shards = calloc((size_t)index->count, sizeof *t->shards)))
        rc = bert_fail_memory(e, (size_t)index->count * sizeof *t->shards);
    for (int i = 0; i < index->count && !rc; i++) {
        char *file = bert_path_join(directory, index->files[i]);
        rc = file ? add_file(t, file, e) : bert_fail_memory(e, strlen(index->files[i]));
        free(file);
    }
    free(directory);
    return rc;
}

/* torch.nn.DataParallel is a module around the model, and all names begin with what it calls that.
 * transformers would find none of them. */
static const char wrapping[] = "module.";
enum { WRAPPING = sizeof wrapping - 1 };

static int unwrap(bert_tensors *t, bert_error *e) {
    const bert_tensor_list *l = &t->list;
    for (int i = 0; i < l->count; i++)
        if (strncmp(l->items[i].name, wrapping, WRAPPING) || !l->items[i].name[WRAPPING]) return 0;
    if (!l->count) return 0;
    for (int i = 0; i < l->count; i++) l->items[i].name += WRAPPING;
    t->wrapped = true;
    return bert_notes_say(&t->notes, e,
                          "%s: every name in it begins with \"%s\", as torch.nn.DataParallel saves "
                          "them; they are read without",
                          t->path, wrapping);
}

static int compare_by_name(const void *a, const void *b, void *items) {
    const bert_stored_tensor *t = items;
    return strcmp(t[*(const int *)a].name, t[*(const int *)b].name);
}

static int sort_names(bert_tensors *t, bert_error *e) {
    const bert_tensor_list *l = &t->list;
    int rc = unwrap(t, e);
    if (rc) return rc;
    const size_t bytes = ((size_t)l->count + 1) * sizeof *t->by_name;
    t->by_name = malloc(bytes);
    if (!t->by_name) return bert_fail_memory(e, bytes);
    for (int i = 0; i < l->count; i++) t->by_name[i] = i;
    qsort_r(t->by_name, (size_t)l->count, sizeof *t->by_name, compare_by_name, l->items);
    for (int i = 1; i < l->count; i++) {
        const char *name = l->items[t->by_name[i]].name;
        if (!strcmp(l->items[t->by_name[i - 1]].name, name))
            return bert_fail(e, BERT_EFORMAT, "%s: tensor %.200s is there twice%s", t->path, name,
                             t->shard_count > 1 ? ", in two of its files" : "");
    }
    return 0;
}

/* A tensor that no file holds makes the index one of other files. */
static int check_names(const bert_tensors *t, const bert_weight_index *index, bert_error *e) {
    const char *name;
    json_t *value;
    json_object_foreach(index->map, name, value) {
        const char *wanted =
            t->wrapped && !strncmp(name, wrapping, WRAPPING) ? name + WRAPPING : name;
        if (!bert_tensors_find(t, wanted))
            return bert_fail(e, BERT_EFORMAT,
                             "%s names the tensor %.200s, which is in none of its files", t->path,
                             name);
    }
    return 0;
}

static int open_index(bert_tensors *t, bert_error *e) {
    bert_weight_index index = {0};
    int rc = bert_weight_index_open(&index, t->path, t->format->suffix, e);
    if (!rc) rc = add_shards(t, &index, e);
    if (!rc) rc = sort_names(t, e);
    if (!rc) rc = check_names(t, &index, e);
    bert_weight_index_free(&index);
    return rc;
}

static int open_one(bert_tensors *t, bert_error *e) {
    t->shards = calloc(1, sizeof *t->shards);
    int rc = t->shards ? add_file(t, t->path, e) : bert_fail_memory(e, sizeof *t->shards);
    return rc ? rc : sort_names(t, e);
}

bert_tensors *bert_tensors_open(const bert_tensor_format *format, const char *path, bert_error *e) {
    bert_tensors *t = calloc(1, sizeof *t);
    if (!t || !(t->path = strdup(path))) {
        free(t);
        bert_fail_memory(e, sizeof *t + strlen(path));
        return NULL;
    }
    t->format = format;
    if (!(bert_file_has_suffix(path, ".json") ? open_index(t, e) : open_one(t, e))) return t;
    bert_tensors_close(t);
    return NULL;
}

void bert_tensors_close(bert_tensors *t) {
    if (!t) return;
    for (int i = 0; i < t->shard_count; i++) {
        if (t->shards[i].file) t->format->close(t->shards[i].file);
        bert_unmap_file(&t->shards[i].map);
    }
    free(t->shards);
    free(t->list.items);
    free(t->by_name);
    bert_notes_free(&t->notes);
    free(t->path);
    free(t);
}

/* ---- What is in it */

const char *bert_tensors_path(const bert_tensors *t) {
    return t->path;
}

int bert_tensors_count(const bert_tensors *t) {
    return t->list.count;
}

const bert_stored_tensor *bert_tensors_at(const bert_tensors *t, int i) {
    return i >= 0 && i < t->list.count ? &t->list.items[i] : NULL;
}

const bert_stored_tensor *bert_tensors_find(const bert_tensors *t, const char *name) {
    int low = 0, high = t->list.count;
    while (low < high) {
        const int middle = (low + high) / 2;
        const bert_stored_tensor *s = &t->list.items[t->by_name[middle]];
        const int order = strcmp(name, s->name);
        if (!order) return s;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *bert_tensors_metadata(const bert_tensors *t, const char *key) {
    return t->format->metadata ? t->format->metadata(t->shards[0].file, key) : NULL;
}

const char *bert_tensors_note(const bert_tensors *t, int i) {
    return bert_notes_at(&t->notes, i);
}

bool bert_tensors_read(const bert_tensors *t, const void *at, void *to, size_t bytes) {
    for (int i = 0; i < t->shard_count; i++)
        if (bert_mapping_read(&t->shards[i].map, at, to, bytes)) return true;
    return false;
}

void bert_tensors_release(const bert_tensors *t, const void *at, size_t bytes) {
    for (int i = 0; i < t->shard_count; i++) bert_mapping_release(&t->shards[i].map, at, bytes);
}
