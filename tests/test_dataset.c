/* Labelled data: labels, problem types, lengths, duplicates, order, and what is refused. */
#include "base/grow.h"
#include "tiny.h"
#include <math.h>

typedef struct {
    char *dir, *path;
    bert_model *base;
    bert_dataset_options options;
    bert_error e;
} world;

static void begin(world *w) {
    *w = (world){.dir = test_directory(), .options = bert_dataset_default()};
    tiny_model(w->dir, 3, "", 0);
    bert_model_options o = bert_model_default();
    o.head = "none";
    w->base = bert_model_open(w->dir, &o, &w->e);
    if (!w->base) fail_msg("%s", w->e.message);
}

static void end(world *w) {
    bert_model_close(w->base);
    free(w->path);
    test_remove(w->dir);
}

static bert_dataset *open_text(world *w, const char *name, const char *text) {
    free(w->path);
    w->path = bert_path_join(w->dir, name);
    tiny_write(w->dir, name, text);
    return bert_dataset_open(w->path, w->base, &w->options, &w->e);
}

static bert_dataset *must(world *w, bert_dataset *d) {
    if (!d) fail_msg("%s", w->e.message);
    return d;
}

static void labels_are_found_in_the_data(void **state) {
    (void)state;
    static const struct {
        const char *text, *names[4], *problem;
        int first;
    } cases[] = {
        {"text\tlabel\nw1\tno\nw2\tyes\nw3\tno\n", {"no", "yes"}, "single_label_classification", 0},
        {"text\tlabel\nw1\t10\nw2\t9\nw3\t-1\n",
         {"-1", "9", "10"},
         "single_label_classification",
         2},
        {"text\tlabel\nw1\t1\nw2\t0\n", {"0", "1"}, "single_label_classification", 1},
        {"text\tlabel\nw1\t1.5\nw2\t0\n", {"LABEL_0"}, "regression", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world w;
        begin(&w);
        bert_dataset *d = must(&w, open_text(&w, "a.tsv", cases[i].text));
        assert_string_equal(bert_dataset_problem_type(d), cases[i].problem);
        int n = 0;
        for (; n < 4 && cases[i].names[n]; n++)
            assert_string_equal(bert_dataset_label(d, n), cases[i].names[n]);
        assert_int_equal(bert_dataset_num_labels(d), n);
        assert_null(bert_dataset_label(d, n));
        bool regression = !strcmp(cases[i].problem, "regression");
        assert_int_equal(bert_dataset_row_label(d, 0), regression ? -1 : cases[i].first);
        if (regression) assert_float_equal(*bert_dataset_row_targets(d, 0), 1.5, 0);
        bert_model_options o = bert_dataset_model(d);
        assert_int_equal(o.num_labels, n);
        bert_dataset_free(d);
        end(&w);
    }
}

static void several_labels_a_row(void **state) {
    (void)state;
    world w;
    begin(&w);
    set_option(&w.options, "label_separator", "|");
    bert_dataset *d =
        must(&w, open_text(&w, "a.jsonl",
                           "{\"text\": \"w1\", \"label\": [\"b\", \"a\"]}\n"
                           "{\"text\": \"w2\", \"label\": \"\"}\n{\"text\": \"w2\", \"label\": "
                           "\" c | b \"}\n"));
    assert_string_equal(bert_dataset_problem_type(d), "multi_label_classification");
    static const float want[3][3] = {{1, 1, 0}, {0, 0, 0}, {0, 1, 1}};
    for (int i = 0; i < 3; i++) assert_memory_equal(bert_dataset_row_targets(d, i), want[i], 12);
    assert_int_equal(bert_dataset_label_rows(d, 1), 2);
    bert_dataset_free(d);

    set_option(&w.options, "label_separator", NULL);
    d = must(&w, open_text(&w, "l.jsonl",
                           "{\"text\": \"w1\", \"label\": [\"b\"]}\n"
                           "{\"text\": \"w2\", \"label\": [\"b\", \"a\"]}\n"));
    assert_int_equal(bert_dataset_num_labels(d), 2);
    assert_memory_equal(bert_dataset_row_targets(d, 1), want[0], 8);
    bert_dataset_free(d);

    w.options = bert_dataset_default();
    w.options.label_column = "toxic,insult";
    d = must(&w, open_text(&w, "b.csv", "text,toxic,insult\nw1,0,1\nw2,1,1\n"));
    assert_string_equal(bert_dataset_label(d, 0), "toxic");
    static const float columns[2][2] = {{0, 1}, {1, 1}};
    for (int i = 0; i < 2; i++) assert_memory_equal(bert_dataset_row_targets(d, i), columns[i], 8);
    bert_dataset_free(d);
    assert_null(open_text(&w, "c.csv", "text,toxic,insult\nw1,0,1\nw2,2,1\n"));
    assert_non_null(strstr(w.e.message, "c.csv:3: column toxic holds \"2\""));
    end(&w);
}

static void bad_files_say_where(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "a.tsv"},
        {"text\tlabel\n", "a.tsv"},
        {"text\tlabel\nw1\tx\nw2\tx\n", "one class"},
        {"text\tlabel\nw1\t\nw2\t\n", "2 rows left out: no gold label (the first in line 2)"},
        {"text\tlabel\nw1\tx\nw2\n", "a.tsv:3"},
        {"text\tother\nw1\tx\n", "label"},
        {"text\tlabel\nw1\tx\nw2 w2 w2 w2 w2 w2 w2 w2 w2 w2 w2 w2 w2 w2 w2 w2 w2 w2 w2\ty\n",
         "a.tsv:3: the text has 21 tokens and the limit is 20"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world w;
        begin(&w);
        assert_null(open_text(&w, "a.tsv", cases[i].text));
        assert_true(w.e.code < 0);
        if (!strstr(w.e.message, cases[i].message))
            fail_msg("\"%s\" does not say \"%s\"", w.e.message, cases[i].message);
        end(&w);
    }
    /* A column of sentences where the labels should be. */
    char many[4096] = "text\tlabel\n";
    for (int i = 0; i < 60; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "w1\tsaid number %d\n", i);
    world w;
    begin(&w);
    assert_null(open_text(&w, "a.tsv", many));
    assert_non_null(strstr(w.e.message, "60 different labels in 60 rows"));
    end(&w);
    begin(&w);
    assert_null(bert_dataset_open("/nowhere/a.tsv", w.base, NULL, &w.e));
    assert_int_equal(w.e.code, BERT_ENOTFOUND);
    end(&w);
}

