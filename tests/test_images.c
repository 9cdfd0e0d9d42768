/* Pictures: every kind of PNG made by hand; JPEG, WebP, resizing and processors against Pillow and
 * transformers (tools/golden_images.py); what is broken or hostile. */
#include "files/json.h"
#include "files/safetensors.h"
#include "pictures.h"
#include <bert.h>
#include <errno.h>
#include <math.h>
#include <sys/resource.h>

static uint64_t fnv(const void *data, size_t n) {
    const uint8_t *p = data;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

static void assert_hash(const void *data, size_t n, const json_t *expected, const char *what) {
    char hash[20];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)fnv(data, n));
    if (strcmp(hash, json_string_value(expected)))
        fail_msg("%s: %s instead of %s", what, hash, json_string_value(expected));
}

static bool reads(const char *format) {
    const char *name;
    for (int i = 0; bert_image_format_at(i, &name, NULL, 0); i++)
        if (!strcmp(name, format)) return true;
    return false;
}

static void need(const char *format) {
    if (reads(format)) return;
    print_message("skipped: this build reads no %s\n", format);
    skip();
}

static bert_image *decoded(const bytes *b) {
    bert_error e = {0};
    bert_image *image = bert_image_decode(b->data, b->n, NULL, &e);
    if (!image) fail_msg("%s", e.message);
    return image;
}

static bert_image *made(int32_t w, int32_t h, int32_t channels, int32_t seed) {
    bert_error e = {0};
    uint8_t *p = malloc((size_t)w * (size_t)h * (size_t)channels);
    assert_non_null(p);
    size_t i = 0;
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++)
            for (int32_t c = 0; c < channels; c++) p[i++] = test_sample(x, y, c, seed);
    const bert_image_info info = {.width = w, .height = h, .channels = channels, .bits = 8};
    bert_image *image = bert_image_of(p, &info, &e);
    if (!image) fail_msg("%s", e.message);
    free(p);
    return image;
}

/* ---- PNG */

enum { W = 13, H = 9 };

/* What a sample of such a file is read as; 16 bits of grey apart. */
static int as_byte(int depth, int v) {
    return depth == 16 ? v >> 8 : v * (255 / ((1 << depth) - 1));
}

static void samples_of(const png_picture *p, uint16_t *out) {
    const int c = png_channels(p->type);
    size_t i = 0;
    for (int32_t y = 0; y < p->height; y++)
        for (int32_t x = 0; x < p->width; x++)
            for (int k = 0; k < c; k++, i++) {
                const int v = test_sample(x, y, k, 2) * 257 + x * 3;
                out[i] = (uint16_t)((v > 65535 ? 65535 : v) >> (16 - p->depth));
            }
}

static void check_png(int depth, int type, bool interlaced) {
    uint16_t samples[W * H * 4];
    png_picture p = {W, H, depth, type, samples, interlaced, {0}};
    samples_of(&p, samples);
    bytes file = png_file(&p);
    bert_image *image = decoded(&file);
    const bert_image_info i = bert_image_about(image);
    const int c = png_channels(type), colours = type == 2 || type == 6 ? 3 : 1;
    assert_int_equal(i.width, W);
    assert_int_equal(i.height, H);
    assert_int_equal(i.channels, colours);
    assert_int_equal(i.bits, depth == 16 && type == 0 ? 16 : 8);
    for (int k = 0; k < W * H * colours; k++) {
        const int in = samples[k / colours * c + k % colours];
        const int got = i.bits == 16 ? ((const uint16_t *)bert_image_samples(image))[k]
                                     : ((const uint8_t *)bert_image_samples(image))[k];
        if (got != (i.bits == 16 ? in : as_byte(depth, in)))
            fail_msg("depth %d, type %d, sample %d: %d of %d", depth, type, k, got, in);
    }
    bert_image_free(image);
    free(file.data);
}

static void every_kind_of_png_is_read(void **state) {
    (void)state;
    need("PNG");
    static const struct {
        int depth, type;
    } kinds[] = {{1, 0},  {2, 0}, {4, 0},  {8, 0}, {16, 0}, {8, 2},
                 {16, 2}, {8, 4}, {16, 4}, {8, 6}, {16, 6}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int interlaced = 0; interlaced < 2; interlaced++)
            check_png(kinds[i].depth, kinds[i].type, interlaced);
}

