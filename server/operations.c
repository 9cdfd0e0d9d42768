#include "operations.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(bert_error *e) {
    *e = (bert_error){.code = BERT_ENOMEM, .message = "out of memory"};
    return BERT_ENOMEM;
}

/* What the library takes: texts, and room for what it says of them. */
typedef struct {
    bert_text *texts;
    bert_text_info *info;
    float *out;
} work;

static void work_free(work *w) {
    free(w->texts);
    free(w->info);
    free(w->out);
}

static int work_open(work *w, item *const *items, int32_t n, int32_t columns, bert_error *e) {
    const size_t rows = (size_t)n;
    *w = (work){.texts = calloc(rows, sizeof *w->texts),
                .info = calloc(rows, sizeof *w->info),
                .out = calloc(rows * (size_t)columns + 1, sizeof *w->out)};
    if (!w->texts || !w->info || !w->out) return no_memory(e);
    for (size_t i = 0; i < rows; i++)
        w->texts[i] = (bert_text){.text = items[i]->text,
                                  .bytes = items[i]->bytes,
                                  .pair = items[i]->pair,
                                  .pair_bytes = items[i]->pair_bytes,
                                  .ids = items[i]->ids,
                                  .ids_count = items[i]->ids_count};
    return 0;
}

static int keep(item *i, const float *values, int32_t n, bert_error *e) {
    i->values = malloc(((size_t)n + 1) * sizeof *i->values);
    if (!i->values) return no_memory(e);
    if (n) memcpy(i->values, values, (size_t)n * sizeof *values);
    i->count = n;
    return 0;
}

static int keep_rows(const work *w, item *const *items, int32_t n, int32_t columns, bert_error *e) {
    int rc = 0;
    for (int32_t i = 0; i < n && !rc; i++)
        rc = keep(items[i], w->out + (size_t)i * (size_t)columns, columns, e);
    return rc;
}

/* Long texts were refused before, where that was asked for. */
static bert_text_options text_options(void) {
    bert_text_options o = bert_text_default();
    o.overflow = BERT_OVERFLOW_TRUNCATE;
    o.prompt = "";
    return o;
}

/* ---- Vectors */

static int run_pictures(bert_session *s, const exchange *x, item *const *items, int32_t n,
                        bool labels, bert_error *e) {
    bert_picture_options o = bert_picture_default();
    o.normalize = x->wish.normalize > 0;
    const int32_t columns =
        labels ? x->model->labels : bert_model_picture_embedding_size(x->model->model, &o);
    bert_picture *pictures = calloc((size_t)n, sizeof *pictures);
    bert_picture_info *info = calloc((size_t)n, sizeof *info);
    float *out = calloc((size_t)n * (size_t)columns, sizeof *out);
    int rc = pictures && info && out ? 0 : no_memory(e);
    for (int32_t i = 0; i < n && !rc; i++)
        pictures[i] = (bert_picture){.path = "the picture", .image = items[i]->image};
    if (!rc)
        rc = labels ? bert_classify_pictures(s, pictures, n, &o, x->wish.scores, out, info, e)
                    : bert_embed_pictures(s, pictures, n, &o, out, info, e);
    const work w = {.out = out};
    if (!rc) rc = keep_rows(&w, items, n, columns, e);
    free(pictures);
    free(info);
    free(out);
    return rc;
}

static int run_embed(bert_session *s, const exchange *x, item *const *items, int32_t n,
                     bert_error *e) {
    if (x->model->pictures) return run_pictures(s, x, items, n, false, e);
    bert_text_options o = text_options();
    o.normalize = x->wish.normalize;
    o.dimensions = x->wish.dimensions;
    const int32_t columns = bert_model_embedding_size(x->model->model, &o);
    work w;
    int rc = work_open(&w, items, n, columns, e);
    if (!rc) rc = bert_embed(s, w.texts, n, &o, w.out, w.info, e);
    if (!rc) rc = keep_rows(&w, items, n, columns, e);
    work_free(&w);
    return rc;
}

/* last_hidden_state; the clerk has made ids of all texts. */
static int run_embed_all(bert_session *s, const exchange *x, item *const *items, int32_t n,
                         bert_error *e) {
    (void)x;
    int rc = 0;
    for (int32_t i = 0; i < n && !rc; i++) {
        const int32_t start[] = {0, items[i]->ids_count};
        const bert_inputs in = {.n = 1, .start = start, .ids = items[i]->ids};
        bert_outputs out;
        rc = bert_session_run(s, &in, 0, &out, e);
        if (!rc) rc = keep(items[i], out.last_hidden_state, out.tokens * out.hidden_size, e);
    }
    return rc;
}

