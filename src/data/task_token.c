/* Token classification: sentences of labelled words, CoNLL's columns or JSON lines. */
#include "base/error.h"
#include "base/grow.h"
#include "data/dataset.h"
#include "data/metric_entity.h"
#include "files/json.h"
#include "files/lines.h"
#include "files/utf8.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NONE = -100 }; /* the label that losses leave out */

/* The sentence that is being read: its words' tokens end to end. */
typedef struct {
    bert_dataset_builder *b;
    int32_t *ids;
    int32_t *word_end; /* [words] in ids */
    char **labels;     /* [words] */
    int32_t tokens, words;
    int64_t line;
    int32_t *row, *row_labels; /* [max_length] */
} sentence;

static int add_word(sentence *s, const char *word, size_t bytes, const char *label,
                    size_t label_bytes, bert_error *e) {
    bert_encode_options o = bert_encode_default();
    o.add_special_tokens = false;
    bert_error local = {0};
    int rc = bert_encode(s->b->encoder, word, bytes, NULL, 0, &o, &local);
    if (rc < 0) return bert_dataset_fail(s->b, s->line, e, rc, "%s", local.message);
    bert_encoding w = bert_encoder_window(s->b->encoder, 0);
    rc = bert_grow(&s->word_end, (size_t)s->words + 1, sizeof *s->word_end, e);
    if (!rc) rc = bert_grow(&s->labels, (size_t)s->words + 1, sizeof *s->labels, e);
    if (!rc) rc = bert_grow(&s->ids, (size_t)s->tokens + (size_t)w.n, sizeof *s->ids, e);
    if (rc) return rc;
    char *copy = strndup(label, label_bytes);
    if (!copy) return bert_fail_memory(e, label_bytes);
    if (w.n) memcpy(s->ids + s->tokens, w.ids, (size_t)w.n * sizeof *s->ids);
    s->tokens += w.n;
    s->word_end[s->words] = s->tokens;
    s->labels[s->words++] = copy;
    return 0;
}

/* ---- Sentences to rows */

/* The labels of a row, until all are known, are numbers of words in b->raw. */
static int keep_labels(bert_dataset_builder *b, const int32_t *labels, int32_t n, bert_error *e) {
    bert_dataset *d = b->set;
    size_t end = (size_t)d->start[d->sequences];
    int rc = bert_grow(&d->token_labels, end, sizeof *d->token_labels, e);
    if (rc) return rc;
    memcpy(d->token_labels + end - n, labels, (size_t)n * sizeof *labels);
    return 0;
}

/* A row of the words from `first` on; returns the word after its last, or a negative error. */
static int32_t add_row(sentence *s, int32_t first, bert_error *e) {
    bert_dataset_builder *b = s->b;
    const bert_special_ids special = bert_tokenizer_special(bert_model_tokenizer(b->base));
    const int32_t room = b->set->max_length - 2, from = first ? s->word_end[first - 1] : 0;
    int32_t word = first, n = 0;
    s->row[0] = special.cls;
    s->row_labels[0] = NONE;
    for (; word < s->words; word++) {
        int32_t begin = word ? s->word_end[word - 1] : 0, tokens = s->word_end[word] - begin;
        if (tokens > room) tokens = room; /* a word longer than a row */
        if (begin - from + tokens > room) break;
        if (!tokens) continue;
        int rc = bert_raw_labels_row(&b->raw, b->words, e);
        if (!rc)
            rc = bert_raw_label_add(b, b->words, s->labels[word], strlen(s->labels[word]), s->line,
                                    e);
        if (rc) return rc;
        for (int32_t k = 0; k < tokens; k++, n++) {
            s->row[1 + n] = s->ids[begin + k];
            s->row_labels[1 + n] = k && !b->options->label_all_tokens ? NONE : (int32_t)b->words;
        }
        b->words++;
    }
    s->row[1 + n] = special.sep;
    s->row_labels[1 + n] = NONE;
    int rc = bert_dataset_add_sequence(b, s->row, NULL, n + 2, e);
    if (!rc) rc = keep_labels(b, s->row_labels, n + 2, e);
    b->set->rows += !rc;
    return rc ? rc : word;
}

static void clear(sentence *s) {
    for (int32_t i = 0; i < s->words; i++) free(s->labels[i]);
    s->words = s->tokens = 0;
}

static int end_sentence(sentence *s, bert_error *e) {
    bert_dataset *d = s->b->set;
    const bert_overflow overflow = s->b->options->overflow;
    if (!s->words) return 0;
    if (s->tokens + 2 > d->max_length && overflow == BERT_OVERFLOW_ERROR)
        return bert_dataset_too_long(s->b, s->tokens + 2, s->line, e);
    int32_t word = 0;
    do word = add_row(s, word, e);
    while (word >= 0 && word < s->words && overflow == BERT_OVERFLOW_WINDOW);
    if (word < 0) return word;
    if (word < s->words) {
        d->truncated++;
        d->dropped += s->tokens - (word ? s->word_end[word - 1] : 0);
    }
    clear(s);
    return 0;
}

/* ---- CoNLL columns: the first is the word, the last the label */

