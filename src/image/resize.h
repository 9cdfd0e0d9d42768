/* Resizing as Pillow 13 does it, to the bit where samples are bytes. */
#ifndef BERT_IMAGE_RESIZE_H
#define BERT_IMAGE_RESIZE_H
#include <bert.h>

enum { BERT_IMAGE_SLACK = 64 }; /* bytes behind the samples of every picture that may be touched */

/* Memory for count samples of so many bytes, and the slack; NULL: *e is set. */
void *bert_image_room(size_t count, size_t bytes, bert_error *e);

/* What is resized: bytes with 1 or 3 channels side by side, or floats between 0 and 1 with one. */
typedef struct {
    void *samples; /* rows without gaps; with slack */
    int32_t width, height, channels;
    bool floats;
} bert_raster;

/* *out: of width and height, its samples malloc'ed. */
int bert_raster_resize(const bert_raster *in, int32_t width, int32_t height, bert_resample filter,
                       bert_raster *out, bert_error *e);

/* The inner loop, for each instruction set: so many blocks of 16 neighbouring bytes of out, each the
 * sum of w[k] in[k * stride] in fixed point. Reads and writes whole blocks. */
enum { BERT_RESIZE_LANES = 16, BERT_RESIZE_BITS = 22 };
typedef void bert_resize_fn(uint8_t *out, const uint8_t *in, ptrdiff_t stride, const int32_t *w,
                            int taps, int blocks);
bert_resize_fn bert_resize_c, bert_resize_avx2, bert_resize_avx512;
#endif
