/* bert train as a user meets it: what it says about arguments, evaluations and its end. */
#include "tool.h"

#define TRAIN "train m --train-file train.csv --threads 1 --save-strategy no "
#define VALIDATED TRAIN "--validation-file validation.csv "

static void says_not(const char *text, const char *part) {
    if (strstr(text, part)) fail_msg("\"%s\" is in: %s", part, text);
}

static int count(const char *text, const char *part) {
    int n = 0;
    for (const char *p = text; (p = strstr(p, part)); p++) n++;
    return n;
}

static void the_table_shows_what_decides(void **state) {
    (void)state;
    expect(0, bert(VALIDATED "-o a --max-steps 40 --eval-steps 2 --learning-rate 0 "
                             "--metric-for-best-model matthews_correlation "
                             "--early-stopping-patience 2"));
    says(err, "train loss  matthews_correlation  eval loss  accuracy");
    says(err, " *\n"); /* the first evaluation, and no other */
    assert_int_equal(count(err, " *\n"), 1);
    says(err, "early stopping at step 6 (epoch 0.75): in 2 evaluations matthews_correlation has "
              "not improved on 0.");
    says(err, "was at step 2, the last row marked *; the weights are those of the last step");
    json_t *o = line(0);
    assert_string_equal(json_string_value(json_object_get(o, "ended")), "early_stopping");
    assert_int_equal(json_integer_value(json_object_get(o, "best_global_step")), 2);
    json_decref(o);
    expect(0, bert(VALIDATED "-o b --max-steps 2 --columns --quiet"));
    assert_string_equal(err, "");
    says(out, "saved in b after 2 steps");
    expect(0, bert(VALIDATED "-o c --num-train-epochs 1 --early-stopping-patience 1 "
                             "--early-stopping-metric accuracy"));
    says(err, "its one epoch is done");
}

/* Its row was shown by the run before. */
static void the_best_row_may_not_be_there(void **state) {
    (void)state;
    static const char run[] =
        VALIDATED "-o best --eval-steps 2 --save-strategy steps --save-steps 2 "
                  "--learning-rate 0 --max-steps ";
    char command[400];
    snprintf(command, sizeof command, "%s4", run);
    expect(0, bert("%s", command));
    says(err, "was at step 2, the last row marked *");
    snprintf(command, sizeof command, "%s6 --resume-from-checkpoint last", run);
    expect(0, bert("%s", command));
    says(err, "was at step 2; the weights are those of the last step");
}

static void steps_alone_mean_steps(void **state) {
    (void)state;
    expect(0, bert(VALIDATED "-o d --max-steps 4 --eval-steps 1"));
    assert_int_equal(count(err, "\n  0."), 4);
    says_not(err, "is not used");
    expect(0, bert(VALIDATED "-o e --max-steps 4 --eval-steps 1 --eval-strategy epoch "
                             "--num-train-epochs 9 --save-steps 3"));
    says(err, "--eval-steps is not used: --eval-strategy is epoch");
    says(err, "--num-train-epochs is not used: --max-steps");
    says(err, "--save-steps is not used: --save-strategy is not steps");
    expect(0, bert(TRAIN "-o f --max-steps 1 --eval-steps 1 --early-stopping-threshold 1"));
    says(err, "--eval-steps is not used: nothing is evaluated");
    says(err, "--early-stopping-threshold is not used: --early-stopping-patience is 0");
}

static void finished_work_is_safe(void **state) {
    (void)state;
    expect(0, bert(TRAIN "-o g --max-steps 1"));
    expect(1, bert(TRAIN "-o g --max-steps 1"));
    says(err, "g holds a trained model");
    expect(0, bert(TRAIN "-o g --max-steps 1 --overwrite_output_dir"));
    /* What is wrong with the data is said first, whatever lies there. */
    expect(1, bert("train m --train-file no.csv -o g --max-steps 1"));
    says(err, "no.csv: cannot open");
    expect(1, bert("train m --train-file train.csv -o m/config.json --max-steps 1"));
    says(err, "is not a directory");
    expect(1, bert("train m --train-file train.csv -o new --resume-from-checkpoint True"));
    says(err, "holds no checkpoint to resume from");
    expect(1, bert("train g --train-file train.csv -o ./g --max-steps 1 --overwrite-output-dir"));
    says(err, "holds the model that is to be trained");
    expect(0, bert("train m --train-file train.csv --threads 1 -o h --num-train-epochs 2 "
                   "--save-strategy epoch"));
    expect(0, bert("train m --train-file train.csv --threads 1 -o h --num-train-epochs 1 "
                   "--resume-from-checkpoint last --columns"));
    says(err, "step 16 of 8: nothing is left to train");
    says(out, "the model is in h, after 16 steps");
    says_not(out, "saved");
    expect(0, bert("train m --train-file train.csv --threads 1 -o h --num-train-epochs 1 "
                   "--resume-from-checkpoint last"));
    says_not(out, "train_runtime");
    says(out, "\"ended\":\"nothing_left\"");
}

