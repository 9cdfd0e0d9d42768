/* Labels of words as tags: a prefix that says where in an entity a word stands, and the entity's
 * type. B-PER, I-PER and O are tags of the scheme IOB2. */
#ifndef BERT_TEXT_TAGS_H
#define BERT_TEXT_TAGS_H
#include <bert.h>

typedef enum {
    BERT_TAGS_IOB2,    /* an entity begins with B- */
    BERT_TAGS_IOB1,    /* .. only where one of its type is in front of it, else with I- */
    BERT_TAGS_IOE2,    /* an entity ends with E- */
    BERT_TAGS_IOE1,    /* .. only where one of its type follows */
    BERT_TAGS_IOBES,   /* B- I- E-, or S- alone */
    BERT_TAGS_BILOU,   /* the same with L- for E- and U- for S- */
    BERT_TAGS_BMEWO,   /* the same with M- for I- and W- (or S-) for S- */
    BERT_TAGS_IO,      /* no prefix: runs of one tag, O outside */
    BERT_TAGS_CLASSES, /* no prefix and no O: a class for each word, such as its part of speech */
} bert_tag_scheme;
/* Of seqeval where it has the scheme. */
const char *bert_tag_scheme_name(bert_tag_scheme s);
static inline bool bert_tags_have_prefixes(bert_tag_scheme s) {
    return s < BERT_TAGS_IO;
}

typedef struct {
    char prefix;
    int32_t type; /* number of types */
} bert_word_tag;

typedef struct {
    bert_tag_scheme scheme;
    bool suffix;        /* PER-B, not B-PER */
    int32_t n;          /* labels */
    bert_word_tag *tag; /* [n] as seqeval's default mode reads them */
    /* [n] as a scheme reads them, with I, B, E, S or O as prefix: what the scheme does not have is
     * outside. */
    bert_word_tag *strict;
    char **type; /* [types] in order; "_" where a tag has none */
    int32_t types;
    int32_t entity_types;  /* those of labels other than O */
    int32_t odd;           /* labels that lack the prefix that others have, */
    const char *first_odd; /* and one of them, of names */
    char prefixes[9 + 1];  /* those that occur: "BI" */
} bert_tags;

/* What n names of labels are; they must outlive it. Where B- and I- (or E- and I-) do not say
 * which of two schemes it is: the second, see bert_tags_settle(). NULL: no memory. */
bert_tags *bert_tags_new(char *const *names, int32_t n, bert_error *e);
void bert_tags_free(bert_tags *t); /* NULL-safe */

/* What tells IOB1 from IOB2, and IOE1 from IOE2, counted over sequences. Zeroed: none seen. */
typedef struct {
    int64_t entities;
    int64_t unmarked; /* that begin (end) with I- */
    int64_t marked;   /* that begin (end) with B- (E-) though nothing of the type touches it */
    int64_t first;    /* sequence with the first of the unmarked ones */
    int64_t sequences;
} bert_tag_evidence;
void bert_tags_see(const bert_tags *t, const int32_t *labels, int32_t n, bert_tag_evidence *seen);
void bert_tags_settle(bert_tags *t, const bert_tag_evidence *seen);
/* Sets the scheme, where the prefixes allow it. */
void bert_tags_set(bert_tags *t, bert_tag_scheme s);

typedef struct {
    int32_t type;
    int32_t start, end; /* labels, end included */
} bert_entity_span;
/* seqeval reads all sentences as one sequence, which shows where tags are of no scheme: what is
 * left of those before. Zeroed: nothing was before. */
typedef struct {
    bool begun;
    int32_t begin; /* of the latest entity, as a place in the next sentence: below 0 */
} bert_entities_before;
/* The entities of n labels: seqeval's default mode, which is conlleval's, and its mode "strict",
 * each with its quirks; out holds n. before may be NULL. Return how many, in order of their ends,
 * which are distinct. */
int32_t bert_tags_entities(const bert_tags *t, bert_entities_before *before, const int32_t *labels,
                           int32_t n, bert_entity_span *out);
int32_t bert_tags_entities_strict(const bert_tags *t, const int32_t *labels, int32_t n,
                                  bert_entity_span *out);
#endif
