/* UTF-16 as it comes from a file, piece by piece, to UTF-8. */
#ifndef BERT_FILES_UTF16_H
#define BERT_FILES_UTF16_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    bool big_endian;
    uint16_t high; /* a high surrogate that waits for its other half, or 0 */
} bert_utf16;

/* Converts whole units of in[0 .. n) and says in *used how many bytes they were: n, or one less.
 * Writes at most 3 bytes a unit, and 3 more, and returns how many. Halves of pairs become U+FFFD.
 */
size_t bert_utf16_to_utf8(bert_utf16 *s, const unsigned char *in, size_t n, size_t *used,
                          char *out);
/* What is left at the end of the file: at most 3 bytes. */
size_t bert_utf16_end(bert_utf16 *s, char *out);
#endif
