/* bert_convert(): a checkpoint in another form. Weights pass through one at a time. */
#include "models/convert.h"
#include "base/directory.h"
#include "base/error.h"
#include "base/file.h"
#include "base/finite.h"
#include "files/json.h"
#include "files/narrow.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CHUNK = 1 << 14 }; /* numbers that are converted at a time */
#define SHARD (INT64_C(5) * 1000 * 1000 * 1000)

bert_convert_options bert_convert_default(void) {
    return (bert_convert_options){.format = "safetensors", .max_shard_size = SHARD};
}

/* ---- What is written: the parameters as the family orders and names them, then what else the
 * checkpoint holds */

/* Floats in the type that is asked for, others as they are. */
static bert_dtype type_of(const bert_saving *s, const bert_saved_tensor *i) {
    if (!i->from) return s->given ? s->dtype : BERT_F32;
    const bert_dtype d = i->from->dtype;
    if (!bert_dtype_has_floats(d) || (bert_is_float_dtype(d) && !s->given)) return d;
    return s->given ? s->dtype : BERT_F32;
}

static size_t numbers(const bert_stored_tensor *t) {
    size_t n = 1;
    for (int i = 0; i < t->dims; i++) n *= (size_t)t->shape[i];
    return n;
}

/* Takes the name, NULL: out of memory. */
static int add(bert_saving *s, char *name, const bert_stored_tensor *from, const bert_param *p,
               bert_error *e) {
    const bert_convert_options *o = s->options;
    if (!name) return bert_fail_memory(e, BERT_MAX_NAME);
    if (o->keep && !o->keep(name, o->context)) {
        free(name);
        return 0;
    }
    bert_saved_tensor *i = &s->items[s->count++];
    *i = (bert_saved_tensor){.from = from, .param = p, .name = name};
    if (from) {
        i->as = *from;
    } else { /* biases and norms are vectors; a weight of one row is a matrix all the same */
        const bool vector = p->rows == 1 && !bert_param_decays(p);
        i->as.dims = vector ? 1 : 2;
        i->as.shape[0] = vector ? p->cols : p->rows;
        i->as.shape[1] = p->cols;
    }
    i->as.name = name;
    i->as.strides = NULL;
    i->as.dtype = type_of(s, i);
    i->as.bytes = numbers(&i->as) * bert_dtype_size(i->as.dtype);
    i->as.data = i;
    s->total += (int64_t)i->as.bytes;
    return 0;
}

/* A class that is not known here may need the prefix that its file has. */
static char *parameter_name(const bert_model *m, const bert_param *p,
                            const bert_stored_tensor *from) {
    const char *prefix = m->arch->prefix,
               *class =
                   json_string_value(json_array_get(json_object_get(m->json, "architectures"), 0));
    char *name;
    const bool bare = !class || !strcmp(class, m->config.architecture);
    if (m->head.name || bare || !from || strncmp(from->name, prefix, strlen(prefix)))
        return strdup(p->name);
    return asprintf(&name, "%s%s", prefix, p->name) < 0 ? NULL : name;
}

static int list_tensors(bert_saving *s, bert_error *e) {
    const bert_model *m = s->model;
    const int params = bert_params_count(m->params), stored = bert_tensors_count(m->weights.file);
    s->items = calloc((size_t)params + (size_t)stored + 1, sizeof *s->items);
    if (!s->items) return bert_fail_memory(e, (size_t)(params + stored) * sizeof *s->items);
    int rc = 0;
    for (int i = 0; i < params && !rc; i++) {
        const bert_param *p = bert_params_at(m->params, i);
        const bert_stored_tensor *from =
            m->weights.raw ? bert_weight_source_stored(&m->weights, p->value) : NULL;
        if (!p->merged && !p->initialised) rc = add(s, parameter_name(m, p, from), from, p, e);
    }
    const int used = s->count;
    for (int i = 0; i < stored && !rc && !s->options->drop_unused; i++) {
        const bert_stored_tensor *t = bert_tensors_at(m->weights.file, i);
        if (bert_weight_source_keeps(&m->weights, t))
            rc = add(s, bert_weight_source_name(t), t, NULL, e);
    }
    s->result.tensors = s->count;
    s->result.unused = s->count - used;
    return rc;
}

/* ---- A tensor's numbers */

