/* The rows of a file as text, read in one pass and in parts. */
#ifndef BERT_TEST_PARTS_WORLD_H
#define BERT_TEST_PARTS_WORLD_H
#include "base/error.h"
#include "files/parts.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    char *data;
    size_t n;
    FILE *f;
} all_rows;

static inline void all_rows_begin(all_rows *a) {
    a->f = open_memstream(&a->data, &a->n);
}

static inline void put_rows(all_rows *a, bert_reader *r, bert_error *e) {
    bert_row row;
    while (bert_reader_next(r, &row, e) > 0) {
        fprintf(a->f, "%lld", (long long)row.line);
        for (int i = 0; i < row.fields; i++) fprintf(a->f, "|%s", row.field[i]);
        fwrite(row.text.text, 1, row.text.bytes, a->f);
        fputc('\n', a->f);
    }
}

/* Ended by the error, where there is one. */
static inline char *all_rows_end(all_rows *a, const bert_error *e) {
    if (e->code) fprintf(a->f, "! %s\n", e->message);
    fclose(a->f);
    return a->data;
}

static inline char *rows_in_one_pass(const char *path, const bert_reader_options *o) {
    all_rows a;
    bert_error e = {0};
    all_rows_begin(&a);
    bert_reader *r = bert_reader_open(path, o, &e);
    if (r) put_rows(&a, r, &e);
    bert_reader_close(r);
    return all_rows_end(&a, &e);
}

/* By pieces of so many bytes; *parts: how many there were, 0 where the file cannot be cut. */
static inline char *rows_in_parts(const char *path, const bert_reader_options *o, int64_t bytes,
                                  int *parts) {
    all_rows a;
    bert_error e = {0};
    all_rows_begin(&a);
    bert_reader *r = bert_reader_open(path, o, &e);
    *parts = 0;
    if (r && bert_reader_whole(r)) {
        put_rows(&a, r, &e);
    } else if (r) {
        const int n = (int)(bert_reader_bytes(r) / bytes) + 1;
        bert_piece *pieces = calloc((size_t)n, sizeof *pieces);
        bert_row_part *list = calloc((size_t)n, sizeof *list);
        char *text = malloc((size_t)bytes);
        for (int i = n - 1; i >= 0; i--) bert_reader_scan(r, i, bytes, text, &pieces[i], &e);
        *parts = bert_reader_join(r, pieces, n, list);
        for (int i = 0; i < *parts && !e.code; i++)
            if (!bert_reader_take(r, &list[i], &e)) put_rows(&a, r, &e);
        free(pieces);
        free(list);
        free(text);
    }
    bert_reader_close(r);
    return all_rows_end(&a, &e);
}
#endif
