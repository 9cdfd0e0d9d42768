/* Late interaction: a vector for each token (ColBERT: Khattab and Zaharia 2020, arXiv:2004.12832), as
 * sentence-transformers' MultiVectorEncoder, PyLate, the original ColBERT and bge-m3 store it. */
#ifndef BERT_MODELS_MULTI_H
#define BERT_MODELS_MULTI_H
#include "models/modules.h"

typedef struct {
    bool there;           /* the checkpoint makes such vectors, */
    bert_error refused;   /* unless something it asks for is not there or not supported */
    bert_modules modules; /* of each token */
    bool without_first;   /* the first token has no vector: bge-m3 */
    bool mean;            /* scores are divided by the query's vectors */
    json_t *skipped;      /* words whose tokens have no vector, or NULL; of which sides: */
    bool skips[2];
    json_t *kept; /* ids: only these tokens of documents have vectors; or NULL */
    /* By side, queries (0) and documents: */
    int32_t length[2]; /* most tokens; 0: nothing is said */
    char *marker[2];   /* in front of texts, as one token where the vocabulary has it; or NULL */
    /* Queries are made this long by further tokens; 0: they are not. */
    int32_t expanded;
    bool cut, attend; /* longer ones are cut; the further tokens are seen by the others */
    char *expansion;  /* the further token; NULL: [MASK] */
} bert_multi;

/* list, options: modules.json and config_sentence_transformers.json, or NULL; hidden: columns of a
 * hidden state. Only memory and malformed files are errors here. */
int bert_multi_read(const bert_pretrained *from, const json_t *list, const json_t *options,
                    bert_multi *m, bert_error *e);
void bert_multi_free(bert_multi *m);
#endif
