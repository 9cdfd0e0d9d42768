/* Sets that the processes of a group open together, here threads: of each host one reads the file, and all
 * have what one process alone has. */
#include "base/grow.h"
#include "data/question.h"
#include "data/sentences.h"
#include "data_world.h"
#include "together.h"
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

enum { RANKS = 4 };

/* Of two hosts of two processes each. */
static void begin_hosts(bert_group *groups) {
    groups_begin(groups, RANKS);
    for (int r = 0; r < RANKS; r++) groups[r].host_size = 2, groups[r].host_first = r / 2 * 2;
}

static opening what(const world *w, const char *path) {
    return (opening){.path = path, .base = w->base, .options = w->options};
}

/* ---- Each task */

static const char *const squad =
    "{\"data\":[{\"paragraphs\":[{\"context\":\"w1 w2 w3 w4\",\"qas\":["
    "{\"id\":\"one\",\"question\":\"w5\",\"answers\":[{\"text\":\"w2\",\"answer_start\":3},"
    "{\"text\":\"w2 w3\",\"answer_start\":3}]},"
    "{\"id\":\"two\",\"question\":\"w6 w7\",\"is_impossible\":true,\"answers\":[]}]},"
    "{\"context\":\"w5 w6\",\"qas\":[{\"question\":\"w1\",\"answers\":[{\"text\":\"w6\","
    "\"answer_start\":3}]}]}]}]}";

static const struct {
    const char *task, *name, *text;
    bert_task_option options[2];
    const char *label_column;
    int32_t max_length;
} cases[] = {
    {"sequence-classification",
     "a.tsv",
     "text\tpair\tlabel\nw1 w2\tw3\tgood\nw4\tw5 w6\tbad\nw7\tw1\tgood\nw2 w2\tw3\tbad\n"
     "w2\tw2\tnan\n",
     {{0}},
     NULL,
     0},
    {"sequence-classification",
     "a.jsonl",
     "{\"text\":\"w1 w2\",\"label\":0.5}\n{\"text\":\"w3\",\"label\":1}\n",
     {{0}},
     NULL,
     0},
    {"sequence-classification", "b.csv", "text,a,b\nw1,0,1\nw2 w3,1,1\nw4,0,0\n", {{0}}, "a,b", 0},
    {"sequence-classification",
     "v.csv",
     "x,y,label\nw1,w2,0\nw3 w4,w5,1\n",
     {{"text_views", "x,y"}},
     NULL,
     0},
    {"token-classification",
     "a.conll",
     "w1 I-PER\nw2 I-PER\n\nw3 O\nw4 B-LOC\nw5 I-LOC\nw6 O\n\nw7 I-PER\nw1 B-PER\n",
     {{0}},
     NULL,
     0},
    {"question-answering", "a.json", NULL, {{"doc_stride", "1"}}, NULL, 7},
    {"multiple-choice",
     "c.csv",
     "prompt,ending0,ending1,label\nw1,w2,w3,1\nw4,w5,w6 w7,2\nw1,w1,w2,1\n",
     {{0}},
     NULL,
     0},
    {"masked-lm",
     "a.txt",
     "w1 w2 w3 w4 w5 w6\nw7 w1 w2\n\nw3 w4\n",
     {{"whole_word_mask", "true"}},
     NULL,
     8},
    {"pretraining", "p.txt", "w1 w2 w3\nw4 w5 w6\nw7\n\nw3 w4\nw1 w1\n", {{0}}, NULL, 12},
};
enum { CASES = sizeof cases / sizeof *cases };

static void same_words(const bert_sentences *a, const bert_sentences *b) {
    const size_t words = (size_t)a->words, sentences = (size_t)a->sentences;
    assert_true(a->words == b->words && a->sentences == b->sentences && a->ordered == b->ordered &&
                a->columns == b->columns && a->tags->scheme == b->tags->scheme);
    same_text(a->tags_name, b->tags_name);
    same_memory(a->text, b->text, (size_t)a->word[words]);
    same_memory(a->word, b->word, (words + 1) * sizeof *a->word);
    same_memory(a->token, b->token, words * sizeof *a->token);
    same_memory(a->gold, b->gold, words * sizeof *a->gold);
    same_memory(a->sentence, b->sentence, (sentences + 1) * sizeof *a->sentence);
    same_memory(a->line, b->line, sentences * sizeof *a->line);
}

static void same_string(const bert_text *a, const bert_text *b) {
    assert_int_equal(a->bytes, b->bytes);
    assert_memory_equal(a->text, b->text, a->bytes + 1);
}

