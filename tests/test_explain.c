/* Explanations against captum and transformers (tools/golden_explain.py), and against themselves. */
#include "base/file.h"
#include "golden_family.h"
#include "models/attribution.h"
#include "models/integration.h"

static const double tolerance = 1e-5; /* captum rounds its weights to float32, we the scores */

static const char one[] = "the cat sat on the mat .", two[] = "a dog ran";

typedef struct {
    char *directory;
    bert_model *model;
    bert_session *session;
    bert_error e;
} fixture;

static void open_session(fixture *f, int threads, bert_precision precision) {
    bert_session_options o = bert_session_default();
    o.threads = threads;
    o.precision = precision;
    bert_session_free(f->session);
    f->session = bert_session_new(f->model, &o, &f->e);
    if (!f->session) fail_msg("%s", f->e.message);
}

static void write_words(const char *directory) {
    char text[2048];
    size_t n = 0;
    for (int i = 0; i < TEST_VOCAB; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\n", test_words[i]);
    test_write(directory, "vocab.txt", text);
    test_write(directory, "tokenizer_config.json", "{\"tokenizer_class\": \"BertTokenizer\"}");
}

/* A BERT under a head, with the formula's weights. */
static void begin(fixture *f, const char *architecture, int labels, const char *more) {
    *f = (fixture){.directory = test_directory()};
    test_model(f->directory, architecture, labels, more);
    f->model = bert_model_open(f->directory, NULL, &f->e);
    if (!f->model) fail_msg("%s", f->e.message);
    open_session(f, 2, BERT_PRECISION_HIGHEST);
}

static void begin_family(fixture *f, const json_t *family, const json_t *c) {
    *f = (fixture){.directory = test_directory()};
    write_case(f->directory, family, c);
    write_words(f->directory);
    f->model = bert_model_open(f->directory, NULL, &f->e);
    if (!f->model) fail_msg("%s", f->e.message);
    open_session(f, 2, BERT_PRECISION_HIGHEST);
}

static void end(fixture *f) {
    bert_session_free(f->session);
    bert_model_close(f->model);
    test_remove(f->directory);
}

static bert_text pair_of(const char *a, const char *b) {
    bert_text t = bert_text_of(a);
    t.pair = b;
    t.pair_bytes = b ? strlen(b) : 0;
    return t;
}

static const bert_explanation *explain(fixture *f, bert_text text, const bert_explain_options *o) {
    const bert_explanation *x = NULL;
    f->e = (bert_error){0};
    if (bert_explain(f->session, &text, 1, NULL, o, &x, NULL, &f->e)) fail_msg("%s", f->e.message);
    return x;
}

static void check_scores(const char *what, const bert_explanation *x, const json_t *want) {
    float scores[64];
    assert_true(x->tokens <= 64);
    assert_int_equal(x->tokens, json_array_size(want));
    for (int32_t i = 0; i < x->tokens; i++) scores[i] = x->of_token[i].score;
    test_close(what, scores, (size_t)x->tokens, want, tolerance);
}

/* ---- Against captum */

/* The scores add up to the difference of the outputs, up to delta. */
static void check_sum(const bert_explanation *x, double most) {
    double sum = 0;
    for (int32_t i = 0; i < x->tokens; i++) sum += (double)x->of_token[i].score;
    const double difference = (double)x->output - (double)x->base_output;
    if (fabs(sum - difference - x->delta) > 1e-5 || fabs(x->delta) > most)
        fail_msg("sum %g, difference %g, delta %g", sum, difference, x->delta);
}

static void check_classification(fixture *f, const json_t *want) {
    bert_explain_options o = bert_explain_default();
    o.label = "LABEL_1";
    const bert_explanation *x = explain(f, bert_text_of(one), &o);
    assert_string_equal(x->label, "LABEL_1");
    assert_true(fabs((double)x->output - json_number_value(json_object_get(want, "output"))) <
                tolerance);
    check_scores("integrated gradients", x, json_object_get(want, "integrated"));
    check_sum(x, 2e-3);
    o.steps = 300;
    check_sum(explain(f, bert_text_of(one), &o), 5e-5);
    o.steps = 3;
    x = explain(f, bert_text_of(one), &o);
    check_scores("of three steps", x, json_object_get(want, "few"));
    check_sum(x, 1);
    const double delta = json_number_value(json_object_get(want, "few_delta"));
    if (fabs(x->delta - delta) > 1e-5) fail_msg("delta %g, not %g", x->delta, delta);
    o.method = BERT_EXPLAIN_GRADIENT_X_INPUT;
    check_scores("gradient x input", explain(f, bert_text_of(one), &o),
                 json_object_get(want, "gradient"));
    o.method = BERT_EXPLAIN_ATTENTION;
    check_scores("attention", explain(f, bert_text_of(one), &o),
                 json_object_get(want, "attention"));
    o.method = BERT_EXPLAIN_ROLLOUT;
    check_scores("rollout", explain(f, bert_text_of(one), &o), json_object_get(want, "rollout"));
}

/* What the other heads of a family have, where they have it. */
static const struct {
    const char *key, *head;
    const char *text, *pair;
    bert_explain_options o;
} heads[] = {
    {"pair", "sequence-classification", one, two, {.label = "1", .token = -1}},
    {"tag", "token-classification", one, NULL, {.label = "LABEL_2", .token = 3}},
    {"answer", "question-answering", one, two, {.label = "start", .token = 10}},
    {"word", "masked-lm", "the [MASK] sat", NULL, {.label = "dog", .token = -1}},
};

static void check_head(fixture *f, const json_t *golden, size_t k) {
    const json_t *want = json_object_get(golden, heads[k].key);
    if (!want) return;
    bert_explain_options o = heads[k].o;
    o.steps = 50;
    const bert_explanation *x = explain(f, pair_of(heads[k].text, heads[k].pair), &o);
    check_scores(heads[k].key, x, want);
    check_sum(x, 2e-3);
}

/* The first case of the family under that head. */
static const json_t *case_of(const json_t *family, const char *kind) {
    const json_t *c;
    size_t i;
    json_array_foreach(json_object_get(family, "cases"), i, c) {
        if (!strcmp(json_string_value(json_object_get(c, "kind")), kind)) return c;
    }
    return NULL;
}

static const json_t *family_of(const json_t *families, const char *type) {
    const json_t *f;
    size_t i;
    if (!strcmp(type, "jina")) type = "bert"; /* as its configuration calls itself */
    json_array_foreach(json_object_get(families, "families"), i, f) {
        if (!strcmp(json_string_value(json_object_get(f, "model_type")), type)) return f;
    }
    fail_msg("no family %s", type);
    return NULL;
}

static void check_family(const json_t *families, const json_t *golden) {
    const char *type = json_string_value(json_object_get(golden, "model_type"));
    const json_t *family = family_of(families, type);
    fixture f;
    begin_family(&f, family, case_of(family, "sequence-classification"));
    check_classification(&f, json_object_get(golden, "classification"));
    check_head(&f, golden, 0);
    end(&f);
    for (size_t k = 1; k < sizeof heads / sizeof *heads; k++) {
        const json_t *c = case_of(family, heads[k].head);
        if (!c || !json_object_get(golden, heads[k].key)) continue;
        begin_family(&f, family, c);
        check_head(&f, golden, k);
        end(&f);
    }
}

static void check_bert(const json_t *golden) {
    static const char *const names[] = {"BertForSequenceClassification",
                                        "BertForTokenClassification", "BertForQuestionAnswering",
                                        "BertForMaskedLM"};
    fixture f;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        begin(&f, names[k], 3, k < 2 ? ", \"num_labels\": 3" : "");
        if (!k) check_classification(&f, json_object_get(golden, "classification"));
        check_head(&f, golden, k);
        end(&f);
    }
}

