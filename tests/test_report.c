/* report.html: its curves show what was logged, where it can be seen. */
#include "train/html.h"
#include "trainer_world.h"

static int count(const char *text, const char *part) {
    int n = 0;
    for (const char *p = text; (p = strstr(p, part)); p++) n++;
    return n;
}

/* A trainer that has done its steps, without any log of its own. */
static bert_trainer *begin_report(world *w, int64_t steps) {
    begin(w, 0);
    w->args.max_steps = steps;
    w->args.save_strategy = BERT_STRATEGY_NO;
    write_to(w, "report");
    bert_trainer *t = trainer_of(w);
    check(w, !bert_trainer_train(t, &w->e));
    json_array_clear(t->log_history);
    return t;
}

static void log_value(bert_trainer *t, const char *key, int64_t step, double value) {
    json_array_append_new(t->log_history,
                          json_pack("{s:I, s:f}", "step", (json_int_t)step, key, value));
}

static char *report_of(world *w, bert_trainer *t) {
    char path[2048], *text;
    size_t size;
    check(w, !bert_html_save(t, w->args.output_dir, &w->e));
    snprintf(path, sizeof path, "%s/report.html", w->args.output_dir);
    check(w, !bert_read_file(path, 0, &text, &size, &w->e));
    assert_null(strstr(text, "nan"));
    return text;
}

/* The figure that a title begins, up to the next one. */
static char *figure_of(const char *report, const char *title) {
    char start[100];
    snprintf(start, sizeof start, "<figcaption>%s", title);
    const char *at = strstr(report, start);
    if (!at) fail_msg("there is no chart %s", title);
    return strndup(at, (size_t)(strstr(at, "</figure>") - at));
}

static void finish(world *w, bert_trainer *t) {
    bert_trainer_free(t);
    end(w);
}

static void quarters_are_written_as_such(void **state) {
    (void)state;
    world w;
    bert_trainer *t = begin_report(&w, 7);
    char *report = report_of(&w, t), *figure = figure_of(report, "Accuracy by confidence");
    assert_int_equal(count(figure, ">0.25</text>"), 2); /* of both axes */
    assert_int_equal(count(figure, ">0.75</text>"), 2);
    free(figure);
    free(report);
    finish(&w, t);
}

static void the_learning_rate_needs_no_log(void **state) {
    (void)state;
    world w;
    bert_trainer *t = begin_report(&w, 7);
    char *report = report_of(&w, t), *figure = figure_of(report, "Learning rate");
    assert_int_equal(count(figure, "<circle"), 7);
    assert_non_null(strstr(figure, "step 1: 0.001<"));
    assert_non_null(strstr(figure, "step 7: 0.00014286<"));
    assert_null(strstr(figure, "beyond"));
    free(figure);
    free(report);
    /* What was logged under other arguments is what has been. */
    log_value(t, "learning_rate", 2, 0.5);
    log_value(t, "learning_rate", 4, 0.25);
    report = report_of(&w, t);
    figure = figure_of(report, "Learning rate");
    assert_int_equal(count(figure, "<circle"), 2);
    free(figure);
    free(report);
    finish(&w, t);
}

static void a_plateau_is_in_the_learning_rate(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    w.args.max_steps = 6;
    w.args.eval_strategy = BERT_STRATEGY_STEPS;
    w.args.eval_steps = 1;
    w.args.lr_scheduler_type = BERT_SCHEDULE_REDUCE_ON_PLATEAU;
    w.args.save_strategy = BERT_STRATEGY_NO;
    strcpy(w.args.lr_scheduler_kwargs, "{\"patience\": 1, \"threshold\": 9, \"factor\": 0.5}");
    write_to(&w, "report");
    bert_trainer *t = trainer_of(&w);
    check(&w, !bert_trainer_train(t, &w.e));
    char *report = report_of(&w, t), *figure = figure_of(report, "Learning rate");
    static const char *const rates[] = {"step 3: 0.001<", "step 4: 0.0005<", "step 6: 0.00025<"};
    for (size_t i = 0; i < 3; i++) assert_non_null(strstr(figure, rates[i]));
    free(figure);
    free(report);
    finish(&w, t);
}

