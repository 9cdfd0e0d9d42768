/* bert encode: the model's outputs as they are, into a safetensors file. */
#include "cli.h"
#include "file.h"
#include "pictures.h"
#include "tensors.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    common common;
    const char *output;
} arguments;

static const option options[] = {
    {"output", 'o', "FILE", "the safetensors file to write (needed)", set_string,
     offsetof(arguments, output), 0},
    {0},
};

/* ---- The file, whose token rows go straight to it behind room for the header. */

typedef struct {
    tensors_file *file;
    int hidden, pooled, start; /* tensors of it; pooled -1: none */
    int32_t dim;
    bool begun;
} encoded;

enum { HEADER = 1024 };

static int keep(int *number, int got) {
    *number = got;
    return got < 0 ? got : 0;
}

/* With the first batch it is known what there is. */
static int begin(encoded *d, bool pooler, bert_error *e) {
    tensors_file *t = d->file;
    d->begun = true;
    int rc = keep(&d->hidden, tensors_add(t, "last_hidden_state", "F32", d->dim, e));
    if (!rc && pooler) rc = keep(&d->pooled, tensors_add(t, "pooler_output", "F32", d->dim, e));
    return rc ? rc : keep(&d->start, tensors_add_start(t, "start", "I32", d->hidden, e));
}

static int put_batch(encoded *d, const bert_inputs *in, const bert_outputs *out, bert_error *e) {
    int rc = d->begun ? 0 : begin(d, out->pooler_output != NULL, e);
    if (!rc && out->pooler_output)
        rc = tensors_put(d->file, d->pooled, out->pooler_output, (size_t)in->n, e);
    const size_t dim = (size_t)d->dim;
    for (int32_t i = 0; i < in->n && !rc; i++) {
        const int32_t from = in->start[i], to = in->start[i + 1];
        rc = tensors_put(d->file, d->hidden, out->last_hidden_state + (size_t)from * dim,
                         (size_t)(to - from), e);
        if (!rc) rc = tensors_end_text(d->file, d->start, e);
    }
    return rc;
}

/* ---- Texts to packed ids */

typedef struct {
    bert_tokenization *tokenization;
    bert_tokenize_options options;
    int32_t limit;
    int32_t *ids, *types, *start;
    size_t capacity, starts;
    int64_t dropped;
} packer;

static int reserve(packer *p, size_t tokens, bert_error *e) {
    if (tokens <= p->capacity) return 0;
    int32_t *ids = realloc(p->ids, 2 * tokens * sizeof *ids);
    if (ids) p->ids = ids;
    int32_t *types = realloc(p->types, 2 * tokens * sizeof *types);
    if (types) p->types = types;
    if (!ids || !types) return fail_memory(e);
    p->capacity = 2 * tokens;
    return 0;
}

/* Text i of the input behind those that are packed. */
static int pack_one(packer *p, const bert_text *t, int32_t i, int32_t packed, bert_error *e) {
    int windows =
        bert_tokenize(p->tokenization, t->text, t->bytes, t->pair, t->pair_bytes, &p->options, e);
    if (windows < 0) return windows;
    const bert_token_window w = bert_tokenization_window(p->tokenization, 0);
    const int32_t full = bert_tokenization_full_length(p->tokenization);
    const size_t used = (size_t)p->start[packed], n = (size_t)w.n;
    if (w.n > p->limit)
        return fail(e, BERT_ETOOLONG,
                    "text %d has %d tokens, the limit is %d: choose --on-overflow truncate", (int)i,
                    (int)full, (int)p->limit);
    int rc = reserve(p, used + n, e);
    if (rc) return rc;
    memcpy(p->ids + used, w.ids, n * sizeof *w.ids);
    memcpy(p->types + used, w.type_ids, n * sizeof *w.type_ids);
    p->start[packed + 1] = (int32_t)(used + n);
    p->dropped += full - w.n;
    return 0;
}

static int pack(packer *p, input *in, const bert_text *texts, int32_t n, bert_inputs *out,
                bert_error *e) {
    int32_t packed = 0;
    int rc = 0;
    if (p->starts < (size_t)n + 1) {
        free(p->start);
        p->start = calloc((size_t)n + 1, sizeof *p->start);
        p->starts = p->start ? (size_t)n + 1 : 0;
        if (!p->start) return fail_memory(e);
    }
    for (int32_t i = 0; i < n && !rc; i++) {
        bert_error why = {0};
        rc = pack_one(p, &texts[i], i, packed, &why);
        if (!rc)
            packed++;
        else if (rc == BERT_ETOOLONG)
            rc = input_pass_over(in, i, &(bert_text_info){.code = rc, .message = why.message}, e);
        else
            rc = fail(e, rc, "%s", why.message);
    }
    *out = (bert_inputs){.n = packed, .start = p->start, .ids = p->ids, .type_ids = p->types};
    return rc;
}

