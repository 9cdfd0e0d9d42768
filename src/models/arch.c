#include "models/arch.h"
#include "base/error.h"
#include <stdio.h>
#include <string.h>

#define BERT_ARCHS(X)                                                                              \
    X(bert)                                                                                        \
    X(roberta)                                                                                     \
    X(xlm_roberta)                                                                                 \
    X(camembert)                                                                                   \
    X(distilbert)                                                                                  \
    X(electra)                                                                                     \
    X(mpnet)                                                                                       \
    X(albert)                                                                                      \
    X(modernbert)                                                                                  \
    X(nomic_bert)                                                                                  \
    X(gte)                                                                                         \
    X(new)                                                                                         \
    X(jina)                                                                                        \
    X(deberta)                                                                                     \
    X(deberta_v2)                                                                                  \
    X(esm)                                                                                         \
    X(vit)                                                                                         \
    X(deit)                                                                                        \
    X(dinov2)                                                                                      \
    X(dinov2_with_registers)
#define DECLARED(name) extern const bert_arch bert_arch_##name;
BERT_ARCHS(DECLARED)

#define LISTED(name) &bert_arch_##name,
const bert_arch *const bert_archs[] = {BERT_ARCHS(LISTED) NULL};

const bert_arch *bert_arch_find(const char *model_type, const char *where, bert_error *e) {
    char list[300] = "";
    for (const bert_arch *const *a = bert_archs; *a; a++) {
        if ((*a)->when) continue;
        if (!strcmp((*a)->model_type, model_type)) return *a;
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", (*a)->model_type);
    }
    bert_fail(e, BERT_EUNSUPPORTED, "%s: model_type \"%s\" is not supported; supported: %s", where,
              model_type, list);
    return NULL;
}

const bert_arch *bert_arch_of_class(const char *class_name) {
    for (const bert_arch *const *a = bert_archs; *a; a++) {
        size_t n = strlen((*a)->class_prefix);
        if (!strncmp(class_name, (*a)->class_prefix, n) &&
            (!strncmp(class_name + n, "For", 3) || !strcmp(class_name + n, "Model")))
            return *a;
    }
    return NULL;
}

const bert_arch_head *bert_arch_head_find(const bert_arch *a, const char *head) {
    for (const bert_arch_head *h = a->heads; h->head; h++)
        if (!strcmp(h->head, head)) return h;
    return NULL;
}

const bert_arch_head *bert_arch_head_of_class(const bert_arch *a, const char *class_name) {
    for (const bert_arch_head *h = a->heads; h->head; h++)
        if (!strcmp(h->class_name, class_name)) return h;
    return NULL;
}
