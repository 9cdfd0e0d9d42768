/* Checkpoints in other forms: what is saved is opened again, of every family and head, to the same
 * bytes; types are rounded as they should be; nothing is written over. */
#include "files/gguf_write.h"
#include "files/narrow.h"
#include "models.h"
#include "models/arch.h"
#include "plain_device.h"
#include "tiny.h"
#include <dirent.h>
#include <sys/stat.h>

/* ---- Narrow floats, against exact arithmetic in double */

static double half_value(uint16_t h) {
    const int exponent = h >> 10 & 31, mantissa = h & 1023;
    const double m = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return h >> 15 ? -m : m;
}

static double bfloat16_value(uint16_t h) {
    const uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

/* All that is between a number and the next one goes to the nearer, the middle to the even. */
static void check_between(uint16_t (*narrow)(float), double (*value)(uint16_t), uint16_t h) {
    const double a = value(h), b = value((uint16_t)(h + 1)), middle = (a + b) / 2;
    const float m = (float)middle;
    assert_true((double)m == middle);
    assert_int_equal(narrow((float)a), h);
    assert_int_equal(narrow(m), h % 2 ? h + 1 : h);
    assert_int_equal(narrow(nextafterf(m, (float)a)), h);
    assert_int_equal(narrow(nextafterf(m, (float)b)), h + 1);
}

static void floats_are_rounded(void **state) {
    (void)state;
    for (int sign = 0; sign < 2; sign++) {
        for (int h = 0; h < 0x7bff; h++)
            check_between(bert_to_half, half_value, (uint16_t)(h | sign << 15));
        for (int h = 0x80; h < 0x7f7f; h++) /* below lie subnormals of float32 */
            check_between(bert_to_bfloat16, bfloat16_value, (uint16_t)(h | sign << 15));
    }
    assert_int_equal(bert_to_half(65519.996f), 0x7bff);
    assert_int_equal(bert_to_half(65520), 0x7c00);
    assert_int_equal(bert_to_half(-INFINITY), 0xfc00);
    assert_true((bert_to_half(NAN) & 0x7fff) > 0x7c00);
    assert_true((bert_to_bfloat16(NAN) & 0x7fff) > 0x7f80);
    const float x[] = {1, 65519, 65520, 3e38f, 3.4e38f};
    assert_int_equal(bert_narrow_overflow(BERT_F16, x, 5), 2);
    assert_int_equal(bert_narrow_overflow(BERT_BF16, x, 5), 4);
    assert_int_equal(bert_narrow_overflow(BERT_F32, x, 5), 5);
}

/* ---- Files */

static char *in_directory(const char *d, const char *name) {
    char *path = bert_path_join(d, name);
    assert_non_null(path);
    return path;
}

static char *contents(const char *d, const char *name, size_t *n) {
    char *path = in_directory(d, name), *data;
    bert_error e = {0};
    if (bert_read_file(path, 0, &data, n, &e)) fail_msg("%s", e.message);
    free(path);
    return data;
}

static bool there(const char *d, const char *name) {
    char *path = in_directory(d, name);
    const bool found = bert_file_exists(path);
    free(path);
    return found;
}

static void same_file(const char *a, const char *b, const char *name) {
    size_t n, m;
    char *x = contents(a, name, &n), *y = contents(b, name, &m);
    if (n != m || memcmp(x, y, n)) fail_msg("%s/%s and %s/%s differ", a, name, b, name);
    free(x);
    free(y);
}

static int entries(const char *directory) {
    DIR *d = opendir(directory);
    int n = -2;
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static bert_model *open_model(const char *d) {
    bert_error e = {0};
    bert_model *m = bert_model_open(d, NULL, &e);
    if (!m) fail_msg("%s", e.message);
    return m;
}

static void convert(const char *from, const char *to, const bert_convert_options *o,
                    bert_convert_result *r) {
    bert_error e = {0};
    if (bert_convert(from, to, o, r, &e)) fail_msg("%s -> %s: %s", from, to, e.message);
}

/* What a model of pictures reads: one, by a formula. */
static bert_inputs picture_of(const bert_config *c, bert_column *column, int32_t start[2]) {
    const int32_t width = c->num_channels * c->image_height * c->image_width;
    float *pixels = malloc((size_t)width * sizeof *pixels);
    assert_non_null(pixels);
    for (int32_t i = 0; i < width; i++) pixels[i] = test_weight("pixels", (size_t)i);
    *column = (bert_column){.name = "pixels",
                            .type = BERT_COLUMN_FLOAT32,
                            .per = BERT_PER_SEQUENCE,
                            .width = width,
                            .count = 1,
                            .data = pixels};
    start[0] = 0;
    start[1] =
        c->special_tokens + c->image_height / c->patch_height * (c->image_width / c->patch_width);
    return (bert_inputs){.n = 1, .start = start, .columns = column, .column_count = 1};
}

/* Hidden states and logits of a few ids, or of a picture; malloc'ed. */
static float *results(const char *d, bert_precision precision, size_t *n) {
    static const int32_t ids[] = {2, 7, 8, 9, 3, 2, 11, 3}, start[] = {0, 5, 8};
    bert_inputs in = {.n = 2, .start = start, .ids = ids};
    bert_error e = {0};
    bert_model *m = open_model(d);
    bert_column pixels = {.data = NULL};
    int32_t own[2];
    if (bert_model_config(m)->num_channels) in = picture_of(bert_model_config(m), &pixels, own);
    bert_session_options so = bert_session_default();
    so.precision = precision;
    bert_session *s = bert_session_new(m, &so, &e);
    bert_outputs o;
    test_ok(e, bert_session_run(s, &in, BERT_WANT_LOGITS, &o, &e));
    const size_t hidden = (size_t)o.tokens * (size_t)o.hidden_size,
                 logits = o.logits ? (size_t)o.logit_rows * (size_t)o.logit_cols : 0;
    float *all = malloc((hidden + logits) * sizeof *all);
    assert_non_null(all);
    memcpy(all, o.last_hidden_state, hidden * sizeof *all);
    if (logits) memcpy(all + hidden, o.logits, logits * sizeof *all);
    *n = hidden + logits;
    free((void *)(uintptr_t)pixels.data);
    bert_session_free(s);
    bert_model_close(m);
    return all;
}

static void same_results_at(bert_precision p, const char *a, const char *b, double tolerance) {
    size_t n, m;
    float *x = results(a, p, &n), *y = results(b, p, &m);
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)x[i] - (double)y[i]) <= tolerance))
            fail_msg("%s and %s: result %zu is %g and %g", a, b, i, (double)x[i], (double)y[i]);
    free(x);
    free(y);
}

