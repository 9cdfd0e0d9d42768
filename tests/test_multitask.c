/* Several tasks in one training: whose rows come when, what a step's loss is, and runs that are the
 * same to the bit whatever interrupts them. */
#include "data/mixture.h"
#include "tool.h"
#include "trainer_world.h"

enum { LARGE = 60, SMALL = 20 };

/* Two tasks over the encoder of a world: classes of many rows, values of few. */
typedef struct {
    world w;
    tiny_rows values;
    bert_model *encoder;
    bert_dataset *sets[2];
    bert_trainer_task tasks[2];
} pair;

static bert_dataset *set_of(pair *p, const tiny_rows *rows, int n) {
    bert_dataset *d = bert_dataset_of(rows->texts, rows->labels, n, p->w.base, NULL, &p->w.e);
    check(&p->w, d);
    return d;
}

static void open_tasks(pair *p) {
    static const char *const names[] = {"kind", "value"};
    bert_model_close(p->encoder);
    p->encoder = bert_model_open(
        p->w.dir, &(bert_model_options){.head = "none", .trainable = true, .seed = 1}, &p->w.e);
    check(&p->w, p->encoder);
    for (int i = 0; i < 2; i++) {
        bert_model_options o = bert_dataset_model(p->sets[i]);
        p->tasks[i].model = bert_model_add_task(p->encoder, names[i], NULL, &o, &p->w.e);
        check(&p->w, p->tasks[i].model);
        p->tasks[i].train = p->tasks[i].validation = p->sets[i];
    }
}

static void begin_pair(pair *p, double dropout) {
    memset(p, 0, sizeof *p);
    begin_with(&p->w, SINGLE, dropout, LARGE, SMALL);
    tiny_fill(&p->values, "regression", 0, SMALL);
    p->sets[0] = set_of(p, &p->w.rows, LARGE);
    p->sets[1] = set_of(p, &p->values, SMALL);
    p->w.args.per_device_train_batch_size = 8;
    p->w.args.save_strategy = BERT_STRATEGY_NO;
    open_tasks(p);
}

static void end_pair(pair *p) {
    bert_model_close(p->encoder);
    for (int i = 0; i < 2; i++) bert_dataset_free(p->sets[i]);
    end(&p->w);
}

static bert_trainer *trainer_of_pair(pair *p) {
    bert_trainer *t = bert_trainer_new_tasks(&p->w.args, p->tasks, 2, NULL, &p->w.e);
    check(&p->w, t);
    return t;
}

/* All weights of the encoder and both heads end to end. */
static float *all_weights(const pair *p, size_t *n) {
    world of = {.model = p->encoder};
    return weights_of(&of, n);
}

/* ---- Whose rows come when */

static bert_mixture *mixture_of(pair *p, const bert_mixture_options *o) {
    bert_mixture *x = bert_mixture_new((const bert_dataset *const *)p->sets, 2, o, &p->w.e);
    check(&p->w, x);
    return x;
}

static void batches(pair *p, const bert_mixture_options *o, int64_t large, int64_t small) {
    bert_mixture *x = mixture_of(p, o);
    bert_mixed_batch b;
    assert_int_equal(bert_mixture_share(x, 0), large);
    assert_int_equal(bert_mixture_share(x, 1), small);
    int64_t seen[2] = {0};
    for (int64_t epoch = 0; epoch < 3; epoch++)
        for (int64_t i = 0; i < bert_mixture_batches(x); i++) {
            for (int k = 0; k < 2; k++)
                assert_int_equal(bert_mixture_cursor(x, epoch, i, k, NULL), seen[k]);
            check(&p->w, !bert_mixture_get(x, epoch, i, &b, &p->w.e));
            for (int32_t k = 0; k < b.count; k++)
                seen[b.part[k].set] += o->mixed ? b.part[k].batch.row_count : 1;
            assert_true(o->mixed || b.count == 1);
        }
    assert_int_equal(seen[0], 3 * large);
    assert_int_equal(seen[1], 3 * small);
    /* any batch again is the same one */
    int64_t row = b.part[0].batch.rows[0];
    check(&p->w, !bert_mixture_get(x, 0, 0, &b, &p->w.e));
    check(&p->w, !bert_mixture_get(x, 2, bert_mixture_batches(x) - 1, &b, &p->w.e));
    assert_int_equal(b.part[0].batch.rows[0], row);
    bert_mixture_free(x);
}

