#include "base/turns.h"

void bert_turns_init(bert_turns *t) {
    *t = (bert_turns){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
}

void bert_turns_destroy(bert_turns *t) {
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->changed);
}

void bert_turns_begin(bert_turns *t) {
    pthread_mutex_lock(&t->lock);
    const unsigned mine = atomic_fetch_add(&t->next, 1);
    while (atomic_load(&t->serving) != mine) pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

void bert_turns_end(bert_turns *t) {
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->serving, 1);
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

bool bert_turns_awaited(bert_turns *t) {
    return atomic_load(&t->next) - atomic_load(&t->serving) > 1;
}
