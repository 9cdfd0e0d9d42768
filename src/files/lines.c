#include "files/lines.h"
#include "base/error.h"
#include "files/foreign.h"
#include "files/utf16.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 16 };

struct bert_lines {
    const char *name; /* for messages */
    int fd;
    char *data; /* what has been read: lines from begin to end are still to come */
    size_t begin, end, capacity;
    int64_t base;  /* where data lies in the file */
    int64_t at;    /* where the latest line does */
    int64_t limit; /* lines begin in front of it */
    bool begun, at_end;
    bool returns; /* a carriage return ends a line */
    int64_t number;
    size_t mark; /* where the marked line begins */
    int64_t mark_number;
    bool marked;
    bool has_cut;  /* there is a NUL behind the latest line, */
    size_t cut;    /* here, */
    char cut_byte; /* in the place of this */
    bool wide; /* the file is UTF-16: raw holds what has been read of it and is not in data yet */
    bert_utf16 utf16;
    unsigned char *raw;
    size_t raw_bytes;
};

bert_lines *bert_lines_open(const char *path, const char *name, bert_error *e) {
    bert_lines *l = calloc(1, sizeof *l);
    if (!l) {
        bert_fail_memory(e, sizeof *l);
        return NULL;
    }
    struct stat st;
    l->name = name;
    l->limit = INT64_MAX;
    l->fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (l->fd < 0)
        bert_fail(e, errno == ENOENT ? BERT_ENOTFOUND : BERT_EIO, "%s: cannot open: %s", name,
                  strerror(errno));
    else if (!fstat(l->fd, &st) && S_ISDIR(st.st_mode))
        bert_fail(e, BERT_EIO,
                  "%s: is a directory, and a file is needed (of a dataset that was saved by "
                  "datasets: load_from_disk(..)[\"train\"].to_json(\"data.jsonl\"))",
                  name);
    else
        return l;
    bert_lines_close(l);
    return NULL;
}

void bert_lines_close(bert_lines *l) {
    if (!l) return;
    if (l->fd > STDIN_FILENO) close(l->fd);
    free(l->data);
    free(l->raw);
    free(l);
}

/* ---- Reading on */

static int read_some(bert_lines *l, void *to, size_t *got, bert_error *e) {
    ssize_t n;
    do n = read(l->fd, to, BLOCK);
    while (n < 0 && errno == EINTR);
    if (n < 0) return bert_fail(e, BERT_EIO, "%s: cannot read: %s", l->name, strerror(errno));
    l->at_end = !n;
    *got = (size_t)n;
    return BERT_OK;
}

/* Room for so many bytes behind `end`, and the NUL after a last line without an end. */
static int make_room(bert_lines *l, size_t bytes, bert_error *e) {
    const size_t from = l->marked ? l->mark : l->begin;
    if (from) {
        memmove(l->data, l->data + from, l->end - from);
        l->begin -= from;
        l->end -= from;
        l->base += (int64_t)from;
        l->has_cut &= l->cut >= from;
        l->cut -= l->has_cut ? from : 0;
        l->mark = 0;
    }
    if (l->capacity - l->end > bytes) return BERT_OK;
    const size_t capacity = 2 * l->capacity + bytes + 1;
    char *data = realloc(l->data, capacity);
    if (!data) return bert_fail_memory(e, capacity);
    l->data = data;
    l->capacity = capacity;
    return BERT_OK;
}

/* From raw, to which another block is added, to data. */
static int fill_wide(bert_lines *l, bert_error *e) {
    size_t got = 0, used;
    int rc = make_room(l, 3 * (BLOCK / 2 + 8), e);
    if (!rc && !l->raw_bytes) rc = read_some(l, l->raw, &got, e);
    if (!rc && l->raw_bytes == 1) rc = read_some(l, l->raw + 1, &got, e);
    if (rc) return rc;
    l->raw_bytes += got;
    l->end += bert_utf16_to_utf8(&l->utf16, l->raw, l->raw_bytes, &used, l->data + l->end);
    l->raw_bytes -= used;
    if (l->raw_bytes) l->raw[0] = l->raw[used];
    if (l->at_end) l->end += bert_utf16_end(&l->utf16, l->data + l->end);
    return BERT_OK;
}

