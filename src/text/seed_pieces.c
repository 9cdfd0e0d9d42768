#include "text/seed_pieces.h"
#include "base/error.h"
#include "base/threads.h"
#include "text/code_points.h"
#include "text/scripts.h"
#include <stdlib.h>
#include <string.h>

enum { MARK = 0x2581 };

typedef struct {
    uint32_t at, word; /* where it begins; of which word */
} suffix;

typedef struct {
    const bert_words *words;
    const bert_alphabet *alphabet;
    uint32_t longest; /* characters */
    uint8_t *text;    /* the words, a NUL behind each */
    suffix *suffixes, *scratch;
    size_t n;
    size_t *starts; /* [BUCKETS + 1], of suffixes by their first two bytes */
} finder;

enum { BUCKETS = 1 << 16 };

void bert_learned_pieces_free(bert_learned_pieces *p) {
    free(p->list);
    free(p->texts);
    *p = (bert_learned_pieces){0};
}

static size_t bucket_of(const uint8_t *p) {
    return (size_t)p[0] << 8 | p[1];
}

/* ---- The suffix array */

static int lay_out(finder *f, bert_error *e) {
    size_t bytes = 0, n = 0;
    for (size_t i = 0; i < f->words->n; i++) bytes += f->words->list[i].bytes + 1;
    if (bytes > UINT32_MAX)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "the different words are %zu bytes long together; 4 GB is the most",
                         bytes);
    f->text = malloc(bytes + 1);
    f->starts = calloc(BUCKETS + 2, sizeof *f->starts);
    if (!f->text || !f->starts) return bert_fail_memory(e, bytes);
    bytes = 0;
    for (size_t i = 0; i < f->words->n; i++) {
        const bert_counted_word *w = &f->words->list[i];
        memcpy(f->text + bytes, w->text, w->bytes + 1);
        for (uint32_t k = 0; k < w->bytes; k++)
            if (!bert_utf8_continues(f->text[bytes + k])) {
                f->starts[bucket_of(f->text + bytes + k) + 2]++;
                n++;
            }
        bytes += w->bytes + 1;
    }
    f->n = n;
    for (size_t i = 2; i < BUCKETS + 2; i++) f->starts[i] += f->starts[i - 1];
    f->suffixes = malloc((n + 1) * sizeof *f->suffixes);
    if (!f->suffixes) return bert_fail_memory(e, n * sizeof *f->suffixes);
    bytes = 0;
    for (size_t i = 0; i < f->words->n; i++) {
        const uint32_t size = f->words->list[i].bytes;
        for (size_t k = bytes; k < bytes + size; k++)
            if (!bert_utf8_continues(f->text[k]))
                f->suffixes[f->starts[bucket_of(f->text + k) + 1]++] =
                    (suffix){(uint32_t)k, (uint32_t)i};
        bytes += size + 1;
    }
    return 0;
}

static inline uint8_t byte_at(const finder *f, suffix s, uint32_t depth) {
    return f->text[s.at + depth];
}

static inline void swap(suffix *a, suffix *b) {
    const suffix x = *a;
    *a = *b;
    *b = x;
}

static uint8_t median(uint8_t a, uint8_t b, uint8_t c) {
    return a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
}

/* Multikey quicksort of suffixes that have `depth` bytes in common (Bentley and Sedgewick 1997), as
 * deep as pieces go; the order of those that are alike until then is of no account. */
static void sort_suffixes(const finder *f, suffix *x, size_t n, uint32_t depth) {
    const uint32_t deepest = 4 * (f->longest + 1);
    while (n > 1 && depth < deepest) {
        const uint8_t pivot = median(byte_at(f, x[0], depth), byte_at(f, x[n / 2], depth),
                                     byte_at(f, x[n - 1], depth));
        size_t less = 0, i = 0, more = n;
        while (i < more) {
            const uint8_t byte = byte_at(f, x[i], depth);
            if (byte < pivot)
                swap(&x[less++], &x[i++]);
            else if (byte > pivot)
                swap(&x[i], &x[--more]);
            else
                i++;
        }
        sort_suffixes(f, x, less, depth);
        sort_suffixes(f, x + more, n - more, depth);
        if (!pivot) return; /* words end here */
        x += less;
        n = more - less;
        depth++;
    }
}

static void sort_buckets(void *context, int begin, int end, int thread) {
    const finder *f = context;
    (void)thread;
    for (int i = begin; i < end; i++) {
        const size_t from = f->starts[i], to = f->starts[i + 1];
        if (!(i & 0xff)) continue; /* one byte: all are alike */
        sort_suffixes(f, f->suffixes + from, to - from, 2);
    }
}

/* ---- Nodes of the suffix tree */

/* Bytes from a place on, of whole characters, of at most so many. */
static uint32_t length_at(const finder *f, uint32_t at, uint32_t characters) {
    const uint8_t *p = f->text + at;
    for (; *p; p++)
        if (!bert_utf8_continues(*p) && !characters--) break;
    return (uint32_t)(p - (f->text + at));
}

