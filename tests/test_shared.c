/* What is shared may be used by several threads at once: one model, one tokenizer, a session and an
 * encoder for each thread; one set of threads, by several sessions. */
#include "base/threads.h"
#include "device/device.h"
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

/* ---- What a short call waits for, counted in layers: a device that tells of each attention */

enum { LAYERS = 12, LONG = 400, SEQUENCES = 12, AT = 8, SOME_TOKENS = 8 };
static struct {
    bert_device device;
    bert_threads *threads;
    atomic_int layers;   /* of the long call, begun */
    atomic_int came;     /* how many had begun when the short call had come, */
    atomic_int answered; /* and when its first layer began; -1: not yet */
    atomic_bool go;
} scene;

static int told_attention(bert_worker *w, const bert_call *c) {
    if (c->x[0].rows < SOME_TOKENS) {
        int none = -1;
        atomic_compare_exchange_strong(&scene.answered, &none, atomic_load(&scene.layers));
    } else if (atomic_fetch_add(&scene.layers, 1) + 1 == AT) {
        atomic_store(&scene.go, true);
        while (!bert_threads_awaited(scene.threads)) sched_yield();
        atomic_store(&scene.came, atomic_load(&scene.layers));
    }
    return bert_device_cpu.ops[BERT_OP_attention]->forward(w, c);
}

typedef struct {
    bert_session *session;
    bert_inputs in;
    float *hidden;
    bert_error error;
} run;

static void *run_it(void *argument) {
    run *r = argument;
    bert_outputs out;
    if (bert_session_run(r->session, &r->in, 0, &out, &r->error)) return NULL;
    memcpy(r->hidden, out.last_hidden_state,
           (size_t)r->in.start[r->in.n] * TEST_HIDDEN * sizeof(float));
    return NULL;
}

static void *run_when_told(void *argument) {
    while (!atomic_load(&scene.go)) sched_yield();
    return run_it(argument);
}

/* A long call of n sequences, and a short one that comes in one of its first layers, when it has had
 * what a short one takes. */
static void check_wait(const bert_model *m, int n, int threads, const float *expected) {
    static int32_t start[SEQUENCES + 1], ids[SEQUENCES * LONG];
    static float hidden[2][SEQUENCES * LONG * TEST_HIDDEN];
    const int32_t few[] = {0, 3};
    bert_error e = {0};
    for (int i = 0; i <= n; i++) start[i] = i * LONG;
    for (int i = 0; i < n * LONG; i++) ids[i] = 5 + i % 30;
    scene.threads = bert_threads_new(threads, &e);
    atomic_store(&scene.layers, 0);
    atomic_store(&scene.answered, -1);
    atomic_store(&scene.go, false);
    bert_session_options o = bert_session_default();
    o.shared = scene.threads;
    o.batch_tokens = 2 * LONG;
    run long_one = {.session = bert_session_new(m, &o, &e),
                    .in = {.n = n, .start = start, .ids = ids},
                    .hidden = hidden[0]},
        short_one = {.session = bert_session_new(m, &o, &e),
                     .in = {.n = 1, .start = few, .ids = ids},
                     .hidden = hidden[1]};
    assert_non_null(long_one.session);
    assert_non_null(short_one.session);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, run_when_told, &short_one), 0);
    run_it(&long_one);
    pthread_join(other, NULL);
    assert_int_equal(long_one.error.code, 0);
    assert_int_equal(short_one.error.code, 0);
    /* Each thread ends the layer that it is in, and may be between two when the call comes. */
    const int waited = atomic_load(&scene.answered) - atomic_load(&scene.came);
    const int bound = n == 1 ? 0 : threads; /* one sequence: all threads take it together */
    assert_true(atomic_load(&scene.answered) > 0);
    if (waited > bound) fail_msg("%d layers of %d threads were waited for", waited, threads);
    assert_true(atomic_load(&scene.layers) > AT + threads); /* there was more to wait for */
    assert_memory_equal(hidden[1], expected, 3 * TEST_HIDDEN * sizeof(float));
    bert_session_free(long_one.session);
    bert_session_free(short_one.session);
    bert_threads_free(scene.threads);
}

static void a_short_call_waits_for_a_layer(void **state) {
    (void)state;
    char *directory = test_directory(), config[1024];
    snprintf(config, sizeof config,
             "{\"model_type\": \"bert\", \"vocab_size\": %d, \"hidden_size\": %d, "
             "\"num_hidden_layers\": %d, \"num_attention_heads\": %d, \"intermediate_size\": %d, "
             "\"max_position_embeddings\": 512}",
             TEST_VOCAB, TEST_HIDDEN, LAYERS, TEST_HEADS, TEST_INNER);
    test_write(directory, "config.json", config);
    bert_op_row row = *bert_device_cpu.ops[BERT_OP_attention];
    row.forward = told_attention;
    scene.device = bert_device_cpu;
    scene.device.ops[BERT_OP_attention] = &row;
    bert_model_options o = bert_model_default();
    o.from_scratch = true;
    o.device = &scene.device;
    bert_error e = {0};
    bert_model *m = bert_model_open(directory, &o, &e);
    test_ok(e, e.code);
    const int32_t few[] = {0, 3}, ids[] = {5, 6, 7};
    float expected[3 * TEST_HIDDEN];
    run alone = {.session = bert_session_new(m, NULL, &e),
                 .in = {.n = 1, .start = few, .ids = ids},
                 .hidden = expected};
    run_it(&alone);
    test_ok(e, alone.error.code);
    bert_session_free(alone.session);
    for (int threads = 1; threads <= 3; threads++) { /* a chunk for each, and one for all */
        check_wait(m, SEQUENCES, threads, expected);
        check_wait(m, 1, threads, expected);
    }
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
        cmocka_unit_test(a_short_call_waits_for_a_layer),
        cmocka_unit_test(a_call_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
