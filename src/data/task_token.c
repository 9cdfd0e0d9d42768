/* Token classification: sentences of labelled words. */
#include "base/error.h"
#include "base/file.h"
#include "base/grow.h"
#include "data/label_options.h"
#include "data/metric_entity.h"
#include "data/predictions.h"
#include "data/sentence_reader.h"
#include <stdlib.h>
#include <string.h>

enum { NONE = -100 }; /* the label that losses leave out */

void bert_sentences_free(void *sentences) {
    bert_sentences *s = sentences;
    if (!s) return;
    bert_tags_free(s->tags);
    free(s->tags_name);
    bert_grown_free(s->text);
    bert_grown_free(s->word);
    bert_grown_free(s->token);
    bert_grown_free(s->gold);
    bert_grown_free(s->sentence);
    bert_grown_free(s->line);
    free(s);
}

/* ---- Words */

/* The word as it is written, and its label: of the set, whether they fit a row or not. */
static int keep_word(bert_sentence_reader *s, const char *word, size_t bytes, const char *label,
                     size_t label_bytes, int64_t line, bert_error *e) {
    bert_sentences *all = s->all;
    const size_t n = (size_t)all->words;
    int rc = bert_grow(&all->word, n + 2, sizeof *all->word, e);
    if (!rc && !n) all->word[0] = 0;
    if (!rc) rc = bert_grow(&all->token, n + 1, sizeof *all->token, e);
    if (!rc) rc = bert_grow(&all->text, (size_t)all->word[n] + bytes + 1, 1, e);
    if (!rc) rc = bert_raw_labels_row(&s->b->raw, all->words, e);
    if (!rc) rc = bert_raw_label_add(s->b, all->words, label, label_bytes, line, e);
    if (rc) return rc;
    memcpy(all->text + all->word[n], word, bytes);
    all->text[all->word[n] + (int64_t)bytes] = 0;
    all->word[n + 1] = all->word[n] + (int64_t)bytes + 1;
    all->token[n] = -1;
    all->words++;
    s->b->words = all->words;
    return BERT_OK;
}

int bert_sentence_word(bert_sentence_reader *s, const char *word, size_t bytes, const char *label,
                       size_t label_bytes, int64_t line, bert_error *e) {
    bert_tokenize_options o = bert_tokenize_default();
    o.add_special_tokens = false;
    bert_error local = {0};
    int rc = bert_tokenize(s->b->tokenization, word, bytes, NULL, 0, &o, &local);
    if (rc < 0) return bert_dataset_fail(s->b, line, e, rc, "%s", local.message);
    bert_token_window w = bert_tokenization_window(s->b->tokenization, 0);
    rc = bert_grow(&s->word_end, (size_t)s->words + 1, sizeof *s->word_end, e);
    if (!rc) rc = bert_grow(&s->ids, (size_t)s->tokens + (size_t)w.n, sizeof *s->ids, e);
    if (!rc) rc = keep_word(s, word, bytes, label, label_bytes, line, e);
    if (rc) return rc;
    if (w.n) memcpy(s->ids + s->tokens, w.ids, (size_t)w.n * sizeof *s->ids);
    if (!w.n && !s->empty++) s->first_empty = line;
    if (!s->words) s->line = line;
    s->tokens += w.n;
    s->word_end[s->words++] = s->tokens;
    return 0;
}

/* ---- Sentences to rows */

/* The labels of a row, until all are known, are numbers of words. */
static int keep_labels(bert_dataset_builder *b, const int32_t *labels, int32_t n, bert_error *e) {
    bert_dataset *d = b->set;
    const int64_t end = d->start[d->sequences];
    int32_t *all = bert_dataset_grow_ints(d, "labels", BERT_PER_TOKEN, end, e);
    if (!all) return e->code;
    memcpy(all + end - n, labels, (size_t)n * sizeof *labels);
    return 0;
}

static int32_t tokens_before(const bert_sentence_reader *s, int32_t word) {
    return word ? s->word_end[word - 1] : 0;
}

