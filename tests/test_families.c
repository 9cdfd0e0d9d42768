/* The families beside BERT, against transformers: the bare encoder and every stock head, from the
 * names and shapes of its own tensors. */
#include "golden_family.h"

static bert_model *open_or_fail(const char *directory, const bert_model_options *o) {
    bert_error e = {0};
    bert_model *m = bert_model_open(directory, o, &e);
    if (!m) fail_msg("%s", e.message);
    assert_null(bert_model_new_parameter(m, 0));
    assert_null(bert_model_unused_tensor(m, 0));
    return m;
}

static void check_trunk(const json_t *family, bert_inputs in) {
    const json_t *golden = json_object_get(family, "trunk");
    char *d = test_directory();
    write_case(d, family, golden);
    bert_model *m = open_or_fail(d, NULL);
    bert_error e = {0};
    bert_session *s = bert_session_new(m, NULL, &e);
    bert_outputs o;
    const unsigned want = BERT_WANT_HIDDEN_STATES | BERT_WANT_ATTENTIONS | BERT_WANT_POOLER;
    test_ok(e, bert_session_run(s, &in, want, &o, &e));
    const size_t n = (size_t)o.tokens * (size_t)o.hidden_size;
    test_close("last_hidden_state", o.last_hidden_state, n,
               json_object_get(golden, "last_hidden_state"), 5e-6);
    const json_t *pooled = json_object_get(golden, "pooler_output");
    assert_int_equal(o.pooler_output != NULL, pooled != NULL);
    if (pooled)
        test_close("pooler_output", o.pooler_output, (size_t)in.n * (size_t)o.hidden_size, pooled,
                   5e-6);
    size_t weights = 0;
    for (int i = 0; i < in.n; i++) {
        const size_t length = (size_t)(in.start[i + 1] - in.start[i]);
        weights += (size_t)o.heads * length * length;
    }
    for (int i = 0; i <= o.layers; i++)
        test_close("hidden_states", o.hidden_states[i], n,
                   json_array_get(json_object_get(golden, "hidden_states"), (size_t)i), 5e-6);
    for (int i = 0; i < o.layers; i++)
        test_close("attentions", o.attentions[i], weights,
                   json_array_get(json_object_get(golden, "attentions"), (size_t)i), 2e-6);
    bert_session_free(s);
    bert_model_close(m);
    test_remove(d);
}

/* What of a case a batch holds; the arrays are malloc'ed. */
typedef struct {
    bert_batch batch;
    bert_column columns[2];
    void *owned[5];
} golden_batch;

/* A column of the case's, if it has one of that name. */
static void add_column(const json_t *c, const char *name, golden_batch *g, int owned) {
    const json_t *list = json_object_get(c, name);
    if (!list) return;
    bert_inputs *in = &g->batch.inputs;
    g->owned[owned] = test_ints(list);
    g->columns[in->column_count++] =
        (bert_column){.name = name, .width = 1, .count = in->n, .data = g->owned[owned]};
    in->columns = g->columns;
}

static void fill_batch(const json_t *c, bert_inputs in, golden_batch *g) {
    *g = (golden_batch){.batch = {.inputs = in}};
    const json_t *labels = json_object_get(c, "labels"), *targets = json_object_get(c, "targets");
    if (labels) {
        g->batch.labels = g->owned[0] = test_ints(labels);
        g->batch.label_count = (int32_t)json_array_size(labels);
    }
    if (targets) g->batch.targets = g->owned[1] = test_floats(targets, NULL);
    add_column(c, "start_positions", g, 2);
    add_column(c, "end_positions", g, 3);
    add_column(c, "next_sentence_label", g, 4);
}

/* Choices have ids of their own: sequences of one length. */
static bert_inputs choices_of(const json_t *c, int32_t start[3], int32_t ids[64]) {
    const json_t *both = json_object_get(c, "ids");
    int32_t n = 0;
    for (int i = 0; i < 2; i++) {
        const json_t *row = json_array_get(both, (size_t)i);
        for (size_t j = 0; j < json_array_size(row); j++)
            ids[n++] = (int32_t)json_integer_value(json_array_get(row, j));
        start[i + 1] = n;
    }
    return (bert_inputs){.n = 2, .start = start, .ids = ids};
}

