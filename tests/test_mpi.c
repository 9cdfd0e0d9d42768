/* Groups over MPI: the test runs itself under mpirun, where each process is a rank. */
#include "mpi_world.h"
#include <bert_group.h>
#include <signal.h>
#include <time.h>

/* ---- What a rank does; it exits with what it found */

static void check(bool good, const char *what, const bert_error *e) {
    if (good) return;
    fprintf(stderr, "%s: %s\n", what, e->message);
    exit(1);
}

/* Stretches that are longer than a chunk, empty, and of every owner; sums of them in every order of
 * ranks are different floats. */
enum { STRETCHES = 7 };
static const size_t lengths[STRETCHES] = {1, 70000, 0, 1 << 17, 3, 200001, 64};

typedef struct {
    const bert_stretch *stretches;
    float *sums[STRETCHES];
    int latest; /* rank of the latest part, which must not go down within a chunk */
} adder;

static float value_of(int stretch, int rank, size_t i) {
    return 1 / (float)(1 + (i * 7 + (size_t)stretch * 13 + (size_t)rank * 1000003) % 1009);
}

static void add(void *context, int stretch, int rank, size_t first, const float *x, size_t n) {
    adder *a = context;
    for (size_t i = 0; i < n; i++)
        a->sums[stretch][first + i] =
            rank && !a->stretches[stretch].only ? a->sums[stretch][first + i] + x[i] : x[i];
}

/* Some are of one rank alone. */
static int only_of(const bert_group *g, int stretch) {
    return stretch % 2 ? 1 + stretch / 2 % g->size : 0;
}

static void stretches_are_added_in_the_order_of_ranks(const bert_group *g, int senders) {
    bert_error e = {0};
    bert_stretch stretches[STRETCHES];
    adder a = {.stretches = stretches};
    for (int s = 0; s < STRETCHES; s++) {
        stretches[s] = (bert_stretch){.owner = s % g->size,
                                      .n = lengths[s],
                                      .data = calloc(lengths[s] + 1, sizeof(float)),
                                      .only = only_of(g, s)};
        a.sums[s] = calloc(lengths[s] + 1, sizeof(float));
        for (size_t i = 0; i < lengths[s]; i++) stretches[s].data[i] = value_of(s, g->rank, i);
    }
    check(!bert_group_reduce(g, stretches, STRETCHES, senders, add, &a, &e), "reduce", &e);
    check(!bert_group_wait(g, &e), "wait", &e);
    for (int s = 0; s < STRETCHES; s++) {
        const size_t bytes = lengths[s] * sizeof(float);
        if (stretches[s].owner == g->rank) memcpy(stretches[s].data, a.sums[s], bytes);
    }
    check(!bert_group_share(g, stretches, STRETCHES, -1, &e), "share", &e);
    check(!bert_group_wait(g, &e), "wait", &e);
    for (int s = 0; s < STRETCHES; s++) {
        for (size_t i = 0; i < lengths[s]; i++) {
            const int only = stretches[s].only;
            float sum = only ? 0 : value_of(s, 0, i);
            for (int r = 1; r < senders && !only; r++) sum += value_of(s, r, i);
            if (only && only <= senders) sum = value_of(s, only - 1, i);
            check(stretches[s].data[i] == sum, "a sum is another one", &e);
        }
        free(stretches[s].data);
        free(a.sums[s]);
    }
}

static void bytes_move(const bert_group *g) {
    bert_error e = {0};
    char word[8] = "";
    if (g->rank == g->size - 1) strcpy(word, "moved");
    check(!bert_group_broadcast(g, word, sizeof word, g->size - 1, &e), "broadcast", &e);
    check(!strcmp(word, "moved"), "what was broadcast has not come", &e);
    size_t first[16] = {0}; /* rank r has r bytes */
    unsigned char bytes[256] = {0};
    for (int r = 0; r < g->size; r++) first[r + 1] = first[r] + (size_t)r;
    for (size_t i = first[g->rank]; i < first[g->rank + 1]; i++) bytes[i] = (unsigned char)g->rank;
    check(!bert_group_gather(g, bytes, first, &e), "gather", &e);
    for (int r = 0; r < g->size; r++)
        for (size_t i = first[r]; i < first[r + 1]; i++)
            check(bytes[i] == r, "what was gathered is wrong", &e);
}

