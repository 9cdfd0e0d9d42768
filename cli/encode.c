/* bert encode: the model's outputs as they are, into a safetensors file. */
#include "cli.h"
#include "file.h"
#include "pictures.h"
#include <errno.h>
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

/* ---- The file: token rows go straight to it, behind room for the header; what has a row a text
 * waits in `pooled` and `start` until all texts are through. */
typedef struct {
    new_file file;
    FILE *pooled;
    int32_t *start;
    size_t texts, capacity, tokens;
    int32_t dim;
    bool has_pooler;
} encoded;

enum { HEADER = 1024 };

static int temporary_failed(bert_error *e) {
    return fail(e, BERT_EIO, "cannot use a temporary file: %s", strerror(errno));
}

static int create(encoded *d, const char *path, bert_error *e) {
    static const char room[HEADER];
    int rc = new_file_open(&d->file, path, e);
    if (!rc) rc = new_file_put(&d->file, room, sizeof room, e);
    if (!rc && !(d->pooled = tmpfile())) rc = temporary_failed(e);
    return rc;
}

static int put_batch(encoded *d, const bert_inputs *in, const bert_outputs *out, bert_error *e) {
    size_t n = (size_t)in->n, row = (size_t)d->dim * sizeof(float);
    if (d->texts + n + 1 > d->capacity) {
        size_t capacity = 2 * (d->texts + n) + 256;
        int32_t *larger = realloc(d->start, capacity * sizeof *larger);
        if (!larger) return fail_memory(e);
        d->start = larger;
        d->capacity = capacity;
    }
    if (d->tokens + (size_t)out->tokens > INT32_MAX)
        return fail(e, BERT_EUNSUPPORTED, "more than 2^31 tokens do not go into one file");
    d->start[0] = 0;
    for (size_t i = 0; i < n; i++)
        d->start[d->texts + i + 1] = (int32_t)d->tokens + in->start[i + 1];
    d->texts += n;
    d->tokens += (size_t)out->tokens;
    if (out->pooler_output) {
        d->has_pooler = true;
        if (fwrite(out->pooler_output, row, n, d->pooled) != n) return temporary_failed(e);
    }
    return new_file_put(&d->file, out->last_hidden_state, (size_t)out->tokens * row, e);
}

static int put_pooled(encoded *d, bert_error *e) {
    char block[1 << 14];
    size_t n;
    if (fflush(d->pooled) || fseek(d->pooled, 0, SEEK_SET)) return temporary_failed(e);
    while ((n = fread(block, 1, sizeof block, d->pooled)) > 0) {
        int rc = new_file_put(&d->file, block, n, e);
        if (rc) return rc;
    }
    return ferror(d->pooled) ? temporary_failed(e) : 0;
}

static json_t *describe(const char *dtype, size_t rows, size_t columns, size_t *offset) {
    size_t from = *offset;
    *offset += rows * (columns ? columns : 1) * 4;
    json_t *shape = columns ? json_pack("[I,I]", (json_int_t)rows, (json_int_t)columns)
                            : json_pack("[I]", (json_int_t)rows);
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtype, "shape", shape, "data_offsets",
                     (json_int_t)from, (json_int_t)*offset);
}

static int put_header(encoded *d, bert_error *e) {
    char bytes[HEADER];
    size_t at = 0, dim = (size_t)d->dim;
    memset(bytes, ' ', sizeof bytes);
    for (int i = 0; i < 8; i++) bytes[i] = (char)((HEADER - 8) >> (i < 4 ? 8 * i : 31) & 255);
    json_t *h = json_object();
    int rc = json_object_set_new(h, "last_hidden_state", describe("F32", d->tokens, dim, &at));
    if (d->has_pooler)
        rc |= json_object_set_new(h, "pooler_output", describe("F32", d->texts, dim, &at));
    rc |= json_object_set_new(h, "start", describe("I32", d->texts + 1, 0, &at));
    if (rc || !json_dumpb(h, bytes + 8, HEADER - 8, JSON_COMPACT)) rc = fail_memory(e);
    json_decref(h);
    if (!rc) rc = new_file_rewind(&d->file, e);
    return rc ? rc : new_file_put(&d->file, bytes, sizeof bytes, e);
}

