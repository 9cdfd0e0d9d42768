/* Unigram vocabularies from text: SentencePiece's way, so that as many bits say the same text. */
#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "text/code_points.h"
#include "text/lattice.h"
#include "text/load.h"
#include "text/steps.h"
#include "text/train_files.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SPECIALS = 5, FIRST = 4, UNKNOWN = 3, MASK = 4, GRAIN = 64 };
static const char *const specials[SPECIALS] = {"<s>", "<pad>", "</s>", "<unk>", "<mask>"};

/* ---- Text to words, by the steps of the tokenizer that will be made */

enum { MOST_NORMALIZERS = 2 };
static const struct {
    const char *name, *normalizers[MOST_NORMALIZERS];
} rules[] = {{"nfkc", {"NFKC"}}, {"nfkc_lowercase", {"NFKC", "Lowercase"}}, {"identity", {0}}};

static int make_steps(bert_tokenizer *t, const char *rule, bert_error *e) {
    static const char spaces[] = "WhitespaceSplit", marks[] = "Metaspace";
    t->normalizers = calloc(2 * BERT_MAX_STEPS, sizeof *t->normalizers);
    if (!t->normalizers) return bert_fail_memory(e, 2 * BERT_MAX_STEPS * sizeof *t->normalizers);
    t->splits = t->normalizers + BERT_MAX_STEPS;
    size_t i = 0;
    while (i < sizeof rules / sizeof *rules && strcmp(rule, rules[i].name)) i++;
    if (i == sizeof rules / sizeof *rules)
        return bert_fail(e, BERT_EINVAL,
                         "normalization '%.40s': there are nfkc, nfkc_lowercase and identity",
                         rule);
    for (int k = 0; k < MOST_NORMALIZERS && rules[i].normalizers[k]; k++)
        t->normalizers[t->n_normalizers++].kind =
            bert_step_kind_of(bert_normalizer_kinds, rules[i].normalizers[k]);
    t->splits[0].kind = bert_step_kind_of(bert_pre_tokenizer_kinds, spaces);
    t->splits[1] = (bert_step){.kind = bert_step_kind_of(bert_pre_tokenizer_kinds, marks),
                               .replacement = 0x2581,
                               .prepend = BERT_PREPEND_ALWAYS,
                               .cuts = true};
    t->n_splits = 2;
    return 0;
}

typedef struct {
    bert_work work;
    uint8_t *word;
    size_t capacity;
} cut_state;

static void *open_cutter(const void *setup) {
    cut_state *c = calloc(1, sizeof *c);
    if (c) c->work.t = setup;
    return c;
}

static void close_cutter(void *state) {
    cut_state *c = state;
    bert_work_free(&c->work);
    free(c->word);
    free(c);
}

static void add_word(cut_state *c, size_t from, size_t to, bert_words *words) {
    if (4 * (to - from) > c->capacity) {
        uint8_t *larger = realloc(c->word, 8 * (to - from));
        words->failed |= !larger;
        if (!larger) return;
        c->word = larger;
        c->capacity = 8 * (to - from);
    }
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        if (n + 8 > BERT_LONGEST_TRAINED) {
            bert_words_add(words, c->word, n);
            n = 0;
        }
        n += (size_t)bert_utf8_put(c->work.now.c[i], c->word + n);
    }
    bert_words_add(words, c->word, n);
}

static void cut(void *state, const uint8_t *text, size_t n, bert_words *words) {
    cut_state *c = state;
    bert_work *w = &c->work;
    w->next.n = 0;
    w->at_start = true;
    int32_t at = 0;
    for (const uint8_t *p = text, *end = p + n; p < end; at++)
        bert_chars_put(w, bert_utf8_next(&p, end), (bert_span){at, at + 1});
    bert_work_turn(w);
    bert_normalize_all(w);
    bert_pre_tokenize(w, 0, w->text.n);
    words->failed |= w->failed;
    for (size_t i = 0, start = 0; i < w->pieces.n && !words->failed; start = w->pieces.ends[i++])
        add_word(c, start, w->pieces.ends[i], words);
}

