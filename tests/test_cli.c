/* The tool as a user meets it: what each command prints and what it exits with. */
#include "tool.h"
#include <math.h>
#include <sys/stat.h>

static const char *const names[] = {
    "tokenize", "encode",   "embed", "similarity", "rerank",        "classify",
    "answer",   "choose",   "fill",  "tag",        "next-sentence", "train-tokenizer",
    "train",    "evaluate", "info",  "convert",    "bench"};

/* ---- Usage */

static void usage_is_two(void **state) {
    (void)state;
    expect(2, bert(" "));
    expect(2, bert("embd m x"));
    says(err, "did you mean 'embed'?");
    expect(2, bert("embed"));
    says(err, "MODEL");
    expect(2, bert("embed m --poolin mean x"));
    says(err, "did you mean --pooling?");
    expect(2, bert("embed m --pooling"));
    says(err, "needs a value");
    expect(2, bert("embed m --pooling sideways x"));
    expect(2, bert("embed m --threads -3 x"));
    expect(2, bert("embed m --threads 1x x"));
    expect(2, bert("embed m --precision lowest x"));
    expect(2, bert("embed m -i texts.txt x"));
    expect(2, bert("embed m x -o vectors.txt"));
    expect(2, bert("similarity m a"));
    expect(2, bert("similarity m a b c"));
    expect(2, bert("encode m x"));
    expect(2, bert("evaluate m"));
    expect(2, bert("train m -o d"));
    says(err, "--train-file");
    expect(2, bert("train m --train-file train.csv"));
    expect(2, bert("train m --train-file train.csv -o d --learning-rate fast"));
    expect(2, bert("train m --train-file train.csv -o d --learning-rat 1"));
    says(err, "did you mean --learning-rate?");
    expect(2, bert("train m --train-file train.csv -o d --fp16"));
    says(err, "precision medium");
    expect(2, bert("train m --train-file train.csv -o d --task dancing"));
    expect(2, bert("bench m --batch 0"));
}

/* Every command, and every option in the help of every command, is in the docs. */
static void help_is_documented(void **state) {
    (void)state;
    static char manual[1 << 17];
    static const char *const pages[] = {"/docs/cli.md", "/docs/training.md"};
    size_t used = 0;
    for (int i = 0; i < 2; i++) {
        char path[4200];
        snprintf(path, sizeof path, "%s%s", BERT_SOURCE_DIR, pages[i]);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        used += fread(manual + used, 1, sizeof manual - 1 - used, f);
        fclose(f);
    }
    manual[used] = 0;
    expect(0, bert("--help"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) says(out, names[i]);
    expect(0, bert("--version"));
    says(out, bert_version());
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char heading[64];
        snprintf(heading, sizeof heading, "`%s", names[i]);
        says(manual, heading);
        expect(0, bert("%s --help", names[i]));
        says(out, "usage: bert ");
        for (char *p = out; (p = strstr(p, "  --")) || (p = NULL);) {
            size_t n = 4 + strspn(p + 4, "abcdefghijklmnopqrstuvwxyz-0123456789");
            char option[64];
            snprintf(option, sizeof option, "%.*s", (int)n - 2, p + 2);
            if (!strstr(manual, option)) fail_msg("%s of %s is not in the docs", option, names[i]);
            p += n;
        }
    }
}

/* The help of an option with many values has them all. */
static void help_is_whole(void **state) {
    (void)state;
    expect(0, bert("train --help"));
    says(out, "|cosine_warmup_with_min_lr|warmup_stable_decay\n");
}

/* ---- What commands print */

