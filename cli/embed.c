/* bert embed: one vector a text. */
#include "cli.h"
#include "npy.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
    bert_pooling pooling;
    bool normalize, no_normalize;
    const char *output;
} arguments;

static int set_pooling(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    return bert_pooling_parse(value, target, e);
}

static const option options[] = {
    {"output", 'o', "FILE.npy", "write one float32 matrix, a row a text, instead of printing",
     set_string, offsetof(arguments, output), 0},
    {"pooling", 0, "mean|cls|max|sum|pooler",
     "how a text's tokens become one vector (default: what the model says, else mean)", set_pooling,
     offsetof(arguments, pooling), 0},
    {"normalize", 0, NULL, "vectors of length 1, whatever the model says", set_true,
     offsetof(arguments, normalize), 0},
    {"no-normalize", 0, NULL, "vectors as they are, whatever the model says", set_true,
     offsetof(arguments, no_normalize), 0},
    {0},
};

typedef struct {
    const arguments *a;
    bert_session *session;
    bert_task_options task;
    int32_t dim, capacity;
    float *vectors;
    bert_text_info *info;
    npy *file;
    bool json;
} embedding;

static int reserve(embedding *m, int32_t n, bert_error *e) {
    if (n <= m->capacity) return 0;
    free(m->vectors);
    free(m->info);
    m->vectors = calloc((size_t)n * (size_t)m->dim, sizeof *m->vectors);
    m->info = calloc((size_t)n, sizeof *m->info);
    m->capacity = m->vectors && m->info ? n : 0;
    return m->capacity ? 0 : fail_memory(e);
}

static int print_row(const embedding *m, const bert_text *text, const float *v,
                     const bert_text_info *info, bert_error *e) {
    if (m->json) {
        json_t *row = json_pack("{s:o*, s:i}", "embedding", json_floats(v, (size_t)m->dim),
                                "tokens", (int)info->tokens);
        if (row) json_dropped(row, info);
        return output_line(row, e);
    }
    enum { SHOWN = 4, NARROW = 20, WIDE = 200 };
    char shown[4 * WIDE + 4];
    int room = terminal_width(1) - 62; /* beside the numbers */
    fit(text, room < NARROW ? NARROW : room > WIDE ? WIDE : room, shown);
    for (int i = 0; i < SHOWN && i < m->dim; i++) printf("%9.5f", (double)v[i]);
    printf(" ..%d  %4d tokens  %s", m->dim, info->tokens, shown);
    print_dropped(info);
    printf("\n");
    return 0;
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
        if (!rc && m->file) rc = npy_rows(m->file, m->vectors, n, e);
        for (int32_t i = 0; i < n && !rc && !m->file; i++)
            rc = print_row(m, &texts[i], m->vectors + (size_t)i * (size_t)m->dim, &m->info[i], e);
        if (!rc && !m->file) rc = output_flush(e);
        if (rc) return rc;
    }
    return n;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    const arguments *a = args;
    if (a->output && (strlen(a->output) < 4 || strcmp(a->output + strlen(a->output) - 4, ".npy"))) {
        fail(e, BERT_EINVAL, "-o %s: the name ends in .npy, which is what is written", a->output);
        return EXIT_USAGE;
    }
    embedding m = {.a = a, .task = task_options(&a->common), .json = output_json(&a->common)};
    m.task.pooling = a->pooling;
    if (a->normalize || a->no_normalize) m.task.normalize = a->normalize;
    bert_session_options so = session_options(&a->common);
    bert_model *model = open_model(operand[0], &a->common, "none", e);
    input *in = model ? input_open(&a->common, operands - 1, operand + 1, e) : NULL;
    if (in) m.session = bert_session_new(model, &so, e);
    int rc = m.session ? 0 : BERT_EINVAL;
    if (!rc) m.dim = bert_model_config(model)->hidden_size;
    if (!rc && a->output && !(m.file = npy_create(a->output, m.dim, e))) rc = BERT_EIO;
    if (!rc) rc = each(&m, in, e);
    if (!rc && m.file) {
        rc = npy_commit(m.file, e);
        m.file = NULL;
        if (!rc) note(&a->common, "%s: %lld x %d", a->output, (long long)input_count(in), m.dim);
    }
    npy_abort(m.file);
    input_close(in);
    bert_session_free(m.session);
    bert_model_close(model);
    free(m.vectors);
    free(m.info);
    return rc;
}

const command embed_command = {
    .name = "embed",
    .operands = "MODEL [TEXT..]",
    .help = "one vector a text",
    .more =
        "A line is {\"embedding\":[..],\"tokens\":n}, and \"dropped\":n where text was cut off.",
    .min_operands = 1,
    .max_operands = -1,
    .groups = TAKES_INPUT | TAKES_LIMIT | TAKES_STRIDE | TAKES_SESSION | TAKES_OUTPUT,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
