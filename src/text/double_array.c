#include "text/double_array.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_UNITS = 1 << (31 - BERT_DA_SHIFT), BLOCK = 256, TRIES = 64, LONGEST = 4096 };

/* Units that have nothing are a ring, in their order; unit 0, where walks begin, is its ends. */
typedef struct {
    uint32_t *units, *next, *before;
    bool *taken;     /* a unit has something */
    bool *used;      /* an offset has children */
    size_t capacity; /* a multiple of BLOCK */
    uint32_t
        first[2]; /* for one child, for several: free units before it are too crowded; 0: all */
    bert_error *e;
} builder;

/* ------------------------------------------------------------------- The order of keys */

enum { FIRST = 8, FEW = 24 };

static int by_bytes(const void *a, const void *b) {
    const bert_da_key *x = a, *y = b;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    const int order = memcmp(x->bytes, y->bytes, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static uint64_t first_of(const bert_da_key *key) {
    uint64_t first = 0;
    for (size_t i = 0; i < FIRST; i++) first = first << 8 | (i < key->n ? key->bytes[i] : 0);
    return first;
}

/* Byte `depth` of a key; 0 where it ends. */
static uint8_t label_of(const bert_da_key *key, size_t depth) {
    if (depth < FIRST) return (uint8_t)(key->first >> (8 * (FIRST - 1 - depth)));
    return key->n > depth ? key->bytes[depth] : 0;
}

static void sort_few(bert_da_key *keys, size_t n) {
    for (size_t i = 1; i < n; i++) {
        const bert_da_key x = keys[i];
        size_t k = i;
        for (; k && by_bytes(&x, &keys[k - 1]) < 0; k--) keys[k] = keys[k - 1];
        keys[k] = x;
    }
}

/* Sorts keys that have `depth` bytes in common, byte by byte as long as these need not be looked for. */
static void sort_keys(bert_da_key *keys, bert_da_key *spare, size_t n, size_t depth) {
    if (n <= FEW) {
        sort_few(keys, n);
        return;
    }
    if (depth == FIRST) {
        qsort(keys, n, sizeof *keys, by_bytes);
        return;
    }
    size_t ends[UINT8_MAX + 1] = {0};
    for (size_t i = 0; i < n; i++) ends[label_of(&keys[i], depth)]++;
    for (size_t label = 0, before = 0; label <= UINT8_MAX; label++) before = ends[label] += before;
    for (size_t i = n; i--;) spare[--ends[label_of(&keys[i], depth)]] = keys[i];
    memcpy(keys, spare, n * sizeof *keys);
    for (size_t label = 0; label <= UINT8_MAX; label++) { /* ends: where they begin, now */
        const size_t to = label < UINT8_MAX ? ends[label + 1] : n;
        sort_keys(keys + ends[label], spare, to - ends[label], depth + 1);
    }
}

/* Sorted, and each once: how many. */
static size_t order_keys(bert_da_key *keys, bert_da_key *spare, size_t n) {
    for (size_t i = 0; i < n; i++) keys[i].first = first_of(&keys[i]);
    sort_keys(keys, spare, n, 0);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!kept || by_bytes(&keys[kept - 1], &keys[i]))
            keys[kept++] = keys[i];
        else if (keys[kept - 1].value < keys[i].value)
            keys[kept - 1].value = keys[i].value;
    return kept;
}

/* ----------------------------------------------------------------------------- The array */

static int grow(builder *b) {
    const size_t capacity = b->capacity ? 2 * b->capacity : 4 * BLOCK;
    if (b->capacity >= MAX_UNITS)
        return bert_fail(b->e, BERT_EUNSUPPORTED,
                         "the vocabulary has more than %d distinct beginnings", MAX_UNITS);
    void **const arrays[] = {(void **)&b->units, (void **)&b->next, (void **)&b->before,
                             (void **)&b->taken, (void **)&b->used};
    const size_t sizes[] = {sizeof *b->units, sizeof *b->next, sizeof *b->before, sizeof *b->taken,
                            sizeof *b->used};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        uint8_t *p = realloc(*arrays[i], capacity * sizes[i]);
        if (!p) return bert_fail_memory(b->e, capacity * sizes[i]);
        *arrays[i] = p;
        memset(p + b->capacity * sizes[i], 0, (capacity - b->capacity) * sizes[i]);
    }
    const uint32_t from = b->capacity ? (uint32_t)b->capacity : 1;
    for (uint32_t unit = from; unit < capacity; unit++) {
        const uint32_t last = b->before[0];
        b->next[last] = unit;
        b->before[unit] = last;
        b->next[unit] = 0;
        b->before[0] = unit;
    }
    for (int i = 0; i < 2; i++)
        if (!b->first[i]) b->first[i] = from;
    b->capacity = capacity;
    return 0;
}

