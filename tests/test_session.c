/* The forward pass against transformers in float64, and against itself in other company. */
#include "levels.h"
#include "models.h"
#include "tape/tape.h"

/* float32 against float64 over two layers of unit-scale activations. */
static const double tolerance = 5e-6;

typedef struct {
    json_t *golden;
    char *directory;
    bert_model *model;
    bert_inputs in;
    bert_error e;
    bert_precision precision; /* of sessions */
} fixture;

static void setup(fixture *f, const char *architecture, int labels, const char *more) {
    *f = (fixture){.golden = test_golden("models.json"), .directory = test_directory()};
    test_model(f->directory, architecture, labels, more);
    f->in = test_inputs(f->golden);
    f->model = bert_model_open(f->directory, NULL, &f->e);
    if (!f->model) fail_msg("%s", f->e.message);
}

static void teardown(fixture *f) {
    bert_model_close(f->model);
    test_inputs_free(f->in);
    json_decref(f->golden);
    test_remove(f->directory);
}

static bert_session *session(fixture *f, int threads, int32_t batch_tokens) {
    bert_session_options o = bert_session_default();
    o.threads = threads;
    o.batch_tokens = batch_tokens;
    o.precision = f->precision;
    bert_session *s = bert_session_new(f->model, &o, &f->e);
    if (!s) fail_msg("%s", f->e.message);
    return s;
}

enum { EVERYTHING = BERT_WANT_POOLER | BERT_WANT_HIDDEN_STATES | BERT_WANT_ATTENTIONS };

static void test_trunk(void **state) {
    (void)state;
    fixture f;
    setup(&f, "BertModel", 0, "");
    bert_session *s = session(&f, 1, 0);
    bert_outputs o;
    test_ok(f.e, bert_session_run(s, &f.in, EVERYTHING, &o, &f.e));
    const json_t *g = json_object_get(f.golden, "trunk");
    const size_t tokens = (size_t)f.in.start[f.in.n];
    assert_int_equal(o.tokens, tokens);
    assert_int_equal(o.layers, TEST_LAYERS);
    test_close("last_hidden_state", o.last_hidden_state, tokens * TEST_HIDDEN,
               json_object_get(g, "last_hidden_state"), tolerance);
    test_close("pooler_output", o.pooler_output, (size_t)f.in.n * TEST_HIDDEN,
               json_object_get(g, "pooler_output"), tolerance);
    for (size_t i = 0; i <= TEST_LAYERS; i++)
        test_close("hidden_states", o.hidden_states[i], tokens * TEST_HIDDEN,
                   json_array_get(json_object_get(g, "hidden_states"), i), tolerance);
    size_t pairs = 0;
    for (int32_t i = 0; i < f.in.n; i++) {
        size_t n = (size_t)(f.in.start[i + 1] - f.in.start[i]);
        pairs += n * n * TEST_HEADS;
    }
    for (size_t i = 0; i < TEST_LAYERS; i++)
        test_close("attentions", o.attentions[i], pairs,
                   json_array_get(json_object_get(g, "attentions"), i), tolerance);
    assert_null(o.logits);
    assert_true(bert_session_memory(s) > 0);
    bert_session_free(s);
    teardown(&f);
}

static void test_activations(void **state) {
    (void)state;
    json_t *golden = test_golden("models.json");
    const char *act;
    json_t *wanted;
    json_object_foreach(json_object_get(golden, "activations"), act, wanted) {
        fixture f;
        char more[64];
        snprintf(more, sizeof more, ", \"hidden_act\": \"%s\"", act);
        setup(&f, "BertModel", 0, more);
        f.in.n = 2;
        bert_session *s = session(&f, 1, 0);
        bert_outputs o;
        test_ok(f.e, bert_session_run(s, &f.in, 0, &o, &f.e));
        test_close(act, o.last_hidden_state, (size_t)f.in.start[2] * TEST_HIDDEN, wanted,
                   tolerance);
        bert_session_free(s);
        teardown(&f);
    }
    json_decref(golden);
}

/* What else a head's loss reads, by name, from the golden case to a batch. */
static const char *const more_columns[] = {"start_positions", "end_positions",
                                           "next_sentence_label"};
enum { MORE_COLUMNS = 3 };

