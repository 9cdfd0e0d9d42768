#include "models/weights.h"
#include "base/error.h"
#include "base/file.h"
#include "base/finite.h"
#include "device/device.h"
#include "files/safetensors.h"
#include "models/whose.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TENSOR_NAME = 256 };
enum { LATE = 4096 }; /* bytes of a tensor that is worth pages of its own */

/* Names that a parameter may have in a file: with and without the prefix of the trunk, and
 * LayerNorm's parameters under the names of the first TensorFlow checkpoints. */
static const struct {
    const char *suffix, *other;
} renamed[] = {
    {"", ""},
    {"LayerNorm.weight", "LayerNorm.gamma"},
    {"LayerNorm.bias", "LayerNorm.beta"},
};

static const bert_stored_tensor *find_renamed(const bert_weight_source *s, const char *prefix,
                                              const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++) {
        size_t tail = strlen(renamed[i].suffix);
        if (tail > n || strcmp(name + n - tail, renamed[i].suffix)) continue;
        char full[MAX_TENSOR_NAME];
        int length = snprintf(full, sizeof full, "%s%.*s%s", prefix, (int)(n - tail), name,
                              renamed[i].other);
        if (length < 0 || (size_t)length >= sizeof full) continue;
        const bert_stored_tensor *t = bert_tensors_find(s->file, full);
        if (t) return t;
    }
    return NULL;
}

/* The name with a part of it put in another's place; false: too long. */
static bool respell(const bert_other_name *row, char name[MAX_TENSOR_NAME]) {
    char *at = strstr(name, row->ours), rest[MAX_TENSOR_NAME];
    if (!at) return true;
    snprintf(rest, sizeof rest, "%s", at + strlen(row->ours));
    const size_t room = MAX_TENSOR_NAME - (size_t)(at - name);
    return snprintf(at, room, "%s%s", row->theirs, rest) < (int)room;
}

/* With the trunk's prefix, and without it. */
static const bert_stored_tensor *find_prefixed(const bert_weight_source *s, const char *name) {
    const char *prefix = s->arch->prefix;
    const size_t n = strlen(prefix);
    const bert_stored_tensor *t = find_renamed(s, "", name);
    if (t) return t;
    return strncmp(name, prefix, n) ? find_renamed(s, prefix, name) : find_renamed(s, "", name + n);
}

static const bert_stored_tensor *find_other(const bert_weight_source *s, const char *name) {
    char other[MAX_TENSOR_NAME];
    if (snprintf(other, sizeof other, "%s", name) >= (int)sizeof other) return NULL;
    for (const bert_other_name *row = s->arch->other_names; row->ours; row++)
        if (!respell(row, other)) return NULL;
    return find_prefixed(s, other);
}

/* Whatever repeats it. */
static const bert_stored_tensor *find_original(const bert_weight_source *s, const char *name) {
    const char *prefix = s->arch->prefix;
    size_t n = strlen(prefix);
    const bool prefixed = !strncmp(name, prefix, n);
    const bert_stored_tensor *t = find_prefixed(s, name);
    if (!t && s->arch->other_prefix)
        t = find_renamed(s, s->arch->other_prefix, prefixed ? name + n : name);
    if (!t && s->arch->other_names) t = find_other(s, name);
    return t;
}

static const bert_stored_tensor *find_tensor(const bert_weight_source *s, const char *name) {
    const size_t n = strlen(s->arch->prefix);
    const bool prefixed = !strncmp(name, s->arch->prefix, n);
    const bert_stored_tensor *t = find_original(s, name);
    for (const bert_copy *copy = s->arch->copies; copy->name; copy++) {
        if ((t && !copy->counts) || strcmp(copy->original, prefixed ? name + n : name)) continue;
        const bert_stored_tensor *stored = bert_tensors_find(s->file, copy->name);
        if (stored) t = stored;
    }
    return t;
}

/* One of a head that lies in the file under a name of its own. */
static const bert_stored_tensor *find_scoped(const bert_weight_source *s, const char *name) {
    char full[MAX_TENSOR_NAME];
    if (!s->scope || s->part != BERT_PART_HEAD) return find_tensor(s, name);
    const int n = snprintf(full, sizeof full, "%s%s", s->scope, name);
    return n < (int)sizeof full ? bert_tensors_find(s->file, full) : NULL;
}

