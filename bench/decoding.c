/* Decoding beside the bare libraries: bench_decoding. A JPEG and a PNG of 1500 x 1000 are made in memory and
 * decoded in turn by libbert and by the library alone, into a buffer that it is given. The median of the
 * pairs' ratios counts: what else the machine does meets both. */
#include <bert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef BERT_WITH_JPEG
#include <jpeglib.h>
#endif
#ifdef BERT_WITH_PNG
#include <png.h>
#endif

enum { WIDTH = 1500, HEIGHT = 1000, BYTES = WIDTH * HEIGHT * 3, PAIRS = 21 };

typedef struct {
    unsigned char *bytes;
    size_t n;
} file;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Slow waves, edges and a little noise: about as a photograph packs. */
static unsigned char *picture(void) {
    unsigned char *p = malloc(BYTES);
    for (int i = 0; p && i < WIDTH * HEIGHT; i++) {
        const int x = i % WIDTH, y = i / WIDTH;
        for (int c = 0; c < 3; c++) {
            const int wave = (x * (c + 2) / 7 + y * y / 900) % 256,
                      noise = (int)((unsigned)(i * 3 + c) * 2654435761u >> 29);
            p[3 * i + c] = (unsigned char)((x / 200 + y / 150) % 2 ? wave / 2 + noise
                                                                   : 200 - wave / 3 + noise);
        }
    }
    return p;
}

/* Times decode() and libbert's decoder in turn. */
static int measure(const char *name, const file *f, int (*decode)(const file *f, unsigned char *to),
                   unsigned char *room) {
    double ratio[PAIRS], ours[PAIRS];
    bert_error e = {0};
    for (int k = -1; k < PAIRS; k++) { /* the first is a warm-up */
        const double begin = now();
        bert_image *image = bert_image_decode(f->bytes, f->n, NULL, &e);
        const double middle = now();
        if (!image || decode(f, room)) {
            fprintf(stderr, "bench_decoding: %s: %s\n", name,
                    image ? "the library fails" : e.message);
            bert_image_free(image);
            return 1;
        }
        const double end = now();
        if (memcmp(bert_image_samples(image), room, BYTES)) {
            fprintf(stderr, "bench_decoding: %s: the pixels differ\n", name);
            return 1;
        }
        bert_image_free(image);
        if (k < 0) continue;
        ours[k] = middle - begin;
        ratio[k] = (middle - begin) / (end - middle);
    }
    qsort(ours, PAIRS, sizeof *ours, ascending);
    qsort(ratio, PAIRS, sizeof *ratio, ascending);
    printf("%s, %d x %d, %.0f kB: %.2f ms, %.3f of the library's time\n", name, WIDTH, HEIGHT,
           1e-3 * (double)f->n, 1e3 * ours[PAIRS / 2], ratio[PAIRS / 2]);
    return 0;
}

#ifdef BERT_WITH_JPEG
static file make_jpeg(const unsigned char *p) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &n);
    jpeg.image_width = WIDTH;
    jpeg.image_height = HEIGHT;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 90, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < HEIGHT) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(p + (size_t)jpeg.next_scanline * WIDTH * 3);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return (file){bytes, n};
}

static int bare_jpeg(const file *f, unsigned char *to) {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, f->bytes, f->n);
    jpeg_read_header(&jpeg, TRUE);
    jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW row = to + (size_t)jpeg.output_scanline * WIDTH * 3;
        jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    return 0;
}
#endif

#ifdef BERT_WITH_PNG
static file make_png(const unsigned char *p) {
    png_image image = {.version = PNG_IMAGE_VERSION, .width = WIDTH, .height = HEIGHT};
    file f = {NULL, 0};
    image.format = PNG_FORMAT_RGB;
    png_alloc_size_t n = 0;
    if (!png_image_write_to_memory(&image, NULL, &n, 0, p, 0, NULL)) return f;
    f.bytes = malloc(n);
    if (f.bytes && png_image_write_to_memory(&image, f.bytes, &n, 0, p, 0, NULL)) f.n = n;
    return f;
}

typedef struct {
    const unsigned char *at;
} source;

static void give(png_structp png, png_bytep to, size_t n) {
    source *s = png_get_io_ptr(png);
    memcpy(to, s->at, n);
    s->at += n;
}

static int bare_png(const file *f, unsigned char *to) {
    source s = {f->bytes};
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info || setjmp(png_jmpbuf(png))) return 1;
    png_set_read_fn(png, &s, give);
    png_read_info(png, info);
    for (int y = 0; y < HEIGHT; y++) png_read_row(png, to + (size_t)y * WIDTH * 3, NULL);
    png_read_end(png, NULL);
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
}
#endif

int main(void) {
    unsigned char *p = picture(), *room = malloc(BYTES);
    int rc = p && room ? 0 : 1;
#ifdef BERT_WITH_JPEG
    if (!rc) {
        file f = make_jpeg(p);
        rc = measure("JPEG", &f, bare_jpeg, room);
        free(f.bytes);
    }
#endif
#ifdef BERT_WITH_PNG
    if (!rc) {
        file f = make_png(p);
        rc = measure("PNG", &f, bare_png, room);
        free(f.bytes);
    }
#endif
    free(p);
    free(room);
    return rc;
}
