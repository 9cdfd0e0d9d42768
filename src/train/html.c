#include "train/html.h"
#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "data/calibration.h"
#include "data/dataset.h"
#include "train/directory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WORST = 20, SHOWN_CLASSES = 30 };

/* What is written to; the first error sticks. */
typedef struct {
    bert_writer *w;
    bert_error *e;
    int rc;
} page;

__attribute__((format(printf, 2, 3))) static void put(page *p, const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    int n = bert_vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > (int)sizeof text - 1) n = (int)sizeof text - 1;
    if (!p->rc) p->rc = bert_writer_put(p->w, text, (size_t)n, p->e);
}

static void put_text(page *p, const char *s) {
    for (; *s && !p->rc; s++) {
        const char *as = *s == '<'   ? "&lt;"
                         : *s == '>' ? "&gt;"
                         : *s == '&' ? "&amp;"
                         : *s == '"' ? "&quot;"
                                     : NULL;
        p->rc =
            as ? bert_writer_put(p->w, as, strlen(as), p->e) : bert_writer_put(p->w, s, 1, p->e);
    }
}

/* ---- Curves */

enum { WIDTH = 420, HEIGHT = 200, LEFT = 52, BOTTOM = 24, TOP = 10, RIGHT = 10 };

typedef struct {
    const char *key, *name; /* of log_history; in the legend */
} curve;

typedef struct {
    double x0, x1, y0, y1, tick; /* tick: between two lines of the grid */
} range;

