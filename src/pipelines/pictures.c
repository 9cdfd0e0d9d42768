/* Pictures in, answers out: files are read by all threads of a session, some at a time, and go through the
 * model together where they have one size. */
#include "pipelines/pictures.h"
#include "base/error.h"
#include "base/threads.h"
#include "models/pooling.h"
#include "models/session.h"
#include "models/sized_by.h"
#include "recipe/recipe.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 32 }; /* pictures whose pixels are held */

bert_picture_options bert_picture_default(void) {
    return (bert_picture_options){.image = bert_image_default()};
}

/* One that has been read. */
typedef struct {
    float *pixels; /* malloc'ed */
    int32_t height, width;
    bert_image_info about;
    bert_error error;
} ready;

typedef struct {
    bert_session *s;
    const bert_picture *pictures;
    int32_t n;
    bert_picture_options options;
    bert_image_processor processor;
    bert_picture_info *info;
    /* What becomes of n pictures from `first` on, whose tensors in holds. */
    int (*run)(void *context, int32_t first, const bert_inputs *in, bert_error *e);
    void *context;
    int32_t views; /* pictures of a row, which stay together */
    int32_t first; /* of those that are being read */
    ready at[AT_ONCE];
} job;

/* ---- Reading */

static int find_processor(job *j, bert_error *e) {
    bert_session *s = j->s;
    if (j->options.processor) {
        j->processor = *j->options.processor;
    } else if (!s->processor) {
        bert_image_processor *p = calloc(1, sizeof *p);
        int rc =
            p ? bert_image_processor_open(s->model->path, p, e) : bert_fail_memory(e, sizeof *p);
        if (rc) {
            free(p);
            return rc;
        }
        s->processor = p;
    }
    if (!j->options.processor) j->processor = *s->processor;
    j->processor.channels = s->model->config.num_channels;
    return 0;
}

static int read_one(const job *j, const bert_picture *p, ready *out, bert_error *e) {
    const bert_config *c = &j->s->model->config;
    if (!p->image && !p->path)
        return bert_fail(e, BERT_EINVAL, "there is neither a path nor a picture");
    bert_image *own = p->image ? NULL : bert_image_open(p->path, &j->options.image, e);
    const bert_image *image = p->image ? p->image : own;
    if (!image) return e->code;
    const bert_image_info about = out->about = bert_image_about(image);
    int rc = bert_image_processed_size(&j->processor, about.width, about.height, &out->width,
                                       &out->height, e);
    const bool fits = out->width == c->image_width && out->height == c->image_height;
    if (!rc && !fits && !j->options.interpolate && !j->s->model->arch->first_row_pools)
        rc = bert_fail(e, BERT_EINVAL,
                       "the picture is made %d x %d (%s), the model is of %d x "
                       "%d; interpolated positions take other sizes, where they are asked for "
                       "(--interpolate-pos-encoding)",
                       out->width, out->height, bert_pictures_sized_by(j->s->model), c->image_width,
                       c->image_height);
    const size_t bytes = (size_t)c->num_channels * (size_t)(rc ? 1 : out->width) *
                         (size_t)(rc ? 1 : out->height) * sizeof(float);
    if (!rc && !(out->pixels = malloc(bytes))) rc = bert_fail_memory(e, bytes);
    if (!rc) rc = bert_image_process(image, &j->processor, out->pixels, e);
    bert_image_free(own);
    return rc;
}

static void read_some(void *context, int begin, int end, int thread) {
    (void)thread;
    job *j = context;
    for (int i = begin; i < end; i++) {
        ready *r = &j->at[i];
        const bert_picture *p = &j->pictures[j->first + i];
        *r = (ready){0};
        if (read_one(j, p, r, &r->error) && !p->path)
            bert_error_prefix(&r->error, "picture %d: ", (int)(j->first + i));
        else if (r->error.code && strncmp(r->error.message, p->path, strlen(p->path)))
            bert_error_prefix(&r->error, "%s: ", p->path);
    }
}

/* ---- Running */

