/* JSON that holds a table in another shape than rows. */
#include "files/reader.h"
#include <ctype.h>

#define ROWS                                                                                       \
    "the file holds a table by its columns, as pandas' to_json() writes it, not rows: "            \
    "to_json(FILE, orient=\"records\", lines=True) writes rows"

static bool all_are(const json_t *object, json_type type) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key,
                        value) if (json_typeof(value) != type) return false;
    return json_object_size(object) > 0;
}

/* Rows have numbers there, as members of each column or around each row. */
static bool is_numbered(const json_t *object) {
    json_t *copy = (json_t *)(uintptr_t)object;
    const char *outer = json_object_iter_key(json_object_iter(copy));
    json_t *first = json_object_iter_value(json_object_iter(copy));
    const char *inner = json_object_iter_key(json_object_iter(first));
    return all_are(object, JSON_OBJECT) &&
           (isdigit((unsigned char)*outer) || (inner && isdigit((unsigned char)*inner)));
}

/* Arrays of one length, several elements each. */
static bool is_columns(const json_t *object) {
    const char *key;
    json_t *value;
    size_t n = 0;
    if (!all_are(object, JSON_ARRAY) || json_object_size(object) < 2) return false;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (n && json_array_size(value) != n) return false;
        n = json_array_size(value);
    }
    return n > 1;
}

/* Lists of lists, or objects of lists of objects: rows that nobody can name. */
static bool holds_tables(const json_t *object) {
    const char *key, *inner;
    json_t *value, *v;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (json_is_array(json_array_get(value, 0))) return true;
        json_object_foreach(value, inner, v) if (json_is_object(json_array_get(v, 0))) return true;
    }
    return false;
}

/* SQuAD's articles, or a paragraph of one. */
static bool is_squad(const json_t *object) {
    const json_t *article = json_array_get(json_object_get(object, "data"), 0);
    return json_is_array(json_object_get(article, "paragraphs")) ||
           json_is_array(json_object_get(object, "paragraphs")) ||
           (json_is_string(json_object_get(object, "context")) &&
            json_is_array(json_object_get(object, "qas")));
}

const char *bert_json_shape(const json_t *object) {
    static const char *const members[] = {"data", "rows", "records", "examples", "train"};
    if (json_is_array(json_object_get(object, "columns")) &&
        json_is_array(json_object_get(object, "data")))
        return ROWS;
    if (is_squad(object))
        return "the file has questions on paragraphs, as SQuAD's: --task question-answering reads "
               "it";
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (json_is_object(json_array_get(json_object_get(object, members[i]), 0)))
            return "the rows are inside of an object, in its first array of objects (\"data\" or "
                   "the like): save that array alone, or an object a line";
    if (is_numbered(object) || is_columns(object)) return ROWS;
    return holds_tables(object) ? "the file holds one object of lists and objects, not rows: a "
                                  "row is an object with "
                                  "a text and a label, one a line or in one array"
                                : NULL;
}
