/* The commands that make vectors of texts, and scores of pairs: what their options do. */
#include "tool.h"
#include <math.h>

static void make_folder(const char *name) {
    char path[4200];
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/%s", home, name);
    assert_int_equal(bert_make_directory(path, &e), 0);
}

/* home/st: mean pooling, two prompts, the dot product; home/old: the same in 0_Transformer. */
static int set_up_sentences(void **state) {
    static const char *const models[][3] = {{"st", "st", ""},
                                            {"old", "old/0_Transformer", "0_Transformer"}};
    set_up(state);
    for (int i = 0; i < 2; i++) {
        char path[4200], name[100], text[400];
        make_folder(models[i][1]);
        snprintf(path, sizeof path, "%s/%s", home, models[i][1]);
        tiny_model(path, 1, "", 0.1);
        snprintf(name, sizeof name, "%s/1_Pooling", models[i][0]);
        make_folder(name);
        snprintf(name, sizeof name, "%s/1_Pooling/config.json", models[i][0]);
        write_file(name, "{\"pooling_mode\": \"mean\"}");
        snprintf(text, sizeof text,
                 "[{\"type\": \"sentence_transformers.models.%s\", \"path\": \"%s\"}, "
                 "{\"type\": \"sentence_transformers.models.Pooling\", \"path\": \"1_Pooling\"}]",
                 i ? "BERT" : "Transformer", models[i][2]);
        snprintf(name, sizeof name, "%s/modules.json", models[i][0]);
        write_file(name, text);
        snprintf(name, sizeof name, "%s/config_sentence_transformers.json", models[i][0]);
        write_file(name, "{\"prompts\": {\"q\": \"w9 \", \"p\": \"w8 w7 \"}, "
                         "\"default_prompt_name\": \"q\", \"similarity_fn_name\": \"dot\"}");
    }
    static char many[150 * 16];
    size_t used = 0;
    for (int i = 0; i < 150; i++)
        used += (size_t)snprintf(many + used, sizeof many - used, "w%d w%d\n", i % 31, i % 7);
    write_file("many.txt", many);
    return 0;
}

/* The vector of the first line; how many numbers it has. */
static int vector(float *v) {
    json_t *o = line(0), *list = json_object_get(o, "embedding");
    const int n = (int)json_array_size(list);
    for (int i = 0; i < n; i++) v[i] = (float)json_number_value(json_array_get(list, (size_t)i));
    json_decref(o);
    return n;
}

static void same_vectors(const char *a, const char *b, bool same) {
    float x[TINY_HIDDEN], y[TINY_HIDDEN];
    expect(0, bert("embed %s", a));
    assert_int_equal(vector(x), TINY_HIDDEN);
    expect(0, bert("embed %s", b));
    assert_int_equal(vector(y), TINY_HIDDEN);
    if (same != !memcmp(x, y, sizeof x)) fail_msg("embed %s; embed %s", a, b);
}