/* Takes note of the failed ones, or fails with the first of them. */
static int note_failures(job *j, int32_t n, bert_error *e) {
    for (int32_t i = 0; i < n; i++) {
        const ready *r = &j->at[i];
        bert_picture_info *info = j->info ? &j->info[j->first + i] : NULL;
        if (info) *info = (bert_picture_info){.image = r->about, .code = r->error.code};
        if (!r->error.code) continue;
        if (!j->options.keep_going || !info || r->error.code == BERT_ENOMEM)
            return bert_fail(e, r->error.code, "%s", r->error.message);
        info->message = bert_arena_strdup(&j->s->results, r->error.message);
    }
    return 0;
}

/* n ready pictures of one size, from the i-th on. */
static int run_alike(job *j, int32_t i, int32_t n, bert_error *e) {
    const bert_config *c = &j->s->model->config;
    const ready *r = &j->at[i];
    const int32_t width = c->num_channels * r->width * r->height;
    const int32_t tokens =
        c->special_tokens + r->height / c->patch_height * (r->width / c->patch_width);
    float *pixels = malloc((size_t)n * (size_t)width * sizeof *pixels);
    int32_t start[AT_ONCE + 1], size[2 * AT_ONCE];
    if (!pixels) return bert_fail_memory(e, (size_t)n * (size_t)width * sizeof *pixels);
    for (int32_t k = 0; k <= n; k++) start[k] = k * tokens;
    for (int32_t k = 0; k < n; k++) {
        memcpy(pixels + (size_t)k * (size_t)width, r[k].pixels, (size_t)width * sizeof *pixels);
        size[2 * k] = r->height;
        size[2 * k + 1] = r->width;
    }
    const bert_column columns[] = {{.name = BERT_PIXELS,
                                    .type = BERT_COLUMN_FLOAT32,
                                    .per = BERT_PER_SEQUENCE,
                                    .width = width,
                                    .count = n,
                                    .data = pixels},
                                   {.name = BERT_PIXELS_SIZE,
                                    .type = BERT_COLUMN_INT32,
                                    .per = BERT_PER_SEQUENCE,
                                    .width = 2,
                                    .count = n,
                                    .data = size}};
    const bert_inputs in = {.n = n, .start = start, .columns = columns, .column_count = 2};
    int rc = j->run(j->context, j->first + i, &in, e);
    free(pixels);
    return rc;
}

/* Of a row whose pictures are at i. */
static bool alike(const job *j, const ready *a, int32_t i) {
    bool all = true;
    for (const ready *b = &j->at[i]; b < &j->at[i + j->views]; b++)
        all &= b->pixels && a->height == b->height && a->width == b->width;
    return all;
}

/* A row of which one picture failed has failed. */
static bool is_whole(const job *j, int32_t i) {
    const bert_picture_info *failed = NULL;
    bool whole = true;
    for (int32_t v = i; v < i + j->views; v++) {
        whole &= j->at[v].pixels != NULL;
        if (!j->at[v].pixels && !failed && j->info) failed = &j->info[j->first + v];
    }
    for (int32_t v = i; v < i + j->views && failed; v++) {
        j->info[j->first + v].code = failed->code;
        j->info[j->first + v].message = failed->message;
    }
    return whole;
}

static int run_ready(job *j, int32_t n, bert_error *e) {
    int rc = note_failures(j, n, e);
    for (int32_t i = 0, k; i < n && !rc; i = k) {
        k = i + j->views;
        if (!is_whole(j, i)) continue;
        if (!alike(j, &j->at[i], i))
            rc = bert_fail(e, BERT_EUNSUPPORTED,
                           "the views of a row are of several sizes (%d x %d, ..): the model reads "
                           "those of one row in one size",
                           j->at[i].width, j->at[i].height);
        while (k < n && !rc && alike(j, &j->at[i], k)) k += j->views;
        if (!rc) rc = run_alike(j, i, k - i, e);
    }
    for (int32_t i = 0; i < n; i++) free(j->at[i].pixels);
    return rc;
}

