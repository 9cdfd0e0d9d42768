/* bert explain: what a model's output rests on. */
#include "cli.h"
#include "file.h"
#include "pictures.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_IMAGES = 64 };

typedef struct {
    const char *path[MOST_IMAGES];
    int n;
} images;

typedef struct {
    common common;
    bert_explain_options explain;
    const char *pair, *output;
    images images;
} arguments;

typedef struct {
    const arguments *a;
    bert_session *s;
    bert_explain_file *file; /* NULL: nothing is written */
    bool json;
    const bert_model *model;
    int32_t views; /* pictures of a row */
} job;

/* ---- A text */

static int json_row(const bert_explanation *x, const bert_text_info *info, bert_error *e) {
    json_t *tokens = json_array(), *scores = json_array(), *offsets = json_array(),
           *sequences = json_array();
    for (int32_t i = 0; i < x->tokens; i++) {
        const bert_explained_token *t = &x->of_token[i];
        json_array_append_new(tokens, json_text(t->token, strlen(t->token)));
        json_array_append_new(scores, json_number((double)t->score));
        json_array_append_new(offsets, json_pack("[i,i]", (int)t->start, (int)t->end));
        json_array_append_new(sequences, t->sequence < 0 ? json_null() : json_integer(t->sequence));
    }
    json_t *row = json_pack("{s:o,s:o,s:o,s:o,s:s*}", "tokens", tokens, "scores", scores, "offsets",
                            offsets, "sequences", sequences, "label", x->label);
    if (row && !isnan(x->output))
        json_object_set_new(row, "output", json_number((double)x->output));
    if (row && x->word) {
        json_object_set_new(row, "token", json_integer(x->token));
        json_object_set_new(row, "word", json_text(x->word, strlen(x->word)));
    }
    if (row && !isnan(x->base_output)) {
        json_object_set_new(row, "base_output", json_number((double)x->base_output));
        json_object_set_new(row, "delta", json_number(x->delta));
    }
    if (row) json_object_set_new(row, "method", json_string(bert_explain_method_name(x->method)));
    if (row) json_dropped(row, info);
    return output_line(row, e);
}

/* The score of a token, as long a bar as it is large. */
static void print_token(const bert_explained_token *t, double most) {
    enum { WIDE = 20 };
    char bar[2 * WIDE + 2];
    const int n = (int)lround(WIDE * fabs((double)t->score) / most);
    memset(bar, ' ', sizeof bar);
    bar[WIDE] = '|';
    for (int i = 1; i <= n; i++) bar[t->score < 0 ? WIDE - i : WIDE + i] = t->score < 0 ? '-' : '+';
    bar[2 * WIDE + 1] = 0;
    printf("%10.4f %s ", (double)t->score, bar);
    print_column(t->token, 0);
    printf("\n");
}

static void print_rows(const bert_explanation *x, const bert_text_info *info) {
    double most = 0;
    for (int32_t i = 0; i < x->tokens; i++) most = fmax(most, fabs((double)x->of_token[i].score));
    if (x->label) print_column(x->label, 0);
    if (x->word) printf("%sof %s", x->label ? " " : "", x->word);
    if (!isnan(x->output)) printf(" %.4f", (double)x->output);
    printf("%s(%s", x->label || x->word ? " " : "", bert_explain_method_name(x->method));
    if (!isnan(x->base_output))
        printf("; %.4f at the base, the sum is off by %.1e", (double)x->base_output,
               fabs(x->delta));
    printf(")");
    print_dropped(info);
    printf("\n");
    for (int32_t i = 0; i < x->tokens; i++) print_token(&x->of_token[i], most > 0 ? most : 1);
}

static int show(const job *j, const bert_explanation *x, const bert_text_info *info,
                bert_error *e) {
    if (j->file) return bert_explain_file_add(j->file, x, e);
    if (j->json) return json_row(x, info, e);
    print_rows(x, info);
    return 0;
}

static int each(void *context, input *in, const bert_text *texts, int32_t n, bert_error *e) {
    const job *j = context;
    bert_text_options o = task_options(&j->a->common);
    o.keep_going = true;
    bert_text_info *info = calloc((size_t)n, sizeof *info);
    bert_text *pairs = malloc((size_t)n * sizeof *pairs);
    const bert_explanation *x = NULL;
    int rc = info && pairs ? 0 : fail_memory(e);
    for (int32_t i = 0; i < n && !rc; i++) {
        pairs[i] = texts[i];
        if (!j->a->pair) continue;
        pairs[i].pair = j->a->pair;
        pairs[i].pair_bytes = strlen(j->a->pair);
    }
    if (!rc) rc = bert_explain(j->s, pairs, n, &o, &j->a->explain, &x, info, e);
    for (int32_t i = 0; i < n && !rc; i++) {
        rc = info[i].code ? input_pass_over(in, i, &info[i], e) : show(j, &x[i], &info[i], e);
    }
    free(info);
    free(pairs);
    return rc;
}

