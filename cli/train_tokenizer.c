/* bert train-tokenizer: a vocabulary of WordPiece or byte-level BPE from text. */
#include "cli.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    common common;
    const char *output, *model;
    int32_t vocab_size, min_frequency, limit_alphabet;
    bool cased;
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

typedef int train_fn(const char *const *paths, int n, const bert_wordpiece_options *options,
                     const char *directory, bert_error *e);
static const struct {
    const char *name;
    train_fn *train;
} models[] = {{"wordpiece", bert_train_wordpiece}, {"bpe", bert_train_bpe}};

static train_fn *model_named(const char *name, bert_error *e) {
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (!strcmp(name, models[i].name)) return models[i].train;
    fail_usage(e, "--model '%.40s': there are wordpiece and bpe", name);
    return NULL;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    const arguments *a = args;
    if (!a->output) return fail_usage(e, "-o DIR says where the tokenizer goes");
    train_fn *train = model_named(a->model, e);
    if (!train) return e->code;
    bert_wordpiece_options o = bert_wordpiece_default();
    o.vocab_size = a->vocab_size;
    o.min_frequency = a->min_frequency;
    o.limit_alphabet = a->limit_alphabet;
    o.reader.text_column = a->common.text_column;
    if (a->cased) o.tokenizer.do_lower_case = o.tokenizer.strip_accents = 0;
    for (int i = 0; i < operands; i++) say_columns(&a->common, operand[i]);
    int rc = train((const char *const *)operand, operands, &o, a->output, e);
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
    const bert_wordpiece_options o = bert_wordpiece_default();
    arguments *a = args;
    a->model = "wordpiece";
    a->vocab_size = o.vocab_size;
    a->min_frequency = o.min_frequency;
    a->limit_alphabet = o.limit_alphabet;
}

static const option options[] = {
    {"output", 'o', "DIR", "where vocab.txt, tokenizer.json and the rest go (needed)", set_string,
     offsetof(arguments, output), 0},
    {"model", 0, "NAME", "wordpiece (BERT's) or bpe (RoBERTa's, of bytes) (wordpiece)", set_string,
     offsetof(arguments, model), 0},
    {"vocab-size", 0, "N", "tokens, specials included (30000)", set_positive,
     offsetof(arguments, vocab_size), 0},
    {"min-frequency", 0, "N", "of a pair that becomes a token (2)", set_positive,
     offsetof(arguments, min_frequency), 0},
    {"limit-alphabet", 0, "N", "characters of WordPiece, the most frequent ones (1000)",
     set_positive, offsetof(arguments, limit_alphabet), 0},
    {"cased", 0, NULL, "WordPiece: keep upper case and accents (BPE does)", set_true,
     offsetof(arguments, cased), 0},
    {0},
};

const command train_tokenizer_command = {
    .name = "train-tokenizer",
    .operands = "FILE..",
    .help = "make a tokenizer of WordPiece or BPE from text",
    .more = "A line is {\"output_dir\":\"..\",\"vocab_size\":n}. With a config.json of your own in "
            "DIR,\n"
            "'bert train DIR --from-scratch --task masked-lm' trains a model on it.",
    .min_operands = 1,
    .max_operands = -1,
    .groups = TAKES_COLUMNS | TAKES_OUTPUT,
    .options = options,
    .size = sizeof(arguments),
    .defaults = defaults,
    .run = run,
};
