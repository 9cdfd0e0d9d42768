/* Rows that are several texts, and what a recipe says of rows. */
#ifndef BERT_DATA_VIEWS_H
#define BERT_DATA_VIEWS_H
#include "data/dataset.h"

enum { BERT_MOST_VIEWS = 16 };

/* The columns of each view. */
typedef struct {
    char *names; /* "a+b,c", cut up */
    const char *text[BERT_MOST_VIEWS], *pair[BERT_MOST_VIEWS];
    int text_at[BERT_MOST_VIEWS], pair_at[BERT_MOST_VIEWS]; /* numbers of the columns, once known */
    int n;                                                  /* 0: a row is one text */
    bool found;
} bert_text_views;

extern const bert_option_row bert_text_views_option[];
int bert_text_views_open(bert_text_views *v, const bert_dataset_options *o, bert_error *e);
void bert_text_views_close(bert_text_views *v);
/* The texts of a row, each a view: texts [BERT_MOST_VIEWS]. */
int bert_text_views_of(bert_text_views *v, const bert_dataset_builder *b, const bert_reader *r,
                       const bert_row *row, bert_text *texts, bert_error *e);

/* Whether the encoder reads what the recipe's inputs are; else an error at their place. */
int bert_recipe_reads(const bert_recipe *r, const bert_model *base, bert_error *e);
/* Puts what the recipe says into options that say nothing; strings in *kept, to be freed once the set
 * is open. */
int bert_recipe_options(const bert_recipe *r, bert_dataset_options *o, char **kept, bert_error *e);
#endif
