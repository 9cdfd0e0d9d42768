#include "base/file.h"
#include "base/blank.h"
#include "base/error.h"
#include "base/number.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WRITE_BUFFER = 1 << 16 };

static int fail_errno(bert_error *e, const char *doing, const char *path) {
    int code = errno == ENOENT || errno == ENOTDIR ? BERT_ENOTFOUND
               : errno == ENOMEM                   ? BERT_ENOMEM
                                                   : BERT_EIO;
    return bert_fail(e, code, "%s: cannot %s: %s", path, doing, strerror(errno));
}

static int open_regular(const char *path, struct stat *st, bert_error *e) {
    int fd;
    do fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) return fail_errno(e, "open", path);
    if (fstat(fd, st)) {
        int rc = fail_errno(e, "stat", path);
        close(fd);
        return rc;
    }
    if (S_ISDIR(st->st_mode)) {
        close(fd);
        return bert_fail(e, BERT_EIO, "%s: is a directory, not a file", path);
    }
    return fd;
}

int bert_map_file(const char *path, bert_mapping *m, bert_error *e) {
    struct stat st;
    *m = (bert_mapping){0};
    int fd = open_regular(path, &st, e);
    if (fd < 0) return fd;
    int rc = 0;
    if (!S_ISREG(st.st_mode))
        rc = bert_fail(e, BERT_EIO, "%s: is not a regular file", path);
    else if ((uintmax_t)st.st_size > SIZE_MAX / 2)
        rc = bert_fail(e, BERT_ENOMEM, "%s: is larger than this machine's addresses reach", path);
    else if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            rc = fail_errno(e, "map", path);
        else
            *m = (bert_mapping){p, (size_t)st.st_size, fd};
    }
    if (!m->data) close(fd);
    return rc;
}

void bert_unmap_file(bert_mapping *m) {
    if (m->data) {
        munmap((void *)m->data, m->size);
        close(m->fd);
    }
    *m = (bert_mapping){0};
}

bool bert_mapping_read(const bert_mapping *m, const void *at, void *to, size_t bytes) {
    if (!m->data || (uintptr_t)at < (uintptr_t)m->data) return false;
    size_t first = (uintptr_t)at - (uintptr_t)m->data, done = 0;
    if (first > m->size || bytes > m->size - first) return false;
    while (done < bytes) {
        ssize_t n = pread(m->fd, (char *)to + done, bytes - done, (off_t)(first + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        done += (size_t)n;
    }
    return true;
}

void bert_mapping_release(const bert_mapping *m, const void *at, size_t bytes) {
    const uintptr_t first = (uintptr_t)at, start = (uintptr_t)m->data;
    if (!m->data || first < start || first - start > m->size || bytes > m->size - (first - start))
        return;
    /* Only whole pages: their neighbours belong to others. */
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = (first + page - 1) / page * page, end = (first + bytes) / page * page;
    if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
}

int bert_read_file(const char *path, size_t limit, char **data, size_t *size, bert_error *e) {
    *data = NULL;
    *size = 0;
    bool standard_input = !strcmp(path, "-");
    struct stat st = {0};
    int fd = standard_input ? STDIN_FILENO : open_regular(path, &st, e);
    if (fd < 0) return fd;
    size_t capacity = st.st_size > 0 && !standard_input ? (size_t)st.st_size + 1 : 1 << 16, n = 0;
    int rc = 0;
    char *p = malloc(capacity);
    if (!p) rc = bert_fail_memory(e, capacity);
    while (!rc) {
        if (n + 1 >= capacity) {
            char *q = realloc(p, capacity * 2);
            if (!q) {
                rc = bert_fail_memory(e, capacity * 2);
                break;
            }
            p = q;
            capacity *= 2;
        }
        ssize_t got = read(fd, p + n, capacity - n - 1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) rc = fail_errno(e, "read", path);
        if (got <= 0) break;
        n += (size_t)got;
        if (limit && n > limit)
            rc = bert_fail(e, BERT_EFORMAT, "%s: larger than the %zu bytes allowed here", path,
                           limit);
    }
    if (!standard_input) close(fd);
    if (rc) {
        free(p);
        return rc;
    }
    p[n] = 0;
    *data = p;
    *size = n;
    return 0;
}

#define WEB_PAGE "is a web page (a login, or an error?), not the file: download it again"
#define UTF16 "is UTF-16; save it as UTF-8"

const char *bert_file_instead(const char *data, size_t size) {
    static const struct {
        const char *start, *is;
    } kinds[] = {
        {"version https://git-lfs.github.com/",
         "is a git-lfs pointer, not the file it stands for: 'git lfs pull' in its repository "
         "fetches that"},
        {"<!doctype html", WEB_PAGE},
        {"<html", WEB_PAGE},
        {"<?xml", WEB_PAGE},
        {"Entry not found", "is the message of a failed download, not the file: download it again"},
        {"\xff\xfe", UTF16},
        {"\xfe\xff", UTF16},
        {"PK\3\4", "is a zip archive (as PyTorch's checkpoints are), not the file"},
        {"\x1f\x8b", "is compressed (gzip); unpack it first"},
    };
    while (size && bert_is_blank(*data)) data++, size--;
    if (!size) return "is empty";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t n = strlen(kinds[i].start);
        if (size >= n && !strncasecmp(data, kinds[i].start, n)) return kinds[i].is;
    }
    return NULL;
}

bool bert_file_exists(const char *path) {
    struct stat st;
    return !stat(path, &st) && !S_ISDIR(st.st_mode);
}

bool bert_file_has_suffix(const char *path, const char *suffix) {
    const size_t n = strlen(path), m = strlen(suffix);
    return n > m && !strcasecmp(path + n - m, suffix);
}

char *bert_path_join(const char *dir, const char *name) {
    size_t a = strlen(dir), b = strlen(name);
    char *p = malloc(a + b + 2);
    if (!p) return NULL;
    memcpy(p, dir, a);
    if (a && dir[a - 1] != '/') p[a++] = '/';
    memcpy(p + a, name, b + 1);
    return p;
}

int bert_make_directory(const char *path, bert_error *e) {
    char *p = strdup(path);
    if (!p) return bert_fail_memory(e, strlen(path) + 1);
    int rc = 0;
    for (char *s = p + 1; !rc; s++) {
        if (*s && *s != '/') continue;
        char end = *s;
        *s = 0;
        if (*p && mkdir(p, 0777) && errno != EEXIST) rc = fail_errno(e, "make the directory", p);
        *s = end;
        if (!end) break;
    }
    struct stat st;
    if (!rc && (stat(path, &st) || !S_ISDIR(st.st_mode)))
        rc = bert_fail(e, BERT_EIO, "%s: exists and is not a directory", path);
    free(p);
    return rc;
}

struct bert_writer {
    int fd;
    char *path, *temporary;
    size_t used;
    char buffer[WRITE_BUFFER];
};

/* A new file beside path, with the mode that the umask leaves: asking for the umask would change it
 * for all threads of the process. */
static int create_beside(const char *path, char *name, size_t size) {
    enum { ATTEMPTS = 100 };
    for (int i = 0; i < ATTEMPTS; i++) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        snprintf(name, size, "%s.tmp.%06x", path, (unsigned)(now.tv_nsec ^ getpid()) & 0xffffff);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || (errno != EEXIST && errno != EINTR)) return fd;
    }
    return -1;
}