static void shares_are_as_they_are_asked(void **state) {
    (void)state;
    pair p;
    begin_pair(&p, 0);
    const double weights[] = {1, 4}, rare[] = {1000, 1};
    bert_mixture_options o = {.loader = {.batch_size = 5, .shuffle = true, .seed = 3}};
    batches(&p, &o, 12, 4); /* 60 and 20 rows by 5 */
    o.temperature = 1e9;
    batches(&p, &o, 8, 8);
    o.temperature = 2; /* sqrt 3 to 1 of 16: 10.1 */
    batches(&p, &o, 10, 6);
    o.weights = weights;
    batches(&p, &o, 3, 13);
    o.weights = rare; /* one at least */
    batches(&p, &o, 15, 1);
    o = (bert_mixture_options){.loader = {.batch_size = 7, .shuffle = true}, .mixed = true};
    batches(&p, &o, 60, 20);
    o.weights = weights;
    batches(&p, &o, 16, 64);
    o.loader.shuffle = false;
    batches(&p, &o, 16, 64);
    end_pair(&p);
}

/* In proportion, an epoch of mixed batches has every row of every task once. */
static void mixed_epochs_have_every_row_once(void **state) {
    (void)state;
    pair p;
    begin_pair(&p, 0);
    const bert_mixture_options o = {.loader = {.batch_size = 7, .shuffle = true}, .mixed = true};
    bert_mixture *x = mixture_of(&p, &o);
    bert_mixed_batch b;
    memset(&b, 0x5a, sizeof b); /* nothing that it does not set is right by chance */
    int seen[2][LARGE] = {{0}}, mixed = 0;
    for (int64_t i = 0; i < bert_mixture_batches(x); i++) {
        check(&p.w, !bert_mixture_get(x, 1, i, &b, &p.w.e));
        mixed += b.count == 2;
        for (int32_t k = 0; k < b.count; k++) {
            const bert_batch *own = &b.part[k].batch;
            for (int32_t r = 0; r < own->row_count; r++) seen[b.part[k].set][own->rows[r]]++;
            /* its tokens lie among those of all */
            for (int32_t t = 0; t < own->inputs.start[own->inputs.n]; t++)
                assert_int_equal(b.inputs.ids[b.part[k].first + t], own->inputs.ids[t]);
        }
    }
    assert_true(mixed > 5);
    for (int i = 0; i < LARGE; i++) assert_int_equal(seen[0][i], 1);
    for (int i = 0; i < SMALL; i++) assert_int_equal(seen[1][i], 1);
    bert_mixture_free(x);
    end_pair(&p);
}

/* ---- A step's loss */

static double loss_of(pair *p, int k) {
    double v = 0;
    bert_metrics *m = bert_evaluate(p->tasks[k].model, p->sets[k], NULL, &p->w.e);
    check(&p->w, m);
    assert_true(bert_metrics_find(m, "loss", &v));
    bert_metrics_free(m);
    return v;
}

static void loss_is_the_sum_of_means_by_weight(void **state) {
    (void)state;
    pair p;
    begin_pair(&p, 0);
    p.tasks[1].loss_weight = 0.25;
    const double kind = loss_of(&p, 0), value = loss_of(&p, 1);
    p.w.args.task_batches = BERT_BATCHES_MIXED;
    p.w.args.per_device_train_batch_size = LARGE + SMALL; /* all rows in one batch */
    p.w.args.max_steps = 1;
    bert_trainer *t = trainer_of_pair(&p);
    check(&p.w, !bert_trainer_train(t, &p.w.e));
    assert_float_equal(bert_trainer_get_state(t)->loss, kind + 0.25 * value, 1e-5);
    bert_trainer_free(t);
    /* the same rows in ten batches of one step: each task's divisor is of all of them */
    open_tasks(&p);
    p.w.args.per_device_train_batch_size = 8;
    p.w.args.gradient_accumulation_steps = 10;
    t = trainer_of_pair(&p);
    check(&p.w, !bert_trainer_train(t, &p.w.e));
    assert_float_equal(bert_trainer_get_state(t)->loss, kind + 0.25 * value, 1e-5);
    bert_trainer_free(t);
    end_pair(&p);
}

