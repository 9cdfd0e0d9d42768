/* A kind of place that a checkpoint may be: a row of pretrained.h's. */
#ifndef BERT_FILES_PRETRAINED_KIND_H
#define BERT_FILES_PRETRAINED_KIND_H
#include "files/tensors.h"

/* What a kind of place does. Called by several threads at once, but for open and close. */
typedef struct {
    const char *name;
    bool (*recognises)(const char *path);
    void *(*open)(const char *path, bert_error *e);
    void (*close)(void *place);
    bool (*has)(const void *place, const char *part);
    /* A part as malloc'ed text with a NUL behind it; limit: refuse more bytes, 0: none. */
    int (*read)(const void *place, const char *part, size_t limit, char **text, size_t *bytes,
                bert_error *e);
    /* The tensors of a folder, "" the place itself. NULL without an error: there are none. */
    bert_tensors *(*tensors)(const void *place, const char *folder, bert_error *e);
    /* The parts in a folder, not those in folders of its own: calls `each` until that fails. NULL:
     * it has no folders. */
    int (*list)(const void *place, const char *folder,
                int (*each)(void *context, const char *part, bert_error *e), void *context,
                bert_error *e);
    /* Fails saying why it has no config.json, or no tensors, and what to do. NULL: it is just said
     * that it has none. */
    int (*lacks)(const void *place, const char *folder, bool config, bert_error *e);
    /* What its files of weights are called; i counts from 0, NULL past the end. NULL: nothing. */
    const char *(*weight_file)(int i);
} bert_pretrained_kind;
#endif
