/* Files that are read as one: shards, by their names and by patterns. */
#ifndef BERT_DATA_FILE_LIST_H
#define BERT_DATA_FILE_LIST_H
#include <bert.h>

/* Zeroed: empty. */
typedef struct {
    char **path; /* [n] */
    int n;
} bert_file_list;

/* path, then those of more (up to NULL; or NULL). A name with * ? or [ that no file has is a pattern: all
 * files that fit it, by name. */
int bert_file_list_make(bert_file_list *l, const char *path, const char *const *more,
                        bert_error *e);
/* One more, which is no pattern. */
int bert_file_list_add(bert_file_list *l, const char *path, bert_error *e);
void bert_file_list_free(bert_file_list *l);
#endif
