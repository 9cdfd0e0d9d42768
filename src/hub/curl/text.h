/* Small things of text: errors, percent-encoding, base64. */
#ifndef BERT_MODULE_TEXT_H
#define BERT_MODULE_TEXT_H
#include <bert.h>

/* Sets *e unless it is set, and returns code. Characters that could control a terminal become '?'. */
int hub_fail(bert_error *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int hub_fail_memory(bert_error *e);
/* A printf into malloc'ed memory, or NULL. */
char *hub_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Percent-encoded, malloc'ed; slashes stay where keep_slashes. */
char *hub_encode(const char *text, bool keep_slashes);
/* Base64, malloc'ed, with a NUL. */
char *hub_base64(const void *data, size_t bytes);
#endif
