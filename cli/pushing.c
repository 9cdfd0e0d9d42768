#include "pushing.h"
#include "progress.h"
#include <signal.h>

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number) {
    interrupted = 1;
    signal(signal_number, SIG_DFL); /* a second one does not wait */
}

static int show(void *context, const bert_push_progress *p) {
    progress *bar = context;
    char line[300], part[24], done[32], all[32];
    if (interrupted) return 1;
    if (!progress_due(bar)) return 0;
    progress_bar(p->total ? (double)p->bytes / (double)p->total : 0, 20, part);
    format_bytes(p->bytes, done, sizeof done);
    format_bytes(p->total, all, sizeof all);
    if (p->waiting)
        snprintf(line, sizeof line, "%.100s", p->waiting);
    else
        snprintf(line, sizeof line, "%.60s  %s  %s of %s", p->file, part, done, all);
    progress_show(bar, line);
    return 0;
}

int push_directory(const common *c, const char *directory, const char *name,
                   const bert_push_options *options, bert_pushed *done, bert_error *e) {
    progress bar = progress_new(!c->quiet);
    bert_push_options o = *options;
    o.progress = show;
    o.context = &bar;
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    const int rc = bert_push(directory, name, &o, done, e);
    progress_clear(&bar);
    return rc;
}
