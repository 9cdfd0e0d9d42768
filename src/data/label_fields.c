/* The labels of a row, from what its label columns hold. */
#include "base/error.h"
#include "data/label_list.h"
#include "data/label_options.h"
#include "data/label_text.h"
#include <string.h>

static const char no_label[] = "left out: no gold label";

/* Marks that columns of 0 and 1 have for "not known". */
static bool says_nothing(const bert_text *f) {
    static const char *const marks[] = {"", "-1", "-1.0", "-100", "nan", "NaN", "<NA>", "None"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (f->bytes == strlen(marks[i]) && !memcmp(f->text, marks[i], f->bytes)) return true;
    return false;
}

static int add_columns(bert_dataset_builder *b, const bert_text *fields, int64_t line,
                       bert_error *e) {
    bool yes, missing = false, odd = false;
    for (int i = 0; i < b->columns_count; i++) {
        if (bert_label_yes_no(&fields[i], &yes)) continue;
        missing |= says_nothing(&fields[i]);
        odd |= !says_nothing(&fields[i]);
    }
    if (missing && !odd) return BERT_LABEL_MISSING;
    for (int i = 0; i < b->columns_count; i++) {
        if (!bert_label_yes_no(&fields[i], &yes) && !says_nothing(&fields[i]))
            return bert_dataset_fail(
                b, line, e, BERT_EINVAL, "column %s holds \"%.*s\", not 0 or 1", b->columns[i],
                fields[i].bytes < 60 ? (int)fields[i].bytes : 60, fields[i].text);
        if (!yes) continue;
        int rc = bert_raw_label_add(b, b->set->rows, b->columns[i], strlen(b->columns[i]), line, e);
        if (rc) return rc;
    }
    return BERT_OK;
}

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static bert_text trimmed(const char *text, size_t bytes) {
    while (bytes && blank(*text)) text++, bytes--;
    while (bytes && blank(text[bytes - 1])) bytes--;
    return (bert_text){.text = text, .bytes = bytes};
}

/* ---- Lists */

static int odd_list(const bert_dataset_builder *b, const bert_text *f, int64_t line,
                    bert_error *e) {
    return bert_dataset_fail(
        b, line, e, BERT_EINVAL,
        "the label \"%.*s\" looks like a list and cannot be read as one; lists "
        "are written as ['a', 'b'] or [1, 0, 1], or as \"a|b\" with "
        "label_separator \"|\"",
        f->bytes < 60 ? (int)f->bytes : 60, f->text);
}

/* {'a': 1, 'b': 0}: the names with 1. */
static int add_pairs(bert_dataset_builder *b, const bert_list *l, const bert_text *f, int64_t line,
                     bert_error *e) {
    int rc = 0;
    b->lists.named = true;
    for (int32_t i = 0; i < l->n && !rc; i++) {
        bool yes;
        if (!bert_label_yes_no(&l->value[i], &yes)) return odd_list(b, f, line, e);
        rc = yes ? bert_raw_label_add(b, b->set->rows, l->item[i].text, l->item[i].bytes, line, e)
                 : bert_raw_label_know(b, l->item[i].text, l->item[i].bytes, line, NULL, e);
    }
    return rc;
}

static int add_items(bert_dataset_builder *b, const bert_list *l, int64_t line, bert_error *e) {
    bert_label_lists *lists = &b->lists;
    const int64_t row = b->set->rows;
    int rc = 0;
    for (int32_t i = 0; i < l->n && !rc; i++) {
        const bert_text one = trimmed(l->item[i].text, l->item[i].bytes);
        if (one.bytes)
            rc = bert_raw_label_add(b, row, one.text, one.bytes, line, e);
        else
            rc = bert_dataset_fail(b, line, e, BERT_EINVAL, "element %d of the label is empty",
                                   (int)i);
    }
    if (rc) return rc;
    const bert_raw_labels *r = &b->raw;
    for (int64_t i = r->start[row]; i < r->start[row + 1] && !lists->repeat_line; i++)
        for (int64_t k = r->start[row]; k < i; k++)
            if (r->of_rows[i] == r->of_rows[k]) lists->repeat_line = line;
    if (!lists->items) lists->width = l->n;
    if (l->n != lists->width && !lists->other_line) {
        lists->other_line = line;
        lists->other_width = l->n;
    }
    lists->items++;
    return 0;
}

static int add_list(bert_dataset_builder *b, const bert_list *l, const bert_text *f, bool as_text,
                    int64_t line, bert_error *e) {
    bert_label_lists *lists = &b->lists;
    if (l->kind == BERT_LIST_ODD) return odd_list(b, f, line, e);
    if (!lists->rows++) lists->first_line = line;
    if (as_text && !lists->as_text++) lists->text_line = line;
    return l->kind == BERT_LIST_PAIRS ? add_pairs(b, l, f, line, e) : add_items(b, l, line, e);
}

/* ---- A field */

static int add_separated(bert_dataset_builder *b, bert_text rest, int64_t line, bert_error *e) {
    const char *separator = bert_label_separator_of(b->options);
    const size_t n = strlen(separator);
    int rc = BERT_OK;
    while (rest.bytes && !rc) {
        const char *end = memmem(rest.text, rest.bytes, separator, n);
        size_t bytes = end ? (size_t)(end - rest.text) : rest.bytes;
        bert_text one = trimmed(rest.text, bytes);
        if (one.bytes) rc = bert_raw_label_add(b, b->set->rows, one.text, one.bytes, line, e);
        size_t skip = end ? bytes + n : bytes;
        rest.text += skip;
        rest.bytes -= skip;
    }
    return rc;
}

static int add_field(bert_dataset_builder *b, bert_text field, int64_t line, bert_error *e) {
    const char *separator = bert_label_separator_of(b->options);
    bert_list list;
    int rc = b->field_is_list ? bert_list_split(field.text, field.bytes, '|', &list, e)
                              : bert_list_parse(field.text, field.bytes, &list, e);
    if (rc) return rc;
    if (list.kind != BERT_LIST_NONE) {
        rc = add_list(b, &list, &field, !b->field_is_list, line, e);
        bert_list_free(&list);
        return rc;
    }
    if (!b->plain_rows++) b->plain_line = line;
    if (separator && *separator) return add_separated(b, field, line, e);
    if (memchr(field.text, 0, field.bytes))
        return bert_dataset_fail(b, line, e, BERT_EINVAL, "the label holds a NUL byte");
    return bert_raw_label_add(b, b->set->rows, field.text, field.bytes, line, e);
}

static bool is_missing(const bert_dataset_builder *b, const bert_text *field) {
    const char *separator = bert_label_separator_of(b->options);
    return !field->bytes && !b->field_is_list && !(separator && *separator);
}

int bert_labels_add(bert_dataset_builder *b, const bert_text *fields, int64_t line, bert_error *e) {
    const int64_t row = b->set->rows;
    const bert_text field = trimmed(fields->text, fields->bytes);
    line = bert_dataset_place(b, line);
    int rc = bert_raw_labels_row(&b->raw, row, e);
    if (rc) return rc;
    if (b->columns)
        rc = add_columns(b, fields, line, e);
    else
        rc = is_missing(b, &field) ? BERT_LABEL_MISSING : add_field(b, field, line, e);
    if (rc == BERT_LABEL_MISSING) return bert_labels_none(b, line, e);
    const int64_t n = b->raw.start[row + 1] - b->raw.start[row];
    if (!rc && n != 1 && !b->odd_line) b->odd_line = line;
    return rc;
}

int bert_labels_none(bert_dataset_builder *b, int64_t line, bert_error *e) {
    b->left_out++;
    int rc = bert_dataset_tally(b, line, no_label, e);
    return rc ? rc : BERT_LABEL_MISSING;
}