const float *bert_saving_floats(bert_saving *s, const bert_saved_tensor *item, bert_error *e) {
    const size_t n = numbers(&item->as);
    const bert_stored_tensor *t = item->from;
    const float *x = NULL;
    float *own;
    bert_arena_reset(&s->scratch);
    if (!t) bert_param_fill(item->param, 0, n);
    if (!t)
        x = bert_device_view(s->model->params->device, item->param->value, n, &s->scratch);
    else if (t->dtype == BERT_F32 && !t->strides && (uintptr_t)t->data % _Alignof(float) == 0)
        x = t->data;
    else if ((own = bert_arena_alloc(&s->scratch, n * sizeof *own)) &&
             !bert_stored_to_float(t, own, e))
        x = own;
    if (!x && !e->code) bert_fail_memory(e, n * sizeof *x);
    if (!x || bert_finite(x, n)) return x;
    bert_fail(e, BERT_ENUMERIC, "%s: tensor %s holds a value that is not finite",
              s->model->weights.path, item->as.name);
    return NULL;
}

int bert_saving_step(bert_saving *s, size_t bytes, bert_error *e) {
    const bert_convert_options *o = s->options;
    s->done += (int64_t)bytes;
    if (!o->progress || !o->progress(o->context, s->done, s->total)) return 0;
    return bert_fail(e, BERT_EINTERRUPTED, "stopped: nothing was written");
}

static int fail_overflow(const bert_saved_tensor *i, float x, bert_error *e) {
    return bert_fail(
        e, BERT_ENUMERIC,
        "tensor %s holds %g, which is more than %s can hold: take the dtype bf16 or f32",
        i->as.name, (double)x, bert_dtype_torch_name(i->as.dtype));
}

/* The bytes of a tensor as they are stored, row after row. */
static int put_stored(bert_saving *s, const bert_stored_tensor *t, bert_writer *w, bert_error *e) {
    if (!t->strides) return bert_writer_put(w, t->data, t->bytes, e);
    bert_arena_reset(&s->scratch);
    void *rows = bert_arena_alloc(&s->scratch, t->bytes);
    if (!rows) return bert_fail_memory(e, t->bytes);
    bert_stored_copy(t, rows);
    return bert_writer_put(w, rows, t->bytes, e);
}

static int put_floats(bert_saving *s, const bert_saved_tensor *i, bert_writer *w, bert_error *e) {
    const float *x = bert_saving_floats(s, i, e);
    const bert_dtype d = i->as.dtype;
    const size_t n = numbers(&i->as);
    unsigned char out[CHUNK * sizeof(double)];
    int rc = x ? 0 : e->code;
    if (!rc && i->from && i->from->dtype == d) return put_stored(s, i->from, w, e);
    for (size_t at = 0; at < n && !rc; at += CHUNK) {
        const size_t count = n - at < CHUNK ? n - at : CHUNK;
        const size_t broken = bert_narrow_overflow(d, x + at, count);
        if (broken < count) return fail_overflow(i, x[at + broken], e);
        bert_narrow(d, x + at, count, out);
        rc = bert_writer_put(w, out, count * bert_dtype_size(d), e);
    }
    return rc;
}

static int put_tensor(void *context, const bert_stored_tensor *t, bert_writer *w, bert_error *e) {
    bert_saving *s = context;
    const bert_saved_tensor *i = t->data;
    int rc = bert_is_float_dtype(t->dtype) ? put_floats(s, i, w, e) : put_stored(s, i->from, w, e);
    if (i->from) bert_weight_source_done(&s->model->weights, i->from->data, i->from->bytes, true);
    return rc ? rc : bert_saving_step(s, t->bytes, e);
}

/* ---- config.json */

/* The type of most bytes of weights. */
static const char *main_type(const bert_saving *s) {
    int64_t bytes[BERT_DTYPE_COUNT] = {0};
    bert_dtype most = BERT_F32;
    for (int i = 0; i < s->count; i++) bytes[s->items[i].as.dtype] += (int64_t)s->items[i].as.bytes;
    for (int d = 0; d < BERT_DTYPE_COUNT; d++)
        if (bert_is_float_dtype((bert_dtype)d) && bytes[d] > bytes[most]) most = (bert_dtype)d;
    return bert_dtype_torch_name(most);
}