static void same_results(const char *a, const char *b, double tolerance) {
    same_results_at(BERT_PRECISION_HIGHEST, a, b, tolerance);
}

/* ---- Every class of every family: saved, opened, saved, and converted */

static const struct {
    size_t offset;
    int value;
} sizes[] = {
    {offsetof(bert_config, vocab_size), TEST_VOCAB},
    {offsetof(bert_config, hidden_size), TEST_HIDDEN},
    {offsetof(bert_config, num_hidden_layers), TEST_LAYERS},
    {offsetof(bert_config, num_attention_heads), TEST_HEADS},
    {offsetof(bert_config, intermediate_size), TEST_INNER},
    {offsetof(bert_config, max_position_embeddings), TEST_POSITIONS},
    {offsetof(bert_config, type_vocab_size), 2},
    {offsetof(bert_config, pad_token_id), 0},
};

static void write_config(const char *d, const bert_arch *a, const char *class_name) {
    char name[128];
    snprintf(name, sizeof name, "%s%s", a->class_prefix, class_name);
    json_t *config = json_pack("{s:s, s:[s]}", "model_type", a->model_type, "architectures", name);
    for (const bert_config_key *k = a->keys; k->name; k++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            if (!k->own && k->offset == sizes[i].offset)
                json_object_set_new(config, k->name, json_integer(sizes[i].value));
    if (a->when) json_object_set_new(config, a->when, json_string(a->is));
    char *text = json_dumps(config, JSON_INDENT(2));
    test_write(d, "config.json", text);
    free(text);
    json_decref(config);
}

static void save_new(const char *from, const char *to) {
    bert_model_options o = bert_model_default();
    bert_error e = {0};
    o.from_scratch = true;
    bert_model *m = bert_model_open(from, &o, &e);
    if (!m) fail_msg("%s: %s", from, e.message);
    test_ok(e, bert_model_save(m, to, &e));
    bert_model_close(m);
}

static void save_again(const char *from, const char *to) {
    bert_error e = {0};
    bert_model *m = open_model(from);
    assert_null(bert_model_new_parameter(m, 0));
    assert_null(bert_model_unused_tensor(m, 0));
    test_ok(e, bert_model_save(m, to, &e));
    bert_model_close(m);
}

static void check_class(const bert_arch *a, const char *class_name) {
    char *d = test_directory(), *of[4];
    static const char *const names[] = {"saved", "again", "converted", "half"};
    for (int i = 0; i < 4; i++) of[i] = in_directory(d, names[i]);
    write_config(d, a, class_name);
    save_new(d, of[0]);
    save_again(of[0], of[1]);
    same_file(of[0], of[1], "model.safetensors");
    same_file(of[0], of[1], "config.json");
    convert(of[0], of[2], NULL, NULL);
    same_file(of[0], of[2], "model.safetensors");
    same_results(of[0], of[2], 0);
    bert_convert_options o = bert_convert_default();
    o.dtype = "bf16";
    convert(of[0], of[3], &o, NULL);
    same_results(of[0], of[3], 0.1);
    for (int i = 0; i < 4; i++) free(of[i]);
    test_remove(d);
}

static void every_class_comes_back(void **state) {
    (void)state;
    for (const bert_arch *const *a = bert_archs; *a; a++) {
        check_class(*a, "Model");
        for (const bert_arch_head *h = (*a)->heads; h->head; h++) check_class(*a, h->class_name);
    }
}

/* ---- What is in the directory */

static json_t *config_of(const char *d) {
    char *path = in_directory(d, "config.json");
    json_t *c = bert_json_load(path, NULL);
    assert_non_null(c);
    free(path);
    return c;
}

static void says_type(const char *d, const char *key, const char *type) {
    json_t *c = config_of(d);
    const char *said = json_string_value(json_object_get(c, key));
    if (type)
        assert_string_equal(said, type);
    else
        assert_null(said);
    json_decref(c);
}

static void types_are_said(void **state) {
    (void)state;
    char *d = test_directory(), *m = in_directory(d, "m"), *half = in_directory(d, "half"),
         *back = in_directory(d, "back"), *again = in_directory(d, "again");
    mkdir(m, 0777);
    tiny_model(m, 3, "", 0);
    test_write(m, "README.md", "# a card\n");
    bert_convert_options o = bert_convert_default();
    bert_convert_result r;
    o.dtype = "f16";
    convert(m, half, &o, &r);
    assert_int_equal(r.files, 1);
    assert_int_equal(r.unused, 0);
    says_type(half, "dtype", "float16");
    says_type(half, "torch_dtype", NULL);
    same_file(m, half, "README.md");
    same_file(m, half, "vocab.txt");
    o.dtype = "f32"; /* what is half the width comes back whole, */
    convert(half, back, &o, &r);
    says_type(back, "dtype", "float32");
    same_results(half, back, 0);
    o.dtype = "f16"; /* and is the same again */
    convert(back, again, &o, NULL);
    same_file(half, again, "model.safetensors");
    same_file(half, again, "config.json");
    o.dtype = NULL;
    test_remove(again);
    again = in_directory(d, "again");
    convert(half, again, &o, NULL);
    same_file(half, again, "model.safetensors");
    free(m), free(half), free(back), free(again);
    test_remove(d);
}

static void weights_are_cut(void **state) {
    (void)state;
    char *d = test_directory(), *m = in_directory(d, "m"), *cut = in_directory(d, "cut"),
         *whole = in_directory(d, "whole"), *joined = in_directory(d, "joined");
    mkdir(m, 0777);
    tiny_model(m, 3, "", 0);
    convert(m, whole, NULL, NULL);
    bert_convert_options o = bert_convert_default();
    bert_convert_result r;
    o.max_shard_size = 20000;
    convert(m, cut, &o, &r);
    assert_true(r.files > 2);
    assert_false(there(cut, "model.safetensors"));
    char first[64];
    snprintf(first, sizeof first, "model-00001-of-%05d.safetensors", r.files);
    assert_true(there(cut, first));
    char *path = in_directory(cut, "model.safetensors.index.json");
    json_t *index = bert_json_load(path, NULL), *meta = json_object_get(index, "metadata");
    assert_int_equal(json_integer_value(json_object_get(meta, "total_size")), r.bytes);
    assert_int_equal(json_object_size(json_object_get(index, "weight_map")), r.tensors);
    json_decref(index);
    free(path);
    same_results(m, cut, 0);
    convert(cut, joined, NULL, NULL);
    same_file(whole, joined, "model.safetensors");
    free(m), free(cut), free(whole), free(joined);
    test_remove(d);
}

/* A checkpoint as TensorFlow's were converted, with heads that its class has not. */
static void old_checkpoint(const char *d) {
    test_weights w = {.n = 0};
    test_tensors(&w, "BertForMaskedLM", 0);
    for (int i = 0; i < w.n; i++) {
        char *end = strstr(w.names[i], "LayerNorm.weight");
        if (end) memcpy(end, "LayerNorm.gamma", sizeof "LayerNorm.gamma");
        if ((end = strstr(w.names[i], "LayerNorm.bias")))
            memcpy(end, "LayerNorm.beta", sizeof "LayerNorm.beta");
    }
    test_add(&w, "cls.seq_relationship.weight", "cls.seq_relationship.weight", 2, TEST_HIDDEN);
    test_add(&w, "bert.embeddings.position_ids", "bert.embeddings.position_ids", TEST_POSITIONS, 0);
    test_add(&w, "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight",
             TEST_VOCAB, TEST_HIDDEN);
    test_write_weights(d, &w);
    test_weights_free(&w);
}

static bool holds(const char *d, const char *name) {
    char *path = in_directory(d, "model.safetensors");
    bert_error e = {0};
    bert_tensors *s = bert_tensors_open(&bert_safetensors_format, path, &e);
    if (!s) fail_msg("%s", e.message);
    const bool found = bert_tensors_find(s, name) != NULL;
    bert_tensors_close(s);
    free(path);
    return found;
}

static void other_heads_are_kept(void **state) {
    (void)state;
    char *d = test_directory(), *m = in_directory(d, "m"), *to = in_directory(d, "to"),
         *less = in_directory(d, "less");
    mkdir(m, 0777);
    old_checkpoint(m);
    write_config(m, bert_archs[0], "ForSequenceClassification"); /* whose head is not there */
    bert_convert_options o = bert_convert_default();
    bert_convert_result r;
    convert(m, to, &o, &r);
    assert_true(holds(to, "bert.embeddings.LayerNorm.weight"));
    assert_true(holds(to, "cls.predictions.transform.LayerNorm.weight"));
    assert_true(holds(to, "cls.predictions.bias"));
    assert_true(holds(to, "cls.seq_relationship.weight"));
    assert_false(holds(to, "cls.predictions.decoder.weight")); /* tied */
    assert_false(holds(to, "bert.embeddings.position_ids"));
    assert_false(holds(to, "classifier.weight")); /* nobody trained one */
    assert_true(r.unused > 4);
    o.drop_unused = true;
    convert(m, less, &o, &r);
    assert_int_equal(r.unused, 0);
    assert_false(holds(less, "cls.predictions.bias"));
    free(m), free(to), free(less);
    test_remove(d);
}

/* A bias that the file holds under two names, once in the new file. */
static void copies_are_not_kept(void **state) {
    (void)state;
    for (int different = 0; different < 2; different++) {
        char *d = test_directory(), *m = in_directory(d, "m"), *to = in_directory(d, "to"),
             *bare = in_directory(d, "bare");
        mkdir(m, 0777);
        test_weights w = {.n = 0};
        test_tensors(&w, "BertForMaskedLM", 0);
        test_add(&w, "cls.predictions.decoder.bias", different ? "another" : "cls.predictions.bias",
                 TEST_VOCAB, 0);
        test_write_weights(m, &w);
        test_weights_free(&w);
        write_config(m, bert_archs[0], "ForMaskedLM");
        bert_convert_result r;
        convert(m, to, NULL, &r);
        assert_int_equal(r.unused, 0);
        assert_true(holds(to, "cls.predictions.bias"));
        assert_false(holds(to, "cls.predictions.decoder.bias"));
        same_results(m, to, 0);
        write_config(m, bert_archs[0], "Model"); /* nobody knows which of them counts */
        convert(m, bare, NULL, &r);
        assert_true(holds(bare, "cls.predictions.bias"));
        assert_int_equal(holds(bare, "cls.predictions.decoder.bias"), different);
        free(m), free(to), free(bare);
        test_remove(d);
    }
}

static void class_is_kept(void **state) {
    (void)state;
    char *d = test_directory(), *m = in_directory(d, "m"), *to = in_directory(d, "to");
    mkdir(m, 0777);
    old_checkpoint(m);
    write_config(m, bert_archs[0], "ForSomethingElse");
    convert(m, to, NULL, NULL);
    assert_true(holds(to, "bert.embeddings.word_embeddings.weight")); /* as in its file */
    assert_true(holds(to, "cls.predictions.bias"));
    json_t *c = config_of(to);
    assert_string_equal(json_string_value(json_array_get(json_object_get(c, "architectures"), 0)),
                        "BertForSomethingElse");
    json_decref(c);
    free(m), free(to);
    test_remove(d);
}

/* ---- What is refused, and leaves nothing */

static void refused(const char *m, const char *to, const bert_convert_options *o, int code,
                    const char *part) {
    bert_error e = {0};
    assert_int_equal(bert_convert(m, to, o, NULL, &e), code);
    if (!strstr(e.message, part)) fail_msg("\"%s\" is not in: %s", part, e.message);
}

static int stop_soon(void *context, int64_t bytes, int64_t total) {
    assert_true(bytes > 0 && bytes <= total);
    return ++*(int *)context == 5;
}

static void nothing_is_destroyed(void **state) {
    (void)state;
    char *d = test_directory(), *m = in_directory(d, "m"), *to = in_directory(d, "to"),
         *file = in_directory(d, "file");
    mkdir(m, 0777);
    tiny_model(m, 3, "", 0);
    test_write(d, "file", "mine");
    bert_convert_options o = bert_convert_default();
    refused(m, m, &o, BERT_EINVAL, "nothing is written over");
    refused(m, file, &o, BERT_EIO, "not a directory");
    o.format = "onnx";
    refused(m, to, &o, BERT_EINVAL, "there are safetensors");
    o = bert_convert_default();
    o.dtype = "f8";
    refused(m, to, &o, BERT_EINVAL, "f32, f16, bf16");
    int calls = 0;
    o = bert_convert_default();
    o.progress = stop_soon;
    o.context = &calls;
    refused(m, to, &o, BERT_EINTERRUPTED, "nothing was written");
    assert_int_equal(entries(d), 2);
    mkdir(to, 0777); /* an empty one is no loss */
    convert(m, to, NULL, NULL);
    assert_true(there(to, "model.safetensors"));
    assert_int_equal(entries(d), 3);
    free(m), free(to), free(file);
    test_remove(d);
}

static void too_large_is_refused(void **state) {
    (void)state;
    char *d = test_directory(), *m = in_directory(d, "m"), *to = in_directory(d, "to");
    mkdir(m, 0777);
    write_config(m, bert_archs[0], "Model");
    test_weights w = {.n = 0};
    test_tensors(&w, "BertModel", 0);
    float *x =
        (float *)(uintptr_t)w.tensors[test_find(&w, "encoder.layer.1.output.dense.weight")].data;
    x[17] = 70000;
    test_write_weights(m, &w);
    bert_convert_options o = bert_convert_default();
    o.dtype = "f16";
    refused(m, to, &o, BERT_ENUMERIC, "encoder.layer.1.output.dense.weight holds 70000");
    x[17] = NAN;
    test_write_weights(m, &w);
    refused(m, to, NULL, BERT_ENUMERIC, "not finite");
    assert_int_equal(entries(d), 1);
    test_weights_free(&w);
    free(m), free(to);
    test_remove(d);
}

/* ---- Ready to run */

static const struct {
    const char *dtype;
    bert_precision precision;
} packings[] = {{"int8", BERT_PRECISION_INT8}, {"bf16", BERT_PRECISION_MEDIUM}};

/* False where this machine has no such products, which is said. */
static bool pack(const char *from, const char *to, const char *dtype) {
    bert_convert_options o = bert_convert_default();
    o.format = "packed";
    o.dtype = dtype;
    bert_error e = {0};
    const int rc = bert_convert(from, to, &o, NULL, &e);
    if (rc && (rc != BERT_EUNSUPPORTED || !strstr(e.message, "there is nothing to pack for it")))
        fail_msg("%s", e.message);
    return !rc;
}

static void check_packed(const bert_arch *a, const char *class_name) {
    char *d = test_directory(), *saved = in_directory(d, "saved");
    write_config(d, a, class_name);
    save_new(d, saved);
    for (int i = 0; i < 2; i++) {
        char *to = in_directory(d, packings[i].dtype);
        if (pack(saved, to, packings[i].dtype)) {
            same_results_at(packings[i].precision, saved, to, 0);
            bert_error e = {0};
            bert_model_options o = bert_model_default();
            o.head = "none"; /* under other names */
            bert_model *m = bert_model_open(to, &o, &e);
            if (!m) fail_msg("%s", e.message);
            bert_model_close(m);
        }
        free(to);
    }
    free(saved);
    test_remove(d);
}

static void packed_computes_the_same(void **state) {
    (void)state;
    for (const bert_arch *const *a = bert_archs; *a; a++) {
        check_packed(*a, "Model");
        check_packed(*a, (*a)->heads[0].class_name);
    }
}

static void not_opened(const char *d, const bert_model_options *o, int code, const char *part) {
    bert_error e = {0};
    bert_model *m = bert_model_open(d, o, &e);
    assert_null(m);
    assert_int_equal(e.code, code);
    if (!strstr(e.message, part)) fail_msg("\"%s\" is not in: %s", part, e.message);
}

/* The first place where `was` stands in a file is written over; as long as it. */
static void edit(const char *d, const char *name, const char *was, const char *is) {
    size_t n;
    char *data = contents(d, name, &n), *path = in_directory(d, name);
    char *at = memmem(data, n, was, strlen(was));
    assert_non_null(at);
    memcpy(at, is, strlen(is));
    bert_error e = {0};
    test_ok(e, bert_write_file(path, data, n, &e));
    free(path);
    free(data);
}

static void packed_is_refused(void **state) {
    (void)state;
    char *d = test_directory(), *m = in_directory(d, "m"), *p = in_directory(d, "p"),
         *to = in_directory(d, "to");
    mkdir(m, 0777);
    tiny_model(m, 3, "", 0);
    assert_true(pack(m, p, "int8"));
    bert_error e = {0};
    bert_model *packed = open_model(p);
    assert_null(bert_session_new(packed, NULL, &e)); /* of another precision */
    assert_int_equal(e.code, BERT_EUNSUPPORTED);
    assert_non_null(strstr(e.message, "--precision int8"));
    bert_error_clear(&e);
    assert_int_equal(bert_model_save(packed, to, &e), BERT_EUNSUPPORTED);
    bert_model_close(packed);
    refused(p, to, NULL, BERT_EUNSUPPORTED, "cannot be saved");
    bert_model_options o = bert_model_default();
    o.trainable = true;
    not_opened(p, &o, BERT_EUNSUPPORTED, "cannot be trained");
    o = bert_model_default();
    o.device = &plain_device;
    not_opened(p, &o, BERT_EUNSUPPORTED, "nothing packed");
    edit(p, "packed.safetensors", "cpu 1 int8", "cpu 9 int8"); /* of another version */
    not_opened(p, NULL, BERT_EUNSUPPORTED, "make it anew here: bert convert");
    edit(p, "packed.safetensors", "cpu 9 int8", "cpu 1 int8");
    bert_model_close(open_model(p));
    edit(p, "packed.safetensors", "layer.1.attention.self.key", "layer.1.attention.self.kez");
    not_opened(p, NULL, BERT_EFORMAT, "");
    edit(p, "packed.safetensors", "layer.1.attention.self.kez", "layer.1.attention.self.key");
    edit(p, "packed.safetensors", "packed.3.data\\\"", "packed.2.data\\\""); /* another's bytes */
    not_opened(p, NULL, BERT_EFORMAT, "packed");
    assert_int_equal(entries(d), 2);
    free(m), free(p), free(to);
    test_remove(d);
}

/* ---- GGUF */

static void q8_is_rounded(void **state) {
    (void)state;
    float x[BERT_Q8_BLOCK] = {127, -126.5f, 0.5f, -0.4f, 63.5f};
    unsigned char out[BERT_Q8_BYTES];
    uint16_t scale;
    bert_ggml_narrow(BERT_GGML_Q8_0, x, BERT_Q8_BLOCK, out);
    memcpy(&scale, out, sizeof scale);
    assert_int_equal(scale, bert_to_half(1));
    static const int8_t expected[] = {127, -127, 1, 0, 64, 0}; /* halves away from zero */
    for (int i = 0; i < 6; i++) assert_int_equal((int8_t)out[2 + i], expected[i]);
    memset(x, 0, sizeof x);
    bert_ggml_narrow(BERT_GGML_Q8_0, x, BERT_Q8_BLOCK, out);
    for (int i = 0; i < BERT_Q8_BYTES; i++) assert_int_equal(out[i], 0);
    assert_int_equal(bert_ggml_bytes(BERT_GGML_Q8_0, 64), 68);
    assert_int_equal(bert_ggml_bytes(BERT_GGML_BF16, 64), 128);
}

static uint64_t number_at(const char *data, size_t at, int bytes) {
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++) x |= (uint64_t)(unsigned char)data[at + (size_t)i] << 8 * i;
    return x;
}

