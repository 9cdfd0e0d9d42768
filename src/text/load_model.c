/* The models of tokenizer.json, a row each. */
#include "base/error.h"
#include "text/bpe.h"
#include "text/json_parts.h"
#include "text/unigram.h"
#include <stdlib.h>

static int set_unknown(bert_tokenizer *t, const char *token, bert_error *e) {
    t->unk_token = bert_tokenizer_strdup(t, token, e);
    if (!t->unk_token) return e->code;
    t->special_names[BERT_SPECIAL_UNK] = t->unk_token;
    return BERT_OK;
}

static int read_wordlevel(bert_tokenizer *t, const json_t *model, const char *where,
                          bert_error *e) {
    const char *unk = bert_part_need_string(model, "unk_token", where, e);
    return unk ? set_unknown(t, unk, e) : BERT_EFORMAT;
}

static int read_wordpiece(bert_tokenizer *t, const json_t *model, const char *where,
                          bert_error *e) {
    int rc = read_wordlevel(t, model, where, e);
    if (rc) return rc;
    const char *prefix = bert_part_need_string(model, "continuing_subword_prefix", where, e);
    if (!prefix || !(t->prefix = bert_tokenizer_strdup(t, prefix, e))) return BERT_EFORMAT;
    return bert_part_need_int(model, "max_input_chars_per_word", BERT_MAX_WORD, &t->max_chars,
                              where, e);
}

/* -------------------------------------------------------------------------------- BPE */

/* What would make other tokens than byte-level BPE does. */
static int refuse_options(const json_t *model, const char *where, bert_error *e) {
    static const char *const names[] = {"dropout", "continuing_subword_prefix",
                                        "end_of_word_suffix", "byte_fallback"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *v = json_object_get(model, names[i]);
        const char *text = json_string_value(v);
        const bool none = !v || json_is_null(v) || json_is_false(v) || (text && !*text) ||
                          (json_is_number(v) && json_number_value(v) == 0);
        if (!none)
            return bert_fail(e, BERT_EUNSUPPORTED, "%s: model: BPE with %s is not supported", where,
                             names[i]);
    }
    return BERT_OK;
}

/* "a b", or ["a", "b"] */
static int read_merge(bert_tokenizer *t, const json_t *merge, int32_t number, const char *where,
                      bert_error *e) {
    const char *left = json_string_value(merge), *right = left ? strchr(left, ' ') : NULL;
    if (right && right > left && right[1])
        return bert_bpe_add(t, left, (size_t)(right - left), right + 1, strlen(right + 1), where,
                            e);
    left = json_string_value(json_array_get(merge, 0));
    right = json_string_value(json_array_get(merge, 1));
    if (left && right && json_array_size(merge) == 2)
        return bert_bpe_add(t, left, strlen(left), right, strlen(right), where, e);
    return bert_fail(e, BERT_EFORMAT,
                     "%s: model.merges: number %d must be \"left right\" or [left, right]", where,
                     (int)number + 1);
}

static int read_bpe(bert_tokenizer *t, const json_t *model, const char *where, bert_error *e) {
    const json_t *merges = json_object_get(model, "merges"), *merge;
    const char *unk = json_string_value(json_object_get(model, "unk_token"));
    if (!json_is_array(merges)) return bert_part_wrong(where, "model.merges", "an array", e);
    int rc = refuse_options(model, where, e);
    t->unk_token = NULL;
    if (!rc && unk) rc = set_unknown(t, unk, e);
    if (!rc) rc = bert_bpe_init(t, json_array_size(merges), e);
    if (!rc) rc = bert_json_bool(model, "ignore_merges", &t->bpe->ignore_merges, where, e);
    if (!rc) rc = bert_json_bool(model, "fuse_unk", &t->bpe->fuses_unknown, where, e);
    size_t i;
    json_array_foreach(merges, i, merge) {
        if (!rc) rc = read_merge(t, merge, (int32_t)i, where, e);
    }
    return rc;
}

/* ---------------------------------------------------------------------------- Unigram */

/* The vocabulary has been read. */
static int read_unigram(bert_tokenizer *t, const json_t *model, const char *where, bert_error *e) {
    bool fallback = false;
    int rc = bert_json_bool(model, "byte_fallback", &fallback, where, e);
    if (rc) return rc;
    if (!t->next_id) return bert_part_wrong(where, "model.vocab", "an array of [piece, score]", e);
    if (fallback)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: model: Unigram with byte_fallback is not supported", where);
    rc = bert_part_need_int(model, "unk_id", t->next_id - 1, &t->unk, where, e);
    if (!rc) rc = set_unknown(t, t->tokens[t->unk], e);
    if (rc) return rc;
    double *scores = t->scores;
    t->scores = NULL;
    return bert_unigram_new(t, scores, e);
}

/* ------------------------------------------------------------------------------- Rows */

typedef int read_model(bert_tokenizer *t, const json_t *model, const char *where, bert_error *e);
static read_model *const readers[BERT_TOKEN_MODELS] = {
    [BERT_WORDPIECE] = read_wordpiece,
    [BERT_WORDLEVEL] = read_wordlevel,
    [BERT_BPE] = read_bpe,
    [BERT_UNIGRAM] = read_unigram,
};

/* The kind of model; one that names none shows it by its members, as in files from before. */
static const char *model_type(const json_t *model) {
    const char *type = json_string_value(json_object_get(model, "type"));
    if (type) return type;
    if (json_object_get(model, "max_input_chars_per_word")) return "WordPiece";
    if (json_object_get(model, "merges")) return "BPE";
    return json_is_array(json_object_get(model, "vocab")) ? "Unigram" : "";
}

int bert_model_kind(const json_t *root, const char *where, bert_token_model *kind, bert_error *e) {
    const json_t *model = json_object_get(root, "model");
    if (!json_is_object(model)) return bert_part_wrong(where, "model", "an object", e);
    const char *type = model_type(model);
    for (int i = 0; i < BERT_TOKEN_MODELS; i++)
        if (!strcmp(type, bert_token_model_names[i])) {
            *kind = (bert_token_model)i;
            return BERT_OK;
        }
    return bert_part_unsupported(where, "model", type, "WordPiece, WordLevel, BPE and Unigram are",
                                 e);
}

int bert_read_model(bert_tokenizer *t, const json_t *root, const char *where, bert_error *e) {
    int rc = bert_model_kind(root, where, &t->model, e);
    return rc ? rc : readers[t->model](t, json_object_get(root, "model"), where, e);
}
