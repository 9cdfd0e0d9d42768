#include "data/augment.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double between(bert_rng *r, double low, double high) {
    return low + (high - low) * (double)bert_rng_uniform(r);
}

/* ---- A part of the picture */

static void choose_part(const bert_image_info *i, double least, bert_rng *r, int32_t *left,
                        int32_t *top, int32_t *width, int32_t *height) {
    enum { TRIES = 10 };
    const double area = (double)i->width * i->height;
    for (int k = 0; k < TRIES; k++) {
        const double part = area * between(r, least, 1);
        const double ratio = exp(between(r, log(3 / 4.0), log(4 / 3.0)));
        *width = (int32_t)(sqrt(part * ratio) + 0.5);
        *height = (int32_t)(sqrt(part / ratio) + 0.5);
        if (*width < 1 || *height < 1 || *width > i->width || *height > i->height) continue;
        *left = (int32_t)between(r, 0, i->width - *width + 1);
        *top = (int32_t)between(r, 0, i->height - *height + 1);
        if (*left > i->width - *width) *left = i->width - *width;
        if (*top > i->height - *height) *top = i->height - *height;
        return;
    }
    *left = *top = 0; /* all of it */
    *width = i->width;
    *height = i->height;
}

bert_image *bert_augment_crop(const bert_image *image, double least, bert_rng *r, bert_error *e) {
    const bert_image_info i = bert_image_about(image);
    int32_t left, top, width, height;
    choose_part(&i, least, r, &left, &top, &width, &height);
    const size_t pixel = (size_t)(i.channels * i.bits / 8), row = (size_t)width * pixel;
    unsigned char *part = malloc((size_t)height * row);
    const unsigned char *from = bert_image_samples(image);
    for (int32_t y = 0; part && y < height; y++)
        memcpy(part + (size_t)y * row,
               from + ((size_t)(top + y) * (size_t)i.width + (size_t)left) * pixel, row);
    bert_image_info about = i;
    about.width = width;
    about.height = height;
    bert_image *made = part ? bert_image_of(part, &about, e) : NULL;
    free(part);
    return made;
}

/* ---- Planes */

static void mirror(float *plane, int32_t height, int32_t width) {
    for (int32_t y = 0; y < height; y++, plane += width)
        for (int32_t x = 0; x < width / 2; x++) {
            const float swap = plane[x];
            plane[x] = plane[width - 1 - x];
            plane[width - 1 - x] = swap;
        }
}

static float sample(const float *plane, int32_t height, int32_t width, double y, double x,
                    float outside) {
    const double y0 = floor(y), x0 = floor(x);
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        const double v = y0 + k / 2, u = x0 + k % 2;
        const double w = (1 - fabs(y - v)) * (1 - fabs(x - u));
        const bool inside = v >= 0 && u >= 0 && v < height && u < width;
        sum += w * (double)(inside ? plane[(size_t)v * (size_t)width + (size_t)u] : outside);
    }
    return (float)sum;
}

/* About the middle; what was outside is black. */
static void rotate(float *plane, int32_t height, int32_t width, double angle, float black,
                   float *room) {
    const double c = cos(angle), s = sin(angle), my = (height - 1) / 2.0, mx = (width - 1) / 2.0;
    float *to = room;
    for (int32_t y = 0; y < height; y++)
        for (int32_t x = 0; x < width; x++)
            *to++ = sample(plane, height, width, c * (y - my) - s * (x - mx) + my,
                           s * (y - my) + c * (x - mx) + mx, black);
    memcpy(plane, room, (size_t)height * (size_t)width * sizeof *plane);
}

/* contrast (v - mean) + brightness mean, held between black and white. */
static void recolour(float *plane, size_t n, double brightness, double contrast, float black,
                     float white) {
    double mean = 0;
    for (size_t i = 0; i < n; i++) mean += (double)(plane[i] - black);
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) {
        const double v = contrast * ((double)(plane[i] - black) - mean) + brightness * mean;
        const float x = (float)v + black;
        plane[i] = x < black ? black : x > white ? white : x;
    }
}

/* What a sample of 0 or 255 becomes. */
static float end_of(const bert_image_processor *p, int channel, double v) {
    double x = p->do_rescale ? v * p->rescale_factor : v;
    if (p->do_normalize) x = (x - (double)p->image_mean[channel]) / (double)p->image_std[channel];
    return (float)x;
}

void bert_augment_planes(const bert_augment *a, const bert_image_processor *p, bert_rng *r,
                         float *planes, int32_t height, int32_t width, float *room) {
    /* Drawn whether they are used or not, so that one option does not change another's numbers. */
    const bool flip = (double)bert_rng_uniform(r) < a->flip;
    const double angle = between(r, -1, 1) * a->rotation * M_PI / 180;
    const double brightness = 1 + a->colour * between(r, -1, 1),
                 contrast = 1 + a->colour * between(r, -1, 1);
    const size_t n = (size_t)height * (size_t)width;
    for (int c = 0; c < p->channels; c++, planes += n) {
        const float black = end_of(p, c, 0), white = end_of(p, c, 255);
        if (flip) mirror(planes, height, width);
        if (a->rotation > 0) rotate(planes, height, width, angle, black, room);
        if (a->colour > 0) recolour(planes, n, brightness, contrast, black, white);
    }
}
