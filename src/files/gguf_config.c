/* What config.json, the tokenizer's files and sentence-transformers' say, from a GGUF file's keys. */
#include "base/error.h"
#include "files/gguf_bert.h"
#include "files/utf8.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Which model it is */

int bert_gguf_check_bert(const bert_gguf *g, bert_error *e) {
    bert_gguf_text name = {"", 0};
    if (bert_gguf_string(g, "general.architecture", &name) && bert_gguf_is(name, "bert")) return 0;
    const bool plain = bert_utf8_valid(name.text, name.n) && !memchr(name.text, 0, name.n);
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s: is a model of the architecture \"%.*s\"; of GGUF files those of bert are "
                     "read (BERT, RoBERTa, XLM-RoBERTa, DistilBERT)",
                     g->path, plain ? (int)(name.n < 40 ? name.n : 40) : 1,
                     plain ? name.text : "?");
}

bool bert_gguf_is_distilbert(const bert_gguf *g) {
    return !bert_gguf_tensor_named(g, "token_types.weight");
}

bool bert_gguf_has_classifier(const bert_gguf *g) {
    return bert_gguf_tensor_named(g, "cls.weight") &&
           bert_gguf_tensor_named(g, "cls.output.weight");
}

/* ---- Building JSON whose failures show once, at its end */

/* Text with its end for jansson, which refuses what is not UTF-8. */
static json_t *text_json(bert_gguf_text t) {
    return memchr(t.text, 0, t.n) ? NULL : json_stringn(t.text, t.n);
}

static char *dump(json_t *json, const bert_gguf *g, bert_error *e) {
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    if (!text && !e->code)
        bert_fail(e, BERT_EFORMAT, "%s: a text among its keys is not UTF-8, or memory is out",
                  g->path);
    return text;
}

static void put(json_t *object, const char *key, json_t *value, bool *bad) {
    *bad |= json_object_set_new(object, key, value) != 0;
}

/* ---- config.json */

/* Keys of numbers, and what BERT's and DistilBERT's config.json call them. */
static const struct {
    const char *key, *as[2];
} sizes[] = {
    {"bert.block_count", {"num_hidden_layers", "n_layers"}},
    {"bert.embedding_length", {"hidden_size", "dim"}},
    {"bert.attention.head_count", {"num_attention_heads", "n_heads"}},
    {"bert.feed_forward_length", {"intermediate_size", "hidden_dim"}},
};

/* Rows of a table. */
static int read_rows(const bert_gguf *g, const char *name, int64_t *rows, bert_error *e) {
    const bert_gguf_tensor *t = bert_gguf_tensor_named(g, name);
    if (t && t->dims == 2) {
        *rows = t->shape[0];
        return 0;
    }
    return bert_fail(e, BERT_EFORMAT, "%s: has no table %s, as every BERT does", g->path, name);
}

static int put_sizes(json_t *json, const bert_gguf *g, bool *bad, bert_error *e) {
    const int family = bert_gguf_is_distilbert(g);
    int64_t x;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (!bert_gguf_integer(g, sizes[i].key, &x))
            return bert_fail(e, BERT_EFORMAT, "%s: lacks the key %s", g->path, sizes[i].key);
        put(json, sizes[i].as[family], json_integer(x), bad);
    }
    int rc = read_rows(g, "token_embd.weight", &x, e);
    if (!rc) put(json, "vocab_size", json_integer(x), bad);
    if (!rc) rc = read_rows(g, "position_embd.weight", &x, e);
    if (!rc) put(json, "max_position_embeddings", json_integer(x), bad);
    if (!rc && !family) rc = read_rows(g, "token_types.weight", &x, e);
    if (!rc && !family) put(json, "type_vocab_size", json_integer(x), bad);
    return rc;
}

/* id2label, from the names of the classifier or their number. */
static json_t *labels_json(const bert_gguf *g) {
    const bert_gguf_value *v = bert_gguf_find(g, "bert.classifier.output_labels");
    const bert_gguf_tensor *t = bert_gguf_tensor_named(g, "cls.output.weight");
    const bool named = v && v->array && v->type == BERT_GGUF_STRING;
    const unsigned char *at = named ? v->at : NULL;
    const int64_t n = named ? (int64_t)v->count : t->dims == 2 ? t->shape[0] : 1;
    json_t *map = json_object();
    bool bad = n > 100000;
    for (int64_t i = 0; i < n && !bad; i++) {
        char id[24], name[40];
        snprintf(id, sizeof id, "%lld", (long long)i);
        snprintf(name, sizeof name, "LABEL_%lld", (long long)i);
        put(map, id, named ? text_json(bert_gguf_next(&at)) : json_string(name), &bad);
    }
    if (!bad) return map;
    json_decref(map);
    return NULL;
}

