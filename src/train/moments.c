#include "train/moments.h"
#include "base/error.h"
#include "base/file.h"
#include "base/finite.h"
#include "files/safetensors.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What there is of a parameter. */
static const char *const prefixes[] = {"exp_avg.", "exp_avg_sq.", "step."};
enum { FIRST, SECOND, STEPS, KINDS };

static char *joined(const char *a, const char *b) {
    char *s;
    return asprintf(&s, "%s%s", a, b) < 0 ? NULL : s;
}

/* ---- Saving */

typedef struct {
    bert_trainer *t;
    bert_stored_tensor *list;
    int64_t *steps; /* [parameters] */
    int n;
    int *params;       /* [n] the number of the parameter of each */
    float *room;       /* of moments that do not lie here: for the largest */
    const float *data; /* the one that is written now */
    int fetched;       /* of the list, those that have come */
} moments;

static int add_row(moments *x, int param, int kind, bert_error *e) {
    const bert_param *p = bert_params_at(bert_model_params(x->t->model), param);
    const bool whole = kind == STEPS;
    char *name = joined(prefixes[kind], bert_param_name(p));
    if (!name) return bert_fail_memory(e, 1);
    x->params[x->n] = param;
    x->list[x->n++] = (bert_stored_tensor){
        .name = name,
        .dtype = whole ? BERT_I64 : BERT_F32,
        .dims = whole ? 1 : 2,
        .shape = {whole ? 1 : p->rows, p->cols},
        .data = &x->steps[param], /* of moments it comes when they are written */
        .bytes = whole ? sizeof *x->steps : bert_param_size(p) * sizeof(float)};
    return BERT_OK;
}

/* Whether this process has all moments, and can read them where they lie. */
static bool is_here(const bert_trainer *t) {
    return t->group->size < 2 && bert_model_params(t->model)->device->host;
}

/* The same list in every process. */
static int list_moments(moments *x, bert_error *e) {
    bert_params *ps = bert_model_params(x->t->model);
    const size_t n = (size_t)bert_params_count(ps);
    size_t most = 0;
    x->list = calloc(KINDS * n + 1, sizeof *x->list);
    x->params = calloc(KINDS * n + 1, sizeof *x->params);
    x->steps = calloc(n + 1, sizeof *x->steps);
    if (!x->list || !x->params || !x->steps) return bert_fail_memory(e, n * sizeof *x->list);
    for (int i = 0; i < bert_params_count(ps); i++) {
        const bert_param *p = bert_params_at(ps, i);
        if (!bert_optimizer_has_state(x->t->optimizer, p)) continue;
        const bert_adamw_state *s = bert_optimizer_state(x->t->optimizer, p, e);
        if (!s) return e->code;
        x->steps[i] = (int64_t)s->steps;
        if (bert_param_size(p) > most) most = bert_param_size(p);
        for (int kind = 0; kind < KINDS; kind++)
            if (add_row(x, i, kind, e)) return e->code;
    }
    if (is_here(x->t)) return BERT_OK;
    x->room = malloc((most + 1) * sizeof *x->room);
    return x->room ? BERT_OK : bert_fail_memory(e, most * sizeof *x->room);
}

static void moments_free(moments *x) {
    for (int i = 0; i < x->n; i++) free((char *)(uintptr_t)x->list[i].name);
    free(x->list);
    free(x->params);
    free(x->steps);
    free(x->room);
}

/* The i-th of the list comes to x->data of rank 0, unless it is no moment. */
static int fetch(moments *x, int i, bert_error *e) {
    bert_optimizer *o = x->t->optimizer;
    const bert_param *p = bert_params_at(bert_model_params(x->t->model), x->params[i]);
    const bool second = i % KINDS == SECOND;
    x->fetched = i + 1;
    if (i % KINDS == STEPS) return BERT_OK;
    x->data = x->room;
    if (!is_here(x->t)) return bert_optimizer_read(o, x->params[i], second, x->room, e);
    const bert_adamw_state *s = bert_optimizer_state(o, p, e);
    if (!s) return e->code;
    x->data = second ? s->v : s->m;
    return BERT_OK;
}

