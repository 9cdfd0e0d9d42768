/* report.html: the axes of its charts. */
#include "train/html_page.h"
#include <math.h>

enum { WIDTH = 420, HEIGHT = 200, LEFT = 60, BOTTOM = 24, TOP = 10, RIGHT = 16 };

double bert_axes_x(const bert_axes *r, double x) {
    return LEFT + (x - r->x0) / (r->x1 - r->x0) * (WIDTH - LEFT - RIGHT);
}

double bert_axes_y(const bert_axes *r, double y) {
    return HEIGHT - BOTTOM - (y - r->y0) / (r->y1 - r->y0) * (HEIGHT - BOTTOM - TOP);
}

/* Decimals of a tick: 2 of a quarter. */
static int decimals_of(double tick) {
    const int step = (int)floor(log10(tick) + 1e-9);
    int n = step < 0 ? -step : 0;
    for (double x = tick * pow(10, n); fabs(x - round(x)) > 1e-6 * x && n < 12; n++) x *= 10;
    return n;
}

/* A line's number: as many decimals as its distance to the next one needs. */
static void put_label(bert_page *p, const bert_axes *r, double y, double at) {
    const double most = fmax(fabs(r->y0), fabs(r->y1));
    const int size = (int)floor(log10(most)), step = (int)floor(log10(r->tick) + 1e-9);
    const int digits = size - step + 1 < 15 ? size - step + 1 : 15;
    bert_page_put(p, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 6, at + 4);
    if (size > 5 || step < -5)
        bert_page_put(p, "%.*g</text>", digits < 3 ? 3 : digits, y);
    else
        bert_page_put(p, "%.*f</text>", decimals_of(r->tick), y);
}

/* Above an end of the axis, or below a tick in it. */
static void put_number(bert_page *p, const bert_axes *r, double x) {
    const double at = bert_axes_x(r, x);
    bert_page_put(p, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.10g</text>", at,
                  HEIGHT - 6, x);
    if (r->x_tick > 0)
        bert_page_put(p, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", at,
                      at, HEIGHT - BOTTOM, HEIGHT - BOTTOM + 4);
}

void bert_page_axes(bert_page *p, const bert_axes *r) {
    bert_page_put(p, "<svg viewBox=\"0 0 %d %d\" role=\"img\">", WIDTH, HEIGHT);
    for (int i = 0; i <= (int)lround((r->y1 - r->y0) / r->tick); i++) {
        double y = r->y0 + r->tick * i, at = bert_axes_y(r, y);
        if (fabs(y) < 1e-9 * r->tick) y = 0;
        bert_page_put(p, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT,
                      WIDTH - RIGHT, at, at);
        put_label(p, r, y, at);
    }
    if (!(r->x_tick > 0)) {
        put_number(p, r, r->x0);
        put_number(p, r, r->x1);
        return;
    }
    const double first = ceil(r->x0 / r->x_tick) * r->x_tick;
    for (int i = 0; first + i * r->x_tick <= r->x1; i++) put_number(p, r, first + i * r->x_tick);
}
