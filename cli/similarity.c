/* bert similarity: how alike two texts' vectors are. */
#include "embedding.h"
#include "pictures.h"
#include <stdlib.h>

typedef struct {
    bool given;
    bert_similarity kind;
} function_option;

typedef struct {
    common common;
    embedding_options embedding;
    function_option function;
} arguments;

static int set_function(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    function_option *f = target;
    f->given = true;
    return bert_similarity_parse(value, &f->kind, e);
}

static const option options[] = {
    {"function", 0, "cosine|dot|euclidean|manhattan",
     "the last two are distances with a minus (default: what the model says, else cosine)",
     set_function, offsetof(arguments, function), 0},
    EMBEDDING_OPTIONS(arguments, embedding),
    {0},
};

static int show(const common *c, double score, const bert_text_info *both, bert_error *e) {
    if (output_json(c)) {
        json_t *row = json_pack("{s:o}", "score", json_number(score));
        if (row) json_dropped(row, both);
        return output_line(row, e);
    }
    printf("%.6f", score);
    print_dropped(both);
    printf("\n");
    return 0;
}

static int compare(const arguments *a, bert_session *s, const bert_model *model,
                   const bert_text *texts, bert_error *e) {
    bert_text_options task;
    bert_text_info info[2] = {{0}};
    int rc = embedding_task(&a->common, &a->embedding, model, &task, e);
    if (rc) return rc;
    const int32_t dim = bert_model_embedding_size(model, &task);
    float *v = calloc(2 * (size_t)dim, sizeof *v);
    rc = v ? bert_embed(s, texts, 2, &task, v, info, e) : fail_memory(e);
    if (!rc) {
        const bert_similarity f =
            a->function.given ? a->function.kind : bert_model_similarity(model);
        const bert_text_info both = {.dropped = info[0].dropped + info[1].dropped};
        rc = show(&a->common, bert_similarity_of(f, v, v + dim, dim), &both, e);
    }
    free(v);
    return rc;
}

static int compare_pictures(const arguments *a, bert_session *s, const bert_model *model,
                            char **path, bert_error *e) {
    const common *c = &a->common;
    bert_picture_options o = picture_options(c);
    const bert_picture both[] = {{.path = path[0]}, {.path = path[1]}};
    bert_picture_info info[2];
    o.keep_going = true;
    o.pooling = a->embedding.pooling[0];
    o.normalize = a->embedding.normalize;
    const int32_t dim = bert_model_picture_embedding_size(model, &o);
    float *v = calloc(2 * (size_t)dim, sizeof *v);
    int rc = v ? bert_embed_pictures(s, both, 2, &o, v, info, e) : fail_memory(e);
    const bool read = !rc && !info[0].code && !info[1].code;
    if (!rc) rc = pictures_unreadable(c, info, 2, e);
    if (!rc && read) {
        const bert_text_info none = {0};
        say_range(c, both, info, 2);
        rc = show(
            c,
            bert_similarity_of(a->function.given ? a->function.kind : bert_model_similarity(model),
                               v, v + dim, dim),
            &none, e);
    }
    free(v);
    return rc;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    (void)operands;
    const arguments *a = args;
    const common *c = &a->common;
    bert_session_options so = session_options(c);
    const bert_text *texts;
    bert_model *model = open_model(operand[0], c, "none", e);
    const int kind = model ? check_kind(c, model, e) : 0;
    bert_session *s = model && !kind ? bert_session_new(model, &so, e) : NULL;
    if (s && takes_pictures(model)) {
        int rc = compare_pictures(a, s, model, operand + 1, e);
        bert_session_free(s);
        bert_model_close(model);
        return rc;
    }
    input *in = s ? input_open(c, 2, operand + 1, e) : NULL;
    int rc = in && input_next(in, &texts, e) == 2 ? compare(a, s, model, texts, e) : BERT_EINVAL;
    if (kind) rc = kind;
    if (rc && in) input_explain(in, e);
    input_close(in);
    bert_session_free(s);
    bert_model_close(model);
    return rc;
}

const command similarity_command = {
    .name = "similarity",
    .operands = "MODEL A B",
    .help = "how alike two texts' vectors are, or two pictures'",
    .more = "A line is {\"score\":x}. The options of vectors are those of 'embed'.",
    .min_operands = 3,
    .max_operands = 3,
    .groups = TAKES_MODEL | TAKES_IMAGES | TAKES_LIMIT | TAKES_STRIDE | TAKES_SESSION |
              TAKES_OUTPUT | TAKES_LINES,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
