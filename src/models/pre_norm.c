#include "models/pre_norm.h"
#include "base/error.h"
#include "files/json.h"
#include "tape/tape.h"

enum { LARGEST = 1 << 14 };

/* ---- Configuration */

static int read_pair(const json_t *json, const char *key, int32_t fallback, const char *where,
                     int32_t *height, int32_t *width, bert_error *e) {
    const json_t *v = json_object_get(json, key);
    *height = *width = fallback;
    if (!v || json_is_null(v)) return 0;
    const bool list = json_is_array(v) && json_array_size(v) == 2;
    const json_t *h = list ? json_array_get(v, 0) : v, *w = list ? json_array_get(v, 1) : v;
    const json_int_t y = json_is_integer(h) ? json_integer_value(h) : 0,
                     x = json_is_integer(w) ? json_integer_value(w) : 0;
    if (y < 1 || x < 1 || y > LARGEST || x > LARGEST)
        return bert_fail(e, BERT_EFORMAT, "%s: %s is a number from 1 to %d, or a list of two",
                         where, key, LARGEST);
    *height = (int32_t)y;
    *width = (int32_t)x;
    return 0;
}

int bert_pre_norm_sizes(const json_t *json, const char *where, int32_t patch, bert_config *c,
                        bert_error *e) {
    int rc = read_pair(json, "image_size", 224, where, &c->image_height, &c->image_width, e);
    if (!rc) rc = read_pair(json, "patch_size", patch, where, &c->patch_height, &c->patch_width, e);
    c->pad_token_id = -1; /* there are no words */
    c->classifier_dropout = -1;
    if (!rc && (c->patch_height > c->image_height || c->patch_width > c->image_width))
        rc =
            bert_fail(e, BERT_EFORMAT, "%s: a patch of %d x %d is larger than a picture of %d x %d",
                      where, c->patch_height, c->patch_width, c->image_height, c->image_width);
    return rc;
}

static int32_t patches_of(const bert_config *c) {
    return c->image_height / c->patch_height * (c->image_width / c->patch_width);
}

int32_t bert_pre_norm_max_length(const bert_config *c) {
    return c->special_tokens + patches_of(c);
}

int bert_pre_norm_pooler(const bert_config *c, const void *own, int32_t *size, bert_act *act,
                         bert_error *e) {
    const bert_pre_norm_config *o = own;
    *size = o->pooler_size ? o->pooler_size : c->hidden_size;
    return bert_act_parse(o->pooler_act, act, e);
}

/* ---- Parameters */

/* One that is neither a linear's nor a norm's, with the shape that files give it. */
static int build_own(bert_builder *b, const char *name, int layer, int dims, const int32_t *shape,
                     bert_init init, bert_param **p) {
    return name ? bert_build_param(b, name, layer, dims, shape, init, p) : 0;
}

static int build_layer(bert_builder *b, const bert_pre_norm_names *n, int i,
                       bert_pre_norm_layer *l) {
    static const char *const parts[] = {"encoder.layer.%d.attention.attention.query",
                                        "encoder.layer.%d.attention.attention.key",
                                        "encoder.layer.%d.attention.attention.value"};
    const bert_config *c = b->config;
    const bert_pre_norm_config *own = b->own;
    const int32_t h = c->hidden_size, f = c->intermediate_size, shape[] = {h};
    const float eps = c->layer_norm_eps;
    int rc = bert_build_norm(b, n->norm1, i, h, eps, &l->norm1);
    for (int k = 0; k < 3 && !rc; k++)
        rc = bert_build_linear_biased(b, parts[k], i, h, h, own->qkv_bias, &l->qkv[k]);
    if (!rc)
        rc = bert_build_linear(b, "encoder.layer.%d.attention.output.dense", i, h, h,
                               &l->attention_output);
    if (!rc) rc = build_own(b, n->scale1, i, 1, shape, BERT_INIT_ONE, &l->scale1);
    if (!rc) rc = bert_build_norm(b, n->norm2, i, h, eps, &l->norm2);
    if (!rc)
        rc = bert_build_linear(b, own->gated ? n->gated_up : n->up, i, h, own->gated ? 2 * f : f,
                               &l->up);
    if (!rc) rc = bert_build_linear(b, own->gated ? n->gated_down : n->down, i, f, h, &l->down);
    if (!rc) rc = build_own(b, n->scale2, i, 1, shape, BERT_INIT_ONE, &l->scale2);
    return rc;
}

