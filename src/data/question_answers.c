#include "data/question_answers.h"
#include "base/error.h"
#include <math.h>

/* {"text", "answer_start"}: two arrays, or one of each. */
static int columns_of(const json_t *columns, bert_answers *out, const char *place, bert_error *e) {
    out->text = json_object_get(columns, "text");
    out->start = json_object_get(columns, "answer_start");
    if (!json_is_array(out->text) && !json_is_array(out->start)) {
        out->n = 1;
        return BERT_OK;
    }
    if (!json_is_array(out->text) || !json_is_array(out->start) ||
        json_array_size(out->text) != json_array_size(out->start))
        return bert_fail(e, BERT_EFORMAT,
                         "%s: \"text\" and \"answer_start\" of its answers are not two arrays of "
                         "the same length",
                         place);
    out->n = json_array_size(out->text);
    return BERT_OK;
}

int bert_answers_of(const json_t *question, const char *key, bool optional, bert_answers *out,
                    const char *place, bert_error *e) {
    const json_t *given = json_object_get(question, key);
    *out = (bert_answers){0};
    if (json_is_null(given) || (!given && optional)) return BERT_OK;
    if (json_is_object(given) && !json_object_size(given)) return BERT_OK;
    if (json_is_object(given)) return columns_of(given, out, place, e);
    if (json_is_array(given)) {
        out->list = given;
        out->n = json_array_size(given);
        return BERT_OK;
    }
    return bert_fail(e, BERT_EFORMAT,
                     "%s: needs an array \"%.60s\" of {\"text\", \"answer_start\"}, or {\"text\": "
                     "[..], \"answer_start\": [..]}%s",
                     place, key,
                     json_is_string(given) ? "; here it is a text"
                                           : " (null or [] where there is "
                                             "no answer)");
}

int bert_answers_at(const bert_answers *a, size_t i, bert_given_answer *out, const char *place,
                    bert_error *e) {
    const json_t *one = a->list ? json_array_get(a->list, i) : NULL;
    const json_t *text = a->list ? json_object_get(one, "text") : a->text,
                 *start = a->list ? json_object_get(one, "answer_start") : a->start;
    if (!a->list && json_is_array(text)) text = json_array_get(text, i);
    if (!a->list && json_is_array(start)) start = json_array_get(start, i);
    const double real = json_is_real(start) ? json_real_value(start) : 0;
    if (!json_is_string(text) || !json_is_number(start) || real != floor(real))
        return bert_fail(e, BERT_EFORMAT,
                         "%s: an answer needs \"text\" and \"answer_start\", a text and a whole "
                         "number",
                         place);
    out->text = (bert_text){.text = json_string_value(text), .bytes = json_string_length(text)};
    out->start = json_is_integer(start)                   ? json_integer_value(start)
                 : real >= 0 && real <= (double)INT32_MAX ? (int64_t)real
                                                          : -1;
    return BERT_OK;
}

int bert_is_impossible(const json_t *question, bool *out, const char *place, bert_error *e) {
    const json_t *given = json_object_get(question, "is_impossible");
    const json_int_t number = json_is_integer(given) ? json_integer_value(given) : -1;
    *out = json_is_true(given) || number == 1;
    if (!given || json_is_null(given) || json_is_boolean(given) || number == 0 || number == 1)
        return BERT_OK;
    return bert_fail(e, BERT_EFORMAT, "%s: is_impossible is neither true nor false", place);
}
