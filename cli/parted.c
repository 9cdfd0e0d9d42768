#include "parted.h"
#include "file.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STREAMS = 10 };

typedef struct {
    stream_kind kind;
    size_t unit;
    int of;
    bool waits; /* in a file of its own, or it goes to its place */
    FILE *f;
    off_t mark;        /* where the part begins in it */
    int64_t part_rows; /* that have been put */
    int64_t *own;      /* [parts] bytes of each that this process has done */
} stream;

struct parted {
    division *d;
    new_file file;
    size_t header;
    stream list[MOST_STREAMS];
    int n;
    int part;         /* that is being done, 0 before any has begun; -1: none is left */
    int streams;      /* of all processes, and of each stream: */
    int64_t *of_part; /* [streams, parts] its bytes in each */
};

static int failed(bert_error *e) {
    return fail(e, BERT_EIO, "cannot use a temporary file: %s", strerror(errno));
}

static int too_many(bert_error *e) {
    return fail(e, BERT_EUNSUPPORTED, "more than 2^31 tokens do not go into one file");
}

static bool first_process(const parted *p) {
    return !division_group(p->d)->rank;
}

static void release(parted *p) {
    division_watch(p->d, (division_watcher){0});
    for (int i = 0; i < p->n; i++) {
        if (p->list[i].waits && p->list[i].f) fclose(p->list[i].f);
        free(p->list[i].own);
    }
    free(p->of_part);
    free(p);
}

void parted_abort(parted *p) {
    if (!p) return;
    new_file_abort(&p->file);
    release(p);
}

/* ---- Parts */

/* The part that was being done has ended. */
static int end_part(parted *p, bert_error *e) {
    for (int i = 0; i < p->n && p->part >= 0; i++) {
        stream *s = &p->list[i];
        const off_t at = ftello(s->f);
        if (!s->own) s->own = calloc((size_t)division_parts(p->d), sizeof *s->own);
        if (!s->own) return fail_memory(e);
        if (at < 0) return failed(e);
        s->own[p->part] = at - s->mark;
        s->mark = at;
        s->part_rows = 0;
    }
    return 0;
}

/* Where a stream goes on that is written in its place. */
static int place(parted *p, stream *s, bert_error *e) {
    const int64_t row = division_part(p->d, p->part)->row;
    s->mark = (off_t)((int64_t)p->header + row * (int64_t)s->unit);
    return fseeko(s->f, s->mark, SEEK_SET) ? failed(e) : 0;
}

static int turn(void *context, int part, bert_error *e) {
    parted *p = context;
    int rc = end_part(p, e);
    p->part = part;
    for (int i = 0; i < p->n && !rc && part >= 0; i++)
        if (!p->list[i].waits) rc = place(p, &p->list[i], e);
    return rc;
}

/* ---- Streams */

parted *parted_create(division *d, const char *path, size_t header, bert_error *e) {
    char temporary[PATH_MAX] = "";
    parted *p = calloc(1, sizeof *p);
    int rc = p ? 0 : fail_memory(e);
    if (p) *p = (parted){.d = d, .header = header};
    if (!rc && first_process(p)) {
        rc = new_file_open(&p->file, path, e);
        if (!rc) snprintf(temporary, sizeof temporary, "%s", p->file.temporary);
    }
    rc = division_agree(d, rc, e);
    if (!rc) rc = bert_group_broadcast(division_group(d), temporary, sizeof temporary, 0, e);
    if (!rc && !first_process(p)) rc = new_file_join(&p->file, temporary, e);
    rc = division_agree(d, rc, e);
    if (!rc) {
        division_watch(d, (division_watcher){turn, p});
        return p;
    }
    if (p) parted_abort(p);
    return NULL;
}

int parted_add(parted *p, stream_kind kind, size_t unit, int of, bert_error *e) {
    if (p->n == MOST_STREAMS) return fail(e, BERT_EINVAL, "more than %d streams", MOST_STREAMS);
    stream *s = &p->list[p->n];
    const bool placed =
        !p->n && p->header != HEADER_UNKNOWN && (division_alone(p->d) || kind == STREAM_TEXTS);
    *s = (stream){.kind = kind, .unit = unit, .of = of, .waits = !placed};
    s->f = placed ? p->file.f : unnamed_file();
    if (!s->f) return failed(e);
    p->n++;
    int rc = placed && p->part >= 0 ? place(p, s, e) : 0;
    return rc ? rc : p->n - 1;
}