/* Where the row of a sentence begins: at its end there is room, where the tokenizer truncates left
 * and the rest is to be cut off. */
static int32_t first_word(const bert_sentence_reader *s) {
    const int32_t room = s->b->set->max_length - 2;
    int32_t word = 0;
    if (s->b->options->overflow != BERT_OVERFLOW_TRUNCATE ||
        !bert_tokenizer_truncates_left(bert_model_tokenizer(s->b->base)))
        return 0;
    while (word + 1 < s->words && s->tokens - tokens_before(s, word) > room) word++;
    return word;
}

/* A row of the words from `first` on; returns the word after its last, or a negative error. */
static int32_t add_row(bert_sentence_reader *s, int32_t first, bert_error *e) {
    bert_dataset_builder *b = s->b;
    const bert_special_ids special = bert_tokenizer_special(bert_model_tokenizer(b->base));
    const int32_t room = b->set->max_length - 2, from = tokens_before(s, first);
    const int64_t begins = b->set->sequences ? b->set->start[b->set->sequences] : 0;
    int64_t number = s->all->words - s->words + first;
    int32_t word = first, n = 0;
    s->row[0] = special.cls;
    s->row_labels[0] = NONE;
    for (; word < s->words; word++, number++) {
        int32_t begin = tokens_before(s, word), tokens = s->word_end[word] - begin;
        if (tokens > room) tokens = room; /* a word longer than a row */
        if (begin - from + tokens > room) break;
        if (tokens) s->all->token[number] = begins + 1 + n;
        for (int32_t k = 0; k < tokens; k++, n++) {
            s->row[1 + n] = s->ids[begin + k];
            s->row_labels[1 + n] = k && !s->label_all ? NONE : (int32_t)number;
        }
    }
    s->row[1 + n] = special.sep;
    s->row_labels[1 + n] = NONE;
    int rc = bert_dataset_add_sequence(b, s->row, NULL, n + 2, e);
    if (!rc) rc = keep_labels(b, s->row_labels, n + 2, e);
    if (!rc) rc = bert_dataset_end_row(b, e);
    return rc ? rc : word;
}

static int keep_sentence(bert_sentence_reader *s, bert_error *e) {
    bert_sentences *all = s->all;
    const size_t n = (size_t)all->sentences;
    int rc = bert_grow(&all->sentence, n + 2, sizeof *all->sentence, e);
    if (!rc) rc = bert_grow(&all->line, n + 1, sizeof *all->line, e);
    if (rc) return rc;
    if (!n) all->sentence[0] = 0;
    all->line[n] = s->line;
    all->sentence[n + 1] = all->words;
    all->sentences++;
    return BERT_OK;
}

int bert_sentence_end(bert_sentence_reader *s, bert_error *e) {
    bert_dataset *d = s->b->set;
    const bert_overflow overflow = s->b->options->overflow;
    if (!s->words) return 0;
    if (s->all->words > INT32_MAX)
        return bert_fail(e, BERT_EINVAL, "%s: more than %d words", d->where, INT32_MAX);
    if (s->tokens + 2 > d->max_length && overflow == BERT_OVERFLOW_ERROR)
        return bert_dataset_too_long(s->b, s->tokens + 2, s->line, e);
    int rc = keep_sentence(s, e);
    if (rc) return rc;
    const int32_t first = first_word(s);
    int32_t word = first;
    do word = add_row(s, word, e);
    while (word >= 0 && word < s->words && overflow == BERT_OVERFLOW_WINDOW);
    if (word < 0) return word;
    if (word < s->words || first) {
        d->truncated++;
        d->dropped += s->tokens - tokens_before(s, word) + tokens_before(s, first);
    }
    s->words = s->tokens = 0;
    return 0;
}

/* ---- The file */

