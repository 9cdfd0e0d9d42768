#include "files/gguf.h"
#include "base/error.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN "a download that was cut off? fetch it again"
enum { MAX_ALIGNMENT = 1 << 20, MAX_KEY = 65535, MAX_NAME = 255 };

static const unsigned char sizes[BERT_GGUF_TYPES] = {
    [BERT_GGUF_U8] = 1,  [BERT_GGUF_I8] = 1,  [BERT_GGUF_U16] = 2, [BERT_GGUF_I16] = 2,
    [BERT_GGUF_U32] = 4, [BERT_GGUF_I32] = 4, [BERT_GGUF_F32] = 4, [BERT_GGUF_BOOL] = 1,
    [BERT_GGUF_U64] = 8, [BERT_GGUF_I64] = 8, [BERT_GGUF_F64] = 8,
};

/* ggml's numbers of types; block 0: there is none of that number. */
static const struct {
    bert_dtype dtype;
    unsigned short block, bytes; /* numbers of a block, and their bytes */
} types[] = {
    [0] = {BERT_F32, 1, 4},        [1] = {BERT_F16, 1, 2},        [2] = {BERT_Q4_0, 32, 18},
    [3] = {BERT_Q4_1, 32, 20},     [6] = {BERT_Q5_0, 32, 22},     [7] = {BERT_Q5_1, 32, 24},
    [8] = {BERT_Q8_0, 32, 34},     [9] = {BERT_OTHER, 32, 40},    [10] = {BERT_Q2_K, 256, 84},
    [11] = {BERT_Q3_K, 256, 110},  [12] = {BERT_Q4_K, 256, 144},  [13] = {BERT_Q5_K, 256, 176},
    [14] = {BERT_Q6_K, 256, 210},  [15] = {BERT_OTHER, 256, 292}, [16] = {BERT_OTHER, 256, 66},
    [17] = {BERT_OTHER, 256, 74},  [18] = {BERT_OTHER, 256, 98},  [19] = {BERT_OTHER, 256, 50},
    [20] = {BERT_OTHER, 32, 18},   [21] = {BERT_OTHER, 256, 110}, [22] = {BERT_OTHER, 256, 82},
    [23] = {BERT_OTHER, 256, 136}, [24] = {BERT_I8, 1, 1},        [25] = {BERT_I16, 1, 2},
    [26] = {BERT_I32, 1, 4},       [27] = {BERT_I64, 1, 8},       [28] = {BERT_F64, 1, 8},
    [29] = {BERT_OTHER, 256, 56},  [30] = {BERT_BF16, 1, 2},      [34] = {BERT_OTHER, 256, 54},
    [35] = {BERT_OTHER, 256, 66},  [39] = {BERT_OTHER, 32, 17},   [40] = {BERT_OTHER, 64, 36},
    [41] = {BERT_OTHER, 128, 18},
};
enum { TYPES = sizeof types / sizeof *types };

/* The file while its header is read. */
typedef struct {
    const char *path;
    const unsigned char *data;
    size_t size, at;
    bert_error *e;
} cursor;

static int cut_off(const cursor *c, const char *what) {
    return bert_fail(c->e, BERT_EFORMAT, "%s: truncated: it ends in %s; " AGAIN, c->path, what);
}

static bool number(cursor *c, int bytes, uint64_t *x) {
    *x = 0;
    if (c->size - c->at < (size_t)bytes) return false;
    for (int i = 0; i < bytes; i++) *x |= (uint64_t)c->data[c->at + (size_t)i] << 8 * i;
    c->at += (size_t)bytes;
    return true;
}

static bool skip(cursor *c, uint64_t bytes) {
    if (c->size - c->at < bytes) return false;
    c->at += (size_t)bytes;
    return true;
}

static bool text(cursor *c, bert_gguf_text *t) {
    uint64_t n;
    if (!number(c, 8, &n)) return false;
    *t = (bert_gguf_text){(const char *)c->data + c->at, (size_t)n};
    return skip(c, n);
}

/* ---- Keys and values */

