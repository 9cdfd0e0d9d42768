/* libFuzzer target: any text, any options, five tokenizers. What must hold for all input is
 * checked. */
#include <bert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOKENIZERS = 5, MAX_IDS = 1 << 16 };
static bert_tokenizer *tokenizers[TOKENIZERS];
static bert_tokenization *encoders[TOKENIZERS];

#define CHECK(x)                                                                                   \
    do                                                                                             \
        if (!(x)) {                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                \
            abort();                                                                               \
        }                                                                                          \
    while (0)

static const char vocab[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nab\n##a\n##b\n##ab\ne\n##e\n##\n!\n,\n.\n[\n]\n"
    "mask\n\xe4\xb8\xad\n\xe1\x84\x80\n##\xe1\x85\xa1\n##\xe1\x86\xa8\n##\xe3\x80\xae\n\xd0\xb8\n"
    "##\xd0\xb8\n0\n##0\n";
static const char config[] =
    "{\"added_tokens_decoder\": {\"29\": {\"content\": \"ab e\", \"normalized\": true, \"rstrip\": "
    "true}, \"30\": {\"content\": \"<x>\", \"lstrip\": true}, \"31\": {\"content\": \"ba\", "
    "\"single_word\": true}}}";

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "wb");
    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    char d[] = "/tmp/bert-fuzz-XXXXXX", path[100], other[100];
    CHECK(mkdtemp(d));
    snprintf(path, sizeof path, "%s/vocab.txt", d);
    snprintf(other, sizeof other, "%s/tokenizer_config.json", d);
    write_file(path, vocab);
    for (int i = 0; i < TOKENIZERS; i++) {
        bert_tokenizer_options o = bert_tokenizer_default();
        if (i == 1) o.do_lower_case = 0;
        if (i == 2) o.strip_accents = 0;
        if (i == 3) o.tokenize_chinese_chars = 0, o.encode_special_tokens = true;
        if (i == 4) write_file(other, config);
        bert_error e = {0};
        tokenizers[i] = bert_tokenizer_open(path, &o, &e);
        if (!tokenizers[i]) fprintf(stderr, "%s\n", e.message);
        CHECK(tokenizers[i]);
        encoders[i] = bert_tokenization_new(tokenizers[i], NULL);
        CHECK(encoders[i]);
    }
    unlink(path);
    unlink(other);
    rmdir(d);
    return 0;
}

static void check_window(const bert_tokenizer *t, bert_token_window w, const int32_t lengths[2]) {
    for (int32_t i = 0; i < w.n; i++) {
        CHECK(bert_token(t, w.ids[i]));
        int32_t s = w.sequence_ids[i];
        CHECK(s >= -1 && s <= 1 && (s < 0) == (w.special_tokens_mask[i] == 1));
        CHECK((s < 0) == (w.word_ids[i] < 0));
        CHECK(w.offsets[i][0] >= 0 && w.offsets[i][0] <= w.offsets[i][1]);
        CHECK(w.offsets[i][1] <= (s < 0 ? 0 : lengths[s]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 5) return 0;
    int which = data[0] % TOKENIZERS;
    const bert_tokenizer *t = tokenizers[which];
    bert_tokenization *enc = encoders[which];
    bert_tokenize_options o = {.add_special_tokens = data[0] & 32,
                               .truncation = (bert_truncation)(data[1] % 4),
                               .max_length = data[2] % 64,
                               .stride = data[3] % 16,
                               .overflowing = data[1] & 16,
                               .truncate_left = data[1] & 32,
                               .byte_offsets = data[1] & 64};
    bool has_pair = data[1] & 128;
    size_t first = has_pair ? data[4] % (size - 4) : size - 5;
    /* Copies, so that reading past the end is seen. */
    char *text = malloc(first + 1), *pair = malloc(size - 5 - first + 1);
    memcpy(text, data + 5, first);
    memcpy(pair, data + 5 + first, size - 5 - first);
    text = realloc(text, first ? first : 1);
    pair = realloc(pair, size - 5 - first ? size - 5 - first : 1);
    const int32_t lengths[2] = {(int32_t)first, (int32_t)(size - 5 - first)};
    int windows =
        bert_tokenize(enc, text, first, has_pair ? pair : NULL, size - 5 - first, &o, NULL);
    for (int i = 0; i < windows; i++) {
        bert_token_window w = bert_tokenization_window(enc, i);
        if (o.truncation && !i) CHECK(w.n <= o.max_length);
        check_window(t, w, lengths);
    }
    bert_tokenize_options plain = {.add_special_tokens = false};
    CHECK(bert_tokenize(enc, text, first, NULL, 0, &plain, NULL) == 1);
    bert_token_window w = bert_tokenization_window(enc, 0);
    int32_t *ids = malloc(((size_t)w.n + 1) * sizeof *ids);
    CHECK(bert_tokenize_ids(enc, text, first, ids, (size_t)w.n, NULL) == w.n);
    CHECK(!w.n || !memcmp(ids, w.ids, (size_t)w.n * sizeof *ids));
    char out[256];
    CHECK(bert_decode(t, ids, (size_t)w.n, data[0] & 64, out, sizeof out, NULL) >= 0);
    free(ids);
    free(text);
    free(pair);
    return 0;
}
