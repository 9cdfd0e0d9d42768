/* Prompts: what sentence-transformers puts before each text. */
#include "base/error.h"
#include "tasks/pack.h"
#include <string.h>

int bert_task_prompt(const bert_model *m, const bert_task_options *o, const char **prompt,
                     bert_error *e) {
    bert_error local = {0};
    *prompt =
        o->prompt ? o->prompt : bert_sentence_prompt(&m->sentence, o->prompt_name, m->path, &local);
    return *prompt ? 0 : bert_fail(e, local.code, "%s", local.message);
}

/* A token that the template, or the text, has as a special one. */
static bool is_special(const bert_tokenizer *t, const bert_encoding *w, int32_t i) {
    const bert_special_ids s = bert_tokenizer_special(t);
    const int32_t id = w->ids[i];
    return w->special_tokens_mask[i] || id == s.pad || id == s.unk || id == s.cls || id == s.sep ||
           id == s.mask;
}

int bert_task_prompt_tokens(bert_session *s, const bert_task_options *o, const char *prompt,
                            int32_t *tokens, bert_error *e) {
    *tokens = 0;
    if (!*prompt) return 0;
    const int32_t limit = bert_task_max_length(s->model, o, e);
    bert_encoder *enc = limit < 0 ? NULL : bert_session_encoder(s, e);
    if (!enc) return limit < 0 ? limit : bert_error_code(e, BERT_EINVAL);
    bert_encode_options options = bert_encode_default();
    options.truncation = BERT_TRUNCATE_LONGEST_FIRST;
    options.max_length = limit;
    int windows = bert_encode(enc, prompt, strlen(prompt), NULL, 0, &options, e);
    if (windows < 0) return windows;
    const bert_encoding w = bert_encoder_window(enc, 0);
    *tokens = w.n && is_special(bert_model_tokenizer(s->model), &w, w.n - 1) ? w.n - 1 : w.n;
    return 0;
}
