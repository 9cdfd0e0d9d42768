/* What the labels of a file mean: lists, marks of rows that have none, and slips. */
#include "data/label_list.h"
#include "tiny.h"

typedef struct {
    const char *name, *text; /* text: labels of rows, a line each, under a header */
    const char *want;        /* "problem; names; labels of rows", or ! and what the error says */
    const char *note;        /* what some line says, or NULL */
    const char *names, *missing, *separator, *problem;
} label_case;

#define HOT "multi_label_classification; LABEL_0 LABEL_1 LABEL_2; "
#define MULTI "multi_label_classification; "
#define SINGLE "single_label_classification; "

static const label_case lists[] = {
    {.name = "a.jsonl",
     .text = "[1, 0, 1]\n[0, 0, 0]\n[0, 1, 0]",
     HOT "101 000 010",
     .note = "lists of 0 and 1: 3 labels"},
    {.name = "a.jsonl", .text = "[1.0, 0.0, 1.0]\n[0.0, 1.0, 0.0]", HOT "101 010"},
    {.name = "a.jsonl", .text = "[true, false, true]\n[false, true, true]", HOT "101 011"},
    {.name = "a.jsonl", .text = "[1, 0, 1]\n[0, 1, 0]", HOT "101 010", .separator = "|"},
    {.name = "a.jsonl", .text = "[1, 0, 1]\n[0, 1, 0]", MULTI "a b c; 101 010", .names = "a,b,c"},
    {.name = "a.jsonl",
     .text = "[1, 0, 1]\n[0, 1, 0]",
     "!a.jsonl:1: the label is a list of 3 times 0 or 1, but "
     "there are 2 labels",
     .names = "a,b"},
    {.name = "a.jsonl",
     .text = "[1, 0, 1]\n[0, 1]",
     "!a.jsonl:2: the label is a list of 2, and that of line 1 one of 3"},
    {.name = "a.jsonl",
     .text = "[1, 0, 0]\n[0, 1, 0]\n[0, 0, 1]",
     SINGLE "LABEL_0 LABEL_1 LABEL_2; 0 1 2",
     .problem = "single_label_classification"},
    {.name = "a.jsonl", .text = "[1, 0, 0]\n[0, 1, 1]", "!row 2 has 2 labels", .problem = SINGLE},
    {.name = "a.jsonl",
     .text = "[0, 2]\n[1, 2]\n[2, 0]",
     MULTI "0 1 2; 101 011 101",
     .note = "read as numbers of classes; label_names gives them names"},
    {.name = "a.jsonl", .text = "[0, 2]\n[1, 2]", MULTI "a b c; 101 011", .names = "a,b,c"},
    {.name = "a.jsonl",
     .text = "[0, 1, 0]\n[1, 2, 1]",
     "!a.jsonl:1: the label is a list in which a number is there "
     "twice"},
    {.name = "a.jsonl", .text = "[0.5, 0.25]\n[0.1, 0.9]", "!neither 0 or 1"},
    {.name = "a.jsonl",
     .text = "[\"food\", \"staff\"]\n[\"room\", \"food\"]",
     MULTI "food room staff; 101 110",
     .note = "labels are lists of names"},
    {.name = "a.csv",
     .text = "\"['food', 'staff']\"\n['room']\n[]",
     MULTI "food room staff; 101 010 000",
     .note = "lists of names, as text"},
    {.name = "a.csv",
     .text = "\"[\"\"it's\"\", 'b']\"\n\"('b',)\"\n\"{'b', 'c'}\"",
     MULTI "b c it's; 101 100 110"},
    {.name = "a.csv",
     .text = "\"[1, 0, 1]\"\n\"[0, 1, 0]\"",
     HOT "101 010",
     .note = "0 and 1, as text"},
    {.name = "a.csv", .text = "[1 0 1]\n[0 1 0]", HOT "101 010"},
    {.name = "a.csv", .text = "[1. 0. 1.]\n[0. 1.\n 0.]", HOT "101 010"},
    {.name = "a.csv", .text = "\"[True, False, True]\"\n\"[False, True, False]\"", HOT "101 010"},
    {.name = "a.csv", .text = "\"{'b': 1, 'a': 0}\"\n\"{'b': 0, 'a': 1}\"", MULTI "a b; 01 10"},
    {.name = "a.csv",
     .text = "\"[food, staff]\"\n[room]",
     "!a.csv:2: the label \"[food, staff]\" looks like a list"},
    {.name = "a.csv",
     .text = "\"tensor([1, 0])\"\n\"tensor([0, 1])\"",
     "!a.csv:2: the label \"tensor([1, 0])\""},
    {.name = "a.csv",
     .text = "\"['a', 'b']\"\nc",
     "!the text of a list in line 2 and none in line 3"},
    {.name = "a.csv", .text = "[PAD]\n[other]\n(x)", SINGLE "(x) [PAD] [other]; 1 2 0"},
};

