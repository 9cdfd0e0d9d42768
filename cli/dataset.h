/* Datasets by the shared options. */
#ifndef BERT_CLI_DATASET_H
#define BERT_CLI_DATASET_H
#include "cli.h"
#include <bert_train.h>

typedef struct {
    const char *separator, *names, *missing, *positive, *problem_type, *task;
    int32_t doc_stride, n_best_size, max_answer_length;
    double null_score_diff_threshold;
    bool label_all_tokens, whole_word_mask, line_by_line;
    double mlm_probability;
} label_options;

/* Rows of the tables of options of commands whose arguments have label_options `labels`. */
#define LABEL_AT(type, member) offsetof(type, labels.member), 0
#define LABEL_OPTIONS(type)                                                                        \
    {"label-separator",                                                                            \
     0,                                                                                            \
     "TEXT",                                                                                       \
     "a field holds several labels, separated by this",                                            \
     set_string,                                                                                   \
     LABEL_AT(type, separator)},                                                                   \
        {"label-names",                                                                            \
         0,                                                                                        \
         "a,b,c|FILE",                                                                             \
         "what the labels 0, 1, .. are called: by commas, a file of a name a line, or JSON: a "    \
         "list, id2label, datasets' features",                                                     \
         set_string,                                                                               \
         LABEL_AT(type, names)},                                                                   \
        {"missing-label",                                                                          \
         0,                                                                                        \
         "TEXT[,TEXT]|none",                                                                       \
         "rows with this label have none and are left out (default: nan, -1 beside classes 0 to "  \
         "2 or more, -)",                                                                          \
         set_string,                                                                               \
         LABEL_AT(type, missing)},                                                                 \
        {"positive-label",                                                                         \
         0,                                                                                        \
         "NAME",                                                                                   \
         "of two classes: the one that precision, recall and f1 are of (the second)",              \
         set_string,                                                                               \
         LABEL_AT(type, positive)},                                                                \
        {"doc-stride", 0,                                                                          \
         "N",          "question answering: tokens that windows share (128)",                      \
         set_positive, LABEL_AT(type, doc_stride)},                                                \
        {"n-best-size", 0,                                                                         \
         "N",           "its metrics: candidates of a start and an end (20)",                      \
         set_positive,  LABEL_AT(type, n_best_size)},                                              \
        {"max-answer-length",                                                                      \
         0,                                                                                        \
         "N",                                                                                      \
         "the same: most tokens of an answer (30)",                                                \
         set_positive,                                                                             \
         LABEL_AT(type, max_answer_length)},                                                       \
        {"null-score-diff-threshold",                                                              \
         0,                                                                                        \
         "X",                                                                                      \
         "the same: how much better than an answer none must be (0)",                              \
         set_real,                                                                                 \
         LABEL_AT(type, null_score_diff_threshold)},                                               \
        {"label-all-tokens",                                                                       \
         0,                                                                                        \
         NULL,                                                                                     \
         "token classification: not the first token of a word only",                               \
         set_true,                                                                                 \
         LABEL_AT(type, label_all_tokens)},                                                        \
        {"mlm-probability",                                                                        \
         0,                                                                                        \
         "X",                                                                                      \
         "masked-lm, pretraining: part of the tokens that is hidden (0.15)",                       \
         set_part,                                                                                 \
         LABEL_AT(type, mlm_probability)},                                                         \
        {"whole-word-mask",                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "the same: hide words, not pieces of them",                                               \
         set_true,                                                                                 \
         LABEL_AT(type, whole_word_mask)},                                                         \
    {                                                                                              \
        "line-by-line", 0, NULL, "masked-lm: a row a line, not all text in pieces", set_true,      \
            LABEL_AT(type, line_by_line)                                                           \
    }
int set_part(const option *o, void *target, const char *value, bert_error *e); /* 0 < x < 1 */
int set_real(const option *o, void *target, const char *value, bert_error *e);
bert_dataset_options dataset_options(const common *c, const label_options *l);
/* A line of what is in it: rows, tokens, rows per label; and one where text was cut off. */
void dataset_note(const common *c, const char *name, const bert_dataset *d);
#endif
