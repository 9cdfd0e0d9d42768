#include "pulling.h"
#include "progress.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One thing is fetched at a time. */
static struct {
    bert_pull_options options;
    progress bar;
    double began;
    int64_t before; /* bytes that were there when it began */
} now;

/* "model.safetensors  [####....]  45%  198 of 440 MB  35 MB/s  0:07 left". */
static void line_of(const bert_pull_progress *p, int width, char *out, size_t capacity) {
    enum { BAR = 20 };
    char bar[BAR + 1], done[32], all[32], speed[32], left[32] = "?";
    const double past = progress_now() - now.began;
    const double rate = past > 0.2 ? (double)(p->bytes - now.before) / past : 0;
    const double part = p->total > 0 ? (double)p->bytes / (double)p->total : 0;
    progress_bar(part > 1 ? 1 : part, BAR, bar);
    format_bytes(p->bytes, done, sizeof done);
    format_bytes(p->total, all, sizeof all);
    format_bytes((int64_t)rate, speed, sizeof speed);
    if (rate > 0) progress_time((double)(p->total - p->bytes) / rate, left, sizeof left);
    if (p->waiting)
        snprintf(out, capacity, "%.100s", p->waiting);
    else
        snprintf(out, capacity, "%.*s  %s  %3.0f%%  %s of %s  %s/s  %s left", width > 100 ? 60 : 24,
                 p->file, bar, 100 * part, done, all, speed, left);
}

static int show(void *context, const bert_pull_progress *p) {
    char line[400];
    (void)context;
    if (now.began == 0) {
        now.began = progress_now();
        now.before = p->bytes;
    }
    if (p->resumed > now.before) now.before = p->resumed;
    if (!*p->file && !p->waiting) {
        progress_clear(&now.bar);
    } else if (progress_due(&now.bar)) {
        line_of(p, progress_width(&now.bar), line, sizeof line);
        progress_show(&now.bar, line);
    }
    return 0;
}

static bool is_on(const char *variable) {
    const char *value = getenv(variable);
    return value && (!strcmp(value, "1") || !strcasecmp(value, "on") || !strcasecmp(value, "yes") ||
                     !strcasecmp(value, "true"));
}

bert_pull_options *pulling(const common *c) {
    now.options = bert_pull_default();
    now.options.offline = now.options.offline || c->offline;
    now.options.progress = show;
    now.bar = progress_new(!c->quiet && !is_on("HF_HUB_DISABLE_PROGRESS_BARS"));
    now.began = 0;
    now.before = 0;
    return &now.options;
}

void pulling_done(void) {
    progress_clear(&now.bar);
}
