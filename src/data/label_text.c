#include "data/label_text.h"
#include "base/error.h"
#include "base/number.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool bert_label_is_integer(const char *s) {
    if (*s == '-' || *s == '+') s++;
    size_t n = strspn(s, "0123456789");
    return n > 0 && n < 10 && !s[n];
}

bool bert_label_number(const char *s, double *value) {
    char *end;
    if (!*s || isspace((unsigned char)*s)) return false;
    *value = bert_strtod(s, &end);
    return !*end && isfinite(*value) && isfinite((float)*value);
}

bool bert_label_is_number(const char *s) {
    double v;
    return bert_label_number(s, &v);
}

bool bert_label_yes_no(const bert_text *f, bool *yes) {
    static const struct {
        const char *text;
        bool yes;
    } words[] = {{"0", false},     {"1", true},    {"0.0", false},   {"1.0", true},
                 {"0.", false},    {"1.", true},   {"false", false}, {"true", true},
                 {"False", false}, {"True", true}, {"FALSE", false}, {"TRUE", true}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (f->bytes == strlen(words[i].text) && !memcmp(f->text, words[i].text, f->bytes)) {
            *yes = words[i].yes;
            return true;
        }
    return false;
}

bool bert_labels_all(const bert_raw_labels *r, bool (*is)(const char *)) {
    for (int32_t i = 0; i < r->n; i++)
        if (!is(r->text[i])) return false;
    return r->n > 0;
}

bert_labels bert_labels_known(const bert_dataset_builder *b) {
    const bert_dataset *like = b->options->like;
    if (like)
        return like->problem == BERT_PROBLEM_REGRESSION
                   ? (bert_labels){0}
                   : (bert_labels){.n = like->num_labels, .name = like->names};
    if (!b->options->model_labels) return b->given;
    return bert_problem_of(&b->base->config) == BERT_PROBLEM_REGRESSION ? (bert_labels){0}
                                                                        : b->base->labels;
}

const char *bert_label_called(const bert_labels *given, const char *text) {
    double v;
    for (int32_t i = 0; i < given->n; i++)
        if (!strcmp(given->name[i], text)) return text;
    if (!given->n) return text;
    if (!bert_label_number(text, &v) || v != floor(v) || v < 0 || v >= given->n) return NULL;
    return given->name[(int32_t)v];
}

int32_t bert_label_number_of(char *const *names, int32_t n, const char *text) {
    bool words = false;
    for (int32_t i = 0; i < n; i++) {
        if (!strcmp(names[i], text)) return i;
        if (!bert_label_is_integer(names[i])) words = true;
    }
    if (!words || !bert_label_is_integer(text)) return -1;
    long v = strtol(text, NULL, 10);
    return v >= 0 && v < n ? (int32_t)v : -1;
}

int64_t *bert_labels_count(const bert_dataset_builder *b, bert_error *e) {
    const bert_raw_labels *r = &b->raw;
    int64_t *rows = calloc((size_t)r->n + 1, sizeof *rows);
    if (!rows) {
        bert_fail_memory(e, (size_t)r->n * sizeof *rows);
        return NULL;
    }
    for (int64_t k = 0; r->start && k < r->start[b->set->rows]; k++) rows[r->of_rows[k]]++;
    return rows;
}