/* A head that is in no batch of a step is left as it is. */
static void absent_heads_stay(void **state) {
    (void)state;
    pair p;
    begin_pair(&p, 0);
    p.w.args.weight_decay = 0.1;
    p.w.args.max_steps = 1;
    float before[2], after[2];
    const bert_params *ps = bert_model_params(p.encoder);
    const bert_param *heads[] = {bert_params_find(ps, "tasks.kind.classifier.weight"),
                                 bert_params_find(ps, "tasks.value.classifier.weight")};
    for (int i = 0; i < 2; i++) before[i] = *bert_param_value(heads[i]);
    bert_trainer *t = trainer_of_pair(&p);
    check(&p.w, !bert_trainer_train(t, &p.w.e));
    bert_trainer_free(t);
    for (int i = 0; i < 2; i++) after[i] = *bert_param_value(heads[i]);
    assert_int_equal((before[0] != after[0]) + (before[1] != after[1]), 1);
    end_pair(&p);
}

static void shared_part_can_be_frozen(void **state) {
    (void)state;
    pair p;
    begin_pair(&p, 0);
    strcpy(p.w.args.freeze, "embeddings,encoder,pooler");
    bert_params *ps = bert_model_params(p.encoder);
    const int n = bert_params_count(ps);
    float before[128], after;
    assert_true(n <= 128);
    for (int i = 0; i < n; i++) before[i] = *bert_param_value(bert_params_at(ps, i));
    bert_trainer *t = trainer_of_pair(&p);
    check(&p.w, !bert_trainer_train(t, &p.w.e));
    for (int i = 0; i < n; i++) {
        after = *bert_param_value(bert_params_at(ps, i));
        const bool head = !strncmp(bert_param_name(bert_params_at(ps, i)), "tasks.", 6);
        assert_int_equal(before[i] != after, head);
    }
    bert_trainer_free(t);
    end_pair(&p);
}

/* ---- Runs */

static void run(pair *p, int64_t stop_at) {
    watcher c = {.stop_on = BERT_ON_STEP_END, .stop_at = stop_at};
    bert_trainer *t = trainer_of_pair(p);
    c.trainer = t;
    bert_trainer_add_callback(t, watch, &c, NULL);
    int rc = bert_trainer_train(t, &p->w.e);
    if (stop_at) assert_int_equal(rc, BERT_EINTERRUPTED);
    bert_error_clear(&p->w.e);
    if (!stop_at) check(&p->w, !rc);
    bert_trainer_free(t);
}

static void resumed(bert_task_batches batches, int threads) {
    pair p;
    size_t n, again;
    begin_pair(&p, 0.1);
    p.w.args.task_batches = batches;
    p.w.args.task_temperature = 3;
    p.w.args.gradient_accumulation_steps = 2;
    p.w.args.num_train_epochs = 2;
    p.w.args.save_strategy = BERT_STRATEGY_EPOCH;
    write_to(&p.w, "whole");
    run(&p, 0);
    float *whole = all_weights(&p, &n);
    open_tasks(&p);
    p.w.args.threads = threads;
    write_to(&p.w, "cut");
    run(&p, 3);
    open_tasks(&p);
    strcpy(p.w.args.resume_from_checkpoint, "last");
    run(&p, 0);
    float *cut = all_weights(&p, &again);
    assert_int_equal(n, again);
    assert_memory_equal(whole, cut, n * sizeof *whole);
    free(whole);
    free(cut);
    /* of other data, or under another order, it is not the same run */
    p.w.args.task_temperature = 1;
    bert_trainer *t = trainer_of_pair(&p);
    assert_int_equal(bert_trainer_train(t, &p.w.e), BERT_EINVAL);
    assert_non_null(strstr(p.w.e.message, "task_temperature was 3 and is 1 now"));
    bert_trainer_free(t);
    end_pair(&p);
}

