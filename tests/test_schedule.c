/* Learning rate schedules against transformers.get_scheduler (tools/golden_schedule.py). */
#include "test.h"
#include <bert_train.h>
#include <jansson.h>
#include <math.h>

#define ROW(name, text) text,
static const char *const names[] = {BERT_SCHEDULE_LIST(ROW)};
#undef ROW

static double number(const json_t *o, const char *key) {
    json_t *v = json_object_get(o, key);
    return v ? json_number_value(v) : 0;
}

static void rates_equal_those_of_transformers(void **state) {
    (void)state;
    json_t *cases = json_load_file(BERT_SOURCE_DIR "/tests/golden/schedule.json", 0, NULL);
    assert_non_null(cases);
    unsigned seen = 0;
    size_t i, step;
    json_t *c, *want;
    json_array_foreach(cases, i, c) {
        const char *name = json_string_value(json_object_get(c, "type"));
        bert_schedule s = {.learning_rate = 3e-5,
                           .warmup_steps = (int64_t)number(c, "warmup_steps"),
                           .total_steps = (int64_t)number(c, "total_steps"),
                           .num_cycles = number(c, "num_cycles"),
                           .power = number(c, "power"),
                           .lr_end = number(c, "lr_end")};
        int type = 0;
        while (strcmp(names[type], name)) assert_true(++type < BERT_SCHEDULE_COUNT);
        s.type = (bert_schedule_type)type;
        seen |= 1u << type;
        json_array_foreach(json_object_get(c, "lr"), step, want) {
            double lr = bert_schedule_lr(&s, (int64_t)step), w = json_number_value(want);
            if (fabs(lr - w) > 1e-12 * w + 1e-20)
                fail_msg("%s, warm-up %d of %d, step %d: %.17g, not %.17g", name,
                         (int)s.warmup_steps, (int)s.total_steps, (int)step, lr, w);
        }
    }
    assert_int_equal(seen, (1u << BERT_SCHEDULE_COUNT) - 1);
    json_decref(cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rates_equal_those_of_transformers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
