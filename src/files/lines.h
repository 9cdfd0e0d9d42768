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
 * may be written to until the next one is read, unless a place is marked. 1, 0 at the end of the
 * file, or an error; a line that is longer than BERT_LINE_MAX is one before memory is. UTF-16 comes
 * as UTF-8; a file whose only line ends are carriage returns has lines that end so; files of other
 * formats (Parquet, zip ..) are refused by name. */
int bert_lines_next(bert_lines *l, char **line, size_t *n, bert_error *e);
int64_t bert_lines_number(const bert_lines *l); /* of that line, from 1 */
/* Marks the next line: what is read from here on stays in memory, and bert_lines_rewind() goes back
 * to it, as often as is wanted, until bert_lines_unmark(). */
void bert_lines_mark(bert_lines *l);
void bert_lines_rewind(bert_lines *l);
void bert_lines_unmark(bert_lines *l);
size_t bert_lines_ahead(const bert_lines *l); /* bytes since the mark */
/* Where that line begins in the file, in bytes, behind a byte order mark; of UTF-16 it means nothing. */
int64_t bert_lines_at(const bert_lines *l);
int64_t bert_lines_next_at(const bert_lines *l); /* and the next one */
/* The file can be read from any of its lines on. */
bool bert_lines_seekable(const bert_lines *l);
/* The next line is the one at byte `at`, which is line `number`; lines that begin at `end` or behind
 * it are not there. */
int bert_lines_seek(bert_lines *l, int64_t at, int64_t end, int64_t number, bert_error *e);
/* Bytes of the file as they lie there; their number, less than n at its end, or a negative error. */
int64_t bert_lines_read_at(const bert_lines *l, int64_t at, void *to, size_t n, bert_error *e);
int64_t bert_lines_bytes(const bert_lines *l); /* of the whole file */
/* What is unusual in the file, as far as it has been read, for who wants to say it; i counts from
 * 0, NULL past the end. */
const char *bert_lines_note(const bert_lines *l, int i);
#endif
