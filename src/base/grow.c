#include "base/grow.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

size_t bert_grow_in_memory = (size_t)256 << 20;

enum { IN_MEMORY = -1, LENT = -2 };

/* Lies before the elements. */
typedef struct {
    _Alignas(64) size_t bytes; /* with this */
    int fd;                    /* or where it is, if not in a file of its own */
} block;

static block *block_of(void *array) {
    return array ? (block *)array - 1 : NULL;
}

int bert_nameless_file(bert_error *e) {
    const char *directory = getenv("TMPDIR");
    char path[4096];
    if (!directory || !*directory) directory = "/tmp";
    if (snprintf(path, sizeof path, "%s/bert-XXXXXX", directory) >= (int)sizeof path)
        return bert_fail(e, BERT_EIO, "TMPDIR is too long");
    int fd = mkstemp(path);
    if (fd < 0)
        return bert_fail(e, BERT_EIO, "%s: cannot create a file for data: %s", directory,
                         strerror(errno));
    unlink(path);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

void *bert_file_room(int fd, size_t bytes, bert_error *e) {
    int failed;
    /* Room that the file system has promised: a full one shows here, not as a signal later. */
    while ((failed = posix_fallocate(fd, 0, (off_t)bytes)) == EINTR) continue;
    void *map = failed ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED) return map;
    bert_fail(e, BERT_EIO,
              "no room for %zu MB of data in $TMPDIR (or /tmp): %s; set TMPDIR to a larger disk",
              bytes >> 20, strerror(failed ? failed : errno));
    return NULL;
}

/* The block in a file, of its own or a new one, with room for so many bytes. */
static block *to_file(block *old, size_t bytes, bert_error *e) {
    int fd = old && old->fd >= 0 ? old->fd : bert_nameless_file(e);
    if (fd < 0) return NULL;
    void *map = bert_file_room(fd, bytes, e);
    if (!map) {
        if (!old || old->fd < 0) close(fd);
        return NULL;
    }
    if (old && old->fd < 0) {
        memcpy(map, old, old->bytes);
        if (old->fd == IN_MEMORY) free(old);
    } else if (old) {
        munmap(old, old->bytes);
    }
    *(block *)map = (block){bytes, fd};
    return map;
}

static block *in_memory(block *old, size_t bytes, bert_error *e) {
    /* realloc keeps no alignment beyond its own. */
    block *b = aligned_alloc(sizeof *b, bytes);
    if (!b) {
        bert_fail_memory(e, bytes);
        return NULL;
    }
    if (old) memcpy(b, old, old->bytes);
    if (old && old->fd == IN_MEMORY) free(old);
    *b = (block){bytes, IN_MEMORY};
    return b;
}

int bert_grow(void *array, size_t count, size_t size, bert_error *e) {
    void **slot = array;
    block *old = block_of(*slot);
    if (count > (SIZE_MAX / 4 - sizeof *old) / size) return bert_fail_memory(e, SIZE_MAX);
    size_t bytes = sizeof *old + count * size;
    if (old && bytes <= old->bytes) return BERT_OK;
    if (old && bytes < old->bytes + old->bytes / 2) bytes = old->bytes + old->bytes / 2;
    if (bytes < 1024) bytes = 1024;
    bytes = (bytes + sizeof *old - 1) / sizeof *old * sizeof *old;
    const bool file = bytes > bert_grow_in_memory || (old && old->fd >= 0);
    block *b = file ? to_file(old, bytes, e) : in_memory(old, bytes, e);
    if (!b) return e->code;
    *slot = b + 1;
    return BERT_OK;
}

void bert_grown_free(void *array) {
    block *b = block_of(array);
    if (!b) return;
    const int fd = b->fd;
    if (fd == IN_MEMORY) {
        free(b);
    } else if (fd >= 0) {
        munmap(b, b->bytes);
        close(fd);
    }
}

/* ---- In memory of somebody else's */

size_t bert_lent_bytes(size_t bytes) {
    return sizeof(block) + bytes;
}

void bert_lend(void *at, const void *data, size_t bytes) {
    *(block *)at = (block){bert_lent_bytes(bytes), LENT};
    if (bytes) memcpy((block *)at + 1, data, bytes);
}

void *bert_lent(void *at) {
    return (block *)at + 1;
}