char *bert_gguf_config(const bert_gguf *g, bert_error *e) {
    const bool distil = bert_gguf_is_distilbert(g), classifier = bert_gguf_has_classifier(g);
    char class[64];
    snprintf(class, sizeof class, "%s%s", distil ? "DistilBert" : "Bert",
             classifier ? "ForSequenceClassification" : "Model");
    json_t *json = json_pack("{ss s[s]}", "model_type", distil ? "distilbert" : "bert",
                             "architectures", class);
    bool bad = !json;
    double eps;
    int64_t pad;
    int rc = put_sizes(json, g, &bad, e);
    /* which one is not recorded, and the models that are converted have this one */
    put(json, distil ? "activation" : "hidden_act", json_string("gelu"), &bad);
    if (bert_gguf_number(g, "bert.attention.layer_norm_epsilon", &eps) && !distil)
        put(json, "layer_norm_eps", json_real(eps), &bad);
    if (bert_gguf_integer(g, "tokenizer.ggml.padding_token_id", &pad))
        put(json, "pad_token_id", json_integer(pad), &bad);
    if (classifier) put(json, "id2label", labels_json(g), &bad);
    if (rc || bad) json_decref(json);
    return dump(rc || bad ? NULL : json, g, e);
}

/* ---- Pooling */

/* llama.cpp's numbers of the ways to pool. */
static const char *const flags[] = {NULL, "pooling_mode_mean_tokens", "pooling_mode_cls_token",
                                    "pooling_mode_lasttoken"};
enum { FLAGS = sizeof flags / sizeof *flags };

static const char *pooling_flag(const bert_gguf *g) {
    int64_t type;
    if (!bert_gguf_integer(g, "bert.pooling_type", &type) || type < 0 || type >= FLAGS) return NULL;
    return flags[type];
}

bool bert_gguf_has_pooling(const bert_gguf *g) {
    return pooling_flag(g) && !bert_gguf_has_classifier(g);
}

char *bert_gguf_modules(const bert_gguf *g, bert_error *e) {
#define MODULE(class) "sentence_transformers.models." class
    return dump(json_pack("[{si ss ss ss} {si ss ss ss}]", "idx", 0, "name", "0", "path", "",
                          "type", MODULE("Transformer"), "idx", 1, "name", "1", "path", "1_Pooling",
                          "type", MODULE("Pooling")),
                g, e);
}

char *bert_gguf_pooling(const bert_gguf *g, bert_error *e) {
    int64_t size = 0;
    const char *on = pooling_flag(g);
    bert_gguf_integer(g, "bert.embedding_length", &size);
    json_t *json = json_pack("{sI}", "word_embedding_dimension", (json_int_t)size);
    bool bad = !json;
    for (int i = 1; i < FLAGS; i++) put(json, flags[i], json_boolean(on && flags[i] == on), &bad);
    if (bad) json_decref(json);
    return dump(bad ? NULL : json, g, e);
}

/* ---- WordPiece */

static const char lower_one_eighth[] = "\xe2\x96\x81"; /* U+2581: where a word begins */
enum { MARK = sizeof lower_one_eighth - 1, UNKNOWN = 2, CONTROL = 3, USER = 4 };

/* The tokens, whether any begins a word, and their types. */
typedef struct {
    const bert_gguf_value *tokens, *types; /* types NULL: none are told */
    bool marked;
    size_t bytes;
} vocabulary;

static bool begins_word(bert_gguf_text t) {
    return t.n >= MARK && !memcmp(t.text, lower_one_eighth, MARK);
}

static bool find_vocabulary(const bert_gguf *g, vocabulary *v) {
    bert_gguf_text model;
    *v = (vocabulary){.tokens = bert_gguf_find(g, "tokenizer.ggml.tokens"),
                      .types = bert_gguf_find(g, "tokenizer.ggml.token_type")};
    if (!bert_gguf_string(g, "tokenizer.ggml.model", &model) || !bert_gguf_is(model, "bert") ||
        !v->tokens || !v->tokens->array || v->tokens->type != BERT_GGUF_STRING)
        return false;
    if (v->types && (!v->types->array || v->types->count != v->tokens->count)) v->types = NULL;
    const unsigned char *at = v->tokens->at;
    for (uint64_t i = 0; i < v->tokens->count; i++) {
        const bert_gguf_text t = bert_gguf_next(&at);
        v->marked |= begins_word(t);
        v->bytes += t.n + 3;
    }
    return true;
}

bool bert_gguf_has_vocabulary(const bert_gguf *g) {
    bert_gguf_text model;
    return bert_gguf_string(g, "tokenizer.ggml.model", &model) && bert_gguf_is(model, "bert");
}

