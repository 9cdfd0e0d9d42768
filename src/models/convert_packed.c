/* Saving what is ready to run: the trunk's weights as the device packs them. */
#include "base/error.h"
#include "base/file.h"
#include "models/convert.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 32 };

/* Tensors in the order of the file: copies, which lie at multiples of 64, then the rest. */
typedef struct {
    bert_saving *saving;
    bert_precision precision;
    bert_stored_tensor *list;
    char (*names)[NAME]; /* of copies and their balances */
    int count, room;
    json_t *copies;
    bert_param **packed; /* which a copy stands for */
    int packed_count;
} packing;

static bert_stored_tensor *add(packing *p, const void *data, size_t bytes, bert_error *e) {
    if (p->count == p->room) {
        bert_fail(e, BERT_EUNSUPPORTED, "more packed copies than weights");
        return NULL;
    }
    bert_stored_tensor *t = &p->list[p->count++];
    *t = (bert_stored_tensor){.data = data, .bytes = bytes};
    return t;
}

static bert_param *owner_of(const packing *p, const bert_memo *memo) {
    const bert_params *ps = p->saving->model->params;
    for (int i = 0; i < bert_params_count(ps); i++)
        if (&bert_params_at(ps, i)->memo == memo) return bert_params_at(ps, i);
    return NULL;
}

/* The tensor of a copy's part, and its name in the list. */
static int add_part(packing *p, json_t *entry, const char *key, const bert_stored_tensor *as,
                    bert_error *e) {
    bert_stored_tensor *t = add(p, as->data, as->bytes, e);
    if (!t) return e->code;
    char *name = p->names[p->count - 1];
    snprintf(name, NAME, "packed.%zu.%s", json_array_size(p->copies), key);
    *t = *as;
    t->name = name;
    return json_object_set_new(entry, key, json_string(name)) ? bert_fail_memory(e, NAME) : 0;
}

static int add_copy(void *context, const bert_kept_copy *k, bert_error *e) {
    packing *p = context;
    json_t *entry = json_pack("{s:[], s:n}", "of", "balance"), *of = json_object_get(entry, "of");
    bool bad = !entry;
    for (int i = 0; i < k->count && !bad; i++) {
        bert_param *w = owner_of(p, k->of[i]);
        bad = !w || json_array_append_new(of, json_string(w->name));
        if (w) p->packed[p->packed_count++] = w;
    }
    int rc = bad ? bert_fail_memory(e, NAME) : 0;
    const bert_stored_tensor data = {.dtype = BERT_U8,
                                     .dims = 1,
                                     .shape = {(int64_t)k->bytes},
                                     .data = k->data,
                                     .bytes = k->bytes},
                             balance = {.dtype = BERT_F32,
                                        .dims = 2,
                                        .shape = {2, k->cols},
                                        .data = k->balance,
                                        .bytes = 2 * (size_t)k->cols * sizeof(float)};
    if (!rc) rc = add_part(p, entry, "data", &data, e);
    if (!rc && k->balance) rc = add_part(p, entry, "balance", &balance, e);
    if (json_array_append_new(p->copies, entry) && !rc) rc = bert_fail_memory(e, NAME);
    return rc;
}

static bool is_packed(const packing *p, const bert_param *w) {
    for (int i = 0; i < p->packed_count; i++)
        if (p->packed[i] == w) return true;
    return false;
}

/* Bytes come first, all of them of whole cache lines; else the order stays. */
static void bytes_first(bert_stored_tensor *list, int n) {
    int bytes = 0;
    for (int i = 0; i < n; i++) {
        if (list[i].dtype != BERT_U8) continue;
        const bert_stored_tensor t = list[i];
        memmove(list + bytes + 1, list + bytes, (size_t)(i - bytes) * sizeof *list);
        list[bytes++] = t;
    }
}

