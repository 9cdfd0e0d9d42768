/* Models of pictures against transformers: ViT, DeiT, DINOv2 (tools/golden_vision.py), and the larger set
 * where it is; the two-view classifier with its gradients; saving. */
#include "models.h"
#include <unistd.h>

/* ---- Batches */

typedef struct {
    float *pixels;
    int32_t start[17], size[32];
    bert_column columns[2];
    bert_inputs in;
} pictures;

/* Of pixels [n, channels, h, w]; they stay the caller's. */
static void fill(pictures *p, const bert_config *c, const float *pixels, int32_t n, int32_t h,
                 int32_t w) {
    const int32_t tokens = c->special_tokens + h / c->patch_height * (w / c->patch_width);
    for (int32_t i = 0; i <= n; i++) p->start[i] = i * tokens;
    for (int32_t i = 0; i < n; i++) p->size[2 * i] = h, p->size[2 * i + 1] = w;
    p->columns[0] = (bert_column){.name = "pixels",
                                  .type = BERT_COLUMN_FLOAT32,
                                  .per = BERT_PER_SEQUENCE,
                                  .width = c->num_channels * h * w,
                                  .count = n,
                                  .data = pixels};
    p->columns[1] = (bert_column){.name = "pixels_size",
                                  .type = BERT_COLUMN_INT32,
                                  .per = BERT_PER_SEQUENCE,
                                  .width = 2,
                                  .count = n,
                                  .data = p->size};
    const bool usual = h == c->image_height && w == c->image_width;
    p->in = (bert_inputs){
        .n = n, .start = p->start, .columns = p->columns, .column_count = usual ? 1 : 2};
}

static bert_model *opened(const char *directory, const bert_model_options *o) {
    bert_error e = {0};
    bert_model *m = bert_model_open(directory, o, &e);
    if (!m) fail_msg("%s", e.message);
    return m;
}

/* ---- Small ones, by a formula */

/* DINOv2's files have a token of its pretraining, which nothing computes with, and which is saved. */
static void add_mask_token(const json_t *c) {
    json_t *tensors = json_object_get(c, "tensors"), *shape;
    const char *name, *type = json_string_value(json_object_get(c, "model_type"));
    char mask[200] = "";
    json_object_foreach(tensors, name, shape) {
        const char *cls = strstr(name, "cls_token");
        if (cls && !strncmp(type, "dinov2", 6))
            snprintf(mask, sizeof mask, "%.*smask_token", (int)(cls - name), name);
    }
    if (*mask) json_object_set_new(tensors, mask, json_pack("[i, i]", 1, 4));
}

static void write_case(const char *d, const json_t *c) {
    bert_stored_tensor list[TEST_MAX_TENSORS];
    int n = 0;
    bert_error e = {0};
    const char *name;
    json_t *shape;
    add_mask_token(c);
    json_object_foreach(json_object_get(c, "tensors"), name, shape) {
        bert_stored_tensor t = {
            .name = name, .dtype = BERT_F32, .dims = (int)json_array_size(shape)};
        size_t count = 1;
        for (int i = 0; i < t.dims; i++)
            count *= (size_t)(t.shape[i] = json_integer_value(json_array_get(shape, (size_t)i)));
        float *data = malloc(count * sizeof *data);
        assert_non_null(data);
        for (size_t i = 0; i < count; i++) data[i] = test_weight(name, i);
        t.data = data;
        t.bytes = count * sizeof *data;
        assert_true(n < TEST_MAX_TENSORS);
        list[n++] = t;
    }
    char path[4200];
    snprintf(path, sizeof path, "%s/model.safetensors", d);
    test_ok(e, bert_safetensors_save(path, list, n, NULL, &e));
    for (int i = 0; i < n; i++) free((void *)(uintptr_t)list[i].data);
    json_t *config = json_deep_copy(json_object_get(c, "config"));
    json_object_set(config, "model_type", json_object_get(c, "model_type"));
    json_object_set_new(config, "architectures",
                        json_pack("[O]", json_object_get(c, "architecture")));
    snprintf(path, sizeof path, "%s/config.json", d);
    test_ok(e, bert_json_save(config, path, &e));
    json_decref(config);
}

