/* lr_scheduler_kwargs: a JSON object of what a schedule takes beside its steps. */
#include "base/error.h"
#include "files/json.h"
#include <bert_train.h>
#include <math.h>
#include <string.h>

typedef struct {
    const char *name;
    unsigned schedules; /* that take it: bits */
    size_t offset;      /* a double, or an int that counts the choices */
    const char *choices;
    double min, max;
} row;

#define OF(schedule) (1u << BERT_SCHEDULE_##schedule)
#define MIN_LR (OF(COSINE_WITH_MIN_LR) | OF(COSINE_WARMUP_WITH_MIN_LR))
#define WAVES (OF(COSINE) | OF(COSINE_WITH_RESTARTS) | MIN_LR | OF(WARMUP_STABLE_DECAY))
#define AT(member) offsetof(bert_schedule, member)

static const row table[] = {
    {"num_cycles", WAVES, AT(num_cycles), NULL, 0, 1e9},
    {"power", OF(POLYNOMIAL), AT(power), NULL, 0, 1e9},
    {"lr_end", OF(POLYNOMIAL), AT(lr_end), NULL, 0, 1e9},
    {"timescale", OF(INVERSE_SQRT), AT(timescale), NULL, 1e-9, 1e18},
    {"min_lr", MIN_LR | OF(REDUCE_ON_PLATEAU), AT(min_lr), NULL, 0, 1e9},
    {"min_lr_rate", MIN_LR, AT(min_lr_rate), NULL, 0, 1},
    {"min_lr_ratio", OF(WARMUP_STABLE_DECAY), AT(min_lr_rate), NULL, 0, 1},
    {"warmup_lr_rate", OF(COSINE_WARMUP_WITH_MIN_LR), AT(warmup_lr_rate), NULL, 0, 1},
    {"num_decay_steps", OF(WARMUP_STABLE_DECAY), AT(num_decay_steps), NULL, 0, 1e15},
    {"num_stable_steps", OF(WARMUP_STABLE_DECAY), AT(num_stable_steps), NULL, 0, 1e15},
    {"warmup_type", OF(WARMUP_STABLE_DECAY), AT(warmup_type), "linear|cosine|1-sqrt", 0, 0},
    {"decay_type", OF(WARMUP_STABLE_DECAY), AT(decay_type), "linear|cosine|1-sqrt", 0, 0},
    {"mode", OF(REDUCE_ON_PLATEAU), AT(mode), "min|max", 0, 0},
    {"factor", OF(REDUCE_ON_PLATEAU), AT(factor), NULL, 0, 1},
    {"patience", OF(REDUCE_ON_PLATEAU), AT(patience), NULL, 0, 1e15},
    {"threshold", OF(REDUCE_ON_PLATEAU), AT(threshold), NULL, 0, 1e9},
    {"threshold_mode", OF(REDUCE_ON_PLATEAU), AT(threshold_mode), "rel|abs", 0, 0},
    {"cooldown", OF(REDUCE_ON_PLATEAU), AT(cooldown), NULL, 0, 1e15},
    {"eps", OF(REDUCE_ON_PLATEAU), AT(eps), NULL, 0, 1},
};
enum { ROWS = sizeof table / sizeof *table };

static int set_choice(const row *r, bert_schedule *s, const char *value, bert_error *e) {
    const size_t n = value ? strlen(value) : 0;
    int i = 0;
    for (const char *p = r->choices;; p++, i++) {
        const size_t length = strcspn(p, "|");
        if (n == length && value && !memcmp(p, value, n)) break;
        p += length;
        if (!*p)
            return bert_fail(e, BERT_EINVAL, "lr_scheduler_kwargs: %s is one of %s", r->name,
                             r->choices);
    }
    memcpy((char *)s + r->offset, &i, sizeof i);
    return BERT_OK;
}

static int set_number(const row *r, bert_schedule *s, const json_t *value, bert_error *e) {
    const double v = json_number_value(value);
    if (!json_is_number(value) || !(v >= r->min && v <= r->max))
        return bert_fail(e, BERT_EINVAL, "lr_scheduler_kwargs: %s is a number from %g to %g",
                         r->name, r->min, r->max);
    memcpy((char *)s + r->offset, &v, sizeof v);
    return BERT_OK;
}

