/* Post-processors: templates around a text and a pair, and offsets without the spaces of their
 * tokens. */
#include "base/error.h"
#include "text/json_parts.h"
#include <limits.h>

static bert_piece *new_pieces(bert_tokenizer *t, bert_template *out, size_t n, bert_error *e) {
    *out = (bert_template){0};
    out->pieces = n < 1000000 ? bert_arena_calloc(&t->arena, (n + 1) * sizeof *out->pieces) : NULL;
    if (!out->pieces) bert_fail_memory(e, n * sizeof *out->pieces);
    return out->pieces;
}

/* A template as a word: C and S are the special tokens, A and B the texts; in lower case, of type
 * 1. */
static int spell(bert_tokenizer *t, bert_template *out, const char *word, const bert_ends *ends,
                 bert_error *e) {
    if (!new_pieces(t, out, strlen(word), e)) return BERT_ENOMEM;
    for (const char *c = word; *c; c++) {
        const char what = (char)(*c & ~0x20);
        bert_piece p = {.kind = what == 'A'   ? BERT_PIECE_A
                                : what == 'B' ? BERT_PIECE_B
                                              : BERT_PIECE_SPECIAL,
                        .type_id = *c != what};
        if (p.kind == BERT_PIECE_SPECIAL) {
            p.id = what == 'C' ? ends->cls_id : ends->sep_id;
            p.token = what == 'C' ? ends->cls : ends->sep;
            out->specials++;
        }
        out->pieces[out->n++] = p;
    }
    return BERT_OK;
}

int bert_set_templates(bert_tokenizer *t, bert_post post, const bert_ends *ends, bert_error *e) {
    static const char *const words[BERT_POSTS][2] = {
        [BERT_POST_NONE] = {"A", "Ab"},
        [BERT_POST_TEMPLATE] = {"CAS", "CASbs"},
        [BERT_POST_ROBERTA] = {"CAS", "CASSBS"},
        [BERT_POST_PIECES] = {"CAS", "CASSBS"},
    };
    t->post = post == BERT_POST_PIECES ? BERT_POST_TEMPLATE : post;
    int rc = spell(t, &t->single, words[post][0], ends, e);
    return rc ? rc : spell(t, &t->pair, words[post][1], ends, e);
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
        return bert_part_wrong(where, "post_processor", "a template with special_tokens", e);
    size_t capacity = json_array_size(pieces) + MAX_IDS, i;
    int seen[2] = {0}, rc = 0;
    if (!new_pieces(t, out, capacity, e)) return BERT_ENOMEM;
    json_array_foreach(pieces, i, piece) {
        const json_t *sequence = json_object_get(piece, "Sequence"),
                     *special = json_object_get(piece, "SpecialToken"),
                     *what = sequence ? sequence : special;
        int32_t type_id = 0;
        const char *id = bert_part_need_string(what, "id", where, e);
        if (!id) return BERT_EFORMAT;
        if ((rc = bert_part_need_int(what, "type_id", INT_MAX, &type_id, where, e))) return rc;
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

static int read_templates(bert_tokenizer *t, const json_t *p, const char *where, bert_error *e) {
    t->post = BERT_POST_TEMPLATE;
    int rc = read_template(t, p, "single", &t->single, where, e);
    return rc ? rc : read_template(t, p, "pair", &t->pair, where, e);
}

/* ["[SEP]", 102] */
static int read_token_and_id(const json_t *processor, const char *key, const char **token,
                             int32_t *id, bert_tokenizer *t, const char *where, bert_error *e) {
    const json_t *both = json_object_get(processor, key), *number = json_array_get(both, 1);
    const char *name = json_string_value(json_array_get(both, 0));
    json_int_t v = json_is_integer(number) ? json_integer_value(number) : -1;
    if (!name || v < 0 || v >= BERT_MAX_VOCABULARY)
        return bert_part_wrong(where, "post_processor", "of [token, id] for sep and cls", e);
    *id = (int32_t)v;
    *token = bert_tokenizer_strdup(t, name, e);
    return *token ? BERT_OK : BERT_ENOMEM;
}

static int read_ends(bert_tokenizer *t, const json_t *p, bert_post post, const char *where,
                     bert_error *e) {
    bert_ends ends = {0};
    int rc = read_token_and_id(p, "cls", &ends.cls, &ends.cls_id, t, where, e);
    if (!rc) rc = read_token_and_id(p, "sep", &ends.sep, &ends.sep_id, t, where, e);
    return rc ? rc : bert_set_templates(t, post, &ends, e);
}

static int read_bert(bert_tokenizer *t, const json_t *p, const char *where, bert_error *e) {
    return read_ends(t, p, BERT_POST_TEMPLATE, where, e);
}

/* Without its template: offsets only. Absent flags are true, as in the reference. */
static int read_byte_level(bert_tokenizer *t, const json_t *p, const char *where, bert_error *e) {
    t->trims = t->trim_keeps_prefix = true;
    int rc = bert_json_bool(p, "trim_offsets", &t->trims, where, e);
    return rc ? rc : bert_json_bool(p, "add_prefix_space", &t->trim_keeps_prefix, where, e);
}

static int read_roberta(bert_tokenizer *t, const json_t *p, const char *where, bert_error *e) {
    int rc = read_byte_level(t, p, where, e);
    return rc ? rc : read_ends(t, p, BERT_POST_ROBERTA, where, e);
}

static const struct {
    const char *type;
    int (*read)(bert_tokenizer *t, const json_t *p, const char *where, bert_error *e);
    bool before; /* may be followed by another one in a sequence */
} processors[] = {
    {"TemplateProcessing", read_templates, false},
    {"BertProcessing", read_bert, false},
    {"RobertaProcessing", read_roberta, false},
    {"ByteLevel", read_byte_level, true},
};

static int read_one(bert_tokenizer *t, const json_t *p, bool last, const char *where,
                    bert_error *e) {
    const char *type = bert_part_type(p, where, "post_processor", e);
    if (!type) return BERT_EFORMAT;
    for (size_t i = 0; i < sizeof processors / sizeof *processors; i++)
        if (!strcmp(type, processors[i].type) && (last || processors[i].before))
            return processors[i].read(t, p, where, e);
    return bert_part_unsupported(where, "post_processor", type,
                                 "TemplateProcessing, BertProcessing, RobertaProcessing, "
                                 "ByteLevel, and a Sequence of the last and one of the others are",
                                 e);
}

int bert_read_post_processor(bert_tokenizer *t, const json_t *root, const char *where,
                             bert_error *e) {
    const json_t *p = json_object_get(root, "post_processor");
    const char *type = bert_part_type(p, where, "post_processor", e);
    if (!type) return BERT_EFORMAT;
    t->trims = false;
    int rc = bert_set_templates(t, BERT_POST_NONE, NULL, e);
    if (rc || !*type) return rc;
    if (strcmp(type, "Sequence")) return read_one(t, p, true, where, e);
    const json_t *list = json_object_get(p, "processors");
    const size_t n = json_array_size(list);
    for (size_t i = 0; i < n && !rc; i++)
        rc = read_one(t, json_array_get(list, i), i + 1 == n, where, e);
    return rc;
}
