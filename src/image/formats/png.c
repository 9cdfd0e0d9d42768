/* PNG by libpng, as Pillow reads it: alpha and tRNS are dropped, not blended; of 16 bits the high
 * byte counts, but those of grey stay; gAMA and profiles are not applied. */
#include "formats.h"
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const unsigned char *at;
    size_t left;
    bert_image_sink *to;
    png_structp png;
    png_infop info;
    bert_image_shape shape;
    unsigned char *samples;
    bool palette;
} reading;

static void on_error(png_structp png, png_const_charp text) {
    const reading *r = png_get_error_ptr(png);
    snprintf(r->to->message, sizeof r->to->message, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png, (void)text;
}

static void give(png_structp png, png_bytep out, png_size_t n) {
    reading *r = png_get_io_ptr(png);
    if (n > r->left) png_error(png, "it ends early: the file is cut off");
    memcpy(out, r->at, n);
    r->at += n;
    r->left -= n;
}

static void read_header(reading *r) {
    png_structp png = r->png;
    png_read_info(png, r->info);
    const int type = png_get_color_type(png, r->info), depth = png_get_bit_depth(png, r->info);
    r->palette = type == PNG_COLOR_TYPE_PALETTE;
    const bool deep = depth == 16 && type == PNG_COLOR_TYPE_GRAY;
    r->shape = (bert_image_shape){.width = (int32_t)png_get_image_width(png, r->info),
                                  .height = (int32_t)png_get_image_height(png, r->info),
                                  .channels = type & PNG_COLOR_MASK_COLOR ? 3 : 1,
                                  .bits = deep ? 16 : 8};
    const uint16_t one = 1;
    if (deep && *(const unsigned char *)&one) png_set_swap(png);
    if (depth == 16 && !deep) png_set_strip_16(png);
    if (type & PNG_COLOR_MASK_ALPHA) png_set_strip_alpha(png);
    if (r->palette) {
        png_set_packing(png);
        png_set_check_for_invalid_index(png, 0);
    } else if (depth < 8) {
        png_set_expand_gray_1_2_4_to_8(png);
    }
}

/* Colours of the numbers that lie in the last third of the samples. What the file gives no colour
 * is grey, as in Pillow. */
static void look_up(const reading *r) {
    unsigned char table[256][3];
    png_colorp colours = NULL;
    int n = 0;
    png_get_PLTE(r->png, r->info, &colours, &n);
    for (int i = 0; i < 256; i++) {
        const png_color grey = {(png_byte)i, (png_byte)i, (png_byte)i},
                        c = i < n ? colours[i] : grey;
        table[i][0] = c.red, table[i][1] = c.green, table[i][2] = c.blue;
    }
    const size_t pixels = (size_t)r->shape.width * (size_t)r->shape.height;
    const unsigned char *from = r->samples + 2 * pixels;
    for (size_t i = 0; i < pixels; i++) {
        const unsigned char *c = table[from[i]];
        for (int k = 0; k < 3; k++) r->samples[3 * i + (size_t)k] = c[k];
    }
}

static void read_rows(reading *r) {
    png_structp png = r->png;
    const bert_image_shape *s = &r->shape;
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, r->info);
    const size_t pixel = r->palette ? 1 : (size_t)(s->channels * s->bits / 8),
                 row = (size_t)s->width * pixel;
    if (png_get_rowbytes(png, r->info) != row) png_error(png, "rows of an unforeseen size");
    unsigned char *first = r->samples;
    if (r->palette) first += 2 * (size_t)s->width * (size_t)s->height;
    for (int pass = 0; pass < passes; pass++)
        for (int32_t y = 0; y < s->height; y++) png_read_row(png, first + (size_t)y * row, NULL);
    if (r->palette) look_up(r);
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "Raw profile type exif", ImageMagick's: three lines, then hexadecimal digits. */
static int raw_profile(const char *text, size_t n) {
    unsigned char bytes[4096];
    size_t used = 0, i = 0;
    for (int lines = 0; i < n && lines < 3; i++) lines += text[i] == '\n';
    int high = -1;
    for (; i < n && used < sizeof bytes; i++) {
        const int digit = hex_digit(text[i]);
        if (digit < 0) continue;
        if (high < 0) {
            high = digit;
        } else {
            bytes[used++] = (unsigned char)(high << 4 | digit);
            high = -1;
        }
    }
    return bert_exif_orientation(bytes, used);
}

static int orientation(const reading *r) {
    png_bytep exif;
    png_uint_32 n = 0;
    png_textp text = NULL;
    int texts = 0, found = 0, profile = 0, xmp = 0;
    if (png_get_eXIf_1(r->png, r->info, &n, &exif)) found = bert_exif_orientation(exif, n);
    png_get_text(r->png, r->info, &text, &texts);
    for (int i = 0; i < texts; i++) {
        const bool compressed_text = text[i].compression > 0;
        const size_t bytes = compressed_text ? text[i].itxt_length : text[i].text_length;
        if (!strcmp(text[i].key, "Raw profile type exif"))
            profile = raw_profile(text[i].text, bytes ? bytes : strlen(text[i].text));
        if (!strcmp(text[i].key, "XML:com.adobe.xmp"))
            xmp = bert_xmp_orientation(text[i].text, bytes ? bytes : strlen(text[i].text));
    }
    return found ? found : profile ? profile : xmp ? xmp : 1;
}

/* What stands behind the rows may say the orientation, and need not be there. */
static void read_end(reading *r) {
    if (!setjmp(png_jmpbuf(r->png))) png_read_end(r->png, r->info);
    r->to->message[0] = 0;
    r->to->orientation = orientation(r);
}

static bool read_all(reading *r) {
    if (setjmp(png_jmpbuf(r->png))) return false;
    png_set_user_limits(r->png, 0x7fffffff, 0x7fffffff); /* room() decides */
    png_set_read_fn(r->png, r, give);
    read_header(r);
    r->samples = r->to->room(r->to->context, &r->shape);
    if (!r->samples) return false;
    read_rows(r);
    return true;
}

static bool decode(const unsigned char *bytes, size_t n, bert_image_sink *to) {
    reading r = {.at = bytes, .left = n, .to = to};
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
    if (r.png) r.info = png_create_info_struct(r.png);
    const bool done = r.info && read_all(&r);
    if (done) read_end(&r);
    if (!r.info) snprintf(to->message, sizeof to->message, "libpng cannot be used");
    png_destroy_read_struct(&r.png, &r.info, NULL);
    return done;
}

static bool recognises(const unsigned char *bytes, size_t n) {
    return n >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8);
}

