#include "data/mix.h"
#include "base/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Chance */

/* The logarithm of a number of the Gamma distribution (Marsaglia and Tsang 2000): of small shapes the
 * numbers themselves are too small to be told from 0. */
static double log_gamma_draw(bert_rng *r, double shape) {
    const double above = shape < 1 ? shape + 1 : shape, d = above - 1 / 3.0, c = 1 / sqrt(9 * d);
    const double less = shape < 1 ? log(1 - bert_rng_uniform(r)) / shape : 0;
    for (;;) {
        float x;
        bert_rng_normal(r, &x, 1, 1);
        const double v = pow(1 + c * (double)x, 3), u = 1 - bert_rng_uniform(r);
        if (v > 0 && log(u) < 0.5 * (double)x * (double)x + d - d * v + d * log(v))
            return log(d * v) + less;
    }
}

/* Of Beta(a, a). */
static double draw_share(bert_rng *r, double a) {
    const double x = log_gamma_draw(r, a), y = log_gamma_draw(r, a);
    return 1 / (1 + exp(y - x));
}

static int32_t within(double x, int32_t most) {
    return x < 0 ? 0 : x > most ? most : (int32_t)x;
}

/* As torchvision's RandomCutMix: a box about any point, cut off at the edges; the share is what is left
 * outside. */
static void draw_box(bert_mixing *m, int32_t height, int32_t width, bert_rng *r) {
    const int32_t x = (int32_t)bert_rng_below(r, (uint32_t)width),
                  y = (int32_t)bert_rng_below(r, (uint32_t)height);
    const double half = 0.5 * sqrt(1 - m->share);
    const int32_t w = (int32_t)(half * width), h = (int32_t)(half * height);
    m->boxed = true;
    m->left = within(x - w, width);
    m->right = within(x + w, width);
    m->top = within(y - h, height);
    m->bottom = within(y + h, height);
    m->share = 1 - (double)(m->right - m->left) * (m->bottom - m->top) / ((double)width * height);
}

bert_mixing bert_mix_draw(const bert_mix *m, int32_t height, int32_t width, bert_rng *r) {
    bert_mixing out = {.share = 1};
    /* Drawn whether it is used or not, so that one option does not change the other's numbers. */
    const bool second = bert_rng_uniform(r) < 0.5;
    const bool boxed = m->cutmix > 0 && (!(m->mixup > 0) || second);
    if (!boxed && !(m->mixup > 0)) return out;
    out.share = draw_share(r, boxed ? m->cutmix : m->mixup);
    if (boxed) draw_box(&out, height, width, r);
    return out;
}

/* ---- Rows */

static void mix_values(const bert_mixing *m, float *x, const float *other, size_t n) {
    const float share = (float)m->share, rest = (float)(1 - m->share);
    for (size_t i = 0; i < n; i++) x[i] = share * x[i] + rest * other[i];
}

static void paste(const bert_mixing *m, float *x, const float *other, size_t planes, int32_t height,
                  int32_t width) {
    const size_t plane = (size_t)height * (size_t)width;
    for (size_t p = 0; p < planes; p++)
        for (int32_t y = m->top; y < m->bottom; y++) {
            const size_t at = p * plane + (size_t)y * (size_t)width + (size_t)m->left;
            memcpy(x + at, other + at, (size_t)(m->right - m->left) * sizeof *x);
        }
}

int bert_mix_pictures(const bert_mixing *m, float *x, int32_t n, size_t planes, int32_t height,
                      int32_t width, bert_error *e) {
    const size_t size = planes * (size_t)height * (size_t)width;
    if (n < 2 || m->share >= 1) return BERT_OK;
    float *last = malloc(size * sizeof *last);
    if (!last) return bert_fail_memory(e, size * sizeof *last);
    memcpy(last, x + (size_t)(n - 1) * size, size * sizeof *last);
    for (int32_t i = n - 1; i >= 0; i--) { /* from behind: the row before is still as it was */
        float *row = x + (size_t)i * size;
        const float *other = i ? row - size : last;
        if (m->boxed)
            paste(m, row, other, planes, height, width);
        else
            mix_values(m, row, other, size);
    }
    free(last);
    return BERT_OK;
}

int bert_mix_values(const bert_mixing *m, float *x, int32_t n, size_t cols, bert_error *e) {
    const bert_mixing plain = {.share = m->share};
    return bert_mix_pictures(&plain, x, n, cols, 1, 1, e);
}
