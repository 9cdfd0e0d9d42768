/* Opening and saving checkpoints: names, shapes, types, what is missing or too much. */
#include "models.h"

static const char sequence[] = "BertForSequenceClassification";

static bert_model *open_or_fail(const char *directory, const bert_model_options *o) {
    bert_error e = {0};
    bert_model *m = bert_model_open(directory, o, &e);
    if (!m) fail_msg("%s", e.message);
    return m;
}

static void refuse(const char *directory, const bert_model_options *o, int code, const char *says) {
    bert_error e = {0};
    bert_model *m = bert_model_open(directory, o, &e);
    if (m || e.code != code || !strstr(e.message, says))
        fail_msg("wanted %d \"%s\", got %d \"%s\"", code, says, e.code, e.message);
}

static int count(const char *(*list)(const bert_model *, int), const bert_model *m) {
    int n = 0;
    while (list(m, n)) n++;
    return n;
}

/* Every parameter that is in w has w's values. */
static void check_values(const bert_model *m, const test_weights *w) {
    for (int i = 0; i < w->n; i++) {
        const bert_param *p = bert_params_find(bert_model_params(m), w->names[i]);
        if (!p) fail_msg("no parameter %s", w->names[i]);
        assert_memory_equal(bert_param_value(p), w->tensors[i].data, w->tensors[i].bytes);
    }
}

static void test_open(void **state) {
    (void)state;
    char *d = test_directory();
    test_model(d, sequence, 3, test_labels(3));
    test_weights w = {.n = 0};
    test_tensors(&w, sequence, 3);
    bert_model *m = open_or_fail(d, NULL);
    assert_string_equal(bert_model_head(m), "sequence-classification");
    assert_string_equal(bert_model_path(m), d);
    assert_string_equal(bert_model_config(m)->architecture, sequence);
    assert_int_equal(bert_model_config(m)->num_labels, 3);
    assert_string_equal(bert_model_label(m, 2), "name 2");
    assert_null(bert_model_label(m, 3));
    assert_null(bert_model_label(m, -1));
    assert_int_equal(bert_model_max_length(m), TEST_POSITIONS);
    int64_t bytes = 0;
    for (int i = 0; i < w.n; i++) bytes += (int64_t)w.tensors[i].bytes;
    assert_int_equal(bert_model_parameter_count(m) * 4, bytes);
    assert_int_equal(bert_model_parameter_bytes(m), bytes);
    assert_int_equal(bert_params_count(bert_model_params(m)), w.n);
    assert_null(bert_model_new_parameter(m, 0));
    assert_null(bert_model_unused_tensor(m, 0));
    assert_non_null(bert_model_tokenizer(m));
    check_values(m, &w);
    bert_model_close(m);
    bert_model_close(NULL);
    test_weights_free(&w);
    test_remove(d);
}

/* Replaces the first `from` in each name; how many names had one. */
static int rename_all(test_weights *w, const char *from, const char *to) {
    int n = 0;
    for (int i = 0; i < w->n; i++) {
        char *at = strstr(w->names[i], from), rest[96];
        if (!at) continue;
        memcpy(rest, at + strlen(from), strlen(at + strlen(from)) + 1);
        const size_t room = sizeof w->names[i] - (size_t)(at - w->names[i]);
        assert_true((size_t)snprintf(at, room, "%s%s", to, rest) < room);
        n++;
    }
    return n;
}

