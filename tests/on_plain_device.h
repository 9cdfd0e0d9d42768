/* Included before a test's own lines where it is built a second time: the models it opens, its
 * tapes and its parameters are of the plain device. */
#ifndef BERT_TEST_ON_PLAIN_DEVICE_H
#define BERT_TEST_ON_PLAIN_DEVICE_H
#include "plain_device.h"
#include "tape/params.h"
#include <bert_train.h>

static inline bert_model_options plain_options(const bert_model_options *options) {
    bert_model_options o = options ? *options : bert_model_default();
    if (!o.device) o.device = &plain_device;
    return o;
}

static inline bert_model *plain_model_open(const char *name, const bert_model_options *options,
                                           bert_error *e) {
    const bert_model_options o = plain_options(options);
    return bert_model_open(name, &o, e);
}

static inline bert_model *plain_model_open_head(const char *name, const bert_head *head,
                                                const bert_model_options *options, bert_error *e) {
    const bert_model_options o = plain_options(options);
    return bert_model_open_head(name, head, &o, e);
}

static inline bert_tape *plain_tape_new(const bert_tape_options *options, bert_error *e) {
    bert_tape_options o = options ? *options : bert_tape_default();
    if (!o.device) o.device = &plain_device;
    return bert_tape_new(&o, e);
}

static inline bert_params *plain_params_new(uint64_t seed, float range, bert_error *e) {
    return bert_params_new_on(&plain_device, NULL, true, seed, range, e);
}

#define bert_model_open plain_model_open
#define bert_model_open_head plain_model_open_head
#define bert_tape_new plain_tape_new
#define bert_params_new plain_params_new
#endif
