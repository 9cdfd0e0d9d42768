#include "engine.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { YIELDS = 20, SLEEP_NS = 100000, IDLE_NS = 2000000, PATIENCE = 5 };

int engine_fail(const engine *n, const char *name, int code, bert_error *e) {
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    if (MPI_Error_string(code, text, &length)) snprintf(text, sizeof text, "error %d", code);
    e->code = BERT_EIO;
    snprintf(e->message, sizeof e->message, "%s, rank %d of %d on %s: %s: %.200s", n->version,
             n->rank, n->size, n->hosts ? n->hosts[n->rank] : "?", name, text);
    return e->code;
}

/* ---- For the other threads */

double engine_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void enqueue(engine *n, operation *o) {
    o->next = NULL;
    if (n->last)
        n->last->next = o;
    else
        n->first = o;
    n->last = o;
    pthread_cond_signal(&n->wake);
}

int engine_run(engine *n, operation *o, bert_error *e) {
    const double began = engine_now();
    const bool detached = o->detached; /* then it may be gone as soon as it is in the queue */
    pthread_mutex_lock(&n->lock);
    enqueue(n, o);
    while (!detached && !o->finished) pthread_cond_wait(&n->done, &n->lock);
    n->waiting += engine_now() - began;
    pthread_mutex_unlock(&n->lock);
    if (detached) return BERT_OK;
    return o->rc ? engine_fail(n, o->name, o->rc, e) : BERT_OK;
}

int engine_drain(engine *n, bert_error *e) {
    const double began = engine_now();
    pthread_mutex_lock(&n->lock);
    while (n->first) pthread_cond_wait(&n->done, &n->lock);
    n->waiting += engine_now() - began;
    const int code = n->failed;
    const char *name = n->failed_name;
    n->failed = 0;
    pthread_mutex_unlock(&n->lock);
    return code ? engine_fail(n, name, code, e) : BERT_OK;
}

/* ---- The thread */

/* For whoever waits next. */
static void note_failure(engine *n, const char *name, int code) {
    pthread_mutex_lock(&n->lock);
    if (!n->failed) n->failed_name = name;
    if (!n->failed) n->failed = code;
    pthread_mutex_unlock(&n->lock);
}

/* Takes the finished first operation out; its caller may have freed it when this returns. */
static void finish(engine *n, operation *o, double began, int rc) {
    if (o->end) o->end(o);
    if (o->detached && rc) note_failure(n, o->name, rc);
    pthread_mutex_lock(&n->lock);
    n->moving += engine_now() - began;
    n->first = o->next;
    if (!n->first) n->last = NULL;
    const bool detached = o->detached;
    o->rc = rc;
    o->finished = true;
    pthread_cond_broadcast(&n->done);
    pthread_mutex_unlock(&n->lock);
    if (detached) free(o);
}

/* The first operation, unless all is to end. */
static operation *peek(engine *n, bool *closing) {
    pthread_mutex_lock(&n->lock);
    operation *o = n->first;
    const int status = n->abort_status;
    *closing = n->closing && !o;
    pthread_mutex_unlock(&n->lock);
    if (status) MPI_Abort(n->comm, status);
    return o;
}

static void rest(engine *n, bool busy, int quiet) {
    if (busy) {
        if (quiet < YIELDS)
            sched_yield();
        else
            nanosleep(&(struct timespec){0, SLEEP_NS}, NULL);
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += IDLE_NS;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&n->lock);
    if (!n->first && !n->closing) pthread_cond_timedwait(&n->wake, &n->lock, &until);
    pthread_mutex_unlock(&n->lock);
}

static void serve(engine *n, counter_service *counters, watch *others) {
    operation *now = NULL; /* begun */
    double began = 0;
    int quiet = 0;
    for (bool closing = false;;) {
        bool moved = false, done = false;
        operation *o = peek(n, &closing);
        int rc = 0;
        if (closing) break;
        if (o && o != now) {
            if (!o->single) watch_begun(n, others);
            rc = o->begin(n, o);
            now = o;
            began = engine_now();
            moved = true;
        }
        if (o && !rc) rc = o->test(n, o, &done, &moved);
        if (o && (rc || done)) {
            now = NULL;
            finish(n, o, began, rc);
        }
        rc = counters_serve(n, counters, &moved);
        if (rc) note_failure(n, "counters", rc);
        rc = watch_look(n, others, now && !now->single);
        if (rc) note_failure(n, "beat", rc);
        quiet = moved ? 0 : quiet + 1;
        if (!moved) rest(n, o != NULL, quiet);
    }
}

static int gather_hosts(engine *n) {
    char own[MPI_MAX_PROCESSOR_NAME] = "";
    int length = 0;
    n->hosts = calloc((size_t)n->size, sizeof *n->hosts);
    if (!n->hosts) return MPI_ERR_NO_MEM;
    int rc = MPI_Get_processor_name(own, &length);
    snprintf(n->hosts[n->rank], sizeof *n->hosts, "%.*s", BERT_MPI_NAME - 1, own);
    if (rc) return rc;
    return MPI_Allgather(MPI_IN_PLACE, 0, MPI_CHAR, n->hosts, BERT_MPI_NAME, MPI_CHAR, n->comm);
}

/* Who can share memory with this one. */
static int find_host(engine *n) {
    MPI_Comm host;
    int rc = MPI_Comm_split_type(n->comm, MPI_COMM_TYPE_SHARED, n->rank, MPI_INFO_NULL, &host);
    if (rc) return rc;
    n->host_first = n->rank;
    rc = MPI_Comm_size(host, &n->host_size);
    if (!rc) rc = MPI_Bcast(&n->host_first, 1, MPI_INT, 0, host);
    MPI_Comm_free(&host);
    return rc;
}