static void every_family_is_explained_as_by_captum(void **state) {
    (void)state;
    json_t *golden = test_golden("explain.json"), *families = test_golden("families.json"), *g;
    size_t i;
    json_array_foreach(json_object_get(golden, "families"), i, g) {
        if (i)
            check_family(families, g);
        else
            check_bert(g);
    }
    assert_true(i >= 12);
    json_decref(golden);
    json_decref(families);
}

static void rules_of_integration_are_captums(void **state) {
    (void)state;
    json_t *golden = test_golden("explain.json"), *want;
    const json_t *rules =
        json_object_get(json_array_get(json_object_get(golden, "families"), 0), "rules");
    const char *rule;
    fixture f;
    begin(&f, "BertForSequenceClassification", 3, ", \"num_labels\": 3");
    json_object_foreach((json_t *)(uintptr_t)rules, rule, want) {
        bert_explain_options o = bert_explain_default();
        o.label = "LABEL_1";
        o.rule = rule;
        o.steps = 7;
        check_scores(rule, explain(&f, bert_text_of(one), &o), want);
    }
    end(&f);
    json_decref(golden);
}

/* Legendre's points integrate polynomials of twice their number exactly. */
static void points_integrate_polynomials(void **state) {
    (void)state;
    double at[64], weight[64];
    bert_error e = {0};
    for (int n = 1; n <= 64; n++) {
        test_ok(e, bert_integration(NULL, n, at, weight, &e));
        for (int power = 0; power < 2 * n && power < 40; power++) {
            double sum = 0;
            for (int i = 0; i < n; i++) sum += weight[i] * pow(at[i], power);
            if (fabs(sum - 1.0 / (power + 1)) > 1e-13)
                fail_msg("%d points, power %d: %.17g", n, power, sum);
        }
    }
}

