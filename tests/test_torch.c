/* pytorch_model.bin: what torch saved is read as torch reads it, and a model of it is the model of
 * the same weights as safetensors. */
#include "files/torch.h"
#include "torch_file.h"
#include <sys/stat.h>

static void path_of(char *out, const char *directory, const char *name) {
    snprintf(out, 4600, "%s/%s", directory, name);
}

static bert_tensors *open_or_fail(const char *path) {
    bert_error e = {0};
    bert_tensors *t = bert_tensors_open(&bert_torch_format, path, &e);
    if (!t) fail_msg("%s", e.message);
    return t;
}

/* ---- Golden files */

static const char *const names_of_types[][2] = {
    {"float64", "F64"}, {"float32", "F32"}, {"float16", "F16"}, {"bfloat16", "BF16"},
    {"int64", "I64"},   {"int32", "I32"},   {"int16", "I16"},   {"int8", "I8"},
    {"uint8", "U8"},    {"bool", "BOOL"}};

static void check_golden(const bert_tensors *file, const json_t *want) {
    const char *name = json_string_value(json_object_get(want, "name"));
    const char *dtype = json_string_value(json_object_get(want, "dtype"));
    const json_t *shape = json_object_get(want, "shape"), *values = json_object_get(want, "values");
    const bert_stored_tensor *t = bert_tensors_find(file, name);
    if (!t) fail_msg("%s: no %s", bert_tensors_path(file), name);
    size_t i = 0;
    while (strcmp(names_of_types[i][0], dtype)) i++;
    assert_string_equal(bert_dtype_name(t->dtype), names_of_types[i][1]);
    assert_int_equal(t->dims, json_array_size(shape));
    for (i = 0; i < json_array_size(shape); i++)
        assert_int_equal(t->shape[i], json_integer_value(json_array_get(shape, i)));
    const size_t n = json_array_size(values);
    assert_int_equal(t->bytes, n * bert_dtype_size(t->dtype));
    float out[64];
    bert_error e = {0};
    const int rc = bert_stored_to_float(t, out, &e);
    assert_int_equal(rc, strstr(dtype, "float") ? 0 : BERT_EUNSUPPORTED);
    for (i = 0; i < n && !rc; i++)
        if (out[i] != (float)json_number_value(json_array_get(values, i)))
            fail_msg("%s: %s[%zu] is %g", bert_tensors_path(file), name, i, (double)out[i]);
}

static void what_torch_saved_is_read(void **state) {
    (void)state;
    static const char folder[] = BERT_SOURCE_DIR "/tests/golden/torch/";
    bert_error e = {0};
    json_t *golden = bert_json_load(BERT_SOURCE_DIR "/tests/golden/torch/torch.json", &e);
    assert_non_null(golden);
    const json_t *files = json_object_get(golden, "files"),
                 *tensors = json_object_get(golden, "tensors");
    assert_int_equal(json_array_size(files), 5);
    for (size_t i = 0; i < json_array_size(files); i++) {
        char path[4600];
        const char *name = json_string_value(json_array_get(files, i));
        snprintf(path, sizeof path, "%s%s", folder, name);
        bert_tensors *t = open_or_fail(path);
        assert_int_equal(bert_tensors_count(t), json_array_size(tensors));
        for (size_t k = 0; k < json_array_size(tensors); k++)
            check_golden(t, json_array_get(tensors, k));
        /* which lie where they are: tied ones once, and only those in another order have strides */
        assert_ptr_equal(bert_tensors_find(t, "plain")->data, bert_tensors_find(t, "tied")->data);
        assert_null(bert_tensors_find(t, "query")->strides);
        assert_non_null(bert_tensors_find(t, "transposed")->strides);
        assert_true(bert_stored_equal(bert_tensors_find(t, "plain"), bert_tensors_find(t, "tied")));
        const bool nested = !strcmp(name, "model.bin") || !strcmp(name, "state_dict.bin");
        assert_int_equal(bert_tensors_note(t, 0) != NULL, nested);
        if (nested) assert_non_null(strstr(bert_tensors_note(t, 0), "the weights are those under"));
        bert_tensors_close(t);
    }
    json_decref(golden);
}

