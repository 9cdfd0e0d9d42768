/* Bulk work of several processes: the file that they write is that of one, byte for byte, and so is
 * what they say of a bad one. */
#include "models.h"
#include "mpi_world.h"
#include "picture_world.h"
#include "tool.h"
#include <signal.h>

/* Runs "bert ..." as so many processes, of a file that is cut into small parts. */
__attribute__((format(printf, 2, 3))) static int ranks(int n, const char *format, ...) {
    char arguments[8192], command[20000];
    va_list args;
    va_start(args, format);
    vsnprintf(arguments, sizeof arguments, format, args);
    va_end(args);
    snprintf(command, sizeof command,
             "cd '%s' && BERT_PART_BYTES=1500 %s -q '%s' %s >out 2>err </dev/null", home,
             mpirun(BERT_TOOL, n), BERT_TOOL, arguments);
    const int status = system(command);
    slurp("out", out, sizeof out);
    slurp("err", err, sizeof err);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void same_files(const char *a, const char *b) {
    char command[9000];
    snprintf(command, sizeof command, "cd '%s' && cmp '%s' '%s' && ! ls | grep -F '%s.'", home, a,
             b, b);
    if (system(command)) fail_msg("%s is not %s, or something was left beside it", b, a);
}

static void model(const char *name, const char *architecture, int labels, const char *more) {
    char path[4200];
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/%s", home, name);
    assert_int_equal(bert_make_directory(path, &e), 0);
    test_model(path, architecture, labels, more);
}

/* Rows whose quotes hold ends of lines, at any place of a part. */
static void write_texts(const char *name, int rows, int bad) {
    static const char *const words[] = {"the", "cat",         "sat", "on\nthe",
                                        "mat", "\"\"dog\"\"", "ran,"};
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", home, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fprintf(f, "label,text\r\n");
    uint32_t seed = 3;
    for (int i = 0; i < rows; i++) {
        fprintf(f, "%s,\"", i % 2 ? "neutral" : "entailment");
        for (int k = 0; k <= i % 4; k++) {
            seed = seed * 1664525 + 1013904223;
            fprintf(f, "%s ", words[(seed >> 16) % 7]);
        }
        fprintf(f, i == bad ? "\"x\n" : "\"\n%s", i % 5 ? "" : "\n");
    }
    fclose(f);
}

static void one_file_of_several(void **state) {
    (void)state;
    static const struct {
        const char *task, *out;
    } cases[] = {
        {"embed nli", ".npy"},
        {"embed nli", ".jsonl"},
        {"embed nli --quantize ubinary", ".npy"},
        {"embed lm --vectors sparse,dense", ".safetensors"},
        {"encode nli", ".safetensors"},
        {"classify nli", ".jsonl"},
        {"classify nli --candidate-labels red,blue", ".jsonl"},
        {"tag ner --ignore-label ''", ".jsonl"},
    };
    mpirun(BERT_TOOL, 2); /* or a skip */
    write_texts("texts.csv", 300, -1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char one[64], many[64];
        snprintf(one, sizeof one, "one%s", cases[i].out);
        snprintf(many, sizeof many, "many%s", cases[i].out);
        expect(0, bert("%s -i texts.csv -o %s", cases[i].task, one));
        for (int n = 2; n <= 3; n++) {
            expect(0, ranks(n, "%s -i texts.csv -o %s --threads 1", cases[i].task, many));
            assert_string_equal(out, "");
            same_files(one, many);
        }
    }
    /* It is said once what there is, and more processes than rows are none too many. */
    expect(0, ranks(3, "encode nli -i texts.csv -o many.safetensors"));
    says(err, "many.safetensors: 300 texts, ");
    assert_null(strstr(strstr(err, "300 texts") + 1, "300 texts"));
    write_file("few.txt", "the cat\n");
    expect(0, bert("encode nli -i few.txt -o one.safetensors"));
    expect(0, ranks(3, "encode nli -i few.txt -o many.safetensors"));
    same_files("one.safetensors", "many.safetensors");
    write_file("list.json",
               "[{\"text\":\"the cat\"},{\"text\":\"the dog\"}]\n"); /* cannot be cut */
    expect(0, bert("embed nli -i list.json -o one.npy"));
    expect(0, ranks(2, "embed nli -i list.json -o many.npy"));
    says(err, "one of the 2 processes does it all: it is JSON, and not an object a line");
    same_files("one.npy", "many.npy");
}

static void said_once(const char *part) {
    says(err, part);
    assert_null(strstr(strstr(err, part) + 1, part));
}

/* What is unusual in a file is counted over all parts, whoever has read them. */
static void what_is_unusual_is_counted(void **state) {
    (void)state;
    mpirun(BERT_TOOL, 2); /* or a skip */
    write_file("odd.txt", "");
    for (int i = 0; i < 400; i++) {
        char path[4200];
        snprintf(path, sizeof path, "%s/odd.txt", home);
        FILE *f = fopen(path, "ab");
        assert_non_null(f);
        fprintf(f, i % 40 ? "the cat sat\n" : "the cat \xff sat on the mat\n");
        fclose(f);
    }
    expect(0, ranks(3, "tag ner -i odd.txt -o odd.jsonl --max-length 7 --on-overflow truncate"));
    said_once("odd.txt: 10 rows have bytes that are not UTF-8; these are read as U+FFFD");
    said_once("10 texts were cut: ");
    expect(0, ranks(2, "encode lm -i odd.txt -o odd.safetensors"));
    said_once("odd.txt: 10 rows have");
}

/* Metrics, rows and what is written of them, of whatever size the last batch is. */
static void evaluations_of_several(void **state) {
    (void)state;
    static char alone[sizeof out];
    mpirun(BERT_TOOL, 2); /* or a skip */
    write_texts("judged.csv", 300, -1);
    for (int tokens = 0; tokens <= 200; tokens += 200) {
        expect(0,
               bert("evaluate nli -i judged.csv --batch-tokens %d --predictions one.csv", tokens));
        snprintf(alone, sizeof alone, "%s", out);
        for (int n = 2; n <= 3; n++) {
            expect(0,
                   ranks(n, "evaluate nli -i judged.csv --batch-tokens %d --predictions many.csv",
                         tokens));
            assert_string_equal(out, alone);
            same_files("one.csv", "many.csv");
        }
        expect(0, bert("evaluate nli -i judged.csv --batch-tokens %d -o one.jsonl", tokens));
        expect(0, ranks(3, "evaluate nli -i judged.csv --batch-tokens %d -o many.jsonl", tokens));
        same_files("one.jsonl", "many.jsonl");
    }
    expect(1, ranks(2, "evaluate nli -i judged.csv --predictions missing/p.csv"));
    says(err, "missing/p.csv");
    expect(1, ranks(2, "evaluate nli -i missing.csv"));
    says(err, "missing.csv: cannot open");
}

/* Pictures are dealt by their rows; those that cannot be read are left out, and counted, together. */
static void pictures_of_several(void **state) {
    (void)state;
    static const struct {
        const char *task, *out;
    } cases[] = {{"embed vit -i pictures", ".npy"},
                 {"embed vit -i pictures --skip-unreadable", ".npy"},
                 {"classify vit -i pictures --skip-unreadable", ".jsonl"}};
    char path[4200], one[64], many[64];
    mpirun(BERT_TOOL, 2); /* or a skip */
    if (!reads_png()) skip();
    snprintf(path, sizeof path, "%s/vit", home);
    tiny_vit(path, true);
    snprintf(path, sizeof path, "%s/pictures", home);
    class_folders(path, 70);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (i == 1) write_file("pictures/light/33.png", "no picture");
        snprintf(one, sizeof one, "one%s", cases[i].out);
        snprintf(many, sizeof many, "many%s", cases[i].out);
        expect(0, bert("%s -o %s", cases[i].task, one));
        expect(0, ranks(3, "%s -o %s", cases[i].task, many));
        if (i)
            says(err, "1 of 140 pictures left out: they cannot be read (first pictures/light/33");
        same_files(one, many);
    }
    expect(1, ranks(2, "embed vit -i pictures -o bad.npy"));
    says(err, "1 of 140 pictures could not be read; --skip-unreadable leaves them out");
    expect(0, bert("--version && ls"));
    assert_null(strstr(out, "bad.npy"));
}

