#include "files/gguf_names.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What llama.cpp calls a part, and the families do. */
typedef struct {
    const char *part, *as[BERT_GGUF_FAMILIES];
} row;

#define EMBEDDINGS "embeddings.word_embeddings"
#define TYPES "embeddings.token_type_embeddings"
#define NORM "embeddings.LayerNorm"
static const row whole[] = {
    {"token_embd", {EMBEDDINGS, EMBEDDINGS, EMBEDDINGS, EMBEDDINGS, "embeddings.tok_embeddings"}},
    {"position_embd", {"embeddings.position_embeddings", "embeddings.position_embeddings"}},
    {"token_types", {TYPES, NULL, TYPES, TYPES, NULL}},
    {"token_embd_norm", {NORM, NORM, "emb_ln", NORM, "embeddings.norm"}},
    {"output_norm", {[BERT_GGUF_MODERN] = "final_norm"}},
    /* RoBERTa's head is what BERT's pooler and classifier are together */
    {"cls", {"pooler.dense", "pre_classifier"}},
    {"cls.output", {"classifier", "classifier"}},
    {NULL, {NULL}},
};

#define BERT_LAYER "encoder.layer.%ld."
#define DISTIL_LAYER "transformer.layer.%ld."
#define NOMIC_LAYER "encoder.layers.%ld."
#define MODERN_LAYER "layers.%ld."
static const row of_layer[] = {
    {"attn_q",
     {BERT_LAYER "attention.self.query", DISTIL_LAYER "attention.q_lin", NULL,
      BERT_LAYER "attention.self.query"}},
    {"attn_k",
     {BERT_LAYER "attention.self.key", DISTIL_LAYER "attention.k_lin", NULL,
      BERT_LAYER "attention.self.key"}},
    {"attn_v",
     {BERT_LAYER "attention.self.value", DISTIL_LAYER "attention.v_lin", NULL,
      BERT_LAYER "attention.self.value"}},
    {"attn_qkv",
     {[BERT_GGUF_NOMIC] = NOMIC_LAYER "attn.Wqkv", [BERT_GGUF_MODERN] = MODERN_LAYER "attn.Wqkv"}},
    {"attn_norm", {[BERT_GGUF_MODERN] = MODERN_LAYER "attn_norm"}},
    {"attn_output",
     {BERT_LAYER "attention.output.dense", DISTIL_LAYER "attention.out_lin",
      NOMIC_LAYER "attn.out_proj", BERT_LAYER "attention.output.dense", MODERN_LAYER "attn.Wo"}},
    {"attn_output_norm",
     {BERT_LAYER "attention.output.LayerNorm", DISTIL_LAYER "sa_layer_norm", NOMIC_LAYER "norm1",
      BERT_LAYER "attention.output.LayerNorm"}},
    {"ffn_norm", {[BERT_GGUF_MODERN] = MODERN_LAYER "mlp_norm"}},
    {"ffn_gate", {[BERT_GGUF_NOMIC] = NOMIC_LAYER "mlp.fc12"}},
    {"ffn_up",
     {BERT_LAYER "intermediate.dense", DISTIL_LAYER "ffn.lin1", NOMIC_LAYER "mlp.fc11",
      BERT_LAYER "mlp.gated_layers", MODERN_LAYER "mlp.Wi"}},
    {"ffn_down",
     {BERT_LAYER "output.dense", DISTIL_LAYER "ffn.lin2", NOMIC_LAYER "mlp.fc2",
      BERT_LAYER "mlp.wo", MODERN_LAYER "mlp.Wo"}},
    {"layer_output_norm",
     {BERT_LAYER "output.LayerNorm", DISTIL_LAYER "output_layer_norm", NOMIC_LAYER "norm2",
      BERT_LAYER "mlp.layernorm"}},
    {NULL, {NULL}},
};

const char *bert_gguf_original(bert_gguf_family family, long layer, const char *part) {
    const row *rows = layer < 0 ? whole : of_layer;
    while (rows->part && strcmp(rows->part, part)) rows++;
    return rows->part ? rows->as[family] : NULL;
}

/* Whether a name is the pattern with a layer in the place of "%ld". */
static bool is_of(const char *pattern, const char *name, size_t n, long *layer) {
    const char *number = strstr(pattern, "%ld");
    const size_t head = number ? (size_t)(number - pattern) : strlen(pattern);
    if (n < head || strncmp(name, pattern, head)) return false;
    if (!number) return n == head;
    char *end;
    *layer = strtol(name + head, &end, 10);
    const size_t rest = n - (size_t)(end - name);
    return end != name + head && strlen(number + 3) == rest && !strncmp(end, number + 3, rest);
}

bool bert_gguf_name(bert_gguf_family family, const char *name, size_t n, char out[64]) {
    const row *const tables[] = {whole, of_layer};
    long layer = 0;
    for (int t = 0; t < 2; t++)
        for (const row *r = tables[t]; r->part; r++) {
            if (!r->as[family] || !is_of(r->as[family], name, n, &layer)) continue;
            if (t)
                snprintf(out, 64, "blk.%ld.%s", layer, r->part);
            else
                snprintf(out, 64, "%s", r->part);
            return true;
        }
    return false;
}