/* ---- Models */

enum { TEXTS = 2 };
static void hidden_of(const char *directory, float *out) {
    bert_error e = {0};
    bert_model *m = bert_model_open(directory, NULL, &e);
    if (!m) fail_msg("%s", e.message);
    bert_session *s = bert_session_new(m, NULL, &e);
    const bert_text texts[TEXTS] = {bert_text_of("The cat sat on the mat."),
                                    bert_text_of("she walked")};
    assert_non_null(s);
    for (int turn = 0; turn < 2; turn++) /* the second one packs, and gives pages back */
        test_ok(e, bert_embed(s, texts, TEXTS, NULL, out, NULL, &e));
    bert_session_free(s);
    bert_model_close(m);
}

static char *model_in(test_weights *w, const char *architecture) {
    char *d = test_directory(), path[4600];
    test_model(d, architecture, 2, "");
    test_tensors(w, architecture, 2);
    path_of(path, d, "model.safetensors");
    assert_int_equal(unlink(path), 0);
    return d;
}

static void a_model_is_the_same_from_either_format(void **state) {
    (void)state;
    float of_torch[TEXTS * TEST_HIDDEN], of_safetensors[TEXTS * TEST_HIDDEN];
    test_weights w = {.n = 0};
    char *d = model_in(&w, "BertModel");
    test_write_torch(d, "pytorch_model.bin", &w);
    hidden_of(d, of_torch);
    /* safetensors go before: with other weights the result is another one */
    float *first = (float *)(uintptr_t)w.tensors[0].data;
    test_write_weights(d, &w);
    hidden_of(d, of_safetensors);
    assert_memory_equal(of_torch, of_safetensors, sizeof of_torch);
    for (int i = 0; i < TEST_VOCAB * TEST_HIDDEN; i++) first[i] = 1 / (float)(i + 1);
    test_write_weights(d, &w);
    hidden_of(d, of_safetensors);
    assert_memory_not_equal(of_torch, of_safetensors, sizeof of_torch);
    test_weights_free(&w);
    test_remove(d);
}

/* Numbers that are aligned to nothing: the same bits, whatever is done with them. */
static void vectors_of(const char *d, bert_precision precision, float *out) {
    bert_error e = {0};
    bert_model *m = bert_model_open(d, NULL, &e);
    if (!m) fail_msg("%s", e.message);
    bert_session_options o = bert_session_default();
    o.precision = precision;
    bert_session *s = bert_session_new(m, &o, &e);
    const bert_text texts[TEXTS] = {bert_text_of("The cat sat on the mat."),
                                    bert_text_of("she walked")};
    if (!s) fail_msg("%s", e.message);
    for (int turn = 0; turn < 2; turn++) /* panel by panel, then packed */
        test_ok(e, bert_embed(s, texts, TEXTS, NULL, out + turn * TEXTS * TEST_HIDDEN, NULL, &e));
    bert_session_free(s);
    bert_model_close(m);
}

static void same_parameters(const char *a, const char *b, bool trainable) {
    bert_model_options o = bert_model_default();
    bert_error e = {0};
    o.trainable = trainable;
    bert_model *m = bert_model_open(a, &o, &e), *n = bert_model_open(b, &o, &e);
    if (!m || !n) fail_msg("%s", e.message);
    const bert_params *p = bert_model_params(m), *q = bert_model_params(n);
    for (int i = 0; i < bert_params_count(p); i++) {
        int32_t rows, cols;
        const bert_param *x = bert_params_at(p, i);
        bert_param_shape(x, &rows, &cols);
        assert_memory_equal(bert_param_value(x),
                            bert_param_value(bert_params_find(q, bert_param_name(x))),
                            (size_t)rows * (size_t)cols * sizeof(float));
    }
    bert_model_close(m);
    bert_model_close(n);
}

