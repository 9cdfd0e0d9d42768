/* What a model wants done to its pictures (preprocessor_config.json), and doing it. */
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include "files/pretrained.h"
#include "image/image.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 1 << 15 }; /* of a resized picture's sides */

/* ---- Kinds of processors: transformers' classes, and whose they are by default */

typedef struct {
    const char *class_name;  /* without "ImageProcessor", "FeatureExtractor" */
    const char *model_types; /* "a b" */
    bool shortest;           /* a number as size is that of the shorter side */
    bert_image_processor usual;
} kind;

#define HALVES                                                                                     \
    { 0.5f, 0.5f, 0.5f }
#define EACH                                                                                       \
    .do_resize = true, .do_rescale = true, .do_normalize = true, .rescale_factor = 1 / 255.0,      \
    .channels = 3
#define CLIP                                                                                       \
    {                                                                                              \
        EACH, .do_center_crop = true, .shortest_edge = 224, .crop_height = 224, .crop_width = 224, \
              .resample = BERT_RESAMPLE_BICUBIC,                                                   \
              .image_mean = {0.48145466f, 0.4578275f, 0.40821073f}, .image_std = {                 \
                  0.26862954f,                                                                     \
                  0.26130258f,                                                                     \
                  0.27577711f                                                                      \
              }                                                                                    \
    }
static const kind kinds[] = {
    {"ViT",
     "vit",
     false,
     {EACH, .height = 224, .width = 224, .crop_height = 224, .crop_width = 224,
      .resample = BERT_RESAMPLE_BILINEAR, .image_mean = HALVES, .image_std = HALVES}},
    {"DeiT",
     "deit",
     false,
     {EACH, .do_center_crop = true, .height = 256, .width = 256, .crop_height = 224,
      .crop_width = 224, .resample = BERT_RESAMPLE_BICUBIC, .image_mean = HALVES,
      .image_std = HALVES}},
    {"Bit", "dinov2 dinov2_with_registers", true, CLIP},
    {"CLIP", "", true, CLIP},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static bool listed(const char *list, const char *word) {
    const size_t n = strlen(word);
    for (const char *p = list; n && *p; p += strcspn(p, " "), p += *p == ' ')
        if (strcspn(p, " ") == n && !strncmp(p, word, n)) return true;
    return false;
}

static const kind *of_model(const char *model_type) {
    for (int i = 0; i < KINDS; i++)
        if (listed(kinds[i].model_types, model_type)) return &kinds[i];
    return &kinds[0];
}

/* "ViTImageProcessorFast", "ViTFeatureExtractor" .. */
static const kind *of_class(const char *name, const char *where, bert_error *e) {
    static const char *const endings[] = {"ImageProcessor", "FeatureExtractor"};
    for (int i = 0; i < KINDS; i++) {
        const size_t n = strlen(kinds[i].class_name);
        if (strncmp(name, kinds[i].class_name, n)) continue;
        for (int k = 0; k < 2; k++)
            if (!strncmp(name + n, endings[k], strlen(endings[k]))) return &kinds[i];
    }
    bert_fail(e, BERT_EUNSUPPORTED,
              "%s: pictures made ready by %.60s are not supported; ViTImageProcessor, "
              "DeiTImageProcessor, BitImageProcessor and CLIPImageProcessor are",
              where, name);
    return NULL;
}

bert_image_processor bert_image_processor_default(const char *model_type) {
    return of_model(model_type ? model_type : "")->usual;
}

/* ---- Reading one */

typedef struct {
    const json_t *json;
    const char *where;
    const kind *kind;
    bert_image_processor *p;
} reading;

static int bad(const reading *r, const char *key, const char *what, bert_error *e) {
    return bert_fail(e, BERT_EFORMAT, "%s: %s must be %s", r->where, key, what);
}

/* A side in a list or object, or alone. */
static bool side(const json_t *v, int32_t *out) {
    const double x = json_is_number(v) ? json_number_value(v) : 0;
    if (!(x >= 1 && x <= LARGEST && x == floor(x))) return false;
    *out = (int32_t)x;
    return true;
}

/* n, [h, w], {height, width} or {shortest_edge}. */
static int read_size(const reading *r, const char *key, int32_t *height, int32_t *width,
                     int32_t *shortest, bert_error *e) {
    const json_t *v = json_object_get(r->json, key);
    bool fine;
    if (!v || json_is_null(v)) return 0;
    int32_t h = 0, w = 0, s = 0;
    if (json_is_number(v)) {
        fine = side(v, &s);
        if (!shortest || !r->kind->shortest) h = w = s, s = 0;
    } else if (json_is_array(v)) {
        fine = json_array_size(v) == 2 && side(json_array_get(v, 0), &h) &&
               side(json_array_get(v, 1), &w);
    } else if (shortest && json_object_get(v, "shortest_edge")) {
        fine = side(json_object_get(v, "shortest_edge"), &s);
    } else {
        fine = side(json_object_get(v, "height"), &h) && side(json_object_get(v, "width"), &w);
    }
    if (!fine)
        return bad(r, key,
                   "a number, two in a list, or {height, width} or {shortest_edge}, of 1 to 32768",
                   e);
    *height = h;
    *width = w;
    if (shortest) *shortest = s;
    return 0;
}

/* Three numbers, or one for all channels. */
static int read_channels(const reading *r, const char *key, bool positive, float out[3],
                         bert_error *e) {
    const json_t *v = json_object_get(r->json, key);
    if (!v || json_is_null(v)) return 0;
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n != 1 && n != 3) return bad(r, key, "a number for each channel", e);
    for (size_t i = 0; i < 3; i++) {
        const json_t *x = json_is_array(v) ? json_array_get(v, n == 3 ? i : 0) : v;
        out[i] = json_is_number(x) ? (float)json_number_value(x) : NAN;
        if (!isfinite(out[i]) || (positive && out[i] <= 0))
            return bad(r, key, positive ? "numbers above 0" : "numbers", e);
    }
    return 0;
}

