#include "files/torch.h"
#include "base/error.h"
#include "files/torch_tensors.h"
#include "files/zip.h"
#include <stdlib.h>
#include <string.h>

#define AGAIN "a download that was cut off? fetch it again"

typedef struct {
    const bert_tensor_file *in;
    bert_arena memory; /* names, strides and the pickle's values */
} torch;

/* ---- A zip archive */

/* "archive/data.pkl": a name in the one folder at the top. */
typedef struct {
    bert_zip zip;
    const char *top; /* with its slash; no NUL behind it */
    size_t top_bytes;
} archive;

static bool ends_with(const bert_zip_member *m, const char *end) {
    const size_t n = strlen(end);
    return m->name_bytes >= n && !memcmp(m->name + m->name_bytes - n, end, n);
}

static int find_top(archive *a, const char *path, bert_error *e) {
    static const char name[] = "/data.pkl";
    for (int i = 0; i < a->zip.count; i++) {
        const bert_zip_member *m = &a->zip.members[i];
        const size_t n = m->name_bytes - (ends_with(m, name) ? sizeof name - 2 : 0);
        if (n == m->name_bytes || memchr(m->name, '/', n - 1)) continue;
        a->top = m->name;
        a->top_bytes = n;
        return 0;
    }
    return bert_fail(e, BERT_EFORMAT, "%s: is a zip archive without a data.pkl: not PyTorch's",
                     path);
}

/* *m NULL: there is none of that name. */
static int find_member(const archive *a, const char *path, const char *folder, const char *name,
                       size_t bytes, const bert_zip_member **m, bert_error *e) {
    char full[1024];
    const size_t n = a->top_bytes + strlen(folder) + bytes;
    *m = NULL;
    if (n > sizeof full) return bert_fail(e, BERT_EFORMAT, "%s: a name in it is too long", path);
    memcpy(full, a->top, a->top_bytes);
    memcpy(full + a->top_bytes, folder, strlen(folder));
    memcpy(full + n - bytes, name, bytes);
    *m = bert_zip_find(&a->zip, full, n);
    if (!*m || (!(*m)->compressed && !(*m)->encrypted)) return 0;
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s: member %.*s is %s; torch.save stores as it is: save it again", path,
                     (int)n, full, (*m)->encrypted ? "encrypted" : "compressed");
}

/* Small members that say what the others are. */
static int check_kind(const archive *a, const char *path, bert_error *e) {
    const bert_zip_member *constants, *order = NULL;
    int rc = find_member(a, path, "", "constants.pkl", 13, &constants, e);
    if (!rc && constants)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: is a TorchScript program (torch.jit.save), which is not run here; "
                         "save the model that it was made of, with save_pretrained",
                         path);
    if (!rc) rc = find_member(a, path, "", "byteorder", 9, &order, e);
    if (!rc && order && (order->size != 6 || memcmp(order->data, "little", 6)))
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: was saved by a big-endian machine", path);
    return rc;
}

static int find_storages(const archive *a, const char *path, bert_torch_storages *s,
                         bert_error *e) {
    for (int i = 0; i < s->count; i++) {
        bert_torch_storage *x = &s->list[i];
        const bert_zip_member *m;
        int rc = find_member(a, path, "data/", x->key, x->key_bytes, &m, e);
        if (rc) return rc;
        if (!m || m->size != bert_torch_storage_bytes(x))
            return bert_fail(e, BERT_EFORMAT, "%s: %s a storage of %llu numbers (%s)", path,
                             m ? "has another size of" : "lacks", (unsigned long long)x->numel,
                             bert_dtype_name(x->dtype));
        x->data = m->data;
    }
    return 0;
}

static int read_archive(torch *t, archive *a, bert_error *e) {
    const char *path = t->in->path;
    const bert_zip_member *pickled;
    bert_torch_storages storages = {0};
    int rc = find_top(a, path, e);
    if (!rc) rc = check_kind(a, path, e);
    if (!rc) rc = find_member(a, path, "", "data.pkl", 8, &pickled, e);
    if (rc) return rc;
    bert_pickle p = {.data = pickled->data,
                     .size = pickled->size,
                     .where = path,
                     .globals = bert_torch_globals,
                     .memory = &t->memory};
    size_t used;
    const bert_pickle_value *root = bert_pickle_read(&p, &used, e);
    if (!root) return e->code;
    if (used != p.size)
        return bert_fail(e, BERT_EFORMAT, "%s: %zu bytes behind the end of its pickle", path,
                         p.size - used);
    rc = bert_torch_storages_of(&p, &storages, e);
    if (!rc) rc = find_storages(a, path, &storages, e);
    return rc ? rc : bert_torch_add_tensors(&p, root, &storages, t->in, e);
}

static int open_zip(torch *t, bert_error *e) {
    archive a = {0};
    int rc = bert_zip_open(&a.zip, t->in->map->data, t->in->map->size, t->in->path, e);
    if (!rc) rc = read_archive(t, &a, e);
    bert_zip_free(&a.zip);
    return rc;
}

/* ---- Pickles on end, and the storages behind them */

static const unsigned char magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                      0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};

/* The next pickle; *at: behind it. */
static const bert_pickle_value *next_pickle(torch *t, bert_pickle *p, size_t *at, bert_error *e) {
    size_t used = 0;
    *p = (bert_pickle){.data = t->in->map->data + *at,
                       .size = t->in->map->size - *at,
                       .where = t->in->path,
                       .globals = bert_torch_globals,
                       .memory = &t->memory};
    const bert_pickle_value *v = bert_pickle_read(p, &used, e);
    *at += used;
    return v;
}

