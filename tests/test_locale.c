/* A program whose locale writes numbers with a comma: files and arguments still have a point. */
#include "base/file.h"
#include "base/number.h"
#include "tiny.h"
#include <locale.h>

/* Where the machine has no such locale, one is made; false: it cannot be. */
static bool comma_locale(const char *directory) {
    char command[4600];
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' 2>/dev/null",
             directory);
    if (!setlocale(LC_ALL, "de_DE.UTF-8")) {
        if (system(command)) return false;
        setenv("LOCPATH", directory, 1);
        if (!setlocale(LC_ALL, "de_DE.UTF-8")) return false;
    }
    return *localeconv()->decimal_point == ',';
}

static void arguments_keep_their_point(const char *directory) {
    bert_error e = {0};
    bert_training_args a = bert_training_default(), b = a;
    assert_true(a.adam_beta1 > .89 && a.adam_beta2 > .99);
    assert_int_equal(bert_training_set(&a, "weight_decay", "0.25", &e), 0);
    assert_true(a.weight_decay > .24);
    char text[64];
    bert_training_get(&a, "weight_decay", text, sizeof text);
    assert_string_equal(text, "0.25");
    char *path = bert_path_join(directory, "args.json");
    assert_int_equal(bert_training_save(&a, path, &e), 0);
    assert_int_equal(bert_training_load(&b, path, &e), 0);
    assert_memory_equal(&a, &b, sizeof a);
    free(path);
}

static void labels_are_numbers(const char *directory) {
    bert_error e = {0};
    tiny_model(directory, 3, "single_label_classification", 0);
    tiny_write(directory, "rows.jsonl",
               "{\"text\": \"w1\", \"label\": 1.5}\n{\"text\": \"w2\", \"label\": 2.25}\n");
    bert_model *m = bert_model_open(directory, NULL, &e);
    assert_non_null(m);
    char *path = bert_path_join(directory, "rows.jsonl");
    bert_dataset *d = bert_dataset_open(path, m, NULL, &e);
    if (!d) fail_msg("%s", e.message);
    assert_string_equal(bert_dataset_problem_type(d), "regression");
    assert_true(*bert_dataset_row_targets(d, 1) > 2.2f);
    bert_dataset_free(d);
    bert_model_close(m);
    free(path);
}

static void numbers_have_a_point_in_any_locale(void **state) {
    (void)state;
    char *directory = test_directory(), text[32];
    if (!comma_locale(directory)) {
        test_remove(directory);
        skip();
    }
    snprintf(text, sizeof text, "%.1f", 1.5);
    assert_string_equal(text, "1,5");
    bert_snprintf(text, sizeof text, "%.1f", 1.5);
    assert_string_equal(text, "1.5");
    assert_true(bert_strtod("1.5", NULL) > 1.4);
    arguments_keep_their_point(directory);
    labels_are_numbers(directory);
    snprintf(text, sizeof text, "%.1f", 1.5); /* the program's own locale is untouched */
    assert_string_equal(text, "1,5");
    setlocale(LC_ALL, "C");
    test_remove(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_have_a_point_in_any_locale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
