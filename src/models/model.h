/* The inside of a model. */
#ifndef BERT_MODELS_MODEL_H
#define BERT_MODELS_MODEL_H
#include "models/problem.h"
#include "models/sentence.h"
#include "models/trunk.h"
#include "models/weights.h"

struct bert_model {
    bert_pretrained *from;
    const char *path; /* of it */
    char *folder;     /* where its configuration, weights and tokenizer are, for messages */
    json_t *json;     /* config.json as it was read */
    char *overrides;  /* bert_model_options.config, or NULL */
    bert_config config;
    bert_labels labels;
    const bert_arch *arch;
    bert_weight_source weights;
    bert_params *params;
    bert_trunk trunk;
    void *own;      /* the architecture's own configuration, or NULL */
    bert_head head; /* name NULL: none */
    bert_head_layout layout;
    bool stock;     /* the head is of transformers, and layout how the architecture has it */
    bool head_made; /* its init has succeeded */
    void *head_state;
    bert_recipe *recipe; /* what it was opened or saved with, or NULL */
    bert_tokenizer *tokenizer;
    bert_error tokenizer_error; /* why a tokenizer that is there cannot be used */
    bert_sentence sentence;
    bert_notes notes;
    char *task;          /* its name among several over one encoder, or NULL */
    char *scope;         /* of that task's parameters */
    bert_model *encoder; /* of a task that shares everything but the head with it; else NULL */
    bert_model **tasks;  /* [task_count] that share this model's encoder */
    int task_count;
};

/* config.json's keys: for the name of a head that is not of transformers; and for tasks by their
 * names, each with keys of config.json of its own. */
#define BERT_HEAD_KEY "bert_head"
#define BERT_TASKS_KEY "bert_tasks"

/* tasks.c: the tasks that config.json names, over an encoder that is built. */
int bert_tasks_open(bert_model *m, bert_error *e);
/* Once the encoder has its tokenizer and the rest of its parts. */
void bert_tasks_share(bert_model *m);
/* Puts the keys of that task of config.json in the place of the model's; NULL: of none. */
int bert_tasks_choose(bert_model *m, const char *name, bert_error *e);
/* config.json's entry of the tasks, new, or NULL where there are none; bad: memory is out. */
json_t *bert_tasks_json(const bert_model *m, bool *bad);
void bert_tasks_close(bert_model *m);
/* model.c: which head, labels and problem type it has; then makes the head's parameters. */
int bert_model_choose_head(bert_model *m, const bert_head *own, const bert_model_options *o,
                           bert_error *e);
int bert_model_make_head(bert_model *m, bert_error *e);
/* The model that has the weights. */
static inline const bert_model *bert_model_root(const bert_model *m) {
    return m->encoder ? m->encoder : m;
}

/* Shapes and ids of a batch, before anything is computed from them. */
int bert_inputs_check(const bert_model *m, const bert_inputs *inputs, bert_error *e);
/* The tokenizer, or NULL and the reason. */
const bert_tokenizer *bert_model_need_tokenizer(const bert_model *m, bert_error *e);
/* A model to be saved, not used: its weights as they are stored (bert_weight_source_stored()), under
 * the head that config.json names, or none where that cannot be had; task: as in the options. */
bert_model *bert_model_open_stored(const char *name, const char *task, bert_error *e);
/* The files beside config.json and the weights, as they are: tokenizer, sentence-transformers',
 * model card. */
int bert_model_copy_files(const bert_model *m, const char *directory, bert_error *e);
/* Gives the device the packed copies of a checkpoint's weights. */
int bert_model_adopt(bert_model *m, bert_error *e);
/* Has the device pack the trunk's weights for a precision. */
int bert_model_pack(const bert_model *m, bert_precision p, bert_error *e);
/* Prepares int8 products, once for a model. */
int bert_model_balance(const bert_model *m, int threads, bert_error *e);
#endif