int parted_put(parted *p, int number, const void *rows, size_t count, bert_error *e) {
    stream *s = &p->list[number];
    if (count && fwrite(rows, s->unit, count, s->f) != count)
        return s->waits ? failed(e) : new_file_failed(&p->file, e);
    s->part_rows += (int64_t)count;
    return 0;
}

int parted_count(parted *p, int number, bert_error *e) {
    const int64_t rows = p->list[p->list[number].of].part_rows;
    const int32_t narrow = (int32_t)rows;
    if (p->list[number].unit == sizeof rows) return parted_put(p, number, &rows, 1, e);
    return rows > INT32_MAX ? too_many(e) : parted_put(p, number, &narrow, 1, e);
}

FILE *parted_stream(parted *p, int number) {
    return p->list[number].f;
}

/* ---- Together */

static int64_t bytes_of(const parted *p, int number, int parts) {
    int64_t sum = 0;
    for (int i = 0; i < parts; i++) sum += p->of_part[(int64_t)number * division_parts(p->d) + i];
    return sum;
}

static int64_t bytes_of_all(const parted *p, int number) {
    const stream *s = &p->list[number];
    return bytes_of(p, number, division_parts(p->d)) +
           (s->kind == STREAM_COUNTS ? (int64_t)s->unit : 0);
}

int64_t parted_rows(const parted *p, int number) {
    return bytes_of_all(p, number) / (int64_t)p->list[number].unit;
}

/* Of a process that has done no text, and so knows no streams: kinds and units of who does. */
typedef struct {
    int32_t n;
    stream list[MOST_STREAMS];
} known;

/* Which process has the streams; all of them have got its kinds then. */
static int share_streams(parted *p, known *all, int *who, bert_error *e) {
    const bert_group *g = division_group(p->d);
    all[g->rank].n = p->n;
    memcpy(all[g->rank].list, p->list, sizeof p->list);
    int rc = bert_group_gather_equal(g, all, sizeof *all, e);
    *who = 0;
    for (int r = g->size - 1; r >= 0; r--)
        if (all[r].n) *who = r;
    p->streams = all[*who].n;
    for (int i = p->n; i < p->streams && !rc; i++) {
        const stream *s = &all[*who].list[i];
        p->list[i] = (stream){.kind = s->kind, .unit = s->unit, .of = s->of};
    }
    return rc;
}

/* What all have done of each part. */
static int share_sizes(parted *p, bert_error *e) {
    const bert_group *g = division_group(p->d);
    const size_t parts = (size_t)division_parts(p->d), n = (size_t)p->streams * parts;
    int64_t *all = calloc((size_t)g->size * n + 1, sizeof *all);
    p->of_part = calloc(n + 1, sizeof *p->of_part);
    int rc = division_agree(p->d, all && p->of_part ? 0 : fail_memory(e), e);
    for (int i = 0; i < p->n && !rc; i++)
        if (p->list[i].own)
            memcpy(all + (size_t)g->rank * n + (size_t)i * parts, p->list[i].own,
                   parts * sizeof *all);
    if (!rc) rc = bert_group_gather_equal(g, all, n * sizeof *all, e);
    for (size_t k = 0; k < (size_t)g->size * n && !rc; k++) p->of_part[k % n] += all[k];
    free(all);
    return rc;
}

static int put_header(parted *p, parted_header *header, void *context, int who, bert_error *e) {
    const bert_group *g = division_group(p->d);
    char *text = NULL;
    int64_t bytes = 0;
    size_t n = 0;
    int rc = 0;
    if (header && g->rank == who) {
        rc = header(context, p, &text, &n, e);
        bytes = (int64_t)n;
        if (!rc) rc = new_file_put_at(&p->file, 0, text, n, e);
        free(text);
    }
    rc = division_agree(p->d, rc, e);
    if (!rc) rc = bert_group_broadcast(g, &bytes, sizeof bytes, who, e);
    p->header = (size_t)bytes;
    return rc;
}

