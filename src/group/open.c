/* Which group a process was started in: what launchers leave in the environment, and the modules. */
#include "base/error.h"
#include "base/module.h"
#include <bert_group.h>
#include <stdlib.h>
#include <string.h>

/* Launchers, by what they set. SLURM_PROCID is not among it: scripts of sbatch have it too. */
typedef struct {
    const char *by;
    const char *needs; /* a variable */
    const char *size, *rank;
    const char *module;
} launcher;
static const launcher launchers[] = {
    {"Open MPI", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "mpi"},
    {"MPICH or Intel MPI", "PMI_SIZE", "PMI_SIZE", "PMI_RANK", "mpich"},
    {"MVAPICH2", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK", "mpich"},
    {"PMIx", "PMIX_RANK", "SLURM_STEP_NUM_TASKS", "PMIX_RANK", "mpi"},
};

static int number(const char *name, int fallback) {
    const char *text = getenv(name);
    return text && *text ? atoi(text) : fallback;
}

static const launcher *find_launcher(void) {
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++)
        if (getenv(launchers[i].needs)) return &launchers[i];
    return NULL;
}

bool bert_group_launched(int *rank, int *size, const char **by) {
    const launcher *l = find_launcher();
    if (rank) *rank = l ? number(l->rank, 0) : 0;
    if (size) *size = l ? number(l->size, 1) : 1;
    if (by) *by = l ? l->by : "";
    return l != NULL;
}

/* The launcher's own module, or the other one, which is tried: the wrong one sees one process. */
static const bert_group_module *find_module(const launcher *l, bert_error *e) {
    const char *first = l ? l->module : "mpi";
    const char *second = !strcmp(first, "mpi") ? "mpich" : "mpi";
    bert_error other = {0};
    const bert_group_module *m = bert_module(first, e);
    if (m || e->code != BERT_ENOTFOUND) return m;
    m = bert_module(second, &other);
    if (m) bert_error_clear(e);
    return m;
}

static int check_size(const bert_group_module *m, const bert_group *g, const launcher *l,
                      bert_error *e) {
    const int size = l ? number(l->size, 1) : 1;
    if (!l || g->size == size) return BERT_OK;
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s started %d processes, but MPI sees %d: the module is of %s. Start it with "
                     "that one's mpirun, build bert where the launcher's MPI is found, or run each "
                     "process alone (--distributed none)",
                     l->by, size, g->size, m->library);
}

const bert_group *bert_group_open(const char *how, bert_error *e) {
    BERT_DOOR(e);
    static bool opened;
    const launcher *l = find_launcher();
    const bool is_auto = !how || !*how || !strcmp(how, "auto");
    if (!is_auto && strcmp(how, "none") && strcmp(how, "mpi")) {
        bert_fail(e, BERT_EINVAL, "distributed is auto, none or mpi, not '%s'", how);
        return NULL;
    }
    if (is_auto ? !l || number(l->size, 1) < 2 : !strcmp(how, "none")) return &bert_group_alone;
    if (opened) {
        bert_fail(e, BERT_EUNSUPPORTED,
                  "MPI can be begun once in a process, and has been: keep the group open");
        return NULL;
    }
    const bert_group_module *m = find_module(l, e);
    const bert_group *g = NULL;
    if (!m) {
        bert_error_prefix(e, "to work as %d processes: ", l ? number(l->size, 1) : 1);
        return NULL;
    }
    opened = true;
    if (m->open(&g, e)) return NULL;
    if (!check_size(m, g, l, e)) return g;
    bert_group_close(g);
    return NULL;
}

void bert_group_close(const bert_group *g) {
    if (g && g->close) g->close(g);
}