static int read_file(bert_sentence_reader *s, const char *path, bert_error *e) {
    const bool json = bert_file_has_suffix(path, ".jsonl") || bert_file_has_suffix(path, ".json");
    int rc = (json ? bert_read_word_lists : bert_read_word_lines)(s, path, e);
    if (!rc) rc = bert_sentence_end(s, e);
    if (!rc && s->empty)
        rc = bert_dataset_say(s->b, e,
                              "%lld word%s of which nothing is left for the tokenizer %s no part "
                              "(%sline %lld)",
                              (long long)s->empty, s->empty == 1 ? "" : "s",
                              s->empty == 1 ? "takes" : "take",
                              s->empty == 1 ? "" : "the first in ", (long long)s->first_empty);
    return rc;
}

static const bert_option_row all_tokens[] = {
    {"label_all_tokens", BERT_OPTION_SWITCH, NULL, "",
     "token classification: not the first token of a word only"},
    {0},
};

static int read_tokens(bert_dataset_builder *b, const char *path, bert_error *e) {
    const size_t length = (size_t)b->set->max_length;
    if (length < 3)
        return bert_fail(e, BERT_EINVAL, "max_length %zu: a word needs 3 tokens", length);
    if (b->columns)
        return bert_fail(e, BERT_EINVAL, "label_column: a word has one label, not several (%s)",
                         b->options->label_column);
    bert_sentence_reader s = {.b = b,
                              .label_all = bert_option_on(b->options, all_tokens),
                              .all = calloc(1, sizeof *s.all),
                              .row = malloc(length * sizeof *s.row),
                              .row_labels = malloc(length * sizeof *s.row_labels)};
    b->set->state = s.all; /* the set frees it */
    int rc = s.all && s.row && s.row_labels ? read_file(&s, path, e)
                                            : bert_fail_memory(e, length * sizeof *s.row);
    bert_grown_free(s.ids);
    bert_grown_free(s.word_end);
    free(s.row);
    free(s.row_labels);
    return rc;
}

static void lay(bert_laid *l, bert_dataset *d) {
    bert_lay_block(l, &d->state, sizeof(bert_sentences));
    bert_sentences *all = d->state;
    if (!all) return;
    bert_tag_scheme scheme = l->taken ? BERT_TAGS_IOB2 : all->tags->scheme;
    BERT_LAY(l, scheme);
    if (l->taken && (all->tags = bert_tags_new(d->names, d->num_labels, l->e)))
        bert_tags_set(all->tags, scheme);
    bert_lay_string(l, &all->tags_name);
    size_t text = !l->taken && all->words ? (size_t)all->word[all->words] : 0;
    BERT_LAY(l, text);
    const size_t words = (size_t)all->words, sentences = (size_t)all->sentences;
    bert_lay_grown(l, &all->text, text);
    bert_lay_grown(l, &all->word, (words + 1) * sizeof *all->word);
    bert_lay_grown(l, &all->token, words * sizeof *all->token);
    bert_lay_grown(l, &all->gold, words * sizeof *all->gold);
    bert_lay_grown(l, &all->sentence, (sentences + 1) * sizeof *all->sentence);
    bert_lay_grown(l, &all->line, sentences * sizeof *all->line);
}

static const bert_scorer *scorer_of(const bert_dataset *d) {
    const bert_sentences *all = d->state;
    return bert_scorer_of_tags(all->tags);
}

static bool may_continue(const bert_dataset_options *o) {
    (void)o;
    return true;
}

const bert_task bert_task_token_classification = {
    .name = "token-classification",
    .pipeline = "token-classification",
    .labels = BERT_LABELLED_TOKENS,
    .outputs = BERT_OUTPUT_TAGS,
    .options = (const bert_option_row *const[]){bert_label_names_option, all_tokens, NULL},
    .windows = may_continue,
    .read = read_tokens,
    .resolve = bert_sentences_resolve,
    .scorer = &bert_entity_scorer,
    .scorer_of = scorer_of,
    .predictions = &bert_tag_predictions,
    .free_state = bert_sentences_free,
    .lay = lay,
};
