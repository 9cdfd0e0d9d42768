/* Several tasks over one BERT, each with a linear of its own: the second classifier of docs/heads.md.
 *
 *     multitask MODEL ARGUMENTS.json TEXT NAME TRAIN VALIDATION [NAME TRAIN VALIDATION ..]
 *
 * The arguments say output_dir; at most 8 tasks; a table says whether its task has classes or a value. What was trained
 * is opened again, evaluated, and each task is used for TEXT. */
#include <bert_train.h>
#include <stdio.h>

typedef struct {
    bert_linear dense;
} severity;

static int init(void *self, const bert_head_site *site, bert_error *e) {
    return bert_linear_new(site->params, "dense", site->config->hidden_size,
                           site->config->num_labels, &((severity *)self)->dense, e);
}

static bert_tensor *forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                            const bert_batch *b) {
    (void)m;
    bert_tensor *cls = bert_cls(t, hidden, &b->inputs);
    return bert_linear_apply(t, ((severity *)self)->dense, bert_dropout(t, cls, 0.2f));
}

/* Its loss is that of the problem type: of classes, or of a value. */
static const bert_head head = {.name = "severity",
                               .state_size = sizeof(severity),
                               .init = init,
                               .forward = forward,
                               .first_token = true};

static void use(const char *directory, const bert_trainer_task *task, const char *text,
                bert_error *e) {
    float scores[64];
    const bert_text t = bert_text_of(text);
    const char *name = bert_model_task_name(task->model);
    bert_model *m = bert_model_open(directory, &(bert_model_options){.task = name}, e);
    bert_metrics *metrics = bert_evaluate(m, task->validation, NULL, e);
    bert_metrics_print(metrics, name, stdout);
    bert_session *s = bert_session_new(m, NULL, e);
    if (!bert_classify(s, &t, 1, NULL, BERT_SCORES_DEFAULT, scores, NULL, e))
        for (int i = 0; bert_model_label(m, i); i++)
            printf("%s: %s %.3f\n", name, bert_model_label(m, i), (double)scores[i]);
    bert_session_free(s);
    bert_metrics_free(metrics);
    bert_model_close(m);
}

int main(int argc, char **argv) {
    const int n = (argc - 4) / 3;
    if (n < 1 || n > 8 || argc != 4 + 3 * n)
        return fprintf(stderr, "usage: %s MODEL ARGS TEXT [NAME TRAIN DEV]..\n", *argv), 2;
    bert_error e = {0}; /* the first error is kept, and what needs a missing object does nothing */
    bert_training_args args = bert_training_default();
    bert_training_load(&args, argv[2], &e);
    bert_head_register(&head, &e); /* so that it is found again by its name */
    const bert_model_options bare = {.head = "none", .trainable = true};
    bert_model *bert = bert_model_open(argv[1], &bare, &e);
    bert_trainer_task tasks[8] = {0};
    char **a = argv + 4;
    for (int i = 0; i < n; i++, a += 3)
        tasks[i] = bert_trainer_task_open(bert, a[0], &head, a[1], a[2], NULL, &e);
    bert_trainer *trainer = bert_trainer_new_tasks(&args, tasks, n, NULL, &e);
    if (!bert_trainer_train(trainer, &e)) bert_trainer_save(trainer, &e);
    for (int i = 0; i < n && !e.code; i++) use(args.output_dir, &tasks[i], argv[3], &e);
    if (e.code) fprintf(stderr, "%s: %s\n", argv[0], e.message);
    bert_trainer_free(trainer);
    for (int i = 0; i < n; i++) bert_trainer_task_close(&tasks[i]);
    bert_model_close(bert);
    return e.code != 0;
}