static const label_case missing[] = {
    {.name = "a.tsv",
     .text = "0\n1\n2\n-1",
     SINGLE "0 1 2; 0 1 2",
     .note = "1 row left out: no gold label, \"-1\" (line 5)"},
    {.name = "a.tsv", .text = "-1\n1\n-1", SINGLE "-1 1; 0 1 0"},
    {.name = "a.tsv", .text = "-1\n0\n1", "!a.tsv:2: label \"-1\" (1 row): a class, or the mark"},
    {.name = "a.tsv", .text = "-1\n0\n1", SINGLE "-1 0 1; 0 1 2", .missing = "none"},
    {.name = "a.tsv", .text = "-1\n0\n1", SINGLE "0 1; 0 1", .missing = "-1"},
    {.name = "a.tsv", .text = "-2\n-1\n0\n1\n2", SINGLE "-2 -1 0 1 2; 0 1 2 3 4"},
    {.name = "a.tsv", .text = "-1\n0.5\n1", "regression; LABEL_0; -1 0.5 1"},
    {.name = "a.tsv", .text = "-1\n-1\n-1", "!every row has the label \"-1\""},
    {.name = "a.tsv", .text = "0\n1\n-100", SINGLE "0 1; 0 1"},
    {.name = "a.tsv",
     .text = "yes\nno\n-\n-",
     SINGLE "no yes; 1 0",
     .note = "2 rows left out: no gold label, \"-\" (the first in line 4)"},
    {.name = "a.tsv", .text = "+\n-\n0", SINGLE "+ - 0; 0 1 2"},
    {.name = "a.tsv", .text = "-\nyes\n-", "!without which one class is left"},
    {.name = "a.tsv",
     .text = "1.5\nnan\n2.5\n",
     "regression; LABEL_0; 1.5 2.5",
     .note = "\"nan\" (line 3)"},
    {.name = "a.tsv", .text = "1.5\nN/A\n2.5", "regression; LABEL_0; 1.5 2.5"},
    {.name = "a.tsv", .text = "yes\nNaN\nno\n<NA>", SINGLE "no yes; 1 0"},
    {.name = "a.tsv",
     .text = "yes\nNone\nno",
     "!a.tsv:3: label \"None\" (1 row): a class, or the mark"},
    {.name = "a.tsv", .text = "yes\nNone\nno", SINGLE "None no yes; 2 0 1", .missing = "none"},
    {.name = "a.tsv", .text = "yes\nNone\nno", SINGLE "None no yes; 2 0 1", .names = "None,no,yes"},
    {.name = "a.tsv", .text = "yes\nNone\nno\n?", SINGLE "no yes; 1 0", .missing = "None,?"},
    {.name = "a.tsv", .text = "yes\nnone\nno", SINGLE "no none yes; 2 1 0"},
    {.name = "a.jsonl",
     .text = "\"a\"\nnull\n\"b\"",
     SINGLE "a b; 0 1",
     .note = "1 row left out: no gold label (line 2)"},
    {.name = "a.tsv",
     .text = "a\n\nb\n",
     SINGLE "a b; 0 1",
     .note = "2 rows left out: no gold label (the first in line 3)"},
    {.name = "a.tsv", .text = "nan\nnan", "!no row has a gold label"},
};

