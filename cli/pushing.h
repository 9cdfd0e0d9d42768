/* Uploading a model's directory, with a progress bar: of bert push, and of train --push-to-hub. */
#ifndef BERT_CLI_PUSHING_H
#define BERT_CLI_PUSHING_H
#include "cli.h"

/* Ctrl-C ends it; the options' progress is this function's own. */
int push_directory(const common *c, const char *directory, const char *name,
                   const bert_push_options *options, bert_pushed *done, bert_error *e);
#endif
