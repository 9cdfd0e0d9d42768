#include "read.h"
#include "state.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const json_t *member(const json_t *o, const char *name) {
    const json_t *v = json_object_get(o, name);
    return json_is_null(v) ? NULL : v;
}

static const char *kind_of(const json_t *v) {
    static const char *const kinds[] = {"an object", "a list", "a string", "an integer",
                                        "a number",  "true",   "false",    "null"};
    return v ? kinds[json_typeof(v)] : "not there";
}

int read_bool(exchange *x, const json_t *o, const char *name, bool *out) {
    const json_t *v = member(o, name);
    if (!v) return 0;
    if (!json_is_boolean(v))
        return fault(x, FAULT_INVALID, "%s is %s; it is true or false", name, kind_of(v));
    *out = json_is_true(v);
    return 0;
}

int read_int(exchange *x, const json_t *o, const char *name, int32_t least, int32_t most,
             int32_t *out) {
    const json_t *v = member(o, name);
    if (!v) return 0;
    if (!json_is_integer(v) || json_integer_value(v) < least || json_integer_value(v) > most)
        return fault(x, FAULT_INVALID, "%s is a number of %d to %d", name, least, most);
    *out = (int32_t)json_integer_value(v);
    return 0;
}

int read_name(exchange *x, const json_t *o, const char *name, const char **out) {
    const json_t *v = member(o, name);
    if (!v) return 0;
    if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
        return fault(x, FAULT_INVALID, "%s is %s; it is a string", name,
                     json_is_string(v) ? "a string with a zero in it" : kind_of(v));
    *out = json_string_value(v);
    return 0;
}

int read_choice(exchange *x, const json_t *o, const char *name, const char *const *names,
                int *out) {
    const char *chosen = NULL;
    if (read_name(x, o, name, &chosen)) return -1;
    if (!chosen) return 0;
    for (int i = 0; names[i]; i++)
        if (!strcasecmp(names[i], chosen)) {
            *out = i;
            return 0;
        }
    text list = {0};
    for (int i = 0; names[i]; i++)
        text_format(&list, "%s%s", !i ? "" : names[i + 1] ? ", " : " or ", names[i]);
    fault(x, FAULT_INVALID, "%s is %s", name, list.s ? list.s : "something else");
    text_free(&list);
    return -1;
}

int keep_json(exchange *x, const json_t *v) {
    if (!x->kept) x->kept = json_array();
    return json_array_append(x->kept, (json_t *)(uintptr_t)v) ? fault_memory(x) : 0;
}

int read_labels(exchange *x, const json_t *o, const char *name) {
    enum { MOST = 10000 };
    const json_t *v = member(o, name);
    if (!v) return 0;
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n > MOST) return fault(x, FAULT_BATCH, "%s has %zu strings; it may have %d", name, n, MOST);
    x->wish.labels = calloc(n + 1, sizeof *x->wish.labels);
    if (!x->wish.labels) return fault_memory(x);
    for (size_t i = 0; i < n; i++) {
        const json_t *s = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(s) || strlen(json_string_value(s)) != json_string_length(s))
            return fault(x, FAULT_INVALID, "%s is a list of strings", name);
        x->wish.labels[i] = json_string_value(s);
    }
    x->wish.labels_count = (int32_t)n;
    return keep_json(x, v);
}

int read_choices(exchange *x, const json_t *o, const char *name) {
    const int32_t most = x->server->options->max_input_texts;
    if (read_labels(x, o, name)) return -1;
    if (!x->wish.labels_count) return fault(x, FAULT_EMPTY, "%s is an empty list", name);
    if (x->wish.labels_count <= most) return 0;
    return fault(x, FAULT_BATCH, "%s has %d texts; a request has at most %d (--max-input-texts)",
                 name, (int)x->wish.labels_count, (int)most);
}

int read_parameters(exchange *x, const json_t **out) {
    *out = member(x->body, "parameters");
    if (!*out || json_is_object(*out)) return 0;
    return fault(x, FAULT_INVALID, "parameters is %s; it is an object", kind_of(*out));
}