static int check_system(const bert_pickle_value *version, const bert_pickle_value *system,
                        const char *path, bert_error *e) {
    if (version->kind != BERT_PICKLE_INT || version->integer != 1001)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: is of another version than PyTorch's 1001",
                         path);
    const bert_pickle_value *little = bert_pickle_get(system, "little_endian");
    if (little && little->kind == BERT_PICKLE_BOOL && little->integer) return 0;
    return bert_fail(e, BERT_EUNSUPPORTED, "%s: was saved by a big-endian machine", path);
}

/* A storage is the number of its elements, and they; the order is that of the keys. */
static int place_storages(const torch *t, const bert_pickle_value *keys, size_t at,
                          bert_torch_storages *s, bert_error *e) {
    const unsigned char *data = t->in->map->data;
    const size_t size = t->in->map->size;
    const char *path = t->in->path;
    int placed = 0;
    if (keys->kind != BERT_PICKLE_LIST)
        return bert_fail(e, BERT_EFORMAT, "%s: its list of storages is none", path);
    for (const bert_pickle_item *i = keys->first; i; i = i->next) {
        bert_torch_storage *x = i->value->kind == BERT_PICKLE_STRING
                                    ? bert_torch_storage_find(s, i->value->text, i->value->n)
                                    : NULL;
        if (!x || x->data)
            return bert_fail(e, BERT_EFORMAT, "%s: its list of storages is not that of its tensors",
                             path);
        uint64_t numel = 0;
        for (int k = 0; k < 8 && size - at >= 8; k++)
            numel |= (uint64_t)data[at + (size_t)k] << 8 * k;
        const uint64_t bytes = bert_torch_storage_bytes(x);
        if (size - at < 8 || bytes > size - at - 8)
            return bert_fail(e, BERT_EFORMAT,
                             "%s: truncated: a storage of %llu bytes is cut off; " AGAIN, path,
                             (unsigned long long)bytes);
        if (numel != x->numel)
            return bert_fail(e, BERT_EFORMAT, "%s: a storage of %llu numbers has %llu", path,
                             (unsigned long long)x->numel, (unsigned long long)numel);
        x->data = data + at + 8;
        at += 8 + (size_t)bytes;
        placed++;
    }
    if (placed < s->count)
        return bert_fail(e, BERT_EFORMAT, "%s: lacks %d of its storages", path, s->count - placed);
    if (at == size) return 0;
    return bert_fail(e, BERT_EFORMAT, "%s: %zu bytes behind its storages", path, size - at);
}

static int open_legacy(torch *t, bert_error *e) {
    size_t at = sizeof magic;
    bert_pickle p, other;
    const bert_pickle_value *version = next_pickle(t, &other, &at, e);
    const bert_pickle_value *system = version ? next_pickle(t, &other, &at, e) : NULL;
    if (!system || check_system(version, system, t->in->path, e)) return e->code;
    const bert_pickle_value *root = next_pickle(t, &p, &at, e);
    const bert_pickle_value *keys = root ? next_pickle(t, &other, &at, e) : NULL;
    bert_torch_storages storages = {0};
    int rc = keys ? bert_torch_storages_of(&p, &storages, e) : e->code;
    if (!rc) rc = place_storages(t, keys, at, &storages, e);
    return rc ? rc : bert_torch_add_tensors(&p, root, &storages, t->in, e);
}

/* ---- Which of them */

static bool begins(const bert_mapping *m, const void *with, size_t n) {
    return m->size >= n && !memcmp(m->data, with, n);
}

static bool is_tar(const bert_mapping *m) {
    return m->size >= 512 && !memcmp(m->data + 257, "ustar", 5);
}

/* A file of another kind under PyTorch's name. */
static int refuse(const bert_tensor_file *in, bert_error *e) {
    const bert_mapping *m = in->map;
    const char *instead = bert_file_instead((const char *)m->data, m->size);
    if (is_tar(m))
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: is a tar archive, as PyTorch wrote before 0.1.10; load and save it "
                         "again with torch 1.0 to 2.5",
                         in->path);
    if (instead) return bert_fail(e, BERT_EFORMAT, "%s: %s", in->path, instead);
    if (begins(m, "\x89HDF", 4))
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: is an HDF5 file, as TensorFlow's weights are",
                         in->path);
    if (m->size > 9 && m->data[8] == '{' && !m->data[7])
        return bert_fail(e, BERT_EFORMAT, "%s: is safetensors: call it model.safetensors",
                         in->path);
    if (m->data[0] == 0x80 && m->size > 1 && m->data[1] > 2)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: is a pickle of protocol %d, which PyTorch does not load either: save "
                         "it again with torch.save, whose own protocol is 2",
                         in->path, m->data[1]);
    return bert_fail(e, BERT_EFORMAT,
                     "%s: is neither a zip archive nor a pickle, as PyTorch's "
                     "weights are",
                     in->path);
}

static void close_torch(void *file) {
    torch *t = file;
    bert_arena_free(&t->memory);
    free(t);
}

static void *open_torch(const bert_tensor_file *in, bert_error *e) {
    torch *t = calloc(1, sizeof *t);
    if (!t) {
        bert_fail_memory(e, sizeof *t);
        return NULL;
    }
    t->in = in;
    const bert_mapping *m = in->map;
    int rc;
    if (begins(m, "PK\3\4", 4))
        rc = open_zip(t, e);
    else if (begins(m, magic, sizeof magic))
        rc = open_legacy(t, e);
    else
        rc = refuse(in, e);
    t->in = NULL; /* lives no longer than this */
    if (!rc) return t;
    close_torch(t);
    return NULL;
}

const bert_tensor_format bert_torch_format = {
    .suffix = ".bin",
    .open = open_torch,
    .close = close_torch,
};
