#include "progress.h"
#include "cli.h"
#include <string.h>
#include <time.h>
#include <unistd.h>

double progress_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

progress progress_new(bool on) {
    return (progress){.on = on, .terminal = isatty(STDERR_FILENO), .shown = progress_now()};
}

int progress_width(const progress *p) {
    return p->terminal ? terminal_width(STDERR_FILENO) : 120;
}

bool progress_due(const progress *p) {
    return p->on && progress_now() - p->shown >= (p->terminal ? 0.1 : 10);
}

/* Bytes of a line that a terminal has room for: whole fields, which two spaces part; a number that
 * is cut off is another number. */
static int whole_fields(const char *line, int room) {
    int n = (int)strlen(line);
    if (n <= room) return n;
    for (n = room + 1; n > 1 && memcmp(line + n - 1, "  ", 2);) n--;
    return n > 1 ? n - 1 : room;
}

void progress_show(progress *p, const char *line) {
    p->shown = progress_now();
    if (!p->terminal) {
        fprintf(stderr, "%s\n", line);
        return;
    }
    fprintf(stderr, "\r%.*s\033[K", whole_fields(line, terminal_width(STDERR_FILENO) - 1), line);
    fflush(stderr);
    p->drawn = true;
}

void progress_clear(progress *p) {
    if (p->drawn) fprintf(stderr, "\r\033[K");
    p->drawn = false;
}

void progress_bar(double part, int width, char *out) {
    int full = (int)(part * (width - 2) + 0.5);
    memset(out, '.', (size_t)width);
    for (int i = 0; i < full && i < width - 2; i++) out[i + 1] = '#';
    out[0] = '[';
    out[width - 1] = ']';
    out[width] = 0;
}

void progress_time(double seconds, char *out, size_t capacity) {
    long s = seconds > 0 ? (long)(seconds + 0.5) : 0;
    if (s < 3600)
        snprintf(out, capacity, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(out, capacity, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}
