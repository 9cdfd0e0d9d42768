/* Fine-tunes a classifier and uses it: finetune MODEL TRAIN.csv VALIDATION.csv OUTPUT_DIR TEXT */
#include <bert_train.h>
#include <stdio.h>

int main(int argc, char **argv) {
    if (argc != 6)
        return fprintf(stderr, "usage: %s MODEL TRAIN VALIDATION OUTPUT_DIR TEXT\n", argv[0]), 2;
    bert_error e = {0}; /* the first error is kept, and what needs a missing object does nothing */
    bert_model *base = bert_model_open(argv[1], &(bert_model_options){.head = "none"}, &e);
    bert_dataset *train = bert_dataset_open(argv[2], base, NULL, &e);
    bert_dataset_options like = {.like = train};
    bert_dataset *validation = bert_dataset_open(argv[3], base, &like, &e);
    bert_model *model = bert_dataset_open_model(train, &e); /* its head fits the labels */

    bert_training_args args = bert_training_default();
    args.learning_rate = 1e-4;
    bert_training_set(&args, "output_dir", argv[4], &e);
    bert_trainer *trainer = bert_trainer_new(model, &args, train, validation, &e);
    if (!bert_trainer_train(trainer, &e)) bert_trainer_save(trainer, &e);
    const bert_metrics *m = e.code ? NULL : bert_trainer_evaluate(trainer, validation, &e);
    bert_metrics_print(m, NULL, stdout);

    float scores[64] = {0};
    bert_text text = bert_text_of(argv[5]);
    bert_session *session = e.code ? NULL : bert_session_new(model, NULL, &e);
    if (session && bert_dataset_num_labels(train) <= 64 &&
        !bert_classify(session, &text, 1, NULL, BERT_SCORES_DEFAULT, scores, NULL, &e))
        for (int32_t i = 0; bert_model_label(model, i); i++)
            printf("%-12s %.3f\n", bert_model_label(model, i), (double)scores[i]);
    if (e.code) fprintf(stderr, "%s: %s\n", argv[0], e.message);

    bert_session_free(session);
    bert_trainer_free(trainer);
    bert_model_close(model);
    bert_dataset_free(validation);
    bert_dataset_free(train);
    bert_model_close(base);
    return e.code != 0;
}
