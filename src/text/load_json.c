#include "base/error.h"
#include "base/file.h"
#include "text/json_vocab.h"
#include <limits.h>
#include <stdlib.h>

/* The largest of the supported families is below 20 MB. */
/* ------------------------------------------------------------------ Required members */

static int wrong(const char *where, const char *key, const char *must_be, bert_error *e) {
    return bert_fail(e, BERT_EFORMAT, "%s: %s: must be %s", where, key, must_be);
}

static const char *need_string(const json_t *object, const char *key, const char *where,
                               bert_error *e) {
    const char *s = json_string_value(json_object_get(object, key));
    if (!s) wrong(where, key, "a string", e);
    return s;
}

static int need_int(const json_t *object, const char *key, int32_t max, int32_t *out,
                    const char *where, bert_error *e) {
    if (!json_is_integer(json_object_get(object, key))) return wrong(where, key, "an integer", e);
    return bert_json_int(object, key, 0, max, out, where, e);
}

static int need_bool(const json_t *object, const char *key, bool *out, const char *where,
                     bert_error *e) {
    if (!json_is_boolean(json_object_get(object, key)))
        return wrong(where, key, "true or false", e);
    return bert_json_bool(object, key, out, where, e);
}

/* The member's "type", or "" where it is absent or null. */
static const char *type_of(const json_t *component, const char *where, const char *key,
                           bert_error *e) {
    if (!component || json_is_null(component)) return "";
    const char *type = json_string_value(json_object_get(component, "type"));
    if (!type) wrong(where, key, "null or an object with a \"type\"", e);
    return type;
}

static int unsupported(const char *where, const char *key, const char *type, const char *known,
                       bert_error *e) {
    return bert_fail(e, BERT_EUNSUPPORTED, "%s: %s '%.60s' is not supported (%s is)", where, key,
                     *type ? type : "null", known);
}

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
    if (!json_is_object(model)) return wrong(where, "model", "an object", e);
    const char *type = model_type(model);
    for (int i = 0; i < BERT_TOKEN_MODELS; i++)
        if (!strcmp(type, bert_token_model_names[i])) {
            *kind = (bert_token_model)i;
            return BERT_OK;
        }
    const bool unigram = !strcmp(type, "Unigram"), known = unigram || !strcmp(type, "BPE");
    if (!known) return unsupported(where, "model", type, "WordPiece or WordLevel", e);
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s: %s%s tokenizers are not supported (WordPiece and WordLevel are); make "
                     "the ids with transformers or tokenizers",
                     where, type, unigram ? " (sentencepiece)" : "");
}

static int read_model(bert_tokenizer *t, const json_t *root, const char *where, bert_error *e) {
    const json_t *model = json_object_get(root, "model");
    int rc = find_model(root, where, &t->model, e);
    if (rc) return rc;
    const char *unk = need_string(model, "unk_token", where, e);
    if (!unk || !(t->unk_token = bert_tokenizer_strdup(t, unk, e))) return BERT_EFORMAT;
    if (t->model == BERT_WORDPIECE) {
        const char *prefix = need_string(model, "continuing_subword_prefix", where, e);
        if (!prefix || !(t->prefix = bert_tokenizer_strdup(t, prefix, e))) return BERT_EFORMAT;
        rc = need_int(model, "max_input_chars_per_word", BERT_MAX_WORD, &t->max_chars, where, e);
        if (rc) return rc;
    }
    t->special_names[BERT_SPECIAL_UNK] = t->unk_token;
    return BERT_OK;
}

/* --------------------------------------------------------- Normalizer, split, decoder */

static int read_normalizer(bert_tokenizer *t, const json_t *root, const char *where,
                           bert_error *e) {
    const json_t *n = json_object_get(root, "normalizer");
    const char *type = type_of(n, where, "normalizer", e);
    if (!type) return BERT_EFORMAT;
    t->normalizer = (bert_normalizer){0};
    if (!*type) return BERT_OK;
    if (strcmp(type, "BertNormalizer"))
        return unsupported(where, "normalizer", type, "BertNormalizer", e);
    bert_normalizer *f = &t->normalizer;
    f->present = true;
    int rc = need_bool(n, "clean_text", &f->clean_text, where, e);
    if (!rc) rc = need_bool(n, "handle_chinese_chars", &f->handle_chinese_chars, where, e);
    if (!rc) rc = need_bool(n, "lowercase", &f->lowercase, where, e);
    if (!rc) rc = bert_json_bool(n, "strip_accents", &f->strip_accents, where, e);
    const json_t *strip = json_object_get(n, "strip_accents");
    f->strip_accents_null = !strip || json_is_null(strip);
    return rc;
}

