/* config.json: defaults, ranges, labels, what is refused, and what save writes. */
#include "models.h"
#include "models/config_file.h"

typedef struct {
    bert_config c;
    bert_labels labels;
    const bert_arch *arch;
    bert_error e;
} parsed;

/* Reads {"model_type": "bert" more}. */
static int read_text(parsed *p, const char *text) {
    *p = (parsed){0};
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    void *own = NULL;
    int rc = bert_config_read(json, "config.json", &p->c, &p->labels, &p->arch, &own, &p->e);
    free(own);
    json_decref(json);
    return rc;
}

static int read_more(parsed *p, const char *more) {
    char text[2048];
    snprintf(text, sizeof text, "{\"model_type\": \"bert\"%s}", more);
    return read_text(p, text);
}

static void test_defaults(void **state) {
    (void)state;
    parsed p;
    test_ok(p.e, read_more(&p, ""));
    assert_int_equal(p.c.vocab_size, 30522);
    assert_int_equal(p.c.hidden_size, 768);
    assert_int_equal(p.c.num_hidden_layers, 12);
    assert_int_equal(p.c.num_attention_heads, 12);
    assert_int_equal(p.c.intermediate_size, 3072);
    assert_int_equal(p.c.max_position_embeddings, 512);
    assert_int_equal(p.c.type_vocab_size, 2);
    assert_int_equal(p.c.pad_token_id, 0);
    assert_string_equal(p.c.hidden_act, "gelu");
    assert_true(p.c.hidden_dropout_prob == 0.1f && p.c.attention_probs_dropout_prob == 0.1f);
    assert_true(p.c.classifier_dropout < 0);
    assert_true(p.c.initializer_range == 0.02f && p.c.layer_norm_eps == 1e-12f);
    assert_string_equal(p.c.problem_type, "");
    assert_string_equal(p.c.architecture, "");
    assert_int_equal(p.c.num_labels, 2);
    assert_string_equal(p.labels.name[1], "LABEL_1");
    bert_labels_free(&p.labels);
}

static void test_ends_of_ranges(void **state) {
    (void)state;
    parsed p;
    test_ok(p.e, read_more(&p, ", \"hidden_dropout_prob\": 0.999, \"classifier_dropout\": 0.0, "
                               "\"initializer_range\": 1000, \"layer_norm_eps\": 1"));
    assert_true(p.c.hidden_dropout_prob == 0.999f && p.c.classifier_dropout == 0);
    assert_true(p.c.initializer_range == 1000 && p.c.layer_norm_eps == 1);
    bert_labels_free(&p.labels);
}

static void test_values(void **state) {
    (void)state;
    parsed p;
    test_ok(p.e, read_more(&p, ", \"hidden_size\": 24, \"num_attention_heads\": 3, "
                               "\"classifier_dropout\": 0, \"pad_token_id\": null, "
                               "\"layer_norm_eps\": 1e-5, \"architectures\": [\"BertForMaskedLM\"],"
                               "\"unknown\": {\"x\": 1}, \"problem_type\": \"regression\", "
                               "\"num_labels\": 5, \"position_embedding_type\": \"absolute\""));
    assert_int_equal(p.c.hidden_size, 24);
    assert_true(p.c.classifier_dropout == 0);
    assert_int_equal(p.c.pad_token_id, 0);
    assert_true(p.c.layer_norm_eps == 1e-5f);
    assert_string_equal(p.c.architecture, "BertForMaskedLM");
    assert_string_equal(p.c.problem_type, "regression");
    assert_int_equal(p.c.num_labels, 5);
    bert_labels_free(&p.labels);
    /* A checkpoint from before model_type. */
    test_ok(p.e, read_text(&p, "{\"architectures\": [\"BertForMaskedLM\"]}"));
    assert_string_equal(p.c.model_type, "bert");
    bert_labels_free(&p.labels);
}

static void test_label_names(void **state) {
    (void)state;
    parsed p;
    test_ok(p.e, read_more(&p, ", \"num_labels\": 7, \"id2label\": {\"2\": \"c\", \"0\": \"a\", "
                               "\"1\": \"b\"}, \"label2id\": {\"x\": 0}"));
    assert_int_equal(p.c.num_labels, 3); /* the map counts, as in transformers */
    assert_string_equal(p.labels.name[0], "a");
    assert_string_equal(p.labels.name[2], "c");
    bert_labels_free(&p.labels);
}