static bert_batch batch_of(const json_t *c, bert_inputs in, bert_column columns[MORE_COLUMNS]) {
    bert_batch b = {.inputs = in};
    const json_t *a;
    if ((a = json_object_get(c, "labels"))) b.labels = test_ints(a);
    if ((a = json_object_get(c, "targets"))) b.targets = test_floats(a, NULL);
    b.inputs.columns = columns;
    for (int i = 0; i < MORE_COLUMNS; i++)
        if ((a = json_object_get(c, more_columns[i])))
            columns[b.inputs.column_count++] = (bert_column){
                .name = more_columns[i], .width = 1, .count = in.n, .data = test_ints(a)};
    if ((a = json_object_get(c, "choices"))) b.row_sequences = (int32_t)json_integer_value(a);
    return b;
}

static void batch_free(bert_batch b) {
    free((void *)(uintptr_t)b.labels);
    free((void *)(uintptr_t)b.targets);
    for (int i = 0; i < b.inputs.column_count; i++)
        free((void *)(uintptr_t)b.inputs.columns[i].data);
}

static void check_head(const json_t *c) {
    fixture f;
    const json_t *config = json_object_get(c, "config");
    const int labels = json_object_get(config, "num_labels")
                           ? (int)json_integer_value(json_object_get(config, "num_labels"))
                           : 2;
    const char *problem = json_string_value(json_object_get(config, "problem_type"));
    char more[512];
    snprintf(more, sizeof more, "%s%s%s%s", test_labels(labels),
             problem ? ", \"problem_type\": \"" : "", problem ? problem : "", problem ? "\"" : "");
    setup(&f, json_string_value(json_object_get(c, "architecture")), labels, more);
    assert_string_equal(bert_model_head(f.model), json_string_value(json_object_get(c, "kind")));
    assert_null(bert_model_new_parameter(f.model, 0));
    assert_null(bert_model_unused_tensor(f.model, 0));
    bert_inputs in = f.in;
    int32_t ids[14], types[14];
    const int32_t start[] = {0, 7, 14};
    const json_t *choice_types = json_object_get(c, "choice_types");
    if (choice_types) { /* the second sequence twice, under the types given */
        for (size_t i = 0; i < 14; i++) {
            ids[i] = f.in.ids[(size_t)f.in.start[1] + i % 7];
            types[i] = (int32_t)json_integer_value(
                json_array_get(json_array_get(choice_types, i / 7), i % 7));
        }
        in = (bert_inputs){.n = 2, .start = start, .ids = ids, .type_ids = types};
    }
    bert_session *s = session(&f, 1, 0);
    bert_outputs o;
    const json_t *logits = json_object_get(c, "logits");
    const unsigned wants[] = {BERT_WANT_LOGITS, BERT_WANT_LOGITS | BERT_SKIP_HIDDEN};
    float *first = NULL;
    for (int i = 0; i < 2; i++) {
        test_ok(f.e, bert_session_run(s, &in, wants[i], &o, &f.e));
        const size_t n = (size_t)o.logit_rows * (size_t)o.logit_cols;
        test_close(bert_model_head(f.model), o.logits, n, logits, tolerance);
        assert_true(i ? !o.last_hidden_state : !!o.last_hidden_state);
        if (!first) {
            first = malloc(n * sizeof *first);
            memcpy(first, o.logits, n * sizeof *first);
        }
        assert_memory_equal(first, o.logits, n * sizeof *first);
    }
    free(first);
    bert_session_free(s);

    bert_tape_options to = bert_tape_default();
    to.threads = 1;
    bert_tape *t = bert_tape_new(&to, &f.e);
    bert_column columns[MORE_COLUMNS];
    bert_batch b = batch_of(c, in, columns);
    bert_tensor *x =
        bert_head_forward(t, f.model, bert_forward(t, f.model, &in), &(bert_batch){.inputs = in});
    bert_tensor *loss = bert_head_loss(t, f.model, x, &b, 0);
    test_ok(f.e, bert_tape_error(t, &f.e));
    const double wanted = json_number_value(json_object_get(c, "loss"));
    const double got = (double)bert_tensor_read(t, loss)[0];
    if (!(fabs(got - wanted) <= tolerance * (1 + fabs(wanted))))
        fail_msg("%s: loss %.9g, not %.9g", bert_model_head(f.model), got, wanted);
    batch_free(b);
    bert_tape_free(t);
    teardown(&f);
}

