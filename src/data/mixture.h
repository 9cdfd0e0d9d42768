/* Batches of several datasets over one encoder, as one sequence in which each dataset has its share.
 * Which rows a batch has follows from seed, epoch and its number alone, as a loader's batches do, so
 * that a resumed run replays nothing; one dataset alone is its loader's batches. */
#ifndef BERT_DATA_MIXTURE_H
#define BERT_DATA_MIXTURE_H
#include <bert_train.h>

enum { BERT_MIXTURE_SETS = 64 };

typedef struct {
    bert_loader_options loader; /* the batch size is that of all sets together */
    bool mixed;                 /* a batch has rows of several sets; else of one */
    double temperature;         /* 1: shares in proportion to sizes; t: to sizes^(1/t) */
    const double *weights;      /* [n] of the sets, in the place of their sizes; NULL: none */
} bert_mixture_options;

/* What a batch has of a set. */
typedef struct {
    int32_t set;
    bert_batch batch;
    int32_t first; /* its first token among those of all parts */
} bert_mixture_part;

typedef struct {
    bert_mixture_part part[BERT_MIXTURE_SETS];
    int32_t count;
    bert_inputs inputs; /* of all parts, one after the other */
} bert_mixed_batch;

typedef struct bert_mixture bert_mixture;
/* An epoch has as many batches (mixed: rows) as the sets have together, at least one of each. Sets
 * must stay. BERT_EINVAL: their rows are not read alike, as texts and pictures. */
bert_mixture *bert_mixture_new(const bert_dataset *const *sets, int32_t n,
                               const bert_mixture_options *options, bert_error *e);
void bert_mixture_free(bert_mixture *x);
/* In an epoch. */
int64_t bert_mixture_batches(const bert_mixture *x);
/* Of an epoch, of a set: how many batches (mixed: rows). */
int64_t bert_mixture_share(const bert_mixture *x, int32_t set);
/* Batch `index` of `epoch`; its arrays are the mixture's, valid until the next call. */
int bert_mixture_get(bert_mixture *x, int64_t epoch, int64_t index, bert_mixed_batch *out,
                     bert_error *e);
/* How many batches (mixed: rows) a set has given before that one, or a negative error. */
int64_t bert_mixture_cursor(bert_mixture *x, int64_t epoch, int64_t index, int32_t set,
                            bert_error *e);
#endif
