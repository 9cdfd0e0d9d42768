/* The steps between a text and the words of a model: normalizers and pre-tokenizers, each a row with
 * what it reads of a tokenizer.json, does, and writes there. */
#ifndef BERT_TEXT_STEPS_H
#define BERT_TEXT_STEPS_H
#include "text/charsmap.h"
#include "text/normalize.h"
#include <jansson.h>

/* A text in the making: code points, and where in the original each came from (in code points of
 * what is read). */
typedef struct {
    uint32_t *c;
    bert_span *at;
    size_t n, capacity;
} bert_chars;

typedef struct {
    size_t *ends;
    size_t n, capacity;
} bert_cuts;

typedef struct {
    const bert_tokenizer *t;
    bert_chars now, next;     /* what a step reads, what it writes */
    bert_chars text;          /* normalized */
    bert_cuts pieces, making; /* pre-tokenizers: where those of now end, and those of next */
    bool at_start;            /* what is read begins the text */
    bool inside;              /* what is read has text on both sides: Strip leaves it alone */
    bool failed;              /* out of memory */
    uint8_t *bytes;           /* scratch */
    size_t bytes_capacity;
    bert_normalizer_state bert;
} bert_work;

typedef struct bert_step bert_step;
typedef struct {
    const char *type;
    int (*read)(bert_tokenizer *t, const json_t *o, bert_step *s, const char *where, bert_error *e);
    /* Normalizers make next of now; pre-tokenizers of a piece, x[from .. to), and cut it. */
    void (*normalize)(const bert_step *s, bert_work *w);
    /* Of a normalizer: whether it does to c what it does to c alone wherever no space is near, and
     * what is joined to c in a cluster, if c is of three bytes or more, has as many. */
    bool (*alone)(const bert_step *s, uint32_t c);
    void (*split)(const bert_step *s, bert_work *w, const bert_chars *x, size_t from, size_t to);
    json_t *(*write)(const bert_tokenizer *t, const bert_step *s);
} bert_step_kind;

typedef enum { BERT_PREPEND_ALWAYS, BERT_PREPEND_FIRST, BERT_PREPEND_NEVER } bert_prepend;
typedef enum { BERT_TEXT_PATTERN, BERT_SPACES_PATTERN, BERT_BLANKS_PATTERN } bert_pattern;
struct bert_step {
    const bert_step_kind *kind;
    bool left, right;                             /* Strip */
    bert_pattern pattern;                         /* Replace */
    const char *from, *to;                        /* Replace */
    const bert_charsmap *charsmap;                /* Precompiled */
    uint32_t replacement;                         /* Metaspace */
    bert_prepend prepend;                         /* Metaspace */
    bool cuts;                                    /* Metaspace: split */
    bool add_prefix_space, trims, use_expression; /* ByteLevel */
};

/* The rows; each ends with one that has no type. */
extern const bert_step_kind bert_normalizer_kinds[], bert_pre_tokenizer_kinds[];

/* Reads a step, or a Sequence of them; `known`: what to say there is. */
int bert_steps_read(bert_tokenizer *t, const json_t *root, const char *key, const char *list_key,
                    const bert_step_kind *kinds, bert_step *steps, int *n, const char *where,
                    bert_error *e);
json_t *bert_steps_json(const bert_tokenizer *t, const bert_step *steps, int n,
                        const char *list_key);
/* A row by its type, for steps that are made of other files. */
const bert_step_kind *bert_step_kind_of(const bert_step_kind *kinds, const char *type);

/* Metaspace, which is a decoder, too. */
int bert_read_metaspace(const json_t *o, bert_step *s, const char *where, bert_error *e);
json_t *bert_metaspace_json(const bert_step *s);

void bert_work_free(bert_work *w);
/* One more character in next, which came from there; or took the place of the next one of now
 * (change 0), and of -change more, or was put there beside (1). */
void bert_chars_put(bert_work *w, uint32_t c, bert_span at);
void bert_chars_change(bert_work *w, uint32_t c, int32_t change);
/* Places of what bert_chars_change() wrote. */
void bert_chars_apply(bert_work *w);
/* next is now, and the other way round. */
void bert_work_turn(bert_work *w);
/* A piece ends where next does. */
void bert_work_cut(bert_work *w);

/* Normalizes now; the result is text. */
void bert_normalize_all(bert_work *w);
/* Cuts text[from .. to) into pieces, which are then all of now. */
void bert_pre_tokenize(bert_work *w, size_t from, size_t to);

/* NFD, NFC, NFKD, NFKC. */
void bert_normal_form(bert_work *w, bool compatible, bool composed);
/* Whether it does that to c whatever is around it. */
bool bert_normal_form_alone(uint32_t c, bool compatible, bool composed);
#endif
