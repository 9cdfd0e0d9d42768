/* Options of datasets by name: the tables of all tasks as one. */
#include "data/options.h"
#include "base/error.h"
#include "base/number.h"
#include "data/task.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Row i of all tasks, each once, though several tasks may have it; NULL past the end. */
static const bert_option_row *row_at(int i, const char **task) {
    const bert_task *t;
    for (int k = 0; (t = bert_task_at(k)); k++)
        for (const bert_option_row *r = t->options; r && r->name; r++) {
            bool seen = false;
            for (int j = 0; j < k && !seen; j++)
                for (const bert_option_row *q = bert_task_at(j)->options; q && q->name; q++)
                    seen |= q == r;
            if (seen || i--) continue;
            *task = t->name;
            return r;
        }
    return NULL;
}

bool bert_dataset_option_at(int i, bert_dataset_option *out) {
    static const char *const types[] = {[BERT_OPTION_TEXT] = "text",
                                        [BERT_OPTION_COUNT] = "integer",
                                        [BERT_OPTION_NUMBER] = "number",
                                        [BERT_OPTION_PART] = "number",
                                        [BERT_OPTION_SWITCH] = "true|false"};
    const char *task;
    const bert_option_row *r = i < 0 ? NULL : row_at(i, &task);
    if (!r) return false;
    *out = (bert_dataset_option){.name = r->name,
                                 .type = r->takes ? r->takes : types[r->kind],
                                 .fallback = r->fallback,
                                 .help = r->help,
                                 .task = task};
    return true;
}

const char *bert_dataset_task_at(int i) {
    const bert_task *t = i < 0 ? NULL : bert_task_at(i);
    return t ? t->name : NULL;
}

static bool same_name(const char *name, const char *typed) {
    while (*name && (*name == *typed || (*name == '_' && *typed == '-'))) name++, typed++;
    return !*name && !*typed;
}

static int set_count(int32_t *out, const char *name, const char *value, bert_error *e) {
    char *end;
    errno = 0;
    const long long x = strtoll(value, &end, 10);
    if (end == value || *end || errno || x < 1 || x > INT32_MAX)
        return bert_fail(e, BERT_EINVAL, "%s is a whole number from 1 to %d, not '%s'", name,
                         INT32_MAX, value);
    *out = (int32_t)x;
    return BERT_OK;
}

static int set_number(double *out, bool part, const char *name, const char *value, bert_error *e) {
    char *end;
    const double x = bert_strtod(value, &end);
    if (end == value || *end || !isfinite(x) || (part && !(x > 0 && x < 1)))
        return bert_fail(e, BERT_EINVAL, "%s is a number%s, not '%s'", name,
                         part ? " between 0 and 1" : "", value);
    *out = x;
    return BERT_OK;
}

static int set(const bert_option_row *r, bert_dataset_options *o, const char *name,
               const char *value, bert_error *e) {
    void *field = (char *)o + r->offset;
    switch (r->kind) {
    case BERT_OPTION_TEXT:
        *(const char **)field = value;
        return BERT_OK;
    case BERT_OPTION_COUNT:
        return set_count(field, name, value, e);
    case BERT_OPTION_NUMBER:
    case BERT_OPTION_PART:
        return set_number(field, r->kind == BERT_OPTION_PART, name, value, e);
    case BERT_OPTION_SWITCH:
        break;
    }
    if (bert_parse_truth(value, field)) return BERT_OK;
    return bert_fail(e, BERT_EINVAL, "%s is true or false, not '%s'", name, value);
}

int bert_dataset_set(bert_dataset_options *o, const char *name, const char *value, bert_error *e) {
    BERT_DOOR(e);
    const bert_option_row *r;
    const char *task;
    if (bert_need(o, "options of a dataset", e) || bert_need(name, "name of an option", e) ||
        bert_need(value, "value of an option", e))
        return BERT_EINVAL;
    for (int i = 0; (r = row_at(i, &task)); i++)
        if (same_name(r->name, name)) return set(r, o, name, value, e);
    return bert_fail(e, BERT_EINVAL, "there is no option \"%.60s\" of a dataset", name);
}
