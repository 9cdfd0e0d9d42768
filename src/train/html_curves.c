/* report.html: curves of what was logged, and of the learning rate. */
#include "base/error.h"
#include "train/html_page.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CURVES_MAX = 4, DOTS_MAX = 80, RATES_MAX = 240 };

typedef struct {
    double x, y;
} point;

typedef struct {
    char name[BERT_LOG_NAME]; /* in the legend */
    point *points;
    size_t n;
} curve;

/* Curves that share their axes. */
typedef struct {
    char title[BERT_LOG_NAME];
    curve curves[CURVES_MAX];
    int n;
    bool of_evaluations; /* the best of them is shown */
    bool are_scores;     /* 1 is the best that there is */
} chart;

static void chart_free(chart *c) {
    for (int i = 0; i < c->n; i++) free(c->curves[i].points);
    c->n = 0;
}

/* A further curve with room for n points, or NULL. */
static curve *add_curve(bert_page *p, chart *c, const char *name, size_t n) {
    if (p->rc || !n || c->n == CURVES_MAX) return NULL;
    curve *new = &c->curves[c->n];
    *new = (curve){.points = malloc(n * sizeof *new->points)};
    if (!new->points) {
        p->rc = bert_fail_memory(p->e, n * sizeof *new->points);
        return NULL;
    }
    snprintf(new->name, sizeof new->name, "%s", name);
    c->n++;
    return new;
}

/* ---- What was logged */

static size_t count_points(const json_t *history, const char *key) {
    size_t i, n = 0;
    const json_t *record;
    json_array_foreach(history, i, record) n += json_is_number(json_object_get(record, key));
    return n;
}

static void add_logged(bert_page *p, chart *c, const json_t *history, const char *key,
                       const char *name) {
    curve *new = add_curve(p, c, name, count_points(history, key));
    const json_t *record, *v;
    size_t i;
    if (!new) return;
    json_array_foreach(history, i, record) {
        v = json_object_get(record, key);
        if (!json_is_number(v)) continue;
        const double step = json_number_value(json_object_get(record, "step"));
        new->points[new->n++] = (point){step, json_number_value(v)};
    }
}

/* ---- The learning rate of each step, whether it was logged or not */

/* Of reduce_lr_on_plateau: its evaluations before a step are gone through again. */
typedef struct {
    size_t i; /* of the history */
    bert_plateau plateau;
} replay;

static double rate_of(const bert_trainer *t, replay *r, int64_t step) {
    char key[BERT_MAX_NAME + 8];
    snprintf(key, sizeof key, "eval_%s", t->best_name);
    const bool by_metric = t->schedule.type == BERT_SCHEDULE_REDUCE_ON_PLATEAU;
    for (; by_metric && r->i < json_array_size(t->log_history); r->i++) {
        const json_t *record = json_array_get(t->log_history, r->i);
        const json_t *v = json_object_get(record, key);
        const json_int_t at = json_integer_value(json_object_get(record, "step"));
        if (at >= step) break;
        if (at && json_is_number(v))
            bert_plateau_step(&t->schedule, &r->plateau, json_number_value(v));
    }
    return bert_schedule_lr(&t->schedule, step - 1) * r->plateau.scale;
}

/* Resumed under another rate, a run has not had the rates that its arguments tell. */
static bool agrees(const bert_trainer *t) {
    replay r = {0, {1, (double)NAN, 0, 0}};
    const json_t *record, *v;
    size_t i;
    json_array_foreach(t->log_history, i, record) {
        if (!json_is_number(v = json_object_get(record, "learning_rate"))) continue;
        const double rate = rate_of(t, &r, json_integer_value(json_object_get(record, "step")));
        if (fabs(rate - json_number_value(v)) > 1e-9 * fabs(rate)) return false;
    }
    return true;
}

static void add_rates(bert_page *p, chart *c, const bert_trainer *t) {
    const int64_t steps = t->run.global_step, n = steps < RATES_MAX ? steps : RATES_MAX;
    if (!agrees(t)) {
        add_logged(p, c, t->log_history, "learning_rate", "");
        return;
    }
    curve *new = add_curve(p, c, "", (size_t)n);
    replay r = {0, {1, (double)NAN, 0, 0}};
    for (int64_t i = 0; new &&i < n; i++) {
        const int64_t step = n > 1 ? 1 + (steps - 1) * i / (n - 1) : steps;
        new->points[new->n++] = (point){(double)step, rate_of(t, &r, step)};
    }
}

