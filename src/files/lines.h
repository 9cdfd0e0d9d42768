/* The lines of a file, one at a time. */
#ifndef BERT_FILES_LINES_H
#define BERT_FILES_LINES_H
#include <bert.h>

enum { BERT_LINE_MAX = 256 << 20 };

typedef struct bert_lines bert_lines;

/* path: "-" is standard input. name: of the file in messages; must outlive it. NULL on failure. */
bert_lines *bert_lines_open(const char *path, const char *name, bert_error *e);
void bert_lines_close(bert_lines *l); /* NULL-safe */
/* The next line without its end and, the first, without a byte order mark; a NUL follows it, and it
 * may be written to until the next one is read. 1, 0 at the end of the file, or an error; a line
 * that is longer than BERT_LINE_MAX is one before memory is. */
int bert_lines_next(bert_lines *l, char **line, size_t *n, bert_error *e);
int64_t bert_lines_number(const bert_lines *l); /* of that line, from 1 */
#endif