static int run_embed_sparse(bert_session *s, const exchange *x, item *const *items, int32_t n,
                            bert_error *e) {
    const bert_text_options o = text_options();
    bert_vectors v = {0};
    work w;
    (void)x;
    int rc = work_open(&w, items, n, 1, e);
    if (!rc) rc = bert_embed_vectors(s, w.texts, n, &o, BERT_VECTORS_SPARSE, &v, w.info, e);
    for (int32_t i = 0; i < n && !rc; i++) {
        const bert_sparse_vector *one = &v.sparse[i];
        const size_t bytes = (size_t)one->n * sizeof *one->ids;
        rc = keep(items[i], one->weights, one->n, e);
        items[i]->words = malloc(bytes + 1);
        if (!items[i]->words) rc = no_memory(e);
        if (!rc && bytes) memcpy(items[i]->words, one->ids, bytes);
    }
    work_free(&w);
    return rc;
}

/* ---- Labels */

static int run_classify(bert_session *s, const exchange *x, item *const *items, int32_t n,
                        bert_error *e) {
    if (x->model->pictures) return run_pictures(s, x, items, n, true, e);
    const bert_text_options o = text_options();
    work w;
    int rc = work_open(&w, items, n, x->model->labels, e);
    if (!rc) rc = bert_classify(s, w.texts, n, &o, x->wish.scores, w.out, w.info, e);
    if (!rc) rc = keep_rows(&w, items, n, x->model->labels, e);
    work_free(&w);
    return rc;
}

static int run_rerank(bert_session *s, const exchange *x, item *const *items, int32_t n,
                      bert_error *e) {
    bert_text_options o = text_options();
    o.prompt = NULL;
    const bert_text query = {.text = x->wish.query, .bytes = x->wish.query_bytes};
    float *logits = calloc((size_t)n, sizeof *logits);
    work w;
    int rc = work_open(&w, items, n, 1, e);
    if (!rc && !logits) rc = no_memory(e);
    if (!rc)
        rc = bert_rerank(s, &query, w.texts, n, &o, BERT_SCORES_SIGMOID, w.out, logits, w.info, e);
    for (int32_t i = 0; i < n && !rc; i++) /* a score, and what it comes from */
        rc = keep(items[i], (float[]){w.out[i], logits[i]}, 2, e);
    work_free(&w);
    free(logits);
    return rc;
}

static int run_zero_shot(bert_session *s, const exchange *x, item *const *items, int32_t n,
                         bert_error *e) {
    const bert_text_options o = text_options();
    const bert_zero_shot_options z = {.hypothesis_template = x->wish.pattern,
                                      .multi_label = x->wish.multi_label};
    const int32_t labels = x->wish.labels_count;
    work w;
    int rc = work_open(&w, items, n, labels, e);
    if (!rc)
        rc = bert_zero_shot_batch(s, w.texts, n, x->wish.labels, labels, &z, &o, w.out, NULL, e);
    if (!rc) rc = keep_rows(&w, items, n, labels, e);
    work_free(&w);
    return rc;
}

static int run_choose(bert_session *s, const exchange *x, item *const *items, int32_t n,
                      bert_error *e) {
    const bert_text_options o = text_options();
    const int32_t choices = x->wish.labels_count;
    bert_text *endings = calloc((size_t)choices, sizeof *endings);
    work w;
    int rc = work_open(&w, items, n, choices, e);
    if (!rc && !endings) rc = no_memory(e);
    for (int32_t i = 0; i < choices && !rc; i++) endings[i] = bert_text_of(x->wish.labels[i]);
    if (!rc) rc = bert_choose(s, w.texts, endings, choices, &o, w.out, NULL, e);
    if (!rc) rc = keep_rows(&w, items, n, choices, e);
    work_free(&w);
    free(endings);
    return rc;
}

/* ---- Lists: of each text the results as the pipelines have them */

static int keep_json(item *i, json_t *list, bert_error *e) {
    i->json = list;
    return list ? 0 : no_memory(e);
}

static json_t *number(double x) {
    return json_real(x);
}

