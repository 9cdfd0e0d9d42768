/* The tensors of a GGUF file under transformers' names. */
#include "base/arena.h"
#include "base/error.h"
#include "files/gguf_names.h"
#include "files/utf8.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    bert_gguf header;
    bert_arena memory; /* of names */
} gguf;

typedef struct {
    gguf *file;
    const bert_tensor_file *in;
    bert_gguf_family family; /* which name of a row */
    bool classifier;
    bert_error *e;
} reader;

/* A tensor's name cut: "blk.3.attn_q.weight" is layer 3, part attn_q, suffix ".weight". */
typedef struct {
    char part[256];
    long layer; /* -1: none */
    const char *suffix;
} parted;

static bool split(bert_gguf_text name, parted *p) {
    char full[256];
    if (name.n >= sizeof full) return false;
    memcpy(full, name.text, name.n);
    full[name.n] = 0;
    const char *dot = strrchr(full, '.'), *from = full;
    p->layer = -1;
    p->suffix = dot && !strcmp(dot, ".weight") ? ".weight" : ".bias";
    if (!dot || strcmp(dot, p->suffix)) return false;
    if (!strncmp(full, "blk.", 4)) {
        char *end;
        p->layer = strtol(full + 4, &end, 10);
        if (end == full + 4 || *end != '.' || end >= dot || p->layer < 0) return false;
        from = end + 1;
    }
    snprintf(p->part, sizeof p->part, "%.*s", (int)(dot - from), from);
    return true;
}

static int add(reader *r, const char *name, const bert_gguf_tensor *t, int64_t first,
               int64_t rows) {
    char *own = bert_arena_strdup(&r->file->memory, name);
    if (!own) return bert_fail_memory(r->e, strlen(name) + 1);
    bert_stored_tensor s = {.name = own, .dtype = t->dtype, .dims = t->dims};
    for (int i = 0; i < t->dims; i++) s.shape[i] = t->shape[i];
    const size_t step = t->dims && t->shape[0] ? t->bytes / (size_t)t->shape[0] : t->bytes;
    if (t->dims) s.shape[0] = rows;
    s.data = t->data + (size_t)first * step;
    s.bytes = t->dims ? (size_t)rows * step : t->bytes;
    return bert_tensor_list_add(r->in->list, &s, r->e);
}

static int add_as(reader *r, const char *format, const parted *p, const bert_gguf_tensor *t,
                  int64_t first, int64_t rows) {
    char name[512];
    const size_t n = (size_t)snprintf(name, sizeof name, format, p->layer);
    snprintf(name + n, sizeof name - n, "%s", p->suffix);
    return add(r, name, t, first, rows);
}

/* Query, key and value one below the other. */
static int add_qkv(reader *r, const parted *p, const bert_gguf_tensor *t) {
    static const char *const parts[] = {"attn_q", "attn_k", "attn_v"};
    const int64_t rows = t->shape[0] / 3;
    int rc = 0;
    for (int i = 0; i < 3 && !rc; i++)
        rc = add_as(r, bert_gguf_original(r->family, p->layer, parts[i]), p, t, i * rows, rows);
    return rc;
}

static const char *name_of(const reader *r, const parted *p) {
    if (p->layer < 0 && !strncmp(p->part, "cls", 3) && !r->classifier) return NULL;
    return bert_gguf_original(r->family, p->layer, p->part);
}

static int add_tensor(reader *r, const bert_gguf_tensor *t) {
    const int64_t rows = t->dims ? t->shape[0] : 1;
    parted p;
    const bool named = split(t->name, &p);
    const bool apart = r->family <= BERT_GGUF_DISTILBERT || r->family == BERT_GGUF_JINA;
    if (named && apart && p.layer >= 0 && !strcmp(p.part, "attn_qkv") && t->dims && rows % 3 == 0)
        return add_qkv(r, &p, t);
    const char *format = named ? name_of(r, &p) : NULL;
    if (format) return add_as(r, format, &p, t, 0, rows);
    char name[256];
    if (!bert_utf8_valid(t->name.text, t->name.n))
        return bert_fail(r->e, BERT_EFORMAT, "%s: the name of a tensor is no text", r->in->path);
    snprintf(name, sizeof name, "%.*s", (int)t->name.n, t->name.text);
    return add(r, name, t, 0, rows);
}

/* What the converter of llama.cpp leaves out. */
static int note(const reader *r) {
    const bert_gguf *g = &r->file->header;
    if (r->classifier || r->family == BERT_GGUF_DISTILBERT) return 0;
    if (bert_gguf_tensor_named(g, "cls.weight") && r->family != BERT_GGUF_BERT)
        return bert_notes_say(
            r->in->notes, r->e,
            "%s: holds a classifier, which is read of BERT, RoBERTa and DistilBERT "
            "alone: only the encoder can be used",
            r->in->path);
    if (bert_gguf_tensor_named(g, "cls.weight"))
        return bert_notes_say(r->in->notes, r->e,
                              "%s: holds a classifier, but not the layer in front of it: only the "
                              "encoder can be used",
                              r->in->path);
    return bert_notes_say(r->in->notes, r->e,
                          "%s: has no pooler, nor heads: llama.cpp's converter leaves them out",
                          r->in->path);
}

/* Jina BERT v2 is other models under this name, too. */
static int check_jina(const reader *r) {
    static const struct {
        const char *tensor, *has;
    } others[] = {{"blk.0.ffn_gate.weight",
                   "whose gates lie apart, as converters of 2024 wrote them: "
                   "convert the original again"},
                  {"blk.0.attn_q_norm.weight", "whose queries and keys are normalised (-code)"},
                  {"blk.0.attn_norm_2.weight", "with a second LayerNorm behind attention"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (r->family == BERT_GGUF_JINA &&
            bert_gguf_tensor_named(&r->file->header, others[i].tensor))
            return bert_fail(r->e, BERT_EUNSUPPORTED,
                             "%s: holds %s: a Jina BERT v2 %s, which is not read", r->in->path,
                             others[i].tensor, others[i].has);
    return 0;
}

static void close_gguf(void *file) {
    gguf *f = file;
    bert_gguf_free(&f->header);
    bert_arena_free(&f->memory);
    free(f);
}

static void *open_gguf(const bert_tensor_file *in, bert_error *e) {
    gguf *f = calloc(1, sizeof *f);
    int rc = f ? bert_gguf_parse(&f->header, in->map, in->path, e) : bert_fail_memory(e, sizeof *f);
    reader r = {.file = f, .in = in, .e = e};
    if (!rc) rc = bert_gguf_check_bert(&f->header, e);
    if (!rc) {
        r.family = bert_gguf_family_of(&f->header);
        r.classifier = bert_gguf_has_classifier(&f->header);
    }
    if (!rc) rc = check_jina(&r);
    for (int i = 0; !rc && i < f->header.tensor_count; i++)
        rc = add_tensor(&r, &f->header.tensors[i]);
    if (!rc) rc = note(&r);
    if (!rc) return f;
    if (f) close_gguf(f);
    return NULL;
}

const bert_tensor_format bert_gguf_format = {
    .suffix = ".gguf",
    .open = open_gguf,
    .close = close_gguf,
};
