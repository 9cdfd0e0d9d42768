/* Archives of torch that are damaged: each is a typed error with a message, at once. */
#include "malformed.h"

/* ---- Zip archives */

/* One that opens; where its central directory and its end are. */
static void small_zip(test_bytes *b, size_t *central, size_t *end) {
    b->n = 0;
    zip_of(good_pickle.text, good_pickle.n, b);
    *end = b->n - 22;
    *central = *end;
    for (size_t i = 0; i < *end; i++)
        if (!memcmp(b->data + i, "PK\1\2", 4)) {
            *central = i;
            break;
        }
}

static void zip_fields_are_checked(void **state) {
    (void)state;
    enum { LOCAL, CENTRAL, END };
    static const struct {
        const char *what;
        int record, at, bytes;
    } fields[] = {
        {"local signature", LOCAL, 0, 4},
        {"local name length", LOCAL, 26, 2},
        {"central signature", CENTRAL, 0, 4},
        {"method", CENTRAL, 10, 2},
        {"packed size", CENTRAL, 20, 4},
        {"size", CENTRAL, 24, 4},
        {"name length", CENTRAL, 28, 2},
        {"extra length", CENTRAL, 30, 2},
        {"comment length", CENTRAL, 32, 2},
        {"local offset", CENTRAL, 42, 4},
        {"name", CENTRAL, 46, 1},
        {"disk", END, 4, 2},
        {"directory's disk", END, 6, 2},
        {"members", END, 10, 2},
        {"directory's size", END, 12, 4},
        {"directory's offset", END, 16, 4},
        {"archive comment", END, 20, 2},
    };
    static const uint64_t values[] = {1,      3,          8,          99,        0x7fff,
                                      0xffff, 0x7fffffff, 0xfffffffe, 0xffffffff};
    test_bytes b = {0};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++, kinds++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            size_t central, end;
            small_zip(&b, &central, &end);
            char *field = b.data + fields[f].at +
                          (fields[f].record == LOCAL     ? 0
                           : fields[f].record == CENTRAL ? central
                                                         : end);
            char was[8];
            memcpy(was, field, (size_t)fields[f].bytes);
            for (int i = 0; i < fields[f].bytes; i++) field[i] = (char)(values[v] >> 8 * i);
            if (!memcmp(was, field, (size_t)fields[f].bytes)) continue;
            refuse(&bert_torch_format, ".bin", b.data, b.n, fields[f].what);
        }
    free(b.data);
}