/* The round number, 1, 2 or 5 times a power of ten, that divides a span in about four. */
static double round_tick(double span) {
    const double unit = pow(10, floor(log10(span / 4))), part = span / 4 / unit;
    return unit * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

static bool next_point(const json_t *history, size_t *i, const char *key, double *x, double *y) {
    for (; *i < json_array_size(history); ++*i) {
        const json_t *record = json_array_get(history, *i), *v = json_object_get(record, key);
        if (!json_is_number(v)) continue;
        *x = json_number_value(json_object_get(record, "step"));
        *y = json_number_value(v);
        ++*i;
        return true;
    }
    return false;
}

static bool range_of(const json_t *history, const curve *c, int n, range *r) {
    bool any = false;
    for (int k = 0; k < n; k++) {
        double x, y;
        for (size_t i = 0; next_point(history, &i, c[k].key, &x, &y);) {
            if (!any) *r = (range){x, x, y, y, 1};
            r->x0 = fmin(r->x0, x), r->x1 = fmax(r->x1, x);
            r->y0 = fmin(r->y0, y), r->y1 = fmax(r->y1, y);
            any = true;
        }
    }
    if (any && r->x1 <= r->x0) r->x1 = r->x0 + 1;
    if (any && r->y1 <= r->y0) r->y1 = r->y0 + (fabs(r->y0) > 0 ? fabs(r->y0) : 1);
    if (any) {
        r->tick = round_tick(r->y1 - r->y0);
        r->y0 = r->tick * floor(r->y0 / r->tick);
        r->y1 = r->tick * ceil(r->y1 / r->tick);
    }
    return any;
}

static double at_x(const range *r, double x) {
    return LEFT + (x - r->x0) / (r->x1 - r->x0) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const range *r, double y) {
    return HEIGHT - BOTTOM - (y - r->y0) / (r->y1 - r->y0) * (HEIGHT - BOTTOM - TOP);
}

static int count_points(const json_t *history, const char *key) {
    int n = 0;
    double x, y;
    for (size_t i = 0; next_point(history, &i, key, &x, &y);) n++;
    return n;
}

/* Significant digits that tell two lines of the grid apart. */
static int digits_of(const range *r) {
    const double most = fmax(fabs(r->y0), fabs(r->y1));
    const int n = (int)floor(log10(most)) - (int)floor(log10(r->tick)) + 1;
    return n < 3 ? 3 : n > 15 ? 15 : n;
}

static void put_axes(page *p, const range *r) {
    put(p, "<svg viewBox=\"0 0 %d %d\" role=\"img\">", WIDTH, HEIGHT);
    for (int i = 0; i <= (int)lround((r->y1 - r->y0) / r->tick); i++) {
        double y = r->y0 + r->tick * i, at = at_y(r, y);
        put(p,
            "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
            "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.*g</text>",
            LEFT, WIDTH - RIGHT, at, at, LEFT - 6, at + 4, digits_of(r), y);
    }
    put(p,
        "<text x=\"%d\" y=\"%d\">%.10g</text><text x=\"%d\" y=\"%d\" "
        "text-anchor=\"end\">%.10g</text>",
        LEFT, HEIGHT - 6, r->x0, WIDTH - RIGHT, HEIGHT - 6, r->x1);
}

static void put_chart(page *p, const json_t *history, const char *title, const curve *c, int n) {
    range r;
    if (!range_of(history, c, n, &r)) return;
    put(p, "<figure><figcaption>%s", title);
    for (int k = 0; k < n; k++) put(p, " <span class=\"c%d\">&#9632; %s</span>", k, c[k].name);
    put(p, "</figcaption>");
    put_axes(p, &r);
    for (int k = 0; k < n; k++) {
        double x, y;
        put(p, "<polyline class=\"c%d\" points=\"", k);
        for (size_t i = 0; next_point(history, &i, c[k].key, &x, &y);)
            put(p, "%.1f,%.1f ", at_x(&r, x), at_y(&r, y));
        put(p, "\"/>");
        for (size_t i = 0; next_point(history, &i, c[k].key, &x, &y);)
            put(p,
                "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"><title>step %.10g: "
                "%.5g</title></circle>",
                k, at_x(&r, x), at_y(&r, y), x, y);
    }
    put(p, "</svg></figure>");
}

static void put_curves(page *p, const bert_trainer *t) {
    static const curve logged[] = {{"loss", "training"}, {"eval_loss", "validation"}};
    static const curve means[] = {{"training_loss", "training"}, {"eval_loss", "validation"}};
    static const curve rate[] = {{"learning_rate", "learning rate"}};
    curve metrics[4];
    char keys[4][BERT_LOG_NAME];
    int n = 0;
    for (int i = 0; i < bert_metrics_count(t->metrics) && n < 4; i++) {
        const char *name = bert_metrics_name(t->metrics, i);
        if (!strcmp(name, "loss")) continue;
        snprintf(keys[n], sizeof keys[n], "eval_%s", name);
        metrics[n] = (curve){keys[n], name};
        n++;
    }
    put(p, "<h2>Curves</h2><div class=\"row\">");
    put_chart(p, t->log_history, "Loss", count_points(t->log_history, "loss") > 1 ? logged : means,
              2);
    put_chart(p, t->log_history, "Validation", metrics, n);
    put_chart(p, t->log_history, "Learning rate", rate, 1);
    put(p, "</div>");
}

/* ---- Rows of the validation data */

typedef struct {
    const float *logits; /* [rows, n] */
    int32_t n;
    int64_t rows;
} collected;

static void put_classes(page *p, const bert_dataset *d, const bert_metrics *m) {
    int32_t n = d->num_labels < SHOWN_CLASSES ? d->num_labels : SHOWN_CLASSES;
    put(p, "<h2>Classes</h2>");
    if (n < d->num_labels) put(p, "<p>The first %d of %d.</p>", n, d->num_labels);
    put(p, "<div class=\"row\"><table><tr><th>class<th>precision<th>recall<th>F1<th>rows</tr>");
    for (int32_t i = 0; i < n; i++) {
        bert_class_report r = bert_metrics_class(m, i);
        put(p, "<tr><td>");
        put_text(p, d->names[i]);
        put(p, "<td>%.3f<td>%.3f<td>%.3f<td>%lld</tr>", r.precision, r.recall, r.f1,
            (long long)r.support);
    }
    put(p, "</table><table class=\"matrix\"><tr><th>true \\ predicted");
    for (int32_t i = 0; i < n; i++) {
        put(p, "<th>");
        put_text(p, d->names[i]);
    }
    put(p, "</tr>");
    for (int32_t i = 0; i < n; i++) {
        double all = (double)bert_metrics_class(m, i).support;
        put(p, "<tr><th>");
        put_text(p, d->names[i]);
        for (int32_t k = 0; k < n; k++) {
            int64_t count = bert_metrics_confusion(m, i, k);
            put(p, "<td class=\"%s\" style=\"--part:%.0f%%\">%lld", i == k ? "right" : "wrong",
                all > 0 ? 85 * (double)count / all : 0, (long long)count);
        }
        put(p, "</tr>");
    }
    put(p, "</table></div>");
}

static void put_calibration(page *p, const bert_dataset *d, const collected *c) {
    double temperature = bert_fit_temperature(c->logits, d->labels, c->rows, c->n);
    bert_calibration before = bert_calibrate(c->logits, d->labels, c->rows, c->n, 1),
                     after = bert_calibrate(c->logits, d->labels, c->rows, c->n, temperature);
    const range r = {0, 1, 0, 1, 0.25};
    put(p,
        "<h2>Calibration</h2><div class=\"row\"><figure><figcaption>Accuracy by confidence "
        "<span class=\"c0\">&#9632; as it is</span> <span class=\"c1\">&#9632; with temperature "
        "%.3g</span></figcaption>",
        temperature);
    put_axes(p, &r);
    put(p, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", at_x(&r, 0),
        at_y(&r, 0), at_x(&r, 1), at_y(&r, 1));
    const bert_calibration *both[] = {&before, &after};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < BERT_BINS; i++)
            if (both[k]->rows[i])
                put(p,
                    "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>%lld rows, "
                    "confidence %.3f, accuracy %.3f</title></circle>",
                    k, at_x(&r, both[k]->confidence[i]), at_y(&r, both[k]->accuracy[i]),
                    3 + 9 * sqrt((double)both[k]->rows[i] / (double)c->rows),
                    (long long)both[k]->rows[i], both[k]->confidence[i], both[k]->accuracy[i]);
    put(p,
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
static void put_row(page *p, const bert_tokenizer *t, const int32_t *ids, int32_t n) {
    char text[1200];
    bert_error ignored = {0};
    const int64_t bytes = bert_decode(t, ids, (size_t)n, true, text, sizeof text, &ignored);
    if (bytes < 0) return;
    const bool whole = bytes < (int64_t)sizeof text;
    size_t last = whole ? 0 : strlen(text) - 1; /* the last character, which may not be whole */
    while (last && ((unsigned char)text[last] & 0xC0) == 0x80) last--;
    if (!whole) text[last] = 0;
    put_text(p, text);
    if (!whole) put(p, "&hellip;");
}

static void put_worst(page *p, const bert_trainer *t, const bert_dataset *d, const collected *c) {
    mistake *list = malloc(((size_t)c->rows + 1) * sizeof *list);
    const bert_tokenizer *tokenizer = bert_model_tokenizer(t->model);
    int64_t n = 0;
    if (!list || !tokenizer) {
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
        if (best != d->labels[r]) list[n++] = (mistake){1 / sum, r, best};
    }
    qsort(list, (size_t)n, sizeof *list, surest_first);
    put(p,
        "<h2>Most wrong</h2><p>%lld of %lld rows are wrong; the surest of them first.</p>"
        "<table><tr><th>sure<th>predicted<th>true<th class=\"text\">text</tr>",
        (long long)n, (long long)c->rows);
    for (int64_t i = 0; i < n && i < WORST; i++) {
        const int32_t *ids;
        int32_t length = bert_dataset_row(d, list[i].row, &ids, NULL);
        put(p, "<tr><td>%.3f<td>", list[i].sure);
        put_text(p, d->names[list[i].predicted]);
        put(p, "<td>");
        put_text(p, d->names[d->labels[list[i].row]]);
        put(p, "<td class=\"text\">");
        put_row(p, tokenizer, ids, length);
        put(p, "</tr>");
    }
    put(p, "</table>");
    free(list);
}

static void put_thresholds(page *p, const bert_dataset *d, const collected *c) {
    put(p, "<h2>Thresholds</h2><p>Of the probability that a label is given: what gives the best F1 "
           "on these rows.</p><table><tr><th>label<th>rows<th>F1 at 0.5<th>best threshold<th>its "
           "F1</tr>");
    for (int32_t k = 0; k < c->n && !p->rc; k++) {
        const float *scores = c->logits + k, *targets = d->targets + k;
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
        put(p, "<tr><td>");
        put_text(p, d->names[k]);
        put(p, "<td>%lld<td>%.3f<td>%.3f<td>%.3f</tr>", (long long)true_rows,
            said + true_rows ? 2 * (double)hit / (double)(said + true_rows) : 0, threshold, f1);
    }
    put(p, "</table>");
}

static void put_validation(page *p, bert_trainer *t) {
    const bert_dataset *d = t->validation;
    if (p->rc || (p->rc = bert_trainer_keep_predictions(t, p->e)) || t->predicted_step < 0) return;
    const collected c = {t->predicted, d->num_labels, d->rows};
    if (!d->labels) {
        put_thresholds(p, d, &c);
        return;
    }
    bert_metrics *m = bert_metrics_for(d, NULL, p->e);
    p->rc =
        m ? bert_metrics_update(m, c.logits, d->labels, NULL, (int32_t)c.rows, p->e) : p->e->code;
    if (!p->rc) {
        put_classes(p, d, m);
        put_calibration(p, d, &c);
        put_worst(p, t, d, &c);
    }
    bert_metrics_free(m);
}

/* ---- Data and arguments */

static void put_data(page *p, const char *name, const bert_dataset *d) {
    bert_dataset_summary s;
    if (!d || p->rc || (p->rc = bert_dataset_summarize(d, &s, p->e))) return;
    put(p, "<tr><td>%s<td>%lld<td>%lld<td>%d / %d / %d<td>%d<td>%lld</tr>", name, (long long)s.rows,
        (long long)s.tokens, s.length_min, s.length_median, s.length_max, s.max_length,
        (long long)s.truncated);
}

static void put_arguments(page *p, const bert_trainer *t) {
    bert_training_arg arg;
    put(p, "<h2>Arguments</h2><table><tr><th>argument<th>value<th>default</tr>");
    for (int i = 0; bert_training_arg_at(i, &arg); i++) {
        char value[2048];
        bert_training_get(&t->args, arg.name, value, sizeof value);
        put(p, "<tr%s><td>%s<td>", strcmp(value, arg.fallback) ? " class=\"set\"" : "", arg.name);
        put_text(p, value);
        put(p, "<td>%s</tr>", arg.fallback);
    }
    put(p, "</table>");
}

static const char style[] =
    "<style>:root{color-scheme:light dark;--fg:#1b1b1b;--dim:#767676;--bg:#fff;--line:#dcdcdc;"
    "--a:#1f6feb;--b:#d9480f;--c:#2b8a3e;--d:#862e9c}@media(prefers-color-scheme:dark){:root{"
    "--fg:#e6e6e6;--dim:#9a9a9a;--bg:#161616;--line:#3a3a3a;--a:#6ea8fe;--b:#ff922b;--c:#69db7c;"
    "--d:#da77f2}}body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);"
    "max-width:72rem;margin:2rem auto;padding:0 1rem}h1{margin-bottom:0}h2{margin-top:2rem;"
    "border-bottom:1px solid var(--line)}.row{display:flex;flex-wrap:wrap;gap:2rem;align-items:"
    "flex-start}figure{margin:0;flex:1 1 20rem;max-width:26rem}figcaption{color:var(--dim)}"
    "table{border-collapse:collapse}td,th{padding:.2rem .6rem;text-align:right;border-bottom:1px "
    "solid var(--line);font-variant-numeric:tabular-nums}td:first-child,th:first-child,.text{"
    "text-align:left}.text{max-width:40rem}.matrix td{background:color-mix(in srgb,var(--b) "
    "var(--part),transparent)}.matrix td.right{background:color-mix(in srgb,var(--c) var(--part),"
    "transparent)}.set td{font-weight:600}svg{width:100%;height:auto}svg text{font-size:11px;fill:"
    "var(--dim)}.grid{stroke:var(--line)}polyline{fill:none;stroke-width:1.8}.c0{color:var(--a)}"
    ".c1{color:var(--b)}.c2{color:var(--c)}.c3{color:var(--d)}polyline.c0{stroke:var(--a)}"
    "polyline.c1{stroke:var(--b)}polyline.c2{stroke:var(--c)}polyline.c3{stroke:var(--d)}"
    "circle.c0{fill:var(--a)}circle.c1{fill:var(--b)}circle.c2{fill:var(--c)}circle.c3{fill:"
    "var(--d)}circle{fill-opacity:.75}</style>";

static void put_head(page *p, const bert_trainer *t) {
    char *base = bert_directory_name(bert_model_path(t->model));
    put(p, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
           "content=\"width=device-width\"><title>Training report</title>");
    p->rc = p->rc ? p->rc : bert_writer_put(p->w, style, sizeof style - 1, p->e);
    put(p, "<h1>");
    put_text(p, base ? base : bert_model_path(t->model));
    free(base);
    put(p, "</h1><p>%s, %lld steps, %.2f epochs, %lld tokens, bert %s.</p>", t->train->task->name,
        (long long)t->run.global_step, t->state.epoch, (long long)t->run.tokens, bert_version());
    if (t->state.metrics) {
        put(p, "<table><tr>");
        for (int i = 0; i < bert_metrics_count(t->metrics); i++)
            put(p, "<th>%s", bert_metrics_name(t->metrics, i));
        put(p, "</tr><tr>");
        for (int i = 0; i < bert_metrics_count(t->metrics); i++)
            put(p, "<td>%.4f", bert_metrics_value(t->metrics, i));
        put(p, "</tr></table>");
    }
}

int bert_html_save(bert_trainer *t, const char *directory, bert_error *e) {
    char *path = bert_path_join(directory, "report.html");
    page p = {.w = path ? bert_writer_open(path, e) : NULL, .e = e};
    if (!p.w) p.rc = path ? e->code : bert_fail_memory(e, strlen(directory));
    free(path);
    if (p.rc) return p.rc;
    put_head(&p, t);
    put_curves(&p, t);
    put_validation(&p, t);
    put(&p, "<h2>Data</h2><table><tr><th><th>rows<th>tokens<th>shortest / median / longest<th>limit"
            "<th>cut</tr>");
    put_data(&p, "training", t->train);
    put_data(&p, "validation", t->validation);
    put(&p, "</table>");
    put_arguments(&p, t);
    put(&p, "</html>\n");
    if (!p.rc) return bert_writer_commit(p.w, e);
    bert_writer_abort(p.w);
    return p.rc;
}