/* ---- Pictures' pixels, by their patches */

static void write_vision(const char *d, const json_t *c) {
    bert_stored_tensor list[TEST_MAX_TENSORS];
    int n = 0;
    const char *name;
    json_t *shape;
    json_object_foreach(json_object_get(c, "tensors"), name, shape) {
        bert_stored_tensor *t = &list[n++];
        *t = (bert_stored_tensor){
            .name = name, .dtype = BERT_F32, .dims = (int)json_array_size(shape)};
        size_t count = 1;
        for (int i = 0; i < t->dims; i++)
            count *= (size_t)(t->shape[i] = json_integer_value(json_array_get(shape, (size_t)i)));
        float *data = malloc(count * sizeof *data);
        for (size_t i = 0; i < count; i++) data[i] = test_weight(name, i);
        t->data = data;
        t->bytes = count * sizeof *data;
    }
    char path[4600];
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/model.safetensors", d);
    test_ok(e, bert_safetensors_save(path, list, n, NULL, &e));
    for (int i = 0; i < n; i++) free((void *)(uintptr_t)list[i].data);
    json_t *config = json_deep_copy(json_object_get(c, "config"));
    json_object_set(config, "model_type", json_object_get(c, "model_type"));
    json_object_set_new(config, "architectures",
                        json_pack("[O]", json_object_get(c, "architecture")));
    snprintf(path, sizeof path, "%s/config.json", d);
    test_ok(e, bert_json_save(config, path, &e));
    json_decref(config);
}

enum { PIXELS = 3 * 12 * 12, PATCHES = 9 };

static void check_patches(const char *what, bert_attributor *a, const bert_output_at *at,
                          const bert_leaves *x, bool integrated, const json_t *want) {
    double points[50] = {1}, weights[50] = {1}, scores[PATCHES], ends[2];
    float rounded[PATCHES];
    bert_error e = {0};
    if (integrated) test_ok(e, bert_integration(NULL, 50, points, weights, &e));
    const bert_line line = {
        .x = x, .n = integrated ? 50 : 1, .at = points, .weight = weights, .batch_tokens = 35};
    test_ok(e, bert_attribute(a, at, &line, scores, ends, &e));
    double sum = 0;
    for (int i = 0; i < PATCHES; i++) sum += rounded[i] = (float)scores[i];
    test_close(what, rounded, PATCHES, want, tolerance);
    if (integrated && fabs(sum - (ends[0] - ends[1])) > 1e-4)
        fail_msg("%s: sum %g, difference %g", what, sum, ends[0] - ends[1]);
}

