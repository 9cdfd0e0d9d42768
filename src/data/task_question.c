/* Question answering: questions of a file to windows of their contexts, as transformers' run_qa.py.
 */
#include "base/error.h"
#include "base/grow.h"
#include "data/predictions.h"
#include "data/question.h"
#include "data/question_answers.h"
#include "data/question_file.h"
#include "data/question_place.h"
#include "text/windows.h"
#include <stdlib.h>
#include <string.h>

enum { DOC_STRIDE, N_BEST_SIZE, MAX_ANSWER_LENGTH, NULL_SCORE_DIFF_THRESHOLD };
static const bert_option_row options[] = {
    [DOC_STRIDE] = {"doc_stride", BERT_OPTION_COUNT, NULL, "128",
                    "question answering: tokens that windows share"},
    [N_BEST_SIZE] = {"n_best_size", BERT_OPTION_COUNT, NULL, "20",
                     "its metrics: candidates of a start and an end"},
    [MAX_ANSWER_LENGTH] = {"max_answer_length", BERT_OPTION_COUNT, NULL, "30",
                           "the same: most tokens of an answer"},
    [NULL_SCORE_DIFF_THRESHOLD] = {"null_score_diff_threshold", BERT_OPTION_NUMBER, NULL, "0",
                                   "the same: how much better than an answer none must be"},
    {0},
};

static void free_text(bert_text *t) {
    free((void *)(uintptr_t)t->text);
}

void bert_questions_free(void *questions) {
    bert_questions *q = questions;
    for (int64_t i = 0; i < q->count; i++) {
        for (int32_t k = 0; !q->laid && k < q->questions[i].golds; k++)
            free_text(&q->questions[i].gold[k]);
        free(q->questions[i].gold);
        if (!q->laid) free_text(&q->questions[i].id);
    }
    for (int64_t i = 0; !q->laid && i < q->contexts_count; i++) free(q->contexts[i]);
    bert_grown_free(q->questions);
    bert_grown_free(q->contexts);
    bert_grown_free(q->of_row);
    bert_grown_free(q->offsets);
    free(q);
}

/* last: the question before; NULL: this is the first. */
static void lay_question(bert_laid *l, bert_question *x, const bert_question *last) {
    bool same = !l->taken && last && last->context.text == x->context.text;
    BERT_LAY(l, same);
    bert_lay_text(l, &x->id);
    if (!same)
        bert_lay_text(l, &x->context);
    else if (l->taken)
        x->context = last->context;
    int32_t n = x->golds;
    BERT_LAY(l, n);
    if (l->taken && n && !(x->gold = calloc((size_t)n, sizeof *x->gold)))
        bert_fail_memory(l->e, (size_t)n * sizeof *x->gold);
    if (l->taken) x->golds = x->gold ? n : 0;
    for (int32_t k = 0; k < n; k++) {
        bert_text none;
        bert_lay_text(l, x->gold ? &x->gold[k] : &none);
    }
}

static void lay(bert_laid *l, bert_dataset *d) {
    bert_lay_block(l, &d->state, sizeof(bert_questions));
    bert_questions *q = d->state;
    if (!q) return;
    bert_lay_grown(l, &q->of_row, (size_t)d->rows * sizeof *q->of_row);
    bert_lay_grown(l, &q->offsets, (size_t)d->start[d->sequences] * sizeof *q->offsets);
    if (l->taken) {
        q->laid = true;
        q->contexts = NULL;
        q->questions = NULL;
        if (bert_grow(&q->questions, (size_t)q->count, sizeof *q->questions, l->e)) q->count = 0;
        if (q->count) memset(q->questions, 0, (size_t)q->count * sizeof *q->questions);
    }
    for (int64_t i = 0; i < q->count; i++)
        lay_question(l, &q->questions[i], i ? &q->questions[i - 1] : NULL);
}

/* ---- What is said of several questions together */

typedef enum { FOUND, LOST, WORDLESS, CONTRADICTED, NUMBERED, REPEATED, BLANK, REMARKS } remark;

