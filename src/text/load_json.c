#include "base/error.h"
#include "base/file.h"
#include "text/json_parts.h"
#include "text/json_vocab.h"
#include "text/steps.h"
#include <stdlib.h>

/* --------------------------------------------------------- Normalizer, split, decoder */

static int read_normalizer(bert_tokenizer *t, const json_t *root, const char *where,
                           bert_error *e) {
    t->normalizer = (bert_normalizer){0};
    return bert_steps_read(t, root, "normalizer", "normalizers", bert_normalizer_kinds,
                           t->normalizers, &t->n_normalizers, where, e);
}

/* Bytes are what BPE is made of here, and nothing else. */
static int read_splits(bert_tokenizer *t, const json_t *root, const char *where, bert_error *e) {
    int rc = bert_steps_read(t, root, "pre_tokenizer", "pretokenizers", bert_pre_tokenizer_kinds,
                             t->splits, &t->n_splits, where, e);
    if (rc || t->byte_level == (t->model == BERT_BPE)) return rc;
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s: a %s model %s a ByteLevel pre-tokenizer is not supported", where,
                     bert_token_model_names[t->model], t->byte_level ? "with" : "without");
}

static int read_wordpiece_decoder(bert_tokenizer *t, const json_t *d, const char *where,
                                  bert_error *e) {
    const char *prefix = bert_part_need_string(d, "prefix", where, e);
    if (!prefix || !(t->decoder_prefix = bert_tokenizer_strdup(t, prefix, e))) return BERT_EFORMAT;
    return bert_part_need_bool(d, "cleanup", &t->decoder_cleanup, where, e);
}

static int read_metaspace_decoder(bert_tokenizer *t, const json_t *d, const char *where,
                                  bert_error *e) {
    return bert_read_metaspace(d, t->decoder_step, where, e);
}

static const struct {
    const char *type;
    bert_decoder decoder;
    int (*read)(bert_tokenizer *t, const json_t *d, const char *where, bert_error *e);
} decoders[] = {
    {"", BERT_DECODE_NONE, NULL},
    {"WordPiece", BERT_DECODE_WORDPIECE, read_wordpiece_decoder},
    {"ByteLevel", BERT_DECODE_BYTES, NULL},
    {"Metaspace", BERT_DECODE_METASPACE, read_metaspace_decoder},
};

static int read_decoder(bert_tokenizer *t, const json_t *root, const char *where, bert_error *e) {
    const json_t *d = json_object_get(root, "decoder");
    const char *type = bert_part_type(d, where, "decoder", e);
    if (!type) return BERT_EFORMAT;
    for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++) {
        if (strcmp(type, decoders[i].type)) continue;
        t->decoder = decoders[i].decoder;
        return decoders[i].read ? decoders[i].read(t, d, where, e) : BERT_OK;
    }
    return bert_part_unsupported(where, "decoder", type, "WordPiece, ByteLevel and Metaspace are",
                                 e);
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

static bert_read_part *const parts[] = {
    bert_read_model,          read_normalizer,   read_splits,    read_decoder,
    bert_read_post_processor, read_added_tokens, read_truncation};

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
    bert_token_model kind = BERT_WORDPIECE;
    int rc = 0;
    const bool found = bert_find_json_vocab(text, bytes, &start, &stop);
    json_t *root = parse_rest(text, bytes, start, found ? stop : start, where, e);
    if (!root)
        rc = e->code;
    else if (!json_is_object(root))
        rc = bert_fail(e, BERT_EFORMAT, "%s: must be a JSON object", where);
    if (!rc) rc = bert_model_kind(root, where, &kind, e);
    const bool object = !rc && kind != BERT_UNIGRAM;
    if (object && (!found || text[start] != '{'))
        rc = bert_part_wrong(where, "model.vocab", "an object", e);
    if (!rc && !object && (!found || text[start] != '['))
        rc = bert_part_wrong(where, "model.vocab", "an array of [piece, score]", e);
    if (!rc && object) rc = bert_load_json_vocab(t, text + start, stop - start, where, e);
    if (!rc && !object)
        rc = bert_load_json_pieces(t, text + start, stop - start, &t->scores, where, e);
    if (!rc) rc = read_parts(t, root, where, e);
    json_decref(root);
    return rc;
}