static void patches_are_explained_as_by_captum(void **state) {
    (void)state;
    json_t *golden = test_golden("explain.json"), *cases = test_golden("vision.json"), *g;
    size_t i;
    json_array_foreach(json_object_get(golden, "pictures"), i, g) {
        char *d = test_directory();
        write_vision(d,
                     json_array_get(cases, (size_t)json_integer_value(json_object_get(g, "case"))));
        bert_error e = {0};
        bert_model *m = bert_model_open(d, NULL, &e);
        bert_attributor *a = m ? bert_attributor_new(m, BERT_PRECISION_HIGHEST, NULL, &e) : NULL;
        if (!a) fail_msg("%s", e.message);
        float pixels[PIXELS];
        for (size_t k = 0; k < PIXELS; k++) pixels[k] = 4 * test_weight("pixels", k);
        const bert_column column = {.name = "pixels",
                                    .type = BERT_COLUMN_FLOAT32,
                                    .per = BERT_PER_SEQUENCE,
                                    .width = PIXELS,
                                    .count = 1,
                                    .data = pixels};
        const int32_t start[] = {0, bert_model_config(m)->special_tokens + PATCHES};
        const bert_inputs in = {.n = 1, .start = start, .columns = &column, .column_count = 1};
        const bert_output_at at = {.in = &in, .logits = {{0, 1}}, .count = 1};
        bert_leaves x;
        test_ok(e, bert_leaves_of(a, &in, &x, &e));
        assert_int_equal(x.rows, PATCHES);
        check_patches("integrated", a, &at, &x, true, json_object_get(g, "integrated"));
        check_patches("gradient", a, &at, &x, false, json_object_get(g, "gradient"));
        free(x.x);
        bert_attributor_free(a);
        bert_model_close(m);
        test_remove(d);
    }
    assert_true(i >= 5);
    json_decref(golden);
    json_decref(cases);
}

/* ---- Against themselves */

static void bits_do_not_depend_on_threads_or_company(void **state) {
    (void)state;
    fixture f;
    begin(&f, "BertForSequenceClassification", 3, ", \"num_labels\": 3");
    const bert_text texts[] = {bert_text_of("the dog"), bert_text_of(one), pair_of(one, two)};
    float alone[3][64];
    for (int method = 0; method < BERT_EXPLAIN_COUNT; method++)
        for (int threads = 1; threads <= 7; threads += 2) {
            bert_explain_options o = bert_explain_default();
            o.method = (bert_explain_method)method;
            o.steps = 19;
            open_session(&f, threads, BERT_PRECISION_HIGHEST);
            for (int i = 0; i < 3 && threads == 1; i++) {
                const bert_explanation *x = explain(&f, texts[i], &o);
                for (int32_t k = 0; k < x->tokens; k++) alone[i][k] = x->of_token[k].score;
            }
            const bert_explanation *x;
            test_ok(f.e, bert_explain(f.session, texts, 3, NULL, &o, &x, NULL, &f.e));
            for (int i = 0; i < 3; i++)
                for (int32_t k = 0; k < x[i].tokens; k++)
                    assert_memory_equal(&alone[i][k], &x[i].of_token[k].score, sizeof(float));
        }
    end(&f);
}

