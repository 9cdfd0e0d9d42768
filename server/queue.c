/* Which texts are computed next. */
#include "lists.h"
#include "operations.h"
#include <stdlib.h>
#include <string.h>

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t more;
    exchanges waiting;                      /* that have texts which are not begun */
    int32_t batch_tokens, max_texts, texts; /* texts: admitted, and not done */
    bool closed;
};

queue *queue_new(int32_t batch_tokens, int32_t max_texts) {
    queue *q = calloc(1, sizeof *q);
    if (!q) return NULL;
    q->batch_tokens = batch_tokens;
    q->max_texts = max_texts;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->more, NULL);
    return q;
}

void queue_free(queue *q) {
    exchange *x;
    if (!q) return;
    while ((x = list_take(&q->waiting))) exchange_free(x);
    pthread_cond_destroy(&q->more);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

bool queue_admit(queue *q, exchange *x) {
    pthread_mutex_lock(&q->lock);
    /* what is larger than the queue is taken when nothing else waits */
    const bool fits = !q->closed && (!q->texts || q->texts + x->n <= q->max_texts);
    if (fits) {
        q->texts += x->n;
        list_put(&q->waiting, x);
        pthread_cond_signal(&q->more);
    }
    pthread_mutex_unlock(&q->lock);
    return fits;
}

/* ---- A batch */

static bool together(const exchange *a, const exchange *b) {
    return a == b || (a->operation == b->operation && a->model == b->model &&
                      a->operation->merges && !strcmp(a->key ? a->key : "", b->key ? b->key : ""));
}

static bool grow(batch *b) {
    if (b->n < b->capacity) return true;
    const size_t n = b->capacity ? 2 * (size_t)b->capacity : 64;
    exchange **owner = realloc(b->owner, n * sizeof *owner);
    if (owner) b->owner = owner;
    item **items = realloc(b->item, n * sizeof *items);
    if (items) b->item = items;
    if (!owner || !items) return false;
    b->capacity = (int32_t)n;
    return true;
}

/* The next text of x, where it fits. */
static bool take_text(const queue *q, batch *b, exchange *x) {
    item *i = &x->items[x->next];
    if (b->n && b->tokens + i->tokens > q->batch_tokens) return false;
    if (!grow(b)) return false;
    if (!x->next) x->at[AT_STARTED] = now();
    b->owner[b->n] = x;
    b->item[b->n++] = i;
    b->tokens += i->tokens;
    x->next++;
    return true;
}

/* A text of each that may join. In the first round none of a request's texts is being computed: who has left by
 * then is dropped, with all that is still to do for him. */
static bool take_round(queue *q, batch *b, const exchange *first) {
    const bool looks = !b->n;
    bool any = false;
    for (exchange *x = q->waiting.first, *after; x; x = after) {
        after = x->after;
        if (!together(x, first) || x->next == x->n) continue;
        if (looks && exchange_left(x)) {
            list_remove(&q->waiting, x);
            list_put(&b->gone, x);
            q->texts -= x->n - x->next;
            continue;
        }
        any |= take_text(q, b, x);
    }
    return any;
}

/* Whose turn it was goes to the end, or out. */
static void rotate(queue *q, const batch *b) {
    for (int32_t i = 0; i < b->n; i++) {
        exchange *x = b->owner[i];
        const bool seen = i && b->owner[i - 1] == x;
        if (seen || (!x->before && !x->after && q->waiting.first != x)) continue;
        list_remove(&q->waiting, x);
        if (x->next < x->n) list_put(&q->waiting, x);
    }
}

bool queue_take(queue *q, batch *b) {
    b->n = b->tokens = 0;
    b->gone = (exchanges){0};
    pthread_mutex_lock(&q->lock);
    while (!b->n && !b->gone.first) {
        while (!q->waiting.first && !q->closed) pthread_cond_wait(&q->more, &q->lock);
        const exchange *first = q->waiting.first;
        if (!first) break;
        while (take_round(q, b, b->n ? b->owner[0] : first) && b->tokens < q->batch_tokens) {
        }
        rotate(q, b);
    }
    pthread_mutex_unlock(&q->lock);
    return b->n || b->gone.first;
}

int32_t queue_drop(queue *q, exchange *x) {
    pthread_mutex_lock(&q->lock);
    const int32_t left = x->n - x->next;
    if (left) {
        list_remove(&q->waiting, x);
        q->texts -= left;
        x->next = x->n;
    }
    pthread_mutex_unlock(&q->lock);
    return left;
}

void queue_done(queue *q, int32_t texts) {
    pthread_mutex_lock(&q->lock);
    q->texts -= texts;
    pthread_mutex_unlock(&q->lock);
}

int32_t queue_texts(queue *q) {
    pthread_mutex_lock(&q->lock);
    const int32_t n = q->texts;
    pthread_mutex_unlock(&q->lock);
    return n;
}

void queue_close(queue *q) {
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->more);
    pthread_mutex_unlock(&q->lock);
}
