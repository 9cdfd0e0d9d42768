/* NumPy's .npy format: float32 matrices are written, floats of any size are read. */
#include "base/error.h"
#include "base/file.h"
#include "files/safetensors.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Magic, version 1.0, whose 0 ends the string; then the header's length, 16 bits little-endian. */
static const char magic[] = "\x93NUMPY\x01";
enum { PREFIX = 10, ALIGNMENT = 64 };

int bert_save_npy(const char *path, const float *data, int64_t rows, int64_t cols, bert_error *e) {
    BERT_DOOR(e);
    char head[256];
    if (rows < 0 || cols < 0 || (cols && rows > INT64_MAX / 4 / cols))
        return bert_fail(e, BERT_EINVAL, "%s: a matrix of %lld x %lld", path, (long long)rows,
                         (long long)cols);
    int n = snprintf(head + PREFIX, sizeof head - PREFIX,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }",
                     (long long)rows, (long long)cols);
    size_t used = PREFIX + (size_t)n, total = (used + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memset(head + used, ' ', total - used);
    head[total - 1] = '\n';
    memcpy(head, magic, sizeof magic);
    head[8] = (char)((total - PREFIX) & 255);
    head[9] = (char)((total - PREFIX) >> 8);
    bert_writer *w = bert_writer_open(path, e);
    if (!w) return e->code;
    int rc = bert_writer_put(w, head, total, e);
    if (!rc) rc = bert_writer_put(w, data, (size_t)rows * (size_t)cols * sizeof *data, e);
    if (!rc) return bert_writer_commit(w, e);
    bert_writer_abort(w);
    return rc;
}

/* ---- Reading */

/* What follows a key of the header, which is a Python dictionary; "" where the key is not there. */
static const char *value_of(const char *header, const char *key) {
    const char *at = strstr(header, key);
    if (!at) return "";
    at += strlen(key);
    return at + strspn(at, " :");
}

/* Floats in C order: a matrix, or a vector, which has one column. */
static int parse_header(const char *h, size_t n, bert_stored_tensor *t) {
    static const struct {
        const char *name;
        bert_dtype dtype;
    } types[] = {{"'<f2'", BERT_F16}, {"'<f4'", BERT_F32}, {"'<f8'", BERT_F64}};
    char text[512];
    long long rows, columns = 1;
    int end = 0, i = 0;
    if (n >= sizeof text) return -1;
    memcpy(text, h, n);
    text[n] = 0;
    while (i < 3 && strncmp(value_of(text, "'descr'"), types[i].name, 5)) i++;
    if (i == 3 || strncmp(value_of(text, "'fortran_order'"), "False", 5)) return -1;
    const char *dims = value_of(text, "'shape'");
    if (sscanf(dims, "( %lld , %lld )%n", &rows, &columns, &end) != 2 || !end) {
        columns = 1;
        end = 0;
        if (sscanf(dims, "( %lld , )%n", &rows, &end) != 1 || !end) return -1;
    }
    if (rows < 0 || columns < 0 || (columns && rows > INT64_MAX / 8 / columns)) return -1;
    *t = (bert_stored_tensor){
        .name = "matrix", .dtype = types[i].dtype, .dims = 2, .shape = {rows, columns}};
    t->bytes = (size_t)rows * (size_t)columns * bert_dtype_size(t->dtype);
    return 0;
}

/* The header's length has two bytes in version 1, and four since. */
static int find_header(const bert_mapping *m, size_t *start, size_t *length) {
    if (m->size < PREFIX + 2 || memcmp(m->data, magic, 6) || m->data[6] < 1 || m->data[6] > 3)
        return -1;
    const unsigned char *at = m->data + 8;
    *start = m->data[6] == 1 ? 10 : 12;
    *length = at[0] | (size_t)at[1] << 8;
    if (m->data[6] > 1) *length |= (size_t)at[2] << 16 | (size_t)at[3] << 24;
    return *length > m->size - *start ? -1 : 0;
}

static int read_matrix(const bert_mapping *m, const char *path, float **data, int64_t *rows,
                       int64_t *cols, bert_error *e) {
    size_t start, length;
    bert_stored_tensor t;
    const char *instead = bert_file_instead((const char *)m->data, m->size);
    if (instead) return bert_fail(e, BERT_EFORMAT, "%s: %s", path, instead);
    if (find_header(m, &start, &length) || parse_header((const char *)m->data + start, length, &t))
        return bert_fail(e, BERT_EFORMAT, "%s: not a .npy file of floats in C order", path);
    if (t.bytes != m->size - start - length)
        return bert_fail(e, BERT_EFORMAT, "%s: holds %zu bytes of data; its shape takes %zu", path,
                         m->size - start - length, t.bytes);
    t.data = m->data + start + length;
    *rows = t.shape[0];
    *cols = t.shape[1];
    const size_t count = (size_t)*rows * (size_t)*cols;
    *data = malloc(count * sizeof **data + 1);
    if (!*data) return bert_fail_memory(e, count * sizeof **data);
    return bert_stored_to_float(&t, *data, e);
}

int bert_load_npy(const char *path, float **data, int64_t *rows, int64_t *cols, bert_error *e) {
    BERT_DOOR(e);
    bert_mapping m;
    *data = NULL;
    int rc = bert_map_file(path, &m, e);
    if (rc) return rc;
    rc = read_matrix(&m, path, data, rows, cols, e);
    bert_unmap_file(&m);
    return rc;
}