/* Regression, several labels, choices, the next sentence: one output each. */
static void other_heads_are_explained(void **state) {
    (void)state;
    static const struct {
        const char *architecture;
        int labels;
        const char *more, *label, *says;
    } rows[] = {
        {"BertForSequenceClassification", 1,
         ", \"num_labels\": 1, \"problem_type\": \"regression\"", NULL, "LABEL_0"},
        {"BertForSequenceClassification", 3,
         ", \"num_labels\": 3, \"problem_type\": \"multi_label_classification\"", "2", "LABEL_2"},
        {"BertForMultipleChoice", 1, "", NULL, "choice"},
        {"BertForNextSentencePrediction", 2, "", "not_next", "not_next"},
        {"BertForPreTraining", 0, "", "cat", "cat"},
        {"BertForQuestionAnswering", 0, "", NULL, "span"},
        {"BertForTokenClassification", 3, ", \"num_labels\": 3", NULL, "LABEL_"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture f;
        begin(&f, rows[i].architecture, rows[i].labels, rows[i].more);
        bert_explain_options o = bert_explain_default();
        o.label = rows[i].label;
        const bool masked = strstr(rows[i].architecture, "PreTraining") != NULL;
        const bert_explanation *x = explain(&f, pair_of(masked ? "the [MASK] sat" : one, two), &o);
        if (!strstr(x->label, rows[i].says)) fail_msg("%s, not %s", x->label, rows[i].says);
        assert_int_equal(x->token >= 0, masked || strstr(rows[i].architecture, "Question") ||
                                            strstr(rows[i].architecture, "Token"));
        check_sum(x, 2e-3);
        for (o.method = BERT_EXPLAIN_ATTENTION; o.method <= BERT_EXPLAIN_ROLLOUT; o.method++) {
            double sum = 0;
            x = explain(&f, pair_of(masked ? "the [MASK] sat" : one, two), &o);
            for (int32_t k = 0; k < x->tokens; k++) sum += (double)x->of_token[k].score;
            assert_true(fabs(sum - 1) < 1e-5);
        }
        end(&f);
    }
}

/* The likeliest label is taken; words are joined; what they are called comes from the text. */
static void words_are_those_of_the_text(void **state) {
    (void)state;
    fixture f;
    begin(&f, "BertForTokenClassification", 3, ", \"num_labels\": 3");
    bert_explain_options o = bert_explain_default();
    o.word = "Playing";
    const bert_text text = bert_text_of("The  dogs \xc3\xa9 Playing");
    const bert_explanation *x = explain(&f, text, &o);
    assert_int_equal(x->tokens, 8); /* [CLS] the dog ##s [UNK] play ##ing [SEP] */
    assert_string_equal(x->of_token[3].token, "##s");
    assert_int_equal(x->of_token[3].start, 8);
    assert_int_equal(x->token, 5);
    assert_string_equal(x->word, "Play");
    const double dogs = (double)x->of_token[2].score + (double)x->of_token[3].score;
    o.words = true;
    x = explain(&f, text, &o);
    assert_int_equal(x->tokens, 6);
    assert_string_equal(x->of_token[2].token, "dogs");
    assert_string_equal(x->of_token[3].token, "\xc3\xa9");
    assert_string_equal(x->of_token[4].token, "Playing");
    assert_true(fabs((double)x->of_token[2].score - dogs) < 1e-6);
    assert_int_equal(x->of_token[0].sequence, -1);
    end(&f);
}

/* Bases: special tokens stay at pad and mask, and have nothing. */
static void bases_differ(void **state) {
    (void)state;
    fixture f;
    begin(&f, "BertForSequenceClassification", 3, ", \"num_labels\": 3");
    float output[3];
    static const char *const names[] = {"pad", "mask", "zero"};
    for (int i = 0; i < 3; i++) {
        bert_explain_options o = bert_explain_default();
        o.baseline = names[i];
        const bert_explanation *x = explain(&f, bert_text_of(one), &o);
        check_sum(x, 2e-3);
        output[i] = x->base_output;
        assert_int_equal(x->of_token[0].score == 0, i < 2);
    }
    assert_true(output[0] != output[1] && output[1] != output[2]);
    end(&f);
}

/* ---- What is refused */

static const struct {
    const char *architecture;
    const char *text, *pair;
    bert_explain_options o;
    int code;
    const char *says;
} refused[] = {
    {"BertForSequenceClassification",
     one,
     NULL,
     {.label = "good", .token = -1, .steps = 50},
     BERT_EINVAL,
     "no label \"good\""},
    {"BertForSequenceClassification",
     one,
     NULL,
     {.label = "3", .token = -1, .steps = 50},
     BERT_EINVAL,
     "LABEL_0, LABEL_1, LABEL_2"},
    {"BertForSequenceClassification", "", NULL, {.token = -1, .steps = 50}, BERT_EINVAL, "empty"},
    {"BertForSequenceClassification", " ", NULL, {.token = -1, .steps = 50}, BERT_EINVAL, "empty"},
    {"BertForSequenceClassification", one, NULL, {.token = -1, .steps = 0}, BERT_EINVAL, "steps"},
    {"BertForSequenceClassification",
     one,
     NULL,
     {.token = -1, .steps = 5, .rule = "simpson"},
     BERT_EINVAL,
     "riemann_left"},
    {"BertForSequenceClassification",
     one,
     NULL,
     {.token = -1, .steps = 5, .baseline = "black"},
     BERT_EINVAL,
     "pad, mask or zero"},
    {"BertForSequenceClassification",
     one,
     NULL,
     {.method = BERT_EXPLAIN_ATTENTION, .token = -1, .steps = 5, .layer = 2, .head = -1},
     BERT_EINVAL,
     "layers 0 to 1"},
    {"BertForSequenceClassification",
     one,
     NULL,
     {.method = BERT_EXPLAIN_ATTENTION, .token = -1, .steps = 5, .layer = -1, .head = 3},
     BERT_EINVAL,
     "heads 0 to 2"},
    {"BertForTokenClassification",
     one,
     NULL,
     {.word = "dog", .token = -1, .steps = 5},
     BERT_EINVAL,
     "\"dog\" is not in the text"},
    {"BertForTokenClassification", one, NULL, {.token = 9, .steps = 5}, BERT_EINVAL, "no token 9"},
    {"BertForQuestionAnswering", one, NULL, {.token = -1, .steps = 5}, BERT_EINVAL, "no context"},
    {"BertForQuestionAnswering",
     one,
     two,
     {.label = "middle", .token = -1, .steps = 5},
     BERT_EINVAL,
     "start, end or span"},
    {"BertForMaskedLM", one, NULL, {.token = -1, .steps = 5}, BERT_EINVAL, "no [MASK]"},
    {"BertForMaskedLM",
     "the [MASK]",
     NULL,
     {.label = "zebra", .token = -1, .steps = 5},
     BERT_EINVAL,
     "vocabulary"},
    {"BertModel", one, NULL, {.token = -1, .steps = 5}, BERT_EUNSUPPORTED, "no head"},
};

static void what_cannot_be_is_said(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        fixture f;
        begin(&f, refused[i].architecture, 3,
              strstr(refused[i].architecture, "Classification") ? ", \"num_labels\": 3" : "");
        const bert_text text = pair_of(refused[i].text, refused[i].pair);
        const bert_explanation *x = NULL;
        bert_error e = {0};
        const int rc = bert_explain(f.session, &text, 1, NULL, &refused[i].o, &x, NULL, &e);
        if (rc != refused[i].code || !strstr(e.message, refused[i].says))
            fail_msg("%zu: %d: %s", i, rc, e.message);
        assert_null(x);
        end(&f);
    }
}

