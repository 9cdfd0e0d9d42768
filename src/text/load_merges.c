/* A byte-level tokenizer from vocab.json and merges.txt. */
#include "base/error.h"
#include "base/file.h"
#include "text/bpe.h"
#include "text/json_vocab.h"
#include "text/steps.h"

/* A line of two tokens; those that begin with #version, and empty ones, say nothing. */
static int read_line(bert_tokenizer *t, const char *line, size_t n, int32_t number,
                     const char *where, bert_error *e) {
    static const char version[] = "#version";
    if (n && line[n - 1] == '\r') n--;
    if (!n || (n >= sizeof version - 1 && !memcmp(line, version, sizeof version - 1)))
        return BERT_OK;
    const char *space = memchr(line, ' ', n);
    if (!space || space == line || space + 1 == line + n ||
        memchr(space + 1, ' ', (size_t)(line + n - space - 1)))
        return bert_fail(e, BERT_EFORMAT, "%s:%d: must be two tokens with a space between", where,
                         (int)number);
    return bert_bpe_add(t, line, (size_t)(space - line), space + 1, (size_t)(line + n - space - 1),
                        where, e);
}

static int read_merges(bert_tokenizer *t, const char *text, size_t bytes, const char *where,
                       bert_error *e) {
    const char *end = text + bytes, *instead = bert_file_instead(text, bytes);
    if (instead) return bert_fail(e, BERT_EFORMAT, "%s: %s", where, instead);
    size_t lines = 1;
    for (const char *p = text; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++) lines++;
    int rc = bert_bpe_init(t, lines, e);
    int32_t number = 1;
    for (const char *p = text, *stop; p < end && !rc; p = stop + 1, number++) {
        stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        rc = read_line(t, p, (size_t)(stop - p), number, where, e);
    }
    return rc;
}

int bert_load_merges(bert_tokenizer *t, const char *vocab, size_t vocab_bytes, const char *where,
                     const char *merges, size_t merges_bytes, const char *merges_where,
                     bool add_prefix_space, bert_error *e) {
    const char *instead = bert_file_instead(vocab, vocab_bytes);
    if (instead) return bert_fail(e, BERT_EFORMAT, "%s: %s", where, instead);
    t->model = BERT_BPE;
    int rc = bert_load_json_vocab(t, vocab, vocab_bytes, where, e);
    if (!rc) rc = read_merges(t, merges, merges_bytes, merges_where, e);
    t->normalizer = (bert_normalizer){0};
    t->n_normalizers = 0;
    t->n_splits = 1;
    t->splits[0] = (bert_step){.kind = bert_step_kind_of(bert_pre_tokenizer_kinds, "ByteLevel"),
                               .add_prefix_space = add_prefix_space,
                               .trims = true,
                               .use_expression = true};
    t->byte_level = true;
    t->decoder = BERT_DECODE_BYTES;
    return rc;
}
