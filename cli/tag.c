/* bert tag: entities of a model with a token classification head. */
#include "division.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
    bert_aggregation aggregation;
    const char *ignore;
} arguments;

typedef struct {
    const arguments *a;
    bert_session *s;
    const input *in;
    bool json;
    int64_t texts;        /* in front of the one that is shown */
    int64_t cut, dropped; /* texts, and tokens of them */
} job;

static int json_row(const job *j, const bert_entity *x, const bert_text_info *info, bert_error *e) {
    json_t *word = json_text(x->word, strlen(x->word));
    json_t *row = json_pack("{s:s,s:o,s:i,s:i,s:o,s:I}", "entity", x->entity, "score",
                            json_number((double)x->score), "start", (int)x->start, "end",
                            (int)x->end, "word", word, "text", (json_int_t)j->texts);
    if (row && x->index >= 0) json_object_set_new(row, "index", json_integer(x->index));
    if (row) json_dropped(row, info);
    return output_line(row, e);
}

static int show(job *j, const bert_entity *x, int n, const bert_text_info *info, bert_error *e) {
    int rc = 0;
    j->cut += info->dropped > 0;
    j->dropped += info->dropped;
    if (info->dropped && division_alone(j->a->common.work))
        note(&j->a->common, "text %lld: %d tokens dropped", (long long)j->texts + 1, info->dropped);
    for (int i = 0; i < n && !rc; i++)
        if (j->json)
            rc = json_row(j, &x[i], info, e);
        else {
            print_column(x[i].entity, 10);
            printf(" %6.1f %%  %5d-%-5d %s\n", 100 * (double)x[i].score, x[i].start, x[i].end,
                   x[i].word);
        }
    if (!n && !j->json) printf("(no entities)\n");
    return rc;
}

static int each(void *context, input *in, const bert_text *texts, int32_t n, bert_error *e) {
    job *j = context;
    j->texts = input_first(j->in);
    const bert_entity *x;
    const int32_t *start;
    bert_text_options o = task_options(&j->a->common);
    o.keep_going = true;
    bert_text_info *info = calloc((size_t)n, sizeof *info);
    if (!info) return fail_memory(e);
    int rc =
        bert_tag_batch(j->s, texts, n, &o, j->a->aggregation, j->a->ignore, &x, &start, info, e);
    if (rc > 0) rc = 0;
    for (int32_t i = 0; i < n && !rc; i++) {
        rc = info[i].code ? input_pass_over(in, i, &info[i], e)
                          : show(j, x + start[i], start[i + 1] - start[i], &info[i], e);
        j->texts++;
    }
    free(info);
    return rc;
}

/* What each of several processes has cut, said at the end. */
static int say_cut(job *j, bert_error *e) {
    if (division_alone(j->a->common.work)) return 0;
    int rc = division_sum(j->a->common.work, &j->cut, e);
    if (!rc) rc = division_sum(j->a->common.work, &j->dropped, e);
    if (!rc && j->cut)
        note(&j->a->common, "%lld text%s cut: %lld tokens dropped", (long long)j->cut,
             j->cut == 1 ? " was" : "s were", (long long)j->dropped);
    return rc;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    const arguments *a = args;
    if (check_divided(&a->common, a->common.lines, e)) return USAGE;
    bert_session_options so = session_options(&a->common);
    bert_model *m = open_head(operand[0], &a->common, "token-classification", e);
    job j = {.a = a, .json = output_json(&a->common), .s = m ? bert_session_new(m, &so, e) : NULL};
    input *in = j.s ? input_open(&a->common, operands - 1, operand + 1, e) : NULL;
    j.in = in;
    int rc = in ? input_batches(in, each, &j, e) : BERT_EINVAL;
    if (!rc) rc = say_cut(&j, e);
    input_close(in);
    bert_session_free(j.s);
    bert_model_close(m);
    return rc;
}

static int set_aggregation(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    return bert_aggregation_parse(value, target, e);
}

static const option options[] = {
    {"aggregation", 0, "none|simple|first|average|max",
     "tokens as they are, joined, or words by their first token, the mean or the surest (none)",
     set_aggregation, offsetof(arguments, aggregation), 0},
    {"ignore-label", 0, "LABEL", "leave out this label (O)", set_string,
     offsetof(arguments, ignore), 0},
    {0},
};

const command tag_command = {
    .name = "tag",
    .operands = "MODEL [TEXT..]",
    .help = "the entities in each text (token classification)",
    .more = "A line is "
            "{\"entity\":\"..\",\"score\":x,\"start\":s,\"end\":e,\"word\":\"..\",\"text\":i}:"
            "\n"
            "offsets in code points, texts from 0; without aggregation also the token's \"index\".",
    .min_operands = 1,
    .max_operands = -1,
    .groups = TAKES_MODEL | TAKES_INPUT | TAKES_LIMIT | TAKES_STRIDE | TAKES_TASK | TAKES_SESSION |
              TAKES_OUTPUT | TAKES_LINES | TAKES_GROUP,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