/* ---- The trainer */

typedef struct {
    bert_unigram_options o;
    bert_error *e;
    bert_tokenizer steps;
    bert_words words;
    bert_alphabet alphabet;
    char *characters; /* their texts */
    size_t required;
    bert_learned_pieces pieces;
    bert_learned_model model;
    bert_threads *threads;
    bert_lattice *lattices; /* [threads] */
    int64_t *counts;        /* [pieces], of all threads */
    double total;           /* of those */
    double *losses;         /* [pieces], of what would be left out */
} trainer;

/* ---- The alphabet */

typedef struct {
    uint32_t c;
    int64_t count;
} letter;

static int by_count(const void *a, const void *b) {
    const letter *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return (x->c > y->c) - (x->c < y->c);
}

/* The most frequent characters, until they cover the text; returns how many. */
static size_t choose_letters(const trainer *t, letter *letters) {
    int64_t all = 0, covered = 0;
    size_t n = 0;
    for (uint32_t c = 0; c <= BERT_UNICODE_LAST; c++) {
        all += letters[c].count;
        if (letters[c].count) letters[n++] = (letter){c, letters[c].count};
    }
    qsort(letters, n, sizeof *letters, by_count);
    for (size_t i = 0; i < n; covered += letters[i++].count)
        if ((double)covered >= t->o.character_coverage * (double)all) return i;
    return n;
}

static int add_piece(bert_learned_pieces *p, bert_learned_piece piece, bert_error *e) {
    if (p->n == p->capacity) {
        const size_t capacity = 2 * p->capacity + 1024;
        bert_learned_piece *list = realloc(p->list, capacity * sizeof *list);
        if (!list) return bert_fail_memory(e, capacity * sizeof *list);
        p->list = list;
        p->capacity = capacity;
    }
    p->list[p->n++] = piece;
    return 0;
}

/* Characters are pieces whatever happens: put[] has their counts as scores. */
static int make_alphabet(trainer *t, bert_learned_pieces *put) {
    letter *letters = calloc((size_t)BERT_UNICODE_LAST + 2, sizeof *letters);
    if (!letters) return bert_fail_memory(t->e, BERT_UNICODE_LAST * sizeof *letters);
    for (size_t i = 0; i < t->words.n; i++) {
        const bert_counted_word *w = &t->words.list[i];
        const uint8_t *p = (const uint8_t *)w->text, *end = p + w->bytes;
        while (p < end) letters[bert_utf8_next(&p, end)].count += w->count;
    }
    const size_t n = t->required = choose_letters(t, letters);
    t->characters = malloc(4 * n + 1);
    int rc = t->characters ? 0 : bert_fail_memory(t->e, 4 * n);
    for (size_t i = 0; i < n && !rc; i++) {
        char *text = t->characters + 4 * i;
        const uint32_t c = letters[i].c;
        const int bytes = bert_utf8_put(c, (uint8_t *)text);
        t->alphabet.bits[c / 8] |= (uint8_t)(1 << c % 8);
        rc = add_piece(put,
                       (bert_learned_piece){.text = text,
                                            .bytes = (uint32_t)bytes,
                                            .required = true,
                                            .score = (double)letters[i].count},
                       t->e);
    }
    free(letters);
    if (!rc && n + SPECIALS > (size_t)t->o.vocab_size)
        return bert_fail(t->e, BERT_EINVAL,
                         "the text has %zu characters that are to be pieces, with %d specials more "
                         "than a vocabulary of %d has: raise vocab_size or lower "
                         "character_coverage",
                         n, SPECIALS, t->o.vocab_size);
    return rc;
}

/* Characters, and what is there more than once. */
static int make_seeds(trainer *t) {
    bert_learned_pieces found = {0};
    int rc = make_alphabet(t, &t->pieces);
    if (!rc)
        rc = bert_seed_pieces(&t->words, &t->alphabet, t->o.max_piece_length,
                              (size_t)t->o.seed_size, t->o.threads, &found, t->e);
    for (size_t i = 0; i < found.n && !rc; i++) rc = add_piece(&t->pieces, found.list[i], t->e);
    t->pieces.texts = found.texts;
    free(found.list);
    double sum = 0;
    for (size_t i = 0; i < t->pieces.n; i++) sum += t->pieces.list[i].score;
    for (size_t i = 0; i < t->pieces.n; i++)
        t->pieces.list[i].score = log(t->pieces.list[i].score / sum);
    return rc;
}

