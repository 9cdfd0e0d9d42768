/* For test programs that can be run at a level of kernels that the machine lacks: with BERT_ISA=amx
 * the tile instructions are emulated. Their main begins with
 *     if (!test_level()) return TEST_SKIPPED;
 * and ends with test_run_at_level(tests) in place of cmocka_run_group_tests. */
#ifndef BERT_TEST_LEVELS_H
#define BERT_TEST_LEVELS_H
#include "cpu/kernels.h"
#include "test.h"
#include "tile_emulator.h"

enum { TEST_SKIPPED = 77 }; /* the exit status that ctest reports as skipped */

static bool test_emulated;

/* False, with a message, when the level that BERT_ISA asks for can be neither used nor emulated. */
static inline bool test_level(void) {
    const char *isa = getenv("BERT_ISA");
    if (!isa || strcmp(isa, "amx")) return true;
    for (const bert_isa_level *l = bert_isa_levels; l->name; l++)
        if (!strcmp(l->name, isa) && l->available()) return true;
    if (tiles_can_be_emulated() && bert_cpu_assume(isa) && bert_cpu_at(isa)) {
        print_message("%s: tile instructions are emulated\n", isa);
        return test_emulated = true;
    }
    print_message("skipped: this machine has no %s, nor what it takes to emulate it\n", isa);
    return false;
}

static inline void test_with_tiles(void **state) {
    const struct CMUnitTest *t = *state;
    *state = t->initial_state;
    tiles_emulate(); /* cmocka has just taken the signal for itself */
    t->test_func(state);
    assert_false(tiles_are_configured()); /* or every switch of threads would save them */
}

static inline int test_run_group(const char *name, const struct CMUnitTest *tests, size_t n) {
    struct CMUnitTest emulated[64];
    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++) {
        assert_true(!tests[i].setup_func && !tests[i].teardown_func);
        emulated[i] = (struct CMUnitTest){.name = tests[i].name,
                                          .test_func = test_with_tiles,
                                          .initial_state = (void *)&tests[i]};
    }
    return _cmocka_run_group_tests(name, test_emulated ? emulated : tests, n, NULL, NULL);
}
#define test_run_at_level(tests) test_run_group(#tests, tests, sizeof(tests) / sizeof *(tests))
#endif
