/* Programs under mpirun: what starts them, or a skip with a message where it cannot be. */
#ifndef BERT_TEST_MPI_WORLD_H
#define BERT_TEST_MPI_WORLD_H
#include "test.h"
#include <limits.h>
#include <sys/wait.h>

#define LEAKS "ASAN_OPTIONS=detect_leaks=0 " /* MPI's own, under a sanitizer */

/* Of the programs in the directory of that one. */
static inline void need_mpi_module(const char *program) {
    char module[2 * PATH_MAX];
    snprintf(module, sizeof module, "%.*s/libbert-mpi.so", (int)(strrchr(program, '/') - program),
             program);
    if (!access(module, R_OK)) return;
    print_message("skipped: %s is not built\n", module);
    skip();
}

/* "mpirun -n N", with what it needs on a machine of few cores, and as root. */
static inline const char *mpirun(const char *program, int n) {
    static char command[400];
    need_mpi_module(program);
    if (system("mpirun --version 2>&1 | grep -q 'Open MPI'")) {
        print_message("skipped: there is no mpirun of Open MPI here\n");
        skip();
    }
    snprintf(command, sizeof command,
             LEAKS "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun "
                   "--oversubscribe --bind-to none -n %d",
             n);
    return command;
}
#endif
