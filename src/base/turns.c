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
    atomic_fetch_add(&t->waiting[kind], 1);
    while (!is_next(t, kind, number)) pthread_cond_wait(&t->changed, &t->lock);
    atomic_fetch_sub(&t->waiting[kind], 1);
    t->serving[kind]++;
    t->favoured = !kind;
    t->taken = true;
    pthread_mutex_unlock(&t->lock);
}

static void end(bert_turns *t, bool gives_way) {
    pthread_mutex_lock(&t->lock);
    t->taken = false;
    if (gives_way) t->favoured = false;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void bert_turns_end(bert_turns *t) {
    end(t, false);
}

void bert_turns_give_way(bert_turns *t) {
    end(t, true);
}

bool bert_turns_awaited(bert_turns *t) {
    return bert_turns_awaited_anew(t) ||
           atomic_load_explicit(&t->waiting[true], memory_order_relaxed) > 0;
}

bool bert_turns_awaited_anew(bert_turns *t) {
    return atomic_load_explicit(&t->waiting[false], memory_order_relaxed) > 0;
}
