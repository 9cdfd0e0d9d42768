/* Scores of a head by distance, and back: see bert_relative_strip. Of a tile, LANES distances of LANES
 * queries, a vector is of one distance and of neighbouring queries, and turned it is of one query and
 * of neighbouring keys. */
#include "cpu/kernels.h"
#include "cpu/vector.h"

/* Where the rows of LANES distances lie, from d on; beyond the last one, as that has it. */
INLINE void rows_of_distances(int32_t at[LANES], const bert_relative_strip *s, int d) {
    for (int k = 0; k < LANES; k++)
        at[k] = s->index[d + k < s->keys ? d + k : s->keys - 1] - s->first;
}

/* The tiles of LANES distances from d on whose queries have keys there: of the queries [from, to), a
 * whole tile from `from` on. */
typedef struct {
    int from, to;
} query_range;
INLINE query_range tiles_of(const bert_relative_strip *s, int d) {
    const int from = 1 - LANES - d - s->query, end = s->keys - s->query - d;
    return (query_range){from < 0 ? 0 : from / LANES * LANES, s->rows < end ? s->rows : end};
}
/* Those of a tile's queries, whose first one has the key `key` at the tile's first distance. */
INLINE query_range queries_of(const bert_relative_strip *s, int x, int key) {
    const int rows = s->rows - x < LANES ? s->rows - x : LANES, end = s->keys - key;
    return (query_range){key > -LANES ? 0 : 1 - LANES - key, rows < end ? rows : end};
}
INLINE bool whole(query_range r) {
    return r.from == 0 && r.to == LANES;
}

static void put_rows(float *y, ptrdiff_t ldy, const bert_relative_strip *s) {
    for (int d = 1 - s->rows - s->query; d < s->keys - s->query; d += LANES) {
        const query_range tiles = tiles_of(s, d);
        int32_t at[LANES];
        rows_of_distances(at, s, d);
        for (int x = tiles.from; x < tiles.to; x += LANES) {
            const int key = s->query + x + d;
            const query_range some = queries_of(s, x, key);
            float *to = y + x * ldy + key;
            vf t[LANES];
            for (int k = 0; k < LANES; k++) t[k] = load(s->p + at[k] * s->p_ld + key + k);
            for (int i = 0; i < LANES; i++) __builtin_prefetch(to + i * (ldy + 1) + 2 * LANES, 1);
            transpose(t);
            if (whole(some))
                for (int i = 0; i < LANES; i++) store(to + i * (ldy + 1), t[i]);
            else
                for (int i = some.from; i < some.to; i++) store(to + i * (ldy + 1), t[i]);
        }
    }
}

/* Some rows at a time: what is written of a line stays in the first-level cache until the rest comes,
 * and of p some neighbours are read. */
static void put_relative(float *y, ptrdiff_t ldy, const bert_relative_strip *s) {
    enum { ROWS = 64 };
    for (int r = 0; r < s->rows; r += ROWS) {
        bert_relative_strip some = *s;
        some.query += r;
        some.rows = s->rows - r < ROWS ? s->rows - r : ROWS;
        put_rows(y + r * ldy, ldy, &some);
    }
}

/* What the row x holds for lanes that `at` tells, all of which are within LANES of the last. */
INLINE vf relative_lanes(const float *x, const int32_t *at, int first) {
    const int32_t least = at[LANES - 1];
    return permute(load(x + (least - first)), load_words(at) - all_words(least));
}
INLINE vf gathered_lanes(const float *x, const int32_t *at, int first) {
    float lanes[LANES];
    for (int k = 0; k < LANES; k++) lanes[k] = x[at[k] - first];
    return load(lanes);
}

static void add_relative(float *y, ptrdiff_t ldy, const bert_relative_strip *s) {
    const int end = s->keys / LANES * LANES; /* of whole vectors */
    for (int r = 0; r < s->rows; r++) {
        const float *c = s->c + r * s->c_ld;
        const int32_t *at = s->index - s->query - r; /* of key j: at[j] */
        int32_t rest[LANES];
        for (int k = 0; k < LANES && end < s->keys; k++)
            rest[k] = at[end + k < s->keys ? end + k : s->keys - 1];
        float *to = y + r * ldy;
        for (int j = 0; j < s->keys; j += LANES) {
            const int32_t *rows = j < end ? at + j : rest;
            const vf x =
                s->falls ? relative_lanes(c, rows, s->first) : gathered_lanes(c, rows, s->first);
            store(to + j, load(to + j) + x);
        }
    }
}

/* Gradients of scores by distance: LANES of them, each of the queries of a strip, with zeros around.
 * Their rows lie in different sets of the first-level cache. */
enum { BAND = BERT_RELATIVE_QUERIES + 5 * LANES };
typedef struct {
    float of[LANES][BAND];
    query_range tiles;
} distance_band;

