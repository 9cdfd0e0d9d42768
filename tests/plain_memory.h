/* The memory of the plain device. */
#ifndef BERT_TEST_PLAIN_MEMORY_H
#define BERT_TEST_PLAIN_MEMORY_H
#include <stddef.h>

void *plain_allocate(size_t bytes);
void plain_release(void *address);
/* Where what lies at an address of the device is; NULL of NULL. Another address ends the test. */
void *plain_at(const void *address);
void plain_write(void *to, const void *from, size_t bytes);
void plain_read(void *to, const void *from, size_t bytes);
void plain_zero(void *to, size_t bytes);
#endif
