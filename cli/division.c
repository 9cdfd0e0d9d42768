#include "division.h"
#include "file.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 8 << 20, LEAST_BYTES = 1 << 16, PARTS_EACH = 16 };

struct division {
    const bert_group *group;
    bert_row_parts *parts; /* NULL: alone, or nothing has been opened yet */
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
    if (d) bert_row_parts_free(d->parts);
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
    d->parts = bert_row_parts_new(r, d->group, part_bytes(d, path), e);
    if (!d->parts) {
        d->over = true; /* all have the same error */
        return e->code;
    }
    const char *whole = bert_row_parts_whole(d->parts);
    if (whole) note(c, "%s: one of the %d processes does it all: %s", path, d->group->size, whole);
    return 0;
}

int division_next(division *d, bert_reader *r, bert_error *e) {
    if (division_alone(d)) return ++d->dealt == 0;
    int rc = bert_group_next(d->group, 0, &d->dealt, e);
    if (rc) return rc;
    const bert_row_part *part = bert_row_parts_at(d->parts, (int)d->dealt);
    if (!part) return 0;
    rc = bert_row_parts_whole(d->parts) ? 0 : bert_reader_take(r, part, e);
    if (!rc && d->watcher.turn) rc = d->watcher.turn(d->watcher.context, (int)d->dealt, e);
    return rc ? rc : 1;
}

int division_parts(const division *d) {
    return d->parts ? bert_row_parts_count(d->parts) : 1;
}

const bert_row_part *division_part(const division *d, int i) {
    static const bert_row_part whole;
    return d->parts ? bert_row_parts_at(d->parts, i) : &whole;
}

int64_t division_row(const division *d) {
    const bert_row_part *part = division_part(d, (int)d->dealt);
    return part ? part->row : 0;
}

int64_t division_rows(const division *d) {
    return d->parts && !bert_row_parts_whole(d->parts) ? bert_row_parts_rows(d->parts) : -1;
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
    while (d->parts && i < bert_row_parts_count(d->parts) &&
           !bert_group_next(d->group, 0, &i, &ignored))
        continue;
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
    const bool inside = d->parts && bert_row_parts_at(d->parts, (int)d->dealt);
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