static int run_tag(bert_session *s, const exchange *x, item *const *items, int32_t n,
                   bert_error *e) {
    const bert_text_options o = text_options();
    const char *ignore = x->wish.labels_count == 1 ? x->wish.labels[0] : "O";
    const bert_entity *found;
    const int32_t *start;
    work w;
    int rc = work_open(&w, items, n, 1, e);
    if (!rc)
        rc = bert_tag_batch(s, w.texts, n, &o, x->wish.aggregation,
                            x->wish.labels && x->wish.labels_count != 1 ? "" : ignore, &found,
                            &start, w.info, e);
    for (int32_t i = 0; i < n && rc >= 0; i++) {
        json_t *list = json_array();
        for (int32_t k = start[i]; list && k < start[i + 1]; k++) {
            const bert_entity *f = &found[k];
            bool skip = false;
            for (int32_t j = 0; j < x->wish.labels_count; j++)
                skip |= !strcmp(x->wish.labels[j], f->entity);
            if (skip) continue;
            json_t *row =
                json_pack("{s:s,s:o,s:s,s:i,s:i}", x->wish.aggregation ? "entity_group" : "entity",
                          f->entity, "score", number((double)f->score), "word", f->word, "start",
                          (int)f->start, "end", (int)f->end);
            if (row && f->index >= 0) json_object_set_new(row, "index", json_integer(f->index));
            json_array_append_new(list, row);
        }
        rc = keep_json(items[i], list, e);
    }
    work_free(&w);
    return rc < 0 ? rc : 0;
}

static int run_fill(bert_session *s, const exchange *x, item *const *items, int32_t n,
                    bert_error *e) {
    const bert_text_options o = text_options();
    const bert_tokenizer *t = bert_model_tokenizer(x->model->model);
    const bert_fill_result *found;
    const int32_t *start;
    work w;
    int rc = work_open(&w, items, n, 1, e);
    if (!rc)
        rc = bert_fill_batch(s, w.texts, n, &o, x->wish.top_k,
                             x->wish.labels_count ? x->wish.labels : NULL, x->wish.labels_count,
                             &found, &start, w.info, e);
    for (int32_t i = 0; i < n && rc >= 0; i++) {
        json_t *all = json_array(), *list = all;
        for (int32_t k = start[i], mask = -1; list && k < start[i + 1]; k++) {
            const bert_fill_result *f = &found[k];
            const bool several = found[start[i + 1] - 1].mask > 0;
            if (several && f->mask != mask) {
                json_array_append_new(all, json_array());
                list = json_array_get(all, json_array_size(all) - 1);
                mask = f->mask;
            }
            char word[400] = "";
            const int32_t id[] = {f->token};
            if (bert_decode(t, id, 1, false, word, sizeof word, NULL) < 0) *word = 0;
            json_array_append_new(list, json_pack("{s:o,s:i,s:s,s:s}", "score",
                                                  number((double)f->score), "token", (int)f->token,
                                                  "token_str", word, "sequence", f->text));
        }
        rc = keep_json(items[i], all, e);
    }
    work_free(&w);
    return rc < 0 ? rc : 0;
}

static int run_answer(bert_session *s, const exchange *x, item *const *items, int32_t n,
                      bert_error *e) {
    const bert_answer *found;
    const int32_t *start;
    work w;
    int rc = work_open(&w, items, n, 1, e);
    if (!rc) rc = bert_answer_batch(s, w.texts, n, &x->wish.answer, &found, &start, w.info, e);
    for (int32_t i = 0; i < n && rc >= 0; i++) {
        json_t *list = json_array();
        for (int32_t k = start[i]; list && k < start[i + 1]; k++)
            json_array_append_new(list,
                                  json_pack("{s:o,s:i,s:i,s:s%}", "score", number(found[k].score),
                                            "start", (int)found[k].start, "end", (int)found[k].end,
                                            "answer", found[k].text, found[k].bytes));
        rc = keep_json(items[i], list, e);
    }
    work_free(&w);
    return rc < 0 ? rc : 0;
}

/* ---- The table */

#define CLASSIFIER "sequence-classification"
const operation op_embed = {"embed", .merges = true, .pictures = true, .answers = ANSWERS_VECTORS,
                            .run = run_embed};
const operation op_embed_all = {"embed_all", .merges = true, .answers = ANSWERS_TOKENS,
                                .run = run_embed_all};
const operation op_embed_sparse = {"embed_sparse", .merges = true, .sparse = true,
                                   .answers = ANSWERS_WORDS, .run = run_embed_sparse};
const operation op_classify = {"predict", .heads = CLASSIFIER " image-classification",
                               .merges = true, .pictures = true, .run = run_classify};
const operation op_rerank = {"rerank", .heads = CLASSIFIER, .most_labels = 2, .run = run_rerank};
const operation op_tag = {"tag", .heads = "token-classification", .merges = true, .run = run_tag};
const operation op_fill = {"fill", .heads = "masked-lm pretraining", .merges = true,
                           .run = run_fill};
const operation op_answer = {"answer", .heads = "question-answering", .merges = true,
                             .run = run_answer};
const operation op_zero_shot = {"zero_shot", .heads = CLASSIFIER, .merges = true,
                                .run = run_zero_shot};
const operation op_choose = {"choose", .heads = "multiple-choice", .run = run_choose};
const operation op_next_sentence = {"next_sentence", .heads = "next-sentence", .merges = true,
                                    .run = run_classify};
