#include "models/pictures.h"
#include "base/error.h"
#include "tape/tape.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int wrong_size(const bert_config *c, const bert_column *pixels, int32_t h, int32_t w,
                      bert_error *e) {
    return bert_fail(e, BERT_EINVAL,
                     "inputs: the column \"" BERT_PIXELS
                     "\" has %d numbers a picture; %d channels of "
                     "%d x %d are %lld (other sizes: the column \"" BERT_PIXELS_SIZE "\")",
                     pixels->width, c->num_channels, h, w, (long long)c->num_channels * h * w);
}

/* The size that the batch says, or the model's. */
static int size_of(const bert_config *c, const bert_inputs *in, bert_pictures *p, bert_error *e) {
    const bert_column *size = bert_inputs_column(in, BERT_PIXELS_SIZE);
    p->height = c->image_height;
    p->width = c->image_width;
    if (!size) return 0;
    if (size->type != BERT_COLUMN_INT32 || size->width != 2 || size->count < in->n)
        return bert_fail(e, BERT_EINVAL,
                         "inputs: the column \"" BERT_PIXELS_SIZE "\" is of two int32 a picture");
    const int32_t *both = size->data;
    p->height = both[0];
    p->width = both[1];
    for (int32_t i = 1; i < in->n; i++)
        if (both[2 * i] != both[0] || both[2 * i + 1] != both[1])
            return bert_fail(e, BERT_EINVAL, "inputs: pictures of a batch have one size");
    return 0;
}

int bert_pictures_of(const bert_config *c, const bert_inputs *in, bert_pictures *p, bert_error *e) {
    const bert_column *pixels = bert_inputs_column(in, BERT_PIXELS);
    if (!pixels || pixels->type != BERT_COLUMN_FLOAT32 || pixels->count < in->n || !pixels->data)
        return bert_fail(e, BERT_EINVAL,
                         "inputs: the model reads pictures: a column \"" BERT_PIXELS
                         "\" of floats for each of the %d sequences is needed",
                         in->n);
    *p = (bert_pictures){.data = pixels->data, .n = in->n, .channels = c->num_channels};
    int rc = size_of(c, in, p, e);
    if (rc) return rc;
    if (p->height < c->patch_height || p->width < c->patch_width ||
        pixels->width != (int64_t)p->channels * p->height * p->width)
        return wrong_size(c, pixels, p->height, p->width, e);
    p->down = p->height / c->patch_height;
    p->across = p->width / c->patch_width;
    const int64_t tokens = (int64_t)c->special_tokens + (int64_t)p->down * p->across;
    for (int32_t i = 0; i < in->n; i++)
        if (in->start[i + 1] - in->start[i] != tokens)
            return bert_fail(
                e, BERT_EINVAL, "inputs: sequence %d has %d tokens; a picture of %d x %d has %lld",
                i, in->start[i + 1] - in->start[i], p->height, p->width, (long long)tokens);
    return 0;
}

/* Each patch channel by channel, row by row. */
bert_tensor *bert_picture_patches(bert_tape *t, const bert_config *c, const bert_pictures *p) {
    const size_t height = (size_t)c->patch_height, width = (size_t)c->patch_width;
    const size_t rows = (size_t)p->n * (size_t)p->down * (size_t)p->across;
    const size_t cols = (size_t)p->channels * height * width;
    float *all = bert_tape_alloc(t, rows * cols * sizeof *all), *to = all;
    if (!all) return NULL;
    for (int32_t i = 0; i < p->n; i++)
        for (int32_t y = 0; y < p->down; y++)
            for (int32_t x = 0; x < p->across; x++)
                for (int32_t k = 0; k < p->channels; k++) {
                    const float *from =
                        p->data +
                        (((size_t)i * (size_t)p->channels + (size_t)k) * (size_t)p->height +
                         (size_t)y * height) *
                            (size_t)p->width +
                        (size_t)x * width;
                    for (size_t r = 0; r < height; r++, to += width, from += p->width)
                        memcpy(to, from, width * sizeof *to);
                }
    return bert_tensor_over(t, all, (int32_t)rows, (int32_t)cols);
}

