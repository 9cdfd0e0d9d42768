#include "data/column_plan.h"
#include "base/blank.h"
#include "base/error.h"
#include "base/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Lines */

bool bert_blank_line(const char *line, size_t n) {
    while (n && bert_is_blank(line[n - 1])) n--;
    return !n;
}

bool bert_document_line(const char *line, size_t n) {
    static const char mark[] = "-DOCSTART-";
    return n >= sizeof mark - 1 && !memcmp(line, mark, sizeof mark - 1);
}

static int split_blanks(char *line, size_t n, bert_field *out) {
    int count = 0;
    for (size_t i = 0, from; count <= BERT_COLUMNS_MAX; count++) {
        while (i < n && bert_is_blank(line[i])) i++;
        if (i == n) break;
        for (from = i; i < n && !bert_is_blank(line[i]);) i++;
        out[count] = (bert_field){line + from, i - from};
    }
    return count;
}

static bert_field trimmed(char *text, size_t n) {
    while (n && bert_is_blank(*text)) text++, n--;
    while (n && bert_is_blank(text[n - 1])) n--;
    return (bert_field){text, n};
}

static int split_tabs(char *line, size_t n, bert_field *out) {
    int count = 0;
    for (char *p = line, *end = line + n; count <= BERT_COLUMNS_MAX;) {
        char *tab = memchr(p, '\t', (size_t)(end - p));
        out[count++] = trimmed(p, (size_t)((tab ? tab : end) - p));
        if (!tab) break;
        p = tab + 1;
    }
    return count;
}

/* A quoted field from its first quote on: its end, or NULL; *to is behind what it holds. */
static char *unquote(char *p, const char *end, char **to) {
    for (p++; p < end; p++) {
        if (*p == '"' && (p + 1 == end || p[1] != '"')) return p + 1;
        if (*p == '"') p++; /* "" is a quote */
        *(*to)++ = *p;
    }
    return NULL;
}

static int split_quoted(char separator, char *line, size_t n, bert_field *out) {
    int count = 0;
    for (char *p = line, *end = line + n; count <= BERT_COLUMNS_MAX;) {
        char *from = p, *to = p;
        if (p < end && *p == '"' && !(p = unquote(p, end, &to))) return -1;
        while (p < end && *p != separator) *to++ = *p++;
        out[count++] = (bert_field){from, (size_t)(to - from)};
        if (p == end) break;
        p++;
    }
    return count;
}

int bert_column_split(char separator, char *line, size_t n, bert_field *out) {
    return separator == '\t'                  ? split_tabs(line, n, out)
           : bert_separator_quotes(separator) ? split_quoted(separator, line, n, out)
                                              : split_blanks(line, n, out);
}

static bool begins_with(const char *s, size_t n, const char *word) {
    const size_t m = strlen(word);
    return n >= m && !memcmp(s, word, m);
}

/* "# key = value", and the marks of CoNLL-U and of CoNLL-2012 that have no value. */
static bool says_something(const char *line, size_t n) {
    static const char *const marks[] = {"newdoc", "newpar", "begin document", "end document"};
    size_t i = 1, key;
    while (i < n && bert_is_blank(line[i])) i++;
    for (size_t k = 0; k < sizeof marks / sizeof *marks; k++)
        if (begins_with(line + i, n - i, marks[k])) return true;
    if (i == 1) return false; /* #word */
    for (key = i; i < n && !bert_is_blank(line[i]) && line[i] != '=';) i++;
    if (i == key) return false;
    while (i < n && bert_is_blank(line[i])) i++;
    return i < n && line[i] == '=' && (i + 1 == n || bert_is_blank(line[i + 1]));
}

static int count_columns(char separator, const char *line, size_t n) {
    int count = 0;
    bool quoted = false;
    if (separator == ' ') {
        for (size_t i = 0; i < n; i++)
            count += !bert_is_blank(line[i]) && (!i || bert_is_blank(line[i - 1]));
        return count;
    }
    for (size_t i = 0; i < n; i++) {
        quoted ^= line[i] == '"' && bert_separator_quotes(separator);
        count += line[i] == separator && !quoted;
    }
    return count + 1;
}

