#include "waiting.h"
#include "file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_KEPT = 1024 };

typedef struct {
    bert_text_info info;
    size_t bytes;
} record;

static int failed(bert_error *e) {
    return fail(e, BERT_EIO, "cannot use a temporary file: %s", strerror(errno));
}

int waiting_open(waiting *w, int32_t dim, bert_error *e) {
    *w = (waiting){
        .f = unnamed_file(), .dim = dim, .ranges = calloc(2 * (size_t)dim, sizeof(float))};
    if (!w->ranges) return fail_memory(e);
    return w->f ? 0 : failed(e);
}

static void widen(waiting *w, const float *v) {
    float *least = w->ranges, *most = w->ranges + w->dim;
    for (int32_t j = 0; j < w->dim; j++) {
        if (!w->rows || v[j] < least[j]) least[j] = v[j];
        if (!w->rows || v[j] > most[j]) most[j] = v[j];
    }
    w->rows++;
}

int waiting_put(waiting *w, const bert_text *text, const float *v, const bert_text_info *info,
                bert_error *e) {
    const record r = {*info, text->bytes < TEXT_KEPT ? text->bytes : TEXT_KEPT};
    widen(w, v);
    const bool written = fwrite(&r, sizeof r, 1, w->f) == 1 &&
                         fwrite(text->text, 1, r.bytes, w->f) == r.bytes &&
                         fwrite(v, sizeof *v, (size_t)w->dim, w->f) == (size_t)w->dim;
    return written ? 0 : failed(e);
}

int waiting_each(waiting *w,
                 int (*row)(void *context, const bert_text *text, const float *v,
                            const bert_text_info *info, bert_error *e),
                 void *context, bert_error *e) {
    char text[TEXT_KEPT];
    record r;
    float *v = calloc((size_t)w->dim, sizeof *v);
    int rc = !v ? fail_memory(e) : fflush(w->f) || fseek(w->f, 0, SEEK_SET) ? failed(e) : 0;
    for (int64_t i = 0; i < w->rows && !rc; i++) {
        const bool there = fread(&r, sizeof r, 1, w->f) == 1 &&
                           fread(text, 1, r.bytes, w->f) == r.bytes &&
                           fread(v, sizeof *v, (size_t)w->dim, w->f) == (size_t)w->dim;
        rc = there ? row(context, &(bert_text){.text = text, .bytes = r.bytes}, v, &r.info, e)
                   : failed(e);
    }
    free(v);
    return rc;
}

void waiting_close(waiting *w) {
    if (w->f) fclose(w->f);
    free(w->ranges);
    *w = (waiting){0};
}
