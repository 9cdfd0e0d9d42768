/* bert embed: one vector a text. */
#include "embedding.h"
#include "file.h"
#include "npy.h"
#include "pictures.h"
#include "vectors.h"
#include "waiting.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    bool on;
    bert_quantize kind;
} quantize_option;

typedef struct {
    common common;
    embedding_options embedding;
    vector_options vectors;
    quantize_option quantize;
    const char *output, *ranges;
} arguments;

static int set_quantize(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    quantize_option *q = target;
    q->on = true;
    return bert_quantize_parse(value, &q->kind, e);
}

/* Lines are opened by main(), as those of other commands. */
static int set_output(const option *o, void *target, const char *value, bert_error *e) {
    arguments *a = target;
    const char *dot = strrchr(value, '.');
    const bool lines = dot && !strcmp(dot, ".jsonl");
    a->common.lines = lines ? value : NULL;
    return set_string(o, &a->output, lines ? NULL : value, e);
}

static const option options[] = {
    {"output", 'o', "FILE",
     "write one matrix, a row a text (FILE.npy), or the lines (FILE.jsonl), instead of printing; "
     "with --vectors FILE.safetensors",
     set_output, 0, 0},
    VECTOR_OPTIONS(arguments, vectors),
    EMBEDDING_OPTIONS(arguments, embedding),
    {"quantize", 0, "int8|uint8|binary|ubinary",
     "fewer bits for each number, as sentence-transformers' quantize_embeddings", set_quantize,
     offsetof(arguments, quantize), 0},
    {"ranges", 0, "FILE.npy",
     "the least and the largest number of each column, for int8 and uint8 (default: of these "
     "texts)",
     set_string, offsetof(arguments, ranges), 0},
    {0},
};

/* What a text's vector goes through to its row. */
typedef struct {
    const arguments *a;
    bert_session *session;
    bert_text_options task;
    int32_t dim, columns, capacity; /* columns: of a row, after quantizing */
    const bert_recipe *recipe;      /* of the model, or NULL */
    int32_t row, view_dim;     /* texts (pictures) that its recipe makes one vector of; of each */
    float *vectors, *combined; /* of views; of rows, where they are several */
    bert_text_info *info;
    float *ranges; /* [2, dim], where they were given */
    waiting waiting;
    void *bytes; /* [columns]: a quantized row */
    npy *file;
    bool json;
    bool names; /* rows are of pictures */
} embedding;

/* ---- A row */

static bool is_signed(const arguments *a) {
    return a->quantize.kind == BERT_QUANTIZE_INT8 || a->quantize.kind == BERT_QUANTIZE_BINARY;
}

static int number_at(const embedding *m, const void *row, int32_t i) {
    return is_signed(m->a) ? ((const int8_t *)row)[i] : ((const uint8_t *)row)[i];
}

static json_t *json_row(const embedding *m, const void *row) {
    if (!m->a->quantize.on) return json_floats(row, (size_t)m->columns);
    json_t *list = json_array();
    for (int32_t i = 0; list && i < m->columns; i++)
        json_array_append_new(list, json_integer(number_at(m, row, i)));
    return list;
}

static void print_columns(const embedding *m, const bert_text *text, const void *row,
                          const bert_text_info *info) {
    enum { SHOWN = 4, NARROW = 20, WIDE = 200 };
    char shown[4 * WIDE + 4];
    int room = terminal_width(1) - 62; /* beside the numbers */
    fit(text, room < NARROW ? NARROW : room > WIDE ? WIDE : room, shown);
    for (int i = 0; i < SHOWN && i < m->columns; i++)
        if (m->a->quantize.on)
            printf("%9d", number_at(m, row, i));
        else
            printf("%9.5f", (double)((const float *)row)[i]);
    if (m->names)
        printf(" ..%d  %s", m->columns, shown);
    else
        printf(" ..%d  %4d tokens  %s", m->columns, info->tokens, shown);
    print_dropped(info);
    printf("\n");
}

