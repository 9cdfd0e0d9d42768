/* What can be asked for: a row a route. */
#ifndef BERT_SERVER_ROUTES_H
#define BERT_SERVER_ROUTES_H
#include "read.h"

struct route {
    const char *method, *path;
    const char *summary; /* of /openapi.json, */
    const char *request; /* and the properties of a request's body there, as JSON; */
    const char
        *required; /* those that have to be there, by spaces; NULL: none. The others may be null */
    dialect dialect;
    bool open; /* needs no key */
    /* Answered by the loop, at once, or */
    void (*plain)(server *s, exchange *x);
    /* its body read by a clerk: the texts and what is wanted of them (or no operation: it is only to be
     * written), and what was computed written. 0, or -1 and a fault. */
    int (*read)(exchange *x, const clerk *c);
    void (*write)(exchange *x);
};

/* The tables of the dialects, each ended by a row without a path. */
extern const route tei_routes[], task_routes[], openai_routes[], rerank_routes[], plain_routes[];
/* Row i of all tables; NULL past the end. */
const route *route_at(int i);
/* Of a path; a method that it does not have: NULL, and what it has in *allowed ("GET, HEAD"). */
const route *route_find(const char *method, const char *path, text *allowed);

/* What several tables use. */
int read_embed(exchange *x, const json_t *body, const json_t *inputs, const char *name);
/* Which of n values is the largest, and so on down: an array of n, or NULL. */
int32_t *best_first(const float *values, int32_t n);
/* The same of the texts of a reranked request. */
int32_t *best_texts(const exchange *x);
/* The body and the model of a request to rerank, whatever its dialect. */
int read_reranker(exchange *x);
/* The first members of bodies that are the same everywhere. */
#define TRUNCATE_PROPERTIES                                                                        \
    "\"truncate\":{\"type\":\"boolean\"},"                                                         \
    "\"truncation_direction\":{\"type\":\"string\",\"enum\":[\"Left\",\"Right\",\"left\","         \
    "\"right\"]}"
/* A text, texts, or ids in their place: of one text, or of several. */
#define INPUT_TYPE                                                                                 \
    "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"minItems\":1,\"items\":{\"oneOf\":["  \
    "{\"type\":\"string\"},{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"integer\"}}]}" \
    "},{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"integer\"}}]}"
#endif
