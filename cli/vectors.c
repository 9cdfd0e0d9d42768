/* bert embed --vectors: weights of words, vectors of tokens, and a text's one vector beside them. */
#include "vectors.h"
#include "tensors.h"
#include <stdlib.h>
#include <string.h>

int set_vectors(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    const int kinds = bert_vectors_parse(value, e);
    if (kinds > 0) *(unsigned *)target = (unsigned)kinds;
    return kinds < 0 ? kinds : 0;
}

int set_side(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    return bert_side_parse(value, target, e);
}

const char *vectors_head(unsigned kinds) {
    return kinds & BERT_VECTORS_SPARSE ? NULL : "none";
}

typedef struct {
    const common *c;
    const vector_options *o;
    const bert_tokenizer *tokenizer;
    bert_session *session;
    bert_text_options task;
    bert_vectors v;
    bert_text_info *info;
    int32_t dim, capacity;
    tensors_file *file;
    int dense, indices, values, sparse_start, multi, multi_ids, multi_start; /* tensors of it */
    int64_t texts;
} job;

/* ---- A row */

typedef struct {
    float weight;
    int32_t id;
} weighed;

static int falling(const void *a, const void *b) {
    const weighed *x = a, *y = b;
    if (x->weight != y->weight) return x->weight < y->weight ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

static weighed *ranked(const bert_sparse_vector *v) {
    weighed *list = calloc((size_t)v->n + 1, sizeof *list);
    for (int32_t i = 0; list && i < v->n; i++) list[i] = (weighed){v->weights[i], v->ids[i]};
    if (list) qsort(list, (size_t)v->n, sizeof *list, falling);
    return list;
}

/* A row of the vocabulary that is no token is called by its number. */
static const char *word(const job *j, int32_t id, char room[24]) {
    const char *token = j->tokenizer ? bert_token(j->tokenizer, id) : NULL;
    snprintf(room, 24, "<id %d>", (int)id);
    return token ? token : room;
}

static json_t *sparse_row(const job *j, const bert_sparse_vector *v) {
    char room[24];
    if (j->o->ids)
        return json_pack("{s:o, s:o}", "indices", json_ints(v->ids, (size_t)v->n), "values",
                         json_floats(v->weights, (size_t)v->n));
    weighed *list = ranked(v);
    json_t *row = list ? json_object() : NULL;
    for (int32_t i = 0; row && i < v->n; i++)
        json_object_set_new(row, word(j, list[i].id, room), json_number((double)list[i].weight));
    free(list);
    return row;
}

static json_t *multi_row(const job *j, const bert_multi_vector *v) {
    const size_t size = (size_t)j->v.multi_size;
    json_t *rows = json_array();
    for (int32_t i = 0; rows && i < v->n; i++)
        json_array_append_new(rows, json_floats(v->rows + (size_t)i * size, size));
    return rows;
}

static int put_json(const job *j, int32_t i, bert_error *e) {
    const unsigned kinds = j->o->kinds;
    json_t *line = json_object();
    if (kinds & BERT_VECTORS_DENSE)
        json_object_set_new(line, "embedding",
                            json_floats(j->v.dense + (size_t)i * (size_t)j->dim, (size_t)j->dim));
    if (kinds & BERT_VECTORS_SPARSE)
        json_object_set_new(line, "sparse", sparse_row(j, &j->v.sparse[i]));
    if (kinds & BERT_VECTORS_MULTI)
        json_object_set_new(line, "multi", multi_row(j, &j->v.multi[i]));
    json_object_set_new(line, "tokens", json_integer(j->info[i].tokens));
    if (line) json_dropped(line, &j->info[i]);
    return output_line(line, e);
}

static void print_sparse(const job *j, const bert_sparse_vector *v) {
    enum { SHOWN = 5 };
    char room[24];
    weighed *list = ranked(v);
    printf("%5d words:", (int)v->n);
    for (int32_t i = 0; list && i < v->n && i < SHOWN; i++)
        printf(" %s %.2f", word(j, list[i].id, room), (double)list[i].weight);
    if (v->n > SHOWN) printf(" ..");
    printf("  ");
    free(list);
}

static void print_columns(const job *j, const bert_text *text, int32_t i) {
    enum { NARROW = 24 };
    char shown[4 * NARROW + 4];
    fit(text, NARROW, shown);
    if (j->o->kinds & BERT_VECTORS_DENSE) {
        const float *v = j->v.dense + (size_t)i * (size_t)j->dim;
        printf("%9.5f%9.5f ..%d  ", (double)v[0], (double)v[j->dim > 1], (int)j->dim);
    }
    if (j->o->kinds & BERT_VECTORS_SPARSE) print_sparse(j, &j->v.sparse[i]);
    if (j->o->kinds & BERT_VECTORS_MULTI)
        printf("%5d x %d  ", (int)j->v.multi[i].n, (int)j->v.multi_size);
    printf("%s", shown);
    print_dropped(&j->info[i]);
    printf("\n");
}

/* ---- A file */

static int add(job *j, int *number, const char *name, const char *dtype, int32_t columns,
               bert_error *e) {
    *number = tensors_add(j->file, name, dtype, columns, e);
    return *number < 0 ? *number : 0;
}

static int add_start(job *j, int *number, const char *name, int of, bert_error *e) {
    *number = tensors_add_start(j->file, name, "I64", of, e);
    return *number < 0 ? *number : 0;
}

/* Tensors are made when the sizes of vectors are known. */
static int begin_file(job *j, bert_error *e) {
    const unsigned kinds = j->o->kinds;
    int rc = 0;
    if (kinds & BERT_VECTORS_DENSE) rc = add(j, &j->dense, "dense", "F32", j->dim, e);
    if (!rc && kinds & BERT_VECTORS_SPARSE) {
        rc = add(j, &j->indices, "sparse_indices", "I32", 0, e);
        if (!rc) rc = add(j, &j->values, "sparse_values", "F32", 0, e);
        if (!rc) rc = add_start(j, &j->sparse_start, "sparse_start", j->indices, e);
    }
    if (!rc && kinds & BERT_VECTORS_MULTI) {
        rc = add(j, &j->multi, "multi", "F32", j->v.multi_size, e);
        if (!rc) rc = add(j, &j->multi_ids, "multi_ids", "I32", 0, e);
        if (!rc) rc = add_start(j, &j->multi_start, "multi_start", j->multi, e);
    }
    return rc;
}

static int put_file(job *j, int32_t i, bert_error *e) {
    const unsigned kinds = j->o->kinds;
    int rc = j->texts ? 0 : begin_file(j, e);
    if (!rc && kinds & BERT_VECTORS_DENSE)
        rc = tensors_put(j->file, j->dense, j->v.dense + (size_t)i * (size_t)j->dim, 1, e);
    if (!rc && kinds & BERT_VECTORS_SPARSE) {
        const bert_sparse_vector *v = &j->v.sparse[i];
        rc = tensors_put(j->file, j->indices, v->ids, (size_t)v->n, e);
        if (!rc) rc = tensors_put(j->file, j->values, v->weights, (size_t)v->n, e);
        if (!rc) rc = tensors_end_text(j->file, j->sparse_start, e);
    }
    if (!rc && kinds & BERT_VECTORS_MULTI) {
        const bert_multi_vector *v = &j->v.multi[i];
        rc = tensors_put(j->file, j->multi, v->rows, (size_t)v->n, e);
        if (!rc) rc = tensors_put(j->file, j->multi_ids, v->ids, (size_t)v->n, e);
        if (!rc) rc = tensors_end_text(j->file, j->multi_start, e);
    }
    return rc;
}

/* ---- All texts */

static int reserve(job *j, int32_t n, bert_error *e) {
    if (n <= j->capacity) return 0;
    free(j->v.dense);
    free(j->info);
    j->v.dense = calloc((size_t)n * (size_t)j->dim, sizeof *j->v.dense);
    j->info = calloc((size_t)n, sizeof *j->info);
    j->capacity = j->v.dense && j->info ? n : 0;
    return j->capacity ? 0 : fail_memory(e);
}

static int each(job *j, input *in, bert_error *e) {
    const bert_text *texts;
    int32_t n;
    const bool json = output_json(j->c);
    while ((n = input_next(in, &texts, e)) > 0) {
        int rc = reserve(j, n, e);
        if (!rc) {
            rc = bert_embed_vectors(j->session, texts, n, &j->task, j->o->kinds, &j->v, j->info, e);
            if (rc) input_explain(in, e);
        }
        for (int32_t i = 0; i < n && !rc; i++) {
            if (j->info[i].code)
                rc = input_pass_over(in, i, &j->info[i], e);
            else if (j->file)
                rc = put_file(j, i, e);
            else if (json)
                rc = put_json(j, i, e);
            else
                print_columns(j, &texts[i], i);
            j->texts++;
        }
        if (!rc && !j->file) rc = output_flush(e);
        if (rc) return rc;
    }
    return n < 0 ? n : input_sum_up(in, e);
}

/* A process may have had no part of the texts; one that is alone has none then. */
static int commit(job *j, const char *output, const input *in, int rc, bert_error *e) {
    if (!rc && !j->texts && division_alone(j->c->work))
        rc = fail(e, BERT_EINVAL, "there is no text to make vectors of");
    rc = tensors_commit(j->file, rc, NULL, e);
    j->file = NULL;
    if (!rc) note(j->c, "%s: %lld texts", output, (long long)input_count(in));
    return rc;
}

static int check_usage(const vector_options *o, const char *output, bert_error *e) {
    static const char suffix[] = ".safetensors";
    const size_t n = output ? strlen(output) : 0, k = sizeof suffix - 1;
    if (output && (n < k || strcmp(output + n - k, suffix)))
        return fail_usage(e,
                          "-o %s: the name ends in %s, which is what these vectors are written "
                          "as, or in .jsonl",
                          output, suffix);
    if (o->ids && !(o->kinds & BERT_VECTORS_SPARSE))
        return fail_usage(e, "--ids is of sparse vectors");
    return 0;
}

int vectors_run(const common *c, const embedding_options *embedding, const vector_options *o,
                const char *output, const bert_model *m, input *in, bert_error *e) {
    if (check_usage(o, output, e)) return USAGE;
    job j = {.c = c, .o = o, .tokenizer = bert_model_tokenizer(m)};
    const bert_session_options so = session_options(c);
    int rc = embedding_task(c, embedding, m, &j.task, e);
    j.task.side = o->side;
    j.task.keep_going = true;
    j.task.max_active = o->max_active;
    j.dim = bert_model_embedding_size(m, &j.task);
    for (unsigned kind = 1; kind <= BERT_VECTORS_MULTI && !rc; kind *= 2)
        if (o->kinds & kind && (kind != BERT_VECTORS_DENSE || !j.task.pooling))
            rc = bert_model_makes(m, kind, e);
    if (!rc && !(j.session = bert_session_new(m, &so, e))) rc = BERT_EINVAL;
    if (!rc && output && !(j.file = tensors_create(c->work, output, 0, e))) rc = BERT_EIO;
    input_into(in, output);
    if (!rc) rc = each(&j, in, e);
    if (j.file) rc = commit(&j, output, in, rc, e);
    tensors_abort(j.file);
    bert_session_free(j.session);
    free(j.v.dense);
    free(j.info);
    return rc;
}
