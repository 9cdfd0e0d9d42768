/* sentence-transformers' checkpoints: against golden/sentences.json of tools/golden_sentences.py.
 */
#include "torch_file.h"

typedef struct {
    char *directory;
    bert_model *model;
    bert_session *session;
    bert_error e;
} fixture;

static const char *string(const json_t *o, const char *key) {
    return json_string_value(json_object_get(o, key));
}

static void write_below(const char *directory, const char *name, const char *text) {
    char path[4600];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    char *slash = strrchr(path, '/');
    *slash = 0;
    bert_error e = {0};
    test_ok(e, bert_make_directory(path, &e));
    test_write(directory, name, text);
}

static void write_modules(const char *directory, const json_t *files) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)files, name, value) {
        char *text = json_dumps(value, JSON_COMPACT);
        assert_non_null(text);
        write_below(directory, name, text);
        free(text);
    }
}

/* Each folder's model.safetensors: [name, rows, columns], of the formula under "folder.name". */
static void write_tensors(const char *directory, const json_t *tensors) {
    const char *folder;
    json_t *list, *one;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)tensors, folder, list) {
        test_weights w = {.n = 0};
        json_array_foreach(list, i, one) {
            const char *name = json_string_value(json_array_get(one, 0));
            char formula[200], path[4400];
            snprintf(formula, sizeof formula, "%s.%s", folder, name);
            test_add(&w, name, formula, json_integer_value(json_array_get(one, 1)),
                     json_integer_value(json_array_get(one, 2)));
            snprintf(path, sizeof path, "%s/%s", directory, folder);
            if (i + 1 == json_array_size(list)) test_write_weights(path, &w);
        }
        test_weights_free(&w);
    }
}

/* Writes a case's directory. */
static void write_case(fixture *f, const json_t *c, const char *architecture, int labels,
                       const char *more) {
    char folder[4400];
    f->directory = test_directory();
    snprintf(folder, sizeof folder, "%s/%s", f->directory, string(c, "transformer"));
    test_ok(f->e, bert_make_directory(folder, &f->e));
    test_model(folder, architecture, labels, more);
    write_modules(f->directory, json_object_get(c, "files"));
    write_tensors(f->directory, json_object_get(c, "tensors"));
}

static void open_case(fixture *f, const char *directory) {
    f->model = bert_model_open(directory, NULL, &f->e);
    if (!f->model) fail_msg("%s", f->e.message);
    f->session = bert_session_new(f->model, NULL, &f->e);
    if (!f->session) fail_msg("%s", f->e.message);
}

static void shut(fixture *f) {
    bert_session_free(f->session);
    bert_model_close(f->model);
    f->session = NULL;
    f->model = NULL;
}

static bert_text_options options_of(const json_t *call) {
    bert_text_options o = bert_text_default();
    o.overflow = BERT_OVERFLOW_TRUNCATE;
    o.prompt = string(call, "prompt");
    o.prompt_name = string(call, "prompt_name");
    o.dimensions = (int32_t)json_integer_value(json_object_get(call, "truncate_dim"));
    if (json_is_true(json_object_get(call, "normalize_embeddings"))) o.normalize = 1;
    return o;
}

enum { MOST = 8 };

static int texts_of(const json_t *golden, bert_text texts[MOST]) {
    const json_t *list = json_object_get(golden, "texts");
    for (size_t i = 0; i < json_array_size(list); i++)
        texts[i] = bert_text_of(json_string_value(json_array_get(list, i)));
    return (int)json_array_size(list);
}

static void vectors_are(fixture *f, const json_t *c, const bert_text *texts, int n) {
    const bert_text_options o = options_of(json_object_get(c, "call"));
    const size_t dim = (size_t)bert_model_embedding_size(f->model, &o);
    float *got = calloc((size_t)n * dim + 1, sizeof *got);
    assert_non_null(got);
    got[(size_t)n * dim] = 77;
    if (bert_embed(f->session, texts, n, &o, got, NULL, &f->e))
        fail_msg("%s: %s", string(c, "name"), f->e.message);
    assert_true(got[(size_t)n * dim] == 77); /* not a number more */
    for (int i = 0; i < n; i++)
        test_close(string(c, "name"), got + (size_t)i * dim, dim,
                   json_array_get(json_object_get(c, "vectors"), (size_t)i), 2e-6);
    free(got);
}

