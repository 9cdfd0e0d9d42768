/* Prompts: what sentence-transformers puts before each text. */
#include "base/error.h"
#include "base/grow.h"
#include "pipelines/pack.h"
#include "text/tokenizer.h"
#include <string.h>

/* The prompt that encode_query() and encode_document() take: the first of those that is there. */
static const char *prompt_of_side(const bert_model *m, bert_side side) {
    static const char *const names[BERT_SIDE_COUNT][4] = {
        [BERT_SIDE_QUERY] = {"query"}, [BERT_SIDE_DOCUMENT] = {"document", "passage", "corpus"}};
    for (int i = 0; (unsigned)side < BERT_SIDE_COUNT && names[side][i]; i++)
        if (json_object_get(m->sentence.prompts, names[side][i])) return names[side][i];
    return NULL;
}

int bert_task_prompt(const bert_model *m, const bert_text_options *o, const char **prompt,
                     bert_error *e) {
    const char *name = o->prompt_name ? o->prompt_name : prompt_of_side(m, o->side);
    *prompt = o->prompt ? o->prompt : bert_sentence_prompt(&m->sentence, name, m->path, e);
    return *prompt ? 0 : e->code;
}

bool bert_task_lowers(const bert_model *m) {
    return m->sentence.lowercase && m->tokenizer && !m->tokenizer->normalizer.lowercase;
}

int bert_task_lower(const bert_tokenizer *t, const char *text, size_t *n, char **out,
                    bert_error *e) {
    if (*n > SIZE_MAX / 3 - 1) return bert_fail_memory(e, *n);
    int rc = bert_grow(out, 3 * *n + 1, 1, e);
    if (!rc) *n = bert_tokenizer_lower(t, text, *n, *out);
    return rc;
}

/* A token that the template, or the text, has as a special one. */
static bool is_special(const bert_tokenizer *t, const bert_token_window *w, int32_t i) {
    const bert_special_ids s = bert_tokenizer_special(t);
    const int32_t id = w->ids[i];
    return w->special_tokens_mask[i] || id == s.pad || id == s.unk || id == s.cls || id == s.sep ||
           id == s.mask;
}

int bert_task_prompt_tokens(bert_session *s, const bert_text_options *o, const char *prompt,
                            int32_t *tokens, bert_error *e) {
    *tokens = 0;
    if (!*prompt) return 0;
    const int32_t limit = bert_task_max_length(s->model, o, e);
    bert_tokenization *enc = limit < 0 ? NULL : bert_session_tokenization(s, e);
    if (!enc) return limit < 0 ? limit : e->code;
    bert_tokenize_options options = bert_tokenize_default();
    options.truncation = BERT_TRUNCATE_LONGEST_FIRST;
    options.max_length = limit;
    size_t n = strlen(prompt);
    char *lowered = NULL;
    int rc = bert_task_lowers(s->model)
                 ? bert_task_lower(bert_model_tokenizer(s->model), prompt, &n, &lowered, e)
                 : 0;
    int windows = rc ? rc : bert_tokenize(enc, lowered ? lowered : prompt, n, NULL, 0, &options, e);
    bert_grown_free(lowered);
    if (windows < 0) return windows;
    const bert_token_window w = bert_tokenization_window(enc, 0);
    *tokens = w.n && is_special(bert_model_tokenizer(s->model), &w, w.n - 1) ? w.n - 1 : w.n;
    return 0;
}