static int read_switches(const reading *r, bert_error *e) {
    const struct {
        const char *key;
        bool *at;
    } rows[] = {{"do_resize", &r->p->do_resize},
                {"do_center_crop", &r->p->do_center_crop},
                {"do_rescale", &r->p->do_rescale},
                {"do_normalize", &r->p->do_normalize}};
    int rc = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !rc; i++)
        rc = bert_json_bool(r->json, rows[i].key, rows[i].at, r->where, e);
    return rc;
}

static int read_numbers(const reading *r, bert_error *e) {
    bert_image_processor *p = r->p;
    int32_t resample = (int32_t)p->resample;
    int rc = bert_json_int(r->json, "resample", 0, BERT_RESAMPLE_COUNT - 1, &resample, r->where, e);
    p->resample = (bert_resample)resample;
    const json_t *factor = json_object_get(r->json, "rescale_factor");
    if (!rc && factor && !json_is_null(factor)) {
        p->rescale_factor = json_is_number(factor) ? json_number_value(factor) : NAN;
        if (!isfinite(p->rescale_factor)) rc = bad(r, "rescale_factor", "a number", e);
    }
    return rc;
}

static int read_kind(reading *r, const char *model_type, bert_error *e) {
    char name[120] = "";
    int rc = bert_json_string(r->json, "image_processor_type", name, sizeof name, r->where, e);
    if (!rc && !*name)
        rc = bert_json_string(r->json, "feature_extractor_type", name, sizeof name, r->where, e);
    if (rc) return rc;
    r->kind = *name ? of_class(name, r->where, e) : of_model(model_type);
    return r->kind ? 0 : e->code;
}

static int read_json(const json_t *json, const char *where, const char *model_type,
                     bert_image_processor *p, bert_error *e) {
    reading r = {.json = json, .where = where, .p = p};
    if (!json_is_object(json)) return bert_fail(e, BERT_EFORMAT, "%s: it is no object", where);
    int rc = read_kind(&r, model_type, e);
    if (rc) return rc;
    *p = r.kind->usual;
    rc = read_switches(&r, e);
    if (!rc) rc = read_size(&r, "size", &p->height, &p->width, &p->shortest_edge, e);
    if (!rc) rc = read_size(&r, "crop_size", &p->crop_height, &p->crop_width, NULL, e);
    if (!rc) rc = read_numbers(&r, e);
    if (!rc) rc = read_channels(&r, "image_mean", false, p->image_mean, e);
    if (!rc) rc = read_channels(&r, "image_std", true, p->image_std, e);
    return rc;
}