/* Where a name stands behind its length, as keys and tensors have it; 0: nowhere. */
static size_t named(const char *data, size_t n, const char *name) {
    char wanted[128] = {(char)strlen(name)};
    memcpy(wanted + 8, name, strlen(name));
    const char *at = memmem(data, n, wanted, 8 + strlen(name));
    return at ? (size_t)(at - data) + 8 + strlen(name) : 0;
}

static void gguf_has_its_keys(void **state) {
    (void)state;
    char *d = test_directory(), *m = in_directory(d, "m"), *to = in_directory(d, "m.gguf");
    mkdir(m, 0777);
    tiny_model(m, 3, "", 0);
    bert_convert_options o = bert_convert_default();
    bert_convert_result r;
    o.format = "gguf";
    o.dtype = "q8_0";
    convert(m, to, &o, &r);
    assert_int_equal(r.tensors, 5 + 16 * TINY_LAYERS + 4); /* pooler and classifier, too */
    size_t n, at;
    char *data = contents(d, "m.gguf", &n);
    assert_memory_equal(data, "GGUF", 4);
    assert_int_equal(number_at(data, 4, 4), 3);
    assert_int_equal(number_at(data, 8, 8), r.tensors);
    assert_true(at = named(data, n, "bert.block_count"));
    assert_int_equal(number_at(data, at, 4), 4); /* u32 */
    assert_int_equal(number_at(data, at + 4, 4), TINY_LAYERS);
    assert_true(at = named(data, n, "tokenizer.ggml.tokens"));
    assert_int_equal(number_at(data, at + 8, 8), TINY_VOCAB);
    assert_true(at = named(data, n, "blk.1.ffn_up.weight"));
    assert_int_equal(number_at(data, at, 4), 2);
    assert_int_equal(number_at(data, at + 4, 8), TINY_HIDDEN); /* the columns first */
    assert_int_equal(number_at(data, at + 12, 8), TINY_INNER);
    assert_int_equal(number_at(data, at + 20, 4), BERT_GGML_Q8_0);
    assert_true(at = named(data, n, "position_embd.weight"));
    assert_int_equal(number_at(data, at + 20, 4), BERT_GGML_F32);
    assert_true(named(data, n, "cls.weight") && named(data, n, "cls.output.bias"));
    free(data);
    refused(m, to, &o, BERT_EINVAL, "nothing is written over");
    free(to);
    to = in_directory(d, "m.bin");
    refused(m, to, &o, BERT_EINVAL, ".gguf");
    free(to);
    to = in_directory(d, "n.gguf");
    json_t *config = config_of(m);
    json_object_set_new(config, "hidden_act", json_string("relu"));
    char *text = json_dumps(config, 0);
    test_write(m, "config.json", text);
    refused(m, to, &o, BERT_EUNSUPPORTED, "hidden_act");
    assert_int_equal(entries(d), 2);
    assert_int_equal(r.left_out, 0);
    free(text);
    json_decref(config);
    free(m), free(to);
    test_remove(d);
}

