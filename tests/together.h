/* Sets that the threads of a group open together. */
#ifndef BERT_TEST_TOGETHER_H
#define BERT_TEST_TOGETHER_H
#include "data/dataset.h"
#include "thread_group.h"

typedef struct {
    const char *path;
    const bert_model *base;
    bert_dataset_options options;         /* group is its own */
    const bert_data_split_options *parts; /* NULL: not split */
    bert_data_split *split;
    bert_dataset *set;
    bert_error e;
} opening;

static inline void *open_as_one(void *argument) {
    opening *o = argument;
    if (o->parts) o->split = bert_data_split_new(o->path, o->base, &o->options, o->parts, &o->e);
    if (o->split) o->options.split = o->split;
    o->set = bert_dataset_open(o->path, o->base, &o->options, &o->e);
    return NULL;
}

/* like: of each, a set that it has opened before; or NULL. */
static inline void open_together(opening *all, const bert_group *groups, int n, const opening *what,
                                 const opening *like) {
    pthread_t threads[SEATS_MAX];
    for (int r = 0; r < n; r++) {
        all[r] = *what;
        all[r].options.group = &groups[r];
        if (like) all[r].options.like = like[r].set;
        if (like) all[r].options.split = like[r].split;
        assert_int_equal(pthread_create(&threads[r], NULL, open_as_one, &all[r]), 0);
    }
    for (int r = 0; r < n; r++) pthread_join(threads[r], NULL);
}

static inline void free_together(opening *all, int n) {
    for (int r = 0; r < n; r++) {
        bert_dataset_free(all[r].set);
        bert_data_split_free(all[r].split);
    }
}

/* Whether the arrays of a set lie in what another process has read. */
static inline bool is_mapped(const bert_dataset *d) {
    const char *from = d->map.at, *start = (const char *)d->start;
    return from && start > from && start < from + d->map.bytes;
}

/* ---- Sets that are the same */

static inline void same_memory(const void *a, const void *b, size_t bytes) {
    assert_int_equal(!a, !b);
    if (a && bytes) assert_memory_equal(a, b, bytes);
}

static inline void same_text(const char *a, const char *b) {
    assert_int_equal(!a, !b);
    if (a) assert_string_equal(a, b);
}

static inline void same_columns(const bert_column *a, const bert_column *b, int64_t units) {
    same_text(a->name, b->name);
    assert_true(a->type == b->type && a->per == b->per && a->width == b->width &&
                a->count == b->count);
    same_memory(a->data, b->data, bert_column_bytes(a, a->count));
    same_memory(a->start, b->start, (size_t)(units + 1) * sizeof *a->start);
}

static inline void same_kept(const bert_kept *a, const bert_kept *b) {
    assert_true(a->rows == b->rows && a->strings == b->strings);
    for (int64_t r = 0; r < a->rows; r++) {
        assert_int_equal(bert_kept_count(a, r), bert_kept_count(b, r));
        assert_int_equal(a->line[r], b->line[r]);
        for (int64_t i = 0; i < bert_kept_count(a, r); i++) {
            size_t n, k;
            const char *x = bert_kept_at(a, r, i, &n), *y = bert_kept_at(b, r, i, &k);
            assert_int_equal(n, k);
            assert_memory_equal(x, y, n + 1);
        }
    }
}

/* What a loader makes of them, drawn columns among it. */
static inline void same_batches(const bert_dataset *a, const bert_dataset *b) {
    bert_error e = {0};
    const bert_loader_options o = {.batch_size = 3, .shuffle = true, .seed = 5};
    bert_loader *x = bert_loader_new(a, &o, &e), *y = bert_loader_new(b, &o, &e);
    if (e.code) fail_msg("%s", e.message);
    for (int64_t i = 0; i < bert_loader_batches(x); i++) {
        bert_batch p, q;
        if (bert_loader_get(x, 1, i, &p, &e) || bert_loader_get(y, 1, i, &q, &e))
            fail_msg("%s", e.message);
        assert_true(p.row_count == q.row_count && p.inputs.n == q.inputs.n);
        assert_memory_equal(p.inputs.start, q.inputs.start,
                            ((size_t)p.inputs.n + 1) * sizeof *p.inputs.start);
        same_memory(p.inputs.ids, q.inputs.ids,
                    (size_t)p.inputs.start[p.inputs.n] * sizeof *p.inputs.ids);
        assert_int_equal(p.inputs.column_count, q.inputs.column_count);
        for (int32_t c = 0; c < p.inputs.column_count; c++) {
            const bert_column *m = &p.inputs.columns[c], *n = &q.inputs.columns[c];
            same_text(m->name, n->name);
            assert_int_equal(m->count, n->count);
            same_memory(m->data, n->data, bert_column_bytes(m, m->count));
        }
    }
    bert_loader_free(x);
    bert_loader_free(y);
}

static inline void same_sets(const bert_dataset *a, const bert_dataset *b) {
    same_text(a->where, b->where);
    same_text(a->model, b->model);
    same_text(a->config, b->config);
    assert_true(a->device == b->device && a->recipe == b->recipe && a->task == b->task);
    assert_true(a->problem == b->problem && a->num_labels == b->num_labels &&
                a->max_length == b->max_length && a->positive == b->positive &&
                a->rows == b->rows && a->truncated == b->truncated && a->dropped == b->dropped &&
                a->invalid == b->invalid && a->sorted_names == b->sorted_names &&
                a->guessed == b->guessed && a->group == b->group && a->most == b->most &&
                a->sequences == b->sequences);
    for (int32_t i = 0; i < a->num_labels; i++) same_text(a->names[i], b->names[i]);
    for (int i = 0; i <= a->notes.n; i++)
        same_text(bert_dataset_note(a, i), bert_dataset_note(b, i));
    same_memory(a->row, b->row, ((size_t)a->rows + 1) * sizeof *a->row);
    same_memory(a->start, b->start, ((size_t)a->sequences + 1) * sizeof *a->start);
    assert_int_equal(a->columns.n, b->columns.n);
    for (int i = 0; i < a->columns.n; i++)
        same_columns(a->columns.at[i], b->columns.at[i],
                     bert_dataset_units(a, a->columns.at[i]->per));
    same_kept(&a->kept, &b->kept);
    assert_int_equal(!a->state, !b->state);
    same_batches(a, b);
}
#endif
