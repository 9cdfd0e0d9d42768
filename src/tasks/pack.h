/* Texts to packed windows: what every task does before the model runs. */
#ifndef BERT_TASKS_PACK_H
#define BERT_TASKS_PACK_H
#include "models/session.h"

/* Windows end to end, and the text each came from. */
typedef struct {
    int32_t texts;   /* how many texts are in */
    int32_t windows; /* at least one for each text */
    int32_t *start;  /* [windows + 1] */
    int32_t *text;   /* [windows]: 0 .. texts-1 */
    int32_t *ids, *type_ids;
    const char *prompt; /* put before each text; NULL: nothing */
    char *prompted;     /* a text with it */
} bert_windows;
void bert_windows_free(bert_windows *p);

/* What is put before each text: "" where there is nothing. */
int bert_task_prompt(const bert_model *m, const bert_task_options *o, const char **prompt,
                     bert_error *e);
/* How many tokens at the front of a text are a prompt's, as sentence-transformers counts them:
 * those of the prompt alone, less a special token at its end. */
int bert_task_prompt_tokens(bert_session *s, const bert_task_options *o, const char *prompt,
                            int32_t *tokens, bert_error *e);
/* The limit that options and checkpoint set, in tokens; or a negative error. */
int32_t bert_task_max_length(const bert_model *m, const bert_task_options *options, bert_error *e);
/* Fills p (zero-initialised or filled before) with texts from `from` on: one at least, more while
 * there is room in a batch. info [n] or NULL; e is not NULL. */
int bert_windows_pack(bert_session *s, bert_windows *p, const bert_text *texts, int32_t n,
                      int32_t from, const bert_task_options *options, bert_text_info *info,
                      bert_error *e);
bert_inputs bert_windows_inputs(const bert_windows *p);

/* Encodes one text under the options into enc's windows: their number, or a negative error that
 * calls it text `number`. info may be NULL. */
int bert_task_encode(bert_encoder *enc, const bert_text *t, int32_t number,
                     const bert_task_options *o, int32_t max_length, bert_text_info *info,
                     bert_error *e);
/* Runs packed windows through the head of that name; a model with another one is an error. */
int bert_windows_logits(bert_session *s, const bert_inputs *in, const char *head, bert_outputs *out,
                        bert_error *e);
/* Calls read for each of the session's encoder's windows, 0 .. windows-1, with the head's logits of
 * its tokens; a result other than 0 ends it. */
int bert_windows_each(bert_session *s, int windows, const char *head,
                      int (*read)(void *context, const bert_encoding *w, const float *logits,
                                  bert_error *e),
                      void *context, bert_error *e);

/* out [texts, cols] = for each text the mean of its windows' rows [windows, cols], weighted by
 * their tokens. A single window is copied, to the bit. */
void bert_windows_average(const bert_windows *p, const float *rows, int32_t cols, float *out);
#endif
