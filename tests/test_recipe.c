/* Recipes: what is wrong is said at its place; names and widths of what they make; vectors of views on
 * the host as on a tape; gradients; texts as views. */
#include "recipe/recipe.h"
#include "tiny.h"
#include <math.h>

#define test_ok(e, call)                                                                           \
    do {                                                                                           \
        if (call) fail_msg("%s", (e).message);                                                     \
    } while (0)

static void broken(const char *json, const char *says) {
    bert_error e = {0};
    bert_recipe *r = bert_recipe_parse(json, "r.json", &e);
    if (r) fail_msg("%s was taken", json);
    if (e.code != BERT_EFORMAT || !strstr(e.message, says))
        fail_msg("%s: \"%s\", not \"%s\"", json, e.message, says);
}

#define HEAD "\"head\": [{\"linear\": 2}]"

static void what_is_wrong_is_said_at_its_place(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"[1]", "r.json:1: must be an object, not a list"},
        {"{\n\"encoder\": 3}", "r.json:2: encoder: must be the name of a model"},
        {"{\"encoder\": \"a\",\n\n \"polling\": \"cls\"}",
         "r.json:3: polling: there is no such key"},
        {"{\"encoder\": {\"model\": \"\"}}", "r.json:1: encoder.model: must be"},
        {"{\"a\\\"\\\\\": {\"x\": \"}\"},\n\"inputs\": 1}", "there is no such key"},
        {"{\"encoder\": \"}{\\\"\",\n\"inputs\": 1}", "r.json:2: inputs: must be an object"},
        {"{\"inputs\": []}", "r.json:1: inputs: 0 views"},
        {"{\"inputs\": [{\"text\": \"a\"},\n{\"txt\": \"b\"}]}",
         "r.json:2: inputs[1].txt: there is no such key; the keys here are text, text_pair, image"},
        {"{\"inputs\": [{\"text\": \"a\"},\n{}]}", "r.json:2: inputs[1]: must be {\"text\""},
        {"{\"inputs\": [{\"text\": \"a\"},\n{\"image\": \"b\"}]}",
         "r.json:2: inputs[1]: texts and images cannot be views of one encoder"},
        {"{\"inputs\": {\"text\": \"a\", \"image\": \"b\"}}", "r.json:1: inputs: must be"},
        {"{\"inputs\": {\"image\": \"a\", \"text_pair\": \"b\"}}", "a text_pair goes with a text"},
        {"{\"inputs\": [{\"text\": \"a,b\"}, {\"text\": \"c\"}]}", "has a comma"},
        {"{\"pooling\":\n\"middle\"}", "r.json:1: pooling: must be \"cls\""},
        {"{\"pooling\": [\"cls\",\n\n2]}", "r.json:3: pooling[1]: must be \"cls\""},
        {"{\"pooling\": \"weightedmean\"}", "pooling: must be \"cls\""},
        {"{\"combine\": \"min\"}", "combine: must be \"max\""},
        {"{\"combine\": [\"u\",\n\"w\"]}", "r.json:2: combine[1]: must be \"u\""},
        {"{\"combine\": [\"u\", \"v\"], " HEAD "}", "terms are of two views, and there is 1"},
        {"{\"inputs\": [{\"text\": \"a\"}, {\"text\": \"b\"}],\n" HEAD "}",
         "r.json:1: inputs: 2 views, and \"combine\" does not say"},
        {"{\"encoder\": \"a\"}", "r.json:1: \"head\" is missing"},
        {"{\"head\": {}}", "head: must be a list of items"},
        {"{\"head\": []}", "head: must be a list of items"},
        {"{\"head\": [{\"dropout\": 1}]}", "head[0].dropout: must be a probability"},
        {"{\"head\": [{\"dropout\": 0.1},\n{\"dropout\": \"0.1\"}]}",
         "r.json:2: head[1].dropout: must be a probability, a number from 0 to below 1, not a "
         "text"},
        {"{\"head\": [{\"linear\": 0}]}", "head[0].linear: must be a whole number"},
        {"{\"head\": [{\"linear\": 1.5}]}", "head[0].linear: must be how many numbers it gives"},
        {"{\"head\": [{\"linear\": [3, true]}]}", "head[0].linear[1]: must be a whole number"},
        {"{\"head\": [{\"linear\": {\"outs\": 3}}]}", "head[0].linear.outs: there is no such key"},
        {"{\"head\": [{\"linear\": {\"bias\": 3}}]}", "head[0].linear.bias: must be true or false"},
        {"{\"head\": [\"linear\"]}", "head[0]: \"linear\" needs a value"},
        {"{\"head\": [\"lineer\"]}", "head[0]: there is no item \"lineer\""},
        {"{\"head\": [{\"linear\": 2, \"dropout\": 0.1}]}", "an object of another number of keys"},
        {"{\"head\": [7]}", "head[0]: must be one item"},
        {"{\"head\": [{\"activation\": \"relish\"}]}", "\"relish\" is no activation"},
        {"{\"head\": [{\"relu\": 3}]}", "an activation has no value"},
        {"{\"head\": [{\"layer_norm\": {\"eps\": 0}}]}", "must be a number between 0 and 1"},
        {"{\"head\": [{\"layer_norm\": \"x\"}]}", "head[0].layer_norm: must be true, its size"},
        {"{" HEAD ",\n\"problem_type\": \"ranking\"}", "r.json:2: problem_type: must be"},
        {"{" HEAD ", \"problem_type\": \"regression\"}",
         "gives 2 numbers, and a regression is of one"},
        {"{\"head\": [{\"linear\": 1}], \"problem_type\": \"single_label_classification\"}",
         "r.json:1: head: gives 1 number"},
        {"{" HEAD ", \"label\": [\"a\", \"b\", \"c\"]}", "gives 2 numbers, and there are 3 labels"},
        {"{" HEAD ", \"label\": [\"a\", \"b\"], \"problem_type\": \"single_label_classification\"}",
         "label: a list of columns is multi-label"},
        {"{" HEAD ", \"label\": \"a,b\"}", "label: a column of labels has no comma"},
        {"{" HEAD ", \"label\": []}", "label: must be the name of a column"},
        {"{" HEAD ", \"loss_weight\": -1}", "loss_weight: must be a number above 0"},
        {"{" HEAD ", \"function_to_apply\": \"relu\"}", "function_to_apply: must be \"default\""},
        {"{" HEAD ", \"image_range\": [3]}", "image_range: must be two numbers"},
        {"{" HEAD ", \"image_range\": [3, 3]}", "the second number must be above the first"},
        {"{" HEAD ", \"inputs\": {\"text\": \"a\"},\n\"image_range\": [0, 1]}",
         "r.json:2: image_range: is of images, and the inputs are texts"},
        {"{" HEAD ", \"train_file\": \"\"}", "train_file: must be the name of a file"},
        {"{" HEAD ", \"train_file\": []}", "train_file: must be the name of a file, or some"},
        {"{" HEAD ", \"train_file\": [\"a\",\n 7]}",
         "r.json:2: train_file[1]: must be the name of a file, not a number"},
        {"{" HEAD ", " HEAD "}", "not valid JSON: duplicate object key"},
        {"{" HEAD, "r.json:1:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) broken(cases[i][0], cases[i][1]);
}