static int connect_all(engine *n) {
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0, provided;
    int rc = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
    if (rc) return rc;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Get_library_version(version, &length);
    version[strcspn(version, ",\n")] = 0; /* "Open MPI v4.1.4, package: .." */
    snprintf(n->version, sizeof n->version, "%.*s", BERT_MPI_NAME - 1, version);
    rc = MPI_Comm_dup(MPI_COMM_WORLD, &n->comm);
    if (!rc) rc = MPI_Comm_dup(MPI_COMM_WORLD, &n->side);
    if (!rc) rc = MPI_Comm_rank(n->comm, &n->rank);
    if (!rc) rc = MPI_Comm_size(n->comm, &n->size);
    if (!rc) rc = find_host(n);
    return rc ? rc : gather_hosts(n);
}

static void *work(void *context) {
    engine *n = context;
    counter_service counters;
    watch others;
    int rc = connect_all(n);
    if (!rc) rc = counters_begin(n, &counters);
    if (!rc) rc = watch_begin(n, &others);
    pthread_mutex_lock(&n->lock);
    n->opened = rc ? engine_fail(n, "start", rc, n->error) : 1;
    pthread_cond_broadcast(&n->done);
    pthread_mutex_unlock(&n->lock);
    if (!rc) {
        serve(n, &counters, &others);
        counters_end(&counters);
        watch_end(&others);
    }
    MPI_Finalize();
    return NULL;
}

/* ---- The group */

static engine *engine_of(const bert_group *g) {
    return g->context;
}

static int next(const bert_group *g, int counter, int64_t *number, bert_error *e) {
    engine *n = engine_of(g);
    if (n->rank) {
        ask a = {.o = ask_operation, .counter = counter};
        int rc = engine_run(n, &a.o, e);
        *number = a.number;
        return rc;
    }
    pthread_mutex_lock(&n->lock);
    *number = n->counters[counter]++;
    pthread_mutex_unlock(&n->lock);
    return BERT_OK;
}

static int wait_all(const bert_group *g, bert_error *e) {
    return engine_drain(engine_of(g), e);
}

static void times(const bert_group *g, double *waiting, double *moving) {
    engine *n = engine_of(g);
    pthread_mutex_lock(&n->lock);
    *waiting = n->waiting;
    *moving = n->moving;
    pthread_mutex_unlock(&n->lock);
}

static void say_abort(const bert_group *g, int status, const char *message) {
    engine *n = engine_of(g);
    if (message && *message)
        fprintf(stderr, "bert: rank %d of %d on %s: %s\n", n->rank, n->size, n->hosts[n->rank],
                message);
    fflush(NULL);
    pthread_mutex_lock(&n->lock);
    n->abort_status = status ? status : 1;
    pthread_cond_signal(&n->wake);
    pthread_mutex_unlock(&n->lock);
    sleep(PATIENCE); /* for the thread, which is the one that calls MPI */
    _exit(status ? status : 1);
}

static void engine_free(engine *n) {
    pthread_cond_destroy(&n->wake);
    pthread_cond_destroy(&n->done);
    pthread_mutex_destroy(&n->lock);
    free(n->hosts);
    free(n);
}

static void close_group(const bert_group *g) {
    engine *n = engine_of(g);
    bert_error ignored = {0};
    moves_barrier(g, &ignored);
    pthread_mutex_lock(&n->lock);
    n->closing = true;
    pthread_cond_signal(&n->wake);
    pthread_mutex_unlock(&n->lock);
    pthread_join(n->thread, NULL);
    engine_free(n);
}

static int open_group(const bert_group **out, bert_error *e) {
    engine *n = calloc(1, sizeof *n);
    int rc = n ? pthread_mutex_init(&n->lock, NULL) : ENOMEM;
    if (!rc) rc = pthread_cond_init(&n->wake, NULL) || pthread_cond_init(&n->done, NULL);
    if (n) n->error = e;
    if (!rc) rc = pthread_create(&n->thread, NULL, work, n);
    if (rc) {
        free(n);
        snprintf(e->message, sizeof e->message, "MPI's thread cannot be started");
        return e->code = BERT_ENOMEM;
    }
    pthread_mutex_lock(&n->lock);
    while (!n->opened) pthread_cond_wait(&n->done, &n->lock);
    pthread_mutex_unlock(&n->lock);
    if (n->opened < 0) {
        rc = n->opened;
        pthread_join(n->thread, NULL);
        engine_free(n);
        return rc;
    }
    n->group = (bert_group){.rank = n->rank,
                            .size = n->size,
                            .name = n->version,
                            .context = n,
                            .broadcast = moves_broadcast,
                            .gather = moves_gather,
                            .barrier = moves_barrier,
                            .next = next,
                            .reduce = stretches_reduce,
                            .share = stretches_share,
                            .wait = wait_all,
                            .times = times,
                            .abort = say_abort,
                            .close = close_group,
                            .host_size = n->host_size,
                            .host_first = n->host_first};
    *out = &n->group;
    return BERT_OK;
}

#define TEXT(x) #x
#define DIGITS(a, b, c) TEXT(a) "." TEXT(b) "." TEXT(c)
#if defined(OMPI_MAJOR_VERSION)
#define LIBRARY "Open MPI " DIGITS(OMPI_MAJOR_VERSION, OMPI_MINOR_VERSION, OMPI_RELEASE_VERSION)
#elif defined(MPICH_VERSION)
#define LIBRARY "MPICH " MPICH_VERSION
#else
#define LIBRARY "an MPI of version " TEXT(MPI_VERSION)
#endif

BERT_API extern const bert_group_module BERT_GROUP_MODULE;
const bert_group_module BERT_GROUP_MODULE = {BERT_VERSION, LIBRARY, open_group};