static void unaligned_numbers_are_the_same(void **state) {
    (void)state;
    enum { TWO_TURNS = 2 * TEXTS * TEST_HIDDEN };
    static const bert_precision all[] = {BERT_PRECISION_HIGHEST, BERT_PRECISION_MEDIUM,
                                         BERT_PRECISION_INT8};
    float plain[3][TWO_TURNS], x[TWO_TURNS];
    test_weights w = {.n = 0};
    char *d = model_in(&w, "BertModel"), path[4600], saved[4600], file[4700], *aligned;
    test_write_torch(d, "pytorch_model.bin", &w);
    for (int i = 0; i < 3; i++) vectors_of(d, all[i], plain[i]);
    path_of(path, d, "saved");
    bert_error e = {0};
    bert_model *m = bert_model_open(d, NULL, &e);
    test_ok(e, bert_model_save(m, path, &e));
    bert_model_close(m);
    snprintf(file, sizeof file, "%.4500s/model.safetensors", path);
    size_t n, k;
    test_ok(e, bert_read_file(file, 0, &aligned, &n, &e));
    for (int pad = 0; pad < 4; pad++) {
        test_bytes b = {0};
        test_put_legacy(&b, &w, pad);
        path_of(file, d, "pytorch_model.bin");
        test_write_bytes(file, b.data, b.n);
        free(b.data);
        for (int i = 0; i < 3; i++) {
            vectors_of(d, all[i], x);
            assert_memory_equal(x, plain[i], sizeof x);
        }
        same_parameters(d, path, false);
        same_parameters(d, path, true);
        snprintf(saved, sizeof saved, "%.4500s/saved%d", d, pad);
        m = bert_model_open(d, NULL, &e);
        test_ok(e, bert_model_save(m, saved, &e));
        bert_model_close(m);
        char *data;
        snprintf(file, sizeof file, "%.4500s/model.safetensors", saved);
        test_ok(e, bert_read_file(file, 0, &data, &k, &e));
        assert_int_equal(k, n);
        assert_memory_equal(data, aligned, n);
        free(data);
    }
    free(aligned);
    test_weights_free(&w);
    test_remove(d);
}

/* What is saved beside the optimizer, as programs of one's own call it. */
static void checkpoints_of_ones_own_are_read(void **state) {
    (void)state;
    static const char *const keys[] = {"state_dict", "model", "model_state_dict", "module"};
    float plain[TEXTS * TEST_HIDDEN], x[TEXTS * TEST_HIDDEN];
    test_weights w = {.n = 0};
    char *d = model_in(&w, "BertModel"), path[4600], prefixed[TEST_MAX_TENSORS][200];
    test_write_torch(d, "pytorch_model.bin", &w);
    hidden_of(d, plain);
    path_of(path, d, "pytorch_model.bin");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        test_bytes b = {0};
        test_put_torch_under(&b, &w, keys[i]);
        test_write_bytes(path, b.data, b.n);
        free(b.data);
        hidden_of(d, x);
        assert_memory_equal(x, plain, sizeof x);
    }
    /* PyTorch Lightning's names are those of a class of one's own */
    for (int i = 0; i < w.n; i++) {
        snprintf(prefixed[i], sizeof prefixed[i], "net.encoder.%s", w.tensors[i].name);
        w.tensors[i].name = prefixed[i];
    }
    test_write_torch(d, "pytorch_model.bin", &w);
    bert_error e = {0};
    assert_null(bert_model_open(d, NULL, &e));
    if (!strstr(e.message, "all of them have \"net.encoder.\" in front of them"))
        fail_msg("%s", e.message);
    test_weights_free(&w);
    test_remove(d);
}

static void shards_are_one_model(void **state) {
    (void)state;
    float whole[TEXTS * TEST_HIDDEN], sharded[TEXTS * TEST_HIDDEN];
    test_weights w = {.n = 0}, part[2] = {{.n = 0}, {.n = 0}};
    char *d = model_in(&w, "BertModel"), path[4600], text[8000];
    test_write_torch(d, "pytorch_model.bin", &w);
    hidden_of(d, whole);
    path_of(path, d, "pytorch_model.bin");
    assert_int_equal(unlink(path), 0);
    size_t n = (size_t)snprintf(text, sizeof text,
                                "{\"metadata\": {\"total_size\": 1}, "
                                "\"weight_map\": {");
    for (int i = 0; i < w.n; i++) {
        test_weights *to = &part[i % 2];
        to->tensors[to->n++] = w.tensors[i];
        /* whichever file the index says: it is the union that counts */
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"%s\": \"part-%d.bin\"", i ? ", " : "",
                              w.names[i], i / 2 % 2);
    }
    snprintf(text + n, sizeof text - n, "}}");
    test_write_torch(d, "part-0.bin", &part[0]);
    test_write_torch(d, "part-1.bin", &part[1]);
    test_write(d, "pytorch_model.bin.index.json", text);
    hidden_of(d, sharded);
    assert_memory_equal(sharded, whole, sizeof whole);
    test_weights_free(&w);
    test_remove(d);
}

