/* Floats in fewer bits, each rounded to the nearest (of two the even one), as torch does. */
#ifndef BERT_FILES_NARROW_H
#define BERT_FILES_NARROW_H
#include "files/safetensors.h"

uint16_t bert_to_half(float x); /* beyond 65504 an infinity */
uint16_t bert_to_bfloat16(float x);
/* Whether floats can be had in that type, and the type by its short name ("f16"), or torch's
 * ("float16"); false: there is none. */
bool bert_is_float_dtype(bert_dtype d);
bool bert_float_dtype_parse(const char *name, bert_dtype *d);
const char *bert_dtype_torch_name(bert_dtype d); /* "float16"; NULL: none of floats */
/* n floats as numbers of a type that bert_is_float_dtype(). */
void bert_narrow(bert_dtype d, const float *x, size_t n, void *out);
/* The first float that the type makes an infinity of, or n. */
size_t bert_narrow_overflow(bert_dtype d, const float *x, size_t n);
#endif
