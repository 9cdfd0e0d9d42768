#include "models/sized_by.h"
#include "models/model.h"

const char *bert_pictures_sized_by(const bert_model *m) {
    static const char *const files[] = {"processor_config.json", "preprocessor_config.json"};
    for (int i = 0; i < 2; i++) {
        bert_error none = {0};
        json_t *json = bert_pretrained_json(m->from, files[i], &none);
        const bool there = json && (i || json_object_get(json, "image_processor"));
        json_decref(json);
        if (there) return files[i];
    }
    return "the usual size: the model has no preprocessor_config.json";
}
