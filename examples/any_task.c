/* Any task from files: any_task TASK MODEL TRAIN VALIDATION OUTPUT_DIR [ARGUMENT=VALUE..]
 *
 *     any_task token-classification all-MiniLM-L6-v2 train.conll dev.conll ner learning_rate=1e-4
 *     any_task question-answering   all-MiniLM-L6-v2 train.json dev.json qa num_train_epochs=2
 *     any_task multiple-choice      all-MiniLM-L6-v2 train.csv dev.csv choice
 *     any_task masked-lm            all-MiniLM-L6-v2 train.txt dev.txt adapted
 *     any_task pretraining          small train.txt dev.txt pretrained   (from scratch where small/
 *                                   holds config.json and a vocabulary, but no weights) */
#include <bert_train.h>
#include <stdio.h>
#include <unistd.h>

static bool holds_weights(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/config.json", name);
    if (access(path, R_OK)) return true; /* a name, which is looked up */
    snprintf(path, sizeof path, "%s/model.safetensors", name);
    return !access(path, R_OK);
}

int main(int argc, char **argv) {
    if (argc < 6)
        return fprintf(stderr,
                       "usage: %s TASK MODEL TRAIN VALIDATION OUTPUT_DIR [ARGUMENT=VALUE..]\n",
                       argv[0]),
               2;
    bert_error e = {0}; /* the first error is kept, and what needs a missing object does nothing */
    bert_training_args args = bert_training_default();
    args.eval_strategy = BERT_STRATEGY_EPOCH;
    args.save_strategy = BERT_STRATEGY_NO;
    bert_training_set(&args, "output_dir", argv[5], &e);
    bert_training_set_all(&args, argv + 6, &e);
    const bool from_scratch = !holds_weights(argv[2]);
    bert_model_options bare = {.head = "none", .from_scratch = from_scratch};
    bert_model *base = e.code ? NULL : bert_model_open(argv[2], &bare, &e);
    bert_dataset_options data = {.task = argv[1], .overflow = BERT_OVERFLOW_TRUNCATE};
    bert_dataset *train = bert_dataset_open(argv[3], base, &data, &e);
    data.like = train;
    bert_dataset *validation = bert_dataset_open(argv[4], base, &data, &e);
    bert_model_options head = {0};
    if (train) head = bert_dataset_model(train);
    head.from_scratch = from_scratch;
    bert_model *model = base ? bert_model_open(bert_model_path(base), &head, &e) : NULL;

    bert_trainer *trainer = bert_trainer_new(model, &args, train, validation, &e);
    if (!bert_trainer_train(trainer, &e)) bert_trainer_save(trainer, &e);
    const bert_metrics *m = e.code ? NULL : bert_trainer_evaluate(trainer, validation, &e);
    bert_metrics_print(m, NULL, stdout);
    if (e.code) fprintf(stderr, "%s: %s\n", argv[0], e.message);

    bert_trainer_free(trainer);
    bert_model_close(model);
    bert_dataset_free(validation);
    bert_dataset_free(train);
    bert_model_close(base);
    return e.code != 0;
}