static int add_others(packing *p, bert_error *e) {
    const bert_params *ps = p->saving->model->params;
    for (int i = 0; i < bert_params_count(ps); i++) {
        const bert_param *w = bert_params_at(ps, i);
        if (is_packed(p, w) || w->initialised) continue;
        const bool vector = w->rows == 1 && !bert_param_decays(w);
        bert_param_fill(w, 0, bert_param_size(w));
        bert_stored_tensor *t = add(p, w->value, bert_param_size(w) * sizeof(float), e);
        if (!t) return e->code;
        t->name = w->name;
        t->dtype = BERT_F32;
        t->dims = vector ? 1 : 2;
        t->shape[0] = vector ? w->cols : w->rows;
        t->shape[1] = w->cols;
    }
    return 0;
}

/* Of the trunk only: what is above it is multiplied by few rows, and is small. */
static int collect(packing *p, bert_error *e) {
    const bert_model *m = p->saving->model;
    int rc = 0;
    for (int i = 0; i < bert_params_count(m->params) && !rc; i++) {
        const bert_param *w = bert_params_at(m->params, i);
        if (w->kind == BERT_KIND_WEIGHT && w->part == BERT_PART_TRUNK)
            rc = m->params->device->copies(&w->memo, p->precision, add_copy, p, e);
    }
    if (!rc && !p->packed_count)
        rc = bert_fail(e, BERT_EUNSUPPORTED, "%s: there are no weights to pack", m->path);
    if (!rc) rc = add_others(p, e);
    for (int i = 0; i < p->count && !rc; i++) p->saving->total += (int64_t)p->list[i].bytes;
    return rc;
}

static int put(void *context, const bert_stored_tensor *t, bert_writer *w, bert_error *e) {
    bert_saving *s = context;
    int rc = bert_writer_put(w, t->data, t->bytes, e);
    return rc ? rc : bert_saving_step(s, t->bytes, e);
}

static int write_file(packing *p, const char *layout, bert_error *e) {
    bert_saving *s = p->saving;
    json_t *says =
        json_pack("{s:s, s:s, s:s, s:O}", "layout", layout, "precision",
                  bert_precision_name(p->precision), "from", s->from, "copies", p->copies);
    char *text = says ? json_dumps(says, JSON_COMPACT) : NULL,
         *path = bert_path_join(s->to, "packed.safetensors");
    const char *const metadata[] = {"format", "bert-packed", BERT_PACKED_KEY, text, NULL};
    const bert_safetensors_content c = {.tensors = p->list,
                                        .n = p->count,
                                        .metadata = metadata,
                                        .align = BERT_KEPT_ALIGN,
                                        .put = put,
                                        .context = s};
    bytes_first(p->list, p->count);
    int rc =
        text && path ? bert_safetensors_write(path, &c, e) : bert_fail_memory(e, strlen(s->to));
    free(path);
    free(text);
    json_decref(says);
    s->result = (bert_convert_result){.files = 1, .tensors = p->count};
    return rc;
}

int bert_saving_packed(bert_saving *s, bert_error *e) {
    const bert_model *m = s->model;
    const char *dtype = s->options->dtype;
    packing p = {.saving = s,
                 .precision =
                     dtype && !strcmp(dtype, "bf16") ? BERT_PRECISION_MEDIUM : BERT_PRECISION_INT8,
                 .room = 3 * bert_params_count(m->params),
                 .copies = json_array()};
    const bert_device *d = m->params->device;
    char layout[BERT_KEPT_LAYOUT];
    const size_t room = (size_t)p.room + 1;
    int rc = d->layout ? d->layout(p.precision, layout, e)
                       : bert_fail(e, BERT_EUNSUPPORTED, "the device %s packs nothing", d->name);
    if (!rc) rc = bert_params_check_finite(m->params, e);
    p.list = calloc(room, sizeof *p.list);
    p.names = calloc(room, sizeof *p.names);
    p.packed = calloc(room, sizeof(bert_param *));
    if (!rc && (!p.list || !p.names || !p.packed || !p.copies))
        rc = bert_fail_memory(e, room * sizeof *p.list);
    s->total = 0;
    if (!rc) rc = bert_model_pack(m, p.precision, e);
    if (!rc) rc = collect(&p, e);
    if (!rc) rc = write_file(&p, layout, e);
    if (!rc) rc = bert_saving_config(s, e);
    if (!rc) rc = bert_model_copy_files(m, s->to, e);
    free(p.list);
    free(p.names);
    free(p.packed);
    json_decref(p.copies);
    return rc;
}
