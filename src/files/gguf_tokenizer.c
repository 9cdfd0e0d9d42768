/* Tokenizers that are no WordPiece, as tokenizer.json has them: RoBERTa's and ModernBERT's (gpt2),
 * XLM-RoBERTa's (t5). */
#include "base/base64.h"
#include "base/error.h"
#include "files/gguf_bert.h"
#include <stdlib.h>
#include <string.h>

/* The keys of a tokenizer. */
typedef struct {
    const bert_gguf *g;
    const bert_gguf_value *tokens, *types, *scores, *merges, *map;
    int64_t begin, end, unknown, mask; /* ids; -1: none */
    bool bad;                          /* a text is not UTF-8, or memory is out */
} tokenizer;

static json_t *text_json(tokenizer *t, bert_gguf_text s) {
    json_t *json = memchr(s.text, 0, s.n) ? NULL : json_stringn(s.text, s.n);
    t->bad |= !json;
    return json;
}

/* An array of that type, of so many elements (0: any); NULL: there is none. */
static const bert_gguf_value *array_of(const bert_gguf *g, const char *key, bert_gguf_type type,
                                       uint64_t count) {
    const bert_gguf_value *v = bert_gguf_find(g, key);
    return v && v->array && v->type == type && (!count || v->count == count) ? v : NULL;
}

static int64_t id_of(const tokenizer *t, const char *key, const char *other) {
    int64_t id;
    const bool told =
        bert_gguf_integer(t->g, key, &id) || (other && bert_gguf_integer(t->g, other, &id));
    return told && id >= 0 && (uint64_t)id < t->tokens->count ? id : -1;
}

static int find_keys(tokenizer *t, const bert_gguf *g, bert_error *e) {
    *t = (tokenizer){.g = g, .tokens = array_of(g, "tokenizer.ggml.tokens", BERT_GGUF_STRING, 0)};
    if (!t->tokens || !t->tokens->count)
        return bert_fail(e, BERT_EFORMAT, "%s: lacks the key tokenizer.ggml.tokens", g->path);
    const uint64_t n = t->tokens->count;
    t->types = array_of(g, "tokenizer.ggml.token_type", BERT_GGUF_I32, n);
    t->scores = array_of(g, "tokenizer.ggml.scores", BERT_GGUF_F32, n);
    t->merges = array_of(g, "tokenizer.ggml.merges", BERT_GGUF_STRING, 0);
    t->map = array_of(g, "tokenizer.ggml.precompiled_charsmap", BERT_GGUF_U8, 0);
    if (!t->map) t->map = array_of(g, "tokenizer.ggml.precompiled_charsmap", BERT_GGUF_I8, 0);
    t->begin = id_of(t, "tokenizer.ggml.cls_token_id", "tokenizer.ggml.bos_token_id");
    t->end = id_of(t, "tokenizer.ggml.seperator_token_id", "tokenizer.ggml.eos_token_id");
    t->unknown = id_of(t, "tokenizer.ggml.unknown_token_id", NULL);
    t->mask = id_of(t, "tokenizer.ggml.mask_token_id", NULL);
    if (t->begin >= 0 && t->end >= 0) return 0;
    return bert_fail(e, BERT_EFORMAT, "%s: lacks the ids of the tokens that begin and end a text",
                     g->path);
}

/* ---- Parts of tokenizer.json */

/* Tokens that no text is cut into. */
static json_t *added_json(tokenizer *t) {
    enum { UNKNOWN = 2, CONTROL = 3, USER = 4 };
    json_t *list = json_array();
    const unsigned char *at = t->tokens->at;
    for (uint64_t i = 0; i < t->tokens->count; i++) {
        const bert_gguf_text s = bert_gguf_next(&at);
        const int64_t id = (int64_t)i, type = t->types ? bert_gguf_element(t->types, i) : 0;
        const bool special = type == UNKNOWN || type == CONTROL || id == t->begin || id == t->end ||
                             id == t->unknown || id == t->mask;
        if (!special && type != USER) continue;
        t->bad |= json_array_append_new(
            list, json_pack("{sI so sb sb sb sb sb}", "id", (json_int_t)id, "content",
                            text_json(t, s), "single_word", 0, "lstrip", id == t->mask, "rstrip", 0,
                            "normalized", !special, "special", special));
    }
    return list;
}

