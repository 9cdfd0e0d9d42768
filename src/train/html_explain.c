/* report.html: what a row's class rests on: coloured text, or pictures with their maps. */
#include "base/error.h"
#include "data/dataset.h"
#include "models/attribution.h"
#include "models/integration.h"
#include "models/pictures.h"
#include "tape/tape.h"
#include "train/html_page.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Few points: a report is to come soon after the training, and colours need no third digit. */
enum { POINTS = 8, MOST_TEXT = 1200 };

struct bert_html_explainer {
    const bert_model *model;
    bert_attributor *attributor;
    bert_loader *loader; /* a row at a time */
    bert_image_processor processor;
    double at[POINTS], weight[POINTS];
};

void bert_html_explainer_free(bert_html_explainer *x) {
    if (!x) return;
    bert_loader_free(x->loader);
    bert_attributor_free(x->attributor);
    free(x);
}

bert_html_explainer *bert_html_explainer_new(const bert_trainer *t, const bert_trained *k) {
    bert_error none = {0};
    const bert_config *c = bert_model_config(k->model);
    bert_html_explainer *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    x->model = k->model;
    int rc = bert_integration(NULL, POINTS, x->at, x->weight, &none);
    if (!rc && bert_config_takes_pictures(c))
        rc = bert_image_processor_open(bert_model_path(k->model), &x->processor, &none);
    if (!rc)
        x->attributor = bert_attributor_new(k->model, t->args.precision, t->tape->threads, &none);
    x->loader = bert_loader_new(k->validation, &(bert_loader_options){.batch_size = 1}, &none);
    if (x->attributor && x->loader) return x;
    bert_html_explainer_free(x);
    return NULL;
}

/* ---- Scores */

/* The same words, [PAD] in the place of all but [CLS] and [SEP]; NULL: zeros, which is no colour of a
 * picture but the mean one. */
static int base_of(const bert_html_explainer *x, const bert_inputs *in, bert_leaves *base,
                   bert_error *e) {
    *base = (bert_leaves){0};
    const bert_tokenizer *t = bert_model_tokenizer(x->model);
    if (!in->ids || !t) return 0;
    const bert_special_ids s = bert_tokenizer_special(t);
    const int32_t n = in->start[in->n];
    int32_t *ids = s.pad >= 0 ? malloc((size_t)n * sizeof *ids) : NULL;
    if (!ids) return s.pad >= 0 ? bert_fail_memory(e, (size_t)n * sizeof *ids) : 0;
    for (int32_t i = 0; i < n; i++)
        ids[i] = in->ids[i] == s.cls || in->ids[i] == s.sep ? in->ids[i] : s.pad;
    bert_inputs other = *in;
    other.ids = ids;
    int rc = bert_leaves_of(x->attributor, &other, base, e);
    free(ids);
    return rc;
}

/* Of each word, or patch of each view: *scores [leaves], malloc'ed. */
static int score(const bert_html_explainer *x, const bert_inputs *in, int32_t label,
                 double **scores, bert_error *e) {
    bert_leaves leaves, base = {0};
    int rc = bert_leaves_of(x->attributor, in, &leaves, e);
    if (!rc) rc = base_of(x, in, &base, e);
    *scores = rc ? NULL : calloc((size_t)leaves.rows, sizeof **scores);
    if (!rc && !*scores) rc = bert_fail_memory(e, (size_t)leaves.rows * sizeof **scores);
    const bert_output_at at = {.in = in, .logits = {{0, label}}, .count = 1};
    const bert_line line = {
        .x = &leaves, .base = base.x, .n = POINTS, .at = x->at, .weight = x->weight};
    if (!rc) rc = bert_attribute(x->attributor, &at, &line, *scores, NULL, e);
    free(leaves.x);
    free(base.x);
    return rc;
}

static double most_of(const double *scores, int32_t n) {
    double most = 0;
    for (int32_t i = 0; i < n; i++) most = fmax(most, fabs(scores[i]));
    return most > 0 ? most : 1;
}

/* ---- Text */

/* The text of n ids, whose bytes are of tokens: token i has those up to end[i]. As pieces of a text
 * depend on what follows, it is decoded token by token, and what stays of it counts. Returns how many
 * tokens are in text. */
static int32_t text_of(const bert_tokenizer *t, const int32_t *ids, int32_t n, char *text,
                       size_t *end) {
    char part[MOST_TEXT];
    bert_error none = {0};
    int32_t shown = n;
    while (shown > 0 &&
           bert_decode(t, ids, (size_t)shown, true, text, MOST_TEXT, &none) >= (int64_t)MOST_TEXT)
        shown -= 1 + shown / 16;
    for (int32_t i = 0; i < shown; i++) {
        size_t same = 0;
        bert_decode(t, ids, (size_t)i + 1, true, part, sizeof part, &none);
        while (part[same] && part[same] == text[same]) same++;
        end[i] = i && same < end[i - 1] ? end[i - 1] : same;
    }
    return shown;
}