bool bert_comment_line(const bert_column_plan *p, const char *line, size_t n) {
    while (n && bert_is_blank(line[n - 1])) n--;
    if (!n || *line != '#' || bert_separator_quotes(p->separator)) return false;
    const int columns = count_columns(p->separator, line, n);
    if (columns != p->columns) return !p->ragged || columns < p->columns || says_something(line, n);
    return p->separator == ' ' && says_something(line, n);
}

/* ---- What the first lines hold */

/* The fields of the first lines that are words. */
typedef struct {
    bert_dataset_builder *b;
    const char *path;
    char *text; /* a copy of the lines, cut into fields */
    bert_field **row;
    int64_t *number;
    size_t rows;
} sample;

static void sample_free(sample *s) {
    for (size_t i = 0; i < s->rows; i++) free(s->row[i]);
    free(s->row);
    free(s->number);
    free(s->text);
}

static bool may_be_word(const bert_word_line *l) {
    return !bert_blank_line(l->text, l->bytes) && !bert_document_line(l->text, l->bytes);
}

/* Commas of .csv, or what stands there instead of them. */
static char separator_of(const char *path, const bert_word_line *first) {
    static const char usual[] = ",;\t";
    for (const char *c = usual; *c; c++)
        if ((*c == '\t' || bert_file_has_suffix(path, ".csv")) &&
            memchr(first->text, *c, first->bytes))
            return *c;
    return ' ';
}

/* The separator of the first line that is no comment, and the number of columns that most have. */
static int find_shape(const sample *s, const bert_word_line *lines, size_t n, bert_column_plan *p,
                      bert_error *e) {
    int64_t times[BERT_COLUMNS_MAX + 2] = {0};
    const bert_word_line *first = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!may_be_word(&lines[i])) continue;
        if (!first || *first->text == '#') first = &lines[i];
        if (*first->text != '#') break;
    }
    if (!first) return BERT_OK; /* no rows, as is said elsewhere */
    if (first->bytes > 1 && (*first->text == '{' || *first->text == '[') && first->text[1] == '"')
        return bert_dataset_fail(s->b, first->number, e, BERT_EFORMAT,
                                 "looks like JSON: the file's name must end in .jsonl or .json");
    p->separator = separator_of(s->path, first);
    for (size_t i = 0; i < n; i++) {
        if (!may_be_word(&lines[i]) || (*lines[i].text == '#' && first != &lines[i])) continue;
        int columns = count_columns(p->separator, lines[i].text, lines[i].bytes);
        if (columns > BERT_COLUMNS_MAX) columns = BERT_COLUMNS_MAX + 1;
        if (++times[columns] > times[p->columns]) p->columns = columns;
    }
    return BERT_OK;
}

/* Copies the rows that have p->columns fields. */
static int take_rows(sample *s, const bert_word_line *lines, size_t n, const bert_column_plan *p,
                     bert_error *e) {
    size_t bytes = 0, used = 0;
    for (size_t i = 0; i < n; i++) bytes += lines[i].bytes + 1;
    s->text = malloc(bytes + 1);
    s->row = calloc(n + 1, sizeof *s->row);
    s->number = calloc(n + 1, sizeof *s->number);
    if (!s->text || !s->row || !s->number) return bert_fail_memory(e, bytes);
    for (size_t i = 0; i < n; i++) {
        bert_field fields[BERT_COLUMNS_MAX + 1];
        const bert_word_line *l = &lines[i];
        if (!may_be_word(l) || bert_comment_line(p, l->text, l->bytes)) continue;
        char *copy = s->text + used;
        memcpy(copy, l->text, l->bytes);
        used += l->bytes;
        if (bert_column_split(p->separator, copy, l->bytes, fields) != p->columns) continue;
        bert_field *row = malloc((size_t)p->columns * sizeof *row);
        if (!row) return bert_fail_memory(e, (size_t)p->columns * sizeof *row);
        memcpy(row, fields, (size_t)p->columns * sizeof *row);
        s->number[s->rows] = l->number;
        s->row[s->rows++] = row;
    }
    return BERT_OK;
}

