/* What the public headers promise: their sample code compiles (it stands here as it stands there) and
 * runs, and what reports errors begins with the public door. */
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

/* bert_train.h, 4: a head from JSON. */
static void from_a_recipe(const char *own) {
    bert_error e = {0};
    bert_recipe *r = bert_recipe_open("two_view.json", &e);
    bert_model *base = bert_model_open(bert_recipe_encoder(r),
                                       &(bert_model_options){.head = "none", .recipe = r}, &e);
    bert_dataset *train =
        bert_dataset_open("train.csv", base, &(bert_dataset_options){.recipe = r}, &e);
    bert_model *m = bert_dataset_open_model(train, &e);
    if (!m) fail_msg("%s", e.message);
    assert_string_equal(bert_model_path(m), own);
    assert_int_equal(bert_model_views(m), 2);
    bert_model_close(m);
    bert_dataset_free(train);
    bert_model_close(base);
    bert_recipe_free(r);
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
    char recipe[4400];
    snprintf(recipe, sizeof recipe,
             "{\"encoder\": \"%s\", \"inputs\": [{\"text\": \"cc\"}, {\"text\": \"mlo\"}], "
             "\"combine\": \"max\", \"head\": [{\"dropout\": 0.5}, {\"linear\": 1}], "
             "\"problem_type\": \"multi_label_classification\", \"label\": \"cancer\"}",
             d);
    tiny_write(d, "two_view.json", recipe);
    tiny_write(d, "train.csv", "cc,mlo,cancer\nw1 w2,w3,0\nw4,w5 w6,1\n");
    from_a_recipe(d);
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

/* ---- The public door: what reports errors begins with it (base/error.h) */

/* All of src/, end to end. */
static char *all_sources(void) {
    char *text = NULL, *more;
    size_t used = 0;
    FILE *list = popen("cat '" BERT_SOURCE_DIR "'/src/*/*.c", "r");
    assert_non_null(list);
    enum { BLOCK = 1 << 20 };
    size_t got;
    do {
        more = realloc(text, used + BLOCK + 1);
        assert_non_null(more);
        text = more;
        got = fread(text + used, 1, BLOCK, list);
        used += got;
    } while (got);
    text[used] = 0;
    assert_int_equal(pclose(list), 0);
    return text;
}

/* Where the body of the function `name` begins, or NULL: its definition is at a line's beginning. */
static const char *body_of(const char *sources, const char *name) {
    for (const char *at = sources; (at = strstr(at, name)); at++) {
        const char *open = at + strlen(name), *line = at, *brace = strstr(open, ") {\n"),
                   *semicolon = strchr(open, ';');
        while (line > sources && line[-1] != '\n') line--;
        if (*open != '(' || isspace((unsigned char)*line) ||
            (at > line && at[-1] != ' ' && at[-1] != '*'))
            continue;
        if (brace && (!semicolon || brace < semicolon)) return brace + 4;
    }
    return NULL;
}

static void what_reports_errors_begins_with_the_door(void **state) {
    (void)state;
    static const char *const headers[] = {"include/bert.h", "include/bert_train.h"};
    static const char last[] = "bert_error *e);";
    char *sources = all_sources();
    int found = 0;
    for (int i = 0; i < 2; i++) {
        char *text = whole_file(headers[i]);
        for (char *at = text; (at = strstr(at, "\nBERT_API ")); at++) {
            char *end = strchr(at, ';'), *open = strchr(at, '('), name[80] = "";
            if (!end || !open || open > end || strncmp(end + 1 - strlen(last), last, strlen(last)))
                continue;
            char *begin = open;
            while (isalnum((unsigned char)begin[-1]) || begin[-1] == '_') begin--;
            snprintf(name, sizeof name, "%.*s", (int)(open - begin), begin);
            if (!strcmp(name, "bert_error_clear")) continue;
            const char *body = body_of(sources, name);
            if (!body) fail_msg("%s is nowhere defined", name);
            if (strncmp(body + strspn(body, " "), "BERT_DOOR(e);", 13))
                fail_msg("%s does not begin with BERT_DOOR(e)", name);
            found++;
        }
        free(text);
    }
    free(sources);
    assert_true(found > 80);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_run),
        cmocka_unit_test(samples_stand_here_as_in_the_headers),
        cmocka_unit_test(what_reports_errors_begins_with_the_door),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
