/* GGUF of the families that llama.cpp has: the encoder, and of BERT, RoBERTa and DistilBERT, which are
 * one architecture there, a classifier with the layer in front of it. Other heads have no place there. */
#include "models/convert_gguf.h"
#include "base/directory.h"
#include "base/error.h"
#include "files/narrow.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 13 }; /* numbers that are converted at a time: whole blocks */

const bert_gguf_form bert_gguf_form_bert = {"bert", BERT_GGUF_BERT, false, true,
                                            "gelu", "roberta-bpe",  NULL},
                     bert_gguf_form_roberta = {"bert", BERT_GGUF_BERT, true, true,
                                               "gelu", "roberta-bpe",  NULL};

/* Of RoBERTa's classifier, whose first layer does what BERT's pooler does. */
static const struct {
    const char *name, *gguf;
} head_names[] = {{"classifier.dense", "cls"}, {"classifier.out_proj", "cls.output"}};

/* GGUF's name of a parameter; false: it has no place there. */
static bool name_of(const bert_saving *s, const char *name, char out[64]) {
    const bert_model *m = s->model;
    const char *prefix = m->arch->prefix, *tail;
    const bool classifier = m->arch->gguf->classifier && m->head.name &&
                            !strcmp(m->head.name, "sequence-classification");
    if (!strncmp(name, prefix, strlen(prefix))) name += strlen(prefix);
    if (!(tail = strrchr(name, '.'))) return false;
    const size_t n = (size_t)(tail - name);
    bool found = bert_gguf_name(m->arch->gguf->names, name, n, out);
    for (size_t i = 0; i < sizeof head_names / sizeof *head_names && !found; i++) {
        found = n == strlen(head_names[i].name) && !strncmp(name, head_names[i].name, n);
        if (found) snprintf(out, 64, "%s", head_names[i].gguf);
    }
    if (!found || (!strncmp(out, "cls", 3) && !classifier)) return false;
    const size_t length = strlen(out);
    snprintf(out + length, 64 - length, "%s", tail);
    return true;
}

/* ---- Tensors */

typedef struct {
    bert_saving *saving;
    bert_ggml_type type; /* of matrices */
    int64_t skip;        /* rows of positions that are not written */
    bert_gguf_new *tensors;
    int count;
} writing;

static bert_ggml_type type_of(const writing *w, const bert_gguf_new *t) {
    if (t->dims < 2 || !strcmp(t->name, "position_embd.weight") ||
        !strcmp(t->name, "token_types.weight"))
        return BERT_GGML_F32; /* llama.cpp stops at others */
    if (w->type == BERT_GGML_Q8_0 && t->shape[1] % BERT_Q8_BLOCK) return BERT_GGML_F16;
    return w->type;
}

static void list_tensors(writing *w) {
    bert_saving *s = w->saving;
    s->total = 0;
    for (int i = 0; i < s->count; i++) {
        const bert_saved_tensor *item = &s->items[i];
        bert_gguf_new *t = &w->tensors[w->count];
        *t = (bert_gguf_new){.dims = item->as.dims, .source = item};
        if (!item->param || !name_of(s, item->param->name, t->name)) continue;
        t->shape[0] = item->as.shape[0];
        t->shape[1] = item->as.shape[1];
        if (!strcmp(t->name, "position_embd.weight")) t->shape[0] -= w->skip;
        t->type = type_of(w, t);
        s->total += (int64_t)bert_gguf_new_bytes(t);
        w->count++;
    }
}

static int put_tensor(void *context, const bert_gguf_new *t, bert_writer *file, bert_error *e) {
    const writing *w = context;
    const bert_saved_tensor *item = t->source;
    const float *x = bert_saving_floats(w->saving, item, e);
    const int64_t cols = t->dims == 2 ? t->shape[1] : 1;
    const size_t n = (size_t)(t->shape[0] * cols);
    unsigned char out[CHUNK * sizeof(float)];
    int rc = x ? 0 : e->code;
    if (!rc && item->as.shape[0] != t->shape[0]) x += w->skip * cols;
    for (size_t at = 0; at < n && !rc; at += CHUNK) {
        const size_t count = n - at < CHUNK ? n - at : CHUNK;
        const size_t bad =
            t->type == BERT_GGML_F16 ? bert_narrow_overflow(BERT_F16, x + at, count) : count;
        if (bad < count)
            return bert_fail(e, BERT_ENUMERIC,
                             "tensor %s holds %g, which is more than float16 can hold: take the "
                             "dtype f32 or bf16",
                             item->as.name, (double)x[at + bad]);
        bert_ggml_narrow(t->type, x + at, count, out);
        rc = bert_writer_put(file, out, bert_ggml_bytes(t->type, (int64_t)count), e);
    }
    if (item->from)
        bert_weight_source_done(&w->saving->model->weights, item->from->data, item->from->bytes,
                                true);
    return rc ? rc : bert_saving_step(w->saving, bert_gguf_new_bytes(t), e);
}

/* ---- Keys */

enum { POOL_MEAN = 1, POOL_CLS = 2, POOL_LAST = 3, POOL_RANK = 4 };

/* 0: nothing is said. */
static uint32_t pooling_of(const bert_model *m) {
    const bert_sentence *s = &m->sentence;
    if (m->head.name)
        return m->arch->gguf->classifier && !strcmp(m->head.name, "sequence-classification")
                   ? POOL_RANK
                   : 0;
    if (s->poolings != 1) return 0;
    return s->pooling[0] == BERT_POOLING_MEAN   ? POOL_MEAN
           : s->pooling[0] == BERT_POOLING_CLS  ? POOL_CLS
           : s->pooling[0] == BERT_POOLING_LAST ? POOL_LAST
                                                : 0;
}

