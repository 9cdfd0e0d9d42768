#include "files/torch_tensors.h"
#include "base/error.h"
#include "base/printable.h"
#include "files/utf8.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef const bert_pickle_value value;

/* ---- What a pickle may name */

enum { STORAGE = 1, TENSOR, PARAMETER, INERT };
#define STORAGE_OF(class, dtype)                                                                   \
    { "torch", class "Storage", STORAGE, dtype }
#define TYPE(name)                                                                                 \
    { "torch", name, INERT, 0 }

const bert_pickle_global bert_torch_globals[] = {
    {"collections", "OrderedDict", BERT_PICKLE_MAKES_DICT, 0},
    {"torch._utils", "_rebuild_tensor_v2", TENSOR, 0},
    {"torch._utils", "_rebuild_tensor", TENSOR, 0},
    {"torch._utils", "_rebuild_parameter", PARAMETER, 0},
    {"torch._utils", "_rebuild_parameter_with_state", PARAMETER, 0},
    STORAGE_OF("Float", BERT_F32),
    STORAGE_OF("Double", BERT_F64),
    STORAGE_OF("Half", BERT_F16),
    STORAGE_OF("BFloat16", BERT_BF16),
    STORAGE_OF("Long", BERT_I64),
    STORAGE_OF("Int", BERT_I32),
    STORAGE_OF("Short", BERT_I16),
    STORAGE_OF("Char", BERT_I8),
    STORAGE_OF("Byte", BERT_U8),
    STORAGE_OF("Bool", BERT_BOOL),
    {"torch.storage", "UntypedStorage", STORAGE, BERT_U8},
    TYPE("Size"),
    TYPE("device"),
    TYPE("float64"),
    TYPE("double"),
    TYPE("float32"),
    TYPE("float"),
    TYPE("float16"),
    TYPE("half"),
    TYPE("bfloat16"),
    TYPE("int64"),
    TYPE("long"),
    TYPE("int32"),
    TYPE("int"),
    TYPE("int16"),
    TYPE("short"),
    TYPE("int8"),
    TYPE("uint8"),
    TYPE("bool"),
    {NULL, NULL, 0, 0},
};

/* ---- Storages */

static int compare_keys(const char *a, size_t n, const char *b, size_t m) {
    const int order = memcmp(a, b, n < m ? n : m);
    return order ? order : n < m ? -1 : n > m;
}

static int compare_storages(const void *a, const void *b) {
    const bert_torch_storage *x = a, *y = b;
    return compare_keys(x->key, x->key_bytes, y->key, y->key_bytes);
}

bert_torch_storage *bert_torch_storage_find(const bert_torch_storages *s, const char *key,
                                            size_t bytes) {
    const bert_torch_storage wanted = {.key = key, .key_bytes = bytes};
    return s->count ? bsearch(&wanted, s->list, (size_t)s->count, sizeof *s->list, compare_storages)
                    : NULL;
}

uint64_t bert_torch_storage_bytes(const bert_torch_storage *s) {
    uint64_t bytes;
    return __builtin_mul_overflow(s->numel, bert_dtype_size(s->dtype), &bytes) ? UINT64_MAX : bytes;
}

/* ('storage', class, key, location, numel[, view]) */
static int read_id(const bert_pickle *p, value *outside, bert_torch_storage *s, bert_error *e) {
    value *id = outside->id;
    const bool tuple = id->kind == BERT_PICKLE_TUPLE && id->n > 0;
    if (tuple && bert_pickle_is(id->item[0], "module"))
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: holds a whole module, with its program, not weights alone; save its "
                         "state_dict",
                         p->where);
    if (!tuple || id->n < 5 || id->n > 6 || !bert_pickle_is(id->item[0], "storage") ||
        id->item[1]->kind != BERT_PICKLE_GLOBAL || id->item[1]->global->what != STORAGE ||
        id->item[2]->kind != BERT_PICKLE_STRING || id->item[4]->kind != BERT_PICKLE_INT ||
        id->item[4]->integer < 0)
        return bert_fail(e, BERT_EFORMAT, "%s: its pickle names a storage as nobody does",
                         p->where);
    *s = (bert_torch_storage){.key = id->item[2]->text,
                              .key_bytes = id->item[2]->n,
                              .dtype = (bert_dtype)id->item[1]->global->detail,
                              .numel = (uint64_t)id->item[4]->integer};
    return 0;
}

/* Of several with one key, one; they have to agree. */
static int unite(const bert_pickle *p, bert_torch_storages *s, bert_error *e) {
    int n = 0;
    for (int i = 0; i < s->count; i++) {
        const bert_torch_storage *last = &s->list[n - 1], *x = &s->list[i];
        if (n && !compare_storages(last, x)) {
            if (last->dtype != x->dtype || last->numel != x->numel)
                return bert_fail(e, BERT_EFORMAT,
                                 "%s: its pickle uses one storage with two types or sizes (%s, %s)",
                                 p->where, bert_dtype_name(last->dtype), bert_dtype_name(x->dtype));
            continue;
        }
        s->list[n++] = *x;
    }
    s->count = n;
    return 0;
}

