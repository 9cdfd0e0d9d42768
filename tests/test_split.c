/* Validation rows held out of a file: whole groups, labels in proportion, of the seed alone; of texts and of
 * pictures. */
#include "data/dataset.h"
#include "picture_world.h"
#include "tool.h"

enum { ROWS = 400, PATIENTS = 60 };

static char *in_home(const char *name) {
    static char path[4300];
    snprintf(path, sizeof path, "%s/%s", home, name);
    return path;
}

/* Patients have 1 to 13 rows; one row in five is "rare". */
static int patient_of(int row) {
    int k = 0;
    for (int end = 1; row >= end; end += 1 + k * 5 % 13) k++;
    return k % PATIENTS;
}

static bool is_rare(int row) {
    return row % 5 == 2;
}

static void write_patients(void) {
    static char text[ROWS * 40];
    size_t used = (size_t)snprintf(text, sizeof text, "text,patient,label\n");
    for (int i = 0; i < ROWS; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "w%d w%d,p%d,%s\n", i % 9, i % 7,
                                 patient_of(i), is_rare(i) ? "rare" : "usual");
    write_file("patients.csv", text);
}

typedef struct {
    bool held[ROWS];
    int rows, rare;
    char note[400];
} part;

/* Both parts of the file; every row is in one of them. */
static part split(const char *model, const char *file, const bert_data_split_options *so) {
    bert_error e = {0};
    part p = {.rows = 0};
    bert_model *base = bert_model_open(in_home(model), &(bert_model_options){.head = "none"}, &e);
    if (!base) fail_msg("%s", e.message);
    bert_dataset_options o = {.keep_texts = true};
    bert_data_split *s = bert_data_split_new(in_home(file), base, &o, so, &e);
    if (!s) fail_msg("%s", e.message);
    snprintf(p.note, sizeof p.note, "%s", bert_data_split_note(s));
    o.split = s;
    bert_dataset *train = bert_dataset_open(in_home(file), base, &o, &e);
    if (!train) fail_msg("%s", e.message);
    o.like = train;
    o.held_out = true;
    bert_dataset *held = bert_dataset_open(in_home(file), base, &o, &e);
    if (!held) fail_msg("%s", e.message);
    bert_data_split_free(s);
    static bool seen[ROWS];
    memset(seen, 0, sizeof seen);
    for (int k = 0; k < 2; k++) {
        const bert_dataset *d = k ? held : train;
        for (int64_t i = 0; i < d->kept.rows; i++) {
            const int64_t row = d->kept.line[i] - 2;
            assert_true(row >= 0 && row < ROWS && !seen[row]);
            seen[row] = true;
            p.held[row] = k;
        }
    }
    p.rows = (int)bert_dataset_size(held);
    for (int i = 0; i < ROWS; i++) p.rare += p.held[i] && is_rare(i);
    bert_dataset_free(held);
    bert_dataset_free(train);
    bert_model_close(base);
    return p;
}

static void rows_are_held_out_in_proportion(void **state) {
    (void)state;
    static const double parts[] = {0.1, 0.25, 0.5};
    for (int i = 0; i < 3; i++) {
        const bert_data_split_options so = {.part = parts[i], .seed = 7};
        const part p = split("m", "patients.csv", &so), again = split("m", "patients.csv", &so);
        assert_int_equal(p.rows, (int)(ROWS * parts[i]));
        assert_int_equal(p.rare, (int)(ROWS / 5 * parts[i]));
        assert_memory_equal(p.held, again.held, sizeof p.held);
        says(p.note, "each label in its proportion");
    }
    const bert_data_split_options one = {.part = 0.1, .seed = 1}, two = {.part = 0.1, .seed = 2};
    const part a = split("m", "patients.csv", &one), b = split("m", "patients.csv", &two);
    assert_memory_not_equal(a.held, b.held, sizeof a.held);
}

static void a_group_is_on_one_side(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        const bert_data_split_options so = {.part = 0.2, .seed = seed, .group_column = "patient"};
        const part p = split("m", "patients.csv", &so);
        int side[PATIENTS] = {0};
        for (int i = 0; i < ROWS; i++) side[patient_of(i)] |= p.held[i] ? 2 : 1;
        for (int i = 0; i < PATIENTS; i++) assert_int_not_equal(side[i], 3);
        /* As near as groups allow it: within some rows of the part, of each label too. */
        assert_in_range(p.rows, ROWS * 0.2 - 8, ROWS * 0.2 + 8);
        assert_in_range(p.rare, ROWS / 5 * 0.2 - 5, ROWS / 5 * 0.2 + 5);
        says(p.note, "values of \"patient\", of which none is on both sides");
    }
}

static void a_group_column_may_be_a_number(void **state) {
    (void)state;
    const bert_data_split_options name = {.part = 0.2, .seed = 3, .group_column = "patient"},
                                  number = {.part = 0.2, .seed = 3, .group_column = "1"};
    const part a = split("m", "patients.csv", &name), b = split("m", "patients.csv", &number);
    assert_memory_equal(a.held, b.held, sizeof a.held);
    expect(0, bert("train m --train-file patients.csv --validation-split 0.2 --group-column 1 -o "
                   "numbered --max-steps 1 --threads 1 --save-strategy no"));
    says(err, "text column \"text\" \"patient\", label \"label\"");
}

