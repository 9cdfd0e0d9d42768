/* The formats that this build reads. */
#include "formats.h"
#include <stddef.h>

static const bert_image_decoder *const decoders[] = {
#ifdef BERT_WITH_PNG
    &bert_image_png,
#endif
#ifdef BERT_WITH_JPEG
    &bert_image_jpeg,
#endif
#ifdef BERT_WITH_WEBP
    &bert_image_webp,
#endif
    NULL,
};

BERT_API extern const bert_image_module bert_module_image;
const bert_image_module bert_module_image = {BERT_VERSION, decoders};
