/* What the tool says about every kind of bad input, and what it leaves behind. */
#include "tool.h"
#include <signal.h>

/* Names of labels and directories that mean something to YAML or Markdown. */
static void odd_names(void **state) {
    (void)state;
    write_file("odd.csv", "text,label\nw1 w2,a|b\nw3,\"two\nlines\"\nw4,*c*\nw5,*c*\n");
    expect(0, bert("info m && mkdir -p 'models--o--x: y/snapshots' && cp -r m "
                   "'models--o--x: y/snapshots/1' && '%s' train 'models--o--x: y/snapshots/1' "
                   "--train-file odd.csv --validation-file odd.csv -o '%s/in/2024/' --max-steps 1 "
                   "--save-strategy no && cat in/2024/README.md >&2",
                   BERT_TOOL, home));
    says(err, "\nbase_model: \"o/x: y\"\n");
    says(err, "\n- name: \"2024\"\n");
    says(err, "\n# 2024\n");
    says(err, "| a\\|b | 1 |\n");
    says(err, "| two lines | 1 |\n");
    says(err, "| \\*c\\* | 2 |\n");
}

/* Columns are of characters: no name is cut within one. */
static void labels_in_columns(void **state) {
    (void)state;
    write_file("greek.csv", "text,label\nw1 w2,ααααααααα\nw3,ββββββββββββββββββ\nw4,\"a\nb\"\n");
    expect(0, bert("train m --train-file greek.csv -o g --max-steps 1 --save-strategy no && '%s' "
                   "evaluate g -i greek.csv --columns && '%s' classify g w1 --columns >&2",
                   BERT_TOOL, BERT_TOOL));
    says(err, "a b 1, ααααααααα 1, ββββββββββββββββββ 1\n");
    says(out, "\nααααααααα            ");
    says(out, "\nβββββββββββββββ…     ");
    says(out, "\ntrue \\ predicted       a b ααααααααα ββββββββ…\n");
}

/* The rows that are most wrong: what is cut off ends with a whole character, and shows. */
static void report_cuts_characters(void **state) {
    (void)state;
    enum { WORDS = 400 };
    char text[4 * WORDS * 3];
    size_t used = (size_t)snprintf(text, sizeof text, "text,label\nw1,a\n");
    for (int row = 0; row < 2; row++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "q ");
        for (int i = 0; i < WORDS; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "本");
        used += (size_t)snprintf(text + used, sizeof text - used, ",%c\n", "ab"[row]);
    }
    write_file("cut.csv", text);
    expect(
        0,
        bert("info m && cp -r m z && printf 'q\\n本\\n' >>z/vocab.txt && sed "
             "'s/\"vocab_size\": [0-9]*/\"vocab_size\": 50/;s/\"max_position_embeddings\": "
             "[0-9]*/\"max_position_embeddings\": 512/' m/config.json >z/config.json && '%s' train "
             "z --from-scratch --train-file cut.csv --validation-file cut.csv -o cut --max-steps 1 "
             "--max-length 512 --save-strategy no && iconv -f UTF-8 -t UTF-16 cut/report.html "
             ">utf16 && "
             "grep -o '本</span>&hellip;</tr>' cut/report.html >&2",
             BERT_TOOL));
    says(err, "本</span>&hellip;</tr>");
}

/* What is near each other has ticks of its own in report.html, and classes left out are said. */
static void report_is_exact(void **state) {
    (void)state;
    char text[2000];
    size_t used = (size_t)snprintf(text, sizeof text, "text,label\n");
    for (int i = 0; i < 31; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "w%d,c%d\n", i % 9, i);
    write_file("many.csv", text);
    expect(0, bert("train m --train-file many.csv --validation-file many.csv --problem-type "
                   "single_label_classification -o many --max-steps 10 "
                   "--logging-steps 1 --save-strategy no --learning-rate 1e-3 --lr-scheduler-type "
                   "polynomial --lr-scheduler-kwargs '{\"lr_end\": 9.99e-4}' && cat "
                   "many/report.html >&2"));
    says(err, "<p>The first 30 of 31.</p>");
    says(err, ">0.0009994<");
    says(err, ">0.0009996<");
}

