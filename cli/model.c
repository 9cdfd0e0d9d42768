/* Opening a model with the shared options. */
#include "pictures.h"
#include "pulling.h"
#include <string.h>

bert_session_options session_options(const common *c) {
    bert_session_options o = bert_session_default();
    o.threads = c->threads;
    o.precision = c->precision;
    o.batch_tokens = c->batch_tokens;
    return o;
}

bert_text_options task_options(const common *c) {
    bert_text_options o = bert_text_default();
    o.max_length = c->max_length;
    o.overflow = c->overflow;
    o.stride = c->stride;
    return o;
}

void model_notes(const common *c, const bert_model *m) {
    const char *line;
    for (int i = 0; (line = bert_model_note(m, i)); i++) note(c, "%s", line);
}

/* Without its notes. */
static bert_model *open_silently(const char *name, const common *c, const char *head,
                                 bert_error *e) {
    bert_model_options o = bert_model_default();
    o.head = head;
    o.seed = c->seed;
    o.task = c->task;
    o.pull = pulling(c);
    bert_model *m = bert_model_open(name, &o, e);
    pulling_done();
    return m;
}

int find_model(const char *name, const common *c, bool weights, char *directory, size_t capacity,
               bert_error *e) {
    bert_pull_options *o = pulling(c);
    o->without_weights = !weights;
    const int rc = bert_find(name, o, directory, capacity, e);
    pulling_done();
    return rc;
}

bert_model *open_model(const char *name, const common *c, const char *head, bert_error *e) {
    bert_model *m = open_silently(name, c, head, e);
    if (m) model_notes(c, m);
    return m;
}

bool says_tasks(const bert_model *m, bert_error *e) {
    const char *task;
    char list[200] = "";
    size_t n = 0;
    for (int i = 0; (task = bert_model_task_at(m, i)); i++)
        if (n < sizeof list)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", task);
    if (n)
        fail(e, BERT_EINVAL, "%s holds the tasks %s: --task NAME says which", bert_model_path(m),
             list);
    return n > 0;
}

bert_model *open_head(const char *name, const common *c, const char *head, bert_error *e) {
    bert_model *m = open_model(name, c, head, e);
    const char *missing = m ? bert_model_new_parameter(m, 0) : NULL;
    if (!missing) return m;
    bert_model *own = open_silently(name, c, NULL, NULL); /* m is called by the head it was given */
    const char *has = own ? bert_model_config(own)->architecture : "";
    if (!own || !says_tasks(own, e))
        fail(e, BERT_EUNSUPPORTED,
             "%s has no trained %s head (it is a %s): %s is not in it, and results would be random",
             bert_model_path(m), head, *has ? has : "BertModel", missing);
    bert_model_close(own);
    bert_model_close(m);
    return NULL;
}

/* A model under the head its configuration names. */
bert_model *open_own_head(const char *name, const common *c, bert_error *e) {
    bert_model *m = open_model(name, c, NULL, e);
    const char *only = m && !bert_model_task_at(m, 1) ? bert_model_task_at(m, 0) : NULL;
    if (only) {
        char task[BERT_MAX_NAME];
        snprintf(task, sizeof task, "%s", only);
        common of_it = *c;
        of_it.task = task;
        bert_model_close(m);
        m = open_silently(name, &of_it, NULL, e);
    }
    if (m && bert_model_new_parameter(m, 0))
        note(c, "%s is not in %s: it starts from random numbers, and results mean nothing",
             bert_model_new_parameter(m, 0), bert_model_path(m));
    return m;
}

bool is_packed(const bert_model *m) {
    static const char file[] = "packed.safetensors";
    const char *path = bert_model_weights(m);
    const size_t n = path ? strlen(path) : 0, k = sizeof file - 1;
    return n >= k && !strcmp(path + n - k, file);
}

/* Where a head comes from. */
static const char *advice(const bert_model *m) {
    return is_packed(m) ? "its weights are packed; 'bert train' gives one to the model that it was "
                          "made from"
                        : "'bert train' gives it one";
}

bert_model *open_trained(const char *name, const common *c, bert_error *e) {
    bert_model *m = open_own_head(name, c, e);
    if (!m || strcmp(bert_model_head(m), "none")) return m;
    if (!says_tasks(m, e))
        fail(e, BERT_EUNSUPPORTED, "%s has no head to evaluate; %s", bert_model_path(m), advice(m));
    bert_model_close(m);
    return NULL;
}

static bert_model *need_labels(bert_model *m, bert_error *e) {
    const bool labels =
        m && strcmp(bert_model_head(m), "none") && bert_model_head_outputs(m) == BERT_OUTPUT_LABELS;
    if (!m || labels) return m;
    if (!says_tasks(m, e))
        fail(e, BERT_EUNSUPPORTED, "%s has no %s head (its head: %s); %s", bert_model_path(m),
             takes_pictures(m) ? "image-classification" : "sequence-classification",
             bert_model_head(m), advice(m));
    bert_model_close(m);
    return NULL;
}

bert_model *open_ranker(const char *name, const common *c, unsigned *kind, bert_error *e) {
    bert_model *m = open_own_head(name, c, e);
    const bool none = m && !strcmp(bert_model_head(m), "none");
    if (none && !bert_model_makes(m, BERT_VECTORS_MULTI, NULL)) {
        *kind = BERT_VECTORS_MULTI;
        return m;
    }
    return need_labels(m, e);
}

bert_model *open_classifier(const char *name, const common *c, bert_error *e) {
    return need_labels(open_own_head(name, c, e), e);
}