static void test_names(void **state) {
    (void)state;
    const struct {
        const char *architecture, *from, *to;
    } rows[] = {
        {sequence, "bert.", ""},                           /* a bare trunk and a head */
        {"BertModel", "", "bert."},                        /* a trunk under its prefix */
        {sequence, "LayerNorm.weight", "LayerNorm.gamma"}, /* as bert-base-uncased ships */
        {sequence, "LayerNorm.bias", "LayerNorm.beta"},
        {"BertForMaskedLM", "LayerNorm.weight", "LayerNorm.gamma"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *d = test_directory();
        test_model(d, rows[i].architecture, 3, test_labels(3));
        test_weights w = {.n = 0}, original = {.n = 0};
        test_tensors(&original, rows[i].architecture, 3);
        test_tensors(&w, rows[i].architecture, 3);
        assert_true(rename_all(&w, rows[i].from, rows[i].to) > 0);
        test_write_weights(d, &w);
        bert_model *m = open_or_fail(d, NULL);
        check_values(m, &original);
        assert_null(bert_model_new_parameter(m, 0));
        assert_null(bert_model_unused_tensor(m, 0));
        bert_model_close(m);
        test_weights_free(&w);
        test_weights_free(&original);
        test_remove(d);
    }
    /* gamma is a name of LayerNorm only. */
    char *d = test_directory();
    test_model(d, sequence, 3, test_labels(3));
    test_weights w = {.n = 0};
    test_tensors(&w, sequence, 3);
    rename_all(&w, "bert.encoder.layer.0.output.dense.weight",
               "bert.encoder.layer.0.output.dense.gamma");
    test_write_weights(d, &w);
    refuse(d, NULL, BERT_EFORMAT, "bert.encoder.layer.0.output.dense.weight");
    test_weights_free(&w);
    test_remove(d);
}

static void test_extra(void **state) {
    (void)state;
    char *d = test_directory();
    test_model(d, sequence, 3, test_labels(3));
    test_weights w = {.n = 0};
    test_tensors(&w, sequence, 3);
    test_add(&w, "bert.embeddings.position_ids", "x", 1, TEST_POSITIONS);
    test_add(&w, "cls.predictions.bias", "x", TEST_VOCAB, 0);
    test_write_weights(d, &w);
    bert_model *m = open_or_fail(d, NULL);
    assert_string_equal(bert_model_unused_tensor(m, 0), "cls.predictions.bias");
    assert_null(bert_model_unused_tensor(m, 1));
    bert_model_close(m);
    test_weights_free(&w);
    test_remove(d);
}

/* The decoder of masked words repeats the embeddings, and is read under either name. */
static void test_copies(void **state) {
    (void)state;
    static const char lm[] = "BertForMaskedLM", word[] = "bert.embeddings.word_embeddings.weight",
                      bias[] = "cls.predictions.bias";
    static const char copy[] = "cls.predictions.decoder.weight",
                      copied_bias[] = "cls.predictions.decoder.bias";
    char *d = test_directory();
    test_model(d, lm, 0, "");
    for (int alone = 0; alone < 2; alone++) {
        test_weights w = {.n = 0};
        test_tensors(&w, lm, 0);
        test_add(&w, copy, word, TEST_VOCAB, TEST_HIDDEN);
        test_add(&w, copied_bias, bias, TEST_VOCAB, 0);
        if (alone) {
            test_remove_tensor(&w, word);
            test_remove_tensor(&w, bias);
        }
        test_write_weights(d, &w);
        test_weights_free(&w);
        bert_model *m = open_or_fail(d, NULL);
        assert_null(bert_model_unused_tensor(m, 0));
        assert_null(bert_model_new_parameter(m, 0));
        assert_null(bert_params_find(bert_model_params(m), copy));
        test_tensors(&w, lm, 0);
        check_values(m, &w);
        test_weights_free(&w);
        bert_model_close(m);
    }
    test_remove(d);
}

static uint16_t to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)(bits >> 16);
}

static void test_types(void **state) {
    (void)state;
    char *d = test_directory();
    test_model(d, sequence, 3, test_labels(3));
    test_weights w = {.n = 0}, wanted = {.n = 0};
    test_tensors(&w, sequence, 3);
    test_tensors(&wanted, sequence, 3);
    for (int i = 0; i < w.n; i++) {
        bert_stored_tensor *t = &w.tensors[i];
        const size_t n = t->bytes / 4;
        float *x = (float *)(uintptr_t)wanted.tensors[i].data;
        if (i % 2) { /* float64 */
            double *wide = malloc(n * sizeof *wide);
            for (size_t j = 0; j < n; j++) wide[j] = (double)x[j];
            free((void *)(uintptr_t)t->data);
            t->data = wide;
            t->dtype = BERT_F64;
            t->bytes = n * 8;
        } else { /* bfloat16 */
            uint16_t *narrow = malloc(n * sizeof *narrow);
            for (size_t j = 0; j < n; j++) {
                narrow[j] = to_bf16(x[j]);
                uint32_t bits = (uint32_t)narrow[j] << 16;
                memcpy(&x[j], &bits, 4);
            }
            free((void *)(uintptr_t)t->data);
            t->data = narrow;
            t->dtype = BERT_BF16;
            t->bytes = n * 2;
        }
    }
    test_write_weights(d, &w);
    bert_model *m = open_or_fail(d, NULL);
    check_values(m, &wanted);
    bert_model_close(m);
    /* An integer type is no weight. */
    bert_stored_tensor *bias = &w.tensors[test_find(&w, "classifier.bias")];
    bias->dtype = bias->dtype == BERT_F64 ? BERT_I64 : BERT_I16;
    test_write_weights(d, &w);
    refuse(d, NULL, BERT_EUNSUPPORTED, "classifier.bias");
    test_weights_free(&w);
    test_weights_free(&wanted);
    test_remove(d);
}