/* Written and read again: the encoder to the bit, a classifier as its layers are joined there. */
static void check_gguf(const char *model_type, const char *class_name) {
    char *d = test_directory(), *saved = in_directory(d, "saved"), *to = in_directory(d, "m.gguf");
    const bert_arch *a = bert_arch_find(model_type, "a test", NULL);
    assert_non_null(a);
    write_config(d, a, class_name);
    json_t *config = config_of(d); /* where the file says nothing, BERT's sizes are read */
    json_object_set_new(config, "type_vocab_size", json_integer(2));
    char *text = json_dumps(config, 0), vocabulary[1024] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    for (int i = 5; i < TEST_VOCAB; i++)
        snprintf(vocabulary + strlen(vocabulary), 32, i % 3 ? "w%d\n" : "##x%d\n", i);
    test_write(d, "config.json", text);
    save_new(d, saved);
    test_write(saved, "vocab.txt", vocabulary);
    bert_convert_options o = bert_convert_default();
    o.format = "gguf";
    o.dtype = "f32";
    convert(saved, to, &o, NULL);
    same_results(saved, to, strcmp(class_name, "Model") ? 1e-6 : 0);
    bert_model *m = open_model(to);
    const bert_tokenizer *t = bert_model_tokenizer(m);
    assert_non_null(t);
    assert_int_equal(bert_tokenizer_size(t), TEST_VOCAB);
    assert_string_equal(bert_token(t, 3), "[SEP]");
    assert_string_equal(bert_token(t, 6), "##x6");
    assert_string_equal(bert_token(t, 7), "w7");
    bert_model_close(m);
    free(text);
    json_decref(config);
    free(saved), free(to);
    test_remove(d);
}

