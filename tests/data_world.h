/* What tests of a task's files start from: a tiny checkpoint, and files that are opened against it. */
#ifndef BERT_TEST_DATA_WORLD_H
#define BERT_TEST_DATA_WORLD_H
#include "tiny.h"
#include <bert_train.h>

typedef struct {
    char *dir;
    bert_model *base;
    bert_dataset_options options;
    bert_error e;
} world;

static inline void begin_task(world *w, const char *task) {
    memset(w, 0, sizeof *w);
    w->dir = test_directory();
    tiny_model(w->dir, 3, "single_label_classification", 0);
    w->base = bert_model_open(w->dir, &(bert_model_options){.head = "none"}, &w->e);
    if (!w->base) fail_msg("%s", w->e.message);
    w->options = bert_dataset_default();
    w->options.task = task;
}

static inline void end_task(world *w) {
    bert_model_close(w->base);
    test_remove(w->dir);
}

static inline bert_dataset *open_text(world *w, const char *name, const char *text) {
    tiny_write(w->dir, name, text);
    char *path = bert_path_join(w->dir, name);
    bert_error_clear(&w->e);
    bert_dataset *d = bert_dataset_open(path, w->base, &w->options, &w->e);
    free(path);
    return d;
}

static inline bert_dataset *open_or_fail(world *w, const char *name, const char *text) {
    bert_dataset *d = open_text(w, name, text);
    if (!d) fail_msg("%s: %s", text, w->e.message);
    return d;
}

/* code 0: any. */
static inline void refused_with(world *w, const char *name, const char *text, int code,
                                const char *says) {
    bert_dataset *d = open_text(w, name, text);
    assert_null(d);
    if ((code && w->e.code != code) || !strstr(w->e.message, says))
        fail_msg("%d \"%s\", not %d \"..%s..\"", w->e.code, w->e.message, code, says);
}

static inline void refused(world *w, const char *name, const char *text, const char *says) {
    refused_with(w, name, text, 0, says);
}

static inline bool notes_say(const bert_dataset *d, const char *part) {
    const char *line;
    for (int i = 0; (line = bert_dataset_note(d, i)); i++)
        if (strstr(line, part)) return true;
    return false;
}
#endif