static void test_missing_trunk(void **state) {
    (void)state;
    char *d = test_directory();
    test_model(d, sequence, 3, test_labels(3));
    test_weights w = {.n = 0};
    test_tensors(&w, sequence, 3);
    test_remove_tensor(&w, "bert.encoder.layer.1.output.dense.bias");
    test_write_weights(d, &w);
    refuse(d, NULL, BERT_EFORMAT, "bert.encoder.layer.1.output.dense.bias");
    test_remove_tensor(&w, "bert.embeddings.word_embeddings.weight");
    test_write_weights(d, &w);
    refuse(d, NULL, BERT_EFORMAT,
           "bert.embeddings.word_embeddings.weight, bert.encoder.layer.1.output.dense.bias");
    bert_model_options o = bert_model_default();
    o.trainable = true;
    refuse(d, &o, BERT_EFORMAT, "bert.encoder.layer.1.output.dense.bias");
    while (w.n > 1) test_remove_tensor(&w, w.names[1]);
    test_write_weights(d, &w); /* the list has an end */
    refuse(d, NULL, BERT_EFORMAT, "more");
    test_weights_free(&w);
    test_remove(d);
}

static void test_new_head(void **state) {
    (void)state;
    char *d = test_directory();
    /* A masked-words checkpoint: no pooler, no classifier. */
    test_model(d, "BertForMaskedLM", 0, "");
    bert_model_options o = bert_model_default();
    static const char *const names[] = {"low", "middle", "high"};
    o.head = "sequence-classification";
    o.num_labels = 3;
    o.label_names = names;
    bert_model *a = open_or_fail(d, &o), *b = open_or_fail(d, &o);
    o.seed++;
    bert_model *other = open_or_fail(d, &o);
    assert_int_equal(count(bert_model_new_parameter, a), 4);
    assert_string_equal(bert_model_new_parameter(a, 0), "bert.pooler.dense.weight");
    assert_string_equal(bert_model_new_parameter(a, 2), "classifier.weight");
    assert_int_equal(count(bert_model_unused_tensor, a), 5);
    assert_string_equal(bert_model_label(a, 2), "high");
    assert_string_equal(bert_model_config(a)->architecture, sequence);
    const bert_model *ms[] = {a, b, other};
    const float *x[3];
    for (int i = 0; i < 3; i++)
        x[i] = bert_param_value(bert_params_find(bert_model_params(ms[i]), "classifier.weight"));
    assert_memory_equal(x[0], x[1], 3 * TEST_HIDDEN * 4);
    assert_memory_not_equal(x[0], x[2], 3 * TEST_HIDDEN * 4);
    double sum = 0;
    for (int i = 0; i < 3 * TEST_HIDDEN; i++) sum += (double)x[0][i] * (double)x[0][i];
    const double std = sqrt(sum / (3 * TEST_HIDDEN));
    assert_true(std > 0.015 && std < 0.025);
    for (int i = 0; i < 3; i++) bert_model_close((bert_model *)(uintptr_t)ms[i]);
    test_remove(d);
}