bert_writer *bert_writer_open(const char *path, bert_error *e) {
    bert_writer *w = calloc(1, sizeof *w);
    size_t n = strlen(path) + 16;
    char *name = malloc(n);
    if (w) w->fd = -1;
    if (w) w->path = strdup(path);
    if (!w || !w->path || !name) {
        bert_fail_memory(e, n);
        free(name); /* there is no such file yet */
        bert_writer_abort(w);
        return NULL;
    }
    w->fd = create_beside(path, name, n);
    if (w->fd < 0) {
        fail_errno(e, "write", path);
        free(name);
        bert_writer_abort(w);
        return NULL;
    }
    w->temporary = name;
    struct stat st;
    if (!stat(path, &st) && fchmod(w->fd, st.st_mode & 07777)) {
        fail_errno(e, "set the mode of", w->temporary);
        bert_writer_abort(w);
        return NULL;
    }
    return w;
}

static int write_all(bert_writer *w, const char *p, size_t n, bert_error *e) {
    while (n) {
        ssize_t k = write(w->fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return fail_errno(e, "write", w->path);
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

static int flush(bert_writer *w, bert_error *e) {
    int rc = write_all(w, w->buffer, w->used, e);
    w->used = 0;
    return rc;
}

int bert_writer_put(bert_writer *w, const void *data, size_t bytes, bert_error *e) {
    if (w->used + bytes > WRITE_BUFFER) {
        int rc = flush(w, e);
        if (rc) return rc;
    }
    if (bytes >= WRITE_BUFFER) return write_all(w, data, bytes, e);
    memcpy(w->buffer + w->used, data, bytes);
    w->used += bytes;
    return 0;
}

int bert_writer_printf(bert_writer *w, bert_error *e, const char *format, ...) {
    char *text;
    va_list args;
    va_start(args, format);
    int n = bert_vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) return bert_fail_memory(e, 1);
    int rc = bert_writer_put(w, text, (size_t)n, e);
    free(text);
    return rc;
}

static int sync_directory_of(const char *path, bert_error *e) {
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!dir) return bert_fail_memory(e, 1);
    int rc = 0, fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some file systems cannot sync a directory (EINVAL); there the rename is as durable as it
     * gets. */
    if (fd < 0 || (fsync(fd) && errno != EINVAL)) rc = fail_errno(e, "sync the directory", dir);
    if (fd >= 0) close(fd);
    free(dir);
    return rc;
}

int bert_writer_commit(bert_writer *w, bert_error *e) {
    int rc = flush(w, e);
    if (!rc && fsync(w->fd)) rc = fail_errno(e, "write", w->path);
    if (close(w->fd) && !rc) rc = fail_errno(e, "write", w->path);
    w->fd = -1;
    if (!rc && rename(w->temporary, w->path))
        rc = fail_errno(e, "rename a temporary file to", w->path);
    if (!rc) {
        free(w->temporary);
        w->temporary = NULL;
        rc = sync_directory_of(w->path, e);
    }
    bert_writer_abort(w);
    return rc;
}

void bert_writer_abort(bert_writer *w) {
    if (!w) return;
    if (w->fd >= 0) close(w->fd);
    if (w->temporary) unlink(w->temporary);
    free(w->temporary);
    free(w->path);
    free(w);
}

int bert_write_file(const char *path, const void *data, size_t bytes, bert_error *e) {
    bert_writer *w = bert_writer_open(path, e);
    if (!w) return e->code;
    int rc = bert_writer_put(w, data, bytes, e);
    if (rc) {
        bert_writer_abort(w);
        return rc;
    }
    return bert_writer_commit(w, e);
}
