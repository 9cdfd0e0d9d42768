#include "models/rope.h"
#include "base/error.h"
#include "files/json.h"
#include "models/config.h"
#include <math.h>
#include <string.h>

/* How angles are scaled: what is read for it, and how often column pair i of size / 2 turns a place.
 * Orders of operations are transformers' (modeling_rope_utils.py), so that float32 is the same. */
struct bert_rope_scaling {
    const char *type;
    bool unscaled; /* up to the limit of positions */
    bool needs_factor;
    int (*read)(const json_t *object, const char *where, const bert_config *c, bert_rope *r,
                bert_error *e);
    float (*frequency)(const bert_rope *r, int32_t i, int32_t size);
};

static float plain(float theta, int32_t i, int32_t size) {
    return 1.0f / powf(theta, (float)(2 * i) / (float)size);
}

static float linear(const bert_rope *r, int32_t i, int32_t size) {
    return plain(r->theta, i, size) / r->factor;
}

static float ntk(const bert_rope *r, int32_t i, int32_t size) {
    return powf(r->factor, -2.0f / (float)size) * plain(r->theta * r->factor, i, size);
}

/* Long waves are stretched by the factor, short ones not (Llama 3). */
static float llama3(const bert_rope *r, int32_t i, int32_t size) {
    const float f = plain(r->theta, i, size), wave = 6.2831853f / f, length = (float)r->original;
    if (wave < length / r->high) return f;
    if (wave > length / r->low) return f / r->factor;
    const float smooth = (length / wave - r->low) / (r->high - r->low);
    return (1 - smooth) * f / r->factor + smooth * f;
}

/* The column pair that turns so many times in the texts of training. */
static double pair_of(const bert_rope *r, double turns, int32_t size) {
    return size * log(r->original / (turns * 6.283185307179586)) / (2 * log((double)r->theta));
}

/* Peng et al. 2023, arXiv:2309.00071: from not stretched to stretched between two column pairs. */
static float yarn(const bert_rope *r, int32_t i, int32_t size) {
    double low = pair_of(r, r->high, size), high = pair_of(r, r->low, size);
    if (r->whole) low = floor(low), high = ceil(high);
    low = fmax(low, 0), high = fmin(high, size - 1);
    if (low == high) high += 0.001;
    const float ramp = fminf(fmaxf(((float)i - (float)low) / (float)(high - low), 0), 1);
    const float turns = powf(r->theta, (float)(2 * i) / (float)size);
    return 1 / (r->factor * turns) * ramp + 1 / turns * (1 - ramp);
}

static int read_ntk(const json_t *object, const char *where, const bert_config *c, bert_rope *r,
                    bert_error *e) {
    (void)c, (void)r;
    const json_t *mixed = json_object_get(object, "mixed_b");
    if (!mixed || json_is_null(mixed)) return 0;
    return bert_fail(e, BERT_EUNSUPPORTED, "%s: mixed_b of ntk is not supported, but null", where);
}

static int read_original(const json_t *object, const char *where, const bert_config *c,
                         bert_rope *r, bert_error *e) {
    r->original = c->max_position_embeddings;
    return bert_json_int(object, "original_max_position_embeddings", 1, BERT_MAX_POSITIONS,
                         &r->original, where, e);
}

static int read_llama3(const json_t *object, const char *where, const bert_config *c, bert_rope *r,
                       bert_error *e) {
    int rc = read_original(object, where, c, r, e);
    if (!rc) rc = bert_json_float(object, "low_freq_factor", &r->low, where, e);
    if (!rc) rc = bert_json_float(object, "high_freq_factor", &r->high, where, e);
    if (!rc && !(r->low > 0 && r->high > r->low && r->high < 1e6f))
        rc = bert_fail(e, BERT_EFORMAT,
                       "%s: llama3 needs low_freq_factor and a larger high_freq_factor", where);
    return rc;
}

/* What the softmax's temperature is for texts so much longer. */
static float temperature(float factor, float weight) {
    return factor <= 1 ? 1 : 0.1f * weight * logf(factor) + 1;
}

static int read_yarn(const json_t *object, const char *where, const bert_config *c, bert_rope *r,
                     bert_error *e) {
    float scale = 0, all = 0;
    r->low = 1, r->high = 32, r->whole = true;
    int rc = read_original(object, where, c, r, e);
    if (!rc) rc = bert_json_float(object, "beta_slow", &r->low, where, e);
    if (!rc) rc = bert_json_float(object, "beta_fast", &r->high, where, e);
    if (!rc) rc = bert_json_float(object, "mscale", &scale, where, e);
    if (!rc) rc = bert_json_float(object, "mscale_all_dim", &all, where, e);
    if (!rc) rc = bert_json_float(object, "attention_factor", &r->attention, where, e);
    if (!rc) rc = bert_json_bool(object, "truncate", &r->whole, where, e);
    if (rc) return rc;
    if (!(r->low > 0 && r->high >= r->low && r->high < 1e6f && r->attention >= 0 && r->theta > 1))
        return bert_fail(e, BERT_EFORMAT,
                         "%s: yarn needs a rope_theta above 1, 0 < beta_slow <= beta_fast, and no "
                         "negative attention_factor",
                         where);
    if (r->attention > 0) return BERT_OK;
    r->attention = scale != 0 && all != 0
                       ? temperature(r->factor, scale) / temperature(r->factor, all)
                       : temperature(r->factor, 1);
    return BERT_OK;
}

