#include "tensors.h"
#include <stdlib.h>
#include <string.h>

enum { MOST = 8 };

typedef struct {
    const char *name, *dtype;
    int32_t columns;
    size_t row; /* bytes */
} tensor;

struct tensors_file {
    parted *file;
    size_t header; /* 0: as many as it needs */
    tensor list[MOST];
    int n;
    int64_t *rows;
};

tensors_file *tensors_create(division *d, const char *path, size_t header, bert_error *e) {
    tensors_file *t = calloc(1, sizeof *t);
    if (!t) {
        fail_memory(e);
        return NULL;
    }
    t->header = header;
    t->file = parted_create(d, path, header ? header : HEADER_UNKNOWN, e);
    if (t->file) return t;
    free(t);
    return NULL;
}

static int add(tensors_file *t, const char *name, const char *dtype, int32_t columns,
               stream_kind kind, int of, bert_error *e) {
    if (t->n == MOST) return fail(e, BERT_EINVAL, "more than %d tensors", MOST);
    const size_t size = strcmp(dtype, "I64") ? 4 : 8;
    t->list[t->n] = (tensor){.name = name,
                             .dtype = dtype,
                             .columns = columns,
                             .row = size * (size_t)(columns ? columns : 1)};
    const int number = parted_add(t->file, kind, t->list[t->n].row, of, e);
    t->n += number >= 0;
    return number;
}

int tensors_add(tensors_file *t, const char *name, const char *dtype, int32_t columns,
                bert_error *e) {
    return add(t, name, dtype, columns, STREAM_ROWS, 0, e);
}

int tensors_add_start(tensors_file *t, const char *name, const char *dtype, int of, bert_error *e) {
    return add(t, name, dtype, 0, STREAM_COUNTS, of, e);
}

int tensors_put(tensors_file *t, int number, const void *rows, size_t count, bert_error *e) {
    return parted_put(t->file, number, rows, count, e);
}

int tensors_end_text(tensors_file *t, int start, bert_error *e) {
    return parted_count(t->file, start, e);
}

static json_t *describe(const tensors_file *t, const parted *p) {
    json_t *h = json_object();
    int64_t at = 0;
    for (int i = 0; i < t->n; i++) {
        const tensor *x = &t->list[i];
        const json_int_t from = at, rows = parted_rows(p, i);
        if (t->rows) t->rows[i] = rows;
        at += rows * (int64_t)x->row;
        json_t *shape =
            x->columns ? json_pack("[I,i]", rows, (int)x->columns) : json_pack("[I]", rows);
        json_object_set_new(h, x->name,
                            json_pack("{s:s, s:o, s:[I,I]}", "dtype", x->dtype, "shape", shape,
                                      "data_offsets", from, (json_int_t)at));
    }
    return h;
}

static int header(void *context, const parted *p, char **out, size_t *bytes, bert_error *e) {
    const tensors_file *t = context;
    enum { LENGTH = 8 };
    json_t *h = describe(t, p);
    char *text = json_dumps(h, JSON_COMPACT);
    json_decref(h);
    const size_t n = text ? strlen(text) : 0;
    const size_t all = t->header ? t->header : LENGTH + (n + 7) / 8 * 8;
    char *room = text && n + LENGTH <= all ? malloc(all) : NULL;
    if (room) {
        memset(room, ' ', all);
        for (int i = 0; i < LENGTH; i++) room[i] = (char)((all - LENGTH) >> (8 * i) & 255);
        memcpy(room + LENGTH, text, n);
    }
    free(text);
    *out = room;
    *bytes = all;
    return room ? 0 : fail_memory(e);
}

int tensors_commit(tensors_file *t, int rc, int64_t *rows, bert_error *e) {
    t->rows = rows;
    rc = parted_commit(t->file, header, t, rc, e);
    free(t);
    return rc;
}

void tensors_abort(tensors_file *t) {
    if (!t) return;
    parted_abort(t->file);
    free(t);
}
