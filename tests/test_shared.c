/* What is shared may be used by several threads at once: one model, one tokenizer, a session and an
 * encoder for each thread. */
#include "models.h"
#include <pthread.h>

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
        bert_encoder *enc = bert_encoder_new(bert_model_tokenizer(u->model), &u->error);
        bert_text t[TEXTS];
        for (int i = 0; i < TEXTS; i++) t[i] = bert_text_of(texts[i]);
        if (s && enc) bert_embed(s, t, TEXTS, NULL, u->vectors, NULL, &u->error);
        if (enc) u->n = bert_encode_ids(enc, texts[1], strlen(texts[1]), u->ids, 64, &u->error);
        bert_session_free(s);
        bert_encoder_free(enc);
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sessions_share_a_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
