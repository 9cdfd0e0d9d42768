/* Who wrote a head does not matter: tasks take it, and files go with it, by what it says of its
 * outputs. */
#include "tiny.h"
#include <bert_train.h>

/* Outputs as many as there are labels for each token, or for each sequence. */
typedef struct {
    bert_linear out;
} small_head;

static int init(void *self, const bert_head_site *site, bert_error *e) {
    return bert_linear_new(site->params, "small", site->config->hidden_size,
                           site->config->num_labels, &((small_head *)self)->out, e);
}

static bert_tensor *of_tokens(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                              const bert_batch *b) {
    (void)m, (void)b;
    return bert_linear_apply(t, ((small_head *)self)->out, hidden);
}

static bert_tensor *of_sequences(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                                 const bert_batch *b) {
    (void)m;
    return bert_linear_apply(t, ((small_head *)self)->out, bert_cls(t, hidden, &b->inputs));
}

static const bert_head tagger = {.name = "test-tagger",
                                 .outputs = BERT_OUTPUT_TAGS,
                                 .state_size = sizeof(small_head),
                                 .init = init,
                                 .forward = of_tokens};
static const bert_head judge = {
    .name = "test-judge", .state_size = sizeof(small_head), .init = init, .forward = of_sequences};
static const bert_head liar = {.name = "test-liar",
                               .outputs = BERT_OUTPUT_TAGS,
                               .state_size = sizeof(small_head),
                               .init = init,
                               .forward = of_sequences};

static const bert_head *const heads[] = {&tagger, &judge, &liar};

/* What a task says of a head: its error's text, or NULL. */
static void check(const char *dir, const bert_head *h, const char *tags, const char *ranks) {
    bert_error e = {0};
    bert_model *m = bert_model_open_head(dir, h, NULL, &e);
    if (!m) fail_msg("%s", e.message);
    assert_int_equal(bert_model_head_outputs(m), h->outputs);
    bert_session *s = bert_session_new(m, NULL, &e);
    const bert_text text = bert_text_of("w1 w2 w3");
    const bert_entity *entities;
    float score;
    int rc = bert_tag(s, &text, NULL, BERT_AGGREGATE_NONE, NULL, &entities, NULL, &e);
    if (tags ? rc >= 0 || !strstr(e.message, tags) : rc != 3)
        fail_msg("%s: %d %s", h->name, rc, e.message);
    bert_error_clear(&e);
    rc = bert_rerank(s, &text, &text, 1, NULL, BERT_SCORES_DEFAULT, &score, NULL, NULL, &e);
    if (ranks ? rc >= 0 || !strstr(e.message, ranks) : rc)
        fail_msg("%s: %d %s", h->name, rc, e.message);
    bert_session_free(s);
    bert_model_close(m);
}

static void tasks_take_heads_by_their_outputs(void **state) {
    (void)state;
    char *dir = test_directory();
    tiny_model(dir, 2, "single_label_classification", 0);
    check(dir, &tagger, NULL, "has no sequence-classification head (its head: test-tagger)");
    check(dir, &judge, "has no token-classification head (its head: test-judge)", NULL);
    check(dir, &liar, "gives 1 x 2 logits where a token-classification head gives 5 x 2",
          "has no sequence-classification head");
    bert_error e = {0};
    bert_model *m = bert_model_open(dir, &(bert_model_options){.head = "none"}, &e);
    bert_session *s = bert_session_new(m, NULL, &e);
    const bert_text text = bert_text_of("w1");
    float score;
    assert_int_equal(
        bert_rerank(s, &text, &text, 1, NULL, BERT_SCORES_DEFAULT, &score, NULL, NULL, &e),
        BERT_EUNSUPPORTED);
    assert_non_null(strstr(e.message, "(its head: none)"));
    bert_session_free(s);
    bert_model_close(m);
    test_remove(dir);
}

/* A cross-encoder's files are saved with what says labels of texts, whatever it is called. */
static void files_of_a_cross_encoder_go_with_it(void **state) {
    (void)state;
    char *dir = test_directory(), to[4200], path[4300];
    tiny_model(dir, 1, "", 0);
    tiny_write(dir, "config_sentence_transformers.json", "{\"model_type\": \"CrossEncoder\"}");
    tiny_write(dir, "modules.json",
               "[{\"type\": \"sentence_transformers.base.modules.transformer.Transformer\", "
               "\"path\": \"\"}]");
    for (int i = 0; i < 2; i++) {
        bert_error e = {0};
        bert_model *m = bert_model_open_head(dir, heads[i], NULL, &e);
        if (!m) fail_msg("%s", e.message);
        snprintf(to, sizeof to, "%s/%d", dir, i);
        if (bert_model_save(m, to, &e)) fail_msg("%s", e.message);
        snprintf(path, sizeof path, "%s/modules.json", to);
        assert_int_equal(bert_file_exists(path), heads[i] == &judge);
        bert_model_close(m);
    }
    test_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_take_heads_by_their_outputs),
        cmocka_unit_test(files_of_a_cross_encoder_go_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
