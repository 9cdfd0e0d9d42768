/* WebP by libwebp; alpha is dropped, of an animation the first picture counts. */
#include "formats.h"
#include <stdio.h>
#include <string.h>
#include <webp/decode.h>

static size_t little(const unsigned char *p, int bytes) {
    size_t v = 0;
    for (int i = bytes; i-- > 0;) v = v << 8 | p[i];
    return v;
}

typedef struct {
    const unsigned char *data; /* NULL: there is none */
    size_t n;
} chunk;

/* The first chunk of that name among those that fill `in`. */
static chunk find(chunk in, const char *name) {
    for (size_t at = 0; in.data && in.n >= 8 && at <= in.n - 8;) {
        const size_t size = little(in.data + at + 4, 4), rest = in.n - at - 8;
        const chunk c = {in.data + at + 8, size < rest ? size : rest};
        if (!memcmp(in.data + at, name, 4)) return c;
        if (size >= rest) break;
        at += 8 + size + (size & 1);
    }
    return (chunk){NULL, 0};
}

static int orientation(chunk file) {
    const chunk exif = find(file, "EXIF"), xmp = find(file, "XMP ");
    int found = exif.data ? bert_exif_orientation(exif.data, exif.n) : 0;
    if (!found && xmp.data) found = bert_xmp_orientation((const char *)xmp.data, xmp.n);
    return found ? found : 1;
}

static bool fail(bert_image_sink *to, const char *why) {
    snprintf(to->message, sizeof to->message, "%s", why);
    return false;
}

/* Where a picture lies on its canvas. */
typedef struct {
    const unsigned char *bytes; /* as WebPGetFeatures takes them */
    size_t n;
    int32_t x, y, width, height;
} frame;

/* ANMF: x / 2, y / 2, width - 1, height - 1, duration of 3 bytes each and flags, then chunks. */
static bool first_frame(chunk file, int32_t width, int32_t height, frame *f) {
    enum { HEADER = 16 };
    const chunk c = find(file, "ANMF");
    if (!c.data || c.n < HEADER) return false;
    *f = (frame){.bytes = c.data + HEADER,
                 .n = c.n - HEADER,
                 .x = 2 * (int32_t)little(c.data, 3),
                 .y = 2 * (int32_t)little(c.data + 3, 3),
                 .width = 1 + (int32_t)little(c.data + 6, 3),
                 .height = 1 + (int32_t)little(c.data + 9, 3)};
    return f->x <= width - f->width && f->y <= height - f->height;
}

static bool decode(const unsigned char *bytes, size_t n, bert_image_sink *to) {
    WebPBitstreamFeatures features;
    const VP8StatusCode status = WebPGetFeatures(bytes, n, &features);
    if (status != VP8_STATUS_OK)
        return fail(to, status == VP8_STATUS_NOT_ENOUGH_DATA ? "it ends early: the file is cut off"
                                                             : "its header is damaged");
    const chunk file = {bytes + 12, n - 12};
    const bert_image_shape shape = {features.width, features.height, 3, 8};
    frame f = {bytes, n, 0, 0, features.width, features.height};
    if (features.has_animation && !first_frame(file, features.width, features.height, &f))
        return fail(to, "its first picture is damaged");
    unsigned char *samples = to->room(to->context, &shape);
    if (!samples) return false;
    const size_t stride = 3 * (size_t)shape.width, skipped = (size_t)f.y * stride + 3 * (size_t)f.x,
                 all = stride * (size_t)shape.height;
    if (features.has_animation) memset(samples, 0, all);
    WebPBitstreamFeatures inner;
    if (features.has_animation && (WebPGetFeatures(f.bytes, f.n, &inner) != VP8_STATUS_OK ||
                                   inner.width != f.width || inner.height != f.height))
        return fail(to, "its first picture is damaged");
    if (!WebPDecodeRGBInto(f.bytes, f.n, samples + skipped, all - skipped, (int)stride))
        return fail(to, "it is damaged or ends early");
    to->orientation = orientation(file);
    return true;
}

static bool recognises(const unsigned char *bytes, size_t n) {
    return n >= 12 && !memcmp(bytes, "RIFF", 4) && !memcmp(bytes + 8, "WEBP", 4);
}

static void library(char *out, size_t capacity) {
    const int v = WebPGetDecoderVersion();
    snprintf(out, capacity, "libwebp %d.%d.%d", v >> 16, v >> 8 & 255, v & 255);
}

const bert_image_decoder bert_image_webp = {"WebP", library, recognises, decode, NULL, NULL};
