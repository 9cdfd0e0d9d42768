/* Question answering: SQuAD's JSON to windows of the context, as transformers' run_qa.py. */
#include "base/error.h"
#include "base/grow.h"
#include "data/question.h"
#include "files/json.h"
#include "text/windows.h"
#include <stdlib.h>
#include <string.h>

void bert_questions_free(void *questions) {
    bert_questions *q = questions;
    for (int64_t i = 0; i < q->count; i++) {
        for (int32_t k = 0; k < q->questions[i].golds; k++)
            free((void *)(uintptr_t)q->questions[i].gold[k].text);
        free(q->questions[i].gold);
        free(q->questions[i].id);
    }
    for (int64_t i = 0; i < q->contexts_count; i++) free(q->contexts[i]);
    bert_grown_free(q->questions);
    bert_grown_free(q->contexts);
    bert_grown_free(q->of_row);
    bert_grown_free(q->offsets);
    free(q);
}

/* Makes room for `count` items. */
typedef struct {
    bert_dataset_builder *b;
    bert_questions *q;
    int32_t answer_start, answer_end; /* code points of the first gold answer; -1: none */
} job;

/* ---- A window */

/* The tokens of the answer where the window holds all of it, else [CLS] twice. */
static void find_answer(const job *j, const bert_encoding *w, int32_t position[2]) {
    position[0] = position[1] = 0;
    int32_t first = 0, last = w->n - 1;
    while (first < w->n && w->sequence_ids[first] != 1) first++;
    while (last >= 0 && w->sequence_ids[last] != 1) last--;
    if (j->answer_start < 0 || first > last || w->offsets[first][0] > j->answer_start ||
        w->offsets[last][1] < j->answer_end)
        return;
    int32_t start = first, end = last;
    while (start < w->n && w->offsets[start][0] <= j->answer_start && start <= last) start++;
    while (end >= first && w->offsets[end][1] >= j->answer_end) end--;
    position[0] = start - 1;
    position[1] = end + 1;
}

static int add_window(job *j, const bert_encoding *w, bert_error *e) {
    bert_dataset *d = j->b->set;
    bert_questions *q = j->q;
    const size_t row = (size_t)d->rows, at = d->start ? (size_t)d->start[d->sequences] : 0;
    int rc = bert_grow(&q->of_row, row + 1, sizeof *q->of_row, e);
    if (!rc) rc = bert_grow(&d->positions, row + 1, sizeof *d->positions, e);
    if (!rc) rc = bert_grow(&q->offsets, at + (size_t)w->n, sizeof *q->offsets, e);
    if (!rc) rc = bert_dataset_add_sequence(j->b, w->ids, w->type_ids, w->n, e);
    if (rc) return rc;
    for (int32_t i = 0; i < w->n; i++) {
        const bool context = w->sequence_ids[i] == 1;
        q->offsets[at + (size_t)i][0] = context ? w->offsets[i][0] : -1;
        q->offsets[at + (size_t)i][1] = context ? w->offsets[i][1] : -1;
    }
    q->of_row[row] = q->count - 1;
    find_answer(j, w, d->positions[row]);
    d->rows++;
    return 0;
}

static int add_windows(job *j, const char *question, const char *context, bert_error *e) {
    const bert_dataset_options *o = j->b->options;
    bert_encode_options eo = bert_encode_default();
    question += strspn(question, " \t\n\r");
    eo.truncation = BERT_TRUNCATE_ONLY_SECOND;
    eo.max_length = j->b->set->max_length;
    eo.stride = o->doc_stride ? o->doc_stride : eo.max_length < 384 ? eo.max_length / 3 : 128;
    eo.overflowing = true;
    eo.truncate_left = bert_tokenizer_truncates_left(bert_model_tokenizer(j->b->base));
    const bert_text both = {question, strlen(question), context, strlen(context)};
    int n = bert_encode_windows(j->b->encoder, &both, &eo, e);
    int rc = n < 0 ? n : 0;
    for (int i = 0; i < n && !rc; i++) {
        bert_encoding w = bert_encoder_window(j->b->encoder, i);
        rc = add_window(j, &w, e);
    }
    return rc;
}

/* ---- The file */

static int32_t points_of(const char *s) {
    int32_t n = 0;
    for (; *s; s++) n += (*s & 0xc0) != 0x80;
    return n;
}

static int add_golds(job *j, bert_question *question, const json_t *answers, bert_error *e) {
    size_t n = json_array_size(answers);
    if (!json_is_array(answers)) /* one of no answer has an empty array, or is_impossible */
        return bert_fail(e, BERT_EFORMAT, "%s: question %s: needs an array \"answers\"",
                         j->b->set->where, question->id);
    question->gold = calloc(n + 1, sizeof *question->gold);
    if (!question->gold) return bert_fail_memory(e, n * sizeof *question->gold);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(answers, i), *at = json_object_get(one, "answer_start");
        const char *text = json_string_value(json_object_get(one, "text"));
        if (!text || !json_is_integer(at))
            return bert_fail(e, BERT_EFORMAT,
                             "%s: question %s: an answer needs \"text\" and \"answer_start\"",
                             j->b->set->where, question->id);
        if (!i) {
            j->answer_start = (int32_t)json_integer_value(at);
            j->answer_end = j->answer_start + points_of(text);
        }
        const bert_text gold = bert_text_of(strdup(text));
        if (!gold.text) return bert_fail_memory(e, strlen(text));
        question->gold[question->golds++] = gold;
    }
    return 0;
}