static void check_result(bert_session *s, const bert_model *m, const json_t *r) {
    const bert_config *c = bert_model_config(m);
    const int32_t h = (int32_t)json_integer_value(json_object_get(r, "height")),
                  w = (int32_t)json_integer_value(json_object_get(r, "width"));
    const size_t all = 2 * (size_t)c->num_channels * (size_t)h * (size_t)w;
    float *pixels = malloc(all * sizeof *pixels);
    for (size_t i = 0; i < all; i++) pixels[i] = 4 * test_weight("pixels", i);
    pictures p;
    fill(&p, c, pixels, 2, h, w);
    bert_error e = {0};
    bert_outputs o;
    const json_t *states = json_object_get(r, "hidden_states"),
                 *pooled = json_object_get(r, "pooler_output"),
                 *logits = json_object_get(r, "logits");
    const unsigned want = BERT_WANT_POOLER | BERT_WANT_LOGITS |
                          (states ? BERT_WANT_HIDDEN_STATES | BERT_WANT_ATTENTIONS : 0);
    test_ok(e, bert_session_run(s, &p.in, want, &o, &e));
    const size_t n = (size_t)o.tokens * (size_t)o.hidden_size;
    test_close("last_hidden_state", o.last_hidden_state, n, json_object_get(r, "last_hidden_state"),
               5e-6);
    if (pooled)
        test_close("pooler_output", o.pooler_output, 2 * (size_t)o.pooler_size, pooled, 5e-6);
    if (logits) test_close("logits", o.logits, 2 * (size_t)o.logit_cols, logits, 5e-6);
    for (size_t i = 0; i < json_array_size(states); i++)
        test_close("hidden_states", o.hidden_states[i], n, json_array_get(states, i), 5e-6);
    for (int i = 0; states && i < o.layers; i++)
        test_close("attentions", o.attentions[i],
                   2 * (size_t)o.heads * (size_t)p.start[1] * (size_t)p.start[1],
                   json_array_get(json_object_get(r, "attentions"), (size_t)i), 2e-6);
    /* The same logits where nothing else is wanted. */
    float kept[8];
    if (logits) {
        memcpy(kept, o.logits, 2 * (size_t)o.logit_cols * sizeof *kept);
        test_ok(e, bert_session_run(s, &p.in, BERT_WANT_LOGITS | BERT_SKIP_HIDDEN, &o, &e));
        assert_memory_equal(kept, o.logits, 2 * (size_t)o.logit_cols * sizeof *kept);
    }
    free(pixels);
}

/* What is saved is, name by name and shape by shape, what was opened. */
static void check_saved(const bert_model *m, const char *from) {
    char *d = test_directory(), a[4200], b[4200];
    bert_error e = {0};
    test_ok(e, bert_model_save(m, d, &e));
    snprintf(a, sizeof a, "%s/model.safetensors", from);
    snprintf(b, sizeof b, "%s/model.safetensors", d);
    bert_tensors *x = bert_tensors_open(&bert_safetensors_format, a, &e),
                 *y = bert_tensors_open(&bert_safetensors_format, b, &e);
    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(bert_tensors_count(x), bert_tensors_count(y));
    for (int i = 0; i < bert_tensors_count(x); i++) {
        const bert_stored_tensor *t = bert_tensors_at(x, i), *u = bert_tensors_find(y, t->name);
        if (!u) fail_msg("%s is not saved", t->name);
        assert_int_equal(t->dims, u->dims);
        for (int k = 0; k < t->dims; k++) assert_int_equal(t->shape[k], u->shape[k]);
        assert_memory_equal(t->data, u->data, t->bytes);
    }
    bert_tensors_close(x);
    bert_tensors_close(y);
    test_remove(d);
}

static void families_of_pictures_are_transformers(void **state) {
    (void)state;
    bert_error e = {0};
    json_t *all = bert_json_load(BERT_SOURCE_DIR "/tests/golden/vision.json", &e), *c, *r;
    if (!all) fail_msg("%s", e.message);
    size_t i, k;
    json_array_foreach(all, i, c) {
        char *d = test_directory();
        write_case(d, c);
        bert_model *m = opened(d, NULL);
        assert_null(bert_model_new_parameter(m, 0));
        assert_null(bert_model_unused_tensor(m, 0));
        bert_session *s = bert_session_new(m, NULL, &e);
        if (!s) fail_msg("%s", e.message);
        json_array_foreach(json_object_get(c, "results"), k, r) check_result(s, m, r);
        bert_session_free(s);
        check_saved(m, d);
        bert_model_close(m);
        test_remove(d);
    }
    json_decref(all);
}

