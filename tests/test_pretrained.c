/* Where a checkpoint comes from is a row: one in a single file, of a format that only this test
 * knows, opens, tokenizes, embeds, trains on and is saved as the directory that it was made of. */
#include "base/file.h"
#include "files/pretrained.h"
#include "models.h"
#include <sys/stat.h>

/* ---- The format: parts one after another, "NAME BYTES\n" and the bytes. Tensors are parts too,
 * "tensor:ROWS,COLS:NAME BYTES\n", of bytes in the other order than in memory: nothing of it can be
 * handed out as it lies in the file. */

#define SUFFIX ".parts"
enum { MOST = 80 };

typedef struct {
    char name[128];
    char *data;
    size_t bytes;
} part;

typedef struct {
    char *text; /* the file */
    part parts[MOST];
    int n;
    char *data[MOST]; /* of tensors */
    int tensor_count;
} archive;

static int tensors_open; /* sets of tensors that nobody has closed yet */

static void swap(char *to, const char *from, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 4)
        for (size_t k = 0; k < 4; k++) to[i + k] = from[i + 3 - k];
}

static bool recognises(const char *path) {
    struct stat st;
    const size_t n = strlen(path), k = strlen(SUFFIX);
    return n > k && !strcmp(path + n - k, SUFFIX) && !stat(path, &st) && S_ISREG(st.st_mode);
}

static void close_archive(void *place) {
    archive *a = place;
    for (int i = 0; i < a->tensor_count; i++) free(a->data[i]);
    free(a->text);
    free(a);
}

static void *open_archive(const char *path, bert_error *e) {
    archive *a = calloc(1, sizeof *a);
    size_t size;
    assert_non_null(a);
    if (bert_read_file(path, 0, &a->text, &size, e)) {
        free(a);
        return NULL;
    }
    for (char *at = a->text; at < a->text + size;) {
        part *p = &a->parts[a->n++];
        int used = 0;
        assert_int_equal(sscanf(at, "%127s %zu%n", p->name, &p->bytes, &used), 2);
        p->data = at + used + 1;
        at = p->data + p->bytes;
    }
    return a;
}

static const part *find_part(const archive *a, const char *name) {
    for (int i = 0; i < a->n; i++)
        if (!strcmp(a->parts[i].name, name)) return &a->parts[i];
    return NULL;
}

static bool has(const void *place, const char *name) {
    return find_part(place, name) != NULL;
}

static int read_part(const void *place, const char *name, size_t limit, char **text, size_t *bytes,
                     bert_error *e) {
    (void)limit;
    (void)e;
    const part *p = find_part(place, name);
    assert_non_null(p);
    *text = strndup(p->data, p->bytes);
    *bytes = p->bytes;
    assert_non_null(*text);
    return 0;
}

static void *open_tensors(const bert_tensor_file *in, bert_error *e) {
    archive *a = open_archive(in->path, e);
    for (int i = 0; a && i < a->n; i++) {
        long long rows, cols;
        static const char format[] = "tensor:%lld,%lld:%*s";
        const part *p = &a->parts[i];
        if (sscanf(p->name, format, &rows, &cols) != 2) continue;
        char *data = malloc(p->bytes);
        assert_non_null(data);
        swap(data, p->data, p->bytes);
        a->data[a->tensor_count++] = data;
        const bert_stored_tensor t = {.name = strrchr(p->name, ':') + 1,
                                      .dtype = BERT_F32,
                                      .dims = cols ? 2 : 1,
                                      .shape = {rows, cols},
                                      .data = data,
                                      .bytes = p->bytes};
        test_ok(*e, bert_tensor_list_add(in->list, &t, e));
    }
    tensors_open += a != NULL;
    return a;
}

static void close_tensors(void *file) {
    close_archive(file);
    tensors_open--;
}

static const bert_tensor_format own_format = {.open = open_tensors, .close = close_tensors};

static bert_tensors *tensors(const void *place, const char *folder, bert_error *e) {
    const part *p = find_part(place, "path");
    char *path = strndup(p->data, p->bytes);
    assert_string_equal(folder, "");
    bert_tensors *t = bert_tensors_open(&own_format, path, e);
    if (t && !bert_tensors_count(t)) {
        bert_tensors_close(t);
        t = NULL;
    }
    free(path);
    return t;
}

