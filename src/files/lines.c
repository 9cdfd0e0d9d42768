#include "files/lines.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 16 };

struct bert_lines {
    const char *name; /* for messages */
    int fd;
    char *data; /* what has been read and is not a line yet: [begin, end) */
    size_t begin, end, capacity;
    bool at_end;
    int64_t number;
};

bert_lines *bert_lines_open(const char *path, const char *name, bert_error *e) {
    bert_lines *l = calloc(1, sizeof *l);
    if (!l) {
        bert_fail_memory(e, sizeof *l);
        return NULL;
    }
    l->name = name;
    l->fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (l->fd >= 0) return l;
    bert_fail(e, errno == ENOENT ? BERT_ENOTFOUND : BERT_EIO, "%s: cannot open: %s", name,
              strerror(errno));
    free(l);
    return NULL;
}

void bert_lines_close(bert_lines *l) {
    if (!l) return;
    if (l->fd != STDIN_FILENO) close(l->fd);
    free(l->data);
    free(l);
}

/* Reads on behind `end`, with room for the NUL after a last line without an end. */
static int fill(bert_lines *l, bert_error *e) {
    if (l->begin) {
        memmove(l->data, l->data + l->begin, l->end - l->begin);
        l->end -= l->begin;
        l->begin = 0;
    }
    if (l->capacity - l->end < BLOCK + 1) {
        const size_t capacity = 2 * l->capacity + BLOCK + 1;
        char *data = realloc(l->data, capacity);
        if (!data) return bert_fail_memory(e, capacity);
        l->data = data;
        l->capacity = capacity;
    }
    ssize_t got;
    do got = read(l->fd, l->data + l->end, BLOCK);
    while (got < 0 && errno == EINTR);
    if (got < 0) return bert_fail(e, BERT_EIO, "%s: cannot read: %s", l->name, strerror(errno));
    l->at_end = !got;
    l->end += (size_t)got;
    return BERT_OK;
}

int bert_lines_next(bert_lines *l, char **line, size_t *n, bert_error *e) {
    char *stop = NULL;
    for (size_t seen = 0;;) { /* bytes that hold no end */
        const size_t have = l->end - l->begin;
        if (have > seen) stop = memchr(l->data + l->begin + seen, '\n', have - seen);
        if (stop || l->at_end) break;
        if (have > BERT_LINE_MAX)
            return bert_fail(e, BERT_EFORMAT, "%s:%lld: a line of more than %d MB", l->name,
                             (long long)l->number + 1, BERT_LINE_MAX >> 20);
        seen = have;
        int rc = fill(l, e);
        if (rc) return rc;
    }
    if (!stop && l->begin == l->end) return 0;
    l->number++;
    *line = l->data + l->begin;
    *n = stop ? (size_t)(stop - *line) : l->end - l->begin;
    l->begin += *n + (stop != NULL);
    if (*n && (*line)[*n - 1] == '\r') --*n;
    (*line)[*n] = 0;
    if (l->number == 1 && *n >= 3 && !memcmp(*line, "\xef\xbb\xbf", 3)) *line += 3, *n -= 3;
    return 1;
}

int64_t bert_lines_number(const bert_lines *l) {
    return l->number;
}