static void zip_members_are_checked(void **state) {
    (void)state;
    static const char data[64], *const pickled = "}.";
    const test_member twice[] = {{"m/data.pkl", good_pickle.text, good_pickle.n},
                                 {"m/data/0", data, 64},
                                 {"m/data/0", data, 64}};
    const test_member none[] = {{"m/data.pk", good_pickle.text, good_pickle.n},
                                {"m/data/0", data, 64}};
    const test_member elsewhere[] = {{"m/n/data.pkl", good_pickle.text, good_pickle.n},
                                     {"m/n/data/0", data, 64}};
    const test_member lacks[] = {{"m/data.pkl", good_pickle.text, good_pickle.n}};
    const test_member short_one[] = {{"m/data.pkl", good_pickle.text, good_pickle.n},
                                     {"m/data/0", data, 63}};
    const test_member big[] = {{"m/data.pkl", good_pickle.text, good_pickle.n},
                               {"m/data/0", data, 64},
                               {"m/byteorder", "big", 3}};
    const test_member script[] = {{"m/data.pkl", good_pickle.text, good_pickle.n},
                                  {"m/data/0", data, 64},
                                  {"m/constants.pkl", pickled, 2}};
    const struct {
        const char *what;
        const test_member *members;
        int n;
    } rows[] = {
        {"twice", twice, 3},       {"no pickle", none, 2},        {"a folder below", elsewhere, 2},
        {"no storage", lacks, 1},  {"a short one", short_one, 2}, {"big-endian", big, 3},
        {"TorchScript", script, 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++, kinds++) {
        test_bytes b = {0};
        test_put_zip(&b, rows[i].members, rows[i].n);
        refuse(&bert_torch_format, ".bin", b.data, b.n, rows[i].what);
        free(b.data);
    }
    /* members that overlap: the second entry names the place of the first */
    test_bytes b = {0};
    size_t central, end;
    small_zip(&b, &central, &end);
    const size_t second = central + TEST_CENTRAL + strlen("m/data.pkl");
    memcpy(b.data + second + 42, b.data + central + 42, 4);
    refuse(&bert_torch_format, ".bin", b.data, b.n, "overlap");
    /* bytes inserted before and behind */
    small_zip(&b, &central, &end);
    test_put(&b, "junk", 4);
    refuse(&bert_torch_format, ".bin", b.data, b.n, "junk behind");
    memmove(b.data + 4, b.data, b.n - 4);
    memcpy(b.data, "PK\3\4", 4);
    refuse(&bert_torch_format, ".bin", b.data, b.n - 4, "junk in front");
    kinds += 3;
    free(b.data);
}

/* Zip64: sizes and places behind the ones that are too small for them. */
static void zip64_is_read_and_checked(void **state) {
    (void)state;
    for (int wrong = 0; wrong < 8; wrong++) {
        static const char data[64];
        test_bytes b = {0};
        bert_error e;
        const char *names[] = {"m/data.pkl", "m/data/0"};
        const char *const contents[] = {good_pickle.text, data};
        const size_t sizes[] = {good_pickle.n, 64};
        size_t at[2];
        for (int i = 0; i < 2; i++) {
            at[i] = b.n;
            test_put(&b, "PK\3\4\0\0\10\10\0\0\0\0\0\0", 14);
            test_put_number(&b, 0, 12);
            test_put_number(&b, strlen(names[i]), 2);
            test_put_number(&b, 0, 2);
            test_put_text(&b, names[i]);
            test_put(&b, contents[i], sizes[i]);
        }
        const size_t start = b.n;
        for (int i = 0; i < 2; i++) {
            test_put(&b, "PK\1\2\0\0\0\0\10\10\0\0\0\0\0\0", 16);
            test_put_number(&b, 0, 4);
            test_put_number(&b, 0xffffffff, 4);
            test_put_number(&b, 0xffffffff, 4);
            test_put_number(&b, strlen(names[i]), 2);
            test_put_number(&b, wrong == 1 ? 20 : 28, 2);
            test_put_number(&b, 0, 10);
            test_put_number(&b, 0xffffffff, 4);
            test_put_text(&b, names[i]);
            test_put_number(&b, wrong == 2 ? 7 : 1, 2);
            test_put_number(&b, wrong == 1 ? 16 : wrong == 3 ? 60 : 24, 2);
            test_put_number(&b, sizes[i], 8);
            test_put_number(&b, wrong == 4 ? sizes[i] + 1 : sizes[i], 8);
            if (wrong != 1) test_put_number(&b, wrong == 5 ? UINT64_MAX - 4 : at[i], 8);
        }
        const size_t end = b.n;
        test_put(&b, "PK\6\6", 4);
        test_put_number(&b, 44, 8);
        test_put_number(&b, 45, 2);
        test_put_number(&b, 45, 2);
        test_put_number(&b, 0, 8);
        test_put_number(&b, 2, 8);
        test_put_number(&b, wrong == 6 ? UINT64_MAX : 2, 8);
        test_put_number(&b, end - start, 8);
        test_put_number(&b, wrong == 7 ? UINT64_MAX - 9 : start, 8);
        test_put(&b, "PK\6\7", 4);
        test_put_number(&b, 0, 4);
        test_put_number(&b, end, 8);
        test_put_number(&b, 1, 4);
        test_put(&b, "PK\5\6\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0", 22);
        const int code = open_as(&bert_torch_format, ".bin", b.data, b.n, &e);
        if (!code != !wrong) fail_msg("%d: %d %s", wrong, code, e.message);
        free(b.data);
        kinds++;
    }
}

/* ---- Damage to whole files */

static void damaged_archives_are_refused(void **state) {
    (void)state;
    test_bytes b = {0};
    size_t central, end;
    small_zip(&b, &central, &end);
    assert_true(damage(&bert_torch_format, ".bin", b.data, b.n, b.n) > 2000);
    free(b.data);
}

static void damaged_pickles_on_end_are_refused(void **state) {
    (void)state;
    static const char magic[] =
        "\x80\2\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3."
        "\x80\2}(U\20protocol_versionM\xe9\3U\15little_endian\x88u.";
    test_bytes b = {0};
    test_put(&b, magic, sizeof magic - 1);
    test_put(&b, good_pickle.text, good_pickle.n);
    test_put(&b,
             HEAD "]U\1"
                  "0a.",
             8);
    const size_t header = b.n + 8;
    test_put_number(&b, 16, 8);
    for (int i = 0; i < 16; i++) test_put_number(&b, 0, 4);
    assert_true(damage(&bert_torch_format, ".bin", b.data, b.n, header) > 1000);
    /* and its own kinds of damage */
    static const struct {
        const char *what, *from, *to;
        size_t n;
    } rows[] = {
        {"version", "M\xe9\3.", "M\xea\3.", 4},
        {"big-endian", "little_endian\x88", "little_endian\x89", 14},
        {"no such storage",
         "]U\1"
         "0a.",
         "]U\1"
         "1a.",
         6},
        {"no storage",
         "]U\1"
         "0a.",
         "]K\0aN0", 6},
        {"no list",
         "]U\1"
         "0a.",
         "}U\1"
         "0a.",
         6},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++, kinds++) {
        char *at = memmem(b.data, b.n, rows[i].from, rows[i].n);
        assert_non_null(at);
        memcpy(at, rows[i].to, rows[i].n);
        refuse(&bert_torch_format, ".bin", b.data, b.n, rows[i].what);
        memcpy(at, rows[i].from, rows[i].n);
    }
    free(b.data);
}

static void nothing_is_left(void **state) {
    (void)state;
    check_nothing_is_left(5000, 30);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zip_fields_are_checked),
        cmocka_unit_test(zip_members_are_checked),
        cmocka_unit_test(zip64_is_read_and_checked),
        cmocka_unit_test(damaged_archives_are_refused),
        cmocka_unit_test(damaged_pickles_on_end_are_refused),
        cmocka_unit_test(nothing_is_left),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
