/* What a family makes of SentencePiece's pieces. */
#ifndef BERT_TEXT_PIECE_LAYOUT_H
#define BERT_TEXT_PIECE_LAYOUT_H
#include <stdbool.h>
#include <stdint.h>

/* The steps that a family puts before SentencePiece's pieces. */
typedef struct {
    bool quotes;        /* `` and '' become " */
    bool strip_accents; /* NFKD without marks */
    bool lowercase;
    bool strip;       /* spaces at the ends go, and no others: words are cut at spaces alone */
    bool punctuation; /* stands alone */
    bool prepends;    /* a text that begins with no space gets one */
} bert_spm_options;
enum { BERT_SPM_FIRST = 5 };
/* The ids that it gives them: first these, then the file's without so many, then one more. */
typedef struct {
    struct {
        const char *name;
        double score;
    } first[BERT_SPM_FIRST];
    int drops;
    const char *last;
    int32_t unk; /* -1: as the file says */
    bert_spm_options options;
} bert_spm_layout;
#endif