/* The length of each gradient, and its product with a matrix by the formula of weights. */
static void check_gradients(const bert_model *m, const json_t *golden) {
    bert_params *ps = bert_model_params(m);
    for (int i = 0; i < bert_params_count(ps); i++) {
        const bert_param *p = bert_params_at(ps, i);
        const json_t *want = json_object_get(golden, bert_param_name(p));
        if (!want)
            fail_msg("no gradient of %s (of %zu)", bert_param_name(p), json_object_size(golden));
        int32_t rows, cols;
        bert_param_shape(p, &rows, &cols);
        const size_t n = (size_t)rows * (size_t)cols;
        float *g = malloc(n * sizeof *g);
        assert_non_null(g);
        bert_param_read_grad(p, g);
        char name[128];
        snprintf(name, sizeof name, "gradient.%s", bert_param_name(p));
        double dot = 0, norm = 0;
        for (size_t k = 0; k < n; k++) {
            dot += (double)g[k] * (double)test_weight(name, k);
            norm += (double)g[k] * (double)g[k];
        }
        free(g);
        norm = sqrt(norm);
        const double want_dot = json_number_value(json_array_get(want, 0)),
                     want_norm = json_number_value(json_array_get(want, 1));
        const double tolerance = 1e-5 * want_norm + 2e-6;
        if (fabs(dot - want_dot) > tolerance || fabs(norm - want_norm) > tolerance)
            fail_msg("gradient of %s: product %g, length %g; not %g, %g", bert_param_name(p), dot,
                     norm, want_dot, want_norm);
    }
}

static void check_model(const bert_model *m, const json_t *c, const golden_batch *g) {
    bert_error e = {0};
    bert_tape *t = bert_tape_new(NULL, &e);
    assert_string_equal(bert_model_head(m), json_string_value(json_object_get(c, "kind")));
    bert_tensor *hidden = bert_forward(t, m, &g->batch.inputs);
    bert_tensor *logits = bert_head_forward(t, m, hidden, &g->batch);
    bert_tensor *loss = bert_head_loss(t, m, logits, &g->batch, 0);
    test_ok(e, bert_tape_error(t, &e));
    const char *name = json_string_value(json_object_get(c, "architecture"));
    test_close(name, bert_tensor_read(t, logits),
               (size_t)bert_tensor_rows(logits) * (size_t)bert_tensor_cols(logits),
               json_object_get(c, "logits"), 1e-5);
    const double want = json_number_value(json_object_get(c, "loss"));
    if (fabs((double)*bert_tensor_read(t, loss) - want) > 1e-5 * (1 + fabs(want)))
        fail_msg("%s: loss %g, not %g", name, (double)*bert_tensor_read(t, loss), want);
    test_ok(e, bert_tape_backward(t, loss, 1, &e));
    check_gradients(m, json_object_get(c, "gradients"));
    bert_tape_free(t);
}

/* Logits alone: where a head reads the first token, the last layer computes no other. */
static void check_logits(const bert_model *m, const json_t *c, bert_inputs in) {
    bert_error e = {0};
    bert_session *s = bert_session_new(m, NULL, &e);
    bert_outputs o;
    in.columns = NULL;
    in.column_count = 0;
    test_ok(e, bert_session_run(s, &in, BERT_WANT_LOGITS | BERT_SKIP_HIDDEN, &o, &e));
    test_close("logits alone", o.logits, (size_t)o.logit_rows * (size_t)o.logit_cols,
               json_object_get(c, "logits"), 1e-5);
    bert_session_free(s);
}

/* Of the case's tensors, those that are saved as they were: ESM's contact head, which is told. */
static size_t kept_beside(const json_t *c, const bert_model *m) {
    size_t n = 0;
    const char *name;
    json_t *shape;
    json_object_foreach(json_object_get(c, "tensors"), name, shape) n +=
        strstr(name, "contact_head.") != NULL;
    const char *note = bert_model_note(m, 0);
    if (n) assert_non_null(note && strstr(note, "contact_head is kept"));
    return n;
}

