/* libFuzzer target: pytorch_model.bin. The first byte says whether the rest is the file, or the
 * pickle in a zip archive with storages beside it. It opens and every number can be read, or it is
 * refused with a message. */
#include "files/torch.h"
#include "fuzz_file.h"
#include <string.h>

/* Two storages of 64 bytes, and the pickle. */
static size_t archive(const uint8_t *pickle, size_t n, uint8_t *out) {
    static const char *const names[] = {"a/data.pkl", "a/data/0", "a/data/1"};
    static const uint8_t zeros[64];
    uint8_t *p = out, directory[512], *d = directory;
    for (int i = 0; i < 3; i++) {
        const size_t name = strlen(names[i]), size = i ? sizeof zeros : n;
        uint8_t local[30] = {'P', 'K', 3, 4}, central[46] = {'P', 'K', 1, 2};
        const uint32_t at = (uint32_t)(p - out), bytes = (uint32_t)size;
        local[26] = central[28] = (uint8_t)name;
        memcpy(central + 20, &bytes, 4);
        memcpy(central + 24, &bytes, 4);
        memcpy(central + 42, &at, 4);
        memcpy(p, local, 30);
        memcpy(p + 30, names[i], name);
        if (size) memcpy(p + 30 + name, i ? zeros : pickle, size);
        p += 30 + name + size;
        memcpy(d, central, 46);
        memcpy(d + 46, names[i], name);
        d += 46 + name;
    }
    uint8_t end[22] = {'P', 'K', 5, 6, 0, 0, 0, 0, 3, 0, 3};
    const uint32_t start = (uint32_t)(p - out), bytes = (uint32_t)(d - directory);
    memcpy(end + 12, &bytes, 4);
    memcpy(end + 16, &start, 4);
    memcpy(p, directory, bytes);
    memcpy(p + bytes, end, 22);
    return (size_t)(p - out) + bytes + 22;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bert_error e = {0};
    if (!size) return 0;
    uint8_t *file = malloc(size + 1024);
    if (!file) abort();
    size_t n = size - 1;
    if (*data % 2)
        n = archive(data + 1, size - 1, file);
    else if (n)
        memcpy(file, data + 1, n);
    bert_tensors *t = bert_tensors_open(&bert_torch_format, fuzz_file(file, n, ".bin"), &e);
    free(file);
    if (!t) {
        if (e.code >= 0 || !*e.message) abort();
        return 0;
    }
    for (int i = 0; i < bert_tensors_count(t); i++) {
        const bert_stored_tensor *s = bert_tensors_at(t, i);
        if (bert_tensors_find(t, s->name) != s || !bert_stored_equal(s, s)) abort();
        float *x = malloc(s->bytes * 4 + 1);
        if (!x) abort();
        bert_stored_to_float(s, x, &e);
        free(x);
    }
    bert_tensors_close(t);
    return 0;
}