static void test_shapes(void **state) {
    (void)state;
    char *d = test_directory();
    test_model(d, sequence, 3, test_labels(3));
    /* The head under another number of labels: new, when it was asked for... */
    bert_model_options o = bert_model_default();
    o.num_labels = 5;
    bert_model *m = open_or_fail(d, &o);
    assert_int_equal(count(bert_model_new_parameter, m), 2);
    assert_string_equal(bert_model_new_parameter(m, 0), "classifier.weight");
    assert_int_equal(count(bert_model_unused_tensor, m), 2);
    assert_string_equal(bert_model_label(m, 4), "LABEL_4");
    bert_model_close(m);
    /* ...and kept, names and all, when it is the same number. */
    o.num_labels = 3;
    m = open_or_fail(d, &o);
    assert_null(bert_model_new_parameter(m, 0));
    assert_string_equal(bert_model_label(m, 2), "name 2");
    bert_model_close(m);
    /* config.json is wrong about the head, or about the trunk. */
    test_write_config(d, sequence, test_labels(4));
    refuse(d, NULL, BERT_EFORMAT, "classifier.weight is [3, 24], but config.json makes it [4, 24]");
    test_write_config(d, sequence, ", \"type_vocab_size\": 3");
    refuse(d, NULL, BERT_EFORMAT, "token_type_embeddings.weight is [2, 24]");
    o.num_labels = 4;
    refuse(d, &o, BERT_EFORMAT, "do not belong together");
    /* Options that contradict each other. */
    test_write_config(d, sequence, test_labels(3));
    o.num_labels = -1;
    refuse(d, &o, BERT_EINVAL, "num_labels");
    o.num_labels = 1;
    o.problem_type = "single_label_classification";
    refuse(d, &o, BERT_EINVAL, "regression");
    o = bert_model_default();
    o.head = "oracle";
    refuse(d, &o, BERT_EUNSUPPORTED, "sequence-classification");
    test_remove(d);
}

static void test_other_heads(void **state) {
    (void)state;
    char *d = test_directory();
    test_model(d, sequence, 3, test_labels(3));
    bert_model_options o = bert_model_default();
    o.head = "none";
    bert_model *m = open_or_fail(d, &o);
    assert_string_equal(bert_model_head(m), "none");
    assert_string_equal(bert_model_config(m)->architecture, "BertModel");
    assert_int_equal(count(bert_model_unused_tensor, m), 2);
    assert_non_null(bert_params_find(bert_model_params(m), "pooler.dense.weight"));
    bert_model_close(m);
    /* A classifier of one row in place of one of three: another task, so a new head. */
    o.head = "multiple-choice";
    m = open_or_fail(d, &o);
    assert_int_equal(count(bert_model_new_parameter, m), 2);
    bert_model_close(m);
    /* A class nobody knows is opened as what it holds of ours. */
    test_write_config(d, "BertForFortuneTelling", test_labels(3));
    m = open_or_fail(d, NULL);
    assert_string_equal(bert_model_head(m), "none");
    assert_string_equal(bert_model_unused_tensor(m, 0), "classifier.weight");
    bert_model_close(m);
    /* No pooler in the file: none in the bare encoder. */
    test_model(d, "BertForMaskedLM", 0, "");
    o.head = "none";
    m = open_or_fail(d, &o);
    assert_null(bert_model_new_parameter(m, 0));
    assert_null(bert_params_find(bert_model_params(m), "pooler.dense.weight"));
    bert_model_close(m);
    test_remove(d);
}

/* ---- A head of one's own: the mean of two adjacent sequences' first tokens, then a line. */

typedef struct {
    bert_linear out;
} pair_head;

static int pair_init(void *self, const bert_head_site *site, bert_error *e) {
    pair_head *h = self;
    assert_null(site->layout);
    return bert_linear_new(site->params, "severity", site->config->hidden_size, 1, &h->out, e);
}

static bert_tensor *pair_forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                                 const bert_batch *b) {
    (void)m;
    const pair_head *h = self;
    const int32_t start[] = {0, 2};
    return bert_linear_apply(t, h->out,
                             bert_mean_groups(t, bert_cls(t, hidden, &b->inputs), start, 1));
}

static int broken_init(void *self, const bert_head_site *site, bert_error *e) {
    (void)self, (void)site, (void)e;
    return BERT_EINVAL;
}