static void values_that_hardly_repeat_are_no_classes(void **state) {
    (void)state;
    static char text[ROWS * 30];
    size_t used = (size_t)snprintf(text, sizeof text, "text,score\n");
    for (int i = 0; i < ROWS; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "w%d,%d.5\n", i % 9, i);
    write_file("scores.csv", text);
    const part p = split("m", "scores.csv", &(bert_data_split_options){.part = 0.1, .seed = 3});
    assert_int_equal(p.rows, ROWS / 10);
    says(p.note, "not by label");
}

static void pictures_are_split_too(void **state) {
    (void)state;
    static char text[ROWS * 50];
    size_t used = (size_t)snprintf(text, sizeof text, "file_name,label,patient\n");
    for (int i = 0; i < 40; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s/%d.png,%s,%d\n",
                                 i % 2 ? "light" : "dark", i % 4, i % 2 ? "light" : "dark", i / 5);
    write_file("pictures/metadata.csv", text);
    const part p =
        split("vit", "pictures",
              &(bert_data_split_options){.part = 0.25, .seed = 5, .group_column = "patient"});
    for (int i = 0; i < 40; i++) assert_int_equal(p.held[i], p.held[i / 5 * 5]);
    assert_int_equal(p.rows, 10);
    expect(0, bert("train vit --train-file pictures -o tuned --validation-split 0.25 "
                   "--group-column patient --max-steps 2 --threads 1 --save-strategy no"));
    says(err, "picture column \"file_name\" \"patient\", label \"label\"");
    says(err, "2 of 8 values of \"patient\", of which none is on both sides");
    json_t *o = line(0);
    assert_true(number(o, "eval_accuracy") >= 0);
    json_decref(o);
    unlink(in_home("pictures/metadata.csv"));
    expect(0, bert("train vit --train-file pictures -o tuned --validation-split 0.25 "
                   "--max-steps 1 --threads 1 --save-strategy no --overwrite-output-dir"));
    says(err, "2 of 8 rows are held out (25.0 %); each label in its proportion");
    expect(1, bert("train vit --train-file pictures -o no --validation-split 0.25 "
                   "--group-column patient"));
    says(err, "no column \"patient\" (--group-column)");
}

/* train/ and val/ are not the classes. */
static void a_folder_of_splits_is_read_as_such(void **state) {
    (void)state;
    char folder[4400];
    mkdir(in_home("both"), 0777);
    class_folders(in_home("both/train"), 3);
    class_folders(in_home("both/val"), 2);
    expect(0, bert("train vit --train-file both -o split --max-steps 1 --threads 1 "
                   "--save-strategy no"));
    says(err, "both/train is read");
    says(err, "both/val is read");
    says(err, "dark 3, light 3");
    says(err, "dark 2, light 2");
    expect(0, bert("evaluate vit -i both --threads 1"));
    says(err, "both/val is read");
    class_folders(in_home("both/test"), 1);
    expect(0, bert("evaluate vit -i both --threads 1"));
    says(err, "both/test is read");
    assert_true(bert_picture_split(in_home("both"), "validation", folder, sizeof folder));
    /* Classes that are called so, and a class beside them, are classes. */
    mkdir(in_home("vehicles"), 0777);
    class_folders(in_home("vehicles/train"), 1);
    mkdir(in_home("vehicles/plane"), 0777);
    assert_false(bert_picture_split(in_home("vehicles"), "train", folder, sizeof folder));
    assert_false(bert_picture_split(in_home("pictures"), "train", folder, sizeof folder));
    assert_false(bert_picture_split(in_home("nowhere"), "train", folder, sizeof folder));
}

static void what_cannot_be_split_is_said(void **state) {
    (void)state;
    static const struct {
        int code;
        const char *arguments, *message;
    } rows[] = {
        {2, "--validation-split 1", "between 0 and 1"},
        {2, "--validation-split 0.1 --validation-file patients.csv", "both say"},
        {2, "--group-column patient", "is of --validation-split"},
        {1, "--validation-split 0.1 --group-column nobody", "no column \"nobody\""},
        {1, "--validation-split 0.001 --group-column patient", "none to validate on"},
        {1, "--validation-split 0.1 --task masked-lm", "a validation file says what is held out"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        expect(rows[i].code, bert("train m --train-file patients.csv -o no %s", rows[i].arguments));
        says(err, rows[i].message);
    }
    write_file("gap.csv", "text,patient,label\nw1,p1,a\nw2,,b\nw3,p2,a\n");
    expect(1, bert("train m --train-file gap.csv -o no --validation-split 0.5 --group-column "
                   "patient"));
    says(err, "gap.csv:3: the column \"patient\" is empty");
}

static int begin(void **state) {
    if (!*BERT_TOOL || !reads_png()) {
        print_message("skipped: no tool, or no PNG\n");
        exit(77);
    }
    if (set_up(state)) return 1;
    write_patients();
    tiny_vit(in_home("vit"), true);
    class_folders(in_home("pictures"), 4);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_held_out_in_proportion),
        cmocka_unit_test(a_group_is_on_one_side),
        cmocka_unit_test(a_group_column_may_be_a_number),
        cmocka_unit_test(values_that_hardly_repeat_are_no_classes),
        cmocka_unit_test(pictures_are_split_too),
        cmocka_unit_test(a_folder_of_splits_is_read_as_such),
        cmocka_unit_test(what_cannot_be_split_is_said),
    };
    return cmocka_run_group_tests(tests, begin, tear_down);
}