static void gguf_comes_back(void **state) {
    (void)state;
    static const char *const types[] = {"bert", "distilbert", "roberta"};
    for (int i = 0; i < 3; i++) {
        check_gguf(types[i], "Model");
        check_gguf(types[i], "ForSequenceClassification");
    }
}

/* XLM-R's tokenizer: pieces with scores. */
static const char unigram[] =
    "{\"version\":\"1.0\",\"added_tokens\":["
    "{\"id\":0,\"content\":\"<s>\",\"special\":true,\"normalized\":false},"
    "{\"id\":1,\"content\":\"<pad>\",\"special\":true,\"normalized\":false},"
    "{\"id\":2,\"content\":\"</s>\",\"special\":true,\"normalized\":false},"
    "{\"id\":3,\"content\":\"<unk>\",\"special\":true,\"normalized\":false},"
    "{\"id\":11,\"content\":\"<mask>\",\"special\":true,\"normalized\":false,\"lstrip\":true}],"
    "\"normalizer\":%s,\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
    "{\"type\":\"WhitespaceSplit\"},{\"type\":\"Metaspace\",\"replacement\":\"\u2581\","
    "\"prepend_scheme\":\"always\",\"split\":true}]},\"post_processor\":{\"type\":"
    "\"RobertaProcessing\",\"sep\":[\"</s>\",2],\"cls\":[\"<s>\",0],\"trim_offsets\":true,"
    "\"add_prefix_space\":false},\"decoder\":null,\"model\":{\"type\":\"Unigram\",\"unk_id\":3,"
    "\"vocab\":[[\"<s>\",0],[\"<pad>\",0],[\"</s>\",0],[\"<unk>\",0],[\"\u2581\",-2],"
    "[\"\u2581the\",-3],[\"\u2581cat\",-4.5],[\"c\",-5],[\"at\",-3.25],[\"s\",-6],[\"t\",-6.5],"
    "[\"<mask>\",0]]}}";

