#include "data/question_file.h"
#include "base/error.h"
#include "base/file.h"
#include "files/json_rows.h"
#include <string.h>

typedef struct {
    const char *path;
    const bert_question_keys *keys;
    int (*each)(void *context, const bert_question_row *row, bert_error *e);
    void *context;
    bert_question_shape *shape;
    int64_t line;
} job;

/* ---- What is not read */

#define READ                                                                                       \
    "questions are read from SQuAD's JSON (\"data\", \"paragraphs\", \"qas\") or from rows "       \
    "{\"id\", \"question\", \"context\", \"answers\": {\"text\": [..], \"answer_start\": [..]}}"

/* A member that no other format has. */
static const char *foreign(const json_t *object) {
    static const struct {
        const char *key, *format;
    } formats[] = {
        {"header", "MRQA"},
        {"detected_answers", "MRQA"},
        {"storyId", "NewsQA"},
        {"story", "CoQA"},
        {"qa_pairs", "DROP"},
        {"supporting_facts", "HotpotQA"},
        {"document_text", "Natural Questions"},
        {"document_tokens", "Natural Questions"},
        {"EntityPages", "TriviaQA"},
        {"Data", "TriviaQA"},
        {"entity_pages", "TriviaQA"},
        {"passages", "MS MARCO"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (json_object_get(object, formats[i].key)) return formats[i].format;
    return NULL;
}

/* "FILE:LINE: ", or "FILE: " of a larger object. */
static int fail_at(const job *j, const json_t *object, int code, bert_error *e, const char *what) {
    char place[32] = "", has[160] = "";
    size_t used = 0;
    const char *key;
    json_t *value;
    if (j->line) snprintf(place, sizeof place, ":%lld", (long long)j->line);
    json_object_foreach((json_t *)(uintptr_t)object, key, value) if (used + 40 < sizeof has) used +=
        (size_t)snprintf(has + used, sizeof has - used, "%s\"%.32s\"", used ? ", " : "", key);
    const char *format = foreign(object);
    if (format)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s%s: this is %s's format, which is not read: " READ, j->path, place,
                         format);
    return bert_fail(e, code, "%s%s: %s; here are %s", j->path, place, what, used ? has : "none");
}

static int need_json(const char *path, bert_error *e) {
    static const char *const others[] = {".csv", ".tsv", ".parquet", ".arrow", ".xlsx"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (bert_file_has_suffix(path, others[i]))
            return bert_fail(e, BERT_EUNSUPPORTED,
                             "%s: a %s file has no room for the places of answers: " READ, path,
                             others[i] + 1);
    return BERT_OK;
}

/* ---- What is */

static int add_question(job *j, const json_t *question, const json_t *context, bert_error *e) {
    char what[200];
    if (!json_is_object(question))
        return bert_fail(e, BERT_EFORMAT, "%s: a question is no object: " READ, j->path);
    if (json_object_get(question, "detected_answers"))
        return fail_at(j, question, BERT_EUNSUPPORTED, e, "");
    if (!json_is_string(context)) {
        const bool list = json_is_array(context), there = context && !json_is_null(context);
        snprintf(what, sizeof what, "a question has %s \"%.60s\"%s",
                 there ? list ? "a list as" : "no text as" : "no", j->keys->context,
                 there ? "" : " (pair_column names another member)");
        return fail_at(j, question, BERT_EFORMAT, e, what);
    }
    if (json_object_get(question, "is_impossible")) j->shape->version_2 = true;
    const bert_question_row row = {.question = question, .context = context, .line = j->line};
    return j->each(j->context, &row, e);
}

static int add_paragraph(job *j, const json_t *paragraph, bert_error *e) {
    const json_t *qas = json_object_get(paragraph, "qas"), *qa,
                 *context = json_object_get(paragraph, j->keys->context);
    if (!json_is_string(context) || !json_is_array(qas)) {
        char what[120];
        snprintf(what, sizeof what, "a paragraph needs a text \"%.60s\" and an array \"qas\"",
                 j->keys->context);
        return fail_at(j, paragraph, BERT_EFORMAT, e, what);
    }
    size_t i;
    int rc = 0;
    json_array_foreach(qas, i, qa) if ((rc = add_question(j, qa, context, e))) break;
    return rc;
}

static int each_of(job *j, const json_t *array, int (*read)(job *, const json_t *, bert_error *),
                   bert_error *e) {
    size_t i;
    const json_t *item;
    j->line = 0;
    json_array_foreach(array, i, item) {
        int rc = read(j, item, e);
        if (rc) return rc;
    }
    return BERT_OK;
}

/* A row, a paragraph or an article. */
static int read_part(job *j, const json_t *part, bert_error *e) {
    const json_t *paragraphs = json_object_get(part, "paragraphs");
    const bool nested = json_is_array(paragraphs) || json_object_get(part, "qas");
    if (nested) j->shape->nested = true;
    if (json_is_array(paragraphs)) return each_of(j, paragraphs, add_paragraph, e);
    if (nested) return add_paragraph(j, part, e);
    j->shape->flat = true;
    if (!json_object_get(part, j->keys->question)) {
        char what[400];
        snprintf(what, sizeof what, "no \"%.60s\" (text_column names another member): " READ,
                 j->keys->question);
        return fail_at(j, part, BERT_EFORMAT, e, what);
    }
    return add_question(j, part, json_object_get(part, j->keys->context), e);
}

/* "v2.0", "2.0", 2 */
static bool is_version_2(const json_t *version) {
    const char *s = json_string_value(version);
    if (!s) return json_is_number(version) && (int)json_number_value(version) == 2;
    s += *s == 'v' || *s == 'V';
    return *s == '2' && (!s[1] || s[1] == '.');
}

static int read_value(job *j, const json_t *value, bert_error *e) {
    const json_t *data = json_object_get(value, "data");
    if (!json_is_array(data)) return read_part(j, value, e);
    if (is_version_2(json_object_get(value, "version"))) j->shape->version_2 = true;
    return each_of(j, data, read_part, e);
}

int bert_questions_read(const char *path, const bert_question_keys *keys,
                        int (*each)(void *context, const bert_question_row *row, bert_error *e),
                        void *context, bert_question_shape *shape, bert_error *e) {
    *shape = (bert_question_shape){0};
    job j = {path, keys, each, context, shape, 0};
    int rc = need_json(path, e);
    bert_json_rows *rows = rc ? NULL : bert_json_rows_open(path, e);
    if (!rows) return rc ? rc : e->code;
    const json_t *value;
    while ((rc = bert_json_rows_next(rows, &value, e)) == 1) {
        j.line = bert_json_rows_line(rows);
        if ((rc = read_value(&j, value, e))) break;
    }
    bert_json_rows_close(rows);
    return rc;
}
