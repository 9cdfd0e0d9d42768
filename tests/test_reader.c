/* Datasets as files: txt, csv, tsv, jsonl. */
#include "base/file.h"
#include "test.h"

typedef struct {
    const char *name, *content;
    bert_reader_options options;
    const char *want; /* rows as text/pair/labels, one a line; or the error's text after "!" */
} file_case;

static const file_case cases[] = {
    {"a.txt", "one\n\ntwo", {0}, "one//\n//\ntwo//\n"},
    {"a.txt", "\xef\xbb\xbfone\r\ntwo\r\n", {0}, "one//\ntwo//\n"},
    {"a.txt", "good\t1\nbad\t0\n", {.labels = true}, "good//1\nbad//0\n"},
    {"a.tsv", "sentence\tlabel\nit 's \"fine\t1\n\nbad\t0\n", {0}, "it 's \"fine//1\nbad//0\n"},
    {"a.tsv", "i\tsentence1\tsentence2\tlabel\n0\ta\tb\tyes\n", {0}, "a/b/yes\n"},
    {"a.tsv",
     "gj04\t1\t\tThe sailors\n",
     {.text_column = "3", .label_column = "1"},
     "The sailors//1\n"},
    /* GLUE's files: CoLA, QNLI, MRPC, QQP, MNLI. */
    {"a.tsv", "gj04\t1\t\tThe sailors\ngj04\t0\t*\tThem\n", {0}, "The sailors//1\nThem//0\n"},
    {"a.tsv",
     "index\tquestion\tsentence\tlabel\n0\tWho?\tHe.\tentailment\n",
     {0},
     "Who?/He./entailment\n"},
    {"a.tsv",
     "\xef\xbb\xbfQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\ta\tb\n",
     {0},
     "a/b/1\n"},
    {"a.tsv",
     "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\ta\tb\t0\n",
     {0},
     "a/b/0\n"},
    {"a.tsv",
     "index\tpromptID\tgenre\tsentence1_parse\tsentence1\tsentence2\tlabel1\tgold_label\n"
     "0\t1\tx\t(a)\ta\tb\tneutral\tentailment\n",
     {0},
     "a/b/entailment\n"},
    {"a.tsv",
     "nice hotel\tpositive\nawful\tnegative\n",
     {0},
     "nice hotel//positive\nawful//negative\n"},
    {"a.csv", "text,label\n\"a, b\",1\n\"say \"\"hi\"\"\",0\n", {0}, "a, b//1\nsay \"hi\"//0\n"},
    {"a.csv", "label,text\n1,\"two\nlines\"\n", {0}, "two\nlines//1\n"},
    {"a.csv", "t,x,y\nhello,1,0\n", {.text_column = "t", .label_column = "x,y"}, "hello//1|0\n"},
    {"a.jsonl",
     "{\"text\":\"a\",\"label\":1,\"more\":[1]}\n{\"label\":\"b\",\"text\":\"\\u00e9\"}\n",
     {0},
     "a//1\n\xc3\xa9//b\n"},
    {"a.jsonl",
     "{\"text\":\"a\",\"label\":[\"x\",\"y\"]}\n{\"text\":\"b\",\"label\":0.5}\n",
     {0},
     "a//x|y\nb//0.5\n"},
    {"a.jsonl",
     "{\"text\":2.10,\"label\":0.1}\n{\"text\":1e6,\"label\":0.30000000000000004}\n",
     {0},
     "2.1//0.1\n1000000.0//0.30000000000000004\n"},
    /* A zero byte in a text, which is printed up to it here, and numbers as they were written. */
    {"a.jsonl",
     "{\"text\":\"a\\u0000b\",\"label\":\"x\"}\n{\"text\":1.1,\"label\":2.675}\n",
     {0},
     "a//x\n1.1//2.675\n"},
    {"a.jsonl",
     "{\"text\":\"a\",\"label\":\"x\\u0000\"}\n",
     {.labels = true},
     "!a.jsonl:1: a zero byte in a label"},
    {"a.csv", "", {0}, "!a.csv: is empty"},
    {"a.txt", "\xef\xbb\xbf", {0}, "!a.txt: is empty"},
    {"a.csv", "\xef\xbb\xbf", {0}, "!a.csv: is empty"},
    {"a.jsonl", "\xef\xbb\xbf", {0}, "!a.jsonl: is empty"},
    {"a.csv", "text,label\n", {0}, "!a.csv: has a header and no rows"},
    {"a.csv", "text,label\na,1\nb\n", {0}, "!a.csv:3: 1 field where the header has 2"},
    {"a.csv", "text,label\n\"a,1\n", {0}, "!a.csv:2: a quoted field that starts here does not end"},
    /* Looked at for a header, and not whole: nothing of it is read. */
    {"a.csv",
     "x,\"\"\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,\"b, ",
     {0},
     "!a.csv:2: a quoted field that starts here does not end"},
    {"a.csv", "text,label\n\"a\"b,1\n", {0}, "!a.csv:2: text after a closing quote"},
    {"a.csv",
     "text,label\na,1\n",
     {.label_column = "labl"},
     "!column 'labl' is not there; the columns are text, label"},
    {"a.csv",
     "text,x\na,1\n",
     {.labels = true},
     "!a.csv: no column is known as the label: --label-column NAME"},
    {"a.tsv", "a\tb\n", {.text_column = "7"}, "!column '7' is not there"},
    {"a.jsonl", "{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\"}\n", {0}, "a//1\nb//(null)\n"},
    {"a.jsonl",
     "{\"text\":\"a\",\"label\":null}\n{\"text\":\"b\",\"label\":\"x\"}\n",
     {.labels = true},
     "a//(null)\nb//x\n"},
    {"a.jsonl",
     "{\"text\":\"a\"}\n{\"text\":null}\n",
     {0},
     "!a.jsonl:2: null in the column \"text\""},
    {"a.jsonl", "{\"text\":\"a\"}\n{\"label\":1}\n", {0}, "!a.jsonl:2: has no \"text\""},
    {"a.jsonl",
     "{\"text\":\"a\"}\nnonsense\n",
     {0},
     "!a.jsonl:2: not a JSON object: it begins with \"nonsense\""},
    {"a.jsonl", "[1]\n", {0}, "!a.jsonl:1: not a JSON object: it begins with \"1]\""},
    {"a.dat", "x", {0}, "!cannot tell the format"},
};