static void bytes_and_windows_are_refused(void **state) {
    (void)state;
    fixture f;
    begin(&f, "BertForSequenceClassification", 3, ", \"num_labels\": 3");
    const bert_text text = bert_text_of(one);
    const bert_explanation *x;
    bert_text_options o = bert_text_default();
    o.overflow = BERT_OVERFLOW_WINDOW;
    bert_error e = {0};
    assert_int_equal(bert_explain(f.session, &text, 1, &o, NULL, &x, NULL, &e), BERT_EINVAL);
    assert_non_null(strstr(e.message, "truncate"));
    open_session(&f, 1, BERT_PRECISION_INT8);
    e = (bert_error){0};
    assert_int_equal(bert_explain(f.session, &text, 1, NULL, NULL, &x, NULL, &e),
                     BERT_EUNSUPPORTED);
    assert_non_null(strstr(e.message, "int8"));
    bert_explain_options rolled = bert_explain_default();
    rolled.method = BERT_EXPLAIN_ROLLOUT; /* which need no gradients */
    e = (bert_error){0};
    test_ok(e, bert_explain(f.session, &text, 1, NULL, &rolled, &x, NULL, &e));
    end(&f);
}

/* A text that fails is told of alone. */
static void others_are_explained_where_one_fails(void **state) {
    (void)state;
    fixture f;
    begin(&f, "BertForSequenceClassification", 3, ", \"num_labels\": 3");
    const bert_text texts[] = {bert_text_of("the dog"), bert_text_of(""), bert_text_of(one)};
    bert_text_options o = bert_text_default();
    o.keep_going = true;
    bert_text_info info[3];
    const bert_explanation *x;
    test_ok(f.e, bert_explain(f.session, texts, 3, &o, NULL, &x, info, &f.e));
    assert_int_equal(info[1].code, BERT_EINVAL);
    assert_true(!strncmp(info[1].message, "text 1", 6));
    assert_int_equal(x[0].tokens, 4);
    assert_int_equal(x[1].tokens, 0);
    assert_int_equal(x[2].tokens, 9);
    end(&f);
}

