/* safetensors: what is valid round-trips, everything else is refused with a typed error. */
#include "base/file.h"
#include "files/safetensors.h"
#include "test.h"
#include <math.h>

static char *directory;

static int set_up(void **state) {
    (void)state;
    directory = test_directory();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    test_remove(directory);
    return 0;
}

static char *in_directory(const char *name) {
    static char path[4600];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

/* Length, header, data; length < 0: the header's own. */
static void write_raw(const char *path, int64_t length, const char *header, const void *data,
                      size_t n) {
    bert_error e = {0};
    uint64_t bytes = length < 0 ? strlen(header) : (uint64_t)length;
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)(bytes >> 8 * i);
    bert_writer *w = bert_writer_open(path, &e);
    assert_non_null(w);
    bert_writer_put(w, prefix, 8, &e);
    bert_writer_put(w, header, strlen(header), &e);
    bert_writer_put(w, data, n, &e);
    assert_int_equal(bert_writer_commit(w, &e), 0);
}

/* Keeps the compiler from leaving the reads out. */
static volatile unsigned bytes_read;

static int open_code(const char *path) {
    bert_error e = {0};
    bert_tensors *s = bert_tensors_open(&bert_safetensors_format, path, &e);
    if (s) {
        for (int i = 0; i < bert_tensors_count(s); i++) { /* every byte may be read */
            const bert_stored_tensor *t = bert_tensors_at(s, i);
            for (size_t j = 0; j < t->bytes; j++) bytes_read += ((const unsigned char *)t->data)[j];
            assert_ptr_equal(bert_tensors_find(s, t->name), t);
        }
        bert_tensors_close(s);
        assert_int_equal(e.code, 0);
        return 0;
    }
    assert_true(e.code < 0);
    assert_true(strlen(e.message) > 10);
    return e.code;
}

#define ENTRY(name, dtype, shape, from, to)                                                        \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" from "," to   \
    "]}"

