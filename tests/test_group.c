/* Training as one of several processes: here threads, which meet in memory they share. */
#include "base/file.h"
#include "thread_group.h"
#include "trainer_world.h"

enum { MICRO_BATCHES = 12, STEPS = 12, MOST = 6 };

typedef struct {
    world w;
    const bert_group *group;
    watcher seen;
    int rc;
    double accuracy, loss;
} member;

/* A run of so many processes, that shares its output directory as on a shared disk. */
typedef struct {
    member m[MOST];
    bert_group groups[MOST];
    int size;
} crew;

static void *work(void *argument) {
    member *m = argument;
    bert_trainer *t = bert_trainer_new_in_group(m->w.model, &m->w.args, m->w.train, m->w.validation,
                                                m->group, &m->w.e);
    m->rc = t ? 0 : m->w.e.code;
    if (!t) return NULL;
    m->seen.trainer = t;
    bert_trainer_add_callback(t, watch, &m->seen, NULL);
    m->rc = bert_trainer_train(t, &m->w.e);
    /* not the validation data, whose rows each process keeps: these are dealt out */
    const bert_metrics *metrics = m->rc ? NULL : bert_trainer_evaluate(t, m->w.train, &m->w.e);
    if (metrics) {
        bert_metrics_find(metrics, "accuracy", &m->accuracy);
        bert_metrics_find(metrics, "loss", &m->loss);
    }
    if (!m->rc) m->rc = bert_trainer_save(t, &m->w.e);
    bert_trainer_free(t);
    return NULL;
}

/* Steps of 12 micro-batches of one row: the last of an epoch of 64 rows has 4, so that some
 * processes are idle in it. */
static void arguments(world *w, int processes) {
    w->args.max_steps = STEPS;
    w->args.per_device_train_batch_size = 1;
    w->args.gradient_accumulation_steps = MICRO_BATCHES / processes;
    w->args.per_device_eval_batch_size = 3;
    w->args.eval_strategy = BERT_STRATEGY_STEPS;
    w->args.eval_steps = 6;
    w->args.save_strategy = BERT_STRATEGY_STEPS;
    w->args.save_steps = 6;
    w->args.logging_steps = 1;
    bert_training_set(&w->args, "class_weights", "0.3,0.7,1.9", NULL);
}

static crew *crew_new(int size) {
    crew *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->size = size;
    if (size > 1) groups_begin(c->groups, size);
    for (int r = 0; r < size; r++) {
        member *m = &c->m[r];
        begin(&m->w, .1);
        arguments(&m->w, size);
        snprintf(m->w.args.output_dir, sizeof m->w.args.output_dir, "%s/shared", c->m[0].w.dir);
        m->group = size > 1 ? &c->groups[r] : &bert_group_alone;
    }
    return c;
}

static void crew_run(crew *c) {
    pthread_t threads[MOST];
    for (int r = 0; r < c->size; r++) {
        c->m[r].seen.steps = 0;
        assert_int_equal(pthread_create(&threads[r], NULL, work, &c->m[r]), 0);
    }
    for (int r = 0; r < c->size; r++) pthread_join(threads[r], NULL);
}

static void crew_free(crew *c) {
    for (int r = c->size - 1; r >= 0; r--) end(&c->m[r].w);
    if (c->size > 1) groups_end(c->groups);
    free(c);
}

