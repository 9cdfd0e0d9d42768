#include "base/error.h"
#include "text/byte_level.h"
#include "text/code_points.h"
#include "text/steps.h"
#include <stdlib.h>

int32_t bert_tokenizer_size(const bert_tokenizer *t) {
    return t->size;
}
int32_t bert_tokenizer_max_length(const bert_tokenizer *t) {
    return t->max_length;
}

bool bert_tokenizer_truncates_left(const bert_tokenizer *t) {
    return t && t->truncate_left;
}

int32_t bert_token_id(const bert_tokenizer *t, const char *token) {
    size_t n = strlen(token);
    int32_t i = bert_trie_find(&t->contents, token, n);
    return i >= 0 ? t->added[i].id : bert_vocabulary_find(t, token, n);
}

/* A token that a later line of vocab.txt repeats has lost its id to it. */
const char *bert_token(const bert_tokenizer *t, int32_t id) {
    if (id < 0 || id >= t->size || !t->tokens[id]) return NULL;
    return bert_token_id(t, t->tokens[id]) == id ? t->tokens[id] : NULL;
}

bool bert_token_continues(const bert_tokenizer *t, int32_t id) {
    enum { BYTE_LEVEL_SPACE = 0x120, MARK = 0x2581 };
    const char *token = bert_token(t, id);
    if (!token || !*token || bert_trie_find(&t->contents, token, strlen(token)) >= 0) return false;
    if (t->model <= BERT_WORDLEVEL)
        return *t->prefix && !strncmp(token, t->prefix, strlen(t->prefix));
    const uint8_t *p = (const uint8_t *)token;
    const uint32_t first = bert_utf8_next(&p, p + strlen(token));
    return first != (t->model == BERT_BPE ? BYTE_LEVEL_SPACE : MARK);
}

bert_special_ids bert_tokenizer_special(const bert_tokenizer *t) {
    const int32_t *s = t->special_ids;
    return (bert_special_ids){s[BERT_SPECIAL_PAD], s[BERT_SPECIAL_UNK], s[BERT_SPECIAL_CLS],
                              s[BERT_SPECIAL_SEP], s[BERT_SPECIAL_MASK]};
}

/* -------------------------------------------------------------------------- Decoding */

typedef struct {
    char *out;
    size_t capacity, n;
    uint8_t *bytes; /* of a byte-level decoder, which makes characters of them in the end */
    size_t bytes_n, bytes_capacity;
} output;

static void put(output *o, const char *s, size_t n) {
    if (o->n < o->capacity) {
        size_t room = o->capacity - o->n;
        memcpy(o->out + o->n, s, n < room ? n : room);
    }
    o->n += n;
}

/* The clean-up of tokenizers' decoder, of one token with the space before it, and of transformers,
 * of a whole text: one list, in their order, but for one row. In place: nothing grows. */
static size_t clean_up(char *s, size_t n, bool decoder) {
    static const struct {
        const char *from, *to;
        bool decoder_only;
    } rules[] = {
        {" .", ".", false},     {" ?", "?", false},          {" !", "!", false},
        {" ,", ",", false},     {" ' ", "'", false},         {" n't", "n't", false},
        {" 'm", "'m", false},   {" do not", " don't", true}, {" 's", "'s", false},
        {" 've", "'ve", false}, {" 're", "'re", false},
    };
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
        if (rules[r].decoder_only && !decoder) continue;
        size_t from = strlen(rules[r].from), to = strlen(rules[r].to), kept = 0;
        for (size_t i = 0; i < n;) {
            if (n - i >= from && !memcmp(s + i, rules[r].from, from)) {
                memcpy(s + kept, rules[r].to, to);
                kept += to;
                i += from;
            } else
                s[kept++] = s[i++];
        }
        n = kept;
    }
    return n;
}

size_t bert_clean_up_spaces(const bert_tokenizer *t, char *text, size_t n) {
    return t->clean_up_spaces ? clean_up(text, n, false) : n;
}

/* The token as the decoder sees it: added tokens in their normalised form. *skip: it is special. */
static const char *text_of(const bert_tokenizer *t, int32_t id, size_t *n, bool *skip) {
    const char *token = bert_token(t, id);
    if (!token) return NULL;
    *n = strlen(token);
    *skip = false;
    int32_t i = bert_trie_find(&t->contents, token, *n);
    if (i < 0) return token;
    token = t->added[i].normalized_content;
    *n = t->added[i].normalized_bytes;
    i = bert_trie_find(&t->contents, token, *n);
    *skip = i >= 0 && t->added[i].special;
    return token;
}