static void test_heads(void **state) {
    (void)state;
    json_t *golden = test_golden("models.json");
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(golden, "cases"), i, c) check_head(c);
    assert_true(i >= 10);
    json_decref(golden);
}

/* Every result of every sequence is the same to the bit alone, in any batch, in chunks of any
 * size, on any number of threads. */
static void test_company(void **state) {
    (void)state;
    fixture f;
    setup(&f, "BertForSequenceClassification", 3, test_labels(3));
    const size_t h = TEST_HIDDEN;
    const struct {
        int threads;
        int32_t batch_tokens;
    } ways[] = {{1, 0}, {1, 1}, {1, 13}, {2, 0}, {3, 8}, {2, 20}, {4, 1}, {2, 10000}};
    enum { WAYS = sizeof ways / sizeof *ways };
    for (int w = 0; w < WAYS * BERT_PRECISION_COUNT; w++) {
        f.precision = (bert_precision)(w / WAYS);
        bert_session *ones = session(&f, 1, 0);
        bert_session *s = session(&f, ways[w % WAYS].threads, ways[w % WAYS].batch_tokens);
        bert_outputs all, one;
        test_ok(f.e, bert_session_run(s, &f.in, EVERYTHING | BERT_WANT_LOGITS, &all, &f.e));
        size_t pairs = 0;
        for (int32_t i = 0; i < f.in.n; i++) {
            const int32_t begin = f.in.start[i], n = f.in.start[i + 1] - begin;
            const int32_t start[] = {0, n};
            bert_inputs in = {
                .n = 1, .start = start, .ids = f.in.ids + begin, .type_ids = f.in.type_ids + begin};
            test_ok(f.e, bert_session_run(ones, &in, EVERYTHING | BERT_WANT_LOGITS, &one, &f.e));
            const size_t b = (size_t)begin, k = (size_t)n, row = (size_t)i;
            const size_t square = k * k * TEST_HEADS;
            assert_memory_equal(one.last_hidden_state, all.last_hidden_state + b * h, k * h * 4);
            assert_memory_equal(one.pooler_output, all.pooler_output + row * h, h * 4);
            assert_memory_equal(one.logits, all.logits + row * 3, 12);
            for (int l = 0; l <= TEST_LAYERS; l++)
                assert_memory_equal(one.hidden_states[l], all.hidden_states[l] + b * h, k * h * 4);
            for (int l = 0; l < TEST_LAYERS; l++)
                assert_memory_equal(one.attentions[l], all.attentions[l] + pairs, square * 4);
            pairs += square;
        }
        bert_session_free(s);
        bert_session_free(ones);
    }
    teardown(&f);
}

/* Fewer bits, other numbers, but the same direction: at every precision, whatever serves it. */
static void test_every_precision(void **state) {
    (void)state;
    static const double least[BERT_PRECISION_COUNT] = {1 - 1e-12, 1 - 1e-9, 0.9999, 0.995};
    fixture f;
    setup(&f, "BertModel", 0, "");
    const size_t n = (size_t)f.in.start[f.in.n] * TEST_HIDDEN;
    float *want = NULL;
    for (int p = 0; p < BERT_PRECISION_COUNT; p++) {
        f.precision = (bert_precision)p;
        bert_session *s = session(&f, 2, 0);
        bert_outputs o;
        test_ok(f.e, bert_session_run(s, &f.in, 0, &o, &f.e));
        if (!p) {
            want = malloc(n * sizeof *want);
            memcpy(want, o.last_hidden_state, n * sizeof *want);
        }
        const double c = bert_cosine(want, o.last_hidden_state, (int32_t)n);
        if (!(c >= least[p])) fail_msg("%s: cosine %.6f", bert_precision_name(f.precision), c);
        bert_session_free(s);
    }
    free(want);
    teardown(&f);
}

