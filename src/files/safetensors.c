#include "files/safetensors.h"
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include <stdlib.h>
#include <string.h>

#define AGAIN "a download that was cut off? fetch it again"
enum { MAX_HEADER = 100000000, MAX_SHARDS = 10000 };

static const struct {
    const char *name;
    size_t size;
} dtypes[BERT_DTYPE_COUNT] = {
    [BERT_F64] = {"F64", 8},   [BERT_F32] = {"F32", 4}, [BERT_F16] = {"F16", 2},
    [BERT_BF16] = {"BF16", 2}, [BERT_I64] = {"I64", 8}, [BERT_I32] = {"I32", 4},
    [BERT_I16] = {"I16", 2},   [BERT_I8] = {"I8", 1},   [BERT_U8] = {"U8", 1},
    [BERT_BOOL] = {"BOOL", 1},
};

const char *bert_dtype_name(bert_dtype d) {
    return dtypes[d].name;
}

size_t bert_dtype_size(bert_dtype d) {
    return dtypes[d].size;
}

/* One mapped file; header owns the strings that tensors and metadata point into. */
typedef struct {
    char *path;
    bert_mapping map;
    json_t *header;
} shard;

struct bert_safetensors {
    shard *shards;
    int shard_count;
    bert_stored_tensor *tensors; /* in file order */
    int count, capacity;
    int *by_name; /* indices of tensors, sorted by name */
};

bool bert_safetensors_read(const bert_safetensors *s, const void *at, void *to, size_t bytes) {
    for (int i = 0; i < s->shard_count; i++)
        if (bert_mapping_read(&s->shards[i].map, at, to, bytes)) return true;
    return false;
}

static int dtype_of(const char *name) {
    for (int d = 0; d < BERT_DTYPE_COUNT; d++)
        if (!strcmp(dtypes[d].name, name)) return d;
    return -1;
}

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
    int d = dtype_of(json_string_value(dtype));
    if (d < 0)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: tensor %s: dtype %s is not supported", path,
                         name, json_string_value(dtype));
    size_t dims = json_array_size(shape);
    if (dims > BERT_MAX_DIMS)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: tensor %s: %zu dimensions; at most %d", path,
                         name, dims, BERT_MAX_DIMS);
    *t = (bert_stored_tensor){.name = name, .dtype = (bert_dtype)d, .dims = (int)dims};
    uint64_t bytes = dtypes[d].size;
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

