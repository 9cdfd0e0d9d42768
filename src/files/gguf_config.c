/* What config.json, the tokenizer's files and sentence-transformers' say, from a GGUF file's keys. */
#include "base/error.h"
#include "files/gguf_bert.h"
#include "files/utf8.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Which model it is */

/* llama.cpp's architecture, and what config.json calls it and its classes. */
static const struct {
    const char *architecture, *model_type, *classes;
} families[BERT_GGUF_FAMILIES] = {
    [BERT_GGUF_BERT] = {"bert", "bert", "Bert"},
    [BERT_GGUF_DISTILBERT] = {"bert", "distilbert", "DistilBert"},
    [BERT_GGUF_NOMIC] = {"nomic-bert", "nomic_bert", "NomicBert"},
    [BERT_GGUF_JINA] = {"jina-bert-v2", "bert", "JinaBert"},
    [BERT_GGUF_MODERN] = {"modern-bert", "modernbert", "ModernBert"},
};

/* The last of them that the file's architecture is; BERT_GGUF_FAMILIES: none. */
static bert_gguf_family find_family(const bert_gguf *g, bert_gguf_text *name) {
    bert_gguf_family found = BERT_GGUF_FAMILIES;
    *name = (bert_gguf_text){"", 0};
    bert_gguf_string(g, "general.architecture", name);
    for (int i = 0; i < BERT_GGUF_FAMILIES; i++)
        if (bert_gguf_is(*name, families[i].architecture)) found = (bert_gguf_family)i;
    const bool typed = bert_gguf_tensor_named(g, "token_types.weight");
    return found == BERT_GGUF_DISTILBERT && typed ? BERT_GGUF_BERT : found;
}

bert_gguf_family bert_gguf_family_of(const bert_gguf *g) {
    bert_gguf_text name;
    const bert_gguf_family f = find_family(g, &name);
    return f < BERT_GGUF_FAMILIES ? f : BERT_GGUF_BERT;
}

int bert_gguf_check_bert(const bert_gguf *g, bert_error *e) {
    bert_gguf_text name;
    if (find_family(g, &name) < BERT_GGUF_FAMILIES) return 0;
    const bool plain = bert_utf8_valid(name.text, name.n) && !memchr(name.text, 0, name.n);
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s: is a model of the architecture \"%.*s\"; of GGUF files those of bert "
                     "(BERT, RoBERTa, XLM-RoBERTa, DistilBERT), nomic-bert, jina-bert-v2 and "
                     "modern-bert are read",
                     g->path, plain ? (int)(name.n < 40 ? name.n : 40) : 1,
                     plain ? name.text : "?");
}

/* The whole name of a key of the architecture. */
static const char *own_key(const bert_gguf *g, const char *key, char room[128]) {
    snprintf(room, 128, "%s.%s", families[bert_gguf_family_of(g)].architecture, key);
    return room;
}

bool bert_gguf_own_integer(const bert_gguf *g, const char *key, int64_t *x) {
    char room[128];
    return bert_gguf_integer(g, own_key(g, key, room), x);
}

bool bert_gguf_own_number(const bert_gguf *g, const char *key, double *x) {
    char room[128];
    return bert_gguf_number(g, own_key(g, key, room), x);
}

bool bert_gguf_own_string(const bert_gguf *g, const char *key, bert_gguf_text *x) {
    char room[128];
    return bert_gguf_string(g, own_key(g, key, room), x);
}

