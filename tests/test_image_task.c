/* Training on pictures: batches follow from seed, epoch and row; what cannot be read; learning, saving,
 * using; two views of a row (examples/two_view.c). */
#include "together.h" /* before a type of the pictures' is called bytes */

#include "models.h"
#include "picture_world.h"
#include "tool.h"
#include <pthread.h>

static char *in_home(const char *name) {
    static char path[4300];
    snprintf(path, sizeof path, "%s/%s", home, name);
    return path;
}

static bert_model *base_of(const char *name) {
    bert_error e = {0};
    bert_model *m = bert_model_open(in_home(name), &(bert_model_options){.head = "none"}, &e);
    if (!m) fail_msg("%s", e.message);
    return m;
}

/* The picture task is that of a model of pictures, unless another one is asked for. */
static bert_dataset *opened(const char *file, const bert_model *base, bert_dataset_options *o) {
    bert_error e = {0};
    bert_dataset *d = bert_dataset_open(in_home(file), base, o, &e);
    if (!d) fail_msg("%s", e.message);
    assert_string_equal(bert_dataset_task(d), "image-classification");
    return d;
}

static const float *pixels_of(const bert_batch *b) {
    const bert_column *c = bert_inputs_column(&b->inputs, "pixels");
    assert_non_null(c);
    assert_int_equal(c->width, TINY_SIDE * TINY_SIDE);
    return c->data;
}

static void batches_hold_the_processed_pictures(void **state) {
    (void)state;
    bert_error e = {0};
    bert_model *base = base_of("vit");
    bert_dataset *d = opened("pictures", base, NULL);
    assert_int_equal(bert_dataset_size(d), 8);
    assert_int_equal(bert_dataset_num_labels(d), 2);
    assert_string_equal(bert_dataset_label(d, 1), "light");
    bert_loader *l = bert_loader_new(d, &(bert_loader_options){.batch_size = 3}, &e);
    bert_image_processor p;
    test_ok(e, bert_image_processor_open(in_home("vit"), &p, &e));
    for (int64_t k = 2; k >= 0; k--) { /* in any order */
        bert_batch b;
        test_ok(e, bert_loader_get(l, 0, k, &b, &e));
        assert_null(b.inputs.ids);
        for (int i = 0; i < b.row_count; i++) {
            const int64_t row = b.rows[i];
            char name[40];
            float own[TINY_SIDE * TINY_SIDE];
            snprintf(name, sizeof name, "pictures/%s/%d.png", row < 4 ? "dark" : "light",
                     (int)(row % 4));
            bert_image *image = bert_image_open(in_home(name), NULL, &e);
            test_ok(e, bert_image_process(image, &p, own, &e));
            assert_memory_equal(own, pixels_of(&b) + i * TINY_SIDE * TINY_SIDE, sizeof own);
            assert_int_equal(b.labels[i], row >= 4);
            bert_image_free(image);
        }
    }
    assert_int_equal(bert_dataset_duplicates(d, d, &e), 0);
    bert_loader_free(l);
    bert_dataset_free(d);
    bert_model_close(base);
}

