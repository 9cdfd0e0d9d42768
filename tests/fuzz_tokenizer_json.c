/* libFuzzer target: any file as one of those that a tokenizer is read from. It loads, or is
 * refused with a code and a message; what loads encodes, decodes and is freed. */
#include <bert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {"tokenizer.json", "vocab.txt",  "tokenizer_config.json",
                                    "spm.model",      "vocab.json", "merges.txt"};
enum { NAMES = 6, CONFIG = 2, MERGES = 5 };
static char paths[NAMES][100];

static void write_file(const char *path, const void *data, size_t n) {
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n || close(fd)) abort();
}

static void remove_files(void) {
    for (int i = 0; i < NAMES; i++) unlink(paths[i]);
    *strrchr(paths[0], '/') = 0;
    rmdir(paths[0]);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    static char d[] = "/tmp/bert-fuzz-XXXXXX";
    if (!mkdtemp(d)) abort();
    for (int i = 0; i < NAMES; i++) snprintf(paths[i], sizeof paths[i], "%s/%s", d, names[i]);
    atexit(remove_files);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char vocab[] = "[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n";
    if (!size) return 0;
    int which = data[0] % NAMES;
    for (int i = 0; i < NAMES; i++) unlink(paths[i]);
    static const char bytes[] = "{\"<s>\":0,\"</s>\":1,\"a\":2,\"b\":3,\"ab\":4,\"\\u0120\":5}";
    if (which == CONFIG) write_file(paths[1], vocab, sizeof vocab - 1);
    if (which == MERGES) write_file(paths[MERGES - 1], bytes, sizeof bytes - 1);
    if (which == MERGES - 1) write_file(paths[MERGES], "", 0);
    write_file(paths[which], data + 1, size - 1);
    bert_error e = {0};
    bert_tokenizer *t = bert_tokenizer_open(paths[which == CONFIG   ? 1
                                                  : which == MERGES ? MERGES - 1
                                                                    : which],
                                            NULL, &e);
    if (!t) {
        if (e.code >= 0 || !*e.message) abort();
        return 0;
    }
    bert_tokenization *enc = bert_tokenization_new(t, &e);
    if (!enc) abort();
    static const char text[] = "ab [MASK] \xc3\xa9\xe4\xb8\xad , zz a";
    int n = bert_tokenize(enc, text, sizeof text - 1, "b", 1, NULL, &e);
    if (n != 1) abort();
    bert_token_window w = bert_tokenization_window(enc, 0);
    char out[256];
    if (bert_decode(t, w.ids, (size_t)w.n, true, out, sizeof out, &e) < 0 && e.code != BERT_EINVAL)
        abort();
    bert_tokenization_free(enc);
    bert_tokenizer_close(t);
    return 0;
}
