#include "plain_memory.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Addresses without access, and as many bytes elsewhere that hold what is there. */

static const size_t reserved = sizeof(void *) > 4 ? (size_t)1 << 34 : (size_t)1 << 28;
static struct {
    pthread_mutex_t lock;
    char *addresses, *bytes;
    atomic_size_t used;
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char *reserve(int access) {
    char *p = mmap(NULL, reserved, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p != MAP_FAILED) return p;
    perror("the plain device's memory");
    abort();
}

/* Where what lies at an address of the device is. */
void *plain_at(const void *address) {
    const size_t offset = (size_t)((const char *)address - memory.addresses);
    if (!address) return NULL;
    if (memory.addresses && offset < memory.used) return memory.bytes + offset;
    fprintf(stderr, "plain device: %p is not its memory\n", address);
    abort();
}

enum { PAGE = 1 << 16 };

/* Addresses are never used again: a stale one does not find what is new. The page before one holds
 * its size. */
void *plain_allocate(size_t bytes) {
    pthread_mutex_lock(&memory.lock);
    if (!memory.addresses) {
        memory.addresses = reserve(PROT_NONE);
        memory.bytes = reserve(PROT_READ | PROT_WRITE);
    }
    const size_t size = (bytes + PAGE - 1) / PAGE * PAGE, used = memory.used;
    char *address = NULL;
    if (size + PAGE <= reserved - used) {
        address = memory.addresses + used + PAGE;
        memory.used = used + PAGE + size;
        memcpy(plain_at(address - PAGE), &size, sizeof size);
        memset(plain_at(address), 0xff, bytes); /* NaN */
    }
    pthread_mutex_unlock(&memory.lock);
    return address;
}

void plain_release(void *address) {
    size_t size;
    if (!address) return;
    memcpy(&size, plain_at((char *)address - PAGE), sizeof size);
    madvise(plain_at(address), size, MADV_DONTNEED);
}

void plain_write(void *to, const void *from, size_t bytes) {
    memcpy(plain_at(to), from, bytes);
}

void plain_read(void *to, const void *from, size_t bytes) {
    memcpy(to, plain_at(from), bytes);
}

void plain_zero(void *to, size_t bytes) {
    memset(plain_at(to), 0, bytes);
}