int bert_saving_config(const bert_saving *s, bert_error *e) {
    json_t *json = json_deep_copy(s->model->json);
    char *path = bert_path_join(s->to, "config.json");
    /* before and since transformers 4.56 */
    const bool old = json_object_get(json, "torch_dtype"), new = json_object_get(json, "dtype");
    const char *type = main_type(s);
    bool bad = !json || !path;
    if (!bad && old) bad = json_object_set_new(json, "torch_dtype", json_string(type)) != 0;
    if (!bad && (new || !old)) bad = json_object_set_new(json, "dtype", json_string(type)) != 0;
    if (!bad && !json_object_get(json, "model_type"))
        bad =
            json_object_set_new(json, "model_type", json_string(s->model->config.model_type)) != 0;
    int rc = bad ? bert_fail_memory(e, strlen(s->to)) : bert_json_save(json, path, e);
    json_decref(json);
    free(path);
    return rc;
}

/* ---- Forms */

static int write_safetensors(bert_saving *s, bert_error *e) {
    static const char *const metadata[] = {"format", "pt", NULL};
    bert_stored_tensor *list = malloc(((size_t)s->count + 1) * sizeof *list);
    if (!list) return bert_fail_memory(e, ((size_t)s->count + 1) * sizeof *list);
    for (int i = 0; i < s->count; i++) list[i] = s->items[i].as;
    const bert_safetensors_content c = {
        .tensors = list, .n = s->count, .metadata = metadata, .put = put_tensor, .context = s};
    const int64_t max = s->options->max_shard_size;
    int rc = bert_shards_write(s->to, &c, max > 0 ? max : SHARD, &s->result.files, e);
    free(list);
    if (!rc) rc = bert_saving_config(s, e);
    return rc ? rc : bert_model_copy_files(s->model, s->to, e);
}

static const char *const tensor_types[] = {"f32", "f16", "bf16", NULL};
static const char *const gguf_types[] = {"f32", "f16", "bf16", "q8_0", NULL};
static const char *const packed_types[] = {"int8", "bf16", NULL};
static const bert_saved_form forms[] = {
    {"safetensors", "transformers' directory", tensor_types, false, true, write_safetensors},
    {"gguf", "one file for llama.cpp", gguf_types, true, true, bert_saving_gguf},
    {"packed", "ready to run on machines of this kind", packed_types, false, false,
     bert_saving_packed},
};
enum { FORMS = sizeof forms / sizeof *forms };

bool bert_convert_form_at(int i, bert_convert_form *out) {
    if (i < 0 || i >= FORMS) return false;
    *out = (bert_convert_form){forms[i].name, forms[i].help, forms[i].dtypes, forms[i].file};
    return true;
}

static const bert_saved_form *find_form(const char *name, bert_error *e) {
    char list[200] = "";
    for (int i = 0; i < FORMS; i++) {
        if (!name || !strcmp(forms[i].name, name)) return &forms[i];
        const size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", forms[i].name);
    }
    bert_fail(e, BERT_EINVAL, "there is no format \"%.40s\" to save in; there are %s", name, list);
    return NULL;
}

static int find_type(bert_saving *s, const bert_saved_form *form, bert_error *e) {
    const char *name = s->options->dtype;
    char list[200] = "";
    if (!name) return 0;
    for (const char *const *d = form->dtypes; *d; d++) {
        if (!strcmp(*d, name)) {
            s->given = bert_float_dtype_parse(name, &s->dtype);
            return 0;
        }
        const size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", *d);
    }
    return bert_fail(e, BERT_EINVAL, "%s has no dtype \"%.40s\"; it has %s", form->name, name,
                     list);
}

/* ---- Where it goes: what is there stays */

