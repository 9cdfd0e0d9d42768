#include "base/error.h"
#include "base/file.h"
#include "text/json_parts.h"
#include "text/json_vocab.h"
#include <stdlib.h>

/* -------------------------------------------------------------------------- The model */

/* The kind of model; one that names none shows it by its members, as in files from before. */
static const char *model_type(const json_t *model) {
    const char *type = json_string_value(json_object_get(model, "type"));
    if (type) return type;
    if (json_object_get(model, "max_input_chars_per_word")) return "WordPiece";
    if (json_object_get(model, "merges")) return "BPE";
    return json_is_array(json_object_get(model, "vocab")) ? "Unigram" : "";
}

static int find_model(const json_t *root, const char *where, bert_token_model *kind,
                      bert_error *e) {
    const json_t *model = json_object_get(root, "model");
    if (!json_is_object(model)) return bert_part_wrong(where, "model", "an object", e);
    const char *type = model_type(model);
    for (int i = 0; i < BERT_TOKEN_MODELS; i++)
        if (!strcmp(type, bert_token_model_names[i])) {
            *kind = (bert_token_model)i;
            return BERT_OK;
        }
    const bool unigram = !strcmp(type, "Unigram"), known = unigram || !strcmp(type, "BPE");
    if (!known) return bert_part_unsupported(where, "model", type, "WordPiece or WordLevel is", e);
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s: %s%s tokenizers are not supported (WordPiece and WordLevel are); make "
                     "the ids with transformers or tokenizers",
                     where, type, unigram ? " (sentencepiece)" : "");
}

static int read_model(bert_tokenizer *t, const json_t *root, const char *where, bert_error *e) {
    const json_t *model = json_object_get(root, "model");
    int rc = find_model(root, where, &t->model, e);
    if (rc) return rc;
    const char *unk = bert_part_need_string(model, "unk_token", where, e);
    if (!unk || !(t->unk_token = bert_tokenizer_strdup(t, unk, e))) return BERT_EFORMAT;
    if (t->model == BERT_WORDPIECE) {
        const char *prefix = bert_part_need_string(model, "continuing_subword_prefix", where, e);
        if (!prefix || !(t->prefix = bert_tokenizer_strdup(t, prefix, e))) return BERT_EFORMAT;
        rc = bert_part_need_int(model, "max_input_chars_per_word", BERT_MAX_WORD, &t->max_chars,
                                where, e);
        if (rc) return rc;
    }
    t->special_names[BERT_SPECIAL_UNK] = t->unk_token;
    return BERT_OK;
}

/* --------------------------------------------------------- Normalizer, split, decoder */

static int read_normalizer(bert_tokenizer *t, const json_t *root, const char *where,
                           bert_error *e) {
    const json_t *n = json_object_get(root, "normalizer");
    const char *type = bert_part_type(n, where, "normalizer", e);
    if (!type) return BERT_EFORMAT;
    t->normalizer = (bert_normalizer){0};
    if (!*type) return BERT_OK;
    if (strcmp(type, "BertNormalizer"))
        return bert_part_unsupported(where, "normalizer", type, "BertNormalizer is", e);
    bert_normalizer *f = &t->normalizer;
    f->present = true;
    int rc = bert_part_need_bool(n, "clean_text", &f->clean_text, where, e);
    if (!rc)
        rc = bert_part_need_bool(n, "handle_chinese_chars", &f->handle_chinese_chars, where, e);
    if (!rc) rc = bert_part_need_bool(n, "lowercase", &f->lowercase, where, e);
    if (!rc) rc = bert_json_bool(n, "strip_accents", &f->strip_accents, where, e);
    const json_t *strip = json_object_get(n, "strip_accents");
    f->strip_accents_null = !strip || json_is_null(strip);
    return rc;
}

static int read_split(bert_tokenizer *t, const json_t *root, const char *where, bert_error *e) {
    const char *type =
        bert_part_type(json_object_get(root, "pre_tokenizer"), where, "pre_tokenizer", e);
    if (!type) return BERT_EFORMAT;
    for (int i = 0; i < BERT_SPLITS; i++)
        if (!strcmp(type, bert_split_names[i])) {
            t->split = (bert_split)i;
            return BERT_OK;
        }
    return bert_part_unsupported(where, "pre_tokenizer", type, "BertPreTokenizer is", e);
}

