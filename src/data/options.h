/* Options of a task, in its file: rows of what bert_dataset_options holds for it, by name. */
#ifndef BERT_DATA_OPTIONS_H
#define BERT_DATA_OPTIONS_H
#include <bert_train.h>
#include <stddef.h>

typedef enum {
    BERT_OPTION_TEXT,   /* const char *, which stays the caller's */
    BERT_OPTION_COUNT,  /* int32_t, 1 at least */
    BERT_OPTION_NUMBER, /* double */
    BERT_OPTION_PART,   /* double, between 0 and 1 */
    BERT_OPTION_SWITCH  /* bool */
} bert_option_kind;

typedef struct {
    const char *name; /* NULL ends the rows */
    bert_option_kind kind;
    size_t offset;     /* in bert_dataset_options */
    const char *takes; /* of a text: what it may be, "NAME"; NULL: "text" */
    const char *fallback, *help;
} bert_option_row;
#define BERT_OPTION(name, kind, takes, fallback, help)                                             \
    { #name, kind, offsetof(bert_dataset_options, name), takes, fallback, help }
#endif
