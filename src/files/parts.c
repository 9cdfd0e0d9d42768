#include "files/parts.h"
#include "base/error.h"
#include "files/reader.h"

/* ---- A piece */

/* The state behind p[0 .. n), of one line. */
static bert_csv_state through(const bert_csv_rules *rules, bert_csv_state s, const char *p,
                              size_t n) {
    for (const char *end = p + n;; p++) {
        p += bert_csv_run(rules, s, p, (size_t)(end - p));
        if (p == end) return s;
        s = bert_csv_step(rules, s, *p);
    }
}

/* Nothing of a record yet, up to here. */
static size_t nothing(const bert_part_rules *rules, const char *p, size_t n) {
    size_t i = 0;
    while (rules->nothing && i < n && p[i] && strchr(rules->nothing, p[i])) i++;
    return i;
}

static bert_passage pass(const bert_part_rules *rules, int state, const char *text, size_t n,
                         int64_t at) {
    bert_passage out = {0};
    int64_t line = -1;
    for (const char *p = text, *end = text + n; p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p)), *to = stop ? stop : end;
        const char *from = p;
        if (state >= BERT_PART_START) {
            from += nothing(rules, p, (size_t)(to - p));
            const bool blank = from > p || state == BERT_PART_BLANK;
            if (from < to || !rules->nothing) {
                state = blank && rules->quotes ? BERT_CSV_BARE : BERT_CSV_FIELD;
                if (!out.records++) {
                    out.first = line;
                    out.first_line = out.lines;
                }
            } else if (blank) {
                state = BERT_PART_BLANK;
            }
        }
        if (rules->quotes && state < BERT_PART_START)
            state = (int)through(&rules->rules, (bert_csv_state)state, from, (size_t)(to - from));
        if (!stop) break;
        out.lines++;
        p = stop + 1;
        line = at + (p - text);
        if (!rules->quotes || state != BERT_CSV_QUOTED) state = BERT_PART_START;
    }
    out.state = state;
    return out;
}

void bert_piece_scan(const bert_part_rules *rules, const char *text, size_t n, int64_t at,
                     bert_piece *out) {
    *out = (bert_piece){.line = -1};
    for (size_t i = n; i && out->line < 0; i--)
        if (text[i - 1] == '\n') out->line = at + (int64_t)i;
    for (int s = 0; s < BERT_PART_STATES; s++)
        if (rules->quotes || s == BERT_CSV_FIELD || s >= BERT_PART_START)
            out->from[s] = pass(rules, s, text, n, at);
}

int bert_pieces_join(const bert_piece *pieces, int n, int64_t begin, int64_t end, int64_t line,
                     bert_row_part *parts) {
    int64_t state = BERT_PART_START, row = 0;
    int count = 0;
    for (int i = 0; i < n; i++) {
        const bert_passage *x = &pieces[i].from[state];
        if (x->records) {
            const int64_t first = x->first < 0 ? begin : x->first;
            if (count) parts[count - 1].end = first;
            parts[count++] = (bert_row_part){first, end, line + x->first_line, row, x->records};
        }
        row += x->records;
        line += x->lines;
        state = x->state;
        if (pieces[i].line >= 0) begin = pieces[i].line;
    }
    return count;
}

/* ---- A reader */

static const bert_lines *lines_of(const bert_reader *r) {
    return r->json ? bert_json_rows_lines(r->json) : r->lines;
}

static bert_part_rules rules_of(const bert_reader *r) {
    return (bert_part_rules){
        .quotes = r->format->format == BERT_FORMAT_CSV,
        .rules = bert_reader_csv_rules(r),
        .nothing = r->json                   ? " \t\r"
                   : r->format->blank_is_row ? NULL
                                             : "\r",
    };
}

const char *bert_reader_whole(const bert_reader *r) {
    if (!strcmp(r->path, "standard input")) return "standard input is read once";
    if (r->json && !bert_json_rows_are_lines(r->json))
        return "it is JSON, and not an object a line";
    if (!bert_lines_seekable(lines_of(r)))
        return "it is UTF-16, has the line ends of an old Mac, or is no ordinary file";
    return NULL;
}

int64_t bert_reader_bytes(const bert_reader *r) {
    return bert_lines_bytes(lines_of(r)) - r->begin_at;
}

int bert_reader_scan(const bert_reader *r, int64_t number, int64_t bytes, char *text,
                     bert_piece *out, bert_error *e) {
    const bert_part_rules rules = rules_of(r);
    const int64_t at = r->begin_at + number * bytes;
    const int64_t n = bert_lines_read_at(lines_of(r), at, text, (size_t)bytes, e);
    if (n < 0) return (int)n;
    bert_piece_scan(&rules, text, (size_t)n, at, out);
    return BERT_OK;
}

int bert_reader_join(const bert_reader *r, const bert_piece *pieces, int n, bert_row_part *parts) {
    const int64_t end = bert_lines_bytes(lines_of(r));
    const int count = bert_pieces_join(pieces, n, r->begin_at, end, r->begin_line, parts);
    if (count) return count;
    parts[0] =
        (bert_row_part){r->begin_at, end, r->begin_line, 0, 0}; /* an error, once it is read */
    return 1;
}

int bert_reader_take(bert_reader *r, const bert_row_part *part, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(r, "reader", e) || bert_need(part, "part", e)) return BERT_EINVAL;
    const char *whole = bert_reader_whole(r);
    if (whole)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s is not read in parts: %s", r->path, whole);
    r->pending = false;
    r->rows = part->row;
    r->fields = r->begin_fields;
    return r->json ? bert_json_rows_seek(r->json, part->begin, part->end, part->line, e)
                   : bert_lines_seek(r->lines, part->begin, part->end, part->line, e);
}
