#include "files/zip.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

#define AGAIN "a download that was cut off? fetch it again"
/* Bytes of the records, and their signatures. */
enum { LOCAL = 30, CENTRAL = 46, END = 22, LOCATOR64 = 20, END64 = 56, MAX_COMMENT = 65535 };
static const char local_sign[] = "PK\3\4", central_sign[] = "PK\1\2", end_sign[] = "PK\5\6",
                  locator64_sign[] = "PK\6\7", end64_sign[] = "PK\6\6";
enum { MAX_MEMBERS = 1000000, WIDE = 0xffff };
static const uint32_t wide = 0xffffffff; /* the value is in the zip64 extra field */

/* The archive while it is read. */
typedef struct {
    const unsigned char *data;
    uint64_t size;
    const char *path;
    uint64_t count, directory, directory_bytes; /* of the central directory */
} archive;

static uint64_t number(const unsigned char *p, int bytes) {
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++) x |= (uint64_t)p[i] << 8 * i;
    return x;
}

static bool signed_as(const archive *a, uint64_t at, uint64_t bytes, const char *sign) {
    return at <= a->size && bytes <= a->size - at && !memcmp(a->data + at, sign, 4);
}

/* ---- The end record */

static int find_end(const archive *a, uint64_t *at, bert_error *e) {
    const uint64_t most = a->size < END ? 0 : a->size - END;
    for (uint64_t comment = 0; a->size >= END && comment <= MAX_COMMENT && comment <= most;
         comment++) {
        *at = most - comment;
        if (signed_as(a, *at, END, end_sign) && number(a->data + *at + 20, 2) == comment) return 0;
    }
    return bert_fail(e, BERT_EFORMAT,
                     "%s: truncated: the end of its zip archive is missing; " AGAIN, a->path);
}

static int read_end64(archive *a, uint64_t end, bert_error *e) {
    const unsigned char *locator = a->data + end - LOCATOR64;
    const uint64_t at = number(locator + 8, 8);
    if (number(locator + 16, 4) > 1)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: is one of several parts of a zip archive",
                         a->path);
    if (at > end || !signed_as(a, at, END64, end64_sign))
        return bert_fail(e, BERT_EFORMAT, "%s: its zip64 end record is not where it should be",
                         a->path);
    const unsigned char *p = a->data + at;
    a->count = number(p + 32, 8);
    a->directory_bytes = number(p + 40, 8);
    a->directory = number(p + 48, 8);
    if (a->directory > at || a->directory_bytes > at - a->directory)
        return bert_fail(e, BERT_EFORMAT, "%s: its zip directory is not in front of its end",
                         a->path);
    return 0;
}

static int read_end(archive *a, bert_error *e) {
    uint64_t end = 0;
    int rc = find_end(a, &end, e);
    if (rc) return rc;
    const unsigned char *p = a->data + end;
    if (end >= LOCATOR64 && signed_as(a, end - LOCATOR64, LOCATOR64, locator64_sign))
        return read_end64(a, end, e);
    if (number(p + 4, 2) || number(p + 6, 2))
        return bert_fail(e, BERT_EUNSUPPORTED, "%s: is one of several parts of a zip archive",
                         a->path);
    a->count = number(p + 10, 2);
    a->directory_bytes = number(p + 12, 4);
    a->directory = number(p + 16, 4);
    if (a->directory > end || a->directory_bytes > end - a->directory)
        return bert_fail(e, BERT_EFORMAT, "%s: its zip directory is not in front of its end",
                         a->path);
    return 0;
}

/* ---- Members */

static int bad_member(const archive *a, const bert_zip_member *m, const char *what, bert_error *e) {
    char name[64] = "";
    for (size_t i = 0; i < m->name_bytes && i < sizeof name - 1; i++)
        name[i] = m->name[i] >= ' ' && m->name[i] < 127 ? m->name[i] : '?';
    return bert_fail(e, BERT_EFORMAT, "%s: member %s of its zip archive %s", a->path, name, what);
}

/* Those of three numbers that say that they are there, in this order. */
static bool read_extra64(const unsigned char *p, uint64_t n, uint64_t *value[3]) {
    while (n >= 4) {
        const uint64_t id = number(p, 2), bytes = number(p + 2, 2);
        p += 4, n -= 4;
        if (bytes > n) return false;
        for (uint64_t i = 0, at = 0; id == 1 && i < 3; i++) {
            if (*value[i] != wide) continue;
            if (at + 8 > bytes) return false;
            *value[i] = number(p + at, 8);
            at += 8;
        }
        if (id == 1) return true;
        p += bytes, n -= bytes;
    }
    return false;
}

