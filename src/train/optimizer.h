/* The optimizer's state, for checkpoints. */
#ifndef BERT_TRAIN_OPTIMIZER_H
#define BERT_TRAIN_OPTIMIZER_H
#include "train/slices.h"

typedef struct {
    float *m, *v;   /* first and second moment, in the shape of the parameter, on its device */
    uint64_t steps; /* updates that this parameter has had */
} bert_adamw_state;

/* Of a parameter of the optimizer's set, not divided; allocated (zero) when there is none yet. To restore, write
 * m, v (with the device's write) and steps. NULL when memory is out or p is of another set. */
bert_adamw_state *bert_optimizer_state(bert_optimizer *o, const bert_param *p, bert_error *e);
/* False while p has not been updated: a checkpoint need not hold it. */
bool bert_optimizer_has_state(const bert_optimizer *o, const bert_param *p);
/* Every value from now on counts as never updated. */
void bert_optimizer_forget(bert_optimizer *o);
/* bert_optimizer_step in two: the global norm (BERT_ENUMERIC names the first parameter whose
 * gradient is not finite), and the update with gradients multiplied by scale. */
int bert_optimizer_norm(bert_optimizer *o, double *norm, bert_error *e);
int bert_optimizer_update(bert_optimizer *o, double lr, double scale, bert_error *e);
/* From now on only what this process owns of s, which must stay, is updated, from the sums there, and
 * then shared; moments lie with the owners. Before the first step. */
int bert_optimizer_divide(bert_optimizer *o, const bert_slices *s, bert_error *e);
/* A moment of a parameter that has one, by its number: all of it in `to` of the host in rank 0, which
 * is [elements] in every process, for each calls it. */
int bert_optimizer_read(bert_optimizer *o, int param, bool second, float *to, bert_error *e);
/* Restores both: whole, of the host. */
int bert_optimizer_write(bert_optimizer *o, int param, const float *m, const float *v,
                         uint64_t steps, bert_error *e);
size_t bert_optimizer_memory(const bert_optimizer *o);
#endif
