/* What a token classification set keeps beside its tokens: the words of its sentences as they are
 * written, and what their labels mean. */
#ifndef BERT_DATA_SENTENCES_H
#define BERT_DATA_SENTENCES_H
#include "data/dataset.h"
#include "text/tags.h"

typedef struct {
    bert_tags *tags;
    int64_t words, sentences;
    bool ordered;    /* the labels have an order that is known: numbers in another file mean it */
    int columns;     /* of the file; 0: it has none */
    char *tags_name; /* what the file calls the tags; NULL: nothing */
    /* From here on grown arrays (base/grow.h). */
    char *text;        /* the words, each followed by a NUL */
    int64_t *word;     /* [words + 1] in text */
    int64_t *token;    /* [words] the first of its tokens in the set; -1: it has none there */
    int32_t *gold;     /* [words] number of its label */
    int64_t *sentence; /* [sentences + 1] its first word */
    int64_t *line;     /* [sentences] of the file */
} bert_sentences;

extern const struct bert_prediction_rows bert_tag_predictions;
void bert_sentences_free(void *sentences);
#endif
