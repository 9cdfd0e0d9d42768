/* JPEG by libjpeg-turbo with its defaults, as Pillow reads it; of four channels they are Adobe's
 * inverted CMYK. A file that ends early is an error, not a grey rest. */
#include "formats.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* jpeglib.h needs those above. */
#include <jerror.h>
#include <jpeglib.h>

enum { MOST_SCANS = 500 }; /* of a progressive file: each costs a pass over the picture */

typedef struct {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf stop;
    bert_image_sink *to;
} reading;

static void fail(j_common_ptr common) {
    reading *r = common->client_data;
    char text[JMSG_LENGTH_MAX];
    common->err->format_message(common, text);
    snprintf(r->to->message, sizeof r->to->message, "%.190s", text);
    longjmp(r->stop, 1);
}

static void fail_with(reading *r, const char *why) {
    snprintf(r->to->message, sizeof r->to->message, "%s", why);
    longjmp(r->stop, 1);
}

static void ignore(j_common_ptr common, int level) {
    (void)common, (void)level;
}
static void be_silent(j_common_ptr common) {
    (void)common;
}

/* ---- The bytes in memory: where they end, the file is cut off */

static void nothing(j_decompress_ptr jpeg) {
    (void)jpeg;
}
static boolean ends_early(j_decompress_ptr jpeg) {
    fail_with(jpeg->client_data, "it ends early: the file is cut off");
    return FALSE;
}
static void skip(j_decompress_ptr jpeg, long n) {
    if (n <= 0) return;
    if ((size_t)n > jpeg->src->bytes_in_buffer) ends_early(jpeg);
    jpeg->src->next_input_byte += n;
    jpeg->src->bytes_in_buffer -= (size_t)n;
}

static void watch_scans(j_common_ptr common) {
    const reading *r = common->client_data;
    if (r->jpeg.input_scan_number > MOST_SCANS)
        fail_with(common->client_data, "it has more than 500 scans");
}

static void begin(reading *r, const unsigned char *bytes, size_t n) {
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = fail;
    r->errors.emit_message = ignore;
    r->errors.output_message = be_silent;
    r->jpeg.client_data = r;
    jpeg_create_decompress(&r->jpeg);
    r->jpeg.client_data = r;
    r->source = (struct jpeg_source_mgr){.next_input_byte = bytes,
                                         .bytes_in_buffer = n,
                                         .init_source = nothing,
                                         .fill_input_buffer = ends_early,
                                         .skip_input_data = skip,
                                         .resync_to_restart = jpeg_resync_to_restart,
                                         .term_source = nothing};
    r->jpeg.src = &r->source;
    r->progress.progress_monitor = watch_scans;
    r->jpeg.progress = &r->progress;
    jpeg_save_markers(&r->jpeg, JPEG_APP0 + 1, 0xFFFF);
}

static int orientation(const reading *r) {
    static const char xmp[] = "http://ns.adobe.com/xap/1.0/"; /* and the NUL behind it */
    int found = 0, other = 0;
    for (jpeg_saved_marker_ptr m = r->jpeg.marker_list; m; m = m->next) {
        const size_t n = m->data_length;
        if (!found && n >= 6 && !memcmp(m->data, "Exif\0\0", 6))
            found = bert_exif_orientation(m->data, n);
        if (!other && n > sizeof xmp && !memcmp(m->data, xmp, sizeof xmp))
            other = bert_xmp_orientation((const char *)m->data + sizeof xmp, n - sizeof xmp);
    }
    return found ? found : other ? other : 1;
}

static void choose_colours(reading *r) {
    switch (r->jpeg.num_components) {
    case 1:
        r->jpeg.out_color_space = JCS_GRAYSCALE;
        break;
    case 3:
        r->jpeg.out_color_space = JCS_RGB;
        break;
    case 4:
        r->jpeg.out_color_space = JCS_CMYK;
        break;
    default:
        fail_with(r, "it has neither 1, 3 nor 4 channels");
    }
}

/* a b / 255, rounded, as Pillow does it. */
static int product(int a, int b) {
    const int t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* The file holds 255 - C, M, Y, K. */
static void from_cmyk(unsigned char *rgb, const unsigned char *inverted, int32_t width) {
    for (int32_t x = 0; x < width; x++, rgb += 3, inverted += 4) {
        const int white = inverted[3];
        for (int k = 0; k < 3; k++) {
            const int v = white - product(255 - inverted[k], white);
            rgb[k] = (unsigned char)(v < 0 ? 0 : v);
        }
    }
}

static void read_rows(reading *r, const bert_image_shape *s, unsigned char *samples) {
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    const size_t row = (size_t)s->width * (size_t)s->channels;
    const bool cmyk = jpeg->num_components == 4;
    JSAMPARRAY line = NULL;
    if (cmyk)
        line = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, 4 * jpeg->output_width, 1);
    while (jpeg->output_scanline < jpeg->output_height) {
        unsigned char *to = samples + jpeg->output_scanline * row;
        JSAMPROW into = cmyk ? line[0] : to;
        jpeg_read_scanlines(jpeg, &into, 1);
        if (cmyk) from_cmyk(to, line[0], s->width);
    }
}

static bool read_all(reading *r, const unsigned char *bytes, size_t n) {
    if (setjmp(r->stop)) return false;
    begin(r, bytes, n);
    jpeg_read_header(&r->jpeg, TRUE);
    choose_colours(r);
    const bert_image_shape shape = {.width = (int32_t)r->jpeg.image_width,
                                    .height = (int32_t)r->jpeg.image_height,
                                    .channels = r->jpeg.num_components == 1 ? 1 : 3,
                                    .bits = 8};
    unsigned char *samples = r->to->room(r->to->context, &shape);
    if (!samples) return false;
    r->to->orientation = orientation(r);
    jpeg_start_decompress(&r->jpeg);
    read_rows(r, &shape, samples);
    jpeg_finish_decompress(&r->jpeg); /* up to the end of the picture */
    return true;
}

static bool decode(const unsigned char *bytes, size_t n, bert_image_sink *to) {
    reading r = {.to = to};
    const bool done = read_all(&r, bytes, n);
    jpeg_destroy_decompress(&r.jpeg);
    return done;
}

static bool recognises(const unsigned char *bytes, size_t n) {
    return n >= 3 && !memcmp(bytes, "\xff\xd8\xff", 3);
}

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#ifdef LIBJPEG_TURBO_VERSION
#define LIBRARY "libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION)
#else
#define LIBRARY "libjpeg " TEXT(JPEG_LIB_VERSION)
#endif
static void library(char *out, size_t capacity) {
    snprintf(out, capacity, "%s", LIBRARY);
}

const bert_image_decoder bert_image_jpeg = {"JPEG", library, recognises, decode, NULL, NULL};
