/* bert train-tokenizer: a vocabulary of WordPiece, byte-level BPE or Unigram from text. */
#include "cli.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0, NULL and false: not given. */
typedef struct {
    common common;
    const char *output, *model, *normalization;
    int32_t vocab_size, min_frequency, limit_alphabet;
    int32_t max_piece_length, num_sub_iterations, seed_size;
    double character_coverage, shrinking_factor;
    bool cased, overwrite;
} arguments;

/* A pipe can be read only once, by who needs it; what is wrong with a file is said by that one. */
static void say_columns(const common *c, const char *path) {
    const bert_reader_options o = {.text_column = c->text_column, .pair_column = ""};
    struct stat st;
    if (c->quiet || stat(path, &st) || !S_ISREG(st.st_mode)) return;
    bert_reader *r = bert_reader_open(path, &o, NULL);
    if (r) say_how_read(c, path, r);
    bert_reader_close(r);
}

/* ---- The models */

static bert_wordpiece_options pair_options(const arguments *a) {
    bert_wordpiece_options o = bert_wordpiece_default();
    o.vocab_size = a->vocab_size;
    if (a->min_frequency) o.min_frequency = a->min_frequency;
    if (a->limit_alphabet) o.limit_alphabet = a->limit_alphabet;
    if (a->cased) o.tokenizer.do_lower_case = o.tokenizer.strip_accents = 0;
    o.reader.text_column = a->common.text_column;
    o.threads = a->common.threads;
    return o;
}

static int train_wordpiece(const arguments *a, const char *const *paths, int n, bert_error *e) {
    const bert_wordpiece_options o = pair_options(a);
    return bert_train_wordpiece(paths, n, &o, a->output, e);
}

static int train_bpe(const arguments *a, const char *const *paths, int n, bert_error *e) {
    const bert_wordpiece_options o = pair_options(a);
    return bert_train_bpe(paths, n, &o, a->output, e);
}

static int train_unigram(const arguments *a, const char *const *paths, int n, bert_error *e) {
    bert_unigram_options o = bert_unigram_default();
    o.vocab_size = a->vocab_size;
    o.normalization = a->normalization;
    if (a->character_coverage > 0) o.character_coverage = a->character_coverage;
    if (a->max_piece_length) o.max_piece_length = a->max_piece_length;
    if (a->shrinking_factor > 0) o.shrinking_factor = a->shrinking_factor;
    if (a->num_sub_iterations) o.num_sub_iterations = a->num_sub_iterations;
    if (a->seed_size) o.seed_size = a->seed_size;
    o.reader.text_column = a->common.text_column;
    o.threads = a->common.threads;
    return bert_train_unigram(paths, n, &o, a->output, e);
}