static int build_embeddings(bert_builder *b, const bert_pre_norm_names *n, bert_pre_norm *s) {
    const bert_config *c = b->config;
    const bert_pre_norm_config *own = b->own;
    const int32_t h = c->hidden_size, tokens = c->special_tokens - own->registers;
    const int32_t one[] = {1, 1, h}, all[] = {1, tokens + patches_of(c), h},
                  registers[] = {1, own->registers, h};
    const int32_t patch[] = {h, c->num_channels, c->patch_height, c->patch_width};
    const bool deit = n->distillation != NULL; /* its tokens and positions begin at zero */
    const bert_init init = deit ? BERT_INIT_ZERO : BERT_INIT_NORMAL;
    int rc = build_own(b, "embeddings.cls_token", BERT_BELOW, 3, one, init, &s->cls);
    if (!rc) rc = build_own(b, n->distillation, BERT_BELOW, 3, one, init, &s->distillation);
    if (!rc && own->registers)
        rc = build_own(b, "embeddings.register_tokens", BERT_BELOW, 3, registers, init,
                       &s->registers);
    if (!rc)
        rc =
            build_own(b, "embeddings.position_embeddings", BERT_BELOW, 3, all, init, &s->positions);
    if (!rc)
        rc = bert_build_linear(b, "embeddings.patch_embeddings.projection", BERT_BELOW,
                               c->num_channels * c->patch_height * c->patch_width, h, &s->patches);
    if (!rc) bert_build_shape(s->patches.weight, 4, patch);
    return rc;
}

int bert_pre_norm_build(bert_builder *b, const bert_pre_norm_names *names, bert_pre_norm *s) {
    const bert_config *c = b->config;
    const bert_pre_norm_config *own = b->own;
    *s = (bert_pre_norm){
        .config = c,
        .gated = own->gated,
        .grid = own->registers ? BERT_GRID_BICUBIC_ANTIALIAS : BERT_GRID_BICUBIC,
        .attention = {.heads = c->num_attention_heads, .dropout = c->attention_probs_dropout_prob}};
    s->layers = bert_build_alloc(b, (size_t)c->num_hidden_layers * sizeof *s->layers);
    if (!s->layers) return BERT_ENOMEM;
    int rc = bert_act_parse(c->hidden_act, &s->act, b->e);
    if (!rc) rc = build_embeddings(b, names, s);
    for (int i = 0; i < c->num_hidden_layers && !rc; i++)
        rc = build_layer(b, names, i, &s->layers[i]);
    return rc ? rc
              : bert_build_norm(b, "layernorm", c->num_hidden_layers, c->hidden_size,
                                c->layer_norm_eps, &s->last);
}

/* ---- Embeddings */

/* A parameter of [rows, H] in front of each of n pictures: [n, rows * H]. */
static bert_tensor *for_each(bert_tape *t, bert_param *p, int32_t n) {
    int32_t *zeros = bert_tape_alloc(t, (size_t)n * sizeof *zeros), rows, cols;
    if (!zeros) return NULL;
    for (int32_t i = 0; i < n; i++) zeros[i] = 0;
    bert_param_shape(p, &rows, &cols);
    return bert_rows(t, bert_reshape(t, bert_param_tensor(t, p), 1, rows * cols), zeros, n);
}

static bert_tensor *add_positions(bert_tape *t, const bert_pre_norm *s, const bert_pictures *p,
                                  bert_tensor *x, int32_t special) {
    const bert_config *c = s->config;
    const int32_t each = special + p->down * p->across, all = p->n * each;
    int32_t *at = bert_tape_alloc(t, (size_t)all * sizeof *at);
    if (!at) return NULL;
    for (int32_t i = 0; i < all; i++) at[i] = i % each;
    if (p->height == c->image_height && p->width == c->image_width)
        return bert_embedding_onto(t, x, s->positions, at);
    bert_tensor *grid = bert_grid_resized(t, s->positions, special, p->down, p->across, s->grid);
    return bert_add(t, x, bert_rows(t, grid, at, all));
}