/* Every arrangement of modules; and again from what is saved of it, where they are the same bits.
 */
static void vectors_are_those_of_encode(void **state) {
    (void)state;
    json_t *golden = test_golden("sentences.json"), *c;
    bert_text texts[MOST];
    const int n = texts_of(golden, texts);
    size_t i;
    json_array_foreach(json_object_get(golden, "encoders"), i, c) {
        fixture f = {0};
        char saved[4400];
        write_case(&f, c, "BertModel", 0, "");
        open_case(&f, f.directory);
        vectors_are(&f, c, texts, n);
        snprintf(saved, sizeof saved, "%s/saved", f.directory);
        test_ok(f.e, bert_model_save(f.model, saved, &f.e));
        shut(&f);
        open_case(&f, saved);
        vectors_are(&f, c, texts, n);
        shut(&f);
        test_remove(f.directory);
    }
    json_decref(golden);
}

static void scores_are_those_of_predict(void **state) {
    (void)state;
    json_t *golden = test_golden("sentences.json"), *c;
    bert_text texts[MOST];
    const int n = texts_of(golden, texts);
    size_t i;
    json_array_foreach(json_object_get(golden, "cross_encoders"), i, c) {
        fixture f = {0};
        char more[1024];
        char *config = json_dumps(json_object_get(c, "config"), JSON_COMPACT);
        assert_non_null(config);
        config[strlen(config) - 1] = 0; /* without its braces */
        snprintf(more, sizeof more, "%s%s%s", test_labels(1), config[1] ? ", " : "", config + 1);
        free(config);
        write_case(&f, c, "BertForSequenceClassification", 1, more);
        open_case(&f, f.directory);
        float scores[MOST], logits[MOST], raw[MOST];
        test_ok(f.e, bert_rerank(f.session, &texts[1], texts, n, NULL, BERT_SCORES_DEFAULT, scores,
                                 logits, NULL, &f.e));
        test_close(string(c, "name"), scores, (size_t)n, json_object_get(c, "scores"), 2e-6);
        test_ok(f.e, bert_rerank(f.session, &texts[1], texts, n, NULL, BERT_SCORES_NONE, raw, NULL,
                                 NULL, &f.e));
        assert_memory_equal(raw, logits, (size_t)n * sizeof *raw);
        shut(&f);
        test_remove(f.directory);
    }
    json_decref(golden);
}

/* ---- Vectors */

enum { ROWS = 120, COLUMNS = 19 };

static void make_vectors(float *x, int rows, int columns) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            x[i * columns + j] = j == 3 ? 0.5f : test_weight("vectors", (size_t)(i * columns + j));
}

static void ranges_of(const float *x, float *ranges) {
    memcpy(ranges, x, COLUMNS * sizeof *x);
    memcpy(ranges + COLUMNS, x, COLUMNS * sizeof *x);
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        float *least = &ranges[i % COLUMNS], *most = least + COLUMNS;
        if (x[i] < *least) *least = x[i];
        if (x[i] > *most) *most = x[i];
    }
}

static void quantized_as(const char *key, const char *name, bool is_signed, const float *x,
                         const float *ranges, const json_t *golden) {
    static uint8_t got[ROWS * COLUMNS];
    bert_quantize q;
    bert_error e = {0};
    test_ok(e, bert_quantize_parse(name, &q, &e));
    const int32_t size = bert_quantized_size(q, COLUMNS);
    test_ok(e, bert_quantize_rows(q, x, ROWS, COLUMNS, ranges, got, &e));
    const json_t *list = json_object_get(golden, key);
    assert_int_equal(json_array_size(list), ROWS * size);
    for (int i = 0; i < ROWS * size; i++)
        assert_int_equal(is_signed ? (int8_t)got[i] : got[i],
                         json_integer_value(json_array_get(list, (size_t)i)));
}