static const bert_pretrained_kind kind = {
    .name = "file of parts",
    .recognises = recognises,
    .open = open_archive,
    .close = close_archive,
    .has = has,
    .read = read_part,
    .tensors = tensors,
};

/* ---- Writing one */

static void put(FILE *f, const char *name, const char *data, size_t bytes) {
    fprintf(f, "%s %zu\n", name, bytes);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
}

static void put_file(FILE *f, const char *directory, const char *name) {
    char path[4400], *text;
    size_t bytes;
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (!bert_file_exists(path)) return;
    test_ok(e, bert_read_file(path, 0, &text, &bytes, &e));
    put(f, name, text, bytes);
    free(text);
}

static void put_tensors(FILE *f, const char *directory) {
    char path[4400];
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    bert_tensors *s = bert_tensors_open(&bert_safetensors_format, path, &e);
    if (!s) fail_msg("%s", e.message);
    for (int i = 0; i < bert_tensors_count(s); i++) {
        const bert_stored_tensor *t = bert_tensors_at(s, i);
        char name[128], *data = malloc(t->bytes);
        assert_non_null(data);
        swap(data, t->data, t->bytes);
        snprintf(name, sizeof name, "tensor:%lld,%lld:%s", (long long)t->shape[0],
                 (long long)(t->dims > 1 ? t->shape[1] : 0), t->name);
        put(f, name, data, t->bytes);
        free(data);
    }
    bert_tensors_close(s);
}

/* What lies in the directory as one file, beside it. */
static char *pack(const char *directory, bool weights) {
    static const char *const names[] = {"config.json", "vocab.txt", "tokenizer_config.json",
                                        "modules.json", "1_Pooling/config.json"};
    char *path = malloc(strlen(directory) + 32);
    assert_non_null(path);
    sprintf(path, "%s/packed" SUFFIX, directory);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    put(f, "path", path, strlen(path));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) put_file(f, directory, names[i]);
    if (weights) put_tensors(f, directory);
    assert_int_equal(fclose(f), 0);
    return path;
}

static char *sentence_model(const char *architecture) {
    char *d = test_directory(), folder[4200];
    bert_error e = {0};
    test_model(d, architecture, 2, "");
    test_write(d, "tokenizer_config.json", "{\"do_lower_case\": true, \"model_max_length\": 16}");
    snprintf(folder, sizeof folder, "%s/1_Pooling", d);
    test_ok(e, bert_make_directory(folder, &e));
    test_write(folder, "config.json", "{\"pooling_mode_cls_token\": true}");
    test_write(d, "modules.json",
               "[{\"type\": \"sentence_transformers.models.Transformer\", \"path\": \"\"}, "
               "{\"type\": \"sentence_transformers.models.Pooling\", \"path\": \"1_Pooling\"}]");
    return d;
}

/* ---- What comes of it */

static bert_model *open_or_fail(const char *name, const bert_model_options *o) {
    bert_error e = {0};
    bert_model *m = bert_model_open(name, o, &e);
    if (!m) fail_msg("%s", e.message);
    return m;
}

enum { TEXTS = 2 };
static void embed(const char *name, float *out) {
    bert_error e = {0};
    bert_model *m = open_or_fail(name, NULL);
    bert_session *s = bert_session_new(m, NULL, &e);
    const bert_text texts[TEXTS] = {bert_text_of("The cat sat on the mat."),
                                    bert_text_of("she walked")};
    assert_non_null(s);
    assert_int_equal(bert_model_pooling(m, NULL), BERT_POOLING_CLS);
    assert_int_equal(bert_tokenizer_max_length(bert_model_tokenizer(m)), 16);
    test_ok(e, bert_embed(s, texts, TEXTS, NULL, out, NULL, &e));
    bert_session_free(s);
    bert_model_close(m);
}

