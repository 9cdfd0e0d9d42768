/* What the tool says of a file before it computes anything, and what it must not say. */
#include "tool.h"

#define TRAIN "train m --threads 1 --save-strategy no --max-steps 1 "

static void says_nothing(void) {
    if (*err) fail_msg("it says: %s", err);
}

static void commands_say_which_columns(void **state) {
    (void)state;
    write_file("faq.csv", "id,question,context\n1,w1 w2,w3\n");
    expect(0, bert("embed m -i faq.csv"));
    says(err,
         "faq.csv: CSV with a header: text column \"question\"; not read: \"id\", \"context\"\n");
    json_t *o = line(0);
    assert_true(number(o, "tokens") == 4);
    json_decref(o);
    expect(0, bert("embed m -i faq.csv --quiet"));
    says_nothing();
    expect(0, bert("classify m -i texts.txt"));
    says_nothing();
    write_file("one.csv", "text\nw1\nw2\n");
    expect(0, bert("embed m -i one.csv"));
    says_nothing();
    write_file("pairs.tsv", "premise\thypothesis\nw1\tw2 w3\n");
    expect(0, bert("tokenize m -i pairs.tsv"));
    says(err, "pairs of the text columns \"premise\" and \"hypothesis\"");
    says(out, "\"type_ids\":[0,0,0,1,1,1]");
    expect(0, bert("tokenize m -i pairs.tsv --pair-column none"));
    says(out, "\"type_ids\":[0,0,0]");
    expect(0, bert("train-tokenizer faq.csv -o t --vocab-size 60"));
    says(err, "text column \"question\"");
}

static void training_and_evaluation_say_it(void **state) {
    (void)state;
    expect(0, bert(TRAIN "--train-file train.csv --validation-file validation.csv -o a "
                         "--text-column text --label-column label --eval-strategy no"));
    const char *first = strstr(err, "CSV with a header: text column \"text\", label \"label\"");
    assert_non_null(first);
    says(first + 1, "CSV with a header: text column \"text\", label \"label\"");
    expect(0, bert("info m && cat a/README.md"));
    says(out, "## Training data\n\n- CSV with a header: text column \"text\", label \"label\"\n");
    expect(0, bert("evaluate a -i validation.csv"));
    says(err, "text column \"text\", label \"label\"");
    expect(0, bert("evaluate a -i validation.csv --quiet"));
    says_nothing();
    write_file("unlabelled.csv", "id,comment\n1,w1\n");
    expect(1, bert("evaluate a -i unlabelled.csv"));
    says(err, "no column is known as the label: --label-column NAME");
    write_file("notes.csv", "id,comment\n1,w1 w2 w3 w4\n2,w3 w4 w5 w6\n");
    expect(0, bert(TRAIN "--train-file notes.csv --task masked-lm -o b"));
    says(err, "text column \"comment\"; not read: \"id\"");
    expect(0, bert(TRAIN "--train-file notes.csv --task masked-lm --text-column id -o c"));
    says(err, "text column \"id\"; not read: \"comment\"");
}

static void unneeded_labels_stop_nothing(void **state) {
    (void)state;
    write_file("later.jsonl", "{\"text\":\"w1\",\"label\":null}\n{\"text\":\"w2\"}\n"
                              "{\"text\":\"w3\",\"label\":[[1,2,\"X\"]]}\n");
    static const char *const commands[] = {"classify", "embed", "tokenize"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        expect(0, bert("%s m -i later.jsonl", commands[i]));
        assert_int_equal(lines(), 3);
    }
}

static void endings_have_numbers_or_letters(void **state) {
    (void)state;
    write_file("choice.csv", "prompt,choice0,choice1,answer,other\nw1,w2,w3,A,x\nw4,w5,w6,B,x\n"
                             "w4,w5,w6,-1,x\nw4,w5,w6,,x\n");
    expect(0, bert(TRAIN "--task multiple-choice --train-file choice.csv --label-column answer "
                         "--text-column prompt -o d"));
    says(err, "train      2 rows");
    says(err, "2 rows left out: no gold label (the first in line 4)");
    write_file("choice.csv", "prompt,choice0,choice1,label\nw1,w2,w3,C\n");
    expect(1, bert(TRAIN "--task multiple-choice --train-file choice.csv -o e"));
    says(err, "label \"C\" is not the number of an ending, 0 to 1");
    write_file("choice.csv", "prompt,choice0,choice1,label\nw1,w2,w3,-1\n");
    expect(1, bert(TRAIN "--task multiple-choice --train-file choice.csv -o e"));
    says(err, "no gold label");
}

