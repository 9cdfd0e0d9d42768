/* The base room: arena, pool, random numbers, files. */
#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/grow.h"
#include "base/rng.h"
#include "base/threads.h"
#include "base/turns.h"
#include "test.h"
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void arena_reuses_blocks_after_a_rewind(void **state) {
    (void)state;
    bert_arena a = {0};
    size_t reserved = 0;
    for (int turn = 0; turn < 3; turn++) {
        bert_arena_reset(&a);
        for (int i = 0; i < 100; i++) {
            char *p = bert_arena_alloc(&a, (size_t)i * 997);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % BERT_ALIGN, 0);
            memset(p, i, (size_t)i * 997);
        }
        if (turn == 1) reserved = a.reserved;
    }
    assert_int_equal(a.reserved, reserved);
    assert_true(a.peak >= 100 * 99 / 2 * 997);
    bert_arena_free(&a);
}

static void arena_rewinds_to_a_mark(void **state) {
    (void)state;
    bert_arena a = {0};
    int *first = bert_arena_alloc(&a, sizeof *first);
    *first = 7;
    bert_arena_mark m = bert_arena_save(&a);
    void *x = bert_arena_alloc(&a, 100);
    bert_arena_alloc(&a, 10 << 20);
    bert_arena_rewind(&a, m);
    assert_ptr_equal(bert_arena_alloc(&a, 100), x);
    assert_int_equal(*first, 7);
    assert_null(bert_arena_alloc(&a, SIZE_MAX));
    bert_arena_free(&a);
}

static void count_items(void *context, int begin, int end, int thread) {
    (void)thread;
    for (int i = begin; i < end; i++) ((unsigned char *)context)[i]++;
}

static void pool_runs_every_item_once(void **state) {
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        bert_threads *p = bert_threads_new(threads, NULL);
        assert_non_null(p);
        assert_int_equal(bert_threads_count(p), threads);
        static const int sizes[] = {1, 2, 17, 1000};
        for (int turn = 0; turn < 200; turn++) {
            unsigned char seen[1000] = {0};
            int n = sizes[turn % 4];
            bert_threads_run(p, n, 1 + turn % 5, count_items, seen);
            for (int i = 0; i < n; i++) assert_int_equal(seen[i], 1);
        }
        bert_threads_free(p);
    }
    bert_error e = {0};
    assert_null(bert_threads_new(-1, &e));
    assert_int_equal(e.code, BERT_EINVAL);
}

/* ---- Turns */

typedef struct {
    bert_turns *turns;
    char *order; /* who has had a turn */
    char name;
    bool goes_on;
} guest;

static void *take_turn(void *argument) {
    guest *g = argument;
    bert_turns_begin(g->turns, g->goes_on);
    g->order[strlen(g->order)] = g->name;
    bert_turns_end(g->turns);
    return NULL;
}

static void new_ones_and_those_who_go_on_take_turns(void **state) {
    (void)state;
    bert_turns t;
    char order[8] = "";
    guest guests[] = {{&t, order, 'a', true},
                      {&t, order, 'b', true},
                      {&t, order, 'C', false},
                      {&t, order, 'c', true},
                      {&t, order, 'D', false}};
    pthread_t threads[5];
    bert_turns_init(&t);
    bert_turns_begin(&t, true);
    assert_false(bert_turns_awaited(&t));
    for (int i = 0; i < 5; i++) { /* one after the other */
        assert_int_equal(pthread_create(&threads[i], NULL, take_turn, &guests[i]), 0);
        while (atomic_load(&t.waiting[0]) + atomic_load(&t.waiting[1]) <= i) sched_yield();
    }
    assert_true(bert_turns_awaited(&t));
    bert_turns_end(&t);
    for (int i = 0; i < 5; i++) pthread_join(threads[i], NULL);
    assert_string_equal(order, "CaDbc");
    assert_false(bert_turns_awaited(&t));
    /* Who gives way lets a new one in first, though it was a new one's turn. */
    guest last[] = {{&t, order, 'e', true}, {&t, order, 'F', false}};
    bert_turns_begin(&t, false);
    for (int i = 0; i < 2; i++) {
        assert_false(bert_turns_awaited_anew(&t));
        assert_int_equal(pthread_create(&threads[i], NULL, take_turn, &last[i]), 0);
        while (atomic_load(&t.waiting[0]) + atomic_load(&t.waiting[1]) <= i) sched_yield();
    }
    assert_true(bert_turns_awaited_anew(&t));
    bert_turns_give_way(&t);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    assert_string_equal(order, "CaDbcFe");
    bert_turns_destroy(&t);
}

