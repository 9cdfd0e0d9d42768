#include "image/resize.h"
#include "base/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void *bert_image_room(size_t count, size_t bytes, bert_error *e) {
    void *room = malloc(count * bytes + BERT_IMAGE_SLACK);
    if (!room) bert_fail_memory(e, count * bytes);
    return room;
}

/* ---- Filters, of the distance from the middle */

static double bilinear(double x) {
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double bicubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double box(double x) {
    return x > -0.5 && x <= 0.5 ? 1 : 0;
}

static double hamming(double x) {
    x = fabs(x);
    if (x == 0) return 1;
    if (x >= 1) return 0;
    x *= M_PI;
    return sin(x) / x * ((double)0.54f + (double)0.46f * cos(x));
}

static double sinc(double x) {
    return x == 0 ? 1 : sin(x * M_PI) / (x * M_PI);
}

static double lanczos(double x) {
    return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

static const struct {
    double (*at)(double x); /* NULL: the nearest sample */
    double reach;
} filters[BERT_RESAMPLE_COUNT] = {
    [BERT_RESAMPLE_NEAREST] = {NULL, 0},      [BERT_RESAMPLE_LANCZOS] = {lanczos, 3},
    [BERT_RESAMPLE_BILINEAR] = {bilinear, 1}, [BERT_RESAMPLE_BICUBIC] = {bicubic, 2},
    [BERT_RESAMPLE_BOX] = {box, 0.5},         [BERT_RESAMPLE_HAMMING] = {hamming, 1},
};

/* ---- Weights of an axis: sample i is of `count[i]` samples from first[i] on */

typedef struct {
    int32_t *first, *count;
    double *exact;  /* [samples][most] */
    int32_t *fixed; /* the same in fixed point */
    int32_t samples, most;
} taps;

static void taps_free(taps *t) {
    free(t->first);
    free(t->count);
    free(t->exact);
    free(t->fixed);
}

static void weigh(taps *t, int32_t i, int32_t in, bert_resample filter) {
    const double scale = (double)in / t->samples, wide = scale > 1 ? scale : 1;
    const double reach = filters[filter].reach * wide, middle = (i + 0.5) * scale;
    const double inverse = 1 / wide;
    int32_t low = (int32_t)(middle - reach + 0.5), high = (int32_t)(middle + reach + 0.5);
    if (low < 0) low = 0;
    if (high > in) high = in;
    double *w = t->exact + (size_t)i * (size_t)t->most, sum = 0;
    int32_t *q = t->fixed + (size_t)i * (size_t)t->most;
    t->first[i] = low;
    t->count[i] = high - low;
    for (int32_t k = 0; k < high - low; k++)
        sum += w[k] = filters[filter].at((k + low - middle + 0.5) * inverse);
    for (int32_t k = 0; k < high - low; k++) {
        if (sum != 0) w[k] /= sum;
        q[k] = (int32_t)(w[k] * (1 << BERT_RESIZE_BITS) + (w[k] < 0 ? -0.5 : 0.5));
    }
}

static int taps_make(taps *t, int32_t in, int32_t out, bert_resample filter, bert_error *e) {
    const double scale = (double)in / out, wide = scale > 1 ? scale : 1;
    *t = (taps){.samples = out, .most = (int32_t)ceil(filters[filter].reach * wide) * 2 + 1};
    const size_t all = (size_t)out * (size_t)t->most;
    t->first = malloc((size_t)out * sizeof *t->first);
    t->count = malloc((size_t)out * sizeof *t->count);
    t->exact = malloc(all * sizeof *t->exact);
    t->fixed = malloc(all * sizeof *t->fixed);
    if (!t->first || !t->count || !t->exact || !t->fixed)
        return bert_fail_memory(e, all * sizeof *t->exact);
    for (int32_t i = 0; i < out; i++) weigh(t, i, in, filter);
    return 0;
}

/* ---- A pass over bytes */

static bert_resize_fn *inner_loop(void) {
#if defined(__x86_64__)
    const char *isa = bert_isa();
    if (!strcmp(isa, "avx2")) return bert_resize_avx2;
    if (strcmp(isa, "c")) return bert_resize_avx512;
#endif
    return bert_resize_c;
}

/* Rows of out are sums of rows of in. */
static void down_bytes(const bert_raster *in, const taps *t, bert_raster *out) {
    bert_resize_fn *sum = inner_loop();
    const size_t row = (size_t)in->width * (size_t)in->channels;
    const int blocks = (int)((row + BERT_RESIZE_LANES - 1) / BERT_RESIZE_LANES);
    for (int32_t y = 0; y < t->samples; y++)
        sum((uint8_t *)out->samples + (size_t)y * row,
            (const uint8_t *)in->samples + (size_t)t->first[y] * row, (ptrdiff_t)row,
            t->fixed + (size_t)y * (size_t)t->most, t->count[y], blocks);
}

/* 16 rows side by side, so that neighbours are bytes of one column: [width * channels][16]. */
static void gather_rows(const uint8_t *from, size_t row, int32_t rows, uint8_t *to) {
    for (int32_t r = 0; r < BERT_RESIZE_LANES; r++) {
        const uint8_t *p = from + (size_t)(r < rows ? r : rows - 1) * row;
        for (size_t i = 0; i < row; i++) to[i * BERT_RESIZE_LANES + (size_t)r] = p[i];
    }
}

static void scatter_rows(const uint8_t *from, size_t row, int32_t rows, uint8_t *to) {
    for (int32_t r = 0; r < rows; r++)
        for (size_t i = 0; i < row; i++)
            to[(size_t)r * row + i] = from[i * BERT_RESIZE_LANES + (size_t)r];
}

static int across_bytes(const bert_raster *in, const taps *t, bert_raster *out, bert_error *e) {
    bert_resize_fn *sum = inner_loop();
    const size_t c = (size_t)in->channels, row = (size_t)in->width * c,
                 made = (size_t)t->samples * c;
    const size_t pixel = c * BERT_RESIZE_LANES;
    uint8_t *work = bert_image_room((row + made) * BERT_RESIZE_LANES, 1, e);
    if (!work) return BERT_ENOMEM;
    uint8_t *sums = work + row * BERT_RESIZE_LANES;
    for (int32_t y = 0; y < in->height; y += BERT_RESIZE_LANES) {
        const int32_t left = in->height - y,
                      rows = left < BERT_RESIZE_LANES ? left : BERT_RESIZE_LANES;
        gather_rows((const uint8_t *)in->samples + (size_t)y * row, row, rows, work);
        for (int32_t x = 0; x < t->samples; x++)
            sum(sums + (size_t)x * pixel, work + (size_t)t->first[x] * pixel, (ptrdiff_t)pixel,
                t->fixed + (size_t)x * (size_t)t->most, t->count[x], in->channels);
        scatter_rows(sums, made, rows, (uint8_t *)out->samples + (size_t)y * made);
    }
    free(work);
    return 0;
}

/* ---- A pass over floats: the same sums, held in 0 .. 1 as bytes are in 0 .. 255 */

static void sum_floats(const bert_raster *in, const taps *t, bool down, bert_raster *out) {
    const float *x = in->samples;
    float *y = out->samples;
    const size_t step = down ? (size_t)in->width : 1;
    for (int32_t r = 0; r < out->height; r++)
        for (int32_t c = 0; c < out->width; c++) {
            const int32_t i = down ? r : c;
            const size_t row = (size_t)(down ? t->first[i] : r),
                         col = (size_t)(down ? c : t->first[i]);
            const float *p = x + row * (size_t)in->width + col;
            const double *w = t->exact + (size_t)i * (size_t)t->most;
            double s = 0;
            for (int32_t k = 0; k < t->count[i]; k++) s += w[k] * (double)p[(size_t)k * step];
            y[(size_t)r * (size_t)out->width + (size_t)c] = (float)(s < 0 ? 0 : s > 1 ? 1 : s);
        }
}

/* ---- All of it */

static size_t sample_bytes(const bert_raster *r) {
    return r->floats ? sizeof(float) : 1;
}

static int make(const bert_raster *like, int32_t width, int32_t height, bert_raster *out,
                bert_error *e) {
    *out = *like;
    out->width = width;
    out->height = height;
    out->samples = bert_image_room((size_t)width * (size_t)height * (size_t)like->channels,
                                   sample_bytes(like), e);
    return out->samples ? 0 : BERT_ENOMEM;
}

/* One axis, to `size` samples. */
static int pass(const bert_raster *in, bool down, int32_t size, bert_resample filter,
                bert_raster *out, bert_error *e) {
    taps t = {0};
    int rc = make(in, down ? in->width : size, down ? size : in->height, out, e);
    if (!rc) rc = taps_make(&t, down ? in->height : in->width, size, filter, e);
    if (!rc && in->floats)
        sum_floats(in, &t, down, out);
    else if (!rc && down)
        down_bytes(in, &t, out);
    else if (!rc)
        rc = across_bytes(in, &t, out, e);
    taps_free(&t);
    return rc;
}

/* Steps are added up as Pillow does it, which is not always (i + .5) * step. */
static void nearest(const bert_raster *in, bert_raster *out) {
    const size_t pixel = sample_bytes(in) * (size_t)in->channels;
    const double down = (double)in->height / out->height, across = (double)in->width / out->width;
    unsigned char *to = out->samples;
    double v = 0.5 * down;
    for (int32_t y = 0; y < out->height; y++, v += down) {
        const size_t row = (size_t)v * (size_t)in->width;
        double u = 0.5 * across;
        for (int32_t x = 0; x < out->width; x++, to += pixel, u += across) {
            const size_t at = row + (size_t)u;
            memcpy(to, (const unsigned char *)in->samples + at * pixel, pixel);
        }
    }
}

int bert_raster_resize(const bert_raster *in, int32_t width, int32_t height, bert_resample filter,
                       bert_raster *out, bert_error *e) {
    out->samples = NULL;
    if (!filters[filter].at) {
        int rc = make(in, width, height, out, e);
        if (!rc) nearest(in, out);
        return rc;
    }
    /* Pillow 13 begins with the axis that makes the picture much smaller. */
    const int64_t lower = (int64_t)in->height - height, narrower = (int64_t)in->width - width;
    const bool down_first = lower > 0 && lower > 2 * narrower;
    bert_raster at = *in, next;
    int rc = 0;
    for (int i = 0; i < 2 && !rc; i++) {
        const bool down = down_first == (i == 0);
        const int32_t size = down ? height : width;
        if (size == (down ? at.height : at.width)) continue; /* it keeps its size */
        rc = pass(&at, down, size, filter, &next, e);
        if (at.samples != in->samples) free(at.samples);
        at = next;
    }
    if (!rc && at.samples == in->samples) {
        rc = make(in, width, height, &at, e);
        if (!rc)
            memcpy(at.samples, in->samples,
                   (size_t)width * (size_t)height * (size_t)in->channels * sample_bytes(in));
    }
    *out = at;
    if (!rc) return 0;
    if (at.samples != in->samples) free(at.samples);
    out->samples = NULL;
    return rc;
}
