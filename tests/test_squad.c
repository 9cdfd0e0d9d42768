/* Answers against SQuAD's evaluation scripts: tools/golden_squad.py and golden_task_metrics.py. */
#include "data/metric_squad.h"
#include "models.h"
#include "text/code_points.h"
#include "text/python_str.h"

enum { MOST = 16 };

static bert_text text_of(const json_t *string) {
    return (bert_text){.text = json_string_value(string), .bytes = json_string_length(string)};
}

static uint32_t crc32_of(uint32_t crc, const char *bytes, size_t n) {
    static uint32_t table[256];
    for (uint32_t i = 0; !table[255] && i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
        table[i] = c;
    }
    crc = ~crc;
    for (size_t i = 0; i < n; i++) crc = crc >> 8 ^ table[(crc ^ (uint8_t)bytes[i]) & 0xff];
    return ~crc;
}

/* The context with c in the place of each "{}". */
static size_t put_in(const char *context, uint32_t c, char *out) {
    size_t n = 0;
    for (const char *p = context; *p; p++) {
        if (p[0] != '{')
            out[n++] = *p;
        else
            n += (size_t)bert_utf8_put(c, (uint8_t *)out + n), p++;
    }
    return n;
}

static uint32_t checksum(const char *context, uint32_t from, uint32_t to) {
    uint32_t crc = 0;
    char text[128];
    for (uint32_t c = from; c < to; c++) {
        if (c >= 0xd800 && c <= 0xdfff) continue;
        const bert_text t = {.text = text, .bytes = put_in(context, c, text)};
        size_t n;
        char *normalized = bert_squad_normalize(&t, &n);
        assert_non_null(normalized);
        normalized[n] = '\n';
        crc = crc32_of(crc, normalized, n + 1);
        free(normalized);
    }
    return crc;
}

/* A golden file whose strings may hold zero bytes. */
static json_t *golden_of(const char *name) {
    char path[4600];
    snprintf(path, sizeof path, "%s/tests/golden/%s", BERT_SOURCE_DIR, name);
    json_t *j = json_load_file(path, JSON_ALLOW_NUL, NULL);
    assert_non_null(j);
    return j;
}

static void every_code_point(void **state) {
    (void)state;
    json_t *golden = golden_of("squad.json"), *one, *crc;
    const uint32_t block = (uint32_t)json_integer_value(json_object_get(golden, "block"));
    size_t i, k;
    json_array_foreach(json_object_get(golden, "contexts"), i, one) {
        const char *context = json_string_value(json_object_get(one, "context"));
        json_array_foreach(json_object_get(one, "crc32"), k, crc) {
            const uint32_t from = block * (uint32_t)k;
            if (checksum(context, from, from + block) != (uint32_t)json_integer_value(crc))
                fail_msg("\"%s\" with a code point of U+%04X to U+%04X", context, from,
                         from + block - 1);
        }
        assert_int_equal(k * block, 0x110000);
    }
    json_decref(golden);
}

static double number(const json_t *array, size_t i) {
    return json_number_value(json_array_get(array, i));
}

/* Texts and scores; of each, without and with SQuAD 2.0. */
static void check_case(const json_t *c, const double exact[2], const double f1[2]) {
    const bert_text answer = text_of(json_object_get(c, "answer")),
                    want = text_of(json_object_get(c, "normalized"));
    const json_t *list = json_object_get(c, "gold");
    bert_text gold[MOST];
    const int n = (int)json_array_size(list);
    for (int k = 0; k < n; k++) gold[k] = text_of(json_array_get(list, (size_t)k));
    size_t length;
    char *out = bert_squad_normalize(&answer, &length);
    assert_non_null(out);
    assert_int_equal(length, want.bytes);
    assert_memory_equal(out, want.text, length + 1);
    free(out);
    for (int k = 0; k < 2; k++) {
        assert_float_equal(bert_squad_exact(&answer, gold, n, k), exact[k], 0);
        assert_float_equal(bert_squad_f1(&answer, gold, n, k), f1[k], 1e-12);
    }
}

static void answers_are_squads(void **state) {
    (void)state;
    json_t *golden = golden_of("task_metrics.json"), *c;
    size_t i;
    json_array_foreach(json_object_get(golden, "answers"), i, c) {
        static const char *const keys[] = {"exact", "exact_version_2", "f1", "f1_version_2"};
        double v[4];
        for (int k = 0; k < 4; k++) v[k] = json_number_value(json_object_get(c, keys[k]));
        check_case(c, v, v + 2);
    }
    json_decref(golden);
    golden = golden_of("squad.json");
    json_array_foreach(json_object_get(golden, "cases"), i, c) {
        const json_t *exact = json_object_get(c, "exact"), *f1 = json_object_get(c, "f1");
        check_case(c, (double[]){number(exact, 0), number(exact, 1)},
                   (double[]){number(f1, 0), number(f1, 1)});
    }
    assert_int_equal(i, 200);
    json_decref(golden);
}

/* What is not UTF-8 is U+FFFD, and lowercase has the room that its header promises. */
static void lowercase_is_strs(void **state) {
    (void)state;
    static const struct {
        const char *text, *low;
    } cases[] = {
        {"", ""},
        {"\xCE\x9F\xCE\x94\xCE\x9F\xCE\xA3", "\xCE\xBF\xCE\xB4\xCE\xBF\xCF\x82"},
        {"\xCE\xA3", "\xCF\x83"},
        {"a\xCE\xA3'b", "a\xCF\x83'b"},
        {"a'\xCE\xA3'", "a'\xCF\x82'"},
        {"\xC4\xB0", "i\xCC\x87"},
        {"\xC8\xBA", "\xE2\xB1\xA5"},
        {"\xFF"
         "A\xC3",
         "\xEF\xBF\xBD"
         "a\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t n = strlen(cases[i].text);
        char *out = malloc(3 * n + 1); /* as much, and a NUL */
        assert_non_null(out);
        out[bert_python_lower(cases[i].text, n, out)] = 0;
        assert_string_equal(out, cases[i].low);
        free(out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point),
        cmocka_unit_test(answers_are_squads),
        cmocka_unit_test(lowercase_is_strs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
