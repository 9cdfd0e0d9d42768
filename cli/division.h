/* Work on a file that several processes share: which parts of it this one does, and what all of them
 * end with. Alone there is one part, the whole file.
 *
 * Every process goes through the same agreements. The first that fails goes to the last one, in
 * main(), and the others meet it there, at their next. */
#ifndef BERT_CLI_DIVISION_H
#define BERT_CLI_DIVISION_H
#include "cli.h"

division *division_new(const bert_group *g, bert_error *e);
void division_free(division *d);
bool division_alone(const division *d);
const bert_group *division_group(const division *d);
/* Cuts the file of a reader that was just opened: a collective. Nothing is done alone. */
int division_open(division *d, const common *c, const char *path, const bert_reader *r,
                  bert_error *e);
/* The same of so many rows, `each` a part, that every process has a list of. */
int division_open_rows(division *d, int64_t rows, int64_t each, bert_error *e);
/* The next part is this process's: 1, and the reader (or NULL) stands there; 0: there are none left. */
int division_next(division *d, bert_reader *r, bert_error *e);
int division_parts(const division *d);
const bert_row_part *division_part(const division *d, int i);
const bert_row_part *division_now(const division *d); /* that is being done */
int64_t division_row(const division *d); /* rows in front of the part that is being done */
int64_t
division_rows(const division *d); /* of all parts; of a file that is not cut, and alone: -1 */
/* What all end with: 0, or the code and the message of the first error, in the order of the file. A
 * collective; after a failure there is none any more, and it returns rc. */
int division_agree(division *d, int rc, bert_error *e);
/* The sum over all processes, to rank 0 and the others: a collective. */
int division_sum(division *d, int64_t *x, bert_error *e);

/* A file of what the parts give is told when another part begins. */
typedef struct {
    int (*turn)(void *context, int part, bert_error *e); /* -1: none, behind the last */
    void *context;
} division_watcher;
void division_watch(division *d, division_watcher w);
#endif
