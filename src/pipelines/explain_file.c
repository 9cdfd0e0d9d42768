#include "pipelines/explain_file.h"
#include "base/error.h"
#include "base/grow.h"
#include "base/number.h"
#include "text/code_place.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const bert_explain_format *const formats[] = {&bert_explain_html, &bert_explain_svg,
                                                     &bert_explain_png};

static const bert_explain_format *format_of(const char *path, bert_error *e) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (bert_file_has_suffix(path, formats[i]->suffix)) return formats[i];
    char known[100] = "";
    for (size_t i = 0, used = 0; i < sizeof formats / sizeof *formats; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                                 formats[i]->suffix);
    bert_fail(e, BERT_EINVAL, "%s: explanations are written to files that end in %s", path, known);
    return NULL;
}

bert_explain_file *bert_explain_file_open(const char *path, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(path, "path of a file of explanations", e)) return NULL;
    const bert_explain_format *format = format_of(path, e);
    bert_explain_file *f = format ? calloc(1, sizeof *f) : NULL;
    if (!f) {
        if (format) bert_fail_memory(e, sizeof *f);
        return NULL;
    }
    f->format = format;
    f->page.e = &f->error;
    f->page.w = bert_writer_open(path, e);
    f->path = strdup(path);
    if (f->page.w && f->path) {
        format->begin(f);
        return f;
    }
    if (!e->code) bert_fail_memory(e, strlen(path));
    bert_explain_file_abort(f);
    return NULL;
}

int bert_explain_file_add(bert_explain_file *f, const bert_explanation *x, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(f, "file of explanations", e) || bert_need(x, "explanation", e))
        return BERT_EINVAL;
    if (!f->page.rc) f->format->add(f, x);
    f->count++;
    return f->page.rc ? bert_fail(e, f->page.rc, "%s", f->error.message) : 0;
}

static void release(bert_explain_file *f) {
    bert_grown_free(f->body);
    free(f->path);
    free(f);
}

int bert_explain_file_close(bert_explain_file *f, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(f, "file of explanations", e)) return BERT_EINVAL;
    if (!f->page.rc) f->format->end(f);
    int rc = f->page.rc;
    if (rc) {
        bert_fail(e, rc, "%s", f->error.message);
        bert_writer_abort(f->page.w);
    } else {
        rc = bert_writer_commit(f->page.w, e);
    }
    release(f);
    return rc;
}

void bert_explain_file_abort(bert_explain_file *f) {
    if (!f) return;
    bert_writer_abort(f->page.w);
    release(f);
}

/* ---- What an explanation is made of */

/* The next token of the sequence, from i on; x->tokens: there is none. */
static int32_t token_of(const bert_explanation *x, int32_t sequence, int32_t i) {
    while (i < x->tokens && x->of_token[i].sequence != sequence) i++;
    return i;
}

bool bert_explained_next(const bert_explanation *x, int32_t sequence, bert_run_place *at,
                         bert_explained_run *run) {
    const char *text = sequence ? x->text.pair : x->text.text;
    const size_t bytes = sequence ? x->text.pair_bytes : x->text.bytes;
    if (!text || at->byte >= bytes) return false;
    int32_t i = token_of(x, sequence, at->token), end = at->point;
    const int32_t from = at->point;
    *run = (bert_explained_run){.text = text + at->byte};
    if (i == x->tokens) {
        run->bytes = bytes - at->byte;
        at->byte = bytes;
        return true;
    }
    if (x->of_token[i].start > from) {
        end = x->of_token[i].start;
    } else {
        /* This token, and those that have some of its characters. */
        run->scored = true;
        end = x->of_token[i].end;
        do {
            const bert_explained_token *t = &x->of_token[i];
            run->score += (double)t->score;
            if (t->end > end) end = t->end;
            at->token = i + 1;
            i = token_of(x, sequence, at->token);
        } while (i < x->tokens && x->of_token[i].start < end);
    }
    bert_code_place rest = bert_code_place_of(text + at->byte, bytes - at->byte);
    const size_t to = at->byte + bert_code_place_to(&rest, end - from);
    run->bytes = to - at->byte;
    at->byte = to;
    at->point = end;
    return true;
}

double bert_explained_most(const bert_explanation *x) {
    double most = 0;
    for (int32_t i = 0; i < x->tokens; i++) most = fmax(most, fabs((double)x->of_token[i].score));
    return most > 0 ? most : 1;
}

bool bert_explained_special(const bert_explanation *x, const bert_explained_token *t) {
    return t->sequence < 0 && fabs((double)t->score) > 0.005 * bert_explained_most(x);
}

void bert_explained_title(const bert_explanation *x, char *out, size_t capacity) {
    size_t used = 0;
    const char *label = x->label ? x->label : "";
    int n = bert_snprintf(out, capacity, "%.100s", label);
    used = n < 0 ? 0 : (size_t)n;
    if (x->word && used < capacity)
        used += (size_t)bert_snprintf(out + used, capacity - used, "%sof \"%.60s\"",
                                      used ? " " : "", x->word);
    if (!isnan(x->output) && used < capacity)
        used += (size_t)bert_snprintf(out + used, capacity - used, " %.4g", (double)x->output);
    if (used < capacity)
        used += (size_t)bert_snprintf(out + used, capacity - used, "%s%s", used ? " · " : "",
                                      bert_explain_method_name(x->method));
    if (!isnan(x->base_output) && used < capacity)
        bert_snprintf(out + used, capacity - used, " · at the base %.4g · error of the sum %.1e",
                      (double)x->base_output, fabs(x->delta));
}
