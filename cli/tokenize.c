/* bert tokenize: ids, tokens, offsets, type ids and word ids, as transformers gives them. */
#include "cli.h"
#include <unistd.h>

typedef struct {
    common common;
    const char *pair;
    bool no_special, byte_offsets;
} arguments;

static const option options[] = {
    {"pair", 0, "TEXT", "the second text of every pair", set_string, offsetof(arguments, pair), 0},
    {"no-special", 0, NULL, "no [CLS] and [SEP]", set_true, offsetof(arguments, no_special), 0},
    {"byte-offsets", 0, NULL, "offsets in bytes, not code points", set_true,
     offsetof(arguments, byte_offsets), 0},
    {0},
};

static json_t *word_ids(const bert_token_window *w) {
    json_t *a = json_array();
    for (int32_t i = 0; a && i < w->n; i++)
        json_array_append_new(a, w->word_ids[i] < 0 ? json_null() : json_integer(w->word_ids[i]));
    return a;
}

static json_t *tokens(const bert_tokenizer *t, const bert_token_window *w) {
    json_t *a = json_array();
    for (int32_t i = 0; a && i < w->n; i++)
        json_array_append_new(a, json_string_nocheck(bert_token(t, w->ids[i])));
    return a;
}

static json_t *offsets(const bert_token_window *w) {
    json_t *a = json_array();
    for (int32_t i = 0; a && i < w->n; i++)
        json_array_append_new(a, json_pack("[i,i]", w->offsets[i][0], w->offsets[i][1]));
    return a;
}

static int print_json(const bert_tokenizer *t, const bert_token_window *w, int window, int windows,
                      int32_t dropped, bert_error *e) {
    json_t *row =
        json_pack("{s:o*, s:o*, s:o*, s:o*, s:o*}", "ids", json_ints(w->ids, (size_t)w->n),
                  "tokens", tokens(t, w), "offsets", offsets(w), "type_ids",
                  json_ints(w->type_ids, (size_t)w->n), "word_ids", word_ids(w));
    if (row && windows > 1) json_object_set_new(row, "window", json_integer(window));
    if (row && dropped) json_object_set_new(row, "dropped", json_integer(dropped));
    return output_line(row, e);
}

static void print_columns(const bert_tokenizer *t, const bert_token_window *w, int window,
                          int windows, int32_t dropped) {
    if (windows > 1) printf("window %d of %d\n", window + 1, windows);
    printf("%7s  %-20s %6s %6s %5s %5s\n", "id", "token", "start", "end", "type", "word");
    for (int32_t i = 0; i < w->n; i++) {
        printf("%7d  ", w->ids[i]);
        const char *token = bert_token(t, w->ids[i]);
        print_column(token ? token : "-", 20);
        printf(" %6d %6d %5d ", w->offsets[i][0], w->offsets[i][1], w->type_ids[i]);
        if (w->word_ids[i] < 0)
            printf("%5s\n", "-");
        else
            printf("%5d\n", w->word_ids[i]);
    }
    if (dropped) printf("%d tokens dropped\n", dropped);
    printf("\n");
}

typedef struct {
    const arguments *a;
    bert_tokenizer *t;
    bert_tokenization *enc;
} job;

static int tokenize(void *context, const bert_text *text, bert_error *e) {
    const job *j = context;
    const arguments *a = j->a;
    const common *c = &a->common;
    const bert_tokenizer *t = j->t;
    bert_tokenization *enc = j->enc;
    bert_tokenize_options o = bert_tokenize_default();
    bert_text pair = {.pair = text->pair, .pair_bytes = text->pair_bytes};
    if (a->pair) {
        pair.pair = a->pair;
        pair.pair_bytes = bert_text_of(a->pair).bytes;
    }
    o.add_special_tokens = !a->no_special;
    o.byte_offsets = a->byte_offsets;
    o.stride = c->stride;
    if (c->max_length && c->overflow != BERT_OVERFLOW_ERROR) {
        o.truncation = BERT_TRUNCATE_LONGEST_FIRST;
        o.max_length = c->max_length;
        o.overflowing = c->overflow == BERT_OVERFLOW_WINDOW;
    }
    int windows = bert_tokenize(enc, text->text, text->bytes, pair.pair, pair.pair_bytes, &o, e);
    if (windows < 0) return windows;
    int32_t full = bert_tokenization_full_length(enc);
    if (c->max_length && c->overflow == BERT_OVERFLOW_ERROR && full > c->max_length)
        return fail(e, BERT_ETOOLONG,
                    "text 0 has %d tokens, the limit is %d: choose --on-overflow truncate or "
                    "window",
                    full, c->max_length);
    int rc = 0;
    for (int i = 0; i < windows && !rc; i++) {
        bert_token_window w = bert_tokenization_window(enc, i);
        int32_t dropped = o.overflowing ? 0 : full - w.n;
        if (output_json(c))
            rc = print_json(t, &w, i, windows, dropped, e);
        else
            print_columns(t, &w, i, windows, dropped);
    }
    return rc;
}

/* A tokenizer's file, or a model by directory or name. */
static bert_tokenizer *open_tokenizer(const char *name, const common *c, bert_error *e) {
    char directory[4096];
    if (bert_resolve_hidden(name, directory, sizeof directory))
        note(c, "%s: the directory here is read, not the model of that name in the cache (%s)",
             name, directory);
    if (!access(name, F_OK)) return bert_tokenizer_open(name, NULL, e);
    if (find_model(name, c, false, directory, sizeof directory, e)) return NULL;
    return bert_tokenizer_open(directory, NULL, e);
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    const arguments *a = args;
    job j = {.a = a, .t = open_tokenizer(operand[0], &a->common, e)};
    j.enc = j.t ? bert_tokenization_new(j.t, e) : NULL;
    input *in = j.enc ? input_open(&a->common, operands - 1, operand + 1, e) : NULL;
    int rc = in ? input_each(in, tokenize, &j, e) : BERT_EINVAL;
    input_close(in);
    bert_tokenization_free(j.enc);
    bert_tokenizer_close(j.t);
    return rc;
}

const command tokenize_command = {
    .name = "tokenize",
    .operands = "MODEL [TEXT..]",
    .help = "token ids, tokens, offsets, type ids and word ids",
    .more =
        "MODEL may also be a tokenizer.json or a vocab.txt. A line is {\"ids\":[],\"tokens\":[],\n"
        "\"offsets\":[[start,end]],\"type_ids\":[],\"word_ids\":[]}. Nothing is cut off unless\n"
        "--max-length and --on-overflow say so; with 'window' each window is a line.",
    .min_operands = 1,
    .max_operands = -1,
    .groups = TAKES_MODEL | TAKES_INPUT | TAKES_LIMIT | TAKES_STRIDE | TAKES_OUTPUT | TAKES_LINES,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
