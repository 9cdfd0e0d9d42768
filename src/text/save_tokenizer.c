#include "base/error.h"
#include "base/file.h"
#include "text/bpe.h"
#include "text/load.h"
#include "text/save_pieces.h"
#include "text/steps.h"
#include "text/unigram.h"
#include <stdlib.h>

/* Shorthand for building a document whose failures show once, at its end: jansson's packing and
 * setting functions pass NULL on. */
static json_t *boolean(bool b) {
    return json_boolean(b);
}

static json_t *added_token(const bert_added_token *a, bool with_id) {
    json_t *o = json_object();
    int rc = 0;
    if (with_id) rc |= json_object_set_new(o, "id", json_integer(a->id));
    rc |= json_object_set_new(o, "content", json_string(a->content));
    rc |= json_object_set_new(o, "single_word", boolean(a->single_word));
    rc |= json_object_set_new(o, "lstrip", boolean(a->lstrip));
    rc |= json_object_set_new(o, "rstrip", boolean(a->rstrip));
    rc |= json_object_set_new(o, "normalized", boolean(a->normalized));
    rc |= json_object_set_new(o, "special", boolean(a->special));
    if (!rc) return o;
    json_decref(o);
    return NULL;
}

static int by_id(const void *a, const void *b) {
    const bert_added_token *const *x = a, *const *y = b;
    return (*x)->id - (*y)->id;
}

/* The added tokens by id, malloc'ed. */
static const bert_added_token **sorted(const bert_tokenizer *t) {
    const bert_added_token **list = malloc(((size_t)t->n_added + 1) * sizeof *list);
    if (!list) return NULL;
    for (int32_t i = 0; i < t->n_added; i++) list[i] = &t->added[i];
    qsort(list, (size_t)t->n_added, sizeof *list, by_id);
    return list;
}

