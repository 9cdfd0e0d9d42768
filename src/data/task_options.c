/* Options of all tasks as one table, by name. */
#include "base/error.h"
#include "data/task.h"
#include <string.h>

static bool has_list(const bert_task *t, const bert_option_row *list) {
    for (const bert_option_row *const *l = t->options; l && *l; l++)
        if (*l == list) return true;
    return false;
}

/* Whether a task before t has the list too. */
static bool is_repeated(const bert_task *t, const bert_option_row *list) {
    const bert_task *before;
    for (int k = 0; (before = bert_task_at(k)) && before != t; k++)
        if (has_list(before, list)) return true;
    return false;
}

/* Row i of all tasks, each once, though several tasks may have it; NULL past the end. */
static const bert_option_row *row_at(int i, const char **task) {
    const bert_task *t;
    for (int k = 0; (t = bert_task_at(k)); k++)
        for (const bert_option_row *const *l = t->options; l && *l; l++) {
            if (is_repeated(t, *l)) continue;
            *task = t->name;
            for (const bert_option_row *r = *l; r->name; r++)
                if (!i--) return r;
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

static const bert_option_row *find(const char *name, bert_error *e) {
    const bert_option_row *r;
    const char *task;
    for (int i = 0; (r = row_at(i, &task)); i++)
        if (bert_option_is(r, name)) return r;
    bert_fail(e, BERT_EINVAL, "there is no option \"%.60s\" of a dataset", name);
    return NULL;
}

int bert_dataset_set(bert_dataset_options *o, const char *name, const char *value, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(o, "options of a dataset", e) || bert_need(name, "name of an option", e))
        return BERT_EINVAL;
    const bert_option_row *r = find(name, e);
    if (!r) return BERT_EINVAL;
    int rc = value ? bert_option_check(r, name, value, e) : 0;
    if (rc) return rc;
    int i = 0;
    while (i < BERT_TASK_OPTIONS && o->task_options[i].name &&
           !bert_option_is(r, o->task_options[i].name))
        i++;
    if (i == BERT_TASK_OPTIONS)
        return bert_fail(e, BERT_EINVAL, "%s: %d options are set, which is all there is room for",
                         name, BERT_TASK_OPTIONS);
    if (value || o->task_options[i].name) o->task_options[i] = (bert_task_option){r->name, value};
    return BERT_OK;
}

int bert_task_check_options(const bert_task *t, const bert_dataset_options *o, const char **unused,
                            bert_error *e) {
    int n = 0;
    for (int i = 0; i < BERT_TASK_OPTIONS && o->task_options[i].name; i++) {
        const char *name = o->task_options[i].name, *value = o->task_options[i].value;
        const bert_option_row *r = find(name, e);
        int rc = r ? 0 : BERT_EINVAL;
        if (!rc && value) rc = bert_option_check(r, name, value, e);
        if (rc) return rc;
        bool own = false;
        for (const bert_option_row *const *l = t->options; l && *l; l++)
            for (const bert_option_row *mine = *l; mine->name; mine++) own |= mine == r;
        if (!own && value) unused[n++] = r->name;
    }
    return n;
}
