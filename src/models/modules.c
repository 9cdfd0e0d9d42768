#include "models/modules.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/finite.h"
#include "cpu/host.h"
#include "files/json.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bert_module_kind {
    const char *name;
    bool config; /* its folder holds a config.json, without which it cannot be made */
    int (*read)(bert_module *m, const json_t *config, const bert_module_place *at, bert_error *e);
    /* x [n] -> y [module->out, or n]; NULL: nothing happens to it. */
    void (*apply)(const bert_module *m, const float *x, int32_t n, float *y);
    bool normalizes;
};

/* ---- Weights */

typedef struct {
    const char *name;
    int32_t rows, cols; /* cols 0: a vector */
    float **value;
} wanted;

static int take(const bert_tensors *file, const wanted *w, bert_error *e) {
    const char *path = bert_tensors_path(file);
    const bert_stored_tensor *t = bert_tensors_find(file, w->name);
    if (!t) return bert_fail(e, BERT_EFORMAT, "%s holds no %s", path, w->name);
    if (t->dims != (w->cols ? 2 : 1) || t->shape[0] != w->rows ||
        (w->cols && t->shape[1] != w->cols))
        return bert_fail(e, BERT_EFORMAT,
                         "%s: %s has another shape than its config.json says (%d x %d)", path,
                         w->name, w->rows, w->cols ? w->cols : 1);
    const size_t count = (size_t)w->rows * (size_t)(w->cols ? w->cols : 1);
    *w->value = malloc(count * sizeof **w->value);
    if (!*w->value) return bert_fail_memory(e, count * sizeof **w->value);
    int rc = bert_stored_to_float(t, *w->value, e);
    if (rc) {
        bert_error_prefix(e, "%s: ", path);
        return rc;
    }
    return bert_finite(*w->value, count)
               ? 0
               : bert_fail(e, BERT_ENUMERIC, "%s: %s is not finite", path, w->name);
}

/* Exactly the tensors that are wanted, as sentence-transformers asks. */
static int read_weights(const bert_module_place *at, const wanted *list, int n, bert_error *e) {
    bert_tensors *file = bert_pretrained_tensors(at->from, at->folder, e);
    int rc = e->code ? e->code : file ? 0 : bert_pretrained_lacks(at->from, at->folder, false, e);
    for (int i = 0; i < n && !rc; i++) rc = take(file, &list[i], e);
    for (int i = 0; !rc && i < bert_tensors_count(file); i++) {
        const char *name = bert_tensors_at(file, i)->name;
        int k = 0;
        while (k < n && strcmp(list[k].name, name)) k++;
        if (k == n)
            rc = bert_fail(e, BERT_EFORMAT, "%s holds %s, which has no use",
                           bert_tensors_path(file), name);
    }
    bert_tensors_close(file);
    return rc;
}

/* ---- The kinds */

enum { MOST = 1 << 20 }; /* numbers of a vector */

/* Other modules work on the tokens or on scores. */
static int check_names(const json_t *config, const bert_module_place *at, bert_error *e) {
    static const char *const keys[] = {"module_input_name", "module_output_name"};
    for (int i = 0; i < 2; i++) {
        const char *name = json_string_value(json_object_get(config, keys[i]));
        if (name && strcmp(name, at->reads ? at->reads : "sentence_embedding"))
            return bert_fail(e, BERT_EUNSUPPORTED, "%s/config.json: %s is \"%.60s\"", at->shown,
                             keys[i], name);
    }
    return 0;
}

static int read_activation(bert_module *m, const json_t *config, const bert_module_place *at,
                           bert_error *e) {
    char name[200] = "torch.nn.modules.activation.Tanh";
    int rc = bert_json_string(config, "activation_function", name, sizeof name, at->shown, e);
    m->act = bert_torch_act_find(name);
    if (rc || m->act) return rc;
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s/config.json: the activation_function \"%s\" is not one of torch's that "
                     "this library knows",
                     at->shown, name);
}