static const label_case slips[] = {
    {.name = "a.tsv",
     .text = "yes\nno\n-1",
     "!a.tsv:4: label \"-1\" (1 row): a class, or the mark"},
    {.name = "a.tsv",
     .text = "a\nb\na\nb\na\n1",
     SINGLE "1 a b; 1 2 1 2 1 0",
     .note = "label \"1\" (line 7) is a number among names"},
    {.name = "a.tsv",
     .text = "1.5\n2.5\n3.5\n4.5\n3,5\n0.5",
     "!a.tsv:6: label \"3,5\" has a comma in a number"},
    {.name = "a.tsv", .text = "1,5\n2,5\n3,0", "!a.tsv:2: label \"1,5\" has a comma"},
    {.name = "a.tsv",
     .text = "1200\n900\n1,234\n1100\n800\n700",
     "!a.tsv:4: label \"1,234\" has a comma"},
    {.name = "a.tsv",
     .text = "1.5\n2.5\n3.5\n4.5\nlots\n0.5",
     "!a.tsv:6: label \"lots\" is no number"},
    {.name = "a.tsv", .text = "0\n1\n0\n1\n0\nO", "!a.tsv:7: label \"O\" is no number"},
    {.name = "a.tsv",
     .text = "0\n1\n0\n1\n0\nO",
     SINGLE "0 1 O; 0 1 0 1 0 2",
     .problem = "single_label_classification"},
    {.name = "a.tsv",
     .text = "0\n1\n0\n1\n0\n1\n0.5",
     "!a.tsv:8: label \"0.5\" has a point, as hardly any other"},
    {.name = "a.tsv",
     .text = "0\n1\n0\n1\n0\n1\n0.5",
     "regression; LABEL_0; 0 1 0 1 0 1 0.5",
     .problem = "regression"},
    {.name = "a.tsv", .text = "0\n1.5\n3\n2.5", "regression; LABEL_0; 0 1.5 3 2.5"},
    {.name = "a.tsv", .text = "0.0\n1.0\n\n0.0\n1.0", "!as pandas writes classes with gaps"},
    {.name = "a.tsv", .text = "0.0\n1.0\n0.0\n1.0", "regression; LABEL_0; 0 1 0 1"},
    {.name = "a.tsv",
     .text = "Yes\nyes\nno",
     SINGLE "Yes no yes; 0 2 1",
     .note = "differ in case or blanks only"},
    {.name = "a.tsv",
     .text = "very good\nvery  good\nbad",
     SINGLE "bad very  good very good; 2 1 0",
     .note = "\"very good\" (line 2) and \"very  good\" (line 3)"},
    {.name = "a.tsv", .text = "1st\n2nd\n3", SINGLE "1st 2nd 3; 0 1 2"},
};

/* The file of a case: its labels beside texts. */
static char *file_of(const label_case *c) {
    const bool json = strstr(c->name, ".jsonl") != NULL, csv = strstr(c->name, ".csv") != NULL;
    char *all = calloc(1, 8192), *copy = strdup(c->text), *rest = copy;
    if (!json) strcat(all, csv ? "text,label\n" : "text\tlabel\n");
    while (csv && strstr(rest, ".\n ")) { /* one field of two lines */
        char *at = strstr(rest, ".\n ");
        at[1] = '\v';
    }
    for (char *label; (label = strsep(&rest, "\n"));) {
        char line[300];
        const bool two = strchr(label, '\v') != NULL;
        if (two) *strchr(label, '\v') = '\n';
        snprintf(line, sizeof line,
                 json  ? "{\"text\": \"w1\", \"label\": %s}\n"
                 : two ? "w1,\"%s\"\n"
                 : csv ? "w1,%s\n"
                       : "w1\t%s\n",
                 label);
        strcat(all, line);
    }
    free(copy);
    return all;
}

