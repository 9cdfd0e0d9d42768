#include "text/load.h"
#include "base/error.h"
#include "base/file.h"
#include "files/pretrained.h"
#include "hub/hub.h"
#include "text/bpe.h"
#include "text/tokenizer_class.h"
#include "text/unigram.h"
#include <stdlib.h>

/* The files of a checkpoint that say something of its tokenizer. */
static const char merges_file[] = "merges.txt", config_file[] = "tokenizer_config.json",
                  map_file[] = "special_tokens_map.json", added_file[] = "added_tokens.json",
                  model_file[] = "config.json";
static const char decoder_key[] = "added_tokens_decoder";

/* Where a tokenizer comes from. */
typedef struct {
    const bert_pretrained *files;
    const char *folder; /* in the checkpoint */
    const char *part;   /* the main file, with its folder */
    const char *where;  /* that, in messages */
    bert_from kind;
} source;

/* The main files, in the order in which they are looked for. */
static const struct {
    const char *name;
    bert_from kind;
} mains[] = {
    {"tokenizer.json", BERT_FROM_JSON},
    {"vocab.txt", BERT_FROM_LINES},
    {"sentencepiece.bpe.model", BERT_FROM_PIECES},
    {"spiece.model", BERT_FROM_PIECES},
    {"spm.model", BERT_FROM_PIECES},
    {"vocab.json", BERT_FROM_MERGES},
};
enum { MAINS = sizeof mains / sizeof *mains };

bert_tokenizer_options bert_tokenizer_default(void) {
    return (bert_tokenizer_options){
        .do_lower_case = -1, .strip_accents = -1, .tokenize_chinese_chars = -1};
}

/* A part of the checkpoint, in the folder of the tokenizer, as an object; NULL without an error
 * where there is none. */
static json_t *load_object(const source *from, const char *name, bert_error *e) {
    char *part = bert_path_join(from->folder, name), *where = NULL;
    json_t *o = part ? bert_pretrained_json(from->files, part, e) : NULL;
    if (!part) bert_fail_memory(e, strlen(from->folder) + strlen(name) + 2);
    if (o && !json_is_object(o)) {
        where = bert_pretrained_where(from->files, part);
        bert_fail(e, BERT_EFORMAT, "%s: must be a JSON object", where ? where : name);
        json_decref(o);
        o = NULL;
    }
    free(where);
    free(part);
    return o;
}

/* A token's name where it may be a string or an object; NULL: neither. */
static const char *content_of(const json_t *v) {
    return json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
}

/* The files beside a tokenizer.json or vocab.txt; NULL: there is none. */
typedef struct {
    json_t *config, *map, *added;
    const json_t *special[BERT_SPECIALS]; /* in config or map; NULL: neither names it */
    json_t *extra;                        /* further special tokens, there */
    const char *extra_file;
} siblings;

static int read_special_names(bert_tokenizer *t, siblings *s, const json_t *file, bert_error *e) {
    for (int i = 0; i < BERT_SPECIALS; i++) {
        const json_t *value = json_object_get(file, bert_special_keys[i]);
        const char *name = content_of(value);
        if (!name) continue;
        s->special[i] = value;
        t->special_names[i] = bert_tokenizer_strdup(t, name, e);
        if (!t->special_names[i]) return BERT_ENOMEM;
    }
    return BERT_OK;
}

/* Where several lists of further special tokens are given, transformers goes by the first. */
static void find_extra(siblings *s) {
    const struct {
        json_t *file;
        const char *name, *key;
    } places[] = {{s->config, config_file, "extra_special_tokens"},
                  {s->config, config_file, "additional_special_tokens"},
                  {s->map, map_file, "extra_special_tokens"},
                  {s->map, map_file, "additional_special_tokens"}};
    for (size_t i = 0; !s->extra && i < sizeof places / sizeof *places; i++) {
        json_t *extra = json_object_get(places[i].file, places[i].key);
        if (json_array_size(extra) + json_object_size(extra)) s->extra = extra;
        s->extra_file = places[i].name;
    }
}

