#include "data/task.h"
#include "base/error.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 64 };

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static const bert_task *registered[MOST];
static int count;

static const bert_task *const tasks[] = {
    &bert_task_sequence_classification,
    &bert_task_token_classification,
    &bert_task_question_answering,
    &bert_task_multiple_choice,
    &bert_task_masked_lm,
    &bert_task_pretraining,
    &bert_task_image_classification,
};

const bert_task *bert_task_at(int i) {
    const int stock = sizeof tasks / sizeof *tasks;
    if (i < stock) return i < 0 ? NULL : tasks[i];
    pthread_mutex_lock(&guard);
    const bert_task *own = i - stock < count ? registered[i - stock] : NULL;
    pthread_mutex_unlock(&guard);
    return own;
}

static const bert_task *named(const char *name) {
    const bert_task *t;
    for (int i = 0; (t = bert_task_at(i)); i++)
        if (!strcmp(t->name, name)) return t;
    return NULL;
}

int bert_task_register(const bert_task *t, bert_error *e) {
    const bert_task *there = named(t->name);
    if (there == t) return BERT_OK;
    if (there) return bert_fail(e, BERT_EINVAL, "there is a task \"%s\" already", t->name);
    pthread_mutex_lock(&guard);
    const bool room = count < MOST;
    if (room) registered[count++] = t;
    pthread_mutex_unlock(&guard);
    return room ? BERT_OK : bert_fail(e, BERT_ENOMEM, "%d tasks are registered", MOST);
}

const bert_task *bert_task_find(const char *name, bert_error *e) {
    char known[300] = "";
    size_t used = 0;
    const bert_task *t = name && *name ? named(name) : tasks[0];
    if (t) return t;
    for (int i = 0; (t = bert_task_at(i)) && used < sizeof known; i++)
        used +=
            (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", t->name);
    bert_fail(e, BERT_EINVAL, "there is no task \"%.40s\"; there are %s", name, known);
    return NULL;
}
