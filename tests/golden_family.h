/* Checkpoints of the cases of golden/families.json. */
#ifndef BERT_TEST_GOLDEN_FAMILY_H
#define BERT_TEST_GOLDEN_FAMILY_H
#include "models.h"

/* The name of a tensor in a file whose trunk has another prefix than `own`. */
static inline const char *under(const char *name, const char *own, const char *other,
                                char room[128]) {
    const size_t n = own ? strlen(own) : 0;
    if (!own || strncmp(name, own, n)) return name;
    snprintf(room, 128, "%s%s", other, name + n);
    return room;
}

/* A checkpoint of a golden case: its tensors by the formula, and config.json. The prefix `own` of
 * names becomes `other`; NULL: it stays. */
static inline void write_renamed(const char *directory, const json_t *family, const json_t *c,
                                 const char *own, const char *other) {
    test_weights w = {.n = 0};
    const char *name;
    json_t *shape;
    json_object_foreach(json_object_get(c, "tensors"), name, shape) {
        int64_t cols =
            json_array_size(shape) > 1; /* those of a convolution are of two dimensions */
        for (size_t i = 1; i < json_array_size(shape); i++)
            cols *= json_integer_value(json_array_get(shape, i));
        char room[128];
        test_add(&w, under(name, own, other, room), name,
                 json_integer_value(json_array_get(shape, 0)), cols);
    }
    test_write_weights(directory, &w);
    test_weights_free(&w);
    json_t *config = json_deep_copy(json_object_get(family, "config"));
    json_object_update(config, json_object_get(c, "config"));
    json_object_set(config, "model_type", json_object_get(family, "model_type"));
    json_object_set_new(config, "architectures",
                        json_pack("[O]", json_object_get(c, "architecture")));
    char *text = json_dumps(config, 0);
    test_write(directory, "config.json", text);
    free(text);
    json_decref(config);
}

static inline void write_case(const char *directory, const json_t *family, const json_t *c) {
    write_renamed(directory, family, c, NULL, NULL);
}
#endif
