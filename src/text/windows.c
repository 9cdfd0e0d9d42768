#include "text/windows.h"
#include "base/error.h"
#include "text/code_points.h"
#include "text/tokenization.h"
#include "text/trim.h"
#include <limits.h>
#include <stdlib.h>

bert_tokenize_options bert_tokenize_default(void) {
    return (bert_tokenize_options){.add_special_tokens = true};
}

/* ------------------------------------------------------------------------ Truncation */

/* How one sequence is cut: its windows overlap by stride and end at its end (or begin at its
 * beginning, from the left). */
typedef struct {
    int32_t length, keep, stride;
    bool left;
    int32_t windows;
} cut;

static int cut_sequence(cut *c, int32_t length, int32_t keep, const bert_tokenize_options *o,
                        bert_error *e) {
    *c = (cut){length, keep, o->stride, o->truncate_left, 1};
    if (keep >= length) {
        c->keep = length;
        return BERT_OK;
    }
    if (keep == 0) { /* nothing, and then all of it */
        c->windows = 2;
        return BERT_OK;
    }
    if (o->stride >= keep)
        return bert_fail(e, BERT_EINVAL,
                         "stride %d leaves no room to advance: only %d tokens of a text fit in a "
                         "window; use a stride below that, or a larger max_length",
                         o->stride, keep);
    int32_t step = keep - o->stride;
    c->windows = 1 + (length - keep + step - 1) / step;
    return BERT_OK;
}

static void cut_window(const cut *c, int32_t i, int32_t *start, int32_t *stop) {
    if (c->keep == 0) {
        *start = 0;
        *stop = i ? c->length : 0;
        return;
    }
    int32_t step = i * (c->keep - c->stride);
    if (c->left) {
        *stop = c->length - step;
        *start = *stop > c->keep ? *stop - c->keep : 0;
    } else {
        *start = step;
        *stop = c->length - step > c->keep ? step + c->keep : c->length;
    }
}

/* Tokens that each sequence may keep; room: for both. */
static int share_room(int64_t n[2], bool pair, int32_t room, bert_truncation how, bert_error *e) {
    if (room == 0) {
        n[0] = n[1] = 0;
        return BERT_OK;
    }
    int64_t excess = n[0] + n[1] - room;
    if (excess <= 0) return BERT_OK;
    if (how == BERT_TRUNCATE_LONGEST_FIRST && !pair)
        n[0] = room;
    else if (how == BERT_TRUNCATE_LONGEST_FIRST) {
        int shorter = n[0] > n[1];
        int64_t n1 = n[shorter], n2 = n1;
        if (n1 <= room && n2 < room - n1) n2 = room - n1;
        if (n1 + n2 > room) {
            n1 = room / 2;
            n2 = n1 + room % 2;
        }
        n[shorter] = n1;
        n[!shorter] = n2;
    } else {
        int which = how == BERT_TRUNCATE_ONLY_SECOND;
        if (which && !pair)
            return bert_fail(e, BERT_EINVAL, "only_second truncates a second text; there is none");
        if (n[which] <= excess)
            return bert_fail(e, BERT_EINVAL,
                             "the %s text has %lld tokens, and %lld too many are there: cutting it "
                             "alone does not reach max_length",
                             which ? "second" : "first", (long long)n[which], (long long)excess);
        n[which] -= excess;
    }
    return BERT_OK;
}

/* --------------------------------------------------------------------------- Windows */

