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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converts),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
