/* Columns: what rows carry, by name, whoever brings it. */
#include "base/grow.h"
#include "data/columns.h"
#include "trainer_world.h"

/* ---- A head of our own, with a column that no task has: how long one looks at each token */

typedef struct {
    bert_linear out;
} gaze_head;

static int gaze_init(void *self, const bert_head_site *site, bert_error *e) {
    return bert_linear_new(site->params, "gaze", site->config->hidden_size, 1,
                           &((gaze_head *)self)->out, e);
}

static bert_tensor *gaze_forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                                 const bert_batch *b) {
    (void)m, (void)b;
    return bert_linear_apply(t, ((gaze_head *)self)->out, hidden);
}

static bert_tensor *gaze_loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                              double divisor) {
    (void)self;
    const float *seconds = bert_batch_floats(b, "seconds");
    if (!seconds) return bert_tape_set_error(t, BERT_EINVAL, "gaze: no column \"seconds\"");
    return bert_mse(t, logits, seconds, divisor);
}

static double gaze_items(void *self, const bert_batch *b) {
    (void)self;
    return b->inputs.start[b->inputs.n];
}

static const bert_head gaze = {.name = "test-gaze",
                               .state_size = sizeof(gaze_head),
                               .init = gaze_init,
                               .forward = gaze_forward,
                               .loss = gaze_loss,
                               .items = gaze_items};

/* Texts without labels, and a float for each token: its id, scaled. */
static bert_dataset *texts_of(world *w, float **seconds) {
    bert_dataset *d = bert_dataset_of(w->rows.texts, NULL, TINY_ROWS, w->base, NULL, &w->e);
    check(w, d);
    bert_dataset_summary s;
    check(w, !bert_dataset_summarize(d, &s, &w->e));
    *seconds = malloc((size_t)s.tokens * sizeof **seconds);
    int64_t n = 0;
    for (int64_t r = 0; r < s.rows; r++) {
        const int32_t *ids;
        const int32_t length = bert_dataset_row(d, r, &ids, NULL);
        for (int32_t i = 0; i < length; i++) (*seconds)[n++] = (float)ids[i] / 10;
    }
    const bert_column c = {.name = "seconds",
                           .type = BERT_COLUMN_FLOAT32,
                           .per = BERT_PER_TOKEN,
                           .width = 1,
                           .count = n,
                           .data = *seconds};
    check(w, !bert_dataset_add_column(d, &c, &w->e));
    return d;
}

/* The loss of the last of so many steps. */
static double loss_after(world *w, const bert_dataset *d, int64_t steps) {
    bert_model_options o = bert_model_default();
    o.trainable = true;
    bert_model *m = bert_model_open_head(w->dir, &gaze, &o, &w->e);
    check(w, m);
    w->args.max_steps = steps;
    w->args.learning_rate = 1e-2;
    bert_trainer *t = bert_trainer_new(m, &w->args, d, NULL, &w->e);
    check(w, t);
    check(w, !bert_trainer_train(t, &w->e));
    const double loss = bert_trainer_get_state(t)->loss;
    bert_trainer_free(t);
    bert_model_close(m);
    return loss;
}

static void a_head_trains_on_a_column_of_its_own(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    float *seconds;
    bert_dataset *d = texts_of(&w, &seconds);
    const double first = loss_after(&w, d, 1), last = loss_after(&w, d, 60);
    if (!(last < first / 4)) fail_msg("the loss went from %g to %g", first, last);
    bert_dataset_free(d);
    free(seconds);
    end(&w);
}

/* Every batch of every order has the numbers of its own tokens. */
static void batches_have_it(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    float *seconds;
    bert_dataset *d = texts_of(&w, &seconds);
    const bert_loader_options o = {.batch_size = 7, .shuffle = true, .seed = 3};
    bert_loader *l = bert_loader_new(d, &o, &w.e);
    check(&w, l);
    for (int64_t i = 0; i < bert_loader_batches(l); i++) {
        bert_batch b;
        check(&w, !bert_loader_get(l, 1, i, &b, &w.e));
        const bert_column *c = bert_inputs_column(&b.inputs, "seconds");
        assert_non_null(c);
        const int32_t tokens = b.inputs.start[b.inputs.n];
        assert_int_equal(c->count, tokens);
        assert_ptr_equal(bert_batch_floats(&b, "seconds"), c->data);
        assert_null(bert_batch_ints(&b, "seconds"));
        assert_null(bert_batch_floats(&b, "minutes"));
        for (int32_t k = 0; k < tokens; k++)
            assert_float_equal(bert_batch_floats(&b, "seconds")[k], (float)b.inputs.ids[k] / 10, 0);
        assert_ptr_equal(bert_batch_ints(&b, "ids"), b.inputs.ids);
    }
    bert_loader_free(l);
    bert_dataset_free(d);
    free(seconds);
    end(&w);
}