static int32_t ids_of(const bert_tokenizer *t, const char *text, int32_t *ids, int32_t room) {
    bert_error e = {0};
    bert_tokenization *x = bert_tokenization_new(t, &e);
    assert_non_null(x);
    if (bert_tokenize(x, text, strlen(text), NULL, 0, NULL, &e) < 0) fail_msg("%s", e.message);
    const bert_token_window w = bert_tokenization_window(x, 0);
    assert_true(w.n <= room);
    memcpy(ids, w.ids, (size_t)w.n * sizeof *ids);
    bert_tokenization_free(x);
    return w.n;
}

static void unigram_goes_into_gguf(void **state) {
    (void)state;
    static const char *const texts[] = {"the cats", "  the  cat ", "cat<mask>", "the z"};
    char *d = test_directory(), *saved = in_directory(d, "saved"), *to = in_directory(d, "m.gguf");
    char text[4000];
    const bert_arch *a = bert_arch_find("xlm-roberta", "a test", NULL);
    write_config(d, a, "Model");
    save_new(d, saved);
    bert_convert_options o = bert_convert_default();
    o.format = "gguf";
    snprintf(text, sizeof text, unigram, "{\"type\":\"Lowercase\"}");
    test_write(saved, "tokenizer.json", text);
    refused(saved, to, &o, BERT_EUNSUPPORTED, "a Unigram tokenizer Lowercase cannot be written");
    snprintf(text, sizeof text, unigram, "null");
    test_write(saved, "tokenizer.json", text);
    convert(saved, to, &o, NULL);
    bert_model *from = open_model(saved), *back = open_model(to);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int32_t x[32], y[32], n = ids_of(bert_model_tokenizer(from), texts[i], x, 32);
        assert_int_equal(ids_of(bert_model_tokenizer(back), texts[i], y, 32), n);
        assert_memory_equal(x, y, (size_t)n * sizeof *x);
    }
    bert_model_close(from);
    bert_model_close(back);
    free(saved), free(to);
    test_remove(d);
}

