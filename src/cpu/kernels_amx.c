/* Matrix units (AMX): tiles of bytes, and of bf16 with f32 operands split in one, two or three bf16
 * parts, each the rounding of what the parts before it left. Products of parts whose orders add up
 * below the number of parts are kept: 1 (bf16 itself), 3 (relative error about 5e-6) or 6 (2e-7,
 * less than f32 sums in order make). A block is 32 x 32 in four accumulator tiles; a unit of depth
 * is 32. */
#include "cpu/kernels.h"
#define LANES 16
#include "cpu/quantize.h"
#include <sys/syscall.h>
#include <unistd.h>

void bert_fill_amx(bert_kernels *k);
bool bert_has_amx(void);

enum { TILE = 1024, SIDE = 32, HALF = 16, DEPTH = 32, BYTES_DEPTH = 64, LINE = 64 };

/* What ldtilecfg reads: palette 1, eight tiles of 16 rows of 64 bytes. */
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} tile_config;
_Static_assert(sizeof(tile_config) == 64, "the size ldtilecfg reads");

static void begin(void) {
    _Alignas(64) tile_config c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.bytes[i] = 64;
        c.rows[i] = HALF;
    }
    /* Not _tile_loadconfig: GCC 12 declares it to read 8 bytes, and drops the stores to the others.
     */
    __asm__ volatile("ldtilecfg %0" ::"m"(c));
}

static void end(void) {
    _tile_release();
}

/* How a part is made of what the parts before it left: to the nearest; or cut off, which costs less
 * and leaves nothing after three, either. */
typedef enum { NEAREST, CUT } rounding;

/* The next bf16 part of a vector, as floats, but for the last, which is all that is left in x. */
INLINE __m512 next_part(__m512 *x, rounding r) {
    __m512i p = (__m512i)*x;
    if (r == NEAREST) p = _mm512_add_epi32(p, _mm512_set1_epi32(0x8000));
    p = _mm512_and_si512(p, _mm512_set1_epi32((int)0xffff0000));
    *x = _mm512_sub_ps(*x, (__m512)p);
    return (__m512)p;
}

