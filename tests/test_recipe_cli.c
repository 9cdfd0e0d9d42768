/* Recipes as a user has them: trained, evaluated, used, saved in another form; views of texts and of
 * pictures; the same in C (examples/severity.c). */
#include "models.h"
#include "picture_world.h"
#include "tool.h"

static char *in_home(const char *name) {
    static char path[4300];
    snprintf(path, sizeof path, "%s/%s", home, name);
    return path;
}

/* Whether two texts begin with the same word: columns premise, hypothesis, same. */
static void write_text_pairs(const char *name, int rows) {
    static char text[1 << 16];
    size_t n = (size_t)snprintf(text, sizeof text, "premise,hypothesis,same\n");
    for (int i = 0; i < rows; i++) {
        const int a = tiny_word(i, 0) % 3, b = tiny_word(i, 1) % 3;
        n += (size_t)snprintf(text + n, sizeof text - n, "w%d,w%d,%d\n", a, b, a == b);
    }
    write_file(name, text);
}

#define TRAINED "--num-train-epochs 40 --learning-rate 3e-3 --threads 2 --save-strategy no"

static float first_of(int row) {
    json_t *o = line(row);
    const float x = (float)json_number_value(json_array_get(json_object_get(o, "embedding"), 0));
    json_decref(o);
    return x;
}

/* A view that is too long has the vector that the text by itself has. */
static void views_in_windows(void) {
    write_file("far.csv", "premise,hypothesis\nw1,w0 w1 w2 w0 w1 w2 w0 w1 w2 w0 w1 w2 w0 w1 w2 w0 "
                          "w1 w2 w0 w1 w2 w0 w1 w2\n");
    expect(1, bert("embed pair -i far.csv"));
    says(err, "26 tokens");
    expect(0, bert("embed pair -i far.csv --on-overflow window"));
    json_t *o = line(0), *row = json_object_get(o, "embedding");
    const float v = (float)json_number_value(json_array_get(row, TINY_HIDDEN));
    json_decref(o);
    expect(0, bert("embed pair 'w0 w1 w2 w0 w1 w2 w0 w1 w2 w0 w1 w2 w0 w1 w2 w0 w1 w2 w0 w1 w2 w0 "
                   "w1 w2' --on-overflow window"));
    assert_true(first_of(0) == v);
    expect(1, bert("classify pair -i far.csv --on-overflow window"));
    says(err, "texts that are views of a row are not read in windows");
}

static void a_pair_of_texts_is_two_views(void **state) {
    (void)state;
    write_text_pairs("pairs.csv", 48);
    write_file(
        "pair.json",
        "{\"encoder\": \"m\", \"inputs\": [{\"text\": \"premise\"}, {\"text\": \"hypothesis\"}],\n"
        " \"pooling\": \"mean\", \"combine\": [\"u\", \"v\", \"|u-v|\"],\n"
        " \"head\": [{\"linear\": 16}, \"relu\", {\"linear\": 2}],\n"
        " \"label\": \"same\", \"train_file\": \"pairs.csv\", \"metric\": \"accuracy\"}");
    expect(0, bert("train --recipe pair.json --validation-file pairs.csv -o pair " TRAINED));
    json_t *o = line(0);
    assert_true(number(o, "eval_accuracy") > 0.95);
    json_decref(o);
    expect(0, bert("evaluate pair -i pairs.csv --predictions p.jsonl"));
    o = line(0);
    assert_true(number(o, "accuracy") > 0.95);
    json_decref(o);
    says(err, "columns \"premise\" and \"hypothesis\"");
    slurp("p.jsonl", out, sizeof out);
    o = line(0);
    assert_int_equal(json_array_size(json_object_get(o, "views")), 2);
    assert_null(json_object_get(o, "text_pair"));
    json_decref(o);
    expect(0, bert("classify pair w1 w1 w0 w2"));
    assert_int_equal(lines(), 2);
    static char operands[1 << 16];
    memcpy(operands, out, sizeof operands);
    write_file("new.csv", "hypothesis,premise\nw1,w1\nw2,w0\n");
    expect(0, bert("classify pair -i new.csv"));
    assert_string_equal(operands, out);
    expect(0, bert("classify pair --view w1 --view w1"));
    assert_int_equal(lines(), 1);
    assert_memory_equal(operands, out, strlen(out));
    expect(2, bert("classify pair w1 w1 w1"));
    says(err, "3 texts: a row of this model is 2 of them");
    expect(2, bert("classify pair w1 w1 --view w1"));
    write_file("one.csv", "premise\nw1\n");
    expect(1, bert("classify pair -i one.csv"));
    says(err, "hypothesis");
    /* A text by itself has a vector, a row the combined one. */
    expect(0, bert("embed pair w1 w2"));
    assert_int_equal(lines(), 2);
    o = line(0);
    assert_int_equal(json_array_size(json_object_get(o, "embedding")), TINY_HIDDEN);
    json_decref(o);
    expect(0, bert("embed pair -i new.csv"));
    assert_int_equal(lines(), 2);
    o = line(0);
    assert_int_equal(json_array_size(json_object_get(o, "embedding")), 3 * TINY_HIDDEN);
    json_decref(o);
    views_in_windows();
    expect(0, bert("convert pair -o other --dtype f32 --quiet"));
    expect(0, bert("classify other w1 w1 w0 w2"));
    assert_string_equal(operands, out);
    expect(0, bert("info pair --columns"));
    says(out, "head: [{\"linear\":16},\"relu\",{\"linear\":2}]");
    expect(0, bert("info pair"));
    o = line(0);
    assert_string_equal(json_string_value(json_object_get(o, "head")), "recipe");
    assert_int_equal(number(o, "views"), 2);
    json_decref(o);
    /* Trained further, from what is saved, with its recipe. */
    expect(0,
           bert("train pair --train-file pairs.csv -o further --max-steps 2 --save-strategy no"));
    expect(0, bert("classify further w1 w1"));
}