static int read_split(bert_tokenizer *t, const json_t *root, const char *where, bert_error *e) {
    const char *type = type_of(json_object_get(root, "pre_tokenizer"), where, "pre_tokenizer", e);
    if (!type) return BERT_EFORMAT;
    for (int i = 0; i < BERT_SPLITS; i++)
        if (!strcmp(type, bert_split_names[i])) {
            t->split = (bert_split)i;
            return BERT_OK;
        }
    return unsupported(where, "pre_tokenizer", type, "BertPreTokenizer", e);
}

static int read_decoder(bert_tokenizer *t, const json_t *root, const char *where, bert_error *e) {
    const json_t *d = json_object_get(root, "decoder");
    const char *type = type_of(d, where, "decoder", e);
    if (!type) return BERT_EFORMAT;
    t->has_decoder = *type;
    if (!*type) return BERT_OK;
    if (strcmp(type, "WordPiece")) return unsupported(where, "decoder", type, "WordPiece", e);
    const char *prefix = need_string(d, "prefix", where, e);
    if (!prefix || !(t->decoder_prefix = bert_tokenizer_strdup(t, prefix, e))) return BERT_EFORMAT;
    return need_bool(d, "cleanup", &t->decoder_cleanup, where, e);
}

/* -------------------------------------------------------------------- Post-processor */

static bert_piece *new_pieces(bert_tokenizer *t, bert_template *out, size_t n, bert_error *e) {
    out->pieces = n < 1000000 ? bert_arena_calloc(&t->arena, (n + 1) * sizeof *out->pieces) : NULL;
    if (!out->pieces) bert_fail_memory(e, n * sizeof *out->pieces);
    return out->pieces;
}

int bert_bert_templates(bert_tokenizer *t, const char *cls, int32_t cls_id, const char *sep,
                        int32_t sep_id, bert_error *e) {
    const bert_piece first = {BERT_PIECE_SPECIAL, cls_id, 0, cls}, a = {.kind = BERT_PIECE_A},
                     end = {BERT_PIECE_SPECIAL, sep_id, 0, sep},
                     b = {.kind = BERT_PIECE_B, .type_id = 1},
                     end_b = {BERT_PIECE_SPECIAL, sep_id, 1, sep};
    const bert_piece single[] = {first, a, end}, pair[] = {first, a, end, b, end_b};
    if (!new_pieces(t, &t->single, 3, e) || !new_pieces(t, &t->pair, 5, e)) return BERT_ENOMEM;
    memcpy(t->single.pieces, single, sizeof single);
    memcpy(t->pair.pieces, pair, sizeof pair);
    t->single.n = 3, t->single.specials = 2;
    t->pair.n = 5, t->pair.specials = 3;
    t->has_template = true;
    return BERT_OK;
}

/* A special token of a template may stand for several ids. */
static int add_specials(bert_tokenizer *t, bert_template *out, size_t capacity,
                        const json_t *specials, const char *name, int32_t type_id,
                        const char *where, bert_error *e) {
    const json_t *s = json_object_get(specials, name), *ids = json_object_get(s, "ids"),
                 *tokens = json_object_get(s, "tokens");
    if (!json_is_array(ids) || !json_is_array(tokens) ||
        json_array_size(ids) != json_array_size(tokens))
        return bert_fail(e, BERT_EFORMAT,
                         "%s: post_processor: special_tokens lacks ids and tokens for '%.100s'",
                         where, name);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        const char *token = json_string_value(json_array_get(tokens, i));
        json_int_t v = json_is_integer(id) ? json_integer_value(id) : -1;
        if (v < 0 || v >= BERT_MAX_VOCABULARY || !token || (size_t)out->n == capacity)
            return bert_fail(e, BERT_EFORMAT, "%s: post_processor: bad special token '%.100s'",
                             where, name);
        token = bert_tokenizer_strdup(t, token, e);
        if (!token) return BERT_ENOMEM;
        out->pieces[out->n++] = (bert_piece){BERT_PIECE_SPECIAL, (int32_t)v, type_id, token};
        out->specials++;
    }
    return BERT_OK;
}

