/* A file that is written by several processes, each of which brings what the parts of the input that it
 * does give; it is the file that one process writes, byte for byte.
 *
 * It is a header and one or several streams of rows, end to end. What cannot be put in its place yet,
 * because what stands in front of it is not known, waits in temporary files. */
#ifndef BERT_CLI_PARTED_H
#define BERT_CLI_PARTED_H
#include "division.h"

typedef struct parted parted;

#define HEADER_UNKNOWN ((size_t)-1)

/* Under a temporary name until parted_commit(). header: bytes of it, where they are known. A
 * collective. */
parted *parted_create(division *d, const char *path, size_t header, bert_error *e);
typedef enum {
    STREAM_ROWS,  /* so many a text as it likes */
    STREAM_TEXTS, /* one for each record of the input */
    STREAM_COUNTS /* whole numbers: 0, and how many rows of another stream there were when each was put */
} stream_kind;
/* A new stream, in the same order in every process that has any; its number, or a negative error.
 * unit: bytes of a row. of: the stream that is counted. */
int parted_add(parted *p, stream_kind kind, size_t unit, int of, bert_error *e);
int parted_put(parted *p, int stream, const void *rows, size_t count, bert_error *e);
int parted_count(parted *p, int stream, bert_error *e); /* puts a row of STREAM_COUNTS */
/* For who writes bytes by himself, into a stream of unit 1. */
FILE *parted_stream(parted *p, int stream);
/* Makes the header when all is there: *header is given away. */
typedef int parted_header(void *context, const parted *p, char **header, size_t *bytes,
                          bert_error *e);
int64_t parted_rows(const parted *p, int stream); /* of all processes; from then on */
/* Puts the file together, and gives it its name; frees p in every case. A collective, also where
 * this process has failed: rc is what it has come to. */
int parted_commit(parted *p, parted_header *header, void *context, int rc, bert_error *e);
void parted_abort(parted *p); /* NULL-safe */
#endif
