/* Processes that share a command's work. */
#ifndef BERT_CLI_GROUP_H
#define BERT_CLI_GROUP_H
#include "cli.h"

/* Joins them, if the command takes a group: shared->group. Those but the first one say nothing. */
int group_join(const command *c, common *shared, bert_error *e);
/* Of every process, since it joined: seconds in which it computed, waited, and in which something was on
 * the way. */
int group_profile(const common *c, bert_error *e);
#endif
