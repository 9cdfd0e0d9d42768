/* How severe is what a text says? [CLS] -> dropout 0.2 -> linear 1, trained on numbers, saved, opened
 * again and used for one more text.
 *
 *     severity MODEL TRAIN.csv TEST.csv OUTPUT_DIR TEXT [ARGUMENT=VALUE..]
 *
 * The tables have the columns report and severity. */
#include <bert_train.h>
#include <stdio.h>

typedef struct {
    bert_linear dense1;
} severity;

static int init(void *self, const bert_head_site *site, bert_error *e) {
    severity *s = self;
    return bert_linear_new(site->params, "dense1", site->config->hidden_size, 1, &s->dense1, e);
}

static bert_tensor *forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                            const bert_batch *b) {
    (void)m;
    bert_tensor *cls = bert_cls(t, hidden, &b->inputs);
    return bert_linear_apply(t, ((severity *)self)->dense1, bert_dropout(t, cls, 0.2f));
}

/* Its loss is that of the problem type, here the mean squared error. */
static const bert_head head = {.name = "severity",
                               .state_size = sizeof(severity),
                               .init = init,
                               .forward = forward,
                               .first_token = true};

int main(int argc, char **argv) {
    if (argc < 6) return fprintf(stderr, "usage: %s MODEL TRAIN TEST DIR TEXT ..\n", argv[0]), 2;
    bert_error e = {0}; /* the first error is kept, and what needs a missing object does nothing */
    bert_training_args args = bert_training_default();
    bert_training_set(&args, "output_dir", argv[4], &e);
    bert_training_set_all(&args, argv + 6, &e);
    bert_model *base = bert_model_open(argv[1], &(bert_model_options){.head = "none"}, &e);
    const bert_dataset_options data = {
        .text_column = "report", .label_column = "severity", .problem_type = "regression"};
    bert_trainer_task task = bert_trainer_task_open(base, NULL, &head, argv[2], argv[3], &data, &e);
    bert_trainer *trainer = bert_trainer_new_tasks(&args, &task, 1, NULL, &e);
    if (!bert_trainer_train(trainer, &e)) bert_trainer_save(trainer, &e);
    const bert_metrics *m = e.code ? NULL : bert_trainer_evaluate(trainer, NULL, &e);
    bert_metrics_print(m, NULL, stdout);

    bert_model *saved = e.code ? NULL : bert_model_open_head(argv[4], &head, NULL, &e);
    bert_session *s = bert_session_new(saved, NULL, &e);
    const bert_text text = bert_text_of(argv[5]);
    float score;
    if (!bert_classify(s, &text, 1, NULL, BERT_SCORES_NONE, &score, NULL, &e))
        printf("severity %.4f\n", (double)score);
    if (e.code) fprintf(stderr, "%s: %s\n", argv[0], e.message);
    bert_session_free(s);
    bert_model_close(saved);
    bert_trainer_free(trainer);
    bert_trainer_task_close(&task);
    bert_model_close(base);
    return e.code != 0;
}
