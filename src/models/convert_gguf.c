/* GGUF of BERT, RoBERTa and DistilBERT, which llama.cpp knows as one architecture, `bert`: the encoder, and
 * a classifier with the layer in front of it. Other heads have no place there. */
#include "models/convert_gguf.h"
#include "base/directory.h"
#include "base/error.h"
#include "files/narrow.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 13 }; /* numbers that are converted at a time: whole blocks */

/* Families that are written, and what is in front of the ids at which their positions begin. */
static const struct {
    const char *model_type;
    bool offset; /* positions begin behind the padding id */
} families[] = {
    {"bert", false},     {"distilbert", false}, {"roberta", true},
    {"camembert", true}, {"xlm-roberta", true},
};

/* Names without the family's prefix, "%d" the layer, and GGUF's. */
static const struct {
    const char *name, *gguf;
} names[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"encoder.layer.%d.attention.self.query", "blk.%d.attn_q"},
    {"encoder.layer.%d.attention.self.key", "blk.%d.attn_k"},
    {"encoder.layer.%d.attention.self.value", "blk.%d.attn_v"},
    {"encoder.layer.%d.attention.output.dense", "blk.%d.attn_output"},
    {"encoder.layer.%d.attention.output.LayerNorm", "blk.%d.attn_output_norm"},
    {"encoder.layer.%d.intermediate.dense", "blk.%d.ffn_up"},
    {"encoder.layer.%d.output.dense", "blk.%d.ffn_down"},
    {"encoder.layer.%d.output.LayerNorm", "blk.%d.layer_output_norm"},
    {"transformer.layer.%d.attention.q_lin", "blk.%d.attn_q"},
    {"transformer.layer.%d.attention.k_lin", "blk.%d.attn_k"},
    {"transformer.layer.%d.attention.v_lin", "blk.%d.attn_v"},
    {"transformer.layer.%d.attention.out_lin", "blk.%d.attn_output"},
    {"transformer.layer.%d.sa_layer_norm", "blk.%d.attn_output_norm"},
    {"transformer.layer.%d.ffn.lin1", "blk.%d.ffn_up"},
    {"transformer.layer.%d.ffn.lin2", "blk.%d.ffn_down"},
    {"transformer.layer.%d.output_layer_norm", "blk.%d.layer_output_norm"},
};

/* Of a classifier; BERT's pooler does what RoBERTa's first layer does. */
static const struct {
    const char *name, *gguf;
} head_names[] = {
    {"pooler.dense", "cls"},      {"classifier.dense", "cls"},           {"pre_classifier", "cls"},
    {"classifier", "cls.output"}, {"classifier.out_proj", "cls.output"},
};

/* ---- Names */

/* Whether a name is the pattern with a layer in the place of "%d". */
static bool is_of(const char *pattern, const char *name, size_t n, long *layer) {
    const char *number = strstr(pattern, "%d");
    const size_t head = number ? (size_t)(number - pattern) : strlen(pattern);
    if (n < head || strncmp(name, pattern, head)) return false;
    if (!number) return n == head;
    char *end;
    *layer = strtol(name + head, &end, 10);
    const size_t rest = n - (size_t)(end - name);
    return end != name + head && strlen(number + 2) == rest && !strncmp(end, number + 2, rest);
}