static json_t *template_json(const bert_template *template) {
    json_t *list = json_array();
    for (int i = 0; i < template->n; i++) {
        const bert_piece *p = &template->pieces[i];
        bool special = p->kind == BERT_PIECE_SPECIAL;
        json_t *piece = json_pack("{s{ss si}}", special ? "SpecialToken" : "Sequence", "id",
                                  special                   ? p->token
                                  : p->kind == BERT_PIECE_A ? "A"
                                                            : "B",
                                  "type_id", p->type_id);
        if (json_array_append_new(list, piece)) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *templates_json(const bert_tokenizer *t) {
    json_t *specials = json_object();
    const bert_template *templates[] = {&t->single, &t->pair};
    int rc = 0;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < templates[k]->n; i++) {
            const bert_piece *p = &templates[k]->pieces[i];
            if (p->kind == BERT_PIECE_SPECIAL)
                rc |= json_object_set_new(
                    specials, p->token,
                    json_pack("{ss s[i] s[s]}", "id", p->token, "ids", p->id, "tokens", p->token));
        }
    if (rc) {
        json_decref(specials);
        return NULL;
    }
    return json_pack("{ss so so so}", "type", "TemplateProcessing", "single",
                     template_json(&t->single), "pair", template_json(&t->pair), "special_tokens",
                     specials);
}

static json_t *roberta_json(const bert_tokenizer *t) {
    const bert_piece *cls = t->single.pieces, *sep = cls + 2;
    return json_pack("{ss s[si] s[si] sb sb}", "type", "RobertaProcessing", "sep", sep->token,
                     sep->id, "cls", cls->token, cls->id, "trim_offsets", t->trims,
                     "add_prefix_space", t->trim_keeps_prefix);
}

static json_t *post_processor_json(const bert_tokenizer *t) {
    if (t->post == BERT_POST_ROBERTA) return roberta_json(t);
    json_t *templates = t->post == BERT_POST_TEMPLATE ? templates_json(t) : json_null();
    if (!t->trims) return templates;
    json_t *trims = json_pack("{ss sb sb sb}", "type", "ByteLevel", "add_prefix_space",
                              t->trim_keeps_prefix, "trim_offsets", true, "use_regex", true);
    if (t->post == BERT_POST_NONE) return trims;
    return json_pack("{ss s[oo]}", "type", "Sequence", "processors", trims, templates);
}

static json_t *vocab_json(const bert_tokenizer *t) {
    json_t *vocab = json_object();
    int rc = 0;
    for (int32_t id = 0; id < t->model_size && !rc; id++) {
        const char *token = t->tokens[id];
        if (token && bert_vocabulary_find(t, token, strlen(token)) == id)
            rc = json_object_set_new_nocheck(vocab, token, json_integer(id));
    }
    if (!rc) return vocab;
    json_decref(vocab);
    return NULL;
}

static json_t *wordpiece_json(const bert_tokenizer *t) {
    return json_pack("{ss ss ss si so}", "type", "WordPiece", "unk_token", t->unk_token,
                     "continuing_subword_prefix", t->prefix, "max_input_chars_per_word",
                     t->max_chars, "vocab", vocab_json(t));
}

static json_t *wordlevel_json(const bert_tokenizer *t) {
    return json_pack("{ss so ss}", "type", "WordLevel", "vocab", vocab_json(t), "unk_token",
                     t->unk_token);
}

static json_t *bpe_json(const bert_tokenizer *t) {
    const bert_bpe *b = t->bpe;
    json_t *merges = json_array();
    int rc = 0;
    for (int32_t i = 0; i < b->n && !rc; i++)
        if (b->left[i])
            rc = json_array_append_new(merges, json_pack("[ss]", b->left[i], b->right[i]));
    if (rc) {
        json_decref(merges);
        return NULL;
    }
    return json_pack("{ss sn ss? sn sn sb sb sb so so}", "type", "BPE", "dropout", "unk_token",
                     t->unk_token, "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                     b->fuses_unknown, "byte_fallback", false, "ignore_merges", b->ignore_merges,
                     "vocab", vocab_json(t), "merges", merges);
}

/* Without its vocabulary, which bert_put_pieces() puts there. */
static json_t *unigram_json(const bert_tokenizer *t) {
    return json_pack("{ss si s[] sb}", "type", "Unigram", "unk_id", t->unk, "vocab",
                     "byte_fallback", false);
}

static json_t *model_json(const bert_tokenizer *t) {
    static json_t *(*const models[BERT_TOKEN_MODELS])(const bert_tokenizer *t) = {
        [BERT_WORDPIECE] = wordpiece_json,
        [BERT_WORDLEVEL] = wordlevel_json,
        [BERT_BPE] = bpe_json,
        [BERT_UNIGRAM] = unigram_json,
    };
    return models[t->model](t);
}

/* ByteLevel's flags say nothing to a decoder. */
static json_t *decoder_json(const bert_tokenizer *t) {
    switch (t->decoder) {
    case BERT_DECODE_WORDPIECE:
        return json_pack("{ss ss sb}", "type", "WordPiece", "prefix", t->decoder_prefix, "cleanup",
                         t->decoder_cleanup);
    case BERT_DECODE_BYTES:
        return json_pack("{ss sb sb sb}", "type", "ByteLevel", "add_prefix_space", true,
                         "trim_offsets", true, "use_regex", true);
    case BERT_DECODE_METASPACE:
        return bert_metaspace_json(t->decoder_step);
    default:
        return json_null();
    }
}

static json_t *added_json(const bert_tokenizer *t) {
    json_t *list = json_array();
    const bert_added_token **by_number = sorted(t);
    int rc = !by_number;
    for (int32_t i = 0; i < t->n_added && !rc; i++)
        rc = json_array_append_new(list, added_token(by_number[i], true));
    free(by_number);
    if (!rc) return list;
    json_decref(list);
    return NULL;
}

static json_t *tokenizer_json(const bert_tokenizer *t) {
    return json_pack("{ss sn sn so so so so so so}", "version", "1.0", "truncation", "padding",
                     "added_tokens", added_json(t), "normalizer",
                     bert_steps_json(t, t->normalizers, t->n_normalizers, "normalizers"),
                     "pre_tokenizer", bert_steps_json(t, t->splits, t->n_splits, "pretokenizers"),
                     "post_processor", post_processor_json(t), "decoder", decoder_json(t), "model",
                     model_json(t));
}

/* The document as text, malloc'ed; NULL: out of memory. */
static char *tokenizer_text(const bert_tokenizer *t, size_t flags) {
    json_t *json = tokenizer_json(t);
    char *text = json ? json_dumps(json, flags) : NULL;
    json_decref(json);
    return text && t->model == BERT_UNIGRAM ? bert_put_pieces(t, text) : text;
}

char *bert_tokenizer_json(const bert_tokenizer *t, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(t, "tokenizer", e)) return NULL;
    char *text = tokenizer_text(t, JSON_COMPACT);
    if (!text) bert_fail(e, BERT_ENOMEM, "out of memory while writing JSON");
    return text;
}

