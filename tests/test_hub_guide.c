/* The guide's listings, command by command, from a hub on this machine with the layouts of the real
 * repositories: bert-base-uncased with last_hidden_state and pooler_output, and textattack's
 * classifier with its label and loss. Shapes are small; BERT_TEST_FULL=1 takes the real ones. */
#include "hub_layouts.h"
#include <bert_train.h>
#include <sys/wait.h>

static char out[1 << 20], err[1 << 16];

static void slurp(const char *path, char *text, size_t capacity) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    text[fread(text, 1, capacity - 1, f)] = 0;
    fclose(f);
}

static void bert(const char *arguments) {
    char command[9000];
    snprintf(command, sizeof command, "cd '%s' && '%s' %s >out 2>err </dev/null", cache_root,
             BERT_TOOL, arguments);
    const int status = system(command);
    slurp(at("out"), out, sizeof out);
    slurp(at("err"), err, sizeof err);
    if (status) fail_msg("bert %s: %s%s", arguments, err, out);
}

static json_t *line(void) {
    json_t *o = json_loadb(out, strcspn(out, "\n"), 0, NULL);
    if (!o) fail_msg("not JSON: %s", out);
    return o;
}

static void says(const char *part) {
    if (!strstr(out, part)) fail_msg("\"%s\" is not in: %s", part, out);
}

static bool has_pictures(void) {
    char path[4200], self[4096];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = 0;
    *strrchr(self, '/') = 0;
    snprintf(path, sizeof path, "%s/libbert-image.so", self);
    return !access(path, R_OK);
}

static hub_shape shape_of(int hidden, int layers, int heads, int vocab) {
    if (getenv("BERT_TEST_FULL")) return (hub_shape){vocab, hidden, layers, heads, 4 * hidden, 512};
    return (hub_shape){60, 32, 2, 4, 64, 40};
}

/* tokenizer = BertTokenizer.from_pretrained('bert-base-uncased')
 * model = BertModel.from_pretrained("bert-base-uncased")
 * encoded_input = tokenizer(text); output = model(**encoded_input) */
static void the_first_listing(void **state) {
    (void)state;
    need_module();
    const hub_shape s = shape_of(768, 12, 12, 30522);
    hub_repo_old_name(hub_put_bert("google-bert/bert-base-uncased", &s,
                                   "{\"do_lower_case\": true, \"model_max_length\": 512}"),
                      "bert-base-uncased");
    bert("tokenize bert-base-uncased \"Replace me by any text you'd like.\"");
    json_t *o = line();
    const json_t *ids = json_object_get(o, "ids");
    assert_int_equal(json_array_size(ids), 12);
    const int first = s.vocab > 1000 ? 1000 : 5, cls = s.vocab > 1000 ? 101 : 2;
    assert_int_equal(json_integer_value(json_array_get(ids, 0)), cls);
    for (int i = 0; i < 10; i++)
        assert_int_equal(json_integer_value(json_array_get(ids, (size_t)i + 1)), first + i);
    json_decref(o);
    assert_int_equal(hub_server_count(hub, "model.safetensors"), 0);
    bert("encode bert-base-uncased \"Replace me by any text you'd like.\" -o output.safetensors");
    bert_error e = {0};
    bert_tensors *f = bert_tensors_open(&bert_safetensors_format, at("output.safetensors"), &e);
    if (!f) fail_msg("%s", e.message);
    const bert_stored_tensor *hidden = bert_tensors_find(f, "last_hidden_state");
    const bert_stored_tensor *pooler = bert_tensors_find(f, "pooler_output");
    assert_true(hidden && pooler);
    assert_int_equal(hidden->shape[0], 12);
    assert_int_equal(hidden->shape[1], s.hidden);
    assert_int_equal(pooler->shape[0], 1);
    assert_int_equal(pooler->shape[1], s.hidden);
    const float *x = pooler->data;
    for (int i = 0; i < s.hidden; i++) assert_true(x[i] > -1 && x[i] < 1);
    bert_tensors_close(f);
    /* and its last word: fill's, of the head that the checkpoint brings */
    bert("fill bert-base-uncased \"hello, my dog is [MASK].\"");
    static const char *const never[] = {"tf_model", "flax",   "onnx",
                                        "rust",     "coreml", "pytorch_model"};
    for (int i = 0; i < 6; i++) {
        char asked[64];
        snprintf(asked, sizeof asked, "resolve/" COMMIT "/%s", never[i]);
        assert_int_equal(hub_server_count(hub, asked), 0);
    }
}

