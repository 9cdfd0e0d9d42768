/* A recipe: what a classifier is made of, in JSON, and read. */
#ifndef BERT_RECIPE_RECIPE_H
#define BERT_RECIPE_RECIPE_H
#include "recipe/place.h"
#include <bert_train.h>
#include <jansson.h>
#include <stdatomic.h>

/* What a head of a recipe is called in config.json, and the file beside that. */
#define BERT_RECIPE_HEAD "recipe"
#define BERT_RECIPE_FILE "recipe.json"

enum { BERT_RECIPE_VIEWS = 16, BERT_RECIPE_LAYERS = 64, BERT_RECIPE_TERMS = 16 };

typedef enum {
    BERT_LAYER_DROPOUT,
    BERT_LAYER_LINEAR,
    BERT_LAYER_NORM,
    BERT_LAYER_ACTIVATION
} bert_layer_kind;

/* An item of the head's list. */
typedef struct {
    bert_layer_kind kind;
    int line;        /* of the file */
    float p;         /* dropout */
    int32_t in, out; /* linear (in also of a norm): 0: what comes; as many as there are labels */
    bool unbiased;
    float eps;
    bert_act act;
} bert_recipe_layer;

typedef enum {
    BERT_COMBINE_NONE,
    BERT_COMBINE_MAX,
    BERT_COMBINE_MEAN,
    BERT_COMBINE_SUM,
    BERT_COMBINE_CONCATENATE,
    BERT_COMBINE_TERMS /* of two views, side by side */
} bert_combine_kind;

typedef enum {
    BERT_TERM_U,
    BERT_TERM_V,
    BERT_TERM_APART, /* |u-v| */
    BERT_TERM_TIMES,
    BERT_TERM_MINUS
} bert_term;

/* A task: a head, and the rows that it learns from. Strings are the JSON's. */
typedef struct {
    const char *prefix; /* of the names of its parameters: "classifier" */
    bert_recipe_view view[BERT_RECIPE_VIEWS];
    int views; /* 0: nothing is said of them, there is one */
    bert_pooling pooling[BERT_MAX_POOLINGS];
    int poolings;
    bert_combine_kind combine;
    bert_term term[BERT_RECIPE_TERMS];
    int terms;
    bert_recipe_layer layer[BERT_RECIPE_LAYERS];
    int layers, head_line;
    const char *problem_type; /* or NULL */
    double loss_weight;
    bert_scores scores;
    char *label; /* as bert_dataset_options.label_column takes it; NULL: nothing is said */
    int labels;  /* how many of a list */
    bool ranged; /* image_range is given */
    double range[2];
    char **train_files, **validation_files; /* where they are, up to NULL; or NULL */
    const char *metric;
} bert_recipe_task;

enum { BERT_RECIPE_TASKS = 64 };

struct bert_recipe {
    atomic_int users;
    bert_recipe *tasks[BERT_RECIPE_TASKS]; /* [task_count] each with a name */
    int task_count;
    char *name;  /* of a task, or NULL */
    char *alone; /* of a task: the recipe that it would be without the others */
    double loss_weight;
    char temperature[40], weights[1024]; /* "": nothing is said */
    const char *batches;                 /* or NULL */
    char *where;                         /* the file, for messages */
    char *text;                          /* as it was read */
    json_t *json;
    const char *encoder;
    char *config; /* keys of config.json, as JSON; NULL: none */
    bert_recipe_task task;
    char range_text[64];
    bert_head head;
};

/* Of whoever else needs it: free it, too. */
bert_recipe *bert_recipe_share(const bert_recipe *r);
/* BERT_EFORMAT: where in the file, what is wrong. */
int bert_recipe_fail(const bert_recipe *r, const bert_json_place *at, bert_error *e,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));
/* r->json into the rest of it: read.c. */
int bert_recipe_read(bert_recipe *r, bert_error *e);
/* The recipe of a task: r's keys, and over them those of the object at that place: read.c. */
int bert_recipe_read_task(bert_recipe *t, const json_t *own, const bert_json_place *at,
                          bert_error *e);
/* tasks.c: what "tasks", "sampling" and "batches" say. */
int bert_recipe_read_tasks(bert_recipe *r, const json_t *tasks, const bert_json_place *at,
                           bert_error *e);
int bert_recipe_read_sampling(bert_recipe *r, const json_t *v, const bert_json_place *at,
                              bert_error *e);
int bert_recipe_read_batches(bert_recipe *r, const json_t *v, const bert_json_place *at,
                             bert_error *e);
/* recipe.c: its head follows from its task. */
void bert_recipe_make_head(bert_recipe *r);
/* The items of a head: layers.c. */
int bert_recipe_read_head(const bert_recipe *r, bert_recipe_task *t, const json_t *list,
                          const bert_json_place *at, bert_error *e);
void bert_recipe_free_files(char **list); /* up to NULL; NULL-safe */
/* What a value is, for messages: "a text". */
const char *bert_recipe_kind(const json_t *v);

/* How many columns combined rows have beside those of a view. */
int32_t bert_combine_factor(const bert_recipe_task *t);
/* The poolings that a head can be made of. */
bool bert_recipe_pools(bert_pooling p);
/* "max", .. or "|u-v|": their number; -1. */
int bert_combine_find(const char *name);
int bert_term_find(const char *name);
const char *bert_combine_names(void);
const char *bert_term_names(void);

/* What the last linear gives; 0: as many as there are labels, or there is none. */
int32_t bert_recipe_outputs(const bert_recipe_task *t);
/* The poolings, and of DEFAULT scores what the recipe says. */
bert_scores bert_recipe_scores(const bert_recipe *r, bert_scores asked);
/* The head of a recipe, which stays as long as the recipe does: head.c. */
extern const bert_head bert_recipe_head_row;
#endif
