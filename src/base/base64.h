#ifndef BERT_BASE_BASE64_H
#define BERT_BASE_BASE64_H
#include <stddef.h>
#include <stdint.h>

/* The bytes of base64 text, into out, which has room for n; how many, or -1: it is not that. */
int64_t bert_base64_read(const char *text, size_t n, uint8_t *out);
/* Its length for so many bytes, and the text itself with a NUL. */
size_t bert_base64_size(size_t bytes);
void bert_base64_write(const uint8_t *bytes, size_t n, char *out);
#endif
