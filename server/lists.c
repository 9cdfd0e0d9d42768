#include "lists.h"
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

void list_put(exchanges *l, exchange *x) {
    x->after = NULL;
    x->before = l->last;
    *(l->last ? &l->last->after : &l->first) = x;
    l->last = x;
}

void list_remove(exchanges *l, exchange *x) {
    *(x->before ? &x->before->after : &l->first) = x->after;
    *(x->after ? &x->after->before : &l->last) = x->before;
    x->after = x->before = NULL;
}

exchange *list_take(exchanges *l) {
    exchange *x = l->first;
    if (x) list_remove(l, x);
    return x;
}

int hand_open(hand *h, bool event) {
    *h = (hand){.event = -1};
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->more, NULL);
    if (event) h->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return event && h->event < 0 ? -1 : 0;
}

void hand_free(hand *h) {
    exchange *x;
    while ((x = list_take(&h->list))) exchange_free(x);
    if (h->event >= 0) close(h->event);
    pthread_cond_destroy(&h->more);
    pthread_mutex_destroy(&h->lock);
}

void hand_wake(const hand *h) {
    const uint64_t one = 1;
    while (write(h->event, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void hand_put(hand *h, exchange *x) {
    pthread_mutex_lock(&h->lock);
    const bool first = !h->list.first;
    list_put(&h->list, x);
    pthread_mutex_unlock(&h->lock);
    if (h->event < 0)
        pthread_cond_signal(&h->more);
    else if (first)
        hand_wake(h);
}

exchange *hand_take(hand *h) {
    pthread_mutex_lock(&h->lock);
    while (!h->list.first && !h->closed) pthread_cond_wait(&h->more, &h->lock);
    exchange *x = list_take(&h->list);
    pthread_mutex_unlock(&h->lock);
    return x;
}

exchange *hand_take_now(hand *h) {
    pthread_mutex_lock(&h->lock);
    exchange *x = list_take(&h->list);
    pthread_mutex_unlock(&h->lock);
    return x;
}

void hand_close(hand *h) {
    pthread_mutex_lock(&h->lock);
    h->closed = true;
    pthread_cond_broadcast(&h->more);
    pthread_mutex_unlock(&h->lock);
}