const json_t *read_member(exchange *x, const json_t *o, const char *name) {
    const json_t *v = member(o, name);
    if (!v) fault(x, FAULT_INVALID, "%s is missing", name);
    return v;
}

/* ---- JSON */

/* Deeper than anything here is, or of so many lists that they would take a hundred times its bytes; counted
 * before it is parsed. */
static int check_nesting(exchange *x, const char *s, size_t n) {
    enum { MOST_DEEP = 64, MOST_LISTS = 10000 };
    int depth = 0, lists = 0;
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        if (quoted && s[i] == '\\')
            i++;
        else if (s[i] == '"')
            quoted = !quoted;
        if (quoted) continue;
        const int opens = s[i] == '[' || s[i] == '{';
        depth += opens - (s[i] == ']' || s[i] == '}');
        lists += opens;
        if (depth > MOST_DEEP)
            return fault(x, FAULT_MALFORMED, "the body is nested deeper than %d", MOST_DEEP);
        if (lists > MOST_LISTS)
            return fault(x, FAULT_INVALID, "the body has more than %d lists and objects",
                         MOST_LISTS);
    }
    return 0;
}

int read_json(exchange *x) {
    json_error_t why;
    if (x->body) return 0;
    if (check_nesting(x, x->bytes, x->n_bytes)) return -1;
    x->body = json_loadb(x->bytes ? x->bytes : "", x->n_bytes, JSON_ALLOW_NUL, &why);
    if (!x->body)
        return fault(x, FAULT_MALFORMED, "the body is not JSON: line %d, column %d: %.200s",
                     why.line, why.column, why.text);
    if (!json_is_object(x->body))
        return fault(x, FAULT_INVALID, "the body is %s; it is an object", kind_of(x->body));
    return 0;
}

static int no_such_model(exchange *x, const char *name, const char *task) {
    text names = {0};
    const served *m = NULL, *there = task ? models_next(x->models, NULL, name, NULL) : NULL;
    while ((m = models_next(x->models, m, there ? name : NULL, NULL)))
        if (there ? m->task != NULL : !m->task)
            text_format(&names, "%s%s", names.n ? ", " : "", there ? m->task : m->name);
    if (there)
        fault(x, FAULT_MODEL, "%s has no task \"%.100s\"; %s%.400s", name ? name : there->name,
              task, names.s ? "it has " : "it has none", names.s ? names.s : "");
    else
        fault(x, FAULT_MODEL, "there is no model \"%.100s\" here; there is %.400s", name,
              names.s ? names.s : "");
    text_free(&names);
    return -1;
}

static bool has_head(const served *m, const operation *op) {
    return !op->heads || strstr(op->heads, m->head);
}

static bool has_labels(const served *m, const operation *op) {
    return !op->most_labels || m->labels <= op->most_labels;
}

static bool fits(const served *m, const operation *op) {
    return has_head(m, op) && has_labels(m, op) && (op->pictures || !m->pictures) &&
           (!op->sparse || m->sparse);
}

int no_head(exchange *x, const served *m, const operation *op) {
    const char *more = m->sparse ? ", weights of words (/embed_sparse)" : "";
    if (has_head(m, op) && m->pictures)
        return fault(x, FAULT_HEAD, "%s reads pictures, and %s reads texts; what it gives: %s",
                     m->name, op->name, models_can(m));
    if (has_head(m, op) && !has_labels(m, op))
        return fault(x, FAULT_HEAD, "%s has %d labels; a reranker has one, or two", m->name,
                     (int)m->labels);
    return fault(x, FAULT_HEAD, "%s has no head for %s; what it gives: %s%s", m->name, op->name,
                 models_can(m), more);
}