static int read_dense(bert_module *m, const json_t *config, const bert_module_place *at,
                      bert_error *e) {
    bool bias = true;
    int rc = check_names(config, at, e);
    if (!rc) rc = bert_json_int(config, "in_features", 1, MOST, &m->in, at->shown, e);
    if (!rc) rc = bert_json_int(config, "out_features", 1, MOST, &m->out, at->shown, e);
    if (!rc) rc = bert_json_bool(config, "bias", &bias, at->shown, e);
    if (!rc) rc = bert_json_bool(config, "use_residual", &m->add_input, at->shown, e);
    if (!rc) rc = read_activation(m, config, at, e);
    if (!rc && (!m->in || !m->out))
        rc = bert_fail(e, BERT_EFORMAT, "%s/config.json lacks in_features or out_features",
                       at->shown);
    if (rc) return rc;
    wanted list[3] = {{"linear.weight", m->out, m->in, &m->weight}};
    int n = 1;
    if (bias) list[n++] = (wanted){"linear.bias", m->out, 0, &m->bias};
    if (m->add_input && m->in != m->out)
        list[n++] = (wanted){"residual.weight", m->out, m->in, &m->residual};
    return read_weights(at, list, n, e);
}

static void apply_dense(const bert_module *m, const float *x, int32_t n, float *y) {
    const size_t in = (size_t)m->in;
    (void)n;
    for (int32_t i = 0; i < m->out; i++) {
        const float sum = bert_host_dot(m->weight + (size_t)i * in, x, in);
        double out = m->act((double)(m->bias ? sum + m->bias[i] : sum));
        if (m->residual)
            out += (double)bert_host_dot(m->residual + (size_t)i * in, x, in);
        else if (m->add_input)
            out += (double)x[i];
        y[i] = (float)out;
    }
}

static int read_layer_norm(bert_module *m, const json_t *config, const bert_module_place *at,
                           bert_error *e) {
    int rc = bert_json_int(config, "dimension", 1, MOST, &m->in, at->shown, e);
    if (!rc && !m->in) rc = bert_fail(e, BERT_EFORMAT, "%s/config.json lacks dimension", at->shown);
    if (rc) return rc;
    m->out = m->in;
    const wanted list[] = {{"norm.weight", m->in, 0, &m->weight},
                           {"norm.bias", m->in, 0, &m->bias}};
    return read_weights(at, list, 2, e);
}

static void apply_layer_norm(const bert_module *m, const float *x, int32_t n, float *y) {
    double mean = 0, variance = 0;
    for (int32_t i = 0; i < n; i++) mean += (double)x[i];
    mean /= n;
    for (int32_t i = 0; i < n; i++) variance += ((double)x[i] - mean) * ((double)x[i] - mean);
    const double scale = 1 / sqrt(variance / n + 1e-5); /* torch.nn.LayerNorm's eps */
    for (int32_t i = 0; i < n; i++)
        y[i] = (float)(((double)x[i] - mean) * scale * (double)m->weight[i] + (double)m->bias[i]);
}

static int read_normalize(bert_module *m, const json_t *config, const bert_module_place *at,
                          bert_error *e) {
    (void)m;
    return check_names(config, at, e);
}

static void apply_normalize(const bert_module *m, const float *x, int32_t n, float *y) {
    (void)m;
    memcpy(y, x, (size_t)n * sizeof *y);
    bert_normalize(y, 1, n);
}

