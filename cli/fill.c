/* bert fill: the likeliest tokens in the place of a [MASK]. */
#include "cli.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
    int32_t top_k;
    const char *targets;
} arguments;

typedef struct {
    const arguments *a;
    bert_session *s;
    const bert_tokenizer *tokenizer;
    char *names; /* of the targets, by NUL */
    const char **targets;
    int32_t targets_count;
    bool json;
} job;

static int split_targets(job *j, bert_error *e) {
    const char *list = j->a->targets;
    if (!list) return 0;
    size_t n = strlen(list), most = 1;
    for (size_t i = 0; i < n; i++) most += list[i] == ',';
    j->names = strdup(list);
    j->targets = calloc(most, sizeof *j->targets);
    if (!j->names || !j->targets) return fail_memory(e);
    char *rest = j->names, *one;
    while ((one = strsep(&rest, ",")))
        if (*one) j->targets[j->targets_count++] = one;
    return j->targets_count ? 0 : fail(e, BERT_EINVAL, "--targets names no token");
}

static int show(const job *j, const bert_fill_result *r, bool several, const bert_text_info *info,
                bert_error *e) {
    char token[600] = "";
    const bool is_token = bert_token(j->tokenizer, r->token) != NULL; /* or pads the vocabulary */
    if (is_token && bert_decode(j->tokenizer, &r->token, 1, false, token, sizeof token, e) < 0)
        return e->code;
    if (!j->json) {
        if (several) printf("%-3d ", r->mask + 1);
        printf("%6.2f %%  ", 100 * (double)r->score);
        print_column(token, 16);
        printf(" %s", r->text);
        print_dropped(info);
        printf("\n");
        return 0;
    }
    json_t *row = json_pack("{s:s,s:o,s:i,s:s}", "token", token, "score",
                            json_number((double)r->score), "id", (int)r->token, "text", r->text);
    if (row && several) json_object_set_new(row, "mask", json_integer(r->mask));
    if (row) json_dropped(row, info);
    return output_line(row, e);
}

static int each(void *context, input *in, const bert_text *texts, int32_t n, bert_error *e) {
    const job *j = context;
    const bert_fill_result *r;
    const int32_t *start;
    bert_text_options o = task_options(&j->a->common);
    o.keep_going = true;
    bert_text_info *info = calloc((size_t)n, sizeof *info);
    if (!info) return fail_memory(e);
    int rc = bert_fill_batch(j->s, texts, n, &o, j->a->top_k, j->targets, j->targets_count, &r,
                             &start, info, e);
    if (rc > 0) rc = 0;
    for (int32_t i = 0; i < n && !rc; i++) {
        if (info[i].code) {
            rc = input_pass_over(in, i, &info[i], e);
            continue;
        }
        const bert_fill_result *last = &r[start[i + 1] - 1];
        for (int32_t k = start[i]; k < start[i + 1] && !rc; k++)
            rc = show(j, &r[k], last->mask > 0, &info[i], e);
    }
    free(info);
    return rc;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    const arguments *a = args;
    bert_session_options so = session_options(&a->common);
    bert_model *m = open_head(operand[0], &a->common, "masked-lm", e);
    job j = {.a = a, .json = output_json(&a->common), .s = m ? bert_session_new(m, &so, e) : NULL};
    int rc = j.s ? split_targets(&j, e) : BERT_EINVAL;
    input *in = rc ? NULL : input_open(&a->common, operands - 1, operand + 1, e);
    j.tokenizer = m ? bert_model_tokenizer(m) : NULL;
    if (!rc) rc = in ? input_batches(in, each, &j, e) : BERT_EINVAL;
    input_close(in);
    free(j.targets);
    free(j.names);
    bert_session_free(j.s);
    bert_model_close(m);
    return rc;
}

static void defaults(void *args) {
    ((arguments *)args)->top_k = 5;
}

static const option options[] = {
    {"top-k", 'k', "N", "so many tokens for each mask (5)", set_positive,
     offsetof(arguments, top_k), 0},
    {"targets", 0, "A,B,..", "only these tokens of the vocabulary", set_string,
     offsetof(arguments, targets), 0},
    {0},
};

const command fill_command = {
    .name = "fill",
    .operands = "MODEL [TEXT..]",
    .help = "the likeliest tokens in the place of [MASK]",
    .more = "A line is {\"token\":\"..\",\"score\":x,\"id\":n,\"text\":\"..\"}, best first; where\n"
            "a text has several masks, also {\"mask\":i}, from 0.",
    .min_operands = 1,
    .max_operands = -1,
    .groups = TAKES_MODEL | TAKES_INPUT | TAKES_LIMIT | TAKES_SESSION | TAKES_OUTPUT | TAKES_LINES,
    .options = options,
    .size = sizeof(arguments),
    .defaults = defaults,
    .run = run,
};