static void bad_files(void **state) {
    (void)state;
    expect(1, bert("embed nowhere w1"));
    says(err, "nowhere");
    expect(1, bert("embed m -i nowhere.txt"));
    says(err, "nowhere.txt");
    expect(1, bert("train m --train-file nowhere.csv -o d3"));
    write_file("empty.txt", "");
    write_file("empty.csv", "");
    write_file("header.csv", "text,label\n");
    expect(1, bert("embed m -i empty.txt"));
    says(err, "empty.txt");
    expect(1, bert("embed m </dev/null"));
    expect(1, bert("train m --train-file empty.csv -o d3"));
    expect(1, bert("train m --train-file header.csv -o d3"));
    write_file("nolabel.csv", "text,other\nw1,w2\n");
    expect(1, bert("train m --train-file nolabel.csv -o d3"));
    says(err, "label");
    expect(1, bert("train m --train-file train.csv --label-column mood -o d3"));
    says(err, "mood");
    expect(1, bert("evaluate m -i nolabel.csv"));
    write_file("one.csv", "text,label\nw1,a\nw2,a\n");
    expect(1, bert("train m --train-file one.csv -o d3"));
    says(err, "label");
    write_file("ragged.csv", "text,label\nw1,a\nw2,a,b\n");
    expect(1, bert("train m --train-file ragged.csv -o d4"));
    says(err, "ragged.csv:3");
    /* A label that the model does not know. */
    write_file("other.csv", "text,label\nw1,joy\nw2,anger\n");
    expect(1, bert("evaluate m -i other.csv"));
    says(err, "joy");
}

/* Names that nobody knows are read as a row, and that is said. */
static void unknown_header(void **state) {
    (void)state;
    write_file("shop.csv", "thing,kind\nw1,a\nw2,b\n");
    expect(0, bert("train m --train-file shop.csv -o h --max-steps 1"));
    says(err, "read as a row; --text-column NAME");
    expect(0, bert("classify m -i shop.csv"));
    says(err, "shop.csv: the first line");
    assert_int_equal(lines(), 3);
    expect(0, bert("train m --train-file shop.csv -o h2 --max-steps 1 --text-column thing "
                   "--label-column kind"));
    assert_null(strstr(err, "read as a row"));
    expect(0, bert("classify m -i shop.csv --text-column thing"));
    assert_int_equal(lines(), 2);
    expect(0, bert("classify m -i texts.txt"));
    assert_int_equal(strlen(err), 0);
}

static void invalid_utf8(void **state) {
    (void)state;
    write_file("latin1.txt", "w1 caf\xe9 w2\n");
    expect(0, bert("embed m -i latin1.txt"));
    says(err, "UTF-8");
    expect(0, bert("tokenize m -i latin1.txt"));
    json_decref(line(0));
    expect(0, bert("embed m <latin1.txt"));
    says(err, "standard input:1: bytes that are not UTF-8");
    expect(0, bert("embed m w1 caf\xe9"));
    says(err, "text 2: bytes that are not UTF-8");
    /* Text that comes back is JSON whatever it was: a start of a character is one U+FFFD. */
    expect(0, bert("rerank ce 'red cat' -i latin1.txt"));
    says(out, "\"text\":\"w1 caf\xef\xbf\xbd w2\"");
    write_file("odd.txt", "cat\xf0\x9f\x98 \xed\xa0\n");
    expect(0, bert("rerank ce 'red cat' -i odd.txt"));
    says(out, "\"text\":\"cat\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\"");
    expect(0, bert("answer qa -q who -c 'caf\xe9 cat' -k 5 --max-answer-length 5"));
    expect(1, bert("classify nli cat --candidate-labels caf\xe9"));
    says(err, "not UTF-8");
    expect(0, bert("tokenize m x && cp -r m caf\xe9 && '%s' info caf\xe9", BERT_TOOL));
    write_file("latin1.csv", "text,label\nw1 caf\xe9,a\nw2,b\n");
    expect(0, bert("train m --train-file latin1.csv -o d7 --max-steps 1"));
    says(err, "1 rows have bytes that are not UTF-8");
    /* What will be written as JSON is refused before training, not after it. */
    write_file("latin1.csv", "text,label\nw1,b\nw2,caf\xe9\n");
    expect(1, bert("train m --train-file latin1.csv -o d6"));
    says(err, "latin1.csv:3: the label is not UTF-8");
    write_file("latin1.conll", "w1\tO\nw2\tB-\xe9\n");
    expect(1, bert("train m --task token-classification --train-file latin1.conll -o d6"));
    says(err, "latin1.conll:2: the label is not UTF-8");
    expect(2, bert("train m --train-file train.csv -o caf\xe9"));
}

