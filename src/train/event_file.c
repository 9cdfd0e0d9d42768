#include "train/event_file.h"
#include "base/error.h"
#include "base/file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TAG = 200, MAX_EVENT = MAX_TAG + 64 };

struct bert_event_file {
    FILE *file;
    char *path;
};

/* A message being encoded; sizes are bounded by MAX_EVENT. */
typedef struct {
    unsigned char data[MAX_EVENT];
    size_t n;
} message;

/* Protocol buffers' wire types. */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void put_varint(message *m, uint64_t v) {
    for (; v >= 0x80; v >>= 7) m->data[m->n++] = (unsigned char)(v | 0x80);
    m->data[m->n++] = (unsigned char)v;
}

static void put_key(message *m, unsigned field, unsigned wire) {
    put_varint(m, field << 3 | wire);
}

static void put_little_endian(message *m, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) m->data[m->n++] = (unsigned char)(v >> 8 * i);
}

static void put_double(message *m, unsigned field, double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_key(m, field, FIXED64);
    put_little_endian(m, bits, 8);
}

static void put_float(message *m, unsigned field, float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_key(m, field, FIXED32);
    put_little_endian(m, bits, 4);
}

static void put_bytes(message *m, unsigned field, const void *data, size_t n) {
    put_key(m, field, BYTES);
    put_varint(m, n);
    memcpy(m->data + m->n, data, n);
    m->n += n;
}

static uint32_t crc32c(const unsigned char *p, size_t n) {
    uint32_t c = ~0u;
    for (; n; n--, p++) {
        c ^= *p;
        for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (0x82f63b78u & (0u - (c & 1)));
    }
    return ~c;
}

/* TFRecord stores checksums rotated and offset, so that a record of records does not sum to zero.
 */
static uint32_t masked_crc(const unsigned char *p, size_t n) {
    uint32_t c = crc32c(p, n);
    return (c >> 15 | c << 17) + 0xa282ead8u;
}

static int write_record(bert_event_file *f, const message *event, bert_error *e) {
    message head = {.n = 0}, tail = {.n = 0};
    put_little_endian(&head, event->n, 8);
    put_little_endian(&head, masked_crc(head.data, 8), 4);
    put_little_endian(&tail, masked_crc(event->data, event->n), 4);
    if (fwrite(head.data, 1, head.n, f->file) != head.n ||
        fwrite(event->data, 1, event->n, f->file) != event->n ||
        fwrite(tail.data, 1, tail.n, f->file) != tail.n || fflush(f->file))
        return bert_fail(e, BERT_EIO, "%s: cannot write: %s", f->path, strerror(errno));
    return 0;
}

/* tensorflow/core/util/event.proto: Event { 1 wall_time, 2 step, 3 file_version, 5 summary }. */
static message event_at(int64_t step) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    message m = {.n = 0};
    put_double(&m, 1, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    put_key(&m, 2, VARINT);
    put_varint(&m, (uint64_t)step);
    return m;
}

bert_event_file *bert_event_file_open(const char *directory, bert_error *e) {
    if (bert_make_directory(directory, e)) return NULL;
    bert_event_file *f = calloc(1, sizeof *f);
    char name[160], host[64] = "localhost";
    gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, "events.out.tfevents.%lld.%s.%ld", (long long)time(NULL), host,
             (long)getpid());
    if (f) f->path = bert_path_join(directory, name);
    if (!f || !f->path) {
        free(f);
        bert_fail_memory(e, sizeof *f);
        return NULL;
    }
    f->file = fopen(f->path, "wbe");
    if (!f->file) {
        bert_fail(e, BERT_EIO, "%s: cannot write: %s", f->path, strerror(errno));
        bert_event_file_close(f, NULL);
        return NULL;
    }
    message m = event_at(0);
    put_bytes(&m, 3, "brain.Event:2", 13);
    if (write_record(f, &m, e)) {
        bert_event_file_close(f, NULL);
        return NULL;
    }
    return f;
}

int bert_event_file_scalar(bert_event_file *f, const char *tag, double value, int64_t step,
                           bert_error *e) {
    size_t n = strlen(tag);
    if (n > MAX_TAG)
        return bert_fail(e, BERT_EINVAL, "%.40s...: a tag has at most %d bytes", tag, MAX_TAG);
    message point = {.n = 0}, summary = {.n = 0}, event = event_at(step);
    put_bytes(&point, 1, tag, n);
    put_float(&point, 2, (float)value);
    put_bytes(&summary, 1, point.data, point.n);
    put_bytes(&event, 5, summary.data, summary.n);
    return write_record(f, &event, e);
}

int bert_event_file_close(bert_event_file *f, bert_error *e) {
    if (!f) return 0;
    int rc = 0;
    if (f->file && fclose(f->file))
        rc = bert_fail(e, BERT_EIO, "%s: cannot write: %s", f->path, strerror(errno));
    free(f->path);
    free(f);
    return rc;
}