static const struct {
    const char *header;
    int64_t length;
    size_t data;
    int want;
} kinds[] = {
    {"{" ENTRY("a", "F32", "2", "0", "8") "}", -1, 8, 0},
    {"{" ENTRY("a", "F32", "2", "0", "8") "}   ", -1, 8, 0},
    {"{" ENTRY("a", "F32", "", "0", "4") "}", -1, 4, 0},
    {"{" ENTRY("a", "F32", "0,7", "0", "0") "," ENTRY("b", "U8", "3", "0", "3") "}", -1, 3, 0},
    {"{}", -1, 0, 0},
    {"{\"__metadata__\":{\"a\":\"b\"}," ENTRY("a", "F32", "2", "0", "8") "}", -1, 8, 0},
    {"{" ENTRY("b", "F32", "1", "4", "8") "," ENTRY("a", "F32", "1", "0", "4") "}", -1, 8, 0},
    /* lengths */
    {"{}", 0, 0, BERT_EFORMAT},
    {"{}", 1, 0, BERT_EFORMAT},
    {"{}", 3, 0, BERT_EFORMAT},
    {"{}", 100000001, 0, BERT_EFORMAT},
    {"{}", INT64_MAX, 0, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "2", "0", "8") "}", 20, 8, BERT_EFORMAT},
    {"{}", -1, 1, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "2", "0", "8") "}", -1, 7, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "2", "0", "8") "}", -1, 9, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "2", "0", "8") "}", -1, 0, BERT_EFORMAT},
    /* what the header is */
    {" {}", -1, 0, BERT_EFORMAT},
    {"[]", -1, 0, BERT_EFORMAT},
    {"{]", -1, 0, BERT_EFORMAT},
    {"{}x", -1, 0, BERT_EFORMAT},
    {"{\"a\":1}", -1, 0, BERT_EFORMAT},
    {"{\"a\":null}", -1, 0, BERT_EFORMAT},
    {"{\"a\":[]}", -1, 0, BERT_EFORMAT},
    {"{\"a\":{}}", -1, 0, BERT_EFORMAT},
    {"{\"a\":\"\xff\"}", -1, 0, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "1", "0", "4") "," ENTRY("a", "F32", "1", "4", "8") "}", -1, 8,
     BERT_EFORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", -1, 4,
     BERT_EFORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", -1, 4, BERT_EFORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", -1, 4, BERT_EFORMAT},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", -1, 4, BERT_EFORMAT},
    {"{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", -1, 4, BERT_EFORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", -1, 4, BERT_EFORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":4}}", -1, 4, BERT_EFORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", -1, 4, BERT_EFORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", -1, 4, BERT_EFORMAT},
    /* types, shapes and places */
    {"{" ENTRY("a", "F33", "1", "0", "4") "}", -1, 4, BERT_EUNSUPPORTED},
    {"{" ENTRY("a", "f32", "1", "0", "4") "}", -1, 4, BERT_EUNSUPPORTED},
    {"{" ENTRY("a", "F8_E4M3", "1", "0", "1") "}", -1, 1, 0},
    {"{" ENTRY("a", "F4", "2", "0", "1") "}", -1, 1, BERT_EUNSUPPORTED},
    {"{" ENTRY("a", "U8", "1,1,1,1,1,1,1,1,1", "0", "1") "}", -1, 1, BERT_EUNSUPPORTED},
    {"{" ENTRY("a", "F32", "-1", "0", "4") "}", -1, 4, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "1.0", "0", "4") "}", -1, 4, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "\"1\"", "0", "4") "}", -1, 4, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "null", "0", "4") "}", -1, 4, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "4611686018427387904,4", "0", "4") "}", -1, 4, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "4294967296,4294967296", "0", "0") "}", -1, 0, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "99999999999999999999", "0", "4") "}", -1, 4, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "1", "4", "0") "}", -1, 4, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "1", "-4", "0") "}", -1, 4, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "1", "0", "4.0") "}", -1, 4, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "1", "0", "5") "}", -1, 5, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "2", "0", "4") "}", -1, 4, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "1", "0", "8") "}", -1, 8, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "1", "9223372036854775804", "9223372036854775807") "}", -1, 4,
     BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "1", "9223372036854775800", "9223372036854775804") "}", -1, 4,
     BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "1", "4", "8") "}", -1, 8, BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "1", "0", "4") "," ENTRY("b", "F32", "1", "8", "12") "}", -1, 12,
     BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "1", "0", "4") "," ENTRY("b", "F32", "1", "0", "4") "}", -1, 4,
     BERT_EFORMAT},
    {"{" ENTRY("a", "F32", "2", "0", "8") "," ENTRY("b", "F32", "2", "4", "12") "}", -1, 12,
     BERT_EFORMAT},
    /* metadata */
    {"{\"__metadata__\":1}", -1, 0, BERT_EFORMAT},
    {"{\"__metadata__\":{\"a\":1}}", -1, 0, BERT_EFORMAT},
    {"{\"__metadata__\":{\"a\":null}}", -1, 0, BERT_EFORMAT},
    {"{\"__metadata__\":[]}", -1, 0, BERT_EFORMAT},
    {"{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", -1, 0, BERT_EFORMAT},
};

static void every_kind_of_damage_is_refused(void **state) {
    (void)state;
    static const unsigned char zeros[64];
    const char *path = in_directory("kind");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        write_raw(path, kinds[i].length, kinds[i].header, zeros, kinds[i].data);
        int code = open_code(path);
        if (code != kinds[i].want)
            fail_msg("kind %zu: %s: %d, not %d", i, kinds[i].header, code, kinds[i].want);
    }
    /* deep nesting, and a file that is no file */
    char *deep = malloc(200001);
    memset(deep, '[', 200000);
    memcpy(deep, "{\"a\":", 5);
    deep[200000] = 0;
    write_raw(path, -1, deep, zeros, 0);
    assert_int_equal(open_code(path), BERT_EFORMAT);
    free(deep);
    assert_int_equal(open_code(directory), BERT_EIO);
    assert_int_equal(open_code(in_directory("nothing")), BERT_ENOTFOUND);
}

