#include "http.h"
#include "operations.h"
#include "routes.h"
#include "state.h"
#include "watch.h"
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

serve_options serve_default(void) {
    return (serve_options){.port = 8080,
                           .batch_tokens = 1024,
                           .max_queue = 512,
                           .max_input_texts = 32,
                           .max_body = 2000000,
                           .max_bodies = 64000000,
                           .max_answers = 256000000,
                           .max_connections = 1000,
                           .head_seconds = 10,
                           .body_seconds = 30,
                           .idle_seconds = 90, /* longer than balancers keep theirs */
                           .auto_truncate = true};
}

/* ---- The thread that computes */

static int run_items(const exchange *x, item *const *items, int32_t n, bert_error *e) {
    return x->operation->run(x->model->session, x, items, n, e);
}

/* Each request's texts by themselves: only the one whose fault it is fails. */
static void run_apart(const batch *b) {
    item **own = malloc((size_t)b->n * sizeof *own);
    for (int32_t i = 0; i < b->n; i++) {
        exchange *x = b->owner[i];
        bert_error e = {0};
        int32_t n = 0, seen = 0;
        while (seen < i && b->owner[seen] != x) seen++;
        if (seen < i) continue;
        for (int32_t k = i; own && k < b->n; k++)
            if (b->owner[k] == x) own[n++] = b->item[k];
        if (!own)
            fault_memory(x);
        else if (run_items(x, own, n, &e))
            fault_of(x, &e);
    }
    free(own);
}

static void finish_items(server *s, const batch *b) {
    const double t = now();
    queue_done(s->queue, b->n); /* before anybody is answered who may ask again */
    for (int32_t i = 0; i < b->n; i++) {
        exchange *x = b->owner[i];
        x->left--;
        if (x->fault) x->left -= queue_drop(s->queue, x);
        if (x->left) continue;
        x->at[AT_COMPUTED] = t;
        x->computed = true;
        hand_put(&s->clerks, x);
    }
}

static void *compute(void *data) {
    server *s = data;
    batch b = {0};
    exchange *x;
    while (queue_take(s->queue, &b)) {
        bert_error e = {0};
        while ((x = list_take(&b.gone))) {
            x->gone = true;
            hand_put(&s->done, x);
        }
        if (!b.n) continue;
        metrics_batch(&s->metrics, b.n, b.tokens);
        if (run_items(b.owner[0], b.item, b.n, &e)) run_apart(&b);
        finish_items(s, &b);
    }
    free(b.owner);
    free(b.item);
    return NULL;
}

/* ---- Clerks */

static void read_exchange(server *s, exchange *x, const clerk *c) {
    int rc = x->route->read(x, c);
    if (!rc && x->operation) rc = read_tokens(x, c);
    if (!rc) rc = answers_reserve(x);
    exchange_forget_body(x);
    x->at[AT_READ] = x->at[AT_STARTED] = x->at[AT_COMPUTED] = now();
    if (!rc && x->operation) {
        if (queue_admit(s->queue, x)) return;
        fault(x, FAULT_FULL, "%d texts wait, which is as many as may (--max-queue); try again",
              queue_texts(s->queue));
    } else if (!rc)
        x->route->write(x);
    answers_settle(x);
    hand_put(&s->done, x);
}

static void *work(void *data) {
    const clerk *c = data;
    server *s = c->server;
    exchange *x;
    while ((x = hand_take(&s->clerks))) {
        if (!x->computed) {
            read_exchange(s, x, c);
            continue;
        }
        if (!x->fault) x->route->write(x);
        answers_settle(x);
        hand_put(&s->done, x);
    }
    return NULL;
}

/* ---- Models, at the start and when they are loaded anew */

static void *load(void *data) {
    server *s = data;
    bert_error e = {0};
    model_set *set = models_open(s->options, s->threads, &e), *old = NULL;
    pthread_mutex_lock(&s->lock);
    if (set) {
        old = s->models;
        s->models = set;
    } else
        s->failed = e;
    s->loading = false;
    pthread_mutex_unlock(&s->lock);
    models_let_go(old);
    int starting = STARTING;
    if (set) atomic_compare_exchange_strong(&s->state, &starting, READY);
    hand_wake(&s->done);
    return NULL;
}

static void end_loading(server *s) {
    if (s->loader_started) pthread_join(s->loader, NULL);
    s->loader_started = false;
}

static int start_loading(server *s) {
    end_loading(s);
    s->loading = true; /* until load() is through */
    s->loader_started = !pthread_create(&s->loader, NULL, load, s);
    if (s->loader_started) return 0;
    s->loading = false;
    return -1;
}

/* ---- The loop */

static void announce(server *s) {
    const served *m = &s->models->list[0];
    const char *local = s->options->uds ? "http://localhost" : s->address;
    const char *path = m->pictures ? "/predict --data-binary @picture.jpg"
                       : !strcmp(m->head, "sequence-classification") ? "/predict"
                                                                     : "/embed";
    s->announced = true;
    printf("listening on %s\n", s->address);
    printf("curl %s%s%s%s%s%s\n", s->options->uds ? "--unix-socket " : "",
           s->options->uds ? s->options->uds : "", s->options->uds ? " " : "", local, path,
           m->pictures ? ""
                       : " -H 'Content-Type: application/json' -d '{\"inputs\": \"Hello there\"}'");
    fflush(stdout);
}

static void reload(server *s) {
    if (start_loading(s)) fprintf(stderr, "the models are as they were: no thread\n");
}