static int load_siblings(siblings *s, const source *from, bert_error *e) {
    *s = (siblings){.config = load_object(from, config_file, e),
                    .map = load_object(from, map_file, e),
                    .added = load_object(from, added_file, e)};
    /* A configuration that lists the tokens is newer than the other two, which transformers then
     * leaves alone. */
    if (json_object_get(s->config, decoder_key)) {
        json_decref(s->map);
        json_decref(s->added);
        s->map = s->added = NULL;
    }
    find_extra(s);
    return e->code;
}

static void free_siblings(siblings *s) {
    json_decref(s->config);
    json_decref(s->map);
    json_decref(s->added);
}

/* Whether the configuration names a class that is no more than its tokenizer.json. */
static bool is_generic_class(const json_t *config) {
    const char *name = json_string_value(json_object_get(config, "tokenizer_class"));
    return name && (!strcmp(name, "PreTrainedTokenizerFast") || !strcmp(name, "TokenizersBackend"));
}

/* truncation_side, where it is given. */
static int read_truncation_side(bert_tokenizer *t, const json_t *config, bert_error *e) {
    char side[8] = "";
    int rc = bert_json_string(config, "truncation_side", side, sizeof side, config_file, e);
    if (rc || !*side) return rc;
    t->truncate_left = !strcmp(side, "left");
    if (t->truncate_left || !strcmp(side, "right")) return 0;
    return bert_fail(e, BERT_EFORMAT, "%s: truncation_side is \"%s\"; it must be left or right",
                     config_file, side);
}

/* model_input_names, where it is given; DistilBertTokenizer has no token_type_ids of its own. */
static void read_input_names(bert_tokenizer *t, const json_t *config) {
    const json_t *names = json_object_get(config, "model_input_names"), *name;
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    size_t i;
    t->names_types = false;
    json_array_foreach((json_t *)(uintptr_t)names, i, name) {
        const char *s = json_string_value(name);
        if (s && !strcmp(s, "token_type_ids")) t->names_types = true;
    }
    t->no_types =
        !t->names_types && (json_array_size(names) || (class && !strncmp(class, "DistilBert", 10)));
}

/* What the configuration says of the normaliser holds even against tokenizer.json, as in
 * transformers' classes for BERT; its generic one does not look at it. */
static int read_config(bert_tokenizer *t, const json_t *config, bool json, bert_error *e) {
    bert_normalizer *f = &t->normalizer;
    const json_t *strip = json_object_get(config, "strip_accents");
    int rc = 0;
    if (f->present && !(json && is_generic_class(config))) {
        rc = bert_json_bool(config, "do_lower_case", &f->lowercase, config_file, e);
        if (!rc) rc = bert_json_bool(config, "strip_accents", &f->strip_accents, config_file, e);
        if (!rc)
            rc = bert_json_bool(config, "tokenize_chinese_chars", &f->handle_chinese_chars,
                                config_file, e);
        if (strip) f->strip_accents_null = json_is_null(strip);
    }
    if (!rc)
        rc = bert_json_bool(config, "clean_up_tokenization_spaces", &t->clean_up_spaces,
                            config_file, e);
    if (!rc) rc = read_truncation_side(t, config, e);
    if (!rc) read_input_names(t, config);
    /* "No limit" is written as 10^30. */
    double length = json_number_value(json_object_get(config, "model_max_length"));
    if (length >= 1 && length <= INT32_MAX) t->max_length = (int32_t)length;
    return rc;
}

static int apply_options(bert_tokenizer *t, const bert_tokenizer_options *o, bert_error *e) {
    bert_normalizer *f = &t->normalizer;
    t->encode_special_tokens = o->encode_special_tokens;
    if (o->do_lower_case < 0 && o->strip_accents < 0 && o->tokenize_chinese_chars < 0)
        return BERT_OK;
    if (!f->present)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "this tokenizer has no BertNormalizer: do_lower_case, strip_accents and "
                         "tokenize_chinese_chars have no meaning for it");
    if (o->do_lower_case >= 0) f->lowercase = o->do_lower_case;
    if (o->tokenize_chinese_chars >= 0) f->handle_chinese_chars = o->tokenize_chinese_chars;
    if (o->strip_accents >= 0) {
        f->strip_accents = o->strip_accents;
        f->strip_accents_null = false;
    }
    return BERT_OK;
}

/* ------------------------------------------------------------------- Added tokens */