static uint64_t hash_of(const bert_batch *b) {
    const uint8_t *p = (const uint8_t *)pixels_of(b);
    uint64_t h = 0xcbf29ce484222325u;
    const size_t n = (size_t)b->inputs.n * TINY_SIDE * TINY_SIDE * sizeof(float);
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* Any batch can be asked for: a resumed run sees what the first one saw. */
static void augmentation_follows_from_seed_epoch_and_row(void **state) {
    (void)state;
    bert_error e = {0};
    bert_model *base = base_of("vit");
    bert_dataset_options o = {.task_options = {{"random_resized_crop", "0.3"},
                                               {"random_flip", "0.5"},
                                               {"random_rotation", "20"},
                                               {"color_jitter", "0.3"}}};
    bert_dataset *d = opened("pictures", base, &o);
    const bert_loader_options lo = {.batch_size = 3, .shuffle = true, .seed = 7};
    uint64_t first[2][3];
    bert_loader *l = bert_loader_new(d, &lo, &e);
    bert_batch b;
    for (int epoch = 0; epoch < 2; epoch++)
        for (int k = 0; k < 3; k++) {
            test_ok(e, bert_loader_get(l, epoch, k, &b, &e));
            first[epoch][k] = hash_of(&b);
        }
    bert_loader_free(l);
    for (int k = 0; k < 3; k++) { /* from a loader that begins here, and while another one reads */
        l = bert_loader_new(d, &lo, &e);
        bert_loader *other =
            bert_loader_new(d, &(bert_loader_options){.batch_size = 2, .seed = 9}, &e);
        test_ok(e, bert_loader_get(other, 0, k, &b, &e));
        test_ok(e, bert_loader_get(l, 1, k, &b, &e));
        assert_true(hash_of(&b) == first[1][k]);
        bert_loader_free(other);
        bert_loader_free(l);
    }
    assert_true(first[0][0] != first[1][0]);
    /* Another seed: other pictures. Validation is left as it is. */
    l = bert_loader_new(d, &(bert_loader_options){.batch_size = 8, .seed = 1}, &e);
    test_ok(e, bert_loader_get(l, 0, 0, &b, &e));
    const uint64_t changed = hash_of(&b);
    bert_loader_free(l);
    o.like = d;
    bert_dataset *v = opened("pictures", base, &o);
    l = bert_loader_new(v, &(bert_loader_options){.batch_size = 8, .seed = 1}, &e);
    test_ok(e, bert_loader_get(l, 0, 0, &b, &e));
    const uint64_t whole = hash_of(&b);
    test_ok(e, bert_loader_get(l, 1, 0, &b, &e));
    assert_true(hash_of(&b) == whole && whole != changed);
    bert_loader_free(l);
    bert_dataset_free(v);
    bert_dataset_free(d);
    bert_model_close(base);
}

/* What two rows of a batch became, of which a is row i and b the one before it: the share of a that is
 * in every value (mixup), or in how many of them (CutMix). */
static double share_of(const float *mixed, const float *a, const float *b, bool boxed) {
    int kept = 0, told = 0;
    double share = -1;
    for (int k = 0; k < TINY_SIDE * TINY_SIDE; k++) {
        const double apart = (double)a[k] - (double)b[k];
        if (fabs(apart) < 0.05) continue;
        const double one = ((double)mixed[k] - (double)b[k]) / apart;
        told++;
        kept += one > 0.5;
        if (boxed && fabs(one) > 1e-6 && fabs(one - 1) > 1e-6) fail_msg("value %d: %g", k, one);
        if (!boxed && share >= 0 && fabs(one - share) > 1e-4) fail_msg("%g and %g", one, share);
        share = one;
    }
    assert_true(told > TINY_SIDE * TINY_SIDE / 2);
    return boxed ? (double)kept / told : share;
}

/* A batch as it is and as it is mixed, in an epoch: each row with the one before it, labels alike. */
static double check_mixed(const bert_dataset *plain, const bert_dataset *mixed, bool boxed,
                          int64_t epoch) {
    bert_error e = {0};
    const bert_loader_options lo = {.batch_size = 5, .shuffle = true, .seed = 3};
    bert_loader *l = bert_loader_new(plain, &lo, &e), *k = bert_loader_new(mixed, &lo, &e);
    bert_batch x, y;
    test_ok(e, bert_loader_get(l, epoch, 0, &x, &e));
    test_ok(e, bert_loader_get(k, epoch, 0, &y, &e));
    const bert_column *soft = bert_inputs_column(&y.inputs, "soft_labels");
    assert_non_null(soft);
    assert_null(bert_inputs_column(&x.inputs, "soft_labels"));
    const float *q = soft->data;
    const int size = TINY_SIDE * TINY_SIDE;
    double share = -1;
    for (int i = 0; i < 5; i++) {
        const int before = (i + 4) % 5;
        const float *labels = q + 2 * i;
        assert_int_equal(x.labels[i], y.labels[i]);
        if (x.labels[i] == x.labels[before]) {
            assert_float_equal(labels[x.labels[i]], 1, 1e-6);
            continue;
        }
        share = (double)labels[x.labels[i]];
        assert_float_equal(labels[x.labels[before]], 1 - share, 1e-6);
        const double own = share_of(pixels_of(&y) + i * size, pixels_of(&x) + i * size,
                                    pixels_of(&x) + before * size, boxed);
        assert_float_equal(own, share, boxed ? 0.1 : 1e-4);
    }
    bert_loader_free(k);
    bert_loader_free(l);
    return share;
}

static void rows_of_a_batch_are_mixed(void **state) {
    (void)state;
    bert_error e = {0};
    bert_model *base = base_of("vit");
    bert_dataset *plain = opened("pictures", base, NULL);
    for (int boxed = 0; boxed < 2; boxed++) {
        bert_dataset_options o = {.task_options = {{boxed ? "cutmix" : "mixup", "1"}}};
        bert_dataset *mixed = opened("pictures", base, &o);
        double share[3];
        for (int64_t epoch = 0; epoch < 3; epoch++)
            share[epoch] = check_mixed(plain, mixed, boxed, epoch);
        assert_true(share[0] != share[1] && share[1] != share[2]);
        assert_true(share[1] == check_mixed(plain, mixed, boxed, 1)); /* whenever it is asked for */
        bert_dataset_free(mixed);
    }
    bert_dataset_options o = {.task_options = {{"mixup", "-1"}}};
    assert_null(bert_dataset_open(in_home("pictures"), base, &o, &e));
    says(e.message, "mixup must be above 0");
    e = (bert_error){0};
    o = (bert_dataset_options){.task_options = {{"mixup", "1"}}, .problem_type = "regression"};
    write_file("values.csv", "image,label\npictures/light/0.png,0.5\npictures/dark/0.png,1.5\n");
    assert_null(bert_dataset_open(in_home("values.csv"), base, &o, &e));
    says(e.message, "are of classes, not of values");
    bert_dataset_free(plain);
    bert_model_close(base);
}

/* Loaders of one set in several threads, each with an order of its own. */
typedef struct {
    const bert_dataset *set;
    uint64_t seed, hash;
} reading;

static void *read_epochs(void *argument) {
    reading *r = argument;
    bert_error e = {0};
    const bert_loader_options lo = {.batch_size = 3, .shuffle = true, .seed = r->seed};
    bert_loader *l = bert_loader_new(r->set, &lo, &e);
    bert_batch b;
    r->hash = 0;
    for (int epoch = 0; epoch < 8; epoch++)
        for (int k = 0; k < 3; k++)
            if (!bert_loader_get(l, epoch, k, &b, &e)) r->hash = r->hash * 31 + hash_of(&b);
    bert_loader_free(l);
    return NULL;
}

static void loaders_share_a_set(void **state) {
    (void)state;
    enum { THREADS = 3 };
    bert_model *base = base_of("vit");
    bert_dataset_options o = {.task_options = {{"random_flip", "0.5"}}};
    bert_dataset *d = opened("pictures", base, &o);
    reading alone[THREADS], together[THREADS];
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        alone[i] = together[i] = (reading){.set = d, .seed = (uint64_t)(i / 2)};
        read_epochs(&alone[i]);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, read_epochs, &together[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_true(alone[i].hash && alone[i].hash == together[i].hash);
    }
    bert_dataset_free(d);
    bert_model_close(base);
}

static void processes_share_what_one_has_read(void **state) {
    (void)state;
    bert_group groups[2];
    bert_model *base = base_of("vit");
    bert_dataset_options o = {.task_options = {{"random_flip", "0.5"}, {"mixup", "1"}}};
    bert_dataset *alone = opened("pictures", base, &o);
    opening all[2];
    const opening what = {.path = in_home("pictures"), .base = base, .options = o};
    groups_begin(groups, 2);
    open_together(all, groups, 2, &what, NULL);
    for (int r = 0; r < 2; r++) {
        test_ok(all[r].e, all[r].e.code);
        assert_true(is_mapped(all[r].set));
        same_sets(alone, all[r].set);
    }
    free_together(all, 2);
    groups_end(groups);
    bert_dataset_free(alone);
    bert_model_close(base);
}

static void what_cannot_be_read_is_named(void **state) {
    (void)state;
    bert_error e = {0};
    bert_model *base = base_of("vit");
    write_file(
        "bad.csv",
        "image,label\npictures/dark/0.png,dark\nbroken.png,light\npictures/light/0.png,light\n");
    write_file("missing.csv", "image,label\npictures/dark/0.png,dark\nnowhere.png,light\n");
    write_file("broken.png", "\x89PNG\r\n\x1a\nno");
    assert_null(bert_dataset_open(in_home("missing.csv"), base, NULL, &e));
    assert_true(strstr(e.message, "missing.csv:3") && strstr(e.message, "nowhere.png"));
    e = (bert_error){0};
    bert_dataset *d = opened("bad.csv", base, NULL);
    bert_loader *l = bert_loader_new(d, &(bert_loader_options){.batch_size = 1}, &e);
    bert_batch b;
    test_ok(e, bert_loader_get(l, 0, 0, &b, &e));
    assert_int_equal(bert_loader_get(l, 0, 1, &b, &e), BERT_EFORMAT);
    assert_true(strstr(e.message, "broken.png") != NULL);
    e = (bert_error){0};
    test_ok(e, bert_loader_get(l, 0, 2, &b, &e));
    bert_loader_free(l);
    bert_dataset_free(d);
    bert_dataset_options o = {.task_options = {{"skip_unreadable", "true"}}};
    d = opened("bad.csv", base, &o);
    assert_int_equal(bert_dataset_size(d), 2);
    bool said = false;
    const char *note;
    for (int i = 0; (note = bert_dataset_note(d, i)); i++)
        said |= strstr(note, "1 row left out") && strstr(note, "broken.png: ");
    assert_true(said); /* which, too: a folder has no lines */
    bert_dataset_free(d);
    /* A model of texts has no pictures, and one of pictures no texts. */
    bert_model *text = base_of("m");
    o = (bert_dataset_options){.task = "image-classification"};
    assert_null(bert_dataset_open(in_home("pictures"), text, &o, &e));
    assert_true(strstr(e.message, "reads texts") != NULL);
    e = (bert_error){0};
    o.task = "sequence-classification";
    assert_null(bert_dataset_open(in_home("train.csv"), base, &o, &e));
    assert_true(e.code != 0);
    bert_model_close(text);
    bert_model_close(base);
}

static void a_model_learns_and_is_used(void **state) {
    (void)state;
    expect(
        0,
        bert("train vit --train-file pictures --validation-file pictures -o tuned "
             "--num-train-epochs 20 "
             "--learning-rate 3e-3 --per-device-train-batch-size 4 --random-flip 0.5 --threads 2"));
    json_t *o = line(0);
    assert_true(number(o, "eval_accuracy") == 1);
    json_decref(o);
    expect(0, bert("evaluate tuned -i pictures --predictions p.jsonl --threads 1"));
    o = line(0);
    assert_true(number(o, "accuracy") == 1);
    json_decref(o);
    expect(0, bert("classify tuned pictures/light/2.png"));
    says(out, "{\"label\":\"light\"");
    assert_int_equal(access(in_home("tuned/preprocessor_config.json"), R_OK), 0);
    expect(0, bert("explain tuned pictures/light/2.png --image pictures/dark/1.png --steps 9"));
    assert_int_equal(lines(), 2);
    o = line(1);
    assert_string_equal(json_string_value(json_object_get(o, "label")), "light");
    assert_int_equal(size(o, "maps"), 1);
    json_decref(o);
    expect(0, bert("explain tuned pictures/light/2.png --method rollout -o map.png"));
    assert_int_equal(access(in_home("map.png"), R_OK), 0);
    expect(2, bert("explain tuned pictures/light/2.png --pair x"));
    expect(1, bert("explain tuned pictures/light/2.png nowhere.png -o map.html"));
    says(err, "nowhere.png");
}

/* The report shows the pictures that are most wrong, each with its map. */
static void mistakes_are_shown(void **state) {
    (void)state;
    write_file("swapped.csv", "image,label\npictures/light/0.png,dark\npictures/dark/0.png,light\n"
                              "pictures/light/1.png,light\n");
    expect(0, bert("train vit --train-file pictures --validation-file swapped.csv -o begun "
                   "--max-steps 1 --learning-rate 1e-6 --threads 2"));
    static char report[1 << 20];
    slurp("begun/report.html", report, sizeof report);
    const char *worst = strstr(report, "<h2>Most wrong</h2>");
    assert_non_null(worst);
    says(worst, "picture</tr>");
    int pictures = 0, rows = 0;
    for (const char *p = worst; (p = strstr(p, "data:image/png;base64,iVBOR")); p++) pictures++;
    for (const char *p = worst; (p = strstr(p, "<td class=\"text\">")); p++) rows++;
    assert_true(rows > 0); /* the three cannot all be right */
    assert_int_equal(pictures, 2 * rows);
}

/* The same run at once, and stopped and resumed: the same bits. */
static void resumes(const char *chance) {
    static const char common[] =
        "--train-file pictures --learning-rate 1e-3 --per-device-train-batch-size 3 "
        "--eval-strategy no --num-train-epochs 4 --overwrite-output-dir";
    expect(0, bert("train vit -o once --save-strategy no %s %s --threads 2", common, chance));
    expect(0, bert("train vit -o twice --save-strategy steps --save-steps 5 %s %s --threads 1",
                   common, chance));
    expect(0, bert("train vit -o third --save-strategy no --resume-from-checkpoint "
                   "twice/checkpoint-5 %s %s",
                   common, chance));
    for (int i = 0; i < 2; i++) {
        char a[5000], b[5000], command[11000];
        snprintf(a, sizeof a, "%s/once/model.safetensors", home);
        snprintf(b, sizeof b, "%s/%s/model.safetensors", home, i ? "third" : "twice");
        snprintf(command, sizeof command, "cmp '%s' '%s'", a, b);
        assert_int_equal(system(command), 0);
    }
}

static void training_resumes_to_the_bit(void **state) {
    (void)state;
    resumes("--random-resized-crop 0.5 --random-flip 0.5");
    resumes("--mixup 0.4 --cutmix 1");
}

/* Whether one of two pictures is light. */
static void write_pairs(const char *name) {
    char text[4000] = "cc,mlo,cancer\n";
    for (int i = 0; i < 16; i++) {
        const int a = i / 4 % 2, b = i / 8;
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "pictures/%s/%d.png,pictures/%s/%d.png,%d\n", a ? "light" : "dark", i % 4,
                 b ? "light" : "dark", (i + 1) % 4, a || b);
    }
    write_file(name, text);
}

