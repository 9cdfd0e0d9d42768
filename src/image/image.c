/* Pictures from files and from memory. */
#include "image/image.h"
#include "base/error.h"
#include "base/file.h"
#include "base/module.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FILE_BYTES = 1 << 30 };
static const int64_t most_pixels = 178956970; /* Pillow's limit, twice what it warns of */

bert_image_options bert_image_default(void) {
    return (bert_image_options){.max_pixels = most_pixels};
}

const bert_image_module *bert_image_decoders(bert_error *e) {
    static _Atomic(const bert_image_module *) found;
    const bert_image_module *m = atomic_load(&found);
    if (m) return m;
    m = bert_module("image", e);
    if (!m) bert_error_prefix(e, "pictures cannot be read: ");
    if (m) atomic_store(&found, m);
    return m;
}

bool bert_image_format_at(int i, const char **name, char *library, size_t capacity) {
    bert_error none = {0};
    const bert_image_module *m = bert_image_decoders(&none);
    if (!m || i < 0) return false;
    for (int k = 0; m->decoders[k]; k++) {
        if (k < i) continue;
        *name = m->decoders[k]->name;
        if (library) m->decoders[k]->library(library, capacity);
        return true;
    }
    return false;
}

/* ---- Decoding */

typedef struct {
    bert_image *image;
    int64_t max_pixels;
    bert_error *e;
} job;

/* The limit is asked before memory is taken. */
static void *room(void *context, const bert_image_shape *s) {
    job *j = context;
    if (s->width < 1 || s->height < 1) {
        bert_fail(j->e, BERT_EFORMAT, "it is %d x %d pixels", s->width, s->height);
        return NULL;
    }
    if ((int64_t)s->width * s->height > j->max_pixels) {
        bert_fail(j->e, BERT_ETOOLONG, "it has %d x %d pixels, and the limit is %lld in all",
                  s->width, s->height, (long long)j->max_pixels);
        return NULL;
    }
    j->image->info = (bert_image_info){
        .width = s->width, .height = s->height, .channels = s->channels, .bits = s->bits};
    const size_t samples = (size_t)s->width * (size_t)s->height * (size_t)s->channels;
    return j->image->samples = bert_image_room(samples, (size_t)s->bits / 8, j->e);
}

/* How EXIF's orientations turn a picture upright: mirrored across, mirrored down, axes changed. */
static const struct {
    bool across, down, turned;
} turns[9] = {[2] = {true, false, false}, [3] = {true, true, false}, [4] = {false, true, false},
              [5] = {false, false, true}, [6] = {false, true, true}, [7] = {true, true, true},
              [8] = {true, false, true}};

static int turn(bert_image *image, int orientation, bert_error *e) {
    if (orientation < 2 || orientation > 8) return 0;
    const int32_t w = image->info.width, h = image->info.height;
    const size_t pixel = (size_t)(image->info.channels * image->info.bits / 8);
    unsigned char *out = bert_image_room((size_t)w * (size_t)h, pixel, e);
    if (!out) return BERT_ENOMEM;
    const bool turned = turns[orientation].turned;
    const unsigned char *from = image->samples;
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++, from += pixel) {
            const size_t a = (size_t)(turns[orientation].across ? w - 1 - x : x);
            const size_t b = (size_t)(turns[orientation].down ? h - 1 - y : y);
            const size_t at = turned ? a * (size_t)h + b : b * (size_t)w + a;
            memcpy(out + at * pixel, from, pixel);
        }
    free(image->samples);
    image->samples = out;
    if (turned) {
        image->info.width = h;
        image->info.height = w;
    }
    return 0;
}

/* What 16 bits are mapped to 0 .. 1 from. */
static int set_range(bert_image *image, const bert_image_options *o, bert_error *e) {
    bert_image_info *i = &image->info;
    if (i->bits != 16) return 0;
    i->low = o->range_low;
    i->high = o->range_high;
    i->own_range = o->range_low == 0 && o->range_high == 0;
    if (i->own_range) {
        const uint16_t *v = image->samples;
        uint16_t low = *v, high = *v;
        for (size_t k = 0; k < (size_t)i->width * (size_t)i->height; k++) {
            if (v[k] < low) low = v[k];
            if (v[k] > high) high = v[k];
        }
        i->low = low;
        i->high = high > low ? high : low + 1.0;
    }
    if (i->high > i->low) return 0;
    return bert_fail(e, BERT_EINVAL, "a range of values from %g to %g", i->low, i->high);
}

