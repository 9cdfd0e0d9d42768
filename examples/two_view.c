/* Two pictures of one thing, as the two views of a mammogram: one ViT for both, the element-wise maximum
 * of their [CLS] rows, dropout, a linear, a sigmoid.
 *
 *     two_view MODEL TRAIN.csv TEST.csv OUTPUT_DIR ARGUMENTS.json
 *
 * The tables have columns cc and mlo, paths of pictures, and cancer, 0 or 1; the JSON has training
 * arguments. The trained model is opened again and used for the first row of TEST. */
#include <bert_train.h>
#include <math.h>
#include <stdio.h>

typedef struct {
    bert_linear classifier;
} two_view;

static int init(void *self, const bert_head_site *site, bert_error *e) {
    return bert_linear_new(site->params, "classifier.1", site->config->hidden_size, 1,
                           &((two_view *)self)->classifier, e);
}

static bert_tensor *forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                            const bert_batch *b) {
    (void)m;
    bert_tensor *cls = bert_cls(t, hidden, &b->inputs); /* of all views, then of each row */
    bert_tensor *most = bert_max_groups(t, cls, b->row_start, b->row_count);
    return bert_linear_apply(t, ((two_view *)self)->classifier, bert_dropout(t, most, 0.5f));
}

static bert_tensor *loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                         double divisor) {
    (void)self;
    return bert_bce_with_logits(t, logits, b->targets, divisor);
}

static const bert_head head = {.name = "two-view",
                               .state_size = sizeof(two_view),
                               .init = init,
                               .forward = forward,
                               .loss = loss,
                               .first_token = true};

static void predict(const char *directory, const bert_dataset *d, bert_error *e) {
    bert_batch b;
    bert_model *m = bert_model_open_head(directory, &head, NULL, e);
    bert_loader *l = bert_loader_new(d, &(bert_loader_options){.batch_size = 1}, e);
    bert_tape *t = bert_tape_new(&(bert_tape_options){.record = false}, e);
    if (m && l && t && !bert_loader_get(l, 0, 0, &b, e)) {
        const float *z =
            bert_tensor_read(t, bert_head_forward(t, m, bert_forward(t, m, &b.inputs), &b));
        if (!bert_tape_error(t, e)) printf("first row %.4f\n", 1 / (1 + exp(-(double)*z)));
    }
    bert_tape_free(t);
    bert_loader_free(l);
    bert_model_close(m);
}

int main(int argc, char **argv) {
    if (argc != 6) return fprintf(stderr, "usage: %s MODEL TRAIN TEST DIR ARGS\n", argv[0]), 2;
    bert_error e = {0};
    bert_training_args args = bert_training_default();
    bert_training_load(&args, argv[5], &e);
    bert_training_set(&args, "output_dir", argv[4], &e);
    /* Layers, heads and dropout by the user's word. */
    bert_model_options o = {.head = "none", .config = "{\"hidden_dropout_prob\": 0.1}"};
    bert_model *base = e.code ? NULL : bert_model_open(argv[1], &o, &e), *model = NULL;
    bert_dataset_options data = {.label_column = "cancer,",
                                 .task_options = {{"image_column", "cc,mlo"}}};
    bert_dataset *train = bert_dataset_open(argv[2], base, &data, &e);
    data.like = train;
    bert_dataset *test = bert_dataset_open(argv[3], base, &data, &e);
    if (test) {
        const char *config = o.config;
        o = bert_dataset_model(train); /* its labels */
        o.head = NULL;                 /* but our head */
        o.config = config;
        model = bert_model_open_head(argv[1], &head, &o, &e);
    }
    bert_trainer *trainer = bert_trainer_new(model, &args, train, test, &e);
    if (!bert_trainer_train(trainer, &e)) bert_trainer_save(trainer, &e);
    const bert_metrics *m = e.code ? NULL : bert_trainer_evaluate(trainer, test, &e);
    for (int i = 0; m && i < bert_metrics_count(m); i++)
        printf("%s %.4f\n", bert_metrics_name(m, i), bert_metrics_value(m, i));
    if (!e.code) predict(argv[4], test, &e);
    if (e.code) fprintf(stderr, "%s: %s\n", argv[0], e.message);
    bert_trainer_free(trainer);
    bert_model_close(model);
    bert_dataset_free(test);
    bert_dataset_free(train);
    bert_model_close(base);
    return e.code != 0;
}
