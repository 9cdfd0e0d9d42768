/* What the rows of a file said, in its own spelling: lists of strings, and the line of each. */
#ifndef BERT_DATA_KEPT_H
#define BERT_DATA_KEPT_H
#include "data/lay.h"

/* Zeroed: empty. Grown arrays (base/grow.h): texts may be larger than memory. */
typedef struct {
    char *bytes;     /* of all strings, a NUL after each */
    int64_t *string; /* [strings + 1] in bytes */
    int64_t *first;  /* [rows + 1] in string */
    int64_t *line;   /* [rows] */
    int64_t rows, strings;
} bert_kept;

int bert_kept_row(bert_kept *k, int64_t line, bert_error *e); /* begins the next row */
/* A string of that row. */
int bert_kept_add(bert_kept *k, const char *text, size_t bytes, bert_error *e);
int64_t bert_kept_count(const bert_kept *k, int64_t row);
const char *bert_kept_at(const bert_kept *k, int64_t row, int64_t i, size_t *bytes);
/* Rows that are marked are not there any more. */
void bert_kept_leave_out(bert_kept *k, const bool *out);
void bert_kept_free(bert_kept *k);
void bert_kept_lay(bert_kept *k, bert_laid *l);
#endif
