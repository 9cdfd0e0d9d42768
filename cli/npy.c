#include "npy.h"
#include <stdlib.h>
#include <string.h>

/* Version 1.0: magic, header length, a Python literal padded with spaces. */
enum { HEADER = 128, START = 10 };

struct npy {
    parted *file;
    const char *type; /* whose last character is the bytes of an element */
    int32_t columns;
    int rows;     /* the stream */
    int64_t done; /* of all processes */
};

npy *npy_create(division *d, const char *path, const char *type, int32_t columns, stream_kind kind,
                bert_error *e) {
    npy *n = calloc(1, sizeof *n);
    if (!n) {
        fail_memory(e);
        return NULL;
    }
    *n = (npy){.type = type, .columns = columns, .file = parted_create(d, path, HEADER, e)};
    const size_t row = (size_t)(type[2] - '0') * (size_t)columns;
    if (n->file && (n->rows = parted_add(n->file, kind, row, 0, e)) >= 0) return n;
    npy_abort(n);
    return NULL;
}

int npy_rows(npy *n, const void *rows, int32_t count, bert_error *e) {
    return parted_put(n->file, n->rows, rows, (size_t)count, e);
}

static int header(void *context, const parted *p, char **out, size_t *bytes, bert_error *e) {
    npy *n = context;
    char *h = malloc(HEADER + 1);
    if (!h) return fail_memory(e);
    memset(h, ' ', HEADER);
    memcpy(h, "\x93NUMPY\x01\x00", 8);
    h[8] = HEADER - START;
    h[9] = 0;
    n->done = parted_rows(p, n->rows);
    const int used = snprintf(h + START, HEADER - START,
                              "{'descr': '%s', 'fortran_order': False, 'shape': (%lld, %d), }",
                              n->type, (long long)n->done, n->columns);
    h[START + used] = ' ';
    h[HEADER - 1] = '\n';
    *out = h;
    *bytes = HEADER;
    return 0;
}

int npy_commit(npy *n, int rc, int64_t *rows, bert_error *e) {
    parted *file = n->file;
    n->file = NULL;
    rc = parted_commit(file, header, n, rc, e);
    *rows = n->done;
    npy_abort(n);
    return rc;
}

void npy_abort(npy *n) {
    if (!n) return;
    parted_abort(n->file);
    free(n);
}
