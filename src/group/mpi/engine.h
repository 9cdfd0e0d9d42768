/* The one thread that calls MPI: operations in a queue, done in turn; counters that all processes
 * share; and the watch over the others. Nothing moves in MPI unless somebody calls it, and a wait
 * of its own spins on a core that somebody computes on: so this thread tests, and sleeps between. */
#ifndef BERT_GROUP_MPI_ENGINE_H
#define BERT_GROUP_MPI_ENGINE_H
#include <bert_group.h>
#include <mpi.h>
#include <pthread.h>

typedef struct engine engine;
typedef struct operation operation;

/* What every operation begins with. begin and test are called by the thread and return MPI's codes. */
struct operation {
    const char *name;
    int (*begin)(engine *n, operation *o);
    /* *done: all of it is; *moved: something has happened. */
    int (*test)(engine *n, operation *o, bool *done, bool *moved);
    void (*end)(operation *o); /* frees what begin made; NULL: nothing */
    bool single;               /* of this process alone: the others have none like it */
    bool detached;             /* nobody waits for it; freed by the thread */
    bool finished;
    int rc; /* MPI's */
    operation *next;
};

enum { BERT_MPI_NAME = 64 };

struct engine {
    bert_group group;
    int rank, size;
    int host_size, host_first;
    char version[BERT_MPI_NAME];
    char (*hosts)[BERT_MPI_NAME]; /* [size] */
    MPI_Comm comm;                /* of the operations, */
    MPI_Comm side;                /* and of what comes between them */
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake, done;
    operation *first, *last;
    int64_t counters[BERT_GROUP_COUNTERS]; /* of rank 0 */
    int failed;                            /* MPI's code of a detached operation, */
    const char *failed_name;               /* and what it was */
    int opened;                            /* 0: not yet; 1; or a negative BERT_E.. */
    bool closing;
    int abort_status;       /* 0: not */
    double waiting, moving; /* seconds, of callers and of operations */
    bert_error *error;      /* of who opens */
};

/* Puts o at the end of the queue. Unless it is detached, returns when it is done. */
int engine_run(engine *n, operation *o, bert_error *e);
/* Waits until the queue is empty. */
int engine_drain(engine *n, bert_error *e);
double engine_now(void); /* seconds */
int engine_fail(const engine *n, const char *name, int code, bert_error *e);

/* ---- what the thread does between operations */

/* counters.c: rank 0 answers those who ask. */
typedef struct {
    int asked; /* by a rank that is not yet answered: which counter */
    MPI_Request request;
    MPI_Request *replies; /* [size] */
    int64_t *numbers;     /* [size] */
} counter_service;
int counters_begin(engine *n, counter_service *s);
int counters_serve(engine *n, counter_service *s, bool *moved);
void counters_end(counter_service *s);
/* The operation of another rank that asks. */
typedef struct {
    operation o;
    int counter;
    int64_t number;
    MPI_Request requests[2];
} ask;
extern const operation ask_operation;

/* watch.c: over the process before this one, and how far all are. */
typedef struct {
    double silence, patience; /* seconds: BERT_GROUP_SILENCE, BERT_GROUP_PATIENCE */
    double heard_at, beat_at, looked_at, begun_at;
    int64_t *
        done; /* [size] operations that each has begun, as far as is known; NULL: nobody to watch */
    int64_t *going, *coming; /* [size] a beat on its way */
    MPI_Request sent, comes;
} watch;
int watch_begin(engine *n, watch *w);
/* An operation of all has begun here. */
void watch_begun(const engine *n, watch *w);
/* Once in a while. waits: an operation is not done. Ends all processes where one is not heard of. */
int watch_look(const engine *n, watch *w, bool waits);
void watch_end(watch *w);

/* moves.c: broadcast, gather, barrier. stretches.c: reduce and share. */
int moves_broadcast(const bert_group *g, void *data, size_t bytes, int root, bert_error *e);
int moves_gather(const bert_group *g, void *data, const size_t *first, bert_error *e);
int moves_barrier(const bert_group *g, bert_error *e);
int stretches_reduce(const bert_group *g, const bert_stretch *stretches, int count, int senders,
                     bert_stretch_fn *add, void *context, bert_error *e);
int stretches_share(const bert_group *g, const bert_stretch *stretches, int count, int to,
                    bert_error *e);
#endif