static int put_row(const embedding *m, const bert_text *text, const float *v,
                   const bert_text_info *info, const float *ranges, bert_error *e) {
    const void *row = v;
    if (m->a->quantize.on) {
        int rc = bert_quantize_rows(m->a->quantize.kind, v, 1, m->dim, ranges, m->bytes, e);
        if (rc) return rc;
        row = m->bytes;
    }
    if (m->file) return npy_rows(m->file, row, 1, e);
    if (!m->json) {
        print_columns(m, text, row, info);
        return 0;
    }
    json_t *line = m->names ? json_pack("{s:o*, s:o*}", "embedding", json_row(m, row), "image",
                                        json_text(text->text, text->bytes))
                            : json_pack("{s:o*, s:i}", "embedding", json_row(m, row), "tokens",
                                        (int)info->tokens);
    if (line) json_dropped(line, info);
    return output_line(line, e);
}

static int put_waiting(void *context, const bert_text *text, const float *v,
                       const bert_text_info *info, bert_error *e) {
    const embedding *m = context;
    return put_row(m, text, v, info, m->waiting.ranges, e);
}

/* ---- All of them */

static int reserve(embedding *m, int32_t n, bert_error *e) {
    if (n <= m->capacity) return 0;
    free(m->vectors);
    free(m->combined);
    free(m->info);
    m->vectors = calloc((size_t)n * (size_t)m->view_dim, sizeof *m->vectors);
    m->combined = m->row > 1 ? calloc((size_t)n * (size_t)m->dim, sizeof *m->combined) : NULL;
    m->info = calloc((size_t)n, sizeof *m->info);
    m->capacity = m->vectors && m->info && (m->row == 1 || m->combined) ? n : 0;
    return m->capacity ? 0 : fail_memory(e);
}

/* The vectors of n texts as those of rows. */
static const float *vectors_of_rows(embedding *m, int32_t n, bert_error *e) {
    if (m->row == 1) return m->vectors;
    return bert_recipe_combine(m->recipe, m->vectors, n / m->row, m->view_dim, m->combined, e)
               ? NULL
               : m->combined;
}

static int each(embedding *m, input *in, bert_error *e) {
    const bert_text *texts;
    int32_t n;
    while ((n = input_next(in, &texts, e)) > 0) {
        int rc = reserve(m, n, e);
        if (!rc) {
            rc = bert_embed(m->session, texts, n, &m->task, m->vectors, m->info, e);
            if (rc) input_explain(in, e);
        }
        const float *rows = rc ? NULL : vectors_of_rows(m, n, e);
        if (!rc && !rows) rc = e->code;
        for (int32_t i = 0; i < n && !rc; i += m->row) {
            const float *v = rows + (size_t)(i / m->row) * (size_t)m->dim;
            const bert_text_info *failed = first_failed(&m->info[i], m->row);
            if (failed) {
                rc = input_pass_over(in, i, failed, e);
                continue;
            }
            const bert_text_info most = most_dropped(&m->info[i], m->row);
            rc = m->waiting.f ? waiting_put(&m->waiting, &texts[i], v, &most, e)
                              : put_row(m, &texts[i], v, &most, m->ranges, e);
        }
        if (!rc && !m->file && !m->waiting.f) rc = output_flush(e);
        if (rc) return rc;
    }
    return n < 0 ? n : input_sum_up(in, e);
}

/* The same of a batch of pictures, which stand for their names. */
static int each_picture(void *context, const bert_picture *pictures, int32_t n,
                        const bert_picture_options *given, bert_picture_info *read, bert_error *e) {
    embedding *m = context;
    bert_picture_options o = *given;
    o.pooling = m->task.pooling;
    o.normalize = m->task.normalize == 1;
    int rc = reserve(m, n, e);
    if (!rc) rc = bert_embed_pictures(m->session, pictures, n, &o, m->vectors, read, e);
    const float *rows = rc ? NULL : vectors_of_rows(m, n, e);
    if (!rc && !rows) rc = e->code;
    for (int32_t i = 0; i < n && !rc; i += m->row) {
        for (int32_t k = 1; k < m->row && !read[i].code; k++)
            if (read[i + k].code) read[i] = read[i + k];
        if (read[i].code) {
            rc = m->file ? 0 : unreadable_row(&m->a->common, &pictures[i], &read[i], e);
            continue;
        }
        const float *v = rows + (size_t)(i / m->row) * (size_t)m->dim;
        const bert_text name = bert_text_of(pictures[i].path);
        m->info[i] = (bert_text_info){.windows = 1};
        rc = m->waiting.f ? waiting_put(&m->waiting, &name, v, &m->info[i], e)
                          : put_row(m, &name, v, &m->info[i], m->ranges, e);
    }
    return !rc && !m->file && !m->waiting.f ? output_flush(e) : rc;
}