static void same_file(const world *a, const world *b, const char *name) {
    char path[2048], *x = NULL, *y = NULL;
    size_t n = 0, k = 0;
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/%s", a->args.output_dir, name);
    if (bert_read_file(path, 0, &x, &n, &e)) fail_msg("%s", e.message);
    snprintf(path, sizeof path, "%s/%s", b->args.output_dir, name);
    if (bert_read_file(path, 0, &y, &k, &e)) fail_msg("%s", e.message);
    assert_int_equal(n, k);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

/* The last steps of both are the same bits: weights, moments, losses, norms, evaluations. */
static void same_run(const crew *a, const crew *b) {
    const watcher *x = &a->m[0].seen;
    size_t n, k;
    float *first = weights_of(&a->m[0].w, &n);
    for (int r = 0; r < b->size; r++) {
        const member *m = &b->m[r];
        const watcher *y = &m->seen;
        if (m->rc) fail_msg("rank %d of %d: %s", r, b->size, m->w.e.message);
        for (int i = 1; i <= y->steps; i++) {
            assert_true(x->loss[x->steps - i] == y->loss[y->steps - i]);
            assert_true(x->norm[x->steps - i] == y->norm[y->steps - i]);
        }
        float *own = weights_of(&m->w, &k);
        assert_int_equal(n, k);
        assert_memory_equal(own, first, n * sizeof *own);
        free(own);
        assert_true(m->loss == a->m[0].loss && m->accuracy == a->m[0].accuracy);
    }
    free(first);
    same_file(&a->m[0].w, &b->m[0].w, "model.safetensors");
    same_file(&a->m[0].w, &b->m[0].w, "checkpoint-12/optimizer.safetensors");
    same_file(&a->m[0].w, &b->m[0].w, "checkpoint-6/optimizer.safetensors");
}

static void set_case(crew *c, bert_precision precision, bert_wire wire, bool checkpointing) {
    for (int r = 0; r < c->size; r++) {
        bert_training_args *a = &c->m[r].w.args;
        a->precision = precision;
        a->wire_dtype = wire;
        a->gradient_checkpointing = checkpointing;
    }
}

/* Whatever the number of processes, with dropout, class weights and steps that are not whole. */
static void several_train_as_one(void **state) {
    (void)state;
    static const struct {
        bert_precision precision;
        bert_wire wire;
        bool checkpointing;
    } cases[] = {{BERT_PRECISION_HIGHEST, BERT_WIRE_FLOAT32, false},
                 {BERT_PRECISION_MEDIUM, BERT_WIRE_FLOAT32, true},
                 {BERT_PRECISION_HIGHEST, BERT_WIRE_BF16, false}};
    for (int i = 0; i < 3; i++) {
        crew *alone = crew_new(1);
        set_case(alone, cases[i].precision, cases[i].wire, cases[i].checkpointing);
        crew_run(alone);
        check(&alone->m[0].w, !alone->m[0].rc);
        assert_int_equal(alone->m[0].seen.steps, STEPS);
        for (int size = 2; size <= MOST; size++) {
            if (MICRO_BATCHES % size) continue;
            crew *c = crew_new(size);
            set_case(c, cases[i].precision, cases[i].wire, cases[i].checkpointing);
            crew_run(c);
            same_run(alone, c);
            crew_free(c);
        }
        crew_free(alone);
    }
}

/* Two processes, one of which is asked to stop; then three go on, and at last one. */
static void others_go_on_from_a_checkpoint(void **state) {
    (void)state;
    crew *whole = crew_new(1), *first = crew_new(2), *second = crew_new(3), *third = crew_new(1);
    crew_run(whole);
    first->m[1].seen.stop_on = BERT_ON_STEP_END;
    first->m[1].seen.stop_at = 4;
    crew_run(first);
    for (int r = 0; r < 2; r++) assert_int_equal(first->m[r].rc, BERT_EINTERRUPTED);
    const int stopped = first->m[0].seen.steps; /* all at the end of the next step */
    assert_true(stopped >= 4 && stopped <= 6 && stopped == first->m[1].seen.steps);
    for (int r = 0; r < 3; r++) {
        world *w = &second->m[r].w;
        memcpy(w->args.output_dir, first->m[0].w.args.output_dir, sizeof w->args.output_dir);
        strcpy(w->args.resume_from_checkpoint, "last");
    }
    second->m[2].seen.stop_on = BERT_ON_STEP_END;
    second->m[2].seen.stop_at = 9;
    crew_run(second);
    assert_int_equal(second->m[0].rc, BERT_EINTERRUPTED);
    world *w = &third->m[0].w;
    memcpy(w->args.output_dir, first->m[0].w.args.output_dir, sizeof w->args.output_dir);
    strcpy(w->args.resume_from_checkpoint, "last");
    crew_run(third);
    check(w, !third->m[0].rc);
    same_run(whole, third);
    crew_free(third);
    crew_free(second);
    crew_free(first);
    crew_free(whole);
}

/* Whoever would train another model is named before the first step. */
static void who_differs_is_named(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        crew *c = crew_new(2);
        world *w = &c->m[1].w;
        if (i)
            bert_param_value_mut(bert_params_at(bert_model_params(w->model), 0))[0] += 1;
        else
            w->args.learning_rate *= 2;
        crew_run(c);
        for (int r = 0; r < 2; r++) {
            const bert_error *e = &c->m[r].w.e;
            assert_int_equal(c->m[r].rc, BERT_EINVAL);
            assert_non_null(strstr(e->message, "rank 1 on "));
            assert_non_null(strstr(e->message, i ? "the weights" : "the arguments"));
        }
        crew_free(c);
    }
}

