#include "text/sentencepiece.h"
#include "base/error.h"
#include "text/code_points.h"
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------------------- Protobuf */

typedef struct {
    const uint8_t *p, *end;
    bool bad;
} cursor;

typedef struct {
    uint32_t number;
    uint64_t value;    /* of a number; the bits of a float */
    const uint8_t *at; /* of bytes */
    size_t bytes;
} field;

static uint64_t read_varint(cursor *c) {
    uint64_t v = 0;
    for (int shift = 0; c->p < c->end && shift < 64; shift += 7) {
        const uint8_t byte = *c->p++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return v;
    }
    c->bad = true;
    return 0;
}

static uint64_t read_fixed(cursor *c, size_t bytes) {
    uint64_t v = 0;
    if ((size_t)(c->end - c->p) < bytes) {
        c->bad = true;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++) v |= (uint64_t)*c->p++ << 8 * i;
    return v;
}

/* The next field of a message; false at its end, or where it is no message. */
static bool next_field(cursor *c, field *f) {
    enum { VARINT, FIXED64, BYTES, FIXED32 = 5 };
    if (c->bad || c->p == c->end) return false;
    const uint64_t key = read_varint(c);
    *f = (field){.number = (uint32_t)(key >> 3)};
    switch (key & 7) {
    case VARINT:
        f->value = read_varint(c);
        break;
    case FIXED64:
        f->value = read_fixed(c, 8);
        break;
    case FIXED32:
        f->value = read_fixed(c, 4);
        break;
    case BYTES:
        f->value = read_varint(c);
        if (f->value > (uint64_t)(c->end - c->p)) c->bad = true;
        if (c->bad) return false;
        f->at = c->p;
        f->bytes = (size_t)f->value;
        c->p += f->bytes;
        break;
    default:
        c->bad = true;
    }
    return !c->bad && f->number;
}

static cursor inside(const field *f) {
    return (cursor){f->at, f->at + f->bytes, false};
}

/* ----------------------------------------------------------------------------- Messages */

static bool read_piece(const field *message, bert_spm_piece *piece) {
    cursor c = inside(message);
    field f;
    *piece = (bert_spm_piece){.text = "", .type = BERT_PIECE_NORMAL};
    while (next_field(&c, &f)) {
        if (f.number == 1 && f.at) {
            piece->text = (const char *)f.at;
            piece->bytes = f.bytes;
        } else if (f.number == 2 && !f.at) {
            const uint32_t bits = (uint32_t)f.value;
            float score;
            memcpy(&score, &bits, sizeof score);
            piece->score = (double)score;
        } else if (f.number == 3 && !f.at)
            piece->type = (int)(f.value & 0xff);
    }
    return !c.bad && piece->score == piece->score && !memchr(piece->text, 0, piece->bytes) &&
           bert_utf8_valid((const uint8_t *)piece->text, piece->bytes);
}

static bool read_trainer(const field *message, bert_spm *m) {
    enum { MODEL_TYPE = 3, UNK_ID = 40 };
    cursor c = inside(message);
    field f;
    while (next_field(&c, &f)) {
        if (f.number == MODEL_TYPE) m->model_type = (int)(f.value & 0xff);
        if (f.number == UNK_ID) m->unk_id = (int)(f.value & 0x7fffffff);
    }
    return !c.bad;
}

static bool read_normalizer(const field *message, bert_spm *m) {
    enum { CHARSMAP = 2 };
    cursor c = inside(message);
    field f;
    while (next_field(&c, &f))
        if (f.number == CHARSMAP && f.at) {
            m->charsmap = f.at;
            m->charsmap_bytes = f.bytes;
        }
    return !c.bad;
}

static bool add_piece(bert_spm *m, size_t *capacity, const field *f, bert_error *e) {
    if (m->n == *capacity) {
        const size_t larger = 2 * *capacity + 4096;
        bert_spm_piece *pieces = realloc(m->pieces, larger * sizeof *pieces);
        if (!pieces) {
            bert_fail_memory(e, larger * sizeof *pieces);
            return false;
        }
        m->pieces = pieces;
        *capacity = larger;
    }
    return read_piece(f, &m->pieces[m->n++]);
}

int bert_spm_read(bert_spm *m, const void *data, size_t bytes, const char *where, bert_error *e) {
    enum { PIECE = 1, TRAINER, NORMALIZER };
    cursor c = {data, (const uint8_t *)data + bytes, false};
    size_t capacity = 0;
    bool good = true;
    field f;
    *m = (bert_spm){.model_type = 1};
    while (good && next_field(&c, &f)) {
        if (!f.at) continue;
        if (f.number == PIECE)
            good = add_piece(m, &capacity, &f, e);
        else if (f.number == TRAINER)
            good = read_trainer(&f, m);
        else if (f.number == NORMALIZER)
            good = read_normalizer(&f, m);
    }
    if (e->code) return e->code;
    if (good && !c.bad && c.p == c.end && m->n) return BERT_OK;
    return bert_fail(e, BERT_EFORMAT,
                     "%s: not a SentencePiece model: it is cut off or of another kind at byte %zu",
                     where, (size_t)(c.p - (const uint8_t *)data));
}

void bert_spm_free(bert_spm *m) {
    free(m->pieces);
    *m = (bert_spm){0};
}
