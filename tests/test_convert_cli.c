/* bert convert, as it is typed. */
#include "tool.h"

static void converts(void **state) {
    (void)state;
    expect(0, bert("convert m -o half --dtype f16"));
    json_t *o = line(0);
    assert_string_equal(json_string_value(json_object_get(o, "dtype")), "f16");
    assert_int_equal((int)number(o, "files"), 1);
    const double bytes = number(o, "bytes");
    json_decref(o);
    expect(0, bert("convert half -o cut --max-shard-size 20kB"));
    o = line(0);
    assert_true(number(o, "files") > 2);
    assert_true(number(o, "bytes") == bytes);
    json_decref(o);
    expect(0, bert("convert cut -o whole --dtype f32 --max-shard-size 1GiB --columns"));
    says(out, "whole: ");
    expect(0, bert("classify half 'w1 w2' --columns"));
    char *first = strdup(out);
    expect(0, bert("classify whole 'w1 w2' --columns"));
    assert_string_equal(first, out);
    free(first);
}

static void refuses(void **state) {
    (void)state;
    expect(2, bert("convert m"));
    says(err, "-o OUT");
    expect(2, bert("convert m -o new --max-shard-size big"));
    expect(2, bert("convert m -o new --max-shard-size 0"));
    expect(1, bert("convert m -o m"));
    says(err, "nothing is written over");
    expect(1, bert("convert m -o new --format pickle"));
    says(err, "safetensors");
    expect(1, bert("convert no-such-model -o new"));
    expect(1, bert("convert m -o /dev/null/new"));
}

static void formats_are_told(void **state) {
    (void)state;
    expect(0, bert("info half"));
    json_t *o = line(0);
    assert_string_equal(json_string_value(json_object_get(o, "dtype")), "F16");
    assert_string_equal(json_string_value(json_object_get(o, "weights")), "model.safetensors");
    json_decref(o);
    expect(0, bert("convert m -o fast --format packed"));
    o = line(0);
    assert_string_equal(json_string_value(json_object_get(o, "dtype")), "int8");
    json_decref(o);
    expect(0, bert("info fast"));
    o = line(0);
    assert_string_equal(json_string_value(json_object_get(o, "dtype")), "int8");
    json_decref(o);
    expect(1, bert("classify fast 'w1 w2'"));
    says(err, "--precision int8");
    expect(0, bert("classify fast 'w1 w2' --precision int8"));
    expect(0, bert("info --formats"));
    says(out, "\"model.safetensors\",");
    says(out, "*.gguf");
    says(out, "\"gguf\":\"f32 f16 bf16 q8_0\"");
    expect(0, bert("info --formats --columns"));
    says(out, "writes safetensors");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converts),
        cmocka_unit_test(refuses),
        cmocka_unit_test(formats_are_told),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
