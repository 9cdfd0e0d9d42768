#include "hub/blob.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 18, FLUSH = 8 << 20 };

static int failed(const bert_hub_blob *b, const char *doing, bert_error *e) {
    return bert_fail(e, BERT_EIO, "%s: cannot %s: %s", b->partial, doing, strerror(errno));
}

/* ---- The digest that an etag names */

static bool is_hex(const char *s, size_t n) {
    return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

static bool is_checked(const bert_hub_entry *f) {
    return is_hex(f->etag, 64) || is_hex(f->etag, 40);
}

/* SHA-256 of the content, or SHA-1 as git names it: behind "blob SIZE" and a zero byte. */
static void start_digest(bert_digest *d, const bert_hub_entry *f, int64_t size) {
    char head[40];
    bert_digest_begin(d, is_hex(f->etag, 64) ? BERT_SHA256 : BERT_SHA1);
    if (d->kind == BERT_SHA1)
        bert_digest_add(d, head,
                        (size_t)snprintf(head, sizeof head, "blob %lld", (long long)size) + 1);
}

/* Adds what lies in a file from its start on, to both. */
static bool digest_both(int fd, bert_digest *d, bert_digest *other, int64_t *bytes) {
    char *buffer = malloc(CHUNK);
    ssize_t n = buffer ? 1 : -1;
    *bytes = 0;
    while (n > 0) {
        do n = pread(fd, buffer, CHUNK, (off_t)*bytes);
        while (n < 0 && errno == EINTR);
        if (n > 0) bert_digest_add(d, buffer, (size_t)n);
        if (n > 0 && other) bert_digest_add(other, buffer, (size_t)n);
        if (n > 0) *bytes += n;
    }
    free(buffer);
    return !n;
}

static bool digest_file(int fd, bert_digest *d, int64_t *bytes) {
    return digest_both(fd, d, NULL, bytes);
}

bool bert_hub_digests(const char *path, int64_t size, char sha256[BERT_DIGEST_HEX],
                      char oid[BERT_DIGEST_HEX]) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    char head[40];
    bert_digest content, git;
    int64_t bytes = -1;
    bert_digest_begin(&content, BERT_SHA256);
    bert_digest_begin(&git, BERT_SHA1);
    bert_digest_add(&git, head,
                    (size_t)snprintf(head, sizeof head, "blob %lld", (long long)size) + 1);
    const bool read = fd >= 0 && digest_both(fd, &content, &git, &bytes);
    if (fd >= 0) close(fd);
    bert_digest_end(&content, sha256);
    bert_digest_end(&git, oid);
    return read && bytes == size;
}

bool bert_hub_blob_is(const char *path, const bert_hub_entry *file) {
    struct stat st;
    bert_digest d;
    char hex[BERT_DIGEST_HEX];
    int64_t bytes;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool same = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
                (file->size < 0 || (int64_t)st.st_size == file->size);
    if (same && is_checked(file)) {
        start_digest(&d, file, (int64_t)st.st_size);
        same = digest_file(fd, &d, &bytes);
        bert_digest_end(&d, hex);
        same = same && !strcmp(hex, file->etag);
    }
    if (fd >= 0) close(fd);
    return same;
}

/* ---- Writing */

static int start_over(bert_hub_blob *b, bert_error *e) {
    if (ftruncate(b->fd, 0)) return failed(b, "shorten it", e);
    b->at = 0;
    b->digesting = is_checked(b->file) && (b->size >= 0 || is_hex(b->file->etag, 64));
    if (b->digesting) start_digest(&b->digest, b->file, b->size);
    return 0;
}

