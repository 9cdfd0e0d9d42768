/* Classification of pictures: class folders, or tables with columns of paths. Pictures stay files: each batch
 * reads its own, by threads that are ahead of the training; what is left to chance follows from seed,
 * epoch and row. */
#include "base/error.h"
#include "base/number.h"
#include "data/ahead.h"
#include "data/augment.h"
#include "data/dataset.h"
#include "data/label_options.h"
#include "data/label_text.h"
#include "data/mix.h"
#include "data/predictions.h"
#include "data/split.h"
#include "models/pictures.h"
#include "models/sized_by.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IMAGE_COLUMN, IMAGE_RANGE, CROP, FLIP, FLIP_APART, ROTATION, COLOUR, MIXUP, CUTMIX, SKIP };
static const bert_option_row options[] = {
    [IMAGE_COLUMN] = {"image_column", BERT_OPTION_TEXT, "NAME[,NAME]", "",
                      "columns of paths, relative to the file; several are the views of a row "
                      "(default: image, file_name, image_path, path, filename, file)"},
    [IMAGE_RANGE] = {"image_range", BERT_OPTION_TEXT, "LOW,HIGH", "",
                     "values of 16-bit grey that become 0 and 1 (default: those of each picture)"},
    [CROP] =
        {"random_resized_crop", BERT_OPTION_PART, NULL, "",
         "in training: a random part of each picture, of this part of its area at least (0.08 is "
         "torchvision's)"},
    [FLIP] =
        {"random_flip", BERT_OPTION_PART, NULL, "",
         "in training: the probability that a picture is mirrored, all views of a row together"},
    [FLIP_APART] = {"flip_views_apart", BERT_OPTION_SWITCH, NULL, "",
                    "each view is cropped, mirrored and turned on its own"},
    [ROTATION] = {"random_rotation", BERT_OPTION_NUMBER, NULL, "",
                  "in training: pictures are turned by so many degrees at most"},
    [COLOUR] = {"color_jitter", BERT_OPTION_PART, NULL, "",
                "in training: brightness and contrast change by this part at most"},
    [MIXUP] = {"mixup", BERT_OPTION_NUMBER, NULL, "",
               "in training: each picture is mixed with another of its batch, labels too, by a "
               "share from Beta(X, X) (0.2, say)"},
    [CUTMIX] = {"cutmix", BERT_OPTION_NUMBER, NULL, "",
                "in training: the same by a box of another one (1, say); with --mixup a batch has "
                "one of both"},
    [SKIP] = {"skip_unreadable", BERT_OPTION_SWITCH, NULL, "",
              "rows with a picture that cannot be read are left out (all are read once to see)"},
    {0},
};

typedef struct {
    bert_image_processor processor;
    bert_image_options image;
    bert_augment augment;
    bert_mix mix;
    bert_column drawn[3]; /* pixels; soft labels, where classes are mixed; the end */
    bool apart;
    const char *sized_by; /* in messages */
    int32_t height, width;
    int32_t views;
    size_t floats;  /* of a view */
    bert_kept kept; /* paths of each row's views */
    bert_ahead *ahead;
    int64_t unreadable;
    char first_unreadable[256]; /* and why */
} pictures;

/* ---- A picture of a batch: item is row * views + view */

static bool by_chance(const bert_augment *a) {
    return a->crop > 0 || a->flip > 0 || a->rotation > 0 || a->colour > 0;
}

/* The view is cropped, where it is, and made what the model reads. */
static int process(const pictures *p, const bert_image *image, bert_rng *r, float *out,
                   bert_error *e) {
    if (!(p->augment.crop > 0)) return bert_image_process(image, &p->processor, out, e);
    bert_image_processor whole = p->processor;
    whole.do_resize = true;
    whole.do_center_crop = false;
    whole.shortest_edge = 0;
    whole.height = p->height;
    whole.width = p->width;
    bert_image *part = bert_augment_crop(image, p->augment.crop, r, e);
    int rc = part ? bert_image_process(part, &whole, out, e) : BERT_ENOMEM;
    bert_image_free(part);
    return rc;
}

