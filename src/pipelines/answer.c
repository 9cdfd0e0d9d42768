/* bert_answer_question and bert_answer_batch, as transformers' QuestionAnsweringPipeline (4.57, the
 * last with one) does it: windows over the context, a softmax over the context's tokens and [CLS]
 * of each, the best spans of all windows together, those of the same text added up. */
#include "pipelines/answer.h"
#include "base/error.h"
#include "cpu/host.h"
#include "pipelines/alike.h"
#include "pipelines/texts.h"
#include "text/code_place.h"
#include "text/windows.h"
#include <stdlib.h>
#include <string.h>

bert_answer_options bert_answer_default(void) {
    return (bert_answer_options){
        .doc_stride = -1, .top_k = 1, .max_answer_length = 15, .align_to_words = true};
}

int bert_best_spans(const float *start, const float *end, int32_t first, int32_t last,
                    int32_t max_tokens, int k, bert_span *out) {
    int n = 0;
    for (int32_t i = first; i <= last; i++)
        for (int32_t j = i; j <= last && j < i + max_tokens; j++) {
            const float score = start[i] * end[j];
            if (n == k && score <= out[n - 1].score) continue;
            int at = n < k ? n++ : n - 1;
            for (; at > 0 && out[at - 1].score < score; at--) out[at] = out[at - 1];
            out[at] = (bert_span){i, j, score};
        }
    return n;
}

typedef struct {
    bert_answer_options o;
    bool named;             /* messages say which text */
    const bert_text *texts; /* question and context */
    const bert_text *text;  /* that is read, */
    bert_code_place window; /* and where its window begins */
    bert_results results;
    bert_alike alike; /* the text's results, by their texts */
    double null_score;
    int spans_capacity;
    bert_span *spans;
    float *start, *end; /* probabilities of a window */
} job;

static int add_answer(job *j, int32_t start, int32_t end, double score, bert_error *e) {
    bert_code_place near = j->window;
    const size_t from = bert_code_place_to(&near, start), to = bert_code_place_to(&near, end);
    const char *text = j->text->pair + from;
    const int32_t known = j->alike.n, number = bert_alike_find(&j->alike, text, to - from, e);
    if (number < 0) return number;
    if (number < known) {
        bert_answer *a =
            bert_results_at(&j->results, j->results.start[j->results.begun - 1] + number);
        a->score += score;
        return 0;
    }
    bert_answer *a = bert_results_add(&j->results, e);
    char *kept = a ? bert_results_text(&j->results, text, to - from, e) : NULL;
    if (!kept) return BERT_ENOMEM;
    *a =
        (bert_answer){.text = kept, .bytes = to - from, .start = start, .end = end, .score = score};
    return 0;
}

/* ---- One window */

/* The first or the last offset of the word that token i of the window belongs to. */
static int32_t word_edge(const bert_token_window *w, int32_t i, int edge) {
    const int step = edge ? 1 : -1;
    int32_t k = i;
    while (k + step >= 0 && k + step < w->n && w->sequence_ids[k + step] == w->sequence_ids[i] &&
           w->word_ids[k + step] == w->word_ids[i])
        k += step;
    return w->offsets[k][edge];
}

static void probabilities(const float *logits, int column, const bert_token_window *w, float *out) {
    for (int32_t i = 0; i < w->n; i++)
        out[i] = w->sequence_ids[i] == 1 || i == 0 ? logits[2 * i + column] : -10000.0f;
    bert_host_softmax(out, 1, w->n);
}

static int read_window(void *context, const bert_token_window *w, const float *logits,
                       bert_error *e) {
    job *j = context;
    int32_t first = 0, last = w->n - 1;
    while (first < w->n && w->sequence_ids[first] != 1) first++;
    while (last >= first && w->sequence_ids[last] != 1) last--;
    if (first <= last) bert_code_place_to(&j->window, w->offsets[first][0]);
    probabilities(logits, 0, w, j->start);
    probabilities(logits, 1, w, j->end);
    const double none = (double)(j->start[0] * j->end[0]);
    if (none < j->null_score) j->null_score = none;
    int n = bert_best_spans(j->start, j->end, first, last, j->o.max_answer_length,
                            j->spans_capacity, j->spans);
    int rc = 0;
    for (int i = 0; i < n && !rc; i++) {
        const bert_span *s = &j->spans[i];
        bool words = j->o.align_to_words;
        int32_t start = words ? word_edge(w, s->start, 0) : w->offsets[s->start][0];
        int32_t end = words ? word_edge(w, s->end, 1) : w->offsets[s->end][1];
        rc = add_answer(j, start, end, (double)s->score, e);
    }
    return rc;
}

/* ---- The questions */