static void check_case(const json_t *family, const json_t *c, bert_inputs in) {
    char *d = test_directory(), *again = test_directory();
    int32_t start[3] = {0}, ids[64];
    write_case(d, family, c);
    golden_batch g;
    fill_batch(c, in, &g);
    if (json_object_get(c, "choices")) {
        g.batch.inputs = choices_of(c, start, ids);
        g.batch.row_sequences = 2;
        g.batch.label_count = 1;
    }
    const bert_model_options o = {.trainable = true, .seed = 1};
    bert_model *m = open_or_fail(d, &o);
    check_model(m, c, &g);
    /* Saved, it has the same tensors: nothing is new or too much in it, and it computes the same.
     */
    bert_error e = {0};
    test_ok(e, bert_model_save(m, again, &e));
    bert_model_close(m);
    m = open_or_fail(again, &o);
    assert_int_equal((size_t)bert_params_count(bert_model_params(m)) + kept_beside(c, m),
                     json_object_size(json_object_get(c, "tensors")));
    check_model(m, c, &g);
    check_logits(m, c, g.batch.inputs);
    bert_model_close(m);
    for (int i = 0; i < 5; i++) free(g.owned[i]);
    test_remove(d);
    test_remove(again);
}

/* The cosine of two rows of n numbers, the second from a golden array from `at` on. */
static double cosine(const float *x, const json_t *golden, size_t at, size_t n) {
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        const double a = (double)x[i], b = json_number_value(json_array_get(golden, at + i));
        xy += a * b, xx += a * a, yy += b * b;
    }
    return xy / sqrt(xx * yy);
}

/* The least cosine of a token's last hidden state with transformers'. */
static void check_precision(const json_t *family, bert_inputs in, bert_precision precision,
                            double least) {
    const json_t *golden = json_object_get(family, "trunk"),
                 *want = json_object_get(golden, "last_hidden_state");
    char *d = test_directory();
    write_case(d, family, golden);
    bert_model *m = open_or_fail(d, NULL);
    bert_error e = {0};
    bert_session_options so = bert_session_default();
    so.precision = precision;
    bert_session *s = bert_session_new(m, &so, &e);
    bert_outputs o;
    test_ok(e, bert_session_run(s, &in, 0, &o, &e));
    const size_t h = (size_t)o.hidden_size;
    for (size_t i = 0; i < (size_t)o.tokens; i++) {
        const double found = cosine(o.last_hidden_state + i * h, want, i * h, h);
        if (!(found >= least))
            fail_msg("%s: token %zu has a cosine of %.6f, below %g at precision %d",
                     json_string_value(json_object_get(family, "model_type")), i, found, least,
                     (int)precision);
    }
    bert_session_free(s);
    bert_model_close(m);
    test_remove(d);
}

static void check_variant(const json_t *family, const json_t *v, bert_inputs in) {
    char *d = test_directory();
    write_case(d, family, v);
    bert_model *m = open_or_fail(d, NULL);
    bert_error e = {0};
    bert_session *s = bert_session_new(m, NULL, &e);
    bert_outputs o;
    const json_t *types = json_object_get(json_object_get(v, "config"), "type_vocab_size");
    if (types && json_integer_value(types) < 2) in.type_ids = NULL; /* there is one, or none */
    test_ok(e, bert_session_run(s, &in, 0, &o, &e));
    test_close("last_hidden_state of a variant", o.last_hidden_state,
               (size_t)o.tokens * (size_t)o.hidden_size, json_object_get(v, "last_hidden_state"),
               5e-6);
    bert_session_free(s);
    bert_model_close(m);
    test_remove(d);
}

static void families_compute_what_transformers_does(void **state) {
    (void)state;
    json_t *golden = test_golden("families.json");
    size_t f, k;
    json_t *family, *c;
    json_array_foreach(json_object_get(golden, "families"), f, family) {
        bert_inputs in = test_inputs(family);
        check_trunk(family, in);
        json_array_foreach(json_object_get(family, "cases"), k, c) check_case(family, c, in);
        json_array_foreach(json_object_get(family, "variants"), k, c) check_variant(family, c, in);
        test_inputs_free(in);
    }
    json_decref(golden);
}

