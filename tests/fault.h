/* The allocator and the calls that write files, replaced for one test program so that call number
 * `fault_at` of a kind fails. Included by that program's only file. Leaks are
 * the leak sanitizer's to find, in the asan build. */
#ifndef BERT_TEST_FAULT_H
#define BERT_TEST_FAULT_H
#include <dlfcn.h>
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
/* The library's function of that name, as a pointer of type `type`. */
#define FAULT_NEXT(name, type)                                                                     \
    static type next;                                                                              \
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, name)
/* An allocator's; clang's address sanitizer is a part of the program, and is asked by its own names. */
#define FAULT_ALLOCATOR(name, type)                                                                \
    extern __typeof__(name) __interceptor_##name __attribute__((weak));                            \
    static type next;                                                                              \
    if (!next) next = __interceptor_##name;                                                        \
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, #name)
typedef void *fault_one_fn(size_t n);
typedef void *fault_two_fn(size_t a, size_t b);
typedef void *fault_resize_fn(void *p, size_t n);
typedef int fault_aligned_fn(void **p, size_t align, size_t n);
typedef ssize_t fault_write_fn(int fd, const void *p, size_t n);
typedef int fault_fd_fn(int fd);
typedef int fault_rename_fn(const char *from, const char *to);

void *malloc(size_t n) {
    FAULT_ALLOCATOR(malloc, fault_one_fn *);
    return fault_now(FAULT_MEMORY) ? NULL : next(n);
}
void *calloc(size_t count, size_t n) {
    FAULT_ALLOCATOR(calloc, fault_two_fn *);
    return fault_now(FAULT_MEMORY) ? NULL : next(count, n);
}
void *realloc(void *p, size_t n) {
    FAULT_ALLOCATOR(realloc, fault_resize_fn *);
    return fault_now(FAULT_MEMORY) ? NULL : next(p, n);
}
void *aligned_alloc(size_t align, size_t n) {
    FAULT_ALLOCATOR(aligned_alloc, fault_two_fn *);
    return fault_now(FAULT_MEMORY) ? NULL : next(align, n);
}
int posix_memalign(void **p, size_t align, size_t n) {
    FAULT_ALLOCATOR(posix_memalign, fault_aligned_fn *);
    return fault_now(FAULT_MEMORY) ? ENOMEM : next(p, align, n);
}
/* EINTR stands for a write that is interrupted, and one that is cut short, in turn. */
ssize_t write(int fd, const void *p, size_t n) {
    FAULT_NEXT("write", fault_write_fn *);
    if (fd <= 2 || !fault_now(FAULT_WRITING)) return next(fd, p, n);
    if (fault_errno == EINTR && fault_at % 2) return next(fd, p, (n + 1) / 2);
    errno = fault_errno;
    return -1;
}
static inline int fault_fd(int fd, fault_fd_fn *next) {
    if (fd <= 2 || fault_errno == EINTR || !fault_now(FAULT_WRITING)) return next(fd);
    errno = fault_errno;
    return -1;
}
int fsync(int fd) {
    FAULT_NEXT("fsync", fault_fd_fn *);
    return fault_fd(fd, next);
}
int rename(const char *from, const char *to) {
    FAULT_NEXT("rename", fault_rename_fn *);
    if (fault_errno == EINTR || !fault_now(FAULT_WRITING)) return next(from, to);
    errno = fault_errno;
    return -1;
}
#endif