static void every_truncation_and_bit_flip_is_survived(void **state) {
    (void)state;
    static const float x[] = {1, 2, 3, 4, 5, 6}, y[] = {7, 8};
    const bert_stored_tensor tensors[] = {
        {.name = "w", .dtype = BERT_F32, .dims = 2, .shape = {3, 2}, .data = x, .bytes = 24},
        {.name = "b", .dtype = BERT_F32, .dims = 1, .shape = {2}, .data = y, .bytes = 8}};
    char path[4600];
    snprintf(path, sizeof path, "%s", in_directory("whole"));
    const char *const metadata[] = {"format", "pt", NULL};
    bert_error e = {0};
    assert_int_equal(bert_safetensors_save(path, tensors, 2, metadata, &e), 0);
    assert_int_equal(open_code(path), 0);
    char *data;
    size_t size;
    assert_int_equal(bert_read_file(path, 0, &data, &size, &e), 0);
    char other[4600];
    snprintf(other, sizeof other, "%s", in_directory("damaged"));
    int refused = 0;
    FILE *f;
    for (size_t n = 0; n < size; n++) {
        assert_non_null(f = fopen(other, "wb"));
        assert_int_equal(fwrite(data, 1, n, f), n);
        assert_int_equal(fclose(f), 0);
        assert_true(open_code(other) < 0);
        refused++;
    }
    const size_t header = size - 32;
    for (size_t bit = 0; bit < 8 * header; bit++) {
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
        assert_non_null(f = fopen(other, "wb"));
        assert_int_equal(fwrite(data, 1, size, f), size);
        assert_int_equal(fclose(f), 0);
        refused += open_code(other) < 0;
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
    }
    assert_true(refused > 600);
    free(data);
}

static void values_survive_a_round_trip(void **state) {
    (void)state;
    static const float x[] = {0.5f, -1e-30f, 3e38f};
    static const double d[] = {0.1, -2};
    static const uint16_t b[] = {0x3f80, 0xc000};
    const bert_stored_tensor tensors[] = {
        {.name = "f", .dtype = BERT_F32, .dims = 1, .shape = {3}, .data = x, .bytes = 12},
        {.name = "d", .dtype = BERT_F64, .dims = 2, .shape = {1, 2}, .data = d, .bytes = 16},
        {.name = "b", .dtype = BERT_BF16, .dims = 1, .shape = {2}, .data = b, .bytes = 4}};
    const char *path = in_directory("values"), *const metadata[] = {"format", "pt", NULL};
    bert_error e = {0};
    assert_int_equal(bert_safetensors_save(path, tensors, 3, metadata, &e), 0);
    bert_tensors *s = bert_tensors_open(&bert_safetensors_format, path, &e);
    assert_non_null(s);
    assert_int_equal(bert_tensors_count(s), 3);
    assert_string_equal(bert_tensors_metadata(s, "format"), "pt");
    assert_null(bert_tensors_metadata(s, "other"));
    assert_null(bert_tensors_find(s, "c"));
    float out[3];
    assert_int_equal(bert_stored_to_float(bert_tensors_find(s, "f"), out, &e), 0);
    assert_memory_equal(out, x, sizeof x);
    assert_int_equal(bert_stored_to_float(bert_tensors_find(s, "d"), out, &e), 0);
    assert_true(out[0] == 0.1f && out[1] == -2);
    assert_int_equal(bert_stored_to_float(bert_tensors_find(s, "b"), out, &e), 0);
    assert_true(out[0] == 1 && out[1] == -2);
    bert_tensors_close(s);
}

