/* Checkpoints from elsewhere: decoders of their own, weights that nothing uses, weights in other
 * formats, a directory with the name of a model in the cache. */
#include "models.h"
#include "tape/params.h"
#include <limits.h>
#include <sys/stat.h>

static const char lm[] = "BertForMaskedLM", word[] = "bert.embeddings.word_embeddings.weight",
                  bias[] = "cls.predictions.bias", decoder[] = "cls.predictions.decoder.weight",
                  decoder_bias[] = "cls.predictions.decoder.bias";

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

/* ---- Decoders */

/* A checkpoint whose decoder is `times` the word embeddings; 0: it stores none. */
static void write_decoder(const char *d, float times, bool own_bias, const char *config) {
    test_weights w = {.n = 0};
    test_tensors(&w, lm, 0);
    if (times != 0) {
        test_add(&w, decoder, word, TEST_VOCAB, TEST_HIDDEN);
        float *x = (float *)(uintptr_t)w.tensors[w.n - 1].data;
        for (int i = 0; i < TEST_VOCAB * TEST_HIDDEN; i++) x[i] *= times;
    }
    if (own_bias) test_add(&w, decoder_bias, decoder_bias, TEST_VOCAB, 0);
    test_write_weights(d, &w);
    test_weights_free(&w);
    test_write_config(d, lm, config);
}

/* The logits of three tokens, without the bias. */
static void logits_of(bert_model *m, const char *bias_name, float *out) {
    bert_error e = {0};
    bert_session *s = bert_session_new(m, NULL, &e);
    const int32_t start[] = {0, 3}, ids[] = {2, 7, 3};
    const bert_inputs in = {.n = 1, .start = start, .ids = ids};
    bert_outputs o;
    test_ok(e, bert_session_run(s, &in, BERT_WANT_LOGITS, &o, &e));
    assert_int_equal(o.logit_cols, TEST_VOCAB);
    for (int i = 0; i < 3 * TEST_VOCAB; i++)
        out[i] = o.logits[i] - test_weight(bias_name, (size_t)(i % TEST_VOCAB));
    bert_session_free(s);
}

static void decoders_are_used_as_they_are_stored(void **state) {
    (void)state;
    static const struct {
        float times;
        bool own_bias;
        const char *config;
        bool own; /* the decoder is a parameter */
    } rows[] = {
        {0, false, "", false},
        {1, false, "", false},
        {1, true, "", false},
        {2, false, "", true},
        {2, true, ", \"tie_word_embeddings\": true", true},
        {2, true, ", \"tie_word_embeddings\": false", true},
        {1, false, ", \"tie_word_embeddings\": false", true},
    };
    float tied[3 * TEST_VOCAB], x[3 * TEST_VOCAB];
    char *d = test_directory(), to[4200];
    snprintf(to, sizeof to, "%s/saved", d);
    test_model(d, lm, 0, "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_decoder(d, rows[i].times, rows[i].own_bias, rows[i].config);
        for (int saved = 0; saved < 2; saved++) {
            bert_error e = {0};
            bert_model *m = open_or_fail(saved ? to : d, NULL);
            assert_null(bert_model_new_parameter(m, 0));
            assert_null(bert_model_unused_tensor(m, 0));
            assert_null(bert_model_note(m, 0));
            assert_int_equal(!!bert_params_find(bert_model_params(m), decoder), rows[i].own);
            logits_of(m, rows[i].own_bias ? decoder_bias : bias, i ? x : tied);
            for (int j = 0; i && j < 3 * TEST_VOCAB; j++)
                if (!(fabsf(x[j] - rows[i].times * tied[j]) <= 1e-5f))
                    fail_msg("row %zu, %d: %g, %g", i, j, (double)x[j], (double)tied[j]);
            if (!saved) test_ok(e, bert_model_save(m, to, &e));
            bert_model_close(m);
        }
    }
    /* A head that is not tied and lacks its decoder is a file that lost it. */
    write_decoder(d, 0, false, ", \"tie_word_embeddings\": false");
    refuse(d, NULL, BERT_EFORMAT, "lacks cls.predictions.decoder.weight");
    bert_model_options o = bert_model_default();
    o.head = "none";
    bert_model *m = open_or_fail(d, &o);
    assert_null(bert_model_new_parameter(m, 0));
    bert_model_close(m);
    /* One that is not there at all starts anew, and is told. */
    test_model(d, "BertModel", 0, ", \"tie_word_embeddings\": false");
    o.head = "masked-lm";
    m = open_or_fail(d, &o);
    assert_non_null(bert_params_find(bert_model_params(m), decoder));
    assert_non_null(bert_model_new_parameter(m, 0));
    bert_model_close(m);
    test_remove(d);
}

