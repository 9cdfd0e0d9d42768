/* Tagging from the command line: trained on words, evaluated with the report, used. */
#include "tool.h"

static const char sentences[] = "w1 B-A\nw2 I-A\nw3 E-A\nw4 O\nw5 S-B\nw5 S-B\nw4 O\n\n"
                                "w4 O\nw5 S-B\nw1 B-A\nw3 E-A\nw1 B-A\nw3 E-A\n\n";

static void train_a_tagger(void) {
    char text[16 * sizeof sentences] = "";
    for (int i = 0; i < 8; i++) strcat(text, sentences);
    write_file("iobes.conll", text);
    expect(0, bert("train m --task token-classification --train-file iobes.conll --validation-file "
                   "iobes.conll -o tagger --num-train-epochs 40 --learning-rate 5e-3 "
                   "--per-device-train-batch-size 4 --save-strategy no --eval-strategy no "
                   "--overwrite-output-dir true"));
    says(err, "tags are IOBES: 2 entity types");
    says(out, "\"eval_f1_strict\":1.0");
}

static void entities_of_iobes_are_whole(void **state) {
    (void)state;
    train_a_tagger();
    /* E- ends an entity, S- is one alone: what joins labels without their prefix has 2 here. */
    expect(0, bert("tag tagger --aggregation simple 'w5 w5 w4 w1 w3 w1 w2 w3'"));
    says(out, "\"start\":0,\"end\":2,");
    says(out, "\"start\":3,\"end\":5,");
    says(out, "\"start\":9,\"end\":14,");
    says(out, "\"start\":15,\"end\":23,");
    says(out, "\"entity\":\"B\"");
}

static void evaluations_have_a_report(void **state) {
    (void)state;
    write_file("wrong.conll", "w1 B-A\nw2 E-A\nw4 O\n\nw5 B-A\nw4 S-B\n");
    expect(0, bert("evaluate tagger -i wrong.conll --columns --predictions out.conll"));
    says(out, "micro avg");
    says(out, "(none)");
    says(out, "line 5, 3 mistakes");
    says(out, "[w5 A!] [w4 B!]");
    slurp("out.conll", out, sizeof out);
    says(out, "w5\tB-A\tS-B\nw4\tS-B\tO\n");
    slurp("tagger/report.html", out, sizeof out);
    says(out, "<h2>Entities</h2>");
    expect(1, bert("evaluate tagger -i wrong.conll --predictions out.csv"));
    says(err, ".conll");
}

/* Numbers mean the labels of the model, if it has names for them. */
static void numbers_are_the_models(void **state) {
    (void)state;
    write_file("numbers.jsonl", "{\"tokens\": [\"w5\", \"w4\"], \"ner_tags\": [4, 3]}\n");
    expect(0, bert("evaluate tagger -i numbers.jsonl"));
    says(err, "they mean the model's labels: 0 B-A, 1 E-A, 2 I-A, 3 O, 4 S-B");
    says(out, "\"f1\":1.0,\"accuracy\":1.0");
    write_file("numbers.jsonl", "{\"tokens\": [\"w5\", \"w4\"], \"ner_tags\": [5, 3]}\n");
    expect(1, bert("evaluate tagger -i numbers.jsonl"));
    says(err, "label_names");
    expect(1, bert("evaluate tagger -i iobes.conll --metrics f1_macro"));
    says(err, "for this task there are precision, recall, f1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entities_of_iobes_are_whole),
        cmocka_unit_test(evaluations_have_a_report),
        cmocka_unit_test(numbers_are_the_models),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
