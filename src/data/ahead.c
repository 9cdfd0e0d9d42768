#include "data/ahead.h"
#include "base/error.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_THREADS = 16 };

typedef enum { FREE, WAITING, MAKING, MADE } state;

typedef struct {
    bert_ahead_key key;
    state state;
    bool dropped; /* while it was being made */
    int users;    /* who wait for it, or copy it: it is not dropped */
    float *data;  /* [floats] */
    bert_error error;
} slot;

struct bert_ahead {
    size_t floats;
    bert_ahead_fn *make;
    const void *context;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    slot **slots; /* [n] */
    int32_t n;
    pthread_t thread[MOST_THREADS];
    int threads; /* started, at the first item that is begun */
    bool ends;
};

static bool same_key(const bert_ahead_key *a, const bert_ahead_key *b) {
    return a->item == b->item && a->seed == b->seed && a->epoch == b->epoch;
}

/* ---- Under the lock */

static slot *find(const bert_ahead *a, const bert_ahead_key *key) {
    for (int32_t i = 0; i < a->n; i++)
        if (a->slots[i]->state != FREE && !a->slots[i]->dropped && same_key(&a->slots[i]->key, key))
            return a->slots[i];
    return NULL;
}

static slot *free_slot(bert_ahead *a) {
    for (int32_t i = 0; i < a->n; i++)
        if (a->slots[i]->state == FREE) return a->slots[i];
    slot **more = realloc(a->slots, ((size_t)a->n + 1) * sizeof *more);
    if (!more) return NULL;
    a->slots = more;
    slot *s = calloc(1, sizeof *s);
    if (s) s->data = malloc(a->floats * sizeof *s->data);
    if (s && s->data) return a->slots[a->n++] = s;
    free(s);
    return NULL;
}

static slot *begin(bert_ahead *a, const bert_ahead_key *key) {
    slot *s = find(a, key);
    if (s) return s;
    if (!(s = free_slot(a))) return NULL;
    s->key = *key;
    s->state = WAITING;
    s->dropped = false;
    s->error.code = 0;
    s->error.message[0] = 0;
    return s;
}

/* Makes it, with the lock given back meanwhile. */
static void make(bert_ahead *a, slot *s) {
    s->state = MAKING;
    pthread_mutex_unlock(&a->lock);
    const bert_ahead_key key = s->key;
    bert_error e = {0};
    a->make(a->context, &key, s->data, &e);
    pthread_mutex_lock(&a->lock);
    s->error = e;
    s->state = s->dropped ? FREE : MADE;
    pthread_cond_broadcast(&a->changed);
}

static slot *next_waiting(const bert_ahead *a) {
    for (int32_t i = 0; i < a->n; i++)
        if (a->slots[i]->state == WAITING) return a->slots[i];
    return NULL;
}

static void *work(void *argument) {
    bert_ahead *a = argument;
    pthread_mutex_lock(&a->lock);
    while (!a->ends) {
        slot *s = next_waiting(a);
        if (s)
            make(a, s);
        else
            pthread_cond_wait(&a->changed, &a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static void start_threads(bert_ahead *a) {
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const int wanted = cores < 1 ? 1 : cores > MOST_THREADS ? MOST_THREADS : (int)cores;
    while (a->threads < wanted && !pthread_create(&a->thread[a->threads], NULL, work, a))
        a->threads++;
}

/* ---- For tasks */

bert_ahead *bert_ahead_new(size_t floats, bert_ahead_fn *fn, const void *context, bert_error *e) {
    bert_ahead *a = calloc(1, sizeof *a);
    if (!a) {
        bert_fail_memory(e, sizeof *a);
        return NULL;
    }
    a->floats = floats;
    a->make = fn;
    a->context = context;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    return a;
}

void bert_ahead_free(bert_ahead *a) {
    if (!a) return;
    pthread_mutex_lock(&a->lock);
    a->ends = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    for (int i = 0; i < a->threads; i++) pthread_join(a->thread[i], NULL);
    for (int32_t i = 0; i < a->n; i++) {
        free(a->slots[i]->data);
        free(a->slots[i]);
    }
    free(a->slots);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
    free(a);
}

/* One of ours is made by us where no thread has begun it, else waited for. */
static void finish(bert_ahead *a, slot *s) {
    while (s->state != MADE)
        if (s->state == WAITING)
            make(a, s);
        else
            pthread_cond_wait(&a->changed, &a->lock);
}

int bert_ahead_take(bert_ahead *a, const bert_ahead_key *keys, int32_t n, float *out,
                    bert_error *e) {
    int rc = 0;
    pthread_mutex_lock(&a->lock);
    for (int32_t i = 0; i < n && !rc; i++)
        if (!begin(a, &keys[i])) rc = bert_fail_memory(e, a->floats * sizeof(float));
    if (!rc && !a->threads) start_threads(a);
    pthread_cond_broadcast(&a->changed);
    for (int32_t i = 0; i < n && !rc; i++) {
        slot *s = begin(a, &keys[i]); /* again where a key is there twice, and was taken */
        if (!s) {
            rc = bert_fail_memory(e, a->floats * sizeof(float));
            break;
        }
        s->users++;
        finish(a, s);
        if (s->error.code) rc = bert_fail(e, s->error.code, "%s", s->error.message);
        if (!rc) memcpy(out + (size_t)i * a->floats, s->data, a->floats * sizeof *out);
        if (!--s->users) s->state = FREE;
    }
    pthread_mutex_unlock(&a->lock);
    return rc;
}

void bert_ahead_begin(bert_ahead *a, const bert_ahead_key *keys, int32_t n) {
    pthread_mutex_lock(&a->lock);
    for (int32_t k = 0; k < a->n; k++) {
        slot *s = a->slots[k];
        bool wanted = s->users > 0;
        for (int32_t i = 0; i < n && !wanted; i++) wanted = same_key(&s->key, &keys[i]);
        if (wanted) continue;
        if (s->state == MAKING) s->dropped = true;
        if (s->state == WAITING || s->state == MADE) s->state = FREE;
    }
    for (int32_t i = 0; i < n; i++)
        if (!begin(a, &keys[i])) break; /* no memory: it is made when it is needed */
    if (!a->threads && n) start_threads(a);
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}