/* The file goes on as UTF-16, the first of which lies in data, `mark` bytes of byte order there. */
static int begin_wide(bert_lines *l, bool big_endian, size_t mark, bert_error *e) {
    l->raw = malloc(BLOCK + 8); /* begin() may have read a little more than a block */
    if (!l->raw) return bert_fail_memory(e, BLOCK + 8);
    l->wide = true;
    l->utf16.big_endian = big_endian;
    l->raw_bytes = l->end - mark;
    memcpy(l->raw, l->data + mark, l->raw_bytes);
    l->end = 0;
    return l->raw_bytes > 1 ? fill_wide(l, e) : BERT_OK;
}

/* Whether more than these bytes are needed to tell what the file is. Where a person types, each
 * line must be answered at once. */
static bool undecided(const unsigned char *p, size_t n) {
    return n < 4 && (!n || p[0] == 0xff || p[0] == 0xfe || !p[0] || (n > 1 && !p[1]) ||
                     (n < 3 && p[0] == 0xef));
}

/* By its first bytes: what the file is. */
static int begin(bert_lines *l, bert_error *e) {
    int rc = make_room(l, 4 + BLOCK, e);
    l->begun = true;
    while (!rc && !l->at_end && undecided((unsigned char *)l->data, l->end)) {
        size_t got = 0;
        rc = read_some(l, l->data + l->end, &got, e);
        l->end += got;
    }
    if (rc) return rc;
    const unsigned char *p = (unsigned char *)l->data;
    const size_t n = l->end;
    const bool four = n >= 4;
    const bool little = four && p[0] && !p[1] && p[2] && !p[3];
    const bool big = four && !p[0] && p[1] && !p[2] && p[3];
    if (four &&
        ((p[0] && p[0] != 0xff && !p[1] && !p[2] && !p[3]) || (!p[0] && !p[1] && !p[2] && p[3]) ||
         !memcmp(p, "\xff\xfe\0\0", 4) || !memcmp(p, "\0\0\xfe\xff", 4)))
        return bert_fail(e, BERT_EFORMAT, "%s: is UTF-32; save it as UTF-8", l->name);
    const char *foreign = bert_foreign_data(l->data, n);
    if (foreign) return bert_fail(e, BERT_EFORMAT, "%s: %s", l->name, foreign);
    if (n >= 2 && p[0] == 0xff && p[1] == 0xfe) return begin_wide(l, false, 2, e);
    if (n >= 2 && p[0] == 0xfe && p[1] == 0xff) return begin_wide(l, true, 2, e);
    if (little || big) return begin_wide(l, big, 0, e);
    if (n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
        l->begin = l->mark = 3; /* before lines are told apart: a mark and nothing else is none */
    return BERT_OK;
}

static int fill(bert_lines *l, bert_error *e) {
    if (!l->begun) return begin(l, e);
    if (l->wide) return fill_wide(l, e);
    size_t got = 0;
    int rc = make_room(l, BLOCK, e);
    if (!rc) rc = read_some(l, l->data + l->end, &got, e);
    l->end += got;
    return rc;
}

/* ---- Lines */

/* All of the file, or more of it than a line may be, is there, and no line has an end. */
static bool ends_in_returns(bert_lines *l) {
    const size_t have = l->end - l->begin;
    if (l->number || l->returns || have < 2) return false;
    return l->returns = memchr(l->data + l->begin, '\r', have - 1) != NULL;
}

static void restore_cut(bert_lines *l) {
    if (l->marked && l->has_cut) l->data[l->cut] = l->cut_byte;
    l->has_cut = false;
}

int bert_lines_next(bert_lines *l, char **line, size_t *n, bert_error *e) {
    char *stop = NULL;
    restore_cut(l);
    if (bert_lines_next_at(l) >= l->limit) return 0;
    for (size_t seen = 0;;) { /* bytes that hold no end */
        const size_t have = l->end - l->begin;
        if (have > seen)
            stop = memchr(l->data + l->begin + seen, l->returns ? '\r' : '\n', have - seen);
        if (stop) break;
        seen = have;
        if ((l->at_end || have > BERT_LINE_MAX) && ends_in_returns(l)) {
            seen = 0;
            continue;
        }
        if (l->at_end) break;
        if (have > BERT_LINE_MAX)
            return bert_fail(e, BERT_EFORMAT, "%s:%lld: a line of more than %d MB", l->name,
                             (long long)l->number + 1, BERT_LINE_MAX >> 20);
        int rc = fill(l, e);
        if (rc) return rc;
    }
    if (!stop && l->begin == l->end) return 0;
    l->number++;
    *line = l->data + l->begin;
    *n = stop ? (size_t)(stop - *line) : l->end - l->begin;
    l->begin += *n + (stop != NULL);
    while (*n && (*line)[*n - 1] == '\r') --*n;
    l->has_cut = true;
    l->cut = (size_t)(*line + *n - l->data);
    l->cut_byte = (*line)[*n];
    (*line)[*n] = 0;
    l->at = l->base + (*line - l->data);
    return 1;
}

int64_t bert_lines_number(const bert_lines *l) {
    return l->number;
}

/* ---- Going back */

void bert_lines_mark(bert_lines *l) {
    l->marked = true;
    l->has_cut = false; /* that is before the mark */
    l->mark = l->begin;
    l->mark_number = l->number;
}

void bert_lines_rewind(bert_lines *l) {
    restore_cut(l);
    l->begin = l->mark;
    l->number = l->mark_number;
}

void bert_lines_unmark(bert_lines *l) {
    l->marked = false;
}

size_t bert_lines_ahead(const bert_lines *l) {
    return l->begin - l->mark;
}

/* ---- Anywhere in the file */

int64_t bert_lines_at(const bert_lines *l) {
    return l->at;
}

int64_t bert_lines_next_at(const bert_lines *l) {
    return l->base + (int64_t)l->begin;
}

bool bert_lines_seekable(const bert_lines *l) {
    struct stat st;
    return !l->wide && !l->returns && l->fd > STDIN_FILENO && !fstat(l->fd, &st) &&
           S_ISREG(st.st_mode);
}

int bert_lines_seek(bert_lines *l, int64_t at, int64_t end, int64_t number, bert_error *e) {
    if (lseek(l->fd, (off_t)at, SEEK_SET) < 0)
        return bert_fail(e, BERT_EIO, "%s: cannot read: %s", l->name, strerror(errno));
    l->begin = l->end = 0;
    l->base = at;
    l->limit = end;
    l->number = number - 1;
    l->begun = true;
    l->at_end = l->has_cut = l->marked = false;
    return BERT_OK;
}

int64_t bert_lines_read_at(const bert_lines *l, int64_t at, void *to, size_t n, bert_error *e) {
    size_t got = 0;
    while (got < n) {
        const ssize_t some = pread(l->fd, (char *)to + got, n - got, (off_t)at + (off_t)got);
        if (some < 0 && errno == EINTR) continue;
        if (some < 0)
            return bert_fail(e, BERT_EIO, "%s: cannot read: %s", l->name, strerror(errno));
        if (!some) break;
        got += (size_t)some;
    }
    return (int64_t)got;
}

int64_t bert_lines_bytes(const bert_lines *l) {
    struct stat st;
    return fstat(l->fd, &st) ? 0 : (int64_t)st.st_size;
}

const char *bert_lines_note(const bert_lines *l, int i) {
    const char *notes[] = {l->wide ? "the file is UTF-16 and is read as that" : NULL,
                           l->returns ? "its line ends are carriage returns alone, as on an old Mac"
                                      : NULL};
    for (size_t k = 0; k < sizeof notes / sizeof *notes; k++)
        if (notes[k] && !i--) return notes[k];
    return NULL;
}
