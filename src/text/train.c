/* Vocabularies of WordPiece and of byte-level BPE from text, as PyPI tokenizers' trainers make them:
 * the characters, then again and again the most frequent pair of neighbours as a new token. Where
 * WordPiece's goes by the order of a hash table, we go by code point: equal frequencies may break
 * otherwise, nothing else differs. */
#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "text/byte_level.h"
#include "text/code_points.h"
#include "text/load.h"
#include "text/normalize.h"
#include "text/train_files.h"
#include "text/train_words.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPECIALS = 5 };
static const char *const specials[2][SPECIALS] = {{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"},
                                                  {"<s>", "<pad>", "</s>", "<unk>", "<mask>"}};

/* Texts by number, found by hash. */
typedef struct {
    char **text;
    int32_t *table; /* number + 1, or 0 */
    size_t n, capacity, slots;
    bert_arena arena;
} names;

typedef struct {
    int64_t count;
    int32_t *symbols;
    int32_t n;
} word;

typedef struct {
    uint64_t key; /* left << 32 | right */
    int64_t count;
    int32_t *words; /* where it occurs; a word may be there twice */
    int32_t n, capacity;
} pair;

typedef struct {
    int64_t count;
    uint64_t key;
    int32_t pair;
} entry;

typedef struct {
    int32_t left, right;
} joint;

typedef struct {
    bert_wordpiece_options o;
    bert_error *e;
    bool bytes;    /* BPE of bytes; else WordPiece, whose tokens within a word begin with ## */
    joint *joints; /* its merges, in their order */
    size_t joints_n, joints_capacity;
    bert_words words;
    names tokens;
    int64_t *characters;    /* [BERT_UNICODE_LAST + 1] how often */
    int32_t *plain, *inner; /* the token of a character, first in a word or not; -1 */
    int32_t *symbols;       /* of all words */
    word *list;
    pair *pairs;
    size_t pairs_n, pairs_capacity;
    int32_t *pair_table;
    size_t pair_slots;
    entry *heap;
    size_t heap_n, heap_capacity;
} trainer;

/* ---- Names */

static size_t name_slot(const names *s, const char *text) {
    size_t i = (size_t)bert_rng_stream(text) & (s->slots - 1);
    while (s->table[i] && strcmp(s->text[s->table[i] - 1], text)) i = (i + 1) & (s->slots - 1);
    return i;
}

static int name_grow(names *s) {
    size_t slots = s->slots ? 2 * s->slots : 1024;
    int32_t *table = calloc(slots, sizeof *table);
    char **text = table ? realloc(s->text, slots / 2 * sizeof *text) : NULL;
    if (!text) {
        free(table);
        return BERT_ENOMEM;
    }
    s->text = text;
    free(s->table);
    s->table = table;
    s->slots = slots;
    s->capacity = slots / 2;
    for (size_t i = 0; i < s->n; i++) s->table[name_slot(s, s->text[i])] = (int32_t)i + 1;
    return 0;
}

/* The number of a text, new or not; negative when memory is out. */
static int32_t name_number(names *s, const char *text) {
    if (s->n == s->capacity && name_grow(s)) return BERT_ENOMEM;
    size_t slot = name_slot(s, text);
    if (s->table[slot]) return s->table[slot] - 1;
    char *copy = bert_arena_strdup(&s->arena, text);
    if (!copy) return BERT_ENOMEM;
    s->text[s->n] = copy;
    s->table[slot] = (int32_t)++s->n;
    return (int32_t)s->n - 1;
}

static void names_free(names *s) {
    free(s->text);
    free(s->table);
    bert_arena_free(&s->arena);
}

static int room(void *array, size_t *capacity, size_t count, size_t size, bert_error *e) {
    if (count <= *capacity) return 0;
    size_t n = 2 * count + 256;
    void **slot = array, *larger = realloc(*slot, n * size);
    if (!larger) return bert_fail_memory(e, n * size);
    *slot = larger;
    *capacity = n;
    return 0;
}

/* ---- Text to words, as the tokenizer will split it */

typedef struct {
    const trainer *t;
    bert_normalizer_state normal; /* WordPiece */
    bert_words *words;
    uint8_t word[BERT_LONGEST_TRAINED]; /* that is being read */
    size_t bytes;
} splitter;

static bert_normalizer flags_of(const bert_tokenizer_options *o) {
    const bool lower = o->do_lower_case != 0;
    return (bert_normalizer){
        .present = true,
        .clean_text = true,
        .handle_chinese_chars = o->tokenize_chinese_chars != 0,
        .lowercase = lower,
        .strip_accents = o->strip_accents < 0 ? lower : o->strip_accents,
    };
}

static void *open_splitter(const void *setup) {
    splitter *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->t = setup;
    s->normal.flags = flags_of(&s->t->o.tokenizer);
    return s;
}

static void close_splitter(void *state) {
    splitter *s = state;
    bert_normalizer_free(&s->normal);
    free(s);
}

static void end_word(splitter *s) {
    bert_words_add(s->words, s->word, s->bytes);
    s->bytes = 0;
}

static void put_character(splitter *s, uint32_t c) {
    if (s->bytes + 8 > sizeof s->word) end_word(s);
    s->bytes += (size_t)bert_utf8_put(c, s->word + s->bytes);
}

static void put(void *context, uint32_t c, const bert_unicode *u, bert_span at) {
    (void)at;
    splitter *s = context;
    const bool alone = u->flags & BERT_CHAR_PUNCTUATION;
    if (alone || u->flags & BERT_CHAR_SPACE) end_word(s);
    if (u->flags & BERT_CHAR_SPACE || !c) return;
    put_character(s, c);
    if (alone) end_word(s);
}

static void cut_wordpiece(void *state, const uint8_t *p, size_t n, bert_words *words) {
    splitter *s = state;
    s->words = words;
    for (const uint8_t *end = p + n; p < end;)
        bert_normalizer_put(&s->normal, bert_utf8_next(&p, end), (bert_span){0, 0}, put, s);
    bert_normalizer_flush(&s->normal, put, s);
    end_word(s);
    words->failed |= s->normal.failed;
}

/* The words of a byte-level tokenizer, a character for each byte. */
static void cut_bytes(void *state, const uint8_t *p, size_t n, bert_words *words) {
    splitter *s = state;
    s->words = words;
    for (const uint8_t *end = p + n; p < end;) {
        const uint8_t *stop = bert_byte_level_word(p, end);
        while (p < stop) put_character(s, bert_byte_char(*p++));
        end_word(s);
    }
}

/* ---- The alphabet */

typedef struct {
    uint32_t c;
    int64_t count;
} letter;

static int by_count(const void *a, const void *b) {
    const letter *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return (x->c > y->c) - (x->c < y->c);
}

static int by_code_point(const void *a, const void *b) {
    const letter *x = a, *y = b;
    return (x->c > y->c) - (x->c < y->c);
}

static void count_characters(trainer *t) {
    for (size_t i = 0; i < t->words.n; i++) {
        const bert_counted_word *w = &t->words.list[i];
        const uint8_t *p = (const uint8_t *)w->text, *end = p + w->bytes;
        while (p < end) t->characters[bert_utf8_next(&p, end)] += w->count;
    }
}

static int add_alphabet(trainer *t) {
    size_t n = 0;
    for (int b = 0; t->bytes && b < 256; b++) t->characters[bert_byte_char((uint8_t)b)]++;
    for (uint32_t c = 0; c <= BERT_UNICODE_LAST; c++) n += t->characters[c] > 0;
    letter *letters = malloc((n + 1) * sizeof *letters);
    if (!letters) return bert_fail_memory(t->e, n * sizeof *letters);
    n = 0;
    for (uint32_t c = 0; c <= BERT_UNICODE_LAST; c++)
        if (t->characters[c]) letters[n++] = (letter){c, t->characters[c]};
    if (n > (size_t)t->o.limit_alphabet && !t->bytes) {
        qsort(letters, n, sizeof *letters, by_count);
        n = (size_t)t->o.limit_alphabet;
        qsort(letters, n, sizeof *letters, by_code_point);
    }
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        char text[8] = "";
        text[bert_utf8_put(letters[i].c, (uint8_t *)text)] = 0;
        t->plain[letters[i].c] = name_number(&t->tokens, text);
        if (t->plain[letters[i].c] < 0) rc = bert_fail_memory(t->e, sizeof text);
    }
    free(letters);
    return rc;
}

