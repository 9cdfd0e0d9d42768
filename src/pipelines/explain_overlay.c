/* A map of patches over the picture that it is of. */
#include "base/error.h"
#include "pipelines/explain_file.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where the model's pixels lie in the picture: pixel x of it is x * scale - before there. */
typedef struct {
    double scale[2], before[2]; /* down, across */
} placing;

static int place(const bert_explanation *x, int32_t height, int32_t width, placing *to,
                 bert_error *e) {
    bert_image_processor p = x->processor;
    p.do_center_crop = false;
    int32_t w, h;
    int rc = bert_image_processed_size(&p, width, height, &w, &h, e);
    if (rc) return rc;
    const bool crops = x->processor.do_center_crop;
    to->scale[0] = (double)h / height;
    to->scale[1] = (double)w / width;
    to->before[0] = crops ? floor((h - x->processor.crop_height) / 2.0) : 0;
    to->before[1] = crops ? floor((w - x->processor.crop_width) / 2.0) : 0;
    return 0;
}

/* The part from one patch to the next along an axis, at a place counted in patches. */
static int32_t between(double at, int32_t n, double *part) {
    at -= 0.5;
    const double low = floor(at) < 0 ? 0 : floor(at) > n - 2 ? n - 2 : floor(at);
    if (n == 1) return *part = 0, 0;
    *part = fmin(fmax(at - low, 0), 1);
    return (int32_t)low;
}

/* The map between the middles of its patches; NaN where the model has not looked. */
static double value_at(const bert_explanation *x, const float *map, double down, double across) {
    if (down < 0 || across < 0 || down > x->down || across > x->across) return NAN;
    double v, u;
    const int32_t i = between(down, x->down, &v), k = between(across, x->across, &u);
    const int32_t below = i + (x->down > 1), beside = k + (x->across > 1);
    const double above = (1 - u) * (double)map[i * x->across + k] +
                         u * (double)map[i * x->across + beside],
                 under = (1 - u) * (double)map[below * x->across + k] +
                         u * (double)map[below * x->across + beside];
    return (1 - v) * above + v * under;
}

/* What is no strength and what is full strength: gradients have a zero; attention, which has parts of 1,
 * is told from its least. */
static void range_of(const bert_explanation *x, double *low, double *most) {
    const int32_t n = x->views * x->down * x->across;
    const bool signs = x->method == BERT_EXPLAIN_INTEGRATED_GRADIENTS ||
                       x->method == BERT_EXPLAIN_GRADIENT_X_INPUT;
    *low = signs ? 0 : (double)x->map[0];
    *most = 0;
    for (int32_t i = 0; i < n && !signs; i++) *low = fmin(*low, (double)x->map[i]);
    for (int32_t i = 0; i < n; i++) *most = fmax(*most, fabs((double)x->map[i] - *low));
    if (!(*most > 0)) *most = 1;
}

/* A sample as a byte. */
static double byte_of(const bert_image_info *i, const void *samples, size_t at) {
    if (i->bits == 8) return ((const uint8_t *)samples)[at];
    const double v = (((const uint16_t *)samples)[at] - i->low) / (i->high - i->low);
    return 255 * fmin(fmax(v, 0), 1);
}

/* A pixel: grey and light, with the colour of a strength from -1 to 1; dark where it is NaN. */
static void blend(const bert_image_info *info, const void *samples, size_t pixel, double strength,
                  uint8_t *to) {
    static const double for_it[3] = {22, 163, 74}, against[3] = {224, 72, 15};
    const size_t c = (size_t)info->channels;
    double rgb[3];
    for (size_t k = 0; k < 3; k++) rgb[k] = byte_of(info, samples, pixel * c + (c == 3 ? k : 0));
    const double grey = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
    const double *colour = strength < 0 ? against : for_it;
    const double part = isnan(strength) ? 0 : 0.8 * fmin(fabs(strength), 1);
    for (int k = 0; k < 3; k++) {
        const double base = isnan(strength) ? 0.4 * grey : 0.75 * grey + 0.25 * rgb[k];
        to[k] = (uint8_t)((1 - part) * base + part * colour[k] + 0.5);
    }
}

bert_image *bert_explanation_overlay(const bert_explanation *x, int32_t view,
                                     const bert_image *picture, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(x, "explanation", e) || bert_need(picture, "picture", e)) return NULL;
    if (view < 0 || view >= x->views) {
        bert_fail(e, BERT_EINVAL, "there is no view %d of %d", view, x->views);
        return NULL;
    }
    const bert_image_info i = bert_image_about(picture);
    const float *map = x->map + (size_t)view * (size_t)x->down * (size_t)x->across;
    double low, most;
    range_of(x, &low, &most);
    placing p;
    uint8_t *out = malloc((size_t)i.width * (size_t)i.height * 3), *to = out;
    if (!out || place(x, i.height, i.width, &p, e)) {
        if (!out) bert_fail_memory(e, (size_t)i.width * (size_t)i.height * 3);
        free(out);
        return NULL;
    }
    for (int32_t y = 0; y < i.height; y++)
        for (int32_t k = 0; k < i.width; k++, to += 3) {
            const double down = ((y + 0.5) * p.scale[0] - p.before[0]) / x->patch_height,
                         across = ((k + 0.5) * p.scale[1] - p.before[1]) / x->patch_width;
            blend(&i, bert_image_samples(picture), (size_t)y * (size_t)i.width + (size_t)k,
                  (value_at(x, map, down, across) - low) / most, to);
        }
    bert_image *image = bert_image_of(
        out, &(bert_image_info){.width = i.width, .height = i.height, .channels = 3, .bits = 8}, e);
    free(out);
    return image;
}