static const struct bert_rope_scaling scalings[] = {
    {.type = "default", .unscaled = true},
    {.type = "dynamic", .unscaled = true},
    {.type = "linear", .needs_factor = true, .frequency = linear},
    {.type = "proportional", .frequency = linear},
    {.type = "ntk", .needs_factor = true, .read = read_ntk, .frequency = ntk},
    {.type = "llama3", .needs_factor = true, .read = read_llama3, .frequency = llama3},
    {.type = "yarn", .needs_factor = true, .read = read_yarn, .frequency = yarn},
};
enum { SCALINGS = sizeof scalings / sizeof *scalings };

static int read_factor(const json_t *object, const char *where, bert_rope *r, bert_error *e) {
    r->factor = r->scaling->needs_factor ? 0 : 1;
    int rc = bert_json_float(object, "factor", &r->factor, where, e);
    if (!rc && !(r->factor >= 1 && r->factor <= 1e6f))
        rc = bert_fail(e, BERT_EFORMAT, "%s: the factor of %s is %g; it must be 1 to 1e6", where,
                       r->scaling->type, (double)r->factor);
    return rc;
}

/* Of a head only so many columns would be turned: transformers' rotary families fail at it. */
static int refuse_partial(const json_t *object, const char *where, bert_error *e) {
    float share = 1;
    int rc = bert_json_float(object, "partial_rotary_factor", &share, where, e);
    if (!rc && share != 1)
        rc = bert_fail(e, BERT_EUNSUPPORTED,
                       "%s: partial_rotary_factor is %g; here whole heads are turned", where,
                       (double)share);
    return rc;
}

static int read_scaling(const json_t *object, const char *type, const char *where,
                        const bert_config *c, bert_rope *r, bert_error *e) {
    size_t i = 0;
    while (i < SCALINGS && strcmp(scalings[i].type, type) != 0) i++;
    if (i == SCALINGS)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: rotary positions are scaled by \"%.40s\"; supported: default, "
                         "dynamic, linear, llama3, ntk, proportional, yarn",
                         where, type);
    r->scaling = scalings[i].unscaled ? NULL : &scalings[i];
    if (!r->scaling) return BERT_OK;
    int rc = refuse_partial(object, where, e);
    if (!rc) rc = read_factor(object, where, r, e);
    return rc || !r->scaling->read ? rc : r->scaling->read(object, where, c, r, e);
}

int bert_rope_read(const json_t *object, const char *where, const bert_config *c, bert_rope *r,
                   bert_error *e) {
    char type[BERT_MAX_NAME] = "default";
    if (!object || json_is_null(object)) return 0;
    if (!json_is_object(object))
        return bert_fail(e, BERT_EFORMAT, "%s: what scales rotary positions is a JSON object",
                         where);
    const char *key = json_object_get(object, "rope_type") ? "rope_type" : "type";
    int rc = bert_json_string(object, key, type, sizeof type, where, e);
    if (!rc) rc = bert_json_float(object, "rope_theta", &r->theta, where, e);
    if (!rc && !(r->theta >= 1 && r->theta <= 1e12f))
        rc = bert_fail(e, BERT_EFORMAT, "%s: rope_theta is %g; it must be 1 to 1e12", where,
                       (double)r->theta);
    return rc ? rc : read_scaling(object, type, where, c, r, e);
}

int bert_rope_complete(const json_t *json, const char *where, const bert_config *c, bert_rope *r,
                       bert_error *e) {
    const json_t *scaling = json_object_get(json, "rope_scaling");
    if (!scaling || json_is_null(scaling) ||
        (json_is_object(scaling) && !json_object_size(scaling)))
        scaling = json_object_get(json, "rope_parameters");
    json_t *theta = json_object_get(json, "rope_theta"), *top = json_object();
    int rc = top ? BERT_OK : BERT_ENOMEM;
    if (!rc && theta && json_object_set(top, "rope_theta", theta)) rc = BERT_ENOMEM;
    if (!rc) rc = bert_rope_read(top, where, c, r, e);
    json_decref(top);
    return rc ? rc : bert_rope_read(scaling, where, c, r, e);
}

const char *bert_rope_type(const bert_rope *r) {
    return r->scaling ? r->scaling->type : NULL;
}

int bert_rope_build(bert_builder *b, bert_rope rope, const bert_rotation **r) {
    const bert_config *c = b->config;
    const int32_t size = c->hidden_size / c->num_attention_heads, half = size / 2;
    if (size % 2)
        return bert_fail(b->e, BERT_EUNSUPPORTED,
                         "a head of %d columns cannot be turned by position: it must be even",
                         size);
    float *frequencies = bert_build_alloc(b, (size_t)half * sizeof *frequencies);
    if (!frequencies) return BERT_ENOMEM;
    for (int32_t i = 0; i < half; i++)
        frequencies[i] =
            rope.scaling ? rope.scaling->frequency(&rope, i, size) : plain(rope.theta, i, size);
    return bert_build_rotation(b, size, c->max_position_embeddings, frequencies,
                               rope.attention > 0 ? rope.attention : 1, r);
}
