#include "pipelines/texts.h"
#include "base/error.h"
#include "base/grow.h"
#include <stdlib.h>
#include <string.h>

/* As many tokens are tokenized and run at once: enough that nothing waits, little enough that the
 * memory of a million texts is that of a batch. */
enum { PACK_TOKENS = 8192 };

/* ---- What becomes of a text that fails */

bool bert_code_of_a_text(int code) {
    return code == BERT_EINVAL || code == BERT_ETOOLONG || code == BERT_ENUMERIC;
}

int bert_texts_fail(bert_texts *t, int32_t i, bert_error *e) {
    if (!t->options.keep_going || !bert_code_of_a_text(e->code)) return e->code;
    const bert_error why = *e;
    bert_error_clear(e);
    const char *message = bert_arena_strdup(&t->s->results, why.message);
    if (!message) return bert_fail_memory(e, sizeof why.message);
    t->info[i] = (bert_text_info){.code = why.code, .message = message};
    return 0;
}

bool bert_texts_failed(const bert_texts *t, int32_t i) {
    return t->options.keep_going && t->info[i].code;
}

void bert_texts_clear(const bert_texts *t, float *rows, int32_t cols) {
    const size_t width = (size_t)cols;
    for (int32_t i = 0; i < t->n; i++)
        if (bert_texts_failed(t, i)) memset(rows + (size_t)i * width, 0, width * sizeof *rows);
}

/* ---- A pack */

/* The text with the prompt before it; a NULL text stays one. */
static int put_prompt(bert_texts *t, bert_text *text, bert_error *e) {
    const size_t n = t->prompt && text->text ? strlen(t->prompt) : 0;
    if (!n) return 0;
    if (text->bytes > SIZE_MAX - n) return bert_fail_memory(e, text->bytes);
    int rc = bert_grow(&t->prompted, n + text->bytes, 1, e);
    if (rc) return rc;
    memcpy(t->prompted, t->prompt, n);
    if (text->bytes) memcpy(t->prompted + n, text->text, text->bytes);
    text->text = t->prompted;
    text->bytes += n;
    return 0;
}

static int put_lower(bert_texts *t, bert_text *text, bert_error *e) {
    const bert_tokenizer *tokenizer = bert_model_tokenizer(t->s->model);
    int rc = 0;
    if (t->lowers && text->text) {
        rc = bert_task_lower(tokenizer, text->text, &text->bytes, &t->lowered[0], e);
        text->text = t->lowered[0];
    }
    if (t->lowers && text->pair && !rc) {
        rc = bert_task_lower(tokenizer, text->pair, &text->pair_bytes, &t->lowered[1], e);
        text->pair = t->lowered[1];
    }
    return rc;
}

static int encode(bert_texts *t, bert_error *e) {
    bert_text text = t->texts[t->at];
    bert_text_info *info = t->info ? &t->info[t->at] : NULL;
    const int32_t number = t->number + (t->alike ? t->at / t->alike : t->at);
    bert_tokenization *enc = t->s->tokenization;
    if (text.ids && (t->encodings || t->encode))
        return bert_fail(e, BERT_EINVAL, "text %d is given as ids, and this task reads text",
                         number);
    if (text.ids)
        return bert_task_ids(t->s->model, &text, number, &t->options, t->max_length, info, &t->ids,
                             e);
    int rc = put_prompt(t, &text, e);
    if (!rc) rc = put_lower(t, &text, e);
    if (rc) return rc;
    return t->encode ? t->encode(t->own, enc, &text, number, info, e)
                     : bert_task_encode(enc, &text, number, &t->options, t->max_length, info, e);
}

static bool is_full(const bert_texts *t) {
    const int32_t most = t->pack_tokens ? t->pack_tokens : PACK_TOKENS;
    const int32_t batch = t->s->options.batch_tokens;
    if (t->row > 1 && t->pack.texts % t->row) return false;
    return t->pack.windows &&
           t->pack.start[t->pack.windows] >= (!t->pack_tokens && batch > most ? batch : most);
}

/* Windows of the text that is in the encoder: all, or while there is room. */
static int take_windows(bert_texts *t, bert_error *e) {
    const int32_t text = t->at - t->pack.first;
    int rc = 0;
    while (t->window < t->windows && !rc) {
        const bool ids = t->texts[t->at].ids != NULL;
        const bert_token_window w =
            ids ? t->ids : bert_tokenization_window(t->s->tokenization, t->window);
        t->window++;
        rc = bert_windows_add(&t->pack, w, text, e);
        if (!rc && t->edit) rc = t->edit(t->context, &t->pack, e);
        if (t->encodings && is_full(t)) break;
    }
    t->pack.texts = text + 1;
    return rc;
}