static void labels_of_another_set_are_kept_to(void **state) {
    (void)state;
    world w;
    begin(&w);
    bert_dataset *train =
        must(&w, open_text(&w, "train.tsv", "text\tlabel\nw1\tneg\nw2\tpos\nw3\tmid\n"));
    w.options.like = train;
    bert_dataset *d = must(&w, open_text(&w, "dev.tsv", "text\tlabel\nw1\tpos\n"));
    assert_int_equal(bert_dataset_num_labels(d), 3);
    assert_int_equal(bert_dataset_row_label(d, 0), 2);
    bert_dataset_free(d);
    /* A number would be a place in the alphabet. */
    assert_null(open_text(&w, "dev.tsv", "text\tlabel\nw1\tpos\nw1\t1\n"));
    assert_non_null(strstr(w.e.message, "dev.tsv:3: label \"1\" is not one of mid, neg, pos"));
    bert_error_clear(&w.e);
    assert_null(open_text(&w, "dev.tsv", "text\tlabel\nw1\tpos\nw1\tneg\nw1\tgood\n"));
    assert_non_null(strstr(w.e.message, "dev.tsv:4: label \"good\" is not one of mid, neg, pos"));
    bert_dataset_free(train);
    end(&w);
}

static void what_is_cut_is_counted(void **state) {
    (void)state;
    world w;
    begin(&w);
    w.options.overflow = BERT_OVERFLOW_TRUNCATE;
    w.options.max_length = 5;
    bert_dataset *d = must(&w, open_text(&w, "a.tsv",
                                         "text\tlabel\nw1\t1\nw1 w2 w3 w4 w5\t0\nw1 w2 w3\t0\n"
                                         "w1 w2 w3 w4\t1\n"));
    bert_dataset_summary s;
    assert_int_equal(bert_dataset_summarize(d, &s, &w.e), 0);
    assert_int_equal(s.rows, 4);
    assert_int_equal(s.truncated, 2);
    assert_int_equal(s.dropped, 3);
    assert_int_equal(s.tokens, 18);
    assert_int_equal(s.length_min, 3);
    assert_int_equal(s.length_median, 5);
    assert_int_equal(s.length_max, 5);
    const int32_t *ids, *types;
    assert_int_equal(bert_dataset_row(d, 1, &ids, &types), 5);
    static const int32_t want[] = {2, 6, 7, 8, 3};
    assert_memory_equal(ids, want, sizeof want);
    assert_null(types);
    bert_dataset_free(d);
    end(&w);
}