static void tokenize_prints(void **state) {
    (void)state;
    expect(0, bert("tokenize m 'w1 W2' 'w3'"));
    assert_int_equal(lines(), 2);
    json_t *o = line(0);
    assert_int_equal(size(o, "ids"), 4);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(o, "ids"), 1)), 6);
    assert_string_equal(json_string_value(json_array_get(json_object_get(o, "tokens"), 2)), "w2");
    assert_true(json_is_null(json_array_get(json_object_get(o, "word_ids"), 0)));
    json_t *offsets = json_array_get(json_object_get(o, "offsets"), 2);
    assert_int_equal(json_integer_value(json_array_get(offsets, 0)), 3);
    assert_int_equal(size(o, "type_ids"), 4);
    json_decref(o);
    expect(0, bert("tokenize m/vocab.txt w1 --pair w2 --no-special"));
    o = line(0);
    assert_int_equal(size(o, "ids"), 2);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(o, "type_ids"), 1)), 1);
    json_decref(o);
    expect(1, bert("tokenize m 'w1 w2 w3 w4' --max-length 4"));
    says(err, "6 tokens");
    expect(0, bert("tokenize m 'w1 w2 w3 w4' --max-length 4 --on-overflow truncate"));
    o = line(0);
    assert_int_equal(size(o, "ids"), 4);
    assert_int_equal((int)number(o, "dropped"), 2);
    json_decref(o);
    expect(0, bert("tokenize m 'w1 w2 w3 w4' --max-length 4 --on-overflow window --stride 1"));
    assert_int_equal(lines(), 3);
    expect(0, bert("tokenize m w1 --columns"));
    says(out, "[CLS]");
}

static void embed_prints(void **state) {
    (void)state;
    expect(0, bert("embed m -i texts.txt --threads 2"));
    assert_int_equal(lines(), 3);
    json_t *first = line(0);
    assert_int_equal(size(first, "embedding"), TINY_HIDDEN);
    assert_int_equal((int)number(first, "tokens"), 4);
    assert_null(json_object_get(first, "dropped"));
    /* Numbers come back to the bit, and do not depend on what stands beside them. */
    expect(0, bert("embed m 'w1 w2'"));
    json_t *alone = line(0);
    assert_true(json_equal(first, alone));
    json_decref(first);
    json_decref(alone);
    expect(0, bert("embed m -i texts.txt -o v.npy"));
    float *v;
    int64_t rows, cols;
    char path[4200];
    snprintf(path, sizeof path, "%s/v.npy", home);
    assert_int_equal(bert_load_npy(path, &v, &rows, &cols, NULL), 0);
    assert_int_equal(rows, 3);
    assert_int_equal(cols, TINY_HIDDEN);
    free(v);
    expect(0, bert("embed m --normalize w1 --pooling cls"));
    json_t *o = line(0);
    double square = 0;
    for (size_t i = 0; i < TINY_HIDDEN; i++)
        square += pow(json_number_value(json_array_get(json_object_get(o, "embedding"), i)), 2);
    json_decref(o);
    assert_true(fabs(square - 1) < 1e-5);
    expect(0, bert("embed m < texts.txt"));
    write_file("p.tsv", "sentence1\tsentence2\nw1\tw2\n");
    expect(0, bert("embed m -i p.tsv"));
    o = line(0);
    assert_int_equal((int)number(o, "tokens"), 5);
    json_decref(o);
}

/* More texts than a batch of input holds: each keeps its place. */
static void many_texts(void **state) {
    (void)state;
    static char text[1200 * 8];
    size_t used = 0;
    for (int i = 0; i < 1200; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "w%d w%d\n", i % 30, i % 7);
    write_file("many.txt", text);
    expect(0, bert("classify m -i many.txt"));
    assert_int_equal(lines(), 1200);
    json_t *last = line(1199), *other = line(1198);
    assert_false(json_equal(last, other));
    expect(0, bert("classify m 'w%d w%d'", 1199 % 30, 1199 % 7));
    json_t *alone = line(0);
    assert_true(json_equal(last, alone));
    json_decref(last);
    json_decref(other);
    json_decref(alone);
}

