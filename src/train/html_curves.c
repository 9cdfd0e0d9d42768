/* report.html: curves of what was logged. */
#include "train/html_page.h"
#include <math.h>
#include <string.h>

enum { WIDTH = 420, HEIGHT = 200, LEFT = 52, BOTTOM = 24, TOP = 10, RIGHT = 10 };

typedef struct {
    const char *key, *name; /* of log_history; in the legend */
} curve;

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

static bool range_of(const json_t *history, const curve *c, int n, bert_axes *r) {
    bool any = false;
    for (int k = 0; k < n; k++) {
        double x, y;
        for (size_t i = 0; next_point(history, &i, c[k].key, &x, &y);) {
            if (!any) *r = (bert_axes){x, x, y, y, 1};
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

double bert_axes_x(const bert_axes *r, double x) {
    return LEFT + (x - r->x0) / (r->x1 - r->x0) * (WIDTH - LEFT - RIGHT);
}

double bert_axes_y(const bert_axes *r, double y) {
    return HEIGHT - BOTTOM - (y - r->y0) / (r->y1 - r->y0) * (HEIGHT - BOTTOM - TOP);
}

static int count_points(const json_t *history, const char *key) {
    int n = 0;
    double x, y;
    for (size_t i = 0; next_point(history, &i, key, &x, &y);) n++;
    return n;
}

/* Significant digits that tell two lines of the grid apart. */
static int digits_of(const bert_axes *r) {
    const double most = fmax(fabs(r->y0), fabs(r->y1));
    const int n = (int)floor(log10(most)) - (int)floor(log10(r->tick)) + 1;
    return n < 3 ? 3 : n > 15 ? 15 : n;
}

void bert_page_axes(bert_page *p, const bert_axes *r) {
    bert_page_put(p, "<svg viewBox=\"0 0 %d %d\" role=\"img\">", WIDTH, HEIGHT);
    for (int i = 0; i <= (int)lround((r->y1 - r->y0) / r->tick); i++) {
        double y = r->y0 + r->tick * i, at = bert_axes_y(r, y);
        bert_page_put(p,
                      "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                      "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.*g</text>",
                      LEFT, WIDTH - RIGHT, at, at, LEFT - 6, at + 4, digits_of(r), y);
    }
    bert_page_put(p,
                  "<text x=\"%d\" y=\"%d\">%.10g</text><text x=\"%d\" y=\"%d\" "
                  "text-anchor=\"end\">%.10g</text>",
                  LEFT, HEIGHT - 6, r->x0, WIDTH - RIGHT, HEIGHT - 6, r->x1);
}

static void put_chart(bert_page *p, const json_t *history, const char *title, const curve *c,
                      int n) {
    bert_axes r;
    if (!range_of(history, c, n, &r)) return;
    bert_page_put(p, "<figure><figcaption>%s", title);
    for (int k = 0; k < n; k++)
        bert_page_put(p, " <span class=\"c%d\">&#9632; %s</span>", k, c[k].name);
    bert_page_put(p, "</figcaption>");
    bert_page_axes(p, &r);
    for (int k = 0; k < n; k++) {
        double x, y;
        bert_page_put(p, "<polyline class=\"c%d\" points=\"", k);
        for (size_t i = 0; next_point(history, &i, c[k].key, &x, &y);)
            bert_page_put(p, "%.1f,%.1f ", bert_axes_x(&r, x), bert_axes_y(&r, y));
        bert_page_put(p, "\"/>");
        for (size_t i = 0; next_point(history, &i, c[k].key, &x, &y);)
            bert_page_put(
                p,
                "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"><title>step %.10g: "
                "%.5g</title></circle>",
                k, bert_axes_x(&r, x), bert_axes_y(&r, y), x, y);
    }
    bert_page_put(p, "</svg></figure>");
}

void bert_html_curves(bert_page *p, const bert_trainer *t) {
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
    bert_page_put(p, "<h2>Curves</h2><div class=\"row\">");
    put_chart(p, t->log_history, "Loss", count_points(t->log_history, "loss") > 1 ? logged : means,
              2);
    put_chart(p, t->log_history, "Validation", metrics, n);
    put_chart(p, t->log_history, "Learning rate", rate, 1);
    bert_page_put(p, "</div>");
}