int read_model(exchange *x, const json_t *body, const operation *op) {
    const char *name = x->named ? x->named->name : NULL, *task = NULL;
    served *first, *m = NULL;
    if (!x->named && read_name(x, body, "model", &name)) return -1;
    if (read_name(x, body, "task", &task)) return -1;
    if (!x->named && x->models->models == 1) name = NULL; /* whatever clients call it */
    first = models_next(x->models, NULL, name, task);
    if (!first) return no_such_model(x, name, task);
    for (served *r = first; r; r = models_next(x->models, r, name, task)) {
        if (!fits(r, op)) continue;
        if (m && m->task && !strcmp(m->name, r->name))
            return fault(x, FAULT_INVALID,
                         "%s has several tasks for %s: \"task\" says which, %s say", m->name,
                         op->name, m->task);
        if (!m) m = r;
    }
    x->model = m ? m : first;
    x->operation = op;
    return m ? 0 : no_head(x, first, op);
}

int read_truncate(exchange *x, const json_t *o) {
    static const char *const sides[] = {"right", "left", NULL};
    const char *prompt = NULL;
    int side = bert_tokenizer_truncates_left(bert_model_tokenizer(x->model->model));
    x->wish.truncate = x->server->options->auto_truncate;
    if (read_bool(x, o, "truncate", &x->wish.truncate)) return -1;
    if (read_choice(x, o, "truncation_direction", sides, &side)) return -1;
    if (read_name(x, o, "prompt_name", &prompt)) return -1;
    x->wish.left = side == 1;
    x->wish.prompt = bert_model_prompt(x->model->model, prompt);
    if (prompt && !x->wish.prompt)
        return fault(x, FAULT_INVALID, "%s has no prompt named \"%.100s\"", x->model->name, prompt);
    return 0;
}

/* ---- Texts */

static char *copy(const char *front, const char *s, size_t n, size_t *bytes) {
    const size_t before = front ? strlen(front) : 0;
    char *out = malloc(before + n + 1);
    if (!out) return NULL;
    if (before) memcpy(out, front, before);
    if (n) memcpy(out + before, s, n);
    out[before + n] = 0;
    *bytes = before + n;
    return out;
}

int set_text(exchange *x, item *i, const json_t *s, bool pair) {
    if (!json_is_string(s))
        return fault(x, FAULT_INVALID, "a text is %s; it is a string", kind_of(s));
    const size_t n = json_string_length(s);
    char *own = copy(pair ? NULL : x->wish.prompt, json_string_value(s), n,
                     pair ? &i->pair_bytes : &i->bytes);
    if (!own) return fault_memory(x);
    *(pair ? &i->pair : &i->text) = own;
    return 0;
}

int set_query(exchange *x, const json_t *s) {
    if (!json_is_string(s))
        return fault(x, FAULT_INVALID, "query is %s; it is a string", kind_of(s));
    x->wish.query = copy(NULL, json_string_value(s), json_string_length(s), &x->wish.query_bytes);
    return x->wish.query ? 0 : fault_memory(x);
}

static int set_ids(exchange *x, item *i, const json_t *list) {
    const size_t n = json_array_size(list);
    const int32_t vocabulary = bert_model_config(x->model->model)->vocab_size;
    if (n > INT32_MAX / 4) return fault(x, FAULT_INVALID, "a text of %zu ids is too long", n);
    i->ids = malloc((n + 1) * sizeof *i->ids);
    if (!i->ids) return fault_memory(x);
    for (size_t k = 0; k < n; k++) {
        const json_t *id = json_array_get(list, k);
        if (!json_is_integer(id))
            return fault(x, FAULT_INVALID, "an id is %s; it is an integer", kind_of(id));
        if (json_integer_value(id) < 0 || json_integer_value(id) >= vocabulary)
            return fault(x, FAULT_INVALID,
                         "the id %lld is not one of the model's %d: ids are those of its own "
                         "tokenizer (LangChain's OpenAIEmbeddings sends OpenAI's unless "
                         "check_embedding_ctx_length=False)",
                         (long long)json_integer_value(id), vocabulary);
        i->ids[k] = (int32_t)json_integer_value(id);
    }
    i->ids_count = (int32_t)n;
    return 0;
}

static bool is_ids(const json_t *v) {
    return json_is_array(v) && json_array_size(v) && json_is_number(json_array_get(v, 0));
}