static bool skip_texts(cursor *c, uint64_t count) {
    bert_gguf_text t;
    while (count && text(c, &t)) count--;
    return !count;
}

static int read_value(cursor *c, bert_gguf_value *v) {
    static const char what[] = "its keys";
    uint64_t type, bytes;
    *v = (bert_gguf_value){.count = 1};
    if (!text(c, &v->key) || !number(c, 4, &type)) return cut_off(c, what);
    if (type == BERT_GGUF_ARRAY) {
        v->array = true;
        if (!number(c, 4, &type) || !number(c, 8, &v->count)) return cut_off(c, what);
    }
    if (type >= BERT_GGUF_TYPES || type == BERT_GGUF_ARRAY || v->key.n > MAX_KEY)
        return bert_fail(c->e, BERT_EFORMAT, "%s: its keys are damaged: a value of type %llu",
                         c->path, (unsigned long long)type);
    v->type = (bert_gguf_type)type;
    v->at = c->data + c->at;
    if (v->type == BERT_GGUF_STRING) return skip_texts(c, v->count) ? 0 : cut_off(c, what);
    if (__builtin_mul_overflow(v->count, (uint64_t)sizes[type], &bytes) || !skip(c, bytes))
        return cut_off(c, what);
    return 0;
}

/* ---- Tensors */

static int bad_tensor(const cursor *c, const bert_gguf_tensor *t, const char *what) {
    char name[64] = "";
    for (size_t i = 0; i < t->name.n && i < sizeof name - 1; i++)
        name[i] = t->name.text[i] >= ' ' && t->name.text[i] < 127 ? t->name.text[i] : '?';
    return bert_fail(c->e, BERT_EFORMAT, "%s: tensor %s %s", c->path, name, what);
}

/* Its bytes, which are whole blocks in every row. */
static int measure(const cursor *c, bert_gguf_tensor *t, uint64_t type) {
    uint64_t n = 1;
    if (type >= TYPES || !types[type].block)
        return bad_tensor(c, t, "is of a type that llama.cpp does not know");
    for (int i = 0; i < t->dims; i++)
        if (__builtin_mul_overflow(n, (uint64_t)t->shape[i], &n))
            return bad_tensor(c, t, "is larger than any file");
    if (t->dims && t->shape[t->dims - 1] % types[type].block)
        return bad_tensor(c, t, "has rows that are no whole blocks");
    if (__builtin_mul_overflow(n / types[type].block, (uint64_t)types[type].bytes, &n) ||
        n > SIZE_MAX / 2)
        return bad_tensor(c, t, "is larger than any file");
    t->dtype = types[type].dtype;
    t->bytes = (size_t)n;
    return 0;
}

/* *offset: in the data, which begin behind all of this. */
static int read_tensor(cursor *c, bert_gguf_tensor *t, uint64_t *offset) {
    static const char what[] = "its list of tensors";
    uint64_t dims, n, type;
    if (!text(c, &t->name) || !number(c, 4, &dims)) return cut_off(c, what);
    if (!t->name.n || t->name.n > MAX_NAME || memchr(t->name.text, 0, t->name.n) || dims > 4)
        return bad_tensor(c, t, "has no name, or more than 4 dimensions");
    t->dims = (int)dims;
    for (int i = t->dims - 1; i >= 0; i--) {
        if (!number(c, 8, &n)) return cut_off(c, what);
        if (n > INT64_MAX) return bad_tensor(c, t, "is larger than any file");
        t->shape[i] = (int64_t)n;
    }
    if (!number(c, 4, &type) || !number(c, 8, offset)) return cut_off(c, what);
    return measure(c, t, type);
}

static int compare_places(const void *a, const void *b) {
    const bert_gguf_tensor *x = a, *y = b;
    return x->data < y->data     ? -1
           : x->data > y->data   ? 1
           : x->bytes < y->bytes ? -1
                                 : x->bytes > y->bytes;
}