/* ---- Rounds */

/* The derivative of the logarithm of the gamma function, of x > 0. */
static double digamma(double x) {
    double y = 0;
    for (; x < 7; x++) y -= 1 / x;
    x -= 1 / 2.0;
    const double x2 = 1 / (x * x);
    return y + log(x) +
           x2 * (1 / 24.0 - x2 * (7 / 960.0 - x2 * (31 / 8064.0 - x2 * 127 / 30720.0)));
}

/* What each thread does with a word. */
static void expect_words(void *context, int begin, int end, int thread) {
    const trainer *t = context;
    for (int i = begin; i < end; i++) {
        const bert_counted_word *w = &t->words.list[i];
        bert_lattice_expect(&t->lattices[thread], &t->model, w->text, w->bytes, w->count);
    }
}

static void best_of_words(void *context, int begin, int end, int thread) {
    const trainer *t = context;
    bert_lattice *l = &t->lattices[thread];
    for (int i = begin; i < end; i++) {
        const bert_counted_word *w = &t->words.list[i];
        bert_lattice_best(l, &t->model, w->text, w->bytes, -1);
        for (size_t at = w->bytes; at && !l->failed; at = l->before[at])
            if (l->best[at] >= 0) l->counts[l->best[at]] += w->count;
    }
}

/* Sums up what the threads count of all words. */
static int count_pieces(trainer *t, bert_threads_fn *count) {
    const size_t n = t->pieces.n, bytes = (n + 1) * sizeof *t->counts;
    const int threads = bert_threads_count(t->threads);
    int rc = 0;
    bert_learned_model_free(&t->model);
    rc = bert_learned_model_make(&t->model, &t->pieces, t->e);
    for (int i = 0; i < threads && !rc; i++) {
        free(t->lattices[i].counts);
        t->lattices[i].counts = calloc(n + 1, sizeof *t->counts);
        if (!t->lattices[i].counts) rc = bert_fail_memory(t->e, bytes);
    }
    if (rc) return rc;
    bert_threads_run(t->threads, (int)t->words.n, GRAIN, count, t);
    memset(t->counts, 0, bytes);
    for (int i = 0; i < threads; i++) {
        if (t->lattices[i].failed) return bert_fail_memory(t->e, bytes);
        for (size_t k = 0; k < n; k++) t->counts[k] += t->lattices[i].counts[k];
    }
    return 0;
}

/* Expectation, and maximization as of a Dirichlet process, which makes rare pieces rarer
 * (sentencepiece's "Bayesianified" EM; Liang and Klein 2009). */
static int learn_scores(trainer *t) {
    const double least = 0.5;
    int rc = count_pieces(t, expect_words);
    if (rc) return rc;
    size_t n = 0;
    double sum = 0;
    for (size_t i = 0; i < t->pieces.n; i++) {
        const bert_learned_piece p = t->pieces.list[i];
        double count = (double)t->counts[i] / BERT_COUNT_UNIT;
        if (count < least && !p.required) continue;
        if (count < least) count = least;
        t->pieces.list[n] = p;
        t->pieces.list[n++].score = count;
        sum += count;
    }
    t->pieces.n = n;
    const double whole = digamma(sum);
    for (size_t i = 0; i < n; i++)
        t->pieces.list[i].score = digamma(t->pieces.list[i].score) - whole;
    return 0;
}

/* What each piece is worth: how much less likely the text is where the next best way takes its
 * place. -1: it is used nowhere; INFINITY: it stays. */