/* How many; their limit is the server's. */
static int check_count(exchange *x, size_t n, const char *name) {
    const int32_t most = x->server->options->max_input_texts;
    if (!n) return fault(x, FAULT_EMPTY, "%s is an empty list", name);
    if (n > (size_t)most)
        return fault(x, FAULT_BATCH,
                     "%s has %zu texts; a request has at most %d (--max-input-texts)", name, n,
                     most);
    return exchange_items(x, (int32_t)n);
}

int read_texts(exchange *x, const json_t *inputs, const char *name) {
    if (!inputs) return -1;
    const bool list = json_is_array(inputs) && !is_ids(inputs);
    x->wish.one = !list;
    if (check_count(x, list ? json_array_size(inputs) : 1, name)) return -1;
    for (int32_t i = 0; i < x->n; i++) {
        const json_t *v = list ? json_array_get(inputs, (size_t)i) : inputs;
        const int rc =
            is_ids(v) ? set_ids(x, &x->items[i], v) : set_text(x, &x->items[i], v, false);
        if (rc) return rc;
    }
    return 0;
}

static int set_pair(exchange *x, item *i, const json_t *v) {
    if (!json_is_array(v)) return set_text(x, i, v, false);
    const size_t n = json_array_size(v);
    if (n != 1 && n != 2)
        return fault(x, FAULT_INVALID, "an input is a list of %zu; it is a text, or a pair", n);
    if (set_text(x, i, json_array_get(v, 0), false)) return -1;
    return n == 2 ? set_text(x, i, json_array_get(v, 1), true) : 0;
}

int read_pairs(exchange *x, const json_t *inputs) {
    if (!inputs) return -1;
    const json_t *first = json_array_get(inputs, 0);
    const bool list = json_is_array(inputs) && (json_is_array(first) || !json_array_size(inputs));
    x->wish.one = !list;
    if (check_count(x, list ? json_array_size(inputs) : 1, "inputs")) return -1;
    for (int32_t i = 0; i < x->n; i++)
        if (set_pair(x, &x->items[i], list ? json_array_get(inputs, (size_t)i) : inputs)) return -1;
    return 0;
}

/* ---- Pictures */

/* -1: no base64. */
static int digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static int set_picture(exchange *x, item *i, const void *bytes, size_t n) {
    bert_error e = {0};
    i->image = bert_image_decode(bytes, n, NULL, &e);
    i->tokens = x->model->limit;
    return i->image ? 0 : fault(x, FAULT_INVALID, "%s", e.message);
}

static int set_base64(exchange *x, item *i, const json_t *v) {
    if (!json_is_string(v))
        return fault(x, FAULT_INVALID, "a picture is %s; it is a string of base64", kind_of(v));
    const char *s = json_string_value(v), *comma = strstr(s, ";base64,");
    if (comma) s = comma + 8;
    unsigned char *out = malloc(strlen(s) / 4 * 3 + 4);
    size_t n = 0;
    unsigned word = 0;
    int bits = 0;
    bool bad = false;
    if (!out) return fault_memory(x);
    for (; *s && *s != '=' && !bad; s++) {
        const int d = digit(*s);
        if (*s == '\n' || *s == '\r') continue;
        bad = d < 0;
        word = word << 6 | (unsigned)(d & 63);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        out[n++] = (unsigned char)(word >> bits);
    }
    const int rc =
        bad ? fault(x, FAULT_INVALID, "a picture is no base64") : set_picture(x, i, out, n);
    free(out);
    return rc;
}

int read_pictures(exchange *x, const json_t *inputs) {
    if (!inputs) return -1;
    const bool list = json_is_array(inputs);
    x->wish.one = !list;
    if (check_count(x, list ? json_array_size(inputs) : 1, "inputs")) return -1;
    for (int32_t i = 0; i < x->n; i++)
        if (set_base64(x, &x->items[i], list ? json_array_get(inputs, (size_t)i) : inputs))
            return -1;
    return 0;
}

int read_picture_bytes(exchange *x, const void *bytes, size_t n) {
    x->wish.one = true;
    return exchange_items(x, 1) ? -1 : set_picture(x, &x->items[0], bytes, n);
}