/* GGUF's name of a parameter; false: it has no place there. */
static bool name_of(const bert_saving *s, const char *name, char out[64]) {
    const bert_model *m = s->model;
    const char *prefix = m->arch->prefix, *tail, *format = NULL;
    const bool classifier = m->head.name && !strcmp(m->head.name, "sequence-classification");
    long layer = 0;
    if (!strncmp(name, prefix, strlen(prefix))) name += strlen(prefix);
    if (!(tail = strrchr(name, '.'))) return false;
    const size_t n = (size_t)(tail - name);
    for (size_t i = 0; i < sizeof names / sizeof *names && !format; i++)
        if (is_of(names[i].name, name, n, &layer)) format = names[i].gguf;
    for (size_t i = 0; i < sizeof head_names / sizeof *head_names && !format && classifier; i++)
        if (is_of(head_names[i].name, name, n, &layer)) format = head_names[i].gguf;
    if (!format) return false;
    const char *number = strstr(format, "%d");
    if (number)
        snprintf(out, 64, "%.*s%ld%s%s", (int)(number - format), format, layer, number + 2, tail);
    else
        snprintf(out, 64, "%s%s", format, tail);
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
    if (m->head.name) return strcmp(m->head.name, "sequence-classification") ? 0 : POOL_RANK;
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

static void put_keys(bert_gguf_keys *k, const writing *w, uint32_t file_type) {
    const bert_model *m = w->saving->model;
    const bert_config *c = &m->config;
    char *name = bert_directory_name(m->path);
    const uint32_t pooling = pooling_of(m);
    bert_gguf_put_string(k, "general.architecture", "bert");
    bert_gguf_put_string(k, "general.type", "model");
    bert_gguf_put_string(k, "general.name", name ? name : "");
    bert_gguf_put_u32(k, "general.file_type", file_type);
    bert_gguf_put_u32(k, "general.quantization_version", 2);
    bert_gguf_put_u32(k, "bert.block_count", (uint32_t)c->num_hidden_layers);
    bert_gguf_put_u32(k, "bert.context_length", (uint32_t)(c->max_position_embeddings - w->skip));
    bert_gguf_put_u32(k, "bert.embedding_length", (uint32_t)c->hidden_size);
    bert_gguf_put_u32(k, "bert.feed_forward_length", (uint32_t)c->intermediate_size);
    bert_gguf_put_u32(k, "bert.attention.head_count", (uint32_t)c->num_attention_heads);
    bert_gguf_put_f32(k, "bert.attention.layer_norm_epsilon", c->layer_norm_eps);
    bert_gguf_put_bool(k, "bert.attention.causal", false);
    if (pooling) bert_gguf_put_u32(k, "bert.pooling_type", pooling);
    if (pooling == POOL_RANK)
        bert_gguf_put_strings(k, "bert.classifier.output_labels",
                              (const char *const *)m->labels.name, (size_t)m->labels.n);
    free(name);
}

/* ---- All of it */

static int check(const bert_saving *s, int64_t *skip, bert_error *e) {
    const bert_model *m = s->model;
    const char *name = s->to, *dot = strrchr(name, '.');
    size_t i = 0, n = sizeof families / sizeof *families;
    while (i < n && strcmp(families[i].model_type, m->config.model_type)) i++;
    if (i == n)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: GGUF files are written of BERT, RoBERTa, XLM-R, CamemBERT and "
                         "DistilBERT, not of %s",
                         m->path, m->config.model_type);
    if (strcmp(m->config.hidden_act, "gelu"))
        return bert_fail(
            e, BERT_EUNSUPPORTED,
            "%s: a GGUF file does not say the activation, and llama.cpp's is gelu, not "
            "%s (hidden_act)",
            m->path, m->config.hidden_act);
    const char *module = m->head.name ? NULL : bert_modules_beyond_normalize(&m->sentence.modules);
    if (module)
        return bert_fail(
            e, BERT_EUNSUPPORTED,
            "%s: its vectors pass through a %s (modules.json), which has no place in a "
            "GGUF file: llama.cpp would give others",
            m->path, module);
    if (!dot || strcmp(dot, ".gguf"))
        return bert_fail(e, BERT_EINVAL, "%s: a GGUF file's name ends in .gguf", name);
    *skip = families[i].offset ? m->config.pad_token_id + 1 : 0;
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
    rc = bert_gguf_put_tokenizer(&keys, s->model, e);
    if (!rc) rc = bert_gguf_write(s->to, &keys, w.tensors, w.count, put_tensor, &w, e);
    s->result =
        (bert_convert_result){.files = 1, .tensors = w.count, .left_out = s->count - w.count};
    s->result.normalize_left_out = !s->model->head.name && s->model->sentence.normalize;
    bert_gguf_keys_free(&keys);
    free(w.tensors);
    return rc;
}
