/* Repositories as they lie on the hub: every file of the real ones, with weights that are made from a
 * formula when they are asked for, of the real shapes or of small ones. */
#ifndef BERT_TEST_HUB_LAYOUTS_H
#define BERT_TEST_HUB_LAYOUTS_H
#include "hub_world.h"
#include "torch_file.h"

typedef struct {
    int vocab, hidden, layers, heads, inner, positions;
} hub_shape;

/* ---- safetensors without a buffer: a header, and numbers by their place */

enum { HUB_TENSORS = 512 };
typedef struct {
    int64_t head_bytes, bytes, begin[HUB_TENSORS + 1];
    bool norm[HUB_TENSORS];
    int n;
    char head[200000];
} hub_weights;

static inline void hub_shaped(hub_weights *w, const char *name, int dims, const int *shape) {
    char *at = w->head + w->head_bytes;
    int64_t size = 4;
    assert_true(w->n < HUB_TENSORS && w->head_bytes + 400 < (int64_t)sizeof w->head);
    int n = sprintf(at, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[", w->n ? "," : "{", name);
    for (int i = 0; i < dims; i++) {
        n += sprintf(at + n, "%s%d", i ? "," : "", shape[i]);
        size *= shape[i];
    }
    n += sprintf(at + n, "],\"data_offsets\":[%lld,%lld]}", (long long)w->bytes,
                 (long long)(w->bytes + size));
    w->head_bytes += n;
    w->begin[w->n] = w->bytes;
    w->norm[w->n] = strstr(name, "gamma") || strstr(name, "LayerNorm.weight") ||
                    strstr(name, "layernorm_before.weight") ||
                    strstr(name, "layernorm_after.weight") || !strcmp(name, "vit.layernorm.weight");
    w->bytes += size;
    w->begin[++w->n] = w->bytes;
}

static inline void hub_tensor(hub_weights *w, const char *name, int rows, int cols) {
    hub_shaped(w, name, cols ? 2 : 1, (const int[]){rows, cols});
}

static inline void hub_linear(hub_weights *w, const char *name, int out, int in) {
    char full[200];
    snprintf(full, sizeof full, "%s.weight", name);
    hub_tensor(w, full, out, in);
    snprintf(full, sizeof full, "%s.bias", name);
    hub_tensor(w, full, out, 0);
}

/* Names of a norm as they were when BERT was published, and as they are. */
static inline void hub_norm(hub_weights *w, const char *name, int size, bool old) {
    char full[200];
    snprintf(full, sizeof full, "%s.%s", name, old ? "gamma" : "weight");
    hub_tensor(w, full, size, 0);
    snprintf(full, sizeof full, "%s.%s", name, old ? "beta" : "bias");
    hub_tensor(w, full, size, 0);
}

static inline float hub_number(int64_t at, bool norm) {
    uint64_t z = ((uint64_t)at + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z ^= z >> 27;
    const float u = (float)(z >> 40) / 8388608.0f - 1;
    return norm ? 1 + 0.1f * u : 0.05f * u;
}

static inline void hub_fill_weights(const void *context, int64_t at, char *out, size_t bytes) {
    const hub_weights *w = context;
    int tensor = 0;
    for (size_t i = 0; i < bytes;) {
        const int64_t place = at + (int64_t)i - w->head_bytes;
        if (place < 0) {
            out[i] = w->head[at + (int64_t)i];
            i++;
            continue;
        }
        while (tensor + 1 < w->n && w->begin[tensor + 1] <= place) tensor++;
        const float x = hub_number(place / 4, w->norm[tensor]);
        char word[4];
        memcpy(word, &x, 4);
        for (size_t k = (size_t)(place % 4); k < 4 && i < bytes; k++) out[i++] = word[k];
    }
}

static inline hub_weights *hub_weights_new(void) {
    hub_weights *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->head_bytes = 8;
    return w;
}

static inline void hub_put_weights(hub_repo *r, const char *path, hub_weights *w) {
    w->head[w->head_bytes++] = '}';
    while (w->head_bytes % 8) w->head[w->head_bytes++] = ' ';
    const uint64_t length = (uint64_t)w->head_bytes - 8;
    memcpy(w->head, &length, 8);
    hub_repo_generate(r, path, w->head_bytes + w->bytes, hub_fill_weights, w);
}

/* The header of those so far. */
static inline json_t *hub_header(const hub_weights *w) {
    char *head = malloc((size_t)w->head_bytes);
    assert_non_null(head);
    snprintf(head, (size_t)w->head_bytes, "%.*s}", (int)w->head_bytes - 8, w->head + 8);
    json_t *tensors = json_loads(head, 0, NULL);
    free(head);
    assert_non_null(tensors);
    return tensors;
}

/* ---- pytorch_model.bin as torch wrote it before 1.6: pickles, and behind them each tensor's count and
 * numbers */

typedef struct {
    int64_t begin, text; /* text: where in it; -1: numbers */
    bool norm;
} hub_part;
typedef struct {
    hub_part parts[2 * HUB_TENSORS + 4];
    int n;
    int64_t bytes, used;
    char text[400000];
} hub_parts;

static inline void hub_add_text(hub_parts *p, const void *text, size_t n) {
    assert_true(p->n < 2 * HUB_TENSORS + 3 && (size_t)p->used + n <= sizeof p->text);
    p->parts[p->n++] = (hub_part){p->bytes, p->used, false};
    memcpy(p->text + p->used, text, n);
    p->used += (int64_t)n;
    p->bytes += (int64_t)n;
    p->parts[p->n].begin = p->bytes;
}

static inline void hub_add_numbers(hub_parts *p, int64_t count, bool norm) {
    hub_add_text(p, &count, 8);
    p->parts[p->n++] = (hub_part){p->bytes, -1, norm};
    p->bytes += 4 * count;
    p->parts[p->n].begin = p->bytes;
}

static inline void hub_fill_parts(const void *context, int64_t at, char *out, size_t bytes) {
    const hub_parts *p = context;
    int part = 0;
    while (part + 1 < p->n && p->parts[part + 1].begin <= at) part++;
    for (size_t i = 0; i < bytes;) {
        const hub_part *x = &p->parts[part];
        const int64_t place = at + (int64_t)i - x->begin;
        if (at + (int64_t)i >= x[1].begin) {
            part++;
        } else if (x->text >= 0) {
            out[i++] = p->text[x->text + place];
        } else {
            const float number = hub_number(((int64_t)part << 32) + place / 4, x->norm);
            char word[4];
            memcpy(word, &number, 4);
            for (size_t k = (size_t)(place % 4); k < 4 && i < bytes; k++) out[i++] = word[k];
        }
    }
}

static inline void hub_pickle_tensor(test_bytes *b, const char *key, const json_t *shape) {
    int64_t sizes[4], strides[4], numel = 1;
    const int dims = (int)json_array_size(shape);
    for (int i = dims - 1; i >= 0; i--) {
        sizes[i] = json_integer_value(json_array_get(shape, (size_t)i));
        strides[i] = numel;
        numel *= sizes[i];
    }
    test_pickle_view(b, "Float", key, numel, "N", 0, dims, sizes, strides);
}

static inline void hub_put_legacy(hub_repo *r, const char *path, hub_weights *w) {
    test_bytes object = {0}, keys = {0};
    json_t *tensors = hub_header(w), *tensor;
    hub_parts *p = calloc(1, sizeof *p);
    const char *name;
    int i = 0;
    assert_non_null(p);
    test_put_text(&object, "\x80\2" TEST_ORDERED "(");
    test_put_text(&keys, "\x80\2](");
    json_object_foreach(tensors, name, tensor) {
        char key[32];
        snprintf(key, sizeof key, "9%05d", i++);
        test_pickle_text(&object, name);
        hub_pickle_tensor(&object, key, json_object_get(tensor, "shape"));
        test_pickle_text(&keys, key);
    }
    test_put_text(&object, "u.");
    test_put_text(&keys, "e.");
    hub_add_text(p, TEST_LEGACY, sizeof TEST_LEGACY - 1);
    hub_add_text(p, object.data, object.n);
    hub_add_text(p, keys.data, keys.n);
    for (i = 0; i < w->n; i++) hub_add_numbers(p, (w->begin[i + 1] - w->begin[i]) / 4, w->norm[i]);
    hub_repo_generate(r, path, p->bytes, hub_fill_parts, p);
    json_decref(tensors);
    free(object.data);
    free(keys.data);
    free(w);
}

/* ---- BERT */

static inline void hub_bert_layer(hub_weights *w, const hub_shape *s, const char *prefix, int i,
                                  bool old) {
    static const char *const parts[] = {"query", "key", "value"};
    char name[160];
    for (int k = 0; k < 3; k++) {
        snprintf(name, sizeof name, "%sencoder.layer.%d.attention.self.%s", prefix, i, parts[k]);
        hub_linear(w, name, s->hidden, s->hidden);
    }
    snprintf(name, sizeof name, "%sencoder.layer.%d.attention.output.dense", prefix, i);
    hub_linear(w, name, s->hidden, s->hidden);
    snprintf(name, sizeof name, "%sencoder.layer.%d.attention.output.LayerNorm", prefix, i);
    hub_norm(w, name, s->hidden, old);
    snprintf(name, sizeof name, "%sencoder.layer.%d.intermediate.dense", prefix, i);
    hub_linear(w, name, s->inner, s->hidden);
    snprintf(name, sizeof name, "%sencoder.layer.%d.output.dense", prefix, i);
    hub_linear(w, name, s->hidden, s->inner);
    snprintf(name, sizeof name, "%sencoder.layer.%d.output.LayerNorm", prefix, i);
    hub_norm(w, name, s->hidden, old);
}

static inline void hub_bert_embeddings(hub_weights *w, const hub_shape *s, const char *prefix,
                                       bool old) {
    char name[160];
    snprintf(name, sizeof name, "%sembeddings.word_embeddings.weight", prefix);
    hub_tensor(w, name, s->vocab, s->hidden);
    snprintf(name, sizeof name, "%sembeddings.position_embeddings.weight", prefix);
    hub_tensor(w, name, s->positions, s->hidden);
    snprintf(name, sizeof name, "%sembeddings.token_type_embeddings.weight", prefix);
    hub_tensor(w, name, 2, s->hidden);
    snprintf(name, sizeof name, "%sembeddings.LayerNorm", prefix);
    hub_norm(w, name, s->hidden, old);
}

/* The published checkpoint: old names of norms, and both heads of pretraining. */
static inline hub_weights *hub_bert_weights(const hub_shape *s) {
    hub_weights *w = hub_weights_new();
    hub_bert_embeddings(w, s, "bert.", true);
    for (int i = 0; i < s->layers; i++) hub_bert_layer(w, s, "bert.", i, true);
    hub_linear(w, "bert.pooler.dense", s->hidden, s->hidden);
    hub_tensor(w, "cls.predictions.bias", s->vocab, 0);
    hub_linear(w, "cls.predictions.transform.dense", s->hidden, s->hidden);
    hub_norm(w, "cls.predictions.transform.LayerNorm", s->hidden, true);
    hub_linear(w, "cls.seq_relationship", 2, s->hidden);
    return w;
}

static inline void hub_bert_config(hub_repo *r, const char *path, const hub_shape *s,
                                   const char *architecture, const char *more) {
    char text[1500];
    snprintf(text, sizeof text,
             "{\"architectures\": [\"%s\"], \"attention_probs_dropout_prob\": 0.1, "
             "\"gradient_checkpointing\": false, \"hidden_act\": \"gelu\", "
             "\"hidden_dropout_prob\": 0.1, \"hidden_size\": %d, \"initializer_range\": 0.02, "
             "\"intermediate_size\": %d, \"layer_norm_eps\": 1e-12, "
             "\"max_position_embeddings\": %d, \"model_type\": \"bert\", \"num_attention_heads\": "
             "%d, \"num_hidden_layers\": %d, \"pad_token_id\": 0, \"position_embedding_type\": "
             "\"absolute\", \"transformers_version\": \"4.6.0.dev0\", \"type_vocab_size\": 2, "
             "\"use_cache\": true, \"vocab_size\": %d%s}",
             architecture, s->hidden, s->inner, s->positions, s->heads, s->layers, s->vocab, more);
    hub_repo_text(r, path, text);
}

/* The specials where BERT has them, words of the guide's texts, and the rest unused. */
static inline char *hub_vocabulary(const hub_shape *s) {
    static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    static const char *const words[] = {"replace", "me",  "by",   "any", "text",  "you",
                                        "'",       "d",   "like", ".",   "hello", ",",
                                        "my",      "dog", "is",   "cute"};
    const bool real = s->vocab > 1000;
    char *text = malloc((size_t)s->vocab * 16 + 100), *to = text;
    assert_non_null(text);
    for (int i = 0; i < s->vocab; i++) {
        const int special = i == 0  ? 0
                            : real  ? (i >= 100 && i < 104 ? i - 99 : -1)
                            : i < 5 ? i
                                    : -1;
        const int word = i - (real ? 1000 : 5);
        if (special >= 0)
            to += sprintf(to, "%s\n", specials[special]);
        else if (word >= 0 && word < (int)(sizeof words / sizeof *words))
            to += sprintf(to, "%s\n", words[word]);
        else
            to += sprintf(to, "[unused%d]\n", i);
    }
    return text;
}

static inline void hub_put_vocabulary(hub_repo *r, const hub_shape *s) {
    char *text = hub_vocabulary(s);
    hub_repo_text(r, "vocab.txt", text);
    free(text);
}

/* bert-base-uncased, and its like: what nobody here needs, too. */
static inline hub_repo *hub_put_bert(const char *id, const hub_shape *s, const char *tokenizer) {
    static const char *const others[] = {"coreml/fill-mask/float32_model.mlpackage/Manifest.json",
                                         "flax_model.msgpack",
                                         "model.onnx",
                                         "rust_model.ot",
                                         "tf_model.h5",
                                         "pytorch_model.bin"};
    hub_repo *r = hub_server_add(hub, id, COMMIT);
    hub_repo_text(r, ".gitattributes", "*.bin.* filter=lfs diff=lfs merge=lfs -text\n");
    hub_repo_text(r, "LICENSE", "Apache License\n");
    hub_repo_text(r, "README.md", "---\nlanguage: en\nlicense: apache-2.0\n---\n# BERT\n");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        hub_repo_put(r, others[i], "not needed", 10, true);
    hub_bert_config(r, "config.json", s, "BertForMaskedLM", "");
    hub_put_weights(r, "model.safetensors", hub_bert_weights(s));
    hub_repo_text(r, "tokenizer_config.json", tokenizer);
    hub_put_vocabulary(r, s);
    return r;
}

/* textattack's: nothing but a pytorch_model.bin. */
static inline hub_repo *hub_put_textattack(const char *id, const hub_shape *s) {
    hub_repo *r = hub_server_add(hub, id, OTHER_COMMIT);
    hub_weights *w = hub_weights_new();
    hub_bert_embeddings(w, s, "bert.", false);
    for (int i = 0; i < s->layers; i++) hub_bert_layer(w, s, "bert.", i, false);
    hub_linear(w, "bert.pooler.dense", s->hidden, s->hidden);
    hub_linear(w, "classifier", 2, s->hidden);
    hub_put_legacy(r, "pytorch_model.bin", w);
    static const char *const extra[] = {"eval_results_yelp.txt", "log.txt", "train_args.json"};
    for (int i = 0; i < 3; i++) hub_repo_text(r, extra[i], "{}");
    hub_repo_put(r, "training_args.bin", "pickle", 6, true);
    hub_repo_put(r, "flax_model.msgpack", "x", 1, true);
    hub_bert_config(r, "config.json", s, "BertForSequenceClassification",
                    ", \"finetuning_task\": \"yelp_polarity\"");
    hub_repo_text(r, "special_tokens_map.json",
                  "{\"unk_token\": \"[UNK]\", \"sep_token\": \"[SEP]\", \"pad_token\": \"[PAD]\", "
                  "\"cls_token\": \"[CLS]\", \"mask_token\": \"[MASK]\"}");
    hub_repo_text(r, "tokenizer_config.json",
                  "{\"do_lower_case\": true, \"model_max_length\": 512}");
    hub_put_vocabulary(r, s);
    return r;
}

/* A sharded one: two files and their index. */
static inline hub_repo *hub_put_sharded(const char *id, const hub_shape *s) {
    hub_repo *r = hub_server_add(hub, id, COMMIT);
    hub_weights *first = hub_weights_new(), *second = hub_weights_new();
    hub_bert_embeddings(first, s, "", false);
    for (int i = 0; i < s->layers; i++) hub_bert_layer(second, s, "", i, false);
    hub_linear(second, "pooler.dense", s->hidden, s->hidden);
    json_t *map = json_object();
    const hub_weights *const both[] = {first, second};
    for (int k = 0; k < 2; k++) {
        char file[64];
        snprintf(file, sizeof file, "model-%05d-of-00002.safetensors", k + 1);
        json_t *tensors = hub_header(both[k]), *v;
        const char *name;
        json_object_foreach(tensors, name, v) json_object_set_new(map, name, json_string(file));
        json_decref(tensors);
    }
    json_t *index = json_pack("{s:{s:I}, s:o}", "metadata", "total_size",
                              (json_int_t)(first->bytes + second->bytes), "weight_map", map);
    char *text = json_dumps(index, 0);
    hub_repo_text(r, "model.safetensors.index.json", text);
    free(text);
    json_decref(index);
    hub_put_weights(r, "model-00001-of-00002.safetensors", first);
    hub_put_weights(r, "model-00002-of-00002.safetensors", second);
    hub_bert_config(r, "config.json", s, "BertModel", "");
    hub_put_vocabulary(r, s);
    return r;
}

/* all-MiniLM and its like. */
static inline hub_repo *hub_put_sentences(const char *id, const hub_shape *s) {
    hub_repo *r = hub_server_add(hub, id, COMMIT);
    hub_weights *w = hub_weights_new();
    hub_bert_embeddings(w, s, "", false);
    for (int i = 0; i < s->layers; i++) hub_bert_layer(w, s, "", i, false);
    hub_linear(w, "pooler.dense", s->hidden, s->hidden);
    hub_put_weights(r, "model.safetensors", w);
    hub_bert_config(r, "config.json", s, "BertModel", "");
    hub_put_vocabulary(r, s);
    hub_repo_text(r, "modules.json",
                  "[{\"idx\": 0, \"name\": \"0\", \"path\": \"\", \"type\": "
                  "\"sentence_transformers.models.Transformer\"}, {\"idx\": 1, \"name\": \"1\", "
                  "\"path\": \"1_Pooling\", \"type\": \"sentence_transformers.models.Pooling\"}, "
                  "{\"idx\": 2, \"name\": \"2\", \"path\": \"2_Normalize\", \"type\": "
                  "\"sentence_transformers.models.Normalize\"}]");
    hub_repo_text(r, "1_Pooling/config.json",
                  "{\"word_embedding_dimension\": 32, \"pooling_mode_cls_token\": true, "
                  "\"pooling_mode_mean_tokens\": false}");
    hub_repo_text(r, "sentence_bert_config.json",
                  "{\"max_seq_length\": 16, \"do_lower_case\": false}");
    hub_repo_text(r, "config_sentence_transformers.json", "{\"__version__\": {}}");
    hub_repo_put(r, "onnx/model_O1.onnx", "x", 1, true);
    hub_repo_put(r, "openvino/openvino_model.bin", "x", 1, true);
    hub_repo_put(r, "pytorch_model.bin", "x", 1, true);
    hub_repo_text(r, "train_script.py", "pass\n");
    return r;
}

/* A ViT, as google/vit-base-patch16-224. */
typedef struct {
    int hidden, layers, heads, inner, side, patch, labels;
} hub_vit_shape;

static inline void hub_put_vit_config(hub_repo *r, const hub_vit_shape *s) {
    json_t *labels = json_object(), *config;
    for (int i = 0; i < s->labels; i++) {
        char id[16], label[32];
        snprintf(id, sizeof id, "%d", i);
        snprintf(label, sizeof label, "thing %d", i);
        json_object_set_new(labels, id, json_string(label));
    }
    config = json_pack("{s:s, s:[s], s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:f, s:b, s:o}",
                       "model_type", "vit", "architectures", "ViTForImageClassification",
                       "hidden_size", s->hidden, "num_hidden_layers", s->layers,
                       "num_attention_heads", s->heads, "intermediate_size", s->inner, "image_size",
                       s->side, "patch_size", s->patch, "num_channels", 3, "hidden_act", "gelu",
                       "layer_norm_eps", 1e-12, "qkv_bias", 1, "id2label", labels);
    char *text = json_dumps(config, 0), processor[200];
    hub_repo_text(r, "config.json", text);
    snprintf(processor, sizeof processor,
             "{\"do_normalize\": true, \"do_resize\": true, \"image_mean\": [0.5, 0.5, 0.5], "
             "\"image_std\": [0.5, 0.5, 0.5], \"size\": %d}",
             s->side);
    hub_repo_text(r, "preprocessor_config.json", processor);
    free(text);
    json_decref(config);
}

static inline hub_repo *hub_put_vit(const char *id, const hub_vit_shape *s) {
    static const char *const parts[] = {"attention.query", "attention.key", "attention.value",
                                        "output.dense"};
    const int h = s->hidden, patches = s->side / s->patch * (s->side / s->patch);
    hub_repo *r = hub_server_add(hub, id, COMMIT);
    hub_weights *w = hub_weights_new();
    char name[160];
    hub_put_vit_config(r, s);
    hub_shaped(w, "vit.embeddings.cls_token", 3, (const int[]){1, 1, h});
    hub_shaped(w, "vit.embeddings.position_embeddings", 3, (const int[]){1, patches + 1, h});
    hub_shaped(w, "vit.embeddings.patch_embeddings.projection.weight", 4,
               (const int[]){h, 3, s->patch, s->patch});
    hub_tensor(w, "vit.embeddings.patch_embeddings.projection.bias", h, 0);
    for (int i = 0; i < s->layers; i++) {
        for (int k = 0; k < 4; k++) {
            snprintf(name, sizeof name, "vit.encoder.layer.%d.attention.%s", i, parts[k]);
            hub_linear(w, name, h, h);
        }
        snprintf(name, sizeof name, "vit.encoder.layer.%d.intermediate.dense", i);
        hub_linear(w, name, s->inner, h);
        snprintf(name, sizeof name, "vit.encoder.layer.%d.output.dense", i);
        hub_linear(w, name, h, s->inner);
        snprintf(name, sizeof name, "vit.encoder.layer.%d.layernorm_before", i);
        hub_norm(w, name, h, false);
        snprintf(name, sizeof name, "vit.encoder.layer.%d.layernorm_after", i);
        hub_norm(w, name, h, false);
    }
    hub_norm(w, "vit.layernorm", h, false);
    hub_linear(w, "classifier", s->labels, h);
    hub_put_weights(r, "model.safetensors", w);
    hub_repo_put(r, "pytorch_model.bin", "x", 1, true);
    hub_repo_put(r, "flax_model.msgpack", "x", 1, true);
    hub_repo_put(r, "tf_model.h5", "x", 1, true);
    return r;
}
#endif