static bool is_known(const bert_tokenizer *t, const char *content) {
    return bert_trie_find(&t->contents, content, strlen(content)) >= 0;
}

/* value: a name, or an object with a name and flags; lstrip: what a name alone has. */
static int add_special(bert_tokenizer *t, const json_t *value, const char *name, bool lstrip,
                       const char *where, bert_error *e) {
    bert_added_token token = {.content = name, .id = -1, .lstrip = lstrip};
    if (!name || is_known(t, name)) return BERT_OK;
    int rc = json_is_object(value) ? bert_added_token_of(value, &token, where, e) : 0;
    token.special = true;
    return rc ? rc : bert_add_token(t, token, where, e);
}

static int by_id(const void *a, const void *b) {
    return ((const bert_added_token *)a)->id - ((const bert_added_token *)b)->id;
}

/* Whether another file says that a token of added_tokens.json is special. */
static bool is_named_special(const siblings *s, const char *name) {
    for (int i = 0; i < BERT_SPECIALS; i++)
        if (s->special[i] && !strcmp(content_of(s->special[i]), name)) return true;
    for (size_t i = 0; i < json_array_size(s->extra); i++) {
        const char *content = content_of(json_array_get(s->extra, i));
        if (content && !strcmp(content, name)) return true;
    }
    return false;
}

/* One member of added_tokens_decoder, {"30522": {"content": ...}}, or of added_tokens.json,
 * {"token": 30522}. */
static int read_member(const siblings *s, const char *key, const json_t *value, bool plain,
                       bert_added_token *token, const char *where, bert_error *e) {
    char none[] = "", *end = none;
    json_int_t id =
        plain ? (json_is_integer(value) ? json_integer_value(value) : -1) : strtoll(key, &end, 10);
    if (*end || (!plain && !*key) || id < 0 || id >= BERT_MAX_VOCABULARY)
        return bert_fail(e, BERT_EFORMAT, "%s: '%.100s' has no id from 0 to %d", where, key,
                         BERT_MAX_VOCABULARY - 1);
    int rc = 0;
    if (plain) {
        const bool special = is_named_special(s, key);
        *token = (bert_added_token){.content = key, .normalized = !special, .special = special};
    } else
        rc = bert_added_token_of(value, token, where, e);
    token->id = (int32_t)id;
    return rc;
}

/* Adds what is not known yet, in the order of ids. */
static int add_listed(bert_tokenizer *t, const siblings *s, json_t *object, bool plain,
                      const char *where, bert_error *e) {
    size_t n = json_object_size(object), i = 0;
    if (!n) return BERT_OK;
    bert_added_token *list = malloc(n * sizeof *list);
    if (!list) return bert_fail_memory(e, n * sizeof *list);
    const char *key;
    json_t *value;
    int rc = 0;
    json_object_foreach(object, key, value) {
        if (!rc) rc = read_member(s, key, value, plain, &list[i++], where, e);
    }
    if (!rc) qsort(list, n, sizeof *list, by_id);
    for (i = 0; i < n && !rc; i++)
        if (!is_known(t, list[i].content)) rc = bert_add_token(t, list[i], where, e);
    free(list);
    return rc;
}

/* A list, or an object whose values they are. */
static int add_extra(bert_tokenizer *t, const siblings *s, bert_error *e) {
    const char *key;
    json_t *value;
    size_t i;
    int rc = 0;
    json_array_foreach(s->extra, i, value) {
        if (!rc) rc = add_special(t, value, content_of(value), false, s->extra_file, e);
    }
    json_object_foreach(s->extra, key, value) {
        if (!rc) rc = add_special(t, value, content_of(value), false, s->extra_file, e);
    }
    return rc;
}

static int add_letter(bert_tokenizer *t, const char *name, const char *where, bert_error *e) {
    const bert_added_token token = {.content = name, .id = -1};
    return is_known(t, name) ? 0 : bert_add_token(t, token, where, e);
}

/* The special tokens of a family. Those of a vocab.txt are taken where it has them; others come
 * behind a vocabulary that lacks them. */