static void take(builder *b, uint32_t unit) {
    const uint32_t next = b->next[unit];
    b->taken[unit] = true;
    b->next[b->before[unit]] = next;
    b->before[next] = b->before[unit];
    for (int i = 0; i < 2; i++)
        if (b->first[i] == unit) b->first[i] = next;
}

static bool fits(const builder *b, uint32_t offset, const uint8_t *labels, int n) {
    if (!offset || b->used[offset]) return false;
    for (int i = 0; i < n; i++)
        if (b->taken[offset ^ labels[i]]) return false;
    return true;
}

/* An offset whose units for all labels are free; 0: an error. */
static uint32_t find_offset(builder *b, const uint8_t *labels, int n) {
    uint32_t *first = &b->first[n > 1], unit = *first;
    for (int tried = 0;; unit = b->next[unit]) {
        if (!unit) {
            unit = (uint32_t)b->capacity;
            if (grow(b)) return 0;
        }
        const uint32_t offset = unit ^ labels[0];
        if (fits(b, offset, labels, n)) return offset;
        if (++tried % TRIES == 0) *first = unit;
    }
}

/* The children of a unit: of keys[from .. to), which have `depth` bytes in common. */
static int arrange(builder *b, const bert_da_key *keys, size_t from, size_t to, size_t depth,
                   uint32_t unit) {
    uint8_t labels[BLOCK];
    int n = 0;
    for (size_t i = from; i < to; i++) {
        const uint8_t label = label_of(&keys[i], depth);
        if (!n || labels[n - 1] != label) labels[n++] = label;
    }
    const uint32_t offset = find_offset(b, labels, n);
    if (!offset) return b->e->code;
    b->used[offset] = true;
    b->units[unit] |= offset << BERT_DA_SHIFT | (labels[0] ? 0 : BERT_DA_END);
    for (int i = 0; i < n; i++) {
        take(b, offset ^ labels[i]);
        b->units[offset ^ labels[i]] =
            labels[i] ? labels[i] : BERT_DA_VALUE | (uint32_t)keys[from].value;
    }
    int rc = 0;
    for (size_t i = from, next; i < to && !rc; i = next) {
        const uint8_t label = label_of(&keys[i], depth);
        for (next = i + 1; next < to && label_of(&keys[next], depth) == label;) next++;
        if (label) rc = arrange(b, keys, i, next, depth + 1, offset ^ label);
    }
    return rc;
}

int bert_da_build(bert_double_array *d, bert_da_key *keys, size_t n, bert_error *e) {
    builder b = {.e = e};
    int rc = grow(&b);
    for (size_t i = 0; i < n && !rc; i++)
        if (keys[i].n > LONGEST)
            rc = bert_fail(e, BERT_EUNSUPPORTED,
                           "a piece of the vocabulary has %zu bytes; %d at most", keys[i].n,
                           LONGEST);
    bert_da_key *spare = malloc((n + 1) * sizeof *spare);
    if (!spare)
        rc = bert_fail_memory(e, n * sizeof *spare);
    else
        n = order_keys(keys, spare, n);
    free(spare);
    if (!rc) b.taken[0] = true;
    if (!rc && n) rc = arrange(&b, keys, 0, n, 0, 0);
    free(b.next);
    free(b.before);
    free(b.taken);
    free(b.used);
    *d = (bert_double_array){b.units, b.capacity};
    if (rc) bert_da_free(d);
    return rc;
}

void bert_da_free(bert_double_array *d) {
    free(d->units);
    *d = (bert_double_array){0};
}