static void fewer_bits(void **state) {
    (void)state;
    json_t *golden = test_golden("sentences.json"), *q = json_object_get(golden, "quantized");
    static float x[ROWS * COLUMNS];
    float own[2 * COLUMNS], given[2 * COLUMNS];
    make_vectors(x, ROWS, COLUMNS);
    ranges_of(x, own);
    for (int j = 0; j < COLUMNS; j++) given[j] = -0.125f, given[COLUMNS + j] = 0.0625f;
    quantized_as("int8", "int8", true, x, own, q);
    quantized_as("uint8", "uint8", false, x, own, q);
    quantized_as("int8 of ranges", "int8", true, x, given, q);
    quantized_as("binary", "binary", true, x, NULL, q);
    quantized_as("ubinary", "ubinary", false, x, NULL, q);
    json_decref(golden);
    /* What is no number has a step as well, and what cannot be done is an error. */
    float odd[COLUMNS] = {(float)NAN, (float)INFINITY, -(float)INFINITY};
    uint8_t out[COLUMNS];
    bert_error e = {0};
    bert_quantize kind;
    test_ok(e, bert_quantize_rows(BERT_QUANTIZE_UINT8, odd, 1, COLUMNS, own, out, &e));
    assert_true(out[0] == 0 && out[1] == 255 && out[2] == 0);
    assert_int_equal(bert_quantize_rows(BERT_QUANTIZE_INT8, odd, 1, COLUMNS, NULL, out, &e),
                     BERT_EINVAL);
    bert_error_clear(&e);
    assert_int_equal(bert_quantize_rows(BERT_QUANTIZE_COUNT, odd, 1, COLUMNS, own, out, &e),
                     BERT_EINVAL);
    bert_error_clear(&e);
    assert_int_equal(bert_quantize_rows(BERT_QUANTIZE_BINARY, odd, 1, 0, own, out, &e),
                     BERT_EINVAL);
    assert_int_equal(bert_quantize_parse("int4", &kind, NULL), BERT_EINVAL);
    assert_int_equal(bert_quantized_size(BERT_QUANTIZE_BINARY, 17), 3);
    assert_int_equal(bert_quantized_size(BERT_QUANTIZE_COUNT, 17), 0);
}

static void similarities(void **state) {
    (void)state;
    json_t *golden = test_golden("sentences.json"), *of = json_object_get(golden, "similarities");
    float x[2 * 24];
    make_vectors(x, 2, 24);
    for (int i = 0; i < BERT_SIMILARITY_COUNT; i++) {
        const char *name = bert_similarity_name((bert_similarity)i);
        bert_similarity s;
        bert_error e = {0};
        test_ok(e, bert_similarity_parse(name, &s, &e));
        assert_int_equal(s, i);
        assert_float_equal(bert_similarity_of(s, x, x + 24, 24),
                           json_number_value(json_object_get(of, name)), 1e-8);
    }
    json_decref(golden);
    bert_similarity s;
    assert_int_equal(bert_similarity_parse("maxsim", &s, NULL), BERT_EINVAL);
    assert_true(isnan(bert_similarity_of(BERT_SIMILARITY_COUNT, x, x, 24)));
    assert_string_equal(bert_similarity_name(BERT_SIMILARITY_COUNT), "?");
}

/* The arc cosine of a vector and itself is a number, 0. */
static void cosines_end_at_one(void **state) {
    (void)state;
    enum { DIM = 37 };
    float a[DIM], b[DIM];
    for (size_t k = 0; k < 3000; k++) {
        const float size = (float[]){1, 1e-19f, 3e37f, 7}[k % 4];
        for (size_t j = 0; j < DIM; j++) {
            a[j] = size * test_weight("cosines", k * DIM + j);
            b[j] = -4 * a[j];
        }
        assert_true(bert_cosine(a, a, DIM) == 1);
        assert_true(bert_cosine(a, b, DIM) == -1 || size > 1e37f);
        /* Nearly the same: never beyond. */
        for (size_t j = 0; j < DIM; j++) b[j] = a[j] * 1.0000001f;
        const double c = bert_cosine(a, b, DIM);
        assert_true(c <= 1 && c > 0.999999);
    }
}

/* ---- What is asked for and is not there */

static const char transformer[] =
    "{\"type\": \"sentence_transformers.models.Transformer\", \"path\": \"\"}";

typedef struct {
    const char *says; /* NULL: it embeds */
    const char *modules, *file, *text;
    int code;
} refusal;

