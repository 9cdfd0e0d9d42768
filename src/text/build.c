#include "base/error.h"
#include "text/bpe.h"
#include "text/code_points.h"
#include "text/load.h"
#include "text/steps.h"
#include <stdlib.h>

const char *const bert_token_model_names[BERT_TOKEN_MODELS] = {
    [BERT_WORDPIECE] = "WordPiece",
    [BERT_WORDLEVEL] = "WordLevel",
    [BERT_BPE] = "BPE",
    [BERT_UNIGRAM] = "Unigram",
};
const char *const bert_split_names[BERT_SPLITS] = {
    [BERT_SPLIT_BERT] = "BertPreTokenizer",
    [BERT_SPLIT_WORDS] = "Whitespace",
    [BERT_SPLIT_WHITESPACE] = "WhitespaceSplit",
};
const char *const bert_special_keys[BERT_SPECIALS] = {"pad_token", "unk_token", "cls_token",
                                                      "sep_token", "mask_token"};

void bert_tokenizer_defaults(bert_tokenizer *t, const char *const names[BERT_SPECIALS]) {
    memcpy(t->special_names, names, sizeof t->special_names);
    t->unk_token = names[BERT_SPECIAL_UNK];
    t->prefix = t->decoder_prefix = "##";
    t->max_chars = BERT_MAX_CHARS;
    t->normalizer = (bert_normalizer){.present = true,
                                      .clean_text = true,
                                      .handle_chinese_chars = true,
                                      .strip_accents_null = true,
                                      .lowercase = true};
    t->decoder = BERT_DECODE_WORDPIECE;
    t->decoder_cleanup = true;
}

int bert_tokenizer_steps(bert_tokenizer *t, bert_error *e) {
    const size_t bytes = BERT_MAX_STEPS * sizeof *t->normalizers;
    t->normalizers = bert_arena_calloc(&t->arena, bytes);
    t->splits = bert_arena_calloc(&t->arena, bytes);
    t->decoder_step = bert_arena_calloc(&t->arena, sizeof *t->decoder_step);
    if (!t->normalizers || !t->splits || !t->decoder_step) return bert_fail_memory(e, 2 * bytes);
    t->normalizers[t->n_normalizers++].kind =
        bert_step_kind_of(bert_normalizer_kinds, "BertNormalizer");
    t->splits[t->n_splits++].kind =
        bert_step_kind_of(bert_pre_tokenizer_kinds, bert_split_names[BERT_SPLIT_BERT]);
    return BERT_OK;
}

char *bert_tokenizer_strdup(bert_tokenizer *t, const char *s, bert_error *e) {
    char *copy = bert_arena_strdup(&t->arena, s);
    if (!copy) bert_fail_memory(e, strlen(s) + 1);
    return copy;
}

int bert_vocabulary_start(bert_tokenizer *t, size_t bytes, size_t tokens, bert_error *e) {
    t->text =
        bert_arena_alloc(&t->arena, 2 * bytes + 1); /* a byte is a token at worst, and a NUL */
    if (!t->text) return bert_fail_memory(e, 2 * bytes + 1);
    int rc = bert_vocab_init(&t->vocabulary, tokens, e);
    return rc ? rc : bert_trie_init(&t->contents, 0, e);
}

/* Makes id one that the tokenizer has. */
static int reach_id(bert_tokenizer *t, int32_t id, bert_error *e) {
    if (id < t->size) return BERT_OK;
    if (id >= t->capacity) {
        size_t n = 2 * (size_t)id + 256;
        const char **tokens = realloc(t->tokens, n * sizeof *tokens);
        if (!tokens) return bert_fail_memory(e, n * sizeof *tokens);
        t->tokens = tokens;
        t->capacity = (int32_t)n;
    }
    memset(t->tokens + t->size, 0, (size_t)(id + 1 - t->size) * sizeof *t->tokens);
    t->size = id + 1;
    return BERT_OK;
}

int bert_vocabulary_add(bert_tokenizer *t, const char *token, size_t bytes, int32_t id,
                        const char *where, bert_error *e) {
    int rc = reach_id(t, id, e);
    if (rc) return rc;
    if (t->tokens[id])
        return bert_fail(e, BERT_EFORMAT, "%s: id %d belongs to two tokens, '%s' and '%.*s'", where,
                         id, t->tokens[id], (int)(bytes < 100 ? bytes : 100), token);
    t->tokens[id] = t->text;
    memcpy(t->text, token, bytes);
    t->text[bytes] = 0;
    t->text += bytes + 1;
    t->model_size = t->size;
    return bert_vocab_add(&t->vocabulary, t->tokens, bytes, id, e);
}

