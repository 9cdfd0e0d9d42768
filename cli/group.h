/* Processes that share a command's work. */
#ifndef BERT_CLI_GROUP_H
#define BERT_CLI_GROUP_H
#include "cli.h"

/* Joins them, if the command takes a group: shared->group. Those but the first one say nothing. */
int group_join(const command *c, common *shared, bert_error *e);
/* How many threads this process is to have, where so many were asked for (0: none were): its part of the
 * machine's cores, where the launcher has bound it to none. */
int group_threads(const common *c, int asked);
/* Of every process, since it joined: seconds in which it computed, waited, and in which something was on
 * the way. */
int group_profile(const common *c, bert_error *e);
#endif