/* The table may be shorter than the numbers need, and have alpha. */
static void palettes_are_looked_up(void **state) {
    (void)state;
    need("PNG");
    static const int depths[] = {1, 2, 4, 8};
    for (int k = 0; k < 4; k++) {
        uint16_t samples[W * H];
        uint8_t table[3 * 256], alpha[256];
        const int all = 1 << depths[k], n = all > 2 ? all - 1 : all;
        for (int i = 0; i < 256; i++) {
            for (int c = 0; c < 3; c++) table[3 * i + c] = (uint8_t)(i * (31 + c) + 7 * c);
            alpha[i] = (uint8_t)(i * 5);
        }
        png_picture p = {W, H, depths[k], 3, samples, k % 2, {0}};
        for (int i = 0; i < W * H; i++) samples[i] = (uint16_t)(i % all);
        put_chunk(&p.extra, "PLTE", table, 3 * (size_t)n);
        put_chunk(&p.extra, "tRNS", alpha, (size_t)n);
        bytes file = png_file(&p);
        bert_image *image = decoded(&file);
        const uint8_t *got = bert_image_samples(image);
        assert_int_equal(bert_image_about(image).channels, 3);
        for (int i = 0; i < 3 * W * H; i++) {
            const int number = i / 3 % all;
            assert_int_equal(got[i], number < n ? table[3 * number + i % 3] : number);
        }
        bert_image_free(image);
        free(file.data);
        free(p.extra.data);
    }
}

static void exif_turns_a_png(void **state) {
    (void)state;
    need("PNG");
    for (int o = 1; o <= 9; o++) {
        uint16_t samples[W * H];
        png_picture p = {W, H, 8, 0, samples, false, {0}};
        samples_of(&p, samples);
        const uint8_t exif[] = {'M', 'M', 0, 42, 0, 0, 0,          8, 0, 1, 1, 0x12, 0,
                                3,   0,   0, 0,  1, 0, (uint8_t)o, 0, 0, 0, 0, 0,    0};
        put_chunk(&p.extra, "eXIf", exif, sizeof exif);
        bytes file = png_file(&p);
        bert_image *image = decoded(&file);
        const bert_image_info i = bert_image_about(image);
        const bool turned = o >= 5 && o <= 8;
        assert_int_equal(i.width, turned ? H : W);
        const uint8_t *got = bert_image_samples(image);
        for (int y = 0; y < i.height; y++)
            for (int x = 0; x < i.width; x++) {
                /* where this pixel was in the file */
                const int from_x[] = {0, x, W - 1 - x, W - 1 - x, x, y, y, W - 1 - y, W - 1 - y, x};
                const int from_y[] = {0, y, y, H - 1 - y, H - 1 - y, x, H - 1 - x, H - 1 - x, x, y};
                assert_int_equal(got[y * i.width + x], samples[from_y[o] * W + from_x[o]]);
            }
        bert_image_free(image);
        free(file.data);
        free(p.extra.data);
    }
}

/* ---- Against Pillow and transformers */

static json_t *golden(const char *part) {
    bert_error e = {0};
    json_t *all = bert_json_load(BERT_SOURCE_DIR "/tests/golden/images.json", &e);
    if (!all) fail_msg("%s", e.message);
    json_t *own = json_incref(json_object_get(all, part));
    assert_true(json_array_size(own) > 0);
    json_decref(all);
    return own;
}

static int32_t at(const json_t *row, size_t i) {
    return (int32_t)json_integer_value(json_array_get(row, i));
}

static void resizing_is_pillows_to_the_bit(void **state) {
    (void)state;
    json_t *rows = golden("resize"), *r;
    size_t i;
    json_array_foreach(rows, i, r) {
        bert_error e = {0};
        bert_image *from = made(at(r, 0), at(r, 1), at(r, 2), at(r, 3));
        bert_image *to = bert_image_resize(from, at(r, 4), at(r, 5), (bert_resample)at(r, 6), &e);
        if (!to) fail_msg("%s", e.message);
        char what[40];
        snprintf(what, sizeof what, "resize %zu", i);
        assert_hash(bert_image_samples(to), (size_t)at(r, 4) * (size_t)at(r, 5) * (size_t)at(r, 2),
                    json_array_get(r, 7), what);
        bert_image_free(from);
        bert_image_free(to);
    }
    json_decref(rows);
}