static void decoders_of_their_own_learn(void **state) {
    (void)state;
    char *d = test_directory();
    test_model(d, lm, 0, "");
    write_decoder(d, 2, false, "");
    bert_model_options o = bert_model_default();
    o.trainable = true;
    bert_model *m = open_or_fail(d, &o);
    bert_error e = {0};
    bert_tape *t = bert_tape_new(NULL, &e);
    const int32_t start[] = {0, 3}, ids[] = {2, 7, 3}, labels[] = {-100, 9, -100};
    bert_batch b = {.inputs = {.n = 1, .start = start, .ids = ids}, .labels = labels};
    bert_tensor *hidden = bert_forward(t, m, &b.inputs);
    bert_tensor *loss = bert_head_loss(t, m, bert_head_forward(t, m, hidden, &b), &b, 0);
    test_ok(e, bert_tape_backward(t, loss, 1, &e));
    const float *grad = bert_param_grad(bert_params_find(bert_model_params(m), decoder));
    assert_non_null(grad);
    assert_true(fabsf(grad[9 * TEST_HIDDEN]) > 1e-6f);
    bert_tape_free(t);
    bert_model_close(m);
    test_remove(d);
}

/* ---- Adapters */

static void adapters_beside_weights_are_told(void **state) {
    (void)state;
    char *d = test_directory();
    test_model(d, "BertModel", 0, "");
    test_write(d, "adapter_config.json", "{\"peft_type\": \"LORA\"}");
    bert_model *m = open_or_fail(d, NULL);
    assert_non_null(strstr(bert_model_note(m, 0), "the adapter beside the weights"));
    bert_model_close(m);
    test_remove(d);
    d = test_directory();
    test_write(d, "adapter_config.json",
               "{\"peft_type\": \"LORA\", \"base_model_name_or_path\": \"org/base\"}");
    test_write(d, "adapter_model.safetensors", "x");
    refuse(d, NULL, BERT_EUNSUPPORTED, "is an adapter (PEFT) of the model org/base, not a model");
    test_remove(d);
}

/* ---- Labels */

static void odd_labels_stop_only_heads_that_have_them(void **state) {
    (void)state;
    static const char odd[] = ", \"id2label\": {\"1\": \"a\", \"2\": \"b\"}";
    char *d = test_directory();
    test_model(d, "BertForSequenceClassification", 2, odd);
    refuse(d, NULL, BERT_EFORMAT, "the numbers must be 0 to 1");
    bert_model_options o = bert_model_default();
    o.head = "none";
    bert_model_close(open_or_fail(d, &o));
    o.head = "masked-lm";
    bert_model_close(open_or_fail(d, &o));
    static const char *const names[] = {"a", "b"};
    o.head = NULL;
    o.num_labels = 2;
    refuse(d, &o, BERT_EFORMAT, "id2label");
    o.label_names = names;
    bert_model *m = open_or_fail(d, &o);
    assert_string_equal(bert_model_label(m, 1), "b");
    bert_model_close(m);
    test_remove(d);
}

/* ---- What is not used */

static void left_out_layers_are_told(void **state) {
    (void)state;
    char *d = test_directory();
    test_model(d, "BertForSequenceClassification", 2, ", \"num_hidden_layers\": 1");
    bert_model *m = open_or_fail(d, NULL);
    const char *note = bert_model_note(m, 0);
    assert_non_null(note);
    assert_non_null(strstr(note, "model.safetensors: 16 tensors of the encoder are not used "
                                 "(bert.encoder.layer.1."));
    assert_non_null(strstr(note, "it has num_hidden_layers 1, they have 2 layers"));
    assert_null(bert_model_note(m, 1));
    bert_model_close(m);
    /* heads, poolers and buffers that nobody asked for are none of it */
    test_weights w = {.n = 0};
    test_tensors(&w, "BertForPreTraining", 2);
    test_add(&w, "bert.embeddings.token_type_ids", "x", 1, TEST_POSITIONS);
    test_write_weights(d, &w);
    test_write_config(d, "BertForMaskedLM", "");
    m = open_or_fail(d, NULL);
    assert_null(bert_model_note(m, 0));
    bert_model_close(m);
    /* one that has no number */
    test_add(&w, "bert.embeddings.adapter.weight", "x", 2, 2);
    test_write_weights(d, &w);
    test_weights_free(&w);
    m = open_or_fail(d, NULL);
    assert_non_null(strstr(bert_model_note(m, 0), "1 tensor of the encoder is not used "
                                                  "(bert.embeddings.adapter.weight), for"));
    bert_model_close(m);
    /* a tokenizer that knows more than the model */
    test_model(d, "BertModel", 2, "");
    test_write(d, "added_tokens.json", "{\"more\": 40}");
    m = open_or_fail(d, NULL);
    assert_non_null(strstr(bert_model_note(m, 0), "the tokenizer has 41 tokens, the model 40"));
    bert_model_close(m);
    test_remove(d);
}