/* Of the files in the order in which they count; the first one's processor is a member of it. */
static const struct {
    const char *file, *member;
} places[] = {{"processor_config.json", "image_processor"}, {"preprocessor_config.json", NULL}};

static int read_from(const bert_pretrained *from, bert_image_processor *p, bert_error *e) {
    json_t *config = bert_pretrained_json(from, "config.json", e);
    const json_t *type = json_object_get(config, "model_type");
    const json_t *channels = json_object_get(config, "num_channels");
    const char *model_type = json_is_string(type) ? json_string_value(type) : "";
    int rc = e->code;
    bool found = false;
    *p = bert_image_processor_default(model_type);
    for (size_t i = 0; i < sizeof places / sizeof *places && !found && !rc; i++) {
        char *where = bert_pretrained_where(from, places[i].file);
        json_t *json = where ? bert_pretrained_json(from, places[i].file, e) : NULL;
        const json_t *own = places[i].member ? json_object_get(json, places[i].member) : json;
        found = own != NULL;
        rc = e->code;
        if (found && !rc) rc = read_json(own, where, model_type, p, e);
        json_decref(json);
        free(where);
    }
    if (json_is_integer(channels) && json_integer_value(channels) == 1) p->channels = 1;
    json_decref(config);
    return rc;
}

int bert_image_processor_open(const char *path, bert_image_processor *p, bert_error *e) {
    BERT_DOOR(e);
    char directory[4096];
    if (bert_need(path, "name of a model", e) || bert_need(p, "processor to fill", e))
        return BERT_EINVAL;
    int rc = bert_resolve(path, directory, sizeof directory, e);
    bert_pretrained *from = rc ? NULL : bert_pretrained_open(directory, e);
    if (from) rc = read_from(from, p, e);
    if (!from && !rc) rc = e->code;
    bert_pretrained_close(from);
    return rc;
}

/* ---- Sizes */

static void resized(const bert_image_processor *p, int32_t width, int32_t height, int32_t *w,
                    int32_t *h) {
    *w = width;
    *h = height;
    if (!p->do_resize) return;
    *w = p->width;
    *h = p->height;
    if (!p->shortest_edge) return;
    const int32_t least = width <= height ? width : height, most = width <= height ? height : width;
    const int64_t other = (int64_t)((double)((int64_t)p->shortest_edge * most) / (double)least);
    const int32_t longer = other > LARGEST ? 0 : (int32_t)other;
    *w = width <= height ? p->shortest_edge : longer;
    *h = width <= height ? longer : p->shortest_edge;
}

int bert_image_processed_size(const bert_image_processor *p, int32_t width, int32_t height,
                              int32_t *out_width, int32_t *out_height, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(p, "processor", e)) return BERT_EINVAL;
    int32_t w, h;
    resized(p, width, height, &w, &h);
    if (w < 1 || h < 1)
        return bert_fail(
            e, BERT_EINVAL,
            "a picture of %d x %d cannot be resized as asked: its sides would not be 1 "
            "to %d long",
            width, height, LARGEST);
    *out_width = p->do_center_crop ? p->crop_width : w;
    *out_height = p->do_center_crop ? p->crop_height : h;
    if (*out_width < 1 || *out_height < 1)
        return bert_fail(e, BERT_EINVAL, "a picture is cropped to %d x %d", *out_width,
                         *out_height);
    return 0;
}

/* ---- Doing it */

