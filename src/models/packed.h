/* Weights that a checkpoint holds as a device packs them for one precision: packed.safetensors.
 *
 * Its metadata have, under BERT_PACKED_KEY, JSON: the device's layout, the precision, what it was made
 * from, and a list of copies: {"of": [names of weights], "data": tensor, "balance": tensor or null}.
 * Copies are bytes at multiples of 64; tensors that no copy stands for are float32 under their own
 * names. What a copy looks like, only the device knows. */
#ifndef BERT_MODELS_PACKED_H
#define BERT_MODELS_PACKED_H
#include "models/arch.h"
#include <jansson.h>

#define BERT_PACKED_KEY "bert_packed"

typedef struct {
    json_t *json, *copies; /* copies NULL: the weights are not packed */
    const char *path;
    bert_precision precision;
} bert_packed_weights;

/* text: the metadata's; path: of the file, which outlives *p. */
int bert_packed_read(bert_packed_weights *p, const char *text, const char *path, bert_error *e);
void bert_packed_free_weights(bert_packed_weights *p); /* not the struct itself */
/* Whether a copy stands for the weight; whether a tensor is a part of a copy. */
bool bert_packed_has(const bert_packed_weights *p, const bert_arch *arch, const char *name);
bool bert_packed_part(const bert_packed_weights *p, const char *tensor);
/* Names with and without the family's prefix are of one weight. */
bool bert_packed_same(const bert_arch *arch, const char *a, const char *b);
/* Fails, saying that the copy of this weight is none of the model's. */
int bert_packed_misfit(const bert_packed_weights *p, const char *name, bert_error *e);
/* 0 where they are packed as it is done here. */
int bert_packed_layout(const bert_packed_weights *p, const char *here, bert_error *e);
/* 0 where the weights are not packed, or for this precision. */
int bert_packed_serves(const bert_packed_weights *p, bert_precision precision, bert_error *e);
/* 0 where they are not packed. done: "trained" */
int bert_packed_refuse(const bert_packed_weights *p, const char *done, bert_error *e);
#endif