static void files_give_the_rows_they_hold(void **state) {
    (void)state;
    char *dir = test_directory();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const file_case *c = &cases[i];
        char *path = bert_path_join(dir, c->name), got[500] = "";
        bert_error e = {0};
        assert_int_equal(bert_write_file(path, c->content, strlen(c->content), &e), 0);
        bert_reader *r = bert_reader_open(path, &c->options, &e);
        bert_row row;
        int rc = r ? 1 : e.code;
        while (r && (rc = bert_reader_next(r, &row, &e)) > 0) {
            size_t n = strlen(got);
            n += (size_t)snprintf(got + n, sizeof got - n, "%.*s/%.*s/", (int)row.text.bytes,
                                  row.text.text, (int)row.text.pair_bytes,
                                  row.text.pair ? row.text.pair : "");
            for (int k = 0; k < row.labels; k++)
                n += (size_t)snprintf(got + n, sizeof got - n, "%s%s", k ? "|" : "",
                                      row.label[k] ? row.label[k] : "(null)");
            snprintf(got + n, sizeof got - n, "\n");
        }
        if (c->want[0] == '!') {
            assert_true(rc < 0);
            if (!strstr(e.message, c->want + 1)) fail_msg("case %zu says: %s", i, e.message);
        } else {
            if (rc) fail_msg("case %zu says: %s", i, e.message);
            assert_string_equal(got, c->want);
        }
        bert_reader_close(r);
        free(path);
    }
    test_remove(dir);
}

static void invalid_utf8_is_counted_and_passed_on(void **state) {
    (void)state;
    char *dir = test_directory(), *path = bert_path_join(dir, "a.txt");
    static const char text[] =
        "ok \xc3\xa9\nbad \xff\ncut \xe2\x82\n\xed\xa0\x80 surrogate\n\xf0\x9f\x99\x82\n";
    assert_int_equal(bert_write_file(path, text, sizeof text - 1, NULL), 0);
    bert_reader *r = bert_reader_open(path, NULL, NULL);
    bert_row row;
    while (bert_reader_next(r, &row, NULL) > 0) continue;
    assert_int_equal(bert_reader_invalid(r), 3);
    bert_reader_close(r);
    free(path);
    test_remove(dir);
}

static void real_files_are_read_whole(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bert_reader_options options;
        int rows;
        bool pair;
    } files[] = {
        {"glue/SST-2/dev.tsv", {.labels = true}, 872, false},
        {"glue/CoLA/dev.tsv", {.labels = true}, 1043, false},
        {"glue/MRPC/dev.tsv", {.labels = true}, 408, true},
        {"glue/STS-B/dev.tsv", {.labels = true}, 1500, true},
        {"glue/RTE/dev.tsv", {.labels = true}, 277, true},
        {"chinese/dev.tsv", {.labels = true}, 1200, false},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bert_error e = {0};
        bert_reader *r = bert_reader_open(test_shared(files[i].name), &files[i].options, &e);
        bert_row row;
        int n = 0;
        if (!r) fail_msg("%s", e.message);
        while (bert_reader_next(r, &row, &e) > 0) {
            n++;
            assert_int_equal(row.labels, 1);
            assert_int_equal(row.text.pair != NULL, files[i].pair);
        }
        if (e.code) fail_msg("%s", e.message);
        assert_int_equal(n, files[i].rows);
        bert_reader_close(r);
    }
}