static const bert_module_kind kinds[] = {
    {"Dense", true, read_dense, apply_dense, false},
    {"LayerNorm", true, read_layer_norm, apply_layer_norm, false},
    {"Normalize", false, read_normalize, apply_normalize, true},
    {"Dropout", false, NULL, NULL, false}, /* of training */
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- A list of them */

static int read_module(bert_module *m, const bert_module_place *at, bert_error *e) {
    char *part = bert_path_join(at->folder, "config.json");
    char *path = part ? bert_pretrained_where(at->from, part) : NULL;
    int rc = path ? 0 : bert_fail_memory(e, strlen(at->folder));
    json_t *config = path ? bert_pretrained_json(at->from, part, e) : NULL;
    if (!rc) rc = e->code;
    if (!rc && !config && m->kind->config)
        rc = bert_fail(e, BERT_ENOTFOUND, "modules.json names %s, and %s is not there", at->shown,
                       path);
    if (!rc && m->kind->read) rc = m->kind->read(m, config, at, e);
    json_decref(config);
    free(path);
    free(part);
    return rc;
}

static bert_module *new_module(bert_modules *m, int kind, bert_error *e) {
    if (m->n == BERT_MAX_MODULES) {
        bert_fail(e, BERT_EUNSUPPORTED, "modules.json names more than %d modules",
                  BERT_MAX_MODULES);
        return NULL;
    }
    bert_module *module = &m->list[m->n++];
    *module = (bert_module){.kind = &kinds[kind]};
    return module;
}

static int kind_called(const char *name) {
    int i = 0;
    while (i < KINDS && strcmp(kinds[i].name, name)) i++;
    return i;
}

int bert_modules_add_normalize(bert_modules *m, bert_error *e) {
    return new_module(m, kind_called("Normalize"), e) ? 0 : e->code;
}

int bert_modules_add_linear(bert_modules *m, const bert_tensors *file, const char *weight,
                            const char *bias, const char *act, bert_error *e) {
    const bert_stored_tensor *t = bert_tensors_find(file, weight);
    if (!t || t->dims != 2 || t->shape[0] < 1 || t->shape[0] > MOST || t->shape[1] < 1 ||
        t->shape[1] > MOST)
        return bert_fail(e, BERT_EFORMAT, "%s holds no matrix %s", bert_tensors_path(file), weight);
    bert_module *module = new_module(m, kind_called("Dense"), e);
    if (!module) return e->code;
    module->out = (int32_t)t->shape[0];
    module->in = (int32_t)t->shape[1];
    module->act = bert_torch_act_find(act ? act : "torch.nn.modules.linear.Identity");
    const wanted list[] = {{weight, module->out, module->in, &module->weight},
                           {bias, module->out, 0, &module->bias}};
    int rc = take(file, &list[0], e);
    return rc || !bias ? rc : take(file, &list[1], e);
}

int bert_modules_add(bert_modules *m, const char *class_name, const bert_module_place *at,
                     bert_error *e) {
    const int i = kind_called(class_name);
    if (i == KINDS)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "modules.json names %s, a %.60s, which is not supported", at->shown,
                         class_name);
    bert_module *module = new_module(m, i, e);
    return module ? read_module(module, at, e) : e->code;
}

void bert_modules_free(bert_modules *m) {
    for (int i = 0; i < m->n; i++) {
        free(m->list[i].weight);
        free(m->list[i].bias);
        free(m->list[i].residual);
    }
    m->n = 0;
}

int bert_modules_size(const bert_modules *m, int32_t dim, int32_t *size, bert_error *e) {
    *size = dim;
    for (int i = 0; i < m->n; i++) {
        const bert_module *module = &m->list[i];
        if (module->in && module->in != *size)
            return bert_fail(e, BERT_EINVAL, "the %s of modules.json takes %d numbers, not %d",
                             module->kind->name, module->in, *size);
        if (module->out) *size = module->out;
    }
    return 0;
}

const char *bert_modules_beyond_normalize(const bert_modules *m) {
    for (int i = 0; i < m->n; i++) {
        const bert_module_kind *kind = m->list[i].kind;
        if (kind->apply && !kind->normalizes) return kind->name;
    }
    return NULL;
}

bool bert_modules_normalize(const bert_modules *m) {
    for (int i = 0; i < m->n; i++)
        if (m->list[i].kind->normalizes) return true;
    return false;
}

/* One row, through two buffers in turn. */
static void apply_row(const bert_modules *m, bool normalize, float *x, float *y, int32_t dim,
                      float *out) {
    for (int i = 0; i < m->n; i++) {
        const bert_module *module = &m->list[i];
        if (!module->kind->apply || (module->kind->normalizes && !normalize)) continue;
        module->kind->apply(module, x, dim, y);
        if (module->out) dim = module->out;
        float *other = x;
        x = y;
        y = other;
    }
    memcpy(out, x, (size_t)dim * sizeof *out);
}

int bert_modules_apply(const bert_modules *m, bool normalize, const float *rows, int32_t n,
                       int32_t dim, float *out, bert_error *e) {
    int32_t size, widest = dim;
    int rc = bert_modules_size(m, dim, &size, e);
    if (rc) return rc;
    for (int i = 0; i < m->n; i++)
        if (m->list[i].out > widest) widest = m->list[i].out;
    float *x = bert_aligned_alloc(2 * (size_t)widest, sizeof *x);
    if (!x) return bert_fail_memory(e, 2 * (size_t)widest * sizeof *x);
    for (int32_t i = 0; i < n; i++) {
        memcpy(x, rows + (size_t)i * (size_t)dim, (size_t)dim * sizeof *x);
        apply_row(m, normalize, x, x + widest, dim, out + (size_t)i * (size_t)size);
    }
    free(x);
    return 0;
}
