/* A two-layer BERT whose weights come from a formula, and rows of text with a rule to learn; the
 * same as in tools/golden_training.py. */
#ifndef BERT_TEST_TINY_H
#define BERT_TEST_TINY_H
#include "base/file.h"
#include "base/rng.h"
#include "files/safetensors.h"
#include "test.h"
#include <bert_train.h>

enum {
    TINY_WORDS = 35,
    TINY_VOCAB = TINY_WORDS + 5,
    TINY_HIDDEN = 32,
    TINY_INNER = 64,
    TINY_LAYERS = 2,
    TINY_LENGTH = 20,
    TINY_ROWS = 64
};

/* An option of a task; value NULL: not set. */
static inline void set_option(bert_dataset_options *o, const char *name, const char *value) {
    bert_error e = {0};
    if (bert_dataset_set(o, name, value, &e)) fail_msg("%s", e.message);
}

static inline uint32_t tiny_hash(uint32_t seed, uint32_t i) {
    uint32_t h = seed + i * 0x9E3779B9u;
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return h ^ h >> 16;
}

typedef struct {
    bert_stored_tensor list[64];
    char names[64][96];
    int n;
} tiny_tensors;

static inline void tiny_tensor(tiny_tensors *t, int rows, int cols, bool norm, const char *format,
                               int layer) {
    char *name = t->names[t->n];
    snprintf(name, 96, format, layer);
    size_t n = (size_t)(rows ? rows : 1) * (size_t)cols;
    float *x = malloc(n * sizeof *x);
    uint32_t seed = (uint32_t)bert_rng_stream(name);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((tiny_hash(seed, (uint32_t)i) / 2147483648.0 - 1) * 0.1 + (norm ? 1 : 0));
    t->list[t->n++] = (bert_stored_tensor){.name = name,
                                           .dtype = BERT_F32,
                                           .dims = rows ? 2 : 1,
                                           .shape = {rows ? rows : cols, cols},
                                           .data = x,
                                           .bytes = n * sizeof *x};
}

static inline void tiny_linear(tiny_tensors *t, int out, int in, const char *name, int layer) {
    char format[96];
    snprintf(format, sizeof format, "%s.weight", name);
    tiny_tensor(t, out, in, false, format, layer);
    snprintf(format, sizeof format, "%s.bias", name);
    tiny_tensor(t, 0, out, false, format, layer);
}

static inline void tiny_norm(tiny_tensors *t, const char *name, int layer) {
    char format[96];
    snprintf(format, sizeof format, "%s.weight", name);
    tiny_tensor(t, 0, TINY_HIDDEN, true, format, layer);
    snprintf(format, sizeof format, "%s.bias", name);
    tiny_tensor(t, 0, TINY_HIDDEN, false, format, layer);
}

static inline void tiny_write(const char *dir, const char *name, const char *text) {
    char *path = bert_path_join(dir, name);
    bert_error e = {0};
    if (bert_write_file(path, text, strlen(text), &e)) fail_msg("%s", e.message);
    free(path);
}

