/* The head of a recipe: nn.Sequential's list, read. */
#include "base/error.h"
#include "recipe/recipe.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const bert_recipe *r;
    bert_recipe_layer *layer;
    bert_error *e;
} reading;

static int read_size(const reading *r, const json_t *v, const bert_json_place *at, int32_t *out) {
    enum { MOST = 1 << 24 };
    const json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 1 || n > MOST)
        return bert_recipe_fail(r->r, at, r->e, "must be a whole number from 1 to %d, not %s", MOST,
                                json_is_integer(v) ? "this one" : bert_recipe_kind(v));
    *out = (int32_t)n;
    return 0;
}

static int read_dropout(const reading *r, const json_t *v, const bert_json_place *at) {
    const double p = json_number_value(v);
    if (!json_is_number(v) || !(p >= 0 && p < 1))
        return bert_recipe_fail(r->r, at, r->e,
                                "must be a probability, a number from 0 to below 1, not %s",
                                json_is_number(v) ? "this one" : bert_recipe_kind(v));
    r->layer->p = (float)p;
    return 0;
}

/* N, "num_labels", [in, out] as nn.Linear has them, or {"out": .., "in": .., "bias": ..}. */
static int read_linear(const reading *r, const json_t *v, const bert_json_place *at) {
    bert_recipe_layer *l = r->layer;
    const bert_json_place first = {at, NULL, 0}, second = {at, NULL, 1};
    const char *key;
    json_t *one;
    int rc = 0;
    if (json_is_string(v) && !strcmp(json_string_value(v), "num_labels")) return 0;
    if (json_is_array(v) && json_array_size(v) == 2) {
        rc = read_size(r, json_array_get(v, 0), &first, &l->in);
        return rc ? rc : read_size(r, json_array_get(v, 1), &second, &l->out);
    }
    if (!json_is_object(v)) {
        if (json_is_integer(v)) return read_size(r, v, at, &l->out);
        return bert_recipe_fail(r->r, at, r->e,
                                "must be how many numbers it gives, [in, out], or \"num_labels\", "
                                "not %s",
                                bert_recipe_kind(v));
    }
    json_object_foreach((json_t *)(uintptr_t)v, key, one) {
        const bert_json_place in = {at, key, 0};
        if (rc) break;
        if (!strcmp(key, "out") || !strcmp(key, "out_features"))
            rc = read_size(r, one, &in, &l->out);
        else if (!strcmp(key, "in") || !strcmp(key, "in_features"))
            rc = read_size(r, one, &in, &l->in);
        else if (!strcmp(key, "bias") && json_is_boolean(one))
            l->unbiased = json_is_false(one);
        else
            rc = bert_recipe_fail(r->r, &in, r->e,
                                  strcmp(key, "bias")
                                      ? "there is no such key; a linear has \"out\", \"in\" and "
                                        "\"bias\""
                                      : "must be true or false");
    }
    return rc;
}

/* true, {}, its size as nn.LayerNorm has it, or {"eps": .., "size": ..}. */
static int read_norm(const reading *r, const json_t *v, const bert_json_place *at) {
    bert_recipe_layer *l = r->layer;
    const char *key;
    json_t *one;
    int rc = 0;
    l->eps = 1e-5f; /* nn.LayerNorm's */
    if (json_is_true(v) || json_is_null(v)) return 0;
    if (json_is_integer(v)) return read_size(r, v, at, &l->in);
    if (!json_is_object(v))
        return bert_recipe_fail(r->r, at, r->e,
                                "must be true, its size, or {\"eps\": 1e-5}, not %s",
                                bert_recipe_kind(v));
    json_object_foreach((json_t *)(uintptr_t)v, key, one) {
        const bert_json_place in = {at, key, 0};
        const double eps = json_number_value(one);
        if (rc) break;
        if (!strcmp(key, "size"))
            rc = read_size(r, one, &in, &l->in);
        else if (strcmp(key, "eps"))
            rc = bert_recipe_fail(r->r, &in, r->e,
                                  "there is no such key; a layer_norm has \"eps\" and \"size\"");
        else if (!json_is_number(one) || !(eps > 0 && eps < 1))
            rc = bert_recipe_fail(r->r, &in, r->e, "must be a number between 0 and 1");
        else
            l->eps = (float)eps;
    }
    return rc;
}

