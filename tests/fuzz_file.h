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

/* Memory where there is a file system of it: an input is a file hundreds of times a second. */
static inline const char *fuzz_place(void) {
    return access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
}

/* Writes data to a file whose name ends in suffix; the same name every time. */
static inline const char *fuzz_file(const void *data, size_t size, const char *suffix) {
    if (!*fuzz_path)
        atexit(fuzz_remove);
    else
        fuzz_remove();
    snprintf(fuzz_path, sizeof fuzz_path, "%s/bert-fuzz-%d%s", fuzz_place(), (int)getpid(), suffix);
    int fd = open(fuzz_path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd)) abort();
    return fuzz_path;
}
#endif