static int reserve_tokens(bert_tokenization *tok, size_t n, bert_error *e) {
    if (tok->window_capacity && n <= tok->window_capacity) return BERT_OK;
    size_t capacity = tok->window_capacity + tok->window_capacity / 2;
    if (capacity < n) capacity = n;
    if (capacity < 128) capacity = 128;
    void **const blocks[] = {(void **)&tok->ids,      (void **)&tok->type_ids,
                             (void **)&tok->word_ids, (void **)&tok->sequence_ids,
                             (void **)&tok->offsets,  (void **)&tok->special};
    const size_t sizes[] = {sizeof *tok->ids,          sizeof *tok->type_ids, sizeof *tok->word_ids,
                            sizeof *tok->sequence_ids, sizeof *tok->offsets,  sizeof *tok->special};
    for (int i = 0; i < 6; i++) {
        void *p = capacity < SIZE_MAX / 8 ? realloc(*blocks[i], capacity * sizes[i]) : NULL;
        if (!p) return bert_fail_memory(e, capacity * sizes[i]);
        *blocks[i] = p;
    }
    tok->window_capacity = capacity;
    return BERT_OK;
}

static size_t put_special(bert_tokenization *tok, size_t at, const bert_piece *p) {
    tok->ids[at] = p->id;
    tok->type_ids[at] = tok->t->no_types ? 0 : p->type_id;
    tok->word_ids[at] = tok->sequence_ids[at] = -1;
    tok->offsets[at][0] = tok->offsets[at][1] = 0;
    tok->special[at] = 1;
    return at + 1;
}

/* With no post-processor the reference forgets the sequence ids of further windows of a pair; here
 * they are kept. */
static size_t put_sequence(bert_tokenization *tok, size_t at, int sequence, int32_t start,
                           int32_t stop, int32_t type_id) {
    const bert_tokens *s = &tok->sequences[sequence];
    size_t n = (size_t)(stop - start);
    if (!n) return at;
    memcpy(tok->ids + at, s->ids + start, n * sizeof *tok->ids);
    memcpy(tok->word_ids + at, s->words + start, n * sizeof *tok->word_ids);
    memcpy(tok->offsets + at, s->offsets + start, n * sizeof *tok->offsets);
    memset(tok->special + at, 0, n);
    if (tok->t->trims)
        bert_trim_offsets(tok->t, s, (size_t)start, n, tok->byte_offsets ? s->text : NULL,
                          tok->offsets + at);
    for (size_t i = at; i < at + n; i++) {
        tok->type_ids[i] = tok->t->no_types ? 0 : type_id;
        tok->sequence_ids[i] = sequence;
    }
    return at + n;
}

/* Window (i, j): the i-th cut of A with the j-th of B, in the template. The reference gives types
 * to the first cuts by the template, and to the others by the sequence; RoBERTa's are all 0. */
static size_t put_window(bert_tokenization *tok, size_t at, const bert_template *template,
                         bool specials, const cut cuts[2], const int32_t index[2]) {
    for (int k = 0; k < template->n; k++) {
        const bert_piece *p = &template->pieces[k];
        if (p->kind == BERT_PIECE_SPECIAL) {
            if (specials) at = put_special(tok, at, p);
            continue;
        }
        int s = p->kind == BERT_PIECE_B;
        int32_t start, stop;
        cut_window(&cuts[s], index[s], &start, &stop);
        const bool other = index[s] && !(specials && tok->t->post == BERT_POST_ROBERTA);
        at = put_sequence(tok, at, s, start, stop, other ? s : p->type_id);
    }
    return at;
}

/* All windows of the pair in the reference's order: the first cuts; each further cut of the outer
 * sequence (the first in the template) with every cut of the inner one; then the first of the outer
 * with the further ones of the inner. */
