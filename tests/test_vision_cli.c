/* Pictures at the command line: from operands, folders, lists and tables. */
#include "picture_world.h"
#include "tool.h"

static char *in_home(const char *name) {
    static char path[4300];
    snprintf(path, sizeof path, "%s/%s", home, name);
    return path;
}

static void pictures_are_classified(void **state) {
    (void)state;
    expect(0, bert("classify vit pictures/dark/0.png pictures/light/1.png"));
    assert_int_equal(lines(), 2);
    json_t *o = line(1), *top = json_object_get(o, "top");
    assert_int_equal(json_array_size(top), 2);
    assert_string_equal(json_string_value(json_object_get(o, "image")), "pictures/light/1.png");
    assert_true(number(json_array_get(top, 0), "score") >= number(json_array_get(top, 1), "score"));
    assert_true(number(o, "score") == number(json_array_get(top, 0), "score"));
    json_decref(o);
    expect(0, bert("classify vit pictures/dark/0.png -k 1 --columns"));
    says(out, "pictures/dark/0.png: ");
    assert_null(strchr(out, ','));
}

/* The same rows whichever way the pictures are named. */
static void folders_lists_and_tables_are_read(void **state) {
    (void)state;
    static const char *const ways[] = {"-i list.txt", "-i table.csv",
                                       "-i other.jsonl --image-column scan", "-i more", NULL};
    write_file("list.txt", "pictures/dark/0.png\n\npictures/light/0.png\n\n");
    write_file("table.csv",
               "file_name,label\npictures/dark/0.png,dark\npictures/light/0.png,light\n");
    write_file("other.jsonl",
               "{\"scan\": \"pictures/dark/0.png\"}\n{\"scan\": \"pictures/light/0.png\"}\n");
    mkdir(in_home("more"), 0777);
    write_file("more/metadata.csv", "file_name\n../pictures/dark/0.png\n../pictures/light/0.png\n");
    expect(0, bert("embed vit pictures/dark/0.png pictures/light/0.png"));
    json_t *a = line(0), *b = line(1);
    for (int i = 0; ways[i]; i++) {
        expect(0, bert("embed vit %s --quiet", ways[i]));
        assert_int_equal(lines(), 2);
        json_t *x = line(0), *y = line(1);
        assert_true(json_equal(json_object_get(a, "embedding"), json_object_get(x, "embedding")));
        assert_true(json_equal(json_object_get(b, "embedding"), json_object_get(y, "embedding")));
        json_decref(x);
        json_decref(y);
    }
    json_decref(a);
    json_decref(b);
    expect(0, bert("embed vit -i pictures"));
    assert_int_equal(lines(), 8);
    expect(0, bert("embed vit -i pictures -o v.npy --pooling mean"));
    says(err, "v.npy: 8 x 16");
    expect(0, bert("embed vit pictures/dark/0.png --quantize binary"));
}

static void pictures_are_compared(void **state) {
    (void)state;
    expect(0, bert("similarity vit pictures/dark/0.png pictures/dark/0.png"));
    json_t *o = line(0);
    assert_true(number(o, "score") > 0.99999);
    json_decref(o);
    expect(0, bert("similarity vit pictures/dark/0.png pictures/light/0.png --pooling mean"));
    o = line(0);
    assert_true(number(o, "score") < 0.99999);
    json_decref(o);
}

