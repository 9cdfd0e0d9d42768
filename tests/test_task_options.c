/* Options of tasks: one table, by name. */
#include "test.h"
#include <bert_train.h>

static void check_set(bert_dataset_options *o, const char *name, const char *value) {
    bert_error e = {0};
    if (bert_dataset_set(o, name, value, &e)) fail_msg("%s", e.message);
}

static void every_task_is_found_by_its_name(void **state) {
    (void)state;
    const char *name;
    int n = 0;
    for (; (name = bert_dataset_task_at(n)); n++) assert_true(*name);
    assert_int_equal(n, 7);
    assert_string_equal(bert_dataset_task_at(0), "sequence-classification");
    assert_null(bert_dataset_task_at(-1));
}

/* Each once, with a task that there is and a help. */
static void every_option_is_listed_once(void **state) {
    (void)state;
    bert_dataset_option o, other;
    int n = 0;
    for (; bert_dataset_option_at(n, &o); n++) {
        bool of_a_task = false;
        for (int k = 0; bert_dataset_task_at(k); k++)
            of_a_task |= !strcmp(bert_dataset_task_at(k), o.task);
        if (!of_a_task || strlen(o.help) < 8 || !*o.type) fail_msg("%s", o.name);
        for (int k = 0; k < n; k++)
            if (bert_dataset_option_at(k, &other) && !strcmp(other.name, o.name))
                fail_msg("%s is there twice", o.name);
        bert_dataset_options set = bert_dataset_default();
        const bool number = !strcmp(o.type, "integer"), real = !strcmp(o.type, "number");
        check_set(&set, o.name, number ? "7" : real ? "0.5" : "true");
        const bert_dataset_options unset = bert_dataset_default();
        if (!memcmp(&set, &unset, sizeof set)) fail_msg("%s sets nothing", o.name);
    }
    assert_int_equal(n, 23);
    assert_false(bert_dataset_option_at(-1, &o));
}

static void values_are_what_they_say(void **state) {
    (void)state;
    bert_dataset_options o = bert_dataset_default();
    bert_error e = {0};
    check_set(&o, "doc_stride", "64");
    check_set(&o, "null-score-diff-threshold", "-1.5");
    check_set(&o, "whole-word-mask", "yes");
    check_set(&o, "label_names", "a,b");
    static const char *const want[][2] = {{"doc_stride", "64"},
                                          {"null_score_diff_threshold", "-1.5"},
                                          {"whole_word_mask", "yes"},
                                          {"label_names", "a,b"}};
    for (int i = 0; i < 4; i++) {
        assert_string_equal(o.task_options[i].name, want[i][0]);
        assert_string_equal(o.task_options[i].value, want[i][1]);
    }
    assert_null(o.task_options[4].name);
    check_set(&o, "whole_word_mask", "false"); /* a later one counts */
    assert_string_equal(o.task_options[2].value, "false");
    check_set(&o, "label-names", NULL);
    assert_null(o.task_options[3].value);
    check_set(&o, "positive_label", NULL);
    assert_null(o.task_options[4].name);
    const char *const wrong[][3] = {
        {"doc_stride", "0", "whole number from 1"},
        {"doc_stride", "3.5", "whole number from 1"},
        {"n_best_size", "", "whole number"},
        {"mlm_probability", "1", "between 0 and 1"},
        {"mlm_probability", "nan", "between 0 and 1"},
        {"null_score_diff_threshold", "much", "is a number"},
        {"line_by_line", "perhaps", "true or false"},
        {"doc_strides", "1", "there is no option \"doc_strides\""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bert_error_clear(&e);
        assert_int_equal(bert_dataset_set(&o, wrong[i][0], wrong[i][1], &e), BERT_EINVAL);
        if (!strstr(e.message, wrong[i][2])) fail_msg("%s", e.message);
    }
    assert_int_equal(bert_dataset_set(NULL, "doc_stride", "1", &e), BERT_EINVAL);
}

/* A file of training arguments may hold them, but for a name that means something else there. */
static void training_arguments_may_be_beside_them(void **state) {
    (void)state;
    bert_dataset_option o;
    for (int i = 0; bert_dataset_option_at(i, &o); i++) {
        const bert_foreign f = bert_training_foreign(o.name, "true");
        if (!strcmp(o.name, "label_names")) continue;
        if (f.kind != BERT_FOREIGN_TAKEN || strcmp(f.name, o.name)) fail_msg("%s", o.name);
    }
    assert_int_equal(bert_training_foreign("doc_strides", "1").kind, BERT_FOREIGN_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_is_found_by_its_name),
        cmocka_unit_test(every_option_is_listed_once),
        cmocka_unit_test(values_are_what_they_say),
        cmocka_unit_test(training_arguments_may_be_beside_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