int bert_torch_storages_of(const bert_pickle *p, bert_torch_storages *s, bert_error *e) {
    size_t n = 0;
    for (value *v = p->outside; v; v = v->next_outside) n++;
    s->list = bert_arena_alloc(p->memory, (n + 1) * sizeof *s->list);
    if (!s->list) return bert_fail_memory(e, (n + 1) * sizeof *s->list);
    int rc = 0;
    for (value *v = p->outside; v && !rc; v = v->next_outside)
        rc = read_id(p, v, &s->list[s->count++], e);
    if (rc) return rc;
    qsort(s->list, (size_t)s->count, sizeof *s->list, compare_storages);
    return unite(p, s, e);
}

/* ---- Tensors */

typedef struct {
    const bert_pickle *pickle;
    const bert_torch_storages *storages;
    const bert_tensor_file *in;
    uint64_t copied; /* bytes of what has to be copied to be read */
    bert_error *e;
} reader;

/* What a message calls a tensor. */
static int refuse(const reader *r, const bert_stored_tensor *t, int code, const char *what) {
    char name[200];
    bert_printable(name, sizeof name, t->name);
    return bert_fail(r->e, code, "%s: tensor %s: %s", r->in->path, name, what);
}

/* A tuple of n numbers from 0 on, as size and stride are. */
static bool read_numbers(value *v, int64_t *out, int *n) {
    if (v->kind == BERT_PICKLE_CALL && v->args->n == 1) v = v->args->item[0]; /* torch.Size(..) */
    if (v->kind != BERT_PICKLE_TUPLE || v->n > BERT_MAX_DIMS) return false;
    *n = (int)v->n;
    for (uint32_t i = 0; i < v->n; i++) {
        out[i] = v->item[i]->kind == BERT_PICKLE_INT ? v->item[i]->integer : -1;
        if (out[i] < 0) return false;
    }
    return true;
}

/* The part of a storage that a persistent id stands for: all, or a view of it. */
static bool find_window(value *id, const bert_torch_storage *s, uint64_t *first, uint64_t *numel) {
    *first = 0;
    *numel = s->numel;
    value *view = id->n > 5 ? id->item[5] : NULL;
    if (!view || view->kind == BERT_PICKLE_NONE) return true;
    if (view->kind != BERT_PICKLE_TUPLE || view->n != 3 || view->item[1]->kind != BERT_PICKLE_INT ||
        view->item[2]->kind != BERT_PICKLE_INT || view->item[1]->integer < 0 ||
        view->item[2]->integer < 0)
        return false;
    *first = (uint64_t)view->item[1]->integer;
    *numel = (uint64_t)view->item[2]->integer;
    return *first <= s->numel && *numel <= s->numel - *first;
}

/* Elements, and the last one that strides reach from the first; false: no storage is so large. */
static bool measure(const bert_stored_tensor *t, const int64_t *strides, uint64_t *count,
                    uint64_t *last) {
    *count = 1;
    *last = 0;
    for (int i = 0; i < t->dims; i++) {
        uint64_t reach;
        if (!t->shape[i]) *count = 0;
        if (__builtin_mul_overflow(*count, (uint64_t)t->shape[i], count)) return false;
        if (!t->shape[i]) continue;
        if (__builtin_mul_overflow((uint64_t)t->shape[i] - 1, (uint64_t)strides[i], &reach) ||
            __builtin_add_overflow(*last, reach, last))
            return false;
    }
    return true;
}

static bool is_plain(const bert_stored_tensor *t, const int64_t *strides) {
    int64_t step = 1;
    for (int i = t->dims - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && strides[i] != step) return false;
        step *= t->shape[i];
    }
    return true;
}

/* Strides of a tensor that does not lie row after row. Its rows are copied when it is used: of one
 * that repeats itself there may be more than the file could ever fill. */
static int keep_strides(reader *r, bert_stored_tensor *t, const int64_t *strides) {
    enum { FREE = 16 << 20 };
    r->copied += t->bytes;
    if (r->copied > r->in->map->size + FREE)
        return refuse(r, t, BERT_EUNSUPPORTED,
                      "repeats its storage so often that it is larger than the file (expand()); "
                      "save it with contiguous()");
    int64_t *own = bert_arena_alloc(r->pickle->memory, sizeof *own * BERT_MAX_DIMS);
    if (!own) return bert_fail_memory(r->e, sizeof *own * BERT_MAX_DIMS);
    memcpy(own, strides, sizeof *own * (size_t)t->dims);
    t->strides = own;
    return 0;
}