static void read_processor(const json_t *config, const char *model_type, int channels,
                           bert_image_processor *p) {
    char *d = test_directory(), path[4200];
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/preprocessor_config.json", d);
    assert_int_equal(bert_json_save(config, path, &e), 0);
    json_t *own = json_pack("{s:s,s:i}", "model_type", model_type, "num_channels", channels);
    snprintf(path, sizeof path, "%s/config.json", d);
    assert_int_equal(bert_json_save(own, path, &e), 0);
    json_decref(own);
    if (bert_image_processor_open(d, p, &e)) fail_msg("%s", e.message);
    test_remove(d);
}

static void processors_are_transformers_to_the_bit(void **state) {
    (void)state;
    json_t *rows = golden("process"), *r;
    size_t i;
    json_array_foreach(rows, i, r) {
        bert_error e = {0};
        bert_image_processor p;
        read_processor(json_array_get(r, 0), "vit", 3, &p);
        bert_image *image = made(at(r, 1), at(r, 2), 3, at(r, 3));
        int32_t w, h;
        assert_int_equal(bert_image_processed_size(&p, at(r, 1), at(r, 2), &w, &h, &e), 0);
        const json_t *shape = json_array_get(r, 4);
        assert_int_equal(h, at(shape, 1));
        assert_int_equal(w, at(shape, 2));
        float *v = malloc(3 * (size_t)w * (size_t)h * sizeof *v);
        assert_int_equal(bert_image_process(image, &p, v, &e), 0);
        char what[40];
        snprintf(what, sizeof what, "processor %zu", i);
        assert_hash(v, 3 * (size_t)w * (size_t)h * sizeof *v, json_array_get(r, 5), what);
        free(v);
        bert_image_free(image);
    }
    json_decref(rows);
}

/* A model of one channel: colours become grey first. */
static void one_channel_is_pillows_grey(void **state) {
    (void)state;
    json_t *rows = golden("grey"), *r;
    size_t i;
    json_array_foreach(rows, i, r) {
        bert_error e = {0};
        bert_image_processor p;
        json_t *config =
            json_pack("{s:b,s:b,s:b}", "do_resize", 0, "do_rescale", 0, "do_normalize", 0);
        read_processor(config, "vit", 1, &p);
        json_decref(config);
        bert_image *image = made(at(r, 0), at(r, 1), 3, 3);
        const size_t n = (size_t)at(r, 0) * (size_t)at(r, 1);
        float *v = malloc(n * sizeof *v);
        uint8_t *y = malloc(n);
        assert_int_equal(bert_image_process(image, &p, v, &e), 0);
        for (size_t k = 0; k < n; k++) y[k] = (uint8_t)v[k];
        assert_hash(y, n, json_array_get(r, 2), "grey");
        free(v);
        free(y);
        bert_image_free(image);
    }
    json_decref(rows);
}

static bytes from_hex(const char *text) {
    bytes b = {0};
    for (; *text; text += 2) {
        unsigned v;
        assert_int_equal(sscanf(text, "%2x", &v), 1);
        const uint8_t one = (uint8_t)v;
        put(&b, &one, 1);
    }
    return b;
}

/* Grey as three equal channels. */
static uint8_t *rgb_of(const bert_image *image) {
    const bert_image_info i = bert_image_about(image);
    const size_t n = (size_t)i.width * (size_t)i.height;
    uint8_t *rgb = malloc(3 * n);
    const uint8_t *p = bert_image_samples(image);
    assert_int_equal(i.bits, 8);
    for (size_t k = 0; k < 3 * n; k++) rgb[k] = i.channels == 3 ? p[k] : p[k / 3];
    return rgb;
}

