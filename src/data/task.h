/* What can be trained: how a file becomes rows, what a batch has beside its tokens, and what is
 * measured. A row of the table has the name of its stock head. */
#ifndef BERT_DATA_TASK_H
#define BERT_DATA_TASK_H
#include "data/options.h"

typedef struct bert_dataset_builder bert_dataset_builder;

/* Metrics of a task that are not counts of classes: kept in a state of so many bytes, zeroed. */
typedef struct {
    const char *const *names; /* of the results, ended by NULL */
    size_t size;
    int (*update)(void *state, const bert_dataset *d, const bert_batch *b, const float *logits,
                  int32_t cols, bert_error *e);
    int (*compute)(void *state, double *values, int64_t *rows, bert_error *e);
    void (*clear)(void *state); /* frees what the state points to; NULL: nothing */
} bert_scorer;

typedef enum { BERT_LABELLED_NOTHING, BERT_LABELLED_ROWS, BERT_LABELLED_TOKENS } bert_labelled;

/* A row of the table: all that anybody asks a task. */
typedef struct bert_task {
    const char *name;
    const char *pipeline; /* that uses it: the hub's pipeline_tag */
    /* What has labels, which are then those of the head. Of rows: each is a text or a pair. */
    bert_labelled labels;
    bert_output_kind outputs; /* of the heads that it trains, beside the one of its name */
    /* Whether a text that is too long may become several rows; NULL: no. */
    bool (*windows)(const bert_dataset_options *o);
    const bert_option_row *options; /* NULL: none */
    int (*read)(bert_dataset_builder *b, const char *path, bert_error *e);
    int (*resolve)(bert_dataset_builder *b, bert_error *e); /* once every row is there */
    /* Whether there is something to train on; NULL: always. */
    int (*trainable)(const bert_dataset *d, bert_error *e);
    const bert_scorer *scorer;                              /* NULL: classes of rows */
    const bert_scorer *(*scorer_of)(const bert_dataset *d); /* another one; NULL: never */
    const char *(*usual)(const bert_dataset *d); /* metrics where none are named; NULL: all */
    /* Hides tokens of a row, which is `row` of an epoch, and writes what was there as labels (-100:
     * not hidden). BERT_ENOMEM or 0; NULL: labels are the data's. */
    int (*mask)(const bert_dataset *d, uint64_t seed, int64_t epoch, int64_t row, int32_t *ids,
                int32_t *labels, int32_t n);
    void (*free_state)(void *state);                /* of d->state; NULL: nothing */
    const struct bert_prediction_rows *predictions; /* how they are written; NULL: not at all */
} bert_task;

extern const bert_task bert_task_sequence_classification, bert_task_token_classification,
    bert_task_question_answering, bert_task_multiple_choice, bert_task_masked_lm,
    bert_task_pretraining;
const bert_task *bert_task_at(int i); /* NULL past the end */
/* By name, NULL or "" for sequence classification; NULL and an error that lists the names. */
const bert_task *bert_task_find(const char *name, bert_error *e);

/* Metrics with a scorer; and those a dataset wants. */
bert_metrics *bert_metrics_with(const bert_scorer *s, const char *names, bert_error *e);
bert_metrics *bert_metrics_for(const bert_dataset *d, const char *names, bert_error *e);
/* NULL: none; its state is then NULL, too. */
const bert_scorer *bert_metrics_scorer(const bert_metrics *m);
void *bert_metrics_state(const bert_metrics *m);
/* Whether the state is counts and sums alone, and their sums over a group's processes. */
bool bert_metrics_are_sums(const bert_metrics *m);
int bert_metrics_sum(bert_metrics *m, const bert_group *g, bert_error *e);
int bert_metrics_score(bert_metrics *m, const bert_dataset *d, const bert_batch *b,
                       const float *logits, int32_t cols, bert_error *e);
#endif