/* A checkpoint with a classifier of num_labels classes. */
static inline void tiny_model(const char *dir, int num_labels, const char *problem,
                              double dropout) {
    char text[2048];
    snprintf(text, sizeof text,
             "{\"model_type\": \"bert\", \"architectures\": [\"BertForSequenceClassification\"], "
             "\"vocab_size\": %d, \"hidden_size\": %d, \"num_hidden_layers\": %d, "
             "\"num_attention_heads\": 4, \"intermediate_size\": %d, \"hidden_act\": \"gelu\", "
             "\"hidden_dropout_prob\": %g, \"attention_probs_dropout_prob\": %g, "
             "\"max_position_embeddings\": %d, \"num_labels\": %d, \"problem_type\": \"%s\"}",
             TINY_VOCAB, TINY_HIDDEN, TINY_LAYERS, TINY_INNER, dropout, dropout, TINY_LENGTH,
             num_labels, problem);
    tiny_write(dir, "config.json", text);
    size_t used = (size_t)snprintf(text, sizeof text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    for (int i = 0; i < TINY_WORDS; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "w%d\n", i);
    tiny_write(dir, "vocab.txt", text);
    tiny_tensors t = {.n = 0};
    tiny_tensor(&t, TINY_VOCAB, TINY_HIDDEN, false, "bert.embeddings.word_embeddings.weight", 0);
    tiny_tensor(&t, TINY_LENGTH, TINY_HIDDEN, false, "bert.embeddings.position_embeddings.weight",
                0);
    tiny_tensor(&t, 2, TINY_HIDDEN, false, "bert.embeddings.token_type_embeddings.weight", 0);
    tiny_norm(&t, "bert.embeddings.LayerNorm", 0);
    for (int i = 0; i < TINY_LAYERS; i++) {
        tiny_linear(&t, TINY_HIDDEN, TINY_HIDDEN, "bert.encoder.layer.%d.attention.self.query", i);
        tiny_linear(&t, TINY_HIDDEN, TINY_HIDDEN, "bert.encoder.layer.%d.attention.self.key", i);
        tiny_linear(&t, TINY_HIDDEN, TINY_HIDDEN, "bert.encoder.layer.%d.attention.self.value", i);
        tiny_linear(&t, TINY_HIDDEN, TINY_HIDDEN, "bert.encoder.layer.%d.attention.output.dense",
                    i);
        tiny_norm(&t, "bert.encoder.layer.%d.attention.output.LayerNorm", i);
        tiny_linear(&t, TINY_INNER, TINY_HIDDEN, "bert.encoder.layer.%d.intermediate.dense", i);
        tiny_linear(&t, TINY_HIDDEN, TINY_INNER, "bert.encoder.layer.%d.output.dense", i);
        tiny_norm(&t, "bert.encoder.layer.%d.output.LayerNorm", i);
    }
    tiny_linear(&t, TINY_HIDDEN, TINY_HIDDEN, "bert.pooler.dense", 0);
    tiny_linear(&t, num_labels, TINY_HIDDEN, "classifier", 0);
    char *path = bert_path_join(dir, "model.safetensors");
    bert_error e = {0};
    if (bert_safetensors_save(path, t.list, t.n, NULL, &e)) fail_msg("%s", e.message);
    free(path);
    for (int i = 0; i < t.n; i++) free((void *)(uintptr_t)t.list[i].data);
}

/* Row number r: 3 to 14 words; its label follows from the first one. */
static inline int tiny_word(int row, int i) {
    return (int)(tiny_hash(77, (uint32_t)(row * 32 + i)) % TINY_WORDS);
}

static inline int tiny_words(int row) {
    return 3 + (int)(tiny_hash(5, (uint32_t)row) % 12);
}

typedef struct {
    char text[TINY_ROWS * 4][64], label[TINY_ROWS * 4][16];
    bert_text texts[TINY_ROWS * 4];
    const char *labels[TINY_ROWS * 4];
    int n;
} tiny_rows;

static inline void tiny_label(const char *problem, int first, char *out) {
    if (!strcmp(problem, "regression"))
        snprintf(out, 16, "%.2f", first / 10.0 - 1.5);
    else if (!strcmp(problem, "multi_label_classification"))
        snprintf(out, 16, "%s%s%s", first % 2 ? "a" : "", first % 3 ? "|b" : "",
                 first % 5 < 2 ? "|c" : "");
    else
        snprintf(out, 16, "%d", first % 3);
}

/* n rows from row `from` on; words repeat to make 3 to 14 of them. */
static inline void tiny_fill(tiny_rows *t, const char *problem, int from, int n) {
    t->n = n;
    for (int r = 0; r < n; r++) {
        size_t used = 0;
        for (int i = 0; i < tiny_words(from + r); i++)
            used += (size_t)snprintf(t->text[r] + used, sizeof t->text[r] - used, "%sw%d",
                                     i ? " " : "", tiny_word(from + r, i));
        tiny_label(problem, tiny_word(from + r, 0), t->label[r]);
        t->texts[r] = bert_text_of(t->text[r]);
        t->labels[r] = t->label[r];
    }
}
#endif
