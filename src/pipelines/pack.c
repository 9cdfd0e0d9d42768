#include "pipelines/pack.h"
#include "base/error.h"
#include "base/grow.h"
#include "cpu/host.h"
#include "models/registry.h"
#include "text/windows.h"
#include <stdlib.h>
#include <string.h>

bert_text_options bert_text_default(void) {
    return (bert_text_options){.normalize = -1};
}

bert_text bert_text_of(const char *text) {
    return (bert_text){.text = text, .bytes = text ? strlen(text) : 0};
}

static const char *const overflow_names[] = {[BERT_OVERFLOW_ERROR] = "error",
                                             [BERT_OVERFLOW_TRUNCATE] = "truncate",
                                             [BERT_OVERFLOW_WINDOW] = "window"};

int bert_overflow_parse(const char *name, bert_overflow *o, bert_error *e) {
    BERT_DOOR(e);
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, overflow_names[i])) {
            *o = (bert_overflow)i;
            return 0;
        }
    return bert_fail(e, BERT_EINVAL,
                     "there is no overflow mode \"%.40s\"; it is error, truncate or window", name);
}

void bert_windows_free(bert_windows *p) {
    bert_grown_free(p->start);
    bert_grown_free(p->text);
    bert_grown_free(p->ids);
    bert_grown_free(p->type_ids);
    bert_grown_free(p->attended);
    bert_grown_free(p->word_ids);
    bert_grown_free(p->sequence_ids);
    bert_grown_free(p->offsets);
    bert_grown_free(p->special);
    *p = (bert_windows){0};
}

int32_t bert_task_max_length(const bert_model *m, const bert_text_options *options, bert_error *e) {
    int32_t model = bert_model_max_length(m);
    if (options->max_length > model)
        return bert_fail(e, BERT_EINVAL, "max_length is %d; the model takes %d tokens",
                         options->max_length, model);
    if (options->max_length < 0)
        return bert_fail(e, BERT_EINVAL, "max_length is %d", options->max_length);
    if ((unsigned)options->overflow > BERT_OVERFLOW_WINDOW)
        return bert_fail(e, BERT_EINVAL, "there is no overflow mode %d", (int)options->overflow);
    return options->max_length ? options->max_length : bert_model_text_limit(m);
}

static int grow(bert_windows *p, size_t windows, size_t tokens, bert_error *e) {
    if (bert_grow(&p->start, windows + 1, sizeof *p->start, e) ||
        bert_grow(&p->text, windows, sizeof *p->text, e) ||
        bert_grow(&p->ids, tokens, sizeof *p->ids, e) ||
        bert_grow(&p->type_ids, tokens, sizeof *p->type_ids, e))
        return e->code;
    if (p->encodings && (bert_grow(&p->word_ids, tokens, sizeof *p->word_ids, e) ||
                         bert_grow(&p->sequence_ids, tokens, sizeof *p->sequence_ids, e) ||
                         bert_grow(&p->offsets, tokens, sizeof *p->offsets, e) ||
                         bert_grow(&p->special, tokens, sizeof *p->special, e)))
        return e->code;
    return 0;
}

int bert_windows_add(bert_windows *p, bert_token_window w, int32_t text, bert_error *e) {
    const size_t used = p->windows ? (size_t)p->start[p->windows] : 0, n = (size_t)w.n;
    int rc = grow(p, (size_t)p->windows + 1, used + n, e);
    if (rc) return rc;
    p->start[0] = 0;
    memcpy(p->ids + used, w.ids, n * sizeof *w.ids);
    if (w.type_ids)
        memcpy(p->type_ids + used, w.type_ids, n * sizeof *w.type_ids);
    else
        memset(p->type_ids + used, 0, n * sizeof *p->type_ids);
    if (p->encodings) {
        memcpy(p->word_ids + used, w.word_ids, n * sizeof *w.word_ids);
        memcpy(p->sequence_ids + used, w.sequence_ids, n * sizeof *w.sequence_ids);
        memcpy(p->offsets + used, w.offsets, n * sizeof *w.offsets);
        memcpy(p->special + used, w.special_tokens_mask, n);
    }
    p->text[p->windows++] = text;
    p->start[p->windows] = (int32_t)used + w.n;
    return p->hides ? bert_windows_attend(p, w.n, e) : 0;
}