/* The next bf16 part of two vectors, as 32 halves (a below b). */
INLINE __m512i next_halves(__m512 *a, __m512 *b, rounding r, bool last) {
    const __m512 low = last ? *a : next_part(a, r), high = last ? *b : next_part(b, r);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* The bf16 parts of up to 32 neighbours in depth, 64 bytes each, `part` bytes apart. */
INLINE void parts_along_depth(char *out, ptrdiff_t part, int parts, rounding r, const float *x,
                              int depth) {
    const __mmask16 low = depth >= 16 ? 0xffff : (__mmask16)((1u << depth) - 1);
    const __mmask16 high = depth >= 32   ? 0xffff
                           : depth <= 16 ? 0
                                         : (__mmask16)((1u << (depth - 16)) - 1);
    __m512 a = _mm512_maskz_loadu_ps(low, x), b = _mm512_maskz_loadu_ps(high, x + 16);
    for (int p = 0; p < parts; p++)
        _mm512_storeu_si512(out + p * part, next_halves(&a, &b, r, p + 1 == parts));
}

/* Row i of a tile is 16 pairs of neighbours in depth. From a side whose elements lie along the
 * depth: */
static void tiles_along_depth(char *out, ptrdiff_t part_stride, int parts, rounding r,
                              const float *x, ptrdiff_t stride, int count, int depth) {
    for (int i = 0; i < HALF; i++)
        parts_along_depth(out + i * 64, part_stride, parts, r, x + (i < count ? i * stride : 0),
                          i < count ? depth : 0);
}

/* Row k of a tile holds depths 2k and 2k + 1 of 16 columns, in pairs. From a side whose elements
 * lie across the depth: */
static void tiles_across_depth(char *out, ptrdiff_t part_stride, int parts, rounding r,
                               const float *x, ptrdiff_t stride, int count, int depth) {
    __mmask16 columns = count >= 16 ? 0xffff : (__mmask16)((1u << count) - 1);
    const __m512i pairs =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    for (int k = 0; k < DEPTH; k += 2) {
        __m512 a = _mm512_setzero_ps(), b = a;
        if (k < depth) a = _mm512_maskz_loadu_ps(columns, x + k * stride);
        if (k + 1 < depth) b = _mm512_maskz_loadu_ps(columns, x + (k + 1) * stride);
        for (int p = 0; p < parts; p++)
            _mm512_storeu_si512(
                out + p * part_stride + k * 32,
                _mm512_permutexvar_epi16(pairs, next_halves(&a, &b, r, p + 1 == parts)));
    }
}

/* In place transposition of a tile as 16 x 16 words. */
static void transpose_tile(char *tile) {
    vf r[HALF];
    for (int i = 0; i < HALF; i++) r[i] = (vf)load_words(tile + 64 * i);
    transpose(r);
    for (int i = 0; i < HALF; i++) memcpy(tile + 64 * i, &r[i], sizeof r[i]);
}

/* A panel is, for each unit of depth and each part, two tiles. left: rows of tiles are rows of the
 * matrix; else pairs of depths. One of the strides is 1. */
static void pack(char *out, int parts, bool left, const float *x, ptrdiff_t side_stride,
                 ptrdiff_t depth_stride, int count, int depth) {
    const bool along = depth_stride == 1;
    const ptrdiff_t stride = along ? side_stride : depth_stride;
    const rounding r = parts == 3 && !left ? CUT : NEAREST;
    for (int k = 0; k < depth; k += DEPTH, out += parts * 2 * TILE)
        for (int half = 0; half < 2; half++) {
            const float *p = x + half * HALF * side_stride + k * depth_stride;
            int n = count - half * HALF, d = depth - k < DEPTH ? depth - k : DEPTH;
            n = n < 0 ? 0 : n > HALF ? HALF : n;
            char *tile = out + half * TILE;
            (along ? tiles_along_depth : tiles_across_depth)(tile, 2 * TILE, parts, r, p, stride, n,
                                                             d);
            if (along != left)
                for (int i = 0; i < parts; i++) transpose_tile(tile + i * 2 * TILE);
        }
}

/* The accumulators: 0 1 / 2 3. Tiles 4 and 5 hold a part of the left side, 6 and 7 one of the
 * right. */
static inline void load_c(const float *c, ptrdiff_t ldc, bool two, bool accumulate) {
    size_t bytes = (size_t)ldc * 4;
    if (!accumulate) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        return;
    }
    _tile_loadd(0, c, bytes);
    _tile_loadd(1, c + HALF, bytes);
    if (!two) return;
    _tile_loadd(2, c + HALF * ldc, bytes);
    _tile_loadd(3, c + HALF * ldc + HALF, bytes);
}

static inline void store_c(float *c, ptrdiff_t ldc, bool two) {
    size_t bytes = (size_t)ldc * 4;
    _tile_stored(0, c, bytes);
    _tile_stored(1, c + HALF, bytes);
    if (!two) return;
    _tile_stored(2, c + HALF * ldc, bytes);
    _tile_stored(3, c + HALF * ldc + HALF, bytes);
}

/* Fetches the next bytes of what comes, unless it is NULL, into the first-level cache, or the
 * second one's. */
INLINE void fetch(const char **coming, int bytes) {
    if (!*coming) return;
#pragma GCC unroll 32
    for (int i = 0; i < bytes; i += LINE) _mm_prefetch(*coming + i, _MM_HINT_T0);
    *coming += bytes;
}
INLINE void fetch_far(const char **coming, int bytes) {
    if (!*coming) return;
    for (int i = 0; i < bytes; i += LINE) _mm_prefetch(*coming + i, _MM_HINT_T1);
    *coming += bytes;
}

