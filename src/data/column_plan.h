/* Files of a word a line: how a line is split, and which columns are the word and its label. */
#ifndef BERT_DATA_COLUMN_PLAN_H
#define BERT_DATA_COLUMN_PLAN_H
#include "data/dataset.h"

enum { BERT_COLUMNS_MAX = 256 };

typedef struct {
    char *text;
    size_t bytes;
} bert_field;

typedef struct {
    char *text; /* NUL-terminated */
    size_t bytes;
    int64_t number;
} bert_word_line;

typedef struct {
    char separator; /* tab; comma or semicolon of .csv; ' ': any number of blanks */
    int columns;    /* of most lines */
    int word, label;
    int sentence;      /* a column that says in which sentence a word is; -1: blank lines do */
    bool header;       /* the first line of words names the columns */
    bool index;        /* column 0 counts the words of a sentence, as CoNLL-U does */
    bool ragged;       /* lines may have more columns */
    char prefix[16];   /* in front of words, and none of them: "en:"; or "" */
    char *label_name;  /* by the header; NULL: it has none */
    char *header_line; /* the header, cut into fields; NULL: none */
} bert_column_plan;

/* From the first lines of a file, `ended` where these are all; says what was chosen. What is
 * doubtful is an error that names the options. The plan is to be freed in either case. */
int bert_column_plan_make(bert_dataset_builder *b, const char *path, const bert_word_line *lines,
                          size_t n, bert_column_plan *p, bert_error *e);
void bert_column_plan_free(bert_column_plan *p);

/* Whether fields may be in quotes. */
static inline bool bert_separator_quotes(char separator) {
    return separator == ',' || separator == ';';
}
/* The fields of a line; where they may be in quotes it is written to. Returns how many, at most
 * BERT_COLUMNS_MAX + 1; -1: a quoted field does not end. */
int bert_column_split(char separator, char *line, size_t n, bert_field *out);
bool bert_blank_line(const char *line, size_t n);
/* -DOCSTART-, with columns or without. */
bool bert_document_line(const char *line, size_t n);
/* A comment, if it stands in front of a sentence: "# key = value", or another number of columns
 * than words have. */
bool bert_comment_line(const bert_column_plan *p, const char *line, size_t n);
#endif