/* Ranges of few vectors are ranges of little else: sentence-transformers says so below 100. */
static int put_all_waiting(embedding *m, bert_error *e) {
    enum { MANY = 100 };
    if (!m->waiting.f || !m->waiting.rows) return 0;
    if (m->waiting.rows == 1)
        return fail(e, BERT_EINVAL,
                    "one text has no ranges to quantize by: give --ranges FILE.npy, or more texts");
    if (m->waiting.rows < MANY)
        note(
            &m->a->common,
            "the ranges are those of %lld vectors; with --ranges, or more texts, they are steadier",
            (long long)m->waiting.rows);
    return waiting_each(&m->waiting, put_waiting, m, e);
}

/* ---- Setting up */

static int load_ranges(embedding *m, const char *path, bert_error *e) {
    int64_t rows, columns;
    int rc = bert_load_npy(path, &m->ranges, &rows, &columns, e);
    if (!rc && (rows != 2 || columns != m->dim))
        rc = fail(e, BERT_EINVAL,
                  "%s is a matrix of %lld x %lld; ranges of these vectors are 2 x %d", path,
                  (long long)rows, (long long)columns, m->dim);
    for (int32_t j = 0; j < m->dim && !rc; j++)
        if (!(m->ranges[j] <= m->ranges[m->dim + j]))
            rc = fail(
                e, BERT_EINVAL,
                "%s: column %d has the least %g and the largest %g; the first row is the least",
                path, j, (double)m->ranges[j], (double)m->ranges[m->dim + j]);
    return rc;
}

static const char *npy_type(const arguments *a) {
    if (!a->quantize.on) return "<f4";
    return is_signed(a) ? "|i1" : "|u1";
}

static int set_up(embedding *m, const bert_model *model, bert_error *e) {
    const arguments *a = m->a;
    int rc = embedding_task(&a->common, &a->embedding, model, &m->task, e);
    m->task.side = a->vectors.side;
    m->task.keep_going = true;
    if (rc) return rc;
    const bert_picture_options po = {.pooling = m->task.pooling};
    m->names = takes_pictures(model);
    if (m->names &&
        (m->task.joined[0] || m->task.skip_layers || m->task.dimensions || m->task.prompt))
        return fail_usage(e,
                          "vectors of pictures are of one pooling: cls, mean or pooler; prompts, "
                          "layers and dimensions are of texts");
    m->view_dim = m->names ? bert_model_picture_embedding_size(model, &po)
                           : bert_model_embedding_size(model, &m->task);
    m->dim = m->columns =
        m->row > 1 ? bert_recipe_combined_size(m->recipe, m->view_dim) : m->view_dim;
    if (a->quantize.on) {
        m->columns = bert_quantized_size(a->quantize.kind, m->dim);
        m->bytes = malloc((size_t)m->columns);
        if (!m->bytes) return fail_memory(e);
        if (a->ranges)
            rc = load_ranges(m, a->ranges, e);
        else if (bert_quantize_needs_ranges(a->quantize.kind) && !division_alone(a->common.work))
            rc = fail_usage(
                e, "--quantize int8 and uint8 of several processes need --ranges FILE.npy");
        else if (bert_quantize_needs_ranges(a->quantize.kind))
            rc = waiting_open(&m->waiting, m->dim, e);
    }
    const stream_kind kind = m->names ? STREAM_ROWS : STREAM_TEXTS; /* pictures may be left out */
    if (!rc && a->output &&
        !(m->file = npy_create(a->common.work, a->output, npy_type(a), m->columns, kind, e)))
        rc = BERT_EIO;
    return rc;
}

static int check_usage(const arguments *a, bert_error *e) {
    const char *o = a->output;
    const size_t n = o ? strlen(o) : 0;
    if (o && (n < 4 || strcmp(o + n - 4, ".npy")))
        return fail_usage(e, "-o %s: the name ends in .npy (a matrix) or .jsonl (lines)", o);
    if (a->ranges && !(a->quantize.on && bert_quantize_needs_ranges(a->quantize.kind)))
        return fail_usage(e, "--ranges is of --quantize int8 and uint8");
    return 0;
}