/* _rebuild_tensor_v2's last argument: whether the numbers are to be negated or conjugated. */
static bool is_lazy(value *args) {
    value *metadata = args->n > 6 ? args->item[6] : NULL;
    return metadata && metadata->kind == BERT_PICKLE_DICT &&
           (bert_pickle_get(metadata, "neg") || bert_pickle_get(metadata, "conj"));
}

/* _rebuild_tensor(storage, offset, size, stride, ..) */
static int read_tensor(reader *r, bert_stored_tensor *t, value *args) {
    int64_t strides[BERT_MAX_DIMS];
    int stride_count = 0;
    if (args->n < 4 || args->item[0]->kind != BERT_PICKLE_PERSISTENT ||
        args->item[1]->kind != BERT_PICKLE_INT || args->item[1]->integer < 0 ||
        !read_numbers(args->item[2], t->shape, &t->dims) ||
        !read_numbers(args->item[3], strides, &stride_count) || stride_count != t->dims)
        return refuse(r, t, BERT_EFORMAT, "is made as no tensor is");
    if (is_lazy(args))
        return refuse(r, t, BERT_EUNSUPPORTED,
                      "is a view that negates its storage; save it with resolve_neg()");
    value *id = args->item[0]->id;
    const bert_torch_storage *s =
        bert_torch_storage_find(r->storages, id->item[2]->text, id->item[2]->n);
    uint64_t first, numel, count, last, offset = (uint64_t)args->item[1]->integer;
    if (!s || !find_window(id, s, &first, &numel))
        return refuse(r, t, BERT_EFORMAT, "is in a view of a storage that is larger than that");
    if (!measure(t, strides, &count, &last) || offset > numel || (count && last >= numel - offset))
        return refuse(r, t, BERT_EFORMAT, "reaches beyond its storage");
    const size_t size = bert_dtype_size(s->dtype);
    uint64_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
        return refuse(r, t, BERT_EFORMAT, "is larger than any file");
    t->dtype = s->dtype;
    t->bytes = (size_t)bytes;
    t->data = s->data + (first + offset) * size;
    return is_plain(t, strides) || !count ? 0 : keep_strides(r, t, strides);
}

/* The arguments of the tensor that a value is; NULL: it is none. Parameters are tensors in a
 * wrapping. */
static value *tensor_of(value *v) {
    for (int i = 0; i < 4 && v->kind == BERT_PICKLE_CALL; i++) {
        if (v->global->what == TENSOR) return v->args;
        if (v->global->what != PARAMETER || !v->args->n) break;
        v = v->args->item[0];
    }
    return NULL;
}

static int add_entry(reader *r, const bert_pickle_item *item) {
    value *args = tensor_of(item->value);
    if (!args || item->key->kind != BERT_PICKLE_STRING) return 0; /* something else */
    const size_t n = item->key->n;
    char *name = bert_arena_alloc(r->pickle->memory, n + 1);
    if (!name) return bert_fail_memory(r->e, n + 1);
    memcpy(name, item->key->text, n);
    name[n] = 0;
    if (!n || memchr(name, 0, n) || !bert_utf8_valid(name, n))
        return bert_fail(r->e, BERT_EFORMAT, "%s: the name of a tensor is no text", r->in->path);
    bert_stored_tensor t = {.name = name};
    int rc = read_tensor(r, &t, args);
    return rc ? rc : bert_tensor_list_add(r->in->list, &t, r->e);
}

/* Where the tensors are in what was saved. */
static value *find_dict(value *root, const char **under) {
    /* as most programs, PyTorch's tutorial and DeepSpeed call what they save beside the optimizer */
    static const char *const keys[] = {"state_dict", "model", "model_state_dict", "module"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        value *v = bert_pickle_get(root, keys[i]);
        *under = keys[i];
        if (v && v->kind == BERT_PICKLE_DICT) return v;
    }
    *under = NULL;
    return root->kind == BERT_PICKLE_DICT ? root : NULL;
}

int bert_torch_add_tensors(const bert_pickle *p, const bert_pickle_value *root,
                           const bert_torch_storages *s, const bert_tensor_file *in,
                           bert_error *e) {
    reader r = {.pickle = p, .storages = s, .in = in, .e = e};
    const char *under;
    const int before = in->list->count;
    value *dict = find_dict(root, &under);
    int rc = 0;
    for (bert_pickle_item *i = dict ? dict->first : NULL; i && !rc; i = i->next)
        rc = add_entry(&r, i);
    if (rc) return rc;
    if (in->list->count == before)
        return bert_fail(e, BERT_EFORMAT,
                         "%s: holds no tensors by name, as a state_dict does; save one with "
                         "torch.save(model.state_dict(), FILE)",
                         in->path);
    return under ? bert_notes_say(in->notes, e,
                                  "%s: the weights are those under \"%s\" of what was saved",
                                  in->path, under)
                 : 0;
}
