/* For fuzz targets of functions that open a path: the input as a file of the process's own. */
#ifndef BERT_FUZZ_FILE_H
#define BERT_FUZZ_FILE_H
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char fuzz_path[64];

static inline void fuzz_remove(void) {
    unlink(fuzz_path);
}

/* Writes data to a file whose name ends in suffix; the same name every time. */
static inline const char *fuzz_file(const void *data, size_t size, const char *suffix) {
    if (!*fuzz_path)
        atexit(fuzz_remove);
    else
        fuzz_remove();
    snprintf(fuzz_path, sizeof fuzz_path, "/tmp/bert-fuzz-%d%s", (int)getpid(), suffix);
    int fd = open(fuzz_path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd)) abort();
    return fuzz_path;
}
#endif