/* Others than one vector a text. */
static int run_vectors(const arguments *a, int operands, char **operand, bert_error *e) {
    const common *c = &a->common;
    if (a->quantize.on) return fail_usage(e, "--quantize is of dense vectors");
    if (check_divided(c, a->output ? a->output : c->lines, e)) return USAGE;
    bert_model *model = open_model(operand[0], c, vectors_head(a->vectors.kinds), e);
    int rc = model ? 0 : BERT_EINVAL;
    if (model && takes_pictures(model))
        rc = fail(e, BERT_EUNSUPPORTED, "%s reads pictures, which have dense vectors", operand[0]);
    input *in = rc ? NULL : input_open(c, operands - 1, operand + 1, e);
    if (!rc && !in) rc = BERT_EINVAL;
    if (!rc) rc = vectors_run(c, &a->embedding, &a->vectors, a->output, model, in, e);
    input_close(in);
    bert_model_close(model);
    return rc;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    const arguments *a = args;
    if (a->vectors.kinds & ~(unsigned)BERT_VECTORS_DENSE)
        return run_vectors(a, operands, operand, e);
    const char *output = a->output ? a->output : a->common.lines;
    if (check_usage(a, e) || check_divided(&a->common, output, e)) return USAGE;
    embedding m = {.a = a, .json = output_json(&a->common)};
    bert_session_options so = session_options(&a->common);
    bert_model *model = open_model(operand[0], &a->common, "none", e);
    const bool pictures = model && takes_pictures(model);
    int rc = model ? check_kind(&a->common, model, e) : BERT_EINVAL, texts = operands - 1;
    char **text = operand + 1;
    if (!rc) rc = use_views(&a->common, &texts, &text, e);
    /* Rows of a table, and --view, are of all views; an operand is one of them. */
    m.recipe = bert_model_recipe(model);
    m.row = a->common.views || has_columns(a->common.input) ? bert_recipe_views(m.recipe) : 1;
    if (!rc && a->common.views) rc = check_rows(texts, m.row, pictures ? "picture" : "text", e);
    input *in =
        rc || pictures ? NULL : input_open_rows(&a->common, m.recipe, m.row, texts, text, e);
    if (in) input_into(in, a->output);
    if (!rc && (in || pictures)) m.session = bert_session_new(model, &so, e);
    if (!rc) rc = m.session ? set_up(&m, model, e) : BERT_EINVAL;
    if (!rc && !pictures) rc = each(&m, in, e);
    if (!rc && pictures)
        rc = pictures_rows(&a->common, m.recipe, m.row, texts, text, each_picture, &m, e);
    if (!rc) rc = put_all_waiting(&m, e);
    if (m.file) {
        int64_t rows = 0;
        rc = npy_commit(m.file, rc, &rows, e);
        if (!rc) note(&a->common, "%s: %lld x %d", a->output, (long long)rows, m.columns);
    }
    waiting_close(&m.waiting);
    input_close(in);
    bert_session_free(m.session);
    bert_model_close(model);
    free(m.ranges);
    free(m.bytes);
    free(m.vectors);
    free(m.combined);
    free(m.info);
    return rc;
}

const command embed_command = {
    .name = "embed",
    .operands = "MODEL [TEXT..]",
    .help = "one vector a text, or a picture",
    .more =
        "A line is {\"embedding\":[..],\"tokens\":n}, and \"dropped\":n where text was cut off.\n"
        "With --vectors sparse it has \"sparse\":{\"word\":weight,..}, or with --ids\n"
        "{\"indices\":[],\"values\":[]}, with multi \"multi\":[[..],..], a row a token that "
        "counts.\n"
        "As sentence-transformers' encode(): prompt, pooling and what modules.json says come "
        "after\n"
        "it. With --quantize int8 or uint8 and no --ranges the vectors wait in a temporary file.\n"
        "A model of pictures (ViT ..) takes files: {\"embedding\":[..],\"image\":\"..\"}, of the "
        "first\n"
        "token, or --pooling mean (of the patches) or pooler. Of a model with a recipe of several\n"
        "views a row of a file, or the --views, give one vector, as it stands in front of the "
        "head.",
    .min_operands = 1,
    .max_operands = -1,
    .groups = TAKES_MODEL | TAKES_IMAGES | TAKES_VIEWS | TAKES_INPUT | TAKES_LIMIT | TAKES_STRIDE |
              TAKES_SESSION | TAKES_OUTPUT | TAKES_GROUP,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