/* ---- Positions of another size */

static double cubic(double x, double a) {
    x = fabs(x);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* w [out, in] = what each of `in` numbers along an axis counts for one of out. */
static void four_taps(double *w, int32_t in, int32_t out) {
    const double scale = (double)in / out;
    for (int32_t i = 0; i < out; i++) {
        const double at = (i + 0.5) * scale - 0.5;
        const int32_t first = (int32_t)floor(at) - 1;
        for (int32_t j = first; j < first + 4; j++) {
            const int32_t k = j < 0 ? 0 : j >= in ? in - 1 : j;
            w[(size_t)i * (size_t)in + (size_t)k] += cubic(at - j, -0.75);
        }
    }
}

static void seen_taps(double *w, int32_t in, int32_t out) {
    const double scale = (double)in / out, wide = scale > 1 ? scale : 1;
    for (int32_t i = 0; i < out; i++) {
        const double middle = (i + 0.5) * scale;
        int32_t low = (int32_t)(middle - 2 * wide + 0.5), high = (int32_t)(middle + 2 * wide + 0.5);
        if (low < 0) low = 0;
        if (high > in) high = in;
        double *row = w + (size_t)i * (size_t)in, sum = 0;
        for (int32_t k = low; k < high; k++) sum += row[k] = cubic((k - middle + 0.5) / wide, -0.5);
        for (int32_t k = low; k < high; k++) row[k] /= sum;
    }
}

/* [down * across, side * side], in memory of the tape. */
static float *grid_weights(bert_tape *t, int32_t side, int32_t down, int32_t across,
                           bert_grid_filter filter) {
    const size_t s = (size_t)side, rows = (size_t)down * (size_t)across;
    double *y = calloc(s * ((size_t)down + (size_t)across), sizeof *y), *x;
    float *w = y ? bert_tape_alloc(t, rows * s * s * sizeof *w) : NULL, *to = w;
    if (!y) bert_tape_fail(t, NULL, BERT_ENOMEM, "weights of %d x %d positions", down, across);
    if (w) {
        x = y + s * (size_t)down;
        void (*taps)(double *, int32_t, int32_t) =
            filter == BERT_GRID_BICUBIC ? four_taps : seen_taps;
        taps(y, side, down);
        taps(x, side, across);
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < s; i++)
                for (size_t j = 0; j < s; j++)
                    *to++ = (float)(y[r / (size_t)across * s + i] * x[r % (size_t)across * s + j]);
    }
    free(y);
    return w;
}

/* Rows of the table, from first on. */
static bert_tensor *table_rows(bert_tape *t, bert_param *table, int32_t first, int32_t n) {
    int32_t *which = bert_tape_alloc(t, (size_t)n * sizeof *which);
    if (!which) return NULL;
    for (int32_t i = 0; i < n; i++) which[i] = first + i;
    return bert_rows(t, bert_param_tensor(t, table), which, n);
}

bert_tensor *bert_grid_resized(bert_tape *t, bert_param *table, int32_t special, int32_t down,
                               int32_t across, bert_grid_filter filter) {
    int32_t rows, cols;
    bert_param_shape(table, &rows, &cols);
    const int32_t patches = rows - special, side = (int32_t)(sqrt((double)patches) + 0.5);
    if (side * side != patches)
        return bert_tape_fail(t, NULL, BERT_EUNSUPPORTED,
                              "positions of %d patches are no square, and cannot be made those of "
                              "%d x %d",
                              patches, down, across);
    float *w = grid_weights(t, side, down, across, filter);
    if (!w) return NULL;
    bert_tensor *grid = bert_matmul(t, bert_tensor_over(t, w, down * across, patches),
                                    table_rows(t, table, special, patches), false);
    grid = bert_reshape(t, grid, 1, down * across * cols);
    bert_tensor *kept = bert_reshape(t, table_rows(t, table, 0, special), 1, special * cols);
    return bert_reshape(t, bert_concat(t, kept, grid), special + down * across, cols);
}