/* Something is done, or the models are there. */
static void on_done(evutil_socket_t fd, short what, void *data) {
    server *s = data;
    uint64_t n;
    exchange *x;
    (void)what;
    (void)!read(fd, &n, sizeof n);
    while ((x = hand_take_now(&s->done))) http_answer(s, x);
    pthread_mutex_lock(&s->lock);
    const bool failed = s->failed.code != 0, ready = s->models && !s->announced,
               again = s->again && !s->loading;
    const bert_error e = s->failed;
    if (failed && s->models) s->failed.code = 0;
    if (again) s->again = false;
    pthread_mutex_unlock(&s->lock);
    if (failed && s->models) fprintf(stderr, "the models are as they were: %s\n", e.message);
    if (failed && !s->models) event_base_loopbreak(s->loop);
    if (ready) announce(s);
    if (again) reload(s);
}

static void on_stop(evutil_socket_t number, short what, void *data) {
    server *s = data;
    (void)number;
    (void)what;
    if (atomic_exchange(&s->state, STOPPING) == STOPPING) return;
    http_stop_listening(s);
    watch_close_idle(s);
}

static void on_reload(evutil_socket_t number, short what, void *data) {
    server *s = data;
    (void)number;
    (void)what;
    pthread_mutex_lock(&s->lock);
    const bool can = !s->loading;
    s->again = !can; /* what is being loaded may have been read before what was changed */
    pthread_mutex_unlock(&s->lock);
    if (can) reload(s);
}

/* Now and then: what is late; and whether all is answered, where it stops. */
static void on_tick(evutil_socket_t fd, short what, void *data) {
    server *s = data;
    (void)fd;
    (void)what;
    watch_sweep(s);
    if (atomic_load(&s->state) != STOPPING) return;
    watch_close_idle(s);
    if (!s->pending && !s->connections) event_base_loopbreak(s->loop);
}

static int run_loop(server *s, bert_error *e) {
    struct {
        evutil_socket_t fd;
        short what;
        event_callback_fn run;
    } const rows[] = {{s->done.event, EV_READ | EV_PERSIST, on_done},
                      {SIGTERM, EV_SIGNAL | EV_PERSIST, on_stop},
                      {SIGINT, EV_SIGNAL | EV_PERSIST, on_stop},
                      {SIGHUP, EV_SIGNAL | EV_PERSIST, on_reload},
                      {-1, EV_PERSIST, on_tick}};
    enum { ROWS = sizeof rows / sizeof *rows };
    const struct timeval tick = {0, 200000};
    struct event *events[ROWS] = {0};
    bool failed = false;
    for (int i = 0; i < ROWS; i++) {
        events[i] = event_new(s->loop, rows[i].fd, rows[i].what, rows[i].run, s);
        failed |= !events[i] || event_add(events[i], rows[i].fd < 0 ? &tick : NULL);
    }
    if (failed || start_loading(s)) {
        *e = (bert_error){.code = BERT_ENOMEM, .message = "the server cannot start: out of memory"};
    } else
        event_base_dispatch(s->loop);
    for (int i = 0; i < ROWS; i++)
        if (events[i]) event_free(events[i]);
    if (!s->models && s->failed.code) *e = s->failed;
    return e->code;
}

/* ---- All of it */

typedef struct {
    pthread_t compute, clerk[CLERKS];
    clerk clerks[CLERKS];
    int started; /* of them all */
} crew;

static int start_crew(server *s, crew *c, bert_error *e) {
    int rc = pthread_create(&c->compute, NULL, compute, s);
    c->started = !rc;
    for (int i = 0; i < CLERKS && !rc; i++) {
        c->clerks[i] = (clerk){s, i};
        rc = pthread_create(&c->clerk[i], NULL, work, &c->clerks[i]);
        c->started += !rc;
    }
    if (rc) *e = (bert_error){.code = BERT_ENOMEM, .message = "a thread cannot be started"};
    return e->code;
}

static void end_crew(server *s, crew *c) {
    queue_close(s->queue);
    if (c->started) pthread_join(c->compute, NULL);
    hand_close(&s->clerks);
    for (int i = 0; i + 1 < c->started; i++) pthread_join(c->clerk[i], NULL);
}

int serve(const serve_options *o, bert_error *e) {
    server s = {.options = o};
    crew c = {0};
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&s.lock, NULL);
    metrics_open(&s.metrics);
    s.loop = event_base_new();
    s.queue = queue_new(o->batch_tokens, o->max_queue);
    s.threads = bert_threads_new(o->threads, e);
    const bool hands = !hand_open(&s.clerks, false) && !hand_open(&s.done, true);
    if (!e->code && (!s.loop || !s.queue || !hands || event_base_priority_init(s.loop, 2)))
        *e = (bert_error){.code = BERT_ENOMEM, .message = "the server cannot start: out of memory"};
    int rc = e->code;
    if (!rc) rc = http_open(&s, e);
    if (!rc) rc = start_crew(&s, &c, e);
    if (!rc) rc = run_loop(&s, e);
    end_loading(&s);
    if (s.queue) end_crew(&s, &c);
    http_close(&s);
    hand_free(&s.clerks);
    hand_free(&s.done);
    queue_free(s.queue);
    models_let_go(s.models);
    bert_threads_free(s.threads);
    if (s.loop) event_base_free(s.loop);
    metrics_free(&s.metrics);
    pthread_mutex_destroy(&s.lock);
    return rc;
}