static int by_score(const void *a, const void *b) {
    double x = ((const bert_answer *)a)->score, y = ((const bert_answer *)b)->score;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void begin_text(void *context, int32_t text) {
    job *j = context;
    j->text = &j->texts[text];
    j->window = bert_code_place_of(j->text->pair, j->text->pair_bytes);
    bert_alike_clear(&j->alike);
    j->null_score = 1e6;
}

static int end_text(void *context, int32_t windows, bert_error *e) {
    (void)windows;
    job *j = context;
    bert_results *r = &j->results;
    if (j->o.handle_impossible_answer) {
        bert_answer *none = bert_results_add(r, e);
        if (!none) return BERT_ENOMEM;
        *none = (bert_answer){.text = "", .score = j->null_score};
    }
    const int first = r->start[r->begun - 1], n = r->count - first;
    if (n) qsort(bert_results_at(r, first), (size_t)n, sizeof(bert_answer), by_score);
    if (n > j->o.top_k) r->count = first + j->o.top_k;
    return 0;
}

static int encode(void *own, bert_tokenization *enc, const bert_text *t, int32_t number,
                  bert_text_info *info, bert_error *e) {
    const job *j = own;
    const bool question = t->text && t->bytes;
    int windows =
        question && t->pair && t->pair_bytes
            ? bert_tokenize_question(enc, t, j->o.max_length, j->o.doc_stride, e)
            : bert_fail(e, BERT_EINVAL, "the %s is empty", question ? "context" : "question");
    if (windows < 0 && j->named) bert_error_prefix(e, "text %d: ", (int)number);
    if (windows > 0 && info)
        *info = (bert_text_info){.tokens = bert_tokenization_full_length(enc), .windows = windows};
    return windows;
}

static int check(bert_answer_options *o, const bert_model *m, bert_error *e) {
    const int32_t limit = bert_model_text_limit(m);
    if (o->max_length > bert_model_max_length(m))
        return bert_fail(e, BERT_EINVAL, "max_length is %d; the model takes %d tokens",
                         (int)o->max_length, (int)bert_model_max_length(m));
    if (!o->max_length) o->max_length = limit < 384 ? limit : 384;
    if (o->doc_stride < 0) o->doc_stride = o->max_length / 2 < 128 ? o->max_length / 2 : 128;
    if (o->max_length < 0 || o->top_k < 1 || o->max_answer_length < 1)
        return bert_fail(e, BERT_EINVAL, "max_length, top_k and max_answer_length are 1 or more");
    return 0;
}

static int answer(job *j, bert_texts *t, bert_error *e) {
    const bert_window_reader reader = {.outputs = BERT_OUTPUT_SPAN,
                                       .context = j,
                                       .results = &j->results,
                                       .begin = begin_text,
                                       .read = read_window,
                                       .end = end_text};
    int rc = check(&j->o, t->s->model, e);
    if (rc) return rc;
    /* Some spans come together when they are widened to words. */
    j->spans_capacity = j->o.align_to_words ? 2 * j->o.top_k + 10 : j->o.top_k;
    j->spans = malloc((size_t)j->spans_capacity * sizeof *j->spans);
    j->start = malloc(2 * (size_t)j->o.max_length * sizeof *j->start);
    if (!j->spans || !j->start) return bert_fail_memory(e, (size_t)j->o.max_length);
    j->end = j->start + j->o.max_length;
    rc = bert_results_new(&j->results, t->s, sizeof(bert_answer), t->n, e);
    return rc ? rc : bert_texts_read(t, &reader, e);
}

static int answer_texts(bert_session *s, const bert_text *texts, int32_t n, bool named,
                        const bert_answer_options *options, const bert_answer **out,
                        const int32_t **start, bert_text_info *info, bert_error *e) {
    *out = NULL;
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    job j = {.o = options ? *options : bert_answer_default(), .named = named, .texts = texts};
    bert_texts t = {.s = s,
                    .texts = texts,
                    .n = n,
                    .options = {.keep_going = j.o.keep_going},
                    .info = info,
                    .encode = encode,
                    .own = &j};
    int rc = answer(&j, &t, e);
    bert_alike_free(&j.alike);
    free(j.spans);
    free(j.start);
    if (rc) return rc;
    *out = (const bert_answer *)(const void *)j.results.items;
    if (start) *start = j.results.start;
    return j.results.count;
}

int bert_answer_batch(bert_session *s, const bert_text *texts, int32_t n,
                      const bert_answer_options *options, const bert_answer **out,
                      const int32_t **start, bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    return answer_texts(s, texts, n, true, options, out, start, info, e);
}

int bert_answer_question(bert_session *s, const bert_text *question, const bert_text *context,
                         const bert_answer_options *options, const bert_answer **out,
                         bert_error *e) {
    BERT_DOOR(e);
    const bert_text both = {.text = question->text,
                            .bytes = question->bytes,
                            .pair = context->text,
                            .pair_bytes = context->bytes};
    return answer_texts(s, &both, 1, false, options, out, NULL, NULL, e);
}
