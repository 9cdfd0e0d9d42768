/* What is shared may be used by several threads at once: one model, one tokenizer, a session and an
 * encoder for each thread; one set of threads, by several sessions. */
#include "models.h"
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { THREADS = 4, TEXTS = 3, TURNS = 5 };
static const char *const texts[TEXTS] = {
    "the cat sat on the mat.", "a big dog ran under the small red house, and it was not blue!",
    "walking"};

typedef struct {
    const bert_model *model;
    float vectors[TEXTS * TEST_HIDDEN];
    int32_t ids[64];
    int64_t n;
    bert_error error;
} user;

static void *use(void *argument) {
    user *u = argument;
    bert_session_options o = bert_session_default();
    o.threads = 2;
    for (int turn = 0; turn < TURNS && !u->error.code; turn++) {
        bert_session *s = bert_session_new(u->model, &o, &u->error);
        bert_tokenization *enc = bert_tokenization_new(bert_model_tokenizer(u->model), &u->error);
        bert_text t[TEXTS];
        for (int i = 0; i < TEXTS; i++) t[i] = bert_text_of(texts[i]);
        if (s && enc) bert_embed(s, t, TEXTS, NULL, u->vectors, NULL, &u->error);
        if (enc) u->n = bert_tokenize_ids(enc, texts[1], strlen(texts[1]), u->ids, 64, &u->error);
        bert_session_free(s);
        bert_tokenization_free(enc);
    }
    return NULL;
}

