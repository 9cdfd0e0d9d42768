/* What BERT was trained with, on raw text: masked tokens, alone or with the next sentence. Masks
 * are drawn anew each epoch, as a function of (seed, epoch, row). */
#include "base/error.h"
#include "base/grow.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = -100 };

/* Of masked-lm alone, and of both. */
static const bert_option_row by_line[] = {
    {"line_by_line", BERT_OPTION_SWITCH, NULL, "",
     "masked-lm: a row a line, not all text in pieces"},
    {0},
};
enum { PROBABILITY, WHOLE_WORD };
static const bert_option_row mask_options[] = {
    [PROBABILITY] = {"mlm_probability", BERT_OPTION_PART, NULL, "0.15",
                     "masked-lm, pretraining: part of the tokens that is hidden"},
    [WHOLE_WORD] = {"whole_word_mask", BERT_OPTION_SWITCH, NULL, "",
                    "the same: hide words, not pieces of them"},
    {0},
};

/* What masking asks about each id. */
enum { SPECIAL = 1, CONTINUES = 2 };
typedef struct {
    uint8_t *kind; /* [size] */
    int32_t size, mask;
    double probability;
    bool whole_word;
} language;

static void language_free(void *extra) {
    language *l = extra;
    free(l->kind);
    free(l);
}

static void language_lay(bert_laid *l, bert_dataset *d) {
    bert_lay_block(l, &d->state, sizeof(language));
    language *own = d->state;
    if (own) bert_lay_block(l, &own->kind, (size_t)own->size);
}

static language *language_new(const bert_tokenizer *t, const bert_dataset_options *o,
                              bert_error *e) {
    const bert_special_ids s = bert_tokenizer_special(t);
    language *l = calloc(1, sizeof *l);
    if (l) {
        *l = (language){.size = bert_tokenizer_size(t),
                        .mask = s.mask,
                        .probability = bert_option_number(o, &mask_options[PROBABILITY]),
                        .whole_word = bert_option_on(o, &mask_options[WHOLE_WORD])};
        l->kind = calloc((size_t)l->size, 1);
    }
    if (!l || !l->kind) {
        bert_fail_memory(e, sizeof *l);
        free(l);
        return NULL;
    }
    for (int32_t i = 0; i < l->size; i++) {
        if (bert_token_continues(t, i)) l->kind[i] = CONTINUES;
    }
    const int32_t specials[] = {s.pad, s.unk, s.cls, s.sep, s.mask};
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (specials[i] >= 0 && specials[i] != s.unk) l->kind[specials[i]] = SPECIAL;
    return l;
}

/* ---- Masks */

/* 80 % [MASK], 10 % any token, 10 % as it is. */
static void hide(const language *l, bert_rng *r, int32_t *id, int32_t *label) {
    *label = *id;
    const double what = bert_rng_uniform(r);
    if (what < 0.8)
        *id = l->mask;
    else if (what < 0.9)
        *id = (int32_t)bert_rng_below(r, (uint32_t)l->size);
}

/* DataCollatorForWholeWordMask: whole words in random order until so many tokens are chosen. */
static int hide_words(const language *l, bert_rng *r, int32_t *ids, int32_t *labels, int32_t n) {
    int64_t *words = malloc(((size_t)n + 1) * sizeof *words); /* the first token of each */
    if (!words) return BERT_ENOMEM;
    int64_t count = 0;
    for (int32_t i = 0; i < n; i++)
        if (!(l->kind[ids[i]] & SPECIAL) && (!count || !(l->kind[ids[i]] & CONTINUES)))
            words[count++] = i;
    long wanted = lround(n * l->probability), chosen = 0;
    if (wanted < 1) wanted = 1;
    bert_rng_shuffle(r, words, count);
    uint8_t *begins = calloc((size_t)n + 1, 1);
    for (int64_t k = 0; begins && k < count; k++) begins[words[k]] = 1;
    for (int64_t k = 0; begins && k < count && chosen < wanted; k++) {
        int32_t first = (int32_t)words[k], end = first + 1;
        while (end < n && !begins[end] && !(l->kind[ids[end]] & SPECIAL)) end++;
        if (chosen + end - first > wanted) continue;
        chosen += end - first;
        for (int32_t i = first; i < end; i++) labels[i] = 0; /* to be hidden below */
    }
    for (int32_t i = 0; i < n; i++)
        if (labels[i] != NONE) hide(l, r, &ids[i], &labels[i]);
    free(words);
    free(begins);
    return begins ? 0 : BERT_ENOMEM;
}