static const refusal refusals[] = {
    {"1_Pooling/config.json is not there", "P", NULL, NULL, BERT_ENOTFOUND},
    {"\"median\"", "P", "1_Pooling/config.json", "{\"pooling_mode\": \"median\"}",
     BERT_EUNSUPPORTED},
    {"\"other\"", "P", "1_Pooling/config.json", "{\"pooling_mode\": [\"mean\", \"other\"]}",
     BERT_EUNSUPPORTED},
    {"pooling_mode_attention", "P", "1_Pooling/config.json", "{\"pooling_mode_attention\": true}",
     BERT_EUNSUPPORTED},
    {"names no Pooling", "", NULL, NULL, BERT_EUNSUPPORTED},
    {"before a Pooling", "O", NULL, NULL, BERT_EUNSUPPORTED},
    {"CNN", "PC", "1_Pooling/config.json", "{}", BERT_EUNSUPPORTED},
    {"my_code.Pooling", "M", NULL, NULL, BERT_EUNSUPPORTED},
    {"2_Dense/config.json is not there", "PD", "1_Pooling/config.json", "{}", BERT_ENOTFOUND},
    {"WeightedLayerPooling", "W", NULL, NULL, BERT_EUNSUPPORTED},
    {"a Transformer behind", "T", NULL, NULL, BERT_EUNSUPPORTED},
    {"0_Transformer/config.json is not there", "F", NULL, NULL, BERT_ENOTFOUND},
    {"of its own", "E", NULL, NULL, BERT_EFORMAT},
};

static const char *module_text(char kind) {
    switch (kind) {
    case 'P':
        return "{\"type\": \"sentence_transformers.models.Pooling\", \"path\": \"1_Pooling\"}";
    case 'D':
        return "{\"type\": \"sentence_transformers.models.Dense\", \"path\": \"2_Dense\"}";
    case 'C':
        return "{\"type\": \"sentence_transformers.models.CNN\", \"path\": \"2_CNN\"}";
    case 'O':
        return "{\"type\": \"sentence_transformers.models.Dropout\", \"path\": \"1_Dropout\"}";
    case 'W':
        return "{\"type\": \"sentence_transformers.models.WeightedLayerPooling\", \"path\": "
               "\"1_W\"}";
    case 'M':
        return "{\"type\": \"my_code.Pooling\", \"path\": \"1_Pooling\"}";
    case 'F':
        return "{\"type\": \"sentence_transformers.models.Transformer\", \"path\": "
               "\"0_Transformer\"}";
    case 'E':
        return "{\"type\": \"sentence_transformers.models.Pooling\", \"path\": \"\"}";
    default:
        return transformer;
    }
}

static void write_list(const char *directory, const char *kinds) {
    char text[2048];
    size_t n = (size_t)snprintf(text, sizeof text, "[%s", *kinds == 'F' ? "" : transformer);
    for (const char *p = kinds; *p; p++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", *p == 'F' ? "" : ", ",
                              module_text(*p));
    snprintf(text + n, sizeof text - n, "]");
    write_below(directory, "modules.json", text);
}

/* Embeds with the default pooling, which must fail as said, and with one's own, which must not. */
static void refused(fixture *f, const char *says, int code) {
    const bert_text text = bert_text_of("the cat sat");
    float out[TEST_HIDDEN];
    open_case(f, f->directory); /* for other uses it is as good as any */
    assert_int_equal(bert_model_embedding_size(f->model, NULL), TEST_HIDDEN);
    int rc = bert_embed(f->session, &text, 1, NULL, out, NULL, &f->e);
    if (!says) assert_int_equal(rc, BERT_OK);
    if (says && (rc != code || !strstr(f->e.message, says)))
        fail_msg("%d \"%s\", not %d \"%s\"", rc, f->e.message, code, says);
    bert_error_clear(&f->e);
    bert_text_options o = bert_text_default();
    o.pooling = BERT_POOLING_MEAN;
    test_ok(f->e, bert_embed(f->session, &text, 1, &o, out, NULL, &f->e));
    shut(f);
}

static void what_is_not_there_is_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const refusal *r = &refusals[i];
        fixture f = {.directory = test_directory()};
        test_model(f.directory, "BertModel", 0, "");
        write_list(f.directory, r->modules);
        if (r->file) write_below(f.directory, r->file, r->text);
        refused(&f, r->says, r->code);
        test_remove(f.directory);
    }
}

