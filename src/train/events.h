/* Where a run is in its epochs, and who hears of it: below all that happens in it. */
#ifndef BERT_TRAIN_EVENTS_H
#define BERT_TRAIN_EVENTS_H
#include "train/run.h"

/* Epochs done, a part of one by its batches. */
double bert_trainer_epoch(const bert_trainer *t);
/* Calls the callbacks, and notes what they wish. */
void bert_trainer_emit(bert_trainer *t, bert_event event);
#endif
