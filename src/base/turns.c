#include "base/turns.h"

void bert_turns_init(bert_turns *t) {
    *t = (bert_turns){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
}

void bert_turns_destroy(bert_turns *t) {
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->changed);
}

static bool is_next(const bert_turns *t, int kind, unsigned number) {
    const bool others = t->next[!kind] != t->serving[!kind];
    return !t->taken && t->serving[kind] == number && (!others || t->favoured == kind);
}

void bert_turns_begin(bert_turns *t, bool goes_on) {
    const int kind = goes_on;
    pthread_mutex_lock(&t->lock);
    const unsigned number = t->next[kind]++;
    atomic_fetch_add(&t->waiting, 1);
    while (!is_next(t, kind, number)) pthread_cond_wait(&t->changed, &t->lock);
    atomic_fetch_sub(&t->waiting, 1);
    t->serving[kind]++;
    t->favoured = !kind;
    t->taken = true;
    pthread_mutex_unlock(&t->lock);
}

void bert_turns_end(bert_turns *t) {
    pthread_mutex_lock(&t->lock);
    t->taken = false;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

bool bert_turns_awaited(bert_turns *t) {
    return atomic_load_explicit(&t->waiting, memory_order_relaxed) > 0;
}
