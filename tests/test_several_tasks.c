/* Several tasks over one encoder: heads, labels and parameters of their own, in one directory. */
#include "tool.h"
#include <math.h>

#define SINGLE "single_label_classification"

/* One linear over the first token. */
typedef struct {
    bert_linear out;
} one_linear;

static int init(void *self, const bert_head_site *site, bert_error *e) {
    return bert_linear_new(site->params, "out", site->config->hidden_size, site->config->num_labels,
                           &((one_linear *)self)->out, e);
}

static bert_tensor *forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                            const bert_batch *b) {
    (void)m;
    return bert_linear_apply(t, ((one_linear *)self)->out, bert_cls(t, hidden, &b->inputs));
}

static bert_tensor *loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                         double divisor) {
    (void)self;
    return bert_problem_loss(t, NULL, logits, b, divisor);
}

static const bert_head own = {.name = "test-line",
                              .state_size = sizeof(one_linear),
                              .init = init,
                              .forward = forward,
                              .loss = loss,
                              .first_token = true};

static const char *const colours[] = {"red", "green", "blue"};

static bert_model *encoder_of(const char *dir, bool trainable) {
    bert_error e = {0};
    bert_model *m =
        bert_model_open(dir, &(bert_model_options){.head = "none", .trainable = trainable}, &e);
    if (!m) fail_msg("%s", e.message);
    return m;
}

static bert_model *add(bert_model *m, const char *name, const bert_head *head,
                       const bert_model_options *o) {
    bert_error e = {0};
    bert_model *t = bert_model_add_task(m, name, head, o, &e);
    if (!t) fail_msg("%s", e.message);
    return t;
}

/* Scores of a text; returns how many there are. */
static int classify(const bert_model *m, const char *text, float scores[8]) {
    bert_error e = {0};
    bert_session *s = bert_session_new(m, NULL, &e);
    const bert_text t = bert_text_of(text);
    if (!s || bert_classify(s, &t, 1, NULL, BERT_SCORES_NONE, scores, NULL, &e))
        fail_msg("%s", e.message);
    bert_session_free(s);
    return bert_model_config(m)->num_labels;
}

static void same_scores(const bert_model *a, const bert_model *b) {
    float x[8], y[8];
    const int n = classify(a, "w1 w2 w3", x);
    assert_int_equal(classify(b, "w1 w2 w3", y), n);
    for (int i = 0; i < n; i++)
        if (x[i] != y[i])
            fail_msg("%s %s: %g %g", bert_model_head(a), bert_model_path(a), (double)x[i],
                     (double)y[i]);
}

static bert_model *open_or_fail(const char *dir, const char *task) {
    bert_error e = {0};
    bert_model *m = bert_model_open(dir, &(bert_model_options){.task = task}, &e);
    if (!m) fail_msg("%s", e.message);
    return m;
}

static json_t *config_of(const char *dir) {
    char path[4400];
    snprintf(path, sizeof path, "%s/config.json", dir);
    json_t *json = json_load_file(path, 0, NULL);
    assert_non_null(json);
    return json;
}

static void they_are_saved_and_found_again(void **state) {
    (void)state;
    char *dir = test_directory(), to[4200], one[4300];
    bert_error e = {0};
    tiny_model(dir, 2, "", 0);
    bert_head_register(&own, &e);
    bert_model *m = encoder_of(dir, false);
    bert_model_options colour = {.head = "sequence-classification",
                                 .num_labels = 3,
                                 .label_names = colours,
                                 .problem_type = SINGLE};
    bert_model *a = add(m, "colour", NULL, &colour);
    bert_model *b = add(m, "size", &own, &(bert_model_options){.num_labels = 1});
    assert_string_equal(bert_model_head(m), "none");
    assert_string_equal(bert_model_head(a), "sequence-classification");
    assert_string_equal(bert_model_head(b), "test-line");
    assert_ptr_equal(bert_model_params(a), bert_model_params(b));
    assert_non_null(bert_params_find(bert_model_params(m), "tasks.colour.classifier.weight"));
    assert_non_null(bert_params_find(bert_model_params(m), "tasks.size.out.bias"));
    assert_string_equal(bert_model_label(a, 2), "blue");
    assert_string_equal(bert_model_task_name(a), "colour");
    assert_null(bert_model_task_name(m));

    snprintf(to, sizeof to, "%s/saved", dir);
    if (bert_model_save(a, to, &e)) fail_msg("%s", e.message); /* of a task: of all */
    json_t *json = config_of(to), *tasks = json_object_get(json, "bert_tasks");
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(json, "architectures"), 0)), "BertModel");
    assert_int_equal(json_object_size(tasks), 2);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(tasks, "size"), "bert_head")),
        "test-line");
    json_decref(json);

    bert_model *all = open_or_fail(to, NULL);
    assert_string_equal(bert_model_task_at(all, 0), "colour");
    assert_string_equal(bert_model_task_at(all, 1), "size");
    assert_null(bert_model_task_at(all, 2));
    same_scores(bert_model_task(all, "colour", &e), a);
    same_scores(bert_model_task(all, "size", &e), b);
    assert_null(bert_model_new_parameter(all, 0));
    assert_null(bert_model_unused_tensor(all, 0));

    /* One alone is a model of one head, whose names are those of transformers. */
    bert_model *alone = open_or_fail(to, "colour");
    same_scores(alone, a);
    assert_null(bert_model_new_parameter(alone, 0));
    assert_null(bert_model_unused_tensor(alone, 0));
    assert_string_equal(bert_model_config(alone)->architecture, "BertForSequenceClassification");
    snprintf(one, sizeof one, "%s/one", dir);
    if (bert_model_save(alone, one, &e)) fail_msg("%s", e.message);
    json = config_of(one);
    assert_null(json_object_get(json, "bert_tasks"));
    json_decref(json);
    bert_model *again = open_or_fail(one, NULL);
    same_scores(again, a);
    assert_non_null(bert_params_find(bert_model_params(again), "classifier.weight"));

    bert_model *const models[] = {again, alone, all, m};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) bert_model_close(models[i]);
    test_remove(dir);
}

