/* The allocator and the calls that write files, replaced for one test program so that call number
 * `fault_at` of a kind fails. Included by that program's only file. Leaks are
 * the leak sanitizer's to find, in the asan build. */
#ifndef BERT_TEST_FAULT_H
#define BERT_TEST_FAULT_H
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

/* What fails: allocations, or writing calls (with this errno). */
enum { FAULT_NONE, FAULT_MEMORY, FAULT_WRITING };
static int fault_kind;
static long fault_at;
static _Atomic long fault_calls; /* by any thread */
static int fault_errno;

static inline int fault_now(int kind) {
    return fault_kind == kind && ++fault_calls == fault_at;
}
/* The linker gives calls of a function to __wrap_.., and its own name is __real_.. (--wrap, CMakeLists.txt): of the
 * program's files, and of nobody else's. */
#define FAULT_WRAP(type, name, ...)                                                                \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

FAULT_WRAP(void *, malloc, size_t n) {
    return fault_now(FAULT_MEMORY) ? NULL : __real_malloc(n);
}
FAULT_WRAP(void *, calloc, size_t count, size_t n) {
    return fault_now(FAULT_MEMORY) ? NULL : __real_calloc(count, n);
}
FAULT_WRAP(void *, realloc, void *p, size_t n) {
    return fault_now(FAULT_MEMORY) ? NULL : __real_realloc(p, n);
}
FAULT_WRAP(void *, aligned_alloc, size_t align, size_t n) {
    return fault_now(FAULT_MEMORY) ? NULL : __real_aligned_alloc(align, n);
}
FAULT_WRAP(int, posix_memalign, void **p, size_t align, size_t n) {
    return fault_now(FAULT_MEMORY) ? ENOMEM : __real_posix_memalign(p, align, n);
}
/* EINTR stands for a write that is interrupted, and one that is cut short, in turn. */
FAULT_WRAP(ssize_t, write, int fd, const void *p, size_t n) {
    if (fd <= 2 || !fault_now(FAULT_WRITING)) return __real_write(fd, p, n);
    if (fault_errno == EINTR && fault_at % 2) return __real_write(fd, p, (n + 1) / 2);
    errno = fault_errno;
    return -1;
}
FAULT_WRAP(int, fsync, int fd) {
    if (fd <= 2 || fault_errno == EINTR || !fault_now(FAULT_WRITING)) return __real_fsync(fd);
    errno = fault_errno;
    return -1;
}
FAULT_WRAP(int, rename, const char *from, const char *to) {
    if (fault_errno == EINTR || !fault_now(FAULT_WRITING)) return __real_rename(from, to);
    errno = fault_errno;
    return -1;
}
#endif
