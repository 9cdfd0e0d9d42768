/* Data in several files: they are read as the one that they were cut from, of texts and of pictures; recipes whose
 * inputs are not what the encoder reads. */
#include "picture_world.h"
#include "tool.h"

#define QUICK "--max-steps 2 --threads 1 --save-strategy no --overwrite-output-dir"

static void same_file(const char *a, const char *b) {
    char command[9000];
    snprintf(command, sizeof command, "cmp '%s/%s' '%s/%s'", home, a, home, b);
    if (system(command)) fail_msg("%s and %s differ", a, b);
}

/* Rows 0 to 63 once more, as three files. */
static void write_parts(void) {
    write_rows("part-0.csv", 0, 20);
    write_rows("part-1.csv", 20, 30);
    write_rows("part-2.csv", 50, 14);
}

static void they_are_read_as_one(void **state) {
    (void)state;
    static const char *const ways[] = {
        "m --train-file part-0.csv --train-file part-1.csv --train-file part-2.csv",
        "m --train-file 'part-*.csv'", "m --args parts.json", "--recipe parts-recipe.json"};
    write_file("parts.json", "{\"train_file\": [\"part-0.csv\", \"part-1.csv\", \"part-2.csv\"]}");
    write_file("parts-recipe.json", "{\"encoder\": \"m\", \"head\": [{\"linear\": 3}], "
                                    "\"train_file\": [\"part-0.csv\", \"part-[12].csv\"]}");
    write_file("recipe.json", "{\"encoder\": \"m\", \"head\": [{\"linear\": 3}], "
                              "\"train_file\": \"train.csv\"}");
    expect(0, bert("train m --train-file train.csv -o whole " QUICK));
    expect(0, bert("train --recipe recipe.json -o whole-recipe " QUICK));
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const bool recipe = strstr(ways[i], "--recipe") != NULL;
        expect(0, bert("train %s -o parts " QUICK, ways[i]));
        says(err, "64 rows");
        same_file(recipe ? "whole-recipe/model.safetensors" : "whole/model.safetensors",
                  "parts/model.safetensors");
    }
    /* What the command line says counts instead of --args. */
    expect(0, bert("train m --args parts.json --train-file part-1.csv -o parts " QUICK));
    says(err, "30 rows");
    expect(0, bert("train m --train-file 'part-*.csv' -o parts --validation-split 0.25 " QUICK));
    says(err, "of 64 rows are held out");
}

static void tasks_have_several(void **state) {
    (void)state;
    write_file("tasks.json", "{\"encoder\": \"m\", \"head\": [{\"linear\": 3}], \"tasks\": {"
                             "\"one\": {\"train_file\": [\"part-0.csv\", \"part-1.csv\"], "
                             "\"validation_file\": [\"part-2.csv\", \"validation.csv\"]}, "
                             "\"two\": {\"train_file\": \"part-2.csv\"}}}");
    expect(0, bert("train --recipe tasks.json -o tasks " QUICK));
    says(err, "one train  50 rows");
    says(err, "one valid. 46 rows");
    says(err, "two train  14 rows");
}

static void pictures_are_in_several_folders(void **state) {
    (void)state;
    char path[4300];
    if (!reads_png()) skip();
    snprintf(path, sizeof path, "%s/vit", home);
    tiny_vit(path, true);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/shard-%d", home, i);
        class_folders(path, 2 + i);
    }
    expect(0, bert("train vit --train-file 'shard-*' -o seen " QUICK));
    says(err, "10 rows");
    says(err, "dark 5, light 5");
}

static void what_is_wrong_is_said_of_its_file(void **state) {
    (void)state;
    static const struct {
        int code;
        const char *arguments, *message;
    } rows[] = {
        {1, "--train-file 'gone-*.csv'", "gone-*.csv: no file fits this pattern"},
        {1, "--train-file train.csv --train-file gone.csv", "gone.csv"},
        {1, "--train-file train.csv --train-file other.csv",
         "other.csv: column 'text' is not there; the columns are sentence, label"},
        {1, "--train-file part-0.csv --train-file odd.csv --train-file part-1.csv",
         "odd.csv:3: label \"x\""},
        {1, "--train-file train.csv --train-file validation.csv --task masked-lm",
         "are of sequence- and image-classification, not of masked-lm"},
        {1, "--train-file train.csv --validation-file empty.csv --validation-file part-0.csv",
         "empty.csv"},
    };
    write_file("other.csv", "sentence,label\nw1,a\n");
    write_file("odd.csv", "text,label\nw1,1\nw2,x\n");
    write_file("empty.csv", "");
    /* A label that is no number among numbers is known when all files have been read. */
    char numbers[1000] = "text,label\n";
    for (int i = 0; i < 40; i++) strcat(numbers, i % 2 ? "w1 w2,1\n" : "w3,0\n");
    write_file("part-0.csv", numbers);
    write_file("part-1.csv", numbers);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        expect(rows[i].code,
               bert("train m -o no " QUICK " %s%s", rows[i].arguments,
                    strstr(rows[i].arguments, "odd") ? " --problem-type regression" : ""));
        says(err, rows[i].message);
    }
    write_file("gaps.csv", "text,label\nw1,0\nw2,\nw3,1\n");
    expect(0, bert("train m -o yes " QUICK " --train-file part-0.csv --train-file gaps.csv"));
    says(err, "gaps.csv: 1 row left out: no gold label (line 3)");
}

static void inputs_are_what_the_encoder_reads(void **state) {
    (void)state;
    char path[4300];
    snprintf(path, sizeof path, "%s/vit", home);
    tiny_vit(path, true);
    write_file("image.json", "{\"inputs\":\n {\"image\": \"text\"}, \"head\": [{\"linear\": 3}]}");
    expect(1, bert("train m --recipe image.json --train-file train.csv -o no"));
    says(err, "image.json:1: inputs: are of images: the encoder, ");
    says(err, "reads texts");
    write_file("text.json",
               "{\"encoder\": \"vit\", \"tasks\":\n {\"a\": {\"inputs\": {\"text\": \"text\"}, "
               "\"head\": [{\"linear\": 3}], \"train_file\": \"train.csv\"}}}");
    expect(1, bert("train --recipe text.json -o no"));
    says(err, "text.json:2: tasks.a.inputs: are of texts: the encoder, ");
}

static int begin(void **state) {
    if (!*BERT_TOOL) {
        print_message("skipped: no tool\n");
        exit(77);
    }
    if (set_up(state)) return 1;
    write_parts();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_read_as_one),
        cmocka_unit_test(tasks_have_several),
        cmocka_unit_test(pictures_are_in_several_folders),
        cmocka_unit_test(what_is_wrong_is_said_of_its_file),
        cmocka_unit_test(inputs_are_what_the_encoder_reads),
    };
    return cmocka_run_group_tests(tests, begin, tear_down);
}