static const struct {
    const char *one, *many;
} remarks[REMARKS] = {
    [FOUND] = {"answer was not at its place and was found",
               "answers were not at their place and were found"},
    [LOST] = {"answer is not in its context, or several times and not at its place: not trained "
              "on, scored by its text",
              "answers are not in their context, or several times and not at their place: not "
              "trained on, scored by their text"},
    [WORDLESS] = {"question has an answer without a text: read as without an answer",
                  "questions have an answer without a text: read as without an answer"},
    [CONTRADICTED] = {"question has answers and is_impossible: read as without an answer",
                      "questions have answers and is_impossible: read as without an answer"},
    [NUMBERED] = {"question has no id: it is its number",
                  "questions have no id: it is their number"},
    [REPEATED] = {"question has the id of another one", "questions have the id of another one"},
    [BLANK] = {"question is blank", "questions are blank"},
};

typedef struct {
    bert_dataset_builder *b;
    bert_questions *q;
    const bert_question_keys *keys;
    bert_text asked; /* the question */
    int64_t line;    /* 0: of a larger object */
    int32_t span[2]; /* code points of the answer; -1: none, INT32_MAX: there is one, nowhere */
    char place[256]; /* of the question, for messages */
    int64_t remarked[REMARKS], first[REMARKS]; /* how many questions, and which is the first */
} job;

static void note_remark(job *j, remark what, int64_t question) {
    if (!j->remarked[what]++) j->first[what] = question;
}

/* ---- A window */

/* The tokens of the answer where the window holds all of it, else [CLS] twice. */
static void find_answer(const job *j, const bert_token_window *w, int32_t position[2]) {
    position[0] = position[1] = 0;
    int32_t first = 0, last = w->n - 1;
    while (first < w->n && w->sequence_ids[first] != 1) first++;
    while (last >= 0 && w->sequence_ids[last] != 1) last--;
    if (j->span[0] == INT32_MAX) position[0] = position[1] = w->n; /* not of the loss */
    if (j->span[0] < 0 || first > last || w->offsets[first][0] > j->span[0] ||
        w->offsets[last][1] < j->span[1])
        return;
    int32_t start = first, end = last;
    while (start < w->n && w->offsets[start][0] <= j->span[0] && start <= last) start++;
    while (end >= first && w->offsets[end][1] >= j->span[1]) end--;
    position[0] = start - 1;
    position[1] = end + 1;
}

static int add_window(job *j, const bert_token_window *w, bert_error *e) {
    bert_dataset *d = j->b->set;
    bert_questions *q = j->q;
    const size_t row = (size_t)d->rows, at = d->start ? (size_t)d->start[d->sequences] : 0;
    int rc = bert_grow(&q->of_row, row + 1, sizeof *q->of_row, e);
    if (!rc) rc = bert_grow(&q->offsets, at + (size_t)w->n, sizeof *q->offsets, e);
    if (!rc) rc = bert_dataset_add_sequence(j->b, w->ids, w->type_ids, w->n, e);
    if (!rc && j->b->options->keep_texts) {
        rc = bert_kept_row(&d->kept, j->line, e);
        if (!rc) rc = bert_kept_add(&d->kept, j->asked.text, j->asked.bytes, e);
    }
    if (rc) return rc;
    for (int32_t i = 0; i < w->n; i++) {
        const bool context = w->sequence_ids[i] == 1;
        q->offsets[at + (size_t)i][0] = context ? w->offsets[i][0] : -1;
        q->offsets[at + (size_t)i][1] = context ? w->offsets[i][1] : -1;
    }
    q->of_row[row] = q->count - 1;
    int32_t position[2];
    find_answer(j, w, position);
    for (int i = 0; i < 2; i++) {
        int32_t *all = bert_dataset_grow_ints(d, i ? "end_positions" : "start_positions",
                                              BERT_PER_ROW, d->rows + 1, e);
        if (!all) return e->code;
        all[row] = position[i];
    }
    return bert_dataset_end_row(j->b, e);
}

/* As set; else 128, or what leaves room in short windows. */
static int32_t stride_of(const bert_dataset_options *o, int32_t length) {
    const bool short_windows = length < 384 && !bert_option_given(o, &options[DOC_STRIDE]);
    return short_windows ? length / 3 : bert_option_count(o, &options[DOC_STRIDE]);
}

