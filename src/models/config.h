/* What a configuration is made of: keys, as a table, and labels. config_file.h reads one. */
#ifndef BERT_MODELS_CONFIG_H
#define BERT_MODELS_CONFIG_H
#include <bert.h>
#include <jansson.h>
#include <stddef.h>

typedef enum { BERT_KEY_INT, BERT_KEY_FLOAT, BERT_KEY_BOOL, BERT_KEY_STRING } bert_key_type;

/* One key of one model type. A missing or null key has the default. */
typedef struct {
    const char *name;
    bert_key_type type;
    bool own;         /* a member of the architecture's own configuration, not of bert_config */
    size_t offset;    /* in it */
    double min, max;  /* numbers: the range that is let in, both ends included */
    double value;     /* default of a number or a truth value */
    const char *text; /* default of a string */
} bert_config_key;

/* A name that published files have for a key; it counts where the key itself is absent. */
typedef struct {
    const char *name, *key;
} bert_config_alias;

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

/* The rows of an architecture's table of keys: of a member of bert_config, whose key has its name;
 * and of any member, by its offset, under any name. Bounds are far above every published model and
 * far below what could overflow a product. */
enum {
    BERT_MAX_VOCAB = 1 << 24,
    BERT_MAX_WIDTH = 1 << 16,
    BERT_MAX_LAYERS = 1 << 10,
    BERT_MAX_POSITIONS = 1 << 20
};
#define BERT_KEY_AT(member) offsetof(bert_config, member)
#define BERT_INT(key, member, def, min, max)                                                       \
    { key, BERT_KEY_INT, false, BERT_KEY_AT(member), min, max, def, NULL }
#define BERT_FLOAT(key, member, def, min, max)                                                     \
    { key, BERT_KEY_FLOAT, false, BERT_KEY_AT(member), min, max, def, NULL }
#define BERT_STRING(key, member, def)                                                              \
    { key, BERT_KEY_STRING, false, BERT_KEY_AT(member), 0, 0, 0, def }
#define BERT_BOOL(key, member, def)                                                                \
    { key, BERT_KEY_BOOL, false, BERT_KEY_AT(member), 0, 0, def, NULL }
#define BERT_PROBABILITY(key, member, def) BERT_FLOAT(key, member, def, 0, 0.999)
/* The same of a member of the architecture's own configuration, `type`. */
#define BERT_OWN_INT(key, type, member, def, min, max)                                             \
    { key, BERT_KEY_INT, true, offsetof(type, member), min, max, def, NULL }
#define BERT_OWN_FLOAT(key, type, member, def, min, max)                                           \
    { key, BERT_KEY_FLOAT, true, offsetof(type, member), min, max, def, NULL }
#define BERT_OWN_BOOL(key, type, member, def)                                                      \
    { key, BERT_KEY_BOOL, true, offsetof(type, member), 0, 0, def, NULL }
#define BERT_OWN_STRING(key, type, member, def) /* char member[BERT_MAX_NAME] */                   \
    { key, BERT_KEY_STRING, true, offsetof(type, member), 0, 0, 0, def }

/* What the tables say of config.json, into *c and own, the architecture's own configuration. where:
 * the file's name for messages. */
int bert_config_read_keys(const json_t *json, const bert_config_key *keys,
                          const bert_config_fixed *fixed, bert_config *c, void *own,
                          const char *where, bert_error *e);
#endif
