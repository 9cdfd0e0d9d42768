/* bert explain as a user meets it. */
#include "tool.h"

static void lines_add_up(void **state) {
    (void)state;
    expect(0, bert("explain m -i texts.txt"));
    assert_int_equal(lines(), 3);
    for (int i = 0; i < 3; i++) {
        json_t *o = line(i), *scores = json_object_get(o, "scores");
        double sum = 0;
        for (size_t k = 0; k < json_array_size(scores); k++)
            sum += json_number_value(json_array_get(scores, k));
        const double off = sum - (number(o, "output") - number(o, "base_output"));
        if (!(off - number(o, "delta") < 1e-5 && number(o, "delta") - off < 1e-5))
            fail_msg("off by %g, delta %g", off, number(o, "delta"));
        assert_int_equal(size(o, "tokens"), size(o, "scores"));
        assert_int_equal(size(o, "offsets"), size(o, "scores"));
        assert_true(json_is_null(json_array_get(json_object_get(o, "sequences"), 0)));
        json_decref(o);
    }
}

static void options_are_taken(void **state) {
    (void)state;
    expect(0, bert("explain m w1 --pair w2 --method rollout"));
    json_t *o = line(0);
    assert_int_equal(size(o, "tokens"), 5);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(o, "sequences"), 3)), 1);
    assert_null(json_object_get(o, "delta"));
    json_decref(o);
    expect(0, bert("explain m 'w1 w2' --columns --words --steps 5"));
    says(out, "integrated-gradients");
    expect(0, bert("explain m 'w1 w2' -o x.html --quiet"));
    assert_int_equal(strlen(out), 0);
    char page[1 << 14];
    slurp("x.html", page, sizeof page);
    says(page, ">w2</span>");
    expect(0, bert("explain m 'w1 w2' -o x.svg"));
}

static void wrong_ones_are_told(void **state) {
    (void)state;
    static const struct {
        const char *arguments, *says;
        int code;
    } rows[] = {
        {"m w1 --label nothing", "no label \"nothing\"", 1},
        {"m ''", "it is empty", 1},
        {"m w1 --method lime", "integrated-gradients, gradient-x-input", 2},
        {"m w1 --image x.png", "--image is of pictures", 2},
        {"m w1 -o x.pdf", ".html, .svg, .png", 1},
        {"m w1 -o x.png", "a .png is of pictures", 1},
        {"m w1 --precision int8", "no gradients", 1},
        {"m w1 --on-overflow window", "--on-overflow truncate", 1},
        {"m w1 --steps 0", "--steps", 2},
        {"m -i texts.txt -o texts.txt", "texts.txt", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        expect(rows[i].code, bert("explain %s", rows[i].arguments));
        says(err, rows[i].says);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_add_up),
        cmocka_unit_test(options_are_taken),
        cmocka_unit_test(wrong_ones_are_told),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
