#include "data/options.h"
#include "base/error.h"
#include "base/number.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

bool bert_option_is(const bert_option_row *r, const char *name) {
    const char *own = r->name;
    while (*own && (*own == *name || (*own == '_' && *name == '-'))) own++, name++;
    return !*own && !*name;
}

/* ---- Values */

static bool parse_count(const char *value, int32_t *out) {
    char *end;
    errno = 0;
    const long long x = strtoll(value, &end, 10);
    if (end == value || *end || errno || x < 1 || x > INT32_MAX) return false;
    *out = (int32_t)x;
    return true;
}

static bool parse_number(const char *value, double *out) {
    char *end;
    *out = bert_strtod(value, &end);
    return end != value && !*end && isfinite(*out);
}

int bert_option_check(const bert_option_row *r, const char *typed, const char *value,
                      bert_error *e) {
    int32_t count;
    double number;
    bool truth;
    switch (r->kind) {
    case BERT_OPTION_TEXT:
        return BERT_OK;
    case BERT_OPTION_COUNT:
        if (parse_count(value, &count)) return BERT_OK;
        return bert_fail(e, BERT_EINVAL, "%s is a whole number from 1 to %d, not '%s'", typed,
                         INT32_MAX, value);
    case BERT_OPTION_NUMBER:
        if (parse_number(value, &number)) return BERT_OK;
        return bert_fail(e, BERT_EINVAL, "%s is a number, not '%s'", typed, value);
    case BERT_OPTION_PART:
        if (parse_number(value, &number) && number > 0 && number < 1) return BERT_OK;
        return bert_fail(e, BERT_EINVAL, "%s is a number between 0 and 1, not '%s'", typed, value);
    case BERT_OPTION_SWITCH:
        break;
    }
    if (bert_parse_truth(value, &truth)) return BERT_OK;
    return bert_fail(e, BERT_EINVAL, "%s is true or false, not '%s'", typed, value);
}

/* ---- What is set */

static const char *set_for(const bert_dataset_options *o, const bert_option_row *r) {
    for (int i = 0; i < BERT_TASK_OPTIONS && o->task_options[i].name; i++)
        if (bert_option_is(r, o->task_options[i].name)) return o->task_options[i].value;
    return NULL;
}

bool bert_option_given(const bert_dataset_options *o, const bert_option_row *r) {
    return set_for(o, r) != NULL;
}

const char *bert_option_text(const bert_dataset_options *o, const bert_option_row *r) {
    const char *value = set_for(o, r);
    return value ? value : *r->fallback ? r->fallback : NULL;
}

int32_t bert_option_count(const bert_dataset_options *o, const bert_option_row *r) {
    const char *value = bert_option_text(o, r);
    int32_t x = 0;
    if (value) parse_count(value, &x);
    return x;
}

double bert_option_number(const bert_dataset_options *o, const bert_option_row *r) {
    const char *value = bert_option_text(o, r);
    double x = 0;
    if (value) parse_number(value, &x);
    return x;
}

bool bert_option_on(const bert_dataset_options *o, const bert_option_row *r) {
    const char *value = bert_option_text(o, r);
    bool on = false;
    if (value) bert_parse_truth(value, &on);
    return on;
}
