/* The rows of multiple choice, whatever file they come from. */
#ifndef BERT_DATA_CHOICE_H
#define BERT_DATA_CHOICE_H
#include "data/dataset.h"
#include <jansson.h>

enum { BERT_CHOICES_MAX = 32 };

typedef struct {
    int64_t line;
    bert_text prompt;
    const char *before; /* what every ending begins with (SWAG's sent2, RACE's question), or NULL */
    const char *ending[BERT_CHOICES_MAX];
    const char *mark[BERT_CHOICES_MAX]; /* what the file calls each, "A" or "1"; or NULL */
    int n;
    const char *label; /* as it is written; NULL: none */
} bert_choice_row;

/* Which columns, or members of an object, are what; -1: none. */
typedef struct {
    int prompt, before, label;
    int list; /* one that holds all endings */
    int ending[BERT_CHOICES_MAX], n;
} bert_choice_columns;

/* The usual names of prompts and of labels, best first, ended by NULL. */
extern const char *const bert_choice_prompts[], *const bert_choice_labels[];

/* Finds the endings, and what is before them; c->prompt and c->label are there already. asked: the
 * prompt was asked for by name or number. */
void bert_choice_find(char *const *names, int n, bool asked, bert_choice_columns *c);
/* Says which columns were taken and which were not. layout: of the file. */
int bert_choice_say(bert_dataset_builder *b, const char *layout, char *const *names, int n,
                    const bert_choice_columns *c, bert_error *e);

/* Calls add() for every row of a file of JSON objects. */
typedef int bert_choice_add(void *to, const bert_choice_row *row, bert_error *e);
int bert_choice_read_json(bert_dataset_builder *b, const char *path, bert_choice_add *add, void *to,
                          bert_error *e);
#endif
