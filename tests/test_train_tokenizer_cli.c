/* bert train-tokenizer: its models, names of options that others have, and where the result goes. */
#include "tool.h"

static void makes_each_model(void **state) {
    (void)state;
    static const struct {
        const char *model, *file;
    } rows[] = {{"wordpiece", "vocab.txt"}, {"bpe", "merges.txt"}, {"unigram", "tokenizer.json"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        expect(0, bert("train-tokenizer texts.txt -o made%zu --vocab-size 270 --model %s --quiet",
                       i, rows[i].model));
        json_t *o = line(0);
        assert_true(number(o, "vocab_size") > 10 && number(o, "vocab_size") <= 270);
        json_decref(o);
        char name[64];
        snprintf(name, sizeof name, "made%zu/%s", i, rows[i].file);
        slurp(name, out, sizeof out);
        expect(0, bert("tokenize made%zu 'w1 w2'", i));
        says(out, "\"ids\":[");
    }
    expect(2, bert("train-tokenizer texts.txt -o made --model sentencepiece"));
    says(err, "--model 'sentencepiece': there are wordpiece, bpe and unigram");
}

static void a_tokenizer_that_is_there_stays(void **state) {
    (void)state;
    expect(0, bert("train-tokenizer texts.txt -o kept --vocab-size 60 --quiet"));
    expect(1, bert("train-tokenizer texts.txt -o kept --vocab-size 270 --model bpe"));
    says(err, "kept holds a tokenizer (tokenizer.json): choose another -o, or overwrite it "
              "(--overwrite-output-dir)");
    expect(0, bert("tokenize kept w1"));
    says(out, "[CLS]");
    expect(0, bert("train-tokenizer texts.txt -o kept --vocab-size 270 --model bpe "
                   "--overwrite-output-dir"));
    expect(0, bert("tokenize kept w1"));
    says(out, "<s>");
    char path[4300];
    snprintf(path, sizeof path, "%s/kept/vocab.txt", home);
    assert_int_equal(access(path, F_OK), -1); /* the other one's */
    write_file("kept/config.json", "{}");
    expect(1, bert("train-tokenizer nowhere.txt -o kept --overwrite-output-dir"));
    expect(0, bert("tokenize kept/tokenizer.json w1")); /* nothing was learned: it is as it was */
}

static void what_a_model_does_not_use_is_said(void **state) {
    (void)state;
    expect(0, bert("train-tokenizer texts.txt -o u1 --vocab-size 270 --model bpe --cased "
                   "--limit-alphabet 9"));
    says(err, "--cased is not used by --model bpe");
    says(err, "--limit-alphabet is not used by --model bpe: its alphabet is the 256 bytes");
    expect(0, bert("train-tokenizer texts.txt -o u2 --vocab-size 100 --model unigram "
                   "--min-frequency 3 --seed-size 50"));
    says(err, "--min-frequency is not used by --model unigram");
    assert_null(strstr(err, "--seed-size"));
    expect(0, bert("train-tokenizer texts.txt -o u3 --vocab-size 100 --shrinking-factor 0.5"));
    says(err, "--shrinking-factor is not used by --model wordpiece");
}

static void names_that_others_have_are_taken(void **state) {
    (void)state;
    expect(0, bert("train-tokenizer texts.txt -o f1 --vocab_size=100 --model_type=unigram "
                   "--character_coverage=1.0 --max_sentencepiece_length=8 --num_threads=1 "
                   "--normalization_rule_name=identity --seed_sentencepiece_size=1000"));
    says(err, "--max_sentencepiece_length 8 is taken as --max-piece-length 8");
    expect(2, bert("train-tokenizer texts.txt -o f2 --unk_token [UNK]"));
    says(err, "special tokens have their family's names");
    expect(1, bert("train-tokenizer texts.txt -o f2 --model unigram --normalization nmt_nfkc"));
    says(err, "there are nfkc, nfkc_lowercase and identity");
    expect(2, bert("train-tokenizer texts.txt -o f2 --model unigram --shrinking-factor 1.5"));
    says(err, "--shrinking-factor is a number above 0, at most 1, not '1.5'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_each_model),
        cmocka_unit_test(a_tokenizer_that_is_there_stays),
        cmocka_unit_test(what_a_model_does_not_use_is_said),
        cmocka_unit_test(names_that_others_have_are_taken),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