static void says_what_one_says(const char *task, int code) {
    char alone[sizeof err];
    expect(code, bert("%s", task));
    snprintf(alone, sizeof alone, "%s", err);
    expect(code, ranks(3, "%s", task));
    if (!strstr(err, alone)) fail_msg("three say: %s\none says: %s", err, alone);
}

/* The first error of the file is said, once, and nothing is left. */
static void bad_files(void **state) {
    (void)state;
    mpirun(BERT_TOOL, 2); /* or a skip */
    write_texts("bad.csv", 300, 211);
    write_file("long.txt", "the cat\nthe cat sat on the mat and the dog ran on the mat and the cat "
                           "sat on the mat and the dog\nthe cat\n");
    write_file("empty.csv", "");
    write_file("header.csv", "text,label\n");
    says_what_one_says("classify nli -i bad.csv -o bad.jsonl", 1);
    says(err, "bad.csv:");
    says(err, "text after a closing quote");
    /* One names every text that fails, several end with the first. */
    expect(1, ranks(3, "embed nli -i long.txt -o bad.npy --max-length 9"));
    says(err, "long.txt:2");
    says_what_one_says("embed nli -i empty.csv -o bad.npy", 1);
    says_what_one_says("embed nli -i header.csv -o bad.npy", 1);
    says_what_one_says("embed nli -i missing.csv -o bad.npy", 1);
    says_what_one_says("embed nowhere -i long.txt -o bad.npy", 1);
    expect(1, ranks(3, "tag ner -i long.txt -o missing/bad.jsonl"));
    says(err, "cannot write missing/bad.jsonl: No such file or directory\n");
    says_what_one_says("tag ner -i long.txt -o bad.txt", 2);
    expect(0, bert("--version && ls"));
    assert_null(strstr(out, "bad.npy"));
    assert_null(strstr(out, "bad.jsonl"));
}