static int check_size(const pictures *p, const bert_image *image, bert_error *e) {
    const bert_image_info i = bert_image_about(image);
    int32_t w, h;
    int rc = bert_image_processed_size(&p->processor, i.width, i.height, &w, &h, e);
    if (rc || p->augment.crop > 0 || (w == p->width && h == p->height)) return rc;
    return bert_fail(e, BERT_EINVAL, "the picture is made %d x %d (%s), the model is of %d x %d", w,
                     h, p->sized_by, p->width, p->height);
}

static int read_view(const pictures *p, const bert_ahead_key *key, float *out, bert_error *e) {
    size_t bytes;
    const int64_t row = key->item / p->views, view = key->item % p->views;
    const char *path = bert_kept_at(&p->kept, row, view, &bytes);
    bert_image *image = bert_image_open(path, &p->image, e);
    if (!image) return e->code;
    bert_rng r = {.seed = key->seed + (uint64_t)key->epoch * 0x9e3779b97f4a7c15u,
                  .stream = bert_rng_stream("augmentation") + (uint64_t)row};
    if (p->apart) r.stream += (uint64_t)view * 0x2545f4914f6cdd1du;
    int rc = check_size(p, image, e);
    if (!rc) rc = process(p, image, &r, out, e);
    float *room = !rc && by_chance(&p->augment) ? malloc(p->floats * sizeof *room) : NULL;
    if (room) bert_augment_planes(&p->augment, &p->processor, &r, out, p->height, p->width, room);
    free(room);
    bert_image_free(image);
    if (rc && strncmp(e->message, path, bytes)) bert_error_prefix(e, "%s: ", path);
    return rc;
}

static int make_view(const void *context, const bert_ahead_key *key, float *out, bert_error *e) {
    return read_view(context, key, out, e);
}

/* ---- The file */

static int read_range(const bert_dataset_options *o, bert_image_options *image, bert_error *e) {
    const char *text = bert_option_text(o, &options[IMAGE_RANGE]);
    char *end;
    if (!text || !*text) return 0;
    image->range_low = bert_strtod(text, &end);
    const bool first = end != text && *end == ',';
    const char *second = end + 1;
    image->range_high = first ? bert_strtod(second, &end) : 0;
    if (first && end != second && !*end && image->range_high > image->range_low) return 0;
    return bert_fail(e, BERT_EINVAL, "image_range is two numbers, LOW,HIGH, not '%s'", text);
}

static int read_share(const bert_dataset_options *o, int option, double *x, bert_error *e) {
    *x = bert_option_number(o, &options[option]);
    if (*x >= 0) return 0;
    return bert_fail(e, BERT_EINVAL, "%s must be above 0, not %g", options[option].name, *x);
}

/* What is left to chance in training. */
static int read_chance(const bert_dataset_options *o, pictures *p, bert_error *e) {
    p->augment = (bert_augment){.crop = bert_option_number(o, &options[CROP]),
                                .flip = bert_option_number(o, &options[FLIP]),
                                .rotation = bert_option_number(o, &options[ROTATION]),
                                .colour = bert_option_number(o, &options[COLOUR])};
    const int rc = read_share(o, MIXUP, &p->mix.mixup, e);
    return rc ? rc : read_share(o, CUTMIX, &p->mix.cutmix, e);
}

static int set_up(bert_dataset_builder *b, bert_error *e) {
    const bert_config *c = bert_model_config(b->base);
    const bert_dataset_options *o = b->options;
    if (!bert_config_takes_pictures(c))
        return bert_fail(e, BERT_EUNSUPPORTED, "%s (%s) reads texts, not pictures",
                         bert_model_path(b->base), c->model_type);
    if (b->set->state) return 0; /* of the file before */
    pictures *p = b->set->state = calloc(1, sizeof *p);
    if (!p) return bert_fail_memory(e, sizeof *p);
    p->image = bert_image_default();
    p->sized_by = bert_pictures_sized_by(b->base);
    p->height = c->image_height;
    p->width = c->image_width;
    p->floats = (size_t)c->num_channels * (size_t)p->height * (size_t)p->width;
    p->apart = bert_option_on(o, &options[FLIP_APART]);
    int rc = read_range(o, &p->image, e);
    if (!rc && !o->like && !o->model_labels) /* what is measured is left as it is */
        rc = read_chance(o, p, e);
    if (!rc) rc = bert_image_processor_open(bert_model_path(b->base), &p->processor, e);
    p->processor.channels = c->num_channels;
    b->set->max_length = bert_model_max_length(b->base);
    if (!rc && !(p->ahead = bert_ahead_new(p->floats, make_view, p, e))) rc = e->code;
    return rc;
}

