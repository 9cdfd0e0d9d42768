/* reduce_lr_on_plateau: the one schedule that looks at an evaluation. */
#ifndef BERT_TRAIN_SCHEDULE_H
#define BERT_TRAIN_SCHEDULE_H
#include <bert_train.h>

/* What its evaluations have come to. */
typedef struct {
    double scale; /* of the learning rate; 1 to begin with */
    double best;  /* NaN: no evaluation yet */
    int64_t bad;  /* evaluations since that were not better */
    int64_t cooldown;
} bert_plateau;

/* An evaluation: torch.optim.lr_scheduler.ReduceLROnPlateau.step. */
void bert_plateau_step(const bert_schedule *s, bert_plateau *p, double metric);
#endif
