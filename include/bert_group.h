/* bert_group.h: processes that work as one, and the table of what they can do together.
 *
 * A group is `size` processes of one program, ranks 0 .. size - 1, which call the functions below
 * in the same order (a collective waits for all of them), each with the same sizes. Alone, a
 * process is a group of one, in which they do nothing. Those of a group move bytes and bring them
 * in the order of ranks, and add nothing up: what is added is added by the caller, in an order of
 * its own, so results need not depend on how many there are.
 *
 *     const bert_group *g = bert_group_open("auto", &e); // mpirun -n 4 ./program
 *     if (!g) return e.code;
 *     for (int64_t i = -1; !bert_group_next(g, 0, &i, &e) && i < chunks;) work_on(i); // each once
 *     bert_group_barrier(g, &e);
 *     bert_group_close(g);
 *
 * A process that dies, is stopped, or whose machine is gone ends all: after BERT_GROUP_SILENCE
 * seconds (environment; 30) in which its neighbour has heard nothing of it. One that does not come to
 * where the others wait ends all after BERT_GROUP_PATIENCE seconds (1800). The message names it.
 *
 * MPI is one row, which is in a module, libbert-mpi.so (src/group/mpi/), found as those of
 * bert_hub.h are; libbert does not link it, and loads it only where work is divided. Another one
 * (NCCL, threads) is a bert_group of one's own: it is given to a trainer as MPI's is. */
#ifndef BERT_GROUP_H
#define BERT_GROUP_H
#include <bert.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bert_group bert_group;

/* n floats, of which one process is the owner: the same list in every process, but for data. */
typedef struct {
    int owner;
    size_t n;
    float *data; /* here */
    int only;    /* reduce: 0: all senders have it; r + 1: rank r alone */
} bert_stretch;

/* Part of a stretch as a rank has it: x[0 .. n) are its elements from `first` on. */
typedef void bert_stretch_fn(void *context, int stretch, int rank, size_t first, const float *x,
                             size_t n);

enum { BERT_GROUP_COUNTERS = 16 };

/* Functions return 0 or a negative BERT_E.., and are called by one thread at a time. Nobody but who
 * makes a group calls them by the table: the functions below it check, and know who is alone. */
struct bert_group {
    int rank, size;
    const char *name; /* "Open MPI v4.1.4": what it is made of */
    void *context;
    /* data of root's becomes everybody's. */
    int (*broadcast)(const bert_group *g, void *data, size_t bytes, int root, bert_error *e);
    /* Bytes first[r] .. first[r + 1] of data, as rank r has them, become everybody's. first [size +
     * 1] begins with 0. */
    int (*gather)(const bert_group *g, void *data, const size_t *first, bert_error *e);
    int (*barrier)(const bert_group *g, bert_error *e);
    /* 0, 1, 2 .. of a counter, each to one process only, whoever asks next. Not a collective. */
    int (*next)(const bert_group *g, int counter, int64_t *number, bert_error *e);
    /* Begins: the owner of each stretch is given, by add, what ranks 0 .. senders - 1 have in it, its
     * own too; every element in the order of ranks; in a thread of the group's, or this one. Stretches
     * and what they hold stay as they are until wait(). Of a stretch that one rank alone has, its. */
    int (*reduce)(const bert_group *g, const bert_stretch *stretches, int count, int senders,
                  bert_stretch_fn *add, void *context, bert_error *e);
    /* Begins: what the owner of each stretch has in it becomes everybody's (to -1), or rank `to`'s. */
    int (*share)(const bert_group *g, const bert_stretch *stretches, int count, int to,
                 bert_error *e);
    /* All that this process has begun is done. */
    int (*wait)(const bert_group *g, bert_error *e);
    /* Seconds since the group was opened: in which its callers waited, and in which something of theirs
     * was on the way. */
    void (*times)(const bert_group *g, double *waiting, double *moving);
    /* Ends all processes; does not return. The message says why, and that this rank said so. */
    void (*abort)(const bert_group *g, int status, const char *message);
    /* The process leaves, once all others do. */
    void (*close)(const bert_group *g);
    /* Processes on this one's host, itself among them, and the first one's rank. They can map each
     * other's files, so that one reads rows for all (bert_dataset_options.group). 0, of every process of
     * the group: it is not known. */
    int host_size, host_first;
};