static bool is(const bert_field *f, const char *text) {
    return f->bytes == strlen(text) && !strncasecmp(f->text, text, f->bytes);
}

/* ---- Headers */

static const char *const word_names[] = {"token", "tokens", "word", "words", "form", "text", NULL};
/* Entities first; the others are parts of speech and chunks. */
static const char *const label_names[] = {
    "ner_tags", "ner_tag", "ner",       "entity",     "iob", "bio",     "tag",
    "tags",     "label",   "labels",    "upos",       "pos", "pos_tag", "pos_tags",
    "xpos",     "chunk",   "chunk_tag", "chunk_tags", NULL};
static const char *const sentence_names[] = {"sentence #", "sentence#",   "sentence_id",
                                             "sent_id",    "sentence id", "sentence_idx",
                                             "sentence",   NULL};

/* The first field with one of the names, by the order of names; -1: none. */
static int find_name(const bert_field *f, int n, const char *const *names) {
    for (; *names; names++)
        for (int i = 0; i < n; i++)
            if (is(&f[i], *names)) return i;
    return -1;
}

static bool is_number_text(const char *s) {
    return *s && !s[strspn(s, "0123456789")];
}

/* Whether an option names a column, rather than counts it. */
static bool names_column(const char *option) {
    return option && !is_number_text(option);
}

static int keep_header(const sample *s, bert_column_plan *p, bert_error *e) {
    size_t used = 0, bytes = 1;
    for (int i = 0; i < p->columns; i++) bytes += s->row[0][i].bytes + 2;
    p->header = true;
    p->header_line = malloc(bytes);
    if (!p->header_line) return bert_fail_memory(e, bytes);
    *p->header_line = 0;
    for (int i = 0; i < p->columns; i++)
        used += (size_t)snprintf(p->header_line + used, bytes - used, "%s%.*s", i ? ", " : "",
                                 (int)s->row[0][i].bytes, s->row[0][i].text);
    return BERT_OK;
}

static int find_header(const sample *s, bert_column_plan *p, bert_error *e) {
    const bert_dataset_options *o = s->b->options;
    if (!s->rows) return BERT_OK;
    const int word = find_name(s->row[0], p->columns, word_names),
              label = find_name(s->row[0], p->columns, label_names);
    const bool named = names_column(o->text_column) || names_column(o->label_column);
    if (!named && (word < 0 || label < 0 || word == label)) return BERT_OK;
    p->sentence = find_name(s->row[0], p->columns, sentence_names);
    if (p->sentence == word || p->sentence == label) p->sentence = -1;
    return keep_header(s, p, e);
}

/* ---- Columns */

/* B-PER, or B alone; of a file that has no such tags nothing is known. */
static bool is_tag(const bert_field *f) {
    if (is(f, "O")) return true;
    return f->bytes && strchr("BIESLUMW", *f->text) &&
           (f->bytes == 1 || f->text[1] == '-' || f->text[1] == '_');
}

typedef struct {
    bool outside;  /* all are tags with prefixes, or O */
    bool tags;     /* .. and some are not O */
    bool constant; /* all are the same */
    bool numbers;  /* 1, 1-2, 8.1 */
} content;

static content content_of(const sample *s, const bert_column_plan *p, int column) {
    content c = {.outside = s->rows > p->header, .constant = true, .numbers = true};
    bool any = false;
    for (size_t i = p->header; i < s->rows; i++) {
        const bert_field *f = &s->row[i][column], *first = &s->row[p->header][column];
        size_t digits = 0;
        while (digits < f->bytes && strchr("0123456789.-", f->text[digits])) digits++;
        c.outside = c.outside && is_tag(f);
        any |= !is(f, "O");
        c.constant =
            c.constant && f->bytes == first->bytes && !memcmp(f->text, first->text, f->bytes);
        c.numbers =
            c.numbers && f->bytes && digits == f->bytes && *f->text >= '0' && *f->text <= '9';
    }
    c.tags = c.outside && any;
    return c;
}