static int add_windows(job *j, const bert_text *context, bert_error *e) {
    const bert_dataset_options *o = j->b->options;
    const int32_t length = j->b->set->max_length, stride = stride_of(o, length);
    const bert_text both = {.text = j->asked.text,
                            .bytes = j->asked.bytes,
                            .pair = context->text,
                            .pair_bytes = context->bytes};
    int n = bert_tokenize_question(j->b->tokenization, &both, length, stride, e);
    int rc = n < 0 ? n : 0;
    for (int i = 0; i < n && !rc; i++) {
        bert_token_window w = bert_tokenization_window(j->b->tokenization, i);
        rc = add_window(j, &w, e);
    }
    return rc;
}

/* ---- A question */

/* A copy of n bytes of text, with a NUL behind them. */
static int copy(const char *text, size_t n, bert_text *out, bert_error *e) {
    char *room = malloc(n + 1);
    if (!room) return bert_fail_memory(e, n);
    if (n) memcpy(room, text, n);
    room[n] = 0;
    *out = (bert_text){.text = room, .bytes = n};
    return BERT_OK;
}

static bert_text text_of(const json_t *string) {
    return (bert_text){.text = json_string_value(string), .bytes = json_string_length(string)};
}

/* A new question with its id: a text, a number, or the question's own number. */
static int begin_question(job *j, const bert_question_row *row, bert_error *e) {
    bert_questions *q = j->q;
    const json_t *given = json_object_get(row->question, "id");
    char number[32];
    snprintf(number, sizeof number, "%lld",
             json_is_integer(given) ? (long long)json_integer_value(given)
                                    : (long long)q->count + 1);
    bert_text id = json_is_string(given) ? text_of(given) : bert_text_of(number);
    int rc = bert_grow(&q->questions, (size_t)q->count + 1, sizeof *q->questions, e);
    if (rc) return rc;
    bert_question *question = &q->questions[q->count];
    *question = (bert_question){0};
    if ((rc = copy(id.text, id.bytes, &question->id, e))) return rc;
    if (!json_is_string(given) && !json_is_integer(given)) note_remark(j, NUMBERED, q->count);
    q->count++;
    char line[32] = "";
    if (row->line) snprintf(line, sizeof line, ":%lld", (long long)row->line);
    snprintf(j->place, sizeof j->place, "%.150s%s: question %.60s", j->b->set->where, line,
             question->id.text);
    return BERT_OK;
}

/* The row's context, as one of the set: the last one, if it is the same text. */
static int set_context(job *j, const json_t *context, bert_text *out, bert_error *e) {
    bert_questions *q = j->q;
    const bert_text given = text_of(context);
    if (q->count > 1) {
        const bert_text *last = &q->questions[q->count - 2].context;
        *out = *last;
        if (last->bytes == given.bytes && !memcmp(last->text, given.text, given.bytes))
            return BERT_OK;
    }
    int rc = bert_grow(&q->contexts, (size_t)q->contexts_count + 1, sizeof *q->contexts, e);
    if (!rc) rc = copy(given.text, given.bytes, out, e);
    if (rc) {
        *out = (bert_text){0};
        return rc;
    }
    q->contexts[q->contexts_count++] = (char *)(uintptr_t)out->text;
    return BERT_OK;
}

/* The answers as gold ones, and the span of the first that is in the context. */
static int add_golds(job *j, bert_question *question, const bert_answers *answers, bert_error *e) {
    const int64_t number = j->q->count - 1;
    question->gold = calloc(answers->n + 1, sizeof *question->gold);
    if (!question->gold) return bert_fail_memory(e, answers->n * sizeof *question->gold);
    bert_place found = BERT_PLACE_NONE;
    int64_t blank = 0;
    for (size_t i = 0; i < answers->n; i++) {
        bert_given_answer one;
        int rc = bert_answers_at(answers, i, &one, j->place, e);
        if (rc) return rc;
        if (!bert_stripped(&one.text).bytes) {
            blank++;
            continue;
        }
        rc = copy(one.text.text, one.text.bytes, &question->gold[question->golds], e);
        if (rc) return rc;
        if (!question->golds++ || found == BERT_PLACE_NONE)
            found = bert_place_answer(&question->context, &one.text, one.start, j->span);
    }
    if (blank && !question->golds) note_remark(j, WORDLESS, number);
    if (!question->golds) return BERT_OK;
    if (found == BERT_PLACE_FOUND) note_remark(j, FOUND, number);
    if (found != BERT_PLACE_NONE) return BERT_OK;
    note_remark(j, LOST, number);
    j->span[0] = j->span[1] = INT32_MAX;
    return BERT_OK;
}