/* One entry of the central directory at p, with n bytes from there on; *used: its own. */
static int read_entry(const archive *a, const unsigned char *p, uint64_t n, bert_zip_member *m,
                      uint64_t *used, bert_error *e) {
    if (n < CENTRAL || memcmp(p, central_sign, 4))
        return bert_fail(e, BERT_EFORMAT, "%s: its zip directory is damaged; " AGAIN, a->path);
    const uint64_t name = number(p + 28, 2), extra = number(p + 30, 2), comment = number(p + 32, 2);
    *used = CENTRAL + name + extra + comment;
    if (*used > n)
        return bert_fail(e, BERT_EFORMAT, "%s: its zip directory is damaged; " AGAIN, a->path);
    uint64_t packed = number(p + 20, 4), size = number(p + 24, 4), local = number(p + 42, 4);
    *m = (bert_zip_member){.name = (const char *)p + CENTRAL,
                           .name_bytes = (size_t)name,
                           .compressed = number(p + 10, 2) != 0,
                           .encrypted = number(p + 8, 2) & 1};
    uint64_t *value[3] = {&size, &packed, &local};
    if ((size == wide || packed == wide || local == wide) &&
        !read_extra64(p + CENTRAL + name, extra, value))
        return bad_member(a, m, "lacks its zip64 sizes", e);
    if (!m->compressed && packed != size) return bad_member(a, m, "has two sizes", e);
    m->local = local;
    m->size = (size_t)packed;
    return 0;
}

/* Where its data begin is said by its own header, whose extra field is padded. */
static int find_data(const archive *a, bert_zip_member *m, bert_error *e) {
    if (m->local > a->directory || a->directory - m->local < LOCAL ||
        memcmp(a->data + m->local, local_sign, 4))
        return bad_member(a, m, "is not where the directory says", e);
    const unsigned char *p = a->data + m->local;
    const uint64_t name = number(p + 26, 2), extra = number(p + 28, 2);
    const uint64_t left = a->directory - m->local - LOCAL;
    if (name + extra > left || m->size > left - name - extra)
        return bad_member(a, m, "reaches into the directory", e);
    if (name != m->name_bytes || memcmp(p + LOCAL, m->name, m->name_bytes))
        return bad_member(a, m, "has another name there", e);
    m->data = p + LOCAL + name + extra;
    return 0;
}

static int read_members(const archive *a, bert_zip *z, bert_error *e) {
    /* An entry has so many bytes at least. */
    if (a->count > a->directory_bytes / CENTRAL || a->count > MAX_MEMBERS)
        return bert_fail(e, BERT_EFORMAT, "%s: its zip directory has %llu bytes for %llu members",
                         a->path, (unsigned long long)a->directory_bytes,
                         (unsigned long long)a->count);
    z->members = calloc((size_t)a->count + 1, sizeof *z->members);
    if (!z->members) return bert_fail_memory(e, ((size_t)a->count + 1) * sizeof *z->members);
    const unsigned char *p = a->data + a->directory;
    uint64_t left = a->directory_bytes, used = 0;
    for (; (uint64_t)z->count < a->count; p += used, left -= used) {
        bert_zip_member *m = &z->members[z->count];
        int rc = read_entry(a, p, left, m, &used, e);
        if (!rc) rc = find_data(a, m, e);
        if (rc) return rc;
        z->count++;
    }
    if (!left) return 0;
    return bert_fail(e, BERT_EFORMAT, "%s: its zip directory has more than the %d members it says",
                     a->path, z->count);
}

/* ---- Their order */

static int compare_places(const void *a, const void *b) {
    const bert_zip_member *x = a, *y = b;
    return x->local < y->local ? -1 : x->local > y->local;
}

static int compare_names(const char *a, size_t n, const char *b, size_t m) {
    const int order = memcmp(a, b, n < m ? n : m);
    return order ? order : n < m ? -1 : n > m;
}

static int compare_by_name(const void *a, const void *b, void *members) {
    const bert_zip_member *m = members, *x = &m[*(const int *)a], *y = &m[*(const int *)b];
    return compare_names(x->name, x->name_bytes, y->name, y->name_bytes);
}

static int sort(const archive *a, bert_zip *z, bert_error *e) {
    qsort(z->members, (size_t)z->count, sizeof *z->members, compare_places);
    for (int i = 1; i < z->count; i++) {
        const bert_zip_member *before = &z->members[i - 1];
        if (before->data + before->size > a->data + z->members[i].local)
            return bad_member(a, &z->members[i], "overlaps another one", e);
    }
    z->by_name = malloc(((size_t)z->count + 1) * sizeof *z->by_name);
    if (!z->by_name) return bert_fail_memory(e, ((size_t)z->count + 1) * sizeof *z->by_name);
    for (int i = 0; i < z->count; i++) z->by_name[i] = i;
    qsort_r(z->by_name, (size_t)z->count, sizeof *z->by_name, compare_by_name, z->members);
    for (int i = 1; i < z->count; i++)
        if (!compare_by_name(&z->by_name[i - 1], &z->by_name[i], z->members))
            return bad_member(a, &z->members[z->by_name[i]], "is there twice", e);
    return 0;
}

int bert_zip_open(bert_zip *z, const unsigned char *data, size_t size, const char *path,
                  bert_error *e) {
    archive a = {.data = data, .size = size, .path = path};
    *z = (bert_zip){0};
    int rc = read_end(&a, e);
    if (!rc) rc = read_members(&a, z, e);
    if (!rc) rc = sort(&a, z, e);
    if (rc) bert_zip_free(z);
    return rc;
}

void bert_zip_free(bert_zip *z) {
    free(z->members);
    free(z->by_name);
    *z = (bert_zip){0};
}

bert_zip_member *bert_zip_find(const bert_zip *z, const char *name, size_t bytes) {
    int low = 0, high = z->count;
    while (low < high) {
        const int middle = (low + high) / 2;
        bert_zip_member *m = &z->members[z->by_name[middle]];
        const int order = compare_names(name, bytes, m->name, m->name_bytes);
        if (!order) return m;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