static bool space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int read_column_line(sentence *s, const char *line, size_t n, int64_t number,
                            bert_error *e) {
    while (n && space(line[n - 1])) n--;
    if (!n) return end_sentence(s, e);
    s->b->set->invalid += !bert_utf8_valid(line, n);
    size_t word = 0, last = n;
    while (word < n && !space(line[word])) word++;
    while (last > word && !space(line[last - 1])) last--;
    if (!s->words) s->line = number;
    if (!word || last == word) {
        int64_t first = s->line;
        s->line = number;
        int rc = bert_dataset_fail(s->b, number, e, BERT_EFORMAT,
                                   "\"%.*s\" has no label: a word, a tab or space, and its label",
                                   n < 60 ? (int)n : 60, line);
        s->line = first;
        return rc;
    }
    if (word == 10 && !memcmp(line, "-DOCSTART-", 10)) return 0;
    return add_word(s, line, word, line + last, n - last, e);
}

/* ---- JSON lines */

static const json_t *member(const json_t *o, const char *const *names) {
    for (; *names; names++) {
        const json_t *v = json_object_get(o, *names);
        if (json_is_array(v)) return v;
    }
    return NULL;
}

static int read_json_line(sentence *s, const char *line, size_t n, int64_t number, bert_error *e) {
    static const char *const word_names[] = {"tokens", "words", NULL};
    static const char *const tag_names[] = {"ner_tags", "tags", "labels", "pos_tags", NULL};
    size_t blank = 0;
    while (blank < n && space(line[blank])) blank++;
    if (blank == n) return 0;
    json_error_t where;
    json_t *o = json_loadb(line, n, 0, &where);
    if (!o) return bert_dataset_fail(s->b, number, e, BERT_EFORMAT, "not JSON: %s", where.text);
    const json_t *words = member(o, word_names), *tags = member(o, tag_names);
    int rc = 0;
    s->line = number;
    if (!words || !tags || json_array_size(words) != json_array_size(tags))
        rc = bert_dataset_fail(s->b, number, e, BERT_EFORMAT,
                               "arrays \"tokens\" and \"ner_tags\" of one length are needed");
    for (size_t i = 0; !rc && i < json_array_size(words); i++) {
        const json_t *word = json_array_get(words, i), *tag = json_array_get(tags, i);
        char text[32];
        const char *label = json_string_value(tag);
        if (json_is_integer(tag)) {
            snprintf(text, sizeof text, "%lld", (long long)json_integer_value(tag));
            label = text;
        }
        if (!json_is_string(word) || !label)
            rc = bert_dataset_fail(s->b, number, e, BERT_EFORMAT,
                                   "token %zu: a text and a label are needed", i);
        else
            rc = add_word(s, json_string_value(word), json_string_length(word), label,
                          strlen(label), e);
    }
    json_decref(o);
    return rc ? rc : end_sentence(s, e);
}

static int read_lines(sentence *s, bert_lines *lines, bool json, bert_error *e) {
    char *line;
    size_t n;
    int rc;
    while ((rc = bert_lines_next(lines, &line, &n, e)) > 0) {
        rc = (json ? read_json_line : read_column_line)(s, line, n, bert_lines_number(lines), e);
        if (rc) break;
    }
    return rc ? rc : end_sentence(s, e);
}

static int read_tokens(bert_dataset_builder *b, const char *path, bert_error *e) {
    const size_t length = (size_t)b->set->max_length, n = strlen(path);
    if (length < 3)
        return bert_fail(e, BERT_EINVAL, "max_length %zu: a word needs 3 tokens", length);
    bert_lines *lines = bert_lines_open(path, path, e);
    if (!lines) return e->code;
    sentence s = {.b = b,
                  .row = malloc(length * sizeof *s.row),
                  .row_labels = malloc(length * sizeof *s.row_labels)};
    int rc = s.row && s.row_labels ? 0 : bert_fail_memory(e, length * sizeof *s.row);
    if (!rc) rc = read_lines(&s, lines, n > 6 && !strcasecmp(path + n - 6, ".jsonl"), e);
    bert_lines_close(lines);
    clear(&s);
    bert_grown_free(s.ids);
    bert_grown_free(s.word_end);
    bert_grown_free(s.labels);
    free(s.row);
    free(s.row_labels);
    return rc;
}

static int resolve(bert_dataset_builder *b, bert_error *e) {
    bert_dataset *d = b->set;
    int32_t *number = bert_dataset_name_labels(b, e);
    if (!number) return e->code;
    if (!b->options->like && !b->options->model_labels && !b->options->allow_one_class &&
        b->raw.n == 1) {
        free(number);
        return bert_fail(e, BERT_EINVAL,
                         "%s: every word has the label \"%.60s\": there is nothing to learn from "
                         "one class",
                         d->where, b->raw.text[0]);
    }
    for (int64_t i = 0; i < d->start[d->sequences]; i++)
        if (d->token_labels[i] >= 0)
            d->token_labels[i] = number[b->raw.of_rows[b->raw.start[d->token_labels[i]]]];
    free(number);
    return 0;
}

const bert_task bert_task_token_classification = {
    .name = "token-classification",
    .pipeline = "token-classification",
    .labels = true,
    .windows = true,
    .read = read_tokens,
    .resolve = resolve,
    .scorer = &bert_entity_scorer,
};