/* Behind the first token, which has its position: they have none. */
static bert_tensor *add_registers(bert_tape *t, const bert_pre_norm *s, const bert_pictures *p,
                                  bert_tensor *x) {
    const int32_t h = s->config->hidden_size, patches = p->down * p->across;
    x = bert_reshape(t, x, p->n, (1 + patches) * h);
    bert_tensor *front = bert_concat(t, bert_slice(t, x, 0, h), for_each(t, s->registers, p->n));
    x = bert_concat(t, front, bert_slice(t, x, h, patches * h));
    return bert_reshape(t, x, p->n * (s->config->special_tokens + patches), h);
}

bert_tensor *bert_pre_norm_embed(bert_tape *t, const void *state, const bert_inputs *in) {
    const bert_pre_norm *s = state;
    const int32_t h = s->config->hidden_size, special = s->distillation ? 2 : 1;
    bert_pictures p;
    bert_error e = {0};
    if (bert_pictures_of(s->config, in, &p, &e))
        return bert_tape_set_error(t, e.code, "%s", e.message);
    const int32_t patches = p.down * p.across;
    bert_tensor *x = in->embeds ? bert_pass_embeds(t, in, p.n * patches, s->patches.weight->cols)
                                : bert_picture_patches(t, s->config, &p);
    x = bert_linear_apply(t, s->patches, x);
    bert_tensor *front = for_each(t, s->cls, p.n);
    if (s->distillation) front = bert_concat(t, front, for_each(t, s->distillation, p.n));
    x = bert_concat(t, front, bert_reshape(t, x, p.n, patches * h));
    x = add_positions(t, s, &p, bert_reshape(t, x, p.n * (special + patches), h), special);
    if (s->registers) x = add_registers(t, s, &p, x);
    return bert_dropout(t, x, s->config->hidden_dropout_prob);
}

/* ---- A layer */

/* Whether nothing stands between a branch's last product and its residual. */
static bool bare(const bert_tape *t, const bert_pre_norm *s, const bert_param *scale) {
    return !scale && !(t->options.training && s->config->hidden_dropout_prob > 0);
}

/* x and the branch, dropped out and scaled. */
static bert_tensor *add_branch(bert_tape *t, const bert_pre_norm *s, bert_tensor *x,
                               bert_tensor *branch, bert_param *scale) {
    branch = bert_dropout_over(t, branch, s->config->hidden_dropout_prob);
    if (scale) branch = bert_mul(t, branch, bert_param_tensor(t, scale));
    return bert_add(t, x, branch);
}

bert_tensor *bert_pre_norm_block(bert_tape *t, const void *state, bert_tensor *x,
                                 const bert_pass *pass) {
    const bert_pre_norm *s = state;
    const bert_pre_norm_layer *l = &s->layers[pass->layer];
    bert_tensor *qkv = bert_linear_cat(t, l->qkv, 3, bert_layer_norm_apply(t, &l->norm1, x, NULL));
    bert_tensor *a = bert_pass_attention(t, pass, qkv, &s->attention);
    if (pass->first_rows) {
        a = bert_rows(t, a, pass->in->start, pass->in->n);
        x = bert_rows(t, x, pass->in->start, pass->in->n);
    }
    if (bare(t, s, l->scale1))
        x = bert_linear_onto(t, l->attention_output, a, x);
    else
        x = add_branch(t, s, x, bert_linear_apply(t, l->attention_output, a), l->scale1);
    bert_tensor *y = bert_layer_norm_apply(t, &l->norm2, x, NULL);
    /* gated: down(silu(gate) * up) */
    const bert_gate gate = s->gated ? BERT_GATE_FIRST : BERT_GATE_NONE;
    const bert_act act = s->gated ? BERT_ACT_SILU : s->act;
    if (bare(t, s, l->scale2))
        return bert_feed_forward_onto(t, &l->up, 1, gate, act, l->down, y, x);
    y = s->gated ? bert_feed_forward_gated(t, &l->up, 1, gate, act, l->down, y)
                 : bert_feed_forward(t, l->up, act, l->down, y);
    return add_branch(t, s, x, y, l->scale2);
}

bert_tensor *bert_pre_norm_finish(bert_tape *t, const void *state, bert_tensor *x) {
    return bert_layer_norm_apply(t, &((const bert_pre_norm *)state)->last, x, NULL);
}
