/* The inside of a picture. */
#ifndef BERT_IMAGE_IMAGE_H
#define BERT_IMAGE_IMAGE_H
#include "image/decoder.h"
#include "image/resize.h"

struct bert_image {
    bert_image_info info;
    void *samples; /* uint8_t, or uint16_t of 16 bits; with slack */
};

/* The decoders of the module; NULL: *e says why there are none. */
const bert_image_module *bert_image_decoders(bert_error *e);
#endif