static void fewer_bits_stay_close(void **state) {
    (void)state;
    json_t *golden = test_golden("families.json"), *family;
    size_t f;
    json_array_foreach(json_object_get(golden, "families"), f, family) {
        bert_inputs in = test_inputs(family);
        check_precision(family, in, BERT_PRECISION_MEDIUM, 0.9995);
        check_precision(family, in, BERT_PRECISION_INT8, 0.995);
        test_inputs_free(in);
    }
    json_decref(golden);
}

/* A family of golden/families.json by its model_type. */
static const json_t *family_of(const json_t *golden, const char *model_type) {
    size_t f;
    json_t *family;
    json_array_foreach(json_object_get(golden, "families"), f, family) {
        if (!strcmp(json_string_value(json_object_get(family, "model_type")), model_type))
            return family;
    }
    fail_msg("no family %s", model_type);
    return NULL;
}

static void a_head_that_the_family_lacks_is_an_error(void **state) {
    (void)state;
    json_t *golden = test_golden("families.json");
    const json_t *family = family_of(golden, "distilbert");
    char *d = test_directory();
    write_case(d, family, json_object_get(family, "trunk"));
    bert_error e = {0};
    const bert_model_options o = {.head = "next-sentence"};
    assert_null(bert_model_open(d, &o, &e));
    assert_int_equal(e.code, BERT_EUNSUPPORTED);
    assert_non_null(strstr(e.message, "distilbert has no next-sentence head; its heads are none, "
                                      "sequence-classification"));
    json_decref(golden);
    test_remove(d);
}

/* ---- A head of one's own, found again by its name */

typedef struct {
    bert_linear out;
    int *live; /* heads that have been made and not freed */
} mean_head;

static int made;

static int mean_init(void *self, const bert_head_site *site, bert_error *e) {
    mean_head *h = self;
    h->live = &made;
    int rc = bert_linear_new(site->params, "mean.out", site->config->hidden_size,
                             site->config->num_labels, &h->out, e);
    if (!rc) made++;
    return rc;
}

static void mean_free(void *self) {
    --*((mean_head *)self)->live;
}

static bert_tensor *mean_forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                                 const bert_batch *b) {
    (void)m;
    const mean_head *h = self;
    bert_tensor *mean = bert_mean_groups(t, hidden, b->inputs.start, b->inputs.n);
    return bert_linear_apply(t, h->out, mean);
}

static bert_tensor *mean_loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                              double divisor) {
    (void)self;
    return bert_problem_loss(t, "single_label_classification", logits, b, divisor);
}

static const bert_head mean = {.name = "mean-of-all",
                               .state_size = sizeof(mean_head),
                               .init = mean_init,
                               .free = mean_free,
                               .forward = mean_forward,
                               .loss = mean_loss};

/* Published files have other prefixes than transformers writes, or none. */
static void prefixes_of_published_files_are_read(void **state) {
    (void)state;
    static const struct {
        const char *family, *own, *other;
    } cases[] = {{"nomic_bert", "nomic_bert.", "bert."},
                 {"nomic_bert", "nomic_bert.", ""},
                 {"gte", "gte.", "new."},
                 {"gte", "gte.", ""},
                 {"modernbert", "model.", ""},
                 {"albert", "albert.", ""}};
    json_t *golden = test_golden("families.json");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const json_t *family = family_of(golden, cases[i].family);
        char *d = test_directory();
        write_renamed(d, family, json_array_get(json_object_get(family, "cases"), 0), cases[i].own,
                      cases[i].other);
        bert_model_close(open_or_fail(d, NULL));
        test_remove(d);
    }
    json_decref(golden);
}

/* The published configuration of Nomic BERT v1: GPT-2's keys, and a scaling of texts that are longer
 * than those of training, which are refused. */