/* Each number once, whoever takes it; two counters do not know each other. */
static void numbers_are_dealt_once(const bert_group *g) {
    enum { NUMBERS = 300 };
    bert_error e = {0};
    char mine[NUMBERS] = {0}, *all = calloc((size_t)g->size, NUMBERS);
    int64_t i = -1, other = -1;
    while (!bert_group_next(g, 3, &i, &e) && i < NUMBERS) mine[i]++;
    check(!e.code, "next", &e);
    check(!bert_group_next(g, 4, &other, &e) && other < g->size, "another counter", &e);
    memcpy(all + g->rank * NUMBERS, mine, NUMBERS);
    check(!bert_group_gather_equal(g, all, NUMBERS, &e), "gather", &e);
    for (int k = 0; k < NUMBERS; k++) {
        int times = 0;
        for (int r = 0; r < g->size; r++) times += all[r * NUMBERS + k];
        check(times == 1, "a number was dealt more than once, or not at all", &e);
    }
    free(all);
}

static void failures_are_everybodys(const bert_group *g) {
    bert_error e = {0};
    check(bert_group_agree(g, 0, &e) == 0, "agree", &e);
    if (g->rank == 1) {
        e.code = BERT_ENUMERIC;
        strcpy(e.message, "broken here");
    }
    check(bert_group_agree(g, e.code, &e) == BERT_ENUMERIC, "one has failed", &e);
    check(strstr(e.message, "rank 1 of") && strstr(e.message, "broken here"), "its message", &e);
    bert_error same = {BERT_EIO, "the same everywhere"};
    check(bert_group_agree(g, BERT_EIO, &same) == BERT_EIO, "all have failed", &same);
    check(!strcmp(same.message, "the same everywhere"), "one message", &same);
}

static int work(int size) {
    bert_error e = {0};
    const bert_group *g = bert_group_open("auto", &e);
    check(g != NULL, "open", &e);
    check(g->size == size, "size", &e);
    check(!bert_group_open("mpi", &e) && e.code == BERT_EUNSUPPORTED, "a second time", &e);
    for (int senders = 1; senders <= g->size; senders++)
        stretches_are_added_in_the_order_of_ranks(g, senders);
    bytes_move(g);
    numbers_are_dealt_once(g);
    failures_are_everybodys(g);
    bert_group_close(g);
    return 0;
}

static int give_up(int size) {
    (void)size;
    bert_error e = {0};
    const bert_group *g = bert_group_open(NULL, &e);
    check(g != NULL, "open", &e);
    if (g->rank == 1) bert_group_abort(g, 7, "it gives up");
    bert_group_barrier(g, &e); /* which rank 1 never comes to */
    return 0;
}

/* One that is stopped, or that goes elsewhere, is waited for so long and no longer. */
static int stop_or_hang(bool stops) {
    bert_error e = {0};
    const bert_group *g = bert_group_open(NULL, &e);
    check(g != NULL, "open", &e);
    bert_group_barrier(g, &e);
    if (g->rank == 1 && stops) raise(SIGSTOP);
    if (g->rank == 1) sleep(60);
    bert_group_barrier(g, &e);
    return 0; /* which nobody comes to */
}

static int stop(int size) {
    (void)size;
    return stop_or_hang(true);
}

static int hang(int size) {
    (void)size;
    return stop_or_hang(false);
}

/* Under a launcher whose MPI is not the module's. */
static int find_no_others(int size) {
    bert_error e = {0};
    int rank;
    const char *by;
    check(bert_group_launched(&rank, &size, &by) && rank == 2 && size == 4, "launched", &e);
    check(bert_group_open("none", &e) == &bert_group_alone, "none", &e);
    check(!bert_group_open("auto", &e) && e.code == BERT_EUNSUPPORTED, "auto", &e);
    printf("%s\n", e.message);
    return 0;
}

static const struct {
    const char *name;
    int (*play)(int size);
} roles[] = {{"work", work},
             {"give-up", give_up},
             {"alone", find_no_others},
             {"stop", stop},
             {"hang", hang}};

/* ---- The test */

static char self[PATH_MAX];