static json_t *first_case(const char *directory) {
    bert_error e = {0};
    json_t *all = bert_json_load(BERT_SOURCE_DIR "/tests/golden/vision.json", &e);
    json_t *c = json_incref(json_array_get(all, 2)); /* with a classifier */
    write_case(directory, c);
    json_decref(all);
    return c;
}

/* Heads, layers and dropout by the caller's word, as from_pretrained() takes them. */
static void configurations_are_overruled(void **state) {
    (void)state;
    char *d = test_directory();
    json_decref(first_case(d));
    bert_error e = {0};
    bert_model_options o = bert_model_default();
    o.config =
        "{\"num_hidden_layers\": 1, \"num_attention_heads\": 6, \"hidden_dropout_prob\": 0.25}";
    bert_model *m = opened(d, &o);
    assert_int_equal(bert_model_config(m)->num_hidden_layers, 1);
    assert_int_equal(bert_model_config(m)->num_attention_heads, 6);
    assert_true(strstr(bert_model_unused_tensor(m, 0), "layer.1.") != NULL);
    assert_true(strstr(bert_model_note(m, 0), "not used") != NULL);
    bert_model_close(m);
    o.config = "{\"num_hidden_layers\": 3}";
    m = opened(d, &o);
    assert_true(strstr(bert_model_new_parameter(m, 0), "layer.2.") != NULL);
    bert_model_close(m);
    static const struct {
        const char *config, *says;
    } bad[] = {{"{\"num_attention_heads\": 5}", "multiple"},
               {"{\"image_size\": 16}", "position_embeddings"},
               {"{\"patch_size\": 6}", "config.json makes it"},
               {"{\"hidden_size\": 24}", "config.json makes it"},
               {"[1]", "no JSON object"},
               {"{", "options.config"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        e = (bert_error){0};
        o.config = bad[i].config;
        assert_null(bert_model_open(d, &o, &e));
        if (!strstr(e.message, bad[i].says)) fail_msg("%s: %s", bad[i].config, e.message);
    }
    test_remove(d);
}

static void batches_of_pictures_are_checked(void **state) {
    (void)state;
    char *d = test_directory();
    json_decref(first_case(d));
    bert_error e = {0};
    bert_model *m = opened(d, NULL);
    bert_session *s = bert_session_new(m, NULL, &e);
    float pixels[2 * 3 * 12 * 12] = {0};
    pictures p;
    bert_outputs o;
    const int32_t ids[20] = {0}, start[] = {0, 10, 20};
    const bert_inputs text = {.n = 2, .start = start, .ids = ids};
    assert_int_equal(bert_session_run(s, &text, 0, &o, &e), BERT_EINVAL);
    assert_true(strstr(e.message, "pixels") != NULL);
    e = (bert_error){0};
    fill(&p, bert_model_config(m), pixels, 2, 12, 12);
    p.columns[0].width = 3 * 12 * 11;
    assert_int_equal(bert_session_run(s, &p.in, 0, &o, &e), BERT_EINVAL);
    e = (bert_error){0};
    fill(&p, bert_model_config(m), pixels, 2, 12, 12);
    p.start[1] = 9;
    assert_int_equal(bert_session_run(s, &p.in, 0, &o, &e), BERT_EINVAL);
    fill(&p, bert_model_config(m), pixels, 2, 12, 12);
    e = (bert_error){0};
    test_ok(e, bert_session_run(s, &p.in, 0, &o, &e));
    bert_session_free(s);
    bert_model_close(m);
    test_remove(d);
}

/* Every precision, alone and in a batch, by one thread and by several. */
static void results_do_not_depend_on_the_batch(void **state) {
    (void)state;
    char *d = test_directory();
    json_decref(first_case(d));
    bert_error e = {0};
    bert_model *m = opened(d, NULL);
    const bert_config *c = bert_model_config(m);
    enum { N = 9, SIZE = 3 * 12 * 12 };
    float *pixels = malloc(N * SIZE * sizeof *pixels), logits[N * 3];
    for (size_t i = 0; i < N * SIZE; i++) pixels[i] = 4 * test_weight("pixels", i);
    for (int precision = 0; precision < BERT_PRECISION_COUNT; precision++)
        for (int threads = 1; threads <= 3; threads += 2) {
            bert_session_options so = bert_session_default();
            so.precision = (bert_precision)precision;
            so.threads = threads;
            so.batch_tokens = 35;
            bert_session *s = bert_session_new(m, &so, &e);
            if (!s) fail_msg("%s", e.message);
            pictures p;
            bert_outputs o;
            fill(&p, c, pixels, N, 12, 12);
            test_ok(e, bert_session_run(s, &p.in, BERT_WANT_LOGITS, &o, &e));
            memcpy(logits, o.logits, sizeof logits);
            for (int i = 0; i < N; i++) {
                fill(&p, c, pixels + i * SIZE, 1, 12, 12);
                test_ok(e, bert_session_run(s, &p.in, BERT_WANT_LOGITS, &o, &e));
                assert_memory_equal(logits + 3 * i, o.logits, 3 * sizeof *logits);
            }
            bert_session_free(s);
        }
    free(pixels);
    bert_model_close(m);
    test_remove(d);
}

/* ---- The large set, where it is */

static char large[4096];
static bert_tensors *expected;

static const bert_stored_tensor *want(const char *a, const char *b) {
    char name[200];
    snprintf(name, sizeof name, "%s/%s", a, b);
    return bert_tensors_find(expected, name);
}

static double worst;

static void close_to(const char *what, const float *got, const bert_stored_tensor *t,
                     double tolerance) {
    const float *v = t->data;
    double scale = 1;
    for (size_t i = 0; i < t->bytes / sizeof *v; i++) scale = fmax(scale, fabs((double)v[i]));
    for (size_t i = 0; i < t->bytes / sizeof *v; i++) {
        const double d = fabs((double)got[i] - (double)v[i]) / scale;
        if (d > worst) worst = d;
        if (!(d <= tolerance))
            fail_msg("%s: %s[%zu] is %g, not %g", what, t->name, i, (double)got[i], (double)v[i]);
    }
}

/* A row of the table: a model opened under a configuration, and pixels. */
typedef struct {
    const char *model, *variant, *in, *config, *head;
} variant;

static const variant variants[] = {
    {"vit", "classify", "16x16", NULL, NULL},
    {"vit-model", "plain", "16x16", NULL, NULL},
    {"vit-new-names", "plain", "16x16", NULL, NULL},
    {"vit-model", "interpolated_24x24", "24x24", NULL, NULL},
    {"vit-model", "interpolated_16x32", "16x32", NULL, NULL},
    {"vit-model", "interpolated_20x12", "20x12", NULL, NULL},
    {"vit-model", "interpolated_18x23", "18x23", NULL, NULL},
    {"vit-model", "interpolated_8x8", "8x8", NULL, NULL},
    {"vit-model", "num_attention_heads=2", "16x16", "{\"num_attention_heads\": 2}", NULL},
    {"vit-model", "num_attention_heads=8", "16x16", "{\"num_attention_heads\": 8}", NULL},
    {"vit-model", "num_attention_heads=1", "16x16", "{\"num_attention_heads\": 1}", NULL},
    {"vit-model", "num_hidden_layers=1", "16x16", "{\"num_hidden_layers\": 1}", NULL},
    {"vit-model", "hidden_act=relu", "16x16", "{\"hidden_act\": \"relu\"}", NULL},
    {"vit-model", "hidden_act=gelu_new", "16x16", "{\"hidden_act\": \"gelu_new\"}", NULL},
    {"vit-model", "hidden_act=quick_gelu", "16x16", "{\"hidden_act\": \"quick_gelu\"}", NULL},
    {"vit-model", "layer_norm_eps=0.1", "16x16", "{\"layer_norm_eps\": 0.1}", NULL},
    {"vit-model", "pooler_act=relu", "16x16", "{\"pooler_act\": \"relu\"}", NULL},
    {"vit-model", "hidden_dropout_prob=0.3", "16x16", "{\"hidden_dropout_prob\": 0.3}", NULL},
    {"vit-odd", "plain", "16x24", NULL, NULL},
    {"deit", "classify", "16x16", NULL, NULL},
    {"deit", "encoder", "16x16", NULL, "none"},
    {"deit", "interpolated_24x24", "24x24", NULL, NULL},
    {"deit-teacher", "classify", "16x16", NULL, NULL},
    {"dinov2", "classify", "16x16", NULL, NULL},
    {"dinov2", "encoder", "16x16", NULL, "none"},
    {"dinov2", "interpolated_24x24", "24x24", NULL, NULL},
    {"dinov2", "interpolated_20x12", "20x12", NULL, NULL},
    {"dinov2-swiglu", "classify", "16x16", NULL, NULL},
    {"dinov2-swiglu", "encoder", "16x16", NULL, "none"},
    {"dinov2-swiglu", "interpolated_24x24", "24x24", NULL, NULL},
    {"dinov2-registers", "classify", "16x16", NULL, NULL},
    {"dinov2-registers", "encoder", "16x16", NULL, "none"},
    {"dinov2-registers", "interpolated_24x24", "24x24", NULL, NULL},
    {"dinov2-registers", "interpolated_20x12", "20x12", NULL, NULL},
};

static void check_variant(const variant *v, int *tensors) {
    char path[4300], key[100], name[40];
    bert_error e = {0};
    bert_model_options mo = bert_model_default();
    mo.config = v->config;
    mo.head = v->head;
    snprintf(path, sizeof path, "%s/%s", large, v->model);
    snprintf(key, sizeof key, "%s/%s", v->model, v->variant);
    bert_model *m = opened(path, &mo);
    bert_session *s = bert_session_new(m, NULL, &e);
    const bert_stored_tensor *x = want("in", v->in), *t;
    pictures p;
    fill(&p, bert_model_config(m), x->data, (int32_t)x->shape[0], (int32_t)x->shape[2],
         (int32_t)x->shape[3]);
    bert_outputs o;
    const unsigned states = BERT_WANT_HIDDEN_STATES | BERT_WANT_ATTENTIONS;
    test_ok(e, bert_session_run(s, &p.in, BERT_WANT_POOLER | BERT_WANT_LOGITS | states, &o, &e));
    if ((t = want(key, "last_hidden_state")))
        close_to(key, o.last_hidden_state, t, 1e-5), ++*tensors;
    if ((t = want(key, "pooler_output"))) close_to(key, o.pooler_output, t, 1e-5), ++*tensors;
    if ((t = want(key, "logits"))) close_to(key, o.logits, t, 1e-5), ++*tensors;
    for (int i = 0; i <= o.layers; i++) {
        snprintf(name, sizeof name, "hidden_states.%d", i);
        if ((t = want(key, name))) close_to(key, o.hidden_states[i], t, 1e-5), ++*tensors;
        snprintf(name, sizeof name, "attentions.%d", i);
        if (i < o.layers && (t = want(key, name)))
            close_to(key, o.attentions[i], t, 1e-5), ++*tensors;
    }
    bert_session_free(s);
    bert_model_close(m);
}

static void open_large(void) {
    const char *file = test_shared("vision/expected.safetensors");
    bert_error e = {0};
    snprintf(large, sizeof large, "%.*s", (int)(strrchr(file, '/') - file), file);
    expected = bert_tensors_open(&bert_safetensors_format, file, &e);
    if (!expected) fail_msg("%s", e.message);
}

static void the_large_set_is_met(void **state) {
    (void)state;
    open_large();
    int tensors = 0;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        check_variant(&variants[i], &tensors);
    print_message("%d tensors, the worst is off by %.2g of its largest element\n", tensors, worst);
    assert_int_equal(tensors, 60);
    bert_tensors_close(expected);
}

/* ---- Two views: one encoder, the element-wise maximum of its first rows, a linear */

typedef struct {
    bert_linear classifier;
} two_views;

static int two_init(void *self, const bert_head_site *site, bert_error *e) {
    return bert_linear_new(site->params, "classifier", site->config->hidden_size, 1,
                           &((two_views *)self)->classifier, e);
}

/* Views are neighbours. */
static bert_tensor *two_forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                                const bert_batch *b) {
    (void)m;
    const int32_t rows = b->inputs.n / 2;
    int32_t *start = bert_tape_alloc(t, ((size_t)rows + 1) * sizeof *start);
    for (int32_t i = 0; start && i <= rows; i++) start[i] = 2 * i;
    bert_tensor *both = bert_max_groups(t, bert_cls(t, hidden, &b->inputs), start, rows);
    return bert_linear_apply(t, ((two_views *)self)->classifier, bert_dropout(t, both, 0.5f));
}