static int column_of(const sample *s, const bert_column_plan *p, const char *option,
                     const char *name, int *out, bert_error *e) {
    if (!option) return BERT_OK;
    if (is_number_text(option)) {
        *out = strlen(option) > 3 ? BERT_COLUMNS_MAX : atoi(option);
        if (*out < p->columns) return BERT_OK;
        return bert_fail(e, BERT_EINVAL, "%s: %s %s: there are %d columns, 0 to %d", s->path, name,
                         option, p->columns, p->columns - 1);
    }
    for (*out = 0; *out < p->columns; ++*out)
        if (is(&s->row[0][*out], option)) return BERT_OK;
    return bert_fail(e, BERT_EINVAL,
                     "%s: %s: no column is called \"%.60s\"; the first line has %.200s", s->path,
                     name, option, p->header_line ? p->header_line : "no names");
}

static int doubtful(const sample *s, const bert_column_plan *p, const char *why, bert_error *e) {
    char row[200];
    size_t used = 0;
    const bert_field *f = s->row[s->rows > 1 ? 1 : 0];
    for (int i = 0; i < p->columns && used + 40 < sizeof row; i++)
        used += (size_t)snprintf(row + used, sizeof row - used, "%s%d %.*s", i ? ", " : "", i,
                                 f[i].bytes < 24 ? (int)f[i].bytes : 24, f[i].text);
    return bert_dataset_fail(s->b, s->number[s->rows > 1 ? 1 : 0], e, BERT_EINVAL,
                             "%s: text_column and label_column say which columns are the word and "
                             "its label, from 0 (%s)",
                             why, row);
}

/* Files that are known as a whole; what they are is said. NULL: none of them. */
static const char *known_kind(const sample *s, bert_column_plan *p, const content *c) {
    const int n = p->columns;
    p->index = n >= 3 && c[0].numbers;
    p->word = p->index;
    p->label = n - 1;
    if (n == 10 && p->index) {
        p->label = 3;
        return c[3].constant && s->rows > 3 ? NULL : "CoNLL-U: FORM and UPOS";
    }
    if (n == 4 && p->index && c[2].outside && c[3].outside) {
        p->label = 2;
        return "index, word, outer and inner tag, as GermEval has them: the outer";
    }
    if (p->index && c[n - 1].tags) return "a first column that counts";
    if (!p->index && n > 2 && c[n - 1].tags) return "the last column has tags";
    if (n == 2 && c[0].tags && !c[1].tags) {
        p->word = 1;
        p->label = 0;
        return "the first column has tags";
    }
    return n == 2 || (p->index && n == 3) || n == 3 || n == 4 ? "" : NULL;
}

static int choose_columns(const sample *s, bert_column_plan *p, const char **kind, bert_error *e) {
    const bert_dataset_options *o = s->b->options;
    content c[BERT_COLUMNS_MAX];
    for (int i = 0; i < p->columns; i++) c[i] = content_of(s, p, i);
    *kind = known_kind(s, p, c);
    const int word = p->header ? find_name(s->row[0], p->columns, word_names) : -1;
    const int label = p->header ? find_name(s->row[0], p->columns, label_names) : -1;
    if (word >= 0) p->word = word;
    if (label >= 0) p->label = label;
    int rc = column_of(s, p, o->text_column, "text_column", &p->word, e);
    if (!rc) rc = column_of(s, p, o->label_column, "label_column", &p->label, e);
    if (rc) return rc;
    if (p->word == p->label)
        return bert_fail(e, BERT_EINVAL, "%s: column %d cannot be both the word and its label",
                         s->path, p->word);
    p->ragged = o->text_column && o->label_column && p->columns >= 10;
    if (o->text_column || o->label_column || (word >= 0 && label >= 0)) *kind = "";
    if (!*kind) return doubtful(s, p, "which column the labels are in cannot be told", e);
    const bert_field *f = &s->row[s->rows - 1][p->label];
    const bool fresh = !o->like && !o->model_labels, nothing = is(f, "_") || is(f, "-");
    if (!o->label_column && p->columns > 2 && c[p->label].constant && s->rows > 3 &&
        (nothing || (fresh && is(f, "O"))))
        return doubtful(s, p,
                        nothing ? "the column taken for the label holds nothing"
                                : "the column taken for the label holds only O",
                        e);
    if (f->bytes && strchr("(*", *f->text) && memchr(f->text, '*', f->bytes))
        return bert_dataset_fail(
            s->b, s->number[s->rows - 1], e, BERT_EUNSUPPORTED,
            "the label \"%.*s\" is a bracket of CoNLL-2012: write the entities "
            "as B-, I- and O, or choose another column by label_column",
            (int)f->bytes, f->text);
    return BERT_OK;
}

