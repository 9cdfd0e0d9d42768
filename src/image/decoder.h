/* What a format of pictures does, reading and, some, writing; each is a file of the module "image" (src/image/formats), which is
 * all that knows the system's libraries. */
#ifndef BERT_IMAGE_DECODER_H
#define BERT_IMAGE_DECODER_H
#include <bert.h>

typedef struct {
    int32_t width, height;
    int32_t channels; /* 1: grey; 3: red, green, blue */
    int32_t bits;     /* of a sample: 8; of grey also 16, a uint16_t */
} bert_image_shape;

/* Where a picture goes. */
typedef struct {
    void *context;
    /* Called once, when the size is known: memory for the samples, row by row without gaps. NULL:
     * the picture is not wanted, and decode() returns false. */
    void *(*room)(void *context, const bert_image_shape *shape);
    int orientation;   /* EXIF's, 1 to 8, for decode() to set; 1 before */
    char message[200]; /* why decode() failed; else "" */
} bert_image_sink;

/* Where an encoded picture goes. */
typedef struct {
    void *context;
    bool (*put)(void *context, const void *bytes, size_t n); /* false: memory is out */
    char message[200];                                       /* why encode() failed; else "" */
} bert_image_out;

typedef struct {
    const char *name;                            /* "PNG" */
    void (*library)(char *out, size_t capacity); /* its name and version */
    bool (*recognises)(const unsigned char *bytes, size_t n);
    bool (*decode)(const unsigned char *bytes, size_t n, bert_image_sink *to);
    const char *suffix; /* of files that are written, ".png"; NULL: it is only read */
    bool (*encode)(const bert_image_shape *shape, const void *samples, bert_image_out *to);
} bert_image_decoder;

typedef struct {
    const char *version;                       /* base/module.h */
    const bert_image_decoder *const *decoders; /* ends with NULL */
} bert_image_module;
#endif
