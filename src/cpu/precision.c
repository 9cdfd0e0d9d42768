#include "base/error.h"
#include "cpu/kernels.h"
#include <string.h>

static const char *const precision_names[BERT_PRECISION_COUNT] = {
    [BERT_PRECISION_HIGHEST] = "highest",
    [BERT_PRECISION_HIGH] = "high",
    [BERT_PRECISION_MEDIUM] = "medium",
    [BERT_PRECISION_INT8] = "int8",
};

const char *bert_precision_name(bert_precision p) {
    return (unsigned)p < BERT_PRECISION_COUNT ? precision_names[p] : "?";
}

const bert_gemm_kernel *bert_gemm_of(bert_precision p, int depth) {
    const bool deep = p == BERT_PRECISION_INT8 && depth > BERT_BYTES_DEPTH;
    return bert_cpu()->gemm[deep ? BERT_PRECISION_HIGHEST : p];
}

const bert_gemm_kernel *bert_gemm_kept(bert_precision p, int depth) {
    const bert_gemm_kernel *g = bert_gemm_of(p, depth);
    return g && g->kept ? g->kept : g;
}

int bert_precision_check(bert_precision p, const char *name, bert_error *e) {
    if ((unsigned)p < BERT_PRECISION_COUNT && bert_cpu()->gemm[p]) return 0;
    char list[100] = "";
    for (int i = 0; i < BERT_PRECISION_COUNT; i++)
        if (bert_cpu()->gemm[i]) {
            if (list[0]) strcat(list, ", ");
            strcat(list, precision_names[i]);
        }
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "precision \"%.40s\" is not available on this machine (%s); available: %s",
                     name, bert_cpu()->isa, list);
}

int bert_precision_parse(const char *name, bert_precision *p, bert_error *e) {
    BERT_DOOR(e);
    int i = 0;
    while (i < BERT_PRECISION_COUNT && strcmp(precision_names[i], name)) i++;
    int rc = bert_precision_check((bert_precision)i, name, e);
    if (!rc) *p = (bert_precision)i;
    return rc;
}
