/* The tool as a user meets it: a home directory with a tiny model and rows, runs of bert in it, and
 * what they print. */
#ifndef BERT_TEST_TOOL_H
#define BERT_TEST_TOOL_H
#include "models.h"
#include "tiny.h"
#include <jansson.h>
#include <sys/wait.h>

static char *home; /* everything is under it; MODEL is home/m */
static char out[1 << 20], err[1 << 16];

static inline void slurp(const char *name, char *text, size_t capacity) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", home, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    text[fread(text, 1, capacity - 1, f)] = 0;
    fclose(f);
}

/* Runs "bert ..." in home; the exit code, with `out` and `err` filled. */
__attribute__((format(printf, 1, 2))) static inline int bert(const char *format, ...) {
    char arguments[8192], command[16384];
    va_list args;
    va_start(args, format);
    vsnprintf(arguments, sizeof arguments, format, args);
    va_end(args);
    snprintf(command, sizeof command, "cd '%s' && { '%s' %s; } >out 2>err </dev/null", home,
             BERT_TOOL, arguments);
    int status = system(command);
    slurp("out", out, sizeof out);
    slurp("err", err, sizeof err);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Runs an example, which stands beside the tool, in home, with `out` and `err` filled. */
static inline void run_example(const char *name, const char *arguments) {
    char program[5000], command[20000];
    snprintf(program, sizeof program, "%.*s/example_%s", (int)(strrchr(BERT_TOOL, '/') - BERT_TOOL),
             BERT_TOOL, name);
    if (access(program, X_OK)) skip();
    snprintf(command, sizeof command, "cd '%s' && '%s' %s >out 2>err", home, program, arguments);
    const int status = system(command);
    slurp("out", out, sizeof out);
    slurp("err", err, sizeof err);
    if (status) fail_msg("status %d: %s%s", status, err, out);
}

static inline void expect(int code, int got) {
    if (code != got) fail_msg("exit code %d, not %d; it said: %s%s", got, code, err, out);
}

static inline void says(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("\"%s\" is not in: %s", part, text);
}

/* Line i of out as JSON; released by the caller. */
static inline json_t *line(int i) {
    const char *p = out;
    for (; i; i--) {
        p = strchr(p, '\n');
        assert_non_null(p);
        p++;
    }
    json_t *o = json_loadb(p, strcspn(p, "\n"), 0, NULL);
    if (!o) fail_msg("not JSON: %.200s", p);
    return o;
}

static inline int lines(void) {
    int n = 0;
    for (const char *p = out; *p; p++) n += *p == '\n';
    return n;
}

static inline double number(const json_t *o, const char *key) {
    json_t *v = json_object_get(o, key);
    if (!json_is_number(v)) fail_msg("no number %s", key);
    return json_number_value(v);
}

static inline size_t size(const json_t *o, const char *key) {
    json_t *v = json_object_get(o, key);
    if (!json_is_array(v)) fail_msg("no array %s", key);
    return json_array_size(v);
}

static inline void write_file(const char *name, const char *text) {
    tiny_write(home, name, text);
}

static inline void write_rows(const char *name, int from, int n) {
    static tiny_rows rows;
    static char text[TINY_ROWS * 4 * 100];
    tiny_fill(&rows, "single_label_classification", from, n);
    size_t used = (size_t)snprintf(text, sizeof text, "text,label\n");
    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s,%s\n", rows.text[i],
                                 rows.label[i]);
    write_file(name, text);
}

/* A checkpoint of the golden sizes and words, as home/name. */
static inline void head_model(const char *name, const char *architecture, int labels,
                              const char *more) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", home, name);
    bert_error e = {0};
    assert_int_equal(bert_make_directory(path, &e), 0);
    test_model(path, architecture, labels, more);
}

/* One of each head, as home/lm, qa, ner, mc, nsp, ce and nli. */
static inline void head_models(void) {
    head_model("lm", "BertForMaskedLM", 0, "");
    head_model("qa", "BertForQuestionAnswering", 0, "");
    head_model("ner", "BertForTokenClassification", 2,
               ", \"id2label\": {\"0\": \"O\", \"1\": \"B-X\"}");
    head_model("mc", "BertForMultipleChoice", 0, "");
    head_model("nsp", "BertForNextSentencePrediction", 0, "");
    head_model("ce", "BertForSequenceClassification", 1, ", \"id2label\": {\"0\": \"fit\"}");
    head_model("nli", "BertForSequenceClassification", 3,
               ", \"id2label\": {\"0\": \"contradiction\", \"1\": \"neutral\", \"2\": "
               "\"entailment\"}");
}

static inline int set_up(void **state) {
    (void)state;
    char path[4200];
    home = test_directory();
    snprintf(path, sizeof path, "%s/m", home);
    bert_error e = {0};
    assert_int_equal(bert_make_directory(path, &e), 0);
    tiny_model(path, 3, "single_label_classification", 0.1);
    setenv("BERT_HOME", home, 1);
    setenv("HF_HUB_OFFLINE", "1", 1); /* a name that is not there is asked of nobody */
    write_rows("train.csv", 0, 64);
    write_rows("validation.csv", 64, 32);
    write_file("texts.txt", "w1 w2\nw3\nw4 w5 w6\n");
    return 0;
}

static inline int tear_down(void **state) {
    (void)state;
    test_remove(home);
    return 0;
}
#endif
