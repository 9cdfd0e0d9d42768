/* How fast pictures are made ready: bench_images [FILE..]. Without files one of 1500 x 1000 made here is
 * resized and normalized for each filter; with files the time to decode each one is printed, too. */
#include <bert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bert_image *synthetic(bert_error *e) {
    const bert_image_info info = {.width = 1500, .height = 1000, .channels = 3, .bits = 8};
    unsigned char *p = malloc(1500 * 1000 * 3);
    if (!p) return NULL;
    for (int i = 0; i < 1500 * 1000 * 3; i++) p[i] = (unsigned char)(i * 2654435761u >> 24);
    bert_image *image = bert_image_of(p, &info, e);
    free(p);
    return image;
}

enum { TIMES = 15 };

/* The shortest of some times. */
static int process(const bert_image *image, bert_resample filter, bert_error *e) {
    static const char *const names[] = {"nearest", "lanczos", "bilinear",
                                        "bicubic", "box",     "hamming"};
    static float out[3 * 224 * 224];
    bert_image_processor p = bert_image_processor_default("vit");
    p.resample = filter;
    const bert_image_info i = bert_image_about(image);
    double best = 1e9;
    for (int k = 0; k < TIMES; k++) {
        const double begin = now();
        if (bert_image_process(image, &p, out, e)) return e->code;
        const double took = now() - begin;
        if (took < best) best = took;
    }
    printf("  %-8s to 224 x 224: %6.2f ms, %6.0f MB/s\n", names[filter], 1e3 * best,
           1e-6 * i.width * i.height * i.channels / best);
    return 0;
}

static int measure(const bert_image *image, bert_error *e) {
    int rc = 0;
    for (int f = 0; f < BERT_RESAMPLE_COUNT && !rc; f++) rc = process(image, (bert_resample)f, e);
    return rc;
}

int main(int argc, char **argv) {
    bert_error e = {0};
    for (int i = 1; i < argc && !e.code; i++) {
        double best = 1e9;
        bert_image *image = NULL;
        for (int k = 0; k < TIMES && !e.code; k++) {
            bert_image_free(image);
            const double begin = now();
            image = bert_image_open(argv[i], NULL, &e);
            if (now() - begin < best) best = now() - begin;
        }
        printf("%s: %.2f ms to decode\n", argv[i], 1e3 * best);
        if (image) measure(image, &e);
        bert_image_free(image);
    }
    bert_image *image = argc > 1 ? NULL : synthetic(&e);
    if (image) measure(image, &e);
    bert_image_free(image);
    if (e.code) fprintf(stderr, "bench_images: %s\n", e.message);
    return e.code != 0;
}