/* transformers unties what a file holds twice and differently. */
bool bert_weight_source_differs(void *context, const char *name) {
    const bert_weight_source *s = context;
    const bert_stored_tensor *t = bert_tensors_find(s->file, name), *original = NULL;
    for (const bert_copy *copy = s->arch->copies; copy->name; copy++)
        if (!strcmp(copy->name, name)) original = find_tensor(s, copy->original);
    return t && original && t != original && !bert_stored_equal(t, original);
}

bool bert_weight_source_has(const bert_weight_source *s, const char *name) {
    return find_tensor(s, name) != NULL;
}

int bert_weight_source_untied(const bert_weight_source *s, const bert_head_layout *l,
                              bert_error *e) {
    char dense[MAX_TENSOR_NAME] = "";
    if (l->dense) snprintf(dense, sizeof dense, "%s.weight", l->dense);
    if (bert_weight_source_has(s, l->decoder) || !((*dense && bert_weight_source_has(s, dense)) ||
                                                   (l->bias && bert_weight_source_has(s, l->bias))))
        return 0;
    return bert_fail(e, BERT_EFORMAT,
                     "%s lacks %s, which config.json (\"tie_word_embeddings\": false) says is not "
                     "the table of word embeddings: say true there if it is that, or take a file "
                     "that is whole",
                     s->path, l->decoder);
}