static void describe(const bert_dataset *d, char *out, size_t capacity) {
    size_t n = (size_t)snprintf(out, capacity, "%s;", bert_dataset_problem_type(d));
    const int32_t labels = bert_dataset_num_labels(d);
    for (int32_t i = 0; i < labels; i++)
        n += (size_t)snprintf(out + n, capacity - n, " %s", bert_dataset_label(d, i));
    n += (size_t)snprintf(out + n, capacity - n, ";");
    for (int64_t i = 0; i < bert_dataset_size(d); i++) {
        const float *t = bert_dataset_row_targets(d, i);
        n += (size_t)snprintf(out + n, capacity - n, " ");
        if (!t) n += (size_t)snprintf(out + n, capacity - n, "%d", bert_dataset_row_label(d, i));
        for (int32_t k = 0; t && k < labels; k++)
            n += (size_t)snprintf(out + n, capacity - n, "%g", (double)t[k]);
    }
}

static bool says(const bert_dataset *d, const char *what) {
    bool found = false;
    for (int i = 0; bert_dataset_note(d, i); i++)
        found |= strstr(bert_dataset_note(d, i), what) != NULL;
    return found;
}

static void check(const char *dir, const bert_model *base, const label_case *c) {
    bert_error e = {0};
    bert_dataset_options o = bert_dataset_default();
    char problem[64] = "", got[2000], *text = file_of(c), *path = bert_path_join(dir, c->name);
    if (c->problem)
        snprintf(problem, sizeof problem, "%.*s", (int)strcspn(c->problem, ";"), c->problem);
    set_option(&o, "label_names", c->names);
    set_option(&o, "missing_label", c->missing);
    set_option(&o, "label_separator", c->separator);
    o.problem_type = c->problem ? problem : NULL;
    tiny_write(dir, c->name, text);
    bert_dataset *d = bert_dataset_open(path, base, &o, &e);
    if (*c->want == '!') {
        if (d || !strstr(e.message, c->want + 1))
            fail_msg("%s%s\nnot: %s", text, d ? "it was read" : e.message, c->want);
    } else {
        if (!d) fail_msg("%s%s", text, e.message);
        describe(d, got, sizeof got);
        if (strcmp(got, c->want)) fail_msg("%s\"%s\", not \"%s\"", text, got, c->want);
        if (c->note && !says(d, c->note)) fail_msg("%s: no line says %s", text, c->note);
    }
    bert_dataset_free(d);
    free(text);
    free(path);
}

static void check_all(const label_case *cases, size_t n) {
    bert_error e = {0};
    char *dir = test_directory();
    tiny_model(dir, 3, "", 0);
    bert_model_options o = bert_model_default();
    o.head = "none";
    bert_model *base = bert_model_open(dir, &o, &e);
    if (!base) fail_msg("%s", e.message);
    for (size_t i = 0; i < n; i++) check(dir, base, &cases[i]);
    bert_model_close(base);
    test_remove(dir);
}

static void lists_are_read_as_meant(void **state) {
    (void)state;
    check_all(lists, sizeof lists / sizeof *lists);
}

static void rows_without_a_label_are_left_out(void **state) {
    (void)state;
    check_all(missing, sizeof missing / sizeof *missing);
}

static void slips_are_no_classes(void **state) {
    (void)state;
    check_all(slips, sizeof slips / sizeof *slips);
}

/* The class that metrics of one class are of: the second, or what is said; a set like it keeps to
 * it. */
