/* Predictions of questions: SQuAD's predictions.json, {id: answer}, or a record of each. */
#include "base/error.h"
#include "data/predictions.h"
#include "data/question_choose.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    bert_predictions *p;
    bert_chooser chooser;
    json_t *answers; /* of .json: {id: text} */
} state;

static json_t *text_of(const bert_text *t) {
    return bert_json_text(t->text, t->bytes);
}

static json_t *golds_of(const bert_question *q) {
    json_t *list = json_array();
    for (int32_t i = 0; list && i < q->golds; i++)
        if (json_array_append_new(list, text_of(&q->gold[i]))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static int put_record(const state *s, const bert_chosen *c, bert_error *e) {
    const bert_kept *kept = &s->p->set->kept;
    const int64_t line = kept->line[c->row];
    size_t n;
    const char *question = bert_kept_at(kept, c->row, 0, &n);
    double exact, f1;
    int rc = bert_question_measure(s->chooser.questions, c, &exact, &f1, e);
    if (rc) return rc;
    json_t *record =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "line",
                  line ? json_integer((json_int_t)line) : json_null(), "id",
                  text_of(&c->question->id), "text", bert_json_text(question, n), "gold",
                  golds_of(c->question), "prediction", text_of(&c->answer), "score",
                  bert_json_number(c->score), "null_odds", bert_json_number(c->null_odds),
                  "exact_match", json_real(100 * exact), "f1", json_real(100 * f1));
    return bert_predictions_record(s->p, record, e);
}

static int put_answer(void *self, const bert_chosen *c, bert_error *e) {
    const state *s = self;
    if (!s->answers) return put_record(s, c, e);
    if (!json_object_set_new(s->answers, c->question->id.text, text_of(&c->answer))) return BERT_OK;
    return bert_fail_memory(e, c->answer.bytes);
}

static int write_batch(bert_predictions *p, const bert_batch *b, const float *logits, int32_t cols,
                       bert_error *e) {
    state *s = p->state;
    if (!s) {
        s = p->state = calloc(1, sizeof *s);
        if (!s) return bert_fail_memory(e, sizeof *s);
        s->p = p;
        const bool squad = !strcmp(p->suffix, ".json");
        if (squad && !(s->answers = json_object())) return bert_fail_memory(e, 1);
    }
    return bert_chooser_batch(&s->chooser, p->set, b, logits, cols, put_answer, s, e);
}

/* json.dumps(.., indent=4) is what run_qa.py writes. */
static int end(bert_predictions *p, bert_error *e) {
    state *s = p->state;
    if (!s) return BERT_OK;
    int rc = bert_choose_end(&s->chooser, put_answer, s, e);
    if (rc || !s->answers) return rc;
    char *text = json_dumps(s->answers, JSON_INDENT(4));
    if (!text) return bert_fail_memory(e, json_object_size(s->answers));
    rc = bert_writer_put(p->out, text, strlen(text), e);
    free(text);
    return rc ? rc : bert_writer_put(p->out, "\n", 1, e);
}

static void free_state(void *self) {
    state *s = self;
    json_decref(s->answers);
    free(s);
}

static const char *const suffixes[] = {".json", ".jsonl", ".csv", ".tsv", NULL};

const bert_prediction_rows bert_question_predictions = {
    .suffixes = suffixes, .batch = write_batch, .end = end, .free_state = free_state};
