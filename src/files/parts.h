/* Where a file of rows can be cut: pieces of so many bytes, in each of which is found where its first
 * record begins and how many there are, whatever state it is entered in; then, from the first
 * piece on, which state that is. */
#ifndef BERT_FILES_PARTS_H
#define BERT_FILES_PARTS_H
#include "files/csv_states.h"
#include <bert.h>

/* The states of .csv inside of a record; and where one would begin: at a line's start, and behind
 * bytes that alone are none. */
enum { BERT_PART_START = BERT_CSV_AFTER + 1, BERT_PART_BLANK, BERT_PART_STATES };

/* How the lines of a file make records. */
typedef struct {
    bool quotes; /* by these rules; else each line is a record */
    bert_csv_rules rules;
    const char *nothing; /* a line of these bytes alone is none; NULL: also an empty one is */
} bert_part_rules;

/* Through a piece, entered in one of the states. */
typedef struct {
    int64_t lines;   /* that end in it */
    int64_t records; /* that begin in it; */
    int64_t first;   /* the line of the first one begins at this byte of the file; -1: in front */
    int64_t first_line; /* and so many lines of the piece end in front of it */
    int64_t state;      /* at the piece's end */
} bert_passage;

typedef struct {
    int64_t line; /* where the line begins that goes on behind the piece; -1: in front of it */
    bert_passage from[BERT_PART_STATES];
} bert_piece;

/* The piece text[0 .. n), which lies at byte `at` of its file. */
void bert_piece_scan(const bert_part_rules *rules, const char *text, size_t n, int64_t at,
                     bert_piece *out);

/* The parts that n pieces come to, one for each in which records begin: into parts [n]; how many.
 * The first piece begins at byte `begin`, where line `line` begins; the last one ends at `end`. */
int bert_pieces_join(const bert_piece *pieces, int n, int64_t begin, int64_t end, int64_t line,
                     bert_row_part *parts);

/* ---- Of an open reader, of which no row has been read */

/* Why its file cannot be cut, for who wants to say it; NULL: it can be. */
const char *bert_reader_whole(const bert_reader *r);
/* Bytes from the first row to the end. */
int64_t bert_reader_bytes(const bert_reader *r);
/* Piece `number` of so many bytes, of which text [bytes] is room for. */
int bert_reader_scan(const bert_reader *r, int64_t number, int64_t bytes, char *text,
                     bert_piece *out, bert_error *e);
/* The parts of all its pieces, one at least; how many. */
int bert_reader_join(const bert_reader *r, const bert_piece *pieces, int n, bert_row_part *parts);
#endif
