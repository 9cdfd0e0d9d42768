#include "models/trunk.h"
#include "base/error.h"
#include "models/arch.h"
#include "tape/params.h"
#include <stdio.h>
#include <stdlib.h>

enum { MAX_PARAMETER_NAME = 128 };

/* What the constructors share. */
typedef struct {
    bert_params *ps;
    const char *prefix;
    bert_error *e;
    char name[MAX_PARAMETER_NAME];
} builder;

/* %d of the format is the layer; formats without one ignore it. The formats are rows of the
 * architecture table, never input. */
static const char *name_of(builder *b, const char *format, int layer) {
    int n = snprintf(b->name, sizeof b->name, "%s", b->prefix);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(b->name + n, sizeof b->name - (size_t)n, format, layer);
#pragma GCC diagnostic pop
    return b->name;
}

static int linear(builder *b, const char *format, int layer, int32_t in, int32_t out,
                  bert_linear *l) {
    return bert_linear_new(b->ps, name_of(b, format, layer), in, out, l, b->e);
}

static int norm(builder *b, const char *format, int layer, const bert_config *c,
                bert_layer_norm *n) {
    return bert_layer_norm_new(b->ps, name_of(b, format, layer), c->hidden_size, c->layer_norm_eps,
                               n, b->e);
}

static int table(builder *b, const char *name, int32_t rows, int32_t cols, bert_param **p) {
    char full[MAX_PARAMETER_NAME + 8];
    snprintf(full, sizeof full, "%s.weight", name_of(b, name, 0));
    *p = bert_param_new(b->ps, full, rows, cols, BERT_INIT_NORMAL, b->e);
    return *p ? 0 : BERT_ENOMEM;
}

static int layer_new(builder *b, const bert_arch *arch, const bert_config *c, int i,
                     bert_layer *l) {
    const int32_t h = c->hidden_size, f = c->intermediate_size;
    return linear(b, arch->layer.query, i, h, h, &l->qkv[0]) ||
           linear(b, arch->layer.key, i, h, h, &l->qkv[1]) ||
           linear(b, arch->layer.value, i, h, h, &l->qkv[2]) ||
           linear(b, arch->layer.attention_output, i, h, h, &l->attention_output) ||
           norm(b, arch->layer.attention_norm, i, c, &l->attention_norm) ||
           linear(b, arch->layer.intermediate, i, h, f, &l->intermediate) ||
           linear(b, arch->layer.output, i, f, h, &l->output) ||
           norm(b, arch->layer.output_norm, i, c, &l->output_norm);
}

int bert_trunk_new(bert_params *ps, const bert_arch *arch, const bert_config *c, const char *prefix,
                   bert_trunk *k, bert_error *e) {
    bert_error local = {0};
    if (!e) e = &local;
    builder b = {.ps = ps, .prefix = prefix, .e = e};
    *k = (bert_trunk){.first_position = arch->first_position(c)};
    k->layers = calloc((size_t)c->num_hidden_layers, sizeof *k->layers);
    if (!k->layers) return bert_fail_memory(e, (size_t)c->num_hidden_layers * sizeof *k->layers);
    bool bad = bert_act_parse(c->hidden_act, &k->act, e) ||
               table(&b, arch->embeddings.word, c->vocab_size, c->hidden_size, &k->word) ||
               table(&b, arch->embeddings.position, c->max_position_embeddings, c->hidden_size,
                     &k->position) ||
               table(&b, arch->embeddings.token_type, c->type_vocab_size, c->hidden_size,
                     &k->token_type) ||
               norm(&b, arch->embeddings.norm, 0, c, &k->embeddings_norm);
    if (!bad) k->word->padding = c->pad_token_id;
    for (int i = 0; i < c->num_hidden_layers && !bad; i++)
        bad = layer_new(&b, arch, c, i, &k->layers[i]);
    return bad ? e->code : 0;
}

int bert_trunk_add_pooler(bert_params *ps, const bert_arch *arch, const bert_config *c,
                          const char *prefix, bert_trunk *k, bert_error *e) {
    builder b = {.ps = ps, .prefix = prefix, .e = e};
    return linear(&b, arch->pooler, 0, c->hidden_size, c->hidden_size, &k->pooler);
}

void bert_trunk_free(bert_trunk *k) {
    free(k->layers);
    *k = (bert_trunk){0};
}