static json_t *token_json(tokenizer *t, int64_t id) {
    const unsigned char *at = t->tokens->at;
    bert_gguf_text s = {"", 0};
    for (int64_t i = 0; i <= id; i++) s = bert_gguf_next(&at);
    return text_json(t, s);
}

/* <s> text </s>, and <s> text </s></s> text </s> of pairs. */
static json_t *roberta_json(tokenizer *t) {
    return json_pack("{ss s[oI] s[oI] sb sb}", "type", "RobertaProcessing", "sep",
                     token_json(t, t->end), (json_int_t)t->end, "cls", token_json(t, t->begin),
                     (json_int_t)t->begin, "trim_offsets", 1, "add_prefix_space", 0);
}

static json_t *special_json(tokenizer *t, int64_t id) {
    return json_pack("{so s[I] s[o]}", "id", token_json(t, id), "ids", (json_int_t)id, "tokens",
                     token_json(t, id));
}

/* [CLS] text [SEP], and [CLS] text [SEP] text [SEP] of pairs. */
static json_t *bert_json(tokenizer *t) {
    json_t *single = json_array(), *pair = json_array(), *specials = json_object();
    json_t *const lists[] = {single, pair};
    for (int k = 0; k < 2; k++) {
        const int64_t ids[] = {t->begin, -1, t->end, -2, t->end};
        for (int i = 0; i < 3 + 2 * k; i++) {
            const bool text = ids[i] < 0;
            json_t *name = text ? json_string(i == 1 ? "A" : "B") : token_json(t, ids[i]);
            t->bad |= json_array_append_new(lists[k], json_pack("{s{so si}}",
                                                                text ? "Sequence" : "SpecialToken",
                                                                "id", name, "type_id", i > 2));
        }
    }
    const int64_t both[] = {t->begin, t->end};
    for (int i = 0; i < 2; i++) {
        json_t *special = special_json(t, both[i]);
        const char *name = json_string_value(json_object_get(special, "id"));
        t->bad |= !name || json_object_set(specials, name, special);
        json_decref(special);
    }
    return json_pack("{ss so so so}", "type", "TemplateProcessing", "single", single, "pair", pair,
                     "special_tokens", specials);
}

static json_t *bpe_json(tokenizer *t) {
    json_t *vocab = json_object(), *merges = json_array();
    const unsigned char *at = t->tokens->at, *merge = t->merges->at;
    for (uint64_t i = 0; i < t->tokens->count; i++) {
        const bert_gguf_text s = bert_gguf_next(&at);
        char *name = strndup(s.text, s.n);
        t->bad |= !name || json_object_set_new(vocab, name, json_integer((json_int_t)i));
        free(name);
    }
    for (uint64_t i = 0; i < t->merges->count; i++)
        t->bad |= json_array_append_new(merges, text_json(t, bert_gguf_next(&merge)));
    return json_pack("{ss so so}", "type", "BPE", "vocab", vocab, "merges", merges);
}

static json_t *unigram_json(tokenizer *t) {
    json_t *vocab = json_array();
    const unsigned char *at = t->tokens->at;
    for (uint64_t i = 0; i < t->tokens->count; i++) {
        float score;
        memcpy(&score, t->scores->at + 4 * i, sizeof score);
        t->bad |= json_array_append_new(
            vocab, json_pack("[of]", text_json(t, bert_gguf_next(&at)), (double)score));
    }
    return json_pack("{ss sI so}", "type", "Unigram", "unk_id", (json_int_t)t->unknown, "vocab",
                     vocab);
}

static json_t *base64_json(tokenizer *t, const unsigned char *p, size_t n) {
    char *text = malloc(bert_base64_size(n) + 1);
    if (text) bert_base64_write(p, n, text);
    json_t *json = text ? json_string(text) : NULL;
    t->bad |= !json;
    free(text);
    return json;
}

