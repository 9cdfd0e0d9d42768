/* Numbers as files and arguments have them, with a decimal point, whatever locale the program
 * around the library has set. */
#ifndef BERT_BASE_NUMBER_H
#define BERT_BASE_NUMBER_H
#include <stdarg.h>
#include <stddef.h>

/* The C library's functions without the bert_. */
double bert_strtod(const char *text, char **end);
int bert_snprintf(char *out, size_t capacity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int bert_vsnprintf(char *out, size_t capacity, const char *format, va_list args);
int bert_vasprintf(char **out, const char *format, va_list args);
/* With the fewest significant digits, `least` at least, that read back as the same number. */
void bert_format_double(char *out, size_t capacity, int least, double v);
#endif