/* ---- Axes */

/* The round number, 1, 2 or 5 times a power of ten, that divides a span in about four. */
static double round_tick(double span) {
    const double unit = pow(10, floor(log10(span / 4))), part = span / 4 / unit;
    return unit * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* From the smallest to the largest value; without the twentieth at an end that would press all
 * others into a corner. */
static bool range_of_values(bert_page *p, const chart *c, double *low, double *high) {
    size_t n = 0, k = 0;
    for (int i = 0; i < c->n; i++) n += c->curves[i].n;
    double *all = n ? malloc(n * sizeof *all) : NULL;
    if (n && !all) p->rc = bert_fail_memory(p->e, n * sizeof *all);
    if (!all) return false;
    for (int i = 0; i < c->n; i++)
        for (size_t j = 0; j < c->curves[i].n; j++) all[k++] = c->curves[i].points[j].y;
    qsort(all, n, sizeof *all, ascending);
    const double lower = all[n / 20], upper = all[n - 1 - n / 20], span = upper - lower;
    *low = all[0], *high = all[n - 1];
    if (span > 0 && *high - upper > 4 * span) *high = upper + span / 2;
    if (span > 0 && lower - *low > 4 * span) *low = lower - span / 2;
    free(all);
    return true;
}

static bool axes_of(bert_page *p, const chart *c, bert_axes *r) {
    double low, high;
    if (!range_of_values(p, c, &low, &high)) return false;
    *r = (bert_axes){.x0 = HUGE_VAL, .x1 = -HUGE_VAL};
    for (int i = 0; i < c->n; i++)
        for (size_t j = 0; j < c->curves[i].n; j++) {
            r->x0 = fmin(r->x0, c->curves[i].points[j].x);
            r->x1 = fmax(r->x1, c->curves[i].points[j].x);
        }
    if (r->x1 <= r->x0) r->x0--, r->x1++; /* what is one point lies in the middle */
    if (!(high - low > 1e-12 * fabs(high))) {
        const double room = c->are_scores ? 1 : fabs(high) > 0 ? 2 * fabs(high) : 1;
        low = fmin(0, high < 0 ? -room : 0), high = high < 0 ? 0 : room;
    }
    r->tick = round_tick(high - low);
    r->y0 = r->tick * floor(low / r->tick + 1e-9);
    r->y1 = r->tick * ceil(high / r->tick - 1e-9);
    r->x_tick = fmax(1, round_tick(r->x1 - r->x0));
    return true;
}

/* ---- The picture */

/* 0: within the axes; 1: above, -1: below. */
static int side_of(const bert_axes *r, point at) {
    const double rounding = 1e-6 * r->tick;
    return (at.y > r->y1 + rounding) - (at.y < r->y0 - rounding);
}

static void put_dot(bert_page *p, const bert_axes *r, int k, point at, double radius) {
    const bool above = side_of(r, at) > 0, below = side_of(r, at) < 0;
    const double x = bert_axes_x(r, at.x), y = bert_axes_y(r, fmin(fmax(at.y, r->y0), r->y1));
    if (above || below)
        bert_page_put(p, "<path class=\"c%d\" d=\"M%.1f %.1fl4 %dh-8z\">", k, x, y, above ? 7 : -7);
    else
        bert_page_put(p, "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"%g\">", k, x, y,
                      radius);
    bert_page_put(p, "<title>step %.10g: %.5g</title></%s>", at.x, at.y,
                  above || below ? "path" : "circle");
}

static void put_curve(bert_page *p, const bert_axes *r, int k, const curve *c) {
    bert_page_put(p, "<polyline class=\"c%d\" points=\"", k);
    for (size_t i = 0; i < c->n; i++)
        bert_page_put(p, "%.1f,%.1f ", bert_axes_x(r, c->points[i].x),
                      bert_axes_y(r, fmin(fmax(c->points[i].y, r->y0), r->y1)));
    bert_page_put(p, "\"/>");
    for (size_t i = 0; i < c->n; i++) {
        if (side_of(r, c->points[i]) || c->n <= DOTS_MAX)
            put_dot(p, r, k, c->points[i], c->n == 1 ? 4 : 2.5);
    }
}

static void put_best(bert_page *p, const bert_trainer *t, const bert_axes *r) {
    const double step = (double)t->run.best_step, x = bert_axes_x(r, step);
    if (!t->run.best_step || step < r->x0 || step > r->x1) return;
    bert_page_put(
        p,
        "<line class=\"best\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"><title>step "
        "%.10g: the best %s, %.5g</title></line>",
        x, x, bert_axes_y(r, r->y0), bert_axes_y(r, r->y1), step, t->best_name, t->run.best_metric);
}

static void put_chart(bert_page *p, const bert_trainer *t, chart *c) {
    bert_axes r;
    if (!p->rc && c->n && axes_of(p, c, &r)) {
        size_t off = 0;
        bert_page_put(p, "<figure><figcaption>%s", c->title);
        for (int k = 0; k < c->n; k++) {
            if (*c->curves[k].name)
                bert_page_put(p, " <span class=\"c%d\">&#9632; %s</span>", k, c->curves[k].name);
            for (size_t i = 0; i < c->curves[k].n; i++)
                off += side_of(&r, c->curves[k].points[i]) != 0;
        }
        if (off) bert_page_put(p, "; %zu beyond the edge", off);
        bert_page_put(p, "</figcaption>");
        bert_page_axes(p, &r);
        if (c->of_evaluations) put_best(p, t, &r);
        for (int k = 0; k < c->n; k++) put_curve(p, &r, k, &c->curves[k]);
        bert_page_put(p, "</svg></figure>");
    }
    chart_free(c);
}

/* ---- Which curves there are */

static void put_losses(bert_page *p, const bert_trainer *t) {
    const json_t *h = t->log_history;
    chart c = {.title = "Loss", .of_evaluations = true};
    /* Means between evaluations where steps were logged but once or never. */
    const char *key = count_points(h, "loss") > 1 ? "loss" : "training_loss";
    if (!count_points(h, key)) key = count_points(h, "loss") ? "loss" : "train_loss";
    add_logged(p, &c, h, key, "training");
    add_logged(p, &c, h, "eval_loss", "validation");
    put_chart(p, t, &c);
}

/* Metrics that share an axis: scores up to 1, or values of one size. */
static int size_of_values(const json_t *history, const char *key, const char *name) {
    const json_t *record, *v;
    double most = 0;
    size_t i;
    json_array_foreach(history, i, record) {
        v = json_object_get(record, key);
        if (json_is_number(v)) most = fmax(most, fabs(json_number_value(v)));
    }
    if (bert_metric_greater_is_better(name) && most <= 1) return 0;
    const int size = most > 0 ? (int)ceil(log10(most)) : 0;
    return bert_metric_greater_is_better(name) ? 1000 + size : 2000 + size;
}

typedef struct {
    const char *name;
    char key[BERT_LOG_NAME];
    int size;
    bool is_drawn;
} metric;

enum { METRICS_MAX = 32 };

/* All but the loss; the one that says which evaluation is the best comes first. */
static int list_metrics(const bert_trainer *t, metric *list) {
    int n = 0;
    for (int others = 0; others < 2; others++)
        for (int i = 0; i < bert_metrics_count(t->metrics) && n < METRICS_MAX; i++) {
            const char *name = bert_metrics_name(t->metrics, i);
            const bool is_best = !strcmp(name, t->best_name);
            if (!strcmp(name, "loss") || is_best == (others > 0)) continue;
            metric *m = &list[n++];
            *m = (metric){.name = name};
            snprintf(m->key, sizeof m->key, "eval_%s", name);
            m->size = size_of_values(t->log_history, m->key, name);
        }
    return n;
}

static void put_metrics(bert_page *p, const bert_trainer *t) {
    metric list[METRICS_MAX];
    const int n = list_metrics(t, list);
    for (int i = 0; i < n; i++) {
        if (list[i].is_drawn) continue;
        chart c = {.title = "Validation", .of_evaluations = true, .are_scores = !list[i].size};
        for (int k = i; k < n && c.n < CURVES_MAX; k++) {
            if (list[k].is_drawn || list[k].size != list[i].size) continue;
            list[k].is_drawn = true;
            add_logged(p, &c, t->log_history, list[k].key, list[k].name);
        }
        put_chart(p, t, &c);
    }
}

void bert_html_curves(bert_page *p, const bert_trainer *t) {
    chart rates = {.title = "Learning rate"};
    bert_page_put(p, "<h2>Curves</h2><p>By steps%s.</p><div class=\"row\">",
                  t->run.best_step ? "; the best evaluation is where the broken line is" : "");
    put_losses(p, t);
    put_metrics(p, t);
    add_rates(p, &rates, t);
    put_chart(p, t, &rates);
    bert_page_put(p, "</div>");
}