/* The recording tape computes the same bits as the session. */
static void test_one_forward(void **state) {
    (void)state;
    fixture f;
    setup(&f, "BertModel", 0, "");
    bert_session *s = session(&f, 1, 0);
    bert_outputs o;
    test_ok(f.e, bert_session_run(s, &f.in, 0, &o, &f.e));
    bert_model_options mo = bert_model_default();
    mo.trainable = true;
    bert_model *m = bert_model_open(f.directory, &mo, &f.e);
    bert_tape_options to = bert_tape_default();
    to.threads = 1;
    bert_tape *t = bert_tape_new(&to, &f.e);
    bert_tensor *x = bert_forward(t, m, &f.in);
    test_ok(f.e, bert_tape_error(t, &f.e));
    assert_memory_equal(bert_tensor_read(t, x), o.last_hidden_state,
                        (size_t)f.in.start[f.in.n] * TEST_HIDDEN * 4);
    bert_tape_free(t);
    bert_model_close(m);
    bert_session_free(s);
    teardown(&f);
}

static void test_bad_inputs(void **state) {
    (void)state;
    fixture f;
    setup(&f, "BertModel", 0, "");
    bert_session *s = session(&f, 1, 0);
    int32_t ids[TEST_POSITIONS + 1] = {0}, types[3] = {0, 2, 0}, bad[] = {1, TEST_VOCAB},
                                 negative[] = {-1, 0};
    const int32_t two[] = {0, 2}, empty[] = {0, 1, 1}, three[] = {0, 3},
                  longer[] = {0, TEST_POSITIONS + 1}, shifted[] = {1, 2};
    const struct {
        bert_inputs in;
        int code;
        const char *says;
    } rows[] = {
        {{0, two, ids, NULL, NULL, 0, NULL, 0, NULL, NULL}, BERT_EINVAL, "at least one"},
        {{1, NULL, ids, NULL, NULL, 0, NULL, 0, NULL, NULL}, BERT_EINVAL, "at least one"},
        {{1, two, NULL, NULL, NULL, 0, NULL, 0, NULL, NULL}, BERT_EINVAL, "at least one"},
        {{1, shifted, ids, NULL, NULL, 0, NULL, 0, NULL, NULL}, BERT_EINVAL, "start[0]"},
        {{2, empty, ids, NULL, NULL, 0, NULL, 0, NULL, NULL}, BERT_EINVAL, "sequence 1 is empty"},
        {{1, two, bad, NULL, NULL, 0, NULL, 0, NULL, NULL}, BERT_EINVAL, "has the id 40"},
        {{1, two, negative, NULL, NULL, 0, NULL, 0, NULL, NULL}, BERT_EINVAL, "has the id -1"},
        {{1, three, ids, types, NULL, 0, NULL, 0, NULL, NULL}, BERT_EINVAL, "type id 2"},
        {{1, longer, ids, NULL, NULL, 0, NULL, 0, NULL, NULL},
         BERT_ETOOLONG,
         "has 21 tokens; the model takes 20"},
        {{1, two, ids, NULL, two, 2, NULL, 0, NULL, NULL}, BERT_EINVAL, "logits of token"},
        {{1, two, ids, NULL, two, 0, NULL, 0, NULL, NULL}, BERT_EINVAL, "logits of no token"},
    };
    bert_tape *t = bert_tape_new(NULL, &f.e);
    assert_non_null(t);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bert_error e = {0};
        bert_outputs o;
        int rc = bert_session_run(s, &rows[i].in, 0, &o, &e);
        if (rc != rows[i].code || !strstr(e.message, rows[i].says))
            fail_msg("case %zu: %d \"%s\"", i, rc, e.message);
        assert_null(o.last_hidden_state);
        bert_tape_reset(t);
        assert_null(bert_forward(t, f.model, &rows[i].in));
        assert_int_equal(bert_tape_error(t, NULL), rows[i].code);
    }
    /* The session is as good as before. */
    bert_outputs o;
    bert_error e = {0};
    test_ok(e, bert_session_run(s, &f.in, 0, &o, &e));
    bert_tape_free(t);
    bert_session_free(s);
    teardown(&f);
}

/* A NaN or an infinity in any weight that the text uses is found and named: before the first result
 * in inference, at once in training. */
