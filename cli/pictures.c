#include "pictures.h"
#include "division.h"
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

int check_kind(const common *c, const bert_model *m, bert_error *e) {
    const struct {
        const char *name;
        bool given, of_pictures;
    } rows[] = {{"max-length", c->max_length != 0, false},
                {"on-overflow", c->overflow != BERT_OVERFLOW_ERROR, false},
                {"stride", c->stride != 0, false},
                {"text-column", c->text_column != NULL, false},
                {"pair-column", c->pair_column != NULL, false},
                {"image-column", c->image_column != NULL, true},
                {"image-range", c->range_high > c->range_low, true},
                {"interpolate-pos-encoding", c->interpolate, true},
                {"skip-unreadable", c->skip_unreadable, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].given && rows[i].of_pictures != takes_pictures(m))
            return fail_usage(e, "--%s is of %s, and %s reads %s", rows[i].name,
                              rows[i].of_pictures ? "pictures" : "texts", bert_model_path(m),
                              rows[i].of_pictures ? "texts" : "pictures");
    return 0;
}

/* ---- Those that cannot be read */

int unreadable_row(const common *c, const bert_picture *p, const bert_picture_info *info,
                   bert_error *e) {
    if (c->skip_unreadable || !output_json(c)) return 0;
    return output_line(json_pack("{s:o*, s:o*}", "error",
                                 json_text(info->message, strlen(info->message)), "image",
                                 json_text(p->path, strlen(p->path))),
                       e);
}

typedef struct {
    int row; /* pictures that fail together; 0: 1 */
    int64_t all, unreadable;
    int64_t first_row; /* of the part with the first one that could not be read, */
    char first[300];   /* and why */
} tally;

/* Each is named, but where they are only counted. */
static void count_unreadable(const common *c, const bert_picture_info *info, int n, tally *t) {
    const int row = t->row ? t->row : 1;
    t->all += n / row;
    for (int i = 0; i < n; i += row) {
        if (!info[i].code) continue;
        if (!t->unreadable++) {
            snprintf(t->first, sizeof t->first, "%s", info[i].message);
            t->first_row = division_row(c->work);
        }
        if (!c->skip_unreadable) say_error(info[i].message);
    }
}

static int sum_up(const common *c, const tally *t, bert_error *e) {
    if (!t->unreadable) return 0;
    if (c->skip_unreadable) {
        note(c, "%lld of %lld %s left out: they cannot be read (first %s)",
             (long long)t->unreadable, (long long)t->all, t->row > 1 ? "rows" : "pictures",
             t->first);
        return 0;
    }
    return fail(e, BERT_EFORMAT,
                "%lld of %lld %s could not be read; --skip-unreadable leaves them out",
                (long long)t->unreadable, (long long)t->all, t->row > 1 ? "rows" : "pictures");
}

/* What all processes have counted, and the first that could not be read. */
static int sum_tallies(division *d, tally *t, bert_error *e) {
    const bert_group *g = division_group(d);
    if (division_alone(d)) return 0;
    tally *all = calloc((size_t)g->size, sizeof *all);
    int rc = division_agree(d, all ? 0 : fail_memory(e), e);
    if (!rc) {
        all[g->rank] = *t;
        rc = bert_group_gather_equal(g, all, sizeof *all, e);
        *t = (tally){.row = t->row};
    }
    for (int i = 0; i < g->size && !rc; i++) {
        const bool first = all[i].unreadable && (!t->unreadable || all[i].first_row < t->first_row);
        if (first) memcpy(t->first, all[i].first, sizeof t->first);
        if (first) t->first_row = all[i].first_row;
        t->all += all[i].all;
        t->unreadable += all[i].unreadable;
    }
    free(all);
    return rc;
}

int pictures_unreadable(const common *c, const bert_picture_info *info, int n, bert_error *e) {
    tally t = {0};
    count_unreadable(c, info, n, &t);
    return sum_up(c, &t, e);
}

/* Where the next path comes from. */
typedef struct {
    bert_picture_reader *reader; /* NULL: operands */
    char **operand;
    int operands, next;
    int row; /* pictures of a row */
    char *kept[SOME];
    division *work;         /* whose part is the rows from begin to end; */
    int64_t begin, end, at; /* at: of the reader */
} source;

/* "a,b": the recipe's; NULL: it says none. */
static char *views_of(const bert_recipe *r) {
    char list[4096] = "";
    size_t used = 0;
    bert_recipe_view v;
    for (int i = 0; bert_recipe_view_at(r, i, &v) && v.image && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? "," : "", v.image);
    return used ? strdup(list) : NULL;
}

static bert_picture_reader *open_reader(const common *c, const bert_recipe *r, bert_error *e) {
    const char *file = c->input ? c->input : "-";
    char *own = c->image_column || !has_columns(file) ? NULL : views_of(r);
    bert_picture_reader *reader = bert_picture_reader_open(
        file, &(bert_picture_reader_options){.image_column = own ? own : c->image_column}, e);
    free(own);
    return reader;
}