static void sessions_share_a_model(void **state) {
    (void)state;
    char *directory = test_directory();
    test_model(directory, "BertModel", 0, "");
    bert_error e = {0};
    bert_model *m =
        bert_model_open(directory, NULL, &e); /* nothing is packed yet: the threads race for it */
    assert_non_null(m);
    pthread_t threads[THREADS];
    static user users[THREADS], alone;
    for (int i = 0; i < THREADS; i++) {
        users[i] = (user){.model = m};
        assert_int_equal(pthread_create(&threads[i], NULL, use, &users[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    alone = (user){.model = m};
    use(&alone);
    for (int i = 0; i < THREADS; i++) {
        if (users[i].error.code) fail_msg("%s", users[i].error.message);
        assert_memory_equal(users[i].vectors, alone.vectors, sizeof alone.vectors);
        assert_int_equal(users[i].n, alone.n);
        assert_memory_equal(users[i].ids, alone.ids, (size_t)alone.n * sizeof *alone.ids);
    }
    bert_model_close(m);
    test_remove(directory);
}

/* ---- Sessions of several callers on one set of threads */

enum { MANY = 400 };

typedef struct {
    const bert_model *model;
    bert_threads *threads;
    float *vectors; /* [MANY, TEST_HIDDEN] */
    bert_error error;
} caller;

/* Long batches and short ones, so that callers give way to each other in the middle. */
static void *call(void *argument) {
    caller *c = argument;
    bert_session_options o = bert_session_default();
    o.shared = c->threads;
    o.threads = 1;
    bert_session *s = bert_session_new(c->model, &o, &c->error);
    bert_text t[MANY];
    for (int i = 0; i < MANY; i++) t[i] = bert_text_of(texts[i % TEXTS]);
    for (int turn = 0; turn < TURNS && s && !c->error.code; turn++) {
        float one[TEST_HIDDEN];
        bert_embed(s, t, MANY, NULL, c->vectors, NULL, &c->error);
        bert_embed(s, &t[turn], 1, NULL, one, NULL, &c->error);
        assert_memory_equal(one, c->vectors + turn * TEST_HIDDEN, sizeof one);
    }
    bert_session_free(s);
    return NULL;
}

static int threads_of_process(void) {
    DIR *d = opendir("/proc/self/task");
    int n = -2; /* . and .. */
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static void sessions_share_threads(void **state) {
    (void)state;
    char *directory = test_directory();
    test_model(directory, "BertModel", 0, "");
    bert_error e = {0};
    bert_model *m = bert_model_open(directory, NULL, &e);
    const int before = threads_of_process();
    bert_threads *shared = bert_threads_new(3, &e);
    assert_non_null(shared);
    assert_int_equal(bert_threads_count(shared), 3);
    pthread_t threads[THREADS];
    static caller callers[THREADS];
    static float vectors[THREADS + 1][MANY * TEST_HIDDEN];
    for (int i = 0; i < THREADS; i++) {
        callers[i] = (caller){.model = m, .threads = shared, .vectors = vectors[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    caller alone = {.model = m, .vectors = vectors[THREADS]};
    call(&alone);
    for (int i = 0; i < THREADS; i++) {
        if (callers[i].error.code) fail_msg("%s", callers[i].error.message);
        assert_memory_equal(vectors[i], vectors[THREADS], sizeof vectors[i]);
    }
    /* Sessions start none, and keep those that they have when their owner has let go of them. */
    bert_session_options o = bert_session_default();
    o.shared = shared;
    bert_session *s[2] = {bert_session_new(m, &o, &e), bert_session_new(m, &o, &e)};
    test_ok(e, e.code);
    assert_int_equal(threads_of_process(), before + 2);
    bert_threads_free(shared);
    bert_session_free(s[0]);
    const bert_text t = bert_text_of(texts[1]);
    float one[TEST_HIDDEN];
    test_ok(e, bert_embed(s[1], &t, 1, NULL, one, NULL, &e));
    assert_memory_equal(one, vectors[0] + TEST_HIDDEN, sizeof one);
    bert_session_free(s[1]);
    assert_int_equal(threads_of_process(), before);
    assert_null(bert_threads_new(-1, &e));
    bert_model_close(m);
    test_remove(directory);
}

/* ---- Cancelling */

typedef struct {
    bert_session *session;
    atomic_int calls; /* that have ended well */
    bert_error error;
} worker;

static void *embed_until_cancelled(void *argument) {
    worker *w = argument;
    static bert_text t[MANY];
    static float vectors[MANY * TEST_HIDDEN];
    for (int i = 0; i < MANY; i++) t[i] = bert_text_of(texts[i % TEXTS]);
    while (!bert_embed(w->session, t, MANY, NULL, vectors, NULL, &w->error))
        atomic_fetch_add(&w->calls, 1);
    return NULL;
}

static void a_call_is_cancelled(void **state) {
    (void)state;
    char *directory = test_directory();
    test_model(directory, "BertForSequenceClassification", 3, test_labels(3));
    bert_error e = {0};
    bert_model *m = bert_model_open(directory, NULL, &e);
    bert_session_options o = bert_session_default();
    o.threads = 2;
    worker w = {.session = bert_session_new(m, &o, &e)};
    assert_non_null(w.session);
    const bert_text t = bert_text_of(texts[1]), two[] = {t, bert_text_of(texts[0])};
    float before[TEST_HIDDEN], after[TEST_HIDDEN], scores[2 * 3];
    test_ok(e, bert_embed(w.session, &t, 1, NULL, before, NULL, &e));
    for (int turn = 0; turn < TURNS; turn++) {
        pthread_t thread;
        const int calls = atomic_load(&w.calls);
        w.error = (bert_error){0};
        assert_int_equal(pthread_create(&thread, NULL, embed_until_cancelled, &w), 0);
        while (atomic_load(&w.calls) == calls) sched_yield();
        bert_session_cancel(w.session, true);
        pthread_join(thread, NULL);
        assert_int_equal(w.error.code, BERT_EINTERRUPTED);
        bert_session_cancel(w.session, false);
    }
    /* So is every further one, a run and a task alike; no text of a batch is to blame. */
    bert_session_cancel(w.session, true);
    const int32_t start[] = {0, 3}, ids[] = {2, 7, 3};
    const bert_inputs in = {.n = 1, .start = start, .ids = ids};
    bert_outputs out;
    assert_int_equal(bert_session_run(w.session, &in, 0, &out, &e), BERT_EINTERRUPTED);
    assert_null(out.last_hidden_state);
    bert_error_clear(&e);
    bert_text_options keep = bert_text_default();
    bert_text_info info[2] = {0};
    keep.keep_going = true;
    assert_int_equal(bert_classify(w.session, two, 2, &keep, BERT_SCORES_DEFAULT, scores, info, &e),
                     BERT_EINTERRUPTED);
    assert_non_null(strstr(e.message, "bert_session_cancel"));
    assert_int_equal(info[0].code, 0);
    bert_error_clear(&e);
    bert_session_cancel(w.session, false);
    test_ok(e, bert_embed(w.session, &t, 1, NULL, after, NULL, &e));
    assert_memory_equal(before, after, sizeof before);
    bert_session_cancel(NULL, true);
    bert_session_free(w.session);
    bert_model_close(m);
    test_remove(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_share_a_model),
        cmocka_unit_test(sessions_share_threads),
        cmocka_unit_test(a_call_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
