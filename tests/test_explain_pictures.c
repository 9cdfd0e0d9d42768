/* Explanations of pictures: maps of patches, over pictures, and files. That the numbers are captum's is
 * in test_explain.c. */
#include "models.h"
#include "picture_world.h"
#include <unistd.h>

typedef struct {
    char *directory;
    char model[4600], picture[4600], other[4600];
    bert_model *m;
    bert_session *s;
    bert_error e;
} world;

static void begin(world *w, bool classifier, const bert_head *head) {
    *w = (world){.directory = test_directory()};
    snprintf(w->model, sizeof w->model, "%s/vit", w->directory);
    snprintf(w->picture, sizeof w->picture, "%s/a.png", w->directory);
    snprintf(w->other, sizeof w->other, "%s/b.png", w->directory);
    tiny_vit(w->model, classifier);
    grey_png(w->picture, 90, 3);
    grey_png(w->other, 160, 5);
    bert_model_options o = bert_model_default();
    w->m = head ? bert_model_open_head(w->model, head, &o, &w->e)
                : bert_model_open(w->model, &o, &w->e);
    if (!w->m) fail_msg("%s", w->e.message);
    w->s = bert_session_new(w->m, &(bert_session_options){.threads = 2}, &w->e);
    if (!w->s) fail_msg("%s", w->e.message);
}

static void end(world *w) {
    bert_session_free(w->s);
    bert_model_close(w->m);
    test_remove(w->directory);
}

static const bert_explanation *explained(world *w, const bert_picture *pictures, int32_t n,
                                         int32_t views, const bert_explain_options *o) {
    const bert_explanation *x = NULL;
    w->e = (bert_error){0};
    if (bert_explain_pictures(w->s, pictures, n, views, NULL, o, &x, NULL, &w->e))
        fail_msg("%s", w->e.message);
    return x;
}

static double sum_of(const bert_explanation *x) {
    double sum = 0;
    for (int32_t i = 0; i < x->views * x->down * x->across; i++) sum += (double)x->map[i];
    return sum;
}

static void check_sum(const bert_explanation *x) {
    const double difference = (double)x->output - (double)x->base_output;
    if (fabs(sum_of(x) - difference - x->delta) > 1e-5 || fabs(x->delta) > 2e-3)
        fail_msg("sum %g, difference %g, delta %g", sum_of(x), difference, x->delta);
}

static void maps_add_up_from_every_base(void **state) {
    (void)state;
    static const char *const bases[] = {NULL, "zero", "black", "white"};
    world w;
    float output[4];
    begin(&w, true, NULL);
    const bert_picture p[] = {{.path = w.picture}, {.path = w.other}};
    for (int i = 0; i < 4; i++) {
        bert_explain_options o = bert_explain_default();
        o.baseline = bases[i];
        o.steps = 400; /* a flat picture is where a LayerNorm bends most */
        o.label = "light";
        const bert_explanation *x = explained(&w, p, 2, 1, &o);
        assert_int_equal(x->views, 1);
        assert_int_equal(x->down * 10 + x->across, 22);
        assert_string_equal(x->label, "light");
        check_sum(&x[0]);
        check_sum(&x[1]);
        assert_true(x[0].output != x[1].output);
        assert_string_equal(x[1].pictures[0].path, w.other);
        output[i] = x->base_output;
    }
    assert_true(output[0] == output[1] && output[1] != output[2] && output[2] != output[3]);
    end(&w);
}

static void methods_and_threads(void **state) {
    (void)state;
    world w;
    begin(&w, true, NULL);
    const bert_picture p = {.path = w.picture};
    for (int method = 0; method < BERT_EXPLAIN_COUNT; method++) {
        float first[4];
        bert_explain_options o = bert_explain_default();
        o.method = (bert_explain_method)method;
        for (int threads = 1; threads <= 5; threads += 2) {
            bert_session_free(w.s);
            w.s = bert_session_new(w.m, &(bert_session_options){.threads = threads}, &w.e);
            const bert_explanation *x = explained(&w, &p, 1, 1, &o);
            assert_non_null(x->label);
            if (threads == 1) memcpy(first, x->map, sizeof first);
            assert_memory_equal(first, x->map, sizeof first);
            if (method >= BERT_EXPLAIN_ATTENTION) /* the first token has the rest */
                assert_true(sum_of(x) > 0 && sum_of(x) < 1);
        }
    }
    end(&w);
}

/* ---- Two views, under a head of one's own */

typedef struct {
    bert_linear out;
} joined;

static int init(void *self, const bert_head_site *site, bert_error *e) {
    return bert_linear_new(site->params, "out", site->config->hidden_size, 2,
                           &((joined *)self)->out, e);
}

static bert_tensor *forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                            const bert_batch *b) {
    (void)m;
    bert_tensor *cls = bert_cls(t, hidden, &b->inputs);
    return bert_linear_apply(t, ((joined *)self)->out,
                             bert_max_groups(t, cls, b->row_start, b->row_count));
}