static int commit(encoded *d, bert_error *e) {
    int rc = d->has_pooler ? put_pooled(d, e) : 0;
    if (!rc) rc = new_file_put(&d->file, d->start, (d->texts + 1) * sizeof *d->start, e);
    if (!rc) rc = put_header(d, e);
    return rc ? rc : new_file_commit(&d->file, e);
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

static int pack(packer *p, const bert_text *texts, int32_t n, bert_inputs *out, bert_error *e) {
    size_t used = 0;
    if (p->starts < (size_t)n + 1) {
        free(p->start);
        p->start = calloc((size_t)n + 1, sizeof *p->start);
        p->starts = p->start ? (size_t)n + 1 : 0;
        if (!p->start) return fail_memory(e);
    }
    p->start[0] = 0;
    for (int32_t i = 0; i < n; i++) {
        const bert_text *t = &texts[i];
        int windows = bert_tokenize(p->tokenization, t->text, t->bytes, t->pair, t->pair_bytes,
                                    &p->options, e);
        if (windows < 0) return windows;
        bert_token_window w = bert_tokenization_window(p->tokenization, 0);
        int32_t full = bert_tokenization_full_length(p->tokenization);
        if (w.n > p->limit)
            return fail(e, BERT_ETOOLONG,
                        "text %d has %d tokens, the limit is %d: choose --on-overflow truncate",
                        (int)i, (int)full, (int)p->limit);
        p->dropped += full - w.n;
        if (used + (size_t)w.n > p->capacity) {
            size_t capacity = 2 * (used + (size_t)w.n);
            int32_t *ids = realloc(p->ids, capacity * sizeof *ids);
            if (ids) p->ids = ids;
            int32_t *types = realloc(p->types, capacity * sizeof *types);
            if (types) p->types = types;
            if (!ids || !types) return fail_memory(e);
            p->capacity = capacity;
        }
        memcpy(p->ids + used, w.ids, (size_t)w.n * sizeof *w.ids);
        memcpy(p->types + used, w.type_ids, (size_t)w.n * sizeof *w.type_ids);
        used += (size_t)w.n;
        p->start[i + 1] = (int32_t)used;
    }
    *out = (bert_inputs){.n = n, .start = p->start, .ids = p->ids, .type_ids = p->types};
    return 0;
}

static int each(packer *p, encoded *d, bert_session *s, input *in, bert_error *e) {
    const bert_text *texts;
    int32_t n;
    while ((n = input_next(in, &texts, e)) > 0) {
        bert_inputs inputs;
        bert_outputs out;
        int rc = pack(p, texts, n, &inputs, e);
        if (rc) input_explain(in, e);
        if (!rc) rc = bert_session_run(s, &inputs, BERT_WANT_POOLER, &out, e);
        if (!rc) rc = put_batch(d, &inputs, &out, e);
        if (rc) return rc;
    }
    if (!n && !d->texts) return fail(e, BERT_EINVAL, "there is no text to encode");
    return n;
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
    packer p = {0};
    encoded d = {0};
    bert_session_options so = session_options(c);
    bert_model *model = open_model(operand[0], c, "none", e);
    int rc = model ? prepare(&p, model, c, e) : BERT_EINVAL;
    input *in = rc ? NULL : input_open(c, operands - 1, operand + 1, e);
    bert_session *s = in ? bert_session_new(model, &so, e) : NULL;
    if (!s && !rc) rc = BERT_EINVAL;
    if (!rc) {
        d.dim = bert_model_config(model)->hidden_size;
        rc = create(&d, a->output, e);
    }
    if (!rc) rc = each(&p, &d, s, in, e);
    if (!rc) rc = commit(&d, e);
    if (!rc)
        note(c, "%s: %zu texts, %zu tokens of %d%s", a->output, d.texts, d.tokens, d.dim,
             d.has_pooler ? ", pooler_output" : "");
    if (!rc && p.dropped) note(c, "%lld tokens were dropped", (long long)p.dropped);
    new_file_abort(&d.file);
    if (d.pooled) fclose(d.pooled);
    free(d.start);
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
            "the model has a pooler. Nothing is padded.",
    .min_operands = 1,
    .max_operands = -1,
    .groups = TAKES_MODEL | TAKES_INPUT | TAKES_LIMIT | TAKES_SESSION | TAKES_OUTPUT,
    .options = options,
    .size = sizeof(arguments),
    .run = run,
};