/* Words of a checkpoint with a head of masked words; vectors of a head's own kind go into a file. */
static void sparse_and_multi(void **state) {
    (void)state;
    char path[4200];
    static const char
        config[] = "{\"model_type\": \"MultiVectorEncoder\"}",
        normalize[] = "{\"module_input_name\": \"token_embeddings\"}",
        modules[] = "[{\"type\": \"sentence_transformers.models.Transformer\", \"path\": \"\"}, "
                    "{\"type\": \"sentence_transformers.models.Normalize\", \"path\": \"1_N\"}]";
    make_folder("tokens/1_N");
    snprintf(path, sizeof path, "%s/tokens", home);
    tiny_model(path, 1, "", 0.1);
    write_file("tokens/modules.json", modules);
    write_file("tokens/1_N/config.json", normalize);
    write_file("tokens/config_sentence_transformers.json", config);
    expect(0, bert("embed tokens 'w1 w2' --vectors multi"));
    json_t *o = line(0);
    assert_int_equal(json_array_size(json_object_get(o, "multi")), 4);
    assert_null(json_object_get(o, "embedding"));
    json_decref(o);
    expect(0, bert("rerank tokens w1 'w2 w3' w1 --vectors multi"));
    o = line(0);
    assert_int_equal(json_integer_value(json_object_get(o, "index")), 1);
    assert_true(fabs(json_number_value(json_object_get(o, "score")) - 3) < 1e-5);
    json_decref(o);
    expect(1, bert("embed tokens w1"));
    says(err, "--vectors multi");
    expect(1, bert("embed st w1 --vectors sparse"));
    says(err, "head of masked words");
    expect(2, bert("embed tokens w1 --vectors multi -o x.npy"));
    expect(2, bert("embed tokens w1 --vectors multi --ids"));
    expect(2, bert("embed tokens w1 --vectors sparse,many"));
    expect(2, bert("rerank tokens w1 w2 --vectors sparse,multi"));
    expect(0, bert("embed tokens -i many.txt --vectors multi -o x.safetensors"));
    expect(0, bert("info tokens"));
    o = line(0);
    char *kinds = json_dumps(json_object_get(o, "vectors"), JSON_COMPACT);
    assert_string_equal(kinds, "[\"multi\"]");
    free(kinds);
    json_decref(o);
}

static void options_of_vectors(void **state) {
    (void)state;
    float x[3 * TINY_HIDDEN], y[TINY_HIDDEN];
    same_vectors("st w1", "st 'w9 w1' --prompt ''", true);
    same_vectors("st w1", "st w1 --prompt-name q", true);
    same_vectors("st w1 --prompt-name p", "st w1 --prompt 'w8 w7 '", true);
    same_vectors("st w1 --prompt-name query", "st w1 --prompt ''", true);
    same_vectors("st w1", "old w1", true);
    same_vectors("st w1 --layer -1", "st w1 --layer 2", true);
    same_vectors("st w1", "st w1 --layer 2", true);
    same_vectors("st w1 --layer -2", "st w1 --layer 1", true);
    same_vectors("st w1 --layer -3", "st w1 --layer 0", true);
    same_vectors("st w1 --layer 0", "st w1 --layer 1", false);
    expect(0, bert("embed st w1 --pooling mean,cls,lasttoken"));
    assert_int_equal(vector(x), 3 * TINY_HIDDEN);
    expect(0, bert("embed st w1 --dimensions 5"));
    assert_int_equal(vector(y), 5);
    assert_memory_equal(x, y, 5 * sizeof *y);
    expect(0, bert("embed st w1 --dimensions 5 --normalize"));
    assert_int_equal(vector(y), 5);
    bert_normalize(x, 1, 5);
    assert_memory_equal(x, y, 5 * sizeof *y);
    expect(1, bert("embed st w1 --dimensions 33"));
    says(err, "have 32");
    expect(1, bert("embed st w1 --prompt-name z"));
    says(err, "it has \"q\", \"p\"");
    expect(1, bert("embed st w1 --layer 3"));
    says(err, "0 to 2, or -3 to -1");
    expect(0, bert("embed st w1 --prompt ''"));
    assert_string_equal(err, "");
    expect(2, bert("embed st w1 --layer last"));
    expect(2, bert("embed st w1 --dimensions 0"));
    expect(2, bert("embed st w1 --pooling mean,"));
    expect(0, bert("tokenize old w1"));
    expect(0, bert("info old"));
    json_t *o = line(0);
    assert_int_equal((int)number(o, "embedding_size"), TINY_HIDDEN);
    assert_int_equal(size(o, "prompts"), 2);
    assert_string_equal(json_string_value(json_object_get(o, "default_prompt")), "w9 ");
    assert_string_equal(json_string_value(json_object_get(o, "similarity")), "dot");
    json_decref(o);
}

/* ---- Fewer bits */

enum { MANY = 150 };

