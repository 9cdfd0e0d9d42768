/* report.html: rows of the validation data, classified. */
#include "base/error.h"
#include "data/calibration.h"
#include "data/dataset.h"
#include "train/html_page.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WORST = 20, SHOWN_CLASSES = 30 };

typedef struct {
    const float *logits;   /* [rows, n] */
    const int32_t *labels; /* [rows]; NULL: they have targets */
    int32_t n;
    int64_t rows;
} collected;

static void put_classes(bert_page *p, const bert_dataset *d, const bert_metrics *m) {
    int32_t n = d->num_labels < SHOWN_CLASSES ? d->num_labels : SHOWN_CLASSES;
    bert_page_put(p, "<h2>Classes</h2>");
    if (n < d->num_labels) bert_page_put(p, "<p>The first %d of %d.</p>", n, d->num_labels);
    bert_page_put(
        p, "<div class=\"row\"><table><tr><th>class<th>precision<th>recall<th>F1<th>rows</tr>");
    for (int32_t i = 0; i < n; i++) {
        bert_class_report r = bert_metrics_class(m, i);
        bert_page_put(p, "<tr><td>");
        bert_page_text(p, d->names[i]);
        bert_page_put(p, "<td>%.3f<td>%.3f<td>%.3f<td>%lld</tr>", r.precision, r.recall, r.f1,
                      (long long)r.support);
    }
    bert_page_put(p, "</table><table class=\"matrix\"><tr><th>true \\ predicted");
    for (int32_t i = 0; i < n; i++) {
        bert_page_put(p, "<th>");
        bert_page_text(p, d->names[i]);
    }
    bert_page_put(p, "</tr>");
    for (int32_t i = 0; i < n; i++) {
        double all = (double)bert_metrics_class(m, i).support;
        bert_page_put(p, "<tr><th>");
        bert_page_text(p, d->names[i]);
        for (int32_t k = 0; k < n; k++) {
            int64_t count = bert_metrics_confusion(m, i, k);
            bert_page_put(p, "<td class=\"%s\" style=\"--part:%.0f%%\">%lld",
                          i == k ? "right" : "wrong", all > 0 ? 85 * (double)count / all : 0,
                          (long long)count);
        }
        bert_page_put(p, "</tr>");
    }
    bert_page_put(p, "</table></div>");
}

static void put_calibration(bert_page *p, const collected *c) {
    double temperature = bert_fit_temperature(c->logits, c->labels, c->rows, c->n);
    bert_calibration before = bert_calibrate(c->logits, c->labels, c->rows, c->n, 1),
                     after = bert_calibrate(c->logits, c->labels, c->rows, c->n, temperature);
    const bert_axes r = {0, 1, 0, 1, 0.25, 0.25};
    bert_page_put(
        p,
        "<h2>Calibration</h2><div class=\"row\"><figure><figcaption>Accuracy by confidence "
        "<span class=\"c0\">&#9632; as it is</span> <span class=\"c1\">&#9632; with temperature "
        "%.3g</span></figcaption>",
        temperature);
    bert_page_axes(p, &r);
    bert_page_put(p, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                  bert_axes_x(&r, 0), bert_axes_y(&r, 0), bert_axes_x(&r, 1), bert_axes_y(&r, 1));
    const bert_calibration *both[] = {&before, &after};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < BERT_BINS; i++)
            if (both[k]->rows[i])
                bert_page_put(
                    p,
                    "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>%lld rows, "
                    "confidence %.3f, accuracy %.3f</title></circle>",
                    k, bert_axes_x(&r, both[k]->confidence[i]),
                    bert_axes_y(&r, both[k]->accuracy[i]),
                    3 + 9 * sqrt((double)both[k]->rows[i] / (double)c->rows),
                    (long long)both[k]->rows[i], both[k]->confidence[i], both[k]->accuracy[i]);
    bert_page_put(
        p,
        "</svg></figure><table><tr><th><th>as it is<th>with temperature</tr>"
        "<tr><td>expected calibration error<td>%.4f<td>%.4f</tr>"
        "<tr><td>negative log likelihood<td>%.4f<td>%.4f</tr></table></div>"
        "<p>Dividing the logits by %.4g, which was fitted on these rows, makes the probabilities "
        "most likely; it changes no decision.</p>",
        before.ece, after.ece, before.nll, after.nll, temperature);
}

typedef struct {
    double sure;
    int64_t row;
    int32_t predicted;
} mistake;