static void resumed_runs_are_the_same_to_the_bit(void **state) {
    (void)state;
    resumed(BERT_BATCHES_ALTERNATE, 1);
    resumed(BERT_BATCHES_MIXED, 3);
}

static void metrics_have_the_names_of_tasks(void **state) {
    (void)state;
    pair p;
    begin_pair(&p, 0);
    p.w.args.eval_strategy = BERT_STRATEGY_EPOCH;
    p.w.args.save_strategy = BERT_STRATEGY_BEST;
    p.w.args.save_total_limit = 1;
    p.w.args.num_train_epochs = 4;
    p.w.args.load_best_model_at_end = true;
    p.tasks[1].metric_for_best_model = "spearmanr";
    strcpy(p.w.args.metric_for_best_model, "kind_f1");
    write_to(&p.w, "named");
    bert_trainer *t = trainer_of_pair(&p);
    const bert_trainer_state *s = bert_trainer_get_state(t);
    assert_string_equal(s->best_metric_name, "kind_f1_macro");
    check(&p.w, !bert_trainer_train(t, &p.w.e));
    const bert_metrics *m = bert_trainer_evaluate(t, NULL, &p.w.e);
    check(&p.w, m);
    double loss = 0, kind = 0, value = 0, mean = 0, accuracy = 0, rank = 0;
    assert_true(bert_metrics_find(m, "loss", &loss) && bert_metrics_find(m, "mean", &mean));
    assert_true(bert_metrics_find(m, "kind_loss", &kind));
    assert_true(bert_metrics_find(m, "value_loss", &value));
    assert_true(bert_metrics_find(m, "kind_accuracy", &accuracy));
    assert_true(bert_metrics_find(m, "value_spearmanr", &rank));
    assert_float_equal(loss, kind + value, 1e-9);
    assert_float_equal(mean, (accuracy + rank) / 2, 1e-9);
    assert_int_equal(bert_metrics_rows(m), LARGE + SMALL);
    assert_false(bert_metric_greater_is_better("value_mse"));
    assert_false(bert_metric_greater_is_better("kind_loss"));
    assert_int_equal(s->task_count, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(s->tasks[i].best_global_step > 0);
        assert_int_equal(access(s->tasks[i].best_model_checkpoint, F_OK), 0);
    }
    assert_string_equal(s->tasks[1].best_metric_name, "spearmanr");
    check(&p.w, !bert_trainer_save(t, &p.w.e));
    assert_true(there(&p.w, "README.md") && there(&p.w, "report.html"));
    /* one of them alone, by its own names */
    m = bert_trainer_evaluate(t, p.sets[1], &p.w.e);
    check(&p.w, m);
    assert_true(bert_metrics_find(m, "spearmanr", &rank));
    bert_trainer_free(t);
    end_pair(&p);
}

static void refuses(pair *p, const char *says) {
    bert_error e = {0};
    assert_null(bert_trainer_new_tasks(&p->w.args, p->tasks, 2, NULL, &e));
    if (!strstr(e.message, says)) fail_msg("%s", e.message);
}

static void what_does_not_fit_is_said(void **state) {
    (void)state;
    pair p;
    begin_pair(&p, 0);
    strcpy(p.w.args.task_weights, "1");
    refuses(&p, "task_weights: 2 numbers above 0 by commas");
    p.w.args.task_weights[0] = 0;
    strcpy(p.w.args.metric_for_best_model, "accuracy");
    refuses(&p, "metric_for_best_model: accuracy is not computed; loss, mean, kind_accuracy,");
    strcpy(p.w.args.metric_for_best_model, "value_accuracy");
    refuses(&p, "value_accuracy is not computed");
    p.w.args.metric_for_best_model[0] = 0;
    p.tasks[1].metric_for_best_model = "f1";
    refuses(&p, "task value: metric: f1 is not computed");
    p.tasks[1].metric_for_best_model = "mse"; /* less is better: there is no mean */
    strcpy(p.w.args.metric_for_best_model, "mean");
    refuses(&p, "mean is not computed");
    p.w.args.metric_for_best_model[0] = 0;
    bert_model *value = p.tasks[1].model;
    p.tasks[1].model = p.tasks[0].model;
    refuses(&p, "twice");
    p.tasks[1].model = p.w.model;
    refuses(&p, "those of one encoder");
    p.tasks[1].model = value;
    p.tasks[1].train = p.sets[0];
    refuses(&p, "task value: ");
    end_pair(&p);
}