/* They would be files that nobody can read. */
/* Read in blocks of 64 KiB: lines that end at their edges, span some, and have no end. */
static void lines_of_any_length_are_whole(void **state) {
    (void)state;
    enum { BLOCK = 1 << 16 };
    static const size_t lengths[] = {BLOCK - 1, BLOCK - 1, BLOCK, 0, BLOCK + 1, 5 * BLOCK, 7};
    enum { LINES = sizeof lengths / sizeof *lengths };
    char *dir = test_directory(), *path = bert_path_join(dir, "a.txt");
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = 0; i < LINES; i++) {
        for (size_t k = 0; k < lengths[i]; k++) putc('a' + (int)(k + (size_t)i) % 26, f);
        if (i + 1 < LINES) fputs(i % 2 ? "\r\n" : "\n", f);
    }
    assert_int_equal(fclose(f), 0);
    bert_error e = {0};
    bert_reader *r = bert_reader_open(path, NULL, &e);
    assert_non_null(r);
    bert_row row;
    for (int i = 0; i < LINES; i++) {
        assert_int_equal(bert_reader_next(r, &row, &e), 1);
        assert_int_equal(row.text.bytes, lengths[i]);
        assert_int_equal(row.line, i + 1);
        for (size_t k = 0; k < lengths[i]; k++)
            assert_int_equal(row.text.text[k], 'a' + (int)(k + (size_t)i) % 26);
    }
    assert_int_equal(bert_reader_next(r, &row, &e), 0);
    bert_reader_close(r);
    free(path);
    test_remove(dir);
}

static void matrices_without_a_shape_or_a_name_are_refused(void **state) {
    (void)state;
    char *dir = test_directory(), *path = bert_path_join(dir, "x");
    static const float f[4];
    static const int32_t i[4];
    static const bert_named_matrix wrong[][2] = {
        {{.name = "a", .f32 = f, .rows = 2}, {.name = "a", .i32 = i, .rows = 2}},
        {{.name = "a", .f32 = f, .rows = 2}, {.name = "b", .rows = 2}},
        {{.name = "a", .f32 = f, .rows = 2}, {.name = "b", .f32 = f, .i32 = i, .rows = 2}},
        {{.name = "a", .f32 = f, .rows = 2}, {.name = "b", .f32 = f, .rows = -2}},
        {{.name = "a", .f32 = f, .rows = 2}, {.f32 = f, .rows = 2}},
        {{.name = "__metadata__", .f32 = f, .rows = 2}, {.name = "b", .f32 = f, .rows = 2}},
    };
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
        assert_int_equal(bert_save_matrices(path, wrong[k], 2, NULL), BERT_EINVAL);
    assert_int_equal(bert_save_npy(path, f, -1, 4, NULL), BERT_EINVAL);
    assert_int_equal(bert_save_npy(path, f, INT64_MAX, INT64_MAX, NULL), BERT_EINVAL);
    assert_int_equal(access(path, F_OK), -1);
    free(path);
    test_remove(dir);
}

/* What numpy.save writes of other floats, in its three versions; and what is no matrix of floats.
 */
