#include "pictures.h"
#include <stdlib.h>
#include <string.h>

enum { SOME = 64 };

bool takes_pictures(const bert_model *m) {
    return bert_model_config(m)->num_channels > 0;
}

bert_picture_options picture_options(const common *c) {
    bert_picture_options o = bert_picture_default();
    o.image.range_low = c->range_low;
    o.image.range_high = c->range_high;
    o.interpolate = c->interpolate;
    return o;
}

bool say_range(const common *c, const bert_picture *pictures, const bert_picture_info *info,
               int n) {
    for (int i = 0; i < n; i++) {
        const bert_image_info *about = &info[i].image;
        if (about->bits != 16 || !about->own_range) continue;
        note(c,
             "%s: 16-bit grey of %g to %g, its own values, which become 0 and 1 (further pictures: "
             "theirs); --image-range LOW,HIGH makes it the same for all",
             pictures[i].path, about->low, about->high);
        return true;
    }
    return false;
}

/* Where the next path comes from. */
typedef struct {
    bert_picture_reader *reader; /* NULL: operands */
    char **operand;
    int operands, next;
    char *kept[SOME];
} source;

static int open_source(source *s, const common *c, int paths, char **path, bert_error *e) {
    const char *line;
    *s = (source){.operand = path, .operands = paths};
    if (paths) return 0;
    const char *file = c->input ? c->input : "-";
    s->reader = bert_picture_reader_open(
        file, &(bert_picture_reader_options){.image_column = c->image_column}, e);
    for (int i = 0; s->reader && (line = bert_picture_reader_note(s->reader, i)); i++)
        note(c, "%s: %s", file, line);
    return s->reader ? 0 : BERT_EINVAL;
}

/* Up to SOME paths; how many, or a negative error. */
static int next_paths(source *s, bert_picture *to, bert_error *e) {
    int n = 0;
    for (; n < SOME && !s->reader && s->next < s->operands; n++)
        to[n] = (bert_picture){.path = s->operand[s->next++]};
    while (n < SOME && s->reader) {
        bert_picture_row row;
        int rc = bert_picture_reader_next(s->reader, &row, e);
        if (rc < 0) return rc;
        if (!rc) break;
        if (!*row.path[0])
            return fail(e, BERT_EFORMAT, "line %lld: the row names no picture",
                        (long long)row.line);
        free(s->kept[n]);
        s->kept[n] = strdup(row.path[0]);
        if (!s->kept[n]) return fail_memory(e);
        to[n] = (bert_picture){.path = s->kept[n]};
        n++;
    }
    return n;
}

int pictures_each(const common *c, int paths, char **path,
                  int (*each)(void *context, const bert_picture *pictures, int32_t n,
                              const bert_picture_options *options, bert_picture_info *info,
                              bert_error *e),
                  void *context, bert_error *e) {
    source s;
    bert_picture pictures[SOME];
    bert_picture_info info[SOME];
    const bert_picture_options o = picture_options(c);
    bool said = false;
    int rc = open_source(&s, c, paths, path, e), n;
    while (!rc && (n = next_paths(&s, pictures, e)) != 0) {
        rc = n < 0 ? n : each(context, pictures, n, &o, info, e);
        if (!rc && !said) said = say_range(c, pictures, info, n);
    }
    bert_picture_reader_close(s.reader);
    for (int i = 0; i < SOME; i++) free(s.kept[i]);
    return rc;
}
