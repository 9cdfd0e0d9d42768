#include "file.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int new_file_failed(new_file *n, bert_error *e) {
    return fail(e, BERT_EIO, "cannot write %s: %s", n->path, strerror(errno));
}

/* ---- Ctrl-C: the file that is not finished goes with the process */

static char *volatile unfinished; /* its name */

static void remove_unfinished(int signal_number) {
    if (unfinished) unlink(unfinished);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void watch_signals(void) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (signal(ends[i], remove_unfinished) == SIG_IGN) signal(ends[i], SIG_IGN); /* nohup */
}

/* ---- The file */

int new_file_open(new_file *n, const char *path, bert_error *e) {
    if (may_write(path, NULL, e)) return BERT_EINVAL;
    /* Through a link: it is the file at its end that is replaced. */
    char *real = realpath(path, NULL);
    size_t length = strlen(real ? real : path);
    *n = (new_file){.path = real ? real : strdup(path), .temporary = malloc(length + 8)};
    if (!n->path || !n->temporary) return fail_memory(e);
    memcpy(n->temporary, n->path, length);
    memcpy(n->temporary + length, ".XXXXXX", 8);
    unfinished = n->temporary;
    watch_signals();
    int fd = mkstemp(n->temporary);
    if (fd < 0) n->temporary[0] = 0;
    mode_t mask = umask(0);
    umask(mask);
    if (fd >= 0 && fchmod(fd, 0666 & ~mask)) errno = 0; /* a file system without modes */
    n->f = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!n->f && fd >= 0) close(fd);
    return n->f ? 0 : new_file_failed(n, e);
}

FILE *unnamed_file(void) {
    const char *base = getenv("TMPDIR");
    char *name;
    if (asprintf(&name, "%s/bert-XXXXXX", base && *base ? base : "/tmp") < 0) return NULL;
    const int fd = mkstemp(name);
    if (fd >= 0) unlink(name);
    free(name);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w+b");
    if (fd >= 0 && !f) close(fd);
    return f;
}

int64_t file_bytes(const char *path) {
    struct stat st;
    return stat(path, &st) ? 0 : (int64_t)st.st_size;
}

bool same_file(const char *a, const char *b) {
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int may_write(const char *path, const char *source, bert_error *e) {
    struct stat st;
    if (!stat(path, &st) && !S_ISREG(st.st_mode))
        return fail(e, BERT_EINVAL, "cannot write %s: it is there, and no ordinary file", path);
    return source && same_file(path, source)
               ? fail(e, BERT_EINVAL, "%s is the file that is read", path)
               : 0;
}

int new_file_put(new_file *n, const void *data, size_t bytes, bert_error *e) {
    return fwrite(data, 1, bytes, n->f) == bytes ? 0 : new_file_failed(n, e);
}

int new_file_put_at(new_file *n, int64_t at, const void *data, size_t bytes, bert_error *e) {
    if (fflush(n->f)) return new_file_failed(n, e);
    for (size_t done = 0; done < bytes;) {
        const ssize_t some =
            pwrite(fileno(n->f), (const char *)data + done, bytes - done, (off_t)at + (off_t)done);
        if (some < 0 && errno != EINTR) return new_file_failed(n, e);
        if (some > 0) done += (size_t)some;
    }
    return 0;
}

int new_file_join(new_file *n, const char *temporary, bert_error *e) {
    *n = (new_file){.path = strdup(temporary), .joined = true, .f = fopen(temporary, "r+b")};
    if (!n->path) return fail_memory(e);
    unfinished = n->path; /* when the first process was killed, the others are asked to end */
    watch_signals();
    return n->f ? 0
                : fail(e, BERT_EIO, "cannot write %s, which all hosts have to see: %s", temporary,
                       strerror(errno));
}

int new_file_sync(new_file *n, bert_error *e) {
    return fflush(n->f) || fsync(fileno(n->f)) ? new_file_failed(n, e) : 0;
}

int new_file_commit(new_file *n, bert_error *e) {
    int rc = new_file_sync(n, e);
    int closed = fclose(n->f);
    n->f = NULL;
    if (!rc && closed) rc = new_file_failed(n, e);
    if (!rc && rename(n->temporary, n->path)) rc = new_file_failed(n, e);
    if (!rc) n->temporary[0] = 0;
    new_file_abort(n);
    return rc;
}

void new_file_abort(new_file *n) {
    unfinished = NULL;
    if (n->f) fclose(n->f);
    if (n->temporary && n->temporary[0]) unlink(n->temporary);
    free(n->path);
    free(n->temporary);
    *n = (new_file){0};
}
