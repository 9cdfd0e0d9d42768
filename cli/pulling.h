/* Fetching models by name: what every command with a MODEL does where it is not in the cache. */
#ifndef BERT_CLI_PULLING_H
#define BERT_CLI_PULLING_H
#include "cli.h"

/* Options with a progress bar on standard error; they stay valid until the next call. */
bert_pull_options *pulling(const common *c);
/* Takes the bar away; to be called when what fetched has returned. */
void pulling_done(void);
#endif
