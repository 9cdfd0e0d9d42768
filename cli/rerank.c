/* bert rerank: a cross-encoder's scores of texts for a query, best first. */
#include "cli.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
    int32_t top_k;
} arguments;

typedef struct {
    char *text;
    size_t bytes;
    int64_t number;
    float logit; /* what is ranked by: near 1 many scores are the same */
    bert_text_info info;
} ranked;

typedef struct {
    const arguments *a;
    bert_session *s;
    bert_text query;
    int32_t labels;
    ranked *list;
    size_t n, capacity;
} job;

/* One label: its logistic function, as a cross-encoder of sentence-transformers has it; two: how
 * likely the second is. */
static double score_of(const ranked *r) {
    return 1 / (1 + exp(-(double)r->logit));
}

static int read_logit(job *j, const bert_text *text, ranked *r, bert_error *e) {
    bert_text pair = j->query;
    pair.pair = text->text;
    pair.pair_bytes = text->bytes;
    float logits[2];
    bert_task_options task = task_options(&j->a->common);
    int rc = bert_classify(j->s, &pair, 1, &task, BERT_SCORES_NONE, logits, &r->info, e);
    if (rc) return rc;
    r->logit = j->labels == 1 ? logits[0] : logits[1] - logits[0];
    return 0;
}

static int each(void *context, const bert_text *text, bert_error *e) {
    job *j = context;
    if (j->n == j->capacity) {
        size_t capacity = 2 * j->capacity + 64;
        ranked *larger = realloc(j->list, capacity * sizeof *larger);
        if (!larger) return fail_memory(e);
        j->list = larger;
        j->capacity = capacity;
    }
    ranked r = {.number = (int64_t)j->n, .text = malloc(text->bytes + 1), .bytes = text->bytes};
    if (!r.text) return fail_memory(e);
    memcpy(r.text, text->text, text->bytes);
    int rc = read_logit(j, text, &r, e);
    if (rc)
        free(r.text);
    else
        j->list[j->n++] = r;
    return rc;
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
    printf("%.4f  %s", score_of(r), shown);
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
        json_t *row =
            json_pack("{s:o,s:I,s:o}", "score", json_number((double)(float)score_of(r)), "index",
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
    bert_model *m = open_classifier(operand[0], &a->common, e);
    job j = {.a = a, .query = bert_text_of(operand[1])};
    j.labels = m ? bert_model_config(m)->num_labels : 0;
    if (m && j.labels > 2)
        fail(e, BERT_EUNSUPPORTED, "%s has %d labels; a cross-encoder has one, or two",
             bert_model_path(m), j.labels);
    else
        j.s = m ? bert_session_new(m, &so, e) : NULL;
    input *in = j.s ? input_open(&a->common, operands - 2, operand + 2, e) : NULL;
    int rc = in ? input_each(in, each, &j, e) : BERT_EINVAL;
    if (!rc) {
        qsort(j.list, j.n, sizeof *j.list, by_score);
        rc = show(&j, e);
    }
    for (size_t i = 0; i < j.n; i++) free(j.list[i].text);
    free(j.list);
    input_close(in);
    bert_session_free(j.s);
    bert_model_close(m);
    return rc;
}

static const option options[] = {
    {"top-k", 'k', "N", "only the best N (all)", set_positive, offsetof(arguments, top_k), 0},
    {0},
};

const command rerank_command = {
    .name = "rerank",
    .operands = "MODEL QUERY [TEXT..]",
    .help = "texts by how well they fit a query (cross-encoder)",
    .more = "A line is {\"score\":x,\"index\":i,\"text\":\"..\"}, best first, texts from 0.",
    .min_operands = 2,
    .max_operands = -1,
    .groups = TAKES_INPUT | TAKES_LIMIT | TAKES_SESSION | TAKES_OUTPUT,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