typedef struct {
    cpu_set_t processors;
    bool elsewhere[64]; /* an item was not allowed on just these */
} places;

static void compare_places(void *context, int begin, int end, int thread) {
    (void)thread;
    places *w = context;
    cpu_set_t mine;
    CPU_ZERO(&mine);
    sched_getaffinity(0, sizeof mine, &mine);
    for (int i = begin; i < end; i++) w->elsewhere[i] = !CPU_EQUAL(&mine, &w->processors);
    usleep(50); /* for the others to come */
}

/* A thread that is woken may be sent to another processor; what it may use stays as it was. */
static void woken_threads_keep_their_processors(void **state) {
    (void)state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    for (int alone = 0; alone < 2; alone++) {
        places w = {.processors = alone ? one : all};
        assert_int_equal(sched_setaffinity(0, sizeof w.processors, &w.processors), 0);
        bert_threads *p = bert_threads_new(3, NULL);
        assert_non_null(p);
        for (int turn = 0; turn < 30; turn++) {
            usleep(1000); /* longer than they spin */
            bert_threads_run(p, 64, 1, compare_places, &w);
            for (int i = 0; i < 64; i++) assert_false(w.elsewhere[i]);
        }
        bert_threads_free(p);
    }
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

static void philox_matches_the_published_vectors(void **state) {
    (void)state;
    /* Random123's kat_vectors for philox4x32-10; counter words are (counter, stream), low first. */
    bert_philox z = bert_philox_at(0, 0, 0);
    assert_int_equal(z.v[0], 0x6627e8d5u);
    assert_int_equal(z.v[1], 0xe169c58du);
    assert_int_equal(z.v[2], 0xbc57ac4cu);
    assert_int_equal(z.v[3], 0x9b00dbd8u);
    bert_philox o = bert_philox_at(UINT64_MAX, UINT64_MAX, UINT64_MAX);
    assert_int_equal(o.v[0], 0x408f276du);
}

static void random_draws_have_the_right_shape(void **state) {
    (void)state;
    bert_rng r = {.seed = 1};
    double sum = 0, squares = 0;
    float x[10001];
    bert_rng_normal(&r, x, 10001, 2.0f);
    for (int i = 0; i < 10001; i++) sum += x[i], squares += (double)x[i] * x[i];
    assert_true(sum / 10001 > -0.1 && sum / 10001 < 0.1);
    assert_true(squares / 10001 > 3.8 && squares / 10001 < 4.2);
    int64_t items[100];
    for (int i = 0; i < 100; i++) items[i] = i;
    bert_rng_shuffle(&r, items, 100);
    int64_t total = 0, moved = 0;
    for (int i = 0; i < 100; i++) total += items[i], moved += items[i] != i;
    assert_int_equal(total, 4950);
    assert_true(moved > 80);
    assert_true(bert_rng_stream("a") != bert_rng_stream("b"));
}

static void files_appear_whole_or_not_at_all(void **state) {
    (void)state;
    char *dir = test_directory();
    char *path = bert_path_join(dir, "f");
    bert_error e = {0};
    assert_int_equal(bert_write_file(path, "one", 3, &e), 0);
    bert_writer *w = bert_writer_open(path, &e);
    assert_int_equal(bert_writer_put(w, "two", 3, &e), 0);
    bert_writer_abort(w);
    char *data;
    size_t size;
    assert_int_equal(bert_read_file(path, 0, &data, &size, &e), 0);
    assert_string_equal(data, "one");
    free(data);
    assert_int_equal(bert_read_file(path, 2, &data, &size, &e), BERT_EFORMAT);
    bert_error_clear(&e);
    bert_mapping m;
    assert_int_equal(bert_map_file(path, &m, &e), 0);
    assert_memory_equal(m.data, "one", 3);
    char part[2] = "";
    assert_true(bert_mapping_read(&m, m.data + 1, part, 2));
    assert_memory_equal(part, "ne", 2);
    assert_false(bert_mapping_read(&m, m.data + 2, part, 2));
    assert_false(bert_mapping_read(&m, part, part, 1));
    bert_unmap_file(&m);
    assert_false(bert_mapping_read(&m, part, part, 1));
    assert_int_equal(bert_map_file(dir, &m, &e), BERT_EIO);
    bert_error_clear(&e);
    assert_int_equal(bert_map_file("/nowhere/at/all", &m, &e), BERT_ENOTFOUND);
    assert_non_null(strstr(e.message, "/nowhere/at/all"));
    free(path);
    test_remove(dir);
}

/* The same elements in memory, in a file, and where one becomes the other. */
/* The umask is the whole process's: another thread's files would get the wrong mode. */
static int umask_calls;
mode_t umask(mode_t mask) {
    umask_calls++;
    return (mode_t)syscall(SYS_umask, mask);
}

static unsigned mode_of(const char *path) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void files_have_the_usual_mode(void **state) {
    (void)state;
    char *dir = test_directory();
    char *path = bert_path_join(dir, "f");
    bert_error e = {0};
    const mode_t before = umask(027);
    umask_calls = 0;
    assert_int_equal(bert_write_file(path, "one", 3, &e), 0);
    assert_int_equal(umask_calls, 0);
    assert_int_equal(mode_of(path), 0640);
    assert_int_equal(chmod(path, 0604), 0);
    assert_int_equal(bert_write_file(path, "two", 3, &e), 0);
    assert_int_equal(mode_of(path), 0604); /* kept */
    umask(before);
    free(path);
    test_remove(dir);
}

static void arrays_grow_into_files(void **state) {
    (void)state;
    const size_t limits[] = {SIZE_MAX, 0, 100000}, before = bert_grow_in_memory;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        bert_grow_in_memory = limits[i];
        int64_t *a = NULL;
        bert_error e = {0};
        for (int64_t k = 0; k < 300000; k++) {
            assert_int_equal(bert_grow(&a, (size_t)k + 1, sizeof *a, &e), 0);
            a[k] = k * k;
        }
        for (int64_t k = 0; k < 300000; k++) assert_int_equal(a[k], k * k);
        assert_int_equal(bert_grow(&a, SIZE_MAX / 2, sizeof *a, &e), BERT_ENOMEM);
        assert_int_equal(a[299999], 299999LL * 299999);
        bert_grown_free(a);
    }
    bert_grow_in_memory = before;
    bert_grown_free(NULL);
}

