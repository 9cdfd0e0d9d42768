/* libFuzzer target: any text as model.safetensors.index.json, beside two shards. Every file that it
 * names is one of its directory, and all numbers can be read, or it is refused with a message. */
#include "files/safetensors.h"
#include "files/weight_index.h"
#include "fuzz_file.h"
#include <string.h>
#include <sys/stat.h>

static char directory[64], shards[2][80], index_path[100];

static void leave(void) {
    for (int i = 0; i < 2; i++) unlink(shards[i]);
    unlink(index_path);
    rmdir(directory);
}

static void write_file(const char *path, const void *data, size_t size) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f)) abort();
}

/* The directory, with tensors "a" and "b" of two numbers each. */
static void make_shards(void) {
    snprintf(directory, sizeof directory, "%s/bert-fuzz-%d", fuzz_place(), (int)getpid());
    snprintf(index_path, sizeof index_path, "%s/model.safetensors.index.json", directory);
    if (mkdir(directory, 0700)) abort();
    for (int i = 0; i < 2; i++) {
        uint8_t file[8 + 64 + 8] = {64};
        char header[65];
        snprintf(header, sizeof header,
                 "{\"%c\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}%10s", 'a' + i,
                 "");
        memcpy(file + 8, header, 64);
        snprintf(shards[i], sizeof shards[i], "%s/%c.safetensors", directory, 'a' + i);
        write_file(shards[i], file, sizeof file);
    }
    atexit(leave);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bert_error e = {0};
    bert_weight_index index = {0};
    if (!*directory) make_shards();
    write_file(index_path, data, size);
    if (!bert_weight_index_open(&index, index_path, bert_safetensors_format.suffix, &e))
        for (int i = 0; i < index.count; i++)
            if (!*index.files[i] || strchr(index.files[i], '/') || !strcmp(index.files[i], ".."))
                abort();
    bert_weight_index_free(&index);
    e = (bert_error){0};
    bert_tensors *t = bert_tensors_open(&bert_safetensors_format, index_path, &e);
    if (!t) {
        if (e.code >= 0 || !*e.message) abort();
        return 0;
    }
    for (int i = 0; i < bert_tensors_count(t); i++) {
        float x[2];
        const bert_stored_tensor *s = bert_tensors_at(t, i);
        if (bert_tensors_find(t, s->name) != s || bert_stored_to_float(s, x, NULL)) abort();
    }
    bert_tensors_close(t);
    return 0;
}
