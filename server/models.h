/* The models that are served, by name. */
#ifndef BERT_SERVER_MODELS_H
#define BERT_SERVER_MODELS_H
#include "server.h"
#include <stdatomic.h>

enum { CLERKS = 2 }; /* threads that read bodies and write answers */

typedef struct {
    const char *name; /* as it was asked for; the options' */
    const char *task; /* of several over its encoder; NULL: that one, or a model of one head */
    bert_model *model;
    const char *head; /* "none", "sequence-classification" .. */
    bool pictures;
    int32_t limit, labels; /* tokens of a text; of its head */
    bool several;          /* labels do not exclude each other */
    bool sparse;           /* weighs words */
    double created;
    bert_session *session;                   /* of the thread that computes */
    bert_tokenization *tokenization[CLERKS]; /* of each clerk */
} served;

typedef struct {
    atomic_int holders;
    int32_t n, models; /* rows; those that are no task */
    served *list;      /* [n], a model's tasks behind it */
} model_set;

/* Opens all of them, and runs each once, so that they are ready. */
model_set *models_open(const serve_options *o, bert_threads *threads, bert_error *e);
model_set *models_hold(model_set *set);
void models_let_go(model_set *set);
/* The first row behind `last` (NULL: of all) that has this name and this task; NULL: any. */
served *models_next(const model_set *set, const served *last, const char *name, const char *task);
/* What it can do, for who asks for something else: "labels (/predict ..) and embeddings". */
const char *models_can(const served *m);
#endif