static int each(packer *p, encoded *d, bert_session *s, input *in, bert_error *e) {
    const bert_text *texts;
    int32_t n;
    while ((n = input_next(in, &texts, e)) > 0) {
        bert_inputs inputs;
        bert_outputs out;
        int rc = pack(p, in, texts, n, &inputs, e);
        if (!rc && inputs.n) rc = bert_session_run(s, &inputs, BERT_WANT_POOLER, &out, e);
        if (!rc && inputs.n) rc = put_batch(d, &inputs, &out, e);
        if (rc) return rc;
    }
    return n < 0 ? n : input_sum_up(in, e);
}

static int prepare(packer *p, const bert_model *model, const common *c, bert_error *e) {
    const bert_tokenizer *t = bert_model_tokenizer(model);
    if (takes_pictures(model))
        return fail(
            e, BERT_EUNSUPPORTED,
            "%s reads pictures, and encode is of texts; 'bert embed' makes vectors of pictures",
            bert_model_path(model));
    if (!t) return fail(e, BERT_ENOTFOUND, "%s has no tokenizer", bert_model_path(model));
    int32_t most = bert_model_max_length(model), says = bert_tokenizer_max_length(t);
    if (c->max_length > most)
        return fail(e, BERT_EINVAL, "--max-length %d: the model takes %d tokens", c->max_length,
                    most);
    p->limit = c->max_length ? c->max_length : says > 0 && says < most ? says : most;
    p->options = bert_tokenize_default();
    if (c->overflow == BERT_OVERFLOW_TRUNCATE) {
        p->options.truncation = BERT_TRUNCATE_LONGEST_FIRST;
        p->options.max_length = p->limit;
    }
    p->tokenization = bert_tokenization_new(t, e);
    return p->tokenization ? 0 : BERT_ENOMEM;
}

static int run(void *args, int operands, char **operand, bert_error *e) {
    const arguments *a = args;
    const common *c = &a->common;
    if (!a->output) return fail_usage(e, "-o FILE says where the safetensors file goes");
    if (c->overflow == BERT_OVERFLOW_WINDOW)
        return fail_usage(e, "--on-overflow is error or truncate here: every text is one sequence");
    if (c->input && same_file(c->input, a->output))
        return fail_usage(e, "-i and -o are one file: %s", a->output);
    if (check_divided(c, a->output, e)) return USAGE;
    packer p = {0};
    encoded d = {.pooled = -1};
    int64_t rows[3] = {0};
    bert_session_options so = session_options(c);
    bert_model *model = open_model(operand[0], c, "none", e);
    int rc = model ? prepare(&p, model, c, e) : BERT_EINVAL;
    input *in = rc ? NULL : input_open(c, operands - 1, operand + 1, e);
    if (in) input_into(in, a->output);
    bert_session *s = in ? bert_session_new(model, &so, e) : NULL;
    if (!s && !rc) rc = BERT_EINVAL;
    if (!rc) {
        d.dim = bert_model_config(model)->hidden_size;
        d.file = tensors_create(c->work, a->output, HEADER, e);
        if (!d.file) rc = BERT_EIO;
    }
    if (!rc) rc = each(&p, &d, s, in, e);
    if (!rc && !d.begun && division_alone(c->work))
        rc = fail(e, BERT_EINVAL, "there is no text to encode");
    if (d.file) rc = tensors_commit(d.file, rc, rows, e);
    if (!rc) rc = division_sum(c->work, &p.dropped, e);
    if (!rc)
        note(c, "%s: %lld texts, %lld tokens of %d%s", a->output, (long long)input_count(in),
             (long long)rows[0], d.dim, d.pooled >= 0 ? ", pooler_output" : "");
    if (!rc && p.dropped) note(c, "%lld tokens were dropped", (long long)p.dropped);
    free(p.ids);
    free(p.types);
    free(p.start);
    bert_tokenization_free(p.tokenization);
    input_close(in);
    bert_session_free(s);
    bert_model_close(model);
    return rc;
}

const command encode_command = {
    .name = "encode",
    .operands = "MODEL [TEXT..] -o FILE",
    .help = "last_hidden_state and pooler_output, as safetensors",
    .more = "The file holds last_hidden_state [tokens, hidden] with the texts end to end, start\n"
            "[texts + 1] with the row where each begins, and pooler_output [texts, hidden] where\n"
            "the model has a pooler. Nothing is padded. Of texts that fail all are named, and\n"
            "nothing is written.",
    .min_operands = 1,
    .max_operands = -1,
    .groups = TAKES_MODEL | TAKES_INPUT | TAKES_LIMIT | TAKES_SESSION | TAKES_OUTPUT | TAKES_GROUP,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