static void encode_writes(void **state) {
    (void)state;
    expect(0, bert("encode m -i texts.txt -o e.safetensors"));
    char path[4200];
    snprintf(path, sizeof path, "%s/e.safetensors", home);
    bert_error e = {0};
    bert_tensors *s = bert_tensors_open(&bert_safetensors_format, path, &e);
    if (!s) fail_msg("%s", e.message);
    const bert_stored_tensor *t = bert_tensors_find(s, "last_hidden_state");
    assert_true(t && t->dims == 2 && t->shape[0] == 12 && t->shape[1] == TINY_HIDDEN);
    t = bert_tensors_find(s, "pooler_output");
    assert_true(t && t->dims == 2 && t->shape[0] == 3);
    t = bert_tensors_find(s, "start");
    assert_true(t && t->dims == 1 && t->shape[0] == 4);
    int32_t start[4];
    memcpy(start, t->data, sizeof start);
    assert_true(start[0] == 0 && start[1] == 4 && start[2] == 7 && start[3] == 12);
    bert_tensors_close(s);
    expect(2, bert("encode m -i texts.txt -o ./texts.txt"));
    expect(0, bert("tokenize m -i texts.txt"));
    /* What is no file is not replaced by one, and a link stays a link. */
    expect(1, bert("tokenize m w1 && mkfifo pipe && '%s' encode m w1 -o pipe", BERT_TOOL));
    says(err, "no ordinary file");
    expect(0, bert("encode m w1 -o end && ln -s end link && '%s' encode m w1 w2 -o link && "
                   "test -L link && cmp -s end link",
                   BERT_TOOL));
}

static void others_print(void **state) {
    (void)state;
    expect(0, bert("similarity m 'w1 w2' 'w1 w2'"));
    json_t *o = line(0);
    assert_true(fabs(number(o, "score") - 1) < 1e-6);
    json_decref(o);
    expect(1, bert("similarity m w1 'w2 w3' --max-length 3"));
    says(err, "text 2 ");
    expect(0, bert("classify m w1"));
    o = line(0);
    assert_non_null(json_string_value(json_object_get(o, "label")));
    json_t *scores = json_object_get(o, "scores");
    assert_int_equal(json_object_size(scores), 3);
    double sum = number(scores, "LABEL_0") + number(scores, "LABEL_1") + number(scores, "LABEL_2");
    assert_true(fabs(sum - 1) < 1e-6);
    json_decref(o);
    expect(0, bert("info m"));
    o = line(0);
    assert_int_equal((int)number(o, "hidden_size"), TINY_HIDDEN);
    assert_int_equal(size(o, "labels"), 3);
    assert_int_equal(size(o, "heads"), 7);
    assert_null(json_object_get(o, "tokenizer_error"));
    json_decref(o);
    expect(0, bert("info m --columns"));
    says(out, "hidden_size");
    expect(0, bert("bench m --batch 2 --seq 8 --repeat 3"));
    o = line(0);
    assert_true(number(o, "ms") > 0 && number(o, "tokens_per_second") > 0);
    assert_true(number(o, "gflops") > 0);
    assert_string_equal(json_string_value(json_object_get(o, "precision")), "highest");
    json_decref(o);
    expect(0, bert("bench m --batch 2 --seq 8 --repeat 3 --train"));
    expect(1, bert("bench m --seq 21"));
}

/* Scores that are 1 to the last bit still have an order. */
static void rerank_goes_by_logits(void) {
    bert_error e = {0};
    char path[4200];
    bert_model_options o = bert_model_default();
    o.trainable = true;
    snprintf(path, sizeof path, "%s/ce", home);
    bert_model *m = bert_model_open(path, &o, &e);
    assert_non_null(m);
    *bert_param_value_mut(bert_params_find(bert_model_params(m), "classifier.bias")) = 30;
    assert_int_equal(bert_model_save(m, path, &e), 0);
    bert_model_close(m);
    for (int i = 0; i < 2; i++) {
        expect(0, bert("rerank ce 'red cat' %s",
                       i ? "'a tree' 'the cat' 'the dog'" : "'the dog' 'the cat' 'a tree'"));
        json_t *first = line(0), *last = line(2);
        assert_float_equal(number(first, "score"), number(last, "score"), 0);
        static char best[100];
        const char *text = json_string_value(json_object_get(first, "text"));
        if (!i) snprintf(best, sizeof best, "%s", text);
        assert_string_equal(text, best);
        json_decref(first);
        json_decref(last);
    }
}