static void same_questions(const bert_dataset *d, const bert_questions *a,
                           const bert_questions *b) {
    assert_true(a->count == b->count && a->contexts_count == b->contexts_count &&
                a->unanswerable == b->unanswerable && a->version_2 == b->version_2 &&
                a->n_best_size == b->n_best_size);
    same_memory(a->of_row, b->of_row, (size_t)d->rows * sizeof *a->of_row);
    same_memory(a->offsets, b->offsets, (size_t)d->start[d->sequences] * sizeof *a->offsets);
    for (int64_t i = 0; i < a->count; i++) {
        const bert_question *x = &a->questions[i], *y = &b->questions[i];
        same_string(&x->id, &y->id);
        same_string(&x->context, &y->context);
        assert_int_equal(x->golds, y->golds);
        for (int32_t k = 0; k < x->golds; k++) same_string(&x->gold[k], &y->gold[k]);
    }
}

static void same_states(const bert_dataset *a, const bert_dataset *b) {
    same_sets(a, b);
    if (!strcmp(a->task->name, "token-classification")) same_words(a->state, b->state);
    if (!strcmp(a->task->name, "question-answering")) same_questions(a, a->state, b->state);
}

/* And a second set that is read as the first was. */
static void all_have_what_one_has(void **state) {
    (void)state;
    bert_group groups[RANKS];
    begin_hosts(groups);
    for (int i = 0; i < CASES; i++) {
        world w;
        begin_task(&w, cases[i].task);
        memcpy(w.options.task_options, cases[i].options, sizeof cases[i].options);
        w.options.keep_texts = true;
        w.options.label_column = cases[i].label_column;
        w.options.max_length = cases[i].max_length;
        char *path = bert_path_join(w.dir, cases[i].name);
        bert_dataset *alone =
            open_or_fail(&w, cases[i].name, cases[i].text ? cases[i].text : squad);
        opening first[RANKS], second[RANKS], o = what(&w, path);
        open_together(first, groups, RANKS, &o, NULL);
        open_together(second, groups, RANKS, &o, first);
        w.options.like = alone;
        bert_dataset *held = open_or_fail(&w, cases[i].name, cases[i].text ? cases[i].text : squad);
        for (int r = 0; r < RANKS; r++) {
            if (first[r].e.code || second[r].e.code)
                fail_msg("%s: %s%s", path, first[r].e.message, second[r].e.message);
            same_states(alone, first[r].set);
            same_states(held, second[r].set);
            assert_true(is_mapped(first[r].set) && is_mapped(second[r].set));
        }
        free_together(second, RANKS);
        free_together(first, RANKS);
        bert_dataset_free(held);
        bert_dataset_free(alone);
        free(path);
        end_task(&w);
    }
    groups_end(groups);
}

static void a_split_is_made_where_it_is_read(void **state) {
    (void)state;
    world w;
    bert_group groups[RANKS];
    begin_hosts(groups);
    begin_task(&w, "sequence-classification");
    tiny_write(w.dir, "a.csv",
               "text,label\nw1,0\nw2,1\nw3,0\nw4,1\nw5,0\nw6,1\nw7,0\nw1 w2,1\nw2 w3,0\nw3 w4,1\n");
    char *path = bert_path_join(w.dir, "a.csv");
    const bert_data_split_options parts = {.part = .3, .seed = 3};
    opening train[RANKS], held[RANKS], o = what(&w, path), alone[2] = {o, o};
    alone[0].parts = &parts;
    open_as_one(&alone[0]);
    alone[1].options.split = alone[0].split;
    alone[1].options.held_out = true;
    alone[1].options.like = alone[0].set;
    open_as_one(&alone[1]);
    o.parts = &parts;
    open_together(train, groups, RANKS, &o, NULL);
    o.parts = NULL;
    o.options.held_out = true;
    open_together(held, groups, RANKS, &o, train);
    for (int r = 0; r < RANKS; r++) {
        if (train[r].e.code || held[r].e.code)
            fail_msg("%s%s", train[r].e.message, held[r].e.message);
        same_sets(alone[0].set, train[r].set);
        same_sets(alone[1].set, held[r].set);
    }
    free_together(held, RANKS);
    free_together(train, RANKS);
    bert_dataset_free(alone[1].set);
    free_together(alone, 1);
    free(path);
    end_task(&w);
    groups_end(groups);
}

/* Nothing writes to what was mapped: what grows, leaves it. */
static void an_array_grows_out_of_a_map(void **state) {
    (void)state;
    bert_error e = {0};
    const int32_t own[] = {3, 1, 4};
    char *at = aligned_alloc(64, 256), *copy = aligned_alloc(64, 256);
    assert_true(at && copy && bert_lent_bytes(sizeof own) <= 256);
    memset(at, 7, 256);
    bert_lend(at, own, sizeof own);
    memcpy(copy, at, 256);
    int32_t *x = bert_lent(at);
    bert_grown_free(x);
    assert_int_equal(bert_grow(&x, 3, sizeof *x, &e), 0);
    assert_ptr_equal(x, bert_lent(at));
    assert_int_equal(bert_grow(&x, 1000, sizeof *x, &e), 0);
    assert_ptr_not_equal(x, bert_lent(at));
    assert_memory_equal(x, own, sizeof own);
    x[0] = x[999] = 5;
    bert_grown_free(x);
    assert_memory_equal(at, copy, 256);
    free(at);
    free(copy);
}

