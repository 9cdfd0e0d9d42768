/* The objects of a JSON file, one at a time: an object a line (JSON lines), objects over several
 * lines, or one array of them. */
#ifndef BERT_FILES_JSON_ROWS_H
#define BERT_FILES_JSON_ROWS_H
#include "files/lines.h"
#include <bert.h>
#include <jansson.h>

typedef struct bert_json_rows bert_json_rows;

/* path "-": standard input. Memory is bounded by the longest object. NULL on failure. */
bert_json_rows *bert_json_rows_open(const char *path, bert_error *e);
void bert_json_rows_close(bert_json_rows *r); /* NULL-safe */
/* 1 and the next value, which belongs to r until the next call; 0 at the end; or an error with file
 * and line. A value that is no object is one too, BERT_EFORMAT. */
int bert_json_rows_next(bert_json_rows *r, const json_t **object, bert_error *e);
int64_t bert_json_rows_line(const bert_json_rows *r); /* where that object begins, from 1 */
/* Each object is a line of its own. */
bool bert_json_rows_are_lines(const bert_json_rows *r);
/* The next object is in the line at byte `at`, as bert_lines_seek() has it; only where
 * bert_json_rows_are_lines(). */
int bert_json_rows_seek(bert_json_rows *r, int64_t at, int64_t end, int64_t line, bert_error *e);
/* "JSON lines" and the like: how the objects lie in the file, as far as it has been read. */
const char *bert_json_rows_layout(const bert_json_rows *r);
const bert_lines *bert_json_rows_lines(const bert_json_rows *r); /* for their notes */
#endif
