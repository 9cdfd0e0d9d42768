/* Files of labelled words, to the sentences and rows of a token classification set. */
#ifndef BERT_DATA_SENTENCE_READER_H
#define BERT_DATA_SENTENCE_READER_H
#include "data/sentences.h"

/* The sentence that is being read: its words' tokens end to end. */
typedef struct {
    bert_dataset_builder *b;
    bert_sentences *all;
    int32_t *ids;
    int32_t *word_end; /* [words] in ids */
    int32_t tokens, words;
    bool label_all;             /* every token of a word has its label, not the first alone */
    int64_t line;               /* of its first word */
    int32_t *row, *row_labels;  /* [max_length] */
    int64_t empty, first_empty; /* words that give no tokens, and the line of the first */
} bert_sentence_reader;

/* A word of the sentence; and the sentence's end, where it has words. */
int bert_sentence_word(bert_sentence_reader *s, const char *word, size_t bytes, const char *label,
                       size_t label_bytes, int64_t line, bert_error *e);
int bert_sentence_end(bert_sentence_reader *s, bert_error *e);

/* token_columns.c: a word a line, CoNLL's columns, .tsv or .csv. */
int bert_read_word_lines(bert_sentence_reader *s, const char *path, bert_error *e);
/* token_json.c: {"tokens": [..], "ner_tags": [..]}. */
int bert_read_word_lists(bert_sentence_reader *s, const char *path, bert_error *e);
/* sentence_labels.c: once all words are there. */
int bert_sentences_resolve(bert_dataset_builder *b, bert_error *e);
#endif
