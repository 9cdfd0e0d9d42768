/* Named matrices in a safetensors file, for users' results. */
#include "base/error.h"
#include "files/safetensors.h"
#include <stdlib.h>

int bert_save_matrices(const char *path, const bert_named_matrix *matrices, int n, bert_error *e) {
    bert_stored_tensor *t = calloc(n > 0 ? (size_t)n : 1, sizeof *t);
    if (!t) return bert_fail_memory(e, (size_t)n * sizeof *t);
    for (int i = 0; i < n; i++) {
        const bert_named_matrix *m = &matrices[i];
        t[i] = (bert_stored_tensor){
            .name = m->name,
            .dtype = m->f32 ? BERT_F32 : BERT_I32,
            .dims = m->cols ? 2 : 1,
            .shape = {m->rows, m->cols},
            .data = m->f32 ? (const void *)m->f32 : m->i32,
            .bytes = (size_t)m->rows * (size_t)(m->cols ? m->cols : 1) * 4,
        };
    }
    int rc = bert_safetensors_save(path, t, n, NULL, e);
    free(t);
    return rc;
}