static int add_names(bert_tokenizer *t, const siblings *s, const bert_tokenizer_family *family,
                     const char *where, bert_error *e) {
    static const bert_special order[BERT_SPECIALS] = {
        BERT_SPECIAL_CLS, BERT_SPECIAL_SEP, BERT_SPECIAL_UNK, BERT_SPECIAL_PAD, BERT_SPECIAL_MASK};
    int rc = 0;
    for (int k = 0; !rc && k < BERT_SPECIALS; k++) {
        const bert_special i = order[k];
        const char *name = t->special_names[i];
        const bool lstrip = i == BERT_SPECIAL_MASK && family->mask_takes_space;
        if (name &&
            (family->from != BERT_FROM_LINES || bert_vocabulary_find(t, name, strlen(name)) >= 0))
            rc = add_special(t, s->special[i], name, lstrip, where, e);
    }
    for (int32_t i = 0; !rc && i < t->n_symbols; i++)
        if (!is_known(t, t->symbols[i].content)) rc = bert_add_token(t, t->symbols[i], where, e);
    for (int32_t id = 0; !rc && family->letters && id < t->model_size; id++)
        rc = add_letter(t, t->tokens[id], where, e);
    return rc;
}

/* Tokens that the files beside the main one name. */
static int add_tokens(bert_tokenizer *t, const siblings *s, const source *from,
                      const bert_tokenizer_family *family, bert_error *e) {
    int rc = add_listed(t, s, json_object_get(s->config, decoder_key), false, config_file, e);
    if (!rc && from->kind != BERT_FROM_JSON) rc = add_names(t, s, family, from->where, e);
    if (!rc) rc = add_listed(t, s, s->added, true, added_file, e);
    return rc ? rc : add_extra(t, s, e);
}

/* ---------------------------------------------------------------------------- Open */

static int find_id(const bert_tokenizer *t, bert_special s, const char *where, int32_t *id,
                   bert_error *e) {
    const char *name = t->special_names[s];
    *id = bert_vocabulary_find(t, name, strlen(name));
    if (*id < 0) *id = bert_token_id(t, name);
    if (*id >= 0) return BERT_OK;
    return bert_fail(e, BERT_EFORMAT, "%s: the vocabulary lacks %s", where, name);
}

static const bert_tokenizer_family *find_family(const siblings *s, const source *from,
                                                bert_error *e) {
    /* A configuration of the model that cannot be read is not the tokenizer's to complain of. */
    bert_error ignored = {0};
    json_t *model = load_object(from, model_file, &ignored);
    if (ignored.code == BERT_ENOMEM) bert_fail(e, BERT_ENOMEM, "%s", ignored.message);
    const bert_tokenizer_family *f =
        e->code ? NULL : bert_tokenizer_family_of(s->config, model, from->kind, from->where, e);
    json_decref(model);
    return f;
}

/* The template of a tokenizer whose files hold none. */
static int set_templates(bert_tokenizer *t, const bert_tokenizer_family *family, const char *where,
                         bert_error *e) {
    bert_ends ends = {.cls = t->special_names[BERT_SPECIAL_CLS],
                      .sep = t->special_names[BERT_SPECIAL_SEP]};
    int rc = find_id(t, BERT_SPECIAL_CLS, where, &ends.cls_id, e);
    if (!rc) rc = find_id(t, BERT_SPECIAL_SEP, where, &ends.sep_id, e);
    t->trims = family->trims;
    return rc ? rc : bert_set_templates(t, family->post, &ends, e);
}

typedef int load_text(bert_tokenizer *t, const source *from, const siblings *s,
                      const bert_tokenizer_family *family, const char *text, size_t bytes,
                      bert_error *e);

static int load_json(bert_tokenizer *t, const source *from, const siblings *s,
                     const bert_tokenizer_family *family, const char *text, size_t bytes,
                     bert_error *e) {
    (void)s, (void)family;
    return bert_load_tokenizer_json(t, text, bytes, from->where, e);
}

static int load_lines(bert_tokenizer *t, const source *from, const siblings *s,
                      const bert_tokenizer_family *family, const char *text, size_t bytes,
                      bert_error *e) {
    (void)s;
    if (family->letters) bert_set_letters(t);
    return bert_load_vocab_txt(t, text, bytes, from->where, e);
}

