/* A checkpoint's tensors as the source of a model's parameters. */
#ifndef BERT_MODELS_WEIGHTS_H
#define BERT_MODELS_WEIGHTS_H
#include "base/notes.h"
#include "files/pretrained.h"
#include "models/arch.h"
#include "models/late.h"
#include "models/packed.h"
#include "tape/params.h"
#include <stdatomic.h>

/* The parameters of a task's head begin with it, the task's name and a dot. */
#define BERT_TASKS_PREFIX "tasks."

typedef struct {
    char **items;
    int n, capacity;
} bert_names;

typedef struct {
    const char *path; /* of the file, for messages */
    bert_tensors *file;
    const bert_arch *arch;
    bert_part part; /* of what is being made: a missing tensor of the trunk is an error, others are
                       initialised and reported as new */
    bert_packed_weights packed;
    const char *scope; /* in front of the names of the head's tensors in the file; or NULL */
    bool raw; /* values are only to be saved: they stand for what is stored, whatever its type */
    int32_t layers; /* of the file, where who opens it may want more, which are new then; else 0 */
    bool resized;   /* num_labels is not the checkpoint's: a misshapen tensor of the head is new */
    const bert_stored_tensor **used;
    int used_count, used_capacity;
    bert_names added, unused, missing;
    bert_arena converted; /* values that are not float32 in the file */
    bert_lates lates;     /* that are not aligned in it */
    void *absent;         /* stands for missing tensors until all of them are known */
    size_t absent_bytes;
    _Atomic(const char *) not_finite; /* a tensor that was found to hold a NaN or an infinity */
} bert_weight_source;

/* The weights of a checkpoint; an error when there are none, or none that can be read. */
int bert_weight_source_open(bert_weight_source *s, const bert_pretrained *from, bert_error *e);
/* find of bert_param_source; context is a bert_weight_source. */
int bert_weight_source_find(void *context, const char *name, int32_t rows, int32_t cols,
                            const float **value, bert_error *e);
/* done of bert_param_source: gives the pages of a mapped value back to the system, and notes its
 * name when it is not finite. */
void bert_weight_source_done(void *context, const float *value, size_t bytes, bool finite);
/* read of bert_param_source. */
bool bert_weight_source_read(void *context, const float *at, float *to, size_t bytes);
/* late and fill of bert_param_source. */
bool bert_weight_source_late(void *context, const float *value);
void bert_weight_source_fill(void *context, const float *at, size_t bytes);
/* differs of bert_param_source. */
bool bert_weight_source_differs(void *context, const char *name);
/* After the last parameter: an error that lists what is missing; else fills unused. */
int bert_weight_source_finish(bert_weight_source *s, bert_error *e);
/* Says which tensors look like the encoder's and are not used; layers: of the configuration. */
int bert_weight_source_notes(const bert_weight_source *s, int32_t layers, bert_notes *notes,
                             bert_error *e);
/* The tensor that a value of a raw source is, or NULL. */
const bert_stored_tensor *bert_weight_source_stored(const bert_weight_source *s, const void *value);
/* Whether a tensor of the file says something that no parameter does. */
bool bert_weight_source_keeps(const bert_weight_source *s, const bert_stored_tensor *t);
/* A tensor's name as it is called today: malloc'ed, NULL: out of memory. */
char *bert_weight_source_name(const bert_stored_tensor *t);
void bert_weight_source_free(bert_weight_source *s); /* not the struct itself */
/* Whether a tensor is there, under any of the names it may have. */
bool bert_weight_source_has(const bert_weight_source *s, const char *name);
/* Of a file that holds the head of masked words, but not its decoder, which the configuration says is
 * no copy of the word embeddings: an error. */
int bert_weight_source_untied(const bert_weight_source *s, const bert_head_layout *layout,
                              bert_error *e);

/* BERT_ENUMERIC with the name of a tensor that was found not to be finite. */
int bert_weight_source_check(const bert_weight_source *s, bert_error *e);
/* The same for every parameter, now. */
int bert_params_check_finite(const bert_params *ps, bert_error *e);

/* Writes the parameters that keep is true of (NULL: every one, and what the family keeps of the
 * checkpoint s beside them) under their names, as save_pretrained does. */
int bert_params_save(const bert_params *ps, const bert_weight_source *s, const char *path,
                     bert_param_filter *keep, void *context, bert_error *e);
#endif