static int put(void *context, const bert_stored_tensor *tensor, bert_writer *w, bert_error *e) {
    moments *x = context;
    const int i = (int)(tensor - x->list);
    int rc = fetch(x, i, e);
    if (rc) return rc;
    if (tensor->dtype == BERT_I64) return bert_writer_put(w, tensor->data, tensor->bytes, e);
    if (!bert_finite(x->data, tensor->bytes / sizeof(float)))
        return bert_fail(
            e, BERT_ENUMERIC, "the moments of %s are not finite: not saved",
            bert_param_name(bert_params_at(bert_model_params(x->t->model), x->params[i])));
    return bert_writer_put(w, x->data, tensor->bytes, e);
}

static int write_moments(moments *x, const char *directory, bert_error *e) {
    char *path = bert_path_join(directory, "optimizer.safetensors");
    const bert_safetensors_content c = {.tensors = x->list, .n = x->n, .put = put, .context = x};
    int rc = path ? bert_safetensors_write(path, &c, e) : bert_fail_memory(e, strlen(directory));
    free(path);
    return rc;
}

/* directory NULL: nothing is written, what this process owns goes to who writes. */
static int save(bert_trainer *t, const char *directory, bert_error *e) {
    moments x = {.t = t};
    int rc = bert_group_agree(t->group, list_moments(&x, e), e);
    const bool listed = !rc;
    bert_error ignored = {0}; /* whoever has stopped in the middle still takes what comes */
    if (listed && directory) rc = write_moments(&x, directory, e);
    for (int i = x.fetched; listed && i < x.n && t->group->size > 1; i++) fetch(&x, i, &ignored);
    moments_free(&x);
    return rc;
}

int bert_moments_save(bert_trainer *t, const char *directory, bert_error *e) {
    return save(t, directory, e);
}

int bert_moments_serve(bert_trainer *t, bert_error *e) {
    return save(t, NULL, e);
}

/* ---- Loading */

const bert_stored_tensor *bert_stored_of(const bert_tensors *s, const char *prefix,
                                         const bert_param *p, size_t elements, bert_dtype dtype) {
    char *name = joined(prefix, bert_param_name(p));
    const bert_stored_tensor *found = name ? bert_tensors_find(s, name) : NULL;
    free(name);
    bool fits = found && found->dtype == dtype && !found->strides &&
                found->bytes == elements * bert_dtype_size(dtype);
    return fits ? found : NULL;
}

static int load_one(bert_trainer *t, const bert_tensors *f, int number, bert_error *e) {
    const bert_param *p = bert_params_at(bert_model_params(t->model), number);
    const size_t size = bert_param_size(p);
    const bert_stored_tensor *m = bert_stored_of(f, prefixes[FIRST], p, size, BERT_F32);
    const bert_stored_tensor *v = bert_stored_of(f, prefixes[SECOND], p, size, BERT_F32);
    const bert_stored_tensor *steps = bert_stored_of(f, prefixes[STEPS], p, 1, BERT_I64);
    int64_t count = 0;
    if (!m && !v && !steps) return BERT_OK; /* never updated: frozen, or out of reach of the loss */
    if (steps) memcpy(&count, steps->data, sizeof count);
    if (!m || !v || count < 1)
        return bert_fail(e, BERT_EFORMAT, "%s: the state of %s is not whole", bert_tensors_path(f),
                         bert_param_name(p));
    return bert_optimizer_write(t->optimizer, number, m->data, v->data, (uint64_t)count, e);
}

int bert_moments_load(bert_trainer *t, const char *directory, bert_error *e) {
    char *path = bert_path_join(directory, "optimizer.safetensors");
    bert_tensors *f = path ? bert_tensors_open(&bert_safetensors_format, path, e) : NULL;
    int rc = f ? BERT_OK : path ? e->code : bert_fail_memory(e, strlen(directory));
    if (rc == BERT_ENOTFOUND)
        bert_error_prefix(e, "a checkpoint made with save_only_model cannot be resumed: ");
    bert_optimizer_forget(t->optimizer);
    for (int i = 0; i < bert_params_count(bert_model_params(t->model)) && !rc; i++)
        rc = load_one(t, f, i, e);
    bert_tensors_close(f);
    free(path);
    return rc;
}