static int run(const char *command, char *said, size_t capacity) {
    FILE *f = popen(command, "r");
    assert_non_null(f);
    said[fread(said, 1, capacity - 1, f)] = 0;
    while (fgetc(f) != EOF) continue;
    const int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Runs "test_mpi ROLE" as so many processes; its status, and what it said. */
static int ranks(int n, const char *role, char *said, size_t capacity) {
    char command[2 * PATH_MAX];
    snprintf(command, sizeof command, "%s '%s' %s %d 2>&1 </dev/null", mpirun(self, n), self, role,
             n);
    return run(command, said, capacity);
}

static void processes_work_together(void **state) {
    (void)state;
    char said[4000];
    for (int n = 2; n <= 3; n++)
        if (ranks(n, "work", said, sizeof said)) fail_msg("%d processes: %s", n, said);
}

static void one_ends_all(void **state) {
    (void)state;
    char said[4000];
    assert_int_equal(ranks(3, "give-up", said, sizeof said), 7);
    assert_non_null(strstr(said, "rank 1 of 3 on "));
    assert_non_null(strstr(said, "it gives up"));
}

static void nobody_is_waited_for_without_end(void **state) {
    (void)state;
    static const char *const roles_of[] = {"stop", "hang"};
    static const char *const why[] = {"is stopped, or its machine or cable is gone",
                                      "has not come to where the others wait"};
    char said[4000];
    setenv("BERT_GROUP_SILENCE", "3", 1);
    setenv("BERT_GROUP_PATIENCE", "4", 1);
    for (int i = 0; i < 2; i++) {
        const time_t began = time(NULL);
        const int status = ranks(3, roles_of[i], said, sizeof said);
        if (!status || !strstr(said, "rank 1 on ") || !strstr(said, why[i]))
            fail_msg("status %d: %s", status, said);
        assert_true(time(NULL) - began < 30);
    }
    unsetenv("BERT_GROUP_SILENCE");
    unsetenv("BERT_GROUP_PATIENCE");
}

static void alone_nothing_is_asked(void **state) {
    (void)state;
    bert_error e = {0};
    int64_t number = -1;
    size_t first[] = {0, 3};
    for (int i = 0; i < 3; i++) {
        static const char *const hows[] = {"auto", "none", NULL};
        assert_ptr_equal(bert_group_open(hows[i], &e), &bert_group_alone);
    }
    assert_null(bert_group_open("nccl", &e));
    assert_int_equal(e.code, BERT_EINVAL);
    e = (bert_error){0};
    const bert_group *g = &bert_group_alone;
    assert_false(bert_group_broadcast(g, &number, sizeof number, 0, &e));
    assert_false(bert_group_gather(g, &number, first, &e) || bert_group_barrier(g, &e));
    for (int i = 0; i < 3; i++) {
        assert_false(bert_group_next(g, 0, &number, &e));
        assert_int_equal(number, i);
    }
    assert_int_equal(bert_group_next(g, BERT_GROUP_COUNTERS, &number, &e), BERT_EINVAL);
    assert_int_equal(bert_group_agree(g, BERT_EIO, NULL), BERT_EIO);
    bert_group_close(g);
    bert_group_close(NULL);
}

/* A launcher of another MPI: each process finds itself alone, and says so. */
static void the_wrong_mpi_is_noticed(void **state) {
    (void)state;
    char said[4000], command[2 * PATH_MAX];
    need_mpi_module(self);
    snprintf(command, sizeof command, LEAKS "PMI_SIZE=4 PMI_RANK=2 '%s' alone 0 2>&1 </dev/null",
             self);
    assert_int_equal(run(command, said, sizeof said), 0);
    assert_non_null(strstr(said, "started 4 processes, but MPI sees 1"));
}

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof roles / sizeof *roles && argc > 2; i++)
        if (!strcmp(argv[1], roles[i].name)) return roles[i].play(atoi(argv[2]));
    assert_non_null(realpath("/proc/self/exe", self));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_nothing_is_asked),
        cmocka_unit_test(processes_work_together),
        cmocka_unit_test(one_ends_all),
        cmocka_unit_test(nobody_is_waited_for_without_end),
        cmocka_unit_test(the_wrong_mpi_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
