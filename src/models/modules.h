/* What sentence-transformers puts behind the pooling: a table of modules. */
#ifndef BERT_MODELS_MODULES_H
#define BERT_MODELS_MODULES_H
#include "files/pretrained.h"
#include "models/torch_act.h"
#include <bert.h>
#include <jansson.h>

typedef struct bert_module_kind bert_module_kind;
typedef struct {
    const bert_module_kind *kind;
    int32_t in, out;      /* 0: any, as many as come in */
    float *weight, *bias; /* [out, in], [out]; of a LayerNorm [in] each; or NULL */
    float *residual;      /* [out, in]: a second path; NULL: none, or x itself */
    bool add_input;       /* the output has x, or the residual of it, added */
    bert_torch_act *act;
} bert_module;

enum { BERT_MAX_MODULES = 16 };
typedef struct {
    bert_module list[BERT_MAX_MODULES];
    int n;
} bert_modules;

/* The folder of a module in a checkpoint. */
typedef struct {
    const bert_pretrained *from;
    const char *folder;
    const char *shown; /* in messages */
    const char *reads; /* what it must work on; NULL: "sentence_embedding" */
} bert_module_place;

/* Adds the module of that class, read from its folder. A class that is not in the table is
 * BERT_EUNSUPPORTED, a folder that is named and absent BERT_ENOTFOUND. */
int bert_modules_add(bert_modules *m, const char *class_name, const bert_module_place *at,
                     bert_error *e);
/* Adds a Dense of tensors of a file (bias NULL: none; act of torch's, NULL: none), of as many columns as
 * the weight has. */
int bert_modules_add_linear(bert_modules *m, const bert_tensors *file, const char *weight,
                            const char *bias, const char *act, bert_error *e);
int bert_modules_add_normalize(bert_modules *m, bert_error *e);
void bert_modules_free(bert_modules *m);
/* What leaves them where `dim` numbers come in; a module that takes another number is an error. */
int bert_modules_size(const bert_modules *m, int32_t dim, int32_t *size, bert_error *e);
/* rows [n, dim] -> out [n, size]. normalize: whether a Normalize does anything. */
int bert_modules_apply(const bert_modules *m, bool normalize, const float *rows, int32_t n,
                       int32_t dim, float *out, bert_error *e);
/* One of them computes something else than a length of 1; NULL: none does. Its class. */
const char *bert_modules_beyond_normalize(const bert_modules *m);
bool bert_modules_normalize(const bert_modules *m); /* one of them is a Normalize */
#endif
