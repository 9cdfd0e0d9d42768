/* Rows of txt, csv, tsv and JSON files. */
#include "files/reader.h"
#include "base/error.h"
#include "files/foreign.h"
#include "files/utf8.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Opening */

static const bert_record_format *format_of(const char *path, const bert_reader_options *o) {
    if (o->format) return bert_record_format_at(o->format);
    const bert_record_format *f = bert_record_format_of(path);
    if (!f && !strcmp(path, "-")) f = bert_record_format_at(BERT_FORMAT_TXT);
    /* A text a line has no columns: where some are needed, there are tabs between them. */
    const bool columns = o->labels || o->text_column;
    return f && f->format == BERT_FORMAT_TXT && columns && strcmp(path, "-")
               ? bert_record_format_at(BERT_FORMAT_TSV)
               : f;
}

static int unknown_format(const char *path, bert_error *e) {
    const char *foreign = bert_foreign_name(path);
    struct stat st;
    if (stat(path, &st) || S_ISDIR(st.st_mode)) { /* which is the better message */
        bert_lines_close(bert_lines_open(path, path, e));
        return e->code;
    }
    if (foreign) return bert_fail(e, BERT_EUNSUPPORTED, "%s: %s", path, foreign);
    return bert_fail(e, BERT_EINVAL,
                     "%s: cannot tell the format by the name; .txt, .csv, .tsv, .jsonl and .json "
                     "are known",
                     path);
}

/* Reads the first record and decides which columns are which. */
static int start(bert_reader *r, const bert_reader_options *o, bert_error *e) {
    int rc = bert_header_read(r, o, e);
    if (rc < 0) return rc;
    if (!rc) return bert_fail(e, BERT_EFORMAT, "%s: is empty", r->path);
    r->begin_at = r->pending ? r->first_at : bert_lines_next_at(r->lines);
    r->begin_line = r->pending ? r->first_line : bert_lines_number(r->lines) + 1;
    r->begin_fields = r->fields;
    rc = bert_columns_choose(r, o, e);
    /* Now that the columns are known, the first object can be split. */
    if (!rc && r->json) rc = bert_record_split_object(r, e);
    return rc || r->called ? rc : bert_columns_say(r, e);
}

bert_reader *bert_reader_open_as(const char *path, const bert_reader_options *options,
                                 const bert_column_names *called, bert_error *e) {
    const bert_reader_options o = options ? *options : (bert_reader_options){0};
    bert_reader *r = calloc(1, sizeof *r);
    if (r) r->called = called;
    if (r) r->holds = o.holds;
    if (r) r->also = o.also;
    if (r) r->path = strdup(strcmp(path, "-") ? path : "standard input");
    int rc = r && r->path ? 0 : bert_fail_memory(e, sizeof *r);
    if (!rc && !(r->format = format_of(path, &o))) rc = unknown_format(path, e);
    if (!rc) {
        r->separator = r->format->separator;
        if (r->format->split)
            r->lines = bert_lines_open(path, r->path, e);
        else
            r->json = bert_json_rows_open(path, e);
        rc = r->lines || r->json ? start(r, &o, e) : BERT_EIO;
    }
    if (!rc) return r;
    bert_reader_close(r);
    return NULL;
}

bert_reader *bert_reader_open(const char *path, const bert_reader_options *options, bert_error *e) {
    BERT_DOOR(e);
    return bert_reader_open_as(path, options, NULL, e);
}

void bert_reader_close(bert_reader *r) {
    if (!r) return;
    bert_lines_close(r->lines);
    bert_json_rows_close(r->json);
    for (int i = 0; i < r->names; i++) free(r->name[i]);
    free(r->name);
    free(r->label);
    free(r->label_field);
    free(r->label_null);
    free(r->record);
    free(r->offset);
    free(r->field);
    free(r->path);
    bert_notes_free(&r->notes);
    free(r);
}

/* ---- Rows */

static size_t field_bytes(const bert_reader *r, int i) {
    return r->offset[i + 1] - r->offset[i] - 1;
}

static int check_fields(const bert_reader *r, bool first, bert_error *e) {
    const int want = r->has_header ? r->names : r->fields_before;
    if (r->fields == want || r->format->format == BERT_FORMAT_TXT || (first && !r->has_header))
        return 0;
    return bert_record_fail(r, e, "%d field%s where the %s has %d%s", r->fields,
                            r->fields == 1 ? "" : "s", r->has_header ? "header" : "line before it",
                            want, r->hint);
}

static int set_labels(bert_reader *r, bert_row *row, bert_error *e) {
    for (int i = 0; i < r->labels; i++) {
        const int c = r->label[i];
        const bool zero = strlen(r->field[c]) != field_bytes(r, c);
        if (zero && r->needs_labels) return bert_record_fail(r, e, "a zero byte in a label");
        r->label_field[i] = r->label_null[i] || zero ? NULL : r->field[c];
    }
    row->labels = r->labels;
    row->label = r->label_field;
    row->label_is_list = r->label_is_list;
    return 0;
}

int bert_reader_next(bert_reader *r, bert_row *row, bert_error *e) {
    BERT_DOOR(e);
    *row = (bert_row){0};
    if (bert_need(r, "reader", e)) return BERT_EINVAL;
    r->fields_before = r->fields;
    int rc = r->pending ? 1 : bert_record_next(r, e);
    const bool first = !r->rows;
    r->pending = false;
    if (rc < 0) return rc;
    if (!rc) return first ? bert_fail(e, BERT_EFORMAT, "%s: has a header and no rows", r->path) : 0;
    if ((rc = check_fields(r, first, e))) return rc;
    r->rows++;
    if (!bert_utf8_valid(r->record, r->used)) r->invalid++;
    row->text = (bert_text){.text = r->field[r->text], .bytes = field_bytes(r, r->text)};
    if (r->pair >= 0) {
        row->text.pair = r->field[r->pair];
        row->text.pair_bytes = field_bytes(r, r->pair);
    }
    if ((rc = set_labels(r, row, e))) return rc;
    row->fields = r->fields;
    row->field = r->field;
    row->line = r->first_line;
    return 1;
}

bool bert_reader_guessed(const bert_reader *r) {
    return r->guessed;
}

int64_t bert_reader_invalid(const bert_reader *r) {
    return r->invalid;
}

const char *bert_reader_note(const bert_reader *r, int i) {
    int n = 0;
    const bert_lines *lines = r->json ? bert_json_rows_lines(r->json) : r->lines;
    while (bert_lines_note(lines, n)) n++;
    return i < n ? bert_lines_note(lines, i) : bert_notes_at(&r->notes, i - n);
}