static const bert_head two_views = {.name = "explained-views",
                                    .state_size = sizeof(joined),
                                    .init = init,
                                    .forward = forward,
                                    .first_token = true};

static void each_view_has_a_map(void **state) {
    (void)state;
    world w;
    begin(&w, false, &two_views);
    const bert_picture p[] = {
        {.path = w.picture}, {.path = w.other}, {.path = w.other}, {.path = w.picture}};
    bert_explain_options o = bert_explain_default();
    o.label = "1";
    const bert_explanation *x = explained(&w, p, 2, 2, &o);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(x[i].views, 2);
        check_sum(&x[i]);
    }
    /* The maximum does not know the order of its views. */
    for (int i = 0; i < 4; i++) {
        assert_true(fabs((double)x[0].map[i] - (double)x[1].map[4 + i]) < 1e-6);
        assert_true(fabs((double)x[0].map[4 + i] - (double)x[1].map[i]) < 1e-6);
    }
    o.method = BERT_EXPLAIN_ROLLOUT;
    x = explained(&w, p, 2, 2, &o);
    assert_memory_equal(x[0].map, x[1].map + 4, 4 * sizeof(float));
    char path[4700];
    snprintf(path, sizeof path, "%s/views.png", w.directory);
    bert_explain_file *f = bert_explain_file_open(path, &w.e);
    test_ok(w.e, bert_explain_file_add(f, &x[0], &w.e));
    test_ok(w.e, bert_explain_file_close(f, &w.e));
    bert_image *image = bert_image_open(path, NULL, &w.e);
    assert_int_equal(bert_image_about(image).width, 11 + 8 + 11); /* side by side */
    assert_int_equal(bert_image_about(image).height, 9);
    bert_image_free(image);
    end(&w);
}

/* ---- Over the picture */

static void colours_say_which_patches_speak(void **state) {
    (void)state;
    enum { W = 40, H = 20 };
    uint8_t grey[W * H];
    memset(grey, 128, sizeof grey);
    bert_error e = {0};
    bert_image *image = bert_image_of(
        grey, &(bert_image_info){.width = W, .height = H, .channels = 1, .bits = 8}, &e);
    const float map[] = {1, -1, 0, 0};
    bert_explanation x = {.method = BERT_EXPLAIN_GRADIENT_X_INPUT,
                          .views = 1,
                          .down = 2,
                          .across = 2,
                          .map = map,
                          .patch_height = 4,
                          .patch_width = 4};
    x.processor = bert_image_processor_default("vit");
    x.processor.height = x.processor.width = 8;
    bert_image *over = bert_explanation_overlay(&x, 0, image, &e);
    if (!over) fail_msg("%s", e.message);
    const bert_image_info i = bert_image_about(over);
    assert_int_equal(i.width * 1000 + i.height, W * 1000 + H);
    const uint8_t *rgb = bert_image_samples(over), *left = rgb + 3 * (5 * W + 5),
                  *right = rgb + 3 * (5 * W + 35), *below = rgb + 3 * (19 * W + 5);
    assert_true(left[1] > left[0] + 60 && right[0] > right[1] + 60);
    assert_int_equal(below[0], below[1]); /* nothing there */
    bert_image_free(over);
    /* What is cropped away is dark. */
    x.processor.do_center_crop = true;
    x.processor.shortest_edge = 8;
    x.processor.crop_height = x.processor.crop_width = 8;
    over = bert_explanation_overlay(&x, 0, image, &e);
    rgb = bert_image_samples(over);
    assert_true(rgb[0] < 70 && rgb[3 * (W - 1)] < 70 && rgb[3 * (W / 2)] > 70);
    assert_null(bert_explanation_overlay(&x, 1, image, &e));
    bert_image_free(over);
    bert_image_free(image);
}

static void pictures_are_written_as_they_are(void **state) {
    (void)state;
    char *d = test_directory(), path[4600];
    const bert_image_info infos[] = {{.width = 7, .height = 5, .channels = 1, .bits = 8},
                                     {.width = 7, .height = 5, .channels = 3, .bits = 8},
                                     {.width = 7, .height = 5, .channels = 1, .bits = 16}};
    uint16_t samples[7 * 5 * 3];
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        samples[i] = (uint16_t)(i * 40503u + 77);
    snprintf(path, sizeof path, "%s/x.PNG", d);
    for (int i = 0; i < 3; i++) {
        bert_error e = {0};
        bert_image *image = bert_image_of(samples, &infos[i], &e);
        test_ok(e, bert_image_save(image, path, &e));
        bert_image *again = bert_image_open(path, NULL, &e);
        if (!again) fail_msg("%s", e.message);
        assert_int_equal(bert_image_about(again).channels, infos[i].channels);
        assert_int_equal(bert_image_about(again).bits, infos[i].bits);
        assert_memory_equal(bert_image_samples(again), samples,
                            (size_t)(35 * infos[i].channels * infos[i].bits / 8));
        void *file;
        size_t n;
        test_ok(e, bert_image_encode(again, ".png", &file, &n, &e));
        assert_memory_equal(file, "\x89PNG", 4);
        free(file);
        assert_int_equal(bert_image_save(again, "x.jpg", &e), BERT_EUNSUPPORTED);
        assert_non_null(strstr(e.message, ".png"));
        bert_image_free(image);
        bert_image_free(again);
    }
    test_remove(d);
}

