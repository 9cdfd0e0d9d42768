/* Named matrices in a safetensors file, for users' results. */
#include "base/error.h"
#include "files/safetensors.h"
#include <stdlib.h>
#include <string.h>

/* What would make a file that nobody can read. */
static int check(const bert_named_matrix *matrices, int i, bert_error *e) {
    const bert_named_matrix *m = &matrices[i];
    if (!m->name || !m->f32 == !m->i32 || m->rows < 0 || m->cols < 0 ||
        m->rows > INT64_MAX / 4 / (m->cols ? m->cols : 1))
        return bert_fail(e, BERT_EINVAL,
                         "matrix %d, %s [%lld, %lld]: a name, a size and one of f32 and i32 are "
                         "needed",
                         i, m->name ? m->name : "(null)", (long long)m->rows, (long long)m->cols);
    bool taken = !strcmp(m->name, "__metadata__");
    for (int j = 0; j < i; j++) taken |= !strcmp(m->name, matrices[j].name);
    return taken ? bert_fail(e, BERT_EINVAL, "matrix %d: the name %s is taken", i, m->name) : 0;
}

int bert_save_matrices(const char *path, const bert_named_matrix *matrices, int n, bert_error *e) {
    BERT_DOOR(e);
    for (int i = 0; i < n; i++)
        if (check(matrices, i, e)) return BERT_EINVAL;
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