/* In the order of the data, where none overlaps another. */
static int check_places(const cursor *c, bert_gguf *g) {
    qsort(g->tensors, (size_t)g->tensor_count, sizeof *g->tensors, compare_places);
    for (int i = 1; i < g->tensor_count; i++) {
        const bert_gguf_tensor *before = &g->tensors[i - 1];
        if (before->data + before->bytes > g->tensors[i].data)
            return bad_tensor(c, &g->tensors[i], "overlaps the one before it");
    }
    return 0;
}

static int place_tensors(cursor *c, bert_gguf *g, const uint64_t *offsets) {
    int64_t alignment = 32;
    if (bert_gguf_find(g, "general.alignment") &&
        (!bert_gguf_integer(g, "general.alignment", &alignment) || alignment < 1 ||
         alignment > MAX_ALIGNMENT || alignment & (alignment - 1)))
        return bert_fail(c->e, BERT_EFORMAT, "%s: its general.alignment is no power of two",
                         c->path);
    const size_t align = (size_t)alignment, start = (c->at + align - 1) / align * align;
    for (int i = 0; i < g->tensor_count; i++) {
        bert_gguf_tensor *t = &g->tensors[i];
        if (offsets[i] % align) return bad_tensor(c, t, "is not where its alignment wants it");
        if (start > c->size || offsets[i] > c->size - start ||
            t->bytes > c->size - start - offsets[i])
            return bert_fail(c->e, BERT_EFORMAT,
                             "%s: truncated: tensor %.*s ends behind the file, which has %zu "
                             "bytes; " AGAIN,
                             c->path, (int)t->name.n, t->name.text, c->size);
        t->data = c->data + start + offsets[i];
    }
    return check_places(c, g);
}

static int read_tensors(cursor *c, bert_gguf *g, int n) {
    uint64_t *offsets = malloc(((size_t)n + 1) * sizeof *offsets);
    g->tensors = calloc((size_t)n + 1, sizeof *g->tensors);
    int rc = g->tensors && offsets ? 0 : bert_fail_memory(c->e, (size_t)n * sizeof *g->tensors);
    for (; g->tensor_count < n && !rc; g->tensor_count++)
        rc = read_tensor(c, &g->tensors[g->tensor_count], &offsets[g->tensor_count]);
    if (!rc) rc = place_tensors(c, g, offsets);
    free(offsets);
    return rc;
}

/* ---- The file */

static int check_start(cursor *c, uint64_t *tensors, uint64_t *keys) {
    uint64_t version = 0;
    const char *instead = bert_file_instead((const char *)c->data, c->size);
    if (c->size < 4 || memcmp(c->data, "GGUF", 4))
        return bert_fail(c->e, BERT_EFORMAT, "%s: %s", c->path,
                         instead ? instead : "is no GGUF file");
    c->at = 4;
    if (!number(c, 4, &version)) return cut_off(c, "its version");
    if (version && !(version & 0xffff))
        return bert_fail(c->e, BERT_EUNSUPPORTED, "%s: is for big-endian machines", c->path);
    if (version != 2 && version != 3)
        return bert_fail(c->e, BERT_EUNSUPPORTED,
                         "%s: is GGUF of version %llu; 2 and 3 are read: convert it anew", c->path,
                         (unsigned long long)version);
    if (!number(c, 8, tensors) || !number(c, 8, keys)) return cut_off(c, "its counts");
    /* a key has 13 bytes at least, a tensor 24 */
    if (*keys > c->size / 13 || *tensors > c->size / 24 || *keys > INT32_MAX ||
        *tensors > INT32_MAX)
        return bert_fail(c->e, BERT_EFORMAT,
                         "%s: truncated: it is too small for %llu tensors and "
                         "%llu keys; " AGAIN,
                         c->path, (unsigned long long)*tensors, (unsigned long long)*keys);
    return 0;
}

int bert_gguf_parse(bert_gguf *g, const bert_mapping *map, const char *path, bert_error *e) {
    cursor c = {.path = path, .data = map->data, .size = map->size, .e = e};
    uint64_t tensors = 0, keys = 0;
    *g = (bert_gguf){.path = path};
    int rc = check_start(&c, &tensors, &keys);
    if (rc) return rc;
    g->values = calloc((size_t)keys + 1, sizeof *g->values);
    if (!g->values) rc = bert_fail_memory(e, ((size_t)keys + 1) * sizeof *g->values);
    for (; !rc && (uint64_t)g->value_count < keys; g->value_count++)
        rc = read_value(&c, &g->values[g->value_count]);
    if (!rc) rc = read_tensors(&c, g, (int)tensors);
    if (rc) bert_gguf_free(g);
    return rc;
}