static int mask_row(const bert_preparation *p, int64_t row, int32_t *ids, int32_t *labels,
                    int32_t n) {
    const language *l = p->set->state;
    bert_rng r = {.seed = p->seed + (uint64_t)p->epoch * 0x9e3779b97f4a7c15u,
                  .stream = bert_rng_stream("masks") + (uint64_t)row};
    for (int32_t i = 0; i < n; i++) labels[i] = NONE;
    if (l->whole_word) return hide_words(l, &r, ids, labels, n);
    for (int32_t i = 0; i < n; i++)
        if (bert_rng_uniform(&r) < l->probability && !(l->kind[ids[i]] & SPECIAL))
            hide(l, &r, &ids[i], &labels[i]);
    return 0;
}

/* Leaves the first token of each row and those that are masked, the only ones whose words the loss
 * asks about. */
static void keep_masked(bert_preparation *p, bert_column *drawn) {
    const bert_inputs *in = &p->batch->inputs;
    int32_t kept = 0, *labels = bert_column_ints(drawn);
    for (int32_t i = 0; i < in->n; i++)
        for (int32_t k = in->start[i]; k < in->start[i + 1]; k++) {
            if (k > in->start[i] && labels[k] < 0) continue;
            p->logit_tokens[kept] = k;
            labels[kept++] = labels[k];
        }
    drawn->count = p->logit_token_count = kept;
}

/* What was hidden, of the tokens whose logits are wanted. */
static const bert_column hidden_words[] = {
    {.name = "labels", .type = BERT_COLUMN_INT32, .per = BERT_PER_LOGIT_TOKEN, .width = 1}, {0}};

static int mask(bert_preparation *p, bert_error *e) {
    const int32_t *start = p->batch->inputs.start;
    bert_column *drawn = bert_prepared_column(p, "labels");
    int32_t *ids = bert_column_ints(bert_prepared_column(p, "ids"));
    for (int32_t i = 0; i < p->batch->row_count; i++)
        if (mask_row(p, p->batch->rows[i], ids + start[i], bert_column_ints(drawn) + start[i],
                     start[i + 1] - start[i]))
            return bert_fail_memory(e, (size_t)start[p->batch->row_count]);
    keep_masked(p, drawn);
    return BERT_OK;
}

/* ---- Text to sentences of ids */

typedef struct {
    int32_t *ids;      /* these are grown */
    int64_t *sentence; /* [sentences + 1] in ids */
    int64_t *document; /* [documents + 1] in sentences; a blank line ends one */
    int64_t sentences, documents;
} corpus;

static void corpus_free(corpus *c) {
    bert_grown_free(c->ids);
    bert_grown_free(c->sentence);
    bert_grown_free(c->document);
}

static int end_document(corpus *c, bert_error *e) {
    if (c->documents && c->document[c->documents] == c->sentences) return 0;
    int rc = bert_grow(&c->document, (size_t)c->documents + 2, sizeof *c->document, e);
    if (rc) return rc;
    if (!c->documents) c->document[0] = 0;
    if (c->sentences) c->document[++c->documents] = c->sentences;
    return 0;
}

static int add_sentence(corpus *c, bert_tokenization *enc, const bert_text *t, bert_error *e) {
    const size_t used = c->sentences ? (size_t)c->sentence[c->sentences] : 0;
    int rc = bert_grow(&c->sentence, (size_t)c->sentences + 2, sizeof *c->sentence, e);
    /* A token has a byte at least. */
    if (!rc) rc = bert_grow(&c->ids, used + t->bytes, sizeof *c->ids, e);
    if (rc) return rc;
    if (!c->sentences) c->sentence[0] = 0;
    int64_t n = bert_tokenize_ids(enc, t->text, t->bytes, c->ids + used, t->bytes, e);
    if (n < 0) return (int)n;
    if ((size_t)n > t->bytes) {
        rc = bert_grow(&c->ids, used + (size_t)n, sizeof *c->ids, e);
        if (rc) return rc;
        bert_tokenize_ids(enc, t->text, t->bytes, c->ids + used, (size_t)n, e);
    }
    if (n) c->sentence[++c->sentences] = (int64_t)used + n;
    return 0;
}