static void pairs_have_types(void **state) {
    (void)state;
    world w;
    begin(&w);
    bert_dataset *d = must(
        &w, open_text(&w, "a.tsv", "sentence1\tsentence2\tlabel\nw1\tw2 w3\tx\nw1 w2\tw3\ty\n"));
    const int32_t *ids, *types;
    assert_int_equal(bert_dataset_row(d, 1, &ids, &types), 6);
    static const int32_t want_ids[] = {2, 6, 7, 3, 8, 3}, want_types[] = {0, 0, 0, 0, 1, 1};
    assert_memory_equal(ids, want_ids, sizeof want_ids);
    assert_memory_equal(types, want_types, sizeof want_types);
    bert_dataset_free(d);
    end(&w);
}

static void duplicates_are_counted(void **state) {
    (void)state;
    world w;
    begin(&w);
    bert_dataset *a =
        must(&w, open_text(&w, "a.tsv", "text\tlabel\nw1\t0\nw2 w3\t1\nw1\t1\nw1\t0\n"));
    bert_dataset *b = must(&w, open_text(&w, "b.tsv", "text\tlabel\nw3 w2\t0\nw1\t1\nw2  w3\t1\n"));
    assert_int_equal(bert_dataset_duplicates(a, a, &w.e), 2);
    assert_int_equal(bert_dataset_duplicates(a, b, &w.e), 2);
    assert_int_equal(bert_dataset_duplicates(b, b, &w.e), 0);
    bert_dataset_free(a);
    bert_dataset_free(b);
    end(&w);
}

enum { ROWS = 103, SIZE = 10 };

static bert_dataset *many_rows(world *w) {
    tiny_rows *t = malloc(sizeof *t);
    tiny_fill(t, "", 0, ROWS);
    bert_dataset *d = must(w, bert_dataset_of(t->texts, t->labels, ROWS, w->base, NULL, &w->e));
    free(t);
    return d;
}

/* Every row once in an epoch, with its own tokens; and the order of rows as a number. */
static uint64_t walk(bert_loader *l, const bert_dataset *d, int64_t epoch, bool check_lengths) {
    int seen[ROWS] = {0};
    uint64_t order = 0;
    bert_error e = {0};
    for (int64_t i = 0; i < bert_loader_batches(l); i++) {
        bert_batch b;
        assert_int_equal(bert_loader_get(l, epoch, i, &b, &e), 0);
        assert_int_equal(b.inputs.start[0], 0);
        int32_t shortest = INT32_MAX, longest = 0;
        for (int32_t k = 0; k < b.inputs.n; k++) {
            const int32_t *ids;
            int32_t n = bert_dataset_row(d, b.rows[k], &ids, NULL);
            assert_int_equal(b.inputs.start[k + 1] - b.inputs.start[k], n);
            assert_memory_equal(b.inputs.ids + b.inputs.start[k], ids, (size_t)n * sizeof *ids);
            assert_int_equal(b.labels[k], bert_dataset_row_label(d, b.rows[k]));
            assert_int_equal(seen[b.rows[k]]++, 0);
            order = order * 1000003 + (uint64_t)b.rows[k];
            if (n < shortest) shortest = n;
            if (n > longest) longest = n;
        }
        if (check_lengths && i) assert_true(longest - shortest <= 4);
    }
    return order;
}

static void order_is_a_function_of_seed_and_epoch(void **state) {
    (void)state;
    world w;
    begin(&w);
    bert_dataset *d = many_rows(&w);
    for (int grouped = 0; grouped < 2; grouped++) {
        bert_loader_options o = {SIZE, true, grouped, false, 1};
        bert_loader *l = bert_loader_new(d, &o, &w.e), *m = bert_loader_new(d, &o, &w.e);
        assert_int_equal(bert_loader_batches(l), 11);
        uint64_t first = walk(l, d, 0, grouped), second = walk(l, d, 1, grouped);
        assert_true(first != second);
        assert_true(walk(m, d, 1, false) == second); /* without having seen epoch 0 */
        assert_true(walk(m, d, 0, false) == first);
        bert_batch b;
        assert_int_equal(bert_loader_get(l, 0, 11, &b, &w.e), BERT_EINVAL);
        bert_error_clear(&w.e);
        bert_loader_free(m);
        o.seed = 2;
        m = bert_loader_new(d, &o, &w.e);
        assert_true(walk(m, d, 0, false) != first);
        bert_loader_free(m);
        bert_loader_free(l);
    }
    bert_loader_options o = {.batch_size = SIZE, .drop_last = true};
    bert_loader *l = bert_loader_new(d, &o, &w.e);
    bert_batch b;
    assert_int_equal(bert_loader_batches(l), 10);
    assert_int_equal(bert_loader_get(l, 5, 1, &b, &w.e), 0);
    for (int i = 0; i < SIZE; i++) assert_int_equal(b.rows[i], SIZE + i); /* the file's order */
    bert_loader_free(l);
    o.batch_size = 0;
    assert_null(bert_loader_new(d, &o, &w.e));
    bert_dataset_free(d);
    end(&w);
}

