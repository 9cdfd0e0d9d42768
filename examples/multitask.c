/* Several tasks over one BERT, each with a linear of its own: the second classifier of docs/heads.md.
 *
 *     multitask MODEL OUTPUT_DIR ARGUMENTS.json NAME TRAIN VALIDATION [NAME TRAIN VALIDATION ..] TEXT
 *
 * A table says whether a task has classes or a value. What was trained is opened again, evaluated,
 * and each task is used for TEXT. */
#include <bert_train.h>
#include <stdio.h>

enum { MOST = 8 };

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

static bert_tensor *loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                         double divisor) {
    (void)self;
    return bert_problem_loss(t, NULL, logits, b, divisor); /* one output: a value; else classes */
}

static const bert_head head = {.name = "severity",
                               .state_size = sizeof(severity),
                               .init = init,
                               .forward = forward,
                               .loss = loss,
                               .first_token = true};

static void use(const char *directory, const char *task, const bert_dataset *validation,
                const char *text, bert_error *e) {
    float scores[64];
    const bert_text t = bert_text_of(text);
    bert_model *m = bert_model_open(directory, &(bert_model_options){.task = task}, e);
    bert_metrics *metrics = bert_evaluate(m, validation, NULL, e);
    for (int i = 0; metrics && i < bert_metrics_count(metrics); i++)
        printf("%s %s %.4f\n", task, bert_metrics_name(metrics, i), bert_metrics_value(metrics, i));
    bert_session *s = e->code ? NULL : bert_session_new(m, NULL, e);
    if (s && !bert_classify(s, &t, 1, NULL, BERT_SCORES_DEFAULT, scores, NULL, e))
        for (int i = 0; bert_model_label(m, i); i++)
            printf("%s: %s %.3f\n", task, bert_model_label(m, i), (double)scores[i]);
    bert_session_free(s);
    bert_metrics_free(metrics);
    bert_model_close(m);
}

int main(int argc, char **argv) {
    const int n = (argc - 5) / 3;
    if (argc < 8 || argc != 5 + 3 * n || n > MOST)
        return fprintf(stderr, "usage: %s MODEL DIR ARGS [NAME TRAIN VALIDATION].. TEXT\n",
                       argv[0]),
               2;
    bert_error e = {0};
    bert_training_args args = bert_training_default();
    bert_training_load(&args, argv[3], &e);
    bert_training_set(&args, "output_dir", argv[2], &e);
    bert_head_register(&head, &e); /* so that it is found again by its name */
    bert_model_options o = {.head = "none", .trainable = true, .seed = (uint64_t)args.seed};
    bert_model *bert = e.code ? NULL : bert_model_open(argv[1], &o, &e);
    bert_dataset *train[MOST] = {0}, *validation[MOST] = {0};
    bert_trainer_task tasks[MOST] = {0};
    for (int i = 0; i < n && bert && !e.code; i++) {
        bert_dataset_options data = {.overflow = BERT_OVERFLOW_TRUNCATE};
        data.like = train[i] = bert_dataset_open(argv[5 + 3 * i], bert, &data, &e);
        validation[i] = bert_dataset_open(argv[6 + 3 * i], bert, &data, &e);
        if (e.code) break;
        o = bert_dataset_model(train[i]); /* its labels, for our head */
        tasks[i].model = bert_model_add_task(bert, argv[4 + 3 * i], &head, &o, &e);
        tasks[i].train = train[i];
        tasks[i].validation = validation[i];
    }
    bert_trainer *trainer = e.code ? NULL : bert_trainer_new_tasks(&args, tasks, n, NULL, &e);
    if (trainer && !bert_trainer_train(trainer, &e)) bert_trainer_save(trainer, &e);
    for (int i = 0; i < n && !e.code; i++)
        use(argv[2], argv[4 + 3 * i], validation[i], argv[argc - 1], &e);
    if (e.code) fprintf(stderr, "%s: %s\n", argv[0], e.message);
    bert_trainer_free(trainer);
    for (int i = 0; i < n; i++) bert_dataset_free(train[i]), bert_dataset_free(validation[i]);
    bert_model_close(bert);
    return e.code != 0;
}
