/* What models of pictures have in common: pixels of a batch, patches, positions of another size. */
#ifndef BERT_MODELS_PICTURES_H
#define BERT_MODELS_PICTURES_H
#include <bert_train.h>

/* The columns that a batch has them in: floats [n, channels * height * width] of sequences; and, where
 * they have not the size of config.json, int32 [n, 2], height and width, the same for all. */
#define BERT_PIXELS "pixels"
#define BERT_PIXELS_SIZE "pixels_size"

typedef struct {
    const float *data; /* [n, channels, height, width] */
    int32_t n, channels, height, width;
    int32_t down, across; /* patches */
} bert_pictures;

static inline bool bert_config_takes_pictures(const bert_config *c) {
    return c->num_channels > 0;
}
/* Checks the columns, and that each sequence has as many tokens as its patches make. */
int bert_pictures_of(const bert_config *c, const bert_inputs *in, bert_pictures *p, bert_error *e);
/* [n * patches, channels * patch_height * patch_width]; pixels beyond the last whole patch are not
 * looked at. */
bert_tensor *bert_picture_patches(bert_tape *t, const bert_config *c, const bert_pictures *p);

/* How the grid of positions of a model becomes one of another size. */
typedef enum {
    BERT_GRID_BICUBIC,          /* torch's: four taps, a = -0.75 */
    BERT_GRID_BICUBIC_ANTIALIAS /* a = -0.5, as many taps as are seen */
} bert_grid_filter;
/* The first `special` rows of the table as they are, then those of down x across patches made of the
 * others, a square of them: [special + down * across, H]. */
bert_tensor *bert_grid_resized(bert_tape *t, bert_param *table, int32_t special, int32_t down,
                               int32_t across, bert_grid_filter filter);
#endif