static void test_own_head(void **state) {
    (void)state;
    char *d = test_directory();
    bert_error e = {0};
    test_model(d, sequence, 3, test_labels(3));
    bert_head head = {.name = "severity",
                      .state_size = sizeof(pair_head),
                      .init = pair_init,
                      .forward = pair_forward,
                      .first_token = true};
    bert_model *m = bert_model_open_head(d, &head, NULL, &e);
    if (!m) fail_msg("%s", e.message);
    assert_string_equal(bert_model_head(m), "severity");
    assert_string_equal(bert_model_new_parameter(m, 0), "severity.weight");
    assert_null(bert_params_find(bert_model_params(m), "bert.pooler.dense.weight"));
    bert_session *s = bert_session_new(m, NULL, &e);
    const int32_t start[] = {0, 3, 5}, ids[] = {2, 7, 3, 2, 3};
    const bert_inputs in = {.n = 2, .start = start, .ids = ids};
    bert_outputs o;
    test_ok(e, bert_session_run(s, &in, BERT_WANT_LOGITS, &o, &e));
    assert_int_equal(o.logit_rows, 1);
    float *hidden = malloc(5 * TEST_HIDDEN * 4);
    memcpy(hidden, o.last_hidden_state, 5 * TEST_HIDDEN * 4);
    const bert_linear out = {bert_params_find(bert_model_params(m), "severity.weight"), NULL};
    double wanted = 0;
    for (int i = 0; i < TEST_HIDDEN; i++)
        wanted += (double)bert_param_value(out.weight)[i] *
                  (double)(hidden[i] + hidden[3 * TEST_HIDDEN + i]) / 2;
    free(hidden);
    const float whole = o.logits[0];
    assert_true(fabs((double)whole - wanted) < 1e-6);
    test_ok(e, bert_session_run(s, &in, BERT_WANT_LOGITS | BERT_SKIP_HIDDEN, &o, &e));
    assert_true(whole == o.logits[0]);
    /* There is nothing to learn from in the batch; and no pooler. */
    bert_tape *t = bert_tape_new(NULL, &e);
    bert_batch b = {.inputs = in};
    bert_tensor *x = bert_head_forward(t, m, bert_forward(t, m, &in), &b);
    assert_non_null(x);
    assert_null(bert_head_loss(t, m, x, &b, 0));
    assert_int_equal(bert_tape_error(t, &e), BERT_EINVAL);
    bert_tape_reset(t);
    assert_null(bert_pooler(t, m, bert_forward(t, m, &in), &in));
    bert_error_clear(&e);
    assert_int_equal(bert_tape_error(t, &e), BERT_EINVAL);
    assert_non_null(strstr(e.message, "pooler = true"));
    bert_tape_free(t);
    bert_session_free(s);
    bert_model_close(m);

    bert_error_clear(&e);
    head.init = broken_init;
    assert_null(bert_model_open_head(d, &head, NULL, &e));
    assert_int_equal(e.code, BERT_EINVAL);
    assert_non_null(strstr(e.message, "severity"));
    head.forward = NULL;
    assert_null(bert_model_open_head(d, &head, NULL, NULL));
    assert_null(bert_model_open_head(d, NULL, NULL, NULL));
    test_remove(d);
}

/* As torch.nn.Embedding(padding_idx=pad_token_id) has it. */
static void test_padding_learns_nothing(void **state) {
    (void)state;
    char *d = test_directory();
    test_model(d, "BertModel", 2, ", \"pad_token_id\": 3");
    bert_model *m = open_or_fail(d, &(bert_model_options){.trainable = true});
    bert_tape *t = bert_tape_new(NULL, NULL);
    static const int32_t start[] = {0, 4}, ids[] = {2, 3, 5, 3};
    static const float zero[4 * TEST_HIDDEN];
    const bert_inputs in = {.n = 1, .start = start, .ids = ids};
    bert_error e = {0};
    test_ok(e, bert_tape_backward(t, bert_mse(t, bert_forward(t, m, &in), zero, 0), 1, &e));
    const float *grad = bert_param_grad(
        bert_params_find(bert_model_params(m), "embeddings.word_embeddings.weight"));
    for (int i = 0; i < TEST_HIDDEN; i++) {
        assert_true(grad[3 * TEST_HIDDEN + i] == 0);
        assert_true(grad[2 * TEST_HIDDEN + i] != 0 && grad[5 * TEST_HIDDEN + i] != 0);
    }
    bert_tape_free(t);
    bert_model_close(m);
    test_remove(d);
}

static void truncate_file(const char *directory, const char *name, long keep) {
    char path[4600];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (truncate(path, keep)) fail_msg("cannot truncate %s", path);
}

static void remove_file(const char *directory, const char *name) {
    char path[4600];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (remove(path)) fail_msg("cannot remove %s", path);
}