/* Numbers of rows and of sequences, several of each. */
static void rows_and_sequences(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    const int64_t rows = bert_dataset_size(w.train);
    int32_t *pixels = malloc((size_t)rows * 3 * sizeof *pixels);
    for (int64_t i = 0; i < 3 * rows; i++) pixels[i] = (int32_t)i;
    const bert_column both[] = {
        {"of_row", BERT_COLUMN_INT32, BERT_PER_ROW, 3, rows, pixels, NULL},
        {"of_sequence", BERT_COLUMN_INT32, BERT_PER_SEQUENCE, 3, rows, pixels, NULL},
    };
    for (int i = 0; i < 2; i++) check(&w, !bert_dataset_add_column(w.train, &both[i], &w.e));
    const bert_loader_options o = {.batch_size = 4, .shuffle = true, .seed = 5};
    bert_loader *l = bert_loader_new(w.train, &o, &w.e);
    bert_batch b;
    check(&w, l && !bert_loader_get(l, 0, 1, &b, &w.e));
    for (int32_t i = 0; i < b.row_count; i++)
        for (int32_t k = 0; k < 3; k++) {
            assert_int_equal(bert_batch_ints(&b, "of_row")[3 * i + k], 3 * b.rows[i] + k);
            assert_int_equal(bert_batch_ints(&b, "of_sequence")[3 * i + k], 3 * b.rows[i] + k);
        }
    assert_ptr_equal(bert_batch_ints(&b, "labels"), b.labels);
    int n = 0;
    bert_column c;
    while (bert_dataset_column_at(w.train, n, &c)) n++;
    assert_int_equal(n, 4); /* ids, labels, and these two */
    bert_loader_free(l);
    free(pixels);
    end(&w);
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    const float x[8] = {0};
    const int64_t rows = bert_dataset_size(w.train);
    float *all = calloc((size_t)rows, sizeof *all);
    int64_t *back = calloc((size_t)rows + 1, sizeof *back);
    back[1] = 4;
    back[rows] = 3;
    const struct {
        bert_column column;
        const char *message;
    } cases[] = {
        {{"x", BERT_COLUMN_FLOAT32, BERT_PER_ROW, 1, rows - 1, x, NULL}, "rows; there are"},
        {{"x", BERT_COLUMN_FLOAT32, BERT_PER_TOKEN, 1, rows, x, NULL}, "tokens; there are"},
        {{"labels", BERT_COLUMN_FLOAT32, BERT_PER_ROW, 1, rows, all, NULL}, "of its own"},
        {{"targets", BERT_COLUMN_FLOAT32, BERT_PER_ROW, 1, rows, all, NULL}, "of its own"},
        {{"", BERT_COLUMN_FLOAT32, BERT_PER_ROW, 1, rows, all, NULL}, "needs a name"},
        {{"x", BERT_COLUMN_FLOAT32, BERT_PER_ROW, 0, rows, all, NULL}, "a width"},
        {{"x", BERT_COLUMN_FLOAT32, BERT_PER_LOGIT_TOKEN, 1, rows, all, NULL},
         "rows, sequences or"},
        {{"x", BERT_COLUMN_FLOAT32, BERT_PER_ROW, 1, rows, NULL, NULL}, "data"},
        {{"x", BERT_COLUMN_FLOAT32, BERT_PER_ROW, 1, 3, x, back}, "does not rise from 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bert_error e = {0};
        assert_int_equal(bert_dataset_add_column(w.train, &cases[i].column, &e), BERT_EINVAL);
        if (!strstr(e.message, cases[i].message)) fail_msg("%zu: %s", i, e.message);
    }
    free(back);
    free(all);
    end(&w);
}

/* Row i has i % 3 numbers, i of them being the first. */
static void any_number_of_items(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    const int64_t rows = bert_dataset_size(w.train);
    int64_t *start = calloc((size_t)rows + 1, sizeof *start);
    int32_t *items = malloc(3 * (size_t)rows * sizeof *items);
    for (int64_t i = 0; i < rows; i++) {
        start[i + 1] = start[i] + i % 3;
        for (int64_t k = start[i]; k < start[i + 1]; k++) items[k] = (int32_t)(i + k - start[i]);
    }
    const bert_column c = {
        .name = "any", .width = 1, .count = start[rows], .data = items, .start = start};
    check(&w, !bert_dataset_add_column(w.train, &c, &w.e));
    const bert_loader_options o = {.batch_size = 5, .shuffle = true, .seed = 5};
    bert_loader *l = bert_loader_new(w.train, &o, &w.e);
    for (int64_t i = 0; i < bert_loader_batches(l); i++) {
        bert_batch b;
        check(&w, !bert_loader_get(l, 0, i, &b, &w.e));
        const bert_column *any = bert_inputs_column(&b.inputs, "any");
        assert_int_equal(any->start[b.row_count], any->count);
        for (int32_t r = 0; r < b.row_count; r++) {
            assert_int_equal(any->start[r + 1] - any->start[r], b.rows[r] % 3);
            for (int64_t k = any->start[r]; k < any->start[r + 1]; k++)
                assert_int_equal(((const int32_t *)any->data)[k], b.rows[r] + k - any->start[r]);
        }
    }
    bert_loader_free(l);
    free(start);
    free(items);
    end(&w);
}

/* ---- The arrays */

static void rows_leave_every_column(void **state) {
    (void)state;
    bert_error e = {0};
    bert_columns all = {0};
    const bert_column like[] = {
        {"a", BERT_COLUMN_INT32, BERT_PER_ROW, 2, 3, NULL, NULL},
        {"b", BERT_COLUMN_FLOAT32, BERT_PER_TOKEN, 1, 6, NULL, NULL},
    };
    int32_t *a = bert_column_ints(bert_columns_grow(&all, &like[0], &e));
    float *b = bert_column_floats(bert_columns_grow(&all, &like[1], &e));
    for (int i = 0; i < 6; i++) {
        a[i] = i;
        b[i] = (float)i;
    }
    /* Of the rows 2, 0 and 3 items. */
    static const int64_t counts[] = {2, 0, 3};
    for (int i = 0; i < 3; i++) {
        const int32_t items[] = {10 * i, 10 * i + 1, 10 * i + 2};
        const bert_column any = {.name = "any", .width = 1, .count = counts[i], .data = items};
        assert_int_equal(bert_columns_append_any(&all, &any, &e), 0);
    }
    const int64_t start[] = {0, 1, 3, 6};
    const bool out[] = {false, true, false};
    const bert_shape shape = {3, 1, NULL, start};
    bert_columns_leave_out(&all, &shape, out);
    const int32_t rows[] = {0, 1, 4, 5};
    const float tokens[] = {0, 3, 4, 5};
    assert_int_equal(bert_columns_find(&all, "a")->count, 2);
    assert_int_equal(bert_columns_find(&all, "b")->count, 4);
    assert_memory_equal(a, rows, sizeof rows);
    assert_memory_equal(b, tokens, sizeof tokens);
    assert_null(bert_columns_find(&all, "c"));
    const bert_column *any = bert_columns_find(&all, "any");
    static const int64_t starts[] = {0, 2, 5};
    static const int32_t items[] = {0, 1, 20, 21, 22};
    assert_int_equal(any->count, 5);
    assert_int_equal(bert_columns_units(any), 2);
    assert_memory_equal(any->start, starts, sizeof starts);
    assert_memory_equal(any->data, items, sizeof items);
    bert_columns_free(&all);
}

/* A column that is larger than memory may be keeps its numbers when it moves to a file. */
static void a_large_column_is_in_a_file(void **state) {
    (void)state;
    const size_t before = bert_grow_in_memory;
    bert_grow_in_memory = 4096;
    bert_error e = {0};
    bert_columns all = {0};
    bert_column like = {"n", BERT_COLUMN_INT32, BERT_PER_TOKEN, 1, 0, NULL, NULL};
    for (int32_t i = 0; i < 10000; i++) {
        like.count = i + 1;
        bert_column *c = bert_columns_grow(&all, &like, &e);
        assert_non_null(c);
        bert_column_ints(c)[i] = i;
    }
    for (int32_t i = 0; i < 10000; i++)
        assert_int_equal(bert_column_ints(bert_columns_find(&all, "n"))[i], i);
    bert_columns_free(&all);
    bert_grow_in_memory = before;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_trains_on_a_column_of_its_own),
        cmocka_unit_test(batches_have_it),
        cmocka_unit_test(rows_and_sequences),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(any_number_of_items),
        cmocka_unit_test(rows_leave_every_column),
        cmocka_unit_test(a_large_column_is_in_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