static void real_files_are_read(void **state) {
    (void)state;
    char sst[4096], sts[4096];
    snprintf(sst, sizeof sst, "%s", test_shared("glue/SST-2/dev.tsv"));
    snprintf(sts, sizeof sts, "%s", test_shared("glue/STS-B/dev.tsv"));
    world w;
    begin(&w);
    w.options.overflow = BERT_OVERFLOW_TRUNCATE;
    bert_dataset *d = must(&w, bert_dataset_open(sst, w.base, &w.options, &w.e));
    assert_int_equal(bert_dataset_size(d), 872);
    assert_int_equal(bert_dataset_label_rows(d, 1), 444);
    bert_dataset_free(d);
    d = must(&w, bert_dataset_open(sts, w.base, &w.options, &w.e));
    assert_int_equal(bert_dataset_size(d), 1500);
    assert_string_equal(bert_dataset_problem_type(d), "regression");
    bert_dataset_free(d);
    end(&w);
}

/* Rows are the same wherever they lie. */
static void sets_may_lie_in_files(void **state) {
    (void)state;
    const size_t before = bert_grow_in_memory;
    world w;
    begin(&w);
    char text[4000];
    size_t n = (size_t)snprintf(text, sizeof text, "sentence1\tsentence2\tlabel\n");
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "w%d w%d\tw%d\t%s\n", i % 9, i % 7, i % 5,
                              i % 3 ? "a" : "b");
    bert_dataset *in_memory = must(&w, open_text(&w, "a.tsv", text));
    bert_grow_in_memory = 0;
    bert_dataset *in_files = must(&w, open_text(&w, "a.tsv", text));
    assert_int_equal(bert_dataset_size(in_files), 100);
    for (int64_t i = 0; i < 100; i++) {
        const int32_t *a, *b, *a_types, *b_types;
        int32_t length = bert_dataset_row(in_memory, i, &a, &a_types);
        assert_int_equal(bert_dataset_row(in_files, i, &b, &b_types), length);
        assert_memory_equal(a, b, (size_t)length * sizeof *a);
        assert_memory_equal(a_types, b_types, (size_t)length * sizeof *a);
        assert_int_equal(bert_dataset_row_label(in_memory, i), bert_dataset_row_label(in_files, i));
    }
    bert_grow_in_memory = before;
    bert_dataset_free(in_files);
    bert_dataset_free(in_memory);
    end(&w);
}

/* A task that makes more of a file than texts has nothing of that from memory. */
static void rows_in_memory_are_of_one_task(void **state) {
    (void)state;
    char *d = test_directory();
    tiny_model(d, 3, "single_label_classification", 0);
    bert_error e = {0};
    bert_model *base = bert_model_open(d, &(bert_model_options){.head = "none"}, &e);
    assert_non_null(base);
    const bert_text texts[] = {bert_text_of("a b")};
    static const char *const tasks[] = {"masked-lm", "pretraining", "token-classification",
                                        "question-answering", "multiple-choice"};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        bert_dataset_options o = bert_dataset_default();
        o.task = tasks[i];
        bert_error_clear(&e);
        assert_null(bert_dataset_of(texts, NULL, 1, base, &o, &e));
        assert_int_equal(e.code, BERT_EUNSUPPORTED);
        assert_non_null(strstr(e.message, tasks[i]));
    }
    bert_model_close(base);
    test_remove(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_memory_are_of_one_task),
        cmocka_unit_test(labels_are_found_in_the_data),
        cmocka_unit_test(several_labels_a_row),
        cmocka_unit_test(bad_files_say_where),
        cmocka_unit_test(labels_of_another_set_are_kept_to),
        cmocka_unit_test(what_is_cut_is_counted),
        cmocka_unit_test(pairs_have_types),
        cmocka_unit_test(duplicates_are_counted),
        cmocka_unit_test(order_is_a_function_of_seed_and_epoch),
        cmocka_unit_test(sets_may_lie_in_files),
        cmocka_unit_test(real_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