static void test_not_finite(void **state) {
    (void)state;
    test_weights w = {.n = 0};
    test_tensors(&w, "BertForSequenceClassification", 3);
    const int count = w.n;
    json_t *golden = test_golden("models.json");
    bert_inputs in = test_inputs(golden);
    char *directory = test_directory();
    test_model(directory, "BertForSequenceClassification", 3, test_labels(3));
    for (int i = 0; i < count; i++) {
        float *x = (float *)(uintptr_t)w.tensors[i].data;
        /* Of the tables, a row that the batch reads: its first token, position and type 0. */
        const size_t at =
            strstr(w.names[i], "word_embeddings") ? (size_t)in.ids[0] * TEST_HIDDEN : 0;
        const float kept = x[at];
        x[at] = i % 2 ? (float)INFINITY : (float)NAN;
        test_write_weights(directory, &w);
        x[at] = kept;
        bert_error e = {0};
        bert_model *m = bert_model_open(directory, NULL, &e);
        bert_session *s = m ? bert_session_new(m, NULL, &e) : NULL;
        bert_outputs o;
        if (s) bert_session_run(s, &in, BERT_WANT_LOGITS, &o, &e);
        if (e.code != BERT_ENUMERIC || !strstr(e.message, w.names[i]))
            fail_msg("%s: %d \"%s\"", w.names[i], e.code, e.message);
        bert_session_free(s);
        bert_model_close(m);
        bert_error_clear(&e);
        bert_model_options o2 = bert_model_default();
        o2.trainable = true;
        assert_null(bert_model_open(directory, &o2, &e));
        assert_int_equal(e.code, BERT_ENUMERIC);
        assert_non_null(strstr(e.message, w.names[i]));
    }
    test_weights_free(&w);
    test_inputs_free(in);
    json_decref(golden);
    test_remove(directory);
}

static void test_precisions(void **state) {
    (void)state;
    bert_error e = {0};
    bert_precision p = BERT_PRECISION_INT8;
    test_ok(e, bert_precision_parse("highest", &p, &e));
    assert_int_equal(p, BERT_PRECISION_HIGHEST);
    assert_int_equal(bert_precision_parse("exact", &p, &e), BERT_EUNSUPPORTED);
    assert_non_null(strstr(e.message, "\"exact\""));
    assert_non_null(strstr(e.message, "highest"));
    for (int i = 0; i < BERT_PRECISION_COUNT; i++) {
        const char *name = bert_precision_name((bert_precision)i);
        int rc = bert_precision_parse(name, &p, NULL);
        assert_int_equal(rc, bert_cpu()->gemm[i] ? BERT_OK : BERT_EUNSUPPORTED);
    }
}

static void test_pooling(void **state) {
    (void)state;
    const float x[] = {1, -2, 3, 4, 5, 6, -7, 8};
    const int32_t start[] = {0, 3, 4};
    float out[4];
    bert_error e = {0};
    const struct {
        bert_pooling p;
        float wanted[4];
    } rows[] = {{BERT_POOLING_MEAN, {3, 8.0f / 3, -7, 8}},
                {BERT_POOLING_CLS, {1, -2, -7, 8}},
                {BERT_POOLING_MAX, {5, 6, -7, 8}},
                {BERT_POOLING_SUM, {9, 8, -7, 8}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_ok(e, bert_pool(rows[i].p, x, 2, start, 2, out, &e));
        assert_memory_equal(out, rows[i].wanted, sizeof out);
        bert_pooling p;
        test_ok(e, bert_pooling_parse(bert_pooling_name(rows[i].p), &p, &e));
        assert_int_equal(p, rows[i].p);
    }
    assert_int_equal(bert_pool(BERT_POOLING_POOLER, x, 2, start, 2, out, &e), BERT_EINVAL);
    bert_pooling p;
    assert_int_equal(bert_pooling_parse("median", &p, NULL), BERT_EINVAL);
    float rows2[] = {3, 4, 0, 0};
    bert_normalize(rows2, 2, 2);
    assert_true(rows2[0] == 0.6f && rows2[1] == 0.8f && rows2[2] == 0 && rows2[3] == 0);
    assert_true(fabs(bert_cosine(x, x, 8) - 1) < 1e-15);
    assert_true(bert_cosine(rows2, rows2 + 2, 2) == 0);
}

int main(void) {
    if (!test_level()) return TEST_SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trunk),           cmocka_unit_test(test_activations),
        cmocka_unit_test(test_heads),           cmocka_unit_test(test_company),
        cmocka_unit_test(test_every_precision), cmocka_unit_test(test_one_forward),
        cmocka_unit_test(test_bad_inputs),      cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_precisions),      cmocka_unit_test(test_pooling),
    };
    return test_run_at_level(tests);
}