static void encoder_alone_is_saved_without(void **state) {
    (void)state;
    char *dir = test_directory(), to[4200], bare[4300];
    bert_error e = {0};
    tiny_model(dir, 2, "", 0);
    bert_model *m = encoder_of(dir, false);
    add(m, "a", NULL, &(bert_model_options){.head = "sequence-classification"});
    snprintf(to, sizeof to, "%s/saved", dir);
    snprintf(bare, sizeof bare, "%s/bare", dir);
    assert_int_equal(bert_model_save(m, to, &e), 0);
    bert_model *none = encoder_of(to, false);
    assert_null(bert_model_task_at(none, 0));
    assert_int_equal(bert_model_save(none, bare, &e), 0);
    json_t *json = config_of(bare);
    assert_null(json_object_get(json, "bert_tasks"));
    json_decref(json);
    /* and takes up its tasks again by their names */
    bert_model *a = add(none, "a", NULL, NULL);
    same_scores(a, bert_model_task(m, "a", &e));
    bert_model_close(none);
    bert_model_close(m);
    test_remove(dir);
}

static void refuses(bert_model *m, const char *name, const bert_model_options *o,
                    const char *says) {
    bert_error e = {0};
    assert_null(bert_model_add_task(m, name, NULL, o, &e));
    if (!strstr(e.message, says)) fail_msg("%s", e.message);
}

static void errors_say_what(void **state) {
    (void)state;
    char *dir = test_directory(), to[4200];
    bert_error e = {0};
    tiny_model(dir, 2, "", 0);
    bert_model *m = encoder_of(dir, false);
    const bert_model_options o = {.head = "sequence-classification"};
    refuses(m, "a.b", &o, "cannot be called \"a.b\"");
    refuses(m, "", &o, "cannot be called");
    refuses(m, "a", NULL, "task a: a task needs a head");
    refuses(m, "a", &(bert_model_options){.head = "no-such"}, "task a: there is no head");
    add(m, "a", NULL, &o);
    refuses(m, "a", &o, "there is a task \"a\" already");
    assert_null(bert_model_task(m, "b", &e));
    assert_non_null(strstr(e.message, "has no task \"b\"; its tasks are a"));
    bert_model *headed = bert_model_open(dir, NULL, NULL);
    refuses(headed, "a", &o, "has a head");
    bert_model_close(headed);

    snprintf(to, sizeof to, "%s/saved", dir);
    bert_error_clear(&e);
    assert_int_equal(bert_model_save(m, to, &e), 0);
    assert_null(bert_model_open(to, &(bert_model_options){.task = "b"}, &e));
    assert_non_null(strstr(e.message, "has no task \"b\"; its tasks are a"));
    bert_error_clear(&e);
    assert_null(bert_model_open(dir, &(bert_model_options){.task = "b"}, &e));
    assert_non_null(strstr(e.message, "has no tasks"));
    bert_model_close(m);
    test_remove(dir);
}

/* The tool picks one, and says which there are. */
static void tool_picks_one(void **state) {
    (void)state;
    home = test_directory();
    char to[4200];
    bert_error e = {0};
    tiny_model(home, 2, "", 0);
    bert_model *m = encoder_of(home, false);
    add(m, "colour", NULL,
        &(bert_model_options){
            .head = "sequence-classification", .num_labels = 3, .label_names = colours});
    add(m, "words", NULL, &(bert_model_options){.head = "token-classification"});
    snprintf(to, sizeof to, "%s/m", home);
    assert_int_equal(bert_model_save(m, to, &e), 0);
    bert_model_close(m);
    expect(1, bert("classify m w1"));
    says(err, "holds the tasks colour, words: --task NAME says which");
    expect(1, bert("classify m w1 --task no"));
    says(err, "has no task \"no\"; its tasks are colour, words");
    expect(0, bert("classify m w1 --task colour"));
    says(out, "\"green\":");
    expect(0, bert("tag m w1 --task words --aggregation none"));
    says(out, "LABEL_");
    expect(0, bert("info m"));
    says(out, "\"tasks\":{\"colour\":{\"head\":\"sequence-classification\",\"labels\":[\"red\",");
    expect(0, bert("info m --columns"));
    says(out, "colour (sequence-classification): red, green, blue");
    expect(0, bert("embed m w1"));
    tiny_write(home, "rows.csv", "text,label\nw1,red\nw2 w3,blue\n");
    expect(0, bert("evaluate m -i rows.csv --task colour"));
    says(out, "\"accuracy\"");

    expect(0, bert("classify m w1 --task colour"));
    char *was = strdup(out);
    expect(0, bert("convert m -o one --task colour"));
    expect(0, bert("classify one w1"));
    assert_string_equal(out, was);
    assert_string_equal(err, "");
    expect(0, bert("info one"));
    says(out, "\"architecture\":\"BertForSequenceClassification\"");
    says(out, "\"unused_tensors\":[]");
    expect(0, bert("convert m -o whole"));
    expect(0, bert("classify whole w1 --task colour"));
    assert_string_equal(out, was);
    free(was);
    test_remove(home);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_saved_and_found_again),
        cmocka_unit_test(encoder_alone_is_saved_without),
        cmocka_unit_test(errors_say_what),
        cmocka_unit_test(tool_picks_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
