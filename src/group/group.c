/* A group's table as its callers see it: checked, and nothing to be done where a process is alone. */
#include "base/error.h"
#include <bert_group.h>
#include <stdlib.h>
#include <string.h>

const bert_group bert_group_alone = {.size = 1, .name = "alone", .host_size = 1};

static bool is_alone(const bert_group *g) {
    return !g || g->size < 2;
}

int bert_group_broadcast(const bert_group *g, void *data, size_t bytes, int root, bert_error *e) {
    BERT_DOOR(e);
    if (is_alone(g) || !bytes) return BERT_OK;
    if (root < 0 || root >= g->size)
        return bert_fail(e, BERT_EINVAL, "broadcast of rank %d: there are 0 to %d", root,
                         g->size - 1);
    return g->broadcast(g, data, bytes, root, e);
}

int bert_group_gather(const bert_group *g, void *data, const size_t *first, bert_error *e) {
    BERT_DOOR(e);
    return is_alone(g) ? BERT_OK : g->gather(g, data, first, e);
}

int bert_group_gather_equal(const bert_group *g, void *data, size_t bytes, bert_error *e) {
    BERT_DOOR(e);
    if (is_alone(g) || !bytes) return BERT_OK;
    size_t *first = malloc(((size_t)g->size + 1) * sizeof *first);
    if (!first) return bert_fail_memory(e, ((size_t)g->size + 1) * sizeof *first);
    for (int r = 0; r <= g->size; r++) first[r] = (size_t)r * bytes;
    int rc = g->gather(g, data, first, e);
    free(first);
    return rc;
}

int bert_group_barrier(const bert_group *g, bert_error *e) {
    BERT_DOOR(e);
    return is_alone(g) ? BERT_OK : g->barrier(g, e);
}

int bert_group_next(const bert_group *g, int counter, int64_t *number, bert_error *e) {
    BERT_DOOR(e);
    if (counter < 0 || counter >= BERT_GROUP_COUNTERS)
        return bert_fail(e, BERT_EINVAL, "counter %d of a group: there are 0 to %d", counter,
                         BERT_GROUP_COUNTERS - 1);
    if (!is_alone(g)) return g->next(g, counter, number, e);
    ++*number;
    return BERT_OK;
}

static int check_stretches(const bert_group *g, const bert_stretch *stretches, int count,
                           bert_error *e) {
    for (int i = 0; i < count; i++) {
        if (stretches[i].owner < 0 || stretches[i].owner >= g->size)
            return bert_fail(e, BERT_EINVAL, "stretch %d is rank %d's: there are 0 to %d", i,
                             stretches[i].owner, g->size - 1);
        if (stretches[i].only < 0 || stretches[i].only > g->size)
            return bert_fail(e, BERT_EINVAL, "stretch %d is of rank %d alone: there are 0 to %d", i,
                             stretches[i].only - 1, g->size - 1);
    }
    return BERT_OK;
}

int bert_group_reduce(const bert_group *g, const bert_stretch *stretches, int count, int senders,
                      bert_stretch_fn *add, void *context, bert_error *e) {
    BERT_DOOR(e);
    if (!g) g = &bert_group_alone;
    int rc = check_stretches(g, stretches, count, e);
    if (rc || senders < 1) return rc;
    if (!is_alone(g)) return g->reduce(g, stretches, count, senders, add, context, e);
    for (int i = 0; i < count; i++) /* rank 0's alone, where it is anybody's */
        add(context, i, 0, 0, stretches[i].data, stretches[i].n);
    return BERT_OK;
}

int bert_group_share(const bert_group *g, const bert_stretch *stretches, int count, int to,
                     bert_error *e) {
    BERT_DOOR(e);
    if (is_alone(g)) return BERT_OK;
    int rc = check_stretches(g, stretches, count, e);
    return rc ? rc : g->share(g, stretches, count, to, e);
}

int bert_group_wait(const bert_group *g, bert_error *e) {
    BERT_DOOR(e);
    return is_alone(g) ? BERT_OK : g->wait(g, e);
}

void bert_group_times(const bert_group *g, double *waiting, double *moving) {
    *waiting = *moving = 0;
    if (!is_alone(g)) g->times(g, waiting, moving);
}

void bert_group_abort(const bert_group *g, int status, const char *message) {
    if (!is_alone(g)) g->abort(g, status, message);
    exit(status);
}

/* ---- Agreement */

/* What a process says: whether it failed, and with what. */
typedef struct {
    int code;
    char message[sizeof((bert_error *)0)->message];
} verdict;

static int decide(const bert_group *g, const verdict *all, bert_error *e) {
    int first = 0, failed = 0, same = 0;
    while (!all[first].code) first++;
    for (int r = 0; r < g->size; r++) {
        failed += all[r].code != 0;
        same += all[r].code == all[first].code && !strcmp(all[r].message, all[first].message);
    }
    bert_error_clear(e);
    if (same == g->size) return bert_fail(e, all[first].code, "%s", all[first].message);
    return failed > 1 ? bert_fail(e, all[first].code, "rank %d (and %d more of %d): %s", first,
                                  failed - 1, g->size, all[first].message)
                      : bert_fail(e, all[first].code, "rank %d of %d: %s", first, g->size,
                                  all[first].message);
}

static int agree(const bert_group *g, int rc, bert_error *e) {
    int codes_bytes = g->size * (int)sizeof(int), sum = 0;
    int *codes = calloc((size_t)g->size, sizeof *codes);
    verdict *all = NULL;
    if (!codes) return bert_fail_memory(e, (size_t)codes_bytes);
    codes[g->rank] = rc;
    int own = bert_group_gather_equal(g, codes, sizeof *codes, e);
    for (int r = 0; r < g->size; r++) sum |= codes[r];
    free(codes);
    if (own || !sum) return own;
    all = calloc((size_t)g->size, sizeof *all);
    if (!all) return bert_fail_memory(e, (size_t)g->size * sizeof *all);
    all[g->rank].code = rc;
    if (rc) memcpy(all[g->rank].message, e->message, sizeof e->message);
    bert_error moved = {0};
    own = bert_group_gather_equal(g, all, sizeof *all, &moved);
    rc = own ? bert_fail(e, own, "%s", moved.message) : decide(g, all, e);
    free(all);
    return rc;
}

/* No door: what is agreed on takes the place of what *e holds. */
int bert_group_agree(const bert_group *g, int rc, bert_error *e) {
    bert_error own = {0};
    return is_alone(g) ? rc : agree(g, rc, e ? e : &own);
}