static int explain_texts(job *j, int texts, char **text, bert_error *e) {
    input *in = input_open(&j->a->common, texts, text, e);
    if (in) input_into(in, j->a->output);
    int rc = in ? input_batches(in, each, j, e) : BERT_EINVAL;
    input_close(in);
    return rc;
}

/* ---- A picture */

static json_t *json_map(const bert_explanation *x, int32_t view) {
    json_t *rows = json_array();
    const float *map = x->map + (size_t)view * (size_t)x->down * (size_t)x->across;
    for (int32_t i = 0; i < x->down; i++)
        json_array_append_new(rows,
                              json_floats(map + (size_t)i * (size_t)x->across, (size_t)x->across));
    return rows;
}

static int picture_row(const bert_explanation *x, bert_error *e) {
    json_t *maps = json_array(), *paths = json_array();
    for (int32_t v = 0; v < x->views; v++) {
        const char *path = x->pictures[v].path;
        json_array_append_new(maps, json_map(x, v));
        json_array_append_new(paths, json_text(path, strlen(path)));
    }
    json_t *row = json_pack("{s:o,s:o,s:s*,s:s}", "maps", maps, "images", paths, "label", x->label,
                            "method", bert_explain_method_name(x->method));
    if (row && !isnan(x->output))
        json_object_set_new(row, "output", json_number((double)x->output));
    if (row && !isnan(x->base_output)) {
        json_object_set_new(row, "base_output", json_number((double)x->base_output));
        json_object_set_new(row, "delta", json_number(x->delta));
    }
    return output_line(row, e);
}

static void print_maps(const bert_explanation *x) {
    for (int32_t v = 0; v < x->views; v++) {
        printf("%s", x->pictures[v].path);
        if (x->label) {
            printf(": ");
            print_column(x->label, 0);
        }
        if (!isnan(x->output)) printf(" %.4f", (double)x->output);
        printf(" (%s)\n", bert_explain_method_name(x->method));
        const float *map = x->map + (size_t)v * (size_t)x->down * (size_t)x->across;
        for (int32_t i = 0; i < x->down; i++, printf("\n"))
            for (int32_t k = 0; k < x->across; k++) printf("%8.4f", (double)*map++);
    }
}

static int show_picture(const job *j, const bert_explanation *x, bert_error *e) {
    if (j->file) return bert_explain_file_add(j->file, x, e);
    if (j->json) return picture_row(x, e);
    print_maps(x);
    return 0;
}

static int each_picture(void *context, const bert_picture *pictures, int32_t n,
                        const bert_picture_options *options, bert_picture_info *info,
                        bert_error *e) {
    const job *j = context;
    const bert_explanation *x;
    const int32_t views = j->views;
    int rc = bert_explain_pictures(j->s, pictures, n / views, views, options, &j->a->explain, &x,
                                   info, e);
    for (int32_t i = 0; i < n / views && !rc; i++)
        if (!info[i * views].code)
            rc = show_picture(j, &x[i], e);
        else if (!j->file)
            rc = unreadable_row(&j->a->common, &pictures[i * views], &info[i * views], e);
    return rc ? rc : output_flush(e);
}

/* Those of --image, then the operands: whole rows. */
static int explain_pictures(const job *j, int paths, char **path, bert_error *e) {
    const common *c = &j->a->common;
    const images *more = &j->a->images;
    const int n = more->n + paths;
    char **all = calloc((size_t)n + 1, sizeof *all);
    if (!all) return fail_memory(e);
    for (int i = 0; i < n; i++)
        all[i] = i < more->n ? (char *)(uintptr_t)more->path[i] : path[i - more->n];
    int rc = check_rows(n, j->views, "picture", e);
    if (!rc)
        rc = pictures_rows(c, bert_model_recipe(j->model), j->views, n, all, each_picture,
                           (void *)(uintptr_t)j, e);
    free(all);
    return rc;
}

/* ---- The command */

/* Options of texts where the model reads pictures, or the other way round. */
static int check_model(const arguments *a, const bert_model *m, bert_error *e) {
    const bool texts = a->pair || a->explain.word || a->explain.token >= 0 || a->explain.words;
    if (takes_pictures(m) && texts)
        return fail_usage(e,
                          "--pair, --word, --token and --words are of texts, and %s reads "
                          "pictures",
                          bert_model_path(m));
    if (!takes_pictures(m) && a->images.n)
        return fail_usage(e, "--image is of pictures, and %s reads texts", bert_model_path(m));
    const bool gradients = a->explain.method == BERT_EXPLAIN_INTEGRATED_GRADIENTS ||
                           a->explain.method == BERT_EXPLAIN_GRADIENT_X_INPUT;
    if (gradients && !strcmp(bert_model_head(m), "none") && says_tasks(m, e)) return e->code;
    return check_kind(&a->common, m, e);
}

