/* What is said about training arguments, and about how training ended. */
#ifndef BERT_CLI_TRAIN_NOTES_H
#define BERT_CLI_TRAIN_NOTES_H
#include "cli.h"
#include <bert_train.h>

/* Training arguments that were typed, by their numbers in the table of the library. */
typedef struct {
    bool is[96];
} given_arguments;
void given_add(given_arguments *g, const char *name); /* with - or _ */

/* Those of them that do nothing beside the others. */
void idle_notes(const common *c, const bert_training_args *a, const given_arguments *g,
                bool several);
/* Metrics that have another name for this data than the arguments give them. */
void metric_notes(const common *c, const bert_training_args *a, const bert_trainer_state *t);
/* Why training ended, and which weights were the best. */
void ending_notes(const common *c, const bert_training_args *a, const bert_trainer_state *t,
                  bool is_marked);
#endif
