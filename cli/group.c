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

/* How many processes of the launcher's are on this machine. */
static int processes_here(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS",
                                        "MV2_COMM_WORLD_LOCAL_SIZE", "SLURM_STEP_TASKS_PER_NODE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = getenv(names[i]);
        if (text && atoi(text) > 0) return atoi(text);
    }
    return 1;
}

int group_threads(const common *c, int asked) {
    const int here = processes_here(), cores = own_cores();
    if (asked || c->group->size < 2 || here < 2 || cores < 1) return asked;
    /* cores of its own are all its own; those of the whole machine are everybody's */
    if (cores < (int)sysconf(_SC_NPROCESSORS_ONLN)) return asked;
    return cores > here ? cores / here : 1;
}

/* mpirun binds the processes of small runs to a core each, and few know that it does. */
static void placement_note(const common *c) {
    const int here = processes_here(), cores = own_cores();
    const int all = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 1 || cores * here >= all) return;
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
    shared->threads = group_threads(shared, shared->threads);
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
