/* A second device, deliberately plain: portable C without threads, sums in double, and memory of
 * its own that the host cannot touch. Its addresses lie in pages without access, so who reads or
 * writes one dies; who hands it one of the host's is told so. What is new there is not a number. */
#ifndef BERT_TEST_PLAIN_DEVICE_H
#define BERT_TEST_PLAIN_DEVICE_H
#include <bert.h>

extern const bert_device plain_device;
long plain_device_calls(void); /* of rows, so far */
#endif
