/* A loss of one's own, by an operation of one's own, under a head that a recipe makes: the focal loss
 * (Lin et al. 2017, arXiv:1708.02002) of yes or no, -(1 - p)^2 log p, where p is the probability of what
 * is true.
 *
 *     own_loss RECIPE.json TRAIN TEST OUTPUT_DIR [ARGUMENT=VALUE..] */
#include <bert_train.h>
#include <math.h>
#include <stdio.h>

static double probability(const bert_operands *x, int i) {
    const float *target = x->context;
    return 1 / (1 + exp(target[i] > 0.5f ? -(double)x->a[i] : (double)x->a[i]));
}

static int focal_forward(const bert_operands *x, float *y) {
    for (int i = 0; i < x->rows * x->cols; i++) {
        const double p = probability(x, i);
        y[i] = (float)(-(1 - p) * (1 - p) * log(p + 1e-12));
    }
    return 0;
}

static int focal_backward(const bert_operands *x, const float *y, const float *dy, float *da,
                          float *db) {
    (void)y, (void)db;
    for (int i = 0; da && i < x->rows * x->cols; i++) {
        const double p = probability(x, i), q = 1 - p;
        const double slope = 2 * p * q * q * log(p + 1e-12) - q * q * q;
        da[i] = dy[i] * (float)(((const float *)x->context)[i] > 0.5f ? slope : -slope);
    }
    return 0;
}

static const bert_operation focal = {"focal", focal_forward, focal_backward};

static bert_tensor *loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                         double divisor) {
    (void)self;
    const int32_t rows = bert_tensor_rows(logits), cols = bert_tensor_cols(logits);
    bert_tensor *each = bert_operate(t, &focal, logits, NULL, rows, cols, b->targets);
    return bert_scale(t, bert_sum(t, each), (float)(1 / (divisor > 0 ? divisor : rows * cols)));
}

int main(int argc, char **argv) {
    if (argc < 5) return fprintf(stderr, "usage: %s RECIPE TRAIN TEST DIR ..\n", argv[0]), 2;
    bert_error e = {0}; /* the first error is kept, and what needs a missing object does nothing */
    bert_training_args args = bert_training_default();
    bert_training_set(&args, "output_dir", argv[4], &e);
    bert_training_set_all(&args, argv + 5, &e);
    bert_recipe *recipe = bert_recipe_open(argv[1], &e);
    bert_head head = recipe ? *bert_recipe_head(recipe) : (bert_head){0};
    head.name = "focal"; /* all of the recipe's but */
    head.loss = loss;
    bert_model_options bare = {.head = "none", .recipe = recipe};
    bert_model *base = e.code ? NULL : bert_model_open(bert_recipe_encoder(recipe), &bare, &e);
    const bert_dataset_options data = {.recipe = recipe};
    bert_trainer_task task = bert_trainer_task_open(base, NULL, &head, argv[2], argv[3], &data, &e);
    bert_trainer *trainer = bert_trainer_new_tasks(&args, &task, 1, NULL, &e);
    if (!bert_trainer_train(trainer, &e)) bert_trainer_save(trainer, &e);
    const bert_metrics *m = e.code ? NULL : bert_trainer_evaluate(trainer, NULL, &e);
    bert_metrics_print(m, NULL, stdout);
    if (e.code) fprintf(stderr, "%s: %s\n", argv[0], e.message);
    bert_trainer_free(trainer);
    bert_trainer_task_close(&task);
    bert_model_close(base);
    bert_recipe_free(recipe);
    return e.code != 0;
}
