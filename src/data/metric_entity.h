/* Entities in sequences of labels such as B-PER, I-PER, O. */
#ifndef BERT_DATA_METRIC_ENTITY_H
#define BERT_DATA_METRIC_ENTITY_H
#include "data/task.h"

/* precision, recall, f1, accuracy: seqeval's, in its default mode; *_strict: its mode "strict" with
 * the scheme IOB2, where an entity begins with B- and goes on with I- of the same type. */
extern const bert_scorer bert_entity_scorer;

typedef struct {
    const char *type;
    int32_t start, end; /* labels, end included */
} bert_entity_span;
/* The entities of n labels; out holds n. Returns how many. */
int32_t bert_entities(const char *const *labels, int32_t n, bert_entity_span *out);
int32_t bert_entities_strict(const char *const *labels, int32_t n, bert_entity_span *out);
#endif
