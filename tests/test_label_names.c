/* Names for labels that are numbers: where they come from, and what they become. */
#include "data/label_names.h"
#include "tiny.h"

static const struct {
    const char *file, *text, *column, *want; /* want: names by blanks, or what the error says */
} cases[] = {
    {NULL, "neg, neu,pos", NULL, "neg neu pos"},
    {"a.txt", "neg\r\nneu\r\n\r\n", NULL, "neg neu"},
    {"a.txt", "\xEF\xBB\xBFneg\nneu", NULL, "neg neu"},
    {"a.json", "[\"neg\", \"pos\"]", NULL, "neg pos"},
    {"a.json", "{\"id2label\": {\"1\": \"b\", \"0\": \"a\"}, \"hidden_size\": 8}", NULL, "a b"},
    {"a.json", "{\"b\": 1, \"a\": 0}", NULL, "a b"},
    {"a.json",
     "{\"features\": {\"label\": {\"names\": [\"x\", \"y\"], \"_type\": \"ClassLabel\"}}}", NULL,
     "x y"},
    {"a.json",
     "{\"default\": {\"features\": {\"pos_tags\": {\"feature\": {\"names\": [\"NN\"], \"_type\": "
     "\"ClassLabel\"}, \"_type\": \"Sequence\"}, \"ner_tags\": {\"feature\": {\"names\": [\"O\", "
     "\"B-X\"], \"_type\": \"ClassLabel\"}, \"_type\": \"Sequence\"}}}}",
     NULL, "O B-X"},
    {"a.json",
     "{\"features\": {\"label\": {\"names\": [\"x\"], \"_type\": \"ClassLabel\"}, \"topic\": "
     "{\"names\": [\"y\"], \"_type\": \"ClassLabel\"}}}",
     "topic", "y"},
    {"a.json",
     "{\"features\": {\"mood\": {\"names\": [\"x\"], \"_type\": \"ClassLabel\"}, \"topic\": "
     "{\"names\": [\"y\"], \"_type\": \"ClassLabel\"}}}",
     NULL, "!several columns, mood, topic: label_column says which"},
    {"a.json", "{\"features\": {\"text\": {\"_type\": \"Value\"}}}", NULL, "!no names of labels"},
    {"a.json", "{\"0\": \"a\", \"2\": \"b\"}", NULL, "!label 1 of 2 has no name"},
    {"a.json", "[\"a\", 1]", NULL, "!label 1 is empty or no text"},
    {"a.txt", "a\nb\na\n", NULL, "!\"a\" is there twice"},
    {"a.txt", "a\n\nb\n", NULL, "!label 1 is empty"},
    {NULL, "a,,b", NULL, "!label 1 is empty"},
    {NULL, "nothing.txt", NULL, "!there is no such file"},
};

static void names_come_from_lists_and_files(void **state) {
    (void)state;
    char *dir = test_directory();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bert_error e = {0};
        bert_labels names = {0};
        char *path = cases[i].file ? bert_path_join(dir, cases[i].file) : strdup(cases[i].text);
        if (cases[i].file) tiny_write(dir, cases[i].file, cases[i].text);
        int rc = bert_label_names_read(path, cases[i].column, &names, &e);
        char got[200] = "";
        for (int32_t k = 0; k < names.n; k++)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", k ? " " : "",
                     names.name[k]);
        if (*cases[i].want != '!') {
            if (rc) fail_msg("case %zu: %s", i, e.message);
            assert_string_equal(got, cases[i].want);
        } else if (!rc || !strstr(e.message, cases[i].want + 1)) {
            fail_msg("case %zu: %d \"%s\" %s", i, rc, e.message, got);
        }
        bert_labels_free(&names);
        free(path);
    }
    test_remove(dir);
}

typedef struct {
    char *dir, *path;
    bert_model *base;
    bert_error e;
} world;

static bert_dataset *open_text(world *w, const char *name, const char *text,
                               const bert_dataset_options *o) {
    free(w->path);
    w->path = bert_path_join(w->dir, name);
    tiny_write(w->dir, name, text);
    return bert_dataset_open(w->path, w->base, o, &w->e);
}

static void numbers_become_the_names(void **state) {
    (void)state;
    world w = {.dir = test_directory()};
    tiny_model(w.dir, 3, "", 0);
    bert_model_options base = bert_model_default();
    base.head = "none";
    w.base = bert_model_open(w.dir, &base, &w.e);
    bert_dataset_options o = bert_dataset_default(), like;
    set_option(&o, "label_names", "neg,neu,pos");
    bert_dataset *d = open_text(&w, "a.csv", "text,label\nw1,2\nw2,0\nw3,neu\nw4,1.0\n", &o);
    if (!d) fail_msg("%s", w.e.message);
    static const int32_t want[] = {2, 0, 1, 1};
    for (int i = 0; i < 4; i++) assert_int_equal(bert_dataset_row_label(d, i), want[i]);
    assert_string_equal(bert_dataset_label(d, 2), "pos");

    /* Numbers of another order beside a set that has the names. */
    like = o;
    like.like = d;
    set_option(&like, "label_names", "pos,neg");
    bert_dataset *v = open_text(&w, "v.csv", "text,label\nw1,0\nw2,1\nw2,neg\n", &like);
    if (!v) fail_msg("%s", w.e.message);
    assert_int_equal(bert_dataset_row_label(v, 0), 2);
    assert_int_equal(bert_dataset_row_label(v, 1), 0);
    bert_dataset_free(v);

    assert_null(open_text(&w, "b.csv", "text,label\nw1,2\nw2,3\n", &o));
    assert_non_null(strstr(w.e.message, "b.csv:3: label \"3\" is not one of the names given: neg"));
    bert_error_clear(&w.e);
    set_option(&like, "label_names", "pos,other");
    assert_null(open_text(&w, "v.csv", "text,label\nw1,0\nw2,1\n", &like));
    assert_non_null(strstr(w.e.message, "v.csv:3: label \"1\" (other) is not one of neg, neu"));
    bert_error_clear(&w.e);
    bert_dataset_free(d);

    o.task = "token-classification";
    set_option(&o, "label_names", "O,B-X,I-X");
    d = open_text(&w, "t.jsonl", "{\"tokens\": [\"w1\", \"w2\"], \"ner_tags\": [1, 0]}\n", &o);
    if (!d) fail_msg("%s", w.e.message);
    assert_int_equal(bert_dataset_num_labels(d), 3);
    assert_int_equal(bert_dataset_label_rows(d, 1), 1);
    bert_dataset_free(d);
    bert_model_close(w.base);
    free(w.path);
    test_remove(w.dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_come_from_lists_and_files),
        cmocka_unit_test(numbers_become_the_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
