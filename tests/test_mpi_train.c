/* bert train under mpirun: the files are those of one process, to the bit. */
#include "mpi_world.h"
#include "tool.h"

/* A model whose matrices are cut among processes: of 128 columns, with random weights. */
static void write_model(void) {
    bert_error e = {0};
    char path[4200];
    snprintf(path, sizeof path, "%s/wide", home);
    assert_int_equal(bert_make_directory(path, &e), 0);
    snprintf(path, sizeof path, "cp '%s'/m/vocab.txt '%s/wide'", home, home);
    assert_int_equal(system(path), 0);
    write_file("wide/config.json",
               "{\"model_type\": \"bert\", \"hidden_size\": 128, \"num_hidden_layers\": 2, "
               "\"num_attention_heads\": 4, \"intermediate_size\": 512, \"vocab_size\": 40, "
               "\"max_position_embeddings\": 32, \"type_vocab_size\": 2}");
}

/* The exit code of "bert train .." of so many processes, whose global batch is the same. */
__attribute__((format(printf, 3, 4))) static int train(int processes, const char *dir,
                                                       const char *format, ...) {
    char more[1000], command[8000];
    va_list args;
    va_start(args, format);
    vsnprintf(more, sizeof more, format, args);
    va_end(args);
    snprintf(command, sizeof command,
             "cd '%s' && { %s '%s' train wide --from-scratch --train-file train.csv "
             "--validation-file validation.csv -o %s --per-device-train-batch-size 2 "
             "--gradient-accumulation-steps %d --max-steps 10 --eval-steps 5 --save-steps 5 "
             "--eval-strategy steps --save-strategy steps --logging-steps 1 --threads 1 --json %s; "
             "} >out 2>err </dev/null",
             home, processes > 1 ? mpirun(BERT_TOOL, processes) : "", BERT_TOOL, dir, 6 / processes,
             more);
    const int status = system(command);
    slurp("out", out, sizeof out);
    slurp("err", err, sizeof err);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void same_file(const char *name, const char *a, const char *b) {
    char command[9000];
    snprintf(command, sizeof command, "cmp '%s/%s/%s' '%s/%s/%s'", home, a, name, home, b, name);
    if (system(command)) fail_msg("%s of %s and %s differ", name, a, b);
}

/* Every logged number but times. */
static void same_numbers(const char *a, const char *b) {
    static char x[1 << 16], y[1 << 16];
    char *texts[] = {x, y};
    const char *dirs[] = {a, b};
    for (int i = 0; i < 2; i++) {
        char command[9000];
        snprintf(command, sizeof command,
                 "cd '%s' && sed -E 's/\"[a-z_]*(runtime|per_second)\": ?[-+0-9.e]+,? ?//g' "
                 "%s/log.jsonl >numbers",
                 home, dirs[i]);
        assert_int_equal(system(command), 0);
        slurp("numbers", texts[i], sizeof x);
    }
    assert_true(strlen(x) > 500);
    assert_string_equal(x, y);
}

static void same_run(const char *a, const char *b) {
    same_file("model.safetensors", a, b);
    same_file("checkpoint-5/optimizer.safetensors", a, b);
    same_file("checkpoint-10/optimizer.safetensors", a, b);
    same_file("checkpoint-10/model.safetensors", a, b);
    same_numbers(a, b);
}

static void processes_write_what_one_writes(void **state) {
    (void)state;
    mpirun(BERT_TOOL, 2); /* or a skip */
    write_model();
    expect(0, train(1, "one", "--precision medium"));
    for (int n = 2; n <= 3; n++) {
        char dir[16];
        snprintf(dir, sizeof dir, "of-%d", n);
        expect(0, train(n, dir, "--precision medium"));
        assert_int_equal(lines(), 1); /* the first process prints */
        same_run("one", dir);
    }
}

/* Interrupted after step 5, and gone on with by another number of processes. */
static void another_number_goes_on(void **state) {
    (void)state;
    mpirun(BERT_TOOL, 2);
    write_model();
    expect(0, train(1, "whole", "--label-smoothing-factor 0.1"));
    expect(0, train(2, "parts", "--label-smoothing-factor 0.1"));
    char command[9000];
    snprintf(command, sizeof command,
             "cd '%s/parts' && rm -r checkpoint-10 model.safetensors log.jsonl", home);
    assert_int_equal(system(command), 0);
    expect(0, train(3, "parts", "--label-smoothing-factor 0.1 --resume-from-checkpoint last"));
    same_run("whole", "parts");
}

/* SIGUSR1 to mpirun, which passes it on: the step that is running is finished, and saved. */
static void a_signal_saves_and_stops(void **state) {
    (void)state;
    char command[9000];
    mpirun(BERT_TOOL, 2);
    write_model();
    snprintf(
        command, sizeof command,
        "cd '%s' && { %s '%s' train wide --from-scratch --train-file train.csv -o asked "
        "--max-steps 1000000 --threads 1 --per-device-train-batch-size 1 --logging-steps 1 "
        "--save-strategy epoch --save-total-limit 1 >out 2>err </dev/null & } && p=$! && "
        "for i in $(seq 300); do grep -q loss asked/log.jsonl 2>/dev/null && break; sleep 0.1; "
        "done; kill -USR1 $p; wait $p",
        home, mpirun(BERT_TOOL, 2), BERT_TOOL);
    const int status = system(command);
    slurp("err", err, sizeof err);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    says(err, "stopped after step ");
    says(err, "; the last complete state is asked/checkpoint-");
    snprintf(command, sizeof command, "test -e '%s'/asked/checkpoint-*/optimizer.safetensors",
             home);
    assert_int_equal(system(command), 0);
}

/* examples/group_loop.c, alone and by two. */
static void a_loop_of_ones_own_is_the_same(void **state) {
    (void)state;
    char program[5000], command[20000], *alone = NULL;
    snprintf(program, sizeof program, "%.*s/example_group_loop",
             (int)(strrchr(BERT_TOOL, '/') - BERT_TOOL), BERT_TOOL);
    if (access(program, X_OK)) skip();
    for (int n = 1; n <= 2; n++) {
        snprintf(command, sizeof command, "cd '%s' && %s '%s' m train.csv >out 2>err </dev/null",
                 home, n > 1 ? mpirun(BERT_TOOL, n) : "", program);
        const int status = system(command);
        slurp("out", out, sizeof out);
        slurp("err", err, sizeof err);
        if (status) fail_msg("status %d: %s%s", status, err, out);
        if (n == 1) alone = strdup(out);
        assert_non_null(alone);
    }
    says(alone, "step 8  loss ");
    assert_string_equal(out, alone);
    free(alone);
}

/* A pipe can be read once. */
static void one_process_of_a_host_reads(void **state) {
    (void)state;
    char command[9000];
    mpirun(BERT_TOOL, 3);
    write_model();
    expect(0, train(1, "files", "--label-smoothing-factor 0.1"));
    write_file("pipes.json", "{\"train_file\": \"pipe.csv\", \"validation_file\": \"held.csv\"}");
    snprintf(command, sizeof command,
             "cd '%s' && mkfifo pipe.csv held.csv && { (cat train.csv >pipe.csv; cat "
             "validation.csv >held.csv) & }",
             home);
    assert_int_equal(system(command), 0);
    expect(0, train(3, "pipes", "--label-smoothing-factor 0.1 --args pipes.json"));
    same_run("files", "pipes");
}

static void what_fails_in_all_is_said_once(void **state) {
    (void)state;
    mpirun(BERT_TOOL, 2);
    write_model();
    expect(1, train(2, "none", "--label-column nowhere"));
    const char *said = strstr(err, "bert train: ");
    assert_non_null(said);
    assert_null(strstr(said + 1, "bert train: "));
    assert_null(strstr(said, "rank ")); /* of who has read */
}

static void each_process_says_how_long_it_computed(void **state) {
    (void)state;
    double computing, waiting, moving;
    mpirun(BERT_TOOL, 2);
    write_model();
    expect(0, train(2, "profiled", "--profile-comm"));
    for (int r = 0; r < 2; r++) {
        char rank[24];
        snprintf(rank, sizeof rank, "rank %d ", r);
        const char *row = strstr(err, rank);
        assert_non_null(row);
        assert_int_equal(sscanf(row + strlen(rank),
                                "%lf s computing %lf s waiting %lf s on the wire", &computing,
                                &waiting, &moving),
                         3);
        assert_true(computing > 0 && waiting > 0 && moving > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_write_what_one_writes),
        cmocka_unit_test(another_number_goes_on),
        cmocka_unit_test(a_signal_saves_and_stops),
        cmocka_unit_test(a_loop_of_ones_own_is_the_same),
        cmocka_unit_test(each_process_says_how_long_it_computed),
        cmocka_unit_test(one_process_of_a_host_reads),
        cmocka_unit_test(what_fails_in_all_is_said_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