/* Characters that are not in the alphabet leave no trace in a word. */
static int spell(trainer *t, size_t i, int32_t *symbols) {
    word *w = &t->list[i];
    const uint8_t *begin = (const uint8_t *)t->words.list[i].text, *p = begin,
                  *end = p + t->words.list[i].bytes;
    w->symbols = symbols;
    w->count = t->words.list[i].count;
    while (p < end) {
        const bool first = p == begin;
        uint32_t c = bert_utf8_next(&p, end);
        int32_t id = t->plain[c];
        if (id < 0) continue;
        if (!first && !t->bytes && (id = t->inner[c]) < 0) {
            char text[12] = "##";
            text[2 + bert_utf8_put(c, (uint8_t *)text + 2)] = 0;
            id = t->inner[c] = name_number(&t->tokens, text);
            if (id < 0) return bert_fail_memory(t->e, sizeof text);
        }
        w->symbols[w->n++] = id;
    }
    return 0;
}

/* ---- Pairs */

static size_t pair_slot(const trainer *t, uint64_t key) {
    size_t i = (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (t->pair_slots - 1);
    while (t->pair_table[i] && t->pairs[t->pair_table[i] - 1].key != key)
        i = (i + 1) & (t->pair_slots - 1);
    return i;
}

static int pair_grow(trainer *t) {
    size_t slots = t->pair_slots ? 2 * t->pair_slots : 1 << 16;
    int32_t *table = calloc(slots, sizeof *table);
    if (!table) return bert_fail_memory(t->e, slots * sizeof *table);
    free(t->pair_table);
    t->pair_table = table;
    t->pair_slots = slots;
    for (size_t i = 0; i < t->pairs_n; i++)
        t->pair_table[pair_slot(t, t->pairs[i].key)] = (int32_t)i + 1;
    return 0;
}

/* Adds delta to a pair's count; word >= 0: where it now also is. Its number, or a negative error.
 */
static int32_t pair_add(trainer *t, int32_t left, int32_t right, int64_t delta, int32_t where) {
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    if (2 * t->pairs_n >= t->pair_slots && pair_grow(t)) return BERT_ENOMEM;
    size_t slot = pair_slot(t, key);
    if (!t->pair_table[slot]) {
        if (room(&t->pairs, &t->pairs_capacity, t->pairs_n + 1, sizeof *t->pairs, t->e))
            return BERT_ENOMEM;
        t->pairs[t->pairs_n] = (pair){.key = key};
        t->pair_table[slot] = (int32_t)++t->pairs_n;
    }
    const int32_t number = t->pair_table[slot] - 1;
    pair *p = &t->pairs[number];
    p->count += delta;
    if (where < 0 || (p->n && p->words[p->n - 1] == where)) return number;
    size_t capacity = (size_t)p->capacity;
    if (room(&p->words, &capacity, (size_t)p->n + 1, sizeof *p->words, t->e)) return BERT_ENOMEM;
    p->capacity = (int32_t)capacity;
    p->words[p->n++] = where;
    return number;
}

/* ---- The heap: the most frequent pair first, of equal ones the one with the older tokens */

static bool above(const entry *a, const entry *b) {
    return a->count != b->count ? a->count > b->count : a->key < b->key;
}

static int heap_push(trainer *t, int32_t number) {
    const pair *p = &t->pairs[number];
    if (p->count < 1) return 0;
    if (room(&t->heap, &t->heap_capacity, t->heap_n + 1, sizeof *t->heap, t->e)) return BERT_ENOMEM;
    const entry x = {p->count, p->key, number};
    size_t i = t->heap_n++;
    for (; i && above(&x, &t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = x;
    return 0;
}

static entry heap_pop(trainer *t) {
    const entry top = t->heap[0], x = t->heap[--t->heap_n];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < t->heap_n) {
        if (child + 1 < t->heap_n && above(&t->heap[child + 1], &t->heap[child])) child++;
        if (!above(&t->heap[child], &x)) break;
        t->heap[i] = t->heap[child];
        i = child;
    }
    t->heap[i] = x;
    return top;
}

/* ---- Merges */

static int note_change(trainer *t, int32_t left, int32_t right, int64_t delta, int32_t where,
                       bool fresh) {
    int32_t number = pair_add(t, left, right, delta, fresh ? where : -1);
    return number < 0 ? number : fresh ? heap_push(t, number) : 0;
}

/* In one pass: what is behind a pair moves up as it is read. */
static int merge_in_word(trainer *t, int32_t where, int32_t left, int32_t right, int32_t joined) {
    word *w = &t->list[where];
    int rc = 0;
    int32_t to = 0;
    for (int32_t i = 0; i < w->n && !rc; i++, to++) {
        w->symbols[to] = w->symbols[i];
        if (i + 1 == w->n || w->symbols[i] != left || w->symbols[i + 1] != right) continue;
        const int32_t before = to ? w->symbols[to - 1] : -1,
                      after = i + 2 < w->n ? w->symbols[i + 2] : -1;
        if (before >= 0) rc = note_change(t, before, left, -w->count, where, false);
        if (before >= 0 && !rc) rc = note_change(t, before, joined, w->count, where, true);
        if (after >= 0 && !rc) rc = note_change(t, right, after, -w->count, where, false);
        if (after >= 0 && !rc) rc = note_change(t, joined, after, w->count, where, true);
        w->symbols[to] = joined;
        i++;
    }
    w->n = to;
    return rc;
}

static int32_t joined_token(trainer *t, int32_t left, int32_t right) {
    const char *a = t->tokens.text[left], *b = t->tokens.text[right];
    if (!t->bytes && !strncmp(b, "##", 2)) b += 2;
    const size_t n = strlen(a), m = strlen(b);
    char *text = malloc(n + m + 1);
    if (!text) return bert_fail_memory(t->e, n + m);
    memcpy(text, a, n);
    memcpy(text + n, b, m + 1);
    const int32_t number = name_number(&t->tokens, text);
    free(text);
    return number < 0 ? bert_fail_memory(t->e, n + m) : number;
}

static int merge(trainer *t, int32_t number) {
    const int32_t left = (int32_t)(t->pairs[number].key >> 32),
                  right = (int32_t)(t->pairs[number].key & 0xffffffffu);
    const int32_t joined = joined_token(t, left, right);
    if (joined < 0) return joined;
    if (t->bytes) {
        if (room(&t->joints, &t->joints_capacity, t->joints_n + 1, sizeof *t->joints, t->e))
            return BERT_ENOMEM;
        t->joints[t->joints_n++] = (joint){left, right};
    }
    int32_t *words = t->pairs[number].words, n = t->pairs[number].n;
    t->pairs[number].words = NULL; /* t->pairs may move below */
    t->pairs[number].n = t->pairs[number].capacity = 0;
    int rc = 0;
    for (int32_t i = 0; i < n && !rc; i++) rc = merge_in_word(t, words[i], left, right, joined);
    free(words);
    t->pairs[number].count = 0;
    return rc;
}

static int merge_all(trainer *t) {
    int rc = 0;
    for (size_t i = 0; i < t->words.n && !rc; i++)
        for (int32_t k = 0; k + 1 < t->list[i].n && !rc; k++)
            if (pair_add(t, t->list[i].symbols[k], t->list[i].symbols[k + 1], t->list[i].count,
                         (int32_t)i) < 0)
                rc = BERT_ENOMEM;
    for (size_t i = 0; i < t->pairs_n && !rc; i++) rc = heap_push(t, (int32_t)i);
    while (!rc && t->heap_n && t->tokens.n < (size_t)t->o.vocab_size) {
        const entry top = heap_pop(t);
        const int64_t count = t->pairs[top.pair].count;
        if (count != top.count) /* it has changed since it was put there */
            rc = heap_push(t, top.pair);
        else if (count < t->o.min_frequency)
            break;
        else
            rc = merge(t, top.pair);
    }
    return rc;
}

/* ---- From files to a directory */

static int spell_all(trainer *t) {
    size_t bytes = 0;
    for (size_t i = 0; i < t->words.n; i++) bytes += t->words.list[i].bytes;
    t->list = calloc(t->words.n, sizeof *t->list);
    t->symbols = malloc((bytes + 1) * sizeof *t->symbols);
    if (!t->list || !t->symbols) return bert_fail_memory(t->e, bytes * sizeof *t->symbols);
    int rc = 0;
    int32_t *symbols = t->symbols;
    for (size_t i = 0; i < t->words.n && !rc; i++) {
        rc = spell(t, i, symbols);
        symbols += t->list[i].n;
    }
    return rc;
}

static int learn(trainer *t, const char *const *paths, int n) {
    const bert_word_cutter cutter = {open_splitter, t->bytes ? cut_bytes : cut_wordpiece,
                                     close_splitter, t};
    const size_t points = (size_t)BERT_UNICODE_LAST + 1;
    int rc = 0;
    t->characters = calloc(points, sizeof *t->characters);
    t->plain = malloc(2 * points * sizeof *t->plain);
    if (!t->characters || !t->plain) return bert_fail_memory(t->e, points * sizeof *t->characters);
    memset(t->plain, 0xff, 2 * points * sizeof *t->plain);
    t->inner = t->plain + points;
    for (int i = 0; i < SPECIALS && !rc; i++)
        if (name_number(&t->tokens, specials[t->bytes][i]) < 0) rc = bert_fail_memory(t->e, 1);
    if (!rc) rc = bert_count_words(&cutter, paths, n, &t->o.reader, t->o.threads, &t->words, t->e);
    if (!rc && t->words.n > INT32_MAX)
        rc = bert_fail(t->e, BERT_EUNSUPPORTED, "more than %d different words", INT32_MAX);
    if (rc) return rc;
    count_characters(t);
    rc = add_alphabet(t);
    if (!rc) rc = spell_all(t);
    return rc ? rc : merge_all(t);
}

static int write_vocabulary(const trainer *t, const char *path, bert_error *e) {
    bert_writer *w = bert_writer_open(path, e);
    int rc = w ? 0 : e->code;
    for (size_t i = 0; i < t->tokens.n && !rc; i++)
        rc = bert_writer_printf(w, e, "%s\n", t->tokens.text[i]);
    return rc ? (bert_writer_abort(w), rc) : bert_writer_commit(w, e);
}

static int write_merges(const trainer *t, const char *path, bert_error *e) {
    bert_writer *w = bert_writer_open(path, e);
    int rc = w ? bert_writer_printf(w, e, "#version: 0.2\n") : e->code;
    for (size_t i = 0; i < t->joints_n && !rc; i++)
        rc = bert_writer_printf(w, e, "%s %s\n", t->tokens.text[t->joints[i].left],
                                t->tokens.text[t->joints[i].right]);
    if (!w) return rc;
    return rc ? (bert_writer_abort(w), rc) : bert_writer_commit(w, e);
}

static int write_ids(const trainer *t, const char *path, bert_error *e) {
    json_t *vocab = json_object();
    int rc = 0;
    for (size_t i = 0; i < t->tokens.n && !rc; i++)
        rc = json_object_set_new(vocab, t->tokens.text[i], json_integer((json_int_t)i));
    rc = rc ? bert_fail_memory(e, t->tokens.n) : bert_json_save(vocab, path, e);
    json_decref(vocab);
    return rc;
}

/* A file that this tokenizer is read from, and what it is saved as. */
static int write_tokenizer(const trainer *t, const char *directory, bert_error *e) {
    char *path = bert_path_join(directory, t->bytes ? "vocab.json" : "vocab.txt"),
         *merges = bert_path_join(directory, "merges.txt");
    int rc = path && merges ? bert_tokenizer_directory(directory, e)
                            : bert_fail_memory(e, strlen(directory));
    if (!rc) rc = t->bytes ? write_ids(t, path, e) : write_vocabulary(t, path, e);
    if (!rc && t->bytes) rc = write_merges(t, merges, e);
    bert_tokenizer *made =
        rc ? NULL : bert_tokenizer_open(path, t->bytes ? NULL : &t->o.tokenizer, e);
    free(path);
    free(merges);
    if (!rc) rc = made ? bert_tokenizer_save(made, directory, e) : e->code;
    bert_tokenizer_close(made);
    return rc;
}

static void trainer_free(trainer *t) {
    bert_words_free(&t->words);
    names_free(&t->tokens);
    for (size_t i = 0; i < t->pairs_n; i++) free(t->pairs[i].words);
    free(t->pairs);
    free(t->joints);
    free(t->pair_table);
    free(t->heap);
    free(t->list);
    free(t->symbols);
    free(t->plain);
    free(t->characters);
    free(t);
}

bert_wordpiece_options bert_wordpiece_default(void) {
    return (bert_wordpiece_options){.vocab_size = 30000,
                                    .min_frequency = 2,
                                    .limit_alphabet = 1000,
                                    .tokenizer = bert_tokenizer_default()};
}

static int train(bool bytes, const char *const *paths, int n, const bert_wordpiece_options *options,
                 const char *directory, bert_error *e) {
    trainer *t = calloc(1, sizeof *t);
    if (!t) return bert_fail_memory(e, sizeof *t);
    t->o = options ? *options : bert_wordpiece_default();
    t->e = e;
    t->bytes = bytes;
    const int least = SPECIALS + (bytes ? 256 : 0);
    int rc =
        n > 0 && t->o.vocab_size > least && t->o.limit_alphabet > 0
            ? learn(t, paths, n)
            : bert_fail(e, BERT_EINVAL,
                        "a vocabulary needs a file, more than %d tokens, and an alphabet", least);
    if (!rc) rc = write_tokenizer(t, directory, e);
    trainer_free(t);
    return rc;
}

int bert_train_wordpiece(const char *const *paths, int n, const bert_wordpiece_options *options,
                         const char *directory, bert_error *e) {
    BERT_DOOR(e);
    return train(false, paths, n, options, directory, e);
}

int bert_train_bpe(const char *const *paths, int n, const bert_wordpiece_options *options,
                   const char *directory, bert_error *e) {
    BERT_DOOR(e);
    return train(true, paths, n, options, directory, e);
}