/* Whether all views can be read: a file that is not there is an error at once, others where they are to
 * be left out. */
static int look_at(bert_dataset_builder *b, const bert_picture_row *row, bool *out, bert_error *e) {
    pictures *p = b->set->state;
    const bool skip = bert_option_on(b->options, &options[SKIP]);
    for (int i = 0; i < row->views; i++) {
        bert_error why = {0};
        bert_image *image = skip ? bert_image_open(row->path[i], &p->image, &why) : NULL;
        *out |= skip && !image;
        bert_image_free(image);
        if (why.code == BERT_ENOTFOUND && !access(row->path[i], R_OK))
            return bert_fail(e, why.code, "%s", why.message); /* no decoder */
        if (why.code && !*p->first_unreadable)
            snprintf(p->first_unreadable, sizeof p->first_unreadable, "%.255s", why.message);
        if (!skip && access(row->path[i], R_OK))
            return bert_dataset_fail(b, row->line, e, BERT_EIO,
                                     "%s cannot be read; --skip-unreadable leaves such rows out",
                                     row->path[i]);
    }
    return 0;
}

/* The paths of a row; of each a number by which rows are told apart. */
static int add_views(bert_dataset_builder *b, const bert_picture_row *row, bert_error *e) {
    pictures *p = b->set->state;
    int rc = bert_kept_row(&p->kept, row->line, e);
    for (int i = 0; i < row->views && !rc; i++) {
        const uint64_t hash = bert_rng_stream(row->path[i]);
        const int32_t both[] = {(int32_t)hash, (int32_t)(hash >> 32)};
        const bert_column c = {
            .name = "picture", .per = BERT_PER_SEQUENCE, .width = 2, .count = 1, .data = both};
        rc = bert_kept_add(&p->kept, row->path[i], strlen(row->path[i]), e);
        if (!rc) rc = bert_columns_append(&b->set->columns, &c, e);
        if (!rc) rc = bert_dataset_add_sequence(b, NULL, NULL, b->set->max_length, e);
    }
    if (!rc && b->options->keep_texts) {
        rc = bert_kept_row(&b->set->kept, row->line, e);
        for (int i = 0; i < row->views && !rc; i++)
            rc = bert_kept_add(&b->set->kept, row->path[i], strlen(row->path[i]), e);
    }
    return rc ? rc : bert_dataset_end_row(b, e);
}

static int add_row(bert_dataset_builder *b, const bert_picture_row *row, bert_error *e) {
    bert_text fields[64];
    const int wanted = b->columns ? b->columns_count : 1;
    bool out = false;
    if (row->labels != wanted || wanted > 64)
        return bert_dataset_fail(b, row->line, e, BERT_EFORMAT, "%d label fields, not %d",
                                 row->labels, wanted);
    int rc = look_at(b, row, &out, e);
    if (rc) return rc;
    if (out) {
        ((pictures *)b->set->state)->unreadable++;
        return 0;
    }
    for (int i = 0; i < wanted; i++) {
        if (!row->label[i]) {
            rc = bert_labels_none(b, row->line, e);
            return rc == BERT_LABEL_MISSING ? BERT_OK : rc;
        }
        fields[i] = bert_text_of(row->label[i]);
    }
    b->field_is_list = row->label_is_list;
    rc = bert_labels_add(b, fields, row->line, e);
    if (rc) return rc == BERT_LABEL_MISSING ? BERT_OK : rc;
    return add_views(b, row, e);
}

/* Messages name the file in a folder whose lines they are of. */
static int name_table(bert_dataset *d, const char *table, bert_error *e) {
    char *copy = table ? strdup(table) : NULL;
    if (!table) return 0;
    if (!copy) return bert_fail_memory(e, strlen(table));
    free(d->where);
    d->where = copy;
    return 0;
}