/* ---- From a recipe */

static const char two_tasks[] =
    "{\"encoder\": \"m\", \"pooling\": \"mean\",\n"
    " \"tasks\": {\n"
    "  \"kind\": {\"train_file\": \"kind.csv\", \"validation_file\": \"kind.csv\", \"label\": "
    "\"k\",\n"
    "           \"head\": [{\"dropout\": 0.1}, {\"linear\": 3}], \"metric\": \"accuracy\"},\n"
    "  \"value\": {\"train_file\": \"value.csv\", \"validation_file\": \"value.csv\", \"label\": "
    "\"v\",\n"
    "            \"head\": [{\"linear\": 1}], \"problem_type\": \"regression\", \"pooling\": "
    "\"cls\",\n"
    "            \"metric\": \"pearson\", \"loss_weight\": 0.5}},\n"
    " \"sampling\": {\"weights\": {\"value\": 1, \"kind\": 3}}, \"batches\": \"mixed\"}\n";

static void write_task(const char *name, const char *problem, const char *column, int n) {
    static tiny_rows rows;
    static char text[1 << 14];
    size_t used = (size_t)snprintf(text, sizeof text, "text,%s\n", column);
    tiny_fill(&rows, problem, 0, n);
    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%.*s,%s\n",
                                 (int)rows.texts[i].bytes, rows.texts[i].text, rows.labels[i]);
    tiny_write(home, name, text);
}

static void tool_trains_a_recipe_of_tasks(void **state) {
    (void)state;
    char dir[4200];
    home = test_directory();
    snprintf(dir, sizeof dir, "%s/m", home);
    bert_make_directory(dir, NULL);
    tiny_model(dir, 2, "", 0);
    write_task("kind.csv", SINGLE, "k", LARGE);
    write_task("value.csv", "regression", "v", SMALL);
    tiny_write(home, "two.json", two_tasks);
    expect(0, bert("train --recipe two.json -o two --num-train-epochs 2 --learning-rate 1e-3 "
                   "--metric-for-best-model mean --load-best-model-at-end --save-strategy best"));
    says(out, "\"eval_kind_accuracy\":");
    says(out, "\"eval_value_pearson\":");
    says(out, "\"eval_mean\":");
    says(err, "kind: the best accuracy, ");
    expect(0, bert("info two"));
    says(out, "\"tasks\":{\"kind\":{\"head\":\"recipe\"");
    expect(0, bert("evaluate two --task kind -i kind.csv --label-column k"));
    expect(0, bert("classify two --task value w1"));
    char *score = strdup(out);
    says(score, "\"score\":");
    expect(0, bert("convert two -o value --task value"));
    expect(0, bert("classify value w1"));
    assert_string_equal(out, score);
    free(score);
    expect(0, bert("evaluate value -i value.csv"));
    says(out, "\"pearson\"");
    slurp("two/training_args.json", out, sizeof out);
    says(out, "\"task_weights\": \"3,1\"");
    says(out, "\"mixed\"");
    test_remove(home);
}