static void sixteen_bits_have_a_range(void **state) {
    (void)state;
    uint16_t samples[8 * 8];
    for (int i = 0; i < 64; i++) samples[i] = (uint16_t)(1000 + 16 * i);
    const png_picture p = {8, 8, 16, 0, samples, false, {0}};
    bytes file = png_file(&p);
    write_bytes(in_home("deep.png"), file.data, file.n);
    free(file.data);
    expect(0, bert("embed vit deep.png"));
    says(err, "deep.png: 16-bit grey of 1000 to 2008");
    json_t *a = line(0);
    expect(0, bert("embed vit deep.png --image-range 1000,2008"));
    assert_int_equal(*err, 0);
    json_t *b = line(0);
    assert_true(json_equal(a, b));
    json_decref(b);
    expect(0, bert("embed vit deep.png --image-range 0,4095"));
    b = line(0);
    assert_false(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    expect(2, bert("embed vit deep.png --image-range 5"));
    expect(2, bert("embed vit deep.png --image-range 5,4"));
}

static void what_cannot_be_done_is_said(void **state) {
    (void)state;
    expect(1, bert("classify vit nothing.png"));
    says(err, "nothing.png");
    write_file("page.png", "<html>404</html>");
    expect(1, bert("classify vit pictures/dark/0.png page.png"));
    says(err, "page.png");
    says(err, "web page");
    write_file("odd.csv", "a,b\nx,y\n");
    expect(1, bert("classify vit -i odd.csv"));
    says(err, "--image-column");
    mkdir(in_home("empty"), 0777);
    expect(1, bert("classify vit -i empty"));
    says(err, "no pictures");
    expect(2, bert("classify vit pictures/dark/0.png --candidate-labels a,b"));
    /* A head of one picture a row would learn from some of the views. */
    write_file("views.csv", "cc,mlo,label\npictures/dark/0.png,pictures/dark/1.png,dark\n"
                            "pictures/light/0.png,pictures/light/1.png,light\n");
    expect(1,
           bert("train vit --train-file views.csv --image-column cc,mlo -o views --max-steps 1"));
    says(err, "one picture a row");
    write_file("gap.csv", "image,label\npictures/dark/0.png,a\n,b\n");
    expect(1, bert("classify vit -i gap.csv"));
    says(err, "gap.csv:3: the row names no picture");
    assert_int_equal(lines(), 1);
    /* What is wrong with the labels is not taken for a column of pictures that is not there. */
    write_file("unlabelled.csv", "image,other\npictures/dark/0.png,dark\n");
    expect(1, bert("train vit --train-file unlabelled.csv -o unlabelled"));
    says(err, "--label-column");
    /* Options of the other kind of model change nothing, and are refused. */
    static const char *const of_texts[] = {"--max-length 9", "--on-overflow truncate",
                                           "--text-column image", NULL};
    for (int i = 0; of_texts[i]; i++) {
        expect(2, bert("classify vit pictures/dark/0.png %s", of_texts[i]));
        says(err, "is of texts");
        expect(1, bert("train vit --train-file pictures -o refused %s", of_texts[i]));
        says(err, "is of texts");
    }
    expect(1, bert("encode vit pictures/dark/0.png -o e.safetensors"));
    says(err, "bert embed");
    expect(1, bert("embed vit pictures/dark/0.png --pooling pooler"));
    says(err, "no pooler");
    expect(2, bert("embed vit pictures/dark/0.png --prompt a"));
    /* A processor of another size than the model's. */
    write_file("vit/preprocessor_config.json", "{\"size\": 12}");
    expect(1, bert("embed vit pictures/dark/0.png"));
    says(err, "made 12 x 12 (preprocessor_config.json)");
    says(err, "--interpolate-pos-encoding");
    expect(0, bert("embed vit pictures/dark/0.png --interpolate-pos-encoding"));
    unlink(in_home("vit/preprocessor_config.json"));
    expect(1, bert("embed vit pictures/dark/0.png"));
    says(err, "made 224 x 224 (the usual size: the model has no preprocessor_config.json)");
    write_file("vit/preprocessor_config.json", "{\"size\": 8}");
}

/* Of a folder, a list and a table: those that can be read are answered, the others named. */
static void unreadable_pictures_are_named_and_the_others_answered(void **state) {
    (void)state;
    static const char *const commands[] = {"classify", "embed", NULL};
    class_folders(in_home("some"), 2);
    write_file("some/dark/page.png", "<html>404</html>");
    write_file("some/light/cut.png", "\x89PNG\r\n\x1a\n");
    write_file("some.txt", "some/dark/0.png\nsome/dark/page.png\nnowhere.png\nsome/light/0.png\n");
    for (int i = 0; commands[i]; i++) {
        expect(1, bert("%s vit -i some --quiet", commands[i]));
        assert_int_equal(lines(), 6);
        says(err, "some/dark/page.png: it is no picture");
        says(err, "some/light/cut.png: ");
        says(err, "2 of 6 pictures could not be read; --skip-unreadable");
        says(out, "\"error\":\"some/dark/page.png: it is no picture");
        expect(1, bert("%s vit -i some.txt --columns", commands[i]));
        assert_int_equal(lines(), 2);
        says(err, "nowhere.png: ");
        expect(0, bert("%s vit -i some --skip-unreadable", commands[i]));
        assert_int_equal(lines(), 4);
        says(err, "2 of 6 pictures left out: they cannot be read (first some/dark/page.png: ");
        assert_null(strstr(out, "error"));
    }
    /* A matrix has a row for each, or is not there. */
    expect(1, bert("embed vit -i some -o some.npy"));
    assert_int_equal(access(in_home("some.npy"), F_OK), -1);
    expect(0, bert("embed vit -i some -o some.npy --skip-unreadable"));
    says(err, "some.npy: 4 x 16");
    expect(1, bert("similarity vit some/dark/page.png nowhere.png"));
    says(err, "some/dark/page.png: ");
    says(err, "nowhere.png: ");
    expect(0, bert("similarity vit some/dark/page.png some/dark/0.png --skip-unreadable"));
    assert_int_equal(lines(), 0);
    expect(1, bert("evaluate vit -i some"));
    says(err, "page.png: it is no picture");
    expect(0, bert("evaluate vit -i some --skip-unreadable"));
    says(err, "2 rows left out");
}

static void info_says_what_is_read(void **state) {
    (void)state;
    expect(0, bert("info --formats"));
    says(out, "\"PNG\"");
    expect(0, bert("info vit"));
    json_t *o = line(0);
    assert_int_equal(json_array_size(json_object_get(o, "image_size")), 2);
    assert_true(number(o, "num_channels") == 1);
    json_decref(o);
    expect(2, bert("info"));
}

/* Pixels in the place of ids, as many tokens as the model makes of a picture. */
static void speed_is_measured(void **state) {
    (void)state;
    expect(0, bert("bench vit --batch 2 --repeat 1"));
    json_t *o = line(0);
    assert_true(number(o, "ms") > 0 && number(o, "seq") == 5);
    json_decref(o);
    expect(0, bert("bench vit --batch 2 --repeat 1 --train"));
    expect(1, bert("bench vit --seq 4"));
    says(err, "tokens of a picture");
    expect(1, bert("bench vit --seq 6"));
}

static int begin(void **state) {
    (void)state;
    if (!*BERT_TOOL || !reads_png()) {
        print_message("skipped: no tool, or no PNG\n");
        exit(77);
    }
    home = test_directory();
    tiny_vit(in_home("vit"), true);
    class_folders(in_home("pictures"), 4);
    return 0;
}

static int end(void **state) {
    (void)state;
    test_remove(home);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_classified),
        cmocka_unit_test(folders_lists_and_tables_are_read),
        cmocka_unit_test(pictures_are_compared),
        cmocka_unit_test(sixteen_bits_have_a_range),
        cmocka_unit_test(what_cannot_be_done_is_said),
        cmocka_unit_test(unreadable_pictures_are_named_and_the_others_answered),
        cmocka_unit_test(info_says_what_is_read),
        cmocka_unit_test(speed_is_measured),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