static int open_source(source *s, const common *c, const bert_recipe *r, int paths, char **path,
                       bert_error *e) {
    const char *line;
    s->operand = path;
    s->operands = paths;
    if (paths) return check_rows(paths, s->row, "picture", e);
    s->reader = open_reader(c, r, e);
    for (int i = 0; s->reader && (line = bert_picture_reader_note(s->reader, i)); i++)
        note(c, "%s: %s", c->input ? c->input : "-", line);
    return s->reader ? 0 : BERT_EINVAL;
}

/* A row without a path. */
static void name_none(const source *s, const common *c, int64_t line, tally *t) {
    bert_picture_info none = {.code = BERT_EFORMAT};
    char message[300];
    snprintf(message, sizeof message, "%.200s:%lld: the row names no picture",
             bert_picture_reader_table(s->reader), (long long)line);
    none.message = message;
    count_unreadable(c, &none, t->row, t);
}

/* The pictures of a row; 1 where they are all there. */
static int take_row(source *s, const common *c, const bert_picture_row *row, bert_picture *to,
                    int n, tally *t, bert_error *e) {
    if (row->views != s->row)
        return fail(e, BERT_EFORMAT,
                    "%s:%lld: the row has %d picture%s, and a row of this model is %d",
                    bert_picture_reader_table(s->reader), (long long)row->line, row->views,
                    row->views == 1 ? "" : "s", s->row);
    for (int i = 0; i < row->views; i++)
        if (!*row->path[i]) {
            name_none(s, c, row->line, t);
            return 0;
        }
    for (int i = 0; i < row->views; i++) {
        free(s->kept[n + i]);
        s->kept[n + i] = strdup(row->path[i]);
        if (!s->kept[n + i]) return fail_memory(e);
        to[n + i] = (bert_picture){.path = s->kept[n + i]};
    }
    return 1;
}

/* How many rows there are, by a reader of their own. */
static int64_t count_rows(const common *c, const bert_recipe *r, bert_error *e) {
    bert_picture_row row;
    int64_t n = 0;
    int rc = -1;
    bert_picture_reader *reader = open_reader(c, r, e);
    while (reader && (rc = bert_picture_reader_next(reader, &row, e)) > 0) n++;
    bert_picture_reader_close(reader);
    return rc < 0 ? -1 : n;
}

/* Several processes have a list of all rows each, and take some of them at a time. */
static int divide(source *s, const common *c, const bert_recipe *r, bert_error *e) {
    s->end = INT64_MAX;
    if (division_alone(s->work)) return 0;
    const int64_t rows = count_rows(c, r, e);
    if (rows < 0) return BERT_EINVAL;
    s->end = 0;
    return division_open_rows(s->work, rows, SOME / s->row, e);
}

/* The rows of another part are this process's: 1; 0: all are somebody's. */
static int next_part(source *s, bert_error *e) {
    int rc = division_next(s->work, NULL, e);
    if (rc <= 0) return rc;
    s->begin = division_now(s->work)->row;
    s->end = s->begin + division_now(s->work)->rows;
    return 1;
}

/* Up to SOME paths of whole rows; how many, or a negative error. */
static int next_paths(source *s, const common *c, bert_picture *to, tally *t, bert_error *e) {
    const int most = SOME / s->row * s->row;
    int n = 0;
    for (; n < most && !s->reader && s->next < s->operands; n++)
        to[n] = (bert_picture){.path = s->operand[s->next++]};
    while (n < most && s->reader) {
        bert_picture_row row;
        if (s->at >= s->end) {
            int rc = n ? 0 : next_part(s, e);
            if (rc < 0) return rc;
            if (!rc) break;
        }
        int rc = bert_picture_reader_next(s->reader, &row, e);
        if (rc > 0 && s->at++ < s->begin) continue;
        if (rc > 0)
            rc = take_row(s, c, &row, to, n, t, e);
        else if (!rc)
            break;
        if (rc < 0) return rc;
        if (rc) n += s->row;
    }
    return n;
}

int pictures_each(const common *c, int paths, char **path,
                  int (*each)(void *context, const bert_picture *pictures, int32_t n,
                              const bert_picture_options *options, bert_picture_info *info,
                              bert_error *e),
                  void *context, bert_error *e) {
    return pictures_rows(c, NULL, 1, paths, path, each, context, e);
}

int pictures_rows(const common *c, const bert_recipe *r, int row, int paths, char **path,
                  int (*each)(void *context, const bert_picture *pictures, int32_t n,
                              const bert_picture_options *options, bert_picture_info *info,
                              bert_error *e),
                  void *context, bert_error *e) {
    source s = {.row = row, .work = c->work};
    bert_picture pictures[SOME];
    bert_picture_info info[SOME];
    bert_picture_options o = picture_options(c);
    o.keep_going = true;
    tally t = {.row = row};
    bool said = false;
    int rc = open_source(&s, c, r, paths, path, e), n;
    if (!rc) rc = divide(&s, c, r, e);
    while (!rc && (n = next_paths(&s, c, pictures, &t, e)) != 0) {
        rc = n < 0 ? n : each(context, pictures, n, &o, info, e);
        if (rc) break;
        if (!said) said = say_range(c, pictures, info, n);
        count_unreadable(c, info, n, &t);
    }
    bert_picture_reader_close(s.reader);
    for (int i = 0; i < SOME; i++) free(s.kept[i]);
    if (!rc) rc = sum_tallies(c->work, &t, e);
    return rc ? rc : sum_up(c, &t, e);
}