/* What two have in common, in whole characters. */
static uint32_t common(const finder *f, uint32_t a, uint32_t b, uint32_t most) {
    uint32_t n = 0;
    while (n < most && f->text[a + n] == f->text[b + n]) n++;
    while (n && (bert_utf8_continues(f->text[a + n]) || bert_utf8_continues(f->text[b + n]))) n--;
    return n;
}

/* Characters of a piece that may be learned, or 0: of one script (punctuation and digits are one,
 * too), but for the mark in front. */
static uint32_t piece_length(const finder *f, uint32_t at, uint32_t bytes) {
    const uint8_t *begin = f->text + at, *p = begin, *end = p + bytes;
    int script = BERT_SCRIPT_ANY;
    uint32_t n = 0;
    for (; p < end; n++) {
        const bool first = p == begin;
        const uint32_t c = bert_utf8_next(&p, end);
        if (!bert_alphabet_has(f->alphabet, c) || (c == MARK && !first)) return 0;
        const int s = c == MARK ? BERT_SCRIPT_ANY : bert_script_of(c);
        if (s == BERT_SCRIPT_ANY) continue;
        if (script != BERT_SCRIPT_ANY && s != script) return 0;
        script = s;
    }
    return n > 1 && n <= f->longest ? n : 0;
}

typedef struct {
    uint32_t depth, at;
    int64_t count;
} node;

static int put(const finder *f, const node *x, bert_learned_pieces *out, bert_error *e) {
    const uint32_t characters = x->count > 1 ? piece_length(f, x->at, x->depth) : 0;
    if (!characters) return 0;
    if (out->n == out->capacity) {
        const size_t capacity = 2 * out->capacity + 4096;
        bert_learned_piece *list = realloc(out->list, capacity * sizeof *list);
        if (!list) return bert_fail_memory(e, capacity * sizeof *list);
        out->list = list;
        out->capacity = capacity;
    }
    out->list[out->n++] = (bert_learned_piece){.text = (const char *)f->text + x->at,
                                               .bytes = x->depth,
                                               .score = (double)x->count * characters};
    return 0;
}

/* Puts what ends where the next suffix has no more than l bytes in common with those before. */
static int close_nodes(const finder *f, node *stack, size_t *n, uint32_t l,
                       bert_learned_pieces *out, bert_error *e) {
    while (stack[*n - 1].depth > l) {
        const node x = stack[--*n];
        int rc = put(f, &x, out, e);
        if (rc) return rc;
        if (stack[*n - 1].depth < l)
            stack[(*n)++] = (node){l, x.at, x.count};
        else
            stack[*n - 1].count += x.count;
    }
    return 0;
}

static int find_nodes(const finder *f, bert_learned_pieces *out, bert_error *e) {
    node *stack = malloc((f->longest + 4) * sizeof *stack);
    if (!stack) return bert_fail_memory(e, f->longest * sizeof *stack);
    size_t n = 1;
    stack[0] = (node){0};
    uint32_t before = 0;
    int rc = 0;
    for (size_t i = 0; i < f->n && !rc; i++) {
        const suffix s = f->suffixes[i];
        const int64_t count = f->words->list[s.word].count;
        const uint32_t length = length_at(f, s.at, f->longest + 1);
        const uint32_t most = length < before ? length : before;
        rc =
            close_nodes(f, stack, &n, i ? common(f, f->suffixes[i - 1].at, s.at, most) : 0, out, e);
        if (stack[n - 1].depth == length)
            stack[n - 1].count += count;
        else
            stack[n++] = (node){length, s.at, count};
        before = length;
    }
    if (!rc) rc = close_nodes(f, stack, &n, 0, out, e);
    free(stack);
    return rc;
}

static int by_score(const void *a, const void *b) {
    const bert_learned_piece *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    const int order = memcmp(x->text, y->text, x->bytes < y->bytes ? x->bytes : y->bytes);
    return order ? order : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

int bert_seed_pieces(const bert_words *words, const bert_alphabet *alphabet, int longest,
                     size_t most, int threads, bert_learned_pieces *out, bert_error *e) {
    finder f = {.words = words, .alphabet = alphabet, .longest = (uint32_t)longest};
    *out = (bert_learned_pieces){0};
    bert_threads *pool = bert_threads_new(threads, e);
    int rc = pool ? lay_out(&f, e) : e->code;
    if (!rc) bert_threads_run(pool, BUCKETS, 1, sort_buckets, &f);
    if (!rc) rc = find_nodes(&f, out, e);
    if (!rc && out->n > most) {
        qsort(out->list, out->n, sizeof *out->list, by_score);
        out->n = most;
    }
    bert_threads_free(pool);
    free(f.suffixes);
    free(f.starts);
    out->texts = (char *)f.text;
    return rc;
}