int bert_hub_blob_open(bert_hub_blob *b, const bert_hub_entry *file, const char *partial,
                       bert_error *e) {
    struct stat st;
    *b = (bert_hub_blob){.file = file, .size = file->size, .fd = -1, .partial = strdup(partial)};
    if (!b->partial) return bert_fail_memory(e, strlen(partial) + 1);
    b->fd = open(partial, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (b->fd < 0 || fstat(b->fd, &st)) return failed(b, "write", e);
    if (!S_ISREG(st.st_mode)) return bert_fail(e, BERT_EIO, "%s: is no ordinary file", partial);
    /* of an unknown size it cannot be told whether what is there is the beginning of this one */
    const bool fits = b->size >= 0 && (int64_t)st.st_size <= b->size && is_checked(file);
    if (!fits || !st.st_size) return start_over(b, e);
    start_digest(&b->digest, file, b->size);
    b->digesting = true;
    if (!digest_file(b->fd, &b->digest, &b->at)) return failed(b, "read", e);
    return 0;
}

int bert_hub_blob_begin(void *context, int64_t from, int64_t size, bert_error *e) {
    bert_hub_blob *b = context;
    if (b->size >= 0 && size >= 0 && size != b->size)
        return bert_fail(e, BERT_EFORMAT, "%s: the server has %lld bytes where %lld were listed",
                         b->file->path, (long long)size, (long long)b->size);
    if (b->size < 0) b->size = size;
    if (from == b->at && from) return 0;
    if (from)
        return bert_fail(e, BERT_EIO, "%s: bytes from %lld on do not follow the %lld that are here",
                         b->file->path, (long long)from, (long long)b->at);
    return start_over(b, e);
}

/* What was written long enough ago goes to the disk now, so that the fsync at the end is short. */
static void flush_some(bert_hub_blob *b, int64_t before) {
#ifdef SYNC_FILE_RANGE_WRITE
    if (before / FLUSH != b->at / FLUSH)
        (void)sync_file_range(b->fd, (off_t)(before / FLUSH * FLUSH), FLUSH, SYNC_FILE_RANGE_WRITE);
#else
    (void)b, (void)before;
#endif
}

int bert_hub_blob_put(void *context, const void *data, size_t bytes, bert_error *e) {
    bert_hub_blob *b = context;
    const char *p = data;
    const int64_t before = b->at;
    if (b->size >= 0 && (int64_t)bytes > b->size - b->at)
        return bert_fail(e, BERT_EFORMAT, "%s: the server sends more than the %lld bytes it has",
                         b->file->path, (long long)b->size);
    for (size_t left = bytes; left;) {
        const ssize_t n = pwrite(b->fd, p, left, (off_t)b->at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed(b, "write", e);
        p += n;
        left -= (size_t)n;
        b->at += n;
    }
    b->written += (int64_t)bytes;
    if (b->digesting) bert_digest_add(&b->digest, data, bytes);
    flush_some(b, before);
    return 0;
}

static int refuse(bert_hub_blob *b, const char *what, bert_error *e) {
    unlink(b->partial);
    return bert_fail(e, BERT_EFORMAT, "%s: what arrived is not what the hub listed: %s",
                     b->file->path, what);
}

int bert_hub_blob_check(bert_hub_blob *b, bert_error *e) {
    char hex[BERT_DIGEST_HEX], what[200];
    if (b->file->size >= 0 && b->at != b->file->size) {
        snprintf(what, sizeof what, "%lld bytes of %lld", (long long)b->at,
                 (long long)b->file->size);
        return refuse(b, what, e);
    }
    if (!is_checked(b->file)) return 0;
    if (!b->digesting) {
        int64_t bytes;
        start_digest(&b->digest, b->file, b->at);
        if (!digest_file(b->fd, &b->digest, &bytes)) return failed(b, "read", e);
    }
    bert_digest_end(&b->digest, hex);
    if (!strcmp(hex, b->file->etag)) return 0;
    snprintf(what, sizeof what, "its digest is %.16s.., not %.16s..", hex, b->file->etag);
    return refuse(b, what, e);
}

int bert_hub_blob_commit(bert_hub_blob *b, const char *path, bert_error *e) {
    int rc = fsync(b->fd) ? failed(b, "write", e) : 0;
    if (close(b->fd) && !rc) rc = failed(b, "write", e);
    b->fd = -1;
    if (!rc && rename(b->partial, path))
        rc = bert_fail(e, BERT_EIO, "%s: cannot be put in its place: %s", path, strerror(errno));
    return rc;
}

void bert_hub_blob_close(bert_hub_blob *b) {
    if (b->fd >= 0) close(b->fd);
    free(b->partial);
    *b = (bert_hub_blob){.fd = -1};
}