static int words_in(const bert_field *f) {
    int n = 0;
    for (size_t i = 0; i < f->bytes; i++)
        n += !bert_is_blank(f->text[i]) && (!i || bert_is_blank(f->text[i - 1]));
    return n;
}

/* Sentences and their tags, where a word and its tag are needed. */
static int check_words(const sample *s, const bert_column_plan *p, bert_error *e) {
    size_t lists = 0, sentences = 0, rows = s->rows - p->header;
    const bert_field *last = s->row[s->rows - 1], *w = &last[p->word], *l = &last[p->label];
    for (size_t i = p->header; i < s->rows; i++) {
        const bert_field *f = &s->row[i][p->label];
        const int n = words_in(f);
        lists += f->bytes > 1 && *f->text == '[' && f->text[f->bytes - 1] == ']';
        sentences += n > 1 && n == words_in(&s->row[i][p->word]);
    }
    if (!rows || (2 * lists <= rows && 2 * sentences <= rows)) return BERT_OK;
    return bert_dataset_fail(
        s->b, s->number[s->rows - 1], e, BERT_EFORMAT,
        "\"%.*s\" is the label of a whole sentence, \"%.*s\": lists are read from JSON, "
        "{\"tokens\": "
        "[..], \"ner_tags\": [..]}; in pandas df[c] = df[c].%s for both columns, and then "
        "df.to_json(FILE, orient=\"records\", lines=True) write it",
        l->bytes < 40 ? (int)l->bytes : 40, l->text, w->bytes < 40 ? (int)w->bytes : 40, w->text,
        2 * lists > rows ? "map(ast.literal_eval)" : "str.split()");
}

/* WikiANN's own files have the language in front of every word, "en:House". */
static int find_prefix(const sample *s, bert_column_plan *p, bert_error *e) {
    enum { ENOUGH = 20 };
    if (!s->rows) return BERT_OK;
    const bert_field *first = &s->row[s->rows - 1][p->word];
    size_t n = 0;
    while (n < first->bytes &&
           ((first->text[n] >= 'a' && first->text[n] <= 'z') || first->text[n] == '-'))
        n++;
    if (s->rows < ENOUGH || n < 2 || n + 2 > sizeof p->prefix || n == first->bytes ||
        first->text[n] != ':')
        return BERT_OK;
    for (size_t i = p->header; i < s->rows; i++) {
        const bert_field *f = &s->row[i][p->word];
        if (f->bytes < n + 1 || memcmp(f->text, first->text, n + 1)) return BERT_OK;
    }
    memcpy(p->prefix, first->text, n + 1);
    return bert_dataset_say(s->b, e, "words have \"%s\" in front, as WikiANN's: it is left out",
                            p->prefix);
}

/* A first line whose label no other line has, and that looks like none of them. */
static bool looks_like_header(const sample *s, const bert_column_plan *p) {
    const bert_field *first = &s->row[0][p->label];
    bool tags = true, capitals = true, lower = false;
    for (size_t i = 0; i < first->bytes; i++)
        lower |= first->text[i] >= 'a' && first->text[i] <= 'z';
    if (s->rows < 4 || is_tag(first)) return false;
    for (size_t i = 1; i < s->rows; i++) {
        const bert_field *f = &s->row[i][p->label];
        if (f->bytes == first->bytes && !memcmp(f->text, first->text, f->bytes)) return false;
        tags = tags && is_tag(f);
        for (size_t k = 0; k < f->bytes; k++)
            capitals = capitals && !(f->text[k] >= 'a' && f->text[k] <= 'z');
    }
    return tags || (capitals && lower);
}

