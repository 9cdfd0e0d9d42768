/* The options of commands that make vectors of texts. */
#ifndef BERT_CLI_EMBEDDING_H
#define BERT_CLI_EMBEDDING_H
#include "cli.h"

typedef struct {
    bool given;
    int32_t number; /* of a hidden state, from the end where it is negative */
} chosen_layer;

typedef struct {
    bert_pooling pooling[BERT_MAX_POOLINGS];
    bool normalize, no_normalize;
    const char *prompt, *prompt_name;
    int32_t dimensions;
    chosen_layer layer;
} embedding_options;

int set_poolings(const option *o, void *target, const char *value, bert_error *e);
int set_layer(const option *o, void *target, const char *value, bert_error *e);

#define PROMPT_OPTIONS(type, member)                                                               \
    {"prompt",   0,                                                                                \
     "TEXT",     "put before each text; '' for none (default: what the model says)",               \
     set_string, offsetof(type, member.prompt),                                                    \
     0},                                                                                           \
    {                                                                                              \
        "prompt-name", 0, "NAME", "one of the model's prompts, instead of its default one",        \
            set_string, offsetof(type, member.prompt_name), 0                                      \
    }
#define EMBEDDING_OPTIONS(type, member)                                                            \
    {"pooling",                                                                                    \
     0,                                                                                            \
     "NAME,..",                                                                                    \
     "how a text's tokens become one vector: mean, cls, max, sum, pooler, "                        \
     "mean_sqrt_len_tokens, weightedmean, lasttoken; several are joined (default: what the model " \
     "says, else mean)",                                                                           \
     set_poolings,                                                                                 \
     offsetof(type, member.pooling),                                                               \
     0},                                                                                           \
        {"normalize",                                                                              \
         0,                                                                                        \
         NULL,                                                                                     \
         "vectors of length 1, whatever the model says",                                           \
         set_true,                                                                                 \
         offsetof(type, member.normalize),                                                         \
         0},                                                                                       \
        {"no-normalize",                                                                           \
         0,                                                                                        \
         NULL,                                                                                     \
         "vectors as they are, whatever the model says",                                           \
         set_true,                                                                                 \
         offsetof(type, member.no_normalize),                                                      \
         0},                                                                                       \
        {"dimensions",                                                                             \
         0,                                                                                        \
         "N",                                                                                      \
         "only the first N numbers (Matryoshka; default: what the model "                          \
         "says, else all)",                                                                        \
         set_positive,                                                                             \
         offsetof(type, member.dimensions),                                                        \
         0},                                                                                       \
        {"layer",   0,                                                                             \
         "N",       "pool hidden state N, 0 the embeddings, -1 the last (default)",                \
         set_layer, offsetof(type, member.layer),                                                  \
         0},                                                                                       \
        PROMPT_OPTIONS(type, member)

/* What they come to for a model. */
int embedding_task(const common *c, const embedding_options *o, const bert_model *m,
                   bert_text_options *task, bert_error *e);
#endif
