/* Decoders of pictures, and what follows them: turning, resizing, normalizing. The module (of this build)
 * is instrumented, too. */
#include <bert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const bert_image_options o = {.max_pixels = 1 << 18};
    bert_error e = {0};
    bert_image *image = bert_image_decode(data, size, &o, &e);
    if (!image) {
        if (!e.code || !*e.message) abort();
        return 0;
    }
    bert_image_processor p = bert_image_processor_default(size % 2 ? "vit" : "dinov2");
    p.height = p.width = p.crop_height = p.crop_width = 17;
    if (p.shortest_edge) p.shortest_edge = 19;
    static float out[3 * 17 * 17];
    const bert_image_info i = bert_image_about(image);
    int32_t w, h;
    if (!bert_image_processed_size(&p, i.width, i.height, &w, &h, &e) && w == 17 && h == 17 &&
        bert_image_process(image, &p, out, &e))
        abort();
    bert_image_free(image);
    return 0;
}
