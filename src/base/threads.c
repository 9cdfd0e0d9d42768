#include "base/threads.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/turns.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* A forward pass is some hundred short loops: a thread that has just finished one spins this long
 * for the next before it sleeps. About 50 us. */
enum { SPINS = 2000 };

typedef struct {
    bert_threads *pool;
    int index;
    pthread_t thread;
    void *scratch;
} worker;

struct bert_threads {
    atomic_int shares; /* that are still to be freed */
    bert_turns turns;
    int threads;
    size_t scratch_bytes;
    void *workspace[BERT_WORKSPACES];
    size_t workspace_bytes[BERT_WORKSPACES];
    worker *workers; /* [threads]; 0 is the caller */
    bert_threads_fn *fn;
    void *context;
    int n, grain;
    atomic_bool quit;
    atomic_int caller_cpu;               /* where the caller was when it woke the others */
    _Alignas(64) atomic_int next;        /* first item not yet taken */
    _Alignas(64) atomic_uint generation; /* counts runs; workers sleep on it */
    _Alignas(64) atomic_int sleepers;
    _Alignas(64) atomic_uint gate; /* OPEN while a run has items left, plus the workers inside */
};

/* A worker that comes when the gate is shut has missed the run and nobody waits for it: where a
 * machine is busy, a thread that is not scheduled delays nothing. */
static const unsigned OPEN = 1u << 31;

#if defined(__SSE2__)
static void pause_cpu(void) {
    _mm_pause();
}
/* Denormals count as zero, in operands and results; returns the state to go back to. */
static unsigned flush_denormals(void) {
    unsigned state = _mm_getcsr();
    _mm_setcsr(state | 0x8040);
    return state;
}
static void restore_denormals(unsigned state) {
    _mm_setcsr(state);
}
#elif defined(__aarch64__)
static void pause_cpu(void) {
    __asm__ volatile("yield");
}
/* FZ, bit 24 of FPCR */
static unsigned flush_denormals(void) {
    uint64_t state;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    __asm__ volatile("msr fpcr, %0" : : "r"(state | 1u << 24));
    return (unsigned)state;
}
static void restore_denormals(unsigned state) {
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)state));
}
#else
static void pause_cpu(void) {}
static unsigned flush_denormals(void) {
    return 0;
}
static void restore_denormals(unsigned state) {
    (void)state;
}
#endif

static void sleep_on(atomic_uint *word, unsigned value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake_all(atomic_uint *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1 << 30, NULL, NULL, 0);
}

static void take_chunks(bert_threads *p, int thread) {
    for (;;) {
        int begin = atomic_fetch_add_explicit(&p->next, p->grain, memory_order_relaxed);
        if (begin >= p->n) return;
        int end = p->n - begin > p->grain ? begin + p->grain : p->n;
        p->fn(p->context, begin, end, thread);
    }
}

