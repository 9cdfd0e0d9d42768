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

static inline void hub_tensor(hub_weights *w, const char *name, int rows, int cols) {
    char *at = w->head + w->head_bytes;
    const int64_t size = 4 * (int64_t)rows * (cols ? cols : 1);
    assert_true(w->n < HUB_TENSORS && w->head_bytes + 400 < (int64_t)sizeof w->head);
    int n = sprintf(at, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%d", w->n ? "," : "{", name, rows);
    if (cols) n += sprintf(at + n, ",%d", cols);
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
static inline hub_repo *hub_put_textattack(const char *id) {
    hub_repo *r = hub_server_add(hub, id, OTHER_COMMIT);
    const hub_shape s = {TEST_VOCAB, TEST_HIDDEN, TEST_LAYERS,
                         TEST_HEADS, TEST_INNER,  TEST_POSITIONS};
    test_weights w = {.n = 0};
    test_bytes b = {0};
    test_tensors(&w, "BertForSequenceClassification", 2);
    test_put_torch(&b, &w);
    hub_repo_put(r, "pytorch_model.bin", b.data, b.n, true);
    free(b.data);
    test_weights_free(&w);
    static const char *const extra[] = {"eval_results_yelp.txt", "log.txt", "train_args.json"};
    for (int i = 0; i < 3; i++) hub_repo_text(r, extra[i], "{}");
    hub_repo_put(r, "training_args.bin", "pickle", 6, true);
    hub_repo_put(r, "flax_model.msgpack", "x", 1, true);
    hub_bert_config(r, "config.json", &s, "BertForSequenceClassification",
                    ", \"finetuning_task\": \"yelp_polarity\"");
    hub_repo_text(r, "special_tokens_map.json",
                  "{\"unk_token\": \"[UNK]\", \"sep_token\": \"[SEP]\", \"pad_token\": \"[PAD]\", "
                  "\"cls_token\": \"[CLS]\", \"mask_token\": \"[MASK]\"}");
    hub_repo_text(r, "tokenizer_config.json",
                  "{\"do_lower_case\": true, \"model_max_length\": 512}");
    hub_put_vocabulary(r, &s);
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
        char *head = strdup(both[k]->head + 8), file[64];
        snprintf(file, sizeof file, "model-%05d-of-00002.safetensors", k + 1);
        char *json = malloc(strlen(head) + 2);
        sprintf(json, "%s}", head);
        json_t *tensors = json_loads(json, 0, NULL), *v;
        const char *name;
        json_object_foreach(tensors, name, v) json_object_set_new(map, name, json_string(file));
        json_decref(tensors);
        free(json);
        free(head);
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
static inline hub_repo *hub_put_vit(const char *id) {
    hub_repo *r = hub_server_add(hub, id, COMMIT);
    hub_repo_text(r, "config.json",
                  "{\"model_type\": \"vit\", \"architectures\": "
                  "[\"ViTForImageClassification\"]}");
    hub_repo_text(r, "preprocessor_config.json", "{\"do_resize\": true, \"size\": 224}");
    put_large(r, "model.safetensors", 100000);
    hub_repo_put(r, "pytorch_model.bin", "x", 1, true);
    hub_repo_put(r, "flax_model.msgpack", "x", 1, true);
    return r;
}
#endif