/* One token after those before it: without its prefix, or behind a space; cleaned up. */
static int put_spaced(const bert_tokenizer *t, output *o, const char *token, size_t bytes,
                      bool first, bert_error *e) {
    const size_t prefix = strlen(t->decoder_prefix);
    const bool decodes = t->decoder == BERT_DECODE_WORDPIECE;
    char small[256], *s = small;
    if (bytes + 1 > sizeof small && !(s = malloc(bytes + 1))) return bert_fail_memory(e, bytes + 1);
    size_t length = 0;
    if (!first && decodes && bytes >= prefix && !memcmp(token, t->decoder_prefix, prefix)) {
        token += prefix;
        bytes -= prefix;
    } else if (!first)
        s[length++] = ' ';
    memcpy(s + length, token, bytes);
    length += bytes;
    if (decodes && t->decoder_cleanup) length = clean_up(s, length, true);
    put(o, s, length);
    if (s != small) free(s);
    return 0;
}

/* The bytes that its characters stand for; of a token with one that stands for none, its own. */
static int put_bytes(const bert_tokenizer *t, output *o, const char *token, size_t bytes,
                     bool first, bert_error *e) {
    (void)t, (void)first;
    if (o->bytes_n + bytes > o->bytes_capacity) {
        const size_t capacity = 2 * (o->bytes_n + bytes) + 256;
        uint8_t *larger = realloc(o->bytes, capacity);
        if (!larger) return bert_fail_memory(e, capacity);
        o->bytes = larger;
        o->bytes_capacity = capacity;
    }
    uint8_t *out = o->bytes + o->bytes_n;
    size_t n = 0;
    for (const uint8_t *p = (const uint8_t *)token, *end = p + bytes; p < end; n++) {
        const int byte = bert_char_byte(bert_utf8_next(&p, end));
        if (byte < 0) {
            memcpy(out, token, n = bytes);
            break;
        }
        out[n] = (uint8_t)byte;
    }
    o->bytes_n += n;
    return 0;
}

/* Marks as spaces; those of the first token are what was put before the text. */
static int put_metaspace(const bert_tokenizer *t, output *o, const char *token, size_t bytes,
                         bool first, bert_error *e) {
    (void)e;
    const bert_step *s = t->decoder_step;
    for (const uint8_t *p = (const uint8_t *)token, *end = p + bytes; p < end;) {
        const uint8_t *from = p;
        if (bert_utf8_next(&p, end) != s->replacement)
            put(o, (const char *)from, (size_t)(p - from));
        else if (!first || s->prepend == BERT_PREPEND_NEVER)
            put(o, " ", 1);
    }
    return 0;
}

typedef int put_token_fn(const bert_tokenizer *t, output *o, const char *token, size_t bytes,
                         bool first, bert_error *e);
static put_token_fn *const decoders[BERT_DECODERS] = {
    [BERT_DECODE_NONE] = put_spaced,
    [BERT_DECODE_WORDPIECE] = put_spaced,
    [BERT_DECODE_BYTES] = put_bytes,
    [BERT_DECODE_METASPACE] = put_metaspace,
};

static int put_token(const bert_tokenizer *t, output *o, const char *token, size_t bytes,
                     bool first, bert_error *e) {
    return decoders[t->decoder](t, o, token, bytes, first, e);
}

/* Bytes that are no UTF-8 are U+FFFD. */
static void put_characters(output *o) {
    if (!o->bytes) return;
    for (const uint8_t *p = o->bytes, *end = p + o->bytes_n; p < end;) {
        uint8_t text[4];
        put(o, (char *)text, (size_t)bert_utf8_put(bert_utf8_next(&p, end), text));
    }
    free(o->bytes);
}

static int64_t finish(output *o, size_t capacity) {
    put_characters(o);
    if (capacity) o->out[o->n < capacity ? o->n : capacity - 1] = 0;
    return (int64_t)o->n;
}

int64_t bert_decode(const bert_tokenizer *t, const int32_t *ids, size_t n, bool skip_special_tokens,
                    char *out, size_t capacity, bert_error *e) {
    BERT_DOOR(e);
    if (!t || (!ids && n) || (!out && capacity))
        return bert_fail(e, BERT_EINVAL, "bert_decode: an argument is NULL");
    output o = {.out = out, .capacity = capacity ? capacity - 1 : 0};
    bool first = true;
    int rc = 0;
    for (size_t k = 0; k < n && !rc; k++) {
        size_t bytes;
        bool skip;
        const char *token = text_of(t, ids[k], &bytes, &skip);
        if (!token)
            rc = bert_fail(e, BERT_EINVAL,
                           "bert_decode: id %d (number %zu) is no token; ids are 0 to %d", ids[k],
                           k, t->size - 1);
        else if (!skip || !skip_special_tokens) {
            rc = put_token(t, &o, token, bytes, first, e);
            first = false;
        }
    }
    int64_t length = finish(&o, capacity);
    return rc ? rc : length;
}

int64_t bert_join_tokens(const bert_tokenizer *t, const char *const *tokens, size_t n, char *out,
                         size_t capacity, bert_error *e) {
    output o = {.out = out, .capacity = capacity ? capacity - 1 : 0};
    int rc = 0;
    for (size_t k = 0; k < n && !rc; k++)
        rc = put_token(t, &o, tokens[k], strlen(tokens[k]), !k, e);
    int64_t length = finish(&o, capacity);
    return rc ? rc : length;
}