static void a_full_disk_is_an_error_not_a_signal(void **state) {
    (void)state;
    const size_t before = bert_grow_in_memory;
    char *a = NULL;
    bert_error e = {0};
    struct rlimit old, low;
    bert_grow_in_memory = 0;
    assert_int_equal(bert_grow(&a, 10000, 1, &e), 0);
    memset(a, 7, 10000);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = old;
    low.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    assert_int_equal(bert_grow(&a, 8 << 20, 1, &e), BERT_EIO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_non_null(strstr(e.message, "TMPDIR"));
    for (int i = 0; i < 10000; i++) assert_int_equal(a[i], 7);
    bert_grown_free(a);

    char *tmp = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL;
    setenv("TMPDIR", "/nowhere/at/all", 1);
    bert_error_clear(&e);
    a = NULL;
    assert_int_equal(bert_grow(&a, 100, 1, &e), BERT_EIO);
    assert_non_null(strstr(e.message, "/nowhere/at/all"));
    tmp ? setenv("TMPDIR", tmp, 1) : unsetenv("TMPDIR");
    free(tmp);
    bert_grow_in_memory = before;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_reuses_blocks_after_a_rewind),
        cmocka_unit_test(arena_rewinds_to_a_mark),
        cmocka_unit_test(pool_runs_every_item_once),
        cmocka_unit_test(new_ones_and_those_who_go_on_take_turns),
        cmocka_unit_test(woken_threads_keep_their_processors),
        cmocka_unit_test(philox_matches_the_published_vectors),
        cmocka_unit_test(random_draws_have_the_right_shape),
        cmocka_unit_test(arrays_grow_into_files),
        cmocka_unit_test(a_full_disk_is_an_error_not_a_signal),
        cmocka_unit_test(files_appear_whole_or_not_at_all),
        cmocka_unit_test(files_have_the_usual_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
