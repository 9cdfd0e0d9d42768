/* The tokenizer's keys of a GGUF file, as llama.cpp's converter writes them. */
#include "base/base64.h"
#include "base/error.h"
#include "models/convert_gguf.h"
#include <stdlib.h>
#include <string.h>

#define SPACE "\xe2\x96\x81" /* U+2581, in front of what begins a word */
enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER = 4, UNUSED = 5 };

/* All ids of the model; what is not a token is called [PADi] and never met. */
typedef struct {
    size_t n;
    char **text;
    int32_t *type;
} tokens;

static void free_tokens(tokens *t) {
    for (size_t i = 0; t->text && i < t->n; i++) free(t->text[i]);
    free(t->text);
    free(t->type);
}

static int set(tokens *t, int64_t id, const char *before, const char *text, int32_t type,
               bert_error *e) {
    char *copy;
    if (id < 0 || (size_t)id >= t->n) return 0; /* the model has no such token */
    if (asprintf(&copy, "%s%s", before, text) < 0) return bert_fail_memory(e, strlen(text));
    free(t->text[id]);
    t->text[id] = copy;
    t->type[id] = type;
    return 0;
}

static int make(tokens *t, int32_t n, bert_error *e) {
    t->n = (size_t)n;
    t->text = calloc(t->n + 1, sizeof *t->text);
    t->type = calloc(t->n + 1, sizeof *t->type);
    int rc = t->text && t->type ? 0 : bert_fail_memory(e, t->n * sizeof *t->text);
    for (int32_t i = 0; i < n && !rc; i++) {
        char name[32];
        snprintf(name, sizeof name, "[PAD%d]", i);
        rc = set(t, i, "", name, UNUSED, e);
    }
    return rc;
}

static const char *string_of(const json_t *o, const char *key) {
    return json_string_value(json_object_get(o, key));
}

/* "##ing" is "ing", and "walk" is U+2581 "walk". */
static int set_piece(tokens *t, const char *prefix, const char *text, int64_t id, bert_error *e) {
    const size_t n = strlen(prefix);
    const bool goes_on = n && !strncmp(text, prefix, n);
    return set(t, id, goes_on ? "" : SPACE, goes_on ? text + n : text, NORMAL, e);
}

static int read_vocabulary(tokens *t, const json_t *model, bool pieces, bert_error *e) {
    const char *prefix = string_of(model, "continuing_subword_prefix"), *text;
    json_t *id;
    int rc = 0;
    json_object_foreach(json_object_get(model, "vocab"), text, id) {
        if (rc) break;
        rc = pieces ? set_piece(t, prefix ? prefix : "##", text, json_integer_value(id), e)
                    : set(t, json_integer_value(id), "", text, NORMAL, e);
    }
    return rc;
}

static int read_added(tokens *t, const json_t *file, bool pieces, bert_error *e) {
    json_t *token;
    size_t i;
    int rc = 0;
    json_array_foreach(json_object_get(file, "added_tokens"), i, token) {
        const char *text = string_of(token, "content");
        const bool special = json_is_true(json_object_get(token, "special"));
        if (text && !rc)
            rc = set(t, json_integer_value(json_object_get(token, "id")),
                     pieces && !special ? SPACE : "", text, special ? CONTROL : USER, e);
    }
    return rc;
}

/* "a b", whichever way a merge is written. */
static char *merge_of(const json_t *merge) {
    const char *text = json_string_value(merge), *a = json_string_value(json_array_get(merge, 0)),
               *b = json_string_value(json_array_get(merge, 1));
    char *made;
    if (text) return strdup(text);
    return a && b && asprintf(&made, "%s %s", a, b) >= 0 ? made : NULL;
}

static int put_merges(bert_gguf_keys *k, const json_t *model, bert_error *e) {
    const json_t *list = json_object_get(model, "merges");
    const size_t n = json_array_size(list);
    char **merges = calloc(n + 1, sizeof *merges);
    int rc = merges ? 0 : bert_fail_memory(e, n * sizeof *merges);
    for (size_t i = 0; i < n && !rc; i++)
        if (!(merges[i] = merge_of(json_array_get(list, i))))
            rc = bert_fail(e, BERT_EFORMAT, "tokenizer.json: merge %zu is malformed", i);
    if (!rc) bert_gguf_put_strings(k, "tokenizer.ggml.merges", (const char *const *)merges, n);
    for (size_t i = 0; merges && i < n; i++) free(merges[i]);
    free(merges);
    return rc;
}