static void options_overrule_a_recipe(void **state) {
    (void)state;
    write_file("numbers.csv",
               "report,severity,other\nw1 w2,0.5,1\nw3,1.5,2\nw4 w5 w6,2.5,4\nw7,0,3\n");
    write_file("severity.json",
               "{\"encoder\": {\"model\": \"nowhere\", \"num_hidden_layers\": 1},\n"
               " \"inputs\": {\"text\": \"report\"}, \"pooling\": \"cls\",\n"
               " \"head\": [{\"dropout\": 0.2}, {\"linear\": 1}],\n"
               " \"problem_type\": \"regression\", \"label\": \"severity\"}");
    expect(1, bert("train --recipe severity.json --train-file numbers.csv -o s --offline"));
    says(err, "nowhere");
    expect(0,
           bert("train m --recipe severity.json --train-file numbers.csv -o s --label-column other "
                "--max-steps 2 --save-strategy no"));
    says(err, "label \"other\"");
    expect(0, bert("info s"));
    json_t *o = line(0);
    assert_int_equal(number(o, "num_hidden_layers"), 1);
    json_decref(o);
    expect(0, bert("evaluate s -i numbers.csv"));
    says(err, "label \"other\""); /* as it was trained */
    slurp("s/README.md", out, sizeof out);
    says(out, "## Head");
    expect(2, bert("train --recipe severity.json -o x"));
    says(err, "--train-file");
    expect(2,
           bert("train m --recipe severity.json --train-file numbers.csv -o x --task masked-lm"));
    write_file("bad.json",
               "{\"encoder\": \"m\",\n \"inputs\": {\"text\": \"nothing\"},\n \"head\": "
               "[{\"linear\": 3}], \"label\": \"severity\"}");
    expect(1, bert("train --recipe bad.json --train-file numbers.csv -o x"));
    says(err, "column 'nothing' is not there");
    write_file("bad.json", "{\"encoder\": \"m\",\n \"inputs\": {\"text\": \"report\"},\n \"head\": "
                           "[{\"linear\": 3}], \"label\": \"severity\", \"loss\": 1}");
    expect(1, bert("train --recipe bad.json --train-file numbers.csv -o x"));
    says(err, "bad.json:3: loss: there is no such key");
}

/* Is a light picture among the two? */
static void write_picture_pairs(const char *name) {
    char text[4000] = "cc,mlo,cancer\n";
    for (int i = 0; i < 16; i++) {
        const int a = i % 4 == 0, b = i % 3 == 0;
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "pictures/%s/%d.png,pictures/%s/%d.png,%d\n", a ? "light" : "dark", i % 4,
                 b ? "light" : "dark", (i + 1) % 4, a || b);
    }
    write_file(name, text);
}