/* Of a line that is a row by itself; others come in pieces, however long. */
static int check_line(const bert_dataset_builder *b, const corpus *c, int64_t line, bert_error *e) {
    const bool is_row = bert_option_on(b->options, by_line) && !b->set->task->windows(b->options);
    if (!is_row || b->options->overflow != BERT_OVERFLOW_ERROR || !c->sentences) return 0;
    const int64_t tokens = c->sentence[c->sentences] - c->sentence[c->sentences - 1] + 2;
    return tokens > b->set->max_length ? bert_dataset_too_long(b, (int32_t)tokens, line, e) : 0;
}

static int read_corpus(bert_dataset_builder *b, const char *path, corpus *c, bert_error *e) {
    const bert_reader_options o = {.text_column = b->options->text_column, .pair_column = ""};
    bert_reader *r = bert_dataset_say_reader(b, bert_reader_open(path, &o, e), e);
    if (!r) return e->code;
    bert_row row;
    int rc;
    while ((rc = bert_reader_next(r, &row, e)) == 1) {
        size_t blank = 0;
        while (blank < row.text.bytes && strchr(" \t\r", row.text.text[blank])) blank++;
        rc = blank == row.text.bytes ? end_document(c, e)
                                     : add_sentence(c, b->tokenization, &row.text, e);
        if (!rc) rc = check_line(b, c, row.line, e);
        if (rc) break;
    }
    b->set->invalid = bert_reader_invalid(r);
    b->set->guessed = bert_reader_guessed(r);
    bert_reader_close(r);
    if (!rc) rc = end_document(c, e);
    if (!rc && !c->sentences) rc = bert_fail(e, BERT_EINVAL, "%s: holds no text", path);
    return rc;
}

static int begin(bert_dataset_builder *b, const char *path, corpus *c, bert_error *e) {
    const bert_tokenizer *t = bert_model_tokenizer(b->base);
    const bert_special_ids s = bert_tokenizer_special(t);
    if (s.mask < 0 || s.cls < 0 || s.sep < 0)
        return bert_fail(e, BERT_EINVAL, "the vocabulary needs [MASK], [CLS] and [SEP]");
    if (b->set->max_length < 8)
        return bert_fail(e, BERT_EINVAL, "max_length %d: 8 tokens at least",
                         (int)b->set->max_length);
    b->set->state = language_new(t, b->options, e);
    return b->set->state ? read_corpus(b, path, c, e) : BERT_ENOMEM;
}

/* ---- Rows of masked-lm: each line, or (as run_mlm.py) all text in pieces of max_length */

static int add_line(bert_dataset_builder *b, const int32_t *ids, int64_t n, int32_t *row,
                    bert_error *e) {
    const bert_special_ids s = bert_tokenizer_special(bert_model_tokenizer(b->base));
    const int32_t most = b->set->max_length - 2, kept = n < most ? (int32_t)n : most;
    if (bert_tokenizer_truncates_left(bert_model_tokenizer(b->base))) ids += n - kept;
    row[0] = s.cls;
    memcpy(row + 1, ids, (size_t)kept * sizeof *row);
    row[kept + 1] = s.sep;
    int rc = bert_dataset_add_sequence(b, row, NULL, kept + 2, e);
    if (!rc) rc = bert_dataset_end_row(b, e);
    b->set->truncated += n > kept;
    b->set->dropped += n - kept;
    return rc;
}

static int add_pieces(bert_dataset_builder *b, const corpus *c, int32_t *row, bert_error *e) {
    const bert_special_ids s = bert_tokenizer_special(bert_model_tokenizer(b->base));
    int32_t n = 0, most = b->set->max_length;
    int rc = 0;
    for (int64_t k = 0; k < c->sentences && !rc; k++) {
        const int64_t first = c->sentence[k], last = c->sentence[k + 1];
        for (int64_t i = first - 1; i <= last && !rc; i++) {
            row[n++] = i < first ? s.cls : i < last ? c->ids[i] : s.sep;
            if (n < most) continue;
            rc = bert_dataset_add_sequence(b, row, NULL, n, e);
            if (!rc) rc = bert_dataset_end_row(b, e);
            n = 0;
        }
    }
    if (rc || b->set->rows) return rc; /* a last piece that is not full is left out */
    rc = bert_dataset_add_sequence(b, row, NULL, n, e);
    return rc ? rc : bert_dataset_end_row(b, e);
}