static void jpeg_and_webp_are_read_as_pillow_reads_them(void **state) {
    (void)state;
    json_t *rows = golden("files"), *r;
    size_t i;
    int read = 0;
    json_array_foreach(rows, i, r) {
        const char *name = json_string_value(json_array_get(r, 0));
        if (!reads(strstr(name, ".jpg") ? "JPEG" : "WebP")) continue;
        bytes file = from_hex(json_string_value(json_array_get(r, 1)));
        bert_image *image = decoded(&file);
        const bert_image_info about = bert_image_about(image);
        assert_int_equal(about.width, at(r, 2));
        assert_int_equal(about.height, at(r, 3));
        uint8_t *rgb = rgb_of(image);
        assert_hash(rgb, 3 * (size_t)about.width * (size_t)about.height, json_array_get(r, 4),
                    name);
        free(rgb);
        bert_image_free(image);
        /* Cut off anywhere: an error, or (what stands behind the pixels) the picture. */
        for (size_t n = 0; n < file.n; n += 1 + n / 40) {
            bert_error e = {0};
            uint8_t *part = malloc(n + 1);
            memcpy(part, file.data, n);
            bert_image *cut = bert_image_decode(part, n, NULL, &e);
            if (!cut) assert_true(e.code == BERT_EFORMAT && *e.message);
            if (cut && strstr(name, ".jpg")) fail_msg("%s of %zu bytes is read", name, n);
            bert_image_free(cut);
            free(part);
        }
        free(file.data);
        read++;
    }
    json_decref(rows);
    if (!read) skip();
}

/* ---- 16 bits */

static void sixteen_bits_stay(void **state) {
    (void)state;
    const uint16_t v[] = {100, 300, 1100, 65535, 0, 600};
    bert_image_info about = {
        .width = 3, .height = 2, .channels = 1, .bits = 16, .low = 100, .high = 1100};
    bert_image_processor p = bert_image_processor_default("vit");
    p.do_resize = false;
    p.do_normalize = false;
    float out[18];
    bert_error e = {0};
    bert_image *image = bert_image_of(v, &about, &e);
    assert_non_null(image);
    assert_int_equal(bert_image_process(image, &p, out, &e), 0);
    const float expected[] = {0, 0.2f, 1, 1, 0, 0.5f};
    for (int i = 0; i < 18; i++) assert_true(fabsf(out[i] - expected[i % 6]) < 1e-6f);
    bert_image_free(image);
    /* Without a range that of the picture, which is said; distances of one in 65,536 survive. */
    about.low = about.high = 0;
    image = bert_image_of(v, &about, &e);
    assert_true(bert_image_about(image).own_range);
    assert_true(bert_image_about(image).high == 65535);
    assert_int_equal(bert_image_process(image, &p, out, &e), 0);
    assert_true(out[1] > out[0] && out[1] - out[0] < 0.0031f);
    /* Resizing keeps them, too. */
    p.do_resize = true;
    p.height = p.width = 1;
    p.resample = BERT_RESAMPLE_BOX;
    assert_int_equal(bert_image_process(image, &p, out, &e), 0);
    assert_true(fabsf(out[0] - (100 + 300 + 1100 + 65535 + 600) / 6.0f / 65535) < 1e-6f);
    bert_image_free(image);
    about.low = 5;
    about.high = 5;
    assert_null(bert_image_of(v, &about, &e));
    assert_int_equal(e.code, BERT_EINVAL);
}

/* ---- What is broken, or means harm */

static void expect_error(const bytes *b, int code, const char *says) {
    bert_error e = {0};
    bert_image *image = bert_image_decode(b->data, b->n, NULL, &e);
    assert_null(image);
    assert_int_equal(e.code, code);
    if (!strstr(e.message, says)) fail_msg("\"%s\" does not say \"%s\"", e.message, says);
}

