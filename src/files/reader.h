/* The inside of a reader: records.c splits lines into fields, columns.c and header.c decide which
 * of them are what, reader.c gives out the rows. */
#ifndef BERT_FILES_READER_H
#define BERT_FILES_READER_H
#include "base/notes.h"
#include "files/csv_states.h"
#include "files/json_rows.h"
#include "files/lines.h"
#include <bert.h>
#include <jansson.h>

enum { BERT_RECORD_MAX = BERT_LINE_MAX, BERT_COLUMNS_MAX = 4096 };

typedef struct bert_record_format bert_record_format;

/* What columns are called in files of one task, best first, ended by NULL. */
typedef struct {
    const char *const *texts, *const *labels;
} bert_column_names;

struct bert_reader {
    char *path;
    const bert_column_names *called; /* NULL: by the usual names */
    bert_lines *lines;               /* of all formats but JSON */
    bert_json_rows *json;            /* of JSON */
    const bert_record_format *format;
    char separator;           /* of the fields of a .csv or .tsv */
    char other_separator;     /* its first line has none of that one, but these; or 0 */
    bool skip_blanks;         /* in front of a quote, as its header has them */
    bool has_header, guessed; /* guessed: its first line was taken for a row unasked */
    bool pending;             /* the first record has been read and is a row */
    char **name;              /* [names] of the header */
    int names;
    int text, pair; /* column numbers; pair -1: none */
    int *label, labels;
    bool needs_labels;
    const char *holds; /* while it is opened: as in the options, */
    const char *also;  /* and this */
    const char *hint;  /* what may be the matter where fields are missing, "" or "; .." */
    char *line;
    int64_t first_line;           /* of the record, */
    int64_t first_at;             /* and its byte in the file */
    int64_t begin_line, begin_at; /* of all records: where they begin */
    int begin_fields;             /* of the first one, where it has no names */
    char *record;                 /* its fields end to end, each followed by a NUL */
    size_t used, capacity;
    size_t *offset;                             /* of the fields in record, fields + 1 of them */
    int fields, offset_capacity, fields_before; /* before: of the record before it */
    const char **field, **label_field;
    bool *label_null;     /* of the record: which of its labels are null or absent */
    const json_t *object; /* JSON: the record */
    bool label_is_list;   /* of the record */
    int64_t rows, invalid;
    bert_notes notes;
};

/* bert_reader_open for a task whose columns have names of their own, and which says itself which it
 * takes. */
bert_reader *bert_reader_open_as(const char *path, const bert_reader_options *options,
                                 const bert_column_names *called, bert_error *e);

static inline bert_csv_rules bert_reader_csv_rules(const bert_reader *r) {
    return (bert_csv_rules){r->separator, r->skip_blanks && r->separator != ' '};
}

/* ---- records.c */

struct bert_record_format {
    bert_row_format format;
    const char *suffix, *name;
    char separator;
    bool blank_is_row;
    int (*split)(bert_reader *r, size_t n, bert_error *e); /* r->line; NULL: JSON */
};
/* By its suffix, or by number; NULL: none. */
const bert_record_format *bert_record_format_of(const char *path);
const bert_record_format *bert_record_format_at(bert_row_format format);
/* From now on r->separator separates the fields, with the quotes of .csv. */
void bert_record_separate(bert_reader *r, char separator);

/* Reads one record into r->record and r->field (JSON: r->object alone until there are columns); 1,
 * 0 at the end, or an error. */
int bert_record_next(bert_reader *r, bert_error *e);
/* JSON: the fields of r->object in the order of the columns. */
int bert_record_split_object(bert_reader *r, bert_error *e);
/* bert_fail with the place of the record in front. */
int bert_record_fail(const bert_reader *r, bert_error *e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- header.c: whether the first record is a header, and what separates its fields. */

/* Reads the first record; if it is a header, into r->name. 1, 0 for an empty file, or an error. */
int bert_header_read(bert_reader *r, const bert_reader_options *o, bert_error *e);
/* Was a column asked for, that column, and by a name? */
bool bert_column_asked(const char *name);
bool bert_column_is_number(const char *name, int *number);

/* ---- columns.c: which columns are text, second text and labels. */

int bert_columns_choose(bert_reader *r, const bert_reader_options *o, bert_error *e);
/* A line that says what was chosen. */
int bert_columns_say(bert_reader *r, bert_error *e);
/* "a, b, c", as far as it fits. */
void bert_columns_list(const bert_reader *r, char *out, size_t capacity);

/* ---- usual_names.c: what columns are called. */

/* Best first, ended by NULL; of labels, a name of the second list counts where no other of the two
 * is there. */
extern const char *const bert_usual_texts[], *const bert_usual_labels[], *const bert_other_labels[];

/* Files of pairs that are known as wholes, ended by a row without names. */
typedef struct {
    const char *text, *pair;
    const char *label; /* where no usual one is there; or NULL */
} bert_pair_format;
extern const bert_pair_format bert_pair_formats[];

bool bert_usual_name(const char *name); /* of any kind, in any case */
/* The beginning of the names of columns of multiple choice (choice1, choice2), or the name of a
 * list of endings; NULL: there are none. */
const char *bert_names_endings(const bert_reader *r);
/* What is said where a column of that kind of file is not what is wanted; "" or "; ..". */
const char *bert_names_hint(const bert_reader *r);

/* ---- json_shape.c */

/* What the first object of a file is where it is no row, with what makes rows of it; or NULL. */
const char *bert_json_shape(const json_t *object);
#endif