static const struct {
    const char *dtype;
    bert_ggml_type type;
    uint32_t file; /* llama.cpp's number of such files */
} types[] = {
    {"f32", BERT_GGML_F32, 0},
    {"f16", BERT_GGML_F16, 1},
    {"q8_0", BERT_GGML_Q8_0, 7},
    {"bf16", BERT_GGML_BF16, 32},
};
enum { TYPES = sizeof types / sizeof *types };

/* Keys whose names begin with the architecture's. */
static const char *own_key(const bert_model *m, const char *key, char room[64]) {
    snprintf(room, 64, "%s.%s", m->arch->gguf->architecture, key);
    return room;
}

static void put_keys(bert_gguf_keys *k, const writing *w, uint32_t file_type) {
    const bert_model *m = w->saving->model;
    const bert_config *c = &m->config;
    char *name = bert_directory_name(m->path), room[64];
    const uint32_t pooling = pooling_of(m);
    const struct {
        const char *key;
        int64_t value;
    } sizes[] = {
        {"block_count", c->num_hidden_layers},
        {"context_length", c->max_position_embeddings - w->skip},
        {"embedding_length", c->hidden_size},
        {"feed_forward_length", c->intermediate_size},
        {"attention.head_count", c->num_attention_heads},
    };
    bert_gguf_put_string(k, "general.architecture", m->arch->gguf->architecture);
    bert_gguf_put_string(k, "general.type", "model");
    bert_gguf_put_string(k, "general.name", name ? name : "");
    bert_gguf_put_u32(k, "general.file_type", file_type);
    bert_gguf_put_u32(k, "general.quantization_version", 2);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        bert_gguf_put_u32(k, own_key(m, sizes[i].key, room), (uint32_t)sizes[i].value);
    bert_gguf_put_f32(k, own_key(m, "attention.layer_norm_epsilon", room), c->layer_norm_eps);
    bert_gguf_put_bool(k, own_key(m, "attention.causal", room), false);
    if (pooling) bert_gguf_put_u32(k, own_key(m, "pooling_type", room), pooling);
    if (pooling == POOL_RANK)
        bert_gguf_put_strings(k, own_key(m, "classifier.output_labels", room),
                              (const char *const *)m->labels.name, (size_t)m->labels.n);
    free(name);
}

/* ---- All of it */

static int check(const bert_saving *s, int64_t *skip, bert_error *e) {
    const bert_model *m = s->model;
    const char *name = s->to, *dot = strrchr(name, '.');
    const bert_gguf_form *form = m->arch->gguf;
    if (!form)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: GGUF files are written of BERT, RoBERTa, XLM-R, CamemBERT, "
                         "DistilBERT, Nomic BERT, Jina BERT v2 and ModernBERT, not of %s",
                         m->path, m->config.model_type);
    if (strcmp(m->config.hidden_act, form->act))
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: a GGUF file does not say the activation, and llama.cpp's is %s, not "
                         "%s (hidden_act)",
                         m->path, form->act, m->config.hidden_act);
    const char *module = m->head.name ? NULL : bert_modules_beyond_normalize(&m->sentence.modules);
    if (module)
        return bert_fail(
            e, BERT_EUNSUPPORTED,
            "%s: its vectors pass through a %s (modules.json), which has no place in a "
            "GGUF file: llama.cpp would give others",
            m->path, module);
    if (!dot || strcmp(dot, ".gguf"))
        return bert_fail(e, BERT_EINVAL, "%s: a GGUF file's name ends in .gguf", name);
    *skip = form->offset ? m->config.pad_token_id + 1 : 0;
    return 0;
}

/* Which row of types; as most of the weights are stored where nothing is asked for. */
static int choose_type(const bert_saving *s) {
    const char *dtype = s->options->dtype;
    for (int i = 0; dtype && i < TYPES; i++)
        if (!strcmp(types[i].dtype, dtype)) return i;
    const bert_stored_tensor *words = s->count ? s->items[0].from : NULL;
    for (int i = 0; words && i < TYPES; i++)
        if ((words->dtype == BERT_F16 && types[i].type == BERT_GGML_F16) ||
            (words->dtype == BERT_BF16 && types[i].type == BERT_GGML_BF16))
            return i;
    return 0;
}

int bert_saving_gguf(bert_saving *s, bert_error *e) {
    writing w = {.saving = s};
    bert_gguf_keys keys = {0};
    const int type = choose_type(s);
    int rc = check(s, &w.skip, e);
    if (rc) return rc;
    w.type = types[type].type;
    w.tensors = calloc((size_t)s->count + 1, sizeof *w.tensors);
    if (!w.tensors) return bert_fail_memory(e, ((size_t)s->count + 1) * sizeof *w.tensors);
    list_tensors(&w);
    put_keys(&keys, &w, types[type].file);
    const bert_model *m = s->model;
    if (m->arch->gguf->put) rc = m->arch->gguf->put(&m->config, m->own, m->path, &keys, e);
    if (!rc) rc = bert_gguf_put_tokenizer(&keys, m, e);
    if (!rc) rc = bert_gguf_write(s->to, &keys, w.tensors, w.count, put_tensor, &w, e);
    s->result =
        (bert_convert_result){.files = 1, .tensors = w.count, .left_out = s->count - w.count};
    s->result.normalize_left_out = !s->model->head.name && s->model->sentence.normalize;
    bert_gguf_keys_free(&keys);
    free(w.tensors);
    return rc;
}