static bert_recipe *recipe_of(const char *json) {
    bert_error e = {0};
    bert_recipe *r = bert_recipe_parse(json, NULL, &e);
    if (!r) fail_msg("%s: %s", json, e.message);
    return r;
}

static void what_it_says_can_be_asked(void **state) {
    (void)state;
    bert_recipe *r = recipe_of(
        "{\"encoder\": {\"model\": \"m\", \"num_hidden_layers\": 3}, \"inputs\": [{\"image\": "
        "\"a\"}, {\"image\": \"b\"}], \"combine\": \"max\", \"pooling\": [\"cls\", \"mean\"], "
        "\"head\": [{\"linear\": 1}], \"problem_type\": \"multi_label_classification\", "
        "\"label\": \"c\", \"image_range\": [0, 4095], \"train_file\": \"/x/t.csv\", "
        "\"metric\": \"f1\", \"loss_weight\": null}");
    bert_recipe_view v;
    bert_pooling pooling[BERT_MAX_POOLINGS];
    assert_string_equal(bert_recipe_encoder(r), "m");
    assert_string_equal(bert_recipe_config(r), "{\"num_hidden_layers\":3}");
    assert_int_equal(bert_recipe_views(r), 2);
    assert_true(bert_recipe_view_at(r, 1, &v));
    assert_string_equal(v.image, "b");
    assert_null(v.text);
    assert_false(bert_recipe_view_at(r, 2, &v));
    assert_string_equal(bert_recipe_value(r, "label"), "c,"); /* one column of 0 and 1 */
    assert_string_equal(bert_recipe_value(r, "image_range"), "0,4095");
    assert_string_equal(bert_recipe_value(r, "train_file"), "/x/t.csv");
    assert_string_equal(bert_recipe_value(r, "metric"), "f1");
    assert_null(bert_recipe_value(r, "validation_file"));
    assert_null(bert_recipe_files(r, "validation_file"));
    assert_string_equal(bert_recipe_files(r, "train_file")[0], "/x/t.csv");
    assert_null(bert_recipe_files(r, "train_file")[1]);
    assert_int_equal(bert_recipe_poolings(r, pooling), 2);
    assert_int_equal(pooling[1], BERT_POOLING_MEAN);
    bert_recipe_free(r);
    r = recipe_of("{" HEAD ", \"label\": [\"a\", \"b\"]}");
    assert_string_equal(bert_recipe_value(r, "label"), "a,b");
    assert_int_equal(bert_recipe_views(r), 1);
    assert_false(bert_recipe_view_at(r, 0, &v));
    assert_null(bert_recipe_encoder(r));
    assert_null(bert_recipe_config(r));
    bert_recipe_free(r);
}

