/* The steps of building a tokenizer, in the order in which they are taken. */
#ifndef BERT_TEXT_LOAD_H
#define BERT_TEXT_LOAD_H
#include "files/json.h"
#include "text/piece_layout.h"
#include "text/tokenizer.h"

/* Defaults: WordPiece with these names and BERT's normaliser, nothing in the vocabulary. */
void bert_tokenizer_defaults(bert_tokenizer *t, const char *const names[BERT_SPECIALS]);

/* Room for steps, and those of BERT. */
int bert_tokenizer_steps(bert_tokenizer *t, bert_error *e);

/* The model's vocabulary: room for `bytes` of text and about so many tokens, then each
 * token. A token given twice keeps its last id; an id given twice is an
 * error. */
int bert_vocabulary_start(bert_tokenizer *t, size_t bytes, size_t tokens, bert_error *e);
int bert_vocabulary_add(bert_tokenizer *t, const char *token, size_t bytes, int32_t id,
                        const char *where, bert_error *e);

/* An added token; id as the file has it, or -1. Its real id is that of the vocabulary or the next
 * free one, as in the reference; a file that says otherwise is refused. token.content is copied. */
int bert_add_token(bert_tokenizer *t, bert_added_token token, const char *where, bert_error *e);

/* The text of a file, with a NUL behind it; where: what to call it in messages. */
int bert_load_tokenizer_json(bert_tokenizer *t, const char *text, size_t bytes, const char *where,
                             bert_error *e);
int bert_load_vocab_txt(bert_tokenizer *t, const char *text, size_t bytes, const char *where,
                        bert_error *e);

/* The steps of a vocab.txt of letters, EsmTokenizer's: words between what Python's str.split() takes
 * for space. */
void bert_set_letters(bert_tokenizer *t);

/* A SentencePiece file, in the layout of a family. */
int bert_load_pieces(bert_tokenizer *t, const char *text, size_t bytes,
                     const bert_spm_layout *layout, const char *where, bert_error *e);
/* vocab.json and merges.txt */
int bert_load_merges(bert_tokenizer *t, const char *vocab, size_t vocab_bytes, const char *where,
                     const char *merges, size_t merges_bytes, const char *merges_where,
                     bool add_prefix_space, bert_error *e);

/* The usual templates: [CLS] A [SEP] and [CLS] A [SEP] B [SEP], RoBERTa's, or A and A B. The names
 * are not copied. */
int bert_set_templates(bert_tokenizer *t, bert_post post, const bert_ends *ends, bert_error *e);

/* Fills in what follows from the rest; the last step. */
int bert_tokenizer_finish(bert_tokenizer *t, const char *where, bert_error *e);

/* Reads {"content": ..., "lstrip": ...}; absent flags are false. */
int bert_added_token_of(const json_t *object, bert_added_token *token, const char *where,
                        bert_error *e);
char *bert_tokenizer_strdup(bert_tokenizer *t, const char *s, bert_error *e);
#endif