/* ---- Unigram, which llama.cpp calls t5 */

/* Pieces and their scores; what is no token of it has the least of all, as in the converter. */
static int read_pieces(tokens *t, const json_t *model, float *scores, bert_error *e) {
    const json_t *list = json_object_get(model, "vocab");
    const json_int_t unknown = json_integer_value(json_object_get(model, "unk_id"));
    json_t *piece;
    size_t i;
    int rc = 0;
    for (size_t k = 0; k < t->n; k++) scores[k] = -1000;
    json_array_foreach(list, i, piece) {
        const char *text = json_string_value(json_array_get(piece, 0));
        if (rc || i >= t->n) break;
        scores[i] = (float)json_number_value(json_array_get(piece, 1));
        rc = text ? set(t, (int64_t)i, "", text, (json_int_t)i == unknown ? UNKNOWN : NORMAL, e)
                  : bert_fail(e, BERT_EFORMAT, "tokenizer.json: piece %zu is malformed", i);
    }
    return rc;
}

static bool is_type(const json_t *step, const char *type) {
    const char *is = string_of(step, "type");
    return is && !strcmp(is, type);
}

/* The step of that type, itself or one of a sequence; other: one that llama.cpp does not have. */
static const json_t *find_step(const json_t *step, const char *list, const char *const *types,
                               const char **other) {
    const json_t *steps = json_object_get(step, list), *found = NULL, *one;
    const size_t n = is_type(step, "Sequence") ? json_array_size(steps) : json_is_object(step);
    for (size_t i = 0; i < n; i++) {
        one = is_type(step, "Sequence") ? json_array_get(steps, i) : step;
        int k = 0;
        while (types[k] && !is_type(one, types[k])) k++;
        if (!types[k]) *other = string_of(one, "type");
        if (k == 0) found = one;
    }
    return found;
}

static int put_charsmap(bert_gguf_keys *k, const json_t *step, bert_error *e) {
    const char *text = string_of(step, "precompiled_charsmap");
    const size_t n = text ? strlen(text) : 0;
    uint8_t *map = malloc(n + 1);
    if (!map) return bert_fail_memory(e, n + 1);
    const int64_t bytes = bert_base64_read(text ? text : "", n, map);
    if (bytes > 0)
        bert_gguf_put_bytes(k, "tokenizer.ggml.precompiled_charsmap", map, (size_t)bytes);
    free(map);
    return bytes < 0 ? bert_fail(e, BERT_EFORMAT, "tokenizer.json: its charsmap is no base64") : 0;
}

/* What is done to a text before it is cut: the charsmap, one space for several, and one in front. */
static int put_unigram(bert_gguf_keys *k, const bert_model *m, const json_t *file, bert_error *e) {
    static const char *const maps[] = {"Precompiled", "Replace", "Strip", NULL},
                             *const splits[] = {"Metaspace", "WhitespaceSplit", NULL};
    const char *other = NULL;
    const json_t *normalizer = json_object_get(file, "normalizer");
    const json_t *map = find_step(normalizer, "normalizers", maps, &other);
    const json_t *space =
        find_step(json_object_get(file, "pre_tokenizer"), "pretokenizers", splits, &other);
    const char *prepend = string_of(space, "prepend_scheme");
    const json_t *bytes = json_object_get(json_object_get(file, "model"), "byte_fallback");
    if (!space) other = "without Metaspace";
    if (json_is_true(bytes)) other = "with byte_fallback";
    if (other)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: a Unigram tokenizer %.40s cannot be written into a GGUF file: "
                         "llama.cpp would give other tokens",
                         m->path, other);
    bert_gguf_put_bool(k, "tokenizer.ggml.add_space_prefix", !prepend || strcmp(prepend, "never"));
    bert_gguf_put_bool(k, "tokenizer.ggml.remove_extra_whitespaces", true);
    return map ? put_charsmap(k, map, e) : 0;
}

/* ---- All of it */

/* [CLS] begins a text and [SEP] ends it, under these names too. */
static void put_specials(bert_gguf_keys *k, const bert_tokenizer *tokenizer) {
    const bert_special_ids s = bert_tokenizer_special(tokenizer);
    const struct {
        const char *key;
        int32_t id;
    } ids[] = {
        {"bos", s.cls},     {"eos", s.sep}, {"unknown", s.unk}, {"seperator", s.sep},
        {"padding", s.pad}, {"cls", s.cls}, {"mask", s.mask},
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char key[64];
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", ids[i].key);
        if (ids[i].id >= 0) bert_gguf_put_u32(k, key, (uint32_t)ids[i].id);
    }
    bert_gguf_put_bool(k, "tokenizer.ggml.add_bos_token", true);
    bert_gguf_put_bool(k, "tokenizer.ggml.add_eos_token", true);
}

