/* Filling in the public bert_error; see include/bert.h. */
#ifndef BERT_BASE_ERROR_H
#define BERT_BASE_ERROR_H
#include <bert.h>
#include <stdarg.h>

/* Sets *e (may be NULL) to the code and formatted message and returns code, so that
 * `return bert_fail(e, BERT_EFORMAT, "%s: ...", path)` is one line. An error that is already set is
 * kept: the first one is the cause. */
int bert_fail(bert_error *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int bert_fail_v(bert_error *e, int code, const char *format, va_list args);

/* bert_fail(e, BERT_ENOMEM, ...) with the size that was asked for. */
int bert_fail_memory(bert_error *e, size_t bytes);

/* BERT_EINVAL "there is no <what>" where object is NULL, else 0. What could not be opened has set
 * the error already, and that is kept: callers of the library may check once, at the end. */
int bert_need(const void *object, const char *what, bert_error *e);

/* What a callee that returns a pointer failed with: e's code, or `otherwise` where the caller
 * passed no bert_error. */
int bert_error_code(const bert_error *e, int otherwise);

/* Puts "where: " in front of the message, for a caller that knows more than its callee. */
void bert_error_prefix(bert_error *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#endif
