/* A task that is no part of the library: rows of several views, whose pixels are no ids of tokens,
 * with a column of any number of items a row, one that is drawn, and options of its own. From its
 * file to a head that learns. */
#include "base/grow.h"
#include "data/dataset.h"
#include "data/label_options.h"
#include "data/label_text.h"
#include "data_world.h"
#include <math.h>

enum { PIXELS = 4, PATCHES = 3, CLS = 2 };

/* ---- The task. A line: label, then views of four numbers, then boxes: "a | 1 2 3 4 | 5 6 7 8 ; 9" */

enum { GAIN, IDS, FLIP };
static const bert_option_row own[] = {
    [GAIN] = {"view_gain", BERT_OPTION_NUMBER, NULL, "1", "what pixels are multiplied by"},
    [IDS] = {"view_ids", BERT_OPTION_SWITCH, NULL, "", "views have ids, too, for a model of texts"},
    [FLIP] = {"view_flip", BERT_OPTION_PART, NULL, "0.5", "part of the views that are turned"},
    {0},
};

typedef struct {
    double flip;
} kept;

static int add_view(bert_dataset_builder *b, char *text, bert_error *e) {
    const float gain = (float)bert_option_number(b->options, &own[GAIN]);
    float pixels[PIXELS];
    int n = 0;
    for (char *save, *p = strtok_r(text, " ", &save); p; p = strtok_r(NULL, " ", &save))
        if (n < PIXELS) pixels[n++] = gain * strtof(p, NULL);
    if (n < PIXELS) return BERT_OK; /* a view that lacks its pixels is found at the end */
    const bert_column c = {.name = "pixels",
                           .type = BERT_COLUMN_FLOAT32,
                           .per = BERT_PER_SEQUENCE,
                           .width = PIXELS,
                           .count = 1,
                           .data = pixels};
    return bert_columns_append(&b->set->columns, &c, e);
}

static int add_boxes(bert_dataset_builder *b, char *text, bert_error *e) {
    int32_t boxes[16];
    bert_column c = {.name = "boxes", .width = 1, .data = boxes};
    for (char *save, *p = strtok_r(text, " ", &save); p; p = strtok_r(NULL, " ", &save))
        boxes[c.count++] = atoi(p);
    return bert_columns_append_any(&b->set->columns, &c, e);
}

static int add_line(bert_dataset_builder *b, char *line, int64_t number, bert_error *e) {
    static const int32_t ids[PATCHES] = {CLS, CLS, CLS};
    char *boxes = strchr(line, ';'), *save = NULL, none[] = "";
    if (boxes) *boxes++ = 0;
    const bert_text label = bert_text_of(strtok_r(line, " |", &save));
    int rc = bert_labels_add(b, &label, number, e);
    if (rc) return rc == BERT_LABEL_MISSING ? BERT_OK : rc;
    for (char *view; !rc && (view = strtok_r(NULL, "|", &save));) {
        rc = add_view(b, view, e);
        if (!rc)
            rc = bert_dataset_add_sequence(b, bert_option_on(b->options, &own[IDS]) ? ids : NULL,
                                           NULL, PATCHES, e);
    }
    if (!rc) rc = add_boxes(b, boxes ? boxes : none, e);
    return rc ? rc : bert_dataset_end_row(b, e);
}

static int read_views(bert_dataset_builder *b, const char *path, bert_error *e) {
    char line[1024];
    kept *k = b->set->state = malloc(sizeof *k);
    k->flip = bert_option_number(b->options, &own[FLIP]);
    b->set->max_length = PATCHES;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    int rc = 0;
    for (int64_t n = 1; !rc && fgets(line, sizeof line, f); n++) {
        line[strcspn(line, "\n")] = 0;
        rc = add_line(b, line, n, e);
    }
    fclose(f);
    return rc;
}

/* Some views are turned by 180 degrees, and it is written down which. */
static int turn(bert_preparation *p, bert_error *e) {
    (void)e;
    float *pixels = bert_column_floats(bert_prepared_column(p, "pixels"));
    int32_t *turned = bert_column_ints(bert_prepared_column(p, "turned"));
    const bert_batch *b = p->batch;
    for (int32_t i = 0; i < b->row_count; i++) {
        bert_rng r = {.seed = p->seed + (uint64_t)p->epoch,
                      .stream = bert_rng_stream("turn") + (uint64_t)b->rows[i]};
        for (int32_t v = b->row_start[i]; v < b->row_start[i + 1]; v++) {
            float *x = pixels + (ptrdiff_t)v * PIXELS;
            turned[v] = bert_rng_uniform(&r) < ((const kept *)p->set->state)->flip;
            for (int k = 0; turned[v] && k < PIXELS / 2; k++) {
                const float swap = x[k];
                x[k] = x[PIXELS - 1 - k];
                x[PIXELS - 1 - k] = swap;
            }
        }
    }
    return BERT_OK;
}

