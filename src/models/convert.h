/* Saving a model in another form. */
#ifndef BERT_MODELS_CONVERT_H
#define BERT_MODELS_CONVERT_H
#include "files/shards.h"
#include "models/model.h"

/* A tensor that is written. */
typedef struct {
    bert_stored_tensor as;          /* name, type and shape in the new file; data: this item */
    const bert_stored_tensor *from; /* as it is stored; NULL: */
    const bert_param *param;        /* as it is in memory */
    char *name;                     /* as.name, owned */
} bert_saved_tensor;

/* What is to be saved of a model, and how. */
typedef struct {
    bert_model *model;
    const bert_convert_options *options;
    const char *from; /* the name of the model, as it was given */
    const char *to;   /* the directory or file that is being written, under its temporary name */
    bert_saved_tensor *items;
    int count;
    bool given; /* a type of floats is asked for: dtype */
    bert_dtype dtype;
    bert_arena scratch;  /* of a tensor's floats */
    int64_t done, total; /* bytes */
    bert_convert_result result;
} bert_saving;

/* A tensor's numbers as float32, in scratch or where they lie, all of them finite; NULL and *e. */
const float *bert_saving_floats(bert_saving *s, const bert_saved_tensor *item, bert_error *e);
/* So many bytes more are written: BERT_EINTERRUPTED where progress says so. */
int bert_saving_step(bert_saving *s, size_t bytes, bert_error *e);
/* config.json, with the type of most of the weights. */
int bert_saving_config(const bert_saving *s, bert_error *e);

/* ready to run: packed.safetensors (models/packed.h) */
int bert_saving_packed(bert_saving *s, bert_error *e);

/* one file of llama.cpp's */
int bert_saving_gguf(bert_saving *s, bert_error *e);

/* A form that a model is saved in. */
typedef struct {
    const char *name;
    const char *help;
    const char *const *dtypes; /* ended by NULL */
    bool file;                 /* one file, not a directory */
    bool stored; /* reads weights as they are stored; false: from a model that can run */
    int (*write)(bert_saving *s, bert_error *e);
} bert_saved_form;
#endif
