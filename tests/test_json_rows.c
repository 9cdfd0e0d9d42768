/* Objects of JSON files: a line each, over several lines, in one array. */
#include "base/file.h"
#include "base/notes.h"
#include "files/json_rows.h"
#include "test.h"

/* want: the member "a" of each object and its line, "1:2 "; or the error's text after "!". */
static const struct {
    const char *content, *want;
} cases[] = {
    {"{\"a\":1}\n{\"a\":2}\n", "1:1 2:2 "},
    {"\n  {\"a\":1}\r\n\n{\"a\":2}", "1:2 2:4 "},
    {"[{\"a\":1},{\"a\":2}]", "1:1 2:1 "},
    {"[\n  {\"a\":1,\n   \"b\":[{\"c\":\"}]\\\"\"}]},\n  {\n\"a\":2}\n]\n", "1:2 2:4 "},
    {"{\n \"a\": 1\n}\n{\n \"a\": 2\n}\n", "1:1 2:4 "},
    {"{\n \"a\": 1\n} {\"a\":2}\n", "1:1 2:3 "},
    {"[]", ""},
    {" \n", ""},
    {"{\"a\":1}\n{\"a\":\n2}\n", "!j:2:"}, /* lines of their own stay so */
    {"{\"a\":1} {\"a\":2}\n", "!j:1:"},
    {"{\n\"a\":1\n", "!j:1: an object that starts here does not end"},
    {"[{\"a\":1}", "!j:1: the file ends before the array does"},
    {"[{\"a\":1} {\"a\":2}]", "!j:1: a comma or ] is needed"},
    {"[{\"a\":1},]", "!j:1: a comma before the array's end"},
    {"[{\"a\":1}]\nx", "!j:2: text after the array's end"},
    {"[1,2]", "!j:1: not a JSON object: it begins with \"1,2]\""},
    {"a,b\n", "!j:1: not a JSON object: it begins with \"a,b\""},
    {"[[{\"a\":1}]]", "!j:1: not a JSON object"},
};

static void read_cases(void **state) {
    (void)state;
    char *dir = test_directory();
    assert_int_equal(chdir(dir), 0); /* messages begin with the name */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bert_error e = {0};
        char got[200] = "";
        const char *path = "j";
        assert_int_equal(bert_write_file(path, cases[i].content, strlen(cases[i].content), &e), 0);
        bert_json_rows *r = bert_json_rows_open(path, &e);
        assert_non_null(r);
        const json_t *o;
        int rc;
        while ((rc = bert_json_rows_next(r, &o, &e)) > 0) {
            size_t n = strlen(got);
            snprintf(got + n, sizeof got - n, "%lld:%lld ",
                     (long long)json_integer_value(json_object_get(o, "a")),
                     (long long)bert_json_rows_line(r));
        }
        bert_json_rows_close(r);
        const char *want = cases[i].want;
        if (*want == '!') {
            assert_int_equal(rc, BERT_EFORMAT);
            if (strncmp(e.message, want + 1, strlen(want + 1)))
                fail_msg("case %zu: \"%s\", not \"%s\"", i, e.message, want + 1);
        } else {
            assert_int_equal(rc, 0);
            assert_string_equal(got, want);
        }
    }
    bert_error e = {0};
    assert_null(bert_json_rows_open("not there", &e));
    assert_int_equal(e.code, BERT_ENOTFOUND);
    assert_int_equal(chdir("/"), 0);
    test_remove(dir);
}

static void notes(void **state) {
    (void)state;
    bert_notes n = {0};
    assert_int_equal(bert_notes_say(&n, NULL, "columns %s", "a, b"), 0);
    for (int i = 3; i < 6; i++) assert_int_equal(bert_notes_tally(&n, i, "left out", NULL), 0);
    assert_int_equal(bert_notes_tally(&n, 9, "cut", NULL), 0);
    assert_int_equal(bert_notes_sum_up(&n, "row", "line", NULL), 0);
    assert_string_equal(bert_notes_at(&n, 0), "columns a, b");
    assert_string_equal(bert_notes_at(&n, 1), "3 rows left out (the first in line 3)");
    assert_string_equal(bert_notes_at(&n, 2), "1 row cut (line 9)");
    assert_null(bert_notes_at(&n, 3));
    assert_null(bert_notes_at(&n, -1));
    bert_notes_free(&n);
    assert_null(bert_notes_at(&n, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_cases),
        cmocka_unit_test(notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