static int read_template(bert_tokenizer *t, const json_t *processor, const char *key,
                         bert_template *out, const char *where, bert_error *e) {
    enum { MAX_IDS = 64 };
    const json_t *pieces = json_object_get(processor, key), *piece;
    const json_t *specials = json_object_get(processor, "special_tokens");
    if (!json_is_array(pieces) || !json_is_object(specials))
        return wrong(where, "post_processor", "a template with special_tokens", e);
    size_t capacity = json_array_size(pieces) + MAX_IDS, i;
    int seen[2] = {0}, rc = 0;
    if (!new_pieces(t, out, capacity, e)) return BERT_ENOMEM;
    json_array_foreach(pieces, i, piece) {
        const json_t *sequence = json_object_get(piece, "Sequence"),
                     *special = json_object_get(piece, "SpecialToken"),
                     *what = sequence ? sequence : special;
        int32_t type_id = 0;
        const char *id = need_string(what, "id", where, e);
        if (!id) return BERT_EFORMAT;
        if ((rc = need_int(what, "type_id", INT_MAX, &type_id, where, e))) return rc;
        if (special) {
            rc = add_specials(t, out, capacity, specials, id, type_id, where, e);
            if (rc) return rc;
            continue;
        }
        int b = !strcmp(id, "B");
        if ((!b && strcmp(id, "A")) || (size_t)out->n == capacity)
            return bert_fail(e, BERT_EFORMAT, "%s: post_processor: there is no sequence '%.20s'",
                             where, id);
        seen[b]++;
        out->pieces[out->n++] = (bert_piece){b ? BERT_PIECE_B : BERT_PIECE_A, -1, type_id, NULL};
    }
    if (seen[0] != 1 || seen[1] != (out == &t->pair))
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: post_processor: template '%s' must use each of its sequences once",
                         where, key);
    return BERT_OK;
}

/* ["[SEP]", 102] */
static int read_token_and_id(const json_t *processor, const char *key, const char **token,
                             int32_t *id, bert_tokenizer *t, const char *where, bert_error *e) {
    const json_t *both = json_object_get(processor, key), *number = json_array_get(both, 1);
    const char *name = json_string_value(json_array_get(both, 0));
    json_int_t v = json_is_integer(number) ? json_integer_value(number) : -1;
    if (!name || v < 0 || v >= BERT_MAX_VOCABULARY)
        return wrong(where, "post_processor", "BertProcessing with [token, id] for sep and cls", e);
    *id = (int32_t)v;
    *token = bert_tokenizer_strdup(t, name, e);
    return *token ? BERT_OK : BERT_ENOMEM;
}

static int read_post_processor(bert_tokenizer *t, const json_t *root, const char *where,
                               bert_error *e) {
    const json_t *p = json_object_get(root, "post_processor");
    const char *type = type_of(p, where, "post_processor", e);
    if (!type) return BERT_EFORMAT;
    if (!*type) { /* A; A and B */
        if (!new_pieces(t, &t->single, 1, e) || !new_pieces(t, &t->pair, 2, e)) return BERT_ENOMEM;
        t->single.n = 1;
        t->pair.n = 2;
        t->pair.pieces[1] = (bert_piece){.kind = BERT_PIECE_B, .type_id = 1};
        return BERT_OK;
    }
    t->has_template = true;
    if (!strcmp(type, "TemplateProcessing")) {
        int rc = read_template(t, p, "single", &t->single, where, e);
        return rc ? rc : read_template(t, p, "pair", &t->pair, where, e);
    }
    if (strcmp(type, "BertProcessing"))
        return unsupported(where, "post_processor", type, "TemplateProcessing or BertProcessing",
                           e);
    const char *cls, *sep;
    int32_t cls_id, sep_id;
    int rc = read_token_and_id(p, "cls", &cls, &cls_id, t, where, e);
    if (!rc) rc = read_token_and_id(p, "sep", &sep, &sep_id, t, where, e);
    return rc ? rc : bert_bert_templates(t, cls, cls_id, sep, sep_id, e);
}

static int read_added_tokens(bert_tokenizer *t, const json_t *root, const char *where,
                             bert_error *e) {
    const json_t *list = json_object_get(root, "added_tokens"), *item;
    if (!list || json_is_null(list)) return BERT_OK;
    if (!json_is_array(list)) return wrong(where, "added_tokens", "an array", e);
    size_t i;
    json_array_foreach(list, i, item) {
        bert_added_token token;
        int rc = bert_added_token_of(item, &token, where, e);
        if (!rc) rc = need_int(item, "id", BERT_MAX_VOCABULARY - 1, &token.id, where, e);
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
static read_part *const parts[] = {read_model,     read_normalizer,     read_split,
                                   read_decoder,   read_post_processor, read_added_tokens,
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
    if (!rc && !found) rc = wrong(where, "model.vocab", "an object", e);
    if (!rc) rc = bert_load_json_vocab(t, text + start, stop - start, where, e);
    if (!rc) rc = read_parts(t, root, where, e);
    json_decref(root);
    return rc;
}