static int unknown(const bert_schedule *s, const char *name, bert_error *e) {
    char list[200] = "";
    size_t n = 0;
    for (int i = 0; i < ROWS && n < sizeof list; i++)
        if (table[i].schedules >> s->type & 1)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", table[i].name);
    return bert_fail(e, BERT_EINVAL, "lr_scheduler_kwargs: this schedule takes %s, not %s",
                     n ? list : "none", name);
}

static int set_all(bert_schedule *s, json_t *json, bert_error *e) {
    const char *name;
    json_t *value;
    json_object_foreach(json, name, value) {
        int i = 0, rc;
        while (i < ROWS && !(table[i].schedules >> s->type & 1 && !strcmp(table[i].name, name)))
            i++;
        if (i == ROWS) return unknown(s, name, e);
        if (json_is_null(value)) continue;
        rc = table[i].choices ? set_choice(&table[i], s, json_string_value(value), e)
                              : set_number(&table[i], s, value, e);
        if (rc) return rc;
    }
    return BERT_OK;
}

/* Where 0 is a value, what is not given is NaN until here. */
static void set_defaults(bert_schedule *s) {
    const double warmup = (double)s->warmup_steps, rest = (double)s->total_steps - warmup;
    if (isnan(s->num_cycles))
        s->num_cycles = s->type == BERT_SCHEDULE_COSINE_WITH_RESTARTS ? 1 : 0.5;
    if (isnan(s->timescale)) s->timescale = warmup > 0 ? warmup : 10000;
    if (isnan(s->num_stable_steps)) s->num_stable_steps = rest - s->num_decay_steps;
}

static int check(const bert_schedule *s, bert_error *e) {
    const bool rate = !isnan(s->min_lr_rate), floor = !isnan(s->min_lr);
    if (MIN_LR >> s->type & 1 && rate == floor)
        return bert_fail(e, BERT_EINVAL,
                         "lr_scheduler_kwargs: either min_lr or min_lr_rate is needed");
    if (s->type == BERT_SCHEDULE_WARMUP_STABLE_DECAY && isnan(s->num_decay_steps))
        return bert_fail(e, BERT_EINVAL, "lr_scheduler_kwargs: num_decay_steps is needed");
    if (s->type == BERT_SCHEDULE_POLYNOMIAL && s->lr_end >= s->learning_rate)
        return bert_fail(e, BERT_EINVAL,
                         "lr_scheduler_kwargs: lr_end, %g, must be below learning_rate, %g",
                         s->lr_end, s->learning_rate);
    return BERT_OK;
}

int bert_schedule_set(bert_schedule *s, const char *kwargs, bert_error *e) {
    BERT_DOOR(e);
    const double nothing = (double)NAN;
    bert_schedule all = {.type = s->type,
                         .learning_rate = s->learning_rate,
                         .warmup_steps = s->warmup_steps,
                         .total_steps = s->total_steps,
                         .num_cycles = nothing,
                         .power = 1,
                         .lr_end = 1e-7,
                         .timescale = nothing,
                         .min_lr = nothing,
                         .min_lr_rate = nothing,
                         .warmup_lr_rate = nothing,
                         .num_decay_steps = nothing,
                         .num_stable_steps = nothing,
                         .decay_type = BERT_RAMP_COSINE,
                         .factor = 0.1,
                         .patience = 10,
                         .threshold = 1e-4,
                         .eps = 1e-8};
    json_t *json = NULL;
    int rc = BERT_OK;
    if (kwargs && *kwargs) {
        json = bert_json_parse(kwargs, strlen(kwargs), "lr_scheduler_kwargs", e);
        if (!json) return BERT_EINVAL;
        rc = json_is_object(json) ? set_all(&all, json, e)
                                  : bert_fail(e, BERT_EINVAL, "lr_scheduler_kwargs: not an object");
    }
    json_decref(json);
    if (!rc) rc = check(&all, e);
    if (rc) return rc;
    set_defaults(&all);
    const bool rate = !isnan(all.min_lr_rate), floor = !isnan(all.min_lr);
    if (!floor) all.min_lr = 0;
    if (!rate)
        all.min_lr_rate = floor && all.learning_rate > 0 ? all.min_lr / all.learning_rate : 0;
    *s = all;
    return BERT_OK;
}
