/* What a file of labels should not be taken for without a word: one slip among many numbers turns a
 * regression into classes, and classes into a regression. */
#include "base/error.h"
#include "data/label_options.h"
#include "data/label_text.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 20 }; /* one in so many rows is a slip */

/* "3,5" and "1,234": a number of another country, or with marks of thousands. */
static bool has_comma(const char *s) {
    if (*s == '-' || *s == '+') s++;
    size_t n = strspn(s, "0123456789"), commas = 0;
    while (n && s[n] == ',') {
        const size_t more = strspn(s + n + 1, "0123456789");
        if (!more) return false;
        n += 1 + more;
        commas++;
    }
    if (commas && s[n] == '.') n += 1 + strspn(s + n + 1, "0123456789");
    return commas && !s[n];
}

typedef struct {
    int64_t whole, point, word, comma;            /* rows; comma: of the words */
    int32_t classes;                              /* distinct whole numbers */
    int32_t first_point, first_word, first_comma; /* raw labels, or -1 */
    bool fraction;                                /* some number is not whole */
} looks;

static looks look(const bert_raw_labels *r, const int64_t *rows) {
    looks l = {.first_point = -1, .first_word = -1, .first_comma = -1};
    for (int32_t i = 0; i < r->n; i++) {
        double v = 0;
        if (bert_label_is_integer(r->text[i])) {
            l.whole += rows[i];
            l.classes++;
        } else if (bert_label_number(r->text[i], &v)) {
            if (l.first_point < 0) l.first_point = i;
            l.point += rows[i];
        } else {
            if (l.first_word < 0) l.first_word = i;
            const bool comma = has_comma(r->text[i]);
            if (l.first_comma < 0 && comma) l.first_comma = i;
            l.comma += comma ? rows[i] : 0;
            l.word += rows[i];
        }
        l.fraction |= v != floor(v);
    }
    return l;
}

static bool few(int64_t rows, int64_t of) {
    return rows && of >= 5 && (rows == 1 || rows * FEW <= of);
}

static int refuse(const bert_dataset_builder *b, int32_t raw, const char *what, const char *then,
                  bert_error *e) {
    return bert_dataset_fail(b, b->raw.line[raw], e, BERT_EINVAL, "label \"%.60s\" %s%s",
                             b->raw.text[raw], what, then);
}

static const char classes_or_out[] = ": problem_type single_label_classification makes every label "
                                     "a class, missing_label leaves out "
                                     "rows that have none";

static int check(const bert_dataset_builder *b, const looks *l, bert_error *e) {
    const int64_t numbers = l->whole + l->point;
    const bool all_commas = l->first_comma >= 0 && l->comma == l->word;
    if (l->first_comma >= 0 && (all_commas || l->word * 2 <= numbers))
        return refuse(b, l->first_comma, "has a comma in a number",
                      "; decimals have a point, and "
                      "thousands nothing",
                      e);
    if (few(l->word, numbers) || (l->word && l->point && numbers > l->word))
        return refuse(b, l->first_word, "is no number, as nearly all others are", classes_or_out,
                      e);
    if (!l->word && few(l->point, l->whole) && l->whole >= 2 * l->classes)
        return refuse(
            b, l->first_point, "has a point, as hardly any other has",
            ": problem_type regression or single_label_classification says what the labels "
            "are",
            e);
    if (b->left_out && l->point && !l->fraction && !l->word && l->point >= 2 * (int64_t)b->raw.n)
        return refuse(b, l->first_point, "is a whole number with a point, and some rows have none",
                      ", as pandas writes classes with gaps: problem_type regression or "
                      "single_label_classification says what the labels are",
                      e);
    return 0;
}

int bert_labels_check_numbers(const bert_dataset_builder *b, bert_error *e) {
    const bert_dataset_options *o = b->options;
    const bool said = o->like || o->model_labels || o->problem_type || b->given.n || b->columns;
    if (said || bert_label_separator_of(o) || b->lists.rows || !b->raw.start) return 0;
    int64_t *rows = bert_labels_count(b, e);
    if (!rows) return BERT_ENOMEM;
    const looks l = look(&b->raw, rows);
    free(rows);
    return check(b, &l, e);
}

/* ---- Names that are nearly the same */

/* In lower case, with one blank for several and for _ and -. */
static void plain_name(const char *s, char *out, size_t capacity) {
    size_t n = 0;
    bool gap = false;
    for (; *s && n + 2 < capacity; s++) {
        if (strchr(" \t_-", *s)) {
            gap = n > 0;
            continue;
        }
        if (gap) out[n++] = ' ';
        gap = false;
        out[n++] = (char)tolower((unsigned char)*s);
    }
    out[n] = 0;
}

/* One number among names may be the number of one of them. */
static int say_number(bert_dataset_builder *b, bert_error *e) {
    const bert_raw_labels *r = &b->raw;
    if (bert_labels_known(b).n || b->columns) return 0;
    int64_t *rows = bert_labels_count(b, e);
    if (!rows) return BERT_ENOMEM;
    const looks l = look(r, rows);
    free(rows);
    char place[BERT_PLACE_NAME];
    int rc = 0;
    for (int32_t i = 0; i < r->n && !rc && few(l.whole + l.point, l.word); i++)
        if (bert_label_is_number(r->text[i]))
            rc = bert_dataset_say(b, e, "label \"%.40s\" (%s) is a number among names", r->text[i],
                                  bert_dataset_place_name(b, r->line[i], place));
    return rc;
}

int bert_labels_check_names(bert_dataset_builder *b, bert_error *e) {
    enum { MOST = 500, LENGTH = 128 };
    const bert_raw_labels *r = &b->raw;
    if (r->n > MOST || bert_labels_all(r, bert_label_is_number)) return 0;
    char first[BERT_PLACE_NAME], second[BERT_PLACE_NAME];
    char(*names)[LENGTH] = malloc((size_t)r->n * sizeof *names);
    if (r->n && !names) return bert_fail_memory(e, (size_t)r->n * sizeof *names);
    int rc = say_number(b, e);
    for (int32_t i = 0; i < r->n && !rc; i++) {
        plain_name(r->text[i], names[i], LENGTH);
        for (int32_t k = 0; k < i && !rc; k++)
            if (*names[i] && !strcmp(names[i], names[k]))
                rc = bert_dataset_say(b, e,
                                      "labels \"%.40s\" (%s) and \"%.40s\" (%s) differ "
                                      "in case or blanks only, and are two",
                                      r->text[k], bert_dataset_place_name(b, r->line[k], first),
                                      r->text[i], bert_dataset_place_name(b, r->line[i], second));
    }
    free(names);
    return rc;
}