/* Names that name no classes stop only what needs them. */
static void test_odd_labels(void **state) {
    (void)state;
    static const struct {
        const char *map;
        int32_t n;
        const char *last, *says; /* says NULL: last is the name of the last label */
    } rows[] = {
        {"{}", 2, "", "id2label must be an object"},
        {"[\"a\", \"b\"]", 2, "", "id2label must be an object"},
        {"{\"1\": \"a\", \"2\": \"b\"}", 2, "", "the number \"2\"; the numbers must be 0 to 1"},
        {"{\"0\": \"a\", \"2\": \"c\"}", 2, "", "without gaps"},
        {"{\"0\": \"a\", \"x\": \"c\"}", 2, "", "\"x\""},
        {"{\"0\": \"a\", \"-1\": \"c\"}", 2, "", "\"-1\""},
        {"{\"0\": \"a\", \"99999999999999999999\": \"c\"}", 2, "", "\"99999999999999999999\""},
        {"{\"0\": \"a\", \"00\": \"c\"}", 2, "", "\"00\""},
        {"{\"0\": \"a\", \"1\": null}", 2, "", "label 1 has no name"},
        {"{\"0\": [\"a\"]}", 1, "", "label 0 has no name"},
        {"{\"0\": \"a\", \"01\": \"c\"}", 2, "c", NULL},
        {"{\" 1\": \"a\", \"+0 \": \"c\"}", 2, "a", NULL},
        {"{\"0\": 0, \"1\": 1}", 2, "1", NULL},
        {"{\"1\": 1.0, \"0\": 0.5}", 2, "1.0", NULL},
        {"{\"0\": true}", 1, "True", NULL},
        {"null", 2, "LABEL_1", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char more[256];
        parsed p;
        snprintf(more, sizeof more, ", \"id2label\": %s", rows[i].map);
        test_ok(p.e, read_more(&p, more));
        assert_int_equal(p.c.num_labels, rows[i].n);
        assert_int_equal(p.labels.n, rows[i].n);
        const bert_error *why = &p.labels.refused;
        if (rows[i].says ? why->code != BERT_EFORMAT || !strstr(why->message, rows[i].says)
                         : why->code || strcmp(p.labels.name[rows[i].n - 1], rows[i].last))
            fail_msg("%s: %d \"%s\"", rows[i].map, why->code, why->message);
        bert_labels_free(&p.labels);
    }
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *more;
        int code;
        const char *says; /* part of the message */
    } rows[] = {
        {", \"hidden_size\": 100", BERT_EFORMAT, "not a multiple of num_attention_heads 12"},
        {", \"hidden_size\": 0", BERT_EFORMAT, "hidden_size"},
        {", \"hidden_size\": -768", BERT_EFORMAT, "hidden_size"},
        {", \"hidden_size\": 2147483648", BERT_EFORMAT, "hidden_size"},
        {", \"hidden_size\": 2147483636", BERT_EFORMAT, "hidden_size"},
        {", \"hidden_size\": 768.5", BERT_EFORMAT, "hidden_size"},
        {", \"hidden_size\": \"768\"", BERT_EFORMAT, "hidden_size"},
        {", \"vocab_size\": 0", BERT_EFORMAT, "vocab_size"},
        {", \"vocab_size\": 999999999", BERT_EFORMAT, "vocab_size"},
        {", \"num_hidden_layers\": 0", BERT_EFORMAT, "num_hidden_layers"},
        {", \"num_hidden_layers\": 1000000", BERT_EFORMAT, "num_hidden_layers"},
        {", \"num_attention_heads\": 0", BERT_EFORMAT, "num_attention_heads"},
        {", \"intermediate_size\": -1", BERT_EFORMAT, "intermediate_size"},
        {", \"max_position_embeddings\": 0", BERT_EFORMAT, "max_position_embeddings"},
        {", \"max_position_embeddings\": 2000000000", BERT_EFORMAT, "max_position_embeddings"},
        {", \"type_vocab_size\": 0", BERT_EFORMAT, "type_vocab_size"},
        {", \"pad_token_id\": 30522", BERT_EFORMAT, "pad_token_id"},
        {", \"hidden_dropout_prob\": 1", BERT_EFORMAT, "hidden_dropout_prob"},
        {", \"hidden_dropout_prob\": -0.1", BERT_EFORMAT, "hidden_dropout_prob"},
        {", \"layer_norm_eps\": -1", BERT_EFORMAT, "layer_norm_eps"},
        {", \"layer_norm_eps\": true", BERT_EFORMAT, "layer_norm_eps"},
        {", \"hidden_act\": \"swishy\"", BERT_EUNSUPPORTED, "swishy"},
        {", \"hidden_act\": 3", BERT_EFORMAT, "hidden_act"},
        {", \"is_decoder\": true", BERT_EUNSUPPORTED, "is_decoder"},
        {", \"position_embedding_type\": \"relative_key\"", BERT_EUNSUPPORTED, "relative_key"},
        {", \"architectures\": \"BertModel\"", BERT_EFORMAT, "architectures"},
        {", \"architectures\": [3]", BERT_EFORMAT, "architectures"},
        {", \"num_labels\": 0", BERT_EFORMAT, "num_labels"},
        {", \"problem_type\": \"guessing\"", BERT_EINVAL, "single_label_classification"},
        {", \"problem_type\": \"single_label_classification\", \"num_labels\": 1", BERT_EINVAL,
         "regression"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        parsed p;
        int rc = read_more(&p, rows[i].more);
        if (rc != rows[i].code || p.e.code != rc || !strstr(p.e.message, rows[i].says))
            fail_msg("%s: %d \"%s\"", rows[i].more, rc, p.e.message);
        bert_labels_free(&p.labels);
    }
}

static void test_unknown_type(void **state) {
    (void)state;
    parsed p;
    assert_int_equal(read_text(&p, "{\"model_type\": \"mamba\"}"), BERT_EUNSUPPORTED);
    assert_non_null(strstr(p.e.message, "\"mamba\""));
    assert_non_null(strstr(p.e.message, "supported: bert"));
    assert_int_equal(read_text(&p, "{}"), BERT_EFORMAT);
    assert_non_null(strstr(p.e.message, "model_type is missing"));
    assert_int_equal(read_text(&p, "[]"), BERT_EFORMAT);
    assert_int_equal(read_text(&p, "{\"model_type\": 3}"), BERT_EFORMAT);
}

static void test_written(void **state) {
    (void)state;
    parsed p;
    const char *text = "{\"model_type\": \"bert\", \"architectures\": [\"BertModel\"], "
                       "\"ours_not\": [1, {\"a\": null}], \"torch_dtype\": \"float16\", "
                       "\"num_labels\": 4, \"transformers_version\": \"4.51.3\"}";
    test_ok(p.e, read_text(&p, text));
    static const char *const names[] = {"no", "yes \"quoted\" \xc3\xa9"};
    test_ok(p.e, bert_labels_set(&p.labels, 2, names, &p.e));
    snprintf(p.c.architecture, sizeof p.c.architecture, "BertForSequenceClassification");
    snprintf(p.c.problem_type, sizeof p.c.problem_type, "single_label_classification");
    json_t *original = json_loads(text, 0, NULL);
    json_t *out = bert_config_write(original, &p.c, &p.labels, &p.e);
    assert_non_null(out);
    json_t *wanted =
        json_loads("{\"model_type\": \"bert\", \"architectures\": "
                   "[\"BertForSequenceClassification\"], \"ours_not\": [1, {\"a\": null}], "
                   "\"torch_dtype\": \"float32\", \"transformers_version\": \"4.51.3\", "
                   "\"id2label\": {\"0\": \"no\", \"1\": \"yes \\\"quoted\\\" \xc3\xa9\"}, "
                   "\"label2id\": {\"no\": 0, \"yes \\\"quoted\\\" \xc3\xa9\": 1}, "
                   "\"problem_type\": \"single_label_classification\"}",
                   0, NULL);
    assert_non_null(wanted);
    assert_true(json_equal(out, wanted));
    json_decref(wanted);
    json_decref(out);
    json_decref(original);
    bert_labels_free(&p.labels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),       cmocka_unit_test(test_values),
        cmocka_unit_test(test_label_names),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_unknown_type),   cmocka_unit_test(test_written),
        cmocka_unit_test(test_ends_of_ranges), cmocka_unit_test(test_odd_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