static void one_file_embeds_as_its_directory(void **state) {
    (void)state;
    char *d = sentence_model("BertModel"), *file = pack(d, true);
    float of_directory[TEXTS * TEST_HIDDEN], of_file[TEXTS * TEST_HIDDEN];
    embed(d, of_directory);
    embed(file, of_file);
    assert_memory_equal(of_file, of_directory, sizeof of_file);
    assert_int_equal(tensors_open, 0);
    free(file);
    test_remove(d);
}

static void one_file_is_a_tokenizer(void **state) {
    (void)state;
    char *d = sentence_model("BertModel"), *file = pack(d, true);
    bert_error e = {0};
    bert_tokenizer *t = bert_tokenizer_open(file, NULL, &e);
    if (!t) fail_msg("%s", e.message);
    assert_int_equal(bert_tokenizer_size(t), TEST_VOCAB);
    assert_int_equal(bert_tokenizer_max_length(t), 16);
    bert_tokenizer_close(t);
    free(file);
    test_remove(d);
}

/* Trained or not, what is saved of it is the directory. */
static void one_file_is_saved_as_its_directory(void **state) {
    (void)state;
    static const char *const names[] = {"config.json", "vocab.txt", "model.safetensors"};
    char *d = sentence_model("BertForSequenceClassification"), *file = pack(d, true);
    const char *const sources[] = {d, file};
    char *text[2][3];
    size_t bytes[2][3];
    for (int i = 0; i < 2; i++) {
        bert_error e = {0};
        char to[4300], path[4400];
        snprintf(to, sizeof to, "%s/saved-%d", d, i);
        bert_model *m = open_or_fail(sources[i], &(bert_model_options){.trainable = true});
        test_ok(e, bert_model_save(m, to, &e));
        bert_model_close(m);
        for (int k = 0; k < 3; k++) {
            snprintf(path, sizeof path, "%s/%s", to, names[k]);
            test_ok(e, bert_read_file(path, 0, &text[i][k], &bytes[i][k], &e));
        }
    }
    for (int k = 0; k < 3; k++) {
        assert_int_equal(bytes[0][k], bytes[1][k]);
        assert_memory_equal(text[0][k], text[1][k], bytes[0][k]);
        free(text[0][k]);
        free(text[1][k]);
    }
    assert_int_equal(tensors_open, 0);
    free(file);
    test_remove(d);
}

static void refuse(const char *path, int code, const char *says) {
    bert_error e = {0};
    bert_model *m = bert_model_open(path, NULL, &e);
    if (m || e.code != code || !strstr(e.message, says))
        fail_msg("wanted %d \"%s\", got %d \"%s\"", code, says, e.code, e.message);
}

static void what_a_file_lacks_is_said(void **state) {
    (void)state;
    char *d = sentence_model("BertModel"), path[4300];
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/empty" SUFFIX, d);
    test_write(d, "empty" SUFFIX, "path 0\n");
    refuse(path, BERT_ENOTFOUND, "empty.parts, a file of parts, holds no configuration");
    bert_tokenizer *t = bert_tokenizer_open(path, NULL, &e);
    assert_null(t);
    assert_int_equal(e.code, BERT_ENOTFOUND);
    assert_non_null(strstr(e.message, "has neither tokenizer.json nor vocab.txt"));
    /* and what is not its own is of nobody */
    test_write(d, "other.piece", "path 0\n");
    snprintf(path, sizeof path, "%s/other.piece", d);
    refuse(path, BERT_EINVAL, "is a file; a model is the directory");
    char *file = pack(d, false);
    refuse(file, BERT_ENOTFOUND, "packed.parts, a file of parts, holds no weights");
    assert_int_equal(tensors_open, 0);
    free(file);
    test_remove(d);
}

static int register_kind(void **state) {
    (void)state;
    bert_error e = {0};
    /* a second time changes nothing */
    return bert_pretrained_register(&kind, &e) || bert_pretrained_register(&kind, &e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_file_embeds_as_its_directory),
        cmocka_unit_test(one_file_is_a_tokenizer),
        cmocka_unit_test(one_file_is_saved_as_its_directory),
        cmocka_unit_test(what_a_file_lacks_is_said),
    };
    return cmocka_run_group_tests(tests, register_kind, NULL);
}
