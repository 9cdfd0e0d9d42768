#include "base/error.h"
#include "base/printable.h"
#include <stdio.h>
#include <string.h>

int bert_fail_v(bert_error *e, int code, const char *format, va_list args) {
    if (e && e->code == BERT_OK) {
        e->code = code;
        char raw[sizeof e->message];
        vsnprintf(raw, sizeof raw, format, args);
        bert_printable(e->message, sizeof e->message, raw);
    }
    return code;
}

int bert_fail(bert_error *e, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    bert_fail_v(e, code, format, args);
    va_end(args);
    return code;
}

int bert_need(const void *object, const char *what, bert_error *e) {
    return object ? BERT_OK : bert_fail(e, BERT_EINVAL, "there is no %s", what);
}

int bert_fail_memory(bert_error *e, size_t bytes) {
    return bert_fail(e, BERT_ENOMEM, "out of memory: %zu bytes were asked for", bytes);
}

void bert_error_prefix(bert_error *e, const char *format, ...) {
    if (!e || e->code == BERT_OK) return;
    char text[sizeof e->message], rest[sizeof e->message];
    va_list args;
    va_start(args, format);
    vsnprintf(rest, sizeof rest, format, args);
    va_end(args);
    bert_printable(text, sizeof text, rest);
    memcpy(rest, e->message, sizeof rest);
    size_t n = strlen(text);
    if (n >= sizeof e->message) n = sizeof e->message - 1;
    memcpy(e->message, text, n);
    snprintf(e->message + n, sizeof e->message - n, "%s", rest);
}

void bert_error_clear(bert_error *e) {
    if (!e) return;
    e->code = BERT_OK;
    e->message[0] = 0;
}

const char *bert_error_name(int code) {
    static const char *const names[] = {
#define BERT_ERROR_NAME(name, value, text) [-(value)] = text,
        BERT_ERROR_LIST(BERT_ERROR_NAME)
#undef BERT_ERROR_NAME
    };
    int i = -code;
    return i >= 0 && i < (int)(sizeof names / sizeof *names) && names[i] ? names[i]
                                                                         : "unknown error";
}