/* ---- Of a file */

enum { LARGEST = 640 };

/* Frees the picture, unless it is small enough. */
static bert_image *shrunk(bert_image *all, bert_error *e) {
    const bert_image_info i = bert_image_about(all);
    const int32_t longest = i.width > i.height ? i.width : i.height;
    if (!all || longest <= LARGEST) return all;
    const double scale = (double)LARGEST / longest;
    const int32_t w = (int32_t)lround(i.width * scale), h = (int32_t)lround(i.height * scale);
    bert_image *small =
        bert_image_resize(all, w > 0 ? w : 1, h > 0 ? h : 1, BERT_RESAMPLE_BILINEAR, e);
    bert_image_free(all);
    return small;
}

bert_image *bert_explained_view(const bert_explanation *x, int32_t view, bert_error *e) {
    const bert_picture *p = &x->pictures[view];
    bert_image *own = p->image ? NULL : bert_image_open(p->path, &x->image, e);
    const bert_image *picture = p->image ? p->image : own;
    bert_image *all = picture ? bert_explanation_overlay(x, view, picture, e) : NULL;
    bert_image_free(own);
    return all ? shrunk(all, e) : NULL;
}

static void begin(bert_explain_file *f) {
    f->used = 0;
}

/* Puts an image into [height, width] from column x on. */
static void put_beside(uint8_t *to, int32_t width, int32_t x, const bert_image *image) {
    const bert_image_info i = bert_image_about(image);
    const uint8_t *from = bert_image_samples(image);
    for (int32_t y = 0; y < i.height; y++)
        memcpy(to + 3 * ((size_t)y * (size_t)width + (size_t)x),
               from + 3 * (size_t)y * (size_t)i.width, 3 * (size_t)i.width);
}

/* The views side by side. */
static bert_image *join(bert_image *const *views, int32_t n, bert_error *e) {
    bert_image_info all = {.channels = 3, .bits = 8};
    for (int32_t v = 0; v < n; v++) {
        const bert_image_info i = bert_image_about(views[v]);
        all.width += i.width + (v ? 8 : 0);
        if (i.height > all.height) all.height = i.height;
    }
    const size_t bytes = 3 * (size_t)all.width * (size_t)all.height;
    uint8_t *samples = malloc(bytes);
    if (!samples) {
        bert_fail_memory(e, bytes);
        return NULL;
    }
    memset(samples, 255, bytes);
    for (int32_t v = 0, x = 0; v < n; v++) {
        put_beside(samples, all.width, x, views[v]);
        x += bert_image_about(views[v]).width + 8;
    }
    bert_image *image = bert_image_of(samples, &all, e);
    free(samples);
    return image;
}

static int put_png(bert_explain_file *f, const bert_explanation *x, bert_error *e) {
    bert_image *views[64] = {0}, *all = NULL;
    void *bytes = NULL;
    size_t n = 0;
    int rc = 0;
    for (int32_t v = 0; v < x->views && !rc; v++)
        if (!(views[v] = bert_explained_view(x, v, e))) rc = e->code;
    if (!rc && !(all = join(views, x->views, e))) rc = e->code;
    if (!rc) rc = bert_image_encode(all, ".png", &bytes, &n, e);
    if (!rc) rc = bert_writer_put(f->page.w, bytes, n, e);
    free(bytes);
    bert_image_free(all);
    for (int32_t v = 0; v < x->views; v++) bert_image_free(views[v]);
    return rc;
}

static void add(bert_explain_file *f, const bert_explanation *x) {
    bert_error *e = &f->error;
    if (!x->views)
        f->page.rc = bert_fail(e, BERT_EINVAL,
                               "%s: a .png is of pictures; texts have .svg and "
                               ".html",
                               f->path);
    else if (f->count)
        f->page.rc = bert_fail(e, BERT_EINVAL,
                               "%s: a .png has one picture (or the views of one row); .html has "
                               "any number",
                               f->path);
    else
        f->page.rc = put_png(f, x, e);
}

static void end(bert_explain_file *f) {
    if (!f->count)
        f->page.rc = bert_fail(&f->error, BERT_EINVAL, "%s: there is no picture to write", f->path);
}

const bert_explain_format bert_explain_png = {".png", begin, add, end};
