#include "models/sparse.h"
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include "files/layout.h"
#include "models/beside.h"
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void choose(const char *key, const char *given, const char *one, const char *other,
                   bool *is_other, bert_sparse *s) {
    *is_other = !strcmp(given, other);
    if (*given && strcmp(given, one) && !*is_other)
        bert_fail(&s->refused, BERT_EUNSUPPORTED,
                  "SpladePooling has the %s \"%.40s\", not %s or %s", key, given, one, other);
}

static int read_pooling(const bert_pretrained *from, const char *folder, bert_sparse *s,
                        bert_error *e) {
    char *part = bert_path_join(folder, "config.json");
    json_t *config = part ? bert_pretrained_json(from, part, e) : NULL;
    int rc = part ? e->code : bert_fail_memory(e, strlen(folder));
    choose("pooling_strategy", text_of(config, "pooling_strategy"), "max", "sum", &s->sum, s);
    choose("activation_function", text_of(config, "activation_function"), "relu", "log1p_relu",
           &s->twice, s);
    json_decref(config);
    free(part);
    s->there = true;
    return rc;
}

static int read_modules(const bert_pretrained *from, const json_t *list, bert_sparse *s,
                        bert_error *e) {
    size_t i;
    json_t *module;
    json_array_foreach((json_t *)(uintptr_t)list, i, module) {
        const char *type = text_of(module, "type"), *path = text_of(module, "path");
        const char *name = bert_layout_class(type);
        if (!name || (strcmp(name, "Transformer") && strcmp(name, "SpladePooling")))
            bert_fail(
                &s->refused, BERT_EUNSUPPORTED,
                "modules.json names %s, a %.100s, which sparse vectors are not made with here",
                path, name ? name : type);
        if (!name || strcmp(name, "SpladePooling") || !bert_layout_inside(path)) continue;
        int rc = read_pooling(from, path, s, e);
        if (rc) return rc;
    }
    return 0;
}

int bert_sparse_read(const bert_pretrained *from, const json_t *list, const json_t *options,
                     bert_sparse *s, bert_error *e) {
    *s = (bert_sparse){0};
    int rc = bert_json_int(options, "max_active_dims", 1, INT32_MAX, &s->max_active,
                           "config_sentence_transformers.json", e);
    if (rc) return rc;
    if (bert_beside_has(from, "sparse_linear.pt")) {
        s->there = true;
        return bert_beside_linear(from, "sparse_linear.pt", "torch.nn.modules.activation.ReLU",
                                  &s->modules, &s->refused, e);
    }
    rc = read_modules(from, list, s, e);
    if (!s->there) { /* the modules are of other vectors */
        const bool says = !strcmp(text_of(options, "model_type"), "SparseEncoder");
        s->there = says;
        if (!says) bert_error_clear(&s->refused);
    }
    return rc;
}

void bert_sparse_free(bert_sparse *s) {
    bert_modules_free(&s->modules);
    *s = (bert_sparse){0};
}