static void the_positive_class(void **state) {
    (void)state;
    bert_error e = {0};
    char *dir = test_directory(), *path = bert_path_join(dir, "a.tsv");
    tiny_model(dir, 2, "", 0);
    bert_model *m = bert_model_open(dir, &(bert_model_options){.head = "none"}, &e);
    if (!m) fail_msg("%s", e.message);
    tiny_write(dir, "a.tsv", "text\tlabel\nw1\thate\nw2\tnone\n");
    bert_dataset_options o = bert_dataset_default();
    bert_dataset *d = bert_dataset_open(path, m, &o, &e);
    assert_string_equal(bert_dataset_positive_label(d), "none");
    assert_true(says(d, "f1 are of 'none', the second class; positive_label chooses"));
    bert_dataset_free(d);
    set_option(&o, "positive_label", "hate");
    d = bert_dataset_open(path, m, &o, &e);
    assert_string_equal(bert_dataset_positive_label(d), "hate");
    bert_dataset_options like = {.like = d};
    bert_dataset *v = bert_dataset_open(path, m, &like, &e);
    assert_string_equal(bert_dataset_positive_label(v), "hate");
    bert_dataset_free(v);
    bert_dataset_free(d);
    set_option(&o, "positive_label", "love");
    assert_null(bert_dataset_open(path, m, &o, &e));
    assert_non_null(strstr(e.message, "positive_label \"love\" is neither hate nor none"));
    bert_error_clear(&e);
    tiny_write(dir, "a.tsv", "text\tlabel\nw1\thate\nw2\tnone\nw3\tlove\n");
    assert_null(bert_dataset_open(path, m, &o, &e));
    assert_non_null(strstr(e.message, "is for two classes"));
    set_option(&o, "positive_label", NULL);
    bert_error_clear(&e);
    d = bert_dataset_open(path, m, &o, &e);
    assert_null(bert_dataset_positive_label(d));
    bert_dataset_free(d);
    bert_model_close(m);
    free(path);
    test_remove(dir);
}

/* Marks beside labels that are known; columns of 0, 1 and -1; texts that are kept go with rows. */
static void known_labels_and_columns(void **state) {
    (void)state;
    bert_error e = {0};
    char *dir = test_directory(), *path = bert_path_join(dir, "a.csv");
    tiny_model(dir, 2, "", 0);
    bert_model *m =
        bert_model_open(dir, &(bert_model_options){.head = "sequence-classification"}, &e);
    if (!m) fail_msg("%s", e.message);
    bert_dataset_options o = bert_dataset_default();
    o.model_labels = o.keep_texts = true;
    tiny_write(dir, "a.csv", "text,label\nw1,1\nw2,-1\nw3,None\nw4,LABEL_0\n");
    bert_dataset *d = bert_dataset_open(path, m, &o, &e);
    if (!d) fail_msg("%s", e.message);
    assert_int_equal(bert_dataset_size(d), 2);
    assert_int_equal(bert_dataset_row_label(d, 1), 0);
    const int32_t *ids;
    assert_int_equal(bert_dataset_row(d, 1, &ids, NULL), 3);
    assert_int_equal(ids[1], 5 + 4);
    assert_true(says(d, "numbers are those of the model's labels: 1 LABEL_1"));
    bert_evaluate_options eo = bert_evaluate_default();
    char *out = bert_path_join(dir, "out.csv"), *text;
    size_t n;
    eo.predictions = out;
    bert_metrics_free(bert_evaluate(m, d, &eo, &e));
    if (bert_read_file(out, 0, &text, &n, &e)) fail_msg("%s", e.message);
    assert_non_null(strstr(text, "\n2,w1,LABEL_1,"));
    assert_non_null(strstr(text, "\n5,w4,LABEL_0,"));
    free(text);
    free(out);
    bert_dataset_free(d);

    o = bert_dataset_default();
    o.label_column = "toxic,insult";
    tiny_write(dir, "a.csv", "text,toxic,insult\nw1,1,0\nw2,-1,-1\nw3,0,1\n");
    d = bert_dataset_open(path, m, &o, &e);
    if (!d) fail_msg("%s", e.message);
    assert_int_equal(bert_dataset_size(d), 2);
    assert_true(says(d, "1 row left out: no gold label (line 3)"));
    bert_dataset_free(d);
    bert_model_close(m);
    free(path);
    test_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_as_meant),
        cmocka_unit_test(rows_without_a_label_are_left_out),
        cmocka_unit_test(slips_are_no_classes),
        cmocka_unit_test(the_positive_class),
        cmocka_unit_test(known_labels_and_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