static void one_point_lies_in_the_middle(void **state) {
    (void)state;
    world w;
    bert_trainer *t = begin_report(&w, 3);
    log_value(t, "eval_loss", 3, 0.7);
    log_value(t, "eval_accuracy", 3, 1);
    log_value(t, "eval_accuracy", 6, 1);
    char *report = report_of(&w, t), *figure = figure_of(report, "Loss");
    assert_int_equal(count(figure, "<circle"), 1);
    assert_non_null(strstr(figure, "cx=\"232.0\"")); /* 60 .. 404 */
    assert_non_null(strstr(figure, "r=\"4\""));
    free(figure);
    /* Scores that are all 1 are at the top of what there is. */
    figure = figure_of(report, "Validation");
    assert_non_null(strstr(figure, ">1.0</text>"));
    assert_null(strstr(figure, ">1.2</text>"));
    free(figure);
    free(report);
    finish(&w, t);
}

static void an_outlier_does_not_press_the_rest_flat(void **state) {
    (void)state;
    world w;
    bert_trainer *t = begin_report(&w, 3);
    for (int i = 1; i <= 60; i++) log_value(t, "loss", i, i == 1 ? 1000 : 1 - 0.01 * i);
    char *report = report_of(&w, t), *figure = figure_of(report, "Loss");
    assert_non_null(strstr(figure, "1 beyond the edge"));
    assert_non_null(strstr(figure, "step 1: 1000<"));
    assert_int_equal(count(figure, "<path"), 1);
    assert_non_null(strstr(figure, ">1.2</text>"));
    assert_null(strstr(figure, ">1000</text>"));
    free(figure);
    free(report);
    finish(&w, t);
}

/* Scores, errors and large values do not share an axis; the metric that decides comes first. */
static void axes_are_of_values_of_one_size(void **state) {
    (void)state;
    world w;
    begin_with(&w, "regression", 0, TINY_ROWS, TINY_ROWS);
    w.args.max_steps = 4;
    w.args.eval_strategy = BERT_STRATEGY_STEPS;
    w.args.eval_steps = 2;
    w.args.save_strategy = BERT_STRATEGY_NO;
    w.args.load_best_model_at_end = true;
    strcpy(w.args.metric_for_best_model, "mae");
    write_to(&w, "report");
    bert_trainer *t = trainer_of(&w);
    check(&w, !bert_trainer_train(t, &w.e));
    check(&w, bert_trainer_evaluate(t, NULL, &w.e));
    char *report = report_of(&w, t), *figure = figure_of(report, "Validation");
    assert_non_null(strstr(figure, "mae"));
    assert_null(strstr(figure, "pearson"));
    /* Once at each step. */
    assert_int_equal(count(figure, "<circle"), 2 * count(figure, "&#9632;"));
    assert_int_equal(count(figure, "class=\"best\""), 1);
    free(figure);
    assert_non_null(strstr(report, "all 4 steps are done.</p>"));
    free(report);
    finish(&w, t);
}

/* The rows that are most wrong are coloured; weights and gradients stay as they were. */
static void mistakes_are_explained(void **state) {
    (void)state;
    world w;
    bert_trainer *t = begin_report(&w, 1);
    size_t n;
    float *before = weights_of(&w, &n);
    char *report = report_of(&w, t);
    const char *worst = strstr(report, "<h2>Most wrong</h2>");
    assert_non_null(worst);
    assert_int_equal(count(worst, "class=\"for\" style=\"--s:75%\"") +
                             count(worst, "class=\"against\" style=\"--s:75%\"") >=
                         count(worst, "<td class=\"text\">"),
                     1);                  /* each row has a word of full strength */
    assert_non_null(strstr(worst, ">w")); /* words, not pieces of tokens */
    free(report);
    float *after = weights_of(&w, &n);
    assert_memory_equal(before, after, n * sizeof *before);
    free(before);
    free(after);
    bert_params *ps = bert_model_params(w.model);
    for (int i = 0; i < bert_params_count(ps); i++) {
        const float *g = bert_param_grad(bert_params_at(ps, i));
        int32_t rows, cols;
        bert_param_shape(bert_params_at(ps, i), &rows, &cols);
        for (int32_t k = 0; g && k < rows * cols; k++) assert_true(g[k] == 0);
    }
    finish(&w, t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quarters_are_written_as_such),
        cmocka_unit_test(the_learning_rate_needs_no_log),
        cmocka_unit_test(a_plateau_is_in_the_learning_rate),
        cmocka_unit_test(one_point_lies_in_the_middle),
        cmocka_unit_test(an_outlier_does_not_press_the_rest_flat),
        cmocka_unit_test(axes_are_of_values_of_one_size),
        cmocka_unit_test(mistakes_are_explained),
    };
    write_to_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
