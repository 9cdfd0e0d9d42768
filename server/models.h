/* The models that are served, by name. */
#ifndef BERT_SERVER_MODELS_H
#define BERT_SERVER_MODELS_H
#include "server.h"
#include <stdatomic.h>

enum { CLERKS = 2 }; /* threads that read bodies and write answers */

typedef struct {
    const char *name; /* as it was asked for; the options' */
    bert_model *model;
    const char *head; /* "none", "sequence-classification" .. */
    bool pictures;
    int32_t limit, labels; /* tokens of a text; of its head */
    bool several;          /* labels do not exclude each other */
    double created;
    bert_session *session;                   /* of the thread that computes */
    bert_tokenization *tokenization[CLERKS]; /* of each clerk */
} served;

typedef struct {
    atomic_int holders;
    int32_t n;
    served list[];
} model_set;

/* Opens all of them, and runs each once, so that they are ready. */
model_set *models_open(const serve_options *o, bert_threads *threads, bert_error *e);
model_set *models_hold(model_set *set);
void models_let_go(model_set *set);
/* The model of that name; NULL: the first one that has such a head ("" or NULL: any), else the first. */
served *models_find(model_set *set, const char *name, const char *head);
/* What it can do, for who asks for something else: "embeddings, labels (/predict)". */
const char *models_can(const served *m);
#endif
