/* Files of questions: SQuAD's nesting (data, paragraphs, qas) or any part of it, and flat rows, as
 * one JSON value, an array or JSON lines. */
#ifndef BERT_DATA_QUESTION_FILE_H
#define BERT_DATA_QUESTION_FILE_H
#include <bert.h>
#include <jansson.h>

/* The members that hold what is read. */
typedef struct {
    const char *question, *context, *answers;
} bert_question_keys;

/* Belongs to the file until the call returns. */
typedef struct {
    const json_t *question; /* the object that holds it, its id and answers */
    const json_t *context;  /* a string */
    int64_t line;           /* 0: one of a larger object */
} bert_question_row;

typedef struct {
    bool nested, flat; /* what there was */
    bool version_2;    /* the file calls itself 2.0, or some question says is_impossible */
} bert_question_shape;

/* each is called for every question; what it returns other than 0 ends the reading. An error names
 * file and line, or what the format is if it is a known one that is not read. */
int bert_questions_read(const char *path, const bert_question_keys *keys,
                        int (*each)(void *context, const bert_question_row *row, bert_error *e),
                        void *context, bert_question_shape *shape, bert_error *e);
#endif