static void put_text(bert_page *p, const bert_html_explainer *x, const bert_inputs *in,
                     const double *scores) {
    const int32_t n = in->start[in->n];
    char text[MOST_TEXT] = "";
    size_t *end = calloc((size_t)n + 1, sizeof *end), from = 0;
    if (!end) return;
    const int32_t shown = text_of(bert_model_tokenizer(x->model), in->ids, n, text, end);
    const double most = most_of(scores, n);
    for (int32_t i = 0; i < shown; from = end[i++]) {
        size_t begin = from;
        while (begin < end[i] && text[begin] == ' ') begin++;
        bert_page_part(p, text + from, begin - from);
        if (begin == end[i]) continue;
        bert_page_shade(p, scores[i] / most, scores[i]);
        bert_page_part(p, text + begin, end[i] - begin);
        bert_page_put(p, "</span>");
    }
    if (shown < n) bert_page_put(p, "&hellip;");
    free(end);
}

/* ---- Pictures */

static void put_image(bert_page *p, bert_image *image) {
    void *bytes = NULL;
    size_t n = 0;
    bert_error none = {0};
    if (image && !bert_image_encode(image, ".png", &bytes, &n, &none)) {
        bert_page_put(p, "<img alt=\"\" src=\"data:image/png;base64,");
        bert_page_base64(p, bytes, n);
        bert_page_put(p, "\">");
    }
    free(bytes);
    bert_image_free(image);
}

/* A view's pixels [channels, height, width] as bytes, normalized back. */
static bert_image *picture_of(const bert_html_explainer *x, const bert_pictures *all,
                              int32_t view) {
    const bert_image_processor *p = &x->processor;
    const size_t plane = (size_t)all->height * (size_t)all->width,
                 channels = (size_t)all->channels == 3 ? 3 : 1;
    const float *from = all->data + (size_t)view * (size_t)all->channels * plane;
    uint8_t *samples = malloc(plane * channels);
    bert_error none = {0};
    for (size_t c = 0; samples && c < channels; c++)
        for (size_t i = 0; i < plane; i++) {
            double v = (double)from[c * plane + i];
            if (p->do_normalize) v = v * (double)p->image_std[c] + (double)p->image_mean[c];
            v *= p->do_rescale ? 255 : 1;
            samples[i * channels + c] = (uint8_t)(fmin(fmax(v, 0), 255) + 0.5);
        }
    const bert_image_info info = {
        .width = all->width, .height = all->height, .channels = (int32_t)channels, .bits = 8};
    bert_image *image = samples ? bert_image_of(samples, &info, &none) : NULL;
    free(samples);
    return image;
}

static void put_views(bert_page *p, const bert_html_explainer *x, const bert_pictures *all,
                      const double *scores) {
    const bert_config *c = bert_model_config(x->model);
    const int32_t n = all->n * all->down * all->across;
    float *map = malloc((size_t)n * sizeof *map);
    bert_error none = {0};
    for (int32_t i = 0; map && i < n; i++) map[i] = (float)scores[i];
    const bert_explanation of = {.method = BERT_EXPLAIN_INTEGRATED_GRADIENTS,
                                 .views = all->n,
                                 .down = all->down,
                                 .across = all->across,
                                 .map = map,
                                 .patch_height = c->patch_height,
                                 .patch_width = c->patch_width};
    for (int32_t v = 0; map && v < all->n; v++) {
        bert_image *image = picture_of(x, all, v);
        bert_image *over = image ? bert_explanation_overlay(&of, v, image, &none) : NULL;
        put_image(p, image);
        put_image(p, over);
    }
    free(map);
}

/* ---- A row */

bool bert_html_explained(bert_page *p, const bert_html_explainer *x, int64_t row, int32_t label) {
    bert_batch b;
    bert_pictures pictures;
    bert_error none = {0};
    double *scores = NULL;
    if (!x || p->rc || bert_loader_get(x->loader, 0, row, &b, &none)) return false;
    const bert_model *m = x->model;
    const bool reads_pictures = bert_config_takes_pictures(bert_model_config(m));
    const bool shown = reads_pictures ? !bert_pictures_of(&m->config, &b.inputs, &pictures, &none)
                                      : b.inputs.n == 1 && bert_model_tokenizer(m);
    if (shown && !score(x, &b.inputs, label, &scores, &none)) {
        if (reads_pictures)
            put_views(p, x, &pictures, scores);
        else
            put_text(p, x, &b.inputs, scores);
    }
    const bool done = scores && !none.code;
    free(scores);
    return done;
}