/* A type that no model is made of may lie beside others, but not be wanted. */
static void other_types_are_refused_by_name(void **state) {
    (void)state;
    static const bert_dtype types[] = {BERT_I64,     BERT_BOOL,    BERT_U16, BERT_F8_E4M3,
                                       BERT_F8_E5M2, BERT_F8_E8M0, BERT_C64};
    static const char data[8];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        bert_error e = {0};
        float x;
        const bert_stored_tensor t = {
            .name = "w", .dtype = types[i], .data = data, .bytes = bert_dtype_size(types[i])};
        assert_int_equal(bert_stored_to_float(&t, &x, &e), BERT_EUNSUPPORTED);
        assert_non_null(strstr(e.message, bert_dtype_name(types[i])));
    }
}

static void every_half_is_converted(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t h = (uint16_t)i;
        const bert_stored_tensor t = {.name = "h", .dtype = BERT_F16, .data = &h, .bytes = 2};
        float got;
        assert_int_equal(bert_stored_to_float(&t, &got, NULL), 0);
        int exponent = h >> 10 & 31;
        double m = h & 1023, want = exponent == 31 ? (m != 0 ? NAN : INFINITY)
                                    : exponent     ? ldexp(1 + m / 1024, exponent - 15)
                                                   : ldexp(m, -24);
        if (h & 0x8000) want = -want;
        if (isnan(want))
            assert_true(isnan(got));
        else
            assert_true(got == (float)want && !signbit(got) == !signbit(want));
    }
}

static void shards_are_one_set(void **state) {
    (void)state;
    static const float x[] = {1, 2};
    bert_error e = {0};
    const bert_stored_tensor a = {
        .name = "a", .dtype = BERT_F32, .dims = 1, .shape = {2}, .data = x, .bytes = 8};
    bert_stored_tensor b = a;
    b.name = "b";
    assert_int_equal(bert_safetensors_save(in_directory("1.safetensors"), &a, 1, NULL, &e), 0);
    assert_int_equal(bert_safetensors_save(in_directory("2.safetensors"), &b, 1, NULL, &e), 0);
    static const struct {
        const char *index;
        int want;
    } cases[] = {
        {"{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}", 0},
        {"{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"3.safetensors\"}}", BERT_ENOTFOUND},
        {"{\"weight_map\":{\"a\":\"../1.safetensors\"}}", BERT_EFORMAT},
        {"{\"weight_map\":{\"a\":1}}", BERT_EFORMAT},
        {"{\"weight_map\":{\"a\":\"1.safetensors\",\"c\":\"2.safetensors\"}}", BERT_EFORMAT},
        {"{\"weight_map\":{\"a\":\"1.safetensors/\"}}", BERT_EFORMAT},
        {"{\"weight_map\":{\"a\":\"1.bin\"}}", BERT_EFORMAT},
        {"{\"weight_map\":{\"a\":\".safetensors\"}}", BERT_EFORMAT},
        {"{\"weight_map\":[\"1.safetensors\"]}", BERT_EFORMAT},
        {"{\"weight_map\":{\"b\":\"1.safetensors\",\"a\":\"2.safetensors\"}}", 0}, /* the union */
        {"{\"weight_map\":{}}", BERT_EFORMAT},
        {"{}", BERT_EFORMAT},
        {"[", BERT_EFORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = in_directory("m.safetensors.index.json");
        assert_int_equal(bert_write_file(path, cases[i].index, strlen(cases[i].index), &e), 0);
        int code = open_code(path);
        if (code != cases[i].want) fail_msg("index %zu: %d, not %d", i, code, cases[i].want);
    }
    assert_int_equal(bert_safetensors_save(in_directory("2.safetensors"), &a, 1, NULL, &e), 0);
    assert_int_equal(bert_write_file(in_directory("m.safetensors.index.json"), cases[0].index,
                                     strlen(cases[0].index), &e),
                     0);
    assert_int_equal(open_code(in_directory("m.safetensors.index.json")), BERT_EFORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_damage_is_refused),
        cmocka_unit_test(every_truncation_and_bit_flip_is_survived),
        cmocka_unit_test(values_survive_a_round_trip),
        cmocka_unit_test(other_types_are_refused_by_name),
        cmocka_unit_test(every_half_is_converted),
        cmocka_unit_test(shards_are_one_set),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