static void files_show_pictures(void **state) {
    (void)state;
    world w;
    begin(&w, true, NULL);
    const bert_picture p[] = {{.path = w.picture}, {.path = w.other}};
    const bert_explanation *x = explained(&w, p, 2, 1, NULL);
    char path[4700], *page;
    size_t n;
    snprintf(path, sizeof path, "%s/x.html", w.directory);
    bert_explain_file *f = bert_explain_file_open(path, &w.e);
    test_ok(w.e, bert_explain_file_add(f, &x[0], &w.e));
    test_ok(w.e, bert_explain_file_add(f, &x[1], &w.e));
    test_ok(w.e, bert_explain_file_close(f, &w.e));
    test_ok(w.e, bert_read_file(path, 0, &page, &n, &w.e));
    assert_non_null(strstr(page, "data:image/png;base64,iVBOR"));
    assert_non_null(strstr(page, "b.png"));
    free(page);
    snprintf(path, sizeof path, "%s/x.png", w.directory);
    f = bert_explain_file_open(path, &w.e);
    test_ok(w.e, bert_explain_file_add(f, &x[0], &w.e));
    assert_int_equal(bert_explain_file_add(f, &x[1], &w.e), BERT_EINVAL);
    bert_explain_file_abort(f);
    assert_true(access(path, F_OK) != 0);
    snprintf(path, sizeof path, "%s/x.svg", w.directory);
    w.e = (bert_error){0};
    f = bert_explain_file_open(path, &w.e);
    assert_int_equal(bert_explain_file_add(f, &x[0], &w.e), BERT_EINVAL);
    assert_non_null(strstr(w.e.message, ".html"));
    bert_explain_file_abort(f);
    end(&w);
}

static void what_cannot_be_is_said(void **state) {
    (void)state;
    static const struct {
        bert_explain_options o;
        const char *says;
    } rows[] = {{{.token = -1, .steps = 5, .baseline = "pad"}, "zero, black or white"},
                {{.token = -1, .steps = 5, .label = "cat"}, "dark, light"},
                {{.token = -1, .steps = 5, .word = "cat"}, "of texts"}};
    world w;
    begin(&w, true, NULL);
    bert_picture p = {.path = w.picture};
    const bert_explanation *x;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bert_error e = {0};
        assert_int_equal(bert_explain_pictures(w.s, &p, 1, 1, NULL, &rows[i].o, &x, NULL, &e),
                         BERT_EINVAL);
        if (!strstr(e.message, rows[i].says)) fail_msg("%s", e.message);
    }
    bert_error e = {0};
    const bert_text text = bert_text_of("a cat");
    assert_int_equal(bert_explain(w.s, &text, 1, NULL, NULL, &x, NULL, &e), BERT_EUNSUPPORTED);
    e = (bert_error){0};
    p.path = "nowhere.png";
    assert_int_not_equal(bert_explain_pictures(w.s, &p, 1, 1, NULL, NULL, &x, NULL, &e), 0);
    assert_non_null(strstr(e.message, "nowhere.png"));
    assert_int_equal(bert_explain_pictures(w.s, &p, 1, 0, NULL, NULL, &x, NULL, &e), BERT_EINVAL);
    end(&w);
    begin(&w, false, NULL);
    e = (bert_error){0};
    p.path = w.picture;
    assert_int_equal(bert_explain_pictures(w.s, &p, 1, 1, NULL, NULL, &x, NULL, &e),
                     BERT_EUNSUPPORTED);
    assert_non_null(strstr(e.message, "no head"));
    bert_explain_options o = bert_explain_default();
    o.method = BERT_EXPLAIN_ATTENTION;
    x = explained(&w, &p, 1, 1, &o);
    assert_null(x->label);
    assert_true(isnan(x->output));
    end(&w);
}

int main(void) {
    if (!reads_png()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_add_up_from_every_base),
        cmocka_unit_test(methods_and_threads),
        cmocka_unit_test(each_view_has_a_map),
        cmocka_unit_test(colours_say_which_patches_speak),
        cmocka_unit_test(pictures_are_written_as_they_are),
        cmocka_unit_test(files_show_pictures),
        cmocka_unit_test(what_cannot_be_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
