/* Where in a JSON text a value stands. */
#ifndef BERT_RECIPE_PLACE_H
#define BERT_RECIPE_PLACE_H
#include <stddef.h>

/* A member (key) or an element (key NULL) of what `up` is; NULL: the whole text. */
typedef struct bert_json_place {
    const struct bert_json_place *up;
    const char *key;
    size_t index;
} bert_json_place;

/* Its line in a text that is valid JSON, from 1: of a member, that of its key. A place that is not
 * there is where the last value around it begins. */
int bert_json_place_line(const char *text, const bert_json_place *at);
/* "head[1].dropout"; returns its length. */
size_t bert_json_place_name(const bert_json_place *at, char *out, size_t capacity);
#endif