static const struct {
    const char *config, *says;
    int code;
    int rows, columns; /* of linear.weight; 0: no file */
    const char *extra; /* one more tensor */
} denses[] = {
    {"{\"in_features\": 24, \"out_features\": 4, \"bias\": false}", NULL, 0, 4, 24, NULL},
    {"{\"in_features\": 24, \"out_features\": 4, \"bias\": false}", "holds neither", BERT_ENOTFOUND,
     0, 0, NULL},
    {"{\"in_features\": 24, \"out_features\": 4}", "linear.bias", BERT_EFORMAT, 4, 24, NULL},
    {"{\"in_features\": 24, \"out_features\": 4, \"bias\": false}", "another shape", BERT_EFORMAT,
     5, 24, NULL},
    {"{\"in_features\": 24, \"out_features\": 4, \"bias\": false}", "other.weight", BERT_EFORMAT, 4,
     24, "other.weight"},
    {"{\"in_features\": 23, \"out_features\": 4, \"bias\": false}", "takes 23 numbers, not 24",
     BERT_EINVAL, 4, 23, NULL},
    {"{\"in_features\": 24, \"out_features\": 4, \"bias\": false, \"activation_function\": "
     "\"my_code.Swish\"}",
     "my_code.Swish", BERT_EUNSUPPORTED, 4, 24, NULL},
    {"{\"in_features\": 24, \"out_features\": 4, \"bias\": false, \"activation_function\": "
     "\"torch.nn.modules.activation.Softmax\"}",
     "Softmax", BERT_EUNSUPPORTED, 4, 24, NULL},
    {"{\"in_features\": 24, \"out_features\": 4, \"bias\": false, \"module_input_name\": "
     "\"token_embeddings\"}",
     "token_embeddings", BERT_EUNSUPPORTED, 4, 24, NULL},
    {"{\"in_features\": 24}", "out_features", BERT_EFORMAT, 4, 24, NULL},
    {"{\"in_features\": \"many\"}", "must be an integer", BERT_EFORMAT, 4, 24, NULL},
};

static void a_dense_is_checked(void **state) {
    (void)state;
    const bert_text text = bert_text_of("the cat sat");
    for (size_t i = 0; i < sizeof denses / sizeof *denses; i++) {
        fixture f = {.directory = test_directory()};
        char folder[4400];
        test_model(f.directory, "BertModel", 0, "");
        write_list(f.directory, "PD");
        write_below(f.directory, "1_Pooling/config.json", "{}");
        write_below(f.directory, "2_Dense/config.json", denses[i].config);
        snprintf(folder, sizeof folder, "%s/2_Dense", f.directory);
        test_weights w = {.n = 0};
        if (denses[i].rows) test_add(&w, "linear.weight", "x", denses[i].rows, denses[i].columns);
        if (denses[i].extra) test_add(&w, denses[i].extra, "y", 4, 24);
        if (w.n) test_write_weights(folder, &w);
        test_weights_free(&w);
        open_case(&f, f.directory);
        float out[TEST_HIDDEN];
        int rc = bert_embed(f.session, &text, 1, NULL, out, NULL, &f.e);
        assert_int_equal(rc, denses[i].code);
        if (denses[i].says && !strstr(f.e.message, denses[i].says))
            fail_msg("\"%s\", not \"%s\"", f.e.message, denses[i].says);
        bert_error_clear(&f.e);
        assert_int_equal(bert_model_embedding_size(f.model, NULL), rc ? TEST_HIDDEN : 4);
        shut(&f);
        if (!rc) { /* llama.cpp knows no such layer */
            bert_convert_options o = bert_convert_default();
            char to[4400];
            o.format = "gguf";
            snprintf(to, sizeof to, "%s/m.gguf", f.directory);
            assert_int_equal(bert_convert(f.directory, to, &o, NULL, &f.e), BERT_EUNSUPPORTED);
            if (!strstr(f.e.message, "a Dense")) fail_msg("%s", f.e.message);
            bert_error_clear(&f.e);
        }
        if (!denses[i].rows) { /* what PyTorch saved is read where there is nothing else */
            write_below(f.directory, "2_Dense/pytorch_model.bin", "PK");
            open_case(&f, f.directory);
            assert_int_equal(bert_embed(f.session, &text, 1, NULL, out, NULL, &f.e), BERT_EFORMAT);
            assert_non_null(strstr(f.e.message, "2_Dense/pytorch_model.bin"));
            shut(&f);
            test_add(&w, "linear.weight", "x", 4, TEST_HIDDEN);
            test_write_torch(folder, "pytorch_model.bin", &w);
            test_weights_free(&w);
            open_case(&f, f.directory);
            test_ok(f.e, bert_embed(f.session, &text, 1, NULL, out, NULL, &f.e));
            assert_int_equal(bert_model_embedding_size(f.model, NULL), 4);
            shut(&f);
        }
        test_remove(f.directory);
    }
}

