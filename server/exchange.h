/* One request, from its head to its answer. It belongs to one thread at a time: the loop takes it in and
 * answers it, a clerk reads its body and writes its answer, the one that computes has its texts. */
#ifndef BERT_SERVER_EXCHANGE_H
#define BERT_SERVER_EXCHANGE_H
#include "models.h"
#include "text.h"

typedef struct server server;
typedef struct route route;
typedef struct operation operation;
typedef struct exchange exchange;

/* How clients want to be told of errors. */
typedef enum { DIALECT_TEI, DIALECT_OPENAI, DIALECT_RERANK } dialect;

/* What is wrong: a row of status, names and all (faults.c). */
typedef enum {
    FAULT_NONE,
    FAULT_MALFORMED,
    FAULT_EMPTY,
    FAULT_KEY,
    FAULT_UNKNOWN,
    FAULT_MODEL,
    FAULT_METHOD,
    FAULT_LATE,
    FAULT_LARGE,
    FAULT_MEDIA,
    FAULT_INVALID,
    FAULT_BATCH,
    FAULT_TOKENS,
    FAULT_HEAD,
    FAULT_FULL,
    FAULT_LONG_HEAD,
    FAULT_BACKEND,
    FAULT_NO_METHOD,
    FAULT_STOPPING,
    FAULT_COUNT
} fault_kind;

/* One text, pair or picture, and what came of it. */
typedef struct {
    char *text, *pair; /* its own */
    size_t bytes, pair_bytes;
    int32_t *ids; /* instead of text */
    int32_t ids_count;
    bert_image *image;
    int32_t tokens, windows; /* that it is read as */
    float *values;           /* numbers, or */
    int32_t *words;          /* that values weigh; NULL: they weigh none */
    int32_t count;
    json_t *json;
} item;

/* What a request asks for beside its texts. */
typedef struct {
    bool truncate, left; /* long texts are cut, from the front */
    const char *prompt;  /* the model's, or NULL */
    int normalize;
    int32_t dimensions;
    bert_scores scores;
    bool one;   /* the answer is of one text, not a list */
    bool lists; /* of the hub's dialect: a list in a list */
    bool raw, return_text, base64, multi_label, specials;
    int32_t top_k;
    int clerk; /* who reads it, and writes the tokens that he finds */
    char *query;
    size_t query_bytes;
    bert_aggregation aggregation;
    bert_answer_options answer;
    const char *pattern; /* hypothesis_template */
    const char **labels; /* or targets, or endings */
    int32_t labels_count;
} wish;

typedef enum {
    AT_ARRIVED,  /* the request was whole */
    AT_READ,     /* a clerk had parsed it and counted its tokens */
    AT_STARTED,  /* the first of its texts was computed */
    AT_COMPUTED, /* the last one */
    AT_COUNT
} stage;

struct exchange {
    server *server;
    struct evhttp_request *request; /* the loop's alone */
    const route *route;
    model_set *models; /* that there were when it came */
    served *named;     /* the model in its path; NULL: none */
    served *model;
    char id[132];
    int fd;
    bool head, gone, picture; /* picture: its body is one, as it is */
    /* what was asked */
    char *bytes; /* the body */
    size_t n_bytes;
    json_t *body, *kept; /* kept: what wish points to, of the body */
    wish wish;
    const operation *operation;
    char *key; /* requests of one operation, model and key may share a batch */
    item *items;
    int32_t n, next, left; /* items; that are begun; that are not done */
    bool computed;
    /* what is answered */
    fault_kind fault;
    char message[700];
    int retry_after;
    text answer;
    int64_t reserved; /* bytes of the answer, or what they will be, in the server's `answers` */
    const char *answer_type; /* NULL: JSON */
    double at[AT_COUNT];
    int64_t tokens, characters, results; /* results: of masks that are filled */
    exchange *after, *before;            /* in the list that it is in */
};

exchange *exchange_new(server *s);
/* Its body goes: all has been read that was wanted. */
void exchange_forget_body(exchange *x);
void exchange_free(exchange *x);
/* Takes it as failed, unless it has already; returns -1. */
int fault(exchange *x, fault_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Of an error of the library. */
int fault_of(exchange *x, const bert_error *e);
int fault_memory(exchange *x);
/* Room for n items; -1: a fault. */
int exchange_items(exchange *x, int32_t n);

/* ---- Rows of faults */
int fault_status(fault_kind kind);
const char *fault_reason(fault_kind kind); /* of the status line */
/* As /metrics counts it; NULL: it does not. */
const char *fault_metric(fault_kind kind);
/* The body that says it in a dialect. */
void fault_body(fault_kind kind, dialect d, const char *message, text *out);
/* Seconds of a monotonic clock. */
double now(void);
#endif