/* Names that would be taken for something else. */
static void places_are_checked(void **state) {
    (void)state;
    char *d = test_directory(), *m = in_directory(d, "m"), *to = in_directory(d, "a/b/m.gguf");
    mkdir(m, 0777);
    tiny_model(m, 3, "", 0);
    bert_convert_options o = bert_convert_default();
    refused(m, "", &o, BERT_EINVAL, "is empty");
    refused(m, m, &o, BERT_EINVAL, "is the model itself");
    refused(m, to, &o, BERT_EINVAL, "the format gguf is one");
    refused(m, "x.safetensors", &o, BERT_EINVAL, "is not called as a file is");
    o.format = "gguf";
    refused(m, d, &o, BERT_EINVAL, "name one in it");
    convert(m, to, &o, NULL);
    free(m), free(to);
    test_remove(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_are_rounded),     cmocka_unit_test(every_class_comes_back),
        cmocka_unit_test(types_are_said),         cmocka_unit_test(weights_are_cut),
        cmocka_unit_test(other_heads_are_kept),   cmocka_unit_test(class_is_kept),
        cmocka_unit_test(copies_are_not_kept),    cmocka_unit_test(nothing_is_destroyed),
        cmocka_unit_test(too_large_is_refused),   cmocka_unit_test(packed_computes_the_same),
        cmocka_unit_test(packed_is_refused),      cmocka_unit_test(q8_is_rounded),
        cmocka_unit_test(gguf_has_its_keys),      cmocka_unit_test(gguf_comes_back),
        cmocka_unit_test(unigram_goes_into_gguf), cmocka_unit_test(places_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