/* A model's vocabulary may be padded: what is no token is empty, as in transformers. */
static void rows_that_are_no_tokens_fill(void **state) {
    (void)state;
    char path[4200];
    head_model("padded", "BertForMaskedLM", 0, "");
    snprintf(path, sizeof path, "%s/padded/vocab.txt", home);
    struct stat vocabulary;
    assert_int_equal(stat(path, &vocabulary), 0);
    assert_int_equal(truncate(path, vocabulary.st_size - 3), 0); /* the last word loses its end */
    FILE *f = fopen(path, "r+");
    char words[4000];
    size_t n = fread(words, 1, sizeof words - 1, f);
    fclose(f);
    words[n] = 0;
    assert_int_equal(truncate(path, strrchr(words, '\n') + 1 - words), 0);
    expect(0, bert("fill padded 'the [MASK] sat' -k 1000 --quiet"));
    says(out, "\"token\":\"\"");
    says(out, "\"text\":\"the sat\"");
}

/* With -o a command writes what it prints without, and whole. */
static void lines_go_into_a_file(void) {
    static const char *const tasks[] = {
        "fill lm 'the [MASK] sat' -k 2",
        "answer qa -i qa.csv",
        "tag ner -i reds.txt --ignore-label ''",
        "choose mc 'the cat' sat ran",
        "next-sentence nsp 'the cat' 'sat'",
        "rerank ce cat -i reds.txt",
        "classify nli -i reds.txt",
        "classify nli 'the cat' --candidate-labels red,blue",
        "similarity nli 'the cat' 'the dog'",
        "tokenize nli -i reds.txt",
        "embed nli -i reds.txt",
        "embed lm -i reds.txt --vectors sparse",
        "evaluate nli -i judged.csv",
    };
    static char printed[sizeof out], written[sizeof out];
    write_file("judged.csv", "text,label\nthe cat,neutral\nthe dog,entailment\n");
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        expect(0, bert("%s", tasks[i]));
        snprintf(printed, sizeof printed, "%s", out);
        expect(0, bert("%s -o l.jsonl", tasks[i]));
        assert_string_equal(out, "");
        slurp("l.jsonl", written, sizeof written);
        assert_true(strlen(printed) > 10);
        assert_string_equal(printed, written);
    }
    expect(2, bert("classify nli 'the cat' -o l.txt"));
    says(err, "ends in .jsonl");
    expect(2, bert("classify nli 'the cat' -o l.jsonl --columns"));
    write_file("half.jsonl", "{\"text\":\"the cat\"}\n{\"text\":7\n");
    expect(1, bert("classify nli -i half.jsonl -o half.jsonl"));
    says(err, "is the file that is read");
    expect(1, bert("classify nli -i half.jsonl -o l.jsonl")); /* and l.jsonl is as it was */
    says(err, "half.jsonl:2");
    slurp("l.jsonl", printed, sizeof printed);
    assert_string_equal(printed, written);
    expect(1, bert("classify nli 'the cat' -o missing/l.jsonl"));
    says(err, "cannot write missing/l.jsonl");
    expect(0, bert("--version; ls"));
    assert_null(strstr(out, "l.jsonl."));
}

