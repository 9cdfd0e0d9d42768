/* Embeds texts and compares the first with the others: embed MODEL TEXT.. */
#include <bert.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    bert_error e = {0};
    int n = argc - 2;
    if (n < 1) return fprintf(stderr, "usage: %s MODEL TEXT..\n", argv[0]), 2;

    bert_model *model = bert_model_open(argv[1], NULL, &e);
    bert_session *session = model ? bert_session_new(model, NULL, &e) : NULL;
    int32_t dim = model ? bert_model_embedding_size(model, NULL) : 0;
    bert_text *texts = calloc((size_t)n, sizeof *texts);
    float *vectors = calloc((size_t)n * (size_t)dim + 1, sizeof *vectors);

    if (session && texts && vectors) {
        for (int i = 0; i < n; i++) texts[i] = bert_text_of(argv[2 + i]);
        if (!bert_embed(session, texts, n, NULL, vectors, NULL, &e))
            for (int i = 0; i < n; i++)
                printf("%.4f  %s\n", bert_cosine(vectors, vectors + (size_t)i * (size_t)dim, dim),
                       argv[2 + i]);
    }
    if (e.code) fprintf(stderr, "%s: %s\n", argv[0], e.message);

    free(vectors);
    free(texts);
    bert_session_free(session);
    bert_model_close(model);
    return e.code != 0;
}
