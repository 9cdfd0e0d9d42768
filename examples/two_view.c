/* Two pictures of one thing, as the two views of a mammogram: one ViT for both, the element-wise maximum
 * of their [CLS] rows, dropout, a linear, a sigmoid.
 *
 *     two_view MODEL TRAIN.csv TEST.csv OUTPUT_DIR ARGUMENTS.json CC.png MLO.png
 *
 * The tables have columns cc and mlo, paths of pictures, and cancer, 0 or 1; the JSON has training
 * arguments. The trained model is opened again and used for two more pictures. */
#include <bert_train.h>
#include <stdio.h>

typedef struct {
    bert_linear classifier;
} two_view;

static int init(void *self, const bert_head_site *site, bert_error *e) {
    two_view *v = self;
    return bert_linear_new(site->params, "classifier.1", site->config->hidden_size, 1,
                           &v->classifier, e);
}

static bert_tensor *forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                            const bert_batch *b) {
    (void)m;
    bert_tensor *cls = bert_cls(t, hidden, &b->inputs); /* of all views, then of each row */
    bert_tensor *most = bert_max_groups(t, cls, b->row_start, b->row_count);
    return bert_linear_apply(t, ((two_view *)self)->classifier, bert_dropout(t, most, 0.5f));
}

/* Its loss is that of the problem type, here binary cross-entropy. */
static const bert_head head = {.name = "two-view",
                               .state_size = sizeof(two_view),
                               .init = init,
                               .forward = forward,
                               .first_token = true,
                               .views = 2};

int main(int argc, char **argv) {
    if (argc != 8) return fprintf(stderr, "usage: %s MODEL TRAIN TEST DIR ARGS CC MLO\n", *argv), 2;
    bert_error e = {0}; /* the first error is kept, and what needs a missing object does nothing */
    bert_training_args args = bert_training_default();
    bert_training_load(&args, argv[5], &e);
    bert_training_set(&args, "output_dir", argv[4], &e);
    /* Layers, heads and dropout by the user's word. */
    bert_model_options vit = {.head = "none",
                              .config = "{\"hidden_dropout_prob\": 0.1, "
                                        "\"attention_probs_dropout_prob\": 0.1}"};
    bert_model *base = bert_model_open(argv[1], &vit, &e), *saved = NULL;
    const bert_dataset_options data = {.label_column = "cancer,",
                                       .task_options = {{"image_column", "cc,mlo"}}};
    bert_trainer_task task = bert_trainer_task_open(base, NULL, &head, argv[2], argv[3], &data, &e);
    bert_trainer *trainer = bert_trainer_new_tasks(&args, &task, 1, NULL, &e);
    if (!bert_trainer_train(trainer, &e)) bert_trainer_save(trainer, &e);
    const bert_metrics *m = e.code ? NULL : bert_trainer_evaluate(trainer, NULL, &e);
    bert_metrics_print(m, NULL, stdout);

    if (!e.code) saved = bert_model_open_head(argv[4], &head, NULL, &e);
    bert_session *s = bert_session_new(saved, NULL, &e);
    const bert_picture views[] = {{.path = argv[6]}, {.path = argv[7]}};
    float probability; /* of one row, by the sigmoid of its only label */
    if (!bert_classify_pictures(s, views, 1, NULL, BERT_SCORES_SIGMOID, &probability, NULL, &e))
        printf("cancer %.4f\n", (double)probability);
    if (e.code) fprintf(stderr, "%s: %s\n", argv[0], e.message);
    bert_session_free(s);
    bert_model_close(saved);
    bert_trainer_free(trainer);
    bert_trainer_task_close(&task);
    bert_model_close(base);
    return e.code != 0;
}
