/* An answer while it is written. */
#ifndef BERT_SERVER_TEXT_H
#define BERT_SERVER_TEXT_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char *s;
    size_t n, capacity;
    bool failed; /* out of memory: what comes next is passed over */
} text;
void text_free(text *t);
void text_add(text *t, const char *s, size_t n);
void text_put(text *t, const char *s);
void text_format(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A string of JSON; what of s is no UTF-8 becomes U+FFFD. */
void text_quoted(text *t, const char *s, size_t n);
void text_json(text *t, const json_t *json);
/* Nine digits, which bring a float back to the bit; null where it is not finite. */
void text_float(text *t, float x);
void text_floats(text *t, const float *x, size_t n);
/* n bytes in base64, with its padding. */
void text_base64(text *t, const void *bytes, size_t n);
#endif
