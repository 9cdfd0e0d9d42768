/* libFuzzer target: any file as GGUF. It is a BERT whose parts are text and whose numbers can be
 * read, or it is refused with a message. */
#include "files/gguf_bert.h"
#include "files/pretrained.h"
#include "fuzz_file.h"

static void read_parts(const char *path) {
    static const char *const parts[] = {"config.json",    "vocab.txt",
                                        "tokenizer.json", "tokenizer_config.json",
                                        "modules.json",   "1_Pooling/config.json"};
    bert_error e = {0};
    bert_pretrained *p = bert_pretrained_open(path, &e);
    for (size_t i = 0; p && i < sizeof parts / sizeof *parts; i++) {
        char *text = NULL;
        size_t bytes;
        bert_error why = {0};
        if (!bert_pretrained_has(p, parts[i])) continue;
        if (!bert_pretrained_read(p, parts[i], 0, &text, &bytes, &why) != (text != NULL)) abort();
        if (!text && (why.code >= 0 || !*why.message)) abort();
        free(text);
    }
    bert_pretrained_close(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bert_error e = {0};
    const char *path = fuzz_file(data, size, ".gguf");
    bert_tensors *t = bert_tensors_open(&bert_gguf_format, path, &e);
    if (!t && (e.code >= 0 || !*e.message)) abort();
    for (int i = 0; t && i < bert_tensors_count(t); i++) {
        const bert_stored_tensor *s = bert_tensors_at(t, i);
        if (bert_tensors_find(t, s->name) != s) abort();
        float *x = malloc(s->bytes * 16 + 1);
        if (!x) abort();
        bert_stored_to_float(s, x, &e);
        free(x);
    }
    bert_tensors_close(t);
    read_parts(path);
    return 0;
}
