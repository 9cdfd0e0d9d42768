/* Pictures to files and to memory. */
#include "base/error.h"
#include "base/file.h"
#include "image/image.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct {
    unsigned char *bytes;
    size_t n, capacity;
} buffer;

static bool put(void *context, const void *bytes, size_t n) {
    buffer *b = context;
    if (b->n + n > b->capacity) {
        const size_t capacity = 2 * b->capacity + n + 4096;
        unsigned char *larger = realloc(b->bytes, capacity);
        if (!larger) return false;
        b->bytes = larger;
        b->capacity = capacity;
    }
    memcpy(b->bytes + b->n, bytes, n);
    b->n += n;
    return true;
}

/* The format whose files end as `name` does. */
static const bert_image_decoder *format_of(const char *name, bert_error *e) {
    const bert_image_module *m = bert_image_decoders(e);
    char known[100] = "";
    for (int i = 0; m && m->decoders[i]; i++) {
        const char *suffix = m->decoders[i]->suffix;
        const size_t used = strlen(known);
        if (!suffix) continue;
        if (!strcasecmp(name, suffix) || bert_file_has_suffix(name, suffix)) return m->decoders[i];
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", suffix);
    }
    if (m)
        bert_fail(e, BERT_EUNSUPPORTED, "%s: pictures are written as %s by this build", name,
                  *known ? known : "nothing");
    return NULL;
}

int bert_image_encode(const bert_image *image, const char *ending, void **bytes, size_t *n,
                      bert_error *e) {
    BERT_DOOR(e);
    *bytes = NULL;
    *n = 0;
    if (bert_need(image, "picture to write", e) || bert_need(ending, "format of a picture", e))
        return BERT_EINVAL;
    const bert_image_decoder *d = format_of(ending, e);
    if (!d) return e->code;
    const bert_image_info *i = &image->info;
    const bert_image_shape shape = {i->width, i->height, i->channels, i->bits};
    buffer b = {0};
    bert_image_out out = {.context = &b, .put = put};
    if (d->encode(&shape, image->samples, &out)) {
        *bytes = b.bytes;
        *n = b.n;
        return 0;
    }
    free(b.bytes);
    return bert_fail(e, BERT_EIO, "%s: %s", d->name, out.message);
}

int bert_image_save(const bert_image *image, const char *path, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(path, "path of a picture", e)) return BERT_EINVAL;
    void *bytes;
    size_t n;
    int rc = bert_image_encode(image, path, &bytes, &n, e);
    if (!rc) rc = bert_write_file(path, bytes, n, e);
    free(bytes);
    return rc;
}
