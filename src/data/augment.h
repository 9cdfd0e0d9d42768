/* What is done to a picture by chance in training. */
#ifndef BERT_DATA_AUGMENT_H
#define BERT_DATA_AUGMENT_H
#include "base/rng.h"
#include <bert.h>

/* Zeroed: nothing. */
typedef struct {
    double crop;     /* random_resized_crop: the least part of the area; 0: none */
    double flip;     /* probability */
    double rotation; /* degrees to either side, at most */
    double colour;   /* brightness and contrast are multiplied by 1 - colour .. 1 + colour */
} bert_augment;

/* A part of the picture, of random size and shape (3:4 to 4:3), as torchvision's RandomResizedCrop. NULL:
 * *e says why. */
bert_image *bert_augment_crop(const bert_image *image, double least, bert_rng *r, bert_error *e);
/* Planes [channels, height, width], normalized by the processor; room: of one plane. */
void bert_augment_planes(const bert_augment *a, const bert_image_processor *p, bert_rng *r,
                         float *planes, int32_t height, int32_t width, float *room);
#endif