/* The numbers of a block, which count from their part's beginning, as they are in the file. */
static void count_from(char *block, size_t n, size_t unit, int64_t base) {
    for (size_t i = 0; i < n; i += unit) {
        int32_t narrow;
        int64_t wide;
        if (unit == sizeof narrow) {
            memcpy(&narrow, block + i, unit);
            narrow += (int32_t)base;
            memcpy(block + i, &narrow, unit);
        } else {
            memcpy(&wide, block + i, unit);
            wide += base;
            memcpy(block + i, &wide, unit);
        }
    }
}

/* The next `bytes` of a stream that waits, to their place. */
static int copy(parted *p, stream *s, int64_t at, int64_t bytes, int64_t base, bert_error *e) {
    enum { BLOCK = 1 << 20 };
    char *block = malloc(BLOCK);
    int rc = block ? 0 : fail_memory(e);
    while (bytes && !rc) {
        const size_t n = bytes < BLOCK ? (size_t)bytes : BLOCK;
        if (fread(block, 1, n, s->f) != n) rc = failed(e);
        if (!rc && s->kind == STREAM_COUNTS) count_from(block, n, s->unit, base);
        if (!rc) rc = new_file_put_at(&p->file, at, block, n, e);
        at += (int64_t)n;
        bytes -= (int64_t)n;
    }
    free(block);
    return rc;
}

/* What this process has of stream i, which begins at byte `at` of the file. */
static int put_stream(parted *p, int i, int64_t at, int who, bert_error *e) {
    stream *s = &p->list[i];
    int rc = 0;
    if (s->kind == STREAM_COUNTS) {
        static const char zero[8];
        if (division_group(p->d)->rank == who) rc = new_file_put_at(&p->file, at, zero, s->unit, e);
        at += (int64_t)s->unit;
    }
    if (i >= p->n || !s->waits) return rc;
    if (!rc && (fflush(s->f) || fseeko(s->f, 0, SEEK_SET))) rc = failed(e);
    /* In the order in which they were done, which is that of the file. */
    for (int k = 0; k < division_parts(p->d) && !rc; k++) {
        const int64_t bytes = s->own ? s->own[k] : 0;
        if (!bytes) continue;
        const int64_t base =
            s->kind == STREAM_COUNTS ? bytes_of(p, s->of, k) / (int64_t)p->list[s->of].unit : 0;
        rc = copy(p, s, at + bytes_of(p, i, k), bytes, base, e);
    }
    return rc;
}

static int check_counts(const parted *p, bert_error *e) {
    for (int i = 0; i < p->streams; i++)
        if (p->list[i].kind == STREAM_COUNTS && p->list[i].unit == sizeof(int32_t) &&
            parted_rows(p, p->list[i].of) > INT32_MAX)
            return too_many(e);
    return 0;
}

static int put_together(parted *p, parted_header *header, void *context, bert_error *e) {
    known *all = calloc((size_t)division_group(p->d)->size, sizeof *all);
    int who = 0, rc = division_agree(p->d, all ? 0 : fail_memory(e), e);
    if (!rc) rc = share_streams(p, all, &who, e);
    free(all);
    if (!rc) rc = share_sizes(p, e);
    if (!rc) rc = put_header(p, header, context, who, e);
    if (!rc) rc = check_counts(p, e);
    int64_t at = (int64_t)p->header;
    for (int i = 0; i < p->streams && !rc; i++) {
        rc = put_stream(p, i, at, who, e);
        at += bytes_of_all(p, i);
    }
    return rc;
}

int parted_commit(parted *p, parted_header *header, void *context, int rc, bert_error *e) {
    if (!rc) rc = turn(p, -1, e);
    rc = division_agree(p->d, rc, e);
    if (!rc) rc = put_together(p, header, context, e);
    if (!rc) rc = new_file_sync(&p->file, e);
    rc = division_agree(p->d, rc, e); /* all of it is there */
    if (!rc && first_process(p)) rc = new_file_commit(&p->file, e);
    rc = division_agree(p->d, rc, e); /* and has its name */
    parted_abort(p);
    return rc;
}
