#include "files/safetensors.h"
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include "files/tensors.h"
#include <stdlib.h>
#include <string.h>

#define AGAIN "a download that was cut off? fetch it again"
enum { MAX_HEADER = 100000000 };

/* One file; its header owns the strings that tensors and metadata point into. */
typedef struct {
    json_t *header;
} safetensors;

/* Shape, dtype and data_offsets of one entry; begin and end are relative to the data. */
static int parse_entry(const char *path, const char *name, const json_t *v, bert_stored_tensor *t,
                       uint64_t *begin, uint64_t *end, bert_error *e) {
    const json_t *dtype = json_object_get(v, "dtype"), *shape = json_object_get(v, "shape");
    const json_t *offsets = json_object_get(v, "data_offsets");
    if (!json_is_string(dtype) || !json_is_array(shape) || !json_is_array(offsets) ||
        json_array_size(offsets) != 2 || json_object_size(v) != 3)
        return bert_fail(e, BERT_EFORMAT,
                         "%s: tensor %s: must have exactly dtype, shape and two data_offsets", path,
                         name);
    const int d = bert_dtype_of(json_string_value(dtype));
    if (d < 0)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: tensor %s: dtype %s is not supported", path,
                         name, json_string_value(dtype));
    size_t dims = json_array_size(shape);
    if (dims > BERT_MAX_DIMS)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: tensor %s: %zu dimensions; at most %d", path,
                         name, dims, BERT_MAX_DIMS);
    *t = (bert_stored_tensor){.name = name, .dtype = (bert_dtype)d, .dims = (int)dims};
    uint64_t bytes = bert_dtype_size((bert_dtype)d);
    bool zero = false;
    for (size_t i = 0; i < dims; i++) {
        const json_t *n = json_array_get(shape, i);
        json_int_t x = json_integer_value(n);
        if (!json_is_integer(n) || x < 0)
            return bert_fail(e, BERT_EFORMAT, "%s: tensor %s: shape must be whole numbers", path,
                             name);
        t->shape[i] = x;
        zero |= x == 0;
        if (!zero && __builtin_mul_overflow(bytes, (uint64_t)x, &bytes))
            return bert_fail(e, BERT_EFORMAT, "%s: tensor %s: shape overflows", path, name);
    }
    if (zero) bytes = 0;
    uint64_t at[2];
    for (size_t i = 0; i < 2; i++) {
        const json_t *n = json_array_get(offsets, i);
        if (!json_is_integer(n) || json_integer_value(n) < 0)
            return bert_fail(e, BERT_EFORMAT, "%s: tensor %s: data_offsets must be whole numbers",
                             path, name);
        at[i] = (uint64_t)json_integer_value(n);
    }
    if (at[1] < at[0] || at[1] - at[0] != bytes)
        return bert_fail(
            e, BERT_EFORMAT,
            "%s: tensor %s: data_offsets span %lld bytes, its shape and dtype take %llu", path,
            name, (long long)(at[1] - at[0]), (unsigned long long)bytes);
    t->bytes = (size_t)bytes;
    *begin = at[0];
    *end = at[1];
    return 0;
}

static int compare_data(const void *a, const void *b) {
    const bert_stored_tensor *x = a, *y = b;
    const char *p = x->data, *q = y->data;
    if (p != q) return p < q ? -1 : 1;
    /* Empty tensors share their place with the next one. */
    return x->bytes != y->bytes ? (x->bytes < y->bytes ? -1 : 1) : strcmp(x->name, y->name);
}

static int check_metadata(const char *path, const json_t *metadata, bert_error *e) {
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return bert_fail(e, BERT_EFORMAT, "%s: __metadata__ must be an object", path);
    json_object_foreach((json_t *)metadata, key, value) if (
        !json_is_string(value)) return bert_fail(e, BERT_EFORMAT,
                                                 "%s: __metadata__: %s: must be a string", path,
                                                 key);
    return 0;
}

/* The bytes of the header, which lies behind its own length. */
static int header_length(const char *path, const bert_mapping *map, uint64_t *n, bert_error *e) {
    const unsigned char *p = map->data;
    *n = 0;
    for (int i = 0; i < 8 && map->size >= 8; i++) *n |= (uint64_t)p[i] << 8 * i;
    const bool looks_right = map->size > 8 && *n <= MAX_HEADER && p[8] == '{';
    const char *instead = looks_right ? NULL : bert_file_instead((const char *)p, map->size);
    if (instead) return bert_fail(e, BERT_EFORMAT, "%s: %s", path, instead);
    if (map->size < 8)
        return bert_fail(e, BERT_EFORMAT, "%s: has %zu bytes, too few for a safetensors file", path,
                         map->size);
    if (*n > MAX_HEADER)
        return bert_fail(e, BERT_EFORMAT,
                         "%s: not a safetensors file: its header would have %llu bytes", path,
                         (unsigned long long)*n);
    if (*n < 2 || *n > map->size - 8)
        return bert_fail(e, BERT_EFORMAT,
                         "%s: truncated: the header has %llu bytes, the file only %zu after its "
                         "length; " AGAIN,
                         path, (unsigned long long)*n, map->size - 8);
    if (p[8] != '{')
        return bert_fail(e, BERT_EFORMAT, "%s: the header does not start with '{'", path);
    return 0;
}

