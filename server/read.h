/* Bodies of requests: what they ask for, and their texts. */
#ifndef BERT_SERVER_READ_H
#define BERT_SERVER_READ_H
#include "exchange.h"
#include "operations.h"

/* A clerk's number, 0 to CLERKS - 1, says which working memory is its own. */
typedef struct {
    server *server;
    int number;
} clerk;

/* Members of an object; null and absent leave *out as it is. 0, or -1 and a fault. */
int read_bool(exchange *x, const json_t *o, const char *name, bool *out);
int read_int(exchange *x, const json_t *o, const char *name, int32_t least, int32_t most,
             int32_t *out);
int read_name(exchange *x, const json_t *o, const char *name, const char **out);
/* One of `names`, which ends with NULL, whatever its case. */
int read_choice(exchange *x, const json_t *o, const char *name, const char *const *names, int *out);
/* The request goes on pointing into v, when the rest of its body is gone. */
int keep_json(exchange *x, const json_t *v);
/* A list of strings, into wish.labels, kept. */
int read_labels(exchange *x, const json_t *o, const char *name);
/* The same of what each text is paired with: some, and no more than texts of a request. */
int read_choices(exchange *x, const json_t *o, const char *name);
/* The body's parameters: an object, or NULL where it has none. */
int read_parameters(exchange *x, const json_t **out);
/* Its member, which has to be there. */
const json_t *read_member(exchange *x, const json_t *o, const char *name);

/* Whether the body is a picture, or a form with one, by its Content-Type (NULL: none): then the model is set
 * and x->bytes are the picture's. */
int read_type(exchange *x, const char *type);
/* The body as JSON, or a fault. */
int read_json(exchange *x);
/* The model, and the task, that the body (or the path) names, or the first one that has what the operation
 * needs. */
int read_model(exchange *x, const json_t *body, const operation *op);
/* The fault that m has nothing for the operation. */
int no_head(exchange *x, const served *m, const operation *op);
/* truncate, truncation_direction, prompt_name. */
int read_truncate(exchange *x, const json_t *o);

/* Texts: a string, a list of ids, or a list of these. */
int read_texts(exchange *x, const json_t *inputs, const char *name);
/* The same, but [s, s] in a list is a pair, and so is a list of two strings alone. */
int read_pairs(exchange *x, const json_t *inputs);
/* Pictures: base64, or a list; or the body as it is. */
int read_pictures(exchange *x, const json_t *inputs);
int read_picture_bytes(exchange *x, const void *bytes, size_t n);
int set_text(exchange *x, item *i, const json_t *text, bool pair);
int set_query(exchange *x, const json_t *query);
/* Tokens of each item, and whether the model takes them. */
int read_tokens(exchange *x, const clerk *c);
#endif
