#include "models/overrides.h"
#include "base/error.h"
#include "files/json.h"
#include "recipe/recipe.h"
#include <string.h>

/* Whether two names are the same but for so many letters. */
static bool is_near(const char *a, const char *b, int letters) {
    while (*a && *a == *b) a++, b++;
    if (!*a && !*b) return true;
    if (!letters) return false;
    return (*a && is_near(a + 1, b, letters - 1)) || (*b && is_near(a, b + 1, letters - 1)) ||
           (*a && *b && is_near(a + 1, b + 1, letters - 1));
}

/* What somebody who mistyped may have meant, or NULL. */
static const char *meant(const char *key, const json_t *config) {
    enum { SHORT = 6 };
    const char *known;
    json_t *value;
    if (strlen(key) < SHORT || json_object_get(config, key)) return NULL;
    json_object_foreach((json_t *)(uintptr_t)config, known, value) {
        if (is_near(key, known, 2)) return known;
    }
    return NULL;
}

/* own: of the options; else of the recipe. */
static int check_keys(const bert_model_options *o, const json_t *keys, bool own,
                      const json_t *config, bert_error *e) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)keys, key, value) {
        const char *known = meant(key, config);
        const bert_json_place encoder = {NULL, "encoder", 0}, at = {&encoder, key, 0};
        if (!known) continue;
        return own ? bert_fail(e, BERT_EINVAL,
                               "options.config: config.json has no key \"%.60s\"; \"%.60s\" is one",
                               key, known)
                   : bert_recipe_fail(o->recipe, &at, e,
                                      "config.json has no such key; \"%.60s\" is one", known);
    }
    return 0;
}

json_t *bert_overrides(const bert_model_options *o, const json_t *config, bert_error *e) {
    const char *text = o->config ? o->config : "{}", *recipe = bert_recipe_config(o->recipe);
    json_t *own = bert_json_parse(text, strlen(text), "options.config", e), *under = NULL;
    if (own && !json_is_object(own))
        bert_fail(e, BERT_EINVAL, "options.config is no JSON object: %.60s", text);
    if (own && !e->code) check_keys(o, own, true, config, e);
    if (own && !e->code && recipe) under = bert_json_parse(recipe, strlen(recipe), "encoder", e);
    if (under) check_keys(o, under, false, config, e);
    if (under && !e->code && json_object_update_missing(own, under))
        bert_fail_memory(e, strlen(recipe));
    json_decref(under);
    if (!e->code) return own;
    json_decref(own);
    return NULL;
}