static const bert_image_decoder *recognise(const bert_image_module *m, const unsigned char *bytes,
                                           size_t n, bert_error *e) {
    char known[100] = "";
    for (int i = 0; m->decoders[i]; i++) {
        if (m->decoders[i]->recognises(bytes, n)) return m->decoders[i];
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", m->decoders[i]->name);
    }
    const char *instead = bert_file_instead((const char *)bytes, n);
    bert_fail(e, BERT_EFORMAT, "it is no picture that this build reads (%s)%s%s", known,
              instead ? "; it " : "", instead ? instead : "");
    return NULL;
}

static bert_image *decode(const unsigned char *bytes, size_t n, const bert_image_options *o,
                          bert_error *e) {
    const bert_image_module *m = bert_image_decoders(e);
    const bert_image_decoder *d = m ? recognise(m, bytes, n, e) : NULL;
    bert_image *image = d ? calloc(1, sizeof *image) : NULL;
    if (!image) {
        if (d) bert_fail_memory(e, sizeof *image);
        return NULL;
    }
    job j = {image, o->max_pixels > 0 ? o->max_pixels : most_pixels, e};
    bert_image_sink sink = {.context = &j, .room = room, .orientation = 1};
    int rc = d->decode(bytes, n, &sink) ? 0 : BERT_EFORMAT;
    if (rc && !e->code) bert_fail(e, rc, "%s: %s", d->name, sink.message);
    if (!rc) rc = turn(image, sink.orientation, e);
    if (!rc) rc = set_range(image, o, e);
    if (!rc) return image;
    bert_image_free(image);
    return NULL;
}

bert_image *bert_image_decode(const void *bytes, size_t n, const bert_image_options *options,
                              bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(bytes, "picture to decode", e)) return NULL;
    const bert_image_options o = options ? *options : bert_image_default();
    return decode(bytes, n, &o, e);
}

bert_image *bert_image_open(const char *path, const bert_image_options *options, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(path, "path of a picture", e)) return NULL;
    const bert_image_options o = options ? *options : bert_image_default();
    char *bytes = NULL;
    size_t n = 0;
    if (bert_read_file(path, MOST_FILE_BYTES, &bytes, &n, e)) return NULL;
    bert_image *image = decode((const unsigned char *)bytes, n, &o, e);
    if (!image) bert_error_prefix(e, "%s: ", path);
    free(bytes);
    return image;
}

bert_image *bert_image_of(const void *samples, const bert_image_info *info, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(samples, "samples of a picture", e) || bert_need(info, "size of a picture", e))
        return NULL;
    const bool known = info->bits == 8 ? info->channels == 1 || info->channels == 3
                                       : info->bits == 16 && info->channels == 1;
    if (info->width < 1 || info->height < 1 || !known) {
        bert_fail(
            e, BERT_EINVAL,
            "a picture of %d x %d with %d channels of %d bits: it has 1 or 3 of 8, or 1 of 16",
            info->width, info->height, info->channels, info->bits);
        return NULL;
    }
    bert_image *image = calloc(1, sizeof *image);
    if (!image) {
        bert_fail_memory(e, sizeof *image);
        return NULL;
    }
    image->info = *info;
    const bert_image_options o = {.range_low = info->low, .range_high = info->high};
    const size_t pixels = (size_t)info->width * (size_t)info->height;
    const size_t pixel = (size_t)(info->channels * info->bits / 8);
    image->samples = bert_image_room(pixels, pixel, e);
    if (image->samples) memcpy(image->samples, samples, pixels * pixel);
    if (image->samples && !set_range(image, &o, e)) return image;
    bert_image_free(image);
    return NULL;
}

void bert_image_free(bert_image *image) {
    if (!image) return;
    free(image->samples);
    free(image);
}

bert_image_info bert_image_about(const bert_image *image) {
    return image ? image->info : (bert_image_info){0};
}

const void *bert_image_samples(const bert_image *image) {
    return image ? image->samples : NULL;
}
