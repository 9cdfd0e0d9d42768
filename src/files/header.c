/* The beginning of a file: comments, what separates fields, and whether its first record is a
 * header. */
#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "files/reader.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Names */

bool bert_column_asked(const char *name) {
    return name && *name && strcasecmp(name, "none");
}

bool bert_column_is_number(const char *name, int *number) {
    char *end;
    long n = strtol(name, &end, 10);
    *number = (int)n;
    return isdigit((unsigned char)*name) && !*end && n < BERT_COLUMNS_MAX;
}

static bool by_name(const char *column) {
    int number;
    return bert_column_asked(column) && !bert_column_is_number(column, &number) &&
           !strchr(column, ',');
}

static bool is_asked(const bert_reader_options *o, const char *name) {
    const char *const asked[] = {o->text_column, o->pair_column, o->label_column};
    for (int i = 0; i < 3; i++)
        if (by_name(asked[i]) && !strcasecmp(asked[i], name)) return true;
    return false;
}

/* Without the blanks and quotes around it; within text. */
static char *bare_name(char *text) {
    size_t n = strlen(text);
    while (n && isspace((unsigned char)text[n - 1])) text[--n] = 0;
    while (isspace((unsigned char)*text)) text++, n--;
    if (n < 2 || *text != '"' || text[n - 1] != '"') return text;
    text[n - 1] = 0;
    return text + 1;
}

/* How many of the fields of a line are names that are usual or asked for. */
static int names_in(const bert_reader_options *o, const char *line, size_t n, char separator,
                    int *fields) {
    int found = 0;
    *fields = 0;
    for (const char *end = line + n, *p = line; p <= end; p++) {
        const char *stop = memchr(p, separator, (size_t)(end - p));
        if (!stop) stop = end;
        char name[64] = "";
        if ((size_t)(stop - p) < sizeof name) memcpy(name, p, (size_t)(stop - p));
        const char *bare = bare_name(name);
        found += bert_usual_name(bare) || is_asked(o, bare);
        ++*fields;
        p = stop;
    }
    return found;
}

/* ---- Lines in front of the header */

/* Lines that begin with #, in front of a line of names that are known, are comments. */
static int pass_comments(bert_reader *r, const bert_reader_options *o, bert_error *e) {
    char *line;
    size_t n;
    int rc, comments = 0, fields;
    bool header = false;
    while ((rc = bert_lines_next(r->lines, &line, &n, e)) > 0 && *line == '#' && comments < 1000)
        if (!comments++) header = names_in(o, line, n, r->separator, &fields) > 0;
    const bool pass =
        rc > 0 && comments && !header && names_in(o, line, n, r->separator, &fields) > 0;
    bert_lines_rewind(r->lines);
    if (rc < 0 || !pass) return rc < 0 ? rc : 0;
    for (int i = 0; i < comments; i++)
        if ((rc = bert_lines_next(r->lines, &line, &n, e)) < 0) return rc;
    bert_lines_mark(r->lines);
    return bert_notes_say(&r->notes, e, "%d line%s at the beginning %s a comment (#)", comments,
                          comments == 1 ? "" : "s", comments == 1 ? "is" : "are each");
}

static const char *separator_name(char c) {
    return c == '\t' ? "tabs" : c == ';' ? "semicolons" : c == '|' ? "bars (|)" : "commas";
}

static int say_separator(bert_reader *r, bert_error *e) {
    return bert_notes_say(&r->notes, e,
                          "its fields are separated by %s, as those of its first line",
                          separator_name(r->separator));
}

/* The largest number of a column that was asked for; -1: none was, by number. */
static int most_asked(const bert_reader_options *o) {
    const char *const asked[] = {o->text_column, o->pair_column, o->label_column};
    int most = -1, number;
    for (int i = 0; i < 3; i++)
        if (bert_column_asked(asked[i]) && bert_column_is_number(asked[i], &number) &&
            number > most)
            most = number;
    return most;
}

/* Where the first line has none of the format's separators, but others between names that are
 * known, or between as many fields as are asked for by number. */