static int read_masked(bert_dataset_builder *b, const char *path, bert_error *e) {
    corpus c = {0};
    int32_t *row = malloc((size_t)b->set->max_length * sizeof *row);
    int rc = row ? begin(b, path, &c, e) : bert_fail_memory(e, (size_t)b->set->max_length);
    const bool lines = bert_option_on(b->options, by_line);
    if (!rc && !lines) rc = add_pieces(b, &c, row, e);
    for (int64_t i = 0; i < c.sentences && !rc && lines; i++)
        rc = add_line(b, c.ids + c.sentence[i], c.sentence[i + 1] - c.sentence[i], row, e);
    corpus_free(&c);
    free(row);
    return rc;
}

/* ---- Rows of pretraining: two pieces of a document, or of two, as BERT's own script */

typedef struct {
    bert_dataset_builder *b;
    corpus c;
    bert_rng rng;
    int32_t *row, *types;
} pairs;

static int64_t length_of(const corpus *c, int64_t from, int64_t to) {
    return c->sentence[to] - c->sentence[from];
}

/* Sentences [a0, a1) and [b0, b1) as a row; of the longer piece the end is cut until both fit. */
static int add_pair(pairs *p, int64_t a0, int64_t a1, int64_t b0, int64_t b1, bool random,
                    bert_error *e) {
    bert_dataset *d = p->b->set;
    const bert_special_ids s = bert_tokenizer_special(bert_model_tokenizer(p->b->base));
    int64_t a = length_of(&p->c, a0, a1), b = length_of(&p->c, b0, b1), most = d->max_length - 3;
    while (a + b > most) *(a > b ? &a : &b) -= 1;
    int32_t n = 0;
    p->row[n++] = s.cls;
    for (int64_t i = 0; i < a; i++) p->row[n++] = p->c.ids[p->c.sentence[a0] + i];
    p->row[n++] = s.sep;
    const int32_t second = n;
    for (int64_t i = 0; i < b; i++) p->row[n++] = p->c.ids[p->c.sentence[b0] + i];
    p->row[n++] = s.sep;
    for (int32_t i = 0; i < n; i++) p->types[i] = i >= second;
    int32_t *labels =
        bert_dataset_grow_ints(d, "next_sentence_label", BERT_PER_ROW, d->rows + 1, e);
    int rc = labels ? bert_dataset_add_sequence(p->b, p->row, p->types, n, e) : e->code;
    if (!rc) labels[d->rows] = random; /* 0: is the next one */
    return rc ? rc : bert_dataset_end_row(p->b, e);
}

/* A piece of another document, of about `wanted` tokens. */
static void random_piece(pairs *p, int64_t not, int64_t wanted, int64_t *from, int64_t *to) {
    const corpus *c = &p->c;
    int64_t other = not ;
    for (int tries = 0; tries < 10 && other == not ; tries++)
        other = bert_rng_below(&p->rng, (uint32_t)c->documents);
    const int64_t first = c->document[other], last = c->document[other + 1];
    *from = first + bert_rng_below(&p->rng, (uint32_t)(last - first));
    for (*to = *from + 1; *to < last && length_of(c, *from, *to) < wanted;) ++*to;
}

static int add_document(pairs *p, int64_t document, bert_error *e) {
    const corpus *c = &p->c;
    const int64_t last = c->document[document + 1], most = p->b->set->max_length - 3;
    int rc = 0;
    for (int64_t from = c->document[document]; from < last && !rc;) {
        int64_t to = from + 1, middle = from + 1;
        if (c->documents == 1 && to < last) to++; /* a long sentence has none but the next */
        while (to < last && length_of(c, from, to) < most) to++;
        if (to - from > 1) middle += bert_rng_below(&p->rng, (uint32_t)(to - from - 1));
        const bool random = c->documents > 1 && (to - from == 1 || bert_rng_uniform(&p->rng) < 0.5);
        if (!random && to - from == 1) break; /* one sentence alone, and nothing to pair it with */
        int64_t b0 = middle, b1 = to;
        if (random) random_piece(p, document, most - length_of(c, from, middle), &b0, &b1);
        rc = add_pair(p, from, middle, b0, b1, random, e);
        from = random ? middle : to; /* what was not used comes again */
    }
    return rc;
}

