/* DICOM by way of Debian's converter: the line of docs/vision.md keeps 16 bits, rescales, windows, and turns
 * MONOCHROME1 round. Skipped where dcmtk is not installed. */
#include "test.h"
#include <bert.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { WIDTH = 8, HEIGHT = 6, PIXELS = WIDTH * HEIGHT };

/* ---- A file: explicit VR, little endian */

typedef struct {
    unsigned char data[4096];
    size_t n;
} bytes;

static void put16(bytes *b, unsigned v) {
    b->data[b->n++] = (unsigned char)v;
    b->data[b->n++] = (unsigned char)(v >> 8);
}

static void put32(bytes *b, unsigned v) {
    put16(b, v & 0xffff);
    put16(b, v >> 16);
}

static void element(bytes *b, unsigned group, unsigned number, const char *type, const void *value,
                    size_t n) {
    put16(b, group);
    put16(b, number);
    memcpy(b->data + b->n, type, 2);
    b->n += 2;
    if (*type == 'O') {
        put16(b, 0);
        put32(b, (unsigned)(n + n % 2));
    } else {
        put16(b, (unsigned)(n + n % 2));
    }
    memcpy(b->data + b->n, value, n);
    b->n += n;
    if (n % 2) b->data[b->n++] = strcmp(type, "UI") ? ' ' : 0;
}

static void text(bytes *b, unsigned group, unsigned number, const char *type, const char *value) {
    element(b, group, number, type, value, strlen(value));
}

static void number(bytes *b, unsigned group, unsigned at, unsigned v) {
    const unsigned char two[] = {(unsigned char)v, (unsigned char)(v >> 8)};
    element(b, group, at, "US", two, 2);
}

static int sample(int i) {
    return i < 2 ? 4095 * i : i * 83 % 4096;
}

/* Of 12 bits in 16, whose values are 2 v - 100, seen through a window of 2001 about 2000. */
static void write_dicom(const char *path, const char *photometric) {
    bytes meta = {.n = 0}, b = {.n = 128};
    text(&meta, 2, 2, "UI", "1.2.840.10008.5.1.4.1.1.1.2");
    text(&meta, 2, 3, "UI", "1.2.3.4");
    text(&meta, 2, 0x10, "UI", "1.2.840.10008.1.2.1");
    memcpy(b.data + b.n, "DICM", 4);
    b.n += 4;
    const unsigned char length[] = {(unsigned char)meta.n, (unsigned char)(meta.n >> 8), 0, 0};
    element(&b, 2, 0, "UL", length, 4);
    memcpy(b.data + b.n, meta.data, meta.n);
    b.n += meta.n;
    text(&b, 8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.1.2");
    text(&b, 8, 0x18, "UI", "1.2.3.4");
    text(&b, 8, 0x60, "CS", "MG");
    number(&b, 0x28, 2, 1);
    text(&b, 0x28, 4, "CS", photometric);
    number(&b, 0x28, 0x10, HEIGHT);
    number(&b, 0x28, 0x11, WIDTH);
    number(&b, 0x28, 0x100, 16);
    number(&b, 0x28, 0x101, 12);
    number(&b, 0x28, 0x102, 11);
    number(&b, 0x28, 0x103, 0);
    text(&b, 0x28, 0x1050, "DS", "2000");
    text(&b, 0x28, 0x1051, "DS", "2001");
    text(&b, 0x28, 0x1052, "DS", "-100");
    text(&b, 0x28, 0x1053, "DS", "2");
    unsigned char pixels[2 * PIXELS];
    for (int i = 0; i < PIXELS; i++) {
        pixels[2 * i] = (unsigned char)sample(i);
        pixels[2 * i + 1] = (unsigned char)(sample(i) >> 8);
    }
    element(&b, 0x7fe0, 0x10, "OW", pixels, sizeof pixels);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b.data, 1, b.n, f), b.n);
    fclose(f);
}

/* ---- The line of the page */

static void documented_line(char *line, size_t capacity) {
    FILE *f = fopen(BERT_SOURCE_DIR "/docs/vision.md", "r");
    assert_non_null(f);
    while (fgets(line, (int)capacity, f))
        if (!strncmp(line, "    dcmj2pnm ", 13)) break;
    fclose(f);
    assert_non_null(strstr(line, "in.dcm"));
    assert_non_null(strstr(line, "out.png"));
    line[strcspn(line, "\n")] = 0;
}

static void run(const char *directory, const char *line) {
    char command[5000];
    snprintf(command, sizeof command, "cd '%s' && %s", directory, line);
    if (system(command)) fail_msg("%s", line);
}

/* The window of DICOM PS3.3, C.11.2.1.2. */
static double windowed(int v, bool inverted) {
    const double y = ((2.0 * v - 100) - 1999.5) / 2000 + 0.5, low = y < 0 ? 0 : y > 1 ? 1 : y;
    return 65535 * (inverted ? 1 - low : low);
}

static void check_picture(const char *directory, bool inverted) {
    char path[4200];
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/out.png", directory);
    bert_image *image = bert_image_open(path, NULL, &e);
    if (!image) fail_msg("%s", e.message);
    const bert_image_info about = bert_image_about(image);
    assert_int_equal(about.bits, 16);
    assert_int_equal(about.channels, 1);
    assert_int_equal(about.width, WIDTH);
    assert_int_equal(about.height, HEIGHT);
    const uint16_t *samples = bert_image_samples(image);
    for (int i = 0; i < PIXELS; i++)
        if (fabs(samples[i] - windowed(sample(i), inverted)) > 1.5)
            fail_msg("pixel %d: %d, not %.1f", i, samples[i], windowed(sample(i), inverted));
    bert_image_free(image);
}

static void values_are_those_of_the_window(void **state) {
    (void)state;
    char *d = test_directory(), path[4200], line[500];
    documented_line(line, sizeof line);
    snprintf(path, sizeof path, "%s/in.dcm", d);
    write_dicom(path, "MONOCHROME2");
    run(d, line);
    check_picture(d, false);
    write_dicom(path, "MONOCHROME1");
    run(d, line);
    check_picture(d, true);
    /* JPEG lossless, as scanners send it. */
    run(d, "dcmcjpeg +e1 in.dcm packed.dcm && mv packed.dcm in.dcm && rm out.png");
    run(d, line);
    check_picture(d, true);
    test_remove(d);
}

int main(void) {
    const char *name;
    if (system("command -v dcmj2pnm >/dev/null && command -v dcmcjpeg >/dev/null") ||
        !bert_image_format_at(0, &name, NULL, 0)) {
        print_message("skipped: no dcmj2pnm (Debian's package dcmtk), or no PNG\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_are_those_of_the_window)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
