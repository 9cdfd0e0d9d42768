/* bert rerank: scores of texts for a query, by a cross-encoder or by vectors, best first. */
#include "cli.h"
#include "vectors.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
    int32_t top_k;
    bert_scores function;
    embedding_options embedding; /* of which the prompts are read */
    unsigned vectors;            /* the kind that is compared; 0: a cross-encoder judges */
} arguments;

typedef struct {
    char *text;
    size_t bytes;
    int64_t number;
    float score, logit; /* the second is what is ranked by: near 1 many scores are the same */
    bert_text_info info;
} ranked;

typedef struct {
    const arguments *a;
    bert_session *s;
    bert_text query;
    ranked *list;
    size_t n, capacity;
    float *scores, *logits; /* of the latest texts */
    bert_text_info *info;
    int32_t most;
} job;

static int add(job *j, const bert_text *text, int64_t number, int32_t i, bert_error *e) {
    if (j->n == j->capacity) {
        size_t capacity = 2 * j->capacity + 64;
        ranked *larger = realloc(j->list, capacity * sizeof *larger);
        if (!larger) return fail_memory(e);
        j->list = larger;
        j->capacity = capacity;
    }
    ranked r = {.number = number,
                .text = malloc(text->bytes + 1),
                .bytes = text->bytes,
                .score = j->scores[i],
                .logit = j->logits[i],
                .info = j->info[i]};
    if (!r.text) return fail_memory(e);
    memcpy(r.text, text->text, text->bytes);
    j->list[j->n++] = r;
    return 0;
}

static void free_batch(job *j) {
    free(j->scores);
    free(j->logits);
    free(j->info);
    j->scores = j->logits = NULL;
    j->info = NULL;
    j->most = 0;
}

static int reserve(job *j, int32_t n, bert_error *e) {
    if (n <= j->most) return 0;
    free_batch(j);
    j->scores = calloc((size_t)n, sizeof *j->scores);
    j->logits = calloc((size_t)n, sizeof *j->logits);
    j->info = calloc((size_t)n, sizeof *j->info);
    j->most = n;
    return j->scores && j->logits && j->info ? 0 : fail_memory(e);
}

static int score(job *j, const bert_text *texts, int32_t n, const bert_text_options *task,
                 bert_error *e) {
    if (!j->a->vectors)
        return bert_rerank(j->s, &j->query, texts, n, task, j->a->function, j->scores, j->logits,
                           j->info, e);
    int rc =
        bert_rerank_vectors(j->s, &j->query, texts, n, task, j->a->vectors, j->scores, j->info, e);
    if (!rc) memcpy(j->logits, j->scores, (size_t)n * sizeof *j->logits);
    return rc;
}

static int each(job *j, input *in, bert_error *e) {
    bert_text_options task = task_options(&j->a->common);
    task.prompt = j->a->embedding.prompt;
    task.prompt_name = j->a->embedding.prompt_name;
    task.keep_going = true;
    const bert_text *texts;
    int32_t n;
    while ((n = input_next(in, &texts, e)) > 0) {
        int rc = reserve(j, n, e);
        if (!rc) {
            rc = score(j, texts, n, &task, e);
            if (rc) input_explain(in, e);
        }
        for (int32_t i = 0; i < n && !rc; i++)
            rc = j->info[i].code ? input_pass_over(in, i, &j->info[i], e)
                                 : add(j, &texts[i], input_first(in) + i, i, e);
        if (rc) return rc;
    }
    return n;
}

static int by_score(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return (x->number > y->number) - (x->number < y->number);
}

static void show_columns(const ranked *r) {
    enum { NARROW = 20, WIDE = 400 };
    char shown[4 * WIDE + 4];
    const bert_text text = {.text = r->text, .bytes = r->bytes};
    int room = terminal_width(1) - 8; /* beside the score */
    fit(&text, room < NARROW ? NARROW : room > WIDE ? WIDE : room, shown);
    printf("%.4f  %s", (double)r->score, shown);
    print_dropped(&r->info);
    printf("\n");
}

static int show(const job *j, bert_error *e) {
    const size_t most = j->a->top_k ? (size_t)j->a->top_k : j->n;
    int rc = 0;
    for (size_t i = 0; i < j->n && i < most && !rc; i++) {
        const ranked *r = &j->list[i];
        if (!output_json(&j->a->common)) {
            show_columns(r);
            continue;
        }
        json_t *row = json_pack("{s:o,s:I,s:o}", "score", json_number((double)r->score), "index",
                                (json_int_t)r->number, "text", json_text(r->text, r->bytes));
        if (row) json_dropped(row, &r->info);
        rc = output_line(row, e);
    }
    return rc;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    arguments *a = args;
    a->common.pair_column = ""; /* the query is the other text of every pair */
    bert_session_options so = session_options(&a->common);
    bert_model *m = a->vectors ? open_model(operand[0], &a->common, vectors_head(a->vectors), e)
                               : open_ranker(operand[0], &a->common, &a->vectors, e);
    job j = {.a = a, .query = bert_text_of(operand[1])};
    j.s = m ? bert_session_new(m, &so, e) : NULL;
    input *in = j.s ? input_open(&a->common, operands - 2, operand + 2, e) : NULL;
    int rc = in ? each(&j, in, e) : BERT_EINVAL;
    if (!rc) {
        qsort(j.list, j.n, sizeof *j.list, by_score);
        rc = show(&j, e);
        if (!rc) rc = output_flush(e);
        if (!rc) rc = input_sum_up(in, e);
    }
    for (size_t i = 0; i < j.n; i++) free(j.list[i].text);
    free(j.list);
    free_batch(&j);
    input_close(in);
    bert_session_free(j.s);
    bert_model_close(m);
    return rc;
}

static int set_function(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    int rc = bert_scores_parse(value, target, e);
    if (!rc && *(bert_scores *)target == BERT_SCORES_SOFTMAX)
        rc = fail(e, BERT_EINVAL, "--function-to-apply is default, none or sigmoid here");
    return rc;
}

static int set_kind(const option *o, void *target, const char *value, bert_error *e) {
    int rc = set_vectors(o, target, value, e);
    if (!rc && !*bert_vectors_name(*(unsigned *)target))
        rc = fail(e, BERT_EINVAL, "--vectors is one of dense, sparse and multi here");
    return rc;
}

static const option options[] = {
    {"top-k", 'k', "N", "only the best N (all)", set_positive, offsetof(arguments, top_k), 0},
    {"function-to-apply", 0, "default|none|sigmoid",
     "what becomes of the logit (default: what the model says, else sigmoid)", set_function,
     offsetof(arguments, function), 0},
    {"vectors", 0, "dense|sparse|multi",
     "compare vectors of query and texts: their similarity, the product of their words' weights, "
     "or MaxSim (default for models that make vectors of tokens)",
     set_kind, offsetof(arguments, vectors), 0},
    PROMPT_OPTIONS(arguments, embedding),
    {0},
};

const command rerank_command = {
    .name = "rerank",
    .operands = "MODEL QUERY [TEXT..]",
    .help = "texts by how well they fit a query (cross-encoder, or vectors)",
    .more = "A line is {\"score\":x,\"index\":i,\"text\":\"..\"}, best first, texts from 0.",
    .min_operands = 2,
    .max_operands = -1,
    .groups = TAKES_MODEL | TAKES_INPUT | TAKES_LIMIT | TAKES_TASK | TAKES_SESSION | TAKES_OUTPUT |
              TAKES_LINES,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
