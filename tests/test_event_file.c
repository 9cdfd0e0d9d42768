/* TensorBoard event files, read back by the framing's own rules. */
#include "base/file.h"
#include "test.h"
#include "train/event_file.h"
#include <dirent.h>

static uint64_t little_endian(const unsigned char *p, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v |= (uint64_t)p[i] << 8 * i;
    return v;
}

static void the_bytes_are_what_tensorboard_reads(void **state) {
    (void)state;
    char *dir = test_directory(), *nested = bert_path_join(dir, "runs/a");
    bert_error e = {0};
    bert_event_file *f = bert_event_file_open(nested, &e);
    assert_non_null(f);
    assert_int_equal(bert_event_file_scalar(f, "train/loss", 0.5, 300, &e), 0);
    char long_tag[300];
    memset(long_tag, 'a', sizeof long_tag);
    long_tag[299] = 0;
    assert_int_equal(bert_event_file_scalar(f, long_tag, 1, 1, &e), BERT_EINVAL);
    bert_error_clear(&e);
    assert_int_equal(bert_event_file_close(f, &e), 0);

    DIR *d = opendir(nested);
    struct dirent *entry;
    char *path = NULL;
    while ((entry = readdir(d)))
        if (strstr(entry->d_name, "tfevents")) path = bert_path_join(nested, entry->d_name);
    closedir(d);
    assert_non_null(path);
    char *data;
    size_t size;
    assert_int_equal(bert_read_file(path, 0, &data, &size, &e), 0);
    const unsigned char *p = (unsigned char *)data;
    /* The length 26 and its masked CRC-32C, as tensorboard 2.21 accepted them. */
    static const unsigned char first[] = {26, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x9b, 0xd8, 0x2d};
    assert_memory_equal(p, first, sizeof first);
    size_t n = (size_t)little_endian(p, 8);
    assert_int_equal(n, 9 + 2 + 15);
    assert_memory_equal(p + 12 + 9,
                        "\x10\x00\x1a\x0d"
                        "brain.Event:2",
                        17);
    p += 12 + n + 4;
    assert_int_equal(little_endian(p, 8), 9 + 3 + 2 + 2 + 12 + 5);
    /* Event.step = 300, summary { value { tag "train/loss" simple_value 0.5 } } */
    assert_memory_equal(p + 12 + 9,
                        "\x10\xac\x02\x2a\x13\x0a\x11\x0a\x0a"
                        "train/loss"
                        "\x15\x00\x00\x00\x3f",
                        24);
    assert_ptr_equal(p + 12 + little_endian(p, 8) + 4, data + size);
    free(data);
    free(path);
    free(nested);
    test_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_bytes_are_what_tensorboard_reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
