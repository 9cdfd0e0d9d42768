/* Filling in the public bert_error; see include/bert.h. */
#ifndef BERT_BASE_ERROR_H
#define BERT_BASE_ERROR_H
#include <bert.h>
#include <stdarg.h>

/* ---- The public door
 * A public function that reports errors begins with BERT_DOOR(e). From there on e is never NULL and
 * begins empty, whatever its caller passed; so what lies inside reads e->code without a guard. When
 * the function returns, by whichever way, what went wrong is handed to the caller's error, unless
 * that holds one: the first error is the cause. */
typedef struct {
    bert_error inside, *caller; /* caller: may be NULL */
} bert_door;

static inline bert_error *bert_door_enter(bert_door *d, bert_error *caller) {
    d->caller = caller;
    d->inside.code = BERT_OK;
    d->inside.message[0] = 0;
    return &d->inside;
}

static inline void bert_door_leave(bert_door *d) {
    if (d->inside.code && d->caller && d->caller->code == BERT_OK) *d->caller = d->inside;
}

#define BERT_DOOR(e)                                                                               \
    __attribute__((cleanup(bert_door_leave))) bert_door door;                                      \
    e = bert_door_enter(&door, e)

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

/* Puts "where: " in front of the message, for a caller that knows more than its callee. */
void bert_error_prefix(bert_error *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#endif