static void weigh_pieces(void *context, int begin, int end, int thread) {
    const trainer *t = context;
    bert_lattice *l = &t->lattices[thread];
    const double sum = t->total;
    for (int i = begin; i < end && !l->failed; i++) {
        const bert_learned_piece *p = &t->pieces.list[i];
        const double count = (double)t->counts[i];
        t->losses[i] = p->required ? INFINITY : -1;
        if (p->required || !t->counts[i]) continue;
        if (bert_lattice_best(l, &t->model, p->text, p->bytes, i) > p->score) continue;
        double others = 0;
        int n = 0;
        for (size_t at = p->bytes; at && !l->failed; at = l->before[at], n++)
            others += log((l->best[at] < 0 ? 0 : (double)t->counts[l->best[at]]) + count);
        others -= n * log(sum + count * (n - 1));
        t->losses[i] = count / sum * (log(count) - log(sum) - others);
        if (t->losses[i] < 0) t->losses[i] = 0;
    }
}

typedef struct {
    bert_learned_piece piece;
    double worth;
} weighed;

static int by_worth(const void *a, const void *b) {
    const weighed *x = a, *y = b;
    if (x->worth != y->worth) return x->worth < y->worth ? 1 : -1;
    const bert_learned_piece *p = &x->piece, *q = &y->piece;
    const int order = memcmp(p->text, q->text, p->bytes < q->bytes ? p->bytes : q->bytes);
    return order ? order : (p->bytes > q->bytes) - (p->bytes < q->bytes);
}

/* Leaves the `most` pieces of the highest worth. */
static int keep_best(trainer *t, const double *worth, size_t most) {
    weighed *all = malloc((t->pieces.n + 1) * sizeof *all);
    if (!all) return bert_fail_memory(t->e, t->pieces.n * sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < t->pieces.n; i++)
        if (worth[i] >= 0) all[n++] = (weighed){t->pieces.list[i], worth[i]};
    qsort(all, n, sizeof *all, by_worth);
    if (n > most) n = most;
    for (size_t i = 0; i < n; i++) t->pieces.list[i] = all[i].piece;
    t->pieces.n = n;
    free(all);
    return 0;
}

static int prune(trainer *t, size_t wanted) {
    size_t most = (size_t)(t->o.shrinking_factor * (double)t->pieces.n);
    if (most < wanted) most = wanted;
    int rc = count_pieces(t, best_of_words);
    if (rc) return rc;
    t->total = 0;
    for (size_t i = 0; i < t->pieces.n; i++) t->total += (double)t->counts[i];
    bert_threads_run(t->threads, (int)t->pieces.n, GRAIN, weigh_pieces, t);
    for (int i = 0; i < bert_threads_count(t->threads); i++)
        if (t->lattices[i].failed) return bert_fail_memory(t->e, t->pieces.n);
    return keep_best(t, t->losses, most);
}

/* Scores are multiples of 2^-14: sums of them are exact, and so is every reader of their decimals. */
static double rounded(double score) {
    return round(score * 0x1p14) * 0x1p-14;
}

/* The likeliest pieces, characters among them in any case, in the order of their scores. */
static int finish(trainer *t, size_t most) {
    double *worth = t->losses;
    for (size_t i = 0; i < t->pieces.n; i++)
        worth[i] = t->pieces.list[i].required ? INFINITY : exp(t->pieces.list[i].score);
    int rc = keep_best(t, worth, most);
    for (size_t i = 0; i < t->pieces.n; i++) {
        t->pieces.list[i].score = rounded(t->pieces.list[i].score);
        worth[i] = exp(t->pieces.list[i].score);
    }
    return rc ? rc : keep_best(t, worth, most);
}

