/* NumPy's .npy format, version 1.0, for float32 matrices. */
#include "base/error.h"
#include "base/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Magic, version 1.0, whose 0 ends the string; then the header's length, 16 bits little-endian. */
static const char magic[] = "\x93NUMPY\x01";
enum { PREFIX = 10, ALIGNMENT = 64, MAX_HEADER = 65535 };

int bert_save_npy(const char *path, const float *data, int64_t rows, int64_t cols, bert_error *e) {
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
    if (!w) return bert_error_code(e, BERT_EIO);
    int rc = bert_writer_put(w, head, total, e);
    if (!rc) rc = bert_writer_put(w, data, (size_t)rows * (size_t)cols * sizeof *data, e);
    if (!rc) return bert_writer_commit(w, e);
    bert_writer_abort(w);
    return rc;
}

/* Only what bert_save_npy and numpy.save write for a C-ordered float32 matrix or vector. */
static int parse_header(const char *h, size_t n, int64_t *rows, int64_t *cols) {
    char text[512];
    long long r, c = 1;
    int end = 0;
    if (n >= sizeof text) return -1;
    memcpy(text, h, n);
    text[n] = 0;
    if (sscanf(text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }%n", &r, &c,
               &end) != 2 ||
        !end) {
        c = 1;
        end = 0;
        if (sscanf(text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld,), }%n", &r,
                   &end) != 1 ||
            !end)
            return -1;
    }
    if (r < 0 || c < 0 || (c && r > INT64_MAX / 4 / c)) return -1;
    *rows = r;
    *cols = c;
    return 0;
}

int bert_load_npy(const char *path, float **data, int64_t *rows, int64_t *cols, bert_error *e) {
    bert_mapping m;
    *data = NULL;
    int rc = bert_map_file(path, &m, e);
    if (rc) return rc;
    size_t n = m.size > PREFIX ? m.data[8] | (size_t)m.data[9] << 8 : 0;
    if (m.size < PREFIX || memcmp(m.data, magic, sizeof magic) || n > m.size - PREFIX ||
        parse_header((const char *)m.data + PREFIX, n, rows, cols))
        rc = bert_fail(e, BERT_EFORMAT, "%s: not a .npy file of float32 in C order", path);
    else {
        size_t bytes = (size_t)*rows * (size_t)*cols * sizeof **data;
        if (bytes != m.size - PREFIX - n)
            rc = bert_fail(e, BERT_EFORMAT, "%s: holds %zu bytes of data; its shape takes %zu",
                           path, m.size - PREFIX - n, bytes);
        else if (!(*data = malloc(bytes ? bytes : 1)))
            rc = bert_fail_memory(e, bytes);
        else
            memcpy(*data, m.data + PREFIX + n, bytes);
    }
    bert_unmap_file(&m);
    return rc;
}
