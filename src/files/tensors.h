/* Named tensors of a file, or of the shards that an index names, whatever their format: a format is
 * a row. */
#ifndef BERT_FILES_TENSORS_H
#define BERT_FILES_TENSORS_H
#include "base/file.h"
#include "base/notes.h"
#include "files/stored.h"

typedef struct {
    bert_stored_tensor *items;
    int count, capacity;
} bert_tensor_list;
int bert_tensor_list_add(bert_tensor_list *l, const bert_stored_tensor *t, bert_error *e);

/* What a format is given. */
typedef struct {
    const char *path;
    const bert_mapping *map; /* all of the file, as long as the tensors live */
    bert_tensor_list *list;  /* to add to, in the order of the file */
    bert_notes *notes;       /* what to know before the tensors are used */
} bert_tensor_file;

/* What a format does with a file. Names, data and strides lie in the mapping, or in what open
 * returns, until that is closed. */
typedef struct {
    const char *suffix; /* of the files that an index may name */
    void *(*open)(const bert_tensor_file *in, bert_error *e);
    void (*close)(void *file);
    const char *(*metadata)(const void *file, const char *key); /* NULL: the format has none */
} bert_tensor_format;

/* Immutable when open, and shared by threads. */
typedef struct bert_tensors bert_tensors;
/* path: of a file, or of an index ("model.safetensors.index.json"), whose files are opened once each
 * and taken together, whichever tensor it says is where. */
bert_tensors *bert_tensors_open(const bert_tensor_format *format, const char *path, bert_error *e);
void bert_tensors_close(bert_tensors *t);             /* NULL-safe */
const char *bert_tensors_path(const bert_tensors *t); /* for messages */
int bert_tensors_count(const bert_tensors *t);
const bert_stored_tensor *bert_tensors_at(const bert_tensors *t, int i); /* in the order of files */
const bert_stored_tensor *bert_tensors_find(const bert_tensors *t, const char *name);
const char *bert_tensors_metadata(const bert_tensors *t, const char *key); /* NULL: none */
const char *bert_tensors_note(const bert_tensors *t, int i);               /* NULL past the end */

/* Copies what lies at `at`, in a tensor, without touching its pages; false: cannot. */
bool bert_tensors_read(const bert_tensors *t, const void *at, void *to, size_t bytes);
/* Gives the whole pages of it back to the system, where they can be read again. */
void bert_tensors_release(const bert_tensors *t, const void *at, size_t bytes);
#endif
