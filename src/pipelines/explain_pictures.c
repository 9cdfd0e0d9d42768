/* bert_explain_pictures: what an output rests on, patch by patch. */
#include "base/error.h"
#include "pipelines/explain.h"
#include "pipelines/pictures.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    bert_session *s;
    bert_explain_options o;
    const bert_picture *pictures;
    int32_t views;
    bert_picture_options options;
    bert_image_processor processor;
    const bert_explained_kind *kind; /* NULL: no head, and none is needed */
    bert_attributor *attributor;     /* of gradients */
    bert_points *points;
    bert_explanation *out;
} job;

/* The pictures of a row, as a batch of their own. */
typedef struct {
    const job *j;
    bert_inputs in;
    bert_column columns[2];
    int32_t start[65];
    int32_t patches; /* of a view */
    bert_chosen chosen;
    double *scores; /* [views, patches] */
    double ends[2];
} example;

enum { MOST_VIEWS = 32 };

static void take_row(example *x, const bert_inputs *all, int32_t first) {
    const int32_t views = x->j->views;
    for (int32_t i = 0; i <= views; i++) x->start[i] = all->start[first + i] - all->start[first];
    for (int k = 0; k < 2; k++) {
        bert_column *c = &x->columns[k];
        *c = all->columns[k];
        c->data =
            (const float *)c->data + (size_t)first * (size_t)c->width; /* of four bytes both */
        c->count = views;
    }
    x->in = (bert_inputs){.n = views, .start = x->start, .columns = x->columns, .column_count = 2};
    x->patches = x->start[1] - x->j->s->model->config.special_tokens;
}

/* ---- Gradients */

static int stop(void *context, bert_error *e) {
    return bert_session_check(context, e);
}

/* Pixels of one colour as the processor makes them; NULL: zeros. */
static int base_of(const job *j, const bert_leaves *x, float **base, bert_error *e) {
    const char *name = j->o.baseline ? j->o.baseline : "zero";
    const bert_image_processor *p = &j->processor;
    const bool white = !strcmp(name, "white");
    *base = NULL;
    if (!strcmp(name, "zero")) return 0;
    if (!white && strcmp(name, "black"))
        return bert_fail(e, BERT_EINVAL,
                         "there is no base \"%.40s\"; of pictures it is zero, black or white",
                         name);
    const size_t size = (size_t)x->rows * (size_t)x->cols;
    *base = malloc(size * sizeof **base);
    if (!*base) return bert_fail_memory(e, size * sizeof **base);
    const double value = (white ? 255 : 0) * (p->do_rescale ? p->rescale_factor : 1);
    const int32_t each = x->cols / j->s->model->config.num_channels;
    for (size_t k = 0; k < size; k++) {
        const int32_t channel = (int32_t)(k % (size_t)x->cols) / each;
        const double v = p->do_normalize ? (value - (double)p->image_mean[channel]) /
                                               (double)p->image_std[channel]
                                         : value;
        (*base)[k] = (float)v;
    }
    return 0;
}

static int attribute(example *x, bert_error *e) {
    const job *j = x->j;
    const bool integrated = j->o.method == BERT_EXPLAIN_INTEGRATED_GRADIENTS;
    bert_output_at at = {.in = &x->in, .count = x->chosen.count};
    memcpy(at.logits, x->chosen.logits, sizeof at.logits);
    bert_leaves leaves;
    float *base = NULL;
    int rc = bert_leaves_of(j->attributor, &x->in, &leaves, e);
    if (!rc && integrated) rc = base_of(j, &leaves, &base, e);
    const bert_line line = {.x = &leaves,
                            .base = base,
                            .n = j->points->n,
                            .at = j->points->at,
                            .weight = j->points->weight,
                            .check = stop,
                            .context = j->s};
    if (!rc)
        rc = bert_attribute(j->attributor, &at, &line, x->scores, integrated ? x->ends : NULL, e);
    free(leaves.x);
    free(base);
    return rc;
}