/* You can swap 'bert-base-uncased' with other checkpoints. */
static void other_checkpoints(void **state) {
    (void)state;
    need_module();
    const hub_shape chinese = shape_of(768, 12, 12, 21128), large = shape_of(1024, 24, 16, 30522);
    hub_repo_old_name(
        hub_put_bert("google-bert/bert-base-chinese", &chinese, "{\"do_lower_case\": false}"),
        "bert-base-chinese");
    hub_repo_old_name(
        hub_put_bert("google-bert/bert-large-uncased", &large, "{\"do_lower_case\": true}"),
        "bert-large-uncased");
    bert("embed bert-base-chinese 'hello'");
    bert("embed bert-large-uncased 'hello'");
    const hub_shape s = shape_of(384, 6, 12, 30522);
    hub_put_sharded("org/sharded", &s);
    bert("embed org/sharded 'hello, my dog'");
    hub_put_sentences("sentence-transformers/all-MiniLM-L6-v2x", &s);
    bert("info sentence-transformers/all-MiniLM-L6-v2x");
    json_t *o = line();
    assert_string_equal(json_string_value(json_object_get(o, "pooling")), "cls");
    assert_true(json_is_true(json_object_get(o, "normalize")));
    assert_int_equal(json_integer_value(json_object_get(o, "embedding_size")), s.hidden);
    json_decref(o);
    bert("embed sentence-transformers/all-MiniLM-L6-v2x 'hello, my dog'");
}

/* ViTModel.from_pretrained(model_name) */
static void a_model_of_pictures(void **state) {
    (void)state;
    need_module();
    static const unsigned char png[] = {
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44,
        0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x08, 0x02, 0x00, 0x00, 0x00, 0xfd,
        0xd4, 0x9a, 0x73, 0x00, 0x00, 0x00, 0x12, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0x38,
        0x21, 0xc7, 0x25, 0x72, 0x27, 0x8a, 0x01, 0x42, 0x01, 0x00, 0x1f, 0x1c, 0x04, 0x75, 0x07,
        0x7e, 0x4a, 0x8b, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
    static const char id[] = "google/vit-base-patch16-224";
    const hub_vit_shape full = {768, 12, 12, 3072, 224, 16, 1000},
                        small = {32, 2, 4, 64, 32, 8, 12};
    const hub_vit_shape *s = getenv("BERT_TEST_FULL") ? &full : &small;
    hub_put_vit(id, s);
    bert("pull google/vit-base-patch16-224");
    json_t *o = line();
    assert_true(json_integer_value(json_object_get(o, "bytes")) > 4 * s->hidden * s->hidden);
    same_as_hub(json_string_value(json_object_get(o, "path")), id, "preprocessor_config.json");
    json_decref(o);
    bert("info google/vit-base-patch16-224");
    says("ViTForImageClassification");
    test_write_bytes(at("cat.png"), png, sizeof png);
    if (!has_pictures()) return; /* this build decodes none */
    bert("classify google/vit-base-patch16-224 cat.png --top-k 3");
    o = line();
    assert_memory_equal(json_string_value(json_object_get(o, "label")), "thing ", 6);
    assert_int_equal(json_array_size(json_object_get(o, "top")), 3);
    json_decref(o);
    bert("embed google/vit-base-patch16-224 cat.png");
    o = line();
    assert_int_equal(json_array_size(json_object_get(o, "embedding")), s->hidden);
    json_decref(o);
    assert_int_equal(hub_server_count(hub, "cdn GET"), 1);
}

/* logits = model(**inputs).logits; model.config.id2label[predicted_class_id];
 * labels = torch.tensor([1]); loss = model(**inputs, labels=labels).loss */
static void the_second_listing(void **state) {
    (void)state;
    need_module();
    const hub_shape s = shape_of(768, 12, 12, 30522);
    hub_put_textattack("textattack/bert-base-uncased-yelp-polarity", &s);
    bert("classify textattack/bert-base-uncased-yelp-polarity 'Hello, my dog is cute'");
    json_t *o = line(), *scores = json_object_get(o, "scores");
    const char *label = json_string_value(json_object_get(o, "label"));
    const double one = json_number_value(json_object_get(scores, "LABEL_1"));
    const double zero = json_number_value(json_object_get(scores, "LABEL_0"));
    assert_true(fabs(one + zero - 1) < 1e-6);
    assert_string_equal(label, one > zero ? "LABEL_1" : "LABEL_0");
    json_decref(o);
    put_file(at("labelled.jsonl"),
             "{\"text\": \"Hello, my dog is cute\", \"label\": \"LABEL_1\"}\n");
    bert("evaluate textattack/bert-base-uncased-yelp-polarity -i labelled.jsonl");
    o = line();
    const double loss = json_number_value(json_object_get(o, "loss"));
    if (fabs(loss + log(one)) > 1e-5) fail_msg("loss %g, but the score was %g", loss, one);
    json_decref(o);
    assert_int_equal(hub_server_count(hub, "training_args"), 0);
    assert_int_equal(hub_server_count(hub, "cdn GET"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void) {
    if (!*BERT_TOOL) return 77;
    const struct CMUnitTest tests[] = {
        TEST(the_first_listing),
        TEST(other_checkpoints),
        TEST(the_second_listing),
        TEST(a_model_of_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