static int learn(trainer *t, const char *const *paths, int n) {
    const bert_word_cutter how = {open_cutter, cut, close_cutter, &t->steps};
    const size_t most = (size_t)t->o.vocab_size - SPECIALS, wanted = most + most / 10;
    int rc = make_steps(&t->steps, t->o.normalization, t->e);
    if (!rc) rc = bert_count_words(&how, paths, n, &t->o.reader, t->o.threads, &t->words, t->e);
    if (!rc && t->words.n > INT32_MAX)
        rc = bert_fail(t->e, BERT_EUNSUPPORTED, "more than %d different words", INT32_MAX);
    if (!rc) rc = make_seeds(t);
    t->threads = rc ? NULL : bert_threads_new(t->o.threads, t->e);
    if (!t->threads) return t->e->code;
    t->lattices = calloc((size_t)bert_threads_count(t->threads), sizeof *t->lattices);
    t->counts = malloc((t->pieces.n + 1) * sizeof *t->counts);
    t->losses = malloc((t->pieces.n + 1) * sizeof *t->losses);
    if (!t->lattices || !t->counts || !t->losses)
        return bert_fail_memory(t->e, t->pieces.n * sizeof *t->counts);
    for (size_t before = 0; !rc; rc = prune(t, wanted)) {
        for (int i = 0; i < t->o.num_sub_iterations && !rc; i++) rc = learn_scores(t);
        if (rc || t->pieces.n <= wanted || t->pieces.n == before) break;
        before = t->pieces.n;
    }
    return rc ? rc : finish(t, most);
}

/* ---- The files */

static json_t *vocabulary(const trainer *t) {
    json_t *list = json_array();
    for (int i = 0; i < FIRST; i++)
        json_array_append_new(list, json_pack("[sf]", specials[i], 0.0));
    for (size_t i = 0; i < t->pieces.n; i++) {
        const bert_learned_piece *p = &t->pieces.list[i];
        json_array_append_new(list, json_pack("[s%f]", p->text, (size_t)p->bytes, p->score));
    }
    json_array_append_new(list, json_pack("[sf]", specials[MASK], 0.0));
    if (json_array_size(list) == t->pieces.n + SPECIALS) return list;
    json_decref(list);
    return NULL;
}

static json_t *added_tokens(const trainer *t) {
    json_t *list = json_array();
    for (int i = 0; i < SPECIALS; i++)
        json_array_append_new(list,
                              json_pack("{si ss sb sb sb sb sb}", "id",
                                        i < FIRST ? i : (int)t->pieces.n + FIRST, "content",
                                        specials[i], "single_word", false, "lstrip", i == MASK,
                                        "rstrip", false, "normalized", false, "special", true));
    return list;
}

static json_t *template(void) {
    static const char cls[] = "<s>", sep[] = "</s>";
    return json_pack("{ss s[{s{ss si}}{s{ss si}}{s{ss si}}]"
                     " s[{s{ss si}}{s{ss si}}{s{ss si}}{s{ss si}}{s{ss si}}{s{ss si}}]"
                     " s{s{ss s[i] s[s]} s{ss s[i] s[s]}}}",
                     "type", "TemplateProcessing", "single", "SpecialToken", "id", cls, "type_id",
                     0, "Sequence", "id", "A", "type_id", 0, "SpecialToken", "id", sep, "type_id",
                     0, "pair", "SpecialToken", "id", cls, "type_id", 0, "Sequence", "id", "A",
                     "type_id", 0, "SpecialToken", "id", sep, "type_id", 0, "SpecialToken", "id",
                     sep, "type_id", 0, "Sequence", "id", "B", "type_id", 0, "SpecialToken", "id",
                     sep, "type_id", 0, "special_tokens", cls, "id", cls, "ids", 0, "tokens", cls,
                     sep, "id", sep, "ids", 2, "tokens", sep);
}

static json_t *tokenizer_json(const trainer *t) {
    const bert_tokenizer *s = &t->steps;
    return json_pack("{ss sn sn so so so so so s{ss si so sb}}", "version", "1.0", "truncation",
                     "padding", "added_tokens", added_tokens(t), "normalizer",
                     bert_steps_json(s, s->normalizers, s->n_normalizers, "normalizers"),
                     "pre_tokenizer", bert_steps_json(s, s->splits, s->n_splits, "pretokenizers"),
                     "post_processor", template(), "decoder",
                     bert_metaspace_json(&s->splits[s->n_splits - 1]), "model", "type", "Unigram",
                     "unk_id", UNKNOWN, "vocab", vocabulary(t), "byte_fallback", false);
}

