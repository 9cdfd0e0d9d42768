/* bert classify: labels and scores of a model with a sequence classification head. */
#include "cli.h"
#include "pictures.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
    const char *candidates;
    bert_scores function;
    bert_zero_shot_options zero_shot;
    int32_t top_k;
} arguments;

/* How a row is shown, by the model's problem_type. */
typedef enum { ONE_LABEL, SEVERAL_LABELS, VALUES } kind;

static kind kind_of(const bert_config *c) {
    if (!strcmp(c->problem_type, "multi_label_classification")) return SEVERAL_LABELS;
    if (!strcmp(c->problem_type, "regression")) return VALUES;
    return c->num_labels == 1 && !c->problem_type[0] ? VALUES : ONE_LABEL;
}

typedef struct {
    const bert_model *model;
    int32_t labels;
    kind kind;
    bert_scores function;
    bool json;
    int32_t views; /* texts, or pictures, of a row */
} shape;

static shape shape_of(const bert_model *m, const arguments *a) {
    const bert_config *c = bert_model_config(m);
    return (shape){.model = m,
                   .labels = c->num_labels,
                   .kind = kind_of(c),
                   .function = a->function,
                   .json = output_json(&a->common),
                   .views = bert_model_views(m)};
}

static int32_t best_of(const float *scores, int32_t n) {
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

/* Those above a half, or what a half comes from where the scores are logits. */
static json_t *likely_labels(const shape *s, const float *scores) {
    const float half = s->function == BERT_SCORES_NONE ? 0 : 0.5f;
    json_t *list = json_array();
    for (int32_t i = 0; list && i < s->labels; i++)
        if (scores[i] > half)
            json_array_append_new(list, json_string(bert_model_label(s->model, i)));
    return list;
}

/* A score under its label's name, and its number where another label has the name already. */
static int set_score(json_t *all, const char *name, int32_t i, float score) {
    char number[16], *key = NULL;
    if (json_object_get(all, name)) {
        snprintf(number, sizeof number, " (%d)", (int)i);
        key = malloc(strlen(name) + sizeof number);
        if (key) strcat(strcpy(key, name), number);
        if (!key) return -1;
    }
    int rc = json_object_set_new(all, key ? key : name, json_number((double)score));
    free(key);
    return rc;
}

static int json_row(const shape *s, const float *scores, const bert_text_info *info,
                    bert_error *e) {
    int32_t best = best_of(scores, s->labels);
    json_t *row = json_object(), *all = json_object();
    int rc = !row || !all;
    for (int32_t i = 0; i < s->labels; i++)
        rc |= set_score(all, bert_model_label(s->model, i), i, scores[i]);
    if (s->kind == ONE_LABEL)
        rc |= json_object_set_new(row, "label", json_string(bert_model_label(s->model, best)));
    if (s->kind == SEVERAL_LABELS)
        rc |= json_object_set_new(row, "labels", likely_labels(s, scores));
    if (s->kind == ONE_LABEL || s->labels == 1)
        rc |= json_object_set_new(row, "score", json_number((double)scores[best]));
    if (s->kind != VALUES || s->labels > 1) rc |= json_object_set(row, "scores", all);
    rc |= json_dropped(row, info);
    json_decref(all);
    if (!rc) return output_line(row, e);
    json_decref(row);
    return fail_memory(e);
}

static void print_row(const shape *s, const bert_text *text, const float *scores,
                      const bert_text_info *info) {
    char shown[4 * 400 + 4];
    int width = terminal_width(1) - 30;
    if (s->kind == ONE_LABEL) {
        int32_t best = best_of(scores, s->labels);
        print_column(bert_model_label(s->model, best), 14);
        printf(" %6.1f %%  ", 100 * (double)scores[best]);
    } else {
        width -= 12 * (s->labels - 1);
        for (int32_t i = 0; i < s->labels; i++) {
            print_column(bert_model_label(s->model, i), 0);
            printf(" %-8.4f ", (double)scores[i]);
        }
    }
    fit(text, width < 20 ? 20 : width > 400 ? 400 : width, shown);
    printf("%s", shown);
    print_dropped(info);
    printf("\n");
}

static int each(const shape *as, bert_session *session, const common *c, input *in, bert_error *e) {
    bert_text_options task = task_options(c);
    task.keep_going = true;
    const bert_text *texts;
    float *scores = NULL;
    bert_text_info *info = NULL;
    int32_t n, capacity = 0;
    int rc = 0;
    while (!rc && (n = input_next(in, &texts, e)) != 0) {
        if (n < 0) {
            rc = n;
            break;
        }
        if (n > capacity) {
            free(scores);
            free(info);
            scores = calloc((size_t)n * (size_t)as->labels, sizeof *scores);
            info = calloc((size_t)n, sizeof *info);
            capacity = n;
        }
        const int32_t views = as->views, rows = n / views;
        rc = scores && info
                 ? bert_classify(session, texts, rows, &task, as->function, scores, info, e)
                 : fail_memory(e);
        if (rc) input_explain(in, e);
        for (int32_t i = 0; i < rows && !rc; i++) {
            const float *row = scores + (size_t)i * (size_t)as->labels;
            const bert_text_info *failed = first_failed(info + i * views, views);
            if (failed) {
                rc = input_pass_over(in, i * views, failed, e);
                continue;
            }
            const bert_text_info most = most_dropped(info + (size_t)i * (size_t)views, views);
            if (as->json)
                rc = json_row(as, row, &most, e);
            else
                print_row(as, &texts[i * views], row, &most);
        }
        if (!rc) rc = output_flush(e);
    }
    free(scores);
    free(info);
    return rc ? rc : input_sum_up(in, e);
}

/* ---- Pictures */

typedef struct {
    const shape *as;
    const common *common;
    bert_session *session;
    int32_t top_k;
} picture_shape;

/* The numbers of the k largest scores, best first; of equal ones the first. */
static void best_numbers(const float *scores, int32_t labels, int32_t k, int32_t *best) {
    for (int32_t i = 0; i < k; i++) {
        best[i] = -1;
        for (int32_t j = 0; j < labels; j++) {
            bool taken = false;
            for (int32_t p = 0; p < i; p++) taken |= best[p] == j;
            if (!taken && (best[i] < 0 || scores[j] > scores[best[i]])) best[i] = j;
        }
    }
}

/* "image", or "images" of a row of several. */
static int set_paths(json_t *row, const bert_picture *pictures, int32_t views) {
    json_t *all = json_array();
    for (int32_t i = 0; i < views; i++)
        json_array_append_new(all, json_text(pictures[i].path, strlen(pictures[i].path)));
    const int rc = json_object_set(row, views > 1 ? "images" : "image",
                                   views > 1 ? all : json_array_get(all, 0));
    json_decref(all);
    return rc;
}

static int picture_row(const picture_shape *p, const bert_picture *pictures, const float *scores,
                       bert_error *e) {
    const shape *as = p->as;
    const char *path = pictures->path;
    const int32_t k = p->top_k < as->labels ? p->top_k : as->labels;
    int32_t *best = malloc((size_t)k * sizeof *best);
    if (!best) return fail_memory(e);
    best_numbers(scores, as->labels, k, best);
    json_t *top = as->json ? json_array() : NULL;
    for (int32_t i = 0; i < k; i++) {
        const char *label = bert_model_label(as->model, best[i]);
        const double score = (double)scores[best[i]];
        if (as->json)
            json_array_append_new(
                top, json_pack("{s:s, s:o}", "label", label, "score", json_number(score)));
        else if (!i)
            printf("%s: %s %.4f", path, label, score);
        else
            printf(", %s %.4f", label, score);
    }
    json_t *row = NULL;
    if (as->json)
        row = json_pack("{s:s, s:o, s:o*}", "label", bert_model_label(as->model, best[0]), "score",
                        json_number((double)scores[best[0]]), "top", top);
    else
        printf("\n");
    free(best);
    if (row && set_paths(row, pictures, as->views)) {
        json_decref(row);
        row = NULL;
    }
    return as->json ? output_line(row, e) : 0;
}

static int each_picture(void *context, const bert_picture *pictures, int32_t n,
                        const bert_picture_options *given, bert_picture_info *info, bert_error *e) {
    const picture_shape *p = context;
    const size_t labels = (size_t)p->as->labels;
    float *scores = calloc((size_t)n * labels, sizeof *scores);
    const int32_t views = p->as->views, rows = n / views;
    int rc = scores ? bert_classify_pictures(p->session, pictures, rows, given, p->as->function,
                                             scores, info, e)
                    : fail_memory(e);
    for (int32_t i = 0; i < rows && !rc; i++) {
        const bert_picture *row = &pictures[i * views];
        rc = info[i * views].code ? unreadable_row(p->common, row, &info[i * views], e)
                                  : picture_row(p, row, scores + (size_t)i * labels, e);
    }
    free(scores);
    return rc ? rc : output_flush(e);
}

/* ---- Labels that the model was not trained on */

typedef struct {
    const arguments *a;
    bert_session *session;
    char *names; /* by NUL */
    const char **labels;
    int32_t n;
} zero_shot;

static int split_labels(zero_shot *z, bert_error *e) {
    const char *list = z->a->candidates;
    size_t most = 1;
    if (!is_utf8(list, strlen(list)))
        return fail(e, BERT_EINVAL, "--candidate-labels is not UTF-8");
    for (const char *p = list; *p; p++) most += *p == ',';
    z->names = strdup(list);
    z->labels = calloc(most, sizeof *z->labels);
    if (!z->names || !z->labels) return fail_memory(e);
    char *rest = z->names, *one;
    while ((one = strsep(&rest, ","))) {
        one += strspn(one, " ");
        for (size_t n = strlen(one); n && one[n - 1] == ' ';) one[--n] = 0;
        if (*one) z->labels[z->n++] = one;
    }
    return z->n ? 0 : fail(e, BERT_EINVAL, "--candidate-labels names no label");
}

static int show_zero_shot(const zero_shot *z, const bert_text *text, const float *scores,
                          const bert_text_info *info, bert_error *e) {
    const int32_t best = best_of(scores, z->n);
    const bert_text_info most = most_dropped(info, z->n);
    if (!output_json(&z->a->common)) {
        char shown[4 * 60 + 4];
        fit(text, 60, shown);
        print_column(z->labels[best], 14);
        printf(" %6.1f %%  %s", 100 * (double)scores[best], shown);
        print_dropped(&most);
        printf("\n");
        return 0;
    }
    json_t *all = json_object();
    for (int32_t i = 0; all && i < z->n; i++) set_score(all, z->labels[i], i, scores[i]);
    json_t *row = json_pack("{s:s,s:o,s:o}", "label", z->labels[best], "score",
                            json_number((double)scores[best]), "scores", all);
    if (row) json_dropped(row, &most);
    return output_line(row, e);
}

static int each_zero_shot(void *context, input *in, const bert_text *texts, int32_t n,
                          bert_error *e) {
    const zero_shot *z = context;
    bert_text_options task = task_options(&z->a->common);
    task.keep_going = true;
    const size_t labels = (size_t)z->n;
    float *scores = calloc((size_t)n * labels, sizeof *scores);
    bert_text_info *info = calloc((size_t)n * labels, sizeof *info);
    int rc = scores && info ? bert_zero_shot_batch(z->session, texts, n, z->labels, z->n,
                                                   &z->a->zero_shot, &task, scores, info, e)
                            : fail_memory(e);
    for (size_t i = 0; i < (size_t)n && !rc; i++) {
        const bert_text_info *failed = first_failed(info + i * labels, z->n);
        rc = failed ? input_pass_over(in, (int32_t)i, failed, e)
                    : show_zero_shot(z, &texts[i], scores + i * labels, &info[i * labels], e);
    }
    free(scores);
    free(info);
    return rc;
}

static int classify_zero_shot(const arguments *a, bert_session *s, input *in, bert_error *e) {
    zero_shot z = {.a = a, .session = s};
    int rc = split_labels(&z, e);
    if (!rc) rc = input_batches(in, each_zero_shot, &z, e);
    free(z.names);
    free(z.labels);
    return rc;
}

/* Of texts, or pictures, that model reads. */
static int classify(const arguments *a, const bert_model *model, int n, char **operand,
                    bert_error *e) {
    const common *c = &a->common;
    const bert_session_options so = session_options(c);
    const bool pictures = takes_pictures(model);
    const shape as = shape_of(model, a);
    const bert_recipe *r = bert_model_recipe(model);
    if (pictures && a->candidates) return fail_usage(e, "--candidate-labels is of texts");
    input *in = pictures ? NULL : input_open_rows(c, r, as.views, n, operand, e);
    bert_session *s = in || pictures ? bert_session_new(model, &so, e) : NULL;
    int rc = BERT_EINVAL;
    if (s && pictures) {
        picture_shape p = {&as, c, s, a->top_k ? a->top_k : 5};
        rc = pictures_rows(c, r, as.views, n, operand, each_picture, &p, e);
    } else if (s) {
        rc = a->candidates ? classify_zero_shot(a, s, in, e) : each(&as, s, c, in, e);
    }
    input_close(in);
    bert_session_free(s);
    return rc;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    const arguments *a = args;
    const common *c = args;
    if (check_divided(c, c->lines, e)) return USAGE;
    bert_model *model = open_classifier(operand[0], c, e);
    int rc = model ? check_kind(c, model, e) : BERT_EINVAL, n = operands - 1;
    char **of = operand + 1;
    if (!rc) rc = use_views(c, &n, &of, e);
    if (!rc)
        rc = check_rows(n, bert_model_views(model), takes_pictures(model) ? "picture" : "text", e);
    if (!rc) rc = classify(a, model, n, of, e);
    bert_model_close(model);
    return rc;
}

static int set_function(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    return bert_scores_parse(value, target, e);
}

static const option options[] = {
    {"function-to-apply", 0, "default|none|sigmoid|softmax",
     "what becomes of the logits (default: by the model's problem_type)", set_function,
     offsetof(arguments, function), 0},
    {"top-k", 'k', "N", "of a picture: so many labels, best first (5)", set_positive,
     offsetof(arguments, top_k), 0},
    {"candidate-labels", 0, "A,B,..", "these labels instead of the model's own (zero-shot)",
     set_string, offsetof(arguments, candidates), 0},
    {"hypothesis-template", 0, "TEXT", "the sentence about a label (\"This example is {}.\")",
     set_string, offsetof(arguments, zero_shot.hypothesis_template), 0},
    {"multi-label", 0, NULL, "each candidate on its own, not one of all", set_true,
     offsetof(arguments, zero_shot.multi_label), 0},
    {0},
};

const command classify_command = {
    .name = "classify",
    .operands = "MODEL [TEXT..]",
    .help = "label and scores of each text, or picture",
    .more =
        "A line is {\"label\":\"..\",\"score\":x,\"scores\":{..}}; of several labels "
        "(multi-label)\n"
        "{\"labels\":[..],\"scores\":{..}} with those above 0.5; of a value (regression)\n"
        "{\"score\":x}. With --candidate-labels the model is one of natural language\n"
        "inference, and any text can be a label. A model of pictures (ViT ..) takes files:\n"
        "{\"label\":\"..\",\"score\":x,\"top\":[{\"label\":\"..\",\"score\":x}],\"image\":\"..\"}\n"
        "Of a model with several views (a recipe's) so many operands are a row, or --view again "
        "and\n"
        "again; a file has their columns.",
    .min_operands = 1,
    .max_operands = -1,
    .groups = TAKES_MODEL | TAKES_IMAGES | TAKES_VIEWS | TAKES_INPUT | TAKES_LIMIT | TAKES_STRIDE |
              TAKES_TASK | TAKES_SESSION | TAKES_OUTPUT | TAKES_LINES | TAKES_GROUP,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
