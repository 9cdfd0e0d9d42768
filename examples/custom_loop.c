/* A training loop of one's own around a head of one's own (CLS, dropout, linear): clipping, a
 * progress bar, loss and F1 on validation data after each epoch, early stopping, and the weights of
 * the best F1 in the end.
 *
 *     custom_loop MODEL TRAIN.csv VALIDATION.csv OUTPUT_DIR [EPOCHS] */
#include <bert_train.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The head: its parameters, its forward pass, its loss */

typedef struct {
    bert_linear classifier;
} cls_head;

static int head_init(void *self, const bert_head_site *site, bert_error *e) {
    cls_head *h = self;
    return bert_linear_new(site->params, "classifier", site->config->hidden_size,
                           site->config->num_labels, &h->classifier, e);
}

static bert_tensor *head_forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                                 const bert_batch *b) {
    (void)m;
    const cls_head *h = self;
    return bert_linear_apply(t, h->classifier,
                             bert_dropout(t, bert_cls(t, hidden, &b->inputs), 0.3f));
}

static bert_tensor *head_loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                              double divisor) {
    (void)self;
    return bert_cross_entropy(t, logits, b->labels, b->class_weights, divisor, 0);
}

static const bert_head head = {.name = "cls-dropout-linear",
                               .state_size = sizeof(cls_head),
                               .init = head_init,
                               .forward = head_forward,
                               .loss = head_loss,
                               .first_token = true};

/* ---- The loop */

enum { BATCH = 16, PATIENCE = 2 };
static const double peak_rate = 1e-4, max_norm = 1.0, tolerance = 1e-3;

static void draw(int epoch, int64_t step, int64_t steps, double loss) {
    const int width = 30, full = (int)(width * step / steps);
    fprintf(stderr, "\repoch %d [%.*s%*s] %lld/%lld  loss %.4f ", epoch, full,
            "##############################", width - full, "", (long long)step, (long long)steps,
            loss);
}

static int train_epoch(bert_tape *tape, bert_model *m, bert_loader *loader, bert_optimizer *opt,
                       const bert_schedule *schedule, int epoch, double *mean, bert_error *e) {
    const int64_t steps = bert_loader_batches(loader);
    bert_tape_set_mode(tape, true, true);
    *mean = 0;
    for (int64_t i = 0; i < steps; i++) {
        const int64_t step = epoch * steps + i;
        bert_batch b;
        if (bert_loader_get(loader, epoch, i, &b, e)) return e->code;
        bert_tape_reset(tape);
        bert_tape_set_step(tape, (uint64_t)step);
        bert_tensor *hidden = bert_forward(tape, m, &b.inputs);
        bert_tensor *logits = bert_head_forward(tape, m, hidden, &b);
        bert_tensor *loss = bert_head_loss(tape, m, logits, &b, 0);
        if (bert_tape_backward(tape, loss, 1, e) ||
            bert_optimizer_step(opt, bert_schedule_lr(schedule, step), max_norm, NULL, e))
            return e->code;
        *mean += ((double)*bert_tensor_read(tape, loss) - *mean) / (double)(i + 1);
        draw(epoch + 1, i + 1, steps, *mean);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 5 || argc > 6)
        return fprintf(stderr, "usage: %s MODEL TRAIN VALIDATION OUTPUT_DIR [EPOCHS]\n", argv[0]),
               2;
    const int epochs = argc > 5 ? atoi(argv[5]) : 8;
    bert_error e = {0};
    bert_model *base = bert_model_open(argv[1], &(bert_model_options){.head = "none"}, &e);
    bert_dataset *train = bert_dataset_open(argv[2], base, NULL, &e);
    bert_dataset_options like = {.like = train};
    bert_dataset *validation = bert_dataset_open(argv[3], base, &like, &e);
    bert_model *m = NULL;
    if (train && validation) {
        bert_model_options o = bert_dataset_model(train);
        o.head = NULL; /* ours */
        m = bert_model_open_head(bert_model_path(base), &head, &o, &e);
    }
    bert_loader_options lo = {.batch_size = BATCH, .shuffle = true, .seed = 42};
    bert_loader *loader = m ? bert_loader_new(train, &lo, &e) : NULL;
    bert_tape *tape = m ? bert_tape_new(NULL, &e) : NULL;
    bert_optimizer *opt = m ? bert_optimizer_new(bert_model_params(m), NULL, 0, &e) : NULL;
    bert_schedule schedule = {.type = BERT_SCHEDULE_LINEAR, .learning_rate = peak_rate};
    if (loader) schedule.total_steps = epochs * bert_loader_batches(loader);
    double best = -1;
    int waited = 0;
    for (int epoch = 0; epoch < epochs && waited < PATIENCE && !e.code; epoch++) {
        double loss, f1 = 0, held_loss = 0;
        if (train_epoch(tape, m, loader, opt, &schedule, epoch, &loss, &e)) break;
        bert_evaluate_options eo = bert_evaluate_default();
        eo.metrics = "f1_macro";
        bert_metrics *metrics = bert_evaluate(m, validation, &eo, &e);
        if (!metrics) break;
        bert_metrics_find(metrics, "f1_macro", &f1);
        bert_metrics_find(metrics, "loss", &held_loss);
        bert_metrics_free(metrics);
        const bool better = f1 > best + tolerance;
        waited = better ? 0 : waited + 1;
        fprintf(stderr, "\r%*s\r", 78, "");
        printf("epoch %d  train loss %.4f  validation loss %.4f  F1 %.4f%s\n", epoch + 1, loss,
               held_loss, f1, better ? "  best so far, saved" : "");
        if (better) best = f1;
        if (better && bert_model_save(m, argv[4], &e)) break;
    }
    bert_optimizer_free(opt);
    bert_tape_free(tape);
    bert_loader_free(loader);
    bert_model_close(m);

    /* The best weights again, from where they were saved. */
    m = best < 0 || e.code ? NULL : bert_model_open_head(argv[4], &head, NULL, &e);
    bert_metrics *metrics = m ? bert_evaluate(m, validation, NULL, &e) : NULL;
    for (int i = 0; metrics && i < bert_metrics_count(metrics); i++)
        printf("%s%s %.4f", i ? ", " : "best: ", bert_metrics_name(metrics, i),
               bert_metrics_value(metrics, i));
    if (metrics) printf("\n");
    if (e.code) fprintf(stderr, "%s: %s\n", argv[0], e.message);
    bert_metrics_free(metrics);
    bert_model_close(m);
    bert_dataset_free(validation);
    bert_dataset_free(train);
    bert_model_close(base);
    return e.code != 0;
}
