#include "models/rope.h"
#include "base/error.h"
#include "files/json.h"
#include <math.h>
#include <string.h>

static int read_factor(const json_t *object, const char *type, const char *where, float *factor,
                       bert_error *e) {
    int rc = bert_json_float(object, "factor", factor, where, e);
    if (!rc && !(*factor >= 1 && *factor <= 1e6f))
        rc = bert_fail(e, BERT_EFORMAT, "%s: the factor of %s is %g; it must be 1 to 1e6", where,
                       type, (double)*factor);
    return rc;
}

static int read_type(const json_t *object, const char *key, const char *where, bert_rope *r,
                     bert_error *e) {
    char type[BERT_MAX_NAME] = "";
    int rc = bert_json_string(object, key, type, sizeof type, where, e);
    if (rc || !*type || !strcmp(type, "default") || !strcmp(type, "dynamic")) return rc;
    const json_t *mixed = json_object_get(object, "mixed_b");
    if (!strcmp(type, "ntk") && mixed && !json_is_null(mixed))
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: mixed_b of ntk is not supported, but null",
                         where);
    if (!strcmp(type, "ntk")) return read_factor(object, type, where, &r->factor, e);
    if (!strcmp(type, "linear")) return read_factor(object, type, where, &r->stretch, e);
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s: rotary positions are scaled by \"%.40s\"; supported: default, dynamic, "
                     "linear, ntk",
                     where, type);
}

int bert_rope_read(const json_t *object, const char *where, bert_rope *r, bert_error *e) {
    if (!object || json_is_null(object)) return 0;
    if (!json_is_object(object))
        return bert_fail(e, BERT_EFORMAT, "%s: what scales rotary positions is a JSON object",
                         where);
    int rc = read_type(object, "rope_type", where, r, e);
    if (!rc) rc = read_type(object, "type", where, r, e);
    if (!rc) rc = bert_json_float(object, "rope_theta", &r->theta, where, e);
    if (!rc && !(r->theta >= 1 && r->theta <= 1e12f))
        rc = bert_fail(e, BERT_EFORMAT, "%s: rope_theta is %g; it must be 1 to 1e12", where,
                       (double)r->theta);
    return rc;
}

int bert_rope_build(bert_builder *b, bert_rope rope, const bert_rotation **r) {
    const bert_config *c = b->config;
    const int32_t size = c->hidden_size / c->num_attention_heads;
    if (size % 2)
        return bert_fail(b->e, BERT_EUNSUPPORTED,
                         "a head of %d columns cannot be turned by position: it must be even",
                         size);
    return bert_build_rotation(b, size, c->max_position_embeddings, rope.theta * rope.factor,
                               powf(rope.factor, -2.0f / (float)size) / rope.stretch, r);
}