enum { WORDPIECE = 1, BPE = 2, UNIGRAM = 4 };
typedef struct {
    const char *name;
    unsigned model;
    int (*train)(const arguments *a, const char *const *paths, int n, bert_error *e);
} kind;
static const kind kinds[] = {{"wordpiece", WORDPIECE, train_wordpiece},
                             {"bpe", BPE, train_bpe},
                             {"unigram", UNIGRAM, train_unigram}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const kind *kind_named(const char *name, bert_error *e) {
    for (size_t i = 0; i < KINDS; i++)
        if (!strcmp(name, kinds[i].name)) return &kinds[i];
    fail_usage(e, "--model '%.40s': there are wordpiece, bpe and unigram", name);
    return NULL;
}

/* Options that were given, but mean nothing to the model. */
static void say_unused(const arguments *a, const kind *k) {
    const struct {
        const char *name;
        bool given;
        unsigned models;
        const char *why;
    } rows[] = {
        {"cased", a->cased, WORDPIECE, "upper case and accents are kept unless normalized away"},
        {"min-frequency", a->min_frequency, WORDPIECE | BPE, "pieces are chosen by what they save"},
        {"limit-alphabet", a->limit_alphabet, WORDPIECE,
         k->model == BPE ? "its alphabet is the 256 bytes" : "--character-coverage is its limit"},
        {"normalization", a->normalization, UNIGRAM, "texts are taken as the model always does"},
        {"character-coverage", a->character_coverage > 0, UNIGRAM, "it is of unigram"},
        {"max-piece-length", a->max_piece_length, UNIGRAM, "it is of unigram"},
        {"shrinking-factor", a->shrinking_factor > 0, UNIGRAM, "it is of unigram"},
        {"num-sub-iterations", a->num_sub_iterations, UNIGRAM, "it is of unigram"},
        {"seed-size", a->seed_size, UNIGRAM, "it is of unigram"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].given && !(rows[i].models & k->model))
            note(&a->common, "--%s is not used by --model %s: %s", rows[i].name, k->name,
                 rows[i].why);
}

/* What others would read first stays, unless it is to go. */
static int check_output(const arguments *a, bert_error *e) {
    static const char *const files[] = {
        "tokenizer.json",          "vocab.txt",    "vocab.json", "merges.txt",
        "sentencepiece.bpe.model", "spiece.model", "spm.model"};
    char path[4200];
    if (!a->output) return fail_usage(e, "-o DIR says where the tokenizer goes");
    for (size_t i = 0; i < sizeof files / sizeof *files && !a->overwrite; i++) {
        snprintf(path, sizeof path, "%s/%s", a->output, files[i]);
        if (!access(path, F_OK))
            return fail(e, BERT_EINVAL,
                        "%s holds a tokenizer (%s): choose another -o, or overwrite it "
                        "(--overwrite-output-dir)",
                        a->output, files[i]);
    }
    return 0;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    const arguments *a = args;
    const kind *k = kind_named(a->model, e);
    int rc = k ? check_output(a, e) : USAGE;
    if (rc) return rc;
    say_unused(a, k);
    for (int i = 0; i < operands; i++) say_columns(&a->common, operand[i]);
    rc = k->train(a, (const char *const *)operand, operands, e);
    bert_tokenizer *t = rc ? NULL : bert_tokenizer_open(a->output, NULL, e);
    if (!t) return rc ? rc : BERT_EINVAL;
    const int size = bert_tokenizer_size(t);
    bert_tokenizer_close(t);
    if (output_json(&a->common))
        return output_line(json_pack("{s:o,s:i}", "output_dir",
                                     json_text(a->output, strlen(a->output)), "vocab_size", size),
                           e);
    printf("%d tokens in %s\n", size, a->output);
    return 0;
}

static void defaults(void *args) {
    arguments *a = args;
    a->model = kinds[0].name;
    a->vocab_size = bert_wordpiece_default().vocab_size;
}

/* Above 0, at most 1. */
static int set_share(const option *o, void *target, const char *value, bert_error *e) {
    char *end;
    errno = 0;
    const double x = strtod(value, &end);
    if (end == value || *end || errno || !(x > 0 && x <= 1))
        return fail(e, BERT_EINVAL, "--%s is a number above 0, at most 1, not '%s'", o->name,
                    value);
    *(double *)target = x;
    return 0;
}

static const option options[] = {
    {"output", 'o', "DIR", "where tokenizer.json and the rest go (needed)", set_string,
     offsetof(arguments, output), 0},
    {"overwrite-output-dir", 0, NULL, "else a DIR that holds a tokenizer is refused", set_true,
     offsetof(arguments, overwrite), 0},
    {"model", 0, "NAME",
     "wordpiece (BERT's), bpe (RoBERTa's, of bytes) or unigram (XLM-R's, SentencePiece's) "
     "(wordpiece)",
     set_string, offsetof(arguments, model), 0},
    {"vocab-size", 0, "N", "tokens, specials included (30000)", set_positive,
     offsetof(arguments, vocab_size), 0},
    {"min-frequency", 0, "N", "wordpiece, bpe: of a pair that becomes a token (2)", set_positive,
     offsetof(arguments, min_frequency), 0},
    {"limit-alphabet", 0, "N", "wordpiece: characters, the most frequent ones (1000)", set_positive,
     offsetof(arguments, limit_alphabet), 0},
    {"cased", 0, NULL, "wordpiece: keep upper case and accents (the others do)", set_true,
     offsetof(arguments, cased), 0},
    {"normalization", 0, "NAME", "unigram: nfkc, nfkc_lowercase or identity (nfkc)", set_string,
     offsetof(arguments, normalization), 0},
    {"character-coverage", 0, "X",
     "unigram: share of the text whose characters are pieces, the rarest others are <unk> (0.9995)",
     set_share, offsetof(arguments, character_coverage), 0},
    {"max-piece-length", 0, "N", "unigram: characters of a piece (16)", set_positive,
     offsetof(arguments, max_piece_length), 0},
    {"shrinking-factor", 0, "X", "unigram: share of the pieces that a round leaves (0.75)",
     set_share, offsetof(arguments, shrinking_factor), 0},
    {"num-sub-iterations", 0, "N", "unigram: steps of learning in a round (2)", set_positive,
     offsetof(arguments, num_sub_iterations), 0},
    {"seed-size", 0, "N", "unigram: pieces to begin with (1000000)", set_positive,
     offsetof(arguments, seed_size), 0},
    {"threads", 0, "N", "threads to use; the result is the same (default: one per core)", set_count,
     offsetof(arguments, common) + offsetof(common, threads), 0},
    {0},
};

/* What sentencepiece and tokenizers call them. */
static bert_foreign foreign(const char *name, const char *value) {
    static const struct {
        const char *name;
        bert_foreign is;
    } rows[] = {
        {"model_type", {BERT_FOREIGN_TAKEN, false, "model", NULL, NULL, ""}},
        {"max_sentencepiece_length",
         {BERT_FOREIGN_TAKEN, false, "max-piece-length", NULL, NULL, ""}},
        {"seed_sentencepiece_size", {BERT_FOREIGN_TAKEN, false, "seed-size", NULL, NULL, ""}},
        {"n_sub_iterations", {BERT_FOREIGN_TAKEN, false, "num-sub-iterations", NULL, NULL, ""}},
        {"normalization_rule_name", {BERT_FOREIGN_TAKEN, false, "normalization", NULL, NULL, ""}},
        {"num_threads", {BERT_FOREIGN_TAKEN, false, "threads", NULL, NULL, ""}},
        {"unk_token",
         {BERT_FOREIGN_REFUSED, false, NULL, NULL, NULL,
          "special tokens have their family's names: [UNK] of wordpiece, <unk> of the others"}},
        {"special_tokens",
         {BERT_FOREIGN_REFUSED, false, NULL, NULL, NULL,
          "special tokens have their family's names, [CLS] or <s>"}},
        {"input",
         {BERT_FOREIGN_REFUSED, false, NULL, NULL, NULL, "the files are named without an option"}},
        {"model_prefix", {BERT_FOREIGN_REFUSED, false, NULL, NULL, NULL, "-o DIR"}},
    };
    (void)value;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t k = 0;
        while (rows[i].name[k] && rows[i].name[k] == (name[k] == '-' ? '_' : name[k])) k++;
        if (!rows[i].name[k] && !name[k]) return rows[i].is;
    }
    return (bert_foreign){BERT_FOREIGN_NONE, false, NULL, NULL, NULL, ""};
}

const command train_tokenizer_command = {
    .name = "train-tokenizer",
    .operands = "FILE..",
    .help = "make a tokenizer of WordPiece, BPE or Unigram from text",
    .more = "A line is {\"output_dir\":\"..\",\"vocab_size\":n}. With a config.json of your own in "
            "DIR,\n"
            "'bert train DIR --from-scratch --task masked-lm' trains a model on it.",
    .min_operands = 1,
    .max_operands = -1,
    .groups = TAKES_COLUMNS | TAKES_OUTPUT,
    .options = options,
    .foreign = foreign,
    .size = sizeof(arguments),
    .defaults = defaults,
    .run = run,
};