static void two_views_learn(void **state) {
    (void)state;
    write_pairs("pairs.csv");
    write_file("args.json",
               "{\"num_train_epochs\": 30, \"learning_rate\": 0.003, \"save_strategy\": \"no\", "
               "\"per_device_train_batch_size\": 4, \"metrics\": \"roc_auc\", \"threads\": 2}");
    run_example("two_view", "vit pairs.csv pairs.csv two args.json pictures/dark/0.png "
                            "pictures/dark/1.png");
    const char *auc = strstr(out, "roc_auc "), *cancer = strstr(out, "cancer ");
    assert_non_null(auc);
    assert_non_null(cancer);
    assert_true(strtod(auc + 8, NULL) > 0.95);
    assert_true(strtod(cancer + 7, NULL) < 0.5);
    /* Both views are of the file's row. */
    bert_error e = {0};
    bert_model *base = base_of("vit");
    bert_dataset_options o = {.label_column = "cancer,",
                              .task_options = {{"image_column", "cc,mlo"}}};
    bert_dataset *d = opened("pairs.csv", base, &o);
    assert_int_equal(bert_dataset_num_labels(d), 1);
    bert_loader *l = bert_loader_new(d, &(bert_loader_options){.batch_size = 5}, &e);
    bert_batch b;
    test_ok(e, bert_loader_get(l, 0, 3, &b, &e));
    assert_int_equal(b.row_count, 1);
    assert_int_equal(b.inputs.n, 2);
    assert_int_equal(b.row_start[1], 2);
    bert_loader_free(l);
    bert_dataset_free(d);
    bert_model_close(base);
}

static int begin(void **state) {
    if (!*BERT_TOOL || !reads_png()) {
        print_message("skipped: no tool, or no PNG\n");
        exit(77);
    }
    set_up(state);
    tiny_vit(in_home("vit"), false);
    class_folders(in_home("pictures"), 4);
    return 0;
}

static int end(void **state) {
    (void)state;
    test_remove(home);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_hold_the_processed_pictures),
        cmocka_unit_test(augmentation_follows_from_seed_epoch_and_row),
        cmocka_unit_test(loaders_share_a_set),
        cmocka_unit_test(processes_share_what_one_has_read),
        cmocka_unit_test(what_cannot_be_read_is_named),
        cmocka_unit_test(a_model_learns_and_is_used),
        cmocka_unit_test(mistakes_are_shown),
        cmocka_unit_test(rows_of_a_batch_are_mixed),
        cmocka_unit_test(training_resumes_to_the_bit),
        cmocka_unit_test(two_views_learn),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