/* ---- config_sentence_transformers.json */

static const struct {
    const char *options, *says;
    int code;
} settings[] = {
    {"{}", NULL, 0},
    {"{\"prompts\": {\"q\": null}, \"default_prompt_name\": \"q\"}", NULL, 0},
    {"{\"similarity_fn_name\": \"maxsim\"}", NULL, 0},
    {"{\"model_type\": \"SparseEncoder\"}", "SparseEncoder", BERT_EUNSUPPORTED},
    {"{\"model_type\": \"CrossEncoder\"}", "CrossEncoder", BERT_EUNSUPPORTED},
};

static void settings_are_read(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        fixture f = {.directory = test_directory()};
        test_model(f.directory, "BertModel", 0, "");
        write_list(f.directory, "P");
        write_below(f.directory, "1_Pooling/config.json", "{}");
        write_below(f.directory, "config_sentence_transformers.json", settings[i].options);
        refused(&f, settings[i].says, settings[i].code);
        test_remove(f.directory);
    }
}

static void prompts_and_similarity_are_told(void **state) {
    (void)state;
    fixture f = {.directory = test_directory()};
    test_model(f.directory, "BertModel", 0, "");
    write_below(f.directory, "config_sentence_transformers.json",
                "{\"prompts\": {\"q\": \"the \", \"p\": \"a \"}, \"default_prompt_name\": \"q\", "
                "\"similarity_fn_name\": \"dot\", \"truncate_dim\": 3}");
    open_case(&f, f.directory); /* without modules.json nobody looks into it */
    assert_string_equal(bert_model_prompt(f.model, NULL), "");
    assert_null(bert_model_prompt_name(f.model, 0));
    assert_int_equal(bert_model_embedding_size(f.model, NULL), TEST_HIDDEN);
    assert_int_equal(bert_model_similarity(f.model), BERT_SIMILARITY_COSINE);
    shut(&f);
    write_list(f.directory, "P");
    write_below(f.directory, "1_Pooling/config.json", "{}");
    open_case(&f, f.directory);
    assert_string_equal(bert_model_prompt(f.model, NULL), "the ");
    assert_string_equal(bert_model_prompt(f.model, "p"), "a ");
    assert_string_equal(bert_model_prompt(f.model, "query"), ""); /* which every model has */
    assert_null(bert_model_prompt(f.model, "other"));
    assert_string_equal(bert_model_prompt_name(f.model, 1), "p");
    assert_null(bert_model_prompt_name(f.model, 2));
    assert_int_equal(bert_model_similarity(f.model), BERT_SIMILARITY_DOT);
    assert_int_equal(bert_model_embedding_size(f.model, NULL), 3);
    bert_text_options o = bert_text_default();
    const bert_text text = bert_text_of("cat");
    float out[TEST_HIDDEN];
    o.prompt_name = "other";
    assert_int_equal(bert_embed(f.session, &text, 1, &o, out, NULL, &f.e), BERT_EINVAL);
    assert_non_null(strstr(f.e.message, "\"q\", \"p\""));
    bert_error_clear(&f.e);
    shut(&f);
    write_below(f.directory, "config_sentence_transformers.json",
                "{\"prompts\": {\"q\": \"the \"}, \"default_prompt_name\": \"r\"}");
    open_case(&f, f.directory);
    assert_int_equal(bert_embed(f.session, &text, 1, NULL, out, NULL, &f.e), BERT_EINVAL);
    assert_non_null(strstr(f.e.message, "default_prompt_name"));
    bert_error_clear(&f.e);
    o.prompt = "";
    test_ok(f.e, bert_embed(f.session, &text, 1, &o, out, NULL, &f.e));
    shut(&f);
    test_remove(f.directory);
}