static const bert_task views = {
    .name = "test-views",
    .pipeline = "image-classification",
    .labels = BERT_LABELLED_ROWS,
    .inputs = (const char *const[]){"ids", "pixels", NULL},
    .options = (const bert_option_row *const[]){bert_label_names_option, own, NULL},
    .read = read_views,
    .resolve = bert_dataset_resolve,
    .drawn = (const bert_column[]){{.name = "turned", .per = BERT_PER_SEQUENCE, .width = 1}, {0}},
    .prepare = turn,
    .free_state = free,
};

static void begin_views(world *w) {
    begin_task(w, "test-views");
    if (bert_task_register(&views, &w->e)) fail_msg("%s", w->e.message);
}

/* ---- Columns */

static const char file[] = "a | 1 2 3 4 | 5 6 7 8 ; 10 11\n"
                           "b | 9 10 11 12\n"
                           "nan | 0 0 0 0 | 0 0 0 0 ; 99\n"
                           "a | 13 14 15 16 | 17 18 19 20 | 21 22 23 24 ; 12\n"
                           "b | 9 10 11 12 ; 13 14 15\n";
static const int32_t first_view[] = {0, 2, 3, 6, 7}, box[] = {0, 2, 2, 3, 6};

static void every_view_of_a_row_is_there(void **state) {
    (void)state;
    world w;
    begin_views(&w);
    set_option(&w.options, "view_flip", "0.000001");
    bert_dataset *d = open_or_fail(&w, "a.txt", file);
    assert_int_equal(bert_dataset_size(d), 4);
    assert_int_equal(d->sequences, 7);
    assert_int_equal(d->group, 0);
    assert_int_equal(d->most, 3);
    assert_int_equal(bert_dataset_duplicates(d, d, &w.e), 1);
    bert_dataset_summary s;
    assert_int_equal(bert_dataset_summarize(d, &s, &w.e), 0);
    assert_int_equal(s.tokens, 7 * PATCHES);
    const int32_t *ids = &box[0];
    assert_int_equal(bert_dataset_row(d, 2, &ids, NULL), 3 * PATCHES);
    assert_null(ids);
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        const bert_loader_options o = {.batch_size = 3, .shuffle = shuffle, .seed = 4};
        bert_loader *l = bert_loader_new(d, &o, &w.e);
        for (int64_t i = 0; i < bert_loader_batches(l); i++) {
            bert_batch b;
            assert_int_equal(bert_loader_get(l, 0, i, &b, &w.e), 0);
            assert_null(b.inputs.ids);
            assert_int_equal(b.row_sequences, 0);
            const float *pixels = bert_batch_floats(&b, "pixels");
            const bert_column *boxes = bert_inputs_column(&b.inputs, "boxes");
            assert_int_equal(bert_inputs_column(&b.inputs, "pixels")->count, b.inputs.n);
            for (int32_t r = 0; r < b.row_count; r++) {
                const int32_t row = (int32_t)b.rows[r], at = b.row_start[r];
                const int32_t n = first_view[row + 1] - first_view[row];
                assert_int_equal(b.row_start[r + 1] - at, n);
                const int32_t before = row == 3 ? 2 : first_view[row]; /* as the pixels count */
                for (int32_t k = 0; k < n * PIXELS; k++)
                    assert_float_equal(pixels[at * PIXELS + k], before * PIXELS + 1 + k, 0);
                assert_int_equal(boxes->start[r + 1] - boxes->start[r], box[row + 1] - box[row]);
                for (int64_t k = boxes->start[r]; k < boxes->start[r + 1]; k++)
                    assert_int_equal(((const int32_t *)boxes->data)[k],
                                     10 + box[row] + k - boxes->start[r]);
                assert_int_equal(b.labels[r], row % 2);
            }
        }
        bert_loader_free(l);
    }
    bert_dataset_free(d);
    end_task(&w);
}

