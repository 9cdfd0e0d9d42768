/* The kernel table's functions, one source for every instruction set: each kernels_<isa>.c defines
 * ISA (its name), LANES (floats in a register), F32_ROWS and INT8_ROWS (rows of a matrix block) and
 * FILL (the name of its fill function), includes this once, and is compiled with its own flags. */
#include "base/rng.h"
#include "cpu/gemm_f32.h"
#include "cpu/gemm_int8.h"
#include "cpu/relative_body.h"
#include <math.h>

void FILL(bert_kernels *k);

/* Runs `full` for the lanes from each i, and `tail` for the last `left` elements; a tail runs the
 * same arithmetic, so an element's result does not depend on its place. */
#define FOR_LANES(n, full, tail)                                                                   \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i + LANES <= (n); i += LANES) full;                                                 \
        if (i < (n)) {                                                                             \
            size_t left = (n)-i;                                                                   \
            tail;                                                                                  \
        }                                                                                          \
    } while (0)

/* For sums: j is the accumulator, 0 to 3, that i's lanes go to; additions to one of them would wait
 * for each other. */
#define FOR_LANES_4(n, full, tail)                                                                 \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i + 4 * LANES <= (n);)                                                              \
            _Pragma("GCC unroll 4") for (int j = 0; j < 4; j++, i += LANES) full;                  \
        for (int j = 0; i + LANES <= (n); i += LANES) full;                                        \
        if (i < (n)) {                                                                             \
            const int j = 1;                                                                       \
            size_t left = (n)-i;                                                                   \
            tail;                                                                                  \
        }                                                                                          \
    } while (0)

INLINE float sum_4(const vf s[4]) {
    return sum((s[0] + s[1]) + (s[2] + s[3]));
}

/* What happens to a block of a product, one pass over it: see bert_block_epilogue. Down the rows, a
 * vector of columns at a time: what belongs to a column stays in registers. */
#define FINISH_ROWS(name, get, put, column, value)                                                 \
    {                                                                                              \
        const vf bias = e.bias ? get(e.bias + i) : all(0);                                         \
        column;                                                                                    \
        for (int r = 0; r < rows; r++) {                                                           \
            float *out = c + r * ldc + i;                                                          \
            vf v = value(get, tile + r * tile_ld + i, r);                                          \
            if (e.accumulate) v += get(out);                                                       \
            if (e.bias) v += bias;                                                                 \
            if (e.pre) put(e.pre + r * e.pre_stride + i, v);                                       \
            v = name(v);                                                                           \
            if (e.residual) v += get(e.residual + r * e.residual_stride + i);                      \
            put(out, v);                                                                           \
        }                                                                                          \
    }
#define WHOLE(p) load(p)
#define PART(p) load_part(p, left, 0)
#define PUT_PART(p, v) store_part(p, v, left)

/* Copies of what the arguments point to, which no store can change. */
#define EPILOGUE(name, suffix, side, column, value)                                                \
    __attribute__((noinline)) static void name##_##suffix(                                         \
        float *c, ptrdiff_t ldc, const float *tile, int tile_ld, int rows, int cols,               \
        const bert_block_epilogue *epilogue) {                                                     \
        const bert_block_epilogue e = *epilogue;                                                   \
        side;                                                                                      \
        FOR_LANES((size_t)cols, FINISH_ROWS(name, WHOLE, store, column, value),                    \
                  FINISH_ROWS(name, PART, PUT_PART, column, value));                               \
    }
/* After a float32 product, or one of bf16; and after one of bytes. */
#define SUMS_AS_FLOATS(get, sums, row) get(sums)
#define SUMS_OF_BYTES(get, sums, row)                                                              \
    dequantized(load_words(sums), quantized_row_of(&left_side, row), columns)
#define EPILOGUE_OF_FLOATS(name) EPILOGUE(name, epilogue, , , SUMS_AS_FLOATS)
#define EPILOGUE_OF_BYTES(name)                                                                    \
    EPILOGUE(name, bytes_epilogue, const bert_left left_side = *e.left,                            \
             const quantized_group columns = quantized_columns_at(e.right, i), SUMS_OF_BYTES)

