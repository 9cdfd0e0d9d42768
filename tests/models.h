/* Tiny models for tests: weights by the formula of tools/golden_models.py, results of
 * transformers in float64 from golden/models.json. */
#ifndef BERT_TEST_MODELS_H
#define BERT_TEST_MODELS_H
#include "base/file.h"
#include "files/json.h"
#include "files/safetensors.h"
#include "test.h"
#include <bert_train.h>
#include <math.h>

/* Element i of the tensor `name`. */
static inline float test_weight(const char *name, size_t i) {
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *p = name; *p; p++) h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    uint64_t z = h + (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    const float u = (float)(z >> 40) / 8388608.0f - 1;
    const char *norm = strstr(name, "LayerNorm.weight");
    return norm ? 1 + 0.25f * u : 0.25f * u;
}

enum { TEST_MAX_TENSORS = 128 };
typedef struct {
    bert_stored_tensor tensors[TEST_MAX_TENSORS];
    char names[TEST_MAX_TENSORS][96];
    int n;
} test_weights;

/* Adds a tensor; values by the formula under formula_name (its name in transformers). cols 0: a
 * vector. */
static inline void test_add(test_weights *w, const char *name, const char *formula_name,
                            int64_t rows, int64_t cols) {
    assert_true(w->n < TEST_MAX_TENSORS);
    const size_t count = (size_t)rows * (size_t)(cols ? cols : 1);
    float *data = malloc(count * sizeof *data);
    assert_non_null(data);
    for (size_t i = 0; i < count; i++) data[i] = test_weight(formula_name, i);
    assert_true(strlen(name) < sizeof w->names[0]);
    memcpy(w->names[w->n], name, strlen(name) + 1);
    w->tensors[w->n] = (bert_stored_tensor){.name = w->names[w->n],
                                            .dtype = BERT_F32,
                                            .dims = cols ? 2 : 1,
                                            .shape = {rows, cols},
                                            .data = data,
                                            .bytes = count * sizeof *data};
    w->n++;
}

static inline void test_add_linear(test_weights *w, const char *name, int64_t out, int64_t in) {
    char full[128];
    snprintf(full, sizeof full, "%s.weight", name);
    test_add(w, full, full, out, in);
    snprintf(full, sizeof full, "%s.bias", name);
    test_add(w, full, full, out, 0);
}

static inline void test_add_norm(test_weights *w, const char *name, int64_t size) {
    char full[128];
    snprintf(full, sizeof full, "%s.weight", name);
    test_add(w, full, full, size, 0);
    snprintf(full, sizeof full, "%s.bias", name);
    test_add(w, full, full, size, 0);
}

static inline void test_weights_free(test_weights *w) {
    for (int i = 0; i < w->n; i++) free((void *)(uintptr_t)w->tensors[i].data);
    w->n = 0;
}

static inline int test_find(const test_weights *w, const char *name) {
    for (int i = 0; i < w->n; i++)
        if (!strcmp(w->names[i], name)) return i;
    fail_msg("no tensor %s", name);
    return -1;
}

static inline void test_remove_tensor(test_weights *w, const char *name) {
    const int i = test_find(w, name);
    free((void *)(uintptr_t)w->tensors[i].data);
    w->n--;
    for (int j = i; j < w->n; j++) {
        w->tensors[j] = w->tensors[j + 1];
        memcpy(w->names[j], w->names[j + 1], sizeof w->names[j]);
        w->tensors[j].name = w->names[j];
    }
}

/* The sizes of tools/golden_models.py. */
enum {
    TEST_VOCAB = 40,
    TEST_HIDDEN = 24,
    TEST_LAYERS = 2,
    TEST_HEADS = 3,
    TEST_INNER = 36,
    TEST_POSITIONS = 20
};