/* Pillow's convert("L"). */
static int make_grey(const bert_raster *in, bert_raster *out, bert_error *e) {
    const size_t n = (size_t)in->width * (size_t)in->height;
    *out = *in;
    out->channels = 1;
    uint8_t *y = out->samples = bert_image_room(n, 1, e);
    if (!y) return BERT_ENOMEM;
    const uint8_t *p = in->samples;
    for (size_t i = 0; i < n; i++, p += 3)
        y[i] = (uint8_t)((p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16);
    return 0;
}

/* 16 bits to 0 .. 1. */
static int make_floats(const bert_image *image, bert_raster *out, bert_error *e) {
    const bert_image_info *i = &image->info;
    const size_t n = (size_t)i->width * (size_t)i->height;
    *out = (bert_raster){NULL, i->width, i->height, 1, true};
    float *y = out->samples = bert_image_room(n, sizeof *y, e);
    if (!y) return BERT_ENOMEM;
    const uint16_t *v = image->samples;
    const double inverse = 1 / (i->high - i->low);
    for (size_t k = 0; k < n; k++) {
        const double x = ((double)v[k] - i->low) * inverse;
        y[k] = (float)(x < 0 ? 0 : x > 1 ? 1 : x);
    }
    return 0;
}

/* What becomes of a sample: of a byte, or (16 bits) of a part of the range, which stands for 255
 * times as much. */
static float finish(const bert_image_processor *p, int channel, double v) {
    float x = (float)(p->do_rescale ? v * p->rescale_factor : v);
    if (p->do_normalize) x = (x - p->image_mean[channel]) / p->image_std[channel];
    return x;
}

/* A channel of the cropped picture; around it there are zeros. */
static void write_plane(const bert_image_processor *p, const bert_raster *in, int channel,
                        int32_t width, int32_t height, float *out) {
    float of_byte[256];
    for (int v = 0; v < 256; v++) of_byte[v] = finish(p, channel, v);
    const int64_t top = floor(((double)in->height - height) / 2),
                  left = floor(((double)in->width - width) / 2);
    const int of = in->channels == 3 ? channel : 0;
    for (int64_t y = top; y < top + height; y++) {
        const bool inside = y >= 0 && y < in->height;
        for (int64_t x = left; x < left + width; x++, out++) {
            const size_t at = (size_t)(y * in->width + x) * (size_t)in->channels + (size_t)of;
            if (!inside || x < 0 || x >= in->width)
                *out = of_byte[0];
            else if (in->floats)
                *out = finish(p, channel, (double)((const float *)in->samples)[at] * 255);
            else
                *out = of_byte[((const uint8_t *)in->samples)[at]];
        }
    }
}

static int prepare(const bert_image *image, const bert_image_processor *p, float *out,
                   bert_error *e) {
    bert_raster at = {image->samples, image->info.width, image->info.height, image->info.channels,
                      false},
                next;
    int32_t w, h, width, height;
    int rc = bert_image_processed_size(p, at.width, at.height, &width, &height, e);
    if (rc) return rc;
    if (image->info.bits == 16) rc = make_floats(image, &at, e);
    if (!rc && at.channels == 3 && p->channels == 1) {
        rc = make_grey(&at, &next, e);
        at = next;
    }
    resized(p, at.width, at.height, &w, &h);
    if (!rc && (w != at.width || h != at.height)) {
        rc = bert_raster_resize(&at, w, h, p->resample, &next, e);
        if (at.samples != image->samples) free(at.samples);
        at = next;
    }
    const size_t plane = (size_t)width * (size_t)height;
    for (int c = 0; c < p->channels && !rc; c++)
        write_plane(p, &at, c, width, height, out + (size_t)c * plane);
    if (at.samples != image->samples) free(at.samples);
    return rc;
}

int bert_image_process(const bert_image *image, const bert_image_processor *p, float *out,
                       bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(image, "picture", e) || bert_need(p, "processor", e) ||
        bert_need(out, "room for the pixels", e))
        return BERT_EINVAL;
    if ((p->channels != 1 && p->channels != 3) || (unsigned)p->resample >= BERT_RESAMPLE_COUNT)
        return bert_fail(e, BERT_EINVAL, "a processor of %d channels and filter %d", p->channels,
                         (int)p->resample);
    return prepare(image, p, out, e);
}

bert_image *bert_image_resize(const bert_image *image, int32_t width, int32_t height,
                              bert_resample filter, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(image, "picture", e)) return NULL;
    if (width < 1 || height < 1 || width > LARGEST || height > LARGEST ||
        (unsigned)filter >= BERT_RESAMPLE_COUNT || image->info.bits != 8) {
        bert_fail(e, BERT_EINVAL, "a picture of %d bits cannot be resized to %d x %d by filter %d",
                  image->info.bits, width, height, (int)filter);
        return NULL;
    }
    const bert_raster in = {image->samples, image->info.width, image->info.height,
                            image->info.channels, false};
    bert_raster out;
    bert_image *made = calloc(1, sizeof *made);
    if (!made || bert_raster_resize(&in, width, height, filter, &out, e)) {
        bert_fail_memory(e, sizeof *made);
        free(made);
        return NULL;
    }
    made->info = image->info;
    made->info.width = width;
    made->info.height = height;
    made->samples = out.samples;
    return made;
}