static int choose_separator(bert_reader *r, const bert_reader_options *o, bert_error *e) {
    static const char others[] = ";\t,|";
    char *line;
    size_t n;
    int rc, fields;
    while ((rc = bert_lines_next(r->lines, &line, &n, e)) > 0 && !n) continue;
    const char *instead = rc > 0 ? bert_file_instead(line, n) : NULL;
    if (instead) rc = bert_fail(e, BERT_EFORMAT, "%s: %s", r->path, instead);
    if (rc > 0 && n > 9 && !memcmp(line, "__label__", 9))
        rc = bert_fail(e, BERT_EFORMAT,
                       "%s: is in fastText's format (__label__NAME text), which is not read: a "
                       ".tsv of text and label is, a line of \"text\" and \"label\" above",
                       r->path);
    if (rc > 0 && n >= 10 && !memcmp(line, "-DOCSTART-", 10))
        rc = bert_fail(e, BERT_EFORMAT,
                       "%s: holds a word and its label a line (CoNLL); --task "
                       "token-classification, and evaluate, read it, and texts are needed here",
                       r->path);
    const bool declared = rc > 0 && n == 5 && !memcmp(line, "sep=", 4); /* Excel's */
    if (declared) {
        bert_record_separate(r, line[4]);
        bert_lines_mark(r->lines);
        return say_separator(r, e);
    }
    char found = 0;
    const int most = most_asked(o);
    if (rc > 0 && !memchr(line, r->separator, n)) {
        for (const char *c = others; *c && !found; c++) {
            if (names_in(o, line, n, *c, &fields) && fields > 1) found = *c;
            if (most > 0 && fields > most && fields > 1) found = *c;
            if (fields > 1 && !r->other_separator) r->other_separator = *c;
        }
    }
    bert_lines_rewind(r->lines);
    if (rc < 0 || !found) return rc < 0 ? rc : 0;
    r->other_separator = 0;
    bert_record_separate(r, found);
    return say_separator(r, e);
}

/* ---- The rows below the first record */

enum { SAMPLE_ROWS = 100, SAMPLE_FIELDS = 64, SAMPLE_BYTES = 4 << 20 };

typedef struct {
    char *cell[SAMPLE_ROWS][SAMPLE_FIELDS]; /* row 0 is the first record; NULL: no such field */
    int rows, fields;
} sample;

static void sample_free(sample *s) {
    for (int i = 0; s && i < s->rows; i++)
        for (int c = 0; c < s->fields; c++) free(s->cell[i][c]);
    free(s);
}

/* Reads ahead from the first record, which is there again afterwards. What is wrong in a row below
 * is said when that row comes. */
static sample *take_sample(bert_reader *r, bert_error *e) {
    sample *s = calloc(1, sizeof *s);
    if (!s) {
        bert_fail_memory(e, sizeof *s);
        return NULL;
    }
    s->fields = r->fields < SAMPLE_FIELDS ? r->fields : SAMPLE_FIELDS;
    bert_error ignored = {0};
    bool memory = true;
    do {
        for (int c = 0; c < s->fields && c < r->fields; c++)
            memory &= (s->cell[s->rows][c] = strdup(r->field[c])) != NULL;
        s->rows++;
    } while (memory && s->rows < SAMPLE_ROWS && bert_lines_ahead(r->lines) < SAMPLE_BYTES &&
             bert_record_next(r, &ignored) > 0);
    bert_lines_rewind(r->lines);
    if (memory && bert_record_next(r, e) > 0) return s;
    if (!memory) bert_fail_memory(e, sizeof *s);
    sample_free(s);
    return NULL;
}

static bool is_number(const char *s) {
    char *end;
    if (!*s || isspace((unsigned char)*s)) return false;
    bert_strtod(s, &end);
    return !*end;
}

static int words_in(const char *s) {
    int n = 0;
    for (bool inside = false; *s; s++) {
        const bool blank = isspace((unsigned char)*s);
        n += !blank && !inside;
        inside = !blank;
    }
    return n;
}

/* Three words at most, and nothing of a sentence. */
static bool like_a_name(const char *s) {
    static const char marks[] = " _-#./()&";
    const size_t n = strlen(s);
    if (!n || n > 40 || words_in(s) > 3 || isdigit((unsigned char)*s) || s[n - 1] == '.')
        return false;
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p < 0x80 && !isalnum((unsigned char)*p) && !strchr(marks, *p))
            return false;
    return isalpha((unsigned char)*s) || *s == '_' || *s == '#' || (unsigned char)*s >= 0x80;
}

/* Each cell of column c below the first that is not empty; how many there are, and how many hold
 * what is looked for. */
typedef struct {
    int filled, numbers, same, different, sentences;
} below;