static void npy_of_other_floats(void **state) {
    (void)state;
    char *dir = test_directory(), *path = bert_path_join(dir, "x.npy");
    static const double eight[] = {0.5, -2};
    static const uint16_t two[] = {0x3800, 0xc000};
    static const struct {
        const char *header;
        int version;
        const void *data;
        size_t bytes;
        int64_t rows, cols; /* -1: refused */
    } wanted[] = {
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }", 1, eight, 16, 1, 2},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", 2, eight, 16, 2, 1},
        {"{'descr': '<f2', 'fortran_order': False, 'shape': (2, 1), }", 3, two, 4, 2, 1},
        {"{'shape': (1, 2), 'fortran_order': False, 'descr': '<f2'}", 1, two, 4, 1, 2},
        {"{'descr': '<f8', 'fortran_order': True, 'shape': (1, 2), }", 1, eight, 16, -1, 0},
        {"{'descr': '>f8', 'fortran_order': False, 'shape': (1, 2), }", 1, eight, 16, -1, 0},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2), }", 1, eight, 16, -1, 0},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2, 1), }", 1, eight, 16, -1, 0},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (), }", 1, eight, 8, -1, 0},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }", 1, eight, 16, -1, 0},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }", 4, eight, 16, -1, 0},
        {"{'fortran_order': False, 'shape': (1, 2), }", 1, eight, 16, -1, 0},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char file[300] = "\x93NUMPY";
        const size_t n = strlen(wanted[i].header), start = wanted[i].version == 1 ? 10 : 12;
        file[6] = (char)wanted[i].version;
        file[8] = (char)n;
        memcpy(file + start, wanted[i].header, n);
        memcpy(file + start + n, wanted[i].data, wanted[i].bytes);
        assert_int_equal(bert_write_file(path, file, start + n + wanted[i].bytes, NULL), 0);
        float *x;
        int64_t rows = -1, cols = 0;
        bert_error e = {0};
        int rc = bert_load_npy(path, &x, &rows, &cols, &e);
        assert_int_equal(rc, wanted[i].rows < 0 ? BERT_EFORMAT : 0);
        if (!rc) {
            assert_true(rows == wanted[i].rows && cols == wanted[i].cols);
            assert_true(x[0] == 0.5f && x[1] == -2);
        }
        free(x);
    }
    free(path);
    test_remove(dir);
}

static void npy_and_matrices_round_trip(void **state) {
    (void)state;
    char *dir = test_directory(), *path = bert_path_join(dir, "x.npy");
    float x[6] = {1, 2, 3, -4, 0.5f, 1e-30f}, *y;
    int64_t rows, cols;
    bert_error e = {0};
    assert_int_equal(bert_save_npy(path, x, 2, 3, &e), 0);
    assert_int_equal(bert_load_npy(path, &y, &rows, &cols, &e), 0);
    assert_int_equal(rows, 2);
    assert_int_equal(cols, 3);
    assert_memory_equal(x, y, sizeof x);
    free(y);
    char *data;
    size_t size;
    assert_int_equal(bert_read_file(path, 0, &data, &size, &e), 0);
    assert_int_equal((size - sizeof x) % 64, 0);
    for (size_t n = 0; n < size; n++) {
        bert_error_clear(&e);
        assert_int_equal(bert_write_file(path, data, n, NULL), 0);
        assert_int_equal(bert_load_npy(path, &y, &rows, &cols, &e), BERT_EFORMAT);
    }
    free(data);
    free(path);
    test_remove(dir);
}

static void names_lead_to_directories(void **state) {
    (void)state;
    char *dir = test_directory(), out[4096], want[5000], command[5000];
    static const char commit[] = "0123456789abcdef0123456789abcdef01234567";
    snprintf(command, sizeof command,
             "cd %s && mkdir -p hub/models--org--m/snapshots/%s hub/models--org--m/refs "
             "store/models/mine && "
             "printf %s > hub/models--org--m/refs/main",
             dir, commit, commit);
    assert_int_equal(system(command), 0);
    snprintf(want, sizeof want, "%s/hub", dir);
    setenv("HF_HUB_CACHE", want, 1);
    snprintf(want, sizeof want, "%s/store", dir);
    setenv("BERT_HOME", want, 1);
    bert_error e = {0};
    snprintf(want, sizeof want, "%s/hub/models--org--m/snapshots/%s", dir, commit);
    assert_int_equal(bert_resolve("org/m", out, sizeof out, &e), 0);
    assert_string_equal(out, want);
    char at[100];
    snprintf(at, sizeof at, "org/m@%s", commit);
    assert_int_equal(bert_resolve(at, out, sizeof out, &e), 0);
    snprintf(want, sizeof want, "%s/store/models/mine", dir);
    assert_int_equal(bert_resolve("mine", out, sizeof out, &e), 0);
    assert_string_equal(out, want);
    assert_int_equal(bert_resolve(dir, out, sizeof out, &e), 0);
    assert_string_equal(out, dir);
    assert_int_equal(bert_resolve("org/other", out, sizeof out, &e), BERT_ENOTFOUND);
    assert_non_null(strstr(e.message, "org/other"));
    bert_error_clear(&e);
    assert_int_equal(bert_resolve("../../no-such-place", out, sizeof out, &e), BERT_ENOTFOUND);
    test_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_give_the_rows_they_hold),
        cmocka_unit_test(invalid_utf8_is_counted_and_passed_on),
        cmocka_unit_test(lines_of_any_length_are_whole),
        cmocka_unit_test(real_files_are_read_whole),
        cmocka_unit_test(npy_of_other_floats),
        cmocka_unit_test(npy_and_matrices_round_trip),
        cmocka_unit_test(matrices_without_a_shape_or_a_name_are_refused),
        cmocka_unit_test(names_lead_to_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