/* A head of one's own for each task, in C. */
static void example_learns_two_tasks(void **state) {
    (void)state;
    char dir[4200];
    home = test_directory();
    snprintf(dir, sizeof dir, "%s/m", home);
    bert_make_directory(dir, NULL);
    tiny_model(dir, 2, "", 0);
    write_task("kind.csv", SINGLE, "label", LARGE);
    write_task("value.csv", "regression", "label", LARGE);
    tiny_write(home, "args.json",
               "{\"output_dir\": \"two\", \"num_train_epochs\": 40, \"learning_rate\": 0.003, "
               "\"save_strategy\": \"no\", "
               "\"per_device_train_batch_size\": 16, \"threads\": 2}");
    run_example("multitask",
                "m args.json 'w1 w2' kind kind.csv kind.csv value value.csv value.csv");
    const char *accuracy = strstr(out, "kind accuracy "), *pearson = strstr(out, "value pearson ");
    assert_non_null(accuracy);
    assert_non_null(pearson);
    if (strtod(accuracy + 14, NULL) < 0.7 || strtod(pearson + 14, NULL) < 0.7)
        fail_msg("learned too little: %s", out);
    says(out, "value: LABEL_0 ");
    test_remove(home);
}

static void broken(const char *json, const char *expected) {
    bert_error e = {0};
    assert_null(bert_recipe_parse(json, "r.json", &e));
    if (!strstr(e.message, expected)) fail_msg("%s", e.message);
}

static void recipes_of_tasks_are_read_with_places(void **state) {
    (void)state;
    bert_error e = {0};
    bert_recipe *r = bert_recipe_parse(two_tasks, "r.json", &e);
    if (!r) fail_msg("%s", e.message);
    const bert_recipe *value = bert_recipe_of_task(r, "value", &e);
    assert_string_equal(bert_recipe_task_at(r, 0), "kind");
    assert_null(bert_recipe_task_at(r, 2));
    assert_float_equal(bert_recipe_loss_weight(value), 0.5, 0);
    assert_string_equal(bert_recipe_value(r, "task_weights"), "3,1");
    bert_pooling list[BERT_MAX_POOLINGS];
    assert_int_equal(bert_recipe_poolings(value, list), 1);
    assert_int_equal(list[0], BERT_POOLING_CLS);
    assert_int_equal(bert_recipe_poolings(bert_recipe_of_task(r, "kind", &e), list), 1);
    assert_int_equal(list[0], BERT_POOLING_MEAN);
    assert_null(bert_recipe_head(r));
    assert_null(bert_recipe_of_task(r, "colour", &e));
    assert_non_null(strstr(e.message, "its tasks are kind, value"));
    bert_recipe_free(r);
    broken("{\"tasks\":\n{\"a\":\n{\"heads\": 1}}}",
           "r.json:3: tasks.a.heads: there is no such key");
    broken("{\"tasks\": {\"a\": {\"encoder\": \"x\"}}}", "tasks.a.encoder: there is no such key");
    broken("{\"tasks\": {\"a\": {}}}", "tasks.a: \"head\" is missing");
    broken("{\"tasks\": []}", "tasks: must be an object");
    broken("{\"head\": [{\"linear\": 1}], \"sampling\": {\"temperature\": 0}}",
           "sampling.temperature: must be a number");
    broken("{\"tasks\": {\"a\": {\"head\": [{\"linear\": 1}]}},\n\"sampling\": {\"weights\": "
           "{\"b\": 1}}}",
           "r.json:2: sampling.weights: task a: a number above 0");
    broken("{\"head\": [{\"linear\": 1}], \"batches\": \"mixed\"}",
           "are of \"tasks\", and there are none");
    broken("{\"batches\": \"other\"}", "batches: must be \"alternate\" or \"mixed\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_as_they_are_asked),
        cmocka_unit_test(mixed_epochs_have_every_row_once),
        cmocka_unit_test(loss_is_the_sum_of_means_by_weight),
        cmocka_unit_test(absent_heads_stay),
        cmocka_unit_test(shared_part_can_be_frozen),
        cmocka_unit_test(resumed_runs_are_the_same_to_the_bit),
        cmocka_unit_test(metrics_have_the_names_of_tasks),
        cmocka_unit_test(what_does_not_fit_is_said),
        cmocka_unit_test(recipes_of_tasks_are_read_with_places),
        cmocka_unit_test(tool_trains_a_recipe_of_tasks),
        cmocka_unit_test(example_learns_two_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