bool bert_gguf_has_classifier(const bert_gguf *g) {
    return bert_gguf_family_of(g) <= BERT_GGUF_DISTILBERT &&
           bert_gguf_tensor_named(g, "cls.weight") &&
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

/* Keys of numbers, and what config.json calls them in DistilBERT and elsewhere. */
static const struct {
    const char *key, *distilbert, *other;
} sizes[] = {
    {"block_count", "n_layers", "num_hidden_layers"},
    {"embedding_length", "dim", "hidden_size"},
    {"attention.head_count", "n_heads", "num_attention_heads"},
    {"feed_forward_length", "hidden_dim", "intermediate_size"},
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

/* Positions have a table, or as many as the context is long. */
static int read_positions(const bert_gguf *g, int64_t *positions, bert_error *e) {
    if (bert_gguf_family_of(g) <= BERT_GGUF_DISTILBERT)
        return read_rows(g, "position_embd.weight", positions, e);
    if (bert_gguf_own_integer(g, "context_length", positions)) return 0;
    return bert_fail(e, BERT_EFORMAT, "%s: lacks the key %s.context_length", g->path,
                     families[bert_gguf_family_of(g)].architecture);
}

static int put_sizes(json_t *json, const bert_gguf *g, bool *bad, bert_error *e) {
    const bert_gguf_family family = bert_gguf_family_of(g);
    const bool typed = family != BERT_GGUF_DISTILBERT && family != BERT_GGUF_MODERN;
    int64_t x;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (!bert_gguf_own_integer(g, sizes[i].key, &x))
            return bert_fail(e, BERT_EFORMAT, "%s: lacks the key %s.%s", g->path,
                             families[family].architecture, sizes[i].key);
        put(json, family == BERT_GGUF_DISTILBERT ? sizes[i].distilbert : sizes[i].other,
            json_integer(x), bad);
    }
    int rc = read_rows(g, "token_embd.weight", &x, e);
    if (!rc) put(json, "vocab_size", json_integer(x), bad);
    if (!rc) rc = read_positions(g, &x, e);
    if (!rc) put(json, "max_position_embeddings", json_integer(x), bad);
    if (!rc && typed) rc = read_rows(g, "token_types.weight", &x, e);
    if (!rc && typed) put(json, "type_vocab_size", json_integer(x), bad);
    return rc;
}

/* A number under the key of config.json, where the file has it. */
static void put_number(json_t *json, const bert_gguf *g, const char *key, const char *as,
                       bool *bad) {
    double x;
    if (bert_gguf_own_number(g, key, &x)) put(json, as, json_real(x), bad);
}

/* A scaling of positions, whose name says whether it can be done. */
static void put_scaling(json_t *json, const bert_gguf *g, bool *bad) {
    bert_gguf_text type;
    double factor = 1;
    int64_t original = 0;
    if (!bert_gguf_own_string(g, "rope.scaling.type", &type) || bert_gguf_is(type, "none")) return;
    bert_gguf_own_number(g, "rope.scaling.factor", &factor);
    bert_gguf_own_integer(g, "rope.scaling.original_context_length", &original);
    json_t *scaling = json_pack("{so sf}", "rope_type", text_json(type), "factor", factor);
    if (original > 0) put(scaling, "original_max_position_embeddings", json_integer(original), bad);
    put(json, "rope_parameters", scaling, bad);
}

/* Which layers see all tokens: each so-many-th, or as a list says that is true of the others. */
static void put_windows(json_t *json, const bert_gguf *g, bool *bad) {
    const bert_gguf_value *each = bert_gguf_find(g, "modern-bert.attention.sliding_window_pattern");
    int64_t window = 0, every = 3;
    bert_gguf_own_integer(g, "attention.sliding_window", &window);
    bert_gguf_own_integer(g, "attention.sliding_window_pattern", &every);
    if (window > 0) put(json, "local_attention", json_integer(window), bad);
    put(json, "global_attn_every_n_layers", json_integer(window > 0 ? every : 1), bad);
    if (window <= 0 || !each || !each->array || each->type != BERT_GGUF_BOOL) return;
    json_t *types = json_array();
    for (uint64_t i = 0; i < each->count; i++)
        *bad |= json_array_append_new(
            types, json_string(each->at[i] ? "sliding_attention" : "full_attention"));
    put(json, "layer_types", types, bad);
}

/* What is a family's own. */
static void put_own(json_t *json, const bert_gguf *g, bool *bad) {
    bert_gguf_text act = {"gelu", 4};
    switch (bert_gguf_family_of(g)) {
    case BERT_GGUF_NOMIC:
        put(json, "hidden_act", json_string("silu"), bad);
        put_number(json, g, "rope.freq_base", "rotary_emb_base", bad);
        put_scaling(json, g, bad);
        break;
    case BERT_GGUF_JINA:
        put(json, "position_embedding_type", json_string("alibi"), bad);
        put(json, "feed_forward_type", json_string("geglu"), bad);
        break;
    case BERT_GGUF_MODERN:
        bert_gguf_own_string(g, "hidden_activation", &act);
        put(json, "hidden_activation", text_json(act), bad);
        put_number(json, g, "rope.freq_base", "global_rope_theta", bad);
        put_number(json, g, "rope.freq_base_swa", "local_rope_theta", bad);
        put_windows(json, g, bad);
        break;
    default:
        break;
    }
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
    const bert_gguf_family family = bert_gguf_family_of(g);
    const bool distil = family == BERT_GGUF_DISTILBERT, modern = family == BERT_GGUF_MODERN,
               classifier = bert_gguf_has_classifier(g);
    char class[64];
    snprintf(class, sizeof class, "%s%s", families[family].classes,
             classifier ? "ForSequenceClassification" : "Model");
    json_t *json =
        json_pack("{ss s[s]}", "model_type", families[family].model_type, "architectures", class);
    bool bad = !json;
    int64_t pad;
    int rc = put_sizes(json, g, &bad, e);
    /* which one is not recorded, and the models that are converted have this one */
    put(json, distil ? "activation" : "hidden_act", json_string("gelu"), &bad);
    if (!distil)
        put_number(json, g, "attention.layer_norm_epsilon", modern ? "norm_eps" : "layer_norm_eps",
                   &bad);
    put_own(json, g, &bad);
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
    if (!bert_gguf_own_integer(g, "pooling_type", &type) || type < 0 || type >= FLAGS) return NULL;
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
    bert_gguf_own_integer(g, "embedding_length", &size);
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
                             bert_gguf_family_of(g) == BERT_GGUF_DISTILBERT ? "DistilBertTokenizer"
                                                                            : "BertTokenizer",
                             "do_lower_case", lower);
    if (bert_gguf_truth(g, "tokenizer.ggml.normalizer.strip_accents", &strip))
        put(json, "strip_accents", json_boolean(strip), &bad);
    if (bert_gguf_own_integer(g, "context_length", &length))
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
