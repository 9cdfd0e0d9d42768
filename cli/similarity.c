/* bert similarity: the cosine of two texts' vectors. */
#include "cli.h"
#include <stdlib.h>

typedef struct {
    common common;
} arguments;

static int run(void *args, int operands, char **operand, bert_error *e) {
    (void)operands;
    const common *c = args;
    bert_task_options task = task_options(c);
    bert_session_options so = session_options(c);
    const bert_text *texts;
    bert_text_info info[2] = {{0}};
    bert_model *model = open_model(operand[0], c, "none", e);
    bert_session *s = model ? bert_session_new(model, &so, e) : NULL;
    input *in = s ? input_open(c, 2, operand + 1, e) : NULL;
    int32_t dim = model ? bert_model_config(model)->hidden_size : 0;
    float *v = in ? calloc(2 * (size_t)dim, sizeof *v) : NULL;
    int rc = v && input_next(in, &texts, e) == 2 ? bert_embed(s, texts, 2, &task, v, info, e)
                                                 : fail_memory(e);
    if (rc && in) input_explain(in, e);
    if (!rc) {
        double score = bert_cosine(v, v + dim, dim);
        bert_text_info both = {.dropped = info[0].dropped + info[1].dropped};
        if (output_json(c)) {
            json_t *row = json_pack("{s:o}", "score", json_number(score));
            if (row) json_dropped(row, &both);
            rc = output_line(row, e);
        } else {
            printf("%.6f", score);
            print_dropped(&both);
            printf("\n");
        }
    }
    free(v);
    input_close(in);
    bert_session_free(s);
    bert_model_close(model);
    return rc;
}

const command similarity_command = {
    .name = "similarity",
    .operands = "MODEL A B",
    .help = "cosine of two texts' vectors",
    .more = "A line is {\"score\":x}.",
    .min_operands = 3,
    .max_operands = 3,
    .groups = TAKES_LIMIT | TAKES_STRIDE | TAKES_SESSION | TAKES_OUTPUT,
    .size = sizeof(arguments),
    .run = run,
};
