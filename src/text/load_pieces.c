/* A tokenizer from a SentencePiece file: the pieces with the ids that a family gives them, and the
 * steps that it puts before them. */
#include "base/error.h"
#include "base/file.h"
#include "text/load.h"
#include "text/sentencepiece.h"
#include "text/steps.h"
#include "text/unigram.h"
#include <stdlib.h>

typedef struct {
    bert_tokenizer *t;
    double *scores;
    int32_t n;
    const char *where;
    bert_error *e;
} list;

static int add(list *l, const char *text, size_t bytes, double score) {
    l->scores[l->n] = score;
    return bert_vocabulary_add(l->t, text, bytes, l->n++, l->where, l->e);
}

static int add_named(list *l, const bert_spm_layout *layout) {
    int rc = 0;
    for (int i = 0; i < BERT_SPM_FIRST && !rc; i++)
        if (layout->first[i].name)
            rc = add(l, layout->first[i].name, strlen(layout->first[i].name),
                     layout->first[i].score);
    return rc;
}

static int add_pieces(bert_tokenizer *t, const bert_spm *m, const bert_spm_layout *layout,
                      const char *where, bert_error *e) {
    size_t bytes = 256;
    for (size_t i = 0; i < m->n; i++) bytes += m->pieces[i].bytes + 1;
    list l = {.t = t, .where = where, .e = e};
    l.scores = calloc(m->n + BERT_SPM_FIRST + 1, sizeof *l.scores);
    if (!l.scores) return bert_fail_memory(e, m->n * sizeof *l.scores);
    int rc = bert_vocabulary_start(t, bytes, m->n, e);
    if (!rc) rc = add_named(&l, layout);
    for (size_t i = (size_t)layout->drops; i < m->n && !rc; i++)
        rc = add(&l, m->pieces[i].text, m->pieces[i].bytes, m->pieces[i].score);
    if (!rc && layout->last) rc = add(&l, layout->last, strlen(layout->last), 0);
    t->next_id = l.n;
    if (!rc) return bert_unigram_new(t, l.scores, e);
    free(l.scores);
    return rc;
}

/* What SentencePiece itself finds in a text before anything else, and what it never does. */
static int keep_symbols(bert_tokenizer *t, const bert_spm *m, bert_error *e) {
    t->symbols = bert_arena_calloc(&t->arena, (m->n + 1) * sizeof *t->symbols);
    if (!t->symbols) return bert_fail_memory(e, m->n * sizeof *t->symbols);
    for (size_t i = 0; i < m->n; i++) {
        const bert_spm_piece *p = &m->pieces[i];
        if (p->type != BERT_PIECE_CONTROL && p->type != BERT_PIECE_USER) continue;
        char *name = bert_arena_alloc(&t->arena, p->bytes + 1);
        if (!name) return bert_fail_memory(e, p->bytes);
        memcpy(name, p->text, p->bytes);
        name[p->bytes] = 0;
        t->symbols[t->n_symbols++] =
            (bert_added_token){.content = name, .id = -1, .special = p->type == BERT_PIECE_CONTROL};
    }
    return BERT_OK;
}

static bert_step *add_step(bert_tokenizer *t, const char *type) {
    bert_step *s = &t->normalizers[t->n_normalizers++];
    *s = (bert_step){.kind = bert_step_kind_of(bert_normalizer_kinds, type)};
    return s;
}

static void add_replace(bert_tokenizer *t, const char *from, const char *to) {
    bert_step *s = add_step(t, "Replace");
    s->pattern = from ? BERT_TEXT_PATTERN : BERT_SPACES_PATTERN;
    s->from = from;
    s->to = to;
}

static int add_charsmap(bert_tokenizer *t, const bert_spm *m, const char *where, bert_error *e) {
    if (!m->charsmap_bytes) return BERT_OK;
    const bert_charsmap *map = bert_charsmap_new(t, m->charsmap, m->charsmap_bytes, where, e);
    if (!map) return e->code;
    add_step(t, "Precompiled")->charsmap = map;
    return BERT_OK;
}

static int add_normalizers(bert_tokenizer *t, const bert_spm *m, const bert_spm_layout *layout,
                           const char *where, bert_error *e) {
    const bert_spm_options *o = &layout->options;
    t->n_normalizers = 0;
    if (o->quotes) {
        add_replace(t, "``", "\"");
        add_replace(t, "''", "\"");
    }
    if (o->strip_accents) {
        add_step(t, "NFKD");
        add_step(t, "StripAccents");
    }
    if (o->lowercase) add_step(t, "Lowercase");
    if (o->strip) {
        bert_step *s = add_step(t, "Strip");
        s->left = s->right = true;
    }
    int rc = add_charsmap(t, m, where, e);
    if (!rc && o->strip) add_replace(t, NULL, " ");
    return rc;
}

static bert_step *add_split(bert_tokenizer *t, const char *type) {
    bert_step *s = &t->splits[t->n_splits++];
    *s = (bert_step){.kind = bert_step_kind_of(bert_pre_tokenizer_kinds, type)};
    return s;
}

static void add_splits(bert_tokenizer *t, const bert_spm_options *o) {
    enum { MARK = 0x2581 };
    t->n_splits = 0;
    if (o->punctuation) add_split(t, "Punctuation");
    if (!o->strip) add_split(t, "WhitespaceSplit");
    bert_step *s = add_split(t, "Metaspace");
    s->replacement = MARK;
    s->cuts = true;
    s->prepend = o->prepends ? BERT_PREPEND_ALWAYS
                 : o->strip  ? BERT_PREPEND_FIRST
                             : BERT_PREPEND_NEVER;
    t->decoder = BERT_DECODE_METASPACE;
    *t->decoder_step = *s;
}

int bert_load_pieces(bert_tokenizer *t, const char *text, size_t bytes,
                     const bert_spm_layout *layout, const char *where, bert_error *e) {
    bert_spm m = {0};
    const char *instead = bert_file_instead(text, bytes);
    int rc = instead ? bert_fail(e, BERT_EFORMAT, "%s: %s", where, instead)
                     : bert_spm_read(&m, text, bytes, where, e);
    if (!rc && m.model_type != 1)
        rc = bert_fail(e, BERT_EUNSUPPORTED,
                       "%s: a SentencePiece model of type %d is not supported (1, Unigram, is)",
                       where, m.model_type);
    t->model = BERT_UNIGRAM;
    t->unk = layout->unk >= 0 ? layout->unk : m.unk_id;
    if (!rc && (size_t)layout->drops > m.n)
        rc = bert_fail(e, BERT_EFORMAT, "%s: has %zu pieces", where, m.n);
    if (!rc) rc = add_pieces(t, &m, layout, where, e);
    if (!rc && t->unk >= t->model_size)
        rc = bert_fail(e, BERT_EFORMAT, "%s: unk_id %d; there are %d pieces", where, t->unk,
                       t->model_size);
    if (!rc) rc = add_normalizers(t, &m, layout, where, e);
    if (!rc) add_splits(t, &layout->options);
    if (!rc) rc = keep_symbols(t, &m, e);
    bert_spm_free(&m);
    return rc;
}
