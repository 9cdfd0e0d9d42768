#include "text/save_pieces.h"
#include "text/rust_number.h"
#include "text/unigram.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static bool put_piece(FILE *f, const char *token, double score, bool first) {
    json_t *o = json_string(token);
    char *piece = json_dumps(o, JSON_ENCODE_ANY), number[BERT_NUMBER_TEXT];
    bert_rust_spell(score, number);
    if (piece) fprintf(f, "%s\n      [%s, %s]", first ? "" : ",", piece, number);
    const bool good = piece;
    free(piece);
    json_decref(o);
    return good;
}

/* Behind the bracket of the model's vocabulary: the last one, for a special token may be called so;
 * within strings quotes have a backslash. */
static const char *find_place(const char *text) {
    static const char vocab[] = "\"vocab\":";
    const char *place = text;
    for (const char *p = text; (p = strstr(p, vocab)); p++) place = p;
    return strchr(place, '[') + 1;
}

char *bert_put_pieces(const bert_tokenizer *t, char *text) {
    char *whole = NULL;
    const char *place = find_place(text);
    size_t n = 0;
    FILE *f = open_memstream(&whole, &n);
    bool good = f && fwrite(text, 1, (size_t)(place - text), f) == (size_t)(place - text);
    for (int32_t i = 0; i < t->model_size && good; i++)
        good = put_piece(f, t->tokens[i], t->unigram->scores[i], !i);
    good = good && fputs(place, f) >= 0;
    if (f && fclose(f)) good = false;
    free(text);
    if (good) return whole;
    free(whole);
    return NULL;
}
