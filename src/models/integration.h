/* Points and weights for the integral of a function over 0 .. 1. */
#ifndef BERT_MODELS_INTEGRATION_H
#define BERT_MODELS_INTEGRATION_H
#include <bert.h>

enum { BERT_MAX_STEPS = 4096 };

/* By name, as captum calls it: "gausslegendre", "riemann_trapezoid", "riemann_left", "riemann_middle",
 * "riemann_right"; NULL: the first. at, weight: [n]; the weights add up to 1 (of the trapezoid, as
 * captum has it, to 1 - 1 / n). */
int bert_integration(const char *rule, int32_t n, double *at, double *weight, bert_error *e);
#endif