static int read_answers(job *j, bert_question *question, const json_t *object, bert_error *e) {
    bert_answers answers = {0};
    bool impossible = false;
    int rc = bert_is_impossible(object, &impossible, j->place, e);
    if (!rc) rc = bert_answers_of(object, j->keys->answers, impossible, &answers, j->place, e);
    if (!rc && impossible && answers.n) note_remark(j, CONTRADICTED, j->q->count - 1);
    j->span[0] = j->span[1] = -1;
    if (!rc && !impossible) rc = add_golds(j, question, &answers, e);
    j->q->unanswerable += !rc && !question->golds;
    return rc;
}

static int add_question(void *context, const bert_question_row *row, bert_error *e) {
    job *j = context;
    const json_t *given = json_object_get(row->question, j->keys->question);
    int rc = begin_question(j, row, e);
    if (rc) return rc;
    bert_question *question = &j->q->questions[j->q->count - 1];
    if (!json_is_string(given))
        return bert_fail(e, BERT_EFORMAT, "%s has no text \"%.60s\"", j->place, j->keys->question);
    const bert_text text = text_of(given);
    j->line = row->line;
    j->asked = bert_stripped(&text);
    if (!j->asked.bytes) note_remark(j, BLANK, j->q->count - 1);
    rc = set_context(j, row->context, &question->context, e);
    if (!rc) rc = read_answers(j, question, row->question, e);
    if (rc || !(rc = add_windows(j, &question->context, e))) return rc;
    bert_error_prefix(e, "%s: ", j->place);
    return rc;
}

/* ---- The file */

static int set_measure(bert_questions *q, const bert_dataset_options *o, bert_error *e) {
    q->n_best_size = bert_option_count(o, &options[N_BEST_SIZE]);
    q->max_answer_length = bert_option_count(o, &options[MAX_ANSWER_LENGTH]);
    q->null_score_diff_threshold = bert_option_number(o, &options[NULL_SCORE_DIFF_THRESHOLD]);
    if (q->n_best_size <= BERT_N_BEST_MAX) return 0;
    return bert_fail(e, BERT_EINVAL, "n_best_size is 1 to %d", BERT_N_BEST_MAX);
}

