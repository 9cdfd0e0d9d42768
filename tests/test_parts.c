/* Files that are cut at records: wherever the cuts are, the rows are those of one pass, with their
 * lines, and so is the first error. */
#include "parts_world.h"
#include "test.h"
#include "thread_group.h"
#include <bert_group.h>

static char *directory;

static const char *write_it(const char *name, const char *text, size_t n) {
    static char path[4200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
    return path;
}

/* Returns the most parts that there were. */
static int same_wherever_it_is_cut(const char *path, int64_t most) {
    int parts, many = 0;
    char *want = rows_in_one_pass(path, NULL);
    for (int64_t bytes = 1; bytes <= most; bytes++) {
        char *got = rows_in_parts(path, NULL, bytes, &parts);
        if (strcmp(want, got))
            fail_msg("%s in pieces of %d:\n%s\nin one pass:\n%s", path, (int)bytes, got, want);
        if (parts > many) many = parts;
        free(got);
    }
    free(want);
    return many;
}

static void nasty_files(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        int parts; /* 0: it is not cut */
    } cases[] = {
        {"a.txt", "one\n\n\r\nfour\r\n\n five", 6},
        {"a.txt",
         "\xef\xbb\xbf"
         "one\ntwo\n\n",
         3},
        {"a.txt", "\xef\xbb\xbf", 0},
        {"a.txt", "\xef\xbb\xbf\n", 1},
        {"a.txt", "\xef\xbb\xbf\r", 1},
        {"a.csv", "\xef\xbb\xbf\n\ntext\na", 1},
        {"a.txt", "one line", 1},
        {"a.txt", "one\rtwo\rthree", 0}, /* an old Mac's */
        {"a.txt", "\xff\xfeo\0n\0\n\0t\0", 0},
        {"a.csv", "text,label\n\"a\n\nb\",1\n\n\r\n\r\r\n\"c \"\"\n\"\"\",2\r\nd\"e,3\n", 3},
        {"a.csv", "\xef\xbb\xbftext,label\n\"\n\n\n\n\n\n\",1\n", 1},
        {"a.csv", "\xef\xbb\xbf\"good, it is\",1\n\"bad\nday\",2\n\"x\",1\n", 3}, /* no header */
        {"a.csv", "# a comment\ntext,label\na,1\nb,2\n", 2},
        {"a.csv", "label;text\n1;\"a;\n;\"\n2;b\n", 2},
        {"a.csv", "label, text\n1, \"a \n,\"\" \" \n2,   b  \n3, \"\"\n", 3},
        {"a.csv", "text,label\n\r\r\"a\",1\nb,2\n\r\r", 2},
        {"a.csv", "text,label\na,1\n\"b\" c,2\nd,3\n", 3},    /* line 3 is wrong */
        {"a.csv", "text,label\na,1\nb\nc,2\n\"d\n\",3\n", 4}, /* and here */
        {"a.csv", "text,label\na,1\n\"b,2\nc,3\nd,4\n", 2},   /* a quote that does not end */
        {"a.csv", "text,label\n", 1},
        {"a.csv", "text,label", 1},
        {"a.tsv", "text\tlabel\n\"a\t1\n\n\rb\"\t2\r\n\n", 2},
        {"a.tsv", "\"text\"\t\"label\"\n\"a\n\t\"\t\"1\"\n\"b\"\t2\n", 2},
        {"a.jsonl", "{\"text\":\"a\\n\"}\n \t\r\n\n  {\"text\":\"b\"} \r\n{\"text\":\"c\"}", 3},
        {"a.jsonl", "\n\n{\"text\":\"a\"}\n{\"text\":\"b\"\n{\"text\":\"c\"}\n", 3}, /* line 4 */
        {"a.json", "[{\"text\":\"a\"},\n{\"text\":\"b\"}]\n", 0},
        {"a.json", "{\n\"text\":\"a\"}\n{\"text\":\"b\"}\n", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bool wide = cases[i].text[0] == '\xff';
        const size_t n = wide ? 10 : strlen(cases[i].text);
        const int parts =
            same_wherever_it_is_cut(write_it(cases[i].name, cases[i].text, n), (int64_t)n + 2);
        if (parts != cases[i].parts)
            fail_msg("%s: %d parts, not %d", cases[i].text, parts, cases[i].parts);
    }
}

/* Files of nothing but what decides. */
static void files_by_chance(void **state) {
    (void)state;
    static const char *const names[] = {"r.txt", "r.csv", "r.tsv", "r.jsonl"};
    static const char *const heads[] = {"", "text,label\n", "text\tlabel\n", "{\"text\":\"\"}\n"};
    static const char *const words[] = {
        "a", "\"", "\n", "\r", ",", " ", "\"\"", "\t", "b,1\n", "\"b\n\",2\n", "{\"text\":\"c\"}\n",
    };
    enum { WORDS = sizeof words / sizeof *words };
    uint32_t seed = 7;
    for (int i = 0; i < 1500; i++) {
        char text[400];
        const int kind = i % 4;
        size_t n = (size_t)snprintf(text, sizeof text, "%s", heads[kind]);
        for (int k = 0; k < 24; k++) {
            seed = seed * 1664525 + 1013904223;
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", words[(seed >> 16) % WORDS]);
        }
        same_wherever_it_is_cut(write_it(names[kind], text, n), 9);
    }
}

/* ---- Several processes, which are threads here */

typedef struct {
    const bert_group *group;
    const char *path;
    int64_t bytes;
    bert_row_parts *parts;
    bert_error e;
} seat;

static void *find_parts(void *context) {
    seat *s = context;
    bert_reader *r = bert_reader_open(s->path, NULL, &s->e);
    s->parts = bert_row_parts_new(r, s->group, s->bytes, &s->e);
    bert_reader_close(r);
    return NULL;
}

static void all_find_the_same(int size, const char *path, int64_t bytes, seat *seats) {
    bert_group groups[SEATS_MAX];
    pthread_t threads[SEATS_MAX];
    groups_begin(groups, size);
    for (int i = 0; i < size; i++) {
        seats[i] = (seat){.group = &groups[i], .path = path, .bytes = bytes};
        assert_int_equal(pthread_create(&threads[i], NULL, find_parts, &seats[i]), 0);
    }
    for (int i = 0; i < size; i++) pthread_join(threads[i], NULL);
    groups_end(groups);
}

static void processes_find_the_same_parts(void **state) {
    (void)state;
    static const char text[] = "text,label\n\"a\n\nb\",1\n\nc,2\n\"d\n,\n\n\",3\ne,4\n";
    const char *path = write_it("p.csv", text, sizeof text - 1);
    seat alone, seats[SEATS_MAX];
    for (int64_t bytes = 1; bytes < 40; bytes++) {
        alone = (seat){.path = path, .bytes = bytes};
        find_parts(&alone);
        assert_non_null(alone.parts);
        assert_int_equal(bert_row_parts_rows(alone.parts), 4);
        const int n = bert_row_parts_count(alone.parts);
        for (int size = 2; size <= 5; size += 3) {
            all_find_the_same(size, path, bytes, seats);
            for (int i = 0; i < size; i++) {
                assert_non_null(seats[i].parts);
                assert_int_equal(bert_row_parts_count(seats[i].parts), n);
                for (int k = 0; k < n; k++)
                    assert_memory_equal(bert_row_parts_at(seats[i].parts, k),
                                        bert_row_parts_at(alone.parts, k), sizeof(bert_row_part));
                bert_row_parts_free(seats[i].parts);
            }
        }
        assert_null(bert_row_parts_at(alone.parts, n));
        bert_row_parts_free(alone.parts);
    }
    all_find_the_same(2, path, 0, seats);
    for (int i = 0; i < 2; i++) {
        assert_null(seats[i].parts);
        assert_int_equal(seats[i].e.code, BERT_EINVAL);
    }
}

/* What each sees is another file. */
static void another_file_is_noticed(void **state) {
    (void)state;
    char second[4200];
    snprintf(second, sizeof second, "%s", write_it("q.txt", "one\ntwo\n", 8));
    const char *first = write_it("p.txt", "one\ntwo\nthree\n", 14);
    bert_group groups[SEATS_MAX];
    pthread_t threads[2];
    groups_begin(groups, 2);
    seat seats[2] = {{&groups[0], first, 4, NULL, {0}}, {&groups[1], second, 4, NULL, {0}}};
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, find_parts, &seats[i]);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    groups_end(groups);
    for (int i = 0; i < 2; i++) {
        assert_null(seats[i].parts);
        assert_non_null(strstr(seats[i].e.message, "14 bytes of rows for rank 0 and 8 for rank 1"));
    }
}

static int set_up(void **state) {
    (void)state;
    directory = test_directory();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    test_remove(directory);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nasty_files),
        cmocka_unit_test(files_by_chance),
        cmocka_unit_test(processes_find_the_same_parts),
        cmocka_unit_test(another_file_is_noticed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