/* ---- Tokens */

enum { MOST_TOKENS = 1 << 29 }; /* of an item, as they are summed up */

static int64_t code_points(const char *s, size_t n) {
    int64_t count = 0;
    for (size_t i = 0; i < n; i++) count += (s[i] & 0xC0) != 0x80;
    return count;
}

/* Ids of what is left of a text that is cut: from the front, or because ids are what is wanted. */
static int make_ids(exchange *x, item *i, bert_tokenization *t, bert_error *e) {
    bert_tokenize_options o = bert_tokenize_default();
    o.truncation = BERT_TRUNCATE_LONGEST_FIRST;
    o.max_length = x->model->limit;
    o.truncate_left = x->wish.left;
    if (bert_tokenize(t, i->text, i->bytes, NULL, 0, &o, e) < 0) return fault_of(x, e);
    const bert_token_window w = bert_tokenization_window(t, 0);
    i->ids = malloc((size_t)w.n * sizeof *i->ids + 1);
    if (!i->ids) return fault_memory(x);
    memcpy(i->ids, w.ids, (size_t)w.n * sizeof *i->ids);
    i->ids_count = w.n;
    return 0;
}

/* What is filled in is said with the whole text around it: so many results a request. */
static int check_filled(exchange *x, const int32_t *ids, int32_t n) {
    enum { MOST = 10000 };
    const int32_t mask = bert_tokenizer_special(bert_model_tokenizer(x->model->model)).mask;
    const int64_t each = x->wish.labels_count ? x->wish.labels_count : x->wish.top_k;
    for (int32_t i = 0; i < n; i++)
        if (ids[i] == mask) x->results += each;
    if (x->results <= MOST) return 0;
    return fault(x, FAULT_BATCH, "%lld results are asked for (top_k of each mask); it gives %d",
                 (long long)x->results, MOST);
}

static int read_length(exchange *x, int32_t k, bert_tokenization *t) {
    item *i = &x->items[k];
    bert_error e = {0};
    int32_t length = i->ids_count;
    const bool asked = x->wish.query;
    const int windows_or_error =
        i->ids  ? 0
        : asked ? bert_tokenize(t, x->wish.query, x->wish.query_bytes, i->text, i->bytes, NULL, &e)
                : bert_tokenize(t, i->text, i->bytes, i->pair, i->pair_bytes, NULL, &e);
    if (windows_or_error < 0) return fault_of(x, &e);
    if (!i->ids) length = bert_tokenization_full_length(t);
    if (x->operation == &op_fill) {
        const int32_t *ids = i->ids ? i->ids : bert_tokenization_window(t, 0).ids;
        if (check_filled(x, ids, length < x->model->limit ? length : x->model->limit)) return -1;
    }
    x->characters += code_points(i->text, i->bytes) + code_points(i->pair, i->pair_bytes);
    const bool windows = x->operation == &op_answer;
    if (length > x->model->limit && !x->wish.truncate && !windows)
        return fault(x, FAULT_TOKENS,
                     "text %d has %d tokens, the limit is %d: \"truncate\": true cuts it", (int)k,
                     length, x->model->limit);
    const bool cut = length > x->model->limit;
    i->tokens = cut && !windows ? x->model->limit : length;
    x->tokens += i->tokens;
    if (x->operation == &op_zero_shot || x->operation == &op_choose) { /* a pair with each */
        const int64_t pairs = (int64_t)i->tokens * x->wish.labels_count;
        i->tokens = pairs < MOST_TOKENS ? (int32_t)pairs : MOST_TOKENS;
    }
    if (!i->ids && ((cut && x->wish.left && !i->pair) || x->operation == &op_embed_all))
        return make_ids(x, i, t, &e);
    return 0;
}

int read_tokens(exchange *x, const clerk *c) {
    if (x->model->pictures) return 0;
    bert_tokenization *t = x->model->tokenization[c->number];
    for (int32_t i = 0; i < x->n; i++)
        if (read_length(x, i, t)) return -1;
    return 0;
}