/* A name that no word is: older converters left those in brackets as they are, too. */
static bool is_special(const vocabulary *v, uint64_t i, bert_gguf_text t) {
    const int64_t type = v->types ? bert_gguf_element(v->types, i) : 0;
    return type == CONTROL || type == UNKNOWN ||
           (t.n > 2 && t.text[0] == '[' && t.text[t.n - 1] == ']');
}

char *bert_gguf_vocabulary(const bert_gguf *g, bert_error *e) {
    vocabulary v;
    if (!find_vocabulary(g, &v)) {
        bert_fail(e, BERT_EFORMAT, "%s: lacks the key tokenizer.ggml.tokens", g->path);
        return NULL;
    }
    char *text = malloc(v.bytes + 1), *to = text;
    if (!text) bert_fail_memory(e, v.bytes + 1);
    const unsigned char *at = v.tokens->at;
    for (uint64_t i = 0; text && i < v.tokens->count; i++) {
        bert_gguf_text t = bert_gguf_next(&at);
        if (memchr(t.text, '\n', t.n) || memchr(t.text, 0, t.n)) {
            bert_fail(e, BERT_EFORMAT, "%s: token %llu holds a line's end", g->path,
                      (unsigned long long)i);
            free(text);
            return NULL;
        }
        const bool raw = !v.marked || is_special(&v, i, t), word = begins_word(t) && t.n > MARK;
        if (!raw && word) t = (bert_gguf_text){t.text + MARK, t.n - MARK};
        if (!raw && !word) to = memcpy(to, "##", 2), to += 2;
        if (t.n) memcpy(to, t.text, t.n);
        to += t.n;
        *to++ = '\n';
    }
    if (text) *to = 0;
    return text;
}

/* Special tokens: their names in tokenizer_config.json, the keys of their ids (the second one where
 * there is no first), and what BERT calls them. */
static const struct {
    const char *name, *key, *other, *usual;
} specials[] = {
    {"cls_token", "tokenizer.ggml.cls_token_id", "tokenizer.ggml.bos_token_id", "[CLS]"},
    {"sep_token", "tokenizer.ggml.seperator_token_id", "tokenizer.ggml.eos_token_id", "[SEP]"},
    {"unk_token", "tokenizer.ggml.unknown_token_id", NULL, "[UNK]"},
    {"pad_token", "tokenizer.ggml.padding_token_id", NULL, "[PAD]"},
    {"mask_token", "tokenizer.ggml.mask_token_id", NULL, "[MASK]"},
};

static bert_gguf_text token_at(const vocabulary *v, int64_t id) {
    const unsigned char *at = v->tokens->at;
    bert_gguf_text t = {"", 0};
    for (int64_t i = 0; i <= id; i++) t = bert_gguf_next(&at);
    return t;
}

/* Some token of words has a capital letter. */
static bool is_cased(const vocabulary *v) {
    const unsigned char *at = v->tokens->at;
    for (uint64_t i = 0; i < v->tokens->count; i++) {
        const bert_gguf_text t = bert_gguf_next(&at);
        if (is_special(v, i, t) || (v->types && bert_gguf_element(v->types, i) != 1)) continue;
        for (size_t k = 0; k < t.n; k++)
            if (t.text[k] >= 'A' && t.text[k] <= 'Z') return true;
    }
    return false;
}

char *bert_gguf_tokenizer_config(const bert_gguf *g, bert_error *e) {
    vocabulary v;
    bool lower, strip, bad = false;
    int64_t id, length;
    if (!find_vocabulary(g, &v)) {
        bert_fail(e, BERT_EFORMAT, "%s: lacks the key tokenizer.ggml.tokens", g->path);
        return NULL;
    }
    if (!bert_gguf_truth(g, "tokenizer.ggml.normalizer.lowercase", &lower)) lower = !is_cased(&v);
    json_t *json = json_pack("{ss sb}", "tokenizer_class",
                             bert_gguf_is_distilbert(g) ? "DistilBertTokenizer" : "BertTokenizer",
                             "do_lower_case", lower);
    if (bert_gguf_truth(g, "tokenizer.ggml.normalizer.strip_accents", &strip))
        put(json, "strip_accents", json_boolean(strip), &bad);
    if (bert_gguf_integer(g, "bert.context_length", &length))
        put(json, "model_max_length", json_integer(length), &bad);
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        const char *other = specials[i].other;
        const bool told = bert_gguf_integer(g, specials[i].key, &id) ||
                          (other && bert_gguf_integer(g, other, &id));
        const bool there = told && id >= 0 && (uint64_t)id < v.tokens->count;
        put(json, specials[i].name,
            there ? text_json(token_at(&v, id)) : json_string(specials[i].usual), &bad);
    }
    if (bad) json_decref(json);
    return dump(bad ? NULL : json, g, e);
}
