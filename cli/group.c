#include "group.h"
#include "division.h"
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* How many cores this process may run on. */
static int own_cores(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? 0 : CPU_COUNT(&set);
}

/* mpirun binds the processes of small runs to a core each, and few know that it does. */
static void placement_note(const common *c) {
    const char *local = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    const int here = local ? atoi(local) : 1, cores = own_cores();
    const int all = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 1 || here < 1 || cores * here >= all) return;
    note(c,
         "%-10s %d process%s on this machine, bound to %d of its %d cores each: mpirun --bind-to "
         "none lets them use all",
         "placement", here, here > 1 ? "es" : "", cores, all);
}

static double joined_at; /* seconds */

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int group_join(const command *c, common *shared, bert_error *e) {
    const bert_group *g = &bert_group_alone;
    if (c->groups & TAKES_GROUP) g = bert_group_open(shared->distributed, e);
    shared->group = g ? g : &bert_group_alone;
    if (!g) return e->code;
    shared->quiet |= g->rank > 0;
    joined_at = seconds_now();
    if (g->size > 1) placement_note(shared);
    shared->work = division_new(g, e);
    return shared->work ? BERT_OK : BERT_ENOMEM;
}

int group_profile(const common *c, bert_error *e) {
    enum { NUMBERS = 3 };
    const bert_group *g = c->group;
    double *all = calloc((size_t)g->size * NUMBERS, sizeof *all);
    if (!all) return fail_memory(e);
    double *own = all + g->rank * NUMBERS;
    own[0] = seconds_now() - joined_at;
    bert_group_times(g, &own[1], &own[2]);
    int rc = bert_group_gather_equal(g, all, NUMBERS * sizeof *all, e);
    for (int r = 0; r < g->size && !rc && !g->rank; r++)
        fprintf(stderr, "rank %-5d %9.2f s computing %9.2f s waiting %9.2f s on the wire\n", r,
                all[r * NUMBERS] - all[r * NUMBERS + 1], all[r * NUMBERS + 1],
                all[r * NUMBERS + 2]);
    free(all);
    return rc;
}