static void too_long(void **state) {
    (void)state;
    write_file("long.txt", "w1\nw1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19 "
                           "w20 w21 w22\n");
    expect(1, bert("embed m -i long.txt"));
    says(err, "long.txt:2");
    says(err, "24 tokens");
    expect(1, bert("encode m -i long.txt -o l.safetensors"));
    expect(1, bert("tokenize m -i long.txt --max-length 20"));
    says(err, "long.txt:2 has 24 tokens");
    expect(0, bert("embed m -i long.txt --on-overflow truncate"));
    json_t *o = line(1);
    assert_int_equal((int)number(o, "dropped"), 4);
    json_decref(o);
    expect(0, bert("classify m -i long.txt --on-overflow window"));
    o = line(1);
    assert_null(json_object_get(o, "dropped"));
    json_decref(o);
    expect(1, bert("embed m w1 --max-length 21"));
    write_file("long.csv", "text,label\nw1,a\nw1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 "
                           "w16 w17 w18 w19 w20 w21 w22,b\n");
    expect(1, bert("train m --train-file long.csv -o d5"));
    says(err, "long.csv:3");
    expect(0, bert("train m --train-file long.csv -o d5 --on-overflow truncate"));
    says(err, "4 tokens were dropped");
}

/* As pictures that cannot be read: each is named, the others are answered. */
static void failed_texts_are_passed_over(void **state) {
    (void)state;
    static const char *const commands[] = {"classify m",
                                           "embed m",
                                           "tag ner",
                                           "fill lm",
                                           "classify nli --candidate-labels cat",
                                           "tokenize m --max-length 20",
                                           "explain m --steps 2"};
    static const char words[] =
        "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19 w20 w21 w22 [MASK]";
    char text[600];
    snprintf(text, sizeof text, "w1 [MASK]\n%s\nw2 w3 [MASK]\n", words);
    write_file("three.txt", text);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        expect(1, bert("%s -i three.txt", commands[i]));
        says(err, "three.txt:2");
        says(err, "1 of 3 texts failed; the others are answered");
        int failed = 0, of[3] = {0};
        for (int k = 0; k < lines(); k++) {
            json_t *o = line(k);
            const char *why = json_string_value(json_object_get(o, "error"));
            if (why) {
                says(why, "three.txt:2");
                assert_int_equal((int)number(o, "text"), 1);
                failed++;
            }
            of[why ? 1 : failed ? 2 : 0]++;
            json_decref(o);
        }
        if (failed != 1 || !of[0] || !of[2]) fail_msg("%s: %s", commands[i], out);
        expect(1, bert("%s '%s'", commands[i], words)); /* the only one: no more than why */
        assert_string_equal(out, "");
        assert_null(strstr(err, "answered"));
    }
    static const char *const written[] = {"embed m -o three.npy", "encode m -o three.npy",
                                          "classify m -o three.jsonl",
                                          "explain m --steps 2 -o three.html"};
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        const char *name = strstr(written[i], "three");
        char path[5000], line[100];
        expect(1, bert("%s -i three.txt", written[i]));
        snprintf(path, sizeof path, "%s/%s", home, name);
        snprintf(line, sizeof line, "1 of 3 texts failed; %s is not written", name);
        says(err, "three.txt:2");
        says(err, line);
        assert_int_equal(access(path, F_OK), -1);
    }
}

/* The ranked ones keep their numbers. */
static void failed_texts_are_not_ranked(void **state) {
    (void)state;
    static const char *const commands[] = {"rerank ce red -i longer.txt",
                                           "rerank m red --vectors dense -i longer.txt"};
    char text[600] = "the cat\n";
    for (int i = 0; i < 40; i++) strcat(text, "red ");
    write_file("longer.txt", strcat(text, "\na red cat\n"));
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        expect(1, bert("%s", commands[i]));
        says(err, "longer.txt:2");
        says(err, "1 of 3 texts failed; the others are answered");
        assert_int_equal(lines(), 3);
        bool seen[3] = {false};
        for (int k = 0; k < 3; k++) {
            json_t *o = line(k);
            const bool failed = json_object_get(o, "error") != NULL;
            seen[(int)number(o, failed ? "text" : "index")] = true;
            if (failed) assert_int_equal((int)number(o, "text"), 1);
            json_decref(o);
        }
        assert_true(seen[0] && seen[1] && seen[2]);
    }
}