/* The whole numbers of every line. */
static void numbers(int *to, int columns) {
    assert_int_equal(lines(), MANY);
    char *p = out;
    for (int i = 0; i < MANY; i++) {
        p = strchr(p, '[') + 1;
        for (int j = 0; j < columns; j++, p++) to[i * columns + j] = (int)strtol(p, &p, 10);
    }
}

static float *load(const char *name, int rows, int columns) {
    char path[4200];
    float *v;
    int64_t r, c;
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/%s", home, name);
    if (bert_load_npy(path, &v, &r, &c, &e)) fail_msg("%s", e.message);
    assert_true(r == rows && c == columns);
    return v;
}

static void ranges_of(const float *v, float *ranges) {
    for (int j = 0; j < TINY_HIDDEN; j++) {
        ranges[j] = ranges[TINY_HIDDEN + j] = v[j];
        for (int i = 1; i < MANY; i++) {
            ranges[j] = fminf(ranges[j], v[i * TINY_HIDDEN + j]);
            ranges[TINY_HIDDEN + j] = fmaxf(ranges[TINY_HIDDEN + j], v[i * TINY_HIDDEN + j]);
        }
    }
}

static void quantized_vectors(void **state) {
    (void)state;
    static int got[MANY * TINY_HIDDEN], again[MANY * TINY_HIDDEN];
    static int8_t wanted[MANY * TINY_HIDDEN];
    float ranges[2 * TINY_HIDDEN];
    char path[4200];
    bert_error e = {0};
    expect(0, bert("embed st -i many.txt -o v.npy"));
    float *v = load("v.npy", MANY, TINY_HIDDEN);
    ranges_of(v, ranges);
    assert_int_equal(
        bert_quantize_rows(BERT_QUANTIZE_INT8, v, MANY, TINY_HIDDEN, ranges, wanted, &e), 0);
    free(v);
    snprintf(path, sizeof path, "%s/r.npy", home);
    assert_int_equal(bert_save_npy(path, ranges, 2, TINY_HIDDEN, &e), 0);
    /* From a file, a pipe, which is read once, and ranges that were kept: all the same. */
    static const char *const ways[] = {"-i many.txt", "<many.txt", "-i many.txt --ranges r.npy"};
    for (int i = 0; i < 3; i++) {
        expect(0, bert("embed st --quantize int8 %s", ways[i]));
        says(err, "\"w9 \""); /* the prompt, and nothing of ranges */
        assert_null(strstr(err, "ranges"));
        numbers(i ? again : got, TINY_HIDDEN);
        for (int k = 0; k < MANY * TINY_HIDDEN; k++)
            assert_int_equal((i ? again : got)[k], wanted[k]);
    }
    expect(0, bert("embed st --quantize uint8 -i many.txt"));
    numbers(again, TINY_HIDDEN);
    for (int k = 0; k < MANY * TINY_HIDDEN; k++) assert_int_equal(again[k], wanted[k] + 128);
    expect(0, bert("embed st --quantize binary -i many.txt"));
    numbers(got, TINY_HIDDEN / 8);
    expect(0, bert("embed st --quantize ubinary -i many.txt"));
    numbers(again, TINY_HIDDEN / 8);
    for (int k = 0; k < MANY * TINY_HIDDEN / 8; k++) assert_int_equal(again[k], got[k] + 128);
    /* As a matrix, of bytes. */
    expect(0, bert("embed st --quantize int8 -i many.txt -o q.npy"));
    says(err, "150 x 32");
    static char file[MANY * TINY_HIDDEN + 200];
    FILE *f = fopen((snprintf(path, sizeof path, "%s/q.npy", home), path), "rb");
    assert_non_null(f);
    assert_int_equal(fread(file, 1, sizeof file, f), 128 + sizeof wanted);
    fclose(f);
    says(file + 10, "'|i1'");
    assert_memory_equal(file + 128, wanted, sizeof wanted);
    expect(0, bert("embed st --quantize ubinary -i many.txt -o q.npy"));
    says(err, "150 x 4");
    expect(0, bert("embed st --quantize int8 w1 w2 'w3 w4' --columns"));
    says(out, "-128");
    says(err, "3 vectors");
    expect(0, bert("embed st --quantize int8 w1 w2 --quiet"));
    assert_string_equal(err, "");
}