static void decoders_are_tied_by_their_storage(void **state) {
    (void)state;
    static const char word[] = "bert.embeddings.word_embeddings.weight",
                      decoder[] = "cls.predictions.decoder.weight";
    test_weights w = {.n = 0};
    char *d = model_in(&w, "BertForMaskedLM");
    for (int own = 0; own < 2; own++) {
        bert_error e = {0};
        if (own) test_remove_tensor(&w, decoder);
        test_add(&w, decoder, own ? decoder : word, TEST_VOCAB, TEST_HIDDEN);
        test_write_torch(d, "pytorch_model.bin", &w);
        bert_model *m = bert_model_open(d, NULL, &e);
        if (!m) fail_msg("%s", e.message);
        assert_int_equal(bert_params_find(bert_model_params(m), decoder) != NULL, own);
        assert_null(bert_model_unused_tensor(m, 0));
        bert_model_close(m);
    }
    test_weights_free(&w);
    test_remove(d);
}

/* ---- Names */

/* Every way in which names are met leads to the same model. */
static void names_are_met_in_many_ways(void **state) {
    (void)state;
    static const struct {
        const char *before, *norms[2];
        bool bare, said; /* bare: without the family's prefix */
    } rows[] = {
        {"", {"weight", "bias"}, false, false},       {"", {"gamma", "beta"}, false, false},
        {"", {"weight", "bias"}, true, false},        {"", {"gamma", "beta"}, true, false},
        {"module.", {"weight", "bias"}, false, true}, {"module.", {"gamma", "beta"}, true, true},
    };
    float first[TEXTS * TEST_HIDDEN], x[TEXTS * TEST_HIDDEN];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_weights w = {.n = 0}, as = {.n = 0};
        char *d = model_in(&w, "BertForSequenceClassification");
        test_add(&w, "bert.embeddings.position_ids", "x", 1, TEST_POSITIONS);
        as = w;
        for (int k = 0; k < w.n; k++) {
            const char *name = w.names[k], *norm = strstr(name, "LayerNorm.");
            if (rows[i].bare && !strncmp(name, "bert.", 5)) name += 5;
            const int head = norm ? (int)(norm + 10 - name) : (int)strlen(name);
            snprintf(as.names[k], sizeof as.names[k], "%s%.*s%s", rows[i].before, head, name,
                     norm ? rows[i].norms[strcmp(norm + 10, "weight") != 0] : "");
            as.tensors[k].name = as.names[k];
        }
        test_write_torch(d, "pytorch_model.bin", &as);
        hidden_of(d, i ? x : first);
        if (i) assert_memory_equal(x, first, sizeof x);
        bert_error e = {0};
        bert_model *m = bert_model_open(d, NULL, &e);
        assert_null(bert_model_new_parameter(m, 0));
        assert_null(bert_model_unused_tensor(m, 0));
        const char *note = bert_model_note(m, 0);
        assert_int_equal(note && strstr(note, "DataParallel"), rows[i].said);
        bert_model_close(m);
        test_weights_free(&w);
        test_remove(d);
    }
}

/* ---- What is none */