/* ---- What they make of an encoder */

static bert_model *opened(const char *dir, const bert_recipe *r, int labels, bert_error *e) {
    bert_model_options o = bert_model_default();
    o.recipe = r;
    o.trainable = true;
    o.num_labels = labels;
    return bert_model_open(dir, &o, e);
}

static void names_and_widths(void **state) {
    (void)state;
    static const struct {
        const char *json;
        int labels;
        const char *says; /* NULL: the shape of */
        const char *name;
        int rows, cols;
    } cases[] = {
        {"{\"head\": [{\"dropout\": 0.2}, {\"linear\": 1}]}", 1, NULL, "classifier.1.weight", 1,
         TINY_HIDDEN},
        {"{\"head\": [{\"linear\": 8}, \"tanh\", \"LayerNoun\", {\"linear\": 3}]}", 3,
         "there is no item \"LayerNoun\"", NULL, 0, 0},
        {"{\"head\": [{\"linear\": 8}, \"ReLU\", \"LayerNorm\", {\"Linear\": \"num_labels\"}]}", 3,
         NULL, "classifier.3.weight", 3, 8},
        {"{\"head\": [{\"linear\": 8}, {\"gelu\": {}}, {\"layer_norm\": 8}, {\"linear\": [8, 3]}]}",
         3, NULL, "classifier.2.weight", 1, 8},
        {"{\"inputs\": [{\"text\": \"a\"}, {\"text\": \"b\"}], \"combine\": [\"u\", \"v\", "
         "\"|u-v|\"], \"head\": [{\"linear\": 3}]}",
         3, NULL, "classifier.0.weight", 3, 3 * TINY_HIDDEN},
        {"{\"inputs\": [{\"text\": \"a\"}, {\"text\": \"b\"}, {\"text\": \"c\"}], \"combine\": "
         "\"concatenate\", \"pooling\": [\"cls\", \"max\"], \"head\": [{\"linear\": 2}]}",
         2, NULL, "classifier.0.weight", 2, 6 * TINY_HIDDEN},
        {"{\"head\": [\n{\"linear\": 8},\n{\"linear\": [9, 2]}]}", 2,
         "recipe.json:3: head[1]: is of 9 numbers, and 8 come", NULL, 0, 0},
        {"{\"head\": [{\"layer_norm\": 31}, {\"linear\": 2}]}", 2,
         "recipe.json:1: head[0]: is of 31 numbers, and 32 come", NULL, 0, 0},
        {"{\n\"head\": [{\"linear\": 4}]}", 3,
         "recipe.json:2: head: gives 4 numbers, and there are 3", NULL, 0, 0},
        {"{\"inputs\": {\"image\": \"x\"}, \"head\": [{\"linear\": 2}]}", 2,
         "recipe.json: the inputs are images, and bert reads texts", NULL, 0, 0},
        {"{\"encoder\": {\"model\": \"m\",\n\"hidden_dropot_prob\": 0.1}, " HEAD "}", 2,
         "recipe.json:2: encoder.hidden_dropot_prob: config.json has no such key; "
         "\"hidden_dropout_prob\" is one",
         NULL, 0, 0},
        {"{\"encoder\": {\"num_hidden_layers\": 1}, \"head\": [{\"linear\": {\"out\": 2, \"bias\": "
         "false}}]}",
         0, NULL, "classifier.0.weight", 2, TINY_HIDDEN},
    };
    char *dir = test_directory();
    tiny_model(dir, 3, "single_label_classification", 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bert_error e = {0};
        int32_t rows, cols;
        bert_recipe *r = bert_recipe_parse(cases[i].json, NULL, &e);
        bert_model *m = r ? opened(dir, r, cases[i].labels, &e) : NULL;
        if (cases[i].says) {
            if (m || !strstr(e.message, cases[i].says))
                fail_msg("%s: \"%s\"", cases[i].json, e.message);
        } else {
            if (!m) fail_msg("%s: %s", cases[i].json, e.message);
            const bert_param *p = bert_params_find(bert_model_params(m), cases[i].name);
            assert_non_null(p);
            bert_param_shape(p, &rows, &cols);
            assert_int_equal(rows, cases[i].rows);
            assert_int_equal(cols, cases[i].cols);
        }
        bert_model_close(m);
        bert_recipe_free(r);
    }
    test_remove(dir);
}

