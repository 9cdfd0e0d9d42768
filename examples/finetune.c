/* Fine-tunes a classifier and uses it: finetune MODEL TRAIN.csv VALIDATION.csv OUTPUT_DIR TEXT */
#include <bert_train.h>
#include <stdio.h>

int main(int argc, char **argv) {
    bert_error e = {0};
    if (argc != 6)
        return fprintf(stderr, "usage: %s MODEL TRAIN VALIDATION OUTPUT_DIR TEXT\n", argv[0]), 2;

    bert_model *base = bert_model_open(argv[1], &(bert_model_options){.head = "none"}, &e);
    bert_dataset *train = base ? bert_dataset_open(argv[2], base, NULL, &e) : NULL;
    bert_dataset_options like = {.like = train};
    bert_dataset *validation = train ? bert_dataset_open(argv[3], base, &like, &e) : NULL;

    bert_model *model = NULL; /* the labels of the data decide its head */
    if (validation) {
        bert_model_options options = bert_dataset_model(train);
        model = bert_model_open(bert_model_path(base), &options, &e);
    }
    bert_training_args args = bert_training_default();
    snprintf(args.output_dir, sizeof args.output_dir, "%s", argv[4]);
    args.learning_rate = 1e-4;
    args.save_strategy = BERT_STRATEGY_NO;
    bert_trainer *trainer = model ? bert_trainer_new(model, &args, train, validation, &e) : NULL;

    if (trainer && !bert_trainer_train(trainer, &e) && !bert_trainer_save(trainer, &e)) {
        const bert_metrics *m = bert_trainer_evaluate(trainer, validation, &e);
        for (int i = 0; m && i < bert_metrics_count(m); i++)
            printf("%s %.4f\n", bert_metrics_name(m, i), bert_metrics_value(m, i));
        bert_session *session = bert_session_new(model, NULL, &e);
        bert_text text = bert_text_of(argv[5]);
        float scores[100];
        if (session && bert_model_config(model)->num_labels <= 100 &&
            !bert_classify(session, &text, 1, NULL, false, scores, NULL, &e))
            for (int32_t i = 0; bert_model_label(model, i); i++)
                printf("%-12s %.3f\n", bert_model_label(model, i), (double)scores[i]);
        bert_session_free(session);
    }
    if (e.code) fprintf(stderr, "%s: %s\n", argv[0], e.message);

    bert_trainer_free(trainer);
    bert_model_close(model);
    bert_dataset_free(validation);
    bert_dataset_free(train);
    bert_model_close(base);
    return e.code != 0;
}
