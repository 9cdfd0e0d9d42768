/* Learning rate schedules against transformers.get_scheduler (tools/golden_schedule.py). */
#include "test.h"
#include "train/schedule.h"
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
                           .total_steps = (int64_t)number(c, "total_steps")};
        bert_plateau plateau = {.scale = 1, .best = (double)NAN};
        const json_t *metrics = json_object_get(c, "metrics");
        int type = 0;
        while (strcmp(names[type], name)) assert_true(++type < BERT_SCHEDULE_COUNT);
        s.type = (bert_schedule_type)type;
        seen |= 1u << type;
        char *kwargs = json_dumps(json_object_get(c, "kwargs"), 0);
        bert_error e = {0};
        if (bert_schedule_set(&s, kwargs, &e)) fail_msg("%s", e.message);
        json_array_foreach(json_object_get(c, "lr"), step, want) {
            if (metrics)
                bert_plateau_step(&s, &plateau, json_number_value(json_array_get(metrics, step)));
            double lr = bert_schedule_lr(&s, (int64_t)step) * plateau.scale,
                   w = json_number_value(want);
            if (fabs(lr - w) > 1e-12 * w + 1e-20)
                fail_msg("%s %s, warm-up %d of %d, step %d: %.17g, not %.17g", name, kwargs,
                         (int)s.warmup_steps, (int)s.total_steps, (int)step, lr, w);
        }
        free(kwargs);
    }
    assert_int_equal(seen, (1u << BERT_SCHEDULE_COUNT) - 1);
    json_decref(cases);
}

static void wrong_kwargs_are_refused(void **state) {
    (void)state;
    static const struct {
        bert_schedule_type type;
        const char *kwargs, *message;
    } wrong[] = {
        {BERT_SCHEDULE_LINEAR, "{\"num_cycles\": 1}", "takes none"},
        {BERT_SCHEDULE_COSINE, "{\"power\": 1}", "num_cycles"},
        {BERT_SCHEDULE_COSINE, "{\"num_cycles\": \"two\"}", "a number"},
        {BERT_SCHEDULE_COSINE, "[1]", "not an object"},
        {BERT_SCHEDULE_COSINE, "{", "lr_scheduler_kwargs"},
        {BERT_SCHEDULE_COSINE_WITH_MIN_LR, "", "min_lr or min_lr_rate"},
        {BERT_SCHEDULE_COSINE_WITH_MIN_LR, "{\"min_lr\": 0, \"min_lr_rate\": 0}", "either"},
        {BERT_SCHEDULE_WARMUP_STABLE_DECAY, NULL, "num_decay_steps"},
        {BERT_SCHEDULE_WARMUP_STABLE_DECAY, "{\"decay_type\": \"cubic\"}", "linear|cosine|1-sqrt"},
        {BERT_SCHEDULE_REDUCE_ON_PLATEAU, "{\"patience\": -1}", "from 0"},
        {BERT_SCHEDULE_INVERSE_SQRT, "{\"timescale\": 0}", "from 1e-09"},
        {BERT_SCHEDULE_POLYNOMIAL, "{\"lr_end\": 1}", "below learning_rate"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bert_schedule s = {.type = wrong[i].type, .learning_rate = 1, .total_steps = 10};
        bert_error e = {0};
        assert_int_equal(bert_schedule_set(&s, wrong[i].kwargs, &e) < 0, 1);
        if (!strstr(e.message, wrong[i].message)) fail_msg("%s", e.message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(wrong_kwargs_are_refused),
                                       cmocka_unit_test(rates_equal_those_of_transformers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