/* Fills the pack: one text at least, more while there is room. */
static int fill(bert_texts *t, bert_error *e) {
    t->pack.first = t->at;
    t->pack.texts = t->pack.windows = 0;
    while (t->at < t->n && !is_full(t)) {
        if (bert_session_check(t->s, e)) return e->code;
        if (t->window == t->windows) {
            t->window = t->windows = 0;
            const int windows = encode(t, e);
            if (windows > 0) t->windows = windows;
        }
        int rc = t->windows ? take_windows(t, e) : bert_texts_fail(t, t->at, e);
        if (rc) return rc;
        if (!t->windows) t->pack.texts = t->at - t->pack.first + 1;
        if (t->window == t->windows) t->at++;
    }
    return 0;
}

/* ---- Running it */

/* Which of them is it? Each by itself, to the same bits. */
static int run_each(bert_texts *t, bert_error *e) {
    int rc = 0;
    for (int32_t k = 0; k < t->pack.texts && !rc; k++) {
        bert_windows one;
        if (!bert_windows_of(&t->pack, k, &one, e)) {
            rc = e->code;
            continue;
        }
        if (t->run(t->context, &one, e)) rc = bert_texts_fail(t, one.first, e);
        free(one.start);
        free(one.text);
    }
    return rc;
}

static int run_pack(bert_texts *t, bert_error *e) {
    bert_error local = {0};
    int rc = t->pack.windows ? t->run(t->context, &t->pack, &local) : 0;
    if (t->options.keep_going && bert_code_of_a_text(rc)) return run_each(t, e);
    return rc ? bert_fail(e, rc, "%s", local.message) : 0;
}

static int run(bert_texts *t, bert_error *e) {
    if (t->options.keep_going && !t->info)
        return bert_fail(e, BERT_EINVAL, "keep_going: there is no info to say which texts failed");
    t->max_length = bert_task_max_length(t->s->model, &t->options, e);
    if (t->max_length < 0) return t->max_length;
    if (!bert_session_tokenization(t->s, e)) return e->code;
    t->pack.encodings = t->encodings;
    int rc = 0;
    while (t->at < t->n && !rc) {
        rc = fill(t, e);
        if (!rc) rc = run_pack(t, e);
        if (rc || t->window == t->windows || !bert_texts_failed(t, t->at)) continue;
        t->window = t->windows; /* the rest of a text that has failed */
        t->at++;
    }
    return rc;
}

int bert_texts_run(bert_texts *t, bert_error *e) {
    int rc = t->n > 0 ? run(t, e) : 0;
    bert_windows_free(&t->pack);
    bert_grown_free(t->prompted);
    for (int i = 0; i < 2; i++) bert_grown_free(t->lowered[i]);
    t->lowered[0] = t->lowered[1] = NULL;
    t->prompted = NULL;
    return rc;
}

/* ---- Window by window */

typedef struct {
    bert_texts *texts;
    const bert_window_reader *reader;
    int32_t text, windows; /* the one that is read, -1: none; its windows so far */
} reading;

static int end_text(reading *r, bert_error *e) {
    const bert_window_reader *to = r->reader;
    if (r->text < 0) return 0;
    if (!bert_texts_failed(r->texts, r->text)) return to->end(to->context, r->windows, e);
    to->results->count = to->results->start[r->text];
    return 0;
}

static int begin_text(reading *r, int32_t text, bert_error *e) {
    const bert_window_reader *to = r->reader;
    if (r->text == text) return 0;
    int rc = end_text(r, e);
    if (rc) return rc;
    r->text = text;
    r->windows = 0;
    bert_results_begin(to->results, text);
    if (to->begin) to->begin(to->context, text);
    return 0;
}

static int read_pack(void *context, const bert_windows *p, bert_error *e) {
    reading *r = context;
    bert_session *s = r->texts->s;
    const size_t labels = (size_t)s->model->config.num_labels;
    const bert_inputs in = bert_windows_inputs(p);
    bert_outputs out;
    int rc = bert_windows_logits(s, &in, r->reader->outputs, &out, e);
    for (int32_t i = 0; i < p->windows && !rc; i++) {
        const bert_token_window w = bert_windows_at(p, i);
        const float *logits = out.logits + labels * (size_t)p->start[i];
        rc = begin_text(r, p->first + p->text[i], e);
        if (!rc) rc = r->reader->read(r->reader->context, &w, logits, e);
        r->windows++;
    }
    return rc;
}

int bert_texts_read(bert_texts *t, const bert_window_reader *reader, bert_error *e) {
    reading r = {.texts = t, .reader = reader, .text = -1};
    t->context = &r;
    t->run = read_pack;
    t->encodings = true;
    int rc = bert_texts_run(t, e);
    if (!rc) rc = end_text(&r, e);
    bert_results_begin(reader->results, t->n);
    return rc;
}
