#include "models.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int no_memory(bert_error *e) {
    *e = (bert_error){.code = BERT_ENOMEM, .message = "out of memory"};
    return BERT_ENOMEM;
}

static int open_one(served *m, const serve_options *o, bert_error *e) {
    bert_model_options mo = bert_model_default();
    mo.pull = o->pull;
    m->model = bert_model_open(m->name, &mo, e);
    if (m->model && bert_model_new_parameter(m->model, 0)) { /* a head without weights */
        bert_model_close(m->model);
        mo.head = "none";
        m->model = bert_model_open(m->name, &mo, e);
    }
    return m->model ? 0 : e->code;
}

/* What is asked of it again and again. */
static int describe(served *m, bert_error *e) {
    const bert_config *c = bert_model_config(m->model);
    m->head = bert_model_head(m->model);
    m->pictures = c->image_width > 0;
    m->limit = bert_model_text_limit(m->model);
    m->labels = strcmp(m->head, "none") ? c->num_labels : 0;
    m->several = !strcmp(c->problem_type, "multi_label_classification");
    m->sparse = !bert_model_makes(m->model, BERT_VECTORS_SPARSE, NULL);
    m->created = (double)time(NULL);
    if (m->pictures || bert_model_tokenizer(m->model)) return 0;
    snprintf(e->message, sizeof e->message, "%s: %.300s", m->name,
             bert_model_tokenizer_error(m->model) ? bert_model_tokenizer_error(m->model)
                                                  : "it has no tokenizer");
    return e->code = BERT_ENOTFOUND;
}

/* Sessions, and a first text, so that the first request finds weights packed. */
static int warm(served *m, const serve_options *o, bert_threads *threads, bert_error *e) {
    bert_session_options so = bert_session_default();
    so.shared = threads;
    so.precision = o->precision;
    so.batch_tokens = o->batch_tokens;
    m->session = bert_session_new(m->model, &so, e);
    if (!m->session) return e->code;
    if (m->pictures) return 0;
    for (int i = 0; i < CLERKS; i++) {
        m->tokenization[i] = bert_tokenization_new(bert_model_tokenizer(m->model), e);
        if (!m->tokenization[i]) return e->code;
    }
    const int32_t start[] = {0, 1}, id[] = {0};
    const bert_inputs in = {.n = 1, .start = start, .ids = id};
    bert_outputs out;
    for (int i = 0; i < 2; i++) {
        const int rc = bert_session_run(m->session, &in, 0, &out, e);
        if (rc) return rc;
    }
    return 0;
}

/* A row that is all zeros yet, or NULL. */
static served *add_row(model_set *set) {
    served *list = realloc(set->list, ((size_t)set->n + 1) * sizeof *list);
    if (!list) return NULL;
    set->list = list;
    list[set->n] = (served){0};
    return &list[set->n++];
}

static int add_tasks(model_set *set, const char *name, bert_model *model, const serve_options *o,
                     bert_threads *threads, bert_error *e) {
    const char *task;
    int rc = 0;
    for (int i = 0; (task = bert_model_task_at(model, i)) && !rc; i++) {
        served *m = add_row(set);
        if (!m) return no_memory(e);
        m->name = name;
        m->task = task;
        m->model = bert_model_task(model, task, e);
        rc = !m->model ? e->code : describe(m, e);
        if (!rc) rc = warm(m, o, threads, e);
    }
    return rc;
}

static int add_model(model_set *set, const char *name, const serve_options *o,
                     bert_threads *threads, bert_error *e) {
    served *m = add_row(set);
    if (!m) return no_memory(e);
    set->models++;
    m->name = name;
    int rc = open_one(m, o, e);
    if (!rc) rc = describe(m, e);
    if (!rc) rc = warm(m, o, threads, e);
    return rc ? rc : add_tasks(set, name, m->model, o, threads, e);
}

model_set *models_open(const serve_options *o, bert_threads *threads, bert_error *e) {
    model_set *set = calloc(1, sizeof *set);
    int rc = set ? 0 : no_memory(e);
    if (set) atomic_init(&set->holders, 1);
    for (int32_t i = 0; i < o->models && !rc; i++) rc = add_model(set, o->names[i], o, threads, e);
    if (!rc) return set;
    models_let_go(set);
    return NULL;
}

model_set *models_hold(model_set *set) {
    if (set) atomic_fetch_add(&set->holders, 1);
    return set;
}

void models_let_go(model_set *set) {
    if (!set || atomic_fetch_sub(&set->holders, 1) > 1) return;
    for (int32_t i = 0; i < set->n; i++) {
        served *m = &set->list[i];
        bert_session_free(m->session);
        for (int k = 0; k < CLERKS; k++) bert_tokenization_free(m->tokenization[k]);
    }
    for (int32_t i = 0; i < set->n; i++) /* tasks go with the model that they are of */
        if (!set->list[i].task) bert_model_close(set->list[i].model);
    free(set->list);
    free(set);
}

served *models_next(const model_set *set, const served *last, const char *name, const char *task) {
    for (served *m = set->list + (last ? last - set->list + 1 : 0); m < set->list + set->n; m++)
        if ((!name || !strcmp(m->name, name)) && (!task || (m->task && !strcmp(m->task, task))))
            return m;
    return NULL;
}

const char *models_can(const served *m) {
    static const char *const can[][2] = {
        {"none", "embeddings (/embed, /embed_all, /similarity, /v1/embeddings)"},
        {"sequence-classification", "labels (/predict, /rerank, /zero_shot) and embeddings"},
        {"image-classification", "labels of pictures (/predict) and embeddings (/embed)"},
        {"token-classification", "entities (/tag) and embeddings"},
        {"question-answering", "answers (/answer) and embeddings"},
        {"masked-lm", "masked words (/fill) and embeddings"},
        {"multiple-choice", "choices (/choose) and embeddings"},
        {"next-sentence", "next sentences (/next_sentence) and embeddings"},
        {"pretraining", "masked words (/fill) and embeddings"},
    };
    for (size_t i = 0; i < sizeof can / sizeof *can; i++)
        if (!strcmp(can[i][0], m->head)) return can[i][1];
    return "embeddings";
}