int bert_add_token(bert_tokenizer *t, bert_added_token token, const char *where, bert_error *e) {
    if (!*token.content) return BERT_OK; /* as the reference: it could never be found */
    size_t bytes = token.bytes = strlen(token.content);
    int32_t known = bert_trie_find(&t->contents, token.content, bytes);
    int32_t id = known >= 0 ? t->added[known].id : bert_vocabulary_find(t, token.content, bytes);
    if (id < 0) {
        id = t->next_id++;
        if (id < t->size && t->tokens[id])
            return bert_fail(e, BERT_EFORMAT,
                             "%s: added token '%.100s' gets id %d, which is '%.100s'", where,
                             token.content, id, t->tokens[id]);
    }
    if (token.id >= 0 && token.id != id)
        return bert_fail(e, BERT_EFORMAT,
                         "%s: added token '%.100s' has id %d, but the vocabulary makes it %d",
                         where, token.content, token.id, id);
    if (id >= BERT_MAX_VOCABULARY)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: more than %d tokens", where,
                         BERT_MAX_VOCABULARY);
    token.id = id;
    if (known >= 0) {
        token.content = t->added[known].content;
        t->added[known] = token;
        return BERT_OK;
    }
    token.content = bert_tokenizer_strdup(t, token.content, e);
    if (!token.content) return BERT_ENOMEM;
    if ((t->n_added & (t->n_added - 1)) == 0) { /* a power of two: full */
        size_t n = t->n_added ? 2 * (size_t)t->n_added : 1;
        bert_added_token *added = realloc(t->added, n * sizeof *added);
        if (!added) return bert_fail_memory(e, n * sizeof *added);
        t->added = added;
    }
    int rc = bert_trie_add(&t->contents, token.content, bytes, t->n_added, e);
    if (rc) return rc;
    t->added[t->n_added++] = token;
    rc = reach_id(t, id, e);
    if (rc) return rc;
    if (!t->tokens[id]) t->tokens[id] = token.content;
    return BERT_OK;
}

int bert_added_token_of(const json_t *object, bert_added_token *token, const char *where,
                        bert_error *e) {
    *token = (bert_added_token){.id = -1};
    token->content = json_string_value(json_object_get(object, "content"));
    if (!token->content)
        return bert_fail(e, BERT_EFORMAT, "%s: an added token has no \"content\"", where);
    const struct {
        const char *key;
        bool *value;
    } flags[] = {{"single_word", &token->single_word},
                 {"lstrip", &token->lstrip},
                 {"rstrip", &token->rstrip},
                 {"normalized", &token->normalized},
                 {"special", &token->special}};
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof flags / sizeof *flags; i++)
        rc = bert_json_bool(object, flags[i].key, flags[i].value, where, e);
    return rc;
}

/* ------------------------------------------------------------------------ Finishing */

/* What an added token that matches normalised text looks like there. */
static int normalize_content(bert_tokenizer *t, bert_work *w, bert_added_token *a, bert_error *e) {
    a->normalized_content = a->content;
    a->normalized_bytes = a->bytes;
    if (!a->normalized || !t->n_normalizers) return BERT_OK;
    const uint8_t *p = (const uint8_t *)a->content, *end = p + a->bytes;
    w->next.n = 0;
    while (p < end) bert_chars_put(w, bert_utf8_next(&p, end), (bert_span){0, 1});
    bert_work_turn(w);
    if (!w->failed) bert_normalize_all(w);
    uint8_t *text = w->failed ? NULL : bert_arena_alloc(&t->arena, 4 * w->text.n + 1);
    if (!text) return bert_fail_memory(e, a->bytes);
    size_t n = 0;
    for (size_t i = 0; i < w->text.n; i++) n += (size_t)bert_utf8_put(w->text.c[i], text + n);
    text[n] = 0;
    a->normalized_content = (const char *)text;
    a->normalized_bytes = n;
    return BERT_OK;
}

static int index_added(bert_tokenizer *t, bert_work *w, bert_error *e) {
    int rc = bert_trie_init(&t->raw, 0, e);
    if (!rc) rc = bert_trie_init(&t->normalized, 0, e);
    for (int32_t i = 0; !rc && i < t->n_added; i++) {
        bert_added_token *a = &t->added[i];
        rc = normalize_content(t, w, a, e);
        if (rc || !a->normalized_bytes) continue;
        bert_trie *trie = a->normalized ? &t->normalized : &t->raw;
        /* Two may look alike once normalised; the first is the one that is found. */
        if (bert_trie_find(trie, a->normalized_content, a->normalized_bytes) >= 0) continue;
        rc = bert_trie_add(trie, a->normalized_content, a->normalized_bytes, i, e);
        bert_first_bytes *first = &t->first_bytes[a->normalized];
        first->last = (uint8_t)a->normalized_content[0];
        first->n += !first->is[first->last];
        first->is[first->last] = true;
        a->normalized ? t->n_normalized++ : t->n_raw++;
    }
    return rc;
}