static int set_special_names(const bert_tokenizer *t, json_t *o) {
    int rc = 0;
    for (int i = 0; i < BERT_SPECIALS; i++)
        if (t->special_names[i])
            rc |= json_object_set_new(o, bert_special_keys[i], json_string(t->special_names[i]));
    return rc;
}

static json_t *map_json(const bert_tokenizer *t) {
    json_t *o = json_object();
    if (!set_special_names(t, o)) return o;
    json_decref(o);
    return NULL;
}

static bool is_special_piece(const bert_tokenizer *t, const bert_piece *p, bert_special which,
                             int32_t type_id) {
    return p->kind == BERT_PIECE_SPECIAL && p->type_id == type_id &&
           p->id == t->special_ids[which] && !strcmp(p->token, t->special_names[which]);
}

/* [CLS] A [SEP], and [CLS] A [SEP] B [SEP] whose second half has type 1. */
static bool has_bert_templates(const bert_tokenizer *t) {
    const bert_template *both[] = {&t->single, &t->pair};
    for (int k = 0; k < 2; k++) {
        const bert_piece *p = both[k]->pieces;
        if (t->post != BERT_POST_TEMPLATE || t->trims || both[k]->n != 3 + 2 * k ||
            !is_special_piece(t, p, BERT_SPECIAL_CLS, 0) || p[1].kind != BERT_PIECE_A ||
            p[1].type_id != 0 || !is_special_piece(t, p + 2, BERT_SPECIAL_SEP, 0))
            return false;
        if (k && (p[3].kind != BERT_PIECE_B || p[3].type_id != 1 ||
                  !is_special_piece(t, p + 4, BERT_SPECIAL_SEP, 1)))
            return false;
    }
    return true;
}

/* transformers' BertTokenizer takes the vocabulary and the added tokens of a tokenizer.json, and
 * makes the rest anew: whether that comes to the same. */
static bool is_bert_tokenizer(const bert_tokenizer *t) {
    for (int i = 0; i < BERT_SPECIALS; i++) {
        const char *name = t->special_names[i];
        if (!name || bert_trie_find(&t->contents, name, strlen(name)) < 0) return false;
    }
    return t->reader == BERT_READ_CLASSIC && t->normalizer.present && t->normalizer.clean_text &&
           t->split == BERT_SPLIT_BERT && t->model == BERT_WORDPIECE &&
           t->max_chars == BERT_MAX_CHARS && !strcmp(t->prefix, "##") &&
           !strcmp(t->unk_token, t->special_names[BERT_SPECIAL_UNK]) &&
           t->decoder == BERT_DECODE_WORDPIECE && t->decoder_cleanup &&
           !strcmp(t->decoder_prefix, "##") && has_bert_templates(t);
}

/* Whether type ids are an input of the model: where every one is 0, as in RoBERTa's family, its
 * classes do not name them. */
static bool takes_types(const bert_tokenizer *t) {
    if (t->no_types || t->names_types) return !t->no_types;
    if (t->post == BERT_POST_ROBERTA) return false;
    const bert_template *both[] = {&t->single, &t->pair};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < both[k]->n; i++)
            if (both[k]->pieces[i].type_id) return true;
    return t->post == BERT_POST_NONE;
}