/* The run that is entered may be a later one than the worker was woken for. */
static bool enter(bert_threads *p) {
    unsigned gate = atomic_load_explicit(&p->gate, memory_order_relaxed);
    while (gate & OPEN)
        if (atomic_compare_exchange_weak_explicit(&p->gate, &gate, gate + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* The system likes to wake a thread on the processor of the one that wakes it, even where another
 * is idle, and may leave both there for milliseconds: taking turns, which is slower than one
 * thread. A moment in which that processor is forbidden makes it choose another. */
static void leave(int cpu) {
    cpu_set_t all, others;
    if (cpu < 0 || sched_getcpu() != cpu || sched_getaffinity(0, sizeof all, &all)) return;
    others = all;
    CPU_CLR(cpu, &others);
    if (CPU_COUNT(&others) && !sched_setaffinity(0, sizeof others, &others))
        sched_setaffinity(0, sizeof all, &all);
}

static void *worker_main(void *argument) {
    worker *w = argument;
    bert_threads *p = w->pool;
    unsigned seen = 0;
    flush_denormals();
    for (;;) {
        unsigned g;
        int spins = 0;
        while ((g = atomic_load_explicit(&p->generation, memory_order_acquire)) == seen) {
            if (++spins < SPINS)
                pause_cpu();
            else {
                /* Counted first: a run that starts now either sees the count or is seen by the
                 * wait. */
                atomic_fetch_add(&p->sleepers, 1);
                sleep_on(&p->generation, seen);
                atomic_fetch_sub(&p->sleepers, 1);
                leave(atomic_load_explicit(&p->caller_cpu, memory_order_relaxed));
            }
        }
        seen = g;
        if (p->quit) return NULL;
        if (!enter(p)) continue;
        take_chunks(p, w->index);
        atomic_fetch_sub_explicit(&p->gate, 1, memory_order_release);
    }
}

static int cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

bert_threads *bert_threads_new(int threads, bert_error *e) {
    BERT_DOOR(e);
    if (threads < 0 || threads > 1024) {
        bert_fail(e, BERT_EINVAL, "threads is %d; it must be 0 (all cores) to 1024", threads);
        return NULL;
    }
    if (!threads) threads = cores();
    bert_threads *p = aligned_alloc(64, (sizeof *p + 63) / 64 * 64);
    worker *workers = calloc((size_t)threads, sizeof *workers);
    if (!p || !workers) {
        free(p);
        free(workers);
        bert_fail_memory(e, sizeof *p);
        return NULL;
    }
    *p = (bert_threads){.shares = 1, .threads = 1, .workers = workers, .caller_cpu = -1};
    bert_turns_init(&p->turns);
    for (int i = 1; i < threads; i++) {
        workers[i] = (worker){.pool = p, .index = i};
        int rc = pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
        if (rc) {
            bert_fail(e, BERT_ENOMEM,
                      "cannot start thread %d of %d: the system is out of threads or memory", i,
                      threads);
            bert_threads_free(p);
            return NULL;
        }
        p->threads = i + 1;
    }
    return p;
}

bert_threads *bert_threads_share(bert_threads *p) {
    atomic_fetch_add(&p->shares, 1);
    return p;
}

void bert_threads_begin(bert_threads *p, bool goes_on) {
    bert_turns_begin(&p->turns, goes_on);
}

void bert_threads_end(bert_threads *p) {
    bert_turns_end(&p->turns);
}

void bert_threads_give_way(bert_threads *p) {
    bert_turns_give_way(&p->turns);
}

bool bert_threads_awaited(bert_threads *p) {
    return bert_turns_awaited(&p->turns);
}

bool bert_threads_awaited_anew(bert_threads *p) {
    return bert_turns_awaited_anew(&p->turns);
}

void bert_threads_free(bert_threads *p) {
    if (!p || atomic_fetch_sub(&p->shares, 1) > 1) return;
    p->quit = true;
    atomic_fetch_add_explicit(&p->generation, 1, memory_order_release);
    wake_all(&p->generation);
    for (int i = 1; i < p->threads; i++) pthread_join(p->workers[i].thread, NULL);
    for (int i = 0; i < p->threads; i++) free(p->workers[i].scratch);
    for (int i = 0; i < BERT_WORKSPACES; i++) free(p->workspace[i]);
    bert_turns_destroy(&p->turns);
    free(p->workers);
    free(p);
}

int bert_threads_count(const bert_threads *p) {
    return p ? p->threads : 1;
}

void bert_threads_run(bert_threads *p, int n, int grain, bert_threads_fn *fn, void *context) {
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    if (!p || p->threads == 1 || n <= grain) {
        unsigned state = flush_denormals();
        fn(context, 0, n, 0);
        restore_denormals(state);
        return;
    }
    p->fn = fn;
    p->context = context;
    p->n = n;
    p->grain = grain;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    atomic_store_explicit(&p->gate, OPEN, memory_order_release);
    atomic_fetch_add(&p->generation, 1);
    if (atomic_load(&p->sleepers)) {
        atomic_store_explicit(&p->caller_cpu, sched_getcpu(), memory_order_relaxed);
        wake_all(&p->generation);
    }
    unsigned state = flush_denormals();
    take_chunks(p, 0);
    restore_denormals(state);
    atomic_fetch_and_explicit(&p->gate, ~OPEN, memory_order_relaxed);
    for (int spins = 0; atomic_load_explicit(&p->gate, memory_order_acquire);) {
        if (++spins < SPINS)
            pause_cpu();
        else
            sched_yield();
    }
}

int bert_threads_reserve(bert_threads *p, size_t bytes) {
    if (bytes <= p->scratch_bytes) return 0;
    bytes = bert_whole_pages(bytes);
    for (int i = 0; i < p->threads; i++) {
        void *s = bert_aligned_alloc(bytes, 1);
        if (!s) return BERT_ENOMEM;
        free(p->workers[i].scratch);
        p->workers[i].scratch = s;
    }
    p->scratch_bytes = bytes;
    return 0;
}

void *bert_threads_scratch(const bert_threads *p, int thread) {
    return p->workers[thread].scratch;
}

void *bert_threads_workspace(bert_threads *t, int name, size_t bytes) {
    if (!t) return bert_aligned_alloc(bytes, 1);
    if (bytes > t->workspace_bytes[name]) {
        free(t->workspace[name]);
        t->workspace[name] = bert_aligned_alloc(bytes, 1);
        t->workspace_bytes[name] = t->workspace[name] ? bytes : 0;
    }
    return t->workspace[name];
}

void bert_threads_release(bert_threads *t, void *workspace) {
    if (!t) free(workspace);
}

size_t bert_threads_memory(const bert_threads *p) {
    if (!p) return 0;
    size_t bytes = p->scratch_bytes * (size_t)p->threads;
    for (int i = 0; i < BERT_WORKSPACES; i++) bytes += p->workspace_bytes[i];
    return bytes;
}
