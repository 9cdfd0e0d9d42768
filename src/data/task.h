/* What can be trained: how a file becomes rows, what a batch has beside its tokens, and what is
 * measured. A row of the table has the name of its stock head, or its outputs are those of a head of
 * one's own.
 *
 * A task is a file with such a row. It reads into a builder (dataset.h), a row at a time, whatever
 * the rows carry; nobody else knows of its columns. One whose rows are pictures, several views each:
 *
 *     static const char *const inputs[] = {"pixels", NULL};
 *     static int read(bert_dataset_builder *b, const char *path, bert_error *e) {
 *         b->set->max_length = patches + 1;
 *         for each row of the file
 *             if (!(rc = bert_labels_add(b, &label, line, e))) // label_text.h; > 0: leave it out
 *                 for each view // a sequence of patches + 1 tokens without ids
 *                     rc = bert_columns_append(&b->set->columns,
 *                              &(bert_column){.name = "pixels", .type = BERT_COLUMN_FLOAT32,
 *                                             .per = BERT_PER_SEQUENCE, .width = 3 * 224 * 224,
 *                                             .count = 1, .data = view}, e)
 *                       || bert_dataset_add_sequence(b, NULL, NULL, patches + 1, e);
 *                 rc = bert_dataset_end_row(b, e); // its views: any number, of each row another
 *     }
 *     const bert_task bert_task_picture = {.name = "picture-classification",
 *         .labels = BERT_LABELLED_ROWS, .inputs = inputs, .read = read,
 *         .options = (const bert_option_row *const[]){bert_label_names_option, own, NULL},
 *         .resolve = bert_dataset_resolve, .prepare = flip};
 *
 * A batch then has in->columns with "pixels" [views, 3 * 224 * 224] and ids NULL (the family's embed
 * reads bert_inputs_column(in, "pixels")), b->row_start (which views are a row's) and b->labels of
 * rows. What grows beyond memory lies in a file by itself. tests/test_views.c is such a task. */
#ifndef BERT_DATA_TASK_H
#define BERT_DATA_TASK_H
#include "data/lay.h"
#include "data/options.h"

typedef struct bert_dataset_builder bert_dataset_builder;

/* Names of a set of metrics. */
enum { BERT_METRICS_MAX = 512 };

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

/* A batch that is being made. All that is left to chance is to follow from seed, epoch and the row's
 * number (batch->rows), so that a resumed run sees the same. */
typedef struct {
    const bert_dataset *set;
    uint64_t seed;
    int64_t epoch;
    const bert_batch *batch; /* its rows and inputs; not yet its labels and targets */
    bert_column *columns;    /* [column_count] of it, whose data may be written to */
    int32_t column_count;
    /* With a drawn column that is BERT_PER_LOGIT_TOKEN: room for all tokens, those whose logits are
     * wanted; with it the column's count is to be set. */
    int32_t *logit_tokens;
    int32_t logit_token_count; /* -1: all, or the model says */
    int32_t next_count;        /* rows of the epoch's next batch, which may be begun */
    const void *loader;
    int64_t next_first;
} bert_preparation;
/* Row i of the next batch. */
int64_t bert_prepared_next(const bert_preparation *p, int32_t i);
/* NULL: there is none of that name. */
bert_column *bert_prepared_column(bert_preparation *p, const char *name);

/* A row of the table: all that anybody asks a task. */
typedef struct bert_task {
    const char *name;
    const char *pipeline; /* that uses it: the hub's pipeline_tag */
    /* What has labels, which are then those of the head. Of rows: each is a text or a pair. */
    bert_labelled labels;
    bert_output_kind outputs; /* of the heads that it trains, beside the one of its name */
    /* Whether a text that is too long may become several rows; NULL: no. */
    bool (*windows)(const bert_dataset_options *o);
    const bert_option_row *const *options; /* lists of rows, ended by NULL; NULL: none */
    int (*read)(bert_dataset_builder *b, const char *path, bert_error *e);
    bool splits; /* its read asks bert_split_takes() about each row */
    bool shards; /* its read may be called for several files, one after the other */
    int (*resolve)(bert_dataset_builder *b, bert_error *e); /* once every row is there */
    /* Whether there is something to train on; NULL: always. */
    int (*trainable)(const bert_dataset *d, bert_error *e);
    const bert_scorer *scorer;                              /* NULL: classes of rows */
    const bert_scorer *(*scorer_of)(const bert_dataset *d); /* another one; NULL: never */
    const char *(*usual)(const bert_dataset *d); /* metrics where none are named; NULL: all */
    /* What rows are read by, ended by NULL; other columns are what is learnt. NULL: a text's "ids"
     * and "type_ids"; then the base has a tokenizer. */
    const char *const *inputs;
    /* Columns that every batch has beside those of the rows, up to a NULL name: name, type, per and
     * width. prepare fills them. NULL: none. Where they depend on the set, its own `drawn` counts. */
    const bert_column *drawn;
    /* What is done with each batch once it has its rows: numbers in its columns may be changed
     * (masks, augmentation), drawn ones are to be written. NULL: nothing. */
    int (*prepare)(bert_preparation *p, bert_error *e);
    void (*free_state)(void *state); /* of d->state; NULL: nothing */
    /* Rows that are marked have no label and are not there any more; NULL: the state has no rows. */
    void (*leave_out)(void *state, const bool *out);
    const struct bert_prediction_rows *predictions; /* how they are written; NULL: not at all */
    /* The state of a set, and what it draws, laid down and taken up (lay.h). NULL: where there is a
     * state, every process of a group reads the file. */
    void (*lay)(bert_laid *l, bert_dataset *d);
} bert_task;

extern const bert_task bert_task_sequence_classification, bert_task_token_classification,
    bert_task_question_answering, bert_task_multiple_choice, bert_task_masked_lm,
    bert_task_pretraining, bert_task_image_classification;
const bert_task *bert_task_at(int i); /* NULL past the end */
/* Makes a task known by its name, which *t has as long as the process lives: one that is no part of
 * the library. BERT_EINVAL: the name is that of another. */
int bert_task_register(const bert_task *t, bert_error *e);
/* By name, NULL or "" for sequence classification; NULL and an error that lists the names. */
const bert_task *bert_task_find(const char *name, bert_error *e);

/* Checks what is set for options: how many of them the task has not, and their names in
 * unused [BERT_TASK_OPTIONS]; or an error. */
int bert_task_check_options(const bert_task *t, const bert_dataset_options *o, const char **unused,
                            bert_error *e);

/* Metrics with a scorer; and those a dataset wants. */
bert_metrics *bert_metrics_with(const bert_scorer *s, const char *names, bert_error *e);
bert_metrics *bert_metrics_for(const bert_dataset *d, const char *names, bert_error *e);
/* NULL: none; its state is then NULL, too. */
const bert_scorer *bert_metrics_scorer(const bert_metrics *m);
void *bert_metrics_state(const bert_metrics *m);
int bert_metrics_score(bert_metrics *m, const bert_dataset *d, const bert_batch *b,
                       const float *logits, int32_t cols, bert_error *e);
#endif