/* Whichever process is killed, all end, and nothing is left. */
static void a_process_that_is_killed_ends_all(void **state) {
    (void)state;
    mpirun(BERT_TOOL, 2); /* or a skip */
    write_file("kill.sh",
               "yes 'the cat sat on the mat' | head -400000 >many.txt\n"
               "eval \"$3 -q '$1' embed nli -i many.txt -o killed.npy\" >out 2>err </dev/null &\n"
               "n=0; until pid=$(pgrep -f '^[^ ]*bert embed nli -i many.txt' | sed -n \"$2p\") && "
               "[ -n \"$pid\" ] && ls killed.npy.?????? >/dev/null 2>&1 || [ $n = 200 ]; do "
               "n=$((n+1)); sleep 0.1; done\n"
               "kill -9 $pid; wait $!\n");
    for (int which = 1; which <= 2; which++) {
        char command[9000];
        snprintf(command, sizeof command, "cd '%s' && sh kill.sh '%s' %d '%s'", home, BERT_TOOL,
                 which, mpirun(BERT_TOOL, 2));
        const int status = system(command);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGKILL);
        expect(0, bert("--version && ls"));
        assert_null(strstr(out, "killed.npy"));
    }
}

static void wrong_usage_of_several(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"embed nli -o a.npy", "-i FILE"},
        {"embed nli -i - -o a.npy", "-i FILE"},
        {"classify nli 'the cat' -o a.jsonl", "-i FILE"},
        {"classify nli -i few.txt", "-o FILE"},
        {"embed nli -i few.txt", "-o FILE"},
        {"embed nli -i few.txt -o a.npy --quantize int8", "--ranges FILE.npy"},
    };
    mpirun(BERT_TOOL, 2); /* or a skip */
    write_file("few.txt", "the cat\nthe dog\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(2, ranks(2, "%s", cases[i][0]));
        says(err, cases[i][1]);
        assert_null(strstr(strstr(err, "bert ") + 1, "bert embed:")); /* said once */
    }
    expect(2, ranks(3, "embed nli -i few.txt -o a.npy --no-such --overflow window"));
    said_once("there are no options '--no-such', '--overflow'");
    said_once("Try 'bert embed --help'.");
    expect(2, ranks(2, "embed -i few.txt -o a.npy"));
    said_once("too few operands");
    expect(0, ranks(2, "embed nli 'the cat' --distributed none"));
    assert_int_equal(lines(), 2); /* each for itself */
}

static int set_up_models(void **state) {
    set_up(state);
    model("nli", "BertForSequenceClassification", 3,
          ", \"id2label\": {\"0\": \"contradiction\", \"1\": \"neutral\", \"2\": \"entailment\"}");
    model("ner", "BertForTokenClassification", 2, ", \"id2label\": {\"0\": \"O\", \"1\": \"B-X\"}");
    model("lm", "BertForMaskedLM", 0, "");
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_file_of_several),
        cmocka_unit_test(what_is_unusual_is_counted),
        cmocka_unit_test(evaluations_of_several),
        cmocka_unit_test(pictures_of_several),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(a_process_that_is_killed_ends_all),
        cmocka_unit_test(wrong_usage_of_several),
    };
    return cmocka_run_group_tests(tests, set_up_models, tear_down);
}