static int choose(const job *j, const float *logits, int32_t rows, int32_t cols, bert_chosen *out,
                  bert_error *e) {
    const bert_choice c = {
        .model = j->s->model, .options = &j->o, .logits = logits, .rows = rows, .cols = cols};
    if (j->s->model->head.outputs == BERT_OUTPUT_LABELS) return j->kind->choose(&c, out, e);
    return bert_fail(e, BERT_EUNSUPPORTED, "the head of %s (%s) is not one of labels of pictures",
                     j->s->model->path, bert_model_head(j->s->model));
}

static int by_gradients(example *x, bert_error *e) {
    float *logits;
    int32_t rows, cols;
    int rc = bert_attributor_logits(x->j->attributor, &x->in, &logits, &rows, &cols, e);
    if (!rc) rc = choose(x->j, logits, rows, cols, &x->chosen, e);
    if (!rc) rc = attribute(x, e);
    free(logits);
    return rc;
}

/* ---- Attention, of each view */

static int by_attention(example *x, bert_error *e) {
    const bert_model *m = x->j->s->model;
    const int32_t special = m->config.special_tokens, n = special + x->patches;
    const bool labels = x->j->kind && x->j->views == bert_model_views(m);
    bert_outputs o;
    int rc = bert_session_run(
        x->j->s, &x->in, BERT_WANT_ATTENTIONS | BERT_SKIP_HIDDEN | (labels ? BERT_WANT_LOGITS : 0),
        &o, e);
    if (!rc && labels) rc = choose(x->j, o.logits, o.logit_rows, o.logit_cols, &x->chosen, e);
    double *scores = calloc((size_t)n, sizeof *scores);
    if (!scores) return bert_fail_memory(e, (size_t)n * sizeof *scores);
    for (int32_t v = 0; v < x->j->views && !rc; v++) {
        const size_t before = (size_t)v * (size_t)o.heads * (size_t)n * (size_t)n;
        memset(scores, 0, (size_t)n * sizeof *scores);
        rc = bert_explain_attention(m, &x->j->o, &o, before, n, -1, 1, scores, e);
        memcpy(x->scores + (size_t)v * (size_t)x->patches, scores + special,
               (size_t)x->patches * sizeof *scores);
    }
    free(scores);
    return rc;
}

/* ---- A row */

static int tell(const example *x, int32_t row, bert_error *e) {
    const job *j = x->j;
    const bert_config *c = &j->s->model->config;
    const int32_t *size = x->columns[1].data;
    const size_t n = (size_t)j->views * (size_t)x->patches;
    float *map = bert_arena_alloc(&j->s->results, n * sizeof *map);
    double sum = 0;
    if (!map) return bert_fail_memory(e, n * sizeof *map);
    for (size_t i = 0; i < n; i++) {
        sum += x->scores[i];
        map[i] = (float)x->scores[i];
    }
    j->out[row] = (bert_explanation){.method = j->o.method,
                                     .label = x->chosen.label,
                                     .token = -1,
                                     .output = x->chosen.count ? x->chosen.output : NAN,
                                     .base_output = (float)x->ends[1],
                                     .delta = sum - (x->ends[0] - x->ends[1]),
                                     .views = j->views,
                                     .down = size[0] / c->patch_height,
                                     .across = size[1] / c->patch_width,
                                     .map = map,
                                     .pictures = j->pictures + (size_t)row * (size_t)j->views,
                                     .image = j->options.image,
                                     .processor = j->processor,
                                     .patch_height = c->patch_height,
                                     .patch_width = c->patch_width};
    return 0;
}

