/* What parsing and help share: the rows of a command's options. */
#ifndef BERT_CLI_OPTIONS_H
#define BERT_CLI_OPTIONS_H
#include "cli.h"

/* Row i of what a command takes: its own, the shared ones, then those of run time. */
bool option_of(const command *c, int i, option *out);
#endif