/* ---- Numbers */

enum { ROWS = 3, MOST_VIEWS = 3 };

typedef struct {
    int32_t start[ROWS * MOST_VIEWS + 1], ids[256];
    bert_batch b;
    float targets[ROWS];
} some_rows;

static void make_rows(some_rows *s, int views) {
    const int n = ROWS * views;
    memset(s, 0, sizeof *s);
    for (int i = 0, at = 0; i < n; i++) {
        for (int k = 0; k < 3 + i % 4; k++) s->ids[at++] = 5 + (i * 7 + k * 3) % TINY_WORDS;
        s->start[i + 1] = at;
    }
    for (int i = 0; i < ROWS; i++) s->targets[i] = (float)(i % 2);
    s->b = (bert_batch){.inputs = {.n = n, .start = s->start, .ids = s->ids},
                        .targets = s->targets,
                        .row_count = ROWS};
}

static double loss_of(bert_tape *t, const bert_model *m, const some_rows *s, bool backward) {
    bert_error e = {0};
    bert_tape_reset(t);
    bert_tensor *hidden = bert_forward(t, m, &s->b.inputs);
    bert_tensor *loss = bert_head_loss(t, m, bert_head_forward(t, m, hidden, &s->b), &s->b, 0);
    const float *value = bert_tensor_read(t, loss);
    if (bert_tape_error(t, &e)) fail_msg("%s", e.message);
    const double x = (double)*value;
    if (backward) test_ok(e, bert_tape_backward(t, loss, 1, &e));
    return x;
}