static void pictures_are_two_views(void **state) {
    (void)state;
    if (!reads_png()) skip();
    tiny_vit(in_home("vit"), false);
    class_folders(in_home("pictures"), 4);
    write_picture_pairs("two.csv");
    write_file(
        "two.json",
        "{\"encoder\": {\"model\": \"vit\", \"hidden_dropout_prob\": 0.1},\n"
        " \"inputs\": [{\"image\": \"cc\"}, {\"image\": \"mlo\"}], \"combine\": \"max\",\n"
        " \"head\": [{\"dropout\": 0.5}, {\"linear\": 1}],\n"
        " \"problem_type\": \"multi_label_classification\", \"function_to_apply\": \"sigmoid\",\n"
        " \"label\": \"cancer\"}");
    expect(0, bert("train --recipe two.json --train-file two.csv --validation-file two.csv -o two "
                   "--per-device-train-batch-size 4 --metrics roc_auc " TRAINED));
    json_t *o = line(0);
    assert_true(number(o, "eval_roc_auc") > 0.95);
    json_decref(o);
    expect(0, bert("classify two --view pictures/dark/0.png --view pictures/light/1.png"));
    o = line(0);
    assert_string_equal(json_string_value(json_object_get(o, "label")), "cancer");
    assert_true(number(o, "score") > 0.5);
    assert_int_equal(json_array_size(json_object_get(o, "images")), 2);
    json_decref(o);
    expect(0, bert("classify two -i two.csv"));
    assert_int_equal(lines(), 16);
    expect(2, bert("classify two pictures/dark/0.png"));
    says(err, "1 picture: a row of this model is 2 of them");
    expect(1, bert("classify two -i pictures"));
    says(err, "the row has 1 picture, and a row of this model is 2");
    /* One view that cannot be read is a row's. */
    write_file("some.csv", "cc,mlo\npictures/dark/0.png,nothing.png\n"
                           "pictures/dark/0.png,pictures/light/1.png\n");
    expect(1, bert("classify two -i some.csv"));
    assert_int_equal(lines(), 2);
    says(err, "1 of 2 rows could not be read");
    expect(0, bert("embed two -i two.csv"));
    assert_int_equal(lines(), 16);
    o = line(0);
    assert_int_equal(json_array_size(json_object_get(o, "embedding")), 16);
    json_decref(o);
    expect(0, bert("embed two pictures/dark/0.png"));
    assert_int_equal(lines(), 1);
    /* Rows of several pictures are not read by the first one alone. */
    expect(1, bert("embed vit -i two.csv --image-column cc,mlo"));
    says(err, "the row has 2 pictures, and a row of this model is 1");
}

/* A row without a label is left out, its pictures too. */
static void pictures_without_a_label_are_left_out(void **state) {
    (void)state;
    if (!reads_png()) skip();
    write_file("some_labels.csv", "image,label\npictures/dark/0.png,dark\npictures/light/0.png,\n"
                                  "pictures/light/1.png,light\npictures/light/2.png,light\n");
    expect(0,
           bert("train vit --train-file some_labels.csv -o left --max-steps 2 --save-strategy no"));
    says(err, "3 rows");
    expect(0, bert("evaluate left -i some_labels.csv --predictions q.jsonl"));
    slurp("q.jsonl", out, sizeof out);
    assert_int_equal(lines(), 3);
    says(out, "pictures/light/2.png");
    if (strstr(out, "pictures/light/0.png")) fail_msg("%s", out);
    expect(0, bert("evaluate left -i pictures --predictions q.jsonl"));
    slurp("q.jsonl", out, sizeof out);
    if (strstr(out, "\"line\"")) fail_msg("a folder has no lines: %s", out);
}

#define ARGUMENTS "num_train_epochs=30 learning_rate=3e-3 save_strategy=no threads=2"

static void a_loss_of_ones_own_under_its_head(void **state) {
    (void)state;
    write_text_pairs("focal.csv", 48);
    write_file(
        "focal.json",
        "{\"encoder\": \"m\", \"inputs\": [{\"text\": \"premise\"}, {\"text\": \"hypothesis\"}],\n"
        " \"pooling\": \"mean\", \"combine\": [\"u\", \"v\", \"|u-v|\"],\n"
        " \"head\": [{\"linear\": 16}, \"relu\", {\"linear\": 1}],\n"
        " \"problem_type\": \"multi_label_classification\", \"label\": \"same\"}");
    run_example("own_loss", "focal.json focal.csv focal.csv focal " ARGUMENTS);
    const char *accuracy = strstr(out, "accuracy "), *loss = strstr(out, "loss ");
    if (!accuracy || !loss) fail_msg("%s", out);
    assert_true(strtod(accuracy + 9, NULL) > 0.95);
    assert_true(strtod(loss + 5, NULL) < 0.1);
}

static void the_same_in_c(void **state) {
    (void)state;
    char text[6000] = "report,severity\n";
    for (int i = 0; i < 60; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "w%d w%d,%.1f\n",
                 tiny_word(i, 0) % 4, tiny_word(i, 1), tiny_word(i, 0) % 4 / 2.0);
    write_file("reports.csv", text);
    run_example("severity", "m reports.csv reports.csv c 'w3 w9' " ARGUMENTS);
    const char *r = strstr(out, "pearson "), *score = strstr(out, "severity ");
    if (!r || !score) fail_msg("%s", out);
    assert_true(strtod(r + 8, NULL) > 0.9);
    assert_true(strtod(score + 9, NULL) > 0.8);
}

static int begin(void **state) {
    if (!*BERT_TOOL) {
        print_message("skipped: no tool\n");
        exit(77);
    }
    return set_up(state);
}

static int end(void **state) {
    (void)state;
    test_remove(home);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_of_texts_is_two_views),
        cmocka_unit_test(options_overrule_a_recipe),
        cmocka_unit_test(pictures_are_two_views),
        cmocka_unit_test(pictures_without_a_label_are_left_out),
        cmocka_unit_test(the_same_in_c),
        cmocka_unit_test(a_loss_of_ones_own_under_its_head),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