#define LEFT(p)                                                                                    \
    _tile_loadd(4, a + (p)*left->part, (size_t)left->row);                                         \
    if (two) _tile_loadd(5, a + (p)*left->part + HALF * left->row, (size_t)left->row)
#define RIGHT(part)                                                                                \
    _tile_loadd(6, b + (part)*2 * TILE, 64);                                                       \
    _tile_loadd(7, b + (part)*2 * TILE + TILE, 64)
#define PRODUCT(c, a, b)                                                                           \
    if (bytes)                                                                                     \
        _tile_dpbusd(c, a, b);                                                                     \
    else                                                                                           \
        _tile_dpbf16ps(c, a, b)
#define MULTIPLY                                                                                   \
    PRODUCT(0, 4, 6);                                                                              \
    PRODUCT(1, 4, 7);                                                                              \
    if (two) {                                                                                     \
        PRODUCT(2, 5, 6);                                                                          \
        PRODUCT(3, 5, 7);                                                                          \
    }                                                                                              \
    fetch(&next_left, share);                                                                      \
    fetch(&next_right, share);                                                                     \
    fetch_far(&ahead, pace / products)

/* Of three parts, in the order that all sums of them have; BESIDE(first, end) comes after each, with
 * its share of a tile's rows. */
#define SIX_PRODUCTS(BESIDE)                                                                       \
    LEFT(0);                                                                                       \
    RIGHT(2);                                                                                      \
    MULTIPLY;                                                                                      \
    BESIDE(0, 3);                                                                                  \
    RIGHT(1);                                                                                      \
    MULTIPLY;                                                                                      \
    BESIDE(3, 6);                                                                                  \
    LEFT(1);                                                                                       \
    MULTIPLY;                                                                                      \
    BESIDE(6, 9);                                                                                  \
    RIGHT(0);                                                                                      \
    MULTIPLY;                                                                                      \
    BESIDE(9, 12);                                                                                 \
    LEFT(2);                                                                                       \
    MULTIPLY;                                                                                      \
    BESIDE(12, 14);                                                                                \
    LEFT(0);                                                                                       \
    MULTIPLY;                                                                                      \
    BESIDE(14, 16)
#define NOTHING(first, end) (void)0

/* Both sides come from the second-level cache, a right one of one part from the first where several
 * blocks share it. Each unit fetches what the next reads, and its part of what lies ahead, some
 * lines beside each product: all at once they would keep the tiles from being loaded. */
INLINE void units(const int parts, const bool bytes, const bool two, const bert_left *left,
                  const char *b, int depth, const char *ahead, int pace) {
    const char *a = (const char *)left->data, *const other = (const char *)left->next;
    const int step = parts * 2 * TILE, products = parts * (parts + 1) / 2;
    const int share = (step / products + LINE - 1) / LINE * LINE;
    const bool shared = parts == 1 && ahead;
    const int deep = bytes ? BYTES_DEPTH : DEPTH;
    for (int k = 0; k < depth; k += deep, a += left->unit, b += step) {
        const char *next_left = !two ? NULL : k + deep < depth ? a + left->unit : other;
        const char *next_right = shared ? NULL : b + step;
        if (parts == 1) {
            LEFT(0);
            RIGHT(0);
            MULTIPLY;
        } else if (parts == 2) { /* smallest products first */
            LEFT(0);
            RIGHT(1);
            MULTIPLY;
            RIGHT(0);
            MULTIPLY;
            LEFT(1);
            MULTIPLY;
        } else {
            SIX_PRODUCTS(NOTHING);
        }
    }
}

INLINE void block(const int parts, const bool bytes, float *c, ptrdiff_t ldc, const bert_left *a,
                  const void *b, int depth, int rows, bool accumulate, const char *ahead,
                  int pace) {
    const bool two = rows > HALF;
    load_c(c, ldc, two, accumulate);
    if (two)
        units(parts, bytes, true, a, b, depth, ahead, pace);
    else
        units(parts, bytes, false, a, b, depth, ahead, pace);
    store_c(c, ldc, two);
}