/* Of every kind of pooling and combining, by differences; a loss weight is in it. */
static void gradients_are_those_of_differences(void **state) {
    (void)state;
    static const char *const poolings[] = {
        "\"cls\"",       "\"mean\"",           "\"max\"", "\"sum\"", "\"pooler\"",
        "\"lasttoken\"", "[\"cls\", \"mean\"]"};
    static const char *const combines[] = {"\"max\"", "\"mean\"", "\"sum\"", "\"concatenate\"",
                                           "[\"u\", \"v\", \"|u-v|\", \"u*v\", \"u-v\"]"};
    char *dir = test_directory(), json[800];
    tiny_model(dir, 1, "multi_label_classification", 0);
    bert_tape *t = bert_tape_new(&(bert_tape_options){.threads = 1, .record = true}, NULL);
    for (size_t k = 0; k < 7 + 5; k++) {
        const int views = k < 7 ? 1 : k - 7 < 4 ? 3 : 2;
        snprintf(json, sizeof json,
                 "{\"inputs\": [{\"text\": \"a\"}%s%s], \"pooling\": %s%s%s, \"loss_weight\": 0.5, "
                 "\"head\": [{\"linear\": 6}, \"layer_norm\", \"gelu\", {\"linear\": 1}], "
                 "\"problem_type\": \"multi_label_classification\"}",
                 views > 1 ? ", {\"text\": \"b\"}" : "", views > 2 ? ", {\"text\": \"c\"}" : "",
                 k < 7 ? poolings[k] : "\"mean\"", views > 1 ? ", \"combine\": " : "",
                 views > 1 ? combines[k - 7] : "");
        bert_error e = {0};
        bert_recipe *r = recipe_of(json);
        bert_model *m = opened(dir, r, 1, &e);
        if (!m) fail_msg("%s: %s", json, e.message);
        some_rows s;
        make_rows(&s, views);
        loss_of(t, m, &s, true);
        const char *names[] = {"bert.embeddings.word_embeddings.weight", "classifier.0.weight",
                               "bert.encoder.layer.1.output.dense.bias"};
        for (int p = 0; p < 3; p++) {
            bert_param *param = bert_params_find(bert_model_params(m), names[p]);
            float *x = bert_param_value_mut(param);
            for (int i = 5 * TINY_HIDDEN * (p == 0); i < 5 * TINY_HIDDEN * (p == 0) + 12; i++) {
                const float before = x[i], h = 2e-3f;
                const double grad = (double)bert_param_grad(param)[i];
                x = bert_param_value_mut(param);
                x[i] = before + h;
                const double up = loss_of(t, m, &s, false);
                x = bert_param_value_mut(param);
                x[i] = before - h;
                const double down = loss_of(t, m, &s, false);
                x = bert_param_value_mut(param);
                x[i] = before;
                const double slope = (up - down) / (2 * (double)h);
                if (fabs(slope - grad) > 2e-4 + 0.02 * fabs(slope))
                    fail_msg("%s: %s[%d]: %g, by differences %g", json, names[p], i, grad, slope);
            }
        }
        bert_model_close(m);
        bert_recipe_free(r);
    }
    bert_tape_free(t);
    test_remove(dir);
}

/* Equal values: the whole gradient is the first one's, as of torch.max(x, 0); of |u - v| none. */
static void ties(void **state) {
    (void)state;
    const float x[] = {1, 2, /**/ 1, 3}, want_max[] = {1, 0, 0, 1};
    const int32_t start[] = {0, 2};
    bert_error e = {0};
    bert_tape *t = bert_tape_new(&(bert_tape_options){.threads = 1, .record = true}, &e);
    bert_tensor *in = bert_constant(t, x, 2, 2, true);
    bert_tensor *sum = bert_sum(t, bert_max_groups(t, in, start, 1));
    test_ok(e, bert_tape_backward(t, sum, 1, &e));
    assert_memory_equal(bert_tensor_read_grad(t, in), want_max, sizeof want_max);
    bert_tape_free(t);
}