/* An activation by config.json's name or that of its class in torch.nn: "relu", "ReLU". */
static bool is_activation(const char *name, bert_act *act) {
    static const struct { const char *torch, *ours; } classes[] = {{"leakyrelu", "leaky_relu"}};
    char lower[32];
    size_t n = 0;
    for (; name[n] && n + 1 < sizeof lower; n++) lower[n] = (char)tolower((unsigned char)name[n]);
    lower[n] = 0;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (!strcmp(lower, classes[i].torch)) snprintf(lower, sizeof lower, "%s", classes[i].ours);
    return !name[n] && (!bert_act_parse(name, act, NULL) || !bert_act_parse(lower, act, NULL));
}

static const char items[] = "{\"dropout\": 0.1}, {\"linear\": 2}, \"layer_norm\" or an activation "
                            "(\"relu\", \"gelu\", \"tanh\", ..)";

static int read_activation(const reading *r, const json_t *v, const bert_json_place *at) {
    const char *name = json_string_value(v);
    if (name && is_activation(name, &r->layer->act)) return 0;
    return bert_recipe_fail(r->r, at, r->e, "%s%.40s%s is no activation that is known here",
                            name ? "\"" : "", name ? name : bert_recipe_kind(v), name ? "\"" : "");
}

static const struct {
    const char *name;
    bert_layer_kind kind;
    int (*read)(const reading *r, const json_t *v, const bert_json_place *at);
} kinds[] = {
    {"dropout", BERT_LAYER_DROPOUT, read_dropout},
    {"linear", BERT_LAYER_LINEAR, read_linear},
    {"layer_norm", BERT_LAYER_NORM, read_norm},
    {"activation", BERT_LAYER_ACTIVATION, read_activation},
};

/* "layer_norm", or as torch calls it: "LayerNorm". */
static bool is_called(const char *name, const char *typed) {
    for (; *name || *typed; name++, typed++) {
        if (*name == '_' && *typed != '_') name++;
        if (*name != tolower((unsigned char)*typed)) return false;
    }
    return true;
}

/* An item of this name; v NULL: it has nothing beside it. */
static int read_item(const reading *r, const char *name, const json_t *v,
                     const bert_json_place *at) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!is_called(kinds[i].name, name)) continue;
        r->layer->kind = kinds[i].kind;
        if (v) return kinds[i].read(r, v, at);
        if (kinds[i].kind == BERT_LAYER_NORM) return read_norm(r, json_true(), at);
        return bert_recipe_fail(r->r, at, r->e, "\"%s\" needs a value: {\"%s\": ..}", name, name);
    }
    const bool bare =
        !v || json_is_true(v) || json_is_null(v) || (json_is_object(v) && !json_object_size(v));
    r->layer->kind = BERT_LAYER_ACTIVATION;
    if (!is_activation(name, &r->layer->act))
        return bert_recipe_fail(r->r, at, r->e, "there is no item \"%.40s\"; it is %s", name,
                                items);
    return bare ? 0 : bert_recipe_fail(r->r, at, r->e, "an activation has no value");
}

int bert_recipe_read_head(const bert_recipe *r, bert_recipe_task *t, const json_t *list,
                          const bert_json_place *at, bert_error *e) {
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || !n)
        return bert_recipe_fail(r, at, e, "must be a list of items, %s", items);
    if (n > BERT_RECIPE_LAYERS)
        return bert_recipe_fail(r, at, e, "%zu items; %d are the most", n, BERT_RECIPE_LAYERS);
    t->head_line = bert_json_place_line(r->text, at);
    t->layers = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        const bert_json_place place = {at, NULL, i};
        bert_recipe_layer *l = &t->layer[t->layers++];
        *l = (bert_recipe_layer){.line = bert_json_place_line(r->text, &place)};
        const reading one = {r, l, e};
        void *iter = json_object_iter((json_t *)(uintptr_t)item);
        int rc;
        if (json_is_string(item)) {
            rc = read_item(&one, json_string_value(item), NULL, &place);
        } else if (json_object_size(item) == 1) {
            const char *key = json_object_iter_key(iter);
            rc = read_item(&one, key, json_object_iter_value(iter),
                           &(const bert_json_place){&place, key, 0});
        } else {
            rc = bert_recipe_fail(r, &place, e, "must be one item, %s, not %s", items,
                                  json_is_object(item) ? "an object of another number of keys"
                                                       : bert_recipe_kind(item));
        }
        if (rc) return rc;
    }
    return 0;
}
