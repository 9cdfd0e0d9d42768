#include "files/tensors.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

struct bert_tensors {
    const bert_tensor_format *format;
    void *file;
    char *path;
};

bert_tensors *bert_tensors_open(const bert_tensor_format *format, const char *path, bert_error *e) {
    bert_tensors *t = calloc(1, sizeof *t);
    if (!t || !(t->path = strdup(path))) {
        free(t);
        bert_fail_memory(e, sizeof *t + strlen(path));
        return NULL;
    }
    t->format = format;
    t->file = format->open(path, e);
    if (t->file) return t;
    bert_tensors_close(t);
    return NULL;
}

void bert_tensors_close(bert_tensors *t) {
    if (!t) return;
    if (t->file) t->format->close(t->file);
    free(t->path);
    free(t);
}

const char *bert_tensors_path(const bert_tensors *t) {
    return t->path;
}

int bert_tensors_count(const bert_tensors *t) {
    return t->format->count(t->file);
}

const bert_stored_tensor *bert_tensors_at(const bert_tensors *t, int i) {
    return t->format->at(t->file, i);
}

const bert_stored_tensor *bert_tensors_find(const bert_tensors *t, const char *name) {
    return t->format->find(t->file, name);
}

bool bert_tensors_read(const bert_tensors *t, const void *at, void *to, size_t bytes) {
    return t->format->read && t->format->read(t->file, at, to, bytes);
}

/* ---- safetensors, a row */

static void *open_safetensors(const char *path, bert_error *e) {
    return bert_safetensors_open(path, e);
}

static void close_safetensors(void *file) {
    bert_safetensors_close(file);
}

static int count_safetensors(const void *file) {
    return bert_safetensors_count(file);
}

static const bert_stored_tensor *safetensor_at(const void *file, int i) {
    return bert_safetensors_at(file, i);
}

static const bert_stored_tensor *find_safetensor(const void *file, const char *name) {
    return bert_safetensors_find(file, name);
}

static bool read_safetensor(const void *file, const void *at, void *to, size_t bytes) {
    return bert_safetensors_read(file, at, to, bytes);
}

const bert_tensor_format bert_safetensors_format = {
    .open = open_safetensors,
    .close = close_safetensors,
    .count = count_safetensors,
    .at = safetensor_at,
    .find = find_safetensor,
    .read = read_safetensor,
};
