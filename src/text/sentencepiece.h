/* SentencePiece's .model files: a protobuf message of pieces, how they were trained, and how text
 * is normalized. */
#ifndef BERT_TEXT_SENTENCEPIECE_H
#define BERT_TEXT_SENTENCEPIECE_H
#include <bert.h>
#include <stddef.h>

typedef enum {
    BERT_PIECE_NORMAL = 1,
    BERT_PIECE_UNKNOWN,
    BERT_PIECE_CONTROL,
    BERT_PIECE_USER,
    BERT_PIECE_UNUSED,
    BERT_PIECE_BYTE
} bert_spm_type;

typedef struct {
    const char *text; /* in the file; no NUL at its end */
    size_t bytes;
    double score;
    int type;
} bert_spm_piece;

typedef struct {
    bert_spm_piece *pieces; /* malloc'ed */
    size_t n;
    int model_type; /* 1: Unigram, 2: BPE */
    int unk_id;
    const uint8_t *charsmap;
    size_t charsmap_bytes;
} bert_spm;

/* Reads a file of so many bytes, which must outlive m. where: the file, in messages. */
int bert_spm_read(bert_spm *m, const void *data, size_t bytes, const char *where, bert_error *e);
void bert_spm_free(bert_spm *m);
#endif