static void a_metric_may_be_undefined(void **state) {
    (void)state;
    write_file("two.csv", "text,label\nw1 w2,a\nw3,b\nw4 w5,a\nw6,b\n");
    write_file("one.csv", "text,label\nw7 w8,a\nw9,a\n");
    expect(0, bert("train m --train-file two.csv --validation-file one.csv -o i --threads 1 "
                   "--num-train-epochs 4 --save-strategy no --metrics accuracy,roc_auc "
                   "--metric-for-best-model roc_auc --early-stopping-patience 2 "
                   "--load-best-model-at-end"));
    assert_int_equal(count(err, "roc_auc is undefined on this validation data"), 1);
    says(err, "all 4 epochs are done");
    says(err, "there is no best model: roc_auc was undefined at each of 4 evaluations; the weights "
              "are those of the last step");
    assert_int_equal(count(err, " *\n"), 0);
}

/* As they stand in guides of transformers and in readmes of its scripts. */
static void pasted_lines_work(void **state) {
    (void)state;
    expect(0,
           bert("train --model_name_or_path m --train_file train.csv --validation_file "
                "validation.csv --do_train --do_eval True --max_seq_length 8 --epochs 1 "
                "--per_gpu_train_batch_size 32 --evaluation_strategy steps --eval_steps 1 "
                "--load_best_model_at_end True --greater_is_better --push_to_hub false "
                "--report_to tensorboard wandb --text_column_name text --label_column_name=label "
                "--pad_to_max_length --cache_dir /x --overwrite_output_dir --threads 1 "
                "--output_dir j"));
    says(err, "--model_name_or_path m is taken as MODEL");
    says(err, "--do_eval True has no effect: ");
    says(err, "--max_seq_length 8 is taken as --max-length 8 --on-overflow truncate");
    says(err, "--report-to tensorboard,wandb is taken as tensorboard: log.jsonl");
    assert_int_equal(count(err, "\n  0.50 "), 1);
    expect(0, bert(TRAIN "-o k --max-steps 1 --label-all-tokens False --quiet --columns True"));
    assert_string_equal(err, "");
    /* Without a value a switch leaves the operand alone. */
    expect(0, bert("train --load_best_model_at_end m --train-file train.csv --validation-file "
                   "validation.csv --threads 1 --max-steps 1 -o l"));
    write_file("args.json",
               "{\"model_name_or_path\": \"m\", \"train_file\": \"train.csv\", "
               "\"validation_file\": \"validation.csv\", \"max_seq_length\": 8, "
               "\"output_dir\": \"n\", \"evaluation_strategy\": \"epoch\", "
               "\"save_strategy\": \"epoch\", \"learning_rate\": 2e-5, "
               "\"num_train_epochs\": 1, \"weight_decay\": 0.01, \"push_to_hub\": false, "
               "\"load_best_model_at_end\": true, \"metric_for_best_model\": \"f1\"}");
    expect(0, bert("train --args args.json --threads 1"));
    says(err, "--args: model_name_or_path is taken as MODEL, max_seq_length is taken as "
              "max_length, evaluation_strategy is taken as eval_strategy");
    says(err, "--metric-for-best-model f1 is taken as f1_macro");
    says(err, "train loss  f1_macro  eval loss");
    says(err, "the best f1_macro, ");
}

static void all_unknown_options_are_named_at_once(void **state) {
    (void)state;
    expect(2, bert("train m --train-file train.csv -o o --learnin_rate 1 --fp16 --zip 7 "
                   "--max_train_samples=5"));
    says(err, "there are no options '--learnin_rate', '--fp16', '--zip', '--max_train_samples'\n");
    says(err, "--learnin_rate; did you mean --learning-rate?");
    says(err, "--fp16: precision medium");
    says(err, "--max_train_samples: a file may be cut");
    expect(2, bert("train m \xe2\x80\x93-train_file train.csv -o o"));
    says(err, "it begins with a long dash");
    expect(2, bert("classify m --foo x --bar"));
    says(err, "there are no options '--foo', '--bar'");
    expect(2, bert("train m --model_name_or_path k --train-file train.csv -o o"));
    says(err, "MODEL is given twice, 'm' and 'k'");
    expect(2, bert("train m --train-file train.csv -o o --load_best_model_at_end=maybe"));
    says(err, "true|false");
    expect(2, bert("train m --train-file train.csv -o o --line-by-line=maybe"));
    says(err, "--line-by-line is true or false, not 'maybe'");
    expect(2, bert("train m --train-file train.csv -o o --max_seq_length --quiet"));
    says(err, "--max_seq_length needs a value");
    /* Texts are no words of truth. */
    expect(0, bert("embed m --json true"));
    assert_int_equal(lines(), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_shows_what_decides),
        cmocka_unit_test(the_best_row_may_not_be_there),
        cmocka_unit_test(steps_alone_mean_steps),
        cmocka_unit_test(finished_work_is_safe),
        cmocka_unit_test(a_metric_may_be_undefined),
        cmocka_unit_test(pasted_lines_work),
        cmocka_unit_test(all_unknown_options_are_named_at_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