static bool is_space(uint32_t c) {
    enum { BYTE_LEVEL_SPACE = 0x120 };
    return c == BYTE_LEVEL_SPACE || bert_unicode_of(c)->flags & BERT_CHAR_SPACE;
}

bert_spaces bert_spaces_of(const char *token, size_t n) {
    const uint8_t *begin = (const uint8_t *)token, *p = begin, *end = begin + n;
    bert_spaces s = {0};
    while (p < end && s.start < UINT16_MAX && is_space(bert_utf8_next(&p, end))) s.start++;
    for (p = end; p > begin && s.end < UINT16_MAX; s.end++) {
        if (!is_space(bert_utf8_before(begin, p))) break;
        do p--;
        while (p > begin && bert_utf8_continues(*p));
    }
    return s;
}

static int finish_spaces(bert_tokenizer *t, bert_error *e) {
    if (!t->trims) return BERT_OK;
    const size_t bytes = (size_t)t->size * sizeof *t->spaces;
    t->spaces = bert_arena_calloc(&t->arena, bytes);
    if (!t->spaces) return bert_fail_memory(e, bytes);
    for (int32_t i = 0; i < t->size; i++)
        if (t->tokens[i]) t->spaces[i] = bert_spaces_of(t->tokens[i], strlen(t->tokens[i]));
    return BERT_OK;
}

static void finish_ascii(bert_tokenizer *t) {
    for (int c = 0; c < 128; c++) {
        const bert_unicode *u = bert_unicode_of((uint32_t)c);
        bool removed = u->flags & BERT_CHAR_REMOVED && t->normalizer.clean_text;
        t->ascii[c] = removed                            ? BERT_ASCII_OTHER
                      : u->flags & BERT_CHAR_SPACE       ? BERT_ASCII_SPACE
                      : u->flags & BERT_CHAR_PUNCTUATION ? BERT_ASCII_PUNCTUATION
                                                         : BERT_ASCII_OTHER;
        char s = (char)c;
        int32_t id = bert_vocabulary_find(t, &s, 1);
        t->ascii_ids[c] = id < 0 ? t->unk : id;
    }
}

static bool is_step(const bert_step *s, const char *type) {
    return !strcmp(s->kind->type, type);
}

/* Words of one split, after a BertNormalizer or none. */
static bool is_classic(bert_tokenizer *t) {
    const char *split = t->n_splits == 1 ? t->splits[0].kind->type : "";
    t->split = BERT_SPLITS;
    for (int i = 0; i < BERT_SPLITS; i++)
        if (!strcmp(split, bert_split_names[i])) t->split = (bert_split)i;
    return t->split < BERT_SPLITS && t->model <= BERT_WORDLEVEL &&
           (!t->n_normalizers || (t->n_normalizers == 1 && t->normalizer.present));
}

static bool reads_bytes(const bert_tokenizer *t) {
    return t->model == BERT_BPE && t->n_splits == 1 && t->splits[0].use_expression &&
           !t->bpe->missing &&
           (!t->n_normalizers || (t->n_normalizers == 1 && is_step(&t->normalizers[0], "NFC")));
}

/* Metaspace that puts a mark before every word, and cuts there. */
static bool marks_words(const bert_tokenizer *t) {
    const bert_step *last = &t->splits[t->n_splits - 1];
    return t->model == BERT_UNIGRAM && t->n_splits && is_step(last, "Metaspace") && last->cuts &&
           last->prepend == BERT_PREPEND_ALWAYS;
}

/* Strip comes first, what makes one space of several last; no other step puts spaces together. */
static bool collapses_spaces(const bert_tokenizer *t) {
    const int n = t->n_normalizers;
    if (n < 2) return false;
    const bert_step *first = &t->normalizers[0], *last = &t->normalizers[n - 1];
    for (int i = 1; i + 1 < n; i++)
        if (is_step(&t->normalizers[i], "Strip") || is_step(&t->normalizers[i], "Replace"))
            return false;
    return is_step(first, "Strip") && first->left && first->right && is_step(last, "Replace") &&
           last->pattern == BERT_SPACES_PATTERN && !strcmp(last->to, " ");
}

/* Of the splits of words only white space is one that looks beyond a word. */
static bool has_no_strip(const bert_tokenizer *t) {
    for (int i = 0; i < t->n_normalizers; i++)
        if (is_step(&t->normalizers[i], "Strip")) return false;
    return true;
}