/* Distances from d on. */
INLINE void turn_scores(distance_band *b, const float *y, ptrdiff_t ldy,
                        const bert_relative_strip *s, int d) {
    b->tiles = tiles_of(s, d);
    int x = b->tiles.from;
    for (int k = 0; k < LANES; k++) store(b->of[k] + x, all(0));
    for (; x < b->tiles.to; x += LANES) {
        const int key = s->query + x + d;
        const query_range some = queries_of(s, x, key);
        const float *from = y + x * ldy + key;
        vf t[LANES];
        if (whole(some))
            for (int k = 0; k < LANES; k++) t[k] = load(from + k * (ldy + 1));
        else
            for (int k = 0; k < LANES; k++)
                t[k] = k >= some.from && k < some.to ? load(from + k * (ldy + 1)) : all(0);
        transpose(t);
        for (int k = 0; k < LANES; k++) store(b->of[k] + LANES + x, t[k]);
    }
    for (int k = 0; k < LANES; k++) {
        store(b->of[k] + LANES + x, all(0));
        store(b->of[k] + 2 * LANES + x, all(0));
    }
}

/* to[x], of the queries x < end, = the n distances' x from `first` on, each `shift` places further than
 * the one before; plus what is there where x < kept. */
INLINE void put_distances(float *to, const distance_band *b, int first, int n, const int shift,
                          int end, int kept, ptrdiff_t apart) {
    for (int x = b->tiles.from; x < end; x += LANES) {
        const float *from = b->of[first] + LANES + x;
        vf sum = load(from);
        /* of the row that comes next, mostly */
        __builtin_prefetch(to + x - apart, 1);
#pragma GCC unroll 1 /* most runs are short */
        for (int i = 1; i < n; i++) sum += load(from + i * (BAND - shift));
        if (kept >= x + LANES)
            sum += load(to + x);
        else if (kept > x)
            sum += load_part(to + x, (size_t)(kept - x), 0);
        store(to + x, sum);
    }
}

/* n distances of a row, the first of them d, whose row ends with the distance `last`. */
typedef struct {
    int row, d, n, last;
    bool begins; /* no distance of that row came before */
} distance_run;

static void clear(float *x, int from, int to) {
    if (from < to) memset(x + from, 0, (size_t)(to - from) * sizeof *x);
}

static void run_onto_queries(const bert_relative_strip *s, const distance_band *b, int first,
                             const distance_run *run) {
    float *c = s->c + run->row * s->c_ld;
    const bool put = s->falls && run->begins;
    if (put) {
        clear(c, 0, b->tiles.from);
        clear(c, b->tiles.to, s->rows);
    }
    put_distances(c, b, first, run->n, 0, b->tiles.to, put ? 0 : s->rows, s->c_ld);
}

/* Of the row's keys, those before `query + last` have what the queries before gave. */
static void run_onto_keys(const bert_relative_strip *s, const distance_band *b, int first,
                          const distance_run *run) {
    float *p = s->p + run->row * s->p_ld;
    const int key = s->query + run->d, end = s->query + s->rows;
    int kept = s->keys, to = b->tiles.to + run->n - 1;
    if (s->falls) {
        kept = s->query ? run->last - run->d : 0;
        if (!run->begins && kept < s->rows - 1) kept = s->rows - 1;
        if (run->begins && !s->query) clear(p, 0, key);
        if (run->begins && end == s->keys) clear(p, end + run->last < 0 ? 0 : end + run->last, end);
    }
    if (to > s->keys - key) to = s->keys - key;
    put_distances(p + key, b, first, run->n, 1, to, kept, s->p_ld);
}

static void scatter_relative(const float *y, ptrdiff_t ldy, const bert_relative_strip *s) {
    const int end = s->keys - s->query;
    distance_run run = {.row = -1};
    for (int d = 1 - s->rows - s->query; d < end; d += LANES) {
        distance_band b;
        turn_scores(&b, y, ldy, s, d);
        int32_t at[LANES];
        rows_of_distances(at, s, d);
        const int some = end - d < LANES ? end - d : LANES;
        for (int k = 0; k < some; k += run.n) { /* distances that share a row */
            run.begins = at[k] != run.row;
            run.row = at[k], run.d = d + k;
            for (run.n = 1; k + run.n < some && at[k + run.n] == at[k]; run.n++) {
            }
            if (run.begins) run.last = run.d + run.n - 1;
            while (run.begins && run.last + 1 < s->keys &&
                   s->index[run.last + 1] == s->index[run.d])
                run.last++;
            if (s->c) run_onto_queries(s, &b, k, &run);
            if (s->p) run_onto_keys(s, &b, k, &run);
        }
    }
}
