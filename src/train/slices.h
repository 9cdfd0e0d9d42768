/* A step's gradient: the chain over its micro-batches in their order, ((m0 + m1) + m2) + .., each a
 * fresh sum of its own, whichever process of a group has computed it. So it is the same bits for any
 * number of processes with the same number of micro-batches, one included.
 *
 * In a group each process owns slices of the parameters: there alone lie the sum, the moments and
 * what the update needs (ZeRO-2: Rajbhandari et al. 2020, arXiv:1910.02054). */
#ifndef BERT_TRAIN_SLICES_H
#define BERT_TRAIN_SLICES_H
#include "tape/params.h"
#include <bert_group.h>

/* Elements first .. first + n - 1 of a parameter; first is a multiple of BERT_NORM_PIECE. */
typedef struct {
    int param; /* its number */
    size_t first, n;
    int owner;  /* the rank */
    float *sum; /* [n], of the device; NULL: not owned, or the gradient itself is the sum */
} bert_param_slice;

/* The slices of a layer, which go together. */
typedef struct {
    struct bert_slices *all;
    int first, count; /* of stretches */
    int left;         /* parameters whose gradient is not whole yet */
} bert_bucket;

typedef struct bert_slices {
    const bert_group *group;
    bert_params *ps;
    bert_worker worker;      /* that adds: of one thread in a group */
    bert_error worker_error; /* what it says */
    bert_param_slice *at;    /* in the order of parameters, and within one */
    int count;
    /* In a group gradients go by layers, the top one first, as backward comes to them. */
    bert_bucket *buckets;
    bert_stretch *stretches; /* [count], of gradients, bucket by bucket; of any when none are on */
    int *order;              /* [count]: the slice of each of them */
    int buckets_count, next; /* next: the first that has not gone in this round */
    int senders;             /* of this round */
    bool *whole;             /* [params] in this round */
    bool *by_rows;           /* [params] tables: of them touched rows travel (slice_rows.c) */
    struct bert_slice_rows *rows;
    bert_error posted; /* what went wrong when some went in the middle of backward */
    bool *flowed;      /* [params]: in any micro-batch of this process, so far */
    int params;
    bool ready;    /* there is room for sums */
    bool is_first; /* the parts that come are of the step's first round */
    bool narrow;   /* gradients are rounded to bf16, and travel so */
    bert_arena sums;
    /* Of a device that is not the host's: what goes and comes, and where the latter belongs. */
    float *staged, **places;
    size_t *offsets; /* [count + 1] of stretches in staged */
} bert_slices;

/* Of the parameters as they are now; frozen ones have no part. To be freed unless NULL. */
bert_slices *bert_slices_new(bert_params *ps, const bert_group *g, int threads, bert_error *e);
void bert_slices_free(bert_slices *s);
/* A round begins, of the gradients that ranks 0 .. senders - 1 will have. In a group they go while
 * backward computes others: once forward has been recorded on a tape that counts uses, what has none
 * is whole, and then what backward has passed. */
void bert_slices_begin(bert_slices *s, int64_t round, int senders);
void bert_slices_recorded(bert_slices *s);
void bert_slices_passed(void *slices, const bert_param *p);
/* The round ends: its gradients are added up; in a group they are zero afterwards. Alone, after the last
 * round the sum is where gradients are. rounds: of the step; round: 0 and on. All processes begin and
 * end each, whatever happened in between. */
int bert_slices_add(bert_slices *s, int64_t round, int64_t rounds, bert_error *e);
/* The first `count` of s->stretches, values of the device that the caller has put there, go from their
 * owners to everybody. */
int bert_slices_share(const bert_slices *s, int count, bert_error *e);
/* All has been added up, and s->flowed says where anything has flowed in any process. */
void bert_slices_end(const bert_slices *s);

/* ---- wire.c: gradients as bf16. */

/* x [n] becomes bf16 in its own place: (n + 1) / 2 floats' room. */
void bert_wire_narrow(float *x, size_t n);
/* Of one process: the gradients of this round. */
int bert_wire_round_all(bert_slices *s, bert_error *e);
/* What came, n floats from the first-th on of what was sent of `all` numbers, becomes numbers. To be freed:
 * NULL where they are floats already, or memory is out (then n is 0, and the worker's error says so). */
float *bert_wire_read(bert_slices *s, const float **wire, size_t *first, size_t *n, size_t all);
/* How many floats' room n numbers take on the wire. */
static inline size_t bert_wire_floats(const bert_slices *s, size_t n) {
    return s->narrow ? (n + 1) / 2 : n;
}

/* ---- slice_rows.c: tables of embeddings, of which a micro-batch touches few rows, and those travel. */

/* Which parameters these are, once slices are cut: s->by_rows. Their sums begin with 0, to which a row
 * that nobody has touched adds nothing, bit for bit; alone as well. */
int bert_slice_rows_choose(bert_slices *s, bert_error *e);
/* Begins their exchange at the end of a round: a collective. They stay until the group's wait. */
int bert_slice_rows_add(bert_slices *s, bert_error *e);
void bert_slice_rows_free(struct bert_slice_rows *x); /* NULL-safe */
#endif
