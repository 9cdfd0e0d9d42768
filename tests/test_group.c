/* Training as one of several processes: here threads, which meet in memory they share. */
#include "thread_group.h"
#include "trainer_world.h"

enum { SIZE = 3 };

typedef struct {
    world w;
    const bert_group *group;
    watcher seen;
    int rc;
    double accuracy, loss;
} member;

static void *work(void *argument) {
    member *m = argument;
    bert_trainer *t = bert_trainer_new_in_group(m->w.model, &m->w.args, m->w.train, m->w.validation,
                                                m->group, &m->w.e);
    if (!t) return NULL;
    bert_trainer_add_callback(t, watch, &m->seen, NULL);
    m->rc = bert_trainer_train(t, &m->w.e);
    /* not the validation data, whose rows each process keeps: these are dealt out */
    const bert_metrics *metrics = bert_trainer_evaluate(t, m->w.train, &m->w.e);
    if (metrics) {
        bert_metrics_find(metrics, "accuracy", &m->accuracy);
        bert_metrics_find(metrics, "loss", &m->loss);
    }
    if (!m->rc) m->rc = bert_trainer_save(t, &m->w.e);
    bert_trainer_free(t);
    return NULL;
}

static void arguments(world *w, int processes) {
    w->args.max_steps = 12;
    w->args.per_device_train_batch_size = 2;
    w->args.gradient_accumulation_steps = 2 * (SIZE / processes);
    w->args.per_device_eval_batch_size = 3;
    w->args.eval_strategy = BERT_STRATEGY_STEPS;
    w->args.eval_steps = 6;
    w->args.save_strategy = BERT_STRATEGY_STEPS;
    w->args.save_steps = 6;
}

/* The same rows in each step, however many processes share it: losses and weights are those of one,
 * but for the order of sums; and all processes have the same bits. */
static void several_train_as_one(void **state) {
    (void)state;
    world alone;
    watcher seen = {0};
    begin(&alone, 0);
    arguments(&alone, 1);
    write_to(&alone, "alone");
    bert_trainer *t = watched(&alone, &seen);
    check(&alone, !bert_trainer_train(t, &alone.e));
    double loss = 0, accuracy = 0;
    const bert_metrics *metrics = bert_trainer_evaluate(t, alone.train, &alone.e);
    bert_metrics_find(metrics, "loss", &loss);
    bert_metrics_find(metrics, "accuracy", &accuracy);
    bert_trainer_free(t);

    bert_group groups[SIZE];
    member *m = calloc(SIZE, sizeof *m);
    pthread_t threads[SIZE];
    assert_non_null(m);
    groups_begin(groups, SIZE);
    for (int r = 0; r < SIZE; r++) {
        begin(&m[r].w, 0);
        arguments(&m[r].w, SIZE);
        /* one place for all, as on a shared disk */
        snprintf(m[r].w.args.output_dir, sizeof m[r].w.args.output_dir, "%s/shared", m[0].w.dir);
        m[r].group = &groups[r];
    }
    for (int r = 0; r < SIZE; r++)
        assert_int_equal(pthread_create(&threads[r], NULL, work, &m[r]), 0);
    for (int r = 0; r < SIZE; r++) pthread_join(threads[r], NULL);
    size_t n, k;
    float *one = weights_of(&alone, &n), *first = weights_of(&m[0].w, &k);
    assert_int_equal(n, k);
    for (int r = 0; r < SIZE; r++) {
        check(&m[r].w, !m[r].rc);
        assert_int_equal(m[r].seen.steps, seen.steps);
        for (int i = 0; i < seen.steps; i++)
            assert_true(fabs(m[r].seen.loss[i] - seen.loss[i]) < 1e-5 * (1 + seen.loss[i]));
        float *own = weights_of(&m[r].w, &k);
        assert_memory_equal(own, first, n * sizeof *own);
        free(own);
        assert_true(fabs(m[r].loss - loss) < 1e-4 && fabs(m[r].accuracy - accuracy) < 1e-12);
    }
    for (size_t i = 0; i < n; i++) assert_true(fabs((double)(one[i] - first[i])) < 2e-4);
    assert_true(there(&m[0].w, "model.safetensors") && there(&m[0].w, "checkpoint-12"));
    free(one);
    free(first);
    for (int r = SIZE - 1; r >= 0; r--) end(&m[r].w);
    groups_end(groups);
    free(m);
    end(&alone);
}

static void groups_that_cannot_be_are_refused(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    bert_group whole[2], wrong[4];
    groups_begin(whole, 2);
    for (int i = 0; i < 4; i++) wrong[i] = whole[0];
    wrong[0].size = 0;
    wrong[1].rank = 2;
    wrong[2].rank = -1;
    wrong[3].reduce = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bert_error e = {0};
        assert_null(bert_trainer_new_in_group(w.model, &w.args, w.train, NULL, &wrong[i], &e));
        assert_int_equal(e.code, BERT_EINVAL);
    }
    assert_null(bert_trainer_new_in_group(w.model, &w.args, w.train, NULL, NULL, NULL));
    groups_end(whole);
    end(&w);
}

int main(void) {
    write_to_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_train_as_one),
        cmocka_unit_test(groups_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