static int read_decoder(bert_tokenizer *t, const json_t *root, const char *where, bert_error *e) {
    const json_t *d = json_object_get(root, "decoder");
    const char *type = bert_part_type(d, where, "decoder", e);
    if (!type) return BERT_EFORMAT;
    t->has_decoder = *type;
    if (!*type) return BERT_OK;
    if (strcmp(type, "WordPiece"))
        return bert_part_unsupported(where, "decoder", type, "WordPiece is", e);
    const char *prefix = bert_part_need_string(d, "prefix", where, e);
    if (!prefix || !(t->decoder_prefix = bert_tokenizer_strdup(t, prefix, e))) return BERT_EFORMAT;
    return bert_part_need_bool(d, "cleanup", &t->decoder_cleanup, where, e);
}

static int read_added_tokens(bert_tokenizer *t, const json_t *root, const char *where,
                             bert_error *e) {
    const json_t *list = json_object_get(root, "added_tokens"), *item;
    if (!list || json_is_null(list)) return BERT_OK;
    if (!json_is_array(list)) return bert_part_wrong(where, "added_tokens", "an array", e);
    size_t i;
    json_array_foreach(list, i, item) {
        bert_added_token token;
        int rc = bert_added_token_of(item, &token, where, e);
        if (!rc) rc = bert_part_need_int(item, "id", BERT_MAX_VOCABULARY - 1, &token.id, where, e);
        if (!rc) rc = bert_add_token(t, token, where, e);
        if (rc) return rc;
    }
    return BERT_OK;
}

/* Of the truncation stored in the file only its side is taken, as transformers does where
 * tokenizer_config.json says nothing. */
static int read_truncation(bert_tokenizer *t, const json_t *root, const char *where,
                           bert_error *e) {
    (void)where, (void)e;
    const json_t *truncation = json_object_get(root, "truncation");
    const char *side = json_string_value(json_object_get(truncation, "direction"));
    t->truncate_left = side && !strcmp(side, "Left");
    return BERT_OK;
}

typedef int read_part(bert_tokenizer *t, const json_t *root, const char *where, bert_error *e);
static read_part *const parts[] = {read_model,     read_normalizer,          read_split,
                                   read_decoder,   bert_read_post_processor, read_added_tokens,
                                   read_truncation};

static int read_parts(bert_tokenizer *t, const json_t *root, const char *where, bert_error *e) {
    const json_t *version = json_object_get(root, "version");
    if (version && strcmp(json_is_string(version) ? json_string_value(version) : "", "1.0"))
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: version must be \"1.0\"", where);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i](t, root, where, e)) return e->code; /* the first error: more exact */
    return 0;
}

/* All of the file but its vocabulary, which is text[start .. stop) and has a reader of its own: the
 * parser sees an empty one in its place. */
static json_t *parse_rest(const char *text, size_t bytes, size_t start, size_t stop,
                          const char *where, bert_error *e) {
    if (start == stop) return bert_json_parse(text, bytes, where, e);
    const size_t rest = bytes - (stop - start - 2);
    char *copy = malloc(rest);
    if (!copy) {
        bert_fail_memory(e, rest);
        return NULL;
    }
    memcpy(copy, text, start + 1);
    memcpy(copy + start + 1, text + stop - 1, bytes - (stop - 1));
    json_t *root = bert_json_parse(copy, rest, where, e);
    free(copy);
    return root;
}

int bert_load_tokenizer_json(bert_tokenizer *t, const char *text, size_t bytes, const char *where,
                             bert_error *e) {
    size_t start = 0, stop = 0;
    bert_token_model kind;
    int rc = 0;
    const bool found = bert_find_json_vocab(text, bytes, &start, &stop);
    json_t *root = parse_rest(text, bytes, start, found ? stop : start, where, e);
    if (!root)
        rc = e->code;
    else if (!json_is_object(root))
        rc = bert_fail(e, BERT_EFORMAT, "%s: must be a JSON object", where);
    if (!rc) rc = find_model(root, where, &kind, e);
    if (!rc && !found) rc = bert_part_wrong(where, "model.vocab", "an object", e);
    if (!rc) rc = bert_load_json_vocab(t, text + start, stop - start, where, e);
    if (!rc) rc = read_parts(t, root, where, e);
    json_decref(root);
    return rc;
}