/* A group of one. */
BERT_API extern const bert_group bert_group_alone;

/* The group that this process was started in. how: "none": alone, whatever has started it; "mpi":
 * by MPI, also where nothing says that an MPI launcher has started it; "auto" (NULL, ""): by MPI
 * where its launcher has started several (mpirun, mpiexec; srun --mpi=pmix), else alone. To be
 * closed. A second one of a process that is not alone is BERT_EUNSUPPORTED, since MPI begins once.
 * BERT_ENOTFOUND: there is no module, BERT_EUNSUPPORTED: it is of another MPI than the launcher. */
BERT_API const bert_group *bert_group_open(const char *how, bert_error *e);
/* All processes leave together; NULL and bert_group_alone do nothing. */
BERT_API void bert_group_close(const bert_group *g);
/* Which of how many the launcher says that this process is, before any module is loaded, and what
 * launcher; false: none has started it. */
BERT_API bool bert_group_launched(int *rank, int *size, const char **by);

/* The functions of the table, for groups of any size; g NULL: alone. */
BERT_API int bert_group_broadcast(const bert_group *g, void *data, size_t bytes, int root,
                                  bert_error *e);
BERT_API int bert_group_gather(const bert_group *g, void *data, const size_t *first, bert_error *e);
/* The same where each process has as many bytes; its own are data + rank * bytes. */
BERT_API int bert_group_gather_equal(const bert_group *g, void *data, size_t bytes, bert_error *e);
BERT_API int bert_group_barrier(const bert_group *g, bert_error *e);
/* counter: 0 to BERT_GROUP_COUNTERS - 1. Alone it is the caller's own: *number grows by one, from -1
 * before the first. */
BERT_API int bert_group_next(const bert_group *g, int counter, int64_t *number, bert_error *e);
BERT_API int bert_group_reduce(const bert_group *g, const bert_stretch *stretches, int count,
                               int senders, bert_stretch_fn *add, void *context, bert_error *e);
BERT_API int bert_group_share(const bert_group *g, const bert_stretch *stretches, int count, int to,
                              bert_error *e);
BERT_API int bert_group_wait(const bert_group *g, bert_error *e);
BERT_API void bert_group_times(const bert_group *g, double *waiting, double *moving);
BERT_API void bert_group_abort(const bert_group *g, int status, const char *message);

/* A collective: whether all have succeeded. rc and *e are this process's; where any has failed,
 * everybody has the code and the message of the first one that did, "rank 2: ..." in front unless
 * all have the same. */
BERT_API int bert_group_agree(const bert_group *g, int rc, bert_error *e);

/* ---- A file of rows that a group shares */

/* How the rows of a file that has just been opened, of which none has been read, are cut: parts of
 * about so many bytes, each of which any process can read by itself. A collective, for which every
 * process has opened the file in the same way: each looks through its own share of it, so that
 * nobody reads it all, and all come to the same parts. Their sizes and texts are not the
 * same; who is free takes the next one (bert_group_next()). */
typedef struct bert_row_parts bert_row_parts;
BERT_API bert_row_parts *bert_row_parts_new(const bert_reader *r, const bert_group *g,
                                            int64_t bytes, bert_error *e);
BERT_API void bert_row_parts_free(bert_row_parts *p); /* NULL-safe */
/* One at least; in the order of the file. */
BERT_API int bert_row_parts_count(const bert_row_parts *p);
BERT_API const bert_row_part *bert_row_parts_at(const bert_row_parts *p,
                                                int i);        /* NULL past the end */
BERT_API int64_t bert_row_parts_rows(const bert_row_parts *p); /* of all */
/* Why the file is one part, which bert_reader_take() does not take, and whose number of rows is not
 * known; NULL: it is not. */
BERT_API const char *bert_row_parts_whole(const bert_row_parts *p);

/* ---- The module, which exports: BERT_API const bert_group_module bert_module_mpi; */

typedef struct {
    const char *version; /* BERT_VERSION that it was built for */
    const char *library; /* "Open MPI 4.1.4": that it was built with */
    /* The group of all processes; *out stays until it is closed. */
    int (*open)(const bert_group **out, bert_error *e);
} bert_group_module;

#ifdef __cplusplus
}
#endif
#endif
