/* What every test includes: cmocka, and a few things all of them need. */
#ifndef BERT_TEST_H
#define BERT_TEST_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

/* A fresh directory; malloc'ed name. test_remove() deletes it with its content and frees the name.
 */
static inline char *test_directory(void) {
    const char *base = getenv("TMPDIR");
    char name[4096];
    snprintf(name, sizeof name, "%s/bert-test-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(name));
    char *copy = strdup(name);
    assert_non_null(copy);
    return copy;
}

static inline void test_remove(char *directory) {
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    if (system(command)) fail_msg("cannot remove %s", directory);
    free(directory);
}

/* Material that is not in the tree: "../shared/data/NAME" of the source directory, or a skip with a
 * message. */
static inline const char *test_shared(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/../shared/data/%s", BERT_SOURCE_DIR, name);
    if (access(path, R_OK)) {
        print_message("skipped: %s is not here\n", path);
        skip();
    }
    return path;
}
#endif