static void nomic_berts_published_keys_are_read(void **state) {
    (void)state;
    json_t *golden = test_golden("families.json");
    json_t *family = json_deep_copy(family_of(golden, "nomic_bert"));
    bert_inputs in = test_inputs(family);
    json_object_set_new(family, "config",
                        json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:i, s:s, s:b, s:i}",
                                  "vocab_size", 40, "n_embd", 24, "n_layer", 2, "n_head", 3,
                                  "n_inner", 36, "n_positions", 8192, "rotary_scaling_factor", 2.0,
                                  "max_trained_positions", 20, "activation_function", "swiglu",
                                  "use_rms_norm", 0, "rotary_emb_base", 1000));
    const json_t *want = json_object_get(family, "trunk");
    char *d = test_directory();
    write_case(d, family, want);
    bert_model *m = open_or_fail(d, NULL);
    assert_int_equal(bert_model_max_length(m), 20);
    bert_error e = {0};
    bert_session *s = bert_session_new(m, NULL, &e);
    bert_outputs o;
    test_ok(e, bert_session_run(s, &in, 0, &o, &e));
    test_close("last_hidden_state", o.last_hidden_state, (size_t)o.tokens * (size_t)o.hidden_size,
               json_object_get(want, "last_hidden_state"), 5e-6);
    bert_session_free(s);
    bert_model_close(m);
    test_remove(d);
    test_inputs_free(in);
    json_decref(family);
    json_decref(golden);
}

/* Families whose names of tensors differ, behind the prefix, too; jina is the file's second "bert". */
static const struct {
    const char *family, *prefix, *says;
} named[] = {
    {"roberta", "roberta.", "roberta"},
    {"distilbert", "distilbert.", "distilbert"},
    {"mpnet", "mpnet.", "mpnet"},
    {"albert", "albert.", "albert"},
    {"modernbert", "model.", "modernbert"},
    {"nomic_bert", "nomic_bert.", "nomic_bert"},
    {"gte", "gte.", "gte"},
    {"deberta", "deberta.", "deberta"},
    {"deberta-v2", "deberta.", "deberta-v2"},
    {"esm", "esm.", "esm"},
    {"bert", "bert.", "bert (position_embedding_type alibi)"},
};
enum { NAMED = sizeof named / sizeof *named };

/* config.json of one, weights of another, which have their prefix or none. */
static void check_mixture(const json_t *golden, size_t a, size_t b, bool prefixed) {
    const json_t *config = family_of(golden, named[a].family),
                 *weights = family_of(golden, named[b].family),
                 *c = json_array_get(json_object_get(weights, "cases"), 0);
    char *d = test_directory(), path[4600], kept[4600], text[128];
    write_case(d, config, json_object_get(config, "trunk"));
    snprintf(path, sizeof path, "%s/config.json", d);
    snprintf(kept, sizeof kept, "%s/kept", d);
    assert_int_equal(rename(path, kept), 0);
    write_renamed(d, weights, c, prefixed ? NULL : named[b].prefix, "");
    assert_int_equal(rename(kept, path), 0);
    bert_error e = {0};
    assert_null(bert_model_open(d, NULL, &e));
    assert_int_equal(e.code, BERT_EFORMAT);
    snprintf(text, sizeof text, ", config.json's model_type is %s", named[a].says);
    if (!strstr(e.message, text) || !strstr(e.message, "named as those of ") ||
        !strstr(strstr(e.message, "named as those of "), named[b].says))
        fail_msg("%s, %s: %s", named[a].family, named[b].family, e.message);
    test_remove(d);
}

/* A directory whose files come from two checkpoints says which does not fit which. */
static void weights_of_another_family_are_told(void **state) {
    (void)state;
    json_t *golden = test_golden("families.json");
    for (size_t a = 0; a < NAMED; a++) {
        check_mixture(golden, a, (a + 1) % NAMED, true);
        for (size_t b = 0; b < NAMED; b++)
            if (a != b) check_mixture(golden, a, b, false);
    }
    json_decref(golden);
}

/* A table of words that is smaller than config.json says. */
static void a_vocabulary_of_another_size_is_told(void **state) {
    (void)state;
    json_t *golden = test_golden("families.json");
    for (size_t a = 0; a < NAMED; a++) {
        json_t *family = json_deep_copy(family_of(golden, named[a].family));
        json_object_set_new(json_object_get(family, "config"), "vocab_size", json_integer(41));
        char *d = test_directory();
        write_case(d, family, json_object_get(family, "trunk"));
        bert_error e = {0};
        assert_null(bert_model_open(d, NULL, &e));
        if (!strstr(e.message, "is [40, ") || !strstr(e.message, "config.json makes it [41, "))
            fail_msg("%s: %s", named[a].family, e.message);
        test_remove(d);
        json_decref(family);
    }
    json_decref(golden);
}