/* They say how vectors are made of the encoder's output: a classifier's directory has none. */
static void files_go_with_an_encoder(void **state) {
    (void)state;
    static const struct {
        const char *head, *options;
        bool kept;
    } rows[] = {
        {"none", "{}", true},
        {"masked-lm", "{}", true},
        {"pretraining", "{}", true},
        {"sequence-classification", "{}", false},
        {"token-classification", "{}", false},
        {"sequence-classification", "{\"model_type\": \"CrossEncoder\"}", true},
        {"none", "{\"model_type\": \"CrossEncoder\"}", false},
    };
    static const char *const files[] = {"modules.json", "config_sentence_transformers.json",
                                        "1_Pooling/config.json", "1_Pooling/README.md"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture f = {.directory = test_directory()};
        char path[4600];
        test_model(f.directory, "BertModel", 0, "");
        write_list(f.directory, "P");
        write_below(f.directory, "1_Pooling/config.json", "{\"pooling_mode\": \"cls\"}");
        write_below(f.directory, "1_Pooling/README.md", "and what else is there");
        write_below(f.directory, "config_sentence_transformers.json", rows[i].options);
        bert_model_options o = bert_model_default();
        o.head = rows[i].head;
        f.model = bert_model_open(f.directory, &o, &f.e);
        if (!f.model) fail_msg("%s", f.e.message);
        snprintf(path, sizeof path, "%s/saved", f.directory);
        test_ok(f.e, bert_model_save(f.model, path, &f.e));
        for (int k = 0; k < 4; k++) {
            snprintf(path, sizeof path, "%s/saved/%s", f.directory, files[k]);
            assert_true(bert_file_exists(path) == rows[i].kept);
        }
        shut(&f);
        test_remove(f.directory);
    }
}

/* ---- Options */

/* Every layer, counted from the end, is what the hidden states say. */
static void earlier_layers(void **state) {
    (void)state;
    fixture f = {.directory = test_directory()};
    test_model(f.directory, "BertModel", 0, "");
    open_case(&f, f.directory);
    const int32_t ids[] = {2, 5, 7, 9, 3}, start[] = {0, 5};
    const bert_inputs in = {.n = 1, .start = start, .ids = ids};
    const bert_text text = bert_text_of("the cat sat");
    const bert_pooling poolings[] = {BERT_POOLING_MEAN, BERT_POOLING_CLS, BERT_POOLING_MAX};
    bert_text_options o = bert_text_default();
    float got[TEST_HIDDEN], wanted[TEST_HIDDEN];
    for (int skip = 0; skip <= TEST_LAYERS; skip++)
        for (int p = 0; p < 3; p++) {
            bert_outputs out;
            o.skip_layers = skip;
            o.pooling = poolings[p];
            test_ok(f.e, bert_embed(f.session, &text, 1, &o, got, NULL, &f.e));
            test_ok(f.e, bert_session_run(f.session, &in, BERT_WANT_HIDDEN_STATES, &out, &f.e));
            test_ok(f.e, bert_pool(poolings[p], out.hidden_states[TEST_LAYERS - skip], TEST_HIDDEN,
                                   start, 1, wanted, &f.e));
            assert_memory_equal(got, wanted, sizeof got);
        }
    o.skip_layers = TEST_LAYERS + 1;
    assert_int_equal(bert_embed(f.session, &text, 1, &o, got, NULL, &f.e), BERT_EINVAL);
    bert_error_clear(&f.e);
    o.skip_layers = 1;
    o.pooling = BERT_POOLING_POOLER;
    assert_int_equal(bert_embed(f.session, &text, 1, &o, got, NULL, &f.e), BERT_EINVAL);
    bert_error_clear(&f.e);
    o.skip_layers = 0;
    o.dimensions = TEST_HIDDEN + 1;
    assert_int_equal(bert_embed(f.session, &text, 1, &o, got, NULL, &f.e), BERT_EINVAL);
    assert_non_null(strstr(f.e.message, "have 24"));
    bert_error_clear(&f.e);
    o.dimensions = 0;
    o.joined[0] = BERT_POOLING_MEAN;
    float both[2 * TEST_HIDDEN];
    assert_int_equal(bert_embed(f.session, &text, 1, &o, both, NULL, &f.e), BERT_EINVAL);
    assert_non_null(strstr(f.e.message, "stands alone"));
    shut(&f);
    test_remove(f.directory);
}