static json_t *config_json(const bert_tokenizer *t) {
    json_t *o = json_object(), *decoder = json_object();
    const bert_normalizer *f = &t->normalizer;
    const bert_added_token **by_number = sorted(t);
    int rc = !by_number;
    for (int32_t i = 0; i < t->n_added && !rc; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", by_number[i]->id);
        rc = json_object_set_new(decoder, key, added_token(by_number[i], false));
    }
    free(by_number);
    rc |= json_object_set_new(o, "added_tokens_decoder", decoder);
    rc |= json_object_set_new(o, "clean_up_tokenization_spaces", boolean(t->clean_up_spaces));
    rc |= set_special_names(t, o);
    if (f->present) {
        rc |= json_object_set_new(o, "do_lower_case", boolean(f->lowercase));
        rc |= json_object_set_new(o, "strip_accents",
                                  f->strip_accents_null ? json_null() : boolean(f->strip_accents));
        rc |= json_object_set_new(o, "tokenize_chinese_chars", boolean(f->handle_chinese_chars));
    }
    if (t->max_length)
        rc |= json_object_set_new(o, "model_max_length", json_integer(t->max_length));
    /* Always: what a class has where nothing is said has changed between versions. */
    rc |= json_object_set_new(
        o, "model_input_names",
        takes_types(t) ? json_pack("[sss]", "input_ids", "token_type_ids", "attention_mask")
                       : json_pack("[ss]", "input_ids", "attention_mask"));
    if (t->truncate_left) rc |= json_object_set_new(o, "truncation_side", json_string("left"));
    rc |= json_object_set_new(
        o, "tokenizer_class",
        json_string(is_bert_tokenizer(t) ? "BertTokenizer" : "PreTrainedTokenizerFast"));
    if (!rc) return o;
    json_decref(o);
    return NULL;
}

typedef json_t *document(const bert_tokenizer *t);

static int save_json(const bert_tokenizer *t, document *make, const char *path, bert_error *e) {
    json_t *o = make(t);
    int rc = o ? bert_json_save(o, path, e)
               : bert_fail(e, BERT_ENOMEM, "%s: out of memory while writing JSON", path);
    json_decref(o);
    return rc;
}

static int save_document(const bert_tokenizer *t, const char *path, bert_error *e) {
    char *text = tokenizer_text(t, JSON_INDENT(2));
    bert_writer *w = text ? bert_writer_open(path, e) : NULL;
    int rc = text ? (w ? 0 : e->code)
                  : bert_fail(e, BERT_ENOMEM, "%s: out of memory while writing JSON", path);
    if (!rc) rc = bert_writer_put(w, text, strlen(text), e);
    if (!rc) rc = bert_writer_put(w, "\n", 1, e);
    free(text);
    if (!rc) return bert_writer_commit(w, e);
    bert_writer_abort(w);
    return rc;
}

/* A line per id. One that no token has is empty, so that the others keep theirs. */
static int save_vocab(const bert_tokenizer *t, const char *path, bert_error *e) {
    bert_writer *w = bert_writer_open(path, e);
    int rc = w ? 0 : e->code;
    for (int32_t id = 0; id < t->model_size && !rc; id++)
        rc = bert_writer_printf(w, e, "%s\n", t->tokens[id] ? t->tokens[id] : "");
    if (!rc) return bert_writer_commit(w, e);
    bert_writer_abort(w);
    return rc;
}

int bert_tokenizer_save(const bert_tokenizer *t, const char *directory, bert_error *e) {
    BERT_DOOR(e);
    static const struct {
        const char *name;
        document *make;
        int (*save)(const bert_tokenizer *t, const char *path, bert_error *e); /* or make */
    } files[] = {{"vocab.txt", NULL, save_vocab},
                 {"special_tokens_map.json", map_json, NULL},
                 {"tokenizer_config.json", config_json, NULL},
                 {"tokenizer.json", NULL, save_document}};
    if (!t || !directory)
        return bert_fail(e, BERT_EINVAL, "bert_tokenizer_save: an argument is NULL");
    int rc = bert_make_directory(directory, e);
    for (size_t i = 0; i < sizeof files / sizeof *files && !rc; i++) {
        if (files[i].save == save_vocab && t->model > BERT_WORDLEVEL) continue;
        char *path = bert_path_join(directory, files[i].name);
        rc = !path           ? bert_fail_memory(e, strlen(directory) + 32)
             : files[i].make ? save_json(t, files[i].make, path, e)
                             : files[i].save(t, path, e);
        free(path);
    }
    return rc;
}