static int put_windows(bert_tokenization *tok, const bert_template *template, const cut cuts[2],
                       const bert_tokenize_options *o, bert_error *e) {
    int outer = 0;
    for (int k = template->n; k--;)
        if (template->pieces[k].kind != BERT_PIECE_SPECIAL)
            outer = template->pieces[k].kind == BERT_PIECE_B;
    const int32_t n_outer = o->overflowing ? cuts[outer].windows : 1,
                  n_inner = o->overflowing ? cuts[!outer].windows : 1;
    const int64_t windows = (int64_t)n_outer * n_inner;
    if (windows >= INT32_MAX)
        return bert_fail(e, BERT_EINVAL, "the pair has %lld windows; use a larger max_length",
                         (long long)windows);
    if ((size_t)windows + 1 > tok->starts_capacity) {
        size_t *starts = realloc(tok->starts, ((size_t)windows + 1) * sizeof *starts);
        if (!starts) return bert_fail_memory(e, ((size_t)windows + 1) * sizeof *starts);
        tok->starts = starts;
        tok->starts_capacity = (size_t)windows + 1;
    }
    size_t most = (o->add_special_tokens ? (size_t) template->specials : 0);
    for (int s = 0; s < 2; s++) most += (size_t)(cuts[s].keep ? cuts[s].keep : cuts[s].length);
    if (most > INT32_MAX)
        return bert_fail(e, BERT_EINVAL, "the text has more than %d tokens", INT32_MAX);
    if (most && (size_t)windows > SIZE_MAX / 16 / most) return bert_fail_memory(e, SIZE_MAX);
    int rc = reserve_tokens(tok, most * (size_t)windows, e);
    if (rc) return rc;
    size_t at = 0;
    int32_t w = 0;
    for (int32_t turn = 0; turn < 3; turn++)
        for (int32_t i = turn == 1; i < (turn == 1 ? n_outer : 1); i++)
            for (int32_t j = turn == 2; j < (turn ? n_inner : 1); j++) {
                int32_t index[2];
                index[outer] = i;
                index[!outer] = j;
                at = put_window(tok, at, template, o->add_special_tokens, cuts, index);
                tok->starts[++w] = at;
            }
    tok->windows = w;
    return BERT_OK;
}

static int check(const bert_tokenization *tok, const char *text, size_t text_bytes,
                 const char *pair, size_t pair_bytes, const bert_tokenize_options *o,
                 bert_error *e) {
    if (!tok || (!text && text_bytes))
        return bert_fail(e, BERT_EINVAL, "bert_tokenize: an argument is NULL");
    if (text_bytes > INT32_MAX || (pair && pair_bytes > INT32_MAX))
        return bert_fail(e, BERT_EINVAL,
                         "bert_tokenize: a text of %zu bytes; offsets reach %d: split it",
                         text_bytes > INT32_MAX ? text_bytes : pair_bytes, INT32_MAX);
    if (o->truncation < BERT_TRUNCATE_NONE || o->truncation > BERT_TRUNCATE_ONLY_SECOND)
        return bert_fail(e, BERT_EINVAL, "bert_tokenize: truncation %d is none of the strategies",
                         (int)o->truncation);
    if (o->truncation != BERT_TRUNCATE_NONE && (o->max_length < 0 || o->stride < 0))
        return bert_fail(e, BERT_EINVAL,
                         "bert_tokenize: max_length %d and stride %d must not be negative",
                         o->max_length, o->stride);
    return BERT_OK;
}