static json_t *config_json(void) {
    return json_pack("{ss ss ss ss ss ss s[ss]}", "tokenizer_class", "PreTrainedTokenizerFast",
                     "cls_token", specials[0], "pad_token", specials[1], "sep_token", specials[2],
                     "unk_token", specials[UNKNOWN], "mask_token", specials[MASK],
                     "model_input_names", "input_ids", "attention_mask");
}

static int save(json_t *o, const char *directory, const char *name, bert_error *e) {
    char *path = bert_path_join(directory, name);
    int rc = o && path ? bert_json_save(o, path, e) : bert_fail_memory(e, strlen(directory));
    free(path);
    json_decref(o);
    return rc;
}

/* The file, and all that a tokenizer is saved as. */
static int write_tokenizer(const trainer *t, const char *directory) {
    int rc = bert_tokenizer_directory(directory, t->e);
    if (!rc) rc = save(config_json(), directory, "tokenizer_config.json", t->e);
    if (!rc) rc = save(tokenizer_json(t), directory, "tokenizer.json", t->e);
    bert_tokenizer *made = rc ? NULL : bert_tokenizer_open(directory, NULL, t->e);
    if (!rc) rc = made ? bert_tokenizer_save(made, directory, t->e) : t->e->code;
    bert_tokenizer_close(made);
    return rc;
}

static void trainer_free(trainer *t) {
    for (int i = 0; t->lattices && i < bert_threads_count(t->threads); i++)
        bert_lattice_free(&t->lattices[i]);
    free(t->lattices);
    bert_threads_free(t->threads);
    bert_learned_model_free(&t->model);
    bert_learned_pieces_free(&t->pieces);
    bert_words_free(&t->words);
    free(t->steps.normalizers);
    free(t->characters);
    free(t->counts);
    free(t->losses);
    free(t);
}

/* ---- The door */

bert_unigram_options bert_unigram_default(void) {
    return (bert_unigram_options){.vocab_size = 30000,
                                  .character_coverage = 0.9995,
                                  .max_piece_length = 16,
                                  .shrinking_factor = 0.75,
                                  .num_sub_iterations = 2,
                                  .seed_size = 1000000};
}

static int check(const bert_unigram_options *o, int n, bert_error *e) {
    enum { LONGEST = 512 };
    if (n < 1) return bert_fail(e, BERT_EINVAL, "a vocabulary needs a file");
    if (o->vocab_size <= SPECIALS)
        return bert_fail(e, BERT_EINVAL, "vocab_size %d: more than the %d specials are needed",
                         o->vocab_size, SPECIALS);
    if (!(o->character_coverage > 0 && o->character_coverage <= 1))
        return bert_fail(e, BERT_EINVAL, "character_coverage %g: above 0, at most 1",
                         o->character_coverage);
    if (!(o->shrinking_factor > 0 && o->shrinking_factor < 1))
        return bert_fail(e, BERT_EINVAL, "shrinking_factor %g: between 0 and 1",
                         o->shrinking_factor);
    if (o->max_piece_length < 1 || o->max_piece_length > LONGEST)
        return bert_fail(e, BERT_EINVAL, "max_piece_length %d: from 1 to %d", o->max_piece_length,
                         LONGEST);
    if (o->num_sub_iterations < 1 || o->seed_size < 1)
        return bert_fail(e, BERT_EINVAL, "%s %d: at least 1",
                         o->seed_size < 1 ? "seed_size" : "num_sub_iterations",
                         o->seed_size < 1 ? o->seed_size : o->num_sub_iterations);
    return 0;
}

int bert_train_unigram(const char *const *paths, int n, const bert_unigram_options *options,
                       const char *directory, bert_error *e) {
    BERT_DOOR(e);
    trainer *t = calloc(1, sizeof *t);
    if (!t) return bert_fail_memory(e, sizeof *t);
    t->o = options ? *options : bert_unigram_default();
    if (!t->o.normalization) t->o.normalization = rules[0].name;
    t->e = e;
    int rc = check(&t->o, n, e);
    if (!rc) rc = learn(t, paths, n);
    if (!rc) rc = write_tokenizer(t, directory);
    trainer_free(t);
    return rc;
}