/* The tensors of a transformers class; labels: rows of its classifier. */
static inline void test_tensors(test_weights *w, const char *architecture, int labels) {
    const bool bare = !strcmp(architecture, "BertModel");
    const char *prefix = bare ? "" : "bert.";
    char name[96];
#define NAME(...) (snprintf(name, sizeof name, __VA_ARGS__), name)
    test_add(w, NAME("%sembeddings.word_embeddings.weight", prefix), name, TEST_VOCAB, TEST_HIDDEN);
    test_add(w, NAME("%sembeddings.position_embeddings.weight", prefix), name, TEST_POSITIONS,
             TEST_HIDDEN);
    test_add(w, NAME("%sembeddings.token_type_embeddings.weight", prefix), name, 2, TEST_HIDDEN);
    test_add_norm(w, NAME("%sembeddings.LayerNorm", prefix), TEST_HIDDEN);
    for (int i = 0; i < TEST_LAYERS; i++) {
        static const char *const parts[] = {"query", "key", "value"};
        for (int j = 0; j < 3; j++)
            test_add_linear(w, NAME("%sencoder.layer.%d.attention.self.%s", prefix, i, parts[j]),
                            TEST_HIDDEN, TEST_HIDDEN);
        test_add_linear(w, NAME("%sencoder.layer.%d.attention.output.dense", prefix, i),
                        TEST_HIDDEN, TEST_HIDDEN);
        test_add_norm(w, NAME("%sencoder.layer.%d.attention.output.LayerNorm", prefix, i),
                      TEST_HIDDEN);
        test_add_linear(w, NAME("%sencoder.layer.%d.intermediate.dense", prefix, i), TEST_INNER,
                        TEST_HIDDEN);
        test_add_linear(w, NAME("%sencoder.layer.%d.output.dense", prefix, i), TEST_HIDDEN,
                        TEST_INNER);
        test_add_norm(w, NAME("%sencoder.layer.%d.output.LayerNorm", prefix, i), TEST_HIDDEN);
    }
    const bool pooler = !strstr(architecture, "MaskedLM") && !strstr(architecture, "Token") &&
                        !strstr(architecture, "Question");
    if (pooler) test_add_linear(w, NAME("%spooler.dense", prefix), TEST_HIDDEN, TEST_HIDDEN);
    const bool words = strstr(architecture, "MaskedLM") || strstr(architecture, "PreTraining");
    if (words) {
        test_add(w, "cls.predictions.bias", "cls.predictions.bias", TEST_VOCAB, 0);
        test_add_linear(w, "cls.predictions.transform.dense", TEST_HIDDEN, TEST_HIDDEN);
        test_add_norm(w, "cls.predictions.transform.LayerNorm", TEST_HIDDEN);
    }
    if (strstr(architecture, "PreTraining") || strstr(architecture, "NextSentence"))
        test_add_linear(w, "cls.seq_relationship", 2, TEST_HIDDEN);
    if (strstr(architecture, "Question")) test_add_linear(w, "qa_outputs", 2, TEST_HIDDEN);
    if (strstr(architecture, "Classification"))
        test_add_linear(w, "classifier", labels, TEST_HIDDEN);
    if (strstr(architecture, "Choice")) test_add_linear(w, "classifier", 1, TEST_HIDDEN);
#undef NAME
}

static inline void test_write(const char *directory, const char *name, const char *text) {
    char path[4600];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    bert_error e = {0};
    if (bert_write_file(path, text, strlen(text), &e)) fail_msg("%s", e.message);
}

static inline void test_write_weights(const char *directory, const test_weights *w) {
    char path[4600];
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    bert_error e = {0};
    if (bert_safetensors_save(path, w->tensors, w->n, NULL, &e)) fail_msg("%s", e.message);
}

/* config.json of the golden sizes; more: further members (", \"key\": value"), or "". */
static inline void test_write_config(const char *directory, const char *architecture,
                                     const char *more) {
    char text[4096];
    snprintf(text, sizeof text,
             "{\"model_type\": \"bert\", \"architectures\": [\"%s\"], \"vocab_size\": %d, "
             "\"hidden_size\": %d, \"num_hidden_layers\": %d, \"num_attention_heads\": %d, "
             "\"intermediate_size\": %d, \"max_position_embeddings\": %d%s}",
             architecture, TEST_VOCAB, TEST_HIDDEN, TEST_LAYERS, TEST_HEADS, TEST_INNER,
             TEST_POSITIONS, more);
    test_write(directory, "config.json", text);
}

static const char *const test_words[TEST_VOCAB] = {
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the",   "a",    "cat",   "dog",  "sat",
    "ran",   "on",    "under", "mat",   "tree",   "house", "and",  "or",    "not",  "is",
    "was",   "big",   "small", "red",   "blue",   "##s",   "##ed", "##ing", "play", "walk",
    "jump",  "sleep", ".",     ",",     "!",      "?",     "it",   "he",    "she",  "they"};