/* ---- The two of them */

/* ModernBERT's are composed before they are cut, and put between BERT's tokens. */
static json_t *gpt2_json(tokenizer *t) {
    static const char level[] = "ByteLevel";
    const bool modern = bert_gguf_family_of(t->g) == BERT_GGUF_MODERN;
    json_t *added = added_json(t), *post = modern ? bert_json(t) : roberta_json(t),
           *model = bpe_json(t),
           *normalizer = modern ? json_pack("{ss}", "type", "NFC") : json_null();
    return json_pack("{ss so so s{ss sb sb sb} so s{ss sb sb sb} so}", "version", "1.0",
                     "added_tokens", added, "normalizer", normalizer, "pre_tokenizer", "type",
                     level, "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 1,
                     "post_processor", post, "decoder", "type", level, "add_prefix_space", 1,
                     "trim_offsets", 1, "use_regex", 1, "model", model);
}

static json_t *t5_json(tokenizer *t) {
#define METASPACE                                                                                  \
    "type", "Metaspace", "replacement", "\xe2\x96\x81", "prepend_scheme", "always", "split", 1
    json_t *added = added_json(t), *post = roberta_json(t), *model = unigram_json(t);
    json_t *normalizer = t->map
                             ? json_pack("{ss so}", "type", "Precompiled", "precompiled_charsmap",
                                         base64_json(t, t->map->at, (size_t)t->map->count))
                             : json_null();
    return json_pack("{ss so so s{ss s[{ss} {ss ss ss sb}]} so s{ss ss ss sb} so}", "version",
                     "1.0", "added_tokens", added, "normalizer", normalizer, "pre_tokenizer",
                     "type", "Sequence", "pretokenizers", "type", "WhitespaceSplit", METASPACE,
                     "post_processor", post, "decoder", METASPACE, "model", model);
}

static const struct {
    const char *model; /* what llama.cpp calls it */
    json_t *(*make)(tokenizer *t);
} kinds[] = {{"gpt2", gpt2_json}, {"t5", t5_json}};
enum { KINDS = sizeof kinds / sizeof *kinds };

char *bert_gguf_tokenizer(const bert_gguf *g, bert_error *e) {
    tokenizer t;
    bert_gguf_text model = {"", 0};
    int i = 0;
    bert_gguf_string(g, "tokenizer.ggml.model", &model);
    while (i < KINDS && !bert_gguf_is(model, kinds[i].model)) i++;
    if (i == KINDS) {
        bert_fail(e, BERT_EUNSUPPORTED,
                  "%s: its tokenizer is of none of llama.cpp's kinds bert, gpt2 and t5", g->path);
        return NULL;
    }
    if (find_keys(&t, g, e)) return NULL;
    if (i == 0 ? !t.merges : !t.scores || t.unknown < 0) {
        bert_fail(e, BERT_EFORMAT, "%s: lacks %s of its tokenizer", g->path,
                  i == 0 ? "the merges" : "the scores, or the unknown token,");
        return NULL;
    }
    json_t *json = kinds[i].make(&t);
    char *text = json && !t.bad ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text) bert_fail(e, BERT_EFORMAT, "%s: a token is not UTF-8, or memory is out", g->path);
    return text;
}

char *bert_gguf_tokenizer_json_config(const bert_gguf *g, bert_error *e) {
    int64_t length;
    json_t *json = json_pack("{ss}", "tokenizer_class", "PreTrainedTokenizerFast");
    if (bert_gguf_family_of(g) == BERT_GGUF_MODERN)
        json_object_set_new(json, "model_input_names",
                            json_pack("[ss]", "input_ids", "attention_mask"));
    if (bert_gguf_own_integer(g, "context_length", &length))
        json_object_set_new(json, "model_max_length", json_integer(length));
    char *text = json ? json_dumps(json, 0) : NULL;
    json_decref(json);
    if (!text) bert_fail_memory(e, 256);
    return text;
}
