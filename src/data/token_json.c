/* Sentences of JSON: lists of words and of tags. */
#include "base/error.h"
#include "data/sentence_reader.h"
#include "files/json_rows.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The usual names, best first. */
static const char *const word_names[] = {"tokens", "words", "token", "word", NULL};
static const char *const tag_names[] = {"ner_tags",   "tags",      "labels", "ner",
                                        "pos_tags",   "upos",      "xpos",   "pos",
                                        "chunk_tags", "ner_label", "label",  NULL};

typedef struct {
    const char *words, *tags;
} keys;

/* The keys of an object, for messages. */
static void list_keys(const json_t *o, char *out, size_t capacity) {
    const char *key;
    json_t *value;
    size_t used = 0;
    *out = 0;
    json_object_foreach((json_t *)(uintptr_t)o, key, value) {
        const char *what = json_is_array(value) ? " (a list)" : "";
        if (used + 40 < capacity)
            used += (size_t)snprintf(out + used, capacity - used, "%s\"%.20s\"%s", used ? ", " : "",
                                     key, what);
    }
}

static const char *usual(const json_t *o, const char *const *names) {
    for (; *names; names++)
        if (json_is_array(json_object_get(o, *names))) return *names;
    return NULL;
}

/* Which members of an object they are. */
static int choose_keys(bert_sentence_reader *s, const json_t *o, int64_t line, keys *k,
                       bert_error *e) {
    const bert_dataset_options *options = s->b->options;
    char there[300];
    k->words = options->text_column ? options->text_column : usual(o, word_names);
    k->tags = options->label_column ? options->label_column : usual(o, tag_names);
    list_keys(o, there, sizeof there);
    if (!k->words || !k->tags)
        return bert_dataset_fail(
            s->b, line, e, BERT_EFORMAT,
            "no list of %s: lists \"tokens\" and \"ner_tags\" of one length are needed, or "
            "text_column and label_column name them; the object has %s",
            k->words ? "tags" : "words", there);
    for (int i = 0; i < 2; i++)
        if (!json_object_get(o, i ? k->tags : k->words))
            return bert_dataset_fail(s->b, line, e, BERT_EFORMAT, "has no \"%s\", but %s",
                                     i ? k->tags : k->words, there);
    if (s->all->tags_name) return BERT_OK; /* said of the first object */
    if (!(s->all->tags_name = strdup(k->tags))) return bert_fail_memory(e, strlen(k->tags));
    char others[200] = "";
    size_t used = 0;
    for (int i = 0; !options->label_column && tag_names[i]; i++)
        if (strcmp(tag_names[i], k->tags) && json_is_array(json_object_get(o, tag_names[i])))
            used += (size_t)snprintf(others + used, sizeof others - used, "%s%s",
                                     used ? ", " : "; not read: ", tag_names[i]);
    return bert_dataset_say(s->b, e, "words are \"%s\", tags \"%s\"%s%s", k->words, k->tags, others,
                            used ? " (label_column chooses)" : "");
}

/* A tag as text; NULL: it is none. */
static const char *tag_text(const json_t *tag, char *number, size_t capacity) {
    if (json_is_string(tag)) return json_string_value(tag);
    if (!json_is_integer(tag)) return NULL;
    snprintf(number, capacity, "%lld", (long long)json_integer_value(tag));
    return number;
}

static const json_t *list(bert_sentence_reader *s, const json_t *o, const char *key, int64_t line,
                          bert_error *e) {
    const json_t *v = json_object_get(o, key);
    if (json_is_array(v)) return v;
    const char *text = json_string_value(v);
    bert_dataset_fail(s->b, line, e, BERT_EFORMAT,
                      !v                     ? "has no \"%s\""
                      : json_is_null(v)      ? "\"%s\" is null, not a list"
                      : text && *text == '[' ? "\"%s\" is a list written as text, not a list"
                                             : "\"%s\" is not a list of one value for each word",
                      key);
    return NULL;
}

static int read_object(bert_sentence_reader *s, const json_t *o, int64_t line, const keys *k,
                       bert_error *e) {
    const json_t *words = list(s, o, k->words, line, e);
    const json_t *tags = words ? list(s, o, k->tags, line, e) : NULL;
    if (!tags) return BERT_EFORMAT;
    if (json_array_size(words) != json_array_size(tags))
        return bert_dataset_fail(s->b, line, e, BERT_EFORMAT,
                                 "\"%s\" has %zu elements, \"%s\" %zu: one of each is needed for "
                                 "every word",
                                 k->words, json_array_size(words), k->tags, json_array_size(tags));
    int rc = BERT_OK;
    for (size_t i = 0; !rc && i < json_array_size(words); i++) {
        const json_t *word = json_array_get(words, i), *tag = json_array_get(tags, i);
        char number[32];
        const char *label = tag_text(tag, number, sizeof number);
        const bool none = json_is_integer(tag) && json_integer_value(tag) < 0;
        if (!json_is_string(word) || !label || !*label)
            rc = bert_dataset_fail(s->b, line, e, BERT_EFORMAT,
                                   "element %zu of \"%s\": a text and a label are needed", i,
                                   label ? k->words : k->tags);
        else if (none)
            rc = bert_dataset_fail(s->b, line, e, BERT_EFORMAT,
                                   "element %zu of \"%s\" is %s, which is no label: tags of words "
                                   "are needed, not those of tokens",
                                   i, k->tags, number);
        else
            rc = bert_sentence_word(s, json_string_value(word), json_string_length(word), label,
                                    strlen(label), line, e);
    }
    return rc ? rc : bert_sentence_end(s, e);
}

int bert_read_word_lists(bert_sentence_reader *s, const char *path, bert_error *e) {
    bert_json_rows *rows = bert_json_rows_open(path, e);
    if (!rows) return e->code;
    const json_t *o;
    keys k = {0};
    int rc;
    while ((rc = bert_json_rows_next(rows, &o, e)) > 0) {
        const int64_t line = bert_json_rows_line(rows);
        const bool known = k.words && json_object_get(o, k.words) && json_object_get(o, k.tags);
        rc = known ? BERT_OK : choose_keys(s, o, line, &k, e);
        if (!rc) rc = read_object(s, o, line, &k, e);
        if (rc) break;
    }
    bert_json_rows_close(rows);
    return rc;
}
