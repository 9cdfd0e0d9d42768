/* config.json: reading it by a table of keys, and writing it back. */
#ifndef BERT_MODELS_CONFIG_H
#define BERT_MODELS_CONFIG_H
#include <bert.h>
#include <jansson.h>

typedef struct bert_arch bert_arch;

typedef enum { BERT_KEY_INT, BERT_KEY_FLOAT, BERT_KEY_BOOL, BERT_KEY_STRING } bert_key_type;

/* One key of one model type. A missing or null key has the default. */
typedef struct {
    const char *name;
    bert_key_type type;
    size_t offset;    /* in bert_config */
    double min, max;  /* numbers: the range that is let in, both ends included */
    double value;     /* default of a number or a truth value */
    const char *text; /* default of a string */
} bert_config_key;

/* A key with which the model would compute something else than this library does; refused unless
 * absent, null or this value. */
typedef struct {
    const char *name;
    const char *value; /* JSON text: "false", "\"absolute\"" */
} bert_config_fixed;

/* Label names; name[i] belongs to class i. */
typedef struct {
    int32_t n;
    char **name;
    bert_error
        refused; /* set where id2label names no classes 0 to n - 1: for those who need them */
} bert_labels;
void bert_labels_free(bert_labels *l);
/* names NULL: "LABEL_0", "LABEL_1", ... */
int bert_labels_set(bert_labels *l, int32_t n, const char *const *names, bert_error *e);

/* where: the file's name for messages. Fills *c, *labels and *arch. */
int bert_config_read(const json_t *json, const char *where, bert_config *c, bert_labels *labels,
                     const bert_arch **arch, bert_error *e);
/* What save writes: the file as it was read (keys that mean nothing to us included) with the
 * architecture, the labels and the problem type as they are now, and float32 as the type. A new
 * reference, or NULL. */
json_t *bert_config_write(const json_t *original, const bert_config *c, const bert_labels *labels,
                          bert_error *e);
#endif