/* ---- Panels of floats, row after row of 32 columns: two thirds of what their three parts take in
 * memory and on the way. The first block that reads a unit has it split beside its products. */

enum { OPENED = 3 * 2 * TILE, CLOSED = DEPTH * SIDE * sizeof(float) };
enum { NEAR = 2048, FAR = 8192 }; /* bytes ahead, where nobody else has fetched them */

/* Two depths of 16 columns, in pairs: the parts that next_halves() makes. */
INLINE __m512i next_pairs(__m512 *a, __m512 *b, bool last) {
    const __m512i low = (__m512i)(last ? *a : next_part(a, CUT));
    const __m512i high = (__m512i)(last ? *b : next_part(b, CUT));
    return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(low, 16), high);
}

/* Rows of tiles from `first` on, of a unit of floats. */
INLINE void split_rows(unsigned char *out, const float *x, int first, int end, const bool alone) {
#pragma GCC unroll 3
    for (int i = first; i < end; i++)
        for (int half = 0; half < 2; half++) {
            const float *from = x + 2 * i * SIDE + half * HALF;
            __m512 a = _mm512_loadu_ps(from), b = _mm512_loadu_ps(from + SIDE);
            _mm_prefetch((const char *)from + NEAR, _MM_HINT_T0);
            _mm_prefetch((const char *)(from + SIDE) + NEAR, _MM_HINT_T0);
            if (alone) {
                _mm_prefetch((const char *)from + FAR, _MM_HINT_T1);
                _mm_prefetch((const char *)(from + SIDE) + FAR, _MM_HINT_T1);
            }
            for (int p = 0; p < 3; p++)
                _mm512_storeu_si512(out + (2 * p + half) * TILE + i * LINE,
                                    next_pairs(&a, &b, p == 2));
        }
    __asm__ volatile("" ::: "memory"); /* the loads of tiles do not say that they read it */
}

/* units() of three parts whose right side is opened, a unit ahead. */
INLINE void opening_units(const bool two, const bool again, const bert_left *left, const float *x,
                          unsigned char *opened, int depth, const char *ahead, int pace) {
    enum { parts = 3, products = 6, share = OPENED / products };
    const bool bytes = false;
    const char *a = (const char *)left->data, *const other = (const char *)left->next;
    const char *next_right = NULL;
    const unsigned char *b = opened;
    split_rows(opened, x, 0, HALF, !again);
    for (int k = 0, unit = 0; k < depth; k += DEPTH, a += left->unit) {
        const char *next_left = !two ? NULL : k + DEPTH < depth ? a + left->unit : other;
        unit = again ? unit + 1 : !unit;
        unsigned char *next = opened + (ptrdiff_t)unit * OPENED;
        /* The last one has nothing to open: it splits itself again, where nothing reads it. */
        if (k + DEPTH < depth) x += DEPTH * SIDE;
#define SPLIT(first, end) split_rows(next, x, first, end, !again)
        SIX_PRODUCTS(SPLIT);
#undef SPLIT
        b = next;
    }
}

static void open_3(float *c, ptrdiff_t ldc, const bert_left *a, const void *packed,
                   unsigned char *opened, int depth, int rows, bool accumulate, const char *ahead,
                   int pace, bool again) {
    const bool two = rows > HALF;
    load_c(c, ldc, two, accumulate);
    if (again && two)
        opening_units(true, true, a, packed, opened, depth, ahead, pace);
    else if (again)
        opening_units(false, true, a, packed, opened, depth, ahead, pace);
    else if (two)
        opening_units(true, false, a, packed, opened, depth, ahead, pace);
    else
        opening_units(false, false, a, packed, opened, depth, ahead, pace);
    store_c(c, ldc, two);
}

