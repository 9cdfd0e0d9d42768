/* The inside of a dataset, and how one is built row by row. */
#ifndef BERT_DATA_DATASET_H
#define BERT_DATA_DATASET_H
#include "base/notes.h"
#include "data/columns.h"
#include "data/file_list.h"
#include "data/kept.h"
#include "data/numbered.h"
#include "data/task.h"
#include "models/model.h"
#include "models/problem.h"

struct bert_dataset {
    char *where;               /* the file, for messages */
    char *model;               /* the directory of the checkpoint it was opened against */
    const bert_device *device; /* and its device */
    char *config;              /* keys of config.json that count instead of its, or NULL */
    bert_recipe *recipe;       /* that its rows are read for, or NULL */
    const bert_task *task;
    bert_problem problem;
    char **names; /* [num_labels] of classes; regression has one, "LABEL_0" */
    int32_t num_labels, max_length;
    int32_t positive; /* of two classes: that precision, recall, f1 are of */
    int64_t rows, truncated, dropped, invalid;
    bool sorted_names; /* the names of its classes are texts that were sorted */
    bool guessed;      /* as bert_reader_guessed() */
    bert_notes notes;  /* how the file was read */
    int32_t group;     /* sequences of each row: 1, its choices, views; 0: of each another number */
    int32_t most;      /* sequences of a row at most */
    int64_t sequences; /* of all rows */
    int64_t *row;      /* [rows + 1] in sequences where group is 0; else NULL; grown */
    bert_kept kept; /* with keep_texts: what the rows said, as their task's predictions need it */
    int64_t *start; /* [sequences + 1] in tokens; grown (base/grow.h) */
    bert_columns columns;
    void *state; /* what else the task keeps, freed by it */
    const bert_column
        *drawn; /* of every batch, up to a NULL name, in place of the task's; or NULL */
    struct {
        void *at;
        size_t bytes;
    } map; /* of a file of another process, in which its arrays lie (shared_set.h); or NULL */
};

/* What the label fields said before it is known what they mean: distinct texts, numbered in the
 * order they came, and which of them each row has. */
typedef struct {
    bert_numbered seen;
    char **text; /* [n]: those of seen */
    int32_t n;
    int64_t *line;    /* [n] where it was first seen; grown */
    int32_t *of_rows; /* [start[rows]]; grown */
    int64_t *start;   /* [rows + 1] */
} bert_raw_labels;

/* Of the rows whose label is a list. */
typedef struct {
    int64_t rows, first_line;
    int64_t as_text, text_line; /* as text, in a .csv */
    int64_t items;              /* of elements: the others are dictionaries */
    int64_t width, other_width,
        other_line;      /* elements of the first, and of the first that differs */
    int64_t repeat_line; /* of the first that has an element twice; or 0 */
    bool named;          /* some is a dictionary of names */
} bert_label_lists;

struct bert_dataset_builder {
    bert_dataset *set;
    const bert_model *base;
    const bert_dataset_options *options;
    bert_tokenization *tokenization;
    bert_raw_labels raw;
    bert_labels given; /* names from elsewhere (label_names), or none */
    bert_label_lists lists;
    int64_t plain_rows, plain_line; /* whose label is no list */
    int64_t odd_line;               /* of the first row that has not one label; or 0 */
    int64_t left_out;               /* rows without a label */
    bool hot;                       /* lists are 0 or 1 for each label */
    bool field_is_list;             /* of the row that is added: elements are parted by "|" */
    int64_t words;                  /* labelled words of token classification: "rows" of raw */
    const char *unit;          /* "%s:%lld" of a file's line, or "%s %lld" of a row in memory */
    bert_data_split *collects; /* rows are told to it, and not read */
    int group_column;          /* of the split, or -1 */
    int64_t rows_seen;         /* of the file, whichever part is read */
    char **columns;            /* label columns of a multi-label file; NULL: fields hold labels */
    int columns_count;
    bert_file_list files;      /* of several: those that have been begun, as messages call them */
    char *text, *pair, *label; /* of several: the columns of the first one, or NULL */
};

bert_shape bert_dataset_shape(const bert_dataset *d);
/* How many rows, sequences or tokens there are; "rows", "sequences" or "tokens". */
int64_t bert_dataset_units(const bert_dataset *d, bert_column_per per);
const char *bert_unit_name(bert_column_per per);
/* Data of a column by name, which stays until it grows; NULL: there is none. */
int32_t *bert_dataset_ints(const bert_dataset *d, const char *name);
float *bert_dataset_floats(const bert_dataset *d, const char *name);
/* "labels" where each row has one. */
int32_t *bert_dataset_row_labels(const bert_dataset *d);
/* Whether it has labels or targets. */
bool bert_dataset_is_labelled(const bert_dataset *d);
/* bert_columns_grow() of the set: its data, or NULL. */
int32_t *bert_dataset_grow_ints(bert_dataset *d, const char *name, bert_column_per per,
                                int64_t count, bert_error *e);
float *bert_dataset_grow_floats(bert_dataset *d, const char *name, int32_t width, int64_t rows,
                                bert_error *e);

