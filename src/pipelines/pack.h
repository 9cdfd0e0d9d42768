/* Texts to packed windows: what every task does before the model runs. */
#ifndef BERT_PIPELINES_PACK_H
#define BERT_PIPELINES_PACK_H
#include "models/session.h"

/* Windows end to end, and the text each came from. A text that failed has a place among the texts,
 * and no window. */
typedef struct {
    int32_t first;   /* number of the first text */
    int32_t texts;   /* how many are in */
    int32_t windows; /* of all of them */
    int32_t *start;  /* [windows + 1] */
    int32_t *text;   /* [windows]: 0 .. texts-1 */
    int32_t *ids, *type_ids;
    bool hides;        /* some tokens are not seen by attention: */
    int32_t *attended; /* [windows], those that are; else NULL */
    bool encodings;    /* the rest of a bert_token_window is kept too: */
    int32_t *word_ids, *sequence_ids, (*offsets)[2];
    uint8_t *special;
} bert_windows;
void bert_windows_free(bert_windows *p);
int bert_windows_add(bert_windows *p, bert_token_window w, int32_t text, bert_error *e);
/* Puts n tokens of that id before token `at` of the last window; of packs without encodings. */
int bert_windows_insert(bert_windows *p, int32_t at, int32_t id, int32_t n, bert_error *e);
/* Attention sees only the first n tokens of the last window. */
int bert_windows_attend(bert_windows *p, int32_t n, bert_error *e);
bert_inputs bert_windows_inputs(const bert_windows *p);
/* Window w, of a pack that keeps encodings. */
bert_token_window bert_windows_at(const bert_windows *p, int32_t w);
/* The windows of text k of p as a pack of their own; false where it has none. What it points to is
 * p's but for start and text, which are to be freed. */
bool bert_windows_of(const bert_windows *p, int32_t k, bert_windows *one, bert_error *e);
/* out [texts, cols] = for each text the mean of its windows' rows [windows, cols], weighted by
 * their tokens; zeros for one without. A single window is copied, to the bit. */
void bert_windows_average(const bert_windows *p, const float *rows, int32_t cols, float *out);
/* Runs packed windows through a head with such outputs; a model with another one is an error. */
int bert_windows_logits(bert_session *s, const bert_inputs *in, bert_output_kind outputs,
                        bert_outputs *out, bert_error *e);

/* What is put before each text: "" where there is nothing. */
int bert_task_prompt(const bert_model *m, const bert_text_options *o, const char **prompt,
                     bert_error *e);
/* How many tokens at the front of a text are a prompt's, as sentence-transformers counts them:
 * those of the prompt alone, less a special token at its end. */
int bert_task_prompt_tokens(bert_session *s, const bert_text_options *o, const char *prompt,
                            int32_t *tokens, bert_error *e);
/* Whether sentence-transformers puts texts in lower case, which the tokenizer does not. */
bool bert_task_lowers(const bert_model *m);
/* The text in lower case, in *out, an array that grows; *n: its length, before and after. */
int bert_task_lower(const bert_tokenizer *t, const char *text, size_t *n, char **out,
                    bert_error *e);
/* The limit that options and checkpoint set, in tokens; or a negative error. */
int32_t bert_task_max_length(const bert_model *m, const bert_text_options *options, bert_error *e);
/* The same as bert_task_encode() below for a text that is given as ids: its one window. */
int bert_task_ids(const bert_model *m, const bert_text *t, int32_t number,
                  const bert_text_options *o, int32_t max_length, bert_text_info *info,
                  bert_token_window *w, bert_error *e);
/* Encodes one text under the options into enc's windows: their number, or a negative error that
 * calls it text `number`. info may be NULL. */
int bert_task_encode(bert_tokenization *enc, const bert_text *t, int32_t number,
                     const bert_text_options *o, int32_t max_length, bert_text_info *info,
                     bert_error *e);
#endif
