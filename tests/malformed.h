/* Shared by the tests of weight files that are damaged or hostile: how one is opened, one that opens, every kind of damage, and
 * what all of it may leave behind. */
#ifndef TEST_MALFORMED_H
#define TEST_MALFORMED_H
#include "files/torch.h"
#include "torch_file.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

/* Which takes its time, and its memory. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SANITIZED = 1 };
#elif !defined __has_feature
enum { SANITIZED = 0 };
#elif __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static char *directory, path[4600];
static int files, kinds, memory; /* memory: a file without a disk */

static inline int set_up(void **state) {
    (void)state;
    directory = test_directory();
    memory = memfd_create("weights", MFD_CLOEXEC);
    return memory < 0;
}

static inline int tear_down(void **state) {
    (void)state;
    test_remove(directory);
    return 0;
}

/* Of the processor: others may be busy. */
static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* In a tenth of a second of one of some tries: a machine that others use can be slow for a moment, and with
 * sanitizers it always is. */
static inline bert_tensors *open_in_time(const bert_tensor_format *format, bert_error *e) {
    enum { TRIES = 5 };
    for (int i = 1;; i++) {
        const double start = now();
        *e = (bert_error){0};
        bert_tensors *t = bert_tensors_open(format, path, e);
        const double took = now() - start;
        if (took <= 0.1 || SANITIZED) return t;
        if (i == TRIES) fail_msg("%g s: %s", took, e->message);
        bert_tensors_close(t);
    }
}

/* The error of opening these bytes, 0 where they open; every number of what opens can be read. */
static inline int open_as(const bert_tensor_format *format, const char *suffix, const void *data,
                          size_t n, bert_error *e) {
    if (!strcmp(suffix, ".json")) { /* names its files beside it */
        snprintf(path, sizeof path, "%s/file%s", directory, suffix);
        test_write_bytes(path, data, n);
    } else {
        snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
        assert_int_equal(ftruncate(memory, 0), 0);
        assert_int_equal(pwrite(memory, data, n, 0), n);
    }
    bert_tensors *t = open_in_time(format, e);
    files++;
    for (int i = 0; t && i < bert_tensors_count(t); i++) {
        const bert_stored_tensor *s = bert_tensors_at(t, i);
        float *x = malloc((s->bytes + 1) * 16);
        bert_error ignored = {0};
        assert_non_null(x);
        bert_stored_to_float(s, x, &ignored);
        free(x);
    }
    assert_int_equal(t == NULL, e->code < 0);
    if (!t) assert_true(strlen(e->message) > 10);
    bert_tensors_close(t);
    return e->code;
}

static inline void refuse(const bert_tensor_format *format, const char *suffix, const void *data,
                          size_t n, const char *what) {
    bert_error e;
    if (!open_as(format, suffix, data, n, &e)) fail_msg("%s: it opens", what);
}

/* ---- A pickle that opens */

#define HEAD "\x80\2"
#define STORAGE_OF(class, key, numel)                                                              \
    "(U\7storagectorch\n" class "Storage\nU\1" key "U\3"                                           \
                                "cpuK" numel "tQ"
#define STORAGE STORAGE_OF("Float", "0", "\20")
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define TENSOR_OF(storage, offset, size, stride) REBUILD "(" storage offset size stride "\x89}tR"
#define TENSOR TENSOR_OF(STORAGE, "K\0", "(K\2K\2t", "(K\2K\1t")
#define DICT(entries) HEAD "}(" entries "u."
#define ENTRY(tensor) "U\1w" tensor
#define PICKLE(text)                                                                               \
    { text, sizeof text - 1 }

typedef struct {
    const char *text;
    size_t n;
} pickle;

static const char good_text[] = DICT(ENTRY(TENSOR));
static const pickle good_pickle = {good_text, sizeof good_text - 1};

static inline size_t zip_of(const char *text, size_t n, test_bytes *b) {
    static const char data[64];
    const test_member members[] = {{"m/data.pkl", text, n},
                                   {"m/data/0", data, 64},
                                   {"m/data/1", data, 32},
                                   {"m/version", "3\n", 2}};
    b->n = 0;
    test_put_zip(b, members, 4);
    return b->n;
}

/* ---- Damage to whole files */

/* Every length, and every bit of what is not the tensors' numbers. Returns how many were refused. */
static inline int damage(const bert_tensor_format *format, const char *suffix, char *data, size_t n,
                         size_t header) {
    int refused = 0;
    bert_error e;
    assert_int_equal(open_as(format, suffix, data, n, &e), 0);
    for (size_t i = 0; i < n; i++, refused++) refuse(format, suffix, data, i, "a part of it");
    for (size_t bit = 0; bit < 8 * header; bit++) {
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
        refused += open_as(format, suffix, data, n, &e) != 0;
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
    }
    return refused;
}

/* ---- What all of it came to */

static inline void check_nothing_is_left(int least_files, int least_kinds) {
    struct rusage use;
    assert_int_equal(getrusage(RUSAGE_SELF, &use), 0);
    print_message("%d files of %d kinds, %ld MiB at most\n", files, kinds, use.ru_maxrss / 1024);
    assert_true(files >= least_files && kinds >= least_kinds);
    assert_true(use.ru_maxrss < 250 * 1024 || SANITIZED); /* the largest file has 3 MB */
    int open = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d)) open++;
    if (d) closedir(d);
    assert_true(open < 30);
}

#endif