#define GATE_BACK(name, get, put)                                                                  \
    {                                                                                              \
        const vf d = get(dy + i), x = get(a + i);                                                  \
        put(da + i, d * get(b + i) * name##_slope(x));                                             \
        put(db + i, d * name(x));                                                                  \
    }
#define LOOPS(name)                                                                                \
    static void name##_forward(float *y, const float *x, size_t n) {                               \
        FOR_LANES(n, store(y + i, name(load(x + i))),                                              \
                  store_part(y + i, name(load_part(x + i, left, 0)), left));                       \
    }                                                                                              \
    static void name##_backward(float *dx, const float *dy, const float *x, size_t n) {            \
        FOR_LANES(n, store(dx + i, load(dy + i) * name##_slope(load(x + i))),                      \
                  store_part(dx + i,                                                               \
                             load_part(dy + i, left, 0) * name##_slope(load_part(x + i, left, 0)), \
                             left));                                                               \
    }                                                                                              \
    static void name##_gate(float *y, const float *a, const float *b, size_t n) {                  \
        FOR_LANES(n, store(y + i, name(load(a + i)) * load(b + i)),                                \
                  store_part(y + i, name(PART(a + i)) * PART(b + i), left));                       \
    }                                                                                              \
    static void name##_gate_backward(float *da, float *db, const float *dy, const float *a,        \
                                     const float *b, size_t n) {                                   \
        FOR_LANES(n, GATE_BACK(name, WHOLE, store), GATE_BACK(name, PART, PUT_PART));              \
    }
#define ACTIVATION(name)                                                                           \
    EPILOGUE_OF_FLOATS(name)                                                                       \
    LOOPS(name)

ACTIVATION(identity)
ACTIVATION(gelu)
EPILOGUE_OF_FLOATS(gelu_coarse)
ACTIVATION(gelu_new)
ACTIVATION(relu)
ACTIVATION(tanh_v)
ACTIVATION(sigmoid)
ACTIVATION(silu)
EPILOGUE_OF_BYTES(identity)
EPILOGUE_OF_BYTES(gelu_coarse)
EPILOGUE_OF_BYTES(gelu_new)
EPILOGUE_OF_BYTES(relu)
EPILOGUE_OF_BYTES(tanh_v)
EPILOGUE_OF_BYTES(sigmoid)
EPILOGUE_OF_BYTES(silu)

static void add(float *y, const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

/* Those that few models have take a block in passes of their own, which costs little code. */
#define EPILOGUE_IN_PASSES(name, suffix)                                                           \
    static void name##_##suffix(float *c, ptrdiff_t ldc, const float *tile, int tile_ld, int rows, \
                                int cols, const bert_block_epilogue *epilogue) {                   \
        bert_block_epilogue e = *epilogue;                                                         \
        e.residual = NULL;                                                                         \
        identity_##suffix(c, ldc, tile, tile_ld, rows, cols, &e);                                  \
        for (int r = 0; r < rows; r++, c += ldc) {                                                 \
            name##_forward(c, c, (size_t)cols);                                                    \
            if (epilogue->residual)                                                                \
                add(c, c, epilogue->residual + r * epilogue->residual_stride, (size_t)cols);       \
        }                                                                                          \
    }
#define RARE_ACTIVATION(name)                                                                      \
    LOOPS(name)                                                                                    \
    EPILOGUE_IN_PASSES(name, epilogue)                                                             \
    EPILOGUE_IN_PASSES(name, bytes_epilogue)
RARE_ACTIVATION(quick_gelu)
RARE_ACTIVATION(gelu_10)
RARE_ACTIVATION(mish)
RARE_ACTIVATION(hardswish)
RARE_ACTIVATION(relu6)
RARE_ACTIVATION(relu2)
RARE_ACTIVATION(leaky_relu)

static void sub(float *y, const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = a[i] - b[i];
}
static void mul(float *y, const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}
static void scale(float *y, const float *x, float s, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = s * x[i];
}
static void axpy(float *y, float s, const float *x, size_t n) {
    const vf f = all(s);
    FOR_LANES(
        n, store(y + i, mul_add(load(x + i), f, load(y + i))),
        store_part(y + i, mul_add(load_part(x + i, left, 0), f, load_part(y + i, left, 0)), left));
}
static float dot(const float *a, const float *b, size_t n) {
    vf s[4] = {0};
    FOR_LANES_4(n, s[j] = mul_add(load(a + i), load(b + i), s[j]),
                s[j] = mul_add(load_part(a + i, left, 0), load_part(b + i, left, 0), s[j]));
    return sum_4(s);
}
static double sum_squares(const float *x, size_t n) {
    double lanes[8] = {0}, total = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) lanes[j] += (double)x[i + j] * x[i + j];
    for (; i < n; i++) lanes[i % 8] += (double)x[i] * x[i];
    for (int j = 0; j < 8; j++) total += lanes[j];
    return total;
}
static float max(const float *x, size_t n) {
    float m = x[0];
    for (size_t i = 1; i < n; i++) m = x[i] > m ? x[i] : m;
    return m;
}

