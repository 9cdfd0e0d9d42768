#include "file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(new_file *n, bert_error *e) {
    return fail(e, BERT_EIO, "cannot write %s: %s", n->path, strerror(errno));
}

int new_file_open(new_file *n, const char *path, bert_error *e) {
    size_t length = strlen(path);
    *n = (new_file){.path = strdup(path), .temporary = malloc(length + 8)};
    if (!n->path || !n->temporary) return fail_memory(e);
    memcpy(n->temporary, path, length);
    memcpy(n->temporary + length, ".XXXXXX", 8);
    int fd = mkstemp(n->temporary);
    if (fd < 0) n->temporary[0] = 0;
    mode_t mask = umask(0);
    umask(mask);
    if (fd >= 0 && fchmod(fd, 0666 & ~mask)) errno = 0; /* a file system without modes */
    n->f = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!n->f && fd >= 0) close(fd);
    return n->f ? 0 : failed(n, e);
}

int new_file_put(new_file *n, const void *data, size_t bytes, bert_error *e) {
    return fwrite(data, 1, bytes, n->f) == bytes ? 0 : failed(n, e);
}

int new_file_rewind(new_file *n, bert_error *e) {
    return fseek(n->f, 0, SEEK_SET) ? failed(n, e) : 0;
}

int new_file_commit(new_file *n, bert_error *e) {
    int rc = fflush(n->f) || fsync(fileno(n->f)) ? failed(n, e) : 0;
    int closed = fclose(n->f);
    n->f = NULL;
    if (!rc && closed) rc = failed(n, e);
    if (!rc && rename(n->temporary, n->path)) rc = failed(n, e);
    if (!rc) n->temporary[0] = 0;
    new_file_abort(n);
    return rc;
}

void new_file_abort(new_file *n) {
    if (n->f) fclose(n->f);
    if (n->temporary && n->temporary[0]) unlink(n->temporary);
    free(n->path);
    free(n->temporary);
    *n = (new_file){0};
}