static void heads_print(void **state) {
    (void)state;
    head_models();
    expect(0, bert("fill lm 'the [MASK] sat' 'a [MASK] [MASK]' -k 2"));
    assert_int_equal(lines(), 2 + 4);
    expect(1, bert("fill lm 'the [MASK]' 'the cat'"));
    says(err, "text 2");
    says(err, "no [MASK]");
    expect(1, bert("fill lm 'the [MASK]' --targets zebra"));
    says(err, "zebra");
    expect(1, bert("fill qa 'the [MASK]'"));
    says(err, "it is a BertForQuestionAnswering): cls.predictions");
    expect(0, bert("answer qa -q 'who sat?' -c 'the cat sat on the mat and the dog ran' -k 3"));
    assert_int_equal(lines(), 3);
    write_file("qa.csv", "question,context\nwho sat?,the cat sat\nwho ran?,\"the dog, he ran\"\n");
    expect(0, bert("answer qa -i qa.csv"));
    assert_int_equal(lines(), 2);
    expect(2, bert("answer qa -q 'who sat?'"));
    expect(2, bert("answer qa -i qa.csv -q 'who sat?'"));
    write_file("noqa.csv", "question,context\nwho sat?,the cat sat\nwho ran?,\n");
    expect(1, bert("answer qa -i noqa.csv"));
    says(err, "noqa.csv:3: the context is empty");
    says(err, "1 of 2 texts failed; the others are answered");
    write_file("longqa.csv", "question,context\nwho?,cat\nwho sat on the mat and ran?,cat\n");
    expect(1, bert("answer qa -i longqa.csv --max-length 8"));
    says(err, "longqa.csv:3: the question has 8 tokens, which leaves no room for its context");
    expect(1, bert("answer qa -q 'who sat on the mat and ran?' -c cat --max-length 8"));
    says(err, "answer: the question has 8 tokens");
    expect(1, bert("next-sentence nsp -i texts.txt"));
    says(err, "texts.txt:1 has one sentence");
    says(err, "texts.txt:2 has one sentence");
    expect(1, bert("answer qa -q 'who sat?' -c ''"));
    expect(0, bert("tag ner 'the cat sat' 'on the mat' --ignore-label '' --aggregation none"));
    assert_int_equal(lines(), 6);
    expect(2, bert("tag ner x --aggregation best"));
    expect(0, bert("choose mc 'the cat' 'sat' 'ran' 'is big'"));
    json_t *o = line(0);
    assert_int_equal(json_array_size(json_object_get(o, "scores")), 3);
    json_decref(o);
    expect(2, bert("choose mc 'the cat' 'sat'"));
    expect(0, bert("next-sentence nsp 'the cat sat' 'it was big'"));
    o = line(0);
    assert_true(json_is_boolean(json_object_get(o, "is_next")));
    double p = number(o, "score");
    assert_true(p > 0 && p < 1);
    json_decref(o);
    expect(2, bert("next-sentence nsp 'the cat sat'"));
    expect(2, bert("next-sentence nsp <texts.txt"));
    expect(1, bert("next-sentence mc a b"));
    expect(0, bert("rerank ce 'red cat' 'the dog' 'the cat' 'a tree' -k 2"));
    assert_int_equal(lines(), 2);
    json_t *first = line(0), *second = line(1);
    assert_true(number(first, "score") >= number(second, "score"));
    json_decref(first);
    json_decref(second);
    rerank_goes_by_logits();
    write_file("reds.txt", "the dog\nthe cat\n");
    expect(0, bert("rerank ce 'red cat' -i reds.txt"));
    assert_int_equal(lines(), 2);
    expect(2, bert("rerank ce 'red cat' 'the dog' -i reds.txt"));
    expect(1, bert("rerank nli 'red cat' 'the dog'"));
    expect(0, bert("classify nli 'the cat sat' --function-to-apply none"));
    o = line(0);
    p = number(json_object_get(o, "scores"), "neutral");
    json_decref(o);
    expect(0, bert("classify nli 'the cat sat' --function-to-apply sigmoid"));
    o = line(0);
    assert_float_equal(number(json_object_get(o, "scores"), "neutral"), 1 / (1 + exp(-p)), 1e-6);
    json_decref(o);
    expect(2, bert("classify nli 'the cat sat' --function-to-apply tanh"));
    expect(0, bert("classify nli 'the cat sat' --candidate-labels ' red , blue '"));
    o = line(0);
    json_t *scores = json_object_get(o, "scores");
    assert_float_equal(number(scores, "red") + number(scores, "blue"), 1, 1e-6);
    json_decref(o);
    expect(0, bert("classify nli 'the cat sat' --candidate-labels red,red"));
    says(out, "\"red (1)\":"); /* a key is there once */
    expect(1, bert("classify ce 'the cat sat' --candidate-labels red,blue"));
    says(err, "entailment");
    lines_go_into_a_file();
    expect(0, bert("fill lm 'the [MASK] sat' --columns && '%s' tag ner 'the cat' --columns && '%s' "
                   "answer qa -q who -c 'the cat' --columns && '%s' choose mc a b c --columns",
                   BERT_TOOL, BERT_TOOL, BERT_TOOL));
}