static void put_normalizer(bert_gguf_keys *k, const json_t *file) {
    const json_t *n = json_object_get(file, "normalizer"), *lower = json_object_get(n, "lowercase"),
                 *strip = json_object_get(n, "strip_accents");
    if (!json_is_boolean(lower)) return;
    bert_gguf_put_bool(k, "tokenizer.ggml.normalizer.lowercase", json_is_true(lower));
    bert_gguf_put_bool(k, "tokenizer.ggml.normalizer.strip_accents",
                       json_is_true(json_is_boolean(strip) ? strip : lower));
}

/* What llama.cpp calls the models of tokenizers. */
static const struct {
    const char *type, *model, *pre;
} kinds[] = {
    {"WordPiece", "bert", "bert-bge"}, {"BPE", "gpt2", NULL}, {"Unigram", "t5", "default"}};
enum { PIECES, MERGES, UNIGRAM, KINDS };

static int put_tokens(bert_gguf_keys *k, const bert_model *m, const json_t *file, bert_error *e) {
    const json_t *model = json_object_get(file, "model");
    const char *type = string_of(model, "type");
    int kind = 0;
    while (kind < KINDS && (!type || strcmp(kinds[kind].type, type))) kind++;
    if (kind == KINDS)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: a tokenizer of the kind %.40s cannot be written into a GGUF file; "
                         "WordPiece, BPE and Unigram can",
                         m->path, type ? type : "(none)");
    tokens t = {0};
    float *scores = calloc((size_t)m->config.vocab_size + 1, sizeof *scores);
    int rc = scores ? make(&t, m->config.vocab_size, e) : bert_fail_memory(e, t.n);
    if (!rc)
        rc = kind == UNIGRAM ? read_pieces(&t, model, scores, e)
                             : read_vocabulary(&t, model, kind == PIECES, e);
    if (!rc) rc = read_added(&t, file, kind == PIECES, e);
    bert_gguf_put_string(k, "tokenizer.ggml.model", kinds[kind].model);
    bert_gguf_put_string(k, "tokenizer.ggml.pre",
                         kinds[kind].pre ? kinds[kind].pre : m->arch->gguf->bpe);
    if (!rc) {
        bert_gguf_put_strings(k, "tokenizer.ggml.tokens", (const char *const *)t.text, t.n);
        bert_gguf_put_i32s(k, "tokenizer.ggml.token_type", t.type, t.n);
        if (kind == UNIGRAM) bert_gguf_put_f32s(k, "tokenizer.ggml.scores", scores, t.n);
    }
    if (!rc && kind == MERGES) rc = put_merges(k, model, e);
    if (!rc && kind == UNIGRAM) rc = put_unigram(k, m, file, e);
    free_tokens(&t);
    free(scores);
    return rc;
}

/* tokenizer.json, or what the tokenizer would be saved as where it comes from other files. */
static json_t *json_of(const bert_model *m, const bert_tokenizer *tokenizer, bert_error *e) {
    char *part = bert_path_join(bert_pretrained_folder(m->from), "tokenizer.json");
    json_t *file = part ? bert_pretrained_json(m->from, part, e) : NULL;
    char *text = file || e->code || !part ? NULL : bert_tokenizer_json(tokenizer, e);
    if (text) file = json_loads(text, 0, NULL);
    if (!file) bert_fail_memory(e, 64);
    free(text);
    free(part);
    return file;
}

int bert_gguf_put_tokenizer(bert_gguf_keys *k, const bert_model *m, bert_error *e) {
    const bert_tokenizer *tokenizer = bert_model_need_tokenizer(m, e);
    json_t *file = tokenizer ? json_of(m, tokenizer, e) : NULL;
    if (!file) return e->code;
    const int rc = put_tokens(k, m, file, e);
    const uint32_t types = m->config.type_vocab_size > 0 ? (uint32_t)m->config.type_vocab_size : 1;
    bert_gguf_put_u32(k, "tokenizer.ggml.token_type_count", types);
    put_specials(k, tokenizer);
    put_normalizer(k, file);
    json_decref(file);
    return rc;
}