/* Floats, as open_3() reads them; depth is filled up with zeros. */
static void pack_b_floats(void *out, const float *b, ptrdiff_t depth_stride, ptrdiff_t col_stride,
                          int cols, int depth, const float *factors) {
    (void)factors;
    float *to = out;
    for (int k = 0; k < depth; k += DEPTH)
        for (int part = 0; part < 4; part++) { /* 16 depths of 16 columns */
            const int first = k + part / 2 * HALF, col = part % 2 * HALF;
            const int n = cols - col, d = depth - first;
            vf r[HALF];
            for (int i = 0; i < HALF; i++) {
                const bool along = depth_stride == 1;
                const int left = along ? d : n; /* neighbours in memory */
                const float *p = along ? b + (col + i) * col_stride + first
                                       : b + (first + i) * depth_stride + col;
                r[i] = i >= (along ? n : d) || left <= 0 ? all(0)
                       : left >= HALF                    ? load(p)
                                                         : load_part(p, (size_t)left, 0);
            }
            if (depth_stride == 1) transpose(r);
            for (int i = 0; i < HALF; i++) store(to + (first + i) * SIDE + col, r[i]);
        }
}

/* Rows of parts: see bert_gemm_kernel.pack_rows. */
static void parts_of_rows(const bert_left *to, int parts, const float *a, ptrdiff_t row_stride,
                          int rows, int depth) {
    for (int i = 0; i < rows; i++, a += row_stride)
        for (int k = 0; k < depth; k += DEPTH)
            parts_along_depth((char *)bert_left_row(to, i) + k / DEPTH * to->unit, to->part, parts,
                              NEAREST, a + k, depth - k < DEPTH ? depth - k : DEPTH);
}

/* The functions of so many parts, and what the families have in common that read them. */
#define PARTS(n)                                                                                   \
    static void pack_rows_##n(const bert_left *to, const float *a, ptrdiff_t row_stride, int rows, \
                              int depth, const float *factors) {                                   \
        (void)factors;                                                                             \
        parts_of_rows(to, n, a, row_stride, rows, depth);                                          \
    }                                                                                              \
    static void pack_across_##n(void *out, const float *a, ptrdiff_t depth_stride, int rows,       \
                                int depth) {                                                       \
        pack(out, n, true, a, 1, depth_stride, rows, depth);                                       \
    }                                                                                              \
    static void pack_b_##n(void *out, const float *b, ptrdiff_t depth_stride,                      \
                           ptrdiff_t col_stride, int cols, int depth, const float *factors) {      \
        (void)factors;                                                                             \
        pack(out, n, false, b, col_stride, depth_stride, cols, depth);                             \
    }                                                                                              \
    static void block_##n(float *c, ptrdiff_t ldc, const bert_left *a, const void *b, int depth,   \
                          int rows, bool accumulate, const char *ahead, int pace) {                \
        block(n, false, c, ldc, a, b, depth, rows, accumulate, ahead, pace);                       \
    }
#define OF_PARTS(n)                                                                                \
    .mr = SIDE, .nr = SIDE, .row_step = HALF, .kc = n > 1 ? 768 : 256, .rows = n > 1 ? 256 : 512,  \
    .slab = 768, .tokens = 512, .k_unit = DEPTH, .parts = n, .unit = LINE, .a_unit = n * 2 * TILE, \
    .panels = true, .pack_rows = pack_rows_##n, .pack_across = pack_across_##n, .begin = begin,    \
    .end = end, .block = block_##n, .sums = n == 1 ? BERT_SUMS_COARSE : BERT_SUMS_EXACT

PARTS(1)
PARTS(2)
PARTS(3)
static const bert_gemm_kernel gemm_1 = {OF_PARTS(1), .name = "bf16-amx", .b_unit = 2 * TILE,
                                        .pack_b = pack_b_1};
static const bert_gemm_kernel gemm_2 = {OF_PARTS(2), .name = "bf16x3-amx", .b_unit = 2 * 2 * TILE,
                                        .pack_b = pack_b_2};
static const bert_gemm_kernel gemm_kept = {OF_PARTS(3),      .name = "f32-amx",
                                           .b_unit = CLOSED, .pack_b = pack_b_floats,
                                           .open = open_3,   .opened_unit = OPENED};