/* Philox for 16 counters at a time: word w of counter i is draw[w * DRAWS + i]. */
enum { DRAWS = 16 };
INLINE void philox_16(uint32_t draw[4 * DRAWS], uint64_t seed, uint64_t stream, uint64_t counter) {
    static const uint32_t steps[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (int i = 0; i < DRAWS; i += LANES) {
        const vu base = (vu)all_words((int32_t)counter), low = base + (vu)load_words(steps + i);
        const vu carry = (vu)(low < base); /* -1 */
        vu c0 = low, c1 = (vu)all_words((int32_t)(counter >> 32)) - carry,
           c2 = (vu)all_words((int32_t)stream), c3 = (vu)all_words((int32_t)(stream >> 32));
        uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
        for (int round = 0; round < 10; round++) {
            vu high0, high2;
            const vu low0 = times_wide(c0, 0xD2511F53u, &high0),
                     low2 = times_wide(c2, 0xCD9E8D57u, &high2);
            c0 = high2 ^ c1 ^ k0;
            c1 = low2;
            c2 = high0 ^ c3 ^ k1;
            c3 = low0;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        memcpy(draw + i, &c0, sizeof c0);
        memcpy(draw + DRAWS + i, &c1, sizeof c1);
        memcpy(draw + 2 * DRAWS + i, &c2, sizeof c2);
        memcpy(draw + 3 * DRAWS + i, &c3, sizeof c3);
    }
}

static void dropout(float *y, const float *x, size_t n, float p, uint64_t seed, uint64_t stream,
                    uint64_t first) {
    const float keep = 1.0f / (1.0f - p);
    /* draw / 2^32 >= p, in whole numbers */
    const uint32_t threshold = (uint32_t)((double)p * 4294967296.0);
    enum { STEP = 4 * DRAWS };
    uint32_t draw[STEP];
    for (size_t i = 0; i < n; i += STEP) {
        philox_16(draw, seed, stream, (first + i) / 4);
        const size_t here = n - i < STEP ? n - i : STEP;
        for (size_t j = 0; j < here; j++) y[i + j] = draw[j] >= threshold ? x[i + j] * keep : 0.0f;
    }
}

enum { KEPT = 8 };
/* Rows of `count` vectors, a constant once this is inlined: at most KEPT, which stay in registers.
 * What is beyond the row counts for 1e-38 beside the largest, for 1. That one is subtracted before
 * the factor rounds: fused, a large one's own exponent would be what the rounding has lost. */
INLINE void softmax_kept(const int count, float *x, ptrdiff_t ld, int rows, int cols, float factor,
                         float *lse) {
    const size_t left = (size_t)(cols - (count - 1) * LANES);
    for (int r = 0; r < rows; r++, x += ld) {
        vf v[KEPT], m = all(-INFINITY), s[4] = {0};
#define EACH_KEPT _Pragma("GCC unroll 8") for (int i = 0; i < count; i++)
        EACH_KEPT {
            const float *p = x + i * LANES;
            v[i] = i + 1 < count ? load(p) : load_part(p, left, -INFINITY);
            m = larger(v[i], m);
        }
        const float top = largest(m);
        EACH_KEPT s[i % 4] += v[i] = exp_v((v[i] - top) * factor);
        const float total = sum_4(s);
        const vf inverse = all(1.0f / total);
        EACH_KEPT {
            float *p = x + i * LANES;
            i + 1 < count ? store(p, v[i] * inverse) : store_part(p, v[i] * inverse, left);
        }
#undef EACH_KEPT
        if (lse) lse[r] = top * factor + logf(total);
    }
}

static void softmax(float *x, ptrdiff_t ld, int rows, int cols, float factor, float *lse) {
    switch ((cols + LANES - 1) / LANES) {
#define KEEP(n)                                                                                    \
    case n:                                                                                        \
        softmax_kept(n, x, ld, rows, cols, factor, lse);                                           \
        return
        KEEP(1);
        KEEP(2);
        KEEP(3);
        KEEP(4);
        KEEP(5);
        KEEP(6);
        KEEP(7);
        KEEP(8);
#undef KEEP
    default:;
    }
    size_t n = (size_t)cols;
    for (int r = 0; r < rows; r++, x += ld) {
        vf m = all(-INFINITY), s[4] = {0};
        FOR_LANES(n, m = larger(load(x + i), m), m = larger(load_part(x + i, left, -INFINITY), m));
        const float top = largest(m);
        FOR_LANES_4(
            n,
            {
                vf v = exp_v((load(x + i) - top) * factor);
                s[j] += v;
                store(x + i, v);
            },
            {
                store_part(x + i, exp_v((load_part(x + i, left, 0) - top) * factor), left);
                s[j] += load_part(x + i, left, 0);
            });
        const float total = sum_4(s);
        const vf inverse = all(1.0f / total);
        FOR_LANES(n, store(x + i, load(x + i) * inverse),
                  store_part(x + i, load_part(x + i, left, 0) * inverse, left));
        if (lse) lse[r] = top * factor + logf(total);
    }
}

static void softmax_backward(float *dx, const float *dy, const float *y, size_t n, float d,
                             float scale) {
    for (size_t j = 0; j < n; j++) dx[j] = y[j] * (dy[j] - d) * scale;
}

/* Not fused: shift was rounded as well. */
static void exp_shifted(float *x, size_t n, float factor, float shift) {
    FOR_LANES(n, store(x + i, exp_v(load(x + i) * factor - shift)),
              store_part(x + i, exp_v(load_part(x + i, left, 0) * factor - shift), left));
}

static void rotate(float *y, const float *x, const float *cos, const float *sin, size_t half,
                   bool back) {
    const float sign = back ? -1 : 1;
#define ROTATE(get, put)                                                                           \
    {                                                                                              \
        const vf a = get(x + i), b = get(x + half + i), c = get(cos + i), s = get(sin + i) * sign; \
        put(y + i, a * c - b * s);                                                                 \
        put(y + half + i, b * c + a * s);                                                          \
    }
    FOR_LANES(half, ROTATE(WHOLE, store), ROTATE(PART, PUT_PART));
#undef ROTATE
}

static void layer_norm(float *y, const float *x, const float *residual, const float *gamma,
                       const float *beta, float eps, int rows, int cols, float *stats) {
    size_t n = (size_t)cols;
    for (int r = 0; r < rows; r++, y += n, x += n) {
        vf s[4] = {0}, q[4] = {0};
#define ADD(get, put)                                                                              \
    {                                                                                              \
        vf v = get(x + i);                                                                         \
        if (residual) v += get(residual + i);                                                      \
        s[j] += v;                                                                                 \
        put(y + i, v);                                                                             \
    }
        FOR_LANES_4(n, ADD(WHOLE, store), ADD(PART, PUT_PART));
#undef ADD
        const float mean = sum_4(s) / (float)cols;
        FOR_LANES_4(
            n,
            {
                vf d = load(y + i) - mean;
                q[j] = mul_add(d, d, q[j]);
            },
            {
                vf d = load_part(y + i, left, mean) - mean;
                q[j] = mul_add(d, d, q[j]);
            });
        const float rstd = 1.0f / sqrtf(sum_4(q) / (float)cols + eps);
#define SCALED(get) mul_add((get(y + i) - mean) * rstd, get(gamma + i), get(beta + i))
        FOR_LANES(n, store(y + i, SCALED(WHOLE)), store_part(y + i, SCALED(PART), left));
#undef SCALED
        if (residual) residual += n;
        if (stats) {
            stats[2 * r] = mean;
            stats[2 * r + 1] = rstd;
        }
    }
}

static void layer_norm_backward(float *dx, float *dgamma, float *dbeta, const float *dy,
                                const float *x, const float *residual, const float *gamma,
                                const float *stats, int rows, int cols) {
    size_t n = (size_t)cols;
    for (int r = 0; r < rows; r++, dx += n, dy += n, x += n) {
        float mean = stats[2 * r], rstd = stats[2 * r + 1];
        vf sum_g[4] = {0}, sum_gx[4] = {0};
#define NORMALISED(get) ((get(x + i) + (residual ? get(residual + i) : all(0)) - mean) * rstd)
#define SUMS(get)                                                                                  \
    {                                                                                              \
        vf g = get(dy + i) * get(gamma + i);                                                       \
        sum_g[j] += g;                                                                             \
        sum_gx[j] = mul_add(g, NORMALISED(get), sum_gx[j]);                                        \
    }
        FOR_LANES_4(n, SUMS(WHOLE), SUMS(PART));
        const float mean_g = sum_4(sum_g) / (float)cols, mean_gx = sum_4(sum_gx) / (float)cols;
#define RESULT(get, put)                                                                           \
    {                                                                                              \
        vf d = get(dy + i), h = NORMALISED(get);                                                   \
        if (dgamma) put(dgamma + i, mul_add(d, h, get(dgamma + i)));                               \
        if (dbeta) put(dbeta + i, get(dbeta + i) + d);                                             \
        put(dx + i, (mul_add(d, get(gamma + i), all(-mean_g)) - h * mean_gx) * rstd);              \
    }
        FOR_LANES(n, RESULT(WHOLE, store), RESULT(PART, PUT_PART));
#undef RESULT
#undef SUMS
#undef NORMALISED
        if (residual) residual += n;
    }
}

static void adamw(float *p, const float *g, float *m, float *v, size_t n, float grad_scale,
                  float lr, double beta1, double beta2, float eps, float weight_decay,
                  float correction1, float correction2) {
    /* 1 - beta in double: 1 - 0.999f is off by 1e-5 */
    const float b1 = (float)beta1, b2 = (float)beta2, c1 = (float)(1 - beta1),
                c2 = (float)(1 - beta2);
    const float keep = 1.0f - lr * weight_decay, step = lr / correction1,
                root = 1.0f / sqrtf(correction2);
    for (size_t i = 0; i < n; i++) {
        float x = g[i] * grad_scale;
        m[i] = b1 * m[i] + c1 * x;
        v[i] = b2 * v[i] + c2 * x * x;
        p[i] = p[i] * keep - step * m[i] / (sqrtf(v[i]) * root + eps);
    }
}

void FILL(bert_kernels *k) {
    /* A precision is the least that is promised: where nothing is faster than f32, f32 serves them
     * all. */
    k->gemm[BERT_PRECISION_HIGHEST] = k->gemm[BERT_PRECISION_HIGH] = &gemm_f32;
    k->gemm[BERT_PRECISION_MEDIUM] = &gemm_f32;
    k->gemm[BERT_PRECISION_INT8] = &gemm_int8;
#define ACT(id, name, coarse)                                                                      \
    k->act[id].forward = name##_forward;                                                           \
    k->act[id].backward = name##_backward;                                                         \
    k->act[id].gate = name##_gate;                                                                 \
    k->act[id].gate_backward = name##_gate_backward;                                               \
    k->act[id].epilogue[BERT_SUMS_EXACT] = name##_epilogue;                                        \
    k->act[id].epilogue[BERT_SUMS_COARSE] = coarse##_epilogue;                                     \
    k->act[id].epilogue[BERT_SUMS_QUANTIZED] = coarse##_bytes_epilogue
    ACT(BERT_ACT_NONE, identity, identity);
    ACT(BERT_ACT_GELU, gelu, gelu_coarse);
    ACT(BERT_ACT_GELU_NEW, gelu_new, gelu_new);
    ACT(BERT_ACT_RELU, relu, relu);
    ACT(BERT_ACT_TANH, tanh_v, tanh_v);
    ACT(BERT_ACT_SIGMOID, sigmoid, sigmoid);
    ACT(BERT_ACT_SILU, silu, silu);
    ACT(BERT_ACT_QUICK_GELU, quick_gelu, quick_gelu);
    ACT(BERT_ACT_GELU_10, gelu_10, gelu_10);
    ACT(BERT_ACT_MISH, mish, mish);
    ACT(BERT_ACT_HARDSWISH, hardswish, hardswish);
    ACT(BERT_ACT_RELU6, relu6, relu6);
    ACT(BERT_ACT_RELU2, relu2, relu2);
    ACT(BERT_ACT_LEAKY_RELU, leaky_relu, leaky_relu);
#undef ACT
    k->add = add;
    k->sub = sub;
    k->mul = mul;
    k->scale = scale;
    k->axpy = axpy;
    k->dot = dot;
    k->sum_squares = sum_squares;
    k->max = max;
    k->dropout = dropout;
    k->softmax = softmax;
    k->softmax_backward = softmax_backward;
    k->exp_shifted = exp_shifted;
    k->rotate = rotate;
    k->put_relative = put_relative;
    k->add_relative = add_relative;
    k->scatter_relative = scatter_relative;
    k->layer_norm = layer_norm;
    k->layer_norm_backward = layer_norm_backward;
    k->adamw = adamw;
}
