/* Texts through a model, pack by pack: the one loop of all tasks. */
#ifndef BERT_PIPELINES_TEXTS_H
#define BERT_PIPELINES_TEXTS_H
#include "pipelines/pack.h"
#include "pipelines/results.h"

typedef struct {
    bert_session *s;
    const bert_text *texts;
    int32_t n;
    bert_text_options options; /* max_length, overflow, stride and keep_going count */
    bert_text_info *info;      /* [n] or NULL */
    void *context;
    /* What a task does with a pack of whole texts (with encodings: a text's windows may go on in
     * the next one). */
    int (*run)(void *context, const bert_windows *p, bert_error *e);
    /* Instead of bert_task_encode(), or NULL; and what it is given. */
    int (*encode)(void *own, bert_tokenization *enc, const bert_text *t, int32_t number,
                  bert_text_info *info, bert_error *e);
    void *own;
    /* Changes the last window of the pack, which has just been put in; or NULL. */
    int (*edit)(void *context, bert_windows *p, bert_error *e);
    const char *prompt; /* put before each text; NULL: nothing */
    bool lowers;        /* texts are read in lower case */
    bool encodings;
    int32_t pack_tokens; /* run at once; 0: as many as are good for most tasks */
    int32_t number;      /* of the first text in messages */
    int32_t alike;       /* so many texts are one to who reads messages; 0: 1 */
    int32_t row;         /* so many texts are in a pack together, or none of them; 0: 1 */
    /* The loop's own. */
    bert_windows pack;
    int32_t max_length, at;      /* the text that is read next, */
    int32_t window, windows;     /* which of its windows, if it is cut, of how many */
    bert_token_window ids;       /* its only one, where it is given as ids */
    char *prompted, *lowered[2]; /* a text with the prompt; it and its pair */
} bert_texts;

/* Runs all texts. What the task before has given is gone, its messages too. e is not NULL. */
int bert_texts_run(bert_texts *t, bert_error *e);
/* Whether an error may be of a text; others are of the machine, the model or the caller. */
bool bert_code_of_a_text(int code);
/* Text i has no result, because of *e: where the call keeps going this is noted in its info and *e
 * cleared, else *e is what the call fails with. */
int bert_texts_fail(bert_texts *t, int32_t i, bert_error *e);
bool bert_texts_failed(const bert_texts *t, int32_t i);
/* rows [n, cols]: those of texts that failed become zeros. */
void bert_texts_clear(const bert_texts *t, float *rows, int32_t cols);

/* A task that reads each window by its tokens' logits, and makes a list of results of each text. */
typedef struct {
    bert_output_kind outputs; /* of the head */
    void *context;
    bert_results *results;
    void (*begin)(void *context, int32_t text); /* or NULL */
    int (*read)(void *context, const bert_token_window *w, const float *logits, bert_error *e);
    int (*end)(void *context, int32_t windows,
               bert_error *e); /* all windows of the text are read */
} bert_window_reader;
/* Runs all texts that way; context, run and encodings are set here. */
int bert_texts_read(bert_texts *t, const bert_window_reader *reader, bert_error *e);
#endif