/* Of a folder of splits the one that is meant: what is trained on, validated by, or measured. */
static const char *choose_split(bert_dataset_builder *b, const char *path, char *room,
                                size_t capacity, bert_error *e) {
    const char *const wanted[] = {
        b->options->model_labels ? "test" : NULL,
        b->options->model_labels || b->options->like ? "validation" : NULL, "train"};
    for (int i = 0; i < 3; i++) {
        if (!wanted[i] || !bert_picture_split(path, wanted[i], room, capacity)) continue;
        bert_dataset_say(b, e, "a folder of splits, of which %s is read", room);
        return room;
    }
    return path;
}

static int read_rows(bert_dataset_builder *b, const char *path, bert_error *e) {
    char split[4096];
    int rc = set_up(b, e);
    path = choose_split(b, path, split, sizeof split, e);
    const char *columns = bert_option_text(b->options, &options[IMAGE_COLUMN]), *line;
    const bert_picture_reader_options ro = {.image_column = columns && *columns ? columns : NULL,
                                            .label_column = b->options->label_column,
                                            .labels = true,
                                            .also = bert_split_group_column(b)};
    bert_picture_reader *r = rc ? NULL : bert_picture_reader_open(path, &ro, e);
    bert_picture_row row;
    if (!rc && !r) rc = e->code;
    if (!rc) rc = name_table(b->set, bert_picture_reader_table(r), e);
    for (int i = 0; !rc && (line = bert_picture_reader_note(r, i)); i++)
        rc = bert_dataset_say(b, e, "%s", line);
    pictures *p = b->set->state;
    const char *group = bert_split_group_column(b);
    if (!rc) rc = bert_split_begin(b, group ? bert_picture_reader_column(r, group) : -1, e);
    while (!rc && (rc = bert_picture_reader_next(r, &row, e)) == 1) {
        const bert_split_row of = {row.fields, row.labels, row.field, row.label, row.line};
        if (p->views && p->views != row.views)
            rc = bert_dataset_fail(b, row.line, e, BERT_EFORMAT,
                                   "the row has %d views, and those before it have %d", row.views,
                                   p->views);
        p->views = row.views;
        if (rc == 1) rc = bert_split_takes(b, &of, e);
        if (rc == 1) rc = add_row(b, &row, e);
    }
    bert_picture_reader_close(r);
    return rc;
}

static int say_unreadable(bert_dataset_builder *b, const pictures *p, bert_error *e) {
    if (!p->unreadable) return 0;
    return bert_dataset_say(b, e, "%lld row%s left out: the picture cannot be read (%s%s)",
                            (long long)p->unreadable, p->unreadable == 1 ? "" : "s",
                            p->unreadable == 1 ? "" : "first ", p->first_unreadable);
}

static int draw_columns(bert_dataset *d, pictures *p, bert_error *e) {
    const bool mixes = p->mix.mixup > 0 || p->mix.cutmix > 0;
    if (mixes && d->problem == BERT_PROBLEM_REGRESSION)
        return bert_fail(e, BERT_EINVAL, "%s: mixup and cutmix are of classes, not of values",
                         d->where);
    p->drawn[0] = bert_task_image_classification.drawn[0];
    p->drawn[0].width = (int32_t)p->floats;
    if (mixes && d->problem == BERT_PROBLEM_SINGLE_LABEL)
        p->drawn[1] = (bert_column){
            .name = BERT_SOFT_LABELS, .type = BERT_COLUMN_FLOAT32, .width = d->num_labels};
    d->drawn = p->drawn;
    return 0;
}

static void lay(bert_laid *l, bert_dataset *d) {
    bert_lay_block(l, &d->state, sizeof(pictures));
    pictures *p = d->state;
    if (!p) return;
    bert_kept_lay(&p->kept, l);
    if (!l->taken) return;
    p->sized_by = bert_pictures_sized_by(l->base);
    p->ahead = bert_ahead_new(p->floats, make_view, p, l->e);
    draw_columns(d, p, l->e);
}

