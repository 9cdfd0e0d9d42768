/* The stock kinds of checkpoints, each in a file of its own. */
#ifndef BERT_FILES_PRETRAINED_KINDS_H
#define BERT_FILES_PRETRAINED_KINDS_H
#include "files/pretrained_kind.h"

extern const bert_pretrained_kind bert_pretrained_in_gguf, bert_pretrained_in_directory;
/* Whether a directory holds weights in files of the usual names, in whatever format; read: in one
 * that is read. */
bool bert_pretrained_has_weights(const char *directory, bool read);
#endif