static int run(void *context, int32_t first, const bert_inputs *in, bert_error *e) {
    const job *j = context;
    if (first % j->views || in->n % j->views)
        return bert_fail(
            e, BERT_EUNSUPPORTED,
            "the views of a row are of several sizes: the model reads those of one row "
            "in one size");
    int rc = 0;
    for (int32_t i = 0; i < in->n && !rc; i += j->views) {
        example x = {.j = j, .ends = {NAN, NAN}, .chosen = {.token = -1}};
        take_row(&x, in, i);
        const size_t n = (size_t)j->views * (size_t)x.patches;
        x.scores = calloc(n, sizeof *x.scores);
        if (!x.scores) return bert_fail_memory(e, n * sizeof *x.scores);
        rc = j->attributor ? by_gradients(&x, e) : by_attention(&x, e);
        if (!rc) rc = tell(&x, (first + i) / j->views, e);
        free(x.scores);
    }
    return rc;
}

/* ---- All rows */

static int begin(job *j, bert_error *e) {
    bert_session *s = j->s;
    if (!bert_config_takes_pictures(&s->model->config))
        return bert_fail(e, BERT_EUNSUPPORTED, "%s (%s) reads texts, not pictures", s->model->path,
                         s->model->config.model_type);
    if (j->o.word || j->o.token >= 0)
        return bert_fail(e, BERT_EINVAL, "words and tokens are of texts");
    int rc = bert_explain_points(&j->o, j->points, e);
    if (!rc) rc = bert_pictures_processor(s, &j->options, &j->processor, e);
    if (rc) return rc;
    const bool gradients = bert_explains_by_gradients(j->o.method);
    bert_error none = {0};
    j->kind = bert_explained_kind_of(s->model, gradients ? e : &none);
    if (!gradients) return 0;
    if (!j->kind) return e->code;
    j->attributor = bert_attributor_new(s->model, s->options.precision, bert_session_threads(s), e);
    return j->attributor ? 0 : e->code;
}

/* What was found is kept aside: reading pictures begins a new task of the session. */
static int run_all(job *j, int32_t n, bert_picture_info *info, const bert_explanation **out,
                   bert_error *e) {
    bert_explanation *rows = calloc((size_t)n + 1, sizeof *rows);
    if (!rows) return bert_fail_memory(e, (size_t)n * sizeof *rows);
    j->out = rows;
    bert_pictures_job p = {.s = j->s,
                           .pictures = j->pictures,
                           .n = n * j->views,
                           .views = j->views,
                           .options = j->options,
                           .info = info,
                           .run = run,
                           .context = j};
    int rc = bert_pictures_run(&p, e);
    const size_t bytes = ((size_t)n + 1) * sizeof *rows;
    bert_explanation *kept = rc ? NULL : bert_arena_alloc(&j->s->results, bytes);
    if (kept) *out = memcpy(kept, rows, bytes);
    if (!rc && !kept) rc = bert_fail_memory(e, bytes);
    free(rows);
    return rc;
}

int bert_explain_pictures(bert_session *s, const bert_picture *pictures, int32_t n, int32_t views,
                          const bert_picture_options *options, const bert_explain_options *explain,
                          const bert_explanation **out, bert_picture_info *info, bert_error *e) {
    BERT_DOOR(e);
    *out = NULL;
    if (bert_need(s, "session", e) || (n > 0 && bert_need(pictures, "pictures", e)))
        return BERT_EINVAL;
    if (n < 0 || views < 1 || views > MOST_VIEWS || n > INT32_MAX / views)
        return bert_fail(e, BERT_EINVAL, "%d rows of %d pictures; a row has 1 to %d", n, views,
                         MOST_VIEWS);
    bert_points *points = malloc(sizeof *points);
    if (!points) return bert_fail_memory(e, sizeof *points);
    job j = {.s = s,
             .o = explain ? *explain : bert_explain_default(),
             .pictures = pictures,
             .views = views,
             .options = options ? *options : bert_picture_default(),
             .points = points};
    int rc = begin(&j, e);
    if (!rc) rc = run_all(&j, n, info, out, e);
    bert_attributor_free(j.attributor);
    free(points);
    return rc;
}
