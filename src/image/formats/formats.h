/* Inside the module "image". */
#ifndef BERT_IMAGE_FORMATS_H
#define BERT_IMAGE_FORMATS_H
#include "image/decoder.h"

extern const bert_image_decoder bert_image_png, bert_image_jpeg, bert_image_webp;

/* The orientation that an EXIF block (TIFF, with or without "Exif\0\0" in front) says, or 0. */
int bert_exif_orientation(const unsigned char *bytes, size_t n);
/* The one that XMP says, as Pillow looks for it, or 0. */
int bert_xmp_orientation(const char *text, size_t n);
#endif