/* What is cut off is said in the row, whatever the task. */
static void dropped_is_said(void **state) {
    (void)state;
    static const char *const tasks[] = {"classify nli 'the cat sat on the mat'",
                                        "classify nli 'the cat sat' --candidate-labels red",
                                        "rerank ce cat 'the cat sat on the mat'",
                                        "fill lm 'the [MASK] sat on the [MASK]' -k 1",
                                        "tag ner 'the cat sat on the mat' --ignore-label ''",
                                        "choose mc 'the cat' sat 'sat on the mat'",
                                        "next-sentence nsp 'the cat sat' 'on the mat'",
                                        "similarity m w1 'w1 w2 w3 w4 w5'"};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        expect(0, bert("%s --max-length 6 --on-overflow truncate", tasks[i]));
        json_t *o = line(0);
        assert_true(number(o, "dropped") > 0);
        json_decref(o);
        expect(0, bert("%s", tasks[i]));
        o = line(0);
        assert_null(json_object_get(o, "dropped"));
        json_decref(o);
    }
}

static void train_then_use(void **state) {
    (void)state;
    expect(0, bert("train m --train-file train.csv --validation-file validation.csv -o d "
                   "--num-train-epochs 2 --learning-rate 1e-3 --seed 7"));
    json_t *o = line(0);
    assert_int_equal((int)number(o, "global_step"), 16);
    double loss = number(o, "eval_loss"), accuracy = number(o, "eval_accuracy");
    json_decref(o);
    says(err, "train loss"); /* the table of epochs */
    expect(0, bert("evaluate d -i validation.csv"));
    o = line(0);
    assert_true(fabs(number(o, "loss") - loss) < 1e-6);
    assert_true(fabs(number(o, "accuracy") - accuracy) < 1e-9);
    assert_int_equal((int)number(o, "rows"), 32);
    assert_true(number(o, "majority_accuracy") >= 1.0 / 3);
    json_decref(o);
    expect(0, bert("evaluate d -i validation.csv --batch-tokens 20"));
    o = line(0);
    assert_true(fabs(number(o, "loss") - loss) < 1e-6);
    json_decref(o);
    expect(0, bert("evaluate d -i validation.csv --columns"));
    says(out, "always answering");
    says(out, "true \\ predicted");
    expect(0, bert("classify d w1 w2"));
    assert_int_equal(lines(), 2);
    /* A README.md is a card that training writes again, or somebody's, which stays. */
    expect(0, bert("info d && mkdir p && echo mine >p/README.md && '%s' train m --train-file "
                   "train.csv -o p --max-steps 1 --save-strategy no && cat p/README.md >&2 && "
                   "grep -q generated_from_trainer d/README.md",
                   BERT_TOOL));
    says(err, "mine\n");
    /* The same seed gives the same model, whatever the threads. */
    expect(0, bert("train m --train-file train.csv -o d2 --num-train-epochs 2 "
                   "--learning-rate 1e-3 --seed 7 --threads 1 --quiet"));
    assert_int_equal(strlen(err), 0);
    char command[9000];
    snprintf(command, sizeof command, "cmp '%s/d/model.safetensors' '%s/d2/model.safetensors'",
             home, home);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage_is_two),    cmocka_unit_test(help_is_documented),
        cmocka_unit_test(help_is_whole),   cmocka_unit_test(tokenize_prints),
        cmocka_unit_test(embed_prints),    cmocka_unit_test(many_texts),
        cmocka_unit_test(encode_writes),   cmocka_unit_test(others_print),
        cmocka_unit_test(heads_print),     cmocka_unit_test(rows_that_are_no_tokens_fill),
        cmocka_unit_test(dropped_is_said), cmocka_unit_test(train_then_use),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
