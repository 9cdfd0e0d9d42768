#include "npy.h"
#include "file.h"
#include <stdlib.h>
#include <string.h>

struct npy {
    new_file file;
    const char *type; /* whose last character is the bytes of an element */
    int32_t columns;
    int64_t rows;
};

/* Version 1.0: magic, header length, a Python literal padded with spaces; 128 bytes in all, so that
 * it can be written again when the number of rows is known. */
static int put_header(npy *n, bert_error *e) {
    enum { SIZE = 128, START = 10 };
    char h[SIZE + 1];
    memset(h, ' ', SIZE);
    memcpy(h, "\x93NUMPY\x01\x00", 8);
    h[8] = SIZE - START;
    h[9] = 0;
    int used = snprintf(h + START, SIZE - START,
                        "{'descr': '%s', 'fortran_order': False, 'shape': (%lld, %d), }", n->type,
                        (long long)n->rows, n->columns);
    h[START + used] = ' ';
    h[SIZE - 1] = '\n';
    return new_file_put(&n->file, h, SIZE, e);
}

npy *npy_create(const char *path, const char *type, int32_t columns, bert_error *e) {
    npy *n = calloc(1, sizeof *n);
    if (!n) {
        fail_memory(e);
        return NULL;
    }
    n->type = type;
    n->columns = columns;
    if (!new_file_open(&n->file, path, e) && !put_header(n, e)) return n;
    npy_abort(n);
    return NULL;
}

int npy_rows(npy *n, const void *rows, int32_t count, bert_error *e) {
    const size_t element = (size_t)(n->type[2] - '0');
    n->rows += count;
    return new_file_put(&n->file, rows, (size_t)count * (size_t)n->columns * element, e);
}

int npy_commit(npy *n, bert_error *e) {
    int rc = new_file_rewind(&n->file, e);
    if (!rc) rc = put_header(n, e);
    if (!rc) rc = new_file_commit(&n->file, e);
    npy_abort(n);
    return rc;
}

void npy_abort(npy *n) {
    if (!n) return;
    new_file_abort(&n->file);
    free(n);
}