static void endings_are_no_classes(void **state) {
    (void)state;
    write_file("copa.jsonl",
               "{\"premise\":\"w1\",\"choice1\":\"w2\",\"choice2\":\"w3\",\"question\":"
               "\"w4\",\"label\":0}\n{\"premise\":\"w1\",\"choice1\":\"w2\",\"choice2\":"
               "\"w3\",\"question\":\"w5\",\"label\":1}\n");
    expect(1, bert(TRAIN "--train-file copa.jsonl -o g"));
    says(err, "\"choice..\" are endings to choose from: --task multiple-choice");
    expect(0, bert(TRAIN "--train-file copa.jsonl --text-column question -o g"));
    expect(0, bert("embed m -i copa.jsonl"));
    write_file("race.jsonl", "{\"article\":\"w1\",\"options\":[\"w2\",\"w3\"],\"label\":0}\n");
    expect(1, bert(TRAIN "--train-file race.jsonl -o h"));
    says(err, "--task multiple-choice");
    expect(0, bert(TRAIN "--train-file race.jsonl --task multiple-choice -o h"));
    expect(0, bert("evaluate h -i race.jsonl --predictions p.jsonl"));
    slurp("p.jsonl", out, sizeof out);
    says(out, "\"endings\":[\"w2\",\"w3\"]");
}

/* Training on file.csv with these options says it, on the way or as an error. */
static void tells(const char *name, const char *text, const char *options, const char *what) {
    write_file(name, text);
    bert(TRAIN "--overwrite-output-dir -o odd --train-file %s %s", name, options);
    says(err, what);
}

static void odd_tables_are_told(void **state) {
    (void)state;
    tells("a.csv", "Survey 2024,,\nid,text,label\n1,w1,a\n2,w2,b\n", "",
          "its second line names the columns (id, text, label), not its first");
    tells("a.csv", ",doc,doc\n,text,label\n0,w1,a\n1,w2,b\n", "",
          "its second line names the columns (, text, label)");
    tells("a.csv", "text,label\nsentence,a\nw2,b\n", "", "train      2 rows");
    tells("a.tsv", "What is it that you think?\tRating (1-5)\nw1\t1\nw2\t2\nw3\t1\nw4\t2\nw5\t1\n",
          "", "the first line looks like a header");
    tells("a.tsv",
          "w1\t0,1\te0\nw2\t1\te1\nw1\t0\te2\nw2\t1\te3\nw1\t0\te4\nw2\t1\te5\nw1\t0\te6\n"
          "w2\t1\te7\nw1\t0\te8\nw2\t1\te9\n",
          "", "10 different labels in 10 rows");
    tells("a.csv", "text,price\nw1,0\nw2,\"1,234\"\nw3,\"2,000\"\n", "--label-column price",
          "label \"1,234\" has a comma in a number");
    tells("a.csv", "text,a,b\nw1,,\nw2,x,\n", "--label-column a,b",
          "column a holds \"x\", not 0 or 1");
    tells("a.csv", "x\t0.5\tw1\tw2\nx\t1.5\tw1\tw2\n",
          "--text-column 2 --pair-column 3 --label-column 1",
          "pairs of the text columns 2 and 3, label 1");
    tells("a.txt", "__label__1 w1\n__label__2 w2\n", "", "is in fastText's format");
    tells("a.txt", "-DOCSTART- O\n\nw1 O\n", "", "--task token-classification");
    tells("a.conllu", "1\tw1\n", "", "--task token-classification");
    tells("a.tsv", "premise\thypo\tlabel\nw1\tw2\ta\nw3\tw4\tb\n", "",
          "pairs of the text columns \"premise\" and \"hypo\"");
    tells("a.csv", "text,label\nw1,a\n,b\n", "", "1 row with an empty text (line 3)");
    tells("a.jsonl",
          "{\"text\":\"w1\",\"label\":\"a\"}\n{\"text\":\"w\\u00002\",\"label\":\"b\"}\n", "",
          "1 row with zero bytes in the text, which are dropped (line 2)");
    tells("a.json", "{\"train\":[[\"w1\",\"a\"]],\"val\":[[\"w1\",\"a\"],[\"w2\",\"b\"]]}", "",
          "one object of lists and objects, not rows");
    expect(1, bert("tag m -i a.conllu"));
}

static void no_control_characters(void **state) {
    (void)state;
    write_file("wild.csv", "te\x1b[31mxt,la\x1b[31mbel\nw1,b\n");
    expect(1, bert("embed m -i wild.csv --text-column text"));
    assert_null(strchr(err, '\x1b'));
    write_file("wild2.csv", "text,label\nw1,a\x1b[31m\nw2,b\n");
    expect(0, bert(TRAIN "--train-file wild2.csv -o f"));
    assert_null(strchr(err, '\x1b'));
    expect(1, bert("evaluate m -i wild2.csv"));
    assert_null(strchr(err, '\x1b'));
    write_file("wild.jsonl", "{\"te\\u001bxt\":\"a\"}\n");
    expect(1, bert("embed m -i wild.jsonl --text-column text"));
    assert_null(strchr(err, '\x1b'));
}

static void a_pipe_is_read_once(void **state) {
    (void)state;
    expect(0, bert("info m && mkfifo p.csv && { cat train.csv >p.csv & } && '%s' embed m -i p.csv",
                   BERT_TOOL));
    assert_true(lines() > 64);
    says(err, "p.csv: CSV with a header");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_say_which_columns),
        cmocka_unit_test(training_and_evaluation_say_it),
        cmocka_unit_test(unneeded_labels_stop_nothing),
        cmocka_unit_test(endings_have_numbers_or_letters),
        cmocka_unit_test(endings_are_no_classes),
        cmocka_unit_test(odd_tables_are_told),
        cmocka_unit_test(no_control_characters),
        cmocka_unit_test(a_pipe_is_read_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