static bool same_place(const char *a, const char *b) {
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A directory that is called as a file of weights would be taken for one. */
static int check_name(const char *from, const char *to, const bert_saved_form *form,
                      bert_error *e) {
    static const char *const ends[] = {".gguf", ".safetensors", ".bin"};
    struct stat st;
    if (!*to) return bert_fail(e, BERT_EINVAL, "the name of what is to be written is empty");
    if (same_place(from, to))
        return bert_fail(
            e, BERT_EINVAL,
            "%s: is the model itself, and nothing is written over: choose another name", to);
    if (form->file && !stat(to, &st) && S_ISDIR(st.st_mode))
        return bert_fail(e, BERT_EINVAL,
                         "%s: is a directory, and the format %s is a file: name one in it", to,
                         form->name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends && !form->file; i++)
        if (bert_file_has_suffix(to, ends[i]))
            return bert_fail(e, BERT_EINVAL,
                             "%s: the format %s is a directory, which is not called as a file is%s",
                             to, form->name, i ? "" : "; the format gguf is one");
    return 0;
}

static int check_free(const char *to, bool file, bert_error *e) {
    struct stat st;
    DIR *d = stat(to, &st) ? NULL : opendir(to);
    bool empty = true;
    if (!d && errno == ENOENT) return 0;
    for (struct dirent *f; d && (f = readdir(d));)
        empty &= !strcmp(f->d_name, ".") || !strcmp(f->d_name, "..");
    if (!d && !file) return bert_fail(e, BERT_EIO, "%s: is there already, and not a directory", to);
    if (d) closedir(d);
    if (!file && empty) return 0;
    return bert_fail(e, BERT_EINVAL,
                     "%s: is there already%s, and nothing is written over: remove it, or choose "
                     "another name",
                     to, file ? "" : " and not empty");
}

/* The whole path of what may not be there yet, without slashes behind it. */
static char *place_of(const char *to, bert_error *e) {
    char *place = realpath(to, NULL);
    if (!place) place = strdup(to);
    size_t n = place ? strlen(place) : 0;
    while (n > 1 && place[n - 1] == '/') place[--n] = 0;
    if (!place) bert_fail_memory(e, strlen(to));
    return place;
}

static int write_directory(bert_saving *s, const bert_saved_form *form, const char *place,
                           bert_error *e) {
    char *aside = bert_directory_aside(place, "new");
    int rc = aside ? bert_directory_remove(aside, e) : bert_fail_memory(e, strlen(place));
    if (!rc) rc = bert_make_directory(aside, e);
    s->to = aside;
    if (!rc) rc = form->write(s, e);
    if (!rc) rc = check_free(place, false, e); /* somebody may have been quicker */
    if (!rc) rc = bert_directory_commit(aside, place, e);
    if (rc && aside) bert_directory_remove(aside, NULL);
    free(aside);
    return rc;
}

/* As directories are made with those that they are in. */
static int make_parent(const char *file, bert_error *e) {
    const char *slash = strrchr(file, '/');
    char *parent = slash && slash > file ? strndup(file, (size_t)(slash - file)) : NULL;
    const int rc = parent ? bert_make_directory(parent, e) : 0;
    free(parent);
    return rc;
}

static int write_form(bert_saving *s, const bert_saved_form *form, const char *place,
                      bert_error *e) {
    int rc = form->stored ? list_tensors(s, e) : 0;
    s->to = place;
    if (!rc && form->file) rc = make_parent(place, e);
    if (!rc) rc = form->file ? form->write(s, e) : write_directory(s, form, place, e);
    s->result.bytes = s->done;
    for (int i = 0; i < s->count; i++) free(s->items[i].name);
    free(s->items);
    bert_arena_free(&s->scratch);
    return rc;
}

int bert_convert(const char *name_or_path, const char *to, const bert_convert_options *options,
                 bert_convert_result *result, bert_error *e) {
    BERT_DOOR(e);
    const bert_convert_options o = options ? *options : bert_convert_default();
    bert_saving s = {.options = &o, .from = name_or_path};
    if (bert_need(name_or_path, "model to convert", e) || bert_need(to, "place to write to", e))
        return BERT_EINVAL;
    const bert_saved_form *form = find_form(o.format, e);
    int rc = form ? find_type(&s, form, e) : e->code;
    if (!rc) rc = check_name(name_or_path, to, form, e);
    if (!rc) rc = check_free(to, form->file, e);
    char *place = rc ? NULL : place_of(to, e);
    const bert_model_options used = {.task = o.task};
    if (place)
        s.model = form->stored ? bert_model_open_stored(name_or_path, o.task, e)
                               : bert_model_open(name_or_path, &used, e);
    rc = s.model ? write_form(&s, form, place, e) : e->code;
    if (!rc && result) *result = s.result;
    bert_model_close(s.model);
    free(place);
    return rc;
}
