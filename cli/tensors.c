#include "tensors.h"
#include "file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8 };

typedef struct {
    const char *name, *dtype;
    int32_t columns;
    size_t row; /* bytes */
    int64_t rows;
    FILE *waiting; /* its rows, until the file is put together */
} tensor;

struct tensors_file {
    new_file file;
    tensor list[MOST];
    int n;
};

static int failed(bert_error *e) {
    return fail(e, BERT_EIO, "cannot use a temporary file: %s", strerror(errno));
}

static void release(tensors_file *t) {
    for (int i = 0; i < t->n; i++) fclose(t->list[i].waiting);
    free(t);
}

tensors_file *tensors_create(const char *path, bert_error *e) {
    tensors_file *t = calloc(1, sizeof *t);
    if (!t) {
        fail_memory(e);
        return NULL;
    }
    if (!new_file_open(&t->file, path, e)) return t;
    free(t);
    return NULL;
}

int tensors_add(tensors_file *t, const char *name, const char *dtype, int32_t columns,
                bert_error *e) {
    if (t->n == MOST) return fail(e, BERT_EINVAL, "more than %d tensors", MOST);
    const size_t size = strcmp(dtype, "I64") ? 4 : 8;
    t->list[t->n] = (tensor){.name = name,
                             .dtype = dtype,
                             .columns = columns,
                             .row = size * (size_t)(columns ? columns : 1),
                             .waiting = tmpfile()};
    return t->list[t->n].waiting ? t->n++ : failed(e);
}

int tensors_put(tensors_file *t, int number, const void *rows, size_t count, bert_error *e) {
    tensor *x = &t->list[number];
    if (count && fwrite(rows, x->row, count, x->waiting) != count) return failed(e);
    x->rows += (int64_t)count;
    return 0;
}

int64_t tensors_rows(const tensors_file *t, int number) {
    return t->list[number].rows;
}

static char *header(const tensors_file *t, bert_error *e) {
    json_t *h = json_object();
    int64_t at = 0;
    for (int i = 0; i < t->n; i++) {
        const tensor *x = &t->list[i];
        const json_int_t from = at, rows = x->rows;
        at += x->rows * (int64_t)x->row;
        json_t *shape =
            x->columns ? json_pack("[I,i]", rows, (int)x->columns) : json_pack("[I]", rows);
        json_object_set_new(h, x->name,
                            json_pack("{s:s, s:o, s:[I,I]}", "dtype", x->dtype, "shape", shape,
                                      "data_offsets", from, (json_int_t)at));
    }
    char *text = json_dumps(h, JSON_COMPACT);
    json_decref(h);
    if (!text) fail_memory(e);
    return text;
}

static int put_header(tensors_file *t, bert_error *e) {
    static const char blanks[9] = "        ";
    unsigned char length[8];
    char *text = header(t, e);
    if (!text) return BERT_ENOMEM;
    const size_t n = strlen(text), all = (n + 7) / 8 * 8;
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(all >> (8 * i));
    int rc = new_file_put(&t->file, length, sizeof length, e);
    if (!rc) rc = new_file_put(&t->file, text, n, e);
    if (!rc) rc = new_file_put(&t->file, blanks, all - n, e);
    free(text);
    return rc;
}

static int put_rows(tensors_file *t, FILE *from, bert_error *e) {
    char block[1 << 14];
    size_t n;
    if (fflush(from) || fseek(from, 0, SEEK_SET)) return failed(e);
    while ((n = fread(block, 1, sizeof block, from)) > 0) {
        int rc = new_file_put(&t->file, block, n, e);
        if (rc) return rc;
    }
    return ferror(from) ? failed(e) : 0;
}

int tensors_commit(tensors_file *t, bert_error *e) {
    int rc = put_header(t, e);
    for (int i = 0; i < t->n && !rc; i++) rc = put_rows(t, t->list[i].waiting, e);
    if (rc)
        new_file_abort(&t->file);
    else
        rc = new_file_commit(&t->file, e);
    release(t);
    return rc;
}

void tensors_abort(tensors_file *t) {
    if (!t) return;
    new_file_abort(&t->file);
    release(t);
}