static void names_of_poolings(void **state) {
    (void)state;
    bert_pooling list[BERT_MAX_POOLINGS];
    assert_int_equal(bert_poolings_parse("cls,mean,lasttoken", list, NULL), 3);
    assert_true(list[0] == BERT_POOLING_CLS && list[2] == BERT_POOLING_LAST);
    static const char *const wrong[] = {"",
                                        "cls,",
                                        "cls,,mean",
                                        "cls,pooler",
                                        "cls,med",
                                        "cls,default",
                                        "cls,cls,cls,cls,cls,cls,cls,cls,cls"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(bert_poolings_parse(wrong[i], list, NULL), BERT_EINVAL);
    assert_int_equal(bert_poolings_parse("cls,cls,cls,cls,cls,cls,cls,cls", list, NULL), 8);
}

/* A cross-encoder of two labels, and functions that are not there. */
static void reranking(void **state) {
    (void)state;
    fixture f = {.directory = test_directory()};
    const bert_text query = bert_text_of("a dog"),
                    texts[] = {bert_text_of("the cat"), bert_text_of("she ran")};
    float scores[2], logits[2];
    test_model(f.directory, "BertForSequenceClassification", 2, test_labels(2));
    open_case(&f, f.directory);
    test_ok(f.e, bert_rerank(f.session, &query, texts, 2, NULL, BERT_SCORES_DEFAULT, scores, logits,
                             NULL, &f.e));
    for (int i = 0; i < 2; i++) {
        const bert_text pair = {.text = query.text,
                                .bytes = query.bytes,
                                .pair = texts[i].text,
                                .pair_bytes = texts[i].bytes};
        float both[2];
        test_ok(f.e,
                bert_classify(f.session, &pair, 1, NULL, BERT_SCORES_SOFTMAX, both, NULL, &f.e));
        assert_float_equal(scores[i], both[1], 1e-6);
        test_ok(f.e, bert_classify(f.session, &pair, 1, NULL, BERT_SCORES_NONE, both, NULL, &f.e));
        assert_true(logits[i] == both[1] - both[0]);
    }
    assert_int_equal(bert_rerank(f.session, &query, texts, 2, NULL, BERT_SCORES_SOFTMAX, scores,
                                 NULL, NULL, &f.e),
                     BERT_EINVAL);
    bert_error_clear(&f.e);
    assert_int_equal(
        bert_rerank(f.session, &query, texts, 0, NULL, BERT_SCORES_NONE, scores, NULL, NULL, &f.e),
        BERT_OK);
    shut(&f);
    char more[512];
    snprintf(more, sizeof more, "%s, \"sentence_transformers\": {\"activation_fn\": \"my.Act\"}",
             test_labels(1));
    test_model(f.directory, "BertForSequenceClassification", 1, more);
    open_case(&f, f.directory);
    assert_int_equal(bert_rerank(f.session, &query, texts, 2, NULL, BERT_SCORES_DEFAULT, scores,
                                 NULL, NULL, &f.e),
                     BERT_EUNSUPPORTED);
    assert_non_null(strstr(f.e.message, "my.Act"));
    bert_error_clear(&f.e);
    test_ok(f.e, bert_rerank(f.session, &query, texts, 2, NULL, BERT_SCORES_SIGMOID, scores, NULL,
                             NULL, &f.e));
    shut(&f);
    test_model(f.directory, "BertModel", 0, "");
    open_case(&f, f.directory);
    assert_int_equal(
        bert_rerank(f.session, &query, texts, 2, NULL, BERT_SCORES_NONE, scores, NULL, NULL, &f.e),
        BERT_EUNSUPPORTED);
    shut(&f);
    test_remove(f.directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_those_of_encode),
        cmocka_unit_test(scores_are_those_of_predict),
        cmocka_unit_test(fewer_bits),
        cmocka_unit_test(similarities),
        cmocka_unit_test(cosines_end_at_one),
        cmocka_unit_test(what_is_not_there_is_named),
        cmocka_unit_test(a_dense_is_checked),
        cmocka_unit_test(settings_are_read),
        cmocka_unit_test(prompts_and_similarity_are_told),
        cmocka_unit_test(files_go_with_an_encoder),
        cmocka_unit_test(earlier_layers),
        cmocka_unit_test(names_of_poolings),
        cmocka_unit_test(reranking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
