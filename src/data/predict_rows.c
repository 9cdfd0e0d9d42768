/* Predictions of rows that have classes, values or choices. */
#include "base/error.h"
#include "data/dataset.h"
#include "data/predictions.h"
#include "recipe/recipe.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The row that is written. */
typedef struct {
    const bert_dataset *set;
    int64_t row;
    const float *logits;
    float *scores; /* [n] probabilities */
    int32_t n;
    bool failed; /* out of memory */
} prediction;

static void put(prediction *r, json_t *o, const char *key, json_t *value) {
    r->failed |= json_object_set_new(o, key, value) != 0;
}

static json_t *string_at(const prediction *r, int64_t i) {
    size_t n;
    const char *text = bert_kept_at(&r->set->kept, r->row, i, &n);
    return bert_json_text(text, n);
}

/* Of a row that is several texts or pictures. */
static json_t *all_strings(prediction *r) {
    json_t *a = json_array();
    for (int64_t i = 0; a && i < bert_kept_count(&r->set->kept, r->row); i++)
        r->failed |= json_array_append_new(a, string_at(r, i)) != 0;
    return a;
}

static json_t *name_of(const prediction *r, int32_t i) {
    return json_string(r->set->names[i]);
}

static int32_t best_of(const prediction *r) {
    int32_t best = 0;
    for (int32_t i = 1; i < r->n; i++)
        if (r->logits[i] > r->logits[best]) best = i;
    return best;
}

static json_t *scores_by_name(prediction *r) {
    json_t *o = json_object();
    for (int32_t i = 0; o && i < r->n; i++) {
        const char *name = r->set->names[i];
        char *key = NULL; /* with its number, where another label has the name already */
        if (json_object_get(o, name) && asprintf(&key, "%s (%d)", name, (int)i) < 0) {
            r->failed = true;
            continue;
        }
        put(r, o, key ? key : name, bert_json_number((double)r->scores[i]));
        free(key);
    }
    return o;
}

static void add_class(prediction *r, json_t *o) {
    const int32_t best = best_of(r);
    put(r, o, "gold", name_of(r, bert_dataset_row_label(r->set, r->row)));
    put(r, o, "prediction", name_of(r, best));
    put(r, o, "score", bert_json_number((double)r->scores[best]));
    put(r, o, "scores", scores_by_name(r));
}

/* Names of the labels that are there. */
static json_t *present(prediction *r, const float *value, float above) {
    json_t *a = json_array();
    for (int32_t i = 0; a && i < r->n; i++)
        if (value[i] > above) r->failed |= json_array_append_new(a, name_of(r, i)) != 0;
    return a;
}

static void add_labels(prediction *r, json_t *o) {
    const float *gold = bert_dataset_row_targets(r->set, r->row);
    put(r, o, "gold", present(r, gold, 0.5F));
    put(r, o, "prediction", present(r, r->logits, 0));
    put(r, o, "scores", scores_by_name(r));
}

static void add_value(prediction *r, json_t *o) {
    put(r, o, "gold", bert_json_number((double)*bert_dataset_row_targets(r->set, r->row)));
    put(r, o, "prediction", bert_json_number((double)r->logits[0]));
}

static void add_choice(prediction *r, json_t *o) {
    json_t *scores = json_array(), *endings = json_array();
    const int32_t best = best_of(r);
    for (int32_t i = 0; i < r->n; i++) {
        r->failed |= json_array_append_new(endings, string_at(r, 1 + i)) != 0;
        r->failed |= json_array_append_new(scores, bert_json_number((double)r->scores[i])) != 0;
    }
    put(r, o, "endings", endings);
    put(r, o, "gold", json_integer(bert_dataset_row_label(r->set, r->row)));
    put(r, o, "prediction", json_integer(best));
    put(r, o, "score", bert_json_number((double)r->scores[best]));
    put(r, o, "scores", scores);
}

static json_t *record_of(prediction *r) {
    const bert_dataset *d = r->set;
    json_t *o = json_object();
    if (!o) return NULL;
    if (d->kept.line[r->row]) /* a folder has none */
        put(r, o, "line", json_integer((json_int_t)d->kept.line[r->row]));
    put(r, o, "text", string_at(r, 0));
    if (d->task->outputs == BERT_OUTPUT_LABELS && d->most > 1) put(r, o, "views", all_strings(r));
    if (d->task->outputs == BERT_OUTPUT_CHOICE) {
        add_choice(r, o);
        return o;
    }
    if (d->most == 1 && bert_dataset_ints(d, "type_ids"))
        json_object_set_new(o, "text_pair",
                            bert_kept_count(&d->kept, r->row) > 1 ? string_at(r, 1) : json_null());
    if (d->problem == BERT_PROBLEM_SINGLE_LABEL)
        add_class(r, o);
    else if (d->problem == BERT_PROBLEM_MULTI_LABEL)
        add_labels(r, o);
    else
        add_value(r, o);
    return o;
}

static int write_batch(bert_predictions *p, const bert_batch *b, const float *logits, int32_t cols,
                       bert_error *e) {
    const bert_dataset *d = p->set;
    const int32_t n = cols;
    const bert_config c = {.num_labels = n};
    float *scores = malloc((size_t)n * sizeof *scores);
    if (!scores) return bert_fail_memory(e, (size_t)n * sizeof *scores);
    int rc = 0;
    for (int32_t i = 0; i < b->row_count && !rc; i++) {
        prediction r = {d, b->rows[i], logits + (size_t)i * (size_t)n, scores, n, false};
        memcpy(scores, r.logits, (size_t)n * sizeof *scores);
        const bert_scores own = bert_recipe_scores(d->recipe, BERT_SCORES_DEFAULT);
        bert_scores_apply(own != BERT_SCORES_DEFAULT                ? own
                          : d->problem == BERT_PROBLEM_SINGLE_LABEL ? BERT_SCORES_SOFTMAX
                                                                    : BERT_SCORES_SIGMOID,
                          &c, scores, 1);
        json_t *record = record_of(&r);
        if (record && r.failed) {
            json_decref(record);
            record = NULL;
        }
        rc = bert_predictions_record(p, record, e);
    }
    free(scores);
    return rc;
}

const bert_prediction_rows bert_row_predictions = {.suffixes = bert_record_suffixes,
                                                   .batch = write_batch};