/* The size is refused before memory is taken: this would be 4.8 GB. */
static void bombs_are_refused(void **state) {
    (void)state;
    need("PNG");
    uint16_t samples[W * H * 3];
    png_picture p = {W, H, 8, 2, samples, false, {0}};
    samples_of(&p, samples);
    static const struct {
        uint32_t w, h;
        int code;
        const char *says;
    } sizes[] = {{40000, 40000, BERT_ETOOLONG, "40000 x 40000"},
                 {0x7fffffff, 0x7fffffff, BERT_ETOOLONG, "limit"},
                 {0, 10, BERT_EFORMAT, "PNG"},
                 {0xffffffff, 1, BERT_EFORMAT, "PNG"}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bytes file = png_file(&p), header = {0};
        put_number(&header, sizes[i].w);
        put_number(&header, sizes[i].h);
        memcpy(file.data + 16, header.data, 8);
        header.n = 0;
        put_number(&header, crc_of(file.data + 12, 17));
        memcpy(file.data + 29, header.data, 4);
        expect_error(&file, sizes[i].code, sizes[i].says);
        free(file.data);
        free(header.data);
    }
    bytes file = png_file(&p);
    bert_error e = {0};
    const bert_image_options few = {.max_pixels = W * H - 1};
    assert_null(bert_image_decode(file.data, file.n, &few, &e));
    assert_int_equal(e.code, BERT_ETOOLONG);
    free(file.data);
}

static void damaged_png_is_an_error(void **state) {
    (void)state;
    need("PNG");
    uint16_t samples[W * H * 3];
    png_picture p = {W, H, 8, 2, samples, true, {0}};
    samples_of(&p, samples);
    bytes file = png_file(&p);
    const size_t all = file.n;
    for (file.n = 0; file.n < all - 12; file.n++) { /* IEND need not be there */
        bert_error e = {0};
        assert_null(bert_image_decode(file.data, file.n, NULL, &e));
        assert_int_equal(e.code, BERT_EFORMAT);
    }
    file.n = all;
    file.data[all - 14] ^= 1; /* the checksum of the pixels */
    expect_error(&file, BERT_EFORMAT, "PNG");
    for (size_t i = 8; i < all; i++) { /* any wrong byte: an error or a picture, no more */
        bert_error e = {0};
        file.data[i] ^= 0x55;
        bert_image_free(bert_image_decode(file.data, file.n, NULL, &e));
        file.data[i] ^= 0x55;
    }
    free(file.data);
}

static void what_is_no_picture_is_said(void **state) {
    (void)state;
    need("PNG");
    static const char page[] = "<html>404</html>", text[] = "some text, and more of it";
    const bytes empty = {(uint8_t *)(uintptr_t) "", 0},
                web = {(uint8_t *)(uintptr_t)page, sizeof page - 1},
                other = {(uint8_t *)(uintptr_t)text, sizeof text - 1};
    expect_error(&web, BERT_EFORMAT, "web page");
    expect_error(&empty, BERT_EFORMAT, "is empty");
    expect_error(&other, BERT_EFORMAT, "no picture that this build reads (PNG");
    bert_error e = {0};
    assert_null(bert_image_open("/nonexistent/a.png", NULL, &e));
    assert_true(strstr(e.message, "/nonexistent/a.png") != NULL);
}

static void processors_that_make_no_sense_are_refused(void **state) {
    (void)state;
    static const char *const configs[] = {"{\"size\": 0}",
                                          "{\"size\": [3]}",
                                          "{\"size\": {\"longest\": 3}}",
                                          "{\"size\": 1e9}",
                                          "{\"image_std\": [0, 1, 1]}",
                                          "{\"image_mean\": [1, 2]}",
                                          "{\"resample\": 6}",
                                          "{\"image_processor_type\": \"SamImageProcessor\"}",
                                          "{\"do_resize\": 3}",
                                          "{\"rescale_factor\": \"a\"}",
                                          "[]"};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        char *d = test_directory(), path[4200];
        snprintf(path, sizeof path, "%s/preprocessor_config.json", d);
        write_bytes(path, configs[i], strlen(configs[i]));
        bert_error e = {0};
        bert_image_processor p;
        if (!bert_image_processor_open(d, &p, &e)) fail_msg("%s is read", configs[i]);
        assert_true(strstr(e.message, "preprocessor_config.json") != NULL);
        test_remove(d);
    }
}

/* ---- The large set, where it is */

static const bert_stored_tensor *tensor(const bert_tensors *s, const char *kind, const char *name) {
    char full[200];
    snprintf(full, sizeof full, "%s/%s", kind, name);
    return bert_tensors_find(s, full);
}