static int grow(bert_safetensors *s, size_t more, bert_error *e) {
    size_t need = (size_t)s->count + more;
    if (need > INT32_MAX / 2) return bert_fail(e, BERT_EFORMAT, "too many tensors: %zu", need);
    if (need <= (size_t)s->capacity) return 0;
    bert_stored_tensor *p = realloc(s->tensors, need * sizeof *p);
    if (!p) return bert_fail_memory(e, need * sizeof *p);
    s->tensors = p;
    s->capacity = (int)need;
    return 0;
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

/* Maps a file and adds its tensors to s. */
static int add_file(bert_safetensors *s, const char *path, bert_error *e) {
    shard *f = &s->shards[s->shard_count++];
    f->path = strdup(path);
    if (!f->path) return bert_fail_memory(e, strlen(path) + 1);
    int rc = bert_map_file(path, &f->map, e);
    if (rc) return rc;
    uint64_t n;
    if ((rc = header_length(path, &f->map, &n, e))) return rc;
    const unsigned char *p = f->map.data;
    f->header = bert_json_parse_exact((const char *)p + 8, (size_t)n, path, e);
    if (!f->header) return e->code;
    if (!json_is_object(f->header))
        return bert_fail(e, BERT_EFORMAT, "%s: the header is not an object", path);

    const unsigned char *data = p + 8 + n;
    uint64_t size = f->map.size - 8 - n;
    int first = s->count;
    if ((rc = grow(s, json_object_size(f->header), e))) return rc;
    const char *name;
    json_t *value;
    json_object_foreach(f->header, name, value) {
        if (!strcmp(name, "__metadata__")) {
            if ((rc = check_metadata(path, value, e))) return rc;
            continue;
        }
        uint64_t begin = 0, end = 0;
        bert_stored_tensor *t = &s->tensors[s->count];
        if ((rc = parse_entry(path, name, value, t, &begin, &end, e))) return rc;
        if (end > size)
            return bert_fail(
                e, BERT_EFORMAT,
                "%s: truncated: tensor %s ends at byte %llu of the data, which has %llu; " AGAIN,
                path, name, (unsigned long long)end, (unsigned long long)size);
        t->data = data + begin;
        s->count++;
    }
    if (s->count > first)
        qsort(s->tensors + first, (size_t)(s->count - first), sizeof *s->tensors, compare_data);
    const unsigned char *at = data;
    for (int i = first; i < s->count; i++) {
        const bert_stored_tensor *t = &s->tensors[i];
        if (t->data != at)
            return bert_fail(
                e, BERT_EFORMAT, "%s: tensor %s: %s before it in the data", path, t->name,
                (const unsigned char *)t->data < at ? "overlaps the tensor" : "a hole");
        at += t->bytes;
    }
    if (at != data + size)
        return bert_fail(e, BERT_EFORMAT, "%s: %zu bytes after the last tensor", path,
                         (size_t)(data + size - at));
    return 0;
}

static int compare_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* model.safetensors.index.json: { "weight_map": { tensor: file } }. */
static int add_index(bert_safetensors *s, const char *path, bert_error *e) {
    json_t *index = bert_json_load(path, e);
    if (!index) return e->code;
    const json_t *map = json_object_get(index, "weight_map");
    const char **files = NULL, *slash = strrchr(path, '/');
    char *directory = slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
    int rc = 0, n = 0;
    if (!directory)
        rc = bert_fail_memory(e, strlen(path));
    else if (!json_is_object(map) || !json_object_size(map))
        rc = bert_fail(e, BERT_EFORMAT, "%s: weight_map is missing or empty", path);
    else if (!(files = malloc(json_object_size(map) * sizeof *files)))
        rc = bert_fail_memory(e, json_object_size(map) * sizeof *files);
    const char *name;
    json_t *value;
    if (!rc) {
        json_object_foreach((json_t *)map, name, value) {
            const char *file = json_string_value(value);
            /* A file name, not a path: an index must not reach outside of its directory. */
            if (!file || !*file || strchr(file, '/')) {
                rc = bert_fail(e, BERT_EFORMAT, "%s: weight_map: %s: must be a file name", path,
                               name);
                break;
            }
            files[n++] = file;
        }
    }
    if (!rc) {
        qsort(files, (size_t)n, sizeof *files, compare_text);
        int unique = 0;
        for (int i = 0; i < n; i++)
            if (!unique || strcmp(files[unique - 1], files[i])) files[unique++] = files[i];
        n = unique;
        if (n > MAX_SHARDS) rc = bert_fail(e, BERT_EFORMAT, "%s: names %d files", path, n);
    }
    if (!rc && !(s->shards = calloc((size_t)n, sizeof *s->shards)))
        rc = bert_fail_memory(e, (size_t)n * sizeof *s->shards);
    for (int i = 0; i < n && !rc; i++) {
        char *file = bert_path_join(directory, files[i]);
        rc = file ? add_file(s, file, e) : bert_fail_memory(e, strlen(files[i]));
        free(file);
    }
    free(files);
    free(directory);
    json_decref(index);
    return rc;
}

static int compare_by_name(const void *a, const void *b, void *tensors) {
    const bert_stored_tensor *t = tensors;
    return strcmp(t[*(const int *)a].name, t[*(const int *)b].name);
}

static int sort_names(bert_safetensors *s, const char *path, bert_error *e) {
    s->by_name = malloc((size_t)(s->count ? s->count : 1) * sizeof *s->by_name);
    if (!s->by_name) return bert_fail_memory(e, (size_t)s->count * sizeof *s->by_name);
    for (int i = 0; i < s->count; i++) s->by_name[i] = i;
    qsort_r(s->by_name, (size_t)s->count, sizeof *s->by_name, compare_by_name, s->tensors);
    for (int i = 1; i < s->count; i++) {
        const char *name = s->tensors[s->by_name[i]].name;
        if (!strcmp(s->tensors[s->by_name[i - 1]].name, name))
            return bert_fail(e, BERT_EFORMAT, "%s: tensor %s is in two shards", path, name);
    }
    return 0;
}

bert_safetensors *bert_safetensors_open(const char *path, bert_error *e) {
    bert_safetensors *s = calloc(1, sizeof *s);
    if (!s) {
        bert_fail_memory(e, sizeof *s);
        return NULL;
    }
    size_t n = strlen(path);
    int rc;
    if (n > 5 && !strcmp(path + n - 5, ".json"))
        rc = add_index(s, path, e);
    else if (!(s->shards = calloc(1, sizeof *s->shards)))
        rc = bert_fail_memory(e, sizeof *s->shards);
    else
        rc = add_file(s, path, e);
    if (!rc) rc = sort_names(s, path, e);
    if (!rc) return s;
    bert_safetensors_close(s);
    return NULL;
}

void bert_safetensors_close(bert_safetensors *s) {
    if (!s) return;
    for (int i = 0; i < s->shard_count; i++) {
        bert_unmap_file(&s->shards[i].map);
        json_decref(s->shards[i].header);
        free(s->shards[i].path);
    }
    free(s->shards);
    free(s->tensors);
    free(s->by_name);
    free(s);
}

int bert_safetensors_count(const bert_safetensors *s) {
    return s->count;
}

const bert_stored_tensor *bert_safetensors_at(const bert_safetensors *s, int i) {
    return i >= 0 && i < s->count ? &s->tensors[i] : NULL;
}

const bert_stored_tensor *bert_safetensors_find(const bert_safetensors *s, const char *name) {
    int low = 0, high = s->count;
    while (low < high) {
        int middle = (low + high) / 2;
        const bert_stored_tensor *t = &s->tensors[s->by_name[middle]];
        int order = strcmp(name, t->name);
        if (!order) return t;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *bert_safetensors_metadata(const bert_safetensors *s, const char *key) {
    const json_t *metadata = json_object_get(s->shards[0].header, "__metadata__");
    return json_string_value(json_object_get(metadata, key));
}

static float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
    union {
        uint32_t bits;
        float value;
    } u;
    if (exponent == 0) { /* zero and subnormals: mantissa * 2^-24 */
        u.value = (float)mantissa * 0x1p-24f;
        u.bits |= sign;
    } else
        u.bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13;
    return u.value;
}

int bert_stored_to_float(const bert_stored_tensor *t, float *out, bert_error *e) {
    const unsigned char *p = t->data;
    size_t n = t->bytes / dtypes[t->dtype].size;
    switch (t->dtype) {
    case BERT_F32:
        if (n) memcpy(out, p, n * 4);
        return 0;
    case BERT_F64:
        for (size_t i = 0; i < n; i++) {
            double x;
            memcpy(&x, p + 8 * i, 8);
            out[i] = (float)x;
        }
        return 0;
    case BERT_F16:
    case BERT_BF16:
        for (size_t i = 0; i < n; i++) {
            uint16_t h;
            memcpy(&h, p + 2 * i, 2);
            uint32_t bits = (uint32_t)h << 16;
            if (t->dtype == BERT_F16)
                out[i] = half_to_float(h);
            else
                memcpy(&out[i], &bits, 4);
        }
        return 0;
    default:
        return bert_fail(e, BERT_EUNSUPPORTED, "tensor %s: has dtype %s where floats are needed",
                         t->name, dtypes[t->dtype].name);
    }
}

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
        json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtypes[t->dtype].name, "shape",
                                  shape, "data_offsets", at, at + (json_int_t)t->bytes);
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