static int add_question(job *j, const json_t *qa, const char *context, bert_error *e) {
    bert_questions *q = j->q;
    const char *text = json_string_value(json_object_get(qa, "question"));
    const char *id = json_string_value(json_object_get(qa, "id"));
    if (!text)
        return bert_fail(e, BERT_EFORMAT, "%s: a question (id %s) has no text", j->b->set->where,
                         id ? id : "missing");
    int rc = bert_grow(&q->questions, (size_t)q->count + 1, sizeof *q->questions, e);
    if (rc) return rc;
    bert_question *question = &q->questions[q->count];
    *question = (bert_question){.context = context, .id = strdup(id ? id : "")};
    if (!question->id) return bert_fail_memory(e, 1);
    q->count++;
    j->answer_start = j->answer_end = -1;
    const bool impossible = json_is_true(json_object_get(qa, "is_impossible"));
    if (!impossible) rc = add_golds(j, question, json_object_get(qa, "answers"), e);
    q->version_2 |= impossible || !question->golds;
    if (rc || !(rc = add_windows(j, text, context, e))) return rc;
    bert_error_prefix(e, "%s: question %s: ", j->b->set->where, question->id);
    return rc;
}

static int add_paragraph(job *j, const json_t *paragraph, bert_error *e) {
    bert_questions *q = j->q;
    const char *context = json_string_value(json_object_get(paragraph, "context"));
    const json_t *qas = json_object_get(paragraph, "qas"), *qa;
    if (!context || !json_is_array(qas))
        return bert_fail(e, BERT_EFORMAT, "%s: a paragraph needs \"context\" and \"qas\"",
                         j->b->set->where);
    int rc = bert_grow(&q->contexts, (size_t)q->contexts_count + 1, sizeof *q->contexts, e);
    if (rc) return rc;
    char *copy = strdup(context);
    if (!copy) return bert_fail_memory(e, strlen(context));
    q->contexts[q->contexts_count++] = copy;
    size_t i;
    json_array_foreach(qas, i, qa) if ((rc = add_question(j, qa, copy, e))) break;
    return rc;
}

static int set_measure(bert_questions *q, const bert_dataset_options *o, bert_error *e) {
    q->n_best_size = o->n_best_size ? o->n_best_size : 20;
    q->max_answer_length = o->max_answer_length ? o->max_answer_length : 30;
    q->null_score_diff_threshold = o->null_score_diff_threshold;
    if (q->n_best_size > 0 && q->n_best_size <= BERT_N_BEST_MAX && q->max_answer_length > 0)
        return 0;
    return bert_fail(e, BERT_EINVAL, "n_best_size is 1 to %d, max_answer_length 1 or more",
                     BERT_N_BEST_MAX);
}

static int read_squad(bert_dataset_builder *b, const char *path, bert_error *e) {
    enum { LENGTH = 384 };
    bert_dataset *d = b->set;
    const int32_t limit = bert_model_max_length(b->base);
    if (!b->options->max_length) d->max_length = limit < LENGTH ? limit : LENGTH;
    json_t *file = bert_json_load(path, e), *article, *paragraph;
    if (!file) return e->code;
    job j = {.b = b, .q = calloc(1, sizeof *j.q)};
    int rc = j.q ? set_measure(j.q, b->options, e) : bert_fail_memory(e, sizeof *j.q);
    d->extra = j.q;
    const json_t *data = json_object_get(file, "data");
    if (!rc && !json_is_array(data))
        rc = bert_fail(e, BERT_EFORMAT, "%s: not SQuAD's format: there is no array \"data\"", path);
    size_t i, k;
    json_array_foreach(data, i, article) {
        const json_t *paragraphs = json_object_get(article, "paragraphs");
        json_array_foreach(paragraphs, k, paragraph) {
            if (!rc) rc = add_paragraph(&j, paragraph, e);
        }
    }
    json_decref(file);
    return rc;
}

static int resolve(bert_dataset_builder *b, bert_error *e) {
    (void)e;
    b->set->problem = BERT_PROBLEM_SINGLE_LABEL;
    return 0;
}

static const char *usual_metrics(const bert_dataset *d) {
    const bert_questions *q = d->extra;
    return q->version_2 ? NULL : "exact_match,f1";
}

const bert_task bert_task_question_answering = {
    .name = "question-answering",
    .pipeline = "question-answering",
    .windows = true,
    .read = read_squad,
    .resolve = resolve,
    .scorer = &bert_question_scorer,
    .usual = usual_metrics,
    .free_extra = bert_questions_free,
};