static int surest_first(const void *a, const void *b) {
    const mistake *x = a, *y = b;
    if (x->sure < y->sure || x->sure > y->sure) return x->sure < y->sure ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The text of a row, or its beginning. */
static void put_row(bert_page *p, const bert_tokenizer *t, const int32_t *ids, int32_t n) {
    char text[1200];
    bert_error ignored = {0};
    const int64_t bytes = bert_decode(t, ids, (size_t)n, true, text, sizeof text, &ignored);
    if (bytes < 0) return;
    const bool whole = bytes < (int64_t)sizeof text;
    size_t last = whole ? 0 : strlen(text) - 1; /* the last character, which may not be whole */
    while (last && ((unsigned char)text[last] & 0xC0) == 0x80) last--;
    if (!whole) text[last] = 0;
    bert_page_text(p, text);
    if (!whole) bert_page_put(p, "&hellip;");
}

static void put_worst(bert_page *p, const bert_trainer *t, const bert_trained *k,
                      const collected *c) {
    const bert_dataset *d = k->validation;
    mistake *list = malloc(((size_t)c->rows + 1) * sizeof *list);
    const bert_tokenizer *tokenizer = bert_model_tokenizer(k->model);
    bert_html_explainer *explainer = bert_html_explainer_new(t, k);
    int64_t n = 0;
    if (!list || (!tokenizer && !explainer)) {
        bert_html_explainer_free(explainer);
        free(list);
        return;
    }
    for (int64_t r = 0; r < c->rows; r++) {
        const float *x = c->logits + r * c->n;
        int32_t best = 0;
        double sum = 0;
        for (int32_t i = 1; i < c->n; i++)
            if (x[i] > x[best]) best = i;
        for (int32_t i = 0; i < c->n; i++) sum += exp((double)(x[i] - x[best]));
        if (best != c->labels[r]) list[n++] = (mistake){1 / sum, r, best};
    }
    qsort(list, (size_t)n, sizeof *list, surest_first);
    bert_page_put(
        p,
        "<h2>Most wrong</h2><p>%lld of %lld rows are wrong; the surest of them first.%s</p>"
        "<table class=\"worst\"><tr><th>sure<th>predicted<th>true<th class=\"text\">%s</tr>",
        (long long)n, (long long)c->rows,
        explainer ? " <span class=\"for\" style=\"--s:50%\">Green</span> speaks for what was "
                    "predicted, <span class=\"against\" style=\"--s:50%\">red</span> against "
                    "it (integrated gradients of a few points)."
                  : "",
        tokenizer ? "text" : "picture");
    for (int64_t i = 0; i < n && i < WORST; i++) {
        const int32_t *ids;
        int32_t length = bert_dataset_row(d, list[i].row, &ids, NULL);
        bert_page_put(p, "<tr><td>%.3f<td>", list[i].sure);
        bert_page_text(p, d->names[list[i].predicted]);
        bert_page_put(p, "<td>");
        bert_page_text(p, d->names[c->labels[list[i].row]]);
        bert_page_put(p, "<td class=\"text\">");
        if (!bert_html_explained(p, explainer, list[i].row, list[i].predicted) && ids && tokenizer)
            put_row(p, tokenizer, ids, length);
        bert_page_put(p, "</tr>");
    }
    bert_page_put(p, "</table>");
    bert_html_explainer_free(explainer);
    free(list);
}

static void put_thresholds(bert_page *p, const bert_dataset *d, const collected *c) {
    bert_page_put(
        p, "<h2>Thresholds</h2><p>Of the probability that a label is given: what gives the best F1 "
           "on these rows.</p><table><tr><th>label<th>rows<th>F1 at 0.5<th>best threshold<th>its "
           "F1</tr>");
    for (int32_t k = 0; k < c->n && !p->rc; k++) {
        const float *scores = c->logits + k, *targets = bert_dataset_row_targets(d, 0) + k;
        int64_t hit = 0, said = 0, true_rows = 0;
        for (int64_t r = 0; r < c->rows; r++) {
            const bool is = targets[r * c->n] > 0.5f, says = scores[r * c->n] > 0;
            true_rows += is;
            said += says;
            hit += is && says;
        }
        double threshold, f1;
        if (bert_fit_threshold(scores, targets, c->rows, c->n, &threshold, &f1)) {
            p->rc = bert_fail_memory(p->e, (size_t)c->rows);
            return;
        }
        bert_page_put(p, "<tr><td>");
        bert_page_text(p, d->names[k]);
        bert_page_put(p, "<td>%lld<td>%.3f<td>%.3f<td>%.3f</tr>", (long long)true_rows,
                      said + true_rows ? 2 * (double)hit / (double)(said + true_rows) : 0,
                      threshold, f1);
    }
    bert_page_put(p, "</table>");
}

static void put_task(bert_page *p, bert_trainer *t, bert_trained *k) {
    const bert_dataset *d = k->validation;
    if (p->rc || (p->rc = bert_trainer_keep_predictions(t, k, p->e)) || k->predicted_step < 0)
        return;
    const collected c = {k->predicted, bert_dataset_row_labels(d), d->num_labels, d->rows};
    if (t->named) bert_page_put(p, "<h2>Task %s</h2>", k->name);
    if (!c.labels) {
        put_thresholds(p, d, &c);
        return;
    }
    bert_metrics *m = bert_metrics_for(d, NULL, p->e);
    p->rc =
        m ? bert_metrics_update(m, c.logits, c.labels, NULL, (int32_t)c.rows, p->e) : p->e->code;
    if (!p->rc) {
        put_classes(p, d, m);
        put_calibration(p, &c);
        put_worst(p, t, k, &c);
    }
    bert_metrics_free(m);
}

void bert_html_rows(bert_page *p, bert_trainer *t) {
    for (int32_t i = 0; i < t->task_count; i++) put_task(p, t, &t->tasks[i]);
}
