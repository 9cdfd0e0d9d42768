/* A zip archive whose members are stored, not compressed, as PyTorch writes them: where each lies. */
#ifndef BERT_FILES_ZIP_H
#define BERT_FILES_ZIP_H
#include <bert.h>

typedef struct {
    const char *name; /* no NUL behind it */
    size_t name_bytes;
    uint64_t local; /* offset of the member's own header */
    const unsigned char *data;
    size_t size;
    bool compressed, encrypted; /* so it cannot be read */
} bert_zip_member;

typedef struct {
    bert_zip_member *members; /* in the order of the data; none overlaps another */
    int count;
    int *by_name;
} bert_zip;

/* path: for messages. Sizes and places are those of the central directory. */
int bert_zip_open(bert_zip *z, const unsigned char *data, size_t size, const char *path,
                  bert_error *e);
void bert_zip_free(bert_zip *z);
/* NULL: there is none of that name. */
bert_zip_member *bert_zip_find(const bert_zip *z, const char *name, size_t bytes);
#endif
