/* bert answer: the best spans of a context. */
#include "cli.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
    const char *question, *context;
    int32_t doc_stride, top_k, max_answer_length;
    bool impossible, tokens;
} arguments;

typedef struct {
    const arguments *a;
    bert_session *s;
    bool json;
} job;

static int show(const job *j, const bert_answer *x, bert_error *e) {
    if (j->json)
        return output_line(json_pack("{s:o,s:o,s:i,s:i}", "answer", json_text(x->text, x->bytes),
                                     "score", json_number(x->score), "start", (int)x->start, "end",
                                     (int)x->end),
                           e);
    printf("%6.2f %%  %5d-%-5d %s", 100 * x->score, x->start, x->end,
           x->bytes ? "" : "(no answer)");
    for (size_t i = 0; i < x->bytes; i++) /* in one line, whatever the context's lines */
        putchar((unsigned char)x->text[i] < 32 || x->text[i] == 127 ? ' ' : x->text[i]);
    putchar('\n');
    return 0;
}

static bert_answer_options answer_options(const arguments *a) {
    bert_answer_options o = bert_answer_default();
    o.max_length = a->common.max_length;
    o.doc_stride = a->doc_stride;
    o.top_k = a->top_k;
    o.max_answer_length = a->max_answer_length;
    o.handle_impossible_answer = a->impossible;
    o.align_to_words = !a->tokens;
    return o;
}

static int each(void *context, input *in, const bert_text *pairs, int32_t n, bert_error *e) {
    const job *j = context;
    bert_answer_options o = answer_options(j->a);
    o.keep_going = true;
    const bert_answer *x;
    const int32_t *start;
    bert_text_info *info = calloc((size_t)n, sizeof *info);
    if (!info) return fail_memory(e);
    int rc = bert_answer_batch(j->s, pairs, n, &o, &x, &start, info, e);
    if (rc > 0) rc = 0;
    for (int32_t i = 0; i < n && !rc; i++) {
        if (info[i].code) rc = input_pass_over(in, i, &info[i], e);
        for (int32_t k = start[i]; k < start[i + 1] && !rc; k++) rc = show(j, &x[k], e);
    }
    free(info);
    return rc;
}

static int answer_one(const job *j, bert_error *e) {
    const bert_text question = bert_text_of(j->a->question), context = bert_text_of(j->a->context);
    const bert_answer_options o = answer_options(j->a);
    const bert_answer *x;
    int n = bert_answer_question(j->s, &question, &context, &o, &x, e), rc = n < 0 ? n : 0;
    for (int i = 0; i < n && !rc; i++) rc = show(j, &x[i], e);
    return rc;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    (void)operands;
    arguments *a = args;
    if (!a->common.input && !(a->question && a->context))
        return fail_usage(e, "a --question and its --context are needed, or -i FILE");
    if (a->common.input && (a->question || a->context))
        return fail_usage(e, "questions and contexts come as options or from -i, not both");
    if (!a->common.input && !(*a->question && *a->context))
        return fail(e, BERT_EINVAL, "the %s is empty", *a->question ? "context" : "question");
    bert_session_options so = session_options(&a->common);
    bert_model *m = open_head(operand[0], &a->common, "question-answering", e);
    job j = {.a = a, .json = output_json(&a->common), .s = m ? bert_session_new(m, &so, e) : NULL};
    int rc = j.s ? 0 : BERT_EINVAL;
    if (!a->common.text_column) a->common.text_column = "question";
    if (!a->common.pair_column) a->common.pair_column = "context";
    if (!rc && a->common.input) {
        input *in = input_open(&a->common, 0, NULL, e);
        rc = in ? input_batches(in, each, &j, e) : BERT_EINVAL;
        input_close(in);
    } else if (!rc) {
        rc = answer_one(&j, e);
    }
    bert_session_free(j.s);
    bert_model_close(m);
    return rc;
}

static void defaults(void *args) {
    arguments *a = args;
    a->doc_stride = -1;
    a->top_k = 1;
    a->max_answer_length = 15;
}

static const option options[] = {
    {"question", 'q', "TEXT", "the question", set_string, offsetof(arguments, question), 0},
    {"context", 'c', "TEXT", "where its answer is, of any length", set_string,
     offsetof(arguments, context), 0},
    {"top-k", 'k', "N", "so many answers (1)", set_positive, offsetof(arguments, top_k), 0},
    {"max-answer-length", 0, "N", "tokens of an answer (15)", set_positive,
     offsetof(arguments, max_answer_length), 0},
    {"doc-stride", 0, "N", "tokens that windows of a long context share (128)", set_count,
     offsetof(arguments, doc_stride), 0},
    {"handle-impossible-answer", 0, NULL, "\"\" may be the answer", set_true,
     offsetof(arguments, impossible), 0},
    {"no-align-to-words", 0, NULL, "let an answer begin and end inside a word", set_true,
     offsetof(arguments, tokens), 0},
    {"max-length", 0, "N", "tokens of a window (384, or what the model takes)", set_positive,
     offsetof(arguments, common.max_length), 0},
    {0},
};

const command answer_command = {
    .name = "answer",
    .operands = "MODEL",
    .help = "the answer to a --question in a --context",
    .more = "A line is {\"answer\":\"..\",\"score\":x,\"start\":s,\"end\":e}: offsets in code "
            "points of "
            "the\n"
            "context. -i FILE has a question and a context a row, in columns of these names.",
    .min_operands = 1,
    .max_operands = 1,
    .groups = TAKES_MODEL | TAKES_INPUT | TAKES_TASK | TAKES_SESSION | TAKES_OUTPUT | TAKES_LINES,
    .options = options,
    .size = sizeof(arguments),
    .defaults = defaults,
    .run = run,
};
