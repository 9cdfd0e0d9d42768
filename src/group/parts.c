/* The parts of a file, found by all processes of a group together. */
#include "files/parts.h"
#include "base/error.h"
#include <bert_group.h>
#include <stdlib.h>
#include <string.h>

struct bert_row_parts {
    const char *whole;
    int count;
    bert_row_part *list;
};

/* The pieces from .. to of a file, by this process. */
static int scan(const bert_reader *r, int64_t bytes, int from, int to, bert_piece *pieces,
                bert_error *e) {
    char *text = malloc((size_t)bytes);
    int rc = text ? 0 : bert_fail_memory(e, (size_t)bytes);
    for (int i = from; i < to && !rc; i++) rc = bert_reader_scan(r, i, bytes, text, &pieces[i], e);
    free(text);
    return rc;
}

/* Files of other sizes are other files. */
static int check_sizes(const bert_group *g, int64_t *sizes, bert_error *e) {
    int rc = bert_group_gather_equal(g, sizes, sizeof *sizes, e);
    for (int i = 1; i < g->size && !rc; i++)
        if (sizes[i] != sizes[0])
            rc = bert_fail(e, BERT_EINVAL,
                           "the file has %lld bytes of rows for rank 0 and %lld for rank %d: all "
                           "hosts have to see the same one",
                           (long long)sizes[0], (long long)sizes[i], i);
    return rc;
}

/* Everybody a stretch of pieces, which then are everybody's. */
static int share(bert_row_parts *p, const bert_reader *r, const bert_group *g, int64_t bytes, int n,
                 bert_error *e) {
    bert_piece *pieces = calloc((size_t)n, sizeof *pieces);
    size_t *first = calloc((size_t)g->size + 1, sizeof *first);
    p->list = calloc((size_t)n, sizeof *p->list);
    int rc = pieces && first && p->list ? 0 : bert_fail_memory(e, (size_t)n * sizeof *pieces);
    const int from = (int)((int64_t)n * g->rank / g->size);
    if (!rc) rc = scan(r, bytes, from, (int)((int64_t)n * (g->rank + 1) / g->size), pieces, e);
    rc = bert_group_agree(g, rc, e);
    for (int i = 0; i <= g->size && !rc; i++)
        first[i] = (size_t)((int64_t)n * i / g->size) * sizeof *pieces;
    if (!rc) rc = bert_group_gather(g, pieces, first, e);
    if (!rc) p->count = bert_reader_join(r, pieces, n, p->list);
    free(pieces);
    free(first);
    return rc;
}

static int find(bert_row_parts *p, const bert_reader *r, const bert_group *g, int64_t bytes,
                bert_error *e) {
    int64_t *sizes = calloc((size_t)g->size, sizeof *sizes);
    p->whole = bert_reader_whole(r);
    if (sizes) sizes[g->rank] = p->whole ? -1 : bert_reader_bytes(r);
    int rc = sizes ? 0 : bert_fail_memory(e, (size_t)g->size * sizeof *sizes);
    if (!rc && bytes < 1) rc = bert_fail(e, BERT_EINVAL, "parts of %lld bytes", (long long)bytes);
    rc = bert_group_agree(g, rc, e);
    if (!rc) rc = check_sizes(g, sizes, e);
    const int64_t n = rc ? 0 : sizes[0] / bytes + 1;
    free(sizes);
    if (!rc && n > INT32_MAX / 2)
        rc = bert_fail(e, BERT_EINVAL, "%lld parts are too many", (long long)n);
    if (rc) return rc;
    if (!p->whole) return share(p, r, g, bytes, (int)n, e);
    p->count = 1;
    p->list = calloc(1, sizeof *p->list);
    return bert_group_agree(g, p->list ? 0 : bert_fail_memory(e, sizeof *p->list), e);
}

bert_row_parts *bert_row_parts_new(const bert_reader *r, const bert_group *g, int64_t bytes,
                                   bert_error *e) {
    BERT_DOOR(e);
    bert_row_parts *p = calloc(1, sizeof *p);
    if (!g) g = &bert_group_alone;
    int rc = p ? 0 : bert_fail_memory(e, sizeof *p);
    if (!rc && bert_need(r, "reader", e)) rc = BERT_EINVAL;
    rc = bert_group_agree(g, rc, e);
    if (!rc) rc = find(p, r, g, bytes, e);
    if (!rc) return p;
    bert_row_parts_free(p);
    return NULL;
}

void bert_row_parts_free(bert_row_parts *p) {
    if (p) free(p->list);
    free(p);
}

int bert_row_parts_count(const bert_row_parts *p) {
    return p->count;
}

const bert_row_part *bert_row_parts_at(const bert_row_parts *p, int i) {
    return i >= 0 && i < p->count ? &p->list[i] : NULL;
}

int64_t bert_row_parts_rows(const bert_row_parts *p) {
    const bert_row_part *last = &p->list[p->count - 1];
    return last->row + last->rows;
}

const char *bert_row_parts_whole(const bert_row_parts *p) {
    return p->whole;
}
