/* Sparse vectors and those of tokens: the options of commands that make them. */
#ifndef BERT_CLI_VECTORS_H
#define BERT_CLI_VECTORS_H
#include "embedding.h"

typedef struct {
    unsigned kinds; /* 0: not given */
    bert_side side;
    int32_t max_active;
    bool ids;
} vector_options;

int set_vectors(const option *o, void *target, const char *value, bert_error *e);
int set_side(const option *o, void *target, const char *value, bert_error *e);

#define VECTOR_OPTIONS(type, member)                                                               \
    {"vectors",                                                                                    \
     0,                                                                                            \
     "KIND,..",                                                                                    \
     "dense (default), sparse: weights of words, multi: a vector for each token; several of them " \
     "in one pass",                                                                                \
     set_vectors,                                                                                  \
     offsetof(type, member.kinds),                                                                 \
     0},                                                                                           \
        {"as",                                                                                     \
         0,                                                                                        \
         "query|document",                                                                         \
         "what the texts are in a search: prompts, markers and lengths that the model has for it", \
         set_side,                                                                                 \
         offsetof(type, member.side),                                                              \
         0},                                                                                       \
        {"max-active",                                                                             \
         0,                                                                                        \
         "N",                                                                                      \
         "only the N largest weights of a sparse vector (default: what the model says, else all)", \
         set_positive,                                                                             \
         offsetof(type, member.max_active),                                                        \
         0},                                                                                       \
    {                                                                                              \
        "ids", 0, NULL, "sparse vectors as indices and values, not by their words", set_true,      \
            offsetof(type, member.ids), 0                                                          \
    }

/* The head that a model is opened under for these vectors: NULL, its own, or "none". */
const char *vectors_head(unsigned kinds);
/* Vectors of all texts, to standard output or into a safetensors file. */
int vectors_run(const common *c, const embedding_options *embedding, const vector_options *o,
                const char *output, const bert_model *m, input *in, bert_error *e);
#endif
