#include "data/kept.h"
#include "base/grow.h"
#include <string.h>

int bert_kept_row(bert_kept *k, int64_t line, bert_error *e) {
    const size_t n = (size_t)k->rows;
    int rc = bert_grow(&k->first, n + 2, sizeof *k->first, e);
    if (!rc) rc = bert_grow(&k->line, n + 1, sizeof *k->line, e);
    if (rc) return rc;
    k->line[n] = line;
    k->first[n] = k->first[n + 1] = k->strings;
    k->rows++;
    return 0;
}

int bert_kept_add(bert_kept *k, const char *text, size_t bytes, bert_error *e) {
    const size_t n = (size_t)k->strings;
    int rc = bert_grow(&k->string, n + 2, sizeof *k->string, e);
    if (rc) return rc;
    if (!n) k->string[0] = 0;
    const size_t used = (size_t)k->string[n];
    rc = bert_grow(&k->bytes, used + bytes + 1, 1, e);
    if (rc) return rc;
    if (bytes) memcpy(k->bytes + used, text, bytes);
    k->bytes[used + bytes] = 0;
    k->string[n + 1] = (int64_t)(used + bytes + 1);
    k->first[k->rows] = ++k->strings;
    return 0;
}

int64_t bert_kept_count(const bert_kept *k, int64_t row) {
    return row >= 0 && row < k->rows ? k->first[row + 1] - k->first[row] : 0;
}

const char *bert_kept_at(const bert_kept *k, int64_t row, int64_t i, size_t *bytes) {
    const int64_t s = k->first[row] + i;
    *bytes = (size_t)(k->string[s + 1] - k->string[s] - 1);
    return k->bytes + k->string[s];
}

void bert_kept_leave_out(bert_kept *k, const bool *out) {
    int64_t rows = 0, strings = 0, used = 0;
    for (int64_t row = 0, first = 0, next; row < k->rows; row++, first = next) {
        next = k->first[row + 1];
        if (out[row]) continue;
        for (int64_t s = first; s < next; s++) {
            const int64_t from = k->string[s], n = k->string[s + 1] - from;
            memmove(k->bytes + used, k->bytes + from, (size_t)n);
            k->string[strings++] = used;
            used += n;
        }
        k->line[rows] = k->line[row];
        k->first[++rows] = strings;
    }
    if (k->strings) k->string[strings] = used;
    k->rows = rows;
    k->strings = strings;
}

void bert_kept_lay(bert_kept *k, bert_laid *l) {
    BERT_LAY(l, *k);
    size_t bytes = !l->taken && k->strings ? (size_t)k->string[k->strings] : 0;
    BERT_LAY(l, bytes);
    bert_lay_grown(l, &k->bytes, bytes);
    bert_lay_grown(l, &k->string, (size_t)(k->strings + 1) * sizeof *k->string);
    bert_lay_grown(l, &k->first, (size_t)(k->rows + 1) * sizeof *k->first);
    bert_lay_grown(l, &k->line, (size_t)k->rows * sizeof *k->line);
}

void bert_kept_free(bert_kept *k) {
    bert_grown_free(k->bytes);
    bert_grown_free(k->string);
    bert_grown_free(k->first);
    bert_grown_free(k->line);
    *k = (bert_kept){0};
}