static below look_below(const sample *s, int c) {
    below b = {0};
    for (int i = 1; i < s->rows; i++) {
        const char *cell = s->cell[i][c];
        if (!cell || !*cell) continue;
        b.filled++;
        b.numbers += is_number(cell);
        b.sentences += words_in(cell) > 2;
        b.same += s->cell[0][c] && !strcasecmp(cell, s->cell[0][c]);
        bool seen = false;
        for (int k = 1; k < i && !seen; k++)
            seen = s->cell[k][c] && !strcasecmp(cell, s->cell[k][c]);
        b.different += !seen;
    }
    return b;
}

/* A name of any kind, above nothing but numbers. */
static bool names_numbers(const sample *s) {
    enum { ENOUGH = 5 };
    for (int c = 0; c < s->fields; c++) {
        const below b = look_below(s, c);
        const char *name = s->cell[0][c];
        if (isalpha((unsigned char)*name) && strlen(name) > 3 && b.filled >= ENOUGH &&
            b.numbers == b.filled)
            return true;
    }
    return false;
}

/* Nobody knows these names, and yet they are no row: they are unlike what is below them. */
static bool looks_like_a_header(const sample *s) {
    for (int c = 0; c < s->fields; c++) {
        const char *name = s->cell[0][c];
        if (!*name) continue; /* pandas' index, and columns that are empty, have none */
        if (!like_a_name(name) || look_below(s, c).same) return false;
        for (int k = 0; k < c; k++)
            if (!strcasecmp(name, s->cell[0][k])) return false;
    }
    for (int c = 0; c < s->fields; c++) {
        const below b = look_below(s, c);
        const int enough = s->fields > 1 ? 3 : 5;
        if (b.filled > 1 && b.numbers == b.filled) return true;
        if (!*s->cell[0][c]) continue;
        if (s->fields > 1 && b.filled > 3 && 2 * b.different <= b.filled) return true;
        if (words_in(s->cell[0][c]) == 1 && b.filled >= enough && b.sentences == b.filled)
            return true;
    }
    return false;
}

/* ---- The header */

static int set_names(bert_reader *r, bert_error *e) {
    bool blanks = false, quotes = false;
    r->name = calloc((size_t)r->fields + 1, sizeof *r->name);
    if (!r->name) return bert_fail_memory(e, (size_t)r->fields * sizeof *r->name);
    for (int i = 0; i < r->fields; i++) {
        char *copy = strdup(r->field[i]);
        if (!copy) return bert_fail_memory(e, strlen(r->field[i]));
        const size_t bytes = strlen(copy);
        const char *bare = bare_name(copy);
        const char *before = copy + strspn(copy, " ");
        quotes |= before < bare && bare[-1] == '"';
        blanks |= *copy == ' ' || strlen(bare) + 2 * (bare > copy && bare[-1] == '"') < bytes;
        r->skip_blanks |= i && *r->field[i] == ' ';
        r->name[i] = strdup(bare);
        free(copy);
        if (!r->name[i]) return bert_fail_memory(e, strlen(r->field[i]));
        r->names++;
    }
    r->has_header = true;
    if (quotes && r->format->format == BERT_FORMAT_TSV) { /* R, and pandas with QUOTE_ALL */
        bert_record_separate(r, '\t');
        int rc = bert_notes_say(&r->notes, e, "its fields are in quotes, as those of its header");
        if (rc) return rc;
    }
    if (!blanks) return 0;
    return bert_notes_say(&r->notes, e, "blanks around the names of its header are left out");
}

static int doubt(bert_reader *r, const bert_reader_options *o, bert_error *e) {
    char list[200];
    int rc = set_names(r, e);
    if (rc) return rc;
    bert_columns_list(r, list, sizeof list);
    return bert_fail(e, BERT_EINVAL,
                     "%s: the first line looks like a header and has no usual name (%s): "
                     "--text-column NAME%s which column is which; by number, as in --text-column "
                     "0, the first line is a row%s",
                     r->path, list, o->labels ? " and --label-column NAME say" : " says",
                     bert_names_hint(r));
}

/* The first of several columns would be the text. */
static bool numbers_first(const sample *s) {
    if (s->fields < 2 || s->rows < 2 || !is_number(s->cell[0][0])) return false;
    const below first = look_below(s, 0);
    for (int c = 1; c < s->fields; c++) {
        const below b = look_below(s, c);
        if (b.numbers < b.filled) return first.numbers == s->rows - 1;
    }
    return false;
}