static int load_merges(bert_tokenizer *t, const source *from, const siblings *s,
                       const bert_tokenizer_family *family, const char *text, size_t bytes,
                       bert_error *e) {
    (void)family;
    bool prefix = false;
    int rc = bert_json_bool(s->config, "add_prefix_space", &prefix, config_file, e);
    if (rc) return rc;
    char *part = bert_path_join(from->folder, merges_file);
    char *where = part ? bert_pretrained_where(from->files, part) : NULL, *merges = NULL;
    size_t merges_bytes = 0;
    if (!where)
        rc = bert_fail_memory(e, strlen(from->folder));
    else if (!bert_pretrained_has(from->files, part))
        rc = bert_fail(e, BERT_ENOTFOUND, "%s: it needs a %s beside it", from->where, merges_file);
    else
        rc = bert_pretrained_read(from->files, part, BERT_JSON_MAX, &merges, &merges_bytes, e);
    if (!rc)
        rc = bert_load_merges(t, text, bytes, from->where, merges, merges_bytes, where, prefix, e);
    t->trim_keeps_prefix = prefix;
    free(merges);
    free(where);
    free(part);
    return rc;
}

/* What the configuration says of the steps before the pieces, as transformers' classes take it. */
static int load_pieces(bert_tokenizer *t, const source *from, const siblings *s,
                       const bert_tokenizer_family *family, const char *text, size_t bytes,
                       bert_error *e) {
    bert_spm_layout layout = family->pieces;
    bert_spm_options *o = &layout.options;
    const bool cased = o->quotes || o->strip;
    bool keeps = !o->strip_accents;
    int rc = bert_json_bool(s->config, "add_prefix_space", &o->prepends, config_file, e);
    if (!rc && cased)
        rc = bert_json_bool(s->config, "do_lower_case", &o->lowercase, config_file, e);
    if (!rc && o->quotes) rc = bert_json_bool(s->config, "keep_accents", &keeps, config_file, e);
    if (!rc && o->strip)
        rc = bert_json_bool(s->config, "split_by_punct", &o->punctuation, config_file, e);
    o->strip_accents = !keeps;
    t->normalizer = (bert_normalizer){0};
    return rc ? rc : bert_load_pieces(t, text, bytes, &layout, from->where, e);
}

static load_text *const loaders[BERT_FROMS] = {
    [BERT_FROM_JSON] = load_json,
    [BERT_FROM_LINES] = load_lines,
    [BERT_FROM_MERGES] = load_merges,
    [BERT_FROM_PIECES] = load_pieces,
};

static int load_main(bert_tokenizer *t, const source *from, const siblings *s,
                     const bert_tokenizer_family *family, bert_error *e) {
    char *text;
    size_t bytes;
    int rc = bert_pretrained_read(from->files, from->part, BERT_JSON_MAX, &text, &bytes, e);
    if (rc) return rc;
    rc = loaders[from->kind](t, from, s, family, text, bytes, e);
    free(text);
    return rc;
}

static int load(bert_tokenizer *t, const source *from, const bert_tokenizer_options *options,
                bert_error *e) {
    const char *path = from->where;
    const bool json = from->kind == BERT_FROM_JSON;
    siblings s;
    int rc = load_siblings(&s, from, e);
    const bert_tokenizer_family *family = rc ? NULL : find_family(&s, from, e);
    if (!rc && !family) rc = e->code;
    if (!rc) bert_tokenizer_defaults(t, family->names);
    if (!rc) rc = bert_tokenizer_steps(t, e);
    if (!rc) rc = load_main(t, from, &s, family, e);
    if (!rc) rc = read_config(t, s.config, json, e);
    if (!rc && family->letters && !json) t->no_types = !t->names_types;
    if (!rc) rc = read_special_names(t, &s, s.config, e);
    if (!rc) rc = read_special_names(t, &s, s.map, e);
    if (!rc && from->kind == BERT_FROM_LINES) t->unk_token = t->special_names[BERT_SPECIAL_UNK];
    if (!rc) rc = add_tokens(t, &s, from, family, e);
    if (!rc && !json) rc = set_templates(t, family, path, e);
    if (!rc && options) rc = apply_options(t, options, e);
    if (!rc) rc = bert_tokenizer_finish(t, path, e);
    free_siblings(&s);
    return rc;
}