static void library(char *out, size_t capacity) {
    snprintf(out, capacity, "libpng %s", png_get_libpng_ver(NULL));
}

/* ---- Writing */

typedef struct {
    bert_image_out *to;
    png_structp png;
    png_infop info;
    const bert_image_shape *shape;
    const unsigned char *samples;
} writing;

static void on_write_error(png_structp png, png_const_charp text) {
    const writing *w = png_get_error_ptr(png);
    snprintf(w->to->message, sizeof w->to->message, "%s", text);
    png_longjmp(png, 1);
}

static void take(png_structp png, png_bytep bytes, png_size_t n) {
    const writing *w = png_get_io_ptr(png);
    if (!w->to->put(w->to->context, bytes, n)) png_error(png, "out of memory");
}

static void flush(png_structp png) {
    (void)png;
}

static bool write_all(writing *w) {
    const bert_image_shape *s = w->shape;
    if (setjmp(png_jmpbuf(w->png))) return false;
    png_set_write_fn(w->png, w, take, flush);
    png_set_IHDR(w->png, w->info, (png_uint_32)s->width, (png_uint_32)s->height, s->bits,
                 s->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(w->png, w->info);
    const uint16_t one = 1;
    if (s->bits == 16 && *(const unsigned char *)&one) png_set_swap(w->png);
    const size_t row = (size_t)s->width * (size_t)(s->channels * s->bits / 8);
    for (int32_t y = 0; y < s->height; y++) png_write_row(w->png, w->samples + (size_t)y * row);
    png_write_end(w->png, w->info);
    return true;
}

static bool encode(const bert_image_shape *shape, const void *samples, bert_image_out *to) {
    writing w = {.to = to, .shape = shape, .samples = samples};
    w.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w, on_write_error, on_warning);
    if (w.png) w.info = png_create_info_struct(w.png);
    const bool done = w.info && write_all(&w);
    if (!w.info) snprintf(to->message, sizeof to->message, "libpng cannot be used");
    png_destroy_write_struct(&w.png, &w.info);
    return done;
}

const bert_image_decoder bert_image_png = {"PNG", library, recognises, decode, ".png", encode};
