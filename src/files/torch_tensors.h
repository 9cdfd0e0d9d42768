/* The tensors that a pickle of PyTorch's describes: views of storages, which lie elsewhere. */
#ifndef BERT_FILES_TORCH_TENSORS_H
#define BERT_FILES_TORCH_TENSORS_H
#include "files/pickle.h"
#include "files/tensors.h"

/* A pickle's storage: its key, and where the file has it. */
typedef struct {
    const char *key; /* no NUL behind it */
    size_t key_bytes;
    bert_dtype dtype;
    uint64_t numel;
    const unsigned char *data; /* NULL: not found yet */
} bert_torch_storage;

typedef struct {
    bert_torch_storage *list; /* by key */
    int count;
} bert_torch_storages;

/* What a pickle may name. */
extern const bert_pickle_global bert_torch_globals[];

/* Every storage that the pickle names, each once. */
int bert_torch_storages_of(const bert_pickle *p, bert_torch_storages *s, bert_error *e);
bert_torch_storage *bert_torch_storage_find(const bert_torch_storages *s, const char *key,
                                            size_t bytes);
/* Bytes of a storage, or UINT64_MAX where no file has as many. */
uint64_t bert_torch_storage_bytes(const bert_torch_storage *s);

/* Adds the tensors of a state_dict, or of the dict that holds one, to the list. */
int bert_torch_add_tensors(const bert_pickle *p, const bert_pickle_value *root,
                           const bert_torch_storages *s, const bert_tensor_file *in, bert_error *e);
#endif
