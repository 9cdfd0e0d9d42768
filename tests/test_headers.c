/* The sample code in the comments of the public headers compiles: it stands here as it stands there,
 * and runs. */
#include "models.h"
#include "tiny.h"
#include <ctype.h>

/* bert_train.h, 5: a dataset is opened before the model that is trained on it. */
static bert_model *open_for(const char *name, bert_dataset **set) {
    bert_error e = {0};
    bert_model *base = bert_model_open(name, &(bert_model_options){.head = "none"}, &e);
    bert_dataset *train = bert_dataset_open("train.tsv", base, NULL, &e);
    bert_model *m = bert_dataset_open_model(train, &e); // head, labels, problem type
    if (!m) fail_msg("%s", e.message);
    bert_model_close(base);
    *set = train;
    return m;
}

/* bert_train.h, its head: a step. */
static int step(bert_tape *t, const bert_model *m, bert_batch batch, bert_optimizer *opt, double lr,
                double max_norm) {
    bert_error e = {0};
    double norm = 0;
    bert_tape_reset(t); // rewinds the arena; no malloc after warm-up
    bert_tensor *hidden = bert_forward(t, m, &batch.inputs);
    bert_tensor *logits = bert_head_forward(t, m, hidden, &batch);
    bert_tensor *loss = bert_cross_entropy(t, logits, batch.labels, NULL, 0, 0);
    if (bert_tape_backward(t, loss, 1, &e)) // adds to every parameter's gradient
        return e.code;
    bert_optimizer_step(opt, lr, max_norm, &norm, &e); // clips, updates, clears gradients
    assert_true(norm > 0);
    return e.code;
}

static void samples_run(void **state) {
    (void)state;
    char *d = test_directory();
    tiny_model(d, 2, "", 0);
    tiny_write(d, "train.tsv", "text\tlabel\nthe cat\tyes\na dog\tno\n");
    assert_int_equal(chdir(d), 0);
    bert_error e = {0};
    bert_dataset *set;
    bert_model *m = open_for(d, &set);
    bert_tape *t = bert_tape_new(NULL, &e);
    bert_optimizer *opt = bert_optimizer_new(bert_model_params(m), NULL, 1, &e);
    bert_loader *l = bert_loader_new(set, &(bert_loader_options){.batch_size = 2}, &e);
    bert_batch batch;
    test_ok(e, bert_loader_get(l, 0, 0, &batch, &e));
    assert_int_equal(step(t, m, batch, opt, 1e-3, 1), 0);
    bert_loader_free(l);
    bert_optimizer_free(opt);
    bert_tape_free(t);
    bert_model_close(m);
    bert_dataset_free(set);
    assert_int_equal(chdir("/"), 0);
    test_remove(d);
}

static char *whole_file(const char *name) {
    char path[4600], *text;
    size_t n;
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/%s", BERT_SOURCE_DIR, name);
    if (bert_read_file(path, 0, &text, &n, &e)) fail_msg("%s", e.message);
    return text;
}

/* Without blanks, so that it does not matter how a formatter lays them out. */
static void squeeze(char *text) {
    char *to = text;
    for (const char *p = text; *p; p++)
        if (!isspace((unsigned char)*p)) *to++ = *p;
    *to = 0;
}

/* A line of a comment that is code: it calls something of ours, or returns. */
static bool is_code(const char *line) {
    const char *call = strstr(line, "bert_");
    if (strncmp(line, " *     ", 7)) return false;
    line += strspn(line, " *");
    while (call && (isalnum((unsigned char)*call) || *call == '_')) call++;
    const char *end = strstr(line, " // ");
    if (!end) end = line + strlen(line);
    while (end > line && isspace((unsigned char)end[-1])) end--;
    if (!strncmp(line, "return ", 7)) return end[-1] == ';';
    return call && strchr(line, '(') && end > line && (end[-1] == ';' || end[-1] == ')');
}

static void samples_stand_here_as_in_the_headers(void **state) {
    (void)state;
    static const char *const headers[] = {"include/bert.h", "include/bert_train.h"};
    char *own = whole_file("tests/test_headers.c");
    int found = 0;
    squeeze(own);
    for (int i = 0; i < 2; i++) {
        char *text = whole_file(headers[i]), *rest = text;
        for (char *line; (line = strsep(&rest, "\n"));) {
            if (!is_code(line)) continue;
            found++;
            char code[256];
            snprintf(code, sizeof code, "%s", line + strspn(line, " *"));
            squeeze(code);
            if (!strstr(own, code))
                fail_msg("%s: not in tests/test_headers.c: %s", headers[i], line);
        }
        free(text);
    }
    free(own);
    assert_true(found >= 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_run),
        cmocka_unit_test(samples_stand_here_as_in_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