static int add_image(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    images *list = target;
    if (list->n == MOST_IMAGES) return fail_usage(e, "--image can be given %d times", MOST_IMAGES);
    list->path[list->n++] = value;
    return 0;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    const arguments *a = args;
    const common *c = &a->common;
    bert_session_options so = session_options(c);
    if (a->output && may_write(a->output, c->input, e)) return e->code;
    bert_model *m = open_own_head(operand[0], c, e);
    job j = {.a = a,
             .model = m,
             .views = m ? bert_model_views(m) : 1,
             .json = output_json(c),
             .s = m ? bert_session_new(m, &so, e) : NULL};
    int rc = j.s ? 0 : BERT_EINVAL;
    if (!rc && a->output && !(j.file = bert_explain_file_open(a->output, e))) rc = e->code;
    char **of = operand + 1;
    int n = operands - 1;
    if (!rc) rc = check_model(a, m, e);
    if (!rc) rc = use_views(c, &n, &of, e);
    if (!rc) rc = takes_pictures(m) ? explain_pictures(&j, n, of, e) : explain_texts(&j, n, of, e);
    if (j.file && !rc)
        rc = bert_explain_file_close(j.file, e);
    else
        bert_explain_file_abort(j.file);
    bert_session_free(j.s);
    bert_model_close(m);
    return rc;
}

static int set_method(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    return bert_explain_method_parse(value, target, e);
}

static void defaults(void *args) {
    ((arguments *)args)->explain = bert_explain_default();
}

static const option options[] = {
    {"method", 0, "integrated-gradients|gradient-x-input|attention|rollout",
     "how (integrated-gradients)", set_method, offsetof(arguments, explain.method), 0},
    {"label", 0, "LABEL",
     "the output of this label, by name or number (default: the likeliest); a token of the "
     "vocabulary, of a masked word; start, end or span of an answer",
     set_string, offsetof(arguments, explain.label), 0},
    {"word", 0, "WORD",
     "of models that label or fill in words: this one of the text (default: the surest that is not "
     "O; the first mask)",
     set_string, offsetof(arguments, explain.word), 0},
    {"token", 0, "N", "or token N, from 0, [CLS] included", set_count,
     offsetof(arguments, explain.token), 0},
    {"pair", 0, "TEXT", "the second text of every pair; the context of a question", set_string,
     offsetof(arguments, pair), 0},
    {"words", 0, NULL, "tokens of a word as one", set_true, offsetof(arguments, explain.words), 0},
    {"image", 0, "FILE", "a picture, again and again (operands of a model of pictures are as good)",
     add_image, offsetof(arguments, images), 0},
    {"baseline", 0, "NAME",
     "integrated gradients begin there: pad, mask or zero (pad); of pictures zero, black or white "
     "(zero)",
     set_string, offsetof(arguments, explain.baseline), 0},
    {"steps", 0, "N", "points of the integral (50)", set_positive,
     offsetof(arguments, explain.steps), 0},
    {"rule", 0, "NAME",
     "of the integral: gausslegendre, riemann_trapezoid, riemann_left, riemann_middle, "
     "riemann_right (gausslegendre)",
     set_string, offsetof(arguments, explain.rule), 0},
    {"layer", 0, "N", "of attention, from 0 (the last)", set_count,
     offsetof(arguments, explain.layer), 0},
    {"head", 0, "N", "of attention, from 0 (the mean of all)", set_count,
     offsetof(arguments, explain.head), 0},
    {"output", 'o', "FILE",
     "write a page (.html), or a picture of texts (.svg) or of one picture (.png), instead of "
     "printing",
     set_string, offsetof(arguments, output), 0},
    {0},
};

const command explain_command = {
    .name = "explain",
    .operands = "MODEL [TEXT..]",
    .help = "what the model's output rests on, word by word or patch by patch",
    .more =
        "A line is {\"tokens\":[..],\"scores\":[..],\"offsets\":[[s,e]],\"sequences\":[..],\n"
        "\"label\":\"..\",\"output\":x,\"method\":\"..\"}: positive scores speak for the output, "
        "the\n"
        "logit of the label, negative ones against it. Those of integrated gradients add up to\n"
        "\"output\" less \"base_output\", but for \"delta\". A model of pictures (ViT ..) takes "
        "files:\n"
        "{\"maps\":[[[..]]],\"images\":[\"..\"],\"label\":\"..\",\"output\":x,\"method\":\"..\"}, "
        "a number a\n"
        "patch.",
    .min_operands = 1,
    .max_operands = -1,
    .groups = TAKES_MODEL | TAKES_IMAGES | TAKES_VIEWS | TAKES_INPUT | TAKES_LIMIT | TAKES_TASK |
              TAKES_SESSION | TAKES_OUTPUT,
    .options = options,
    .defaults = defaults,
    .size = sizeof(arguments),
    .run = run,
};
