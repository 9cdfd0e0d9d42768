/* The module's parts, behind one object. */
#ifndef BERT_MODULE_MODULE_H
#define BERT_MODULE_MODULE_H
#include "http.h"

/* The address of a file, malloc'ed. */
char *hub_file_url(const hub_http *h, const char *id, const char *commit, const char *path);
int hub_fetch(void *hub, const char *id, const char *commit, const char *path, int64_t from,
              const bert_hub_sink *sink, bert_error *e);
int hub_push(void *hub, const bert_hub_push *what, bert_hub_pushed *out, bert_error *e);
#endif