static void find_breaks(bert_tokenizer *t, bert_work *w) {
    for (uint32_t c = 0; c <= ' '; c++) {
        static const bert_span at[3] = {{0, 1}, {1, 2}, {2, 3}};
        const uint32_t text[3] = {'a', c, 'b'};
        w->next.n = 0;
        for (int i = 0; i < 3; i++) bert_chars_put(w, text[i], at[i]);
        bert_work_turn(w);
        if (w->failed) return;
        bert_normalize_all(w);
        const size_t n = w->text.n;
        t->breaks[c] = n > 2;
        for (size_t i = 1; i + 1 < n; i++)
            t->breaks[c] &= !!(bert_unicode_of(w->text.c[i])->flags & BERT_CHAR_SPACE);
    }
}

static void finish_steps(bert_tokenizer *t, bert_work *w) {
    t->reader = BERT_READ_PIPE;
    if (is_classic(t))
        t->reader = BERT_READ_CLASSIC;
    else if (reads_bytes(t))
        t->reader = BERT_READ_BYTES;
    else if (marks_words(t) && t->n_splits == 2 && is_step(&t->splits[0], "WhitespaceSplit") &&
             has_no_strip(t)) {
        find_breaks(t, w);
        if (t->breaks[' '] && !t->breaks[0]) t->reader = BERT_READ_BARE;
    } else if (marks_words(t) && t->n_splits == 1 && collapses_spaces(t))
        t->reader = BERT_READ_SPACED;
    t->quick = t->reader == BERT_READ_CLASSIC && t->split == BERT_SPLIT_BERT &&
               (t->model != BERT_WORDPIECE || t->max_chars >= BERT_LONG_WORD);
}

/* Names of tokens that a checkpoint without a configuration may have in the place of BERT's. */
static const char *const other_names[BERT_SPECIALS] = {"<pad>", "<unk>", "<s>", "</s>", "<mask>"};

static void finish_specials(bert_tokenizer *t) {
    for (int i = 0; i < BERT_SPECIALS; i++) {
        const char *name = t->special_names[i];
        t->special_ids[i] = name ? bert_token_id(t, name) : -1;
        if (t->special_ids[i] < 0) {
            t->special_names[i] = other_names[i];
            t->special_ids[i] = bert_token_id(t, other_names[i]);
        }
        if (t->special_ids[i] < 0) t->special_names[i] = NULL;
    }
}

static int check_templates(const bert_tokenizer *t, const char *where, bert_error *e) {
    const bert_template *templates[] = {&t->single, &t->pair};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < templates[k]->n; i++)
            if (templates[k]->pieces[i].id >= t->size)
                return bert_fail(
                    e, BERT_EFORMAT,
                    "%s: post_processor: special token '%.100s' has id %d; there are %d", where,
                    templates[k]->pieces[i].token, templates[k]->pieces[i].id, t->size);
    return BERT_OK;
}

/* A byte-level model has no unknown token; a Unigram has its id. */
static int finish_unknown(bert_tokenizer *t, const char *where, bert_error *e) {
    if (t->model == BERT_UNIGRAM) return BERT_OK;
    t->unk = t->unk_token ? bert_vocabulary_find(t, t->unk_token, strlen(t->unk_token)) : -1;
    if (t->unk >= 0 || t->model == BERT_BPE) return BERT_OK;
    return bert_fail(e, BERT_EFORMAT, "%s: the vocabulary lacks its unknown token '%.100s'", where,
                     t->unk_token);
}

static int finish_with(bert_tokenizer *t, bert_work *w, bert_error *e) {
    finish_steps(t, w);
    if (w->failed) return bert_fail_memory(e, w->now.capacity);
    return index_added(t, w, e);
}

int bert_tokenizer_finish(bert_tokenizer *t, const char *where, bert_error *e) {
    if (t->normalizer.strip_accents_null) t->normalizer.strip_accents = t->normalizer.lowercase;
    int rc = finish_unknown(t, where, e);
    if (rc) return rc;
    finish_specials(t);
    if ((rc = check_templates(t, where, e))) return rc;
    t->prefix_bytes = strlen(t->prefix);
    t->continuation = bert_vocab_hash_all(BERT_VOCAB_START, t->prefix, t->prefix_bytes);
    if (t->model != BERT_WORDPIECE) t->max_chars = 1;
    finish_ascii(t);
    if (t->model == BERT_BPE) bert_bpe_finish(t);
    if ((rc = finish_spaces(t, e))) return rc;
    bert_work w = {.t = t};
    rc = finish_with(t, &w, e);
    bert_work_free(&w);
    return rc;
}