/* The linear is the identity, so that logits are what stands in front of it. */
static void vectors_of_rows_are_the_same_on_the_host(void **state) {
    (void)state;
    static const char *const combines[] = {"\"max\"", "\"mean\"", "\"sum\"", "\"concatenate\"",
                                           "[\"v\", \"u\", \"|u-v|\", \"u*v\", \"u-v\"]"};
    static const int factor[] = {1, 1, 1, 2, 5};
    char *dir = test_directory(), json[400];
    tiny_model(dir, 1, "multi_label_classification", 0);
    for (int k = 0; k < 5; k++) {
        const int width = factor[k] * TINY_HIDDEN;
        snprintf(json, sizeof json,
                 "{\"inputs\": [{\"text\": \"a\"}, {\"text\": \"b\"}], \"combine\": %s, "
                 "\"head\": [{\"linear\": {\"out\": %d, \"bias\": false}}]}",
                 combines[k], width);
        bert_error e = {0};
        bert_recipe *r = recipe_of(json);
        bert_model *m = opened(dir, r, width, &e);
        if (!m) fail_msg("%s", e.message);
        float *w =
            bert_param_value_mut(bert_params_find(bert_model_params(m), "classifier.0.weight"));
        for (int i = 0; i < width * width; i++) w[i] = i / width == i % width;
        some_rows s;
        make_rows(&s, 2);
        bert_tape *t = bert_tape_new(&(bert_tape_options){.threads = 1}, &e);
        bert_tensor *hidden = bert_forward(t, m, &s.b.inputs);
        const float *cls = bert_tensor_read(t, bert_cls(t, hidden, &s.b.inputs));
        const float *rows = bert_tensor_read(t, bert_head_forward(t, m, hidden, &s.b));
        float own[ROWS * 5 * TINY_HIDDEN];
        assert_int_equal(bert_recipe_combined_size(r, TINY_HIDDEN), width);
        test_ok(e, bert_recipe_combine(r, cls, ROWS, TINY_HIDDEN, own, &e));
        for (int i = 0; i < ROWS * width; i++)
            assert_true(fabsf(own[i] - rows[i]) <= 1e-5f * (1 + fabsf(rows[i])));
        bert_tape_free(t);
        bert_model_close(m);
        bert_recipe_free(r);
    }
    test_remove(dir);
}

/* ---- The same in PyTorch: tools/golden_recipe.py */

/* Parameters that are new, by the formula of the others. */
static void fill_head(const bert_model *m) {
    for (int i = 0; i < bert_params_count(bert_model_params(m)); i++) {
        bert_param *p = bert_params_at(bert_model_params(m), i);
        int32_t rows, cols;
        if (bert_param_part(p) != BERT_PART_HEAD) continue;
        bert_param_shape(p, &rows, &cols);
        const uint32_t seed = (uint32_t)bert_rng_stream(bert_param_name(p));
        float *x = bert_param_value_mut(p);
        for (int32_t k = 0; k < rows * cols; k++)
            x[k] = (float)((tiny_hash(seed, (uint32_t)k) / 2147483648.0 - 1) * 0.1);
    }
}

enum { TORCH_ROWS = 6 };

typedef struct {
    int32_t start[TORCH_ROWS * MOST_VIEWS + 1], ids[TORCH_ROWS * MOST_VIEWS * TINY_LENGTH];
    int32_t labels[TORCH_ROWS];
    float targets[TORCH_ROWS * 2];
    bert_batch b;
} torch_rows;

static void fill_rows(torch_rows *s, const char *problem, int views, int outputs) {
    int at = 0;
    memset(s, 0, sizeof *s);
    for (int i = 0; i < TORCH_ROWS * views; i++) {
        s->ids[at++] = 2;
        for (int k = 0; k < tiny_words(i); k++) s->ids[at++] = 5 + tiny_word(i, k);
        s->ids[at++] = 3;
        s->start[i + 1] = at;
    }
    s->b = (bert_batch){.inputs = {.n = TORCH_ROWS * views, .start = s->start, .ids = s->ids},
                        .row_count = TORCH_ROWS};
    const bool single = !strcmp(problem, "single_label_classification");
    for (int i = 0; i < TORCH_ROWS; i++) {
        const int first = tiny_word(i * views, 0);
        s->labels[i] = first % outputs;
        for (int k = 0; k < outputs && !single; k++)
            s->targets[i * outputs + k] = !strcmp(problem, "regression")
                                              ? (float)(first / 10.0 - 1.5)
                                              : (float)(first % (2 + k) == 0);
    }
    if (single)
        s->b.labels = s->labels, s->b.label_count = TORCH_ROWS;
    else
        s->b.targets = s->targets;
}