static void chance_is_of_seed_epoch_and_row(void **state) {
    (void)state;
    world w;
    begin_views(&w);
    char text[4096] = "";
    for (int i = 0; i < 32; i++) strcat(text, i % 2 ? "a | 1 2 3 4 | 1 2 3 4\n" : "b | 1 2 3 4\n");
    bert_dataset *d = open_or_fail(&w, "a.txt", text);
    const bert_loader_options o = {.batch_size = 32, .seed = 4};
    bert_loader *l = bert_loader_new(d, &o, &w.e);
    int32_t turned[3][48];
    int n = 0;
    for (int i = 0; i < 3; i++) { /* epochs 0, 1 and 0 again */
        bert_batch b;
        assert_int_equal(bert_loader_get(l, i % 2, 0, &b, &w.e), 0);
        memcpy(turned[i], bert_batch_ints(&b, "turned"), sizeof turned[i]);
        for (int k = 0; k < 48; k++)
            assert_float_equal(bert_batch_floats(&b, "pixels")[k * PIXELS], turned[i][k] ? 4 : 1,
                               0);
    }
    for (int k = 0; k < 48; k++) n += turned[0][k];
    assert_true(n > 12 && n < 36);
    assert_memory_equal(turned[0], turned[2], sizeof turned[0]);
    assert_true(memcmp(turned[0], turned[1], sizeof turned[0]) != 0);
    bert_loader_free(l);
    bert_dataset_free(d);
    end_task(&w);
}

static void what_is_not_whole_is_refused(void **state) {
    (void)state;
    world w;
    begin_views(&w);
    refused_with(&w, "a.txt", "a | 1 2 3 4\nb\n", BERT_EINVAL, "row 2 has no sequence");
    refused_with(&w, "a.txt", "a | 1 2 3 4\nb | 1 2\n", BERT_EINVAL,
                 "the column \"pixels\" is of 1 sequences; there are 2");
    const bert_task other = {.name = "test-views"}, stock = {.name = "masked-lm"};
    bert_error e = {0};
    assert_int_equal(bert_task_register(&views, &e), 0);
    assert_int_equal(bert_task_register(&other, &e), BERT_EINVAL);
    assert_int_equal(bert_task_register(&stock, &e), BERT_EINVAL);
    w.options.task = "views";
    refused_with(&w, "a.txt", file, BERT_EINVAL, "pretraining, image-classification, test-views");
    end_task(&w);
}

/* They are listed, set and refused as those of the library's tasks are. */
static void its_options_are_in_the_table(void **state) {
    (void)state;
    world w;
    begin_views(&w);
    bert_dataset_option o;
    int found = 0, names = 0;
    for (int i = 0; bert_dataset_option_at(i, &o); i++) {
        found += !strcmp(o.task, "test-views");
        names += !strcmp(o.name, "label_names");
    }
    assert_int_equal(found, 3);
    assert_int_equal(names, 1);
    set_option(&w.options, "view-gain", "2");
    set_option(&w.options, "view_flip", "0.000001");
    assert_int_equal(bert_dataset_set(&w.options, "view_gain", "much", &w.e), BERT_EINVAL);
    bert_dataset *d = open_or_fail(&w, "a.txt", file);
    assert_float_equal(bert_dataset_floats(d, "pixels")[1], 4, 0);
    bert_dataset_free(d);
    w.options.task_options[0] = (bert_task_option){"view_gain", "much"};
    refused_with(&w, "a.txt", file, BERT_EINVAL, "view_gain is a number");
    w.options.task_options[0] = (bert_task_option){"view_gains", "1"};
    refused_with(&w, "a.txt", file, BERT_EINVAL, "no option \"view_gains\"");
    w.options.task_options[0] = (bert_task_option){"doc_stride", "1"};
    d = open_or_fail(&w, "a.txt", file);
    bool said = false;
    for (int i = 0; bert_dataset_note(d, i); i++)
        said |= strstr(bert_dataset_note(d, i), "doc_stride is not used") != NULL;
    assert_true(said);
    bert_dataset_free(d);
    end_task(&w);
}

/* ---- A head: the maximum over a row's views of what their pixels say */

typedef struct {
    bert_linear pixels, out;
} view_head;

static int head_init(void *self, const bert_head_site *site, bert_error *e) {
    view_head *h = self;
    const int32_t width = site->config->hidden_size;
    int rc = bert_linear_new(site->params, "pixels", PIXELS, width, &h->pixels, e);
    return rc ? rc
              : bert_linear_new(site->params, "out", width, site->config->num_labels, &h->out, e);
}