/* What a batch brings instead of ids has the shape that the model looks up. */
static void rows_in_the_place_of_ids_are_checked(void **state) {
    (void)state;
    fixture f;
    begin(&f, "BertForSequenceClassification", 3, ", \"num_labels\": 3");
    bert_error e = {0};
    bert_tape *t = bert_tape_new(
        &(bert_tape_options){.record = true, .device = bert_model_device(f.model)}, &e);
    const int32_t start[] = {0, 3}, ids[] = {2, 5, 3};
    float rows[3 * TEST_HIDDEN] = {0};
    bert_inputs in = {.n = 1, .start = start, .ids = ids};
    in.embeds = bert_constant(t, rows, 2, TEST_HIDDEN, true);
    assert_null(bert_forward(t, f.model, &in));
    assert_int_equal(bert_tape_error(t, &e), BERT_EINVAL);
    assert_non_null(strstr(e.message, "[3, 24]"));
    bert_tape_reset(t);
    in.embeds = bert_constant(t, rows, 3, TEST_HIDDEN, true);
    assert_non_null(bert_forward(t, f.model, &in));
    bert_outputs o;
    e = (bert_error){0};
    assert_int_equal(bert_session_run(f.session, &in, 0, &o, &e), BERT_EINVAL);
    bert_tape_free(t);
    end(&f);
}

/* ---- Files */

static char *slurp(const char *path) {
    char *data;
    size_t n;
    bert_error e = {0};
    test_ok(e, bert_read_file(path, 0, &data, &n, &e));
    return data;
}

static void files_show_the_text_as_it_is(void **state) {
    (void)state;
    static const char *const names[] = {"x.html", "x.svg"};
    fixture f;
    begin(&f, "BertForSequenceClassification", 3, ", \"num_labels\": 3");
    const bert_text text = pair_of("the <b>cat</b> & dogs \xe4\xb8\xad", two);
    for (int i = 0; i < 2; i++) {
        char path[4600];
        snprintf(path, sizeof path, "%s/%s", f.directory, names[i]);
        bert_error e = {0};
        bert_explain_file *file = bert_explain_file_open(path, &e);
        if (!file) fail_msg("%s", e.message);
        bert_explain_options o = bert_explain_default();
        o.words = true;
        test_ok(e, bert_explain_file_add(file, explain(&f, text, &o), &e));
        test_ok(e, bert_explain_file_add(file, explain(&f, bert_text_of(one), &o), &e));
        assert_false(bert_file_exists(path)); /* not before it is whole */
        test_ok(e, bert_explain_file_close(file, &e));
        char *page = slurp(path);
        assert_non_null(strstr(page, "&lt;"));
        assert_null(strstr(page, "<b>"));
        assert_non_null(strstr(page, ">dogs<"));
        assert_non_null(strstr(page, "\xe4\xb8\xad"));
        assert_non_null(strstr(page, "LABEL_"));
        assert_null(strstr(page, "src=\"http"));
        assert_non_null(strstr(page, i ? "</svg>" : "</html>"));
        free(page);
    }
    bert_error e = {0};
    assert_null(bert_explain_file_open("x.pdf", &e));
    assert_non_null(strstr(e.message, ".html, .svg, .png"));
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_is_explained_as_by_captum),
        cmocka_unit_test(rules_of_integration_are_captums),
        cmocka_unit_test(points_integrate_polynomials),
        cmocka_unit_test(patches_are_explained_as_by_captum),
        cmocka_unit_test(bits_do_not_depend_on_threads_or_company),
        cmocka_unit_test(other_heads_are_explained),
        cmocka_unit_test(words_are_those_of_the_text),
        cmocka_unit_test(bases_differ),
        cmocka_unit_test(what_cannot_be_is_said),
        cmocka_unit_test(bytes_and_windows_are_refused),
        cmocka_unit_test(others_are_explained_where_one_fails),
        cmocka_unit_test(rows_in_the_place_of_ids_are_checked),
        cmocka_unit_test(files_show_the_text_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
