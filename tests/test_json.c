/* JSON: what Python's json writes beyond the standard, where errors are said to be, and files that
 * are something else. */
#include "base/file.h"
#include "files/json.h"
#include "files/python_json.h"
#include "test.h"

static char *compact(const char *text, bert_error *e) {
    json_t *json = bert_json_parse(text, strlen(text), "x.json", e);
    if (!json) return NULL;
    char *out = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
    json_decref(json);
    return out;
}

static void python_is_understood(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{\"a\": NaN, \"b\": [NaN,NaN]}", "{\"a\":null,\"b\":[null,null]}"},
        {"[Infinity,-Infinity, 1e999, -1e999]", "[1e308,-1e308,1e308,-1e308]"},
        {"{\"NaN\": \"NaN -Infinity\"}", "{\"NaN\":\"NaN -Infinity\"}"},
        {"{\"a\": 1, \"b\": 2, \"a\": 3}", "{\"a\":3,\"b\":2}"},
        {"[\"\\ud800\", \"x\\udC00y\", \"\\ud83d\\ude00\"]",
         "[\"\\uFFFD\",\"x\\uFFFDy\",\"\\uD83D\\uDE00\"]"},
        {"[\"\\ud83d\\ud83d\\ude00\"]", "[\"\\uFFFD\\uD83D\\uDE00\"]"},
        {"[\"\\\\ud800\"]", "[\"\\\\ud800\"]"},
        {"[\"\\\"\", NaN, \"\\\\\", NaN]", "[\"\\\"\",null,\"\\\\\",null]"},
        /* an integer beyond 64 bits makes no real of its neighbours */
        {"[12345678901234567890, 9223372036854775807, 7]", "[1.23457e19,9223372036854775807,7]"},
        {"{\"model_max_length\": 1000000000000000019884624838656}", "{\"model_max_length\":1e30}"},
        {"\xef\xbb\xbf{\"a\": 1}", "{\"a\":1}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bert_error e = {0};
        char *out = compact(cases[i][0], &e);
        if (!out) fail_msg("%s: %s", cases[i][0], e.message);
        assert_string_equal(out, cases[i][1]);
        free(out);
    }
}

static void errors_are_where_they_are(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{\"a\": NaN, \"b\": x}", "x.json:1:17: not valid JSON: invalid token near 'x'"},
        {"[NaN,NaN,\nNaN,NaN x]", "x.json:2:9: not valid JSON: ']' expected near 'x'"},
        {"[\"\\ud800\", \"\\udc00\", x]", "x.json:1:22: not valid JSON: invalid token near 'x'"},
        {"[nan]", "x.json:1:4: not valid JSON: invalid token near 'nan'"},
        {"[NaNa]", "x.json:1:5: not valid JSON"},
        {"[\"\\ud8\"]", "x.json:1:7: not valid JSON: invalid escape"},
        {"[\"\\", "x.json:1:3: not valid JSON: invalid escape"},
        {"[\"\\u12", "x.json:1:"},
        {"[1, -", "x.json:1:5: not valid JSON"},
        {"", "x.json: is empty"},
        {" \n", "x.json: is empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bert_error e = {0};
        assert_null(bert_json_parse(cases[i][0], strlen(cases[i][0]), "x.json", &e));
        assert_int_equal(e.code, BERT_EFORMAT);
        if (strncmp(e.message, cases[i][1], strlen(cases[i][1])))
            fail_msg("%s: \"%s\" is not \"%s\"", cases[i][0], e.message, cases[i][1]);
    }
}

static void rows_name_their_line(void **state) {
    (void)state;
    bert_error e = {0};
    static const char row[] = "{\"text\": \"a\\u0000b\\ud800\", \"label\": NaN}";
    json_t *json = bert_json_parse_row(row, strlen(row), "x.jsonl", 7, &e);
    assert_non_null(json);
    const json_t *text = json_object_get(json, "text");
    assert_int_equal(json_string_length(text), 6);
    assert_memory_equal(json_string_value(text), "a\0b\xef\xbf\xbd", 6);
    assert_true(json_is_null(json_object_get(json, "label")));
    json_decref(json);
    assert_null(bert_json_parse_row("{\"a\": NaN, ]", 12, "x.jsonl", 7, &e));
    assert_string_equal(e.message, "x.jsonl:7:12: not valid JSON: string or '}' expected near ']'");
}

static void exact_is_the_standard(void **state) {
    (void)state;
    static const char *const refused[] = {"[NaN]", "{\"a\": 1, \"a\": 2}", "[\"\\ud800\"]",
                                          "[1e999]", "\xef\xbb\xbf{}"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        bert_error e = {0};
        assert_null(bert_json_parse_exact(refused[i], strlen(refused[i]), "x", &e));
        assert_int_equal(e.code, BERT_EFORMAT);
    }
}

/* Whatever is in it, the copy has room, and its shift is that of its line. */
static void any_bytes_are_copied(void **state) {
    (void)state;
    static const char *const parts[] = {
        "NaN", "-Infinity", "\"",  "\\", "\\ud800", "1e999", "[", "\n", "99999999999999999999",
        "-",   "n",         "\\u", "0",  ",",       "\"\\"};
    unsigned seed = 1;
    for (int i = 0; i < 20000; i++) {
        char text[400];
        size_t n = 0, out;
        for (int j = 0; j < 12; j++) {
            seed = seed * 1103515245 + 12345;
            const char *part = parts[(seed >> 16) % (sizeof parts / sizeof *parts)];
            memcpy(text + n, part, strlen(part));
            n += strlen(part);
        }
        char *exact = malloc(n); /* so that reading beyond it is seen */
        assert_non_null(exact);
        memcpy(exact, text, n);
        bert_error e = {0};
        char *copy = bert_python_json(exact, n, &out, &e);
        assert_int_equal(e.code, 0);
        if (copy) assert_true(out >= n && out <= 2 * n);
        json_decref(bert_json_parse(exact, n, "x", &e));
        free(copy);
        free(exact);
    }
}

static void other_files_are_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "git lfs pull"},
        {"\n <!DOCTYPE html><title>Sign in</title>", "web page"},
        {"<HTML>", "web page"},
        {"\xff\xfe{", "UTF-16"},
        {"PK\3\4", "zip"},
        {"Entry not found", "download"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *instead = bert_file_instead(cases[i].text, strlen(cases[i].text));
        assert_non_null(instead);
        assert_non_null(strstr(instead, cases[i].said));
        bert_error e = {0};
        assert_null(bert_json_parse(cases[i].text, strlen(cases[i].text), "config.json", &e));
        assert_non_null(strstr(e.message, cases[i].said));
    }
    assert_null(bert_file_instead("version of the text", 19));
    assert_null(bert_file_instead("{}", 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_is_understood), cmocka_unit_test(errors_are_where_they_are),
        cmocka_unit_test(rows_name_their_line), cmocka_unit_test(exact_is_the_standard),
        cmocka_unit_test(any_bytes_are_copied), cmocka_unit_test(other_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