/* What the callback of one process asks for is done by all. */
static unsigned wish(void *context, bert_event event, const bert_trainer_state *s) {
    (void)context;
    if (event == BERT_ON_STEP_END && s->global_step == 3) return BERT_DO_EVALUATE | BERT_DO_SAVE;
    return event == BERT_ON_EVALUATE && s->global_step == 3 ? BERT_DO_STOP : 0;
}

static void *work_with_a_wish(void *argument) {
    member *m = argument;
    bert_trainer *t = bert_trainer_new_in_group(m->w.model, &m->w.args, m->w.train, m->w.validation,
                                                m->group, &m->w.e);
    assert_non_null(t);
    if (m->group->rank == 1) bert_trainer_add_callback(t, wish, NULL, NULL);
    m->rc = bert_trainer_train(t, &m->w.e);
    assert_int_equal(bert_trainer_get_state(t)->global_step, 3);
    assert_int_equal(bert_trainer_get_state(t)->ending, BERT_END_CALLBACK);
    bert_trainer_free(t);
    return NULL;
}

static void one_wishes_for_all(void **state) {
    (void)state;
    crew *c = crew_new(2);
    pthread_t threads[2];
    for (int r = 0; r < 2; r++)
        assert_int_equal(pthread_create(&threads[r], NULL, work_with_a_wish, &c->m[r]), 0);
    for (int r = 0; r < 2; r++) pthread_join(threads[r], NULL);
    for (int r = 0; r < 2; r++) check(&c->m[r].w, !c->m[r].rc);
    assert_true(there(&c->m[0].w, "checkpoint-3"));
    crew_free(c);
}

/* A loss that is not finite in one process ends all with its message; nobody waits for the others. */
static unsigned spoil(void *context, bert_event event, const bert_trainer_state *s) {
    bert_params *ps = bert_model_params(((world *)context)->model);
    if (event == BERT_ON_STEP_BEGIN && s->global_step == 2)
        bert_param_value_mut(bert_params_at(ps, bert_params_count(ps) - 1))[0] = NAN;
    return 0;
}

static void *work_spoiled(void *argument) {
    member *m = argument;
    bert_trainer *t = bert_trainer_new_in_group(m->w.model, &m->w.args, m->w.train, m->w.validation,
                                                m->group, &m->w.e);
    assert_non_null(t);
    if (m->group->rank == 1) bert_trainer_add_callback(t, spoil, &m->w, NULL);
    m->rc = bert_trainer_train(t, &m->w.e);
    bert_trainer_free(t);
    return NULL;
}

static void a_failure_is_everybodys(void **state) {
    (void)state;
    crew *c = crew_new(3);
    pthread_t threads[3];
    for (int r = 0; r < 3; r++)
        assert_int_equal(pthread_create(&threads[r], NULL, work_spoiled, &c->m[r]), 0);
    for (int r = 0; r < 3; r++) pthread_join(threads[r], NULL);
    for (int r = 0; r < 3; r++) {
        assert_int_equal(c->m[r].rc, BERT_ENUMERIC);
        assert_non_null(strstr(c->m[r].w.e.message, "rank 1 of 3: step 3"));
    }
    crew_free(c);
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
        cmocka_unit_test(others_go_on_from_a_checkpoint),
        cmocka_unit_test(who_differs_is_named),
        cmocka_unit_test(one_wishes_for_all),
        cmocka_unit_test(a_failure_is_everybodys),
        cmocka_unit_test(groups_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