static int add_name(bert_names *list, const char *name, bert_error *e) {
    if (list->n == list->capacity) {
        int capacity = list->capacity ? 2 * list->capacity : 16;
        char **items = realloc(list->items, (size_t)capacity * sizeof *items);
        if (!items) return bert_fail_memory(e, (size_t)capacity * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    char *copy = strdup(name);
    if (!copy) return bert_fail_memory(e, strlen(name) + 1);
    list->items[list->n++] = copy;
    return 0;
}

static void free_names(bert_names *list) {
    for (int i = 0; i < list->n; i++) free(list->items[i]);
    free(list->items);
    *list = (bert_names){0};
}

static int add_used(bert_weight_source *s, const bert_stored_tensor *t, bert_error *e) {
    if (s->used_count == s->used_capacity) {
        int capacity = s->used_capacity ? 2 * s->used_capacity : 256;
        const bert_stored_tensor **used = realloc(s->used, (size_t)capacity * sizeof *used);
        if (!used) return bert_fail_memory(e, (size_t)capacity * sizeof *used);
        s->used = used;
        s->used_capacity = capacity;
    }
    s->used[s->used_count++] = t;
    return 0;
}

/* A vector is stored as [cols], a matrix as [rows, cols], some with ones in front, or with several
 * dimensions that are cols together. */
static bool same_shape(const bert_stored_tensor *t, int32_t rows, int32_t cols) {
    if (t->dims == 1) return rows == 1 && t->shape[0] == cols;
    int first = 0;
    while (t->dims - first > 2 && t->shape[first] == 1 && rows != 1) first++;
    if (t->dims < 2 || t->shape[first] != rows) return false;
    int64_t rest = 1;
    for (int i = first + 1; i < t->dims; i++) rest *= t->shape[i];
    return rest == cols;
}

static void shape_text(const bert_stored_tensor *t, char *out, size_t capacity) {
    size_t n = (size_t)snprintf(out, capacity, "[");
    for (int i = 0; i < t->dims && n < capacity; i++)
        n += (size_t)snprintf(out + n, capacity - n, "%s%lld", i ? ", " : "",
                              (long long)t->shape[i]);
    if (n < capacity) snprintf(out + n, capacity - n, "]");
}

static int misshapen(const bert_weight_source *s, const bert_stored_tensor *t, int32_t rows,
                     int32_t cols, bert_error *e) {
    char found[160], wanted[64], whose[500] = "";
    shape_text(t, found, sizeof found);
    if (rows == 1 && t->dims == 1)
        snprintf(wanted, sizeof wanted, "[%d]", cols);
    else
        snprintf(wanted, sizeof wanted, "[%d, %d]", rows, cols);
    if (s->part == BERT_PART_TRUNK) bert_whose_weights(s->file, s->arch, whose, sizeof whose);
    return bert_fail(e, BERT_EFORMAT, "%s: tensor %.100s is %s, but config.json makes it %s: %s%s",
                     s->path, t->name, found, wanted,
                     s->part == BERT_PART_TRUNK
                         ? "the two files do not belong together"
                         : "correct its id2label, or ask for another number of labels to start a "
                           "new head",
                     whose);
}

/* The layer that a name of the trunk is of, or -1. */
static long layer_of(const bert_arch *arch, const char *name) {
    const size_t prefix = strlen(arch->prefix), layers = strlen(arch->layers);
    if (!strncmp(name, arch->prefix, prefix)) name += prefix;
    return strncmp(name, arch->layers, layers) ? -1 : strtol(name + layers, NULL, 10);
}

/* A missing tensor of the trunk is noted, and zeros stand in for it until the list is complete:
 * one message then names them all. */
static int note_missing(bert_weight_source *s, const char *name, size_t bytes, const float **value,
                        bert_error *e) {
    int rc = add_name(&s->missing, name, e);
    if (rc) return rc;
    if (bytes > s->absent_bytes) {
        void *larger = bert_arena_calloc(&s->converted, bytes);
        if (!larger) return bert_weight_source_finish(s, e);
        s->absent = larger;
        s->absent_bytes = bytes;
    }
    *value = s->absent;
    return 1;
}

static float *convert(bert_weight_source *s, const bert_stored_tensor *t, size_t count,
                      bert_error *e) {
    float *own = bert_arena_alloc(&s->converted, count * sizeof *own);
    /* Few floats that are not aligned, as in PyTorch's files of before 1.6. */
    const bool same = own && t->dtype == BERT_F32 && !t->strides &&
                      bert_tensors_read(s->file, t->data, own, count * sizeof *own);
    if (!own) {
        bert_fail_memory(e, count * sizeof *own);
    } else if (!same && bert_stored_to_float(t, own, e)) {
        bert_error_prefix(e, "%s: ", s->path);
        own = NULL;
    }
    if (!same) bert_tensors_release(s->file, t->data, t->bytes); /* nobody will look at it again */
    return own;
}

int bert_weight_source_find(void *context, const char *name, int32_t rows, int32_t cols,
                            const float **value, bert_error *e) {
    bert_weight_source *s = context;
    const bert_stored_tensor *t = find_scoped(s, name);
    const size_t count = (size_t)rows * (size_t)cols;
    if (!t && bert_packed_has(&s->packed, s->arch, name)) return BERT_SOURCE_PACKED;
    const bool grown = s->layers && layer_of(s->arch, name) >= s->layers;
    if (!t && s->part == BERT_PART_TRUNK && !grown)
        return note_missing(s, name, count * sizeof(float), value, e);
    if (!t || (!same_shape(t, rows, cols) && s->part != BERT_PART_TRUNK && s->resized)) {
        int rc = add_name(&s->added, name, e);
        return rc;
    }
    if (!same_shape(t, rows, cols)) return misshapen(s, t, rows, cols, e);
    int rc = add_used(s, t, e);
    if (rc) return rc;
    if (s->raw) {
        *value = (const void *)t; /* two tensors may share their data */
        return 1;
    }
    const bool floats = t->dtype == BERT_F32 && !t->strides;
    const bool direct = floats && (uintptr_t)t->data % _Alignof(float) == 0;
    if (floats && !direct && rows > 1 && t->bytes >= LATE) {
        *value = bert_late_new(&s->lates, t, e);
        return *value ? 1 : e->code;
    }
    *value = direct ? t->data : convert(s, t, count, e);
    if (!*value) return e->code;
    /* Matrices are looked at when they are first used; rows of a table that a text uses show in the
     * result. */
    if ((!direct || rows == 1) && !bert_finite(*value, count)) s->not_finite = t->name;
    return 1;
}

void bert_weight_source_done(void *context, const float *value, size_t bytes, bool finite) {
    bert_weight_source *s = context;
    int i = 0;
    const bert_stored_tensor *late = bert_late_find(&s->lates, value);
    if (late) value = late->data;
    while (i < s->used_count && s->used[i]->data != (const void *)value) i++;
    if (i == s->used_count) return; /* converted, and looked at then */
    if (!finite) s->not_finite = s->used[i]->name;
    bert_tensors_release(s->file, value, bytes);
}

bool bert_weight_source_read(void *context, const float *at, float *to, size_t bytes) {
    const bert_weight_source *s = context;
    return bert_late_read(&s->lates, at, to, bytes) || bert_tensors_read(s->file, at, to, bytes);
}

bool bert_weight_source_late(void *context, const float *value) {
    return bert_late_find(&((const bert_weight_source *)context)->lates, value) != NULL;
}

void bert_weight_source_fill(void *context, const float *at, size_t bytes) {
    bert_late_fill(&((bert_weight_source *)context)->lates, at, bytes);
}

static bool is_used(const bert_weight_source *s, const bert_stored_tensor *t) {
    for (int i = 0; i < s->used_count; i++)
        if (s->used[i] == t) return true;
    return false;
}

/* Another one than that which is meant. */
static bool is_of_task(const bert_weight_source *s, const char *name) {
    return s->scope && !strncmp(name, BERT_TASKS_PREFIX, strlen(BERT_TASKS_PREFIX));
}

/* No weights: the numbers 0, 1, 2, ..., zeros, and what follows from the configuration, that
 * transformers 3 and 4 stored. */
static bool is_buffer(const char *name) {
    const char *dot = strrchr(name, '.');
    static const char *const buffers[] = {"position_ids", "token_type_ids", "inv_freq"};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (!strcmp(dot ? dot + 1 : name, buffers[i])) return true;
    return false;
}

/* A tensor's name without the family's prefix. */
static const char *bare_name(const bert_arch *a, const char *name) {
    const size_t prefix = strlen(a->prefix);
    return strncmp(name, a->prefix, prefix) ? name : name + prefix;
}

/* The row of what files may have in vain that a name belongs to, or NULL. */
static const bert_ignored *ignored_as(const bert_arch *a, const char *name) {
    for (const bert_ignored *row = a->ignored; row && row->begins; row++)
        if (!strncmp(bare_name(a, name), row->begins, strlen(row->begins))) return row;
    return NULL;
}

static bool is_redundant(const bert_weight_source *s, const char *name) {
    const bert_arch *a = s->arch;
    if (ignored_as(a, name)) return true;
    if (is_of_task(s, name)) return true;
    if (bert_packed_part(&s->packed, name)) return true;
    if (is_buffer(name)) return true;
    for (const bert_copy *copy = s->arch->copies; copy->name; copy++)
        if (!strcmp(name, copy->name) || (copy->counts && !strcmp(name, copy->original) &&
                                          bert_tensors_find(s->file, copy->name)))
            return true;
    return false;
}

const bert_stored_tensor *bert_weight_source_stored(const bert_weight_source *s,
                                                    const void *value) {
    for (int i = 0; i < s->used_count; i++)
        if (s->used[i] == value) return s->used[i];
    return NULL;
}

bool bert_weight_source_keeps(const bert_weight_source *s, const bert_stored_tensor *t) {
    if (is_used(s, t) || is_of_task(s, t->name)) return false;
    for (const bert_copy *copy = s->arch->copies; copy->name; copy++) {
        const bert_stored_tensor *stored = bert_tensors_find(s->file, copy->name),
                                 *original = find_original(s, copy->original);
        if (!stored || !original) continue;
        if (t == stored) return !bert_stored_equal(stored, original);
        if (t == original && copy->counts) return !is_used(s, stored);
    }
    return !is_buffer(t->name);
}

char *bert_weight_source_name(const bert_stored_tensor *t) {
    const size_t n = strlen(t->name);
    for (size_t i = 1; i < sizeof renamed / sizeof *renamed; i++) {
        const char *old = renamed[i].other;
        const size_t tail = strlen(old);
        char *name;
        if (tail > n || strcmp(t->name + n - tail, old)) continue;
        if (asprintf(&name, "%.*s%s", (int)(n - tail), t->name, renamed[i].suffix) < 0) return NULL;
        return name;
    }
    return strdup(t->name);
}

/* What stands in front of all the missing names in the file, as "model." of PyTorch Lightning, into
 * `front`; false: they are not there under any such name. */
static bool find_front(const bert_weight_source *s, char *front, size_t capacity) {
    const char *missing = s->missing.n ? s->missing.items[0] : NULL;
    const size_t prefix = strlen(s->arch->prefix);
    if (!missing) return false;
    if (!strncmp(missing, s->arch->prefix, prefix)) missing += prefix;
    const size_t n = strlen(missing);
    for (int i = 0; i < bert_tensors_count(s->file); i++) {
        const char *name = bert_tensors_at(s->file, i)->name;
        const size_t m = strlen(name);
        if (m <= n || strcmp(name + m - n, missing) || name[m - n - 1] != '.') continue;
        size_t length = m - n;
        if (length > prefix && !strncmp(name + length - prefix, s->arch->prefix, prefix))
            length -= prefix;
        return snprintf(front, capacity, "%.*s", (int)length, name) < (int)capacity;
    }
    return false;
}

/* One message names what is missing, and whose tensors there are instead. */
static int lacks(const bert_weight_source *s, bert_error *e) {
    char list[300] = "", other[500] = "", front[64];
    bert_whose_weights(s->file, s->arch, other, sizeof other);
    const int shown = *other ? 2 : 4;
    for (int i = 0; i < s->missing.n && i < shown; i++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%.60s", i ? ", " : "", s->missing.items[i]);
    }
    size_t n = strlen(list);
    if (s->missing.n > shown)
        snprintf(list + n, sizeof list - n, " and %d more", s->missing.n - shown);
    if (!*other && find_front(s, front, sizeof front))
        snprintf(other, sizeof other,
                 "; all of them have \"%s\" in front of them there, as the attribute of a class of "
                 "one's own is called: save that attribute's state_dict",
                 front);
    return bert_fail(e, BERT_EFORMAT, "%s lacks weights that config.json asks for: %s%s", s->path,
                     list, other);
}

int bert_weight_source_finish(bert_weight_source *s, bert_error *e) {
    if (s->missing.n) return lacks(s, e);
    for (int i = 0; i < bert_tensors_count(s->file); i++) {
        const bert_stored_tensor *t = bert_tensors_at(s->file, i);
        if (is_used(s, t) || is_redundant(s, t->name)) continue;
        int rc = add_name(&s->unused, t->name, e);
        if (rc) return rc;
    }
    return 0;
}

/* Whether a tensor lies where the trunk's do: embeddings and layers. *layer: which, or -1. */
static bool is_of_trunk(const bert_arch *arch, const char *name, long *layer) {
    const size_t prefix = strlen(arch->prefix), root = strcspn(arch->layers, ".") + 1;
    *layer = layer_of(arch, name);
    if (!strncmp(name, arch->prefix, prefix)) name += prefix;
    return !strncmp(name, arch->layers, root) ||
           !strncmp(name, arch->embeddings, strlen(arch->embeddings));
}

/* What a file has in vain and is worth a word. */
static int say_ignored(const bert_weight_source *s, bert_notes *notes, bert_error *e) {
    int rc = 0;
    for (const bert_ignored *row = s->arch->ignored; row && row->begins && !rc; row++) {
        int i = 0;
        const int n = row->says && s->file ? bert_tensors_count(s->file) : 0;
        while (i < n && ignored_as(s->arch, bert_tensors_at(s->file, i)->name) != row) i++;
        if (i < n) rc = bert_notes_say(notes, e, "%s: %s", s->path, row->says);
    }
    return rc;
}

int bert_weight_source_notes(const bert_weight_source *s, int32_t layers, bert_notes *notes,
                             bert_error *e) {
    long most = -1, layer;
    int count = 0;
    const char *first = NULL;
    for (int i = 0; i < s->unused.n; i++) {
        if (!is_of_trunk(s->arch, s->unused.items[i], &layer)) continue;
        if (!count++) first = s->unused.items[i];
        if (layer > most) most = layer;
    }
    int rc = 0;
    for (int i = 0; s->file && bert_tensors_note(s->file, i) && !rc; i++)
        rc = bert_notes_say(notes, e, "%s", bert_tensors_note(s->file, i));
    if (!rc) rc = say_ignored(s, notes, e);
    if (!count || rc) return rc;
    char why[100] = "";
    if (most >= layers)
        snprintf(why, sizeof why, ": it has num_hidden_layers %d, they have %ld layers", layers,
                 most + 1);
    return bert_notes_say(notes, e,
                          "%s: %d tensor%s of the encoder %s not used (%.100s%s), for config.json "
                          "has no place for %s%s",
                          s->path, count, count > 1 ? "s" : "", count > 1 ? "are" : "is", first,
                          count > 1 ? " .." : "", count > 1 ? "them" : "it", why);
}

void bert_weight_source_free(bert_weight_source *s) {
    free_names(&s->added);
    free_names(&s->unused);
    free_names(&s->missing);
    bert_packed_free_weights(&s->packed);
    free(s->used);
    bert_arena_free(&s->converted);
    bert_late_free(&s->lates);
    bert_tensors_close(s->file);
    s->file = NULL;
}

int bert_weight_source_open(bert_weight_source *s, const bert_pretrained *from, bert_error *e) {
    const char *folder = bert_pretrained_folder(from);
    s->file = bert_pretrained_tensors(from, folder, e);
    if (s->file) s->path = bert_tensors_path(s->file);
    if (e->code) return e->code;
    if (!s->file) return bert_pretrained_lacks(from, folder, false, e);
    const char *says = bert_tensors_metadata(s->file, BERT_PACKED_KEY);
    return says ? bert_packed_read(&s->packed, says, s->path, e) : 0;
}

int bert_weight_source_check(const bert_weight_source *s, bert_error *e) {
    if (!s->not_finite) return 0;
    return bert_fail(e, BERT_ENUMERIC, "%s: tensor %s holds a value that is not finite", s->path,
                     s->not_finite);
}

int bert_params_check_finite(const bert_params *ps, bert_error *e) {
    bert_arena copy = {0};
    int rc = 0;
    for (int i = 0; i < bert_params_count(ps) && !rc; i++) {
        const bert_param *p = bert_params_at(ps, i);
        const size_t n = bert_param_size(p);
        if (p->memo.packed) continue; /* its scales show in each result */
        bert_param_fill(p, 0, n);
        const float *value = bert_device_view(ps->device, p->value, n, &copy);
        if (!value)
            rc = bert_fail_memory(e, n * sizeof *value);
        else if (!bert_finite(value, n))
            rc = bert_fail(e, BERT_ENUMERIC, "weights %s hold a value that is not finite", p->name);
        bert_arena_reset(&copy);
    }
    bert_arena_free(&copy);
    return rc;
}

/* Name, type and shape. Biases and LayerNorms are vectors; a weight of one row is a matrix all the
 * same. */
static bert_stored_tensor stored_as(const bert_param *p) {
    const bool vector = p->rows == 1 && !bert_param_decays(p);
    bert_stored_tensor t = {.name = p->name,
                            .dtype = BERT_F32,
                            .dims = vector ? 1 : 2,
                            .shape = {vector ? p->cols : p->rows, p->cols}};
    if (p->dims) t.dims = p->dims;
    for (int i = 0; i < p->dims; i++) t.shape[i] = p->shape[i];
    return t;
}

/* The i-th tensor of the checkpoint, where the family keeps it: under the prefix of the parameters.
 * Returns how many were added. */
static int add_ignored(const bert_params *ps, const bert_weight_source *s, int i,
                       bert_stored_tensor *to, bert_arena *names) {
    const bert_stored_tensor *t = bert_tensors_at(s->file, i);
    const bert_arch *a = s->arch;
    const bert_ignored *row = ignored_as(a, t->name);
    if (!row || !row->kept || t->strides) return 0;
    const char *bare = bare_name(a, t->name);
    const char *first = bert_params_count(ps) ? bert_params_at(ps, 0)->name : "";
    const size_t room = strlen(a->prefix) + strlen(bare) + 1;
    char *name = bert_arena_alloc(names, room);
    if (!name) return 0;
    snprintf(name, room, "%s%s", bare_name(a, first) == first ? "" : a->prefix, bare);
    *to = *t;
    to->name = name;
    return 1;
}

int bert_params_save(const bert_params *ps, const bert_weight_source *s, const char *path,
                     bert_param_filter *keep, void *context, bert_error *e) {
    const int count = bert_params_count(ps),
              beside = !keep && s->file ? bert_tensors_count(s->file) : 0;
    int n = 0, rc = 0;
    bert_stored_tensor *list = calloc((size_t)count + (size_t)beside + 1, sizeof *list);
    if (!list) return bert_fail_memory(e, ((size_t)count + 1) * sizeof *list);
    bert_arena copies = {0};
    for (int i = 0; i < count && !rc; i++) {
        const bert_param *p = bert_params_at(ps, i);
        if (p->merged || (keep && !keep(p, context))) continue;
        const size_t size = bert_param_size(p);
        list[n] = stored_as(p);
        bert_param_fill(p, 0, size);
        list[n].data = bert_device_view(ps->device, p->value, size, &copies);
        list[n].bytes = size * sizeof(float);
        if (!list[n].data) rc = bert_fail_memory(e, list[n].bytes);
        n++;
    }
    for (int i = 0; i < beside && !rc; i++) n += add_ignored(ps, s, i, &list[n], &copies);
    static const char *const metadata[] = {"format", "pt", NULL};
    if (!rc) rc = bert_safetensors_save(path, list, n, metadata, e);
    bert_arena_free(&copies);
    free(list);
    return rc;
}
