#include "division.h"
#include "file.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 8 << 20, LEAST_BYTES = 1 << 13, PARTS_EACH = 64 };

struct division {
    const bert_group *group;
    const bert_row_part *list; /* NULL: alone, or nothing has been opened yet */
    int count;
    const char *whole;     /* why there is but one */
    bert_row_parts *found; /* whose they are, of a file that is cut; */
    bert_row_part *made;   /* else */
    int64_t dealt;         /* number of the part that is being done */
    bool over;             /* somebody has failed, and all know it */
    division_watcher watcher;
};

division *division_new(const bert_group *g, bert_error *e) {
    division *d = calloc(1, sizeof *d);
    if (d)
        *d = (division){.group = g, .dealt = -1};
    else
        fail_memory(e);
    return d;
}

void division_free(division *d) {
    if (d) bert_row_parts_free(d->found);
    if (d) free(d->made);
    free(d);
}

bool division_alone(const division *d) {
    return d->group->size < 2;
}

const bert_group *division_group(const division *d) {
    return d->group;
}

void division_watch(division *d, division_watcher w) {
    d->watcher = w;
}

/* ---- Parts */

/* Some for each process, so that all end at about the same time; of a large file not more than are
 * worth it. BERT_PART_BYTES is of tests, which have small files. */
static int64_t part_bytes(const division *d, const char *path) {
    const char *given = getenv("BERT_PART_BYTES");
    if (given && atoll(given) > 0) return atoll(given);
    const int64_t each = file_bytes(path) / (PARTS_EACH * (int64_t)d->group->size);
    return each > MOST_BYTES ? MOST_BYTES : each < LEAST_BYTES ? LEAST_BYTES : each;
}

int division_open(division *d, const common *c, const char *path, const bert_reader *r,
                  bert_error *e) {
    if (division_alone(d)) return 0;
    int rc = division_agree(d, 0, e);
    if (rc) return rc;
    d->found = bert_row_parts_new(r, d->group, part_bytes(d, path), e);
    if (!d->found) {
        d->over = true; /* all have the same error */
        return e->code;
    }
    d->list = bert_row_parts_at(d->found, 0);
    d->count = bert_row_parts_count(d->found);
    d->whole = bert_row_parts_whole(d->found);
    if (d->whole)
        note(c, "%s: one of the %d processes does it all: %s", path, d->group->size, d->whole);
    return 0;
}

int division_open_rows(division *d, int64_t rows, int64_t each, bert_error *e) {
    if (division_alone(d)) return 0;
    const int n = rows > each ? (int)((rows + each - 1) / each) : 1;
    int64_t *all = calloc((size_t)d->group->size, sizeof *all);
    d->made = calloc((size_t)n, sizeof *d->made);
    int rc = division_agree(d, all && d->made ? 0 : fail_memory(e), e);
    for (int i = 0; i < n && !rc; i++) {
        const int64_t row = i * each;
        d->made[i] = (bert_row_part){.row = row, .rows = rows - row < each ? rows - row : each};
    }
    if (!rc) {
        all[d->group->rank] = rows;
        rc = bert_group_gather_equal(d->group, all, sizeof *all, e);
    }
    for (int r = 1; r < d->group->size && !rc; r++)
        if (all[r] != all[0])
            rc = fail(e, BERT_EINVAL,
                      "there are %lld rows for rank 0 and %lld for rank %d: all hosts have to see "
                      "the same ones",
                      (long long)all[0], (long long)all[r], r);
    free(all);
    d->list = d->made;
    d->count = n;
    return rc;
}

int division_next(division *d, bert_reader *r, bert_error *e) {
    if (division_alone(d)) return ++d->dealt == 0;
    int rc = bert_group_next(d->group, 0, &d->dealt, e);
    if (rc) return rc;
    const bert_row_part *part = division_part(d, (int)d->dealt);
    if (!part) return 0;
    rc = d->whole || !r ? 0 : bert_reader_take(r, part, e);
    if (!rc && d->watcher.turn) rc = d->watcher.turn(d->watcher.context, (int)d->dealt, e);
    return rc ? rc : 1;
}

int division_parts(const division *d) {
    return d->list ? d->count : 1;
}

const bert_row_part *division_part(const division *d, int i) {
    static const bert_row_part whole;
    if (!d->list) return &whole;
    return i >= 0 && i < d->count ? &d->list[i] : NULL;
}

const bert_row_part *division_now(const division *d) {
    return division_part(d, (int)d->dealt);
}

int64_t division_row(const division *d) {
    const bert_row_part *part = division_now(d);
    return part ? part->row : 0;
}

int64_t division_rows(const division *d) {
    if (!d->list || d->whole) return -1;
    const bert_row_part *last = &d->list[d->count - 1];
    return last->row + last->rows;
}

/* ---- Agreement */

/* How a process ends. */
typedef struct {
    int code;
    int64_t part; /* in which; -1: in none */
} ending;

/* What is left goes to nobody. */
static void take_the_rest(division *d) {
    bert_error ignored = {0};
    int64_t i = -1;
    while (d->list && i < d->count && !bert_group_next(d->group, 0, &i, &ignored)) continue;
}

/* The first to fail, or -1; it is said by its message alone where it is the file that is wrong. */
static int first_of(const ending *all, int n) {
    int first = -1;
    for (int i = 0; i < n; i++)
        if (all[i].code && (first < 0 || all[i].part < all[first].part)) first = i;
    return first;
}

static int take_error(division *d, const ending *all, int first, bert_error *e) {
    bert_error said = *e;
    int rc = bert_group_broadcast(d->group, &said, sizeof said, first, e);
    if (rc) return rc;
    const bool of_host = said.code == BERT_EIO || said.code == BERT_ENOMEM;
    *e = (bert_error){.code = said.code};
    if (of_host)
        snprintf(e->message, sizeof e->message, "rank %d of %d: %.*s", first, d->group->size,
                 (int)sizeof said.message - 40, said.message);
    else
        memcpy(e->message, said.message, sizeof e->message);
    return all[first].code;
}

int division_agree(division *d, int rc, bert_error *e) {
    if (division_alone(d) || d->over) return rc;
    if (rc) take_the_rest(d);
    ending *all = calloc((size_t)d->group->size, sizeof *all);
    if (!all) {
        fail_memory(e);
        bert_group_abort(d->group, EXIT_FAILED, e->message);
    }
    const bool inside = d->list && division_now(d);
    all[d->group->rank] = (ending){rc, inside ? d->dealt : -1};
    bert_error own = {0};
    int moved = bert_group_gather_equal(d->group, all, sizeof *all, &own);
    const int first = moved ? -1 : first_of(all, d->group->size);
    if (moved) {
        rc = fail(e, moved, "%s", own.message);
    } else if (first >= 0) {
        d->over = true;
        rc = all[first].part < 0 ? bert_group_agree(d->group, rc, e) : take_error(d, all, first, e);
    }
    free(all);
    return rc;
}

int division_sum(division *d, int64_t *x, bert_error *e) {
    if (division_alone(d)) return 0;
    int64_t *all = calloc((size_t)d->group->size, sizeof *all);
    int rc = division_agree(d, all ? 0 : fail_memory(e), e);
    if (!rc) {
        all[d->group->rank] = *x;
        rc = bert_group_gather_equal(d->group, all, sizeof *all, e);
        *x = 0;
        for (int i = 0; i < d->group->size; i++) *x += all[i];
    }
    free(all);
    return rc;
}