static void test_bad_files(void **state) {
    (void)state;
    char *d = test_directory();
    refuse("/no/such/place", NULL, BERT_ENOTFOUND, "/no/such/place");
    refuse(NULL, NULL, BERT_EINVAL, "name");
    refuse(d, NULL, BERT_ENOTFOUND, "config.json");
    test_model(d, sequence, 3, test_labels(3));
    truncate_file(d, "model.safetensors", 3000);
    refuse(d, NULL, BERT_EFORMAT, "model.safetensors");
    truncate_file(d, "model.safetensors", 0);
    refuse(d, NULL, BERT_EFORMAT, "model.safetensors");
    remove_file(d, "model.safetensors");
    refuse(d, NULL, BERT_ENOTFOUND, "model.safetensors");
    test_write(d, "pytorch_model.bin", "x");
    refuse(d, NULL, BERT_EFORMAT, "pytorch_model.bin");
    test_model(d, sequence, 3, test_labels(3));
    truncate_file(d, "config.json", 40);
    refuse(d, NULL, BERT_EFORMAT, "config.json");
    test_write(d, "config.json", "{\"model_type\": \"gpt2\"}");
    refuse(d, NULL, BERT_EUNSUPPORTED, "\"gpt2\"");
    test_model(d, sequence, 3, test_labels(3));
    test_write(d, "modules.json", "{");
    refuse(d, NULL, BERT_EFORMAT, "modules.json");
    test_write(d, "modules.json", "[{\"type\": \"a.Pooling\", \"path\": \"../x\"}]");
    refuse(d, NULL, BERT_EFORMAT, "../x");
    test_remove(d);
}

/* A tokenizer that is missing keeps nobody from feeding ids; one that is broken is an error. */
static void test_tokenizers(void **state) {
    (void)state;
    char *d = test_directory();
    test_model(d, sequence, 3, test_labels(3));
    remove_file(d, "vocab.txt");
    bert_model *m = open_or_fail(d, NULL);
    assert_null(bert_model_tokenizer(m));
    bert_error e = {0};
    bert_session *s = bert_session_new(m, NULL, &e);
    assert_non_null(s);
    float out[TEST_HIDDEN];
    const bert_text text = bert_text_of("the cat");
    assert_int_equal(bert_embed(s, &text, 1, NULL, out, NULL, &e), BERT_ENOTFOUND);
    assert_non_null(strstr(e.message, "tokenizer.json"));
    bert_session_free(s);
    bert_model_close(m);
    test_write(d, "tokenizer.json", "{\"version\": ");
    refuse(d, NULL, BERT_EFORMAT, "tokenizer.json");
    test_remove(d);
}

static json_t *load(const char *directory, const char *name) {
    char path[4600];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    bert_error e = {0};
    json_t *j = bert_json_load(path, &e);
    if (!j) fail_msg("%s", e.message);
    return j;
}

static void test_save(void **state) {
    (void)state;
    char *d = test_directory(), to[4200];
    bert_error e = {0};
    test_model(d, sequence, 3, ", \"our_own_key\": [1, 2], \"torch_dtype\": \"float16\"");
    bert_model_options o = bert_model_default();
    static const char *const names[] = {"low", "middle", "high"};
    o.num_labels = 3;
    o.label_names = names;
    o.problem_type = "single_label_classification";
    bert_model *m = open_or_fail(d, &o);
    snprintf(to, sizeof to, "%s/deep/er", d);
    test_ok(e, bert_model_save(m, to, &e));
    /* As transformers writes it. */
    json_t *c = load(to, "config.json");
    assert_string_equal(json_string_value(json_array_get(json_object_get(c, "architectures"), 0)),
                        sequence);
    assert_int_equal(json_array_size(json_object_get(c, "our_own_key")), 2);
    assert_string_equal(json_string_value(json_object_get(c, "torch_dtype")), "float32");
    assert_string_equal(json_string_value(json_object_get(c, "problem_type")), o.problem_type);
    assert_string_equal(json_string_value(json_object_get(json_object_get(c, "id2label"), "2")),
                        "high");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(c, "label2id"), "high")),
                     2);
    json_decref(c);
    char path[4600];
    snprintf(path, sizeof path, "%s/model.safetensors", to);
    bert_tensors *f = bert_tensors_open(&bert_safetensors_format, path, &e);
    assert_non_null(f);
    assert_string_equal(bert_tensors_metadata(f, "format"), "pt");
    test_weights w = {.n = 0};
    test_tensors(&w, sequence, 3);
    assert_int_equal(bert_tensors_count(f), w.n);
    for (int i = 0; i < w.n; i++) {
        const bert_stored_tensor *t = bert_tensors_find(f, w.names[i]);
        assert_non_null(t);
        assert_int_equal(t->dims, w.tensors[i].dims);
        assert_int_equal(t->shape[0], w.tensors[i].shape[0]);
        assert_memory_equal(t->data, w.tensors[i].data, t->bytes);
    }
    bert_tensors_close(f);
    /* Opened again; then saved over itself, while it is mapped. */
    bert_model *again = open_or_fail(to, NULL);
    assert_string_equal(bert_model_label(again, 1), "middle");
    assert_non_null(bert_model_tokenizer(again));
    check_values(again, &w);
    test_ok(e, bert_model_save(again, to, &e));
    check_values(again, &w);
    bert_model_close(again);
    again = open_or_fail(to, NULL);
    check_values(again, &w);
    bert_model_close(again);
    bert_model_close(m);
    test_weights_free(&w);
    /* Where nothing can be written. */
    m = open_or_fail(d, &o);
    char inside[4600];
    snprintf(inside, sizeof inside, "%s/config.json/x", d);
    assert_true(bert_model_save(m, inside, &e) < 0);
    assert_non_null(strstr(e.message, inside));
    bert_model_close(m);
    test_remove(d);
}