/* The entries of the header, as the data begin at `data` and have `size` bytes. */
static int add_entries(const char *path, json_t *header, const unsigned char *data, uint64_t size,
                       bert_tensor_list *to, bert_error *e) {
    const char *name;
    json_t *value;
    int rc;
    json_object_foreach(header, name, value) {
        if (!strcmp(name, "__metadata__")) {
            if ((rc = check_metadata(path, value, e))) return rc;
            continue;
        }
        uint64_t begin = 0, end = 0;
        bert_stored_tensor t;
        if ((rc = parse_entry(path, name, value, &t, &begin, &end, e))) return rc;
        if (end > size)
            return bert_fail(
                e, BERT_EFORMAT,
                "%s: truncated: tensor %s ends at byte %llu of the data, which has %llu; " AGAIN,
                path, name, (unsigned long long)end, (unsigned long long)size);
        t.data = data + begin;
        if ((rc = bert_tensor_list_add(to, &t, e))) return rc;
    }
    return 0;
}

/* In the order of the data, which they fill without holes. */
static int check_order(const char *path, bert_tensor_list *to, int first, const unsigned char *data,
                       uint64_t size, bert_error *e) {
    if (to->count > first)
        qsort(to->items + first, (size_t)(to->count - first), sizeof *to->items, compare_data);
    const unsigned char *at = data;
    for (int i = first; i < to->count; i++) {
        const bert_stored_tensor *t = &to->items[i];
        if (t->data != at)
            return bert_fail(
                e, BERT_EFORMAT, "%s: tensor %s: %s before it in the data", path, t->name,
                (const unsigned char *)t->data < at ? "overlaps the tensor" : "a hole");
        at += t->bytes;
    }
    if (at == data + size) return 0;
    return bert_fail(e, BERT_EFORMAT, "%s: %zu bytes after the last tensor", path,
                     (size_t)(data + size - at));
}

static void close_file(void *file) {
    safetensors *s = file;
    json_decref(s->header);
    free(s);
}

static int read_file(safetensors *s, const bert_tensor_file *in, bert_error *e) {
    uint64_t n;
    int rc = header_length(in->path, in->map, &n, e);
    if (rc) return rc;
    const unsigned char *data = in->map->data + 8 + n;
    const uint64_t size = in->map->size - 8 - n;
    const int first = in->list->count;
    s->header = bert_json_parse_exact((const char *)in->map->data + 8, (size_t)n, in->path, e);
    if (!s->header) return e->code;
    if (!json_is_object(s->header))
        return bert_fail(e, BERT_EFORMAT, "%s: the header is not an object", in->path);
    rc = add_entries(in->path, s->header, data, size, in->list, e);
    return rc ? rc : check_order(in->path, in->list, first, data, size, e);
}

static void *open_file(const bert_tensor_file *in, bert_error *e) {
    safetensors *s = calloc(1, sizeof *s);
    if (!s) bert_fail_memory(e, sizeof *s);
    if (!s || !read_file(s, in, e)) return s;
    close_file(s);
    return NULL;
}

static const char *metadata_of(const void *file, const char *key) {
    const json_t *metadata = json_object_get(((const safetensors *)file)->header, "__metadata__");
    return json_string_value(json_object_get(metadata, key));
}

const bert_tensor_format bert_safetensors_format = {
    .suffix = ".safetensors",
    .open = open_file,
    .close = close_file,
    .metadata = metadata_of,
};

/* The header of a file with these tensors in this order. */
static json_t *header_of(const bert_stored_tensor *tensors, int n, const char *const *metadata) {
    json_t *header = json_object();
    int bad = !header;
    if (metadata && metadata[0]) {
        json_t *m = json_object();
        for (int i = 0; metadata[i]; i += 2)
            bad |= json_object_set_new(m, metadata[i], json_string(metadata[i + 1]));
        bad |= json_object_set_new(header, "__metadata__", m);
    }
    json_int_t at = 0;
    for (int i = 0; i < n && !bad; i++) {
        const bert_stored_tensor *t = &tensors[i];
        json_t *shape = json_array();
        for (int d = 0; d < t->dims; d++)
            bad |= json_array_append_new(shape, json_integer(t->shape[d]));
        json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", bert_dtype_name(t->dtype),
                                  "shape", shape, "data_offsets", at, at + (json_int_t)t->bytes);
        bad |= json_object_set_new(header, t->name, entry);
        at += (json_int_t)t->bytes;
    }
    if (!bad) return header;
    json_decref(header);
    return NULL;
}

static int put_tensor(const bert_safetensors_content *c, const bert_stored_tensor *t,
                      bert_writer *w, bert_error *e) {
    return c->put ? c->put(c->context, t, w, e) : bert_writer_put(w, t->data, t->bytes, e);
}

static int put_all(const bert_safetensors_content *c, const char *header, bert_writer *w,
                   bert_error *e) {
    const size_t align = c->align ? c->align : 8, used = strlen(header);
    const size_t padded = (used + 8 + align - 1) / align * align - 8;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)padded >> 8 * i);
    int rc = bert_writer_put(w, length, 8, e);
    if (!rc) rc = bert_writer_put(w, header, used, e);
    for (size_t i = used; i < padded && !rc; i++) rc = bert_writer_put(w, " ", 1, e);
    for (int i = 0; i < c->n && !rc; i++) rc = put_tensor(c, &c->tensors[i], w, e);
    return rc;
}

int bert_safetensors_write(const char *path, const bert_safetensors_content *c, bert_error *e) {
    json_t *header = header_of(c->tensors, c->n, c->metadata);
    char *text = header ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (!text) return bert_fail(e, BERT_ENOMEM, "%s: out of memory while writing its header", path);
    bert_writer *w = bert_writer_open(path, e);
    int rc = w ? put_all(c, text, w, e) : e->code;
    free(text);
    if (!rc) return bert_writer_commit(w, e);
    bert_writer_abort(w);
    return rc;
}

int bert_safetensors_save(const char *path, const bert_stored_tensor *tensors, int n,
                          const char *const *metadata, bert_error *e) {
    const bert_safetensors_content c = {.tensors = tensors, .n = n, .metadata = metadata};
    return bert_safetensors_write(path, &c, e);
}