/* The part that the tokenizer is read from where it is in the checkpoint's folder. */
static int find_main(const bert_pretrained *files, char **part, bert_from *kind, bert_error *e) {
    for (int i = 0; i < MAINS; i++) {
        *part = bert_path_join(bert_pretrained_folder(files), mains[i].name);
        *kind = mains[i].kind;
        if (!*part) return bert_fail_memory(e, strlen(mains[i].name));
        if (bert_pretrained_has(files, *part)) return BERT_OK;
        free(*part);
    }
    *part = NULL;
    return BERT_OK;
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* What a file of any name is. */
static bert_from kind_of(const char *path) {
    if (ends_with(path, "vocab.json")) return BERT_FROM_MERGES;
    if (ends_with(path, ".json")) return BERT_FROM_JSON;
    return ends_with(path, ".model") ? BERT_FROM_PIECES : BERT_FROM_LINES;
}

static bert_tokenizer *open_from(const source *from, const bert_tokenizer_options *options,
                                 bert_error *e) {
    bert_tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        bert_fail_memory(e, sizeof *t);
    else if (load(t, from, options, e)) {
        bert_tokenizer_close(t);
        t = NULL;
    }
    return t;
}

static bert_tokenizer *open_in(const bert_pretrained *files, const bert_tokenizer_options *options,
                               bert_error *e) {
    char *part, *where = NULL;
    bert_tokenizer *t = NULL;
    bert_from kind;
    if (find_main(files, &part, &kind, e)) return NULL;
    if (!part)
        bert_fail(
            e, BERT_ENOTFOUND,
            "%s: has neither tokenizer.json nor vocab.txt (nor vocab.json and merges.txt, nor "
            "a SentencePiece file: sentencepiece.bpe.model, spiece.model, spm.model)",
            bert_pretrained_path(files));
    else if (!(where = bert_pretrained_where(files, part)))
        bert_fail_memory(e, strlen(part));
    else
        t = open_from(&(source){files, bert_pretrained_folder(files), part, where, kind}, options,
                      e);
    free(where);
    free(part);
    return t;
}

/* A file of any name, with those beside it. */
static bert_tokenizer *open_file(const char *path, const bert_tokenizer_options *options,
                                 bert_error *e) {
    const char *slash = strrchr(path, '/');
    char *directory = strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
    bert_pretrained *files = directory ? bert_pretrained_directory(directory, e) : NULL;
    const source from = {files, "", slash ? slash + 1 : path, path, kind_of(path)};
    if (!directory) bert_fail_memory(e, strlen(path));
    bert_tokenizer *t = files ? open_from(&from, options, e) : NULL;
    bert_pretrained_close(files);
    free(directory);
    return t;
}

bert_tokenizer *bert_tokenizer_open(const char *path, const bert_tokenizer_options *options,
                                    bert_error *e) {
    BERT_DOOR(e);
    if (!path) {
        bert_fail(e, BERT_EINVAL, "bert_tokenizer_open: the path is NULL");
        return NULL;
    }
    char directory[4096];
    const bert_pull_options *pull = options ? options->pull : NULL;
    const bool is_name = pull && !bert_pretrained_recognises(path) && !bert_file_exists(path);
    if (is_name && bert_hub_locate(path, pull, true, directory, sizeof directory, e)) return NULL;
    if (is_name) path = directory;
    if (!bert_pretrained_recognises(path)) return open_file(path, options, e);
    bert_pretrained *files = bert_pretrained_open(path, e);
    bert_tokenizer *t = files ? open_in(files, options, e) : NULL;
    bert_pretrained_close(files);
    if (!t) bert_hub_explain(path, e);
    return t;
}

void bert_tokenizer_close(bert_tokenizer *t) {
    if (!t) return;
    bert_vocab_free(&t->vocabulary);
    bert_bpe_free(t->bpe);
    bert_unigram_free(t->unigram);
    free(t->scores);
    bert_trie *const tries[] = {&t->contents, &t->raw, &t->normalized};
    for (int i = 0; i < 3; i++) bert_trie_free(tries[i]);
    free(t->tokens);
    free(t->added);
    bert_arena_free(&t->arena);
    free(t);
}
