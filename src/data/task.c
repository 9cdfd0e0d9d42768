#include "data/task.h"
#include "base/error.h"
#include <stdio.h>
#include <string.h>

static const bert_task *const tasks[] = {
    &bert_task_sequence_classification,
    &bert_task_token_classification,
    &bert_task_question_answering,
    &bert_task_multiple_choice,
    &bert_task_masked_lm,
    &bert_task_pretraining,
};

const bert_task *bert_task_at(int i) {
    return (size_t)i < sizeof tasks / sizeof *tasks ? tasks[i] : NULL;
}

const bert_task *bert_task_find(const char *name, bert_error *e) {
    char known[300] = "";
    size_t used = 0;
    if (!name || !*name) return tasks[0];
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        if (!strcmp(tasks[i]->name, name)) return tasks[i];
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "",
                                 tasks[i]->name);
    }
    bert_fail(e, BERT_EINVAL, "there is no task \"%.40s\"; there are %s", name, known);
    return NULL;
}