/* A copy of the model in home/b, to be broken. */
static void copy_model(void) {
    char command[9000];
    snprintf(command, sizeof command, "rm -rf '%s/b' && cp -r '%s/m' '%s/b'", home, home, home);
    assert_int_equal(system(command), 0);
}

static void broken_models(void **state) {
    (void)state;
    char path[4200];
    copy_model();
    snprintf(path, sizeof path, "%s/b/model.safetensors", home);
    assert_int_equal(truncate(path, 5000), 0);
    expect(1, bert("embed b w1"));
    says(err, "model.safetensors");
    assert_int_equal(truncate(path, 4), 0);
    expect(1, bert("embed b w1"));
    assert_int_equal(unlink(path), 0);
    expect(1, bert("embed b w1"));
    copy_model();
    write_file("b/config.json",
               "{\"model_type\": \"bert\", \"vocab_size\": 40, \"hidden_size\": 32, "
               "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, "
               "\"intermediate_size\": 96, \"max_position_embeddings\": 20}");
    expect(1, bert("embed b w1"));
    says(err, "intermediate");
    write_file("b/config.json", "{\"model_type\": \"perceiver\"}");
    expect(1, bert("embed b w1"));
    says(err, "perceiver");
    write_file("b/config.json", "{\"model_type\": ");
    expect(1, bert("embed b w1"));
    says(err, "config.json");
    copy_model();
    write_file("b/vocab.txt", "");
    expect(1, bert("embed b w1"));
    says(err, "vocab.txt");
}

static void full_disk(void **state) {
    (void)state;
    if (access("/dev/full", W_OK)) skip();
    expect(1, bert("embed m w1 >/dev/full"));
    says(err, "cannot write");
    assert_string_equal(strchr(err, '\n'), "\n"); /* said once */
    expect(1, bert("tokenize m w1 >/dev/full"));
    expect(1, bert("--help >/dev/full"));
    expect(1, bert("embed m -i texts.txt -o /nonexistent/v.npy"));
    /* A reader that has gone, as of "| head -0". */
    write_file("gone.sh", "{ sleep 0.3; \"$1\" embed m w1; echo $? >code; } 2>gone.err | true\n");
    char command[9000], code[8];
    snprintf(command, sizeof command, "cd '%s' && sh gone.sh '%s'", home, BERT_TOOL);
    assert_int_equal(system(command), 0);
    slurp("code", code, sizeof code);
    assert_int_equal(atoi(code), 1);
    slurp("gone.err", err, sizeof err);
    says(err, "Broken pipe");
}

/* What is closed is not taken for the next file that is opened. */
static void closed_files(void **state) {
    (void)state;
    expect(1, bert("embed m <&-"));
    says(err, "standard input");
    says(err, "Bad file descriptor");
    expect(1, bert("embed m w1 >&-"));
    says(err, "Bad file descriptor");
}

/* A disk on which the first model fits and the second does not. */
static void full_disk_in_training(void **state) {
    (void)state;
    char command[9000], path[4200];
    snprintf(path, sizeof path, "%s/disk", home);
    snprintf(command, sizeof command,
             "mkdir -p '%s' && mount -t tmpfs -o size=1m tmpfs '%s' 2>/dev/null", path, path);
    if (getuid() || system(command)) skip();
    int rc = bert("train m --train-file train.csv -o disk/a --num-train-epochs 1");
    char first[sizeof err];
    snprintf(first, sizeof first, "%s", err);
    int again = rc ? 1
                   : bert("train m --train-file train.csv -o disk/b --num-train-epochs 100 "
                          "--save-strategy steps --save-steps 2");
    char said[sizeof err];
    snprintf(said, sizeof said, "%s", err);
    /* The model of the first run is whole, and no temporary file is left. */
    int use = rc ? 1 : bert("classify disk/a w1");
    snprintf(command, sizeof command, "find '%s' -name '*tmp*' -o -name '.?*' | grep -q .", path);
    int litter = system(command);
    snprintf(command, sizeof command, "umount '%s'", path);
    assert_int_equal(system(command), 0);
    if (rc) fail_msg("the first run: %s", first);
    assert_int_equal(again, 1);
    says(said, "No space left");
    assert_int_equal(use, 0);
    assert_int_not_equal(litter, 0);
}

