/* bert choose and bert next-sentence: which text goes on from another. */
#include "cli.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
} arguments;

static int show_choice(const common *c, char **ending, const float *scores, int n,
                       const bert_text_info *info, bert_error *e) {
    const bert_text_info most = most_dropped(info, n);
    int best = 0;
    for (int i = 1; i < n; i++)
        if (scores[i] > scores[best]) best = i;
    if (output_json(c)) {
        json_t *row =
            json_pack("{s:i,s:o}", "choice", best, "scores", json_floats(scores, (size_t)n));
        if (row) json_dropped(row, &most);
        return output_line(row, e);
    }
    for (int i = 0; i < n; i++)
        printf("%s %6.1f %%  %s\n", i == best ? "*" : " ", 100 * (double)scores[i], ending[i]);
    if (most.dropped) printf("(%d tokens dropped)\n", most.dropped);
    return 0;
}

static int run_choose(void *args, int operands, char **operand, bert_error *e) {
    const common *c = args;
    const int n = operands - 2;
    bert_session_options so = session_options(c);
    bert_text_options task = task_options(c);
    bert_model *m = open_head(operand[0], c, "multiple-choice", e);
    bert_session *s = m ? bert_session_new(m, &so, e) : NULL;
    bert_text prompt = bert_text_of(operand[1]), *endings = calloc((size_t)n, sizeof *endings);
    float *scores = calloc((size_t)n, sizeof *scores);
    bert_text_info *info = calloc((size_t)n, sizeof *info);
    int rc = endings && scores && info ? 0 : fail_memory(e);
    for (int i = 0; i < n && !rc; i++) endings[i] = bert_text_of(operand[2 + i]);
    if (!rc) rc = bert_choose(s, &prompt, endings, n, &task, scores, info, e);
    if (!rc) rc = show_choice(c, operand + 2, scores, n, info, e);
    free(info);
    free(scores);
    free(endings);
    bert_session_free(s);
    bert_model_close(m);
    return rc;
}

const command choose_command = {
    .name = "choose",
    .operands = "MODEL PROMPT CHOICE..",
    .help = "which choice goes on from the prompt (multiple choice)",
    .more = "A line is {\"choice\":i,\"scores\":[..]}, choices from 0.",
    .min_operands = 4,
    .max_operands = -1,
    .groups = TAKES_MODEL | TAKES_LIMIT | TAKES_TASK | TAKES_SESSION | TAKES_OUTPUT | TAKES_LINES,
    .size = sizeof(arguments),
    .run = run_choose,
};

/* ---- Next sentence: class 0 is "is the next one", as in transformers */

typedef struct {
    const common *c;
    bert_session *s;
    bool json;
} job;

static int show_next(const job *j, float score, const bert_text_info *info, bert_error *e) {
    if (j->json) {
        json_t *row =
            json_pack("{s:b,s:o}", "is_next", score >= 0.5f, "score", json_number((double)score));
        if (row) json_dropped(row, info);
        return output_line(row, e);
    }
    printf("%-8s %6.1f %%\n", score >= 0.5f ? "next" : "not next", 100 * (double)score);
    return 0;
}

/* in NULL: the only one, of operands. */
static int each_pairs(void *context, input *in, const bert_text *pairs, int32_t n, bert_error *e) {
    const job *j = context;
    bert_text_options task = task_options(j->c);
    task.keep_going = true;
    static const char lone[] =
        "has one sentence where two are needed (--pair-column names the column of the second)";
    char message[sizeof lone + 24];
    float(*scores)[2] = calloc((size_t)n, sizeof *scores);
    bert_text_info *info = calloc((size_t)n, sizeof *info);
    int rc = scores && info
                 ? bert_classify(j->s, pairs, n, &task, BERT_SCORES_DEFAULT, scores[0], info, e)
                 : fail_memory(e);
    for (int32_t i = 0; i < n && !rc; i++) {
        if (!pairs[i].pair) {
            snprintf(message, sizeof message, "text %d %s", (int)i, lone);
            info[i] = (bert_text_info){.code = BERT_EINVAL, .message = message};
        }
        rc = info[i].code ? input_pass_over(in, i, &info[i], e)
                          : show_next(j, scores[i][0], &info[i], e);
    }
    free(scores);
    free(info);
    return rc;
}

static int run_next(void *args, int operands, char **operand, bert_error *e) {
    const common *c = args;
    if (operands < 3 && (operands == 2 || !c->input)) /* a line of text is no pair */
        return fail_usage(e, "a sentence A and a sentence B are needed, or -i FILE");
    bert_session_options so = session_options(c);
    bert_model *m = open_head(operand[0], c, "next-sentence", e);
    job j = {.c = c, .json = output_json(c), .s = m ? bert_session_new(m, &so, e) : NULL};
    int rc = j.s ? 0 : BERT_EINVAL;
    if (!rc && operands == 3) {
        bert_text pair = bert_text_of(operand[1]);
        pair.pair = operand[2];
        pair.pair_bytes = strlen(operand[2]);
        rc = each_pairs(&j, NULL, &pair, 1, e);
    } else if (!rc) {
        input *in = input_open(c, 0, NULL, e);
        rc = in ? input_batches(in, each_pairs, &j, e) : BERT_EINVAL;
        input_close(in);
    }
    bert_session_free(j.s);
    bert_model_close(m);
    return rc;
}

const command next_sentence_command = {
    .name = "next-sentence",
    .operands = "MODEL [A B]",
    .help = "whether B is the sentence after A",
    .more = "A line is {\"is_next\":true,\"score\":x}, the score that of \"is next\".",
    .min_operands = 1,
    .max_operands = 3,
    .groups = TAKES_MODEL | TAKES_INPUT | TAKES_LIMIT | TAKES_SESSION | TAKES_OUTPUT | TAKES_LINES,
    .size = sizeof(arguments),
    .run = run_next,
};