static bert_tensor *head_forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                                 const bert_batch *b) {
    (void)m;
    const view_head *h = self;
    const bert_column *c = bert_inputs_column(&b->inputs, "pixels");
    if (!c) return bert_tape_set_error(t, BERT_EINVAL, "views: no column \"pixels\"");
    bert_tensor *x = bert_constant(t, c->data, (int32_t)c->count, c->width, false);
    x = bert_linear_act(t, h->pixels, x, BERT_ACT_TANH);
    x = bert_add(t, x, bert_cls(t, hidden, &b->inputs));
    return bert_linear_apply(t, h->out, bert_max_groups(t, x, b->row_start, b->row_count));
}

static bert_tensor *head_loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                              double divisor) {
    (void)self;
    return bert_problem_loss(t, NULL, logits, b, divisor);
}

static const bert_head head = {.name = "test-views-head",
                               .state_size = sizeof(view_head),
                               .init = head_init,
                               .forward = head_forward,
                               .loss = head_loss};

/* Rows of one to three views; a row is bright if one of its views is. */
static char *bright_and_dark(int rows, uint32_t seed) {
    char *text = malloc((size_t)rows * 200);
    size_t n = 0;
    for (int i = 0; i < rows; i++) {
        const int count = 1 + (int)(tiny_hash(seed, (uint32_t)i) % 3), bright = i % 2;
        n += (size_t)sprintf(text + n, "%s", bright ? "bright" : "dark");
        for (int v = 0; v < count; v++) {
            const float level = bright && v == i / 2 % count ? 1 : -1;
            n += (size_t)sprintf(text + n, " |");
            for (int k = 0; k < PIXELS; k++) {
                const uint32_t h = tiny_hash(seed + 7, (uint32_t)(100 * i + 10 * v + k));
                n += (size_t)sprintf(text + n, " %.3f", (double)(level + (float)(h % 1000) / 2000));
            }
        }
        n += (size_t)sprintf(text + n, "\n");
    }
    return text;
}

static double accuracy_of(world *w, const bert_model *m, const bert_dataset *d) {
    double value = 0;
    bert_metrics *metrics = bert_evaluate(m, d, NULL, &w->e);
    if (!metrics) fail_msg("%s", w->e.message);
    assert_true(bert_metrics_find(metrics, "accuracy", &value));
    assert_int_equal(bert_metrics_rows(metrics), bert_dataset_size(d));
    bert_metrics_free(metrics);
    return value;
}

/* From files that lie on disk, as those larger than memory do. */
static void a_head_learns_from_pixels(void **state) {
    (void)state;
    world w;
    begin_views(&w);
    const size_t memory = bert_grow_in_memory;
    bert_grow_in_memory = 2048;
    char *text = bright_and_dark(120, 1), *held = bright_and_dark(60, 2);
    set_option(&w.options, "view_ids", "yes");
    bert_dataset *d = open_or_fail(&w, "a.txt", text);
    w.options.like = d;
    bert_dataset *v = open_or_fail(&w, "v.txt", held);
    bert_model_options o = bert_dataset_model(d);
    bert_model *m = bert_model_open_head(w.dir, &head, &o, &w.e);
    if (!m) fail_msg("%s", w.e.message);
    assert_true(accuracy_of(&w, m, v) < 0.8);
    bert_training_args args = bert_training_default();
    args.num_train_epochs = 12;
    args.learning_rate = 3e-3;
    args.threads = 1;
    bert_trainer *t = bert_trainer_new(m, &args, d, v, &w.e);
    if (!t || bert_trainer_train(t, &w.e)) fail_msg("%s", w.e.message);
    const double reached = accuracy_of(&w, m, v);
    if (!(reached > 0.95)) fail_msg("accuracy %g", reached);
    char *saved = bert_path_join(w.dir, "saved");
    assert_int_equal(bert_model_save(m, saved, &w.e), 0);
    assert_int_equal(bert_head_register(&head, &w.e), 0);
    bert_model *again = bert_model_open(saved, NULL, &w.e);
    if (!again) fail_msg("%s", w.e.message);
    assert_true(accuracy_of(&w, again, v) == reached);
    bert_model_close(again);
    free(saved);
    bert_trainer_free(t);
    bert_model_close(m);
    bert_dataset_free(v);
    bert_dataset_free(d);
    free(text);
    free(held);
    bert_grow_in_memory = memory;
    end_task(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_view_of_a_row_is_there),
        cmocka_unit_test(chance_is_of_seed_epoch_and_row),
        cmocka_unit_test(what_is_not_whole_is_refused),
        cmocka_unit_test(its_options_are_in_the_table),
        cmocka_unit_test(a_head_learns_from_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