static const bert_gemm_kernel gemm_3 = {OF_PARTS(3), .name = "bf16x6-amx", .b_unit = 3 * 2 * TILE,
                                        .pack_b = pack_b_3, .kept = &gemm_kept};

/* ---- int8: a unit of depth is 64 bytes, a row of a tile, and two tiles of 16 rows or columns. */

static void pack_bytes(char *out, const quantized_side *s, int count) {
    for (int k = 0; k < s->n; k += BYTES_DEPTH)
        for (int half = 0; half < 2; half++, out += TILE) {
            for (int i = 0; i < HALF; i++) {
                const int row = half * HALF + i;
                vi q = row < count ? quantized_bytes(s, row, k) : (vi){0};
                _mm512_storeu_si512(out + i * 64, (__m512i)q);
            }
            transpose_tile(out);
        }
}

static void pack_rows_int8(const bert_left *to, const float *a, ptrdiff_t row_stride, int rows,
                           int depth, const float *factors) {
    quantize_rows(to, a, row_stride, rows, depth, factors, BYTES_DEPTH);
}

static const bert_gemm_kernel gemm_int8;

static void pack_b_int8(void *out, const float *b, ptrdiff_t depth_stride, ptrdiff_t col_stride,
                        int cols, int depth, const float *factors) {
    const char *packed = out, *end = packed + bert_panel_extra(&gemm_int8, depth);
    quantized_columns *extra = (void *)((char *)out + (end - packed));
    quantized_side s = {
        .x = b, .row = col_stride, .depth = depth_stride, .n = depth, .factors = factors};
    float inverse[QUANTIZED_SIDE];
    quantize_right(&s, cols, inverse, extra);
    pack_bytes(out, &s, cols);
    const __m512i ones = _mm512_set1_epi8(1);
    for (int half = 0; half < 2; half++) {
        __m512i sums = _mm512_setzero_si512();
        for (const char *tile = packed + half * TILE; tile < end; tile += 2 * TILE)
            for (int i = 0; i < HALF; i++)
                sums = _mm512_dpbusd_epi32(sums, ones, _mm512_loadu_si512(tile + i * 64));
        _mm512_storeu_si512(extra->sum + half * HALF, sums);
    }
}

static void block_int8(float *c, ptrdiff_t ldc, const bert_left *a, const void *b, int depth,
                       int rows, bool accumulate, const char *ahead, int pace) {
    block(1, true, c, ldc, a, b, depth, rows, accumulate, ahead, pace);
}

static const bert_gemm_kernel gemm_int8 = {
    .name = "int8-amx",
    .mr = SIDE,
    .nr = SIDE,
    .row_step = HALF,
    .kc = 768,
    .rows = 512,
    .slab = 768,
    .tokens = 512,
    .k_unit = BYTES_DEPTH,
    .parts = 1,
    .unit = 64,
    .a_unit = 2 * TILE,
    .b_unit = 2 * TILE,
    .panels = true,
    .a_extra = sizeof(quantized_row),
    .b_extra = sizeof(quantized_columns),
    .pack_rows = pack_rows_int8,
    .pack_b = pack_b_int8,
    .begin = begin,
    .end = end,
    .block = block_int8,
    .sums = BERT_SUMS_QUANTIZED,
};

/* The system gives a process its tiles only when asked (Linux: arch_prctl(ARCH_REQ_XCOMP_PERM,
 * XFEATURE_XTILEDATA)). */
bool bert_has_amx(void) {
    return !syscall(SYS_arch_prctl, 0x1023, 18);
}

void bert_fill_amx(bert_kernels *k) {
    k->gemm[BERT_PRECISION_HIGHEST] = &gemm_3;
    k->gemm[BERT_PRECISION_HIGH] = &gemm_2;
    k->gemm[BERT_PRECISION_MEDIUM] = &gemm_1;
    k->gemm[BERT_PRECISION_INT8] = &gemm_int8;
}
