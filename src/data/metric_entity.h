/* How good tags are. */
#ifndef BERT_DATA_METRIC_ENTITY_H
#define BERT_DATA_METRIC_ENTITY_H
#include "data/sentences.h"

/* precision, recall, f1, accuracy: seqeval's, in its default mode; *_strict: its mode "strict" with
 * the scheme of the tags. */
extern const bert_scorer bert_entity_scorer;
/* Of tags without prefixes: the same of runs of one tag, as seqeval has them with I- in front; and,
 * where each word has a class, accuracy and the classes' f1_macro. */
extern const bert_scorer bert_run_scorer, bert_tag_scorer;
/* The one for these tags. */
const bert_scorer *bert_scorer_of_tags(const bert_tags *t);

typedef struct {
    int64_t hit, predicted, truth;
} bert_entity_counts;

/* The state of these scorers. */
typedef struct {
    const bert_dataset *set;
    bert_tags *tags;
    bert_entity_counts sum[2];      /* default, strict */
    bert_entities_before before[2]; /* truth, predicted */
    bert_entity_counts *type;       /* [tags->types] entities, default mode; or words of a class */
    /* [tags->types + 1][tags->types + 1] entities of a type that were predicted as another, or with
     * other borders; the last row: where there is none, the last column: not at all. NULL: too many
     * types. */
    int64_t *confused;
    int64_t tokens, right, rows;
    int32_t *predicted;      /* [tokens of the set], -1: no label was asked for; or NULL. Grown. */
    bert_entity_span *spans; /* [2][longest] */
    int32_t *labels;         /* [2][longest] */
    int32_t longest;
    struct bert_sentence_room *room; /* of a sentence that is looked at; or NULL */
} bert_entity_state;
/* NULL: the metrics are not of tags, or nothing was predicted yet. */
bert_entity_state *bert_metrics_tags(const bert_metrics *m);
/* sentence_report.c */
void bert_sentence_room_free(struct bert_sentence_room *room);
#endif