int bert_windows_insert(bert_windows *p, int32_t at, int32_t id, int32_t n, bert_error *e) {
    int32_t *end = &p->start[p->windows];
    const int32_t place = p->start[p->windows - 1] + at;
    int rc = grow(p, (size_t)p->windows, (size_t)(*end + n), e);
    if (rc) return rc;
    end = &p->start[p->windows];
    const size_t behind = (size_t)(*end - place);
    memmove(p->ids + place + n, p->ids + place, behind * sizeof *p->ids);
    memmove(p->type_ids + place + n, p->type_ids + place, behind * sizeof *p->type_ids);
    for (int32_t i = 0; i < n; i++) {
        p->ids[place + i] = id;
        p->type_ids[place + i] = 0;
    }
    *end += n;
    if (p->hides) p->attended[p->windows - 1] += n;
    return 0;
}

int bert_windows_attend(bert_windows *p, int32_t n, bert_error *e) {
    int rc = bert_grow(&p->attended, (size_t)p->windows, sizeof *p->attended, e);
    if (rc) return rc;
    for (int32_t i = 0; !p->hides && i < p->windows; i++)
        p->attended[i] = p->start[i + 1] - p->start[i];
    p->hides = true;
    p->attended[p->windows - 1] = n;
    return 0;
}

bert_inputs bert_windows_inputs(const bert_windows *p) {
    return (bert_inputs){.n = p->windows,
                         .start = p->start,
                         .ids = p->ids,
                         .type_ids = p->type_ids,
                         .attended = p->hides ? p->attended : NULL};
}

bert_token_window bert_windows_at(const bert_windows *p, int32_t w) {
    const size_t at = (size_t)p->start[w];
    return (bert_token_window){.n = p->start[w + 1] - p->start[w],
                               .ids = p->ids + at,
                               .type_ids = p->type_ids + at,
                               .word_ids = p->word_ids + at,
                               .sequence_ids = p->sequence_ids + at,
                               .offsets = (const int32_t(*)[2])p->offsets + at,
                               .special_tokens_mask = p->special + at};
}

bool bert_windows_of(const bert_windows *p, int32_t k, bert_windows *one, bert_error *e) {
    int32_t from = 0, to;
    while (from < p->windows && p->text[from] < k) from++;
    for (to = from; to < p->windows && p->text[to] == k;) to++;
    if (to == from) return false;
    const size_t at = (size_t)p->start[from], windows = (size_t)(to - from);
    *one = (bert_windows){.first = p->first + k,
                          .texts = 1,
                          .windows = to - from,
                          .start = malloc((windows + 1) * sizeof *one->start),
                          .text = calloc(windows, sizeof *one->text),
                          .ids = p->ids + at,
                          .type_ids = p->type_ids + at,
                          .hides = p->hides,
                          .attended = p->hides ? p->attended + from : NULL,
                          .encodings = p->encodings};
    if (!one->start || !one->text) {
        free(one->start);
        free(one->text);
        bert_fail_memory(e, windows * sizeof *one->start);
        return false;
    }
    for (size_t i = 0; i <= windows; i++) one->start[i] = p->start[(size_t)from + i] - (int32_t)at;
    if (!p->encodings) return true;
    one->word_ids = p->word_ids + at;
    one->sequence_ids = p->sequence_ids + at;
    one->offsets = p->offsets + at;
    one->special = p->special + at;
    return true;
}

static bert_tokenize_options encode_options(const bert_text_options *o, int32_t max_length) {
    bert_tokenize_options out = bert_tokenize_default();
    if (o->overflow == BERT_OVERFLOW_ERROR) return out;
    out.truncation = BERT_TRUNCATE_LONGEST_FIRST;
    out.max_length = max_length;
    if (o->overflow == BERT_OVERFLOW_WINDOW) {
        out.overflowing = true;
        out.stride = o->stride;
    }
    return out;
}

int bert_task_ids(const bert_model *m, const bert_text *t, int32_t number,
                  const bert_text_options *o, int32_t max_length, bert_text_info *info,
                  bert_token_window *w, bert_error *e) {
    int32_t n = t->ids_count;
    if (n < 1) return bert_fail(e, BERT_EINVAL, "text %d has no ids", number);
    if (n > max_length && o->overflow != BERT_OVERFLOW_TRUNCATE)
        return bert_fail(e, BERT_ETOOLONG,
                         "text %d has %d ids, the limit is %d: choose to truncate it", number, n,
                         max_length);
    const bool left = bert_tokenizer_truncates_left(m->tokenizer);
    const int32_t dropped = n > max_length ? n - max_length : 0;
    n -= dropped;
    *w = (bert_token_window){.n = n, .ids = t->ids + (left ? dropped : 0)};
    if (info) *info = (bert_text_info){.tokens = n, .dropped = dropped, .windows = 1};
    for (int32_t i = 0; i < n; i++)
        if (w->ids[i] < 0 || w->ids[i] >= m->config.vocab_size)
            return bert_fail(e, BERT_EINVAL, "text %d: the id %d is not one of 0 to %d", number,
                             w->ids[i], m->config.vocab_size - 1);
    return 1;
}