/* Without decoders no file can be read: that is no fault of one of them. */
static int need_decoders(const job *j, bert_error *e) {
    const char *name;
    bool files = false;
    for (int32_t i = 0; i < j->n; i++) files |= !j->pictures[i].image;
    if (!files || bert_image_format_at(0, &name, NULL, 0)) return 0;
    bert_image_free(bert_image_decode("", 1, NULL, e)); /* says why */
    return e->code;
}

static int run_all(job *j, bert_error *e) {
    bert_session *s = j->s;
    if (bert_need(s, "session", e) || (j->n > 0 && bert_need(j->pictures, "pictures", e)))
        return BERT_EINVAL;
    if (!bert_config_takes_pictures(&s->model->config))
        return bert_fail(e, BERT_EUNSUPPORTED, "%s (%s) reads texts, not pictures", s->model->path,
                         s->model->config.model_type);
    if (j->options.keep_going && !j->info)
        return bert_fail(e, BERT_EINVAL, "keep_going needs info, where failures are noted");
    bert_arena_reset(&s->results);
    const bert_recipe *r = s->model->recipe;
    if (r && r->task.ranged && !(j->options.image.range_high > j->options.image.range_low)) {
        j->options.image.range_low = r->task.range[0];
        j->options.image.range_high = r->task.range[1];
    }
    if (!j->views) j->views = 1;
    const int32_t most = AT_ONCE / j->views * j->views;
    int rc = need_decoders(j, e);
    if (!rc) rc = find_processor(j, e);
    bert_threads *threads = bert_session_threads(s);
    for (j->first = 0; j->first < j->n && !rc; j->first += most) {
        const int32_t n = j->n - j->first < most ? j->n - j->first : most;
        rc = bert_session_check(s, e);
        if (rc) break;
        bert_threads_begin(threads, j->first > 0);
        bert_threads_run(threads, n, 1, read_some, j);
        bert_threads_end(threads);
        rc = run_ready(j, n, e);
    }
    return rc;
}

int bert_pictures_run(bert_pictures_job *p, bert_error *e) {
    job j = {.s = p->s,
             .pictures = p->pictures,
             .n = p->n,
             .views = p->views,
             .options = p->options,
             .info = p->info,
             .run = p->run,
             .context = p->context};
    return run_all(&j, e);
}

int bert_pictures_processor(bert_session *s, const bert_picture_options *options,
                            bert_image_processor *out, bert_error *e) {
    job j = {.s = s, .options = *options};
    int rc = find_processor(&j, e);
    *out = j.processor;
    return rc;
}

/* ---- Classes */

typedef struct {
    bert_session *s;
    bert_scores scores;
    float *out;
} classes;

static int classify(void *context, int32_t first, const bert_inputs *in, bert_error *e) {
    const classes *c = context;
    const bert_model *m = c->s->model;
    const int32_t labels = m->config.num_labels, rows_in = in->n / bert_model_views(m);
    bert_outputs o;
    int rc = bert_session_run(c->s, in, BERT_WANT_LOGITS | BERT_SKIP_HIDDEN, &o, e);
    if (rc) return rc;
    if (!o.logits || o.logit_rows != rows_in || o.logit_cols != labels)
        return bert_fail(
            e, BERT_EUNSUPPORTED,
            "the head of %s (%s) does not give one row of %d scores a picture; train or "
            "open an image-classification head",
            m->path, bert_model_head(m), labels);
    float *rows = c->out + (size_t)(first / bert_model_views(m)) * (size_t)labels;
    memcpy(rows, o.logits, (size_t)rows_in * (size_t)labels * sizeof *rows);
    bert_scores_apply(bert_recipe_scores(m->recipe, c->scores), &m->config, rows, rows_in);
    return 0;
}