static int by_id(const void *a, const void *b) {
    const bert_question *x = *(const bert_question *const *)a,
                        *y = *(const bert_question *const *)b;
    const size_t n = x->id.bytes < y->id.bytes ? x->id.bytes : y->id.bytes;
    const int order = memcmp(x->id.text, y->id.text, n);
    if (order) return order;
    if (x->id.bytes != y->id.bytes) return x->id.bytes < y->id.bytes ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int count_repeated(job *j, bert_error *e) {
    const bert_questions *q = j->q;
    const bert_question **sorted = malloc((size_t)q->count * sizeof *sorted + 1);
    if (!sorted) return bert_fail_memory(e, (size_t)q->count * sizeof *sorted);
    for (int64_t i = 0; i < q->count; i++) sorted[i] = &q->questions[i];
    qsort(sorted, (size_t)q->count, sizeof *sorted, by_id);
    for (int64_t i = 1; i < q->count; i++) {
        const bert_text *a = &sorted[i - 1]->id, *b = &sorted[i]->id;
        if (a->bytes != b->bytes || memcmp(a->text, b->text, a->bytes)) continue;
        const int64_t at = sorted[i] - q->questions;
        if (!j->remarked[REPEATED] || at < j->first[REPEATED]) j->first[REPEATED] = at;
        j->remarked[REPEATED]++;
    }
    free(sorted);
    return BERT_OK;
}

static int say_remarks(job *j, bert_error *e) {
    for (int i = 0; i < REMARKS; i++) {
        if (!j->remarked[i]) continue;
        int rc = bert_dataset_say(
            j->b, e, "%lld %s (%squestion %.60s)", (long long)j->remarked[i],
            j->remarked[i] == 1 ? remarks[i].one : remarks[i].many,
            j->remarked[i] == 1 ? "" : "the first: ", j->q->questions[j->first[i]].id.text);
        if (rc) return rc;
    }
    return BERT_OK;
}

/* What was read, and by which script answers are scored. */
static int say_all(job *j, const bert_question_shape *shape, bert_error *e) {
    bert_questions *q = j->q;
    char without[64] = "each has an answer";
    if (q->unanswerable)
        snprintf(without, sizeof without, "%lld without an answer", (long long)q->unanswerable);
    q->version_2 = shape->version_2 || q->unanswerable;
    int rc = bert_dataset_say(
        j->b, e, "%s: %lld question%s about %lld context%s; %s%s: scored as SQuAD %s",
        shape->nested ? "data, paragraphs, qas" : "rows of question, context, answers",
        (long long)q->count, q->count == 1 ? "" : "s", (long long)q->contexts_count,
        q->contexts_count == 1 ? "" : "s", without,
        q->version_2 && !q->unanswerable ? ", in a file that allows for none" : "",
        q->version_2 ? "2.0" : "1.1");
    if (!rc) rc = count_repeated(j, e);
    return rc ? rc : say_remarks(j, e);
}

static int read_questions(bert_dataset_builder *b, const char *path, bert_error *e) {
    enum { LENGTH = 384 };
    bert_dataset *d = b->set;
    const bert_dataset_options *o = b->options;
    const int32_t limit = bert_model_max_length(b->base);
    if (!o->max_length) d->max_length = limit < LENGTH ? limit : LENGTH;
    const bert_question_keys keys = {.question = o->text_column ? o->text_column : "question",
                                     .context = o->pair_column ? o->pair_column : "context",
                                     .answers = o->label_column ? o->label_column : "answers"};
    job j = {.b = b, .keys = &keys, .q = calloc(1, sizeof *j.q)};
    bert_question_shape shape;
    int rc = j.q ? set_measure(j.q, o, e) : bert_fail_memory(e, sizeof *j.q);
    d->state = j.q;
    if (!rc) rc = bert_questions_read(path, &keys, add_question, &j, &shape, e);
    if (rc || !j.q->count) return rc;
    return say_all(&j, &shape, e);
}

static int resolve(bert_dataset_builder *b, bert_error *e) {
    (void)e;
    b->set->problem = BERT_PROBLEM_SINGLE_LABEL;
    return 0;
}

/* As squad_v2's metric: only of kinds of questions that there are. */
static const char *usual_metrics(const bert_dataset *d) {
    const bert_questions *q = d->state;
    if (!q->version_2) return "exact_match,f1";
    if (!q->unanswerable) return "exact_match,f1,HasAns_exact,HasAns_f1";
    return q->unanswerable < q->count ? NULL : "exact_match,f1,NoAns_exact,NoAns_f1";
}

static bool in_windows(const bert_dataset_options *o) {
    (void)o;
    return true;
}

/* Windows of questions whose answers are nowhere teach nothing. */
static int has_answers(const bert_dataset *d, bert_error *e) {
    const int32_t *starts = bert_dataset_ints(d, "start_positions");
    for (int64_t r = 0; r < d->rows; r++)
        if (starts[r] < d->start[r + 1] - d->start[r]) return BERT_OK;
    return bert_fail(e, BERT_EINVAL,
                     "%s: no answer is in its context: there is nothing to train on", d->where);
}

const bert_task bert_task_question_answering = {
    .name = "question-answering",
    .pipeline = "question-answering",
    .outputs = BERT_OUTPUT_SPAN,
    .options = (const bert_option_row *const[]){options, NULL},
    .windows = in_windows,
    .read = read_questions,
    .resolve = resolve,
    .trainable = has_answers,
    .scorer = &bert_question_scorer,
    .usual = usual_metrics,
    .free_state = bert_questions_free,
    .predictions = &bert_question_predictions,
    .lay = lay,
};