/* The task that a set with these options is of; NULL: there is none of the name. */
const bert_task *bert_dataset_task_of(const bert_dataset_options *o, const bert_model *base,
                                      bert_error *e);
/* A set without rows, and what the model and the options say of it. */
bert_dataset *bert_dataset_empty(const bert_task *task, const bert_model *base,
                                 const bert_dataset_options *o, bert_error *e);
/* where: the file's name, or what to call rows in memory. */
int bert_dataset_begin(bert_dataset_builder *b, const char *where, const char *unit,
                       const bert_model *base, const bert_dataset_options *options, bert_error *e);
/* fields: one for each label column (NULL columns: exactly one), or NULL where there are none.
 * line: for messages. */
int bert_dataset_add(bert_dataset_builder *b, const bert_text *text, const bert_text *fields,
                     int64_t line, bert_error *e);
/* The same of a row that is n texts, each a sequence of its own. */
int bert_dataset_add_views(bert_dataset_builder *b, const bert_text *texts, int n,
                           const bert_text *fields, int64_t line, bert_error *e);
/* A file of labelled rows, with the columns that the options name. */
bert_reader *bert_dataset_reader(bert_dataset_builder *b, const char *path, bert_error *e);
/* Says in the set's notes what the reader says of the file. Returns r; or NULL, r is closed then.
 */
bert_reader *bert_dataset_say_reader(bert_dataset_builder *b, bert_reader *r, bert_error *e);
/* One sequence of n tokens; type_ids NULL: all 0; ids NULL: its tokens have none, what they are made
 * of is in another column. */
int bert_dataset_add_sequence(bert_dataset_builder *b, const int32_t *ids, const int32_t *type_ids,
                              int32_t n, bert_error *e);
/* The sequences since the row before are a row: one at least. */
int bert_dataset_end_row(bert_dataset_builder *b, bert_error *e);
/* BERT_ETOOLONG in the words of every task. */
int bert_dataset_too_long(const bert_dataset_builder *b, int32_t tokens, int64_t line,
                          bert_error *e);
/* The finished set, or NULL; frees the builder in either case. */
bert_dataset *bert_dataset_finish(bert_dataset_builder *b, bert_error *e);
void bert_dataset_abandon(bert_dataset_builder *b);

/* Rows that are marked leave the set, before it has labels. */
void bert_dataset_leave_out(bert_dataset *d, const bool *out);
/* bert_dataset_add() of a row without label: it is not there. */
enum { BERT_LABEL_MISSING = 1 };
/* Counts such a row; BERT_LABEL_MISSING or an error. */
int bert_labels_none(bert_dataset_builder *b, int64_t line, bert_error *e);

/* labels.c: names, labels and targets from raw labels. */
/* Begins row `row`, the next one. */
int bert_raw_labels_row(bert_raw_labels *r, int64_t row, bert_error *e);
/* A label of that row of b->raw. */
int bert_raw_label_add(bert_dataset_builder *b, int64_t row, const char *text, size_t bytes,
                       int64_t line, bert_error *e);
/* A label that no row need have; *index: its number, or NULL. */
int bert_raw_label_know(bert_dataset_builder *b, const char *text, size_t bytes, int64_t line,
                        int32_t *index, bert_error *e);
/* Takes texts that are marked out of the list; rows are the caller's. Nothing can be added then. */
void bert_raw_labels_forget(bert_raw_labels *r, const bool *marked);
void bert_raw_labels_free(bert_raw_labels *r);
int bert_dataset_resolve(bert_dataset_builder *b, bert_error *e);
/* The names of the raw labels as the set's labels, and the number of each raw label, malloc'ed;
 * NULL on failure. */
int32_t *bert_dataset_name_labels(bert_dataset_builder *b, bert_error *e);
/* A line that says how the file was read; one more row of which `what` holds, summed up at the end:
 * base/notes.h. */
int bert_dataset_say(bert_dataset_builder *b, bert_error *e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int bert_dataset_tally(bert_dataset_builder *b, int64_t line, const char *what, bert_error *e);
/* A line of the file that is being read, for later, when others have been: what takes a line for messages
 * takes it, too. */
int64_t bert_dataset_place(const bert_dataset_builder *b, int64_t line);
enum { BERT_PLACE_NAME = 300 };
/* "line 7", "row 7", or of several files "b.tsv:7"; returns out. */
const char *bert_dataset_place_name(const bert_dataset_builder *b, int64_t place,
                                    char out[BERT_PLACE_NAME]);
/* From now on path is read, of several files. */
int bert_dataset_begin_file(bert_dataset_builder *b, const char *path, bert_error *e);
/* It has been: what was said since note `from` is said of it, where it was not of one before. */
int bert_dataset_end_file(bert_dataset_builder *b, int from, bert_error *e);
/* All have been. */
int bert_dataset_end_files(bert_dataset_builder *b, bert_error *e);
/* bert_fail with the place of a row in front. */
int bert_dataset_fail(const bert_dataset_builder *b, int64_t line, bert_error *e, int code,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));
#endif
