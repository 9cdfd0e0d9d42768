/* Lists written as text: what Python's str() makes of a list, a tuple, a set, a dictionary or a
 * NumPy array, and so what a .csv of pandas holds; and JSON. */
#ifndef BERT_DATA_LABEL_LIST_H
#define BERT_DATA_LABEL_LIST_H
#include <bert.h>

typedef enum {
    BERT_LIST_NONE, /* an ordinary text, "[other]" too */
    BERT_LIST_ITEMS,
    BERT_LIST_PAIRS, /* a dictionary */
    BERT_LIST_ODD    /* looks like a list and is none that can be read */
} bert_list_kind;

typedef struct {
    bert_list_kind kind;
    int32_t n;
    bert_text *item;  /* [n] elements or keys; True and False are 1 and 0 */
    bert_text *value; /* [n] of a dictionary */
    char *bytes;      /* that they point to */
} bert_list;

/* BERT_ENOMEM or 0. */
int bert_list_parse(const char *text, size_t n, bert_list *out, bert_error *e);
/* The elements of "a|b|c", as readers give the lists of JSON. */
int bert_list_split(const char *text, size_t n, char separator, bert_list *out, bert_error *e);
void bert_list_free(bert_list *l);
#endif