/* Tokens that are not attended to are seen by none of the others: DeBERTa's convolution looks
 * further than attention. */
static void what_is_not_attended_to_is_not_seen(void **state) {
    (void)state;
    enum { ALL = 7, SEEN = 5 };
    const int32_t start[] = {0, ALL}, few[] = {0, SEEN}, seen[] = {SEEN},
                  ids[ALL] = {1, 5, 9, 13, 2, 17, 21};
    json_t *golden = test_golden("families.json"), *v;
    size_t f, k;
    json_t *family;
    json_array_foreach(json_object_get(golden, "families"), f, family)
        json_array_foreach(json_object_get(family, "variants"), k, v) {
        char *d = test_directory();
        write_case(d, family, v);
        bert_model *m = open_or_fail(d, NULL);
        bert_error e = {0};
        bert_session *s = bert_session_new(m, NULL, &e);
        bert_outputs o;
        float want[SEEN * 24];
        bert_inputs in = {.n = 1, .start = few, .ids = ids};
        test_ok(e, bert_session_run(s, &in, 0, &o, &e));
        assert_int_equal(o.hidden_size, 24);
        memcpy(want, o.last_hidden_state, sizeof want);
        in.start = start, in.attended = seen;
        test_ok(e, bert_session_run(s, &in, 0, &o, &e));
        for (size_t i = 0; i < SEEN * 24; i++)
            if (fabsf(o.last_hidden_state[i] - want[i]) > 5e-6f)
                fail_msg("%s, variant %zu: [%zu] is %g, not %g",
                         json_string_value(json_object_get(family, "model_type")), k, i,
                         (double)o.last_hidden_state[i], (double)want[i]);
        bert_session_free(s);
        bert_model_close(m);
        test_remove(d);
    }
    json_decref(golden);
}

static void an_unknown_family_is_named_with_those_that_are_known(void **state) {
    (void)state;
    char *d = test_directory();
    test_write(d, "config.json", "{\"model_type\": \"llama\"}");
    bert_error e = {0};
    assert_null(bert_model_open(d, NULL, &e));
    assert_int_equal(e.code, BERT_EUNSUPPORTED);
    for (const char *const *name =
             (const char *const[]){"llama", "xlm-roberta", "modernbert", "albert", "gte", NULL};
         *name; name++)
        if (!strstr(e.message, *name)) fail_msg("%s: %s", *name, e.message);
    test_remove(d);
}

/* What rotary positions would be scaled by, and what else this library does not compute. */
static void what_a_family_cannot_do_here_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *family, *key, *value, *says;
    } cases[] = {
        {"gte", "rope_scaling", "{\"type\": \"longrope\", \"factor\": 4.0}", "longrope"},
        {"nomic_bert", "rope_scaling", "{\"rope_type\": \"longrope\"}", "longrope"},
        {"nomic_bert", "rope_scaling", "{\"rope_type\": \"linear\"}", "factor"},
        {"nomic_bert", "rope_scaling",
         "{\"type\": \"linear\", \"factor\": 2, \"partial_rotary_factor\": 0.5}",
         "partial_rotary_factor"},
        {"esm", "rope_scaling", "{\"rope_type\": \"linear\", \"factor\": 2}", "rope_scaling"},
        {"gte", "rope_scaling", "{\"rope_type\": \"yarn\", \"factor\": 2, \"beta_fast\": 0.5}",
         "beta_slow"},
        {"gte", "rope_scaling", "{\"type\": \"ntk\", \"factor\": 2, \"mixed_b\": 0.6}", "mixed_b"},
        {"gte", "logn_attention_scale", "true", "logn_attention_scale"},
        {"gte", "rope_scaling", "{\"type\": \"ntk\", \"factor\": 0.5}", "factor"},
        {"nomic_bert", "rope_parameters", "{\"rope_type\": \"llama3\", \"factor\": 2}", "llama3"},
        {"modernbert", "rope_scaling", "{\"rope_type\": \"linear\", \"factor\": 0}", "factor"},
        {"modernbert", "layer_types", "[\"full_attention\"]", "a list of 4 names"},
        {"modernbert", "classifier_pooling", "\"max\"", "classifier_pooling"},
        {"jina", "feed_forward_type", "\"swiglu\"", "feed_forward_type"},
    };
    json_t *golden = test_golden("families.json");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bool jina = !strcmp(cases[i].family, "jina");
        json_t *family = json_deep_copy(family_of(golden, jina ? "bert" : cases[i].family));
        json_t *value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
        json_object_set_new(json_object_get(family, "config"), cases[i].key, value);
        char *d = test_directory();
        write_case(d, family, json_object_get(family, "trunk"));
        bert_error e = {0};
        assert_null(bert_model_open(d, NULL, &e));
        if (!strstr(e.message, cases[i].says)) fail_msg("%s: %s", cases[i].key, e.message);
        test_remove(d);
        json_decref(family);
    }
    json_decref(golden);
}