/* ---- Other formats */

static void remove_file(const char *directory, const char *name) {
    char path[4600];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    assert_int_equal(unlink(path), 0);
}

static void weights_of_other_programs_are_named(void **state) {
    (void)state;
    static const struct {
        const char *file, *says;
    } rows[] = {
        {"readme.txt", "nor weights in another format"},
        {"model.pt", "call it pytorch_model.bin"},
        {"model.onnx", "model.onnx (ONNX)"},
        {"flax_model.msgpack", "from_flax=True"},
        {"bert_model.ckpt.index", "bert_model.ckpt.index (a TensorFlow checkpoint"},
        {"tf_model.h5", "tf_model.h5 (TensorFlow's format)"},
        {"adapter_model.safetensors", "an adapter (PEFT)"},
    };
    char *d = test_directory();
    test_model(d, "BertModel", 2, "");
    remove_file(d, "model.safetensors");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_write(d, rows[i].file, "x");
        refuse(d, NULL, i ? BERT_EUNSUPPORTED : BERT_ENOTFOUND, rows[i].says);
    }
    remove_file(d, "config.json");
    refuse(d, NULL, BERT_ENOTFOUND, "holds no config.json, but adapter_model.safetensors");
    test_remove(d);
}

static void pointers_are_not_weights(void **state) {
    (void)state;
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0a\n"
                                  "size 90868376\n";
    static const char *const names[] = {"model.safetensors", "config.json", "vocab.txt",
                                        "tokenizer_config.json"};
    for (int i = 0; i < 4; i++) {
        char *d = test_directory();
        test_model(d, "BertModel", 2, "");
        test_write(d, names[i], pointer);
        refuse(d, NULL, BERT_EFORMAT, "git lfs pull");
        test_write(d, names[i], i == 3 ? "<html>" : "");
        refuse(d, NULL, BERT_EFORMAT, i == 3 ? "web page" : "is empty");
        test_remove(d);
    }
}

/* ---- Names */

static void a_directory_that_hides_a_model_is_told(void **state) {
    (void)state;
    static const char commit[] = "0123456789abcdef0123456789abcdef01234567";
    char *d = test_directory(), path[4300], found[4300], here[PATH_MAX];
    snprintf(path, sizeof path, "%s/hub/models--some--one/snapshots/%s", d, commit);
    bert_error e = {0};
    test_ok(e, bert_make_directory(path, &e));
    test_model(path, "BertModel", 2, "");
    snprintf(path, sizeof path, "%s/hub/models--some--one/refs", d);
    test_ok(e, bert_make_directory(path, &e));
    test_write(path, "main", commit);
    snprintf(path, sizeof path, "%s/hub", d);
    assert_int_equal(setenv("HF_HUB_CACHE", path, 1), 0);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(d), 0);
    bert_model *m = open_or_fail("some/one", NULL);
    assert_null(bert_model_note(m, 0));
    bert_model_close(m);
    assert_false(bert_resolve_hidden("some/one", found, sizeof found));
    test_ok(e, bert_make_directory("some/one", &e));
    refuse("some/one", NULL, BERT_ENOTFOUND, "hides the model of that name in the cache");
    test_model("some/one", "BertModel", 2, "");
    m = open_or_fail("some/one", NULL);
    assert_non_null(strstr(bert_model_note(m, 0), "some/one: the directory here is read"));
    bert_model_close(m);
    assert_true(bert_resolve_hidden("some/one", found, sizeof found));
    assert_non_null(strstr(found, commit));
    /* who writes a path, means one */
    assert_false(bert_resolve_hidden("./some/one", found, sizeof found));
    assert_false(bert_resolve_hidden("some/one/", found, sizeof found));
    assert_false(bert_resolve_hidden("some/other", found, sizeof found));
    assert_int_equal(chdir(here), 0);
    unsetenv("HF_HUB_CACHE");
    test_remove(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoders_are_used_as_they_are_stored),
        cmocka_unit_test(decoders_of_their_own_learn),
        cmocka_unit_test(adapters_beside_weights_are_told),
        cmocka_unit_test(odd_labels_stop_only_heads_that_have_them),
        cmocka_unit_test(left_out_layers_are_told),
        cmocka_unit_test(weights_of_other_programs_are_named),
        cmocka_unit_test(pointers_are_not_weights),
        cmocka_unit_test(a_directory_that_hides_a_model_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