/* A complete checkpoint with a vocabulary. */
static inline void test_model(const char *directory, const char *architecture, int labels,
                              const char *more) {
    test_weights w = {.n = 0};
    test_tensors(&w, architecture, labels);
    test_write_weights(directory, &w);
    test_weights_free(&w);
    test_write_config(directory, architecture, more);
    char text[2048];
    size_t n = 0;
    for (int i = 0; i < TEST_VOCAB; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\n", test_words[i]);
    test_write(directory, "vocab.txt", text);
}

/* "num_labels" as config.json says it. */
static inline const char *test_labels(int n) {
    static char text[256];
    size_t used = (size_t)snprintf(text, sizeof text, ", \"id2label\": {");
    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s\"%d\": \"name %d\"",
                                 i ? ", " : "", i, i);
    snprintf(text + used, sizeof text - used, "}");
    return text;
}

/* ---- Golden results */

static inline json_t *test_golden(const char *name) {
    char path[4600];
    snprintf(path, sizeof path, "%s/tests/golden/%s", BERT_SOURCE_DIR, name);
    bert_error e = {0};
    json_t *j = bert_json_load(path, &e);
    if (!j) fail_msg("%s", e.message);
    return j;
}

/* malloc'ed copies of arrays of numbers; n: how many, or NULL. */
static inline float *test_floats(const json_t *array, size_t *n) {
    assert_true(json_is_array(array));
    float *out = malloc((json_array_size(array) + 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < json_array_size(array); i++)
        out[i] = (float)json_number_value(json_array_get(array, i));
    if (n) *n = json_array_size(array);
    return out;
}

static inline int32_t *test_ints(const json_t *array) {
    assert_true(json_is_array(array));
    int32_t *out = malloc((json_array_size(array) + 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < json_array_size(array); i++)
        out[i] = (int32_t)json_integer_value(json_array_get(array, i));
    return out;
}

/* The golden batch; start, ids and type_ids are malloc'ed. */
static inline bert_inputs test_inputs(const json_t *golden) {
    const json_t *list = json_object_get(golden, "sequences");
    const size_t n = json_array_size(list);
    int32_t *start = calloc(n + 1, sizeof *start), *ids = malloc(1024 * sizeof *ids),
            *types = malloc(1024 * sizeof *types);
    assert_true(start && ids && types);
    for (size_t i = 0; i < n; i++) {
        const json_t *s = json_array_get(list, i), *a = json_object_get(s, "ids"),
                     *b = json_object_get(s, "type_ids");
        start[i + 1] = start[i] + (int32_t)json_array_size(a);
        assert_true(start[i + 1] <= 1024);
        for (size_t j = 0; j < json_array_size(a); j++) {
            ids[start[i] + (int32_t)j] = (int32_t)json_integer_value(json_array_get(a, j));
            types[start[i] + (int32_t)j] = (int32_t)json_integer_value(json_array_get(b, j));
        }
    }
    return (bert_inputs){.n = (int32_t)n, .start = start, .ids = ids, .type_ids = types};
}

static inline void test_inputs_free(bert_inputs in) {
    free((void *)(uintptr_t)in.start);
    free((void *)(uintptr_t)in.ids);
    free((void *)(uintptr_t)in.type_ids);
}

/* Largest difference from an array of numbers, which must be of size n. */
static inline double test_difference(const float *x, size_t n, const json_t *golden) {
    assert_non_null(x);
    assert_int_equal(json_array_size(golden), n);
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)x[i] - json_number_value(json_array_get(golden, i)));
        if (!(d <= worst)) worst = d;
    }
    return worst;
}

static inline void test_close(const char *what, const float *x, size_t n, const json_t *golden,
                              double tolerance) {
    double d = test_difference(x, n, golden);
    if (!(d <= tolerance)) fail_msg("%s: off by %g (tolerance %g)", what, d, tolerance);
}

#define test_ok(e, call)                                                                           \
    do {                                                                                           \
        if (call) fail_msg("%s: %s", #call, (e).message);                                          \
    } while (0)
#endif
