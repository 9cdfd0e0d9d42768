#include "models/beside.h"
#include "base/error.h"
#include "base/file.h"
#include "files/torch.h"
#include <stdlib.h>
#include <string.h>

bool bert_beside_has(const bert_pretrained *from, const char *name) {
    char *part = bert_path_join(bert_pretrained_folder(from), name);
    const bool there = part && bert_pretrained_has(from, part);
    free(part);
    return there;
}

int bert_beside_refuse(bert_error *refused, const bert_error *why, bert_error *e) {
    if (why->code == BERT_ENOMEM) return bert_fail(e, why->code, "%s", why->message);
    bert_fail(refused, why->code, "%s", why->message);
    return 0;
}

int bert_beside_linear(const bert_pretrained *from, const char *name, const char *act,
                       bert_modules *modules, bert_error *refused, bert_error *e) {
    bert_error why = {0};
    char *part = bert_path_join(bert_pretrained_folder(from), name);
    char *path = part ? bert_pretrained_where(from, part) : NULL;
    if (!path) bert_fail_memory(&why, strlen(name));
    bert_tensors *file = path ? bert_tensors_open(&bert_torch_format, path, &why) : NULL;
    int rc = file ? bert_modules_add_linear(modules, file, "weight", "bias", act, &why) : why.code;
    bert_tensors_close(file);
    free(path);
    free(part);
    return rc ? bert_beside_refuse(refused, &why, e) : 0;
}
