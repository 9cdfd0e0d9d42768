/* What the trainer's tests start from: a tiny checkpoint and rows of a problem, a trainer of them,
 * and a callback that keeps what it sees. */
#ifndef BERT_TEST_TRAINER_WORLD_H
#define BERT_TEST_TRAINER_WORLD_H
#include "tiny.h"
#include <jansson.h>
#include <math.h>

#define SINGLE "single_label_classification"

typedef struct {
    char *dir, *out; /* the base checkpoint; where the trainer writes */
    tiny_rows rows, held;
    bert_model *base, *model;
    bert_dataset *train, *validation;
    bert_training_args args;
    bert_error e;
} world;

static inline void check(world *w, bool ok) {
    if (!ok) fail_msg("%s", w->e.message);
}

static inline void open_model(world *w) {
    bert_model_close(w->model);
    w->model = bert_dataset_open_model(w->train, &w->e);
    check(w, w->model);
}

/* The checkpoint becomes one of another family, with weights that are initialised. */
static inline void become(world *w, const char *config) {
    tiny_write(w->dir, "config.json", config);
    tiny_write(w->dir, "tokenizer_config.json", "{\"tokenizer_class\": \"BertTokenizer\"}");
    bert_model_options o = bert_model_default();
    o.from_scratch = true;
    bert_model *m = bert_model_open(w->dir, &o, &w->e);
    check(w, m);
    check(w, !bert_model_save(m, w->dir, &w->e));
    bert_model_close(m);
}

/* config: of another family than BERT, or NULL. */
static inline void begin_as(world *w, const char *config, const char *problem, double dropout,
                            int rows, int held) {
    memset(w, 0, sizeof *w);
    w->dir = test_directory();
    w->out = bert_path_join(w->dir, "out");
    tiny_model(w->dir, strcmp(problem, "regression") ? 3 : 1, problem, dropout);
    if (config) become(w, config);
    bert_model_options o = bert_model_default();
    w->base = bert_model_open(w->dir, &o, &w->e);
    check(w, w->base);
    tiny_fill(&w->rows, problem, 0, rows);
    tiny_fill(&w->held, problem, rows, held);
    bert_dataset_options d = bert_dataset_default();
    if (!strcmp(problem, "multi_label_classification")) set_option(&d, "label_separator", "|");
    w->train = bert_dataset_of(w->rows.texts, w->rows.labels, rows, w->base, &d, &w->e);
    check(w, w->train);
    assert_string_equal(bert_dataset_problem_type(w->train), problem);
    d.like = w->train;
    w->validation = bert_dataset_of(w->held.texts, w->held.labels, held, w->base, &d, &w->e);
    check(w, w->validation);
    open_model(w);
    w->args = bert_training_default();
    w->args.threads = 1;
    w->args.learning_rate = 1e-3;
}

static inline void begin_with(world *w, const char *problem, double dropout, int rows, int held) {
    begin_as(w, NULL, problem, dropout, rows, held);
}

static inline void begin(world *w, double dropout) {
    begin_with(w, SINGLE, dropout, TINY_ROWS, TINY_ROWS);
}

static inline void end(world *w) {
    bert_model_close(w->model);
    bert_model_close(w->base);
    bert_dataset_free(w->train);
    bert_dataset_free(w->validation);
    free(w->out);
    test_remove(w->dir);
}

static inline bert_trainer *trainer_of(world *w) {
    bert_trainer *t = bert_trainer_new(w->model, &w->args, w->train, w->validation, &w->e);
    check(w, t);
    return t;
}

static inline void write_to(world *w, const char *name) {
    snprintf(w->args.output_dir, sizeof w->args.output_dir, "%s/%s", w->out, name);
}

static inline bool there(const world *w, const char *name) {
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", w->args.output_dir, name);
    return access(path, F_OK) == 0;
}

/* All weights end to end. */
static inline float *weights_of(const world *w, size_t *n) {
    bert_params *ps = bert_model_params(w->model);
    float *all = NULL;
    *n = 0;
    for (int i = 0; i < bert_params_count(ps); i++) {
        const bert_param *p = bert_params_at(ps, i);
        int32_t rows, cols;
        bert_param_shape(p, &rows, &cols);
        size_t k = (size_t)rows * (size_t)cols;
        all = realloc(all, (*n + k) * sizeof *all);
        bert_param_read(p, all + *n);
        *n += k;
    }
    return all;
}

/* ---- Callbacks */

typedef struct {
    double loss[256], norm[256];
    int steps, events[BERT_EVENT_COUNT];
    int64_t stop_at; /* 0: never */
    bert_event stop_on;
    bert_trainer *trainer;
} watcher;

static inline unsigned watch(void *context, bert_event event, const bert_trainer_state *s) {
    watcher *w = context;
    w->events[event]++;
    if (event == BERT_ON_STEP_END) {
        assert_true(w->steps <= 255);
        w->loss[w->steps] = s->loss;
        w->norm[w->steps++] = s->grad_norm;
        assert_true(s->seconds_left >= 0 && s->tokens_per_second > 0);
    }
    if (event == w->stop_on && w->stop_at && s->global_step == w->stop_at)
        bert_trainer_stop(w->trainer);
    return 0;
}

static inline bert_trainer *watched(world *w, watcher *c) {
    bert_trainer *t = trainer_of(w);
    c->trainer = t;
    assert_int_equal(bert_trainer_add_callback(t, watch, c, NULL), 0);
    return t;
}

static inline int train_watched(world *w, watcher *c) {
    bert_trainer *t = watched(w, c);
    int rc = bert_trainer_train(t, &w->e);
    bert_trainer_free(t);
    return rc;
}

/* Checkpoints are synced to disk, some hundred times here. */
static inline void write_to_memory(void) {
    if (!access("/dev/shm", W_OK)) setenv("TMPDIR", "/dev/shm", 0);
}
#endif