/* The directory's config.json is the encoder's, and says no problem type. */
static bert_tensor *two_loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                             double divisor) {
    (void)self;
    return bert_bce_with_logits(t, logits, b->targets, divisor);
}

static const bert_head two_view_head = {.name = "two-view",
                                        .state_size = sizeof(two_views),
                                        .init = two_init,
                                        .forward = two_forward,
                                        .loss = two_loss,
                                        .first_token = true};

static void two_views_learn_as_in_torch(void **state) {
    (void)state;
    open_large();
    char path[4300];
    bert_error e = {0};
    bert_model_options mo = bert_model_default();
    mo.trainable = true;
    snprintf(path, sizeof path, "%s/vit-model", large);
    bert_model *m = bert_model_open_head(path, &two_view_head, &mo, &e);
    if (!m) fail_msg("%s", e.message);
    snprintf(path, sizeof path, "%s/two-view/classifier.safetensors", large);
    assert_int_equal(bert_params_load(bert_model_params(m), path, &e), 2);
    enum { ROWS = 3, SIZE = 3 * 16 * 16 };
    const float *cc = want("two-view", "in/cc")->data, *mlo = want("two-view", "in/mlo")->data;
    float *both = malloc(2 * ROWS * SIZE * sizeof *both);
    for (int i = 0; i < ROWS; i++) {
        memcpy(both + (2 * i) * SIZE, cc + i * SIZE, SIZE * sizeof *both);
        memcpy(both + (2 * i + 1) * SIZE, mlo + i * SIZE, SIZE * sizeof *both);
    }
    pictures p;
    fill(&p, bert_model_config(m), both, 2 * ROWS, 16, 16);
    const bert_batch b = {.inputs = p.in,
                          .targets = want("two-view", "in/labels")->data,
                          .row_count = ROWS,
                          .row_sequences = 2};
    bert_tape *t = bert_tape_new(NULL, &e);
    const float *curve = want("two-view", "sgd_0.05_losses")->data;
    bert_params *ps = bert_model_params(m);
    for (int step = 0; step < 10; step++) {
        bert_tape_reset(t);
        bert_tape_set_mode(t, true, false);
        bert_tensor *logits = bert_head_forward(t, m, bert_forward(t, m, &p.in), &b);
        bert_tensor *loss = bert_head_loss(t, m, logits, &b, ROWS);
        test_ok(e, bert_tape_error(t, &e));
        const float l = *bert_tensor_read(t, loss);
        if (fabsf(l - curve[step]) > 3e-6f)
            fail_msg("loss %d is %.8f, not %.8f", step, (double)l, (double)curve[step]);
        if (!step)
            close_to("two-view", bert_tensor_read(t, logits), want("two-view", "logits"), 1e-5);
        test_ok(e, bert_tape_backward(t, loss, 1, &e));
        double norm = 0;
        int found = 0;
        for (int i = 0; i < bert_params_count(ps); i++) {
            bert_param *q = bert_params_at(ps, i);
            const char *name = bert_param_name(q);
            if (!strncmp(name, "vit.", 4)) name += 4;
            int32_t rows, cols;
            bert_param_shape(q, &rows, &cols);
            const size_t n = (size_t)rows * (size_t)cols;
            float *g = malloc(n * sizeof *g), *v = malloc(n * sizeof *v);
            bert_param_read_grad(q, g);
            bert_param_read(q, v);
            const bert_stored_tensor *grad = want("two-view/grad", name);
            if (!step && grad) {
                close_to("gradient", g, grad, 1e-5);
                found++;
            }
            for (size_t k = 0; k < n; k++)
                norm += (double)g[k] * (double)g[k], v[k] -= 0.05f * g[k];
            assert_int_equal(bert_param_write(q, v), 0);
            free(g);
            free(v);
        }
        if (!step) {
            assert_int_equal(found, 9);
            assert_true(
                fabs(sqrt(norm) - (double)*(const float *)want("two-view", "grad_norm")->data) <
                1e-5 * sqrt(norm));
        }
        bert_params_zero_grad(ps);
    }
    free(both);
    bert_tape_free(t);
    bert_model_close(m);
    bert_tensors_close(expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_of_pictures_are_transformers),
        cmocka_unit_test(configurations_are_overruled),
        cmocka_unit_test(batches_of_pictures_are_checked),
        cmocka_unit_test(results_do_not_depend_on_the_batch),
        cmocka_unit_test(the_large_set_is_met),
        cmocka_unit_test(two_views_learn_as_in_torch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