/* A bare encoder keeps sentence-transformers' files and has no prefix; a weight of one row is
 * still a matrix. */
static void test_save_kinds(void **state) {
    (void)state;
    char *d = test_directory(), to[4200], path[4600];
    bert_error e = {0};
    test_model(d, "BertForMultipleChoice", 0, "");
    test_write(d, "modules.json",
               "[{\"idx\": 0, \"type\": \"sentence_transformers.models.Transformer\", \"path\": "
               "\"\"}, {\"idx\": 1, \"type\": \"sentence_transformers.models.Normalize\", "
               "\"path\": \"2_Normalize\"}]");
    static const struct {
        const char *head, *tensor;
        int dims;
        bool modules;
    } rows[] = {{"none", "embeddings.LayerNorm.weight", 1, true},
                {NULL, "classifier.weight", 2, false}};
    for (int i = 0; i < 2; i++) {
        bert_model_options o = bert_model_default();
        o.head = rows[i].head;
        bert_model *m = open_or_fail(d, &o);
        snprintf(to, sizeof to, "%s/%d", d, i);
        test_ok(e, bert_model_save(m, to, &e));
        bert_model_close(m);
        snprintf(path, sizeof path, "%s/model.safetensors", to);
        bert_tensors *f = bert_tensors_open(&bert_safetensors_format, path, &e);
        assert_non_null(f);
        const bert_stored_tensor *t = bert_tensors_find(f, rows[i].tensor);
        assert_non_null(t);
        assert_int_equal(t->dims, rows[i].dims);
        bert_tensors_close(f);
        m = open_or_fail(to, NULL);
        bool normalize;
        assert_int_equal(bert_model_pooling(m, &normalize), BERT_POOLING_MEAN);
        assert_true(normalize == rows[i].modules);
        bert_model_close(m);
    }
    test_remove(d);
}

/* A model that is not finite is never written. */
static void test_save_not_finite(void **state) {
    (void)state;
    char *d = test_directory(), to[4200];
    bert_error e = {0};
    test_model(d, sequence, 3, test_labels(3));
    bert_model_options o = bert_model_default();
    o.trainable = true;
    bert_model *m = open_or_fail(d, &o);
    bert_param_value_mut(bert_params_find(bert_model_params(m), "classifier.weight"))[5] =
        (float)NAN;
    snprintf(to, sizeof to, "%s/out", d);
    assert_int_equal(bert_model_save(m, to, &e), BERT_ENUMERIC);
    assert_non_null(strstr(e.message, "classifier.weight"));
    char path[4600];
    snprintf(path, sizeof path, "%s/model.safetensors", to);
    assert_false(bert_file_exists(path));
    bert_model_close(m);
    test_remove(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),        cmocka_unit_test(test_names),
        cmocka_unit_test(test_extra),       cmocka_unit_test(test_copies),
        cmocka_unit_test(test_types),       cmocka_unit_test(test_missing_trunk),
        cmocka_unit_test(test_new_head),    cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_other_heads), cmocka_unit_test(test_own_head),
        cmocka_unit_test(test_bad_files),   cmocka_unit_test(test_tokenizers),
        cmocka_unit_test(test_save),        cmocka_unit_test(test_padding_learns_nothing),
        cmocka_unit_test(test_save_kinds),  cmocka_unit_test(test_save_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