static void check_config(const bert_tensors *s, const char *config, const json_t *json,
                         const char *name, const bert_image *image, long *values, long *wrong) {
    char kind[100];
    snprintf(kind, sizeof kind, "pil/%s", config);
    const bert_stored_tensor *t = tensor(s, kind, name);
    if (!t || !strcmp(name, "grey16.png")) return; /* 16 bits: ours keeps them */
    bert_error e = {0};
    bert_image_processor p;
    read_processor(json, strstr(config, "short") ? "dinov2" : "vit", 3, &p);
    if (!strcmp(config, "short40crop32") || strstr(config, "crop")) p.do_center_crop = true;
    const bert_image_info i = bert_image_about(image);
    int32_t w, h;
    assert_int_equal(bert_image_processed_size(&p, i.width, i.height, &w, &h, &e), 0);
    assert_true(t->shape[1] == h && t->shape[2] == w);
    float *v = malloc(t->bytes);
    assert_int_equal(bert_image_process(image, &p, v, &e), 0);
    const float *expected = t->data;
    for (size_t k = 0; k < t->bytes / sizeof *v; k++) *wrong += v[k] != expected[k];
    *values += (long)(t->bytes / sizeof *v);
    free(v);
}

static void the_large_set_is_pillows_to_the_bit(void **state) {
    (void)state;
    const char *folder = test_shared("vision/pixels.safetensors");
    char directory[4096], path[4400];
    snprintf(directory, sizeof directory, "%.*s",
             (int)(strlen(folder) - strlen("/pixels.safetensors")), folder);
    bert_error e = {0};
    bert_tensors *s = bert_tensors_open(&bert_safetensors_format, folder, &e);
    snprintf(path, sizeof path, "%s/manifest.json", directory);
    json_t *manifest = bert_json_load(path, &e), *row, *config;
    if (!s || !manifest) fail_msg("%s", e.message);
    const char *name, *config_name;
    long values = 0, wrong = 0, pictures = 0, errors = 0;
    json_object_foreach(json_object_get(manifest, "files"), name, row) {
        if (!reads(strstr(name, ".png") ? "PNG" : strstr(name, ".webp") ? "WebP" : "JPEG"))
            continue;
        snprintf(path, sizeof path, "%s/images/%s", directory, name);
        e = (bert_error){0};
        bert_image *image = bert_image_open(path, NULL, &e);
        const bert_stored_tensor *rgb = tensor(s, "rgb", name);
        const bool stricter = !strcmp(name, "bad_crc.png"); /* libpng's, not Pillow's */
        if (!rgb || stricter) {
            if (image) fail_msg("%s is read", name);
            errors++;
            continue;
        }
        if (!image) fail_msg("%s", e.message);
        if (bert_image_about(image).bits == 8) {
            uint8_t *own = rgb_of(image);
            for (size_t k = 0; k < rgb->bytes; k++)
                wrong += own[k] != ((const uint8_t *)rgb->data)[k];
            values += (long)rgb->bytes;
            free(own);
        }
        json_object_foreach(json_object_get(manifest, "configs"), config_name, config)
            check_config(s, config_name, config, name, image, &values, &wrong);
        bert_image_free(image);
        pictures++;
    }
    print_message("%ld pictures, %ld values, %ld differ; %ld refused\n", pictures, values, wrong,
                  errors);
    assert_int_equal(wrong, 0);
    assert_true(pictures > 10);
    json_decref(manifest);
    bert_tensors_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_png_is_read),
        cmocka_unit_test(palettes_are_looked_up),
        cmocka_unit_test(exif_turns_a_png),
        cmocka_unit_test(resizing_is_pillows_to_the_bit),
        cmocka_unit_test(processors_are_transformers_to_the_bit),
        cmocka_unit_test(one_channel_is_pillows_grey),
        cmocka_unit_test(jpeg_and_webp_are_read_as_pillow_reads_them),
        cmocka_unit_test(sixteen_bits_stay),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(damaged_png_is_an_error),
        cmocka_unit_test(what_is_no_picture_is_said),
        cmocka_unit_test(processors_that_make_no_sense_are_refused),
        cmocka_unit_test(the_large_set_is_pillows_to_the_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