/* Each line has as many of another separator, and none of the file's own. */
static int check_separator(const bert_reader *r, const sample *s, bert_error *e) {
    enum { ENOUGH = 5 };
    const char other = r->other_separator;
    int first = 0;
    if (!other || s->fields != 1 || s->rows < ENOUGH) return 0;
    for (int i = 0; i < s->rows; i++) {
        int n = 0;
        for (const char *p = s->cell[i][0]; p && *p; p++) n += *p == other;
        if (i && n != first) return 0;
        first = n;
    }
    return bert_fail(e, BERT_EINVAL,
                     "%s: its lines have no %s, and %s instead: --text-column NAME, of a name in "
                     "its first line, reads it so; without such a header the file has to be saved "
                     "with %s",
                     r->path, separator_name(r->separator), separator_name(other),
                     separator_name(r->separator));
}

static int known_names(const bert_reader *r) {
    int known = 0;
    for (int i = 0; i < r->fields; i++) {
        char name[64] = "";
        if (strlen(r->field[i]) < sizeof name) strcpy(name, r->field[i]);
        known += bert_usual_name(bare_name(name));
    }
    return known;
}

/* A title, or a level of pandas' columns, above the line that names the columns. */
static int check_second(bert_reader *r, int known, bert_error *e) {
    int names = 0;
    char list[200] = "";
    size_t used = 0;
    if (known > 1 && !r->field[0][0]) known = 1; /* doc, doc */
    bert_error ignored = {0};                    /* of a record that is read again */
    const bool whole = bert_record_next(r, &ignored) > 0;
    if (whole) names = known_names(r);
    for (int i = 0; whole && i < r->fields && used < sizeof list; i++)
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", r->field[i]);
    bert_lines_rewind(r->lines);
    int rc = bert_record_next(r, e);
    if (rc < 0 || names < 2 || names <= known) return rc < 0 ? rc : 0;
    return bert_fail(e, BERT_EFORMAT,
                     "%s: its second line names the columns (%s), not its first: the lines above "
                     "have to go",
                     r->path, list);
}

/* r->field holds the first record, of which so many fields are known names. */
static int decide(bert_reader *r, const bert_reader_options *o, int known, bert_error *e) {
    const bool asked = bert_column_asked(o->text_column) || bert_column_asked(o->pair_column) ||
                       bert_column_asked(o->label_column);
    if (known > 1 || by_name(o->text_column) || by_name(o->pair_column) ||
        by_name(o->label_column) || (asked && known))
        return set_names(r, e);
    if (asked) return 0;
    sample *s = take_sample(r, e);
    if (!s) return e->code;
    int rc = 0;
    bool again = false; /* a name is also a value: it is none */
    for (int c = 0; c < s->fields; c++)
        again |= bert_usual_name(s->cell[0][c]) && look_below(s, c).same > 0;
    if (known && !again)
        rc = set_names(r, e);
    else if (!known && (looks_like_a_header(s) || names_numbers(s)))
        rc = doubt(r, o, e);
    else if (check_separator(r, s, e))
        rc = BERT_EINVAL;
    else if (numbers_first(s))
        rc = bert_fail(e, BERT_EINVAL,
                       "%s: no header says which column is the text, and the first column holds "
                       "numbers: --text-column says it, by its number from 0",
                       r->path);
    sample_free(s);
    return rc;
}

static int read_lines(bert_reader *r, const bert_reader_options *o, bert_error *e) {
    bert_lines_mark(r->lines);
    int rc = pass_comments(r, o, e), known = 0;
    if (!rc) rc = choose_separator(r, o, e);
    if (!rc) rc = bert_record_next(r, e);
    if (rc <= 0) return rc;
    known = known_names(r);
    if ((rc = check_second(r, known, e))) return rc;
    rc = decide(r, o, known, e);
    bert_lines_unmark(r->lines);
    r->pending = !r->has_header;
    return rc ? rc : 1;
}

static int read_object(bert_reader *r, bert_error *e) {
    int rc = bert_record_next(r, e);
    if (rc <= 0) return rc;
    const char *key;
    json_t *value;
    r->pending = r->has_header = true;
    r->name = calloc(json_object_size(r->object) + 1, sizeof *r->name);
    if (!r->name) return bert_fail_memory(e, sizeof *r->name);
    json_object_foreach((json_t *)(uintptr_t)r->object, key, value) {
        (void)value;
        if (!(r->name[r->names] = strdup(key))) return bert_fail_memory(e, strlen(key));
        r->names++;
    }
    return 1;
}

int bert_header_read(bert_reader *r, const bert_reader_options *o, bert_error *e) {
    if (r->json) return read_object(r, e);
    if (r->format->format != BERT_FORMAT_TXT) return read_lines(r, o, e);
    r->pending = true;
    return bert_record_next(r, e);
}
