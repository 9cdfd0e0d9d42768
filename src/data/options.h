/* Options of a task, in its file: rows of what it takes by name, and what bert_dataset_options has
 * for them. */
#ifndef BERT_DATA_OPTIONS_H
#define BERT_DATA_OPTIONS_H
#include <bert_train.h>

typedef enum {
    BERT_OPTION_TEXT,
    BERT_OPTION_COUNT,  /* a whole number, 1 at least */
    BERT_OPTION_NUMBER, /* any that is finite */
    BERT_OPTION_PART,   /* a number between 0 and 1 */
    BERT_OPTION_SWITCH
} bert_option_kind;

typedef struct {
    const char *name; /* NULL ends the rows */
    bert_option_kind kind;
    const char *takes;    /* of a text: what it may be, "NAME"; NULL: "text" */
    const char *fallback; /* what is so otherwise, as text; "" for nothing */
    const char *help;
} bert_option_row;

/* Whether that is what a name, with _ or -, means. */
bool bert_option_is(const bert_option_row *r, const char *name);
/* BERT_EINVAL, under the name that was typed: a value that it does not take. */
int bert_option_check(const bert_option_row *r, const char *typed, const char *value,
                      bert_error *e);

/* What is set for a row, or its fallback. Values have been checked. NULL: neither. */
const char *bert_option_text(const bert_dataset_options *o, const bert_option_row *r);
int32_t bert_option_count(const bert_dataset_options *o, const bert_option_row *r);
double bert_option_number(const bert_dataset_options *o, const bert_option_row *r);
bool bert_option_on(const bert_dataset_options *o, const bert_option_row *r);
bool bert_option_given(const bert_dataset_options *o, const bert_option_row *r);
#endif
