/* Files as torch.save writes them, made byte by byte: pickles, and the zip archives around them. */
#ifndef BERT_TEST_TORCH_FILE_H
#define BERT_TEST_TORCH_FILE_H
#include "models.h"

typedef struct {
    char *data;
    size_t n, room;
} test_bytes;

static inline void test_put(test_bytes *b, const void *data, size_t n) {
    if (b->n + n > b->room) {
        b->room = 2 * (b->n + n);
        b->data = realloc(b->data, b->room);
        assert_non_null(b->data);
    }
    if (n) memcpy(b->data + b->n, data, n);
    b->n += n;
}

static inline void test_put_text(test_bytes *b, const char *text) {
    test_put(b, text, strlen(text));
}

/* A number of that many bytes, least significant first. */
static inline void test_put_number(test_bytes *b, uint64_t x, int bytes) {
    for (int i = 0; i < bytes; i++) test_put(b, &(char){(char)(i < 8 ? x >> 8 * i : 0)}, 1);
}

static inline void test_write_bytes(const char *path, const void *data, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* ---- Zip archives, stored */

typedef struct {
    const char *name;
    const void *data;
    size_t n;
} test_member;

enum { TEST_LOCAL = 30, TEST_CENTRAL = 46 };

/* Data begin at multiples of 64, behind padding in their own headers, as torch has them. */
static inline void test_put_zip(test_bytes *b, const test_member *members, int n) {
    test_bytes directory = {0};
    for (int i = 0; i < n; i++) {
        const test_member *m = &members[i];
        const size_t at = b->n, name = strlen(m->name);
        const size_t pad = (64 - (at + TEST_LOCAL + name + 4) % 64) % 64 + 4;
        test_put(b, "PK\3\4\0\0\10\10\0\0\0\0\0\0", 14);
        test_put_number(b, 0, 12); /* the sum and the sizes are in the directory */
        test_put_number(b, name, 2);
        test_put_number(b, pad, 2);
        test_put_text(b, m->name);
        test_put(b, "FB", 2);
        test_put_number(b, pad - 4, 2);
        for (size_t k = 4; k < pad; k++) test_put(b, "Z", 1);
        test_put(b, m->data, m->n);
        test_put(&directory, "PK\1\2\0\0\0\0\10\10\0\0\0\0\0\0", 16);
        test_put_number(&directory, 0, 4);
        test_put_number(&directory, m->n, 4);
        test_put_number(&directory, m->n, 4);
        test_put_number(&directory, name, 2);
        test_put_number(&directory, 0, 12);
        test_put_number(&directory, at, 4);
        test_put_text(&directory, m->name);
    }
    const size_t start = b->n;
    test_put(b, directory.data, directory.n);
    test_put(b, "PK\5\6\0\0\0\0", 8);
    test_put_number(b, (uint64_t)n, 2);
    test_put_number(b, (uint64_t)n, 2);
    test_put_number(b, directory.n, 4);
    test_put_number(b, start, 4);
    test_put_number(b, 0, 2);
    free(directory.data);
}

/* ---- Pickles */

static inline void test_pickle_text(test_bytes *b, const char *text) {
    test_put(b, "X", 1);
    test_put_number(b, strlen(text), 4);
    test_put_text(b, text);
}

static inline void test_pickle_int(test_bytes *b, int64_t x) {
    test_put(b, "\x8a\10", 2);
    test_put_number(b, (uint64_t)x, 8);
}

#define TEST_ORDERED "ccollections\nOrderedDict\n)R"

/* key: of its storage; numel: of that; view: what stands behind that, "" or, before torch 1.6, "N". */
static inline void test_pickle_view(test_bytes *b, const char *class, const char *key,
                                    int64_t numel, const char *view, int64_t offset, int dims,
                                    const int64_t *shape, const int64_t *strides) {
    test_put_text(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
    test_pickle_text(b, "storage");
    test_put_text(b, "ctorch\n");
    test_put_text(b, class);
    test_put_text(b, "Storage\n");
    test_pickle_text(b, key);
    test_pickle_text(b, "cpu");
    test_pickle_int(b, numel);
    test_put_text(b, view);
    test_put_text(b, "tQ");
    test_pickle_int(b, offset);
    test_put_text(b, "(");
    for (int i = 0; i < dims; i++) test_pickle_int(b, shape[i]);
    test_put_text(b, "t(");
    for (int i = 0; i < dims; i++) test_pickle_int(b, strides[i]);
    test_put_text(b, "t\x89" TEST_ORDERED "tR");
}

static inline void test_pickle_tensor(test_bytes *b, const char *class, const char *key,
                                      int64_t numel, int64_t offset, int dims, const int64_t *shape,
                                      const int64_t *strides) {
    test_pickle_view(b, class, key, numel, "", offset, dims, shape, strides);
}

/* What torch before 1.6 wrote in front of the object: magic number, version, and what the system is. */
#define TEST_LEGACY                                                                                \
    "\x80\2\x8a\nl\xfc\x9c"                                                                        \
    "F\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}(X\20\0\0\0protocol_versionM\xe9\3"                     \
    "X\r\0\0\0little_endian\x88X\n\0\0\0type_sizes}u."

/* The same as torch before 1.6 wrote it; pad: so many bytes more in front of the numbers. */
static inline void test_put_legacy(test_bytes *b, const test_weights *w, int pad) {
    test_bytes keys = {0};
    test_put(b, TEST_LEGACY, sizeof TEST_LEGACY - 1);
    test_put_text(b, "\x80\2" TEST_ORDERED "(");
    test_pickle_text(b, "note");
    test_pickle_text(b, &"..."[3 - pad]);
    test_put_text(&keys, "\x80\2](");
    for (int i = 0; i < w->n; i++) {
        const bert_stored_tensor *t = &w->tensors[i];
        const int64_t strides[] = {t->dims > 1 ? t->shape[1] : 1, 1};
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        test_pickle_text(b, t->name);
        test_pickle_view(b, "Float", key, (int64_t)(t->bytes / 4), "N", 0, t->dims, t->shape,
                         strides);
        test_pickle_text(&keys, key);
    }
    test_put_text(b, "u.");
    test_put_text(&keys, "e.");
    test_put(b, keys.data, keys.n);
    for (int i = 0; i < w->n; i++) {
        test_put_number(b, w->tensors[i].bytes / 4, 8);
        test_put(b, w->tensors[i].data, w->tensors[i].bytes);
    }
    free(keys.data);
}

/* torch.save of a state_dict of float32 tensors, each in a storage of its own; under: a key of what is
 * saved, beside others, or NULL. */
static inline void test_put_torch_under(test_bytes *b, const test_weights *w, const char *under) {
    test_bytes pickle = {0};
    test_member members[TEST_MAX_TENSORS + 2];
    char names[TEST_MAX_TENSORS][32];
    test_put_text(&pickle, "\x80\2");
    if (under) {
        test_put_text(&pickle, "}(");
        test_pickle_text(&pickle, "epoch");
        test_put_text(&pickle, "K\3");
        test_pickle_text(&pickle, under);
    }
    test_put_text(&pickle, TEST_ORDERED "(");
    for (int i = 0; i < w->n; i++) {
        const bert_stored_tensor *t = &w->tensors[i];
        const int64_t strides[] = {t->dims > 1 ? t->shape[1] : 1, 1};
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        test_pickle_text(&pickle, t->name);
        test_pickle_tensor(&pickle, "Float", key, (int64_t)(t->bytes / 4), 0, t->dims, t->shape,
                           strides);
        snprintf(names[i], sizeof names[i], "model/data/%d", i);
        members[i + 1] = (test_member){names[i], t->data, t->bytes};
    }
    test_put_text(&pickle, "u}");
    test_pickle_text(&pickle, "_metadata");
    test_put_text(&pickle, TEST_ORDERED "sb");
    test_put_text(&pickle, under ? "u." : ".");
    members[0] = (test_member){"model/data.pkl", pickle.data, pickle.n};
    members[w->n + 1] = (test_member){"model/version", "3\n", 2};
    test_put_zip(b, members, w->n + 2);
    free(pickle.data);
}

static inline void test_put_torch(test_bytes *b, const test_weights *w) {
    test_put_torch_under(b, w, NULL);
}

static inline void test_write_torch(const char *directory, const char *name,
                                    const test_weights *w) {
    char path[4600];
    test_bytes b = {0};
    test_put_torch(&b, w);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    test_write_bytes(path, b.data, b.n);
    free(b.data);
}
#endif