static void files_of_other_kinds_are_named(void **state) {
    (void)state;
    char tar[1024] = "pickle", zip[4600];
    memcpy(tar + 257, "ustar", 5);
    static const char script[] = "\x80\2}.";
    const struct {
        const char *data;
        size_t n;
        int code;
        const char *says;
    } rows[] = {
        {"", 0, BERT_EFORMAT, "is empty"},
        {"x", 1, BERT_EFORMAT, "neither a zip archive nor a pickle"},
        {tar, sizeof tar, BERT_EUNSUPPORTED, "tar archive"},
        {"\x80\4\x95\0\0\0\0", 7, BERT_EUNSUPPORTED, "protocol 4"},
        {"\x89HDF\r\n\x1a\n", 8, BERT_EUNSUPPORTED, "HDF5"},
        {"\2\0\0\0\0\0\0\0{}", 10, BERT_EFORMAT, "call it model.safetensors"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, BERT_EFORMAT, "git lfs pull"},
        {"<!doctype html>", 15, BERT_EFORMAT, "web page"},
        {"PK\3\4 and no end", 15, BERT_EFORMAT, "fetch it again"},
    };
    char *d = test_directory();
    path_of(zip, d, "pytorch_model.bin");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bert_error e = {0};
        test_write_bytes(zip, rows[i].data, rows[i].n);
        assert_null(bert_tensors_open(&bert_torch_format, zip, &e));
        if (e.code != rows[i].code || !strstr(e.message, rows[i].says))
            fail_msg("%zu: %d %s", i, e.code, e.message);
    }
    const test_member jit[] = {{"m/constants.pkl", script, 4}, {"m/data.pkl", script, 4}};
    test_bytes b = {0};
    bert_error e = {0};
    test_put_zip(&b, jit, 2);
    test_write_bytes(zip, b.data, b.n);
    assert_null(bert_tensors_open(&bert_torch_format, zip, &e));
    assert_non_null(strstr(e.message, "TorchScript"));
    free(b.data);
    test_remove(d);
}

/* torch marks a tensor that is the negative of its storage, and negates when it is used. */
static void views_that_negate_are_refused(void **state) {
    (void)state;
#define REBUILD(metadata)                                                                          \
    "\x80\2}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n" \
    "X\1\0\0\0"                                                                                    \
    "0X\3\0\0\0cpuK\1tQK\0K\1\x85K\1\x85\x89"                                                      \
    "ccollections\nOrderedDict\n)R" metadata "tRs."
    static const char plain[] = REBUILD(""), negative[] = REBUILD("}X\3\0\0\0neg\x88s");
#undef REBUILD
    const float one = 1;
    char *d = test_directory(), path[4600];
    path_of(path, d, "pytorch_model.bin");
    for (int i = 0; i < 2; i++) {
        const test_member m[] = {
            {"m/data.pkl", i ? negative : plain, (i ? sizeof negative : sizeof plain) - 1},
            {"m/data/0", (const char *)&one, sizeof one}};
        test_bytes b = {0};
        bert_error e = {0};
        test_put_zip(&b, m, 2);
        test_write_bytes(path, b.data, b.n);
        bert_tensors *file = bert_tensors_open(&bert_torch_format, path, &e);
        if (i ? e.code != BERT_EUNSUPPORTED || !strstr(e.message, "resolve_neg") : !file)
            fail_msg("%d %s", e.code, e.message);
        bert_tensors_close(file);
        free(b.data);
    }
    test_remove(d);
}

/* As in a cache whose contents somebody cleaned away. */
static void links_to_nothing_are_no_weights(void **state) {
    (void)state;
    char *d = test_directory(), path[4600];
    bert_error e = {0};
    test_write(d, "config.json", "{\"model_type\":\"bert\"}");
    path_of(path, d, "model.safetensors");
    assert_int_equal(symlink("../blobs/gone", path), 0);
    assert_null(bert_model_open(d, NULL, &e));
    assert_int_equal(e.code, BERT_ENOTFOUND);
    assert_non_null(strstr(e.message, "was all of the model downloaded?"));
    test_remove(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_torch_saved_is_read),
        cmocka_unit_test(views_that_negate_are_refused),
        cmocka_unit_test(links_to_nothing_are_no_weights),
        cmocka_unit_test(a_model_is_the_same_from_either_format),
        cmocka_unit_test(unaligned_numbers_are_the_same),
        cmocka_unit_test(checkpoints_of_ones_own_are_read),
        cmocka_unit_test(shards_are_one_model),
        cmocka_unit_test(decoders_are_tied_by_their_storage),
        cmocka_unit_test(names_are_met_in_many_ways),
        cmocka_unit_test(files_of_other_kinds_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
