/* A file of what a model predicted, in the order of the data: the frame that tasks write into. It
 * appears when it is complete. */
#ifndef BERT_DATA_PREDICTIONS_H
#define BERT_DATA_PREDICTIONS_H
#include "base/file.h"
#include "data/task.h"
#include <jansson.h>

typedef struct bert_predictions bert_predictions;

/* How a task writes them; a member of its row in the table of tasks. */
typedef struct bert_prediction_rows {
    const char *const *suffixes; /* what the file's name may end with; NULL at the end */
    bool texts_in_extra;         /* the set has what its rows said there, not in set->kept */
    /* One batch of the set, in the order of its rows, and its logits as the task's scorer has them.
     */
    int (*batch)(bert_predictions *p, const bert_batch *b, const float *logits, int32_t cols,
                 bert_error *e);
    int (*end)(bert_predictions *p, bert_error *e); /* after the last one; NULL: nothing */
    void (*free_state)(void *state);                /* of p->state; NULL: nothing */
} bert_prediction_rows;

struct bert_predictions {
    const bert_dataset *set; /* with set->kept, what its rows said */
    const bert_prediction_rows *how;
    const char *suffix; /* of `how`, that the file has */
    bert_writer *out;
    void *state; /* the task's own */
    int64_t rows;
};

/* An error before anything is computed where the task has none, the name ends otherwise, or the set
 * was opened without keep_texts. */
bert_predictions *bert_predictions_open(const char *path, const bert_dataset *d, bert_error *e);
int bert_predictions_batch(bert_predictions *p, const bert_batch *b, const float *logits,
                           int32_t cols, bert_error *e);
int bert_predictions_commit(bert_predictions *p, bert_error *e); /* frees p in every case */
void bert_predictions_abort(bert_predictions *p);                /* NULL-safe */

/* The suffixes of the next, and the default of a table of records. */
extern const char *const bert_record_suffixes[];
/* An object as a line of .jsonl, or as a line of .csv or .tsv with a column for each key: those of
 * an object in it follow their key with an underscore, elements of a list are joined by "|". Every
 * row has the same keys. Takes the reference; NULL: out of memory. */
int bert_predictions_record(bert_predictions *p, json_t *record, bert_error *e);
/* A JSON string of what a file said; what is not UTF-8 in it is U+FFFD. NULL: out of memory. */
json_t *bert_json_text(const char *text, size_t bytes);
/* Null where it is not finite. */
json_t *bert_json_number(double x);

/* Classes, values and choices of rows: {"line", "text", "gold", "prediction", "score", ..}. */
extern const bert_prediction_rows bert_row_predictions;
/* SQuAD's {id: answer} as .json, or records of questions. */
extern const bert_prediction_rows bert_question_predictions;
#endif