int bert_tokenize(bert_tokenization *tok, const char *text, size_t text_bytes, const char *pair,
                  size_t pair_bytes, const bert_tokenize_options *options, bert_error *e) {
    BERT_DOOR(e);
    bert_tokenize_options o = options ? *options : bert_tokenize_default();
    int rc = check(tok, text, text_bytes, pair, pair_bytes, &o, e);
    if (rc) return rc;
    if (tok->t->truncate_left && !o.overflowing) o.truncate_left = true;
    tok->windows = 0;
    tok->byte_offsets = o.byte_offsets;
    rc = bert_read_text(tok, text ? text : "", text_bytes, &tok->sequences[0], true, e);
    tok->sequences[1].n = 0;
    if (!rc && pair) rc = bert_read_text(tok, pair, pair_bytes, &tok->sequences[1], true, e);
    if (rc) return rc;
    const bert_template *template = pair ? &tok->t->pair : &tok->t->single;
    int64_t n[2] = {(int64_t)tok->sequences[0].n, (int64_t)tok->sequences[1].n};
    int32_t specials = o.add_special_tokens ? template->specials : 0;
    if (n[0] + n[1] + specials > INT32_MAX)
        return bert_fail(e, BERT_EINVAL, "bert_tokenize: the text has more than %d tokens",
                         INT32_MAX);
    tok->full_length = (int32_t)(n[0] + n[1] + specials);
    if (o.truncation != BERT_TRUNCATE_NONE) {
        if (o.max_length < specials)
            return bert_fail(e, BERT_EINVAL,
                             "max_length %d does not leave room for the %d special tokens",
                             o.max_length, specials);
        if (o.stride && o.stride > o.max_length - tok->t->single.specials)
            return bert_fail(e, BERT_EINVAL,
                             "stride %d is more than max_length %d leaves for a text", o.stride,
                             o.max_length);
        rc = share_room(n, pair, o.max_length - specials, o.truncation, e);
    }
    cut cuts[2];
    for (int s = 0; s < 2 && !rc; s++)
        rc = cut_sequence(&cuts[s], (int32_t)tok->sequences[s].n, (int32_t)n[s], &o, e);
    if (!rc) rc = put_windows(tok, template, cuts, &o, e);
    return rc ? rc : tok->windows;
}

bert_token_window bert_tokenization_window(const bert_tokenization *tok, int i) {
    if (!tok || i < 0 || i >= tok->windows) return (bert_token_window){0};
    size_t at = tok->starts[i];
    return (bert_token_window){.n = (int32_t)(tok->starts[i + 1] - at),
                               .ids = tok->ids + at,
                               .type_ids = tok->type_ids + at,
                               .word_ids = tok->word_ids + at,
                               .sequence_ids = tok->sequence_ids + at,
                               .offsets = (const int32_t(*)[2])tok->offsets + at,
                               .special_tokens_mask = tok->special + at};
}

int bert_tokenize_windows(bert_tokenization *tok, const bert_text *text,
                          const bert_tokenize_options *o, bert_error *e) {
    int n = bert_tokenize(tok, text->text, text->bytes, text->pair, text->pair_bytes, o, e);
    for (int i = 0; o->overflowing && i < n; i++)
        if (bert_tokenization_window(tok, i).n > o->max_length)
            return bert_fail(e, BERT_EINVAL, "max_length %d leaves no room to read a text in",
                             o->max_length);
    return n;
}

int bert_tokenize_question(bert_tokenization *tok, const bert_text *both, int32_t max_length,
                           int32_t stride, bert_error *e) {
    bert_tokenize_options o = bert_tokenize_default();
    o.truncation = BERT_TRUNCATE_ONLY_SECOND;
    o.max_length = max_length;
    o.stride = stride;
    o.overflowing = true;
    bert_error local = {0};
    tok->sequences[0].n = 0;
    int n = bert_tokenize_windows(tok, both, &o, &local);
    if (n >= 0) return n;
    const int32_t tokens = (int32_t)tok->sequences[0].n, specials = tok->t->pair.specials;
    if (local.code == BERT_EINVAL && tokens >= max_length - specials)
        return bert_fail(e, BERT_EINVAL,
                         "the question has %d tokens, which leaves no room for its context in "
                         "windows of %d: it takes a shorter one, or a larger max_length",
                         (int)tokens, (int)max_length);
    return bert_fail(e, n, "%s", local.message);
}

int32_t bert_tokenization_full_length(const bert_tokenization *tok) {
    return tok ? tok->full_length : 0;
}

int32_t bert_tokenization_char_to_token(const bert_tokenization *tok, int w, int32_t pos,
                                        int sequence) {
    bert_token_window x = bert_tokenization_window(tok, w);
    for (int32_t i = 0; i < x.n; i++)
        if (x.sequence_ids[i] == sequence && x.offsets[i][0] <= pos && pos < x.offsets[i][1])
            return i;
    return -1;
}
