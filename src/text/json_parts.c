#include "text/json_parts.h"
#include "base/error.h"

int bert_part_wrong(const char *where, const char *key, const char *must_be, bert_error *e) {
    return bert_fail(e, BERT_EFORMAT, "%s: %s: must be %s", where, key, must_be);
}

const char *bert_part_need_string(const json_t *object, const char *key, const char *where,
                                  bert_error *e) {
    const char *s = json_string_value(json_object_get(object, key));
    if (!s) bert_part_wrong(where, key, "a string", e);
    return s;
}

int bert_part_need_int(const json_t *object, const char *key, int32_t max, int32_t *out,
                       const char *where, bert_error *e) {
    if (!json_is_integer(json_object_get(object, key)))
        return bert_part_wrong(where, key, "an integer", e);
    return bert_json_int(object, key, 0, max, out, where, e);
}

int bert_part_need_bool(const json_t *object, const char *key, bool *out, const char *where,
                        bert_error *e) {
    if (!json_is_boolean(json_object_get(object, key)))
        return bert_part_wrong(where, key, "true or false", e);
    return bert_json_bool(object, key, out, where, e);
}

const char *bert_part_type(const json_t *component, const char *where, const char *key,
                           bert_error *e) {
    if (!component || json_is_null(component)) return "";
    const char *type = json_string_value(json_object_get(component, "type"));
    if (!type) bert_part_wrong(where, key, "null or an object with a \"type\"", e);
    return type;
}

int bert_part_unsupported(const char *where, const char *key, const char *type, const char *known,
                          bert_error *e) {
    return bert_fail(e, BERT_EUNSUPPORTED, "%s: %s '%.60s' is not supported (%s)", where, key,
                     *type ? type : "null", known);
}
