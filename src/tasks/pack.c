#include "tasks/pack.h"
#include "base/error.h"
#include "base/grow.h"
#include "cpu/host.h"
#include "text/windows.h"
#include <string.h>

/* As many tokens are tokenized and run at once: enough that nothing waits, little enough that the
 * memory of a million texts is that of a batch. */
enum { PACK_TOKENS = 8192 };

bert_task_options bert_task_default(void) {
    return (bert_task_options){.normalize = -1};
}

bert_text bert_text_of(const char *text) {
    return (bert_text){.text = text, .bytes = text ? strlen(text) : 0};
}

static const char *const overflow_names[] = {[BERT_OVERFLOW_ERROR] = "error",
                                             [BERT_OVERFLOW_TRUNCATE] = "truncate",
                                             [BERT_OVERFLOW_WINDOW] = "window"};

int bert_overflow_parse(const char *name, bert_overflow *o, bert_error *e) {
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
    bert_grown_free(p->prompted);
    *p = (bert_windows){0};
}

int32_t bert_task_max_length(const bert_model *m, const bert_task_options *options, bert_error *e) {
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

static int add_window(bert_windows *p, bert_encoding w, int32_t text, bert_error *e) {
    const size_t used = p->windows ? (size_t)p->start[p->windows] : 0;
    const size_t tokens = used + (size_t)w.n, windows = (size_t)p->windows + 1;
    if (bert_grow(&p->start, windows + 1, sizeof *p->start, e) ||
        bert_grow(&p->text, windows, sizeof *p->text, e) ||
        bert_grow(&p->ids, tokens, sizeof *p->ids, e) ||
        bert_grow(&p->type_ids, tokens, sizeof *p->type_ids, e))
        return e->code;
    p->start[0] = 0;
    memcpy(p->ids + used, w.ids, (size_t)w.n * sizeof *w.ids);
    memcpy(p->type_ids + used, w.type_ids, (size_t)w.n * sizeof *w.type_ids);
    p->text[p->windows++] = text;
    p->start[p->windows] = (int32_t)used + w.n;
    return 0;
}

static bert_encode_options encode_options(const bert_task_options *o, int32_t max_length) {
    bert_encode_options out = bert_encode_default();
    if (o->overflow == BERT_OVERFLOW_ERROR) return out;
    out.truncation = BERT_TRUNCATE_LONGEST_FIRST;
    out.max_length = max_length;
    if (o->overflow == BERT_OVERFLOW_WINDOW) {
        out.overflowing = true;
        out.stride = o->stride;
    }
    return out;
}

int bert_task_encode(bert_encoder *enc, const bert_text *t, int32_t number,
                     const bert_task_options *o, int32_t max_length, bert_text_info *info,
                     bert_error *e) {
    if (!t->text) return bert_fail(e, BERT_EINVAL, "text %d is NULL", number);
    const bert_encode_options options = encode_options(o, max_length);
    bert_error local = {0};
    int windows = bert_encode_windows(enc, t, &options, &local);
    if (windows < 0) return bert_fail(e, windows, "text %d: %s", number, local.message);
    const int32_t length = bert_encoder_full_length(enc);
    if (o->overflow == BERT_OVERFLOW_ERROR && length > max_length) {
        int shown = t->bytes < 40 ? (int)t->bytes : 40;
        return bert_fail(e, BERT_ETOOLONG,
                         "text %d (\"%.*s...\") has %d tokens, the limit is %d: choose to truncate "
                         "it or to read it in windows",
                         number, shown, t->text, length, max_length);
    }
    if (info) {
        const int32_t first = bert_encoder_window(enc, 0).n;
        const int32_t read = o->overflow == BERT_OVERFLOW_TRUNCATE ? first : length;
        *info = (bert_text_info){.tokens = read, .dropped = length - read, .windows = windows};
    }
    return windows;
}

/* The text with the prompt before it; a NULL text stays one. */
static int put_prompt(bert_windows *p, bert_text *t, bert_error *e) {
    const size_t n = p->prompt && t->text ? strlen(p->prompt) : 0;
    if (!n) return 0;
    if (t->bytes > SIZE_MAX - n) return bert_fail_memory(e, t->bytes);
    int rc = bert_grow(&p->prompted, n + t->bytes, 1, e);
    if (rc) return rc;
    memcpy(p->prompted, p->prompt, n);
    if (t->bytes) memcpy(p->prompted + n, t->text, t->bytes);
    t->text = p->prompted;
    t->bytes += n;
    return 0;
}

static int add_text(bert_encoder *enc, bert_windows *p, const bert_text *text, int32_t number,
                    const bert_task_options *o, int32_t max_length, bert_text_info *info,
                    bert_error *e) {
    bert_text t = *text;
    int rc = put_prompt(p, &t, e);
    if (rc) return rc;
    int windows = bert_task_encode(enc, &t, number, o, max_length, info, e);
    for (int i = 0; i < windows && !rc; i++)
        rc = add_window(p, bert_encoder_window(enc, i), p->texts, e);
    if (windows < 0 || rc) return windows < 0 ? windows : rc;
    p->texts++;
    return 0;
}

static int32_t enough_tokens(const bert_session *s) {
    return s->options.batch_tokens > PACK_TOKENS ? s->options.batch_tokens : PACK_TOKENS;
}

/* Windows from `from` on of the session's encoder: one at least, more while there is room. */
static int take(bert_session *s, bert_windows *p, int from, int windows, bert_error *e) {
    p->texts = p->windows = 0;
    int rc = 0;
    for (int i = from; i < windows && !rc; i++) {
        rc = add_window(p, bert_encoder_window(s->encoder, i), 0, e);
        if (!rc && p->start[p->windows] >= enough_tokens(s)) break;
    }
    return rc;
}

int bert_windows_logits(bert_session *s, const bert_inputs *in, const char *head, bert_outputs *out,
                        bert_error *e) {
    if (strcmp(bert_model_head(s->model), head))
        return bert_fail(e, BERT_EUNSUPPORTED, "%s has no %s head (its head: %s)", s->model->path,
                         head, bert_model_head(s->model));
    return bert_session_run(s, in, BERT_WANT_LOGITS | BERT_SKIP_HIDDEN, out, e);
}

int bert_windows_each(bert_session *s, int windows, const char *head,
                      int (*read)(void *context, const bert_encoding *w, const float *logits,
                                  bert_error *e),
                      void *context, bert_error *e) {
    const size_t labels = (size_t)s->model->config.num_labels;
    bert_windows p = {0};
    int rc = 0;
    for (int from = 0; from < windows && !rc; from += p.windows) {
        bert_outputs out;
        rc = take(s, &p, from, windows, e);
        const bert_inputs in = bert_windows_inputs(&p);
        if (!rc) rc = bert_windows_logits(s, &in, head, &out, e);
        for (int32_t i = 0; i < p.windows && !rc; i++) {
            bert_encoding w = bert_encoder_window(s->encoder, from + i);
            rc = read(context, &w, out.logits + labels * (size_t)p.start[i], e);
        }
    }
    bert_windows_free(&p);
    return rc;
}

int bert_windows_pack(bert_session *s, bert_windows *p, const bert_text *texts, int32_t n,
                      int32_t from, const bert_task_options *options, bert_text_info *info,
                      bert_error *e) {
    const int32_t max_length = bert_task_max_length(s->model, options, e);
    if (max_length < 0) return max_length;
    bert_encoder *enc = bert_session_encoder(s, e);
    if (!enc) return e->code;
    p->texts = p->windows = 0;
    int rc = 0;
    for (int32_t i = from; i < n && !rc; i++) {
        rc = add_text(enc, p, &texts[i], i, options, max_length, info ? &info[i] : NULL, e);
        if (!rc && p->start[p->windows] >= enough_tokens(s)) break;
    }
    return rc;
}

bert_inputs bert_windows_inputs(const bert_windows *p) {
    return (bert_inputs){
        .n = p->windows, .start = p->start, .ids = p->ids, .type_ids = p->type_ids};
}

void bert_windows_average(const bert_windows *p, const float *rows, int32_t cols, float *out) {
    for (int32_t w = 0; w < p->windows;) {
        int32_t end = w + 1;
        while (end < p->windows && p->text[end] == p->text[w]) end++;
        float *mean = out + (size_t)p->text[w] * (size_t)cols;
        if (end == w + 1) {
            memcpy(mean, rows + (size_t)w * (size_t)cols, (size_t)cols * sizeof *mean);
        } else {
            const float all = (float)(p->start[end] - p->start[w]);
            memset(mean, 0, (size_t)cols * sizeof *mean);
            for (int32_t i = w; i < end; i++) {
                float share = (float)(p->start[i + 1] - p->start[i]) / all;
                bert_host_axpy(mean, share, rows + (size_t)i * (size_t)cols, (size_t)cols);
            }
        }
        w = end;
    }
}