/* ---- What goes wrong */

static void refused_together(const world *w, const bert_group *groups, const char *name,
                             const char *says) {
    opening all[RANKS];
    char *path = bert_path_join(w->dir, name);
    const opening o = what(w, path);
    open_together(all, groups, RANKS, &o, NULL);
    for (int r = 0; r < RANKS; r++) {
        assert_null(all[r].set);
        assert_int_equal(all[r].e.code, all[0].e.code);
        assert_string_equal(all[r].e.message, all[0].e.message);
        if (!strstr(all[r].e.message, says)) fail_msg("%s", all[r].e.message);
    }
    free(path);
}

static int files_in(const char *directory) {
    int n = 0;
    DIR *d = opendir(directory);
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static void an_error_is_everybodys(void **state) {
    (void)state;
    world w;
    bert_group groups[RANKS];
    begin_hosts(groups);
    begin_task(&w, "sequence-classification");
    refused(&w, "a.csv", "text,label\nw1,0\nw2\n", "a.csv:3");
    const bert_error alone = w.e;
    refused_together(&w, groups, "a.csv", alone.message);
    refused_together(&w, groups, "nowhere.csv", "nowhere.csv");
    w.options.task = "dancing";
    refused_together(&w, groups, "a.csv", "dancing");
    end_task(&w);
    groups_end(groups);
}

static void a_disk_without_room_is_said(void **state) {
    (void)state;
    world w;
    bert_group groups[RANKS];
    begin_hosts(groups);
    begin_task(&w, "sequence-classification");
    tiny_write(w.dir, "a.csv", "text,label\nw1,0\nw2,1\n");
    char *before = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL;
    setenv("TMPDIR", w.dir, 1);
    const int files = files_in(w.dir);
    struct rlimit was, little = {.rlim_cur = 64};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    little.rlim_max = was.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &little);
    refused_together(&w, groups, "a.csv", "set TMPDIR to a larger disk");
    setrlimit(RLIMIT_FSIZE, &was);
    signal(SIGXFSZ, handler);
    assert_int_equal(files_in(w.dir), files); /* nothing is left behind */
    setenv("TMPDIR", "/nowhere", 1);
    refused_together(&w, groups, "a.csv", "/nowhere: cannot create a file");
    if (before)
        setenv("TMPDIR", before, 1);
    else
        unsetenv("TMPDIR");
    free(before);
    end_task(&w);
    groups_end(groups);
}

/* ---- Where nothing is shared */

static int blind_gather(const bert_group *g, void *data, const size_t *first, bert_error *e) {
    int rc = seats_gather(g, data, first, e);
    memset(data, 0, first[g->rank]);
    return rc;
}

/* Who cannot open the file of another reads; so do all of a group that does not know its hosts, and
 * those of a host of one. */
static void others_read_themselves(void **state) {
    (void)state;
    world w;
    begin_task(&w, "sequence-classification");
    bert_dataset *alone = open_or_fail(&w, "a.csv", "text,label\nw1,0\nw2,1\n");
    char *path = bert_path_join(w.dir, "a.csv");
    const opening o = what(&w, path);
    for (int way = 0; way < 3; way++) {
        bert_group groups[RANKS];
        opening all[RANKS];
        begin_hosts(groups);
        for (int r = 0; r < RANKS; r++) {
            if (way == 0) groups[r].gather = blind_gather;
            if (way == 1) groups[r].host_size = 0;
            if (way == 2) groups[r].host_size = 1, groups[r].host_first = r;
        }
        open_together(all, groups, RANKS, &o, NULL);
        for (int r = 0; r < RANKS; r++) {
            if (all[r].e.code) fail_msg("%d: %s", way, all[r].e.message);
            same_sets(alone, all[r].set);
            assert_int_equal(is_mapped(all[r].set), way == 0 && r % 2 == 0);
        }
        free_together(all, RANKS);
        groups_end(groups);
    }
    bert_dataset_free(alone);
    free(path);
    end_task(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_have_what_one_has),
        cmocka_unit_test(a_split_is_made_where_it_is_read),
        cmocka_unit_test(an_array_grows_out_of_a_map),
        cmocka_unit_test(an_error_is_everybodys),
        cmocka_unit_test(a_disk_without_room_is_said),
        cmocka_unit_test(others_read_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