static int check_header(const sample *s, const bert_column_plan *p, bert_error *e) {
    const bert_dataset_options *o = s->b->options;
    if (p->header || (o->text_column && o->label_column) || !looks_like_header(s, p))
        return BERT_OK;
    const bert_field *w = &s->row[0][p->word], *l = &s->row[0][p->label];
    return bert_dataset_fail(
        s->b, s->number[0], e, BERT_EINVAL,
        "\"%.*s\" looks like the name of a column, not a label of \"%.*s\": if it is, text_column "
        "%.*s and label_column %.*s say so; if it is a label, text_column %d and label_column %d "
        "do",
        (int)l->bytes, l->text, (int)w->bytes, w->text, (int)w->bytes, w->text, (int)l->bytes,
        l->text, p->word, p->label);
}

static int say_columns(const sample *s, const bert_column_plan *p, const char *kind,
                       bert_error *e) {
    const char *separator = p->separator == '\t'  ? "tabs"
                            : p->separator == ',' ? "commas"
                            : p->separator == ';' ? "semicolons"
                                                  : "blanks";
    char sentences[60] = "";
    if (p->sentence >= 0)
        snprintf(sentences, sizeof sentences, ", sentences by column %d", p->sentence);
    if (p->header)
        return bert_dataset_say(s->b, e,
                                "%d columns between %s, the first line names them: words are "
                                "\"%.*s\", labels \"%.*s\"%s",
                                p->columns, separator, (int)s->row[0][p->word].bytes,
                                s->row[0][p->word].text, (int)s->row[0][p->label].bytes,
                                s->row[0][p->label].text, sentences);
    return bert_dataset_say(s->b, e,
                            "%d columns between %s, no header: words are column %d, "
                            "labels column %d%s%s%s",
                            p->columns, separator, p->word, p->label, *kind ? " (" : "", kind,
                            *kind ? ")" : "");
}

static int make(sample *s, const bert_word_line *lines, size_t n, bert_column_plan *p,
                bert_error *e) {
    const char *kind = "";
    int rc = find_shape(s, lines, n, p, e);
    if (rc || !p->columns) return rc;
    if (p->columns > BERT_COLUMNS_MAX)
        return bert_fail(e, BERT_EFORMAT, "%s: more than %d columns", s->path, BERT_COLUMNS_MAX);
    rc = take_rows(s, lines, n, p, e);
    if (rc || !s->rows) return rc;
    if (p->columns == 1)
        return bert_dataset_fail(s->b, s->number[0], e, BERT_EFORMAT,
                                 "\"%.*s\" has no label: a word, a tab or space, and its label",
                                 s->row[0][0].bytes < 60 ? (int)s->row[0][0].bytes : 60,
                                 s->row[0][0].text);
    rc = find_header(s, p, e);
    if (!rc) rc = choose_columns(s, p, &kind, e);
    if (!rc) rc = check_words(s, p, e);
    if (!rc) rc = check_header(s, p, e);
    if (!rc) rc = say_columns(s, p, kind, e);
    if (!rc) rc = find_prefix(s, p, e);
    if (!rc && p->header) {
        const bert_field *f = &s->row[0][p->label];
        p->label_name = strndup(f->text, f->bytes);
        if (!p->label_name) rc = bert_fail_memory(e, f->bytes);
    }
    return rc;
}

int bert_column_plan_make(bert_dataset_builder *b, const char *path, const bert_word_line *lines,
                          size_t n, bert_column_plan *p, bert_error *e) {
    sample s = {.b = b, .path = path};
    *p = (bert_column_plan){.separator = ' ', .sentence = -1, .label = 1};
    int rc = make(&s, lines, n, p, e);
    sample_free(&s);
    return rc;
}

void bert_column_plan_free(bert_column_plan *p) {
    free(p->label_name);
    free(p->header_line);
}