static void check_grads(const bert_model *m, const json_t *grads) {
    const char *name;
    json_t *want;
    json_object_foreach((json_t *)(uintptr_t)grads, name, want) {
        const bert_param *p = bert_params_find(bert_model_params(m), name);
        if (!p) fail_msg("there is no %s", name);
        for (size_t i = 0; i < json_array_size(want); i++) {
            const double g = json_real_value(json_array_get(want, i));
            const double own = (double)bert_param_grad(p)[i];
            if (fabs(own - g) > 2e-6 + 1e-5 * fabs(g))
                fail_msg("%s[%zu]: %g, not %g", name, i, own, g);
        }
    }
}

static void descend(const bert_model *m, float lr) {
    for (int i = 0; i < bert_params_count(bert_model_params(m)); i++) {
        bert_param *p = bert_params_at(bert_model_params(m), i);
        int32_t rows, cols;
        bert_param_shape(p, &rows, &cols);
        float *x = bert_param_value_mut(p);
        for (int32_t k = 0; k < rows * cols; k++) x[k] -= lr * bert_param_grad(p)[k];
    }
    bert_params_zero_grad(bert_model_params(m));
}

static void as_in_torch(const char *dir, const json_t *c, bool adamw) {
    char *json = json_dumps(json_object_get(c, "recipe"), 0);
    const int outputs = (int)json_integer_value(json_object_get(c, "outputs"));
    const json_t *losses = json_object_get(c, adamw ? "adamw" : "sgd");
    bert_error e = {0};
    bert_recipe *r = recipe_of(json);
    bert_model *m = opened(dir, r, outputs, &e);
    if (!m) fail_msg("%s: %s", json, e.message);
    fill_head(m);
    torch_rows s;
    fill_rows(&s, bert_recipe_value(r, "problem_type"), bert_recipe_views(r), outputs);
    bert_tape *t = bert_tape_new(&(bert_tape_options){.threads = 1, .record = true}, &e);
    bert_adamw_options o = bert_adamw_default();
    o.weight_decay = 0.01;
    bert_optimizer *opt = bert_optimizer_new(bert_model_params(m), &o, 1, &e);
    for (size_t step = 0; step < json_array_size(losses); step++) {
        bert_tape_reset(t);
        bert_tensor *hidden = bert_forward(t, m, &s.b.inputs);
        bert_tensor *loss = bert_head_loss(t, m, bert_head_forward(t, m, hidden, &s.b), &s.b, 0);
        test_ok(e, bert_tape_backward(t, loss, 1, &e));
        const double own = (double)*bert_tensor_read(t, loss),
                     want = json_real_value(json_array_get(losses, step));
        if (fabs(own - want) > 3e-5 * (1 + fabs(want)))
            fail_msg("%s: step %zu of %s: %.8f, not %.8f", json, step, adamw ? "AdamW" : "SGD", own,
                     want);
        if (!step) check_grads(m, json_object_get(c, "grad"));
        if (adamw)
            test_ok(e, bert_optimizer_step(opt, 1e-3, 0, NULL, &e));
        else
            descend(m, 0.01f);
    }
    bert_optimizer_free(opt);
    bert_tape_free(t);
    bert_model_close(m);
    bert_recipe_free(r);
    free(json);
}

static void heads_learn_as_in_torch(void **state) {
    (void)state;
    json_t *cases = json_load_file(BERT_SOURCE_DIR "/tests/golden/recipe.json", 0, NULL), *c;
    size_t i;
    char *dir = test_directory();
    tiny_model(dir, 2, "", 0);
    assert_non_null(cases);
    json_array_foreach(cases, i, c) {
        as_in_torch(dir, c, false);
        as_in_torch(dir, c, true);
    }
    json_decref(cases);
    test_remove(dir);
}