/* Training into directory `to`, stopped after its first checkpoint; the step of its last. */
static int interrupt_training(const char *to, const char *save_only_model) {
    char path[4200], name[64];
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        if (chdir(home) || !freopen("i.err", "w", stderr) || !freopen("i.out", "w", stdout))
            _exit(99);
        execl(BERT_TOOL, "bert", "train", "m", "--train-file", "train.csv", "-o", to, "--max-steps",
              "100000000", "--save-strategy", "steps", "--save-steps", "50", "--save-total-limit",
              "2", "--save-only-model", save_only_model, (char *)NULL);
        _exit(98);
    }
    /* The first checkpoint says that it is under way. */
    snprintf(path, sizeof path, "%s/%s/checkpoint-50", home, to);
    for (int i = 0; i < 6000 && access(path, F_OK); i++) usleep(10000);
    usleep(50000);
    assert_int_equal(kill(pid, SIGINT), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    slurp("i.err", err, sizeof err);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 1) fail_msg("status %x: %s", status, err);
    snprintf(name, sizeof name, "%s/checkpoint-", to);
    const char *said = strstr(err, name);
    if (!said) fail_msg("no checkpoint is named: %s", err);
    const int step = atoi(said + strlen(name));
    assert_true(step >= 50);
    return step;
}

static void interrupted(void **state) {
    (void)state;
    int step = interrupt_training("im", "true");
    says(err, "cannot be resumed");
    expect(0, bert("classify im/checkpoint-%d w1", step));
    step = interrupt_training("i", "false");
    says(err, "--resume-from-checkpoint last goes on");
    expect(0, bert("classify i/checkpoint-%d w1", step));
    expect(0, bert("train m --train-file train.csv -o i --max-steps %d --quiet "
                   "--resume-from-checkpoint last",
                   step + 4));
    json_t *o = line(0);
    assert_int_equal((int)number(o, "global_step"), step + 4);
    json_decref(o);
}

/* A command that Ctrl-C ends leaves neither the file nor a part of it. */
static void interrupted_output(void **state) {
    (void)state;
    write_file(
        "i.sh",
        "mkfifo texts; mkdir empty\n"
        "\"$1\" embed m -o empty/v.npy <texts &\n"
        "{ echo w1; i=0\n"
        "  while [ $i -lt 200 ] && ! ls empty | grep -q .; do sleep 0.1; i=$((i + 1)); done\n"
        "  ls empty >during; kill -TERM $!; } >texts\n"
        "wait $!; echo $? >code\n");
    char command[9000], code[8], during[64];
    snprintf(command, sizeof command, "cd '%s' && sh i.sh '%s' 2>/dev/null && rmdir empty", home,
             BERT_TOOL);
    assert_int_equal(system(command), 0);
    slurp("code", code, sizeof code);
    assert_int_equal(atoi(code), 128 + SIGTERM);
    slurp("during", during, sizeof during);
    says(during, "v.npy.");
}

/* ---- Checkpoints that are not quite what they say */

static void doubtful_checkpoints_are_told(void **state) {
    (void)state;
    head_model("odd", "BertForSequenceClassification", 2,
               ", \"num_hidden_layers\": 1, \"id2label\": {\"1\": \"a\", \"2\": \"b\"}");
    expect(1, bert("classify odd 'the cat'"));
    says(err, "id2label has 2 names and the number \"2\"");
    expect(0, bert("info odd"));
    says(err, "without its head, which cannot be used");
    says(out, "\"head\":\"none\"");
    expect(0, bert("embed odd 'the cat'"));
    says(err, "num_hidden_layers 1, they have 2 layers");
    expect(0, bert("embed odd 'the cat' --quiet"));
    assert_string_equal(err, "");
    expect(1, bert("info nothing"));
}

static int set_up_heads(void **state) {
    const int rc = set_up(state);
    if (!rc) head_models();
    return rc;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_names),
        cmocka_unit_test(labels_in_columns),
        cmocka_unit_test(report_is_exact),
        cmocka_unit_test(report_cuts_characters),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(unknown_header),
        cmocka_unit_test(invalid_utf8),
        cmocka_unit_test(too_long),
        cmocka_unit_test(failed_texts_are_passed_over),
        cmocka_unit_test(failed_texts_are_not_ranked),
        cmocka_unit_test(broken_models),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(closed_files),
        cmocka_unit_test(full_disk_in_training),
        cmocka_unit_test(interrupted),
        cmocka_unit_test(interrupted_output),
        cmocka_unit_test(doubtful_checkpoints_are_told),
    };
    return cmocka_run_group_tests(tests, set_up_heads, tear_down);
}