int bert_classify_pictures(bert_session *s, const bert_picture *pictures, int32_t n,
                           const bert_picture_options *options, bert_scores scores, float *out,
                           bert_picture_info *info, bert_error *e) {
    BERT_DOOR(e);
    if ((unsigned)scores >= BERT_SCORES_COUNT)
        return bert_fail(e, BERT_EINVAL, "there is no function %d of scores", (int)scores);
    classes c = {s, scores, out};
    const int32_t views = s ? bert_model_views(s->model) : 1;
    job j = {.s = s,
             .pictures = pictures,
             .n = n * views,
             .views = views,
             .info = info,
             .run = classify,
             .context = &c};
    j.options = options ? *options : bert_picture_default();
    if (s && n > 0) memset(out, 0, (size_t)n * (size_t)s->model->config.num_labels * sizeof *out);
    return run_all(&j, e);
}

/* ---- Vectors */

typedef struct {
    bert_session *s;
    bert_pooling pooling;
    int32_t size;
    float *out;
} vectors;

/* Of the patches alone. */
static void mean_of_patches(const bert_config *c, const bert_inputs *in, const float *hidden,
                            float *rows) {
    const size_t h = (size_t)c->hidden_size;
    for (int32_t i = 0; i < in->n; i++, rows += h) {
        const int32_t first = in->start[i] + c->special_tokens, n = in->start[i + 1] - first;
        for (size_t k = 0; k < h; k++) {
            double sum = 0;
            for (int32_t r = first; r < first + n; r++) sum += (double)hidden[(size_t)r * h + k];
            rows[k] = (float)(sum / n);
        }
    }
}

static int embed(void *context, int32_t first, const bert_inputs *in, bert_error *e) {
    const vectors *v = context;
    const bert_config *c = &v->s->model->config;
    const bool mean = v->pooling == BERT_POOLING_MEAN, pooler = v->pooling == BERT_POOLING_POOLER;
    bert_outputs o;
    int rc = bert_session_run(v->s, in,
                              mean ? 0 : BERT_SKIP_HIDDEN | (pooler ? BERT_WANT_POOLER : 0), &o, e);
    if (rc) return rc;
    float *rows = v->out + (size_t)first * (size_t)v->size;
    if (mean)
        mean_of_patches(c, in, o.last_hidden_state, rows);
    else
        memcpy(rows, pooler ? o.pooler_output : bert_session_first_rows(v->s),
               (size_t)in->n * (size_t)v->size * sizeof *rows);
    return 0;
}

int32_t bert_model_picture_embedding_size(const bert_model *m,
                                          const bert_picture_options *options) {
    if (!m) return 0;
    bert_pooling p = options ? options->pooling : BERT_POOLING_DEFAULT;
    if (p == BERT_POOLING_DEFAULT && m->recipe) p = m->recipe->task.pooling[0];
    const bool pooler = p == BERT_POOLING_POOLER && m->trunk.pooler.weight;
    return pooler ? m->trunk.pooler.weight->rows : m->config.hidden_size;
}

int bert_embed_pictures(bert_session *s, const bert_picture *pictures, int32_t n,
                        const bert_picture_options *options, float *out, bert_picture_info *info,
                        bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    job j = {.s = s, .pictures = pictures, .n = n, .info = info, .run = embed};
    j.options = options ? *options : bert_picture_default();
    const bert_recipe *r = s->model->recipe;
    const bert_pooling p =
        j.options.pooling == BERT_POOLING_DEFAULT && r ? r->task.pooling[0] : j.options.pooling;
    if (p != BERT_POOLING_DEFAULT && p != BERT_POOLING_CLS && p != BERT_POOLING_MEAN &&
        p != BERT_POOLING_POOLER)
        return bert_fail(e, BERT_EINVAL,
                         "vectors of pictures are pooled by cls, mean or pooler, not %s",
                         bert_pooling_name(p));
    if (p == BERT_POOLING_POOLER && !bert_trunk_pools(&s->model->trunk))
        return bert_fail(e, BERT_EINVAL, "%s has no pooler; use another pooling", s->model->path);
    j.options.pooling = p;
    vectors v = {s, p, bert_model_picture_embedding_size(s->model, &j.options), out};
    j.context = &v;
    if (n > 0) memset(out, 0, (size_t)n * (size_t)v.size * sizeof *out);
    int rc = run_all(&j, e);
    if (!rc && j.options.normalize) bert_normalize(out, n, v.size);
    return rc;
}