void bert_gguf_free(bert_gguf *g) {
    free(g->values);
    free(g->tensors);
    *g = (bert_gguf){0};
}

/* ---- What is in it */

bool bert_gguf_is(bert_gguf_text t, const char *s) {
    return strlen(s) == t.n && !memcmp(t.text, s, t.n);
}

const bert_gguf_value *bert_gguf_find(const bert_gguf *g, const char *key) {
    for (int i = 0; i < g->value_count; i++)
        if (bert_gguf_is(g->values[i].key, key)) return &g->values[i];
    return NULL;
}

const bert_gguf_tensor *bert_gguf_tensor_named(const bert_gguf *g, const char *name) {
    for (int i = 0; i < g->tensor_count; i++)
        if (bert_gguf_is(g->tensors[i].name, name)) return &g->tensors[i];
    return NULL;
}

static uint64_t raw(const unsigned char *at, int bytes) {
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++) x |= (uint64_t)at[i] << 8 * i;
    return x;
}

/* The integer of that type at `at`; of 64 bits as such. */
static int64_t integer(bert_gguf_type type, const unsigned char *at) {
    const int bytes = sizes[type];
    const uint64_t x = raw(at, bytes);
    const bool negative =
        (type == BERT_GGUF_I8 || type == BERT_GGUF_I16 || type == BERT_GGUF_I32) &&
        x >> (8 * bytes - 1);
    return (int64_t)(negative ? x | UINT64_MAX << 8 * bytes : x);
}

static bool is_integer(bert_gguf_type type) {
    return type != BERT_GGUF_F32 && type != BERT_GGUF_F64 && type != BERT_GGUF_STRING &&
           type != BERT_GGUF_BOOL;
}

int64_t bert_gguf_element(const bert_gguf_value *v, uint64_t i) {
    return is_integer(v->type) && i < v->count ? integer(v->type, v->at + i * sizes[v->type]) : 0;
}

bool bert_gguf_integer(const bert_gguf *g, const char *key, int64_t *x) {
    const bert_gguf_value *v = bert_gguf_find(g, key);
    if (!v || v->array || !is_integer(v->type)) return false;
    *x = integer(v->type, v->at);
    return *x >= 0 || v->type != BERT_GGUF_U64;
}

bool bert_gguf_number(const bert_gguf *g, const char *key, double *x) {
    const bert_gguf_value *v = bert_gguf_find(g, key);
    int64_t i;
    if (!v || v->array) return false;
    if (v->type == BERT_GGUF_F64) {
        memcpy(x, v->at, sizeof *x);
    } else if (v->type == BERT_GGUF_F32) {
        float f;
        memcpy(&f, v->at, sizeof f);
        *x = (double)f;
    } else if (bert_gguf_integer(g, key, &i)) {
        *x = (double)i;
    } else {
        return false;
    }
    return true;
}

bool bert_gguf_truth(const bert_gguf *g, const char *key, bool *x) {
    const bert_gguf_value *v = bert_gguf_find(g, key);
    if (!v || v->array || v->type != BERT_GGUF_BOOL) return false;
    *x = *v->at != 0;
    return true;
}

bert_gguf_text bert_gguf_next(const unsigned char **at) {
    const bert_gguf_text t = {(const char *)*at + 8, (size_t)raw(*at, 8)};
    *at += 8 + t.n;
    return t;
}

bool bert_gguf_string(const bert_gguf *g, const char *key, bert_gguf_text *x) {
    const bert_gguf_value *v = bert_gguf_find(g, key);
    if (!v || v->array || v->type != BERT_GGUF_STRING) return false;
    const unsigned char *at = v->at;
    *x = bert_gguf_next(&at);
    return true;
}