int bert_task_encode(bert_tokenization *enc, const bert_text *t, int32_t number,
                     const bert_text_options *o, int32_t max_length, bert_text_info *info,
                     bert_error *e) {
    if (!t->text) return bert_fail(e, BERT_EINVAL, "text %d is NULL", number);
    const bert_tokenize_options options = encode_options(o, max_length);
    bert_error local = {0};
    int windows = bert_tokenize_windows(enc, t, &options, &local);
    if (windows < 0) return bert_fail(e, windows, "text %d: %s", number, local.message);
    const int32_t length = bert_tokenization_full_length(enc);
    if (o->overflow == BERT_OVERFLOW_ERROR && length > max_length) {
        int shown = t->bytes < 40 ? (int)t->bytes : 40;
        return bert_fail(e, BERT_ETOOLONG,
                         "text %d (\"%.*s...\") has %d tokens, the limit is %d: choose to truncate "
                         "it or to read it in windows",
                         number, shown, t->text, length, max_length);
    }
    if (info) {
        const int32_t first = bert_tokenization_window(enc, 0).n;
        const int32_t read = o->overflow == BERT_OVERFLOW_TRUNCATE ? first : length;
        *info = (bert_text_info){.tokens = read, .dropped = length - read, .windows = windows};
    }
    return windows;
}

/* How many rows of how many logits outputs of a kind are. */
static void shape_of(const bert_model *m, const bert_inputs *in, bert_output_kind outputs,
                     int32_t *rows, int32_t *cols) {
    const bool of_tokens = outputs == BERT_OUTPUT_TAGS || outputs == BERT_OUTPUT_SPAN;
    *rows = of_tokens ? in->start[in->n] : in->n;
    *cols = m->config.num_labels;
    if (outputs == BERT_OUTPUT_CHOICE) *cols = 1;
    if (outputs != BERT_OUTPUT_WORDS) return;
    *rows = in->logit_tokens ? in->logit_tokens_count : in->start[in->n];
    *cols = m->config.vocab_size;
}

int bert_windows_logits(bert_session *s, const bert_inputs *in, bert_output_kind outputs,
                        bert_outputs *out, bert_error *e) {
    const bert_model *m = s->model;
    if (!m->head.name || m->head.outputs != outputs)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s has no %s head (its head: %s)", m->path,
                         bert_head_name_of(outputs), bert_model_head(m));
    int32_t rows, cols;
    shape_of(m, in, outputs, &rows, &cols);
    int rc = bert_session_run(s, in, BERT_WANT_LOGITS | BERT_SKIP_HIDDEN, out, e);
    if (rc || (out->logit_rows == rows && out->logit_cols == cols)) return rc;
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "the head of %s (%s) gives %d x %d logits where a %s head gives %d x %d",
                     m->path, bert_model_head(m), (int)out->logit_rows, (int)out->logit_cols,
                     bert_head_name_of(outputs), (int)rows, (int)cols);
}

static void average_text(const bert_windows *p, int32_t begin, int32_t end, const float *rows,
                         size_t cols, float *mean) {
    const float all = (float)(p->start[end] - p->start[begin]);
    memset(mean, 0, cols * sizeof *mean);
    for (int32_t i = begin; i < end; i++) {
        float share = (float)(p->start[i + 1] - p->start[i]) / all;
        bert_host_axpy(mean, share, rows + (size_t)i * cols, cols);
    }
}

void bert_windows_average(const bert_windows *p, const float *rows, int32_t cols, float *out) {
    const size_t width = (size_t)cols;
    int32_t begin = 0, end;
    for (int32_t k = 0; k < p->texts; k++, begin = end) {
        for (end = begin; end < p->windows && p->text[end] == k;) end++;
        float *mean = out + (size_t)k * width;
        if (end == begin + 1)
            memcpy(mean, rows + (size_t)begin * width, width * sizeof *mean);
        else
            average_text(p, begin, end, rows, width, mean);
    }
}
