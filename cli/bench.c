/* bert bench: speed at a shape. */
#include "pictures.h"
#include "progress.h"
#include "pulling.h"
#include <bert_train.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
    int32_t batch, seq, repeat;
    bool train;
} arguments;

static const option options[] = {
    {"batch", 0, "N", "sequences at once (default: 8)", set_positive, offsetof(arguments, batch),
     0},
    {"seq", 0, "N", "tokens of each (default: 128; a picture has as many as the model makes of it)",
     set_positive, offsetof(arguments, seq), 0},
    {"repeat", 0, "N", "timed runs, of which the median counts (default: 11)", set_positive,
     offsetof(arguments, repeat), 0},
    {"train", 0, NULL, "a training step: forward, backward and AdamW", set_true,
     offsetof(arguments, train), 0},
    {0},
};

static void defaults(void *args) {
    arguments *a = args;
    a->batch = 8;
    a->repeat = 11;
}

/* Multiplications and additions of the encoder's matrix products, forward. */
static double flops(const bert_config *c, double batch, double seq) {
    double h = c->hidden_size, f = c->intermediate_size, tokens = batch * seq;
    return c->num_hidden_layers * (tokens * (8 * h * h + 4 * h * f) + 4 * tokens * seq * h);
}

/* What is timed: one call of `once`. */
typedef struct {
    bert_inputs inputs;
    bert_session *session; /* inference */
    bert_model *model;     /* training */
    bert_tape *tape;
    bert_optimizer *optimizer;
    int32_t *labels;
    float *pixels; /* of models of pictures */
    bert_column column;
} job;

static int infer(job *j, bert_error *e) {
    bert_outputs out;
    return bert_session_run(j->session, &j->inputs, 0, &out, e);
}

