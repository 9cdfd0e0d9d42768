/* A tiny model of pictures from scratch, and pictures in class folders and tables. */
#ifndef BERT_TEST_PICTURE_WORLD_H
#define BERT_TEST_PICTURE_WORLD_H
#include "pictures.h"
#include <bert.h>
#include <sys/stat.h>

enum { TINY_SIDE = 8 };

/* A ViT of 8 x 8 grey pictures, patches of 4, with random weights; under a classifier or alone. */
static inline void tiny_vit(const char *directory, bool classifier) {
    char path[5000], text[700];
    mkdir(directory, 0777);
    snprintf(text, sizeof text,
             "{\"model_type\": \"vit\", \"architectures\": [\"%s\"], \"hidden_size\": 16, "
             "\"num_hidden_layers\": 2, "
             "\"num_attention_heads\": 2, \"intermediate_size\": 32, \"image_size\": 8, "
             "\"patch_size\": 4, "
             "\"num_channels\": 1, \"initializer_range\": 0.2, \"id2label\": {\"0\": \"dark\", "
             "\"1\": \"light\"}}",
             classifier ? "ViTForImageClassification" : "ViTModel");
    snprintf(path, sizeof path, "%s/config.json", directory);
    write_bytes(path, text, strlen(text));
    snprintf(path, sizeof path, "%s/preprocessor_config.json", directory);
    static const char processor[] =
        "{\"image_processor_type\": \"ViTImageProcessor\", \"size\": 8, \"resample\": 2}";
    write_bytes(path, processor, sizeof processor - 1);
    bert_error e = {0};
    bert_model_options o = bert_model_default();
    o.from_scratch = true;
    bert_model *m = bert_model_open(directory, &o, &e);
    if (!m || bert_model_save(m, directory, &e)) fail_msg("%s", e.message);
    bert_model_close(m);
}

/* A grey PNG of 11 x 9, whose samples are about `level`. */
static inline void grey_png(const char *path, int level, int seed) {
    uint16_t samples[11 * 9];
    for (int i = 0; i < 11 * 9; i++) {
        const int v = level + test_sample(i % 11, i / 11, 0, seed) / 8 - 16;
        samples[i] = (uint16_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    const png_picture p = {11, 9, 8, 0, samples, false, {0}};
    bytes file = png_file(&p);
    write_bytes(path, file.data, file.n);
    free(file.data);
}

/* directory/dark/0.png .., directory/light/0.png .. */
static inline void class_folders(const char *directory, int each) {
    char path[5000];
    mkdir(directory, 0777);
    for (int c = 0; c < 2; c++) {
        snprintf(path, sizeof path, "%s/%s", directory, c ? "light" : "dark");
        mkdir(path, 0777);
        for (int i = 0; i < each; i++) {
            snprintf(path, sizeof path, "%s/%s/%d.png", directory, c ? "light" : "dark", i);
            grey_png(path, c ? 190 : 60, 2 * i + c);
        }
    }
}

static inline bool reads_png(void) {
    const char *name;
    return bert_image_format_at(0, &name, NULL, 0);
}
#endif