static int resolve(bert_dataset_builder *b, bert_error *e) {
    const bert_dataset *like = b->options->like;
    pictures *p = b->set->state;
    if (like && ((const pictures *)like->state)->views != p->views)
        return bert_fail(e, BERT_EINVAL, "%s has %d views a row, %s %d", b->set->where, p->views,
                         like->where, ((const pictures *)like->state)->views);
    int rc = say_unreadable(b, p, e);
    if (!rc) rc = bert_dataset_resolve(b, e);
    return rc ? rc : draw_columns(b->set, p, e);
}

/* ---- A batch */

/* Each class of the labels, 0 or 1. */
static void spread_labels(const int32_t *labels, bert_column *soft) {
    float *x = bert_column_floats(soft);
    memset(x, 0, bert_column_bytes(soft, soft->count));
    for (int64_t i = 0; i < soft->count; i++)
        if (labels[i] >= 0) x[i * soft->width + labels[i]] = 1;
}

/* All rows of the batch by one share, which follows from its first row. */
static int mix(bert_preparation *q, bert_column *pixels, bert_error *e) {
    const pictures *p = q->set->state;
    const int32_t n = q->batch->row_count;
    bert_rng r = {.seed = q->seed + (uint64_t)q->epoch * 0x9e3779b97f4a7c15u,
                  .stream = bert_rng_stream("mixture of rows") + (uint64_t)q->batch->rows[0]};
    const bert_mixing m = bert_mix_draw(&p->mix, p->height, p->width, &r);
    bert_column *labels = bert_prepared_column(q, "labels"),
                *soft = bert_prepared_column(q, BERT_SOFT_LABELS);
    if (soft) spread_labels(bert_column_ints(labels), soft);
    bert_column *wanted = soft ? soft : bert_prepared_column(q, "targets");
    const size_t planes = (size_t)p->views * (size_t)p->processor.channels;
    int rc = bert_mix_pictures(&m, bert_column_floats(pixels), n, planes, p->height, p->width, e);
    if (!rc && wanted)
        rc = bert_mix_values(&m, bert_column_floats(wanted), n, (size_t)wanted->width, e);
    return rc;
}

static int prepare(bert_preparation *q, bert_error *e) {
    const bert_dataset *d = q->set;
    const pictures *p = d->state;
    const bert_batch *b = q->batch;
    const int32_t n = b->row_count * p->views, next = q->next_count * p->views;
    bert_column *pixels = bert_prepared_column(q, BERT_PIXELS);
    bert_ahead_key *keys = malloc(((size_t)n + (size_t)next) * sizeof *keys);
    if (!keys) return bert_fail_memory(e, (size_t)n * sizeof *keys);
    for (int32_t i = 0; i < n + next; i++) {
        const int64_t row =
            i < n ? b->rows[i / p->views] : bert_prepared_next(q, (i - n) / p->views);
        keys[i] = (bert_ahead_key){row * p->views + i % p->views, q->seed, q->epoch};
    }
    int rc = bert_ahead_take(p->ahead, keys, n, bert_column_floats(pixels), e);
    if (!rc) bert_ahead_begin(p->ahead, keys + n, next);
    if (!rc && (p->mix.mixup > 0 || p->mix.cutmix > 0)) rc = mix(q, pixels, e);
    free(keys);
    return rc;
}

static void leave_out(void *state, const bool *out) {
    bert_kept_leave_out(&((pictures *)state)->kept, out);
}

static void free_state(void *state) {
    pictures *p = state;
    bert_ahead_free(p->ahead);
    bert_kept_free(&p->kept);
    free(p);
}

const bert_task bert_task_image_classification = {
    .name = "image-classification",
    .pipeline = "image-classification",
    .labels = BERT_LABELLED_ROWS,
    .inputs = (const char *const[]){"picture", NULL},
    .options = (const bert_option_row *const[]){bert_label_names_option, bert_label_options,
                                                options, NULL},
    .read = read_rows,
    .splits = true,
    .shards = true,
    .resolve = resolve,
    .drawn =
        (const bert_column[]){
            {.name = BERT_PIXELS, .type = BERT_COLUMN_FLOAT32, .per = BERT_PER_SEQUENCE}, {0}},
    .prepare = prepare,
    .free_state = free_state,
    .leave_out = leave_out,
    .lay = lay,
    .predictions = &bert_row_predictions,
};