static int read_pairs(bert_dataset_builder *b, const char *path, bert_error *e) {
    const size_t n = (size_t)b->set->max_length;
    pairs p = {.b = b,
               .rng = {.seed = 42, .stream = bert_rng_stream("sentence pairs")},
               .row = malloc(n * sizeof *p.row),
               .types = malloc(n * sizeof *p.types)};
    int rc = p.row && p.types ? begin(b, path, &p.c, e) : bert_fail_memory(e, n * sizeof *p.row);
    for (int64_t i = 0; i < p.c.documents && !rc; i++) rc = add_document(&p, i, e);
    if (!rc && !b->set->rows)
        rc = bert_fail(e, BERT_EINVAL,
                       "%s: no two sentences follow each other: a sentence a line and a blank line "
                       "between documents are needed",
                       path);
    corpus_free(&p.c);
    free(p.row);
    free(p.types);
    return rc;
}

/* ---- Measures */

typedef struct {
    double nll;
    int64_t masked, right, rows, next_right, next_rows;
} state;

static int update(void *self, const bert_dataset *d, const bert_batch *b, const float *logits,
                  int32_t cols, bert_error *e) {
    (void)e;
    state *s = self;
    const int32_t *next_label = bert_batch_ints(b, "next_sentence_label");
    const int32_t words = next_label ? cols - 2 : cols;
    (void)d;
    for (int32_t i = 0; i < b->label_count; i++) {
        if (b->labels[i] < 0) continue;
        const float *row = logits + (size_t)i * (size_t)cols;
        int32_t best = 0;
        for (int32_t k = 1; k < words; k++)
            if (row[k] > row[best]) best = k;
        double sum = 0;
        for (int32_t k = 0; k < words; k++) sum += (double)expf(row[k] - row[best]);
        s->nll += log(sum) - (double)(row[b->labels[i]] - row[best]);
        s->right += best == b->labels[i];
        s->masked++;
    }
    const int32_t *tokens = b->inputs.logit_tokens;
    for (int32_t r = 0, i = 0; next_label && i < b->inputs.n; r++) {
        if ((tokens ? tokens[r] : r) != b->inputs.start[i]) continue;
        const float *next = logits + (size_t)r * (size_t)cols + words;
        s->next_right += (next[1] > next[0]) == next_label[i++];
        s->next_rows++;
    }
    s->rows += b->inputs.n;
    return 0;
}

static int compute(void *self, double *values, int64_t *rows, bert_error *e) {
    (void)e;
    const state *s = self;
    values[0] = s->masked ? (double)s->right / (double)s->masked : (double)NAN;
    values[1] = s->masked ? exp(s->nll / (double)s->masked) : (double)NAN;
    values[2] = s->next_rows ? (double)s->next_right / (double)s->next_rows : (double)NAN;
    *rows = s->rows;
    return 0;
}

static const char *const names[] = {"masked_accuracy", "perplexity", "next_sentence_accuracy",
                                    NULL};
static const bert_scorer scorer = {
    .names = names, .size = sizeof(state), .update = update, .compute = compute};

static const char *usual_masked(const bert_dataset *d) {
    (void)d;
    return "masked_accuracy,perplexity";
}

static int resolve(bert_dataset_builder *b, bert_error *e) {
    (void)e;
    b->set->problem = BERT_PROBLEM_SINGLE_LABEL;
    return 0;
}

static bool in_pieces(const bert_dataset_options *o) {
    return !bert_option_on(o, by_line);
}

static bool always(const bert_dataset_options *o) {
    (void)o;
    return true;
}

const bert_task bert_task_masked_lm = {
    .name = "masked-lm",
    .pipeline = "fill-mask",
    .outputs = BERT_OUTPUT_WORDS,
    .options = (const bert_option_row *const[]){by_line, mask_options, NULL},
    .windows = in_pieces,
    .read = read_masked,
    .resolve = resolve,
    .scorer = &scorer,
    .usual = usual_masked,
    .drawn = hidden_words,
    .prepare = mask,
    .free_state = language_free,
    .lay = language_lay,
};

const bert_task bert_task_pretraining = {
    .name = "pretraining",
    .pipeline = "fill-mask",
    .outputs = BERT_OUTPUT_WORDS,
    .options = (const bert_option_row *const[]){mask_options, NULL},
    .windows = always,
    .read = read_pairs,
    .resolve = resolve,
    .scorer = &scorer,
    .drawn = hidden_words,
    .prepare = mask,
    .free_state = language_free,
    .lay = language_lay,
};
