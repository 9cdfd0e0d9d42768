#include "base/error.h"
#include "base/file.h"
#include "text/code_points.h"
#include "text/load.h"
#include "text/steps.h"
#include <stdlib.h>

/* Length of a line without the white space at its end. */
static size_t trimmed(const uint8_t *line, size_t n) {
    while (n) {
        uint32_t c = bert_utf8_before(line, line + n);
        if (!(bert_unicode_of(c)->flags & BERT_CHAR_SPACE)) break;
        n -= c < 0x80 ? 1 : c < 0x800 ? 2 : 3;
    }
    return n;
}

int bert_load_vocab_txt(bert_tokenizer *t, const char *text, size_t bytes, const char *where,
                        bert_error *e) {
    int rc = 0;
    const char *end = text + bytes, *instead = bert_file_instead(text, bytes);
    if (instead) rc = bert_fail(e, BERT_EFORMAT, "%s: %s", where, instead);
    size_t lines = bytes && end[-1] != '\n';
    for (const char *p = text; (p = memchr(p, '\n', (size_t)(end - p))); p++) lines++;
    if (!rc && lines > BERT_MAX_VOCABULARY)
        rc = bert_fail(e, BERT_EUNSUPPORTED, "%s: has %zu lines; at most %d are supported", where,
                       lines, BERT_MAX_VOCABULARY);
    if (!rc) rc = bert_vocabulary_start(t, bytes, lines, e);
    const char *p = text;
    for (int32_t id = 0; !rc && id < (int32_t)lines; id++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        size_t n = trimmed((const uint8_t *)p, (size_t)(stop - p));
        if (memchr(p, 0, n) || !bert_utf8_valid((const uint8_t *)p, n))
            rc = bert_fail(e, BERT_EFORMAT, "%s:%d: not a line of UTF-8 text", where, id + 1);
        else
            rc = bert_vocabulary_add(t, p, n, id, where, e);
        p = stop + 1;
    }
    t->next_id = (int32_t)lines;
    return rc;
}

void bert_set_letters(bert_tokenizer *t) {
    static const char *const separators[] = {"\x1c", "\x1d", "\x1e", "\x1f"};
    t->model = BERT_WORDLEVEL;
    t->normalizer = (bert_normalizer){0};
    t->n_normalizers = 0;
    for (int i = 0; i < 4; i++) {
        bert_step *step = &t->normalizers[t->n_normalizers++];
        *step = (bert_step){.kind = bert_step_kind_of(bert_normalizer_kinds, "Replace"),
                            .pattern = BERT_TEXT_PATTERN,
                            .from = separators[i],
                            .to = " "};
    }
    t->splits[0].kind =
        bert_step_kind_of(bert_pre_tokenizer_kinds, bert_split_names[BERT_SPLIT_WHITESPACE]);
    t->decoder = BERT_DECODE_NONE;
}