static void ranges_that_are_none(void **state) {
    (void)state;
    char path[4200];
    float r[2 * TINY_HIDDEN] = {1};
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/wrong.npy", home);
    assert_int_equal(bert_save_npy(path, r, 2, TINY_HIDDEN, &e), 0);
    expect(1, bert("embed st w1 --quantize int8 --ranges wrong.npy"));
    says(err, "column 0");
    assert_int_equal(bert_save_npy(path, r, 1, TINY_HIDDEN, &e), 0);
    expect(1, bert("embed st w1 --quantize int8 --ranges wrong.npy"));
    says(err, "2 x 32");
    expect(1, bert("embed st w1 --quantize int8 --ranges none.npy"));
    expect(1, bert("embed st w1 --quantize int8"));
    says(err, "--ranges");
    expect(2, bert("embed st w1 --quantize binary --ranges wrong.npy"));
    expect(2, bert("embed st w1 --ranges wrong.npy"));
    expect(2, bert("embed st w1 --quantize int4"));
    says(err, "ubinary");
}

/* ---- Two vectors, pairs */

static double score(const char *arguments) {
    expect(0, bert("%s", arguments));
    json_t *o = line(0);
    const double x = number(o, "score");
    json_decref(o);
    return x;
}

static void functions_of_two(void **state) {
    (void)state;
    float a[TINY_HIDDEN], b[TINY_HIDDEN];
    expect(0, bert("embed st w1"));
    vector(a);
    expect(0, bert("embed st w2"));
    vector(b);
    for (int i = 0; i < BERT_SIMILARITY_COUNT; i++) {
        char command[200];
        snprintf(command, sizeof command, "similarity st w1 w2 --function %s",
                 bert_similarity_name((bert_similarity)i));
        assert_float_equal(score(command),
                           bert_similarity_of((bert_similarity)i, a, b, TINY_HIDDEN), 1e-6);
    }
    assert_float_equal(score("similarity st w1 w2"), /* the model's own */
                       bert_similarity_of(BERT_SIMILARITY_DOT, a, b, TINY_HIDDEN), 1e-6);
    assert_true(score("similarity m w1 w1") == 1);
    assert_float_equal(score("similarity st w1 w2 --dimensions 4 --function cosine"),
                       bert_cosine(a, b, 4), 1e-6);
    expect(2, bert("similarity m w1 w2 --function jaccard"));
}

static void functions_of_a_logit(void **state) {
    (void)state;
    const double logit = score("rerank st w1 w2 --function-to-apply none");
    assert_float_equal(score("rerank st w1 w2"), 1 / (1 + exp(-logit)), 1e-6);
    assert_float_equal(score("rerank st w1 w2 --function-to-apply sigmoid"), 1 / (1 + exp(-logit)),
                       1e-6);
    assert_true(score("rerank st w1 w2 --prompt 'w3 '") == score("rerank st 'w3 w1' w2"));
    expect(2, bert("rerank st w1 w2 --function-to-apply softmax"));
    /* Texts in batches are those one by one. */
    expect(0, bert("rerank st w1 -i many.txt"));
    assert_int_equal(lines(), MANY);
    json_t *last = line(MANY - 1);
    char command[200];
    snprintf(command, sizeof command, "rerank st w1 '%s'",
             json_string_value(json_object_get(last, "text")));
    const double alone = number(last, "score");
    json_decref(last);
    assert_true(score(command) == alone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_of_vectors), cmocka_unit_test(sparse_and_multi),
        cmocka_unit_test(quantized_vectors),  cmocka_unit_test(ranges_that_are_none),
        cmocka_unit_test(functions_of_two),   cmocka_unit_test(functions_of_a_logit),
    };
    return cmocka_run_group_tests(tests, set_up_sentences, tear_down);
}