/* ---- Saved, found again, used */

static void it_is_saved_and_used(void **state) {
    (void)state;
    char *dir = test_directory(), to[4200];
    tiny_model(dir, 2, "single_label_classification", 0);
    bert_error e = {0};
    bert_recipe *r = recipe_of("{\"inputs\": [{\"text\": \"a\"}, {\"text\": \"b\"}], \"combine\": "
                               "[\"u\", \"|u-v|\"], \"function_to_apply\": \"none\", " HEAD "}");
    bert_model *m = opened(dir, r, 2, &e);
    if (!m) fail_msg("%s", e.message);
    bert_recipe_free(r); /* the model keeps what it needs */
    assert_string_equal(bert_model_head(m), "recipe");
    snprintf(to, sizeof to, "%s/saved", dir);
    test_ok(e, bert_model_save(m, to, &e));
    bert_model_close(m);
    m = bert_model_open(to, NULL, &e);
    if (!m) fail_msg("%s", e.message);
    assert_null(bert_model_new_parameter(m, 0));
    assert_int_equal(bert_model_views(m), 2);
    bert_session *s = bert_session_new(m, NULL, &e);
    const bert_text texts[] = {bert_text_of("w1 w2"), bert_text_of("w3"), bert_text_of("w5 w6"),
                               bert_text_of("w5 w6"), bert_text_of("w1"), {0}};
    float scores[6], one[2], sigmoid[4];
    test_ok(e, bert_classify(s, texts, 2, NULL, BERT_SCORES_DEFAULT, scores, NULL, &e));
    test_ok(e, bert_classify(s, texts + 2, 1, NULL, BERT_SCORES_DEFAULT, one, NULL, &e));
    assert_memory_equal(scores + 2, one, sizeof one); /* whatever else is in the batch */
    test_ok(e, bert_classify(s, texts, 2, NULL, BERT_SCORES_SIGMOID, sigmoid, NULL, &e));
    for (int i = 0; i < 4; i++)
        assert_true(fabs(1 / (1 + exp(-(double)scores[i])) - (double)sigmoid[i]) < 1e-6);
    /* A text that fails takes its row with it, and no other. */
    bert_text_info info[6];
    bert_text_options o = bert_text_default();
    o.keep_going = true;
    test_ok(e, bert_classify(s, texts, 3, &o, BERT_SCORES_DEFAULT, scores, info, &e));
    assert_memory_equal(scores + 2, one, sizeof one);
    assert_int_equal(info[3].code, 0);
    assert_int_equal(info[4].code, info[5].code);
    assert_int_not_equal(info[5].code, 0);
    assert_true(scores[4] == 0);
    o.overflow = BERT_OVERFLOW_WINDOW;
    assert_int_equal(bert_classify(s, texts, 1, &o, BERT_SCORES_DEFAULT, scores, info, &e),
                     BERT_EUNSUPPORTED);
    bert_session_free(s);
    bert_model_close(m);
    /* Without the file there is no head, but the encoder. */
    char path[4300];
    snprintf(path, sizeof path, "%s/recipe.json", to);
    assert_int_equal(remove(path), 0);
    bert_error_clear(&e);
    assert_null(bert_model_open(to, NULL, &e));
    assert_non_null(strstr(e.message, "recipe.json is not there"));
    bert_error_clear(&e);
    m = bert_model_open(to, &(bert_model_options){.head = "none"}, &e);
    assert_non_null(m);
    assert_non_null(strstr(bert_model_note(m, 0), "recipe.json is not there"));
    bert_model_close(m);
    test_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_said_at_its_place),
        cmocka_unit_test(what_it_says_can_be_asked),
        cmocka_unit_test(names_and_widths),
        cmocka_unit_test(gradients_are_those_of_differences),
        cmocka_unit_test(ties),
        cmocka_unit_test(vectors_of_rows_are_the_same_on_the_host),
        cmocka_unit_test(heads_learn_as_in_torch),
        cmocka_unit_test(it_is_saved_and_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
