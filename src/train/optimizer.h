/* The optimizer's state, for checkpoints. */
#ifndef BERT_TRAIN_OPTIMIZER_H
#define BERT_TRAIN_OPTIMIZER_H
#include "tape/params.h"

typedef struct {
    float *m, *v;   /* first and second moment, in the shape of the parameter, on its device */
    uint64_t steps; /* updates that this parameter has had */
} bert_adamw_state;

/* Of a parameter of the optimizer's set; allocated (zero) when there is none yet. To restore, write
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
size_t bert_optimizer_memory(const bert_optimizer *o);
#endif