static int step(job *j, bert_error *e) {
    bert_batch b = {.inputs = j->inputs, .labels = j->labels};
    bert_tape_reset(j->tape);
    bert_tensor *hidden = bert_forward(j->tape, j->model, &j->inputs);
    bert_tensor *logits =
        bert_head_forward(j->tape, j->model, hidden, &(bert_batch){.inputs = j->inputs});
    bert_tensor *loss = bert_head_loss(j->tape, j->model, logits, &b, 0);
    int rc = bert_tape_backward(j->tape, loss, 1, e);
    return rc ? rc : bert_optimizer_step(j->optimizer, 1e-5, 1, NULL, e);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int measure(const arguments *a, job *j, int (*once)(job *, bert_error *), double *median,
                   bert_error *e) {
    double *seconds = calloc((size_t)a->repeat, sizeof *seconds);
    if (!seconds) return fail_memory(e);
    int rc = once(j, e); /* packs weights, takes memory */
    for (int i = 0; i < a->repeat && !rc; i++) {
        double start = progress_now();
        rc = once(j, e);
        seconds[i] = progress_now() - start;
    }
    qsort(seconds, (size_t)a->repeat, sizeof *seconds, by_value);
    *median = seconds[a->repeat / 2];
    free(seconds);
    return rc;
}

/* Pixels in the place of ids. */
static int fill_pixels(const arguments *a, job *j, bert_error *e) {
    const bert_config *c = bert_model_config(j->model);
    const size_t width = (size_t)c->num_channels * (size_t)c->image_height * (size_t)c->image_width;
    const size_t n = (size_t)a->batch * width;
    if (!(j->pixels = calloc(n, sizeof *j->pixels))) return fail_memory(e);
    for (size_t i = 0; i < n; i++) j->pixels[i] = (float)(i * 7919 % 256) / 127.5f - 1;
    j->column = (bert_column){.name = "pixels",
                              .type = BERT_COLUMN_FLOAT32,
                              .per = BERT_PER_SEQUENCE,
                              .width = (int32_t)width,
                              .count = a->batch,
                              .data = j->pixels};
    j->inputs.ids = NULL;
    j->inputs.columns = &j->column;
    j->inputs.column_count = 1;
    return 0;
}

static int fill_inputs(const arguments *a, job *j, bert_error *e) {
    const bert_config *c = bert_model_config(j->model);
    int32_t n = a->batch * a->seq;
    int32_t *start = calloc((size_t)a->batch + 1, sizeof *start);
    int32_t *ids = calloc((size_t)n, sizeof *ids);
    j->inputs = (bert_inputs){.n = a->batch, .start = start, .ids = ids};
    j->labels = calloc((size_t)a->batch, sizeof *j->labels);
    if (!start || !ids || !j->labels) return fail_memory(e);
    for (int32_t i = 0; i <= a->batch; i++) start[i] = i * a->seq;
    if (takes_pictures(j->model)) {
        free(ids);
        return fill_pixels(a, j, e);
    }
    for (int32_t i = 0; i < n; i++) ids[i] = (int32_t)((int64_t)i * 7919 % c->vocab_size);
    return 0;
}

static int prepare(const arguments *a, job *j, bert_error *e) {
    int rc = fill_inputs(a, j, e);
    if (rc) return rc;
    if (!a->train) {
        bert_session_options o = session_options(&a->common);
        j->session = bert_session_new(j->model, &o, e);
        return j->session ? 0 : BERT_EINVAL;
    }
    if (a->common.precision == BERT_PRECISION_INT8)
        return fail_usage(e, "--precision int8 is for use, not for training");
    bert_tape_options o = bert_tape_default();
    o.threads = a->common.threads;
    o.precision = a->common.precision;
    o.training = true;
    bert_adamw_options adamw = bert_adamw_default();
    j->tape = bert_tape_new(&o, e);
    if (j->tape)
        j->optimizer =
            bert_optimizer_new(bert_model_params(j->model), &adamw, a->common.threads, e);
    return j->optimizer ? 0 : BERT_EINVAL;
}

static int report(const arguments *a, const job *j, double seconds, bert_error *e) {
    double tokens = (double)a->batch * a->seq;
    double work = flops(bert_model_config(j->model), a->batch, a->seq) * (a->train ? 3 : 1);
    const char *precision = bert_precision_name(a->common.precision);
    if (!output_json(&a->common)) {
        printf("%s, batch %d x %d tokens, %s, %s\n", a->train ? "training step" : "forward",
               a->batch, a->seq, precision, bert_isa());
        printf("%.3f ms   %.0f tokens/s   %.1f Gflop/s   (median of %d)\n", 1e3 * seconds,
               tokens / seconds, work / seconds * 1e-9, a->repeat);
        return 0;
    }
    return output_line(
        json_pack("{s:o, s:o, s:o, s:s, s:s, s:i, s:i, s:b, s:i}", "ms", json_number(1e3 * seconds),
                  "tokens_per_second", json_number(tokens / seconds), "gflops",
                  json_number(work / seconds * 1e-9), "precision", precision, "isa", bert_isa(),
                  "batch", a->batch, "seq", a->seq, "train", (int)a->train, "repeat", a->repeat),
        e);
}

/* --seq, or what is usual: a picture has one number of tokens. */
static int check_seq(arguments *a, const bert_model *m, bert_error *e) {
    const int32_t most = bert_model_max_length(m);
    if (!a->seq) a->seq = takes_pictures(m) ? most : 128;
    if (a->seq > most)
        return fail(e, BERT_ETOOLONG, "--seq %d: the model takes %d tokens", a->seq, most);
    if (takes_pictures(m) && a->seq < most)
        return fail(e, BERT_EINVAL, "--seq %d: the model makes %d tokens of a picture", a->seq,
                    most);
    return 0;
}

/* As it is; for training with a classifier, of pictures where it reads those. */
static bert_model *open_benched(const arguments *a, const char *name, bert_error *e) {
    bert_model_options o = bert_model_default();
    o.head = "none";
    o.seed = a->common.seed;
    o.pull = pulling(&a->common);
    bert_model *m = bert_model_open(name, &o, e);
    if (m && a->train) {
        o.head = takes_pictures(m) ? "image-classification" : "sequence-classification";
        o.trainable = true;
        bert_model_close(m);
        m = bert_model_open(name, &o, e);
    }
    pulling_done();
    return m;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    (void)operands;
    arguments *a = args;
    job j = {.model = open_benched(a, operand[0], e)};
    int rc = j.model ? 0 : BERT_EINVAL;
    if (!rc) model_notes(&a->common, j.model);
    if (!rc) rc = check_seq(a, j.model, e);
    if (!rc && (double)a->batch * a->seq > 1 << 26)
        rc = fail(e, BERT_EINVAL, "--batch %d --seq %d: more than 2^26 tokens", a->batch, a->seq);
    double seconds = 0;
    if (!rc) rc = prepare(a, &j, e);
    if (!rc) rc = measure(a, &j, a->train ? step : infer, &seconds, e);
    if (!rc) rc = report(a, &j, seconds, e);
    bert_optimizer_free(j.optimizer);
    bert_tape_free(j.tape);
    bert_session_free(j.session);
    bert_model_close(j.model);
    free(j.labels);
    free(j.pixels);
    free((void *)j.inputs.start);
    free((void *)j.inputs.ids);
    return rc;
}

const command bench_command = {
    .name = "bench",
    .operands = "MODEL",
    .help = "speed at a shape: time, tokens and Gflop per second",
    .more = "A line is {\"ms\":x,\"tokens_per_second\":x,\"gflops\":x,\"precision\":\"..\",..}.",
    .min_operands = 1,
    .max_operands = 1,
    .groups = TAKES_MODEL | TAKES_SESSION | TAKES_OUTPUT,
    .options = options,
    .size = sizeof(arguments),
    .defaults = defaults,
    .run = run,
};