static void a_head_of_ones_own_is_found_again(void **state) {
    (void)state;
    char *d = test_directory(), *saved = test_directory();
    test_model(d, "BertModel", 0, test_labels(3));
    bert_error e = {0};
    bert_model *m = bert_model_open_head(d, &mean, NULL, &e);
    if (!m) fail_msg("%s", e.message);
    test_ok(e, bert_model_save(m, saved, &e));
    assert_string_equal(bert_model_config(m)->architecture, "BertModel");
    bert_model_close(m);
    assert_int_equal(made, 0);
    /* Not registered: by name it is unknown, the encoder under it is not. */
    assert_null(bert_model_open(saved, NULL, &e));
    assert_int_equal(e.code, BERT_EUNSUPPORTED);
    assert_non_null(strstr(e.message, "was saved with the head \"mean-of-all\""));
    bert_error_clear(&e);
    const bert_model_options bare = {.head = "none"};
    m = bert_model_open(saved, &bare, &e);
    if (!m) fail_msg("%s", e.message);
    bert_model_close(m);
    /* Registered, once or twice. */
    test_ok(e, bert_head_register(&mean, &e));
    test_ok(e, bert_head_register(&mean, &e));
    m = bert_model_open(saved, NULL, &e);
    if (!m) fail_msg("%s", e.message);
    assert_string_equal(bert_model_head(m), "mean-of-all");
    assert_null(bert_model_new_parameter(m, 0));
    bert_session *s = bert_session_new(m, NULL, &e);
    const bert_text text = bert_text_of("the cat sat");
    float scores[3];
    test_ok(e, bert_classify(s, &text, 1, NULL, BERT_SCORES_DEFAULT, scores, NULL, &e));
    assert_true(fabs((double)(scores[0] + scores[1] + scores[2]) - 1) < 1e-5);
    bert_session_free(s);
    bert_model_close(m);
    assert_int_equal(made, 0);
    /* Names are taken once, and never a stock head's. */
    bert_head other = mean;
    assert_int_equal(bert_head_register(&other, &e), BERT_EINVAL);
    assert_non_null(strstr(e.message, "mean-of-all"));
    other.name = "masked-lm";
    bert_error_clear(&e);
    assert_int_equal(bert_head_register(&other, &e), BERT_EINVAL);
    other.name = "none";
    assert_int_equal(bert_head_register(&other, NULL), BERT_EINVAL);
    assert_int_equal(bert_head_register(NULL, NULL), BERT_EINVAL);
    test_remove(d);
    test_remove(saved);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_compute_what_transformers_does),
        cmocka_unit_test(fewer_bits_stay_close),
        cmocka_unit_test(a_head_that_the_family_lacks_is_an_error),
        cmocka_unit_test(prefixes_of_published_files_are_read),
        cmocka_unit_test(nomic_berts_published_keys_are_read),
        cmocka_unit_test(weights_of_another_family_are_told),
        cmocka_unit_test(a_vocabulary_of_another_size_is_told),
        cmocka_unit_test(what_is_not_attended_to_is_not_seen),
        cmocka_unit_test(an_unknown_family_is_named_with_those_that_are_known),
        cmocka_unit_test(what_a_family_cannot_do_here_is_refused),
        cmocka_unit_test(a_head_of_ones_own_is_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
